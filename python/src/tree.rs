//! `copy_tree`, `clone_tree`, `clone_or_copy_tree`: see [`xtent::copy_tree`] and its kin.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use pyo3::Borrowed;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyTuple};
use xtent::{At, TreeOptions, TreeResult};

use crate::control::watched;
use crate::convert::{AnyFile, Descriptor, FilePath, Named, os_error};
use crate::enums::Reason;
use crate::preserve::{Kept, NOTHING};
use crate::record::record;

record! {
    /// What is missing in a tree that was made with keep_going, in the numbers of usage(), or undone by dedupe_tree().
    TreeFailure {
        /// The path as os.fsdecode() has it: beneath the source, or with that of the root.
        path: OsString,
        /// The errno.
        errno: i32,
        /// Why.
        reason: Reason,
    }
}

record! {
    /// What a tree verb did. Amounts are bytes of all files.
    TreeReport {
        /// Bytes that were read and written again, so that the new files have their own blocks.
        bytes_copied: u64 = 0,
        /// Bytes that now share the source's blocks because the kernel cloned them.
        bytes_cloned: u64 = 0,
        /// Bytes that are a hole in the source, and in the new tree.
        bytes_hole: u64 = 0,
        /// Regular files with contents of their own.
        files: u64 = 0,
        /// Directories, the tree itself among them.
        directories: u64 = 0,
        /// Further names of files: hard links.
        links: u64 = 0,
        /// Symbolic links, FIFOs, sockets and devices.
        specials: u64 = 0,
        /// Names that were listed in the source and not there any more.
        vanished: u64 = 0,
        /// With keep_going, what failed and is not in the new tree.
        failures: Failures = NONE_FAILED,
        /// clone_or_copy_tree() only: why the first file that could not be cloned was copied.
        fallback: Option<Reason> = None,
        /// Metadata that could not be kept of some file, in the words of the argument preserve of copy_file().
        unkept: Kept = NOTHING,
    }

    /// Bytes of all files, whichever way they went.
    #[getter]
    fn bytes(&self) -> u64 {
        self.bytes_copied.saturating_add(self.bytes_cloned).saturating_add(self.bytes_hole)
    }
}

/// A tuple, in Python.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Failures(Vec<TreeFailure>);

/// The default.
pub(crate) const NONE_FAILED: Failures = Failures(Vec::new());

impl<'py> IntoPyObject<'py> for Failures {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, self.0)
    }
}

impl<'py> FromPyObject<'_, 'py> for Failures {
    type Error = PyErr;

    fn extract(failures: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let each = failures.try_iter()?.map(|failure| Ok(failure?.cast::<TreeFailure>()?.get().clone()));
        each.collect::<PyResult<_>>().map(Failures)
    }
}

impl Failures {
    pub(crate) fn of(failures: &[xtent::TreeFailure]) -> Self {
        let failures = failures.iter().map(|failure| TreeFailure {
            path: failure.path.clone().into_os_string(),
            errno: failure.error.errno,
            reason: Reason(failure.error.reason),
        });
        Failures(failures.collect())
    }
}

impl TreeReport {
    fn of(report: xtent::TreeReport) -> Self {
        TreeReport {
            bytes_copied: report.total.bytes_copied,
            bytes_cloned: report.total.bytes_cloned,
            bytes_hole: report.total.bytes_hole,
            files: report.files,
            directories: report.directories,
            links: report.links,
            specials: report.specials,
            vanished: report.vanished,
            failures: Failures::of(&report.failures),
            fallback: Reason::of(report.total.fallback),
            unkept: Kept(report.total.unkept),
        }
    }
}

/// A file of a tree, as an error names it.
struct Beneath<'a>(&'a AnyFile, &'a Path);

impl Named for Beneath<'_> {
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Beneath(tree, path) = *self;
        let tree = tree.name(py)?;
        if path.as_os_str().is_empty() {
            return Ok(tree);
        }
        if tree.is_instance_of::<PyInt>() {
            return decoded(py, path);
        }
        let path = if tree.is_instance_of::<PyBytes>() { encoded(py, path) } else { decoded(py, path)? };
        py.import("os")?.getattr(intern!(py, "path"))?.call_method1(intern!(py, "join"), (tree, path))
    }
}

fn encoded<'py>(py: Python<'py>, path: &Path) -> Bound<'py, PyAny> {
    PyBytes::new(py, path.as_os_str().as_bytes()).into_any()
}

pub(crate) fn decoded<'py>(py: Python<'py>, path: &Path) -> PyResult<Bound<'py, PyAny>> {
    py.import("os")?.call_method1(intern!(py, "fsdecode"), (encoded(py, path),))
}

