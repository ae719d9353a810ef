//! `usage`: see [`xtent::usage()`].

use std::os::fd::AsFd;

use pyo3::Borrowed;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple};
use xtent::{TreeFailure, UsageOptions};

use crate::control::watched;
use crate::convert::{AnyFile, Descriptor, Named, amount, os_error};
use crate::record::record;
use crate::tree::{Failures, NONE_FAILED, decoded};

record! {
    /// What a root, or all of them, take up. Amounts are bytes.
    #[pyo3(from_py_object)]
    Usage {
        /// Regular files; one with several names is one.
        files: u64 = 0,
        /// The sum of their sizes.
        apparent: u64 = 0,
        /// The blocks that they use, each counted once.
        allocated: u64 = 0,
        /// Of these, what another root uses too; in total, what at least two roots use.
        shared_roots: u64 = 0,
        /// What something that is in none of the roots uses too, as far as is known.
        shared_others: u64 = 0,
        /// What may be used by something that is in none of the roots, and the filesystem does not say.
        unknown: u64 = 0,
        /// What nothing else uses: so much at least is free after the root is deleted; in total, after all are.
        exclusive: u64 = 0,
        /// What may be free after that at most.
        exclusive_most: u64 = 0,
        /// Whether all numbers are known to be exact.
        exact: bool = true,
    }
}

record! {
    /// What usage() found.
    UsageReport {
        /// For each root, in their order.
        roots: Usages,
        /// For all of them together.
        total: Usage,
        /// What could not be looked at, and is not in the numbers; paths are those of the roots and beneath.
        failures: Failures = NONE_FAILED,
    }
}

/// A tuple, in Python.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Usages(Vec<Usage>);

impl<'py> IntoPyObject<'py> for Usages {
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, self.0)
    }
}

impl<'py> FromPyObject<'_, 'py> for Usages {
    type Error = PyErr;

    fn extract(usages: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let each = usages.try_iter()?.map(|usage| Ok(usage?.cast::<Usage>()?.get().clone()));
        each.collect::<PyResult<_>>().map(Usages)
    }
}

impl From<xtent::Usage> for Usage {
    fn from(usage: xtent::Usage) -> Self {
        Usage {
            files: usage.files,
            apparent: usage.apparent,
            allocated: usage.allocated,
            shared_roots: usage.shared_roots,
            shared_others: usage.shared_others,
            unknown: usage.unknown,
            exclusive: usage.exclusive,
            exclusive_most: usage.exclusive_most,
            exact: usage.exact,
        }
    }
}

/// What a call failed for.
struct Path<'a>(&'a std::path::Path);

impl Named for Path<'_> {
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        decoded(py, self.0)
    }
}

/// Files, of which there may be any number.
pub(crate) fn files(roots: &Bound<'_, PyAny>) -> PyResult<Vec<AnyFile>> {
    if roots.is_instance_of::<PyString>() || roots.is_instance_of::<PyBytes>() {
        // They are iterable: each of their characters would be a path, or a descriptor.
        return Err(PyTypeError::new_err("roots must be an iterable of files, not str or bytes"));
    }
    roots.try_iter()?.map(|root| root?.extract()).collect()
}

/// Raises what a call on several files failed with.
pub(crate) fn failed(py: Python<'_>, failure: &TreeFailure) -> PyErr {
    let path = Path(&failure.path);
    let named: &[&dyn Named] = if failure.path.as_os_str().is_empty() { &[] } else { &[&path] };
    os_error(py, failure.error, named)
}

/// Say how much each of some directories or files takes up, who else uses its blocks, and what deleting it would free.
///
/// roots are paths, relative to dir_fd where it is given, or what is open: ints or objects with fileno(). Regular
/// files beneath them are looked at; symbolic links are not followed, and a root is not left for what is mounted in
/// it, unless cross_mounts is set. Roots may lie on different filesystems, and not one in another.
///
/// Blocks are told by where they lie, and each is counted once, however many files or places share it; so is a file
/// with several names. What the filesystem takes for itself, directories and extended attributes are not counted.
/// Dirty pages are written back first.
///
/// How exact it is: a map says of a block that it is shared, and not with how many. What is flagged and seen once is
/// used by something beside the roots. What is flagged and seen twice may be used by a third. On XFS with rmapbt (the
/// default of mkfs.xfs since 6.5), and for root, the filesystem is asked who uses it, and every number is exact; else
/// such blocks are unknown, and exclusive_most says what they could add. On btrfs the flag is of whole extents, a part
/// of which others may use: shared_others is what it says, exclusive is certain to be used by nobody else, compressed
/// extents are counted by the length that they have in the file, an extent of which only a part is still in use takes
/// more space than is counted, and nothing is exact. Files without a map (tmpfs) count by the blocks that os.stat()
/// tells; on an overlay, NFS, SMB, FUSE and ZFS these are unknown.
///
/// memory is about how many bytes the extents may take, each of them 32; 0 is 32 MiB. What is more waits in an unlinked
/// file in scratch_dir, the descriptor of a directory, or /var/tmp.
///
/// progress is called with the files and the bytes in them that were looked at. An exception from it, or
/// KeyboardInterrupt, ends the call. What cannot be looked at is in report.failures.
///
/// Raises OSError of the subclass for its errno, with the attributes reason and report, where a root cannot be opened,
/// or lies in another one (EINVAL, ROOT_IN_ROOT).
#[pyfunction]
#[pyo3(signature = (roots, *, cross_mounts=false, memory=0, scratch_dir=None, dir_fd=None, progress=None))]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn usage(
    py: Python<'_>,
    roots: &Bound<'_, PyAny>,
    cross_mounts: bool,
    #[pyo3(from_py_with = amount)] memory: u64,
    scratch_dir: Option<Descriptor>,
    dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<UsageReport> {
    let roots = files(roots)?;
    let done = watched(py, progress, |mut control| {
        let places: Vec<_> = roots.iter().map(|root| root.at(dir_fd.as_ref())).collect();
        let options = UsageOptions::new().control(control.lend());
        let mut options = options.cross_mounts(cross_mounts).memory(memory);
        options.scratch_dir = scratch_dir.as_ref().map(AsFd::as_fd);
        xtent::usage(&places, options)
    })?;
    let report = done.map_err(|failure| failed(py, &failure))?;
    Ok(UsageReport {
        roots: Usages(report.roots.into_iter().map(Usage::from).collect()),
        total: report.total.into(),
        failures: Failures::of(&report.failures),
    })
}
