//! `clone_or_copy_range`: see [`xtent::clone_or_copy_range`].

use std::os::fd::AsFd;

use pyo3::prelude::*;
use xtent::TO_END;

use crate::control::watched;
use crate::convert::{Descriptor, amount, length, os_error};
use crate::copy::Choices;
use crate::report::Report;

/// Clone what of the range can be cloned, and copy the rest.
///
/// Where both offsets have the same remainder by the filesystem's block size, the whole blocks between
/// are cloned and the ragged ends copied; otherwise, or where a clone is refused, everything is copied.
/// The report says how many bytes went which way, and report.fallback why some were not cloned.
///
/// Arguments, choices, progress, signals and coming back short are those of copy_range(); the clone is one step,
/// whatever its length.
///
/// Raises OSError as copy_range() does, when nothing was done yet. A clone that fails with EIO, ENOSPC,
/// EDQUOT, ENOMEM or EFBIG never turns into a copy. Nothing is kept to undo it: what it came to counts as
/// done, and what comes behind is as it was.
#[pyfunction]
#[pyo3(signature = (
    src, dst, length=None, *, src_offset=0, dst_offset=0, sparse="keep", cache="keep", server="never",
    progress=None
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn clone_or_copy_range(
    py: Python<'_>,
    src: Descriptor,
    dst: Descriptor,
    #[pyo3(from_py_with = length)] length: Option<u64>,
    #[pyo3(from_py_with = amount)] src_offset: u64,
    #[pyo3(from_py_with = amount)] dst_offset: u64,
    sparse: &str,
    cache: &str,
    server: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let choices = Choices::new(sparse, cache, server)?;
    let len = length.unwrap_or(TO_END);
    let done = watched(py, progress, |control| {
        let options = choices.options(control);
        xtent::clone_or_copy_range(src.as_fd(), src_offset, dst.as_fd(), dst_offset, len, options)
    })?;
    done.map(Report::from).map_err(|error| os_error(py, error, &[&src, &dst]))
}