/// Copy a directory with everything in it to a new name: the whole tree, or it raises and dst is what it was.
///
/// src is a path, or a directory that is open: an int or an object with fileno(). dst is a path. Paths are str,
/// bytes or PathLike, and relative to src_dir_fd and dst_dir_fd where these are given.
///
/// Kept is what "cp -a" keeps: modes, owners, times, extended attributes, ACLs, hard links within the tree,
/// symbolic links, FIFOs, sockets, devices, holes. report.unkept has what of it could not be kept.
///
/// The tree is built in a hidden directory beside dst and appears under the name by one rename; with replace, old
/// and new change names in one moment. A failure, a kill or a full disk leaves no half tree under the name.
///
/// Directories on which another filesystem is mounted stay empty, unless cross_mounts is set. keep_going goes on where a
/// file fails: report.failures has what is missing then. durable waits until all of it is on disk. threads says
/// how many work at it; 0 is one for each processor.
///
/// progress is called with the files and the bytes that are done. An exception from it, or KeyboardInterrupt, leaves
/// nothing behind.
///
/// Raises OSError of the subclass for its errno, with the attributes reason and report; filename is the file
/// that failed.
#[pyfunction]
#[pyo3(signature = (src, dst, *, replace=false, durable=false, cross_mounts=false, keep_going=false, threads=0, src_dir_fd=None, dst_dir_fd=None, progress=None))]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn copy_tree(
    py: Python<'_>,
    src: AnyFile,
    dst: FilePath,
    replace: bool,
    durable: bool,
    cross_mounts: bool,
    keep_going: bool,
    threads: usize,
    src_dir_fd: Option<Descriptor>,
    dst_dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<TreeReport> {
    let given = Given { replace, durable, cross_mounts, keep_going, threads };
    let dirs = (src_dir_fd.as_ref(), dst_dir_fd.as_ref());
    tree(py, |src, dst, options| xtent::copy_tree(src, dst, options), (&src, &dst), dirs, given, progress)
}

/// Make a directory whose files share all their blocks with those of src. It never copies instead.
///
/// Arguments and promises are those of copy_tree().
///
/// Raises OSError as copy_tree() does; and EOPNOTSUPP for a file that cannot be cloned, EXDEV for two
/// filesystems.
#[pyfunction]
#[pyo3(signature = (src, dst, *, replace=false, durable=false, cross_mounts=false, keep_going=false, threads=0, src_dir_fd=None, dst_dir_fd=None, progress=None))]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn clone_tree(
    py: Python<'_>,
    src: AnyFile,
    dst: FilePath,
    replace: bool,
    durable: bool,
    cross_mounts: bool,
    keep_going: bool,
    threads: usize,
    src_dir_fd: Option<Descriptor>,
    dst_dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<TreeReport> {
    let given = Given { replace, durable, cross_mounts, keep_going, threads };
    let dirs = (src_dir_fd.as_ref(), dst_dir_fd.as_ref());
    tree(py, |src, dst, options| xtent::clone_tree(src, dst, options), (&src, &dst), dirs, given, progress)
}

/// Make a copy of a directory whose files share blocks with those of src where they can. Files of up
/// to 2 KiB on btrfs are copied: it keeps them without blocks.
///
/// Arguments and promises are those of copy_tree().
///
/// Raises OSError as copy_tree() does. A clone that fails with EIO, ENOSPC, EDQUOT, ENOMEM or EFBIG never turns
/// into a copy.
#[pyfunction]
#[pyo3(signature = (src, dst, *, replace=false, durable=false, cross_mounts=false, keep_going=false, threads=0, src_dir_fd=None, dst_dir_fd=None, progress=None))]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn clone_or_copy_tree(
    py: Python<'_>,
    src: AnyFile,
    dst: FilePath,
    replace: bool,
    durable: bool,
    cross_mounts: bool,
    keep_going: bool,
    threads: usize,
    src_dir_fd: Option<Descriptor>,
    dst_dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<TreeReport> {
    let given = Given { replace, durable, cross_mounts, keep_going, threads };
    let dirs = (src_dir_fd.as_ref(), dst_dir_fd.as_ref());
    let verb: Verb = |src, dst, options| xtent::clone_or_copy_tree(src, dst, options);
    tree(py, verb, (&src, &dst), dirs, given, progress)
}

type Verb = fn(At<'_>, At<'_>, TreeOptions<'_>) -> TreeResult;

struct Given {
    replace: bool,
    durable: bool,
    cross_mounts: bool,
    keep_going: bool,
    threads: usize,
}

fn tree(
    py: Python<'_>,
    verb: Verb,
    (src, dst): (&AnyFile, &FilePath),
    (src_dir, dst_dir): (Option<&Descriptor>, Option<&Descriptor>),
    given: Given,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<TreeReport> {
    let done = watched(py, progress, |control| {
        let options = TreeOptions::new().control(control).replace(given.replace).durable(given.durable);
        let options = options.cross_mounts(given.cross_mounts).keep_going(given.keep_going);
        verb(src.at(src_dir), dst.at(dst_dir), options.threads(given.threads))
    })?;
    match done {
        Ok(report) => Ok(TreeReport::of(report)),
        Err(failure) => Err(os_error(py, failure.error, &[&Beneath(src, &failure.path), dst])),
    }
}
