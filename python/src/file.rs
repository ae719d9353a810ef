//! `copy_file`, `clone_file`, `clone_or_copy_file`, `dedupe_files`: see [`xtent::copy_file`] and its kin.

use std::os::fd::AsFd;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use xtent::{At, DedupeOptions, FileOptions};

use crate::control::watched;
use crate::convert::{AnyFile, Descriptor, FilePath, os_error};
use crate::copy::{Choices, cache_choice};
use crate::dedupe::DedupeResult;
use crate::preserve::{Kept, NOTHING};
use crate::report::Report;
use crate::stable::{NONE, Stable};

/// Copy a file to a new name: whole, or it raises and what is at dst is what it was.
///
/// src is a path, or a file that is open: an int or an object with fileno(). dst is a path. Paths are str,
/// bytes or PathLike, and relative to src_dir_fd and dst_dir_fd where these are given.
///
/// The new file is built where nobody sees it, in the directory of dst, and appears under the name at once,
/// with its metadata. A failure, a kill or a power cut leaves the old file, or nothing, under the name: never
/// a part. A symbolic link at dst is replaced, not followed; one at src raises ELOOP without follow_symlinks.
///
/// Without replace it raises FileExistsError where something has the name. preserve names the metadata to
/// keep, any of "mode", "owner", "times", "xattrs", "acls" and "destination" (what a replaced file had);
/// report.unkept has what of it could not be kept. Without "mode" it has the source's permission bits through
/// the umask. durable waits until the file and its name are on disk.
///
/// With verify both files are read again and compared before the new one is published: written back, and past
/// the page cache as far as the filesystem lets one. A difference raises EIO with the reason VERIFY_FAILED.
///
/// stable says what to do about programs that write to src meanwhile; report.stable has the way that was
/// taken. "none": nothing, and a copy may be a mix of different moments. "detect": a change raises ESTALE,
/// and nothing is published; EOPNOTSUPP where times do not tell of every change (tmpfs, NFS, SMB, FUSE).
/// "lock": a lock is waited for and held, for programs that use the same protocol (docs/lock-protocol.md).
/// "lease": nobody has src open for writing, else it raises BlockingIOError; so it does when somebody opens
/// it later, who waits for a step at most. "snapshot": what is copied is a clone without a name, one moment
/// of src, made in scratch_dir, the descriptor of a directory on the filesystem of src, or beside src.
/// "best": the first of snapshot, lease and detect that is to be had.
///
/// Bytes, sparse, cache, server, progress and signals are those of copy_range(). An exception from progress, or
/// KeyboardInterrupt, leaves nothing behind.
///
/// Raises OSError of the subclass for its errno, with the attributes reason and report, and both names.
#[pyfunction]
#[pyo3(signature = (src, dst, *, replace=false, preserve=NOTHING, durable=false, follow_symlinks=false, verify=false, sparse="keep", cache="keep", server="never", stable=NONE, scratch_dir=None, src_dir_fd=None, dst_dir_fd=None, progress=None), text_signature = "(src, dst, *, replace=False, preserve=(), durable=False, follow_symlinks=False, verify=False, sparse='keep', cache='keep', server='never', stable='none', scratch_dir=None, src_dir_fd=None, dst_dir_fd=None, progress=None)")]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn copy_file(
    py: Python<'_>,
    src: AnyFile,
    dst: FilePath,
    replace: bool,
    preserve: Kept,
    durable: bool,
    follow_symlinks: bool,
    verify: bool,
    sparse: &str,
    cache: &str,
    server: &str,
    stable: Stable,
    scratch_dir: Option<Descriptor>,
    src_dir_fd: Option<Descriptor>,
    dst_dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let choices = Choices::new(sparse, cache, server)?;
    let options = Given { replace, preserve, durable, follow_symlinks, verify, choices, stable, scratch_dir };
    let dirs = (src_dir_fd.as_ref(), dst_dir_fd.as_ref());
    file(py, |src, dst, options| xtent::copy_file(src, dst, options), (&src, &dst), dirs, options, progress)
}

/// Make a new file that shares all blocks of src: whole, or it raises. It never copies instead.
///
/// Arguments and promises are those of copy_file(), but for the choices of a copy. It is filled as by clone_range(), in one step.
///
/// Raises OSError as copy_file() does; and EOPNOTSUPP this filesystem or mount cannot, EXDEV two filesystems.
#[pyfunction]
#[pyo3(signature = (src, dst, *, replace=false, preserve=NOTHING, durable=false, follow_symlinks=false, verify=false, stable=NONE, scratch_dir=None, src_dir_fd=None, dst_dir_fd=None, progress=None), text_signature = "(src, dst, *, replace=False, preserve=(), durable=False, follow_symlinks=False, verify=False, stable='none', scratch_dir=None, src_dir_fd=None, dst_dir_fd=None, progress=None)")]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn clone_file(
    py: Python<'_>,
    src: AnyFile,
    dst: FilePath,
    replace: bool,
    preserve: Kept,
    durable: bool,
    follow_symlinks: bool,
    verify: bool,
    stable: Stable,
    scratch_dir: Option<Descriptor>,
    src_dir_fd: Option<Descriptor>,
    dst_dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let choices = Choices::default();
    let options = Given { replace, preserve, durable, follow_symlinks, verify, choices, stable, scratch_dir };
    let dirs = (src_dir_fd.as_ref(), dst_dir_fd.as_ref());
    file(py, |src, dst, options| xtent::clone_file(src, dst, options), (&src, &dst), dirs, options, progress)
}

