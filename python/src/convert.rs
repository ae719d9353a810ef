//! Between the types of Python and those of core: descriptors, amounts, errors.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use pyo3::exceptions::{PyOSError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::types::{PyBytes, PyString};
use pyo3::{Borrowed, PyTypeInfo, ffi, intern, prelude::*};
use xtent::At;

use crate::enums::Reason;
use crate::report::Report;

/// A file to work on: an int, or an object with `fileno()`.
///
/// The object is held for as long as its number is used, also while the GIL is released: it would close
/// the number when it goes. The number is never duplicated, since closing the duplicate would drop the
/// process's POSIX locks on the file.
pub(crate) struct Descriptor {
    object: Py<PyAny>,
    fd: RawFd,
}

impl<'py> FromPyObject<'_, 'py> for Descriptor {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // SAFETY: `object` is a live object, and this thread holds the GIL.
        let fd = unsafe { ffi::PyObject_AsFileDescriptor(object.as_ptr()) };
        if fd < 0 {
            let error = PyErr::fetch(object.py());
            // What is tried first: the functions that end in _range take open files. Looked for last: to find out that
            // a number is no path takes longer than a call.
            if error.is_instance_of::<PyTypeError>(object.py()) && is_path(&object)? {
                let message = "an open file is needed here, an int or an object with fileno(), not the path";
                return Err(PyTypeError::new_err(format!("{message} {}", object.repr()?)));
            }
            return Err(error);
        }
        Ok(Descriptor { object: object.to_owned().unbind(), fd })
    }
}

impl AsFd for Descriptor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: it is not -1 (see `extract`). That it is open cannot be known of a number that Python
        // gave, and core does not rely on it: it hands the number to system calls only, which answer
        // EBADF where it is not.
        unsafe { BorrowedFd::borrow_raw(self.fd) }
    }
}

/// An offset or a length in bytes.
pub(crate) fn amount(object: &Bound<'_, PyAny>) -> PyResult<u64> {
    object.extract().map_err(|error: PyErr| {
        let py = object.py();
        let negative = error.is_instance_of::<PyOverflowError>(py) && object.lt(0).unwrap_or(false);
        if negative { PyValueError::new_err("offsets and lengths must not be negative") } else { error }
    })
}

/// A length in bytes, or `None` for the rest of the file.
pub(crate) fn length(object: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    if object.is_none() { Ok(None) } else { amount(object).map(Some) }
}

/// A file that is given by its path: str, bytes, or an object with `__fspath__()`.
pub(crate) struct FilePath {
    object: Py<PyAny>,
    path: PathBuf,
}

impl<'py> FromPyObject<'_, 'py> for FilePath {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        // Not `PathBuf`'s own conversion, which refuses bytes.
        let bytes = py.import("os")?.call_method1(intern!(py, "fsencode"), (object,))?;
        let bytes: Vec<u8> = bytes.cast_into::<PyBytes>()?.as_bytes().to_vec();
        Ok(FilePath { object: object.to_owned().unbind(), path: OsString::from_vec(bytes).into() })
    }
}

impl FilePath {
    /// Relative to a directory, if one is given.
    pub(crate) fn at<'a>(&'a self, dir: Option<&'a Descriptor>) -> At<'a> {
        At { dir: dir.map(Descriptor::as_fd), path: &self.path }
    }
}

/// A file that is given by its path, or is open already.
pub(crate) enum AnyFile {
    Path(FilePath),
    Open(Descriptor),
}

impl<'py> FromPyObject<'_, 'py> for AnyFile {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        Ok(if is_path(&object)? {
            AnyFile::Path(object.extract()?)
        } else {
            AnyFile::Open(object.extract()?)
        })
    }
}

fn is_path(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyBytes>()
        || object.hasattr(intern!(object.py(), "__fspath__"))?)
}

impl AnyFile {
    pub(crate) fn at<'a>(&'a self, dir: Option<&'a Descriptor>) -> At<'a> {
        match self {
            AnyFile::Path(path) => path.at(dir),
            AnyFile::Open(file) => At::open(file.as_fd()),
        }
    }
}

/// How an error names a file.
pub(crate) trait Named {
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;
}

impl Named for Descriptor {
    /// The name that a file object was opened with, else the number.
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let name = self.object.bind(py).getattr_opt(intern!(py, "name"))?;
        match name.filter(|name| name.is_instance_of::<PyString>() || name.is_instance_of::<PyBytes>()) {
            Some(name) => Ok(name),
            None => Ok(self.fd.into_pyobject(py)?.into_any()),
        }
    }
}

impl Named for FilePath {
    /// As it was given.
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.object.bind(py).clone())
    }
}

impl Named for AnyFile {
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            AnyFile::Path(path) => path.name(py),
            AnyFile::Open(file) => file.name(py),
        }
    }
}

/// `OSError(errno, text, filename, None, filename2)`, which makes the subclass for the errno, with
/// `reason` and `report` as attributes. A class of our own would not be one of those subclasses.
pub(crate) fn os_error(py: Python<'_>, error: xtent::Error, files: &[&dyn Named]) -> PyErr {
    let raised = || -> PyResult<_> {
        let mut names = files.iter().map(|file| file.name(py));
        let (first, second) = (names.next().transpose()?, names.next().transpose()?);
        let error_type = PyOSError::type_object(py);
        let raised = error_type.call1((error.errno, text(py, &error)?, first, py.None(), second))?;
        raised.setattr(intern!(py, "reason"), Reason(error.reason))?;
        raised.setattr(intern!(py, "report"), Report::from(error.report))?;
        Ok(raised)
    };
    raised().map_or_else(|failure| failure, PyErr::from_value)
}

/// The system's words for the errno, and the reason behind it, unless that says no more.
fn text(py: Python<'_>, error: &xtent::Error) -> PyResult<String> {
    let strerror: String = py.import("os")?.call_method1("strerror", (error.errno,))?.extract()?;
    if error.reason == xtent::Reason::NotFound {
        return Ok(strerror);
    }
    let reason = error.reason.text();
    Ok(match error.report.alignment {
        0 => format!("{strerror}: {reason}"),
        alignment => format!("{strerror}: {reason} ({alignment} bytes)"),
    })
}
