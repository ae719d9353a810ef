//! `copy_range`: see [`xtent::copy_range`].

use std::os::fd::AsFd;

use pyo3::prelude::*;
use xtent::{CopyOptions, TO_END};

use crate::control::watched;
use crate::convert::{Descriptor, amount, length, os_error};
use crate::report::Report;

/// Move bytes from src to dst. They get blocks of their own; holes stay holes.
///
/// src and dst are ints or objects with fileno(); offsets and lengths are bytes, and a length of None is
/// the rest of the source. Neither file position is used or moved. What waits in the buffer of a Python
/// file object is not in the file yet: flush() first.
///
/// Like os.read() it may come back short: at the end of the source, or when it met an error after some
/// bytes. Then report.reason says why, and the same call with what is left goes on or raises.
///
/// progress(done, total) is called after each step of at most 4 MiB; total is None where the source does
/// not say. What it returns is ignored. To stop, let it raise: the exception comes out as it is. So does
/// KeyboardInterrupt: signals are looked at between steps, every 20 ms. What was copied until then stays.
///
/// Raises OSError, with the attributes reason and report, only when no byte was moved, and then the
/// destination is unchanged: EBADF not open, not open for that, or append-only; EINVAL overlapping
/// ranges of one file, or a device; EISDIR; ESPIPE a pipe or socket; EOVERFLOW; EFBIG, ENOSPC, EDQUOT,
/// EIO, ENOMEM, EPERM and ETXTBSY from reading or writing.
#[pyfunction]
#[pyo3(signature = (src, dst, length=None, *, src_offset=0, dst_offset=0, progress=None))]
pub(crate) fn copy_range(
    py: Python<'_>,
    src: Descriptor,
    dst: Descriptor,
    #[pyo3(from_py_with = length)] length: Option<u64>,
    #[pyo3(from_py_with = amount)] src_offset: u64,
    #[pyo3(from_py_with = amount)] dst_offset: u64,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let len = length.unwrap_or(TO_END);
    let done = watched(py, progress, |control| {
        let options = CopyOptions::new().control(control);
        xtent::copy_range(src.as_fd(), src_offset, dst.as_fd(), dst_offset, len, options)
    })?;
    done.map(Report::from).map_err(|error| os_error(py, error, &[&src, &dst]))
}