/// Clone a file to a new name, or copy it where a clone is refused.
///
/// Arguments and promises are those of copy_file(). The report says which it was, and report.fallback why.
///
/// Raises OSError as copy_file() does. A clone that fails with EIO, ENOSPC, EDQUOT, ENOMEM or EFBIG is such
/// an error and never turns into a copy.
#[pyfunction]
#[pyo3(signature = (src, dst, *, replace=false, preserve=NOTHING, durable=false, follow_symlinks=false, verify=false, sparse="keep", cache="keep", server="never", stable=NONE, scratch_dir=None, src_dir_fd=None, dst_dir_fd=None, progress=None), text_signature = "(src, dst, *, replace=False, preserve=(), durable=False, follow_symlinks=False, verify=False, sparse='keep', cache='keep', server='never', stable='none', scratch_dir=None, src_dir_fd=None, dst_dir_fd=None, progress=None)")]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn clone_or_copy_file(
    py: Python<'_>,
    src: AnyFile,
    dst: FilePath,
    replace: bool,
    preserve: Kept,
    durable: bool,
    follow_symlinks: bool,
    verify: bool,
    sparse: &str,
    cache: &str,
    server: &str,
    stable: Stable,
    scratch_dir: Option<Descriptor>,
    src_dir_fd: Option<Descriptor>,
    dst_dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let choices = Choices::new(sparse, cache, server)?;
    let options = Given { replace, preserve, durable, follow_symlinks, verify, choices, stable, scratch_dir };
    let dirs = (src_dir_fd.as_ref(), dst_dir_fd.as_ref());
    let verb: Verb = |src, dst, options| xtent::clone_or_copy_file(src, dst, options);
    file(py, verb, (&src, &dst), dirs, options, progress)
}

type Verb = fn(At<'_>, At<'_>, FileOptions<'_>) -> xtent::Result<xtent::Report>;

struct Given {
    replace: bool,
    preserve: Kept,
    durable: bool,
    follow_symlinks: bool,
    verify: bool,
    choices: Choices,
    stable: Stable,
    scratch_dir: Option<Descriptor>,
}

fn file(
    py: Python<'_>,
    verb: Verb,
    (src, dst): (&AnyFile, &FilePath),
    (src_dir, dst_dir): (Option<&Descriptor>, Option<&Descriptor>),
    given: Given,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let done = watched(py, progress, |mut control| {
        let copy = given.choices.options(control.lend());
        let options = FileOptions::new().copy(copy).replace(given.replace).preserve(given.preserve.0);
        let options = options.durable(given.durable).follow(given.follow_symlinks).verify(given.verify);
        let mut options = options.stable(given.stable.0);
        options.scratch_dir = given.scratch_dir.as_ref().map(AsFd::as_fd);
        verb(src.at(src_dir), dst.at(dst_dir), options)
    })?;
    done.map(Report::from).map_err(|error| os_error(py, error, &[src, dst]))
}

/// Make each of some files share the blocks of src where it is its equal.
///
/// src and the targets are paths, relative to src_dir_fd and dst_dir_fd where these are given, or files that
/// are open: ints or objects with fileno(). Any number of targets; each gets a result, in their order, and
/// none disturbs another. Contents and times never change, by no outcome. Read-only files of the caller, and
/// programs that run, are targets too. Symbolic links are not followed.
///
/// A target of another size differs, and nothing of it is shared. Another name of a file that was asked
/// before, or of src itself, is the same without being asked.
///
/// measure, blocks, cache, progress and signals are those of dedupe_range().
///
/// Raises OSError, with the attributes reason and report, for the call as a whole, with no target touched: as
/// dedupe_range() does, and where src cannot be opened.
#[pyfunction]
#[pyo3(signature = (
    src, targets, *, src_dir_fd=None, dst_dir_fd=None, measure=true, blocks=false, cache="keep", progress=None
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn dedupe_files(
    py: Python<'_>,
    src: AnyFile,
    targets: &Bound<'_, PyAny>,
    src_dir_fd: Option<Descriptor>,
    dst_dir_fd: Option<Descriptor>,
    measure: bool,
    blocks: bool,
    cache: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Vec<DedupeResult>> {
    let cache = cache_choice(cache)?;
    if targets.is_instance_of::<PyString>() {
        // It is iterable: each of its characters would be a path.
        return Err(PyTypeError::new_err("targets must be an iterable of files, not str"));
    }
    let targets = targets.try_iter()?.map(|target| target?.extract()).collect::<PyResult<Vec<AnyFile>>>()?;
    let done = watched(py, progress, |control| {
        let places: Vec<_> = targets.iter().map(|target| target.at(dst_dir_fd.as_ref())).collect();
        let options = DedupeOptions::new().control(control).measure(measure).blocks(blocks).cache(cache);
        xtent::dedupe_files(src.at(src_dir_fd.as_ref()), &places, options)
    })?;
    let results = done.map_err(|error| os_error(py, error, &[&src]))?;
    Ok(results.into_iter().map(DedupeResult::from).collect())
}
