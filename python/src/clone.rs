//! `clone_range`: see [`xtent::clone_range`].

use std::os::fd::AsFd;

use pyo3::prelude::*;
use xtent::TO_END;

use crate::convert::{Descriptor, amount, length, os_error};
use crate::report::Report;

/// Make a range of dst share the blocks of src: whole, or an error. It never copies instead.
///
/// src and dst are ints or objects with fileno(). Offsets and length, in bytes, must be multiples of the
/// filesystem's block size; the length need not be where the range ends at the end of the source and does
/// not land inside the destination. A length of None is the rest of the source. What waits in the buffer
/// of a Python file object is not in the file yet: flush() first.
///
/// Once begun it ends: Ctrl-C waits for it.
///
/// Raises OSError, with the attributes reason and report. The destination is unchanged after a refusal:
/// EINVAL length 0, misaligned (report.alignment is what is needed), overlap, past the end of the source,
/// a partial block inside the destination, a file with and one without chattr +C; EISDIR, EINVAL and
/// EXDEV for what is no regular file; EOPNOTSUPP this filesystem or mount cannot; EXDEV two filesystems;
/// EBADF not open, not open for that, or append-only; EFBIG; EOVERFLOW; EPERM, ETXTBSY and EROFS. After
/// ENOSPC, EDQUOT, EIO or ENOMEM the kernel may have left a beginning of the range cloned.
#[pyfunction]
#[pyo3(signature = (src, dst, length=None, *, src_offset=0, dst_offset=0))]
pub(crate) fn clone_range(
    py: Python<'_>,
    src: Descriptor,
    dst: Descriptor,
    #[pyo3(from_py_with = length)] length: Option<u64>,
    #[pyo3(from_py_with = amount)] src_offset: u64,
    #[pyo3(from_py_with = amount)] dst_offset: u64,
) -> PyResult<Report> {
    let len = length.unwrap_or(TO_END);
    let done = py.detach(|| xtent::clone_range(src.as_fd(), src_offset, dst.as_fd(), dst_offset, len));
    done.map(Report::from).map_err(|error| os_error(py, error, &[&src, &dst]))
}
