//! `stage`: see [`xtent::stage_open`].

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use xtent::StageOptions;

use crate::convert::{Descriptor, FilePath, os_error};

/// A file in the making, from stage().
///
/// Fill it by any verbs, which take it as a file, and by os.pwrite() on fileno(). In a with statement it is
/// published at the end, and discarded where an exception leaves it.
#[pyclass(module = "xtent", frozen)]
pub(crate) struct Stage {
    /// `None` once it is over.
    stage: Mutex<Option<xtent::Stage>>,
    dst: FilePath,
}

/// Make a stage for the file dst: a file that nobody sees until it is published whole.
///
///     with xtent.stage("restored", replace=True) as file:
///         xtent.clone_or_copy_range(first, file)
///         os.pwrite(file.fileno(), b"more", 1_000_000)
///
/// dst is a path: str, bytes or PathLike, relative to dst_dir_fd where that is given. The stage is in its
/// directory, with the mode 0600. With replace it may take the place of a file that has the name; durable
/// waits, when it is published, until the file and its name are on disk. mode is that of the published file,
/// through the umask as with os.open(); with None it keeps what os.fchmod() gave it.
///
/// Raises OSError, with the attributes reason and report: FileExistsError without replace, and what is wrong
/// with the path or from making a file in the directory.
#[pyfunction]
#[pyo3(signature = (dst, *, replace=false, durable=false, mode=Some(0o666), dst_dir_fd=None), text_signature = "(dst, *, replace=False, durable=False, mode=0o666, dst_dir_fd=None)")]
pub(crate) fn stage(
    py: Python<'_>,
    dst: FilePath,
    replace: bool,
    durable: bool,
    mode: Option<u32>,
    dst_dir_fd: Option<Descriptor>,
) -> PyResult<Stage> {
    if mode.is_some_and(|mode| mode > 0o7777) {
        return Err(PyValueError::new_err("mode must be at most 0o7777"));
    }
    let options = StageOptions::new().replace(replace).durable(durable).mode(mode);
    let opened = py.detach(|| xtent::stage_open(dst.at(dst_dir_fd.as_ref()), options));
    match opened {
        Ok(stage) => Ok(Stage { stage: Mutex::new(Some(stage)), dst }),
        Err(error) => Err(os_error(py, error, &[&dst])),
    }
}

impl Stage {
    /// Only without the GIL: who has it locked may wait for the disk.
    fn lock(&self) -> MutexGuard<'_, Option<xtent::Stage>> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn over() -> PyErr {
    PyValueError::new_err("the stage is published or discarded")
}

#[pymethods]
impl Stage {
    /// Its descriptor, open for reading and writing until it is published or discarded.
    fn fileno(&self, py: Python<'_>) -> PyResult<RawFd> {
        let fd = py.detach(|| self.lock().as_ref().map(|stage| stage.as_fd().as_raw_fd()));
        fd.ok_or_else(over)
    }

    /// Give the file its mode and its name, in one step, and close it.
    ///
    /// Raises OSError, with the attributes reason and report; then it is as before: try again, or discard it.
    /// Only with the reason NOT_DURABLE it is published, but could not be written to disk.
    fn publish(&self, py: Python<'_>) -> PyResult<()> {
        let published = py.detach(|| {
            let mut stage = self.lock();
            let published = stage.as_mut()?.publish();
            let is_there =
                published.as_ref().map_or_else(|error| error.reason == xtent::Reason::NotDurable, |_| true);
            if is_there {
                *stage = None;
            }
            Some(published)
        });
        match published {
            None => Err(over()),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(os_error(py, error, &[&self.dst])),
        }
    }

    /// End it as if it had never been; nothing where it is over already.
    fn discard(&self, py: Python<'_>) {
        py.detach(|| *self.lock() = None);
    }

    fn __enter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    #[pyo3(signature = (exc_type, exc_value, traceback, /))]
    fn __exit__(
        &self,
        py: Python<'_>,
        exc_type: Option<Bound<'_, PyAny>>,
        exc_value: Option<Bound<'_, PyAny>>,
        traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let (_, _) = (exc_value, traceback);
        let is_over = py.detach(|| self.lock().is_none());
        let published = if exc_type.is_none() && !is_over { self.publish(py) } else { Ok(()) };
        // Also where it could not be published.
        self.discard(py);
        published
    }
}
