//! `clone_range`: see [`xtent::clone_range`].

use std::os::fd::{AsFd, AsRawFd, IntoRawFd};

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use xtent::{Atomic, CloneOptions, TO_END, Undo};

use crate::convert::{Descriptor, amount, length, os_error};
use crate::report::Report;

/// Make a range of dst share the blocks of src: all of it, or an error. It never copies instead.
///
/// src and dst are ints or objects with fileno(). Offsets and length, in bytes, must be multiples of the
/// filesystem's block size; the length need not be where the range ends at the end of the source and does
/// not land inside the destination. A length of None is the rest of the source. What waits in the buffer
/// of a Python file object is not in the file yet: flush() first.
///
/// The kernel's clone is not all or nothing: when the disk is full, it leaves a beginning of the range
/// cloned. So where old bytes lie in the range, they are exchanged in one moment (XFS made with that
/// feature) or kept aside in an unlinked file, with some space, and cloned back after a failure;
/// report.protection says how. undo="auto" clones nothing where they cannot be kept (dst must be open for
/// reading too, for one), "best" goes on without, "off" keeps nothing. atomic="required" clones nothing
/// where the range cannot be exchanged. The way back is visible while it runs, overwrites what others
/// write meanwhile, and is not taken by a killed process.
///
/// Unlinked files are made in scratch_dir, the descriptor of a directory on the same filesystem, or else in
/// the directory that dst is found in; that of an unlinked dst is the one that it was in, if it is still on
/// the same filesystem. With keep_undo, an error that left dst CHANGED has an attribute undo_fd: the
/// descriptor of a file with the old bytes at their offsets and the old size, yours to close; None when
/// there is none.
///
/// Once begun it ends: Ctrl-C waits for it.
///
/// Raises OSError, with the attributes reason and report; report.destination says what dst is then, and that
/// is always true. EINVAL length 0, misaligned (report.alignment is what is needed), overlap, past the end
/// of the source, a partial block inside the destination, a file with and one without chattr +C; EISDIR,
/// EINVAL and EXDEV for what is no regular file; EOPNOTSUPP this filesystem or mount cannot; EXDEV two
/// filesystems; EBADF not open, not open for that, or append-only; EFBIG; EOVERFLOW; EPERM, ETXTBSY and
/// EROFS; ENOSPC, EDQUOT, EIO, ENOMEM. What keeps the old bytes from being kept has a reason of its own:
/// NO_SCRATCH_DIRECTORY, DESTINATION_NOT_READABLE, UNDO_IMPOSSIBLE, CANNOT_EXCHANGE.
#[pyfunction]
#[pyo3(signature = (
    src, dst, length=None, *, src_offset=0, dst_offset=0,
    undo="auto", atomic="best", scratch_dir=None, keep_undo=false,
))]
#[allow(clippy::too_many_arguments, reason = "Python's keywords")]
pub(crate) fn clone_range(
    py: Python<'_>,
    src: Descriptor,
    dst: Descriptor,
    #[pyo3(from_py_with = length)] length: Option<u64>,
    #[pyo3(from_py_with = amount)] src_offset: u64,
    #[pyo3(from_py_with = amount)] dst_offset: u64,
    undo: &str,
    atomic: &str,
    scratch_dir: Option<Descriptor>,
    keep_undo: bool,
) -> PyResult<Report> {
    let undo = choice("undo", undo, &[("auto", Undo::Auto), ("best", Undo::Best), ("off", Undo::Off)])?;
    let atomic = choice("atomic", atomic, &[("best", Atomic::Best), ("required", Atomic::Required)])?;
    let len = length.unwrap_or(TO_END);
    let mut kept = None;
    let done = py.detach(|| {
        let mut options = CloneOptions::new().undo(undo).atomic(atomic);
        options.scratch_dir = scratch_dir.as_ref().map(AsFd::as_fd);
        options.keep_undo = keep_undo.then_some(&mut kept);
        xtent::clone_range(src.as_fd(), src_offset, dst.as_fd(), dst_offset, len, options)
    });
    done.map(Report::from).map_err(|error| {
        let raised = os_error(py, error, &[&src, &dst]);
        // What cannot be handed over is closed.
        match raised.value(py).setattr(intern!(py, "undo_fd"), kept.as_ref().map(|file| file.as_raw_fd())) {
            Ok(()) => drop(kept.map(IntoRawFd::into_raw_fd)),
            Err(failure) => return failure,
        }
        raised
    })
}

/// One of the words that an argument may be.
fn choice<T: Copy>(argument: &str, word: &str, words: &[(&str, T)]) -> PyResult<T> {
    words.iter().find(|(name, _)| *name == word).map(|(_, it)| *it).ok_or_else(|| {
        let names: Vec<_> = words.iter().map(|(name, _)| format!("{name:?}")).collect();
        PyValueError::new_err(format!("{argument} must be one of {}, not {word:?}", names.join(", ")))
    })
}
