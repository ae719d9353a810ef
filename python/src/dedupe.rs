//! `dedupe_range`: see [`xtent::dedupe_range`].

use std::os::fd::AsFd;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use xtent::{DedupeOptions, DedupeTarget, TO_END};

use crate::control::watched;
use crate::convert::{Descriptor, amount, length, os_error};
use crate::copy::cache_choice;
use crate::enums::{DedupeStatus, Reason};
use crate::record::record;

record! {
    /// What became of one target of dedupe_range(), in bytes of its range.
    DedupeResult {
        /// The outcome.
        status: DedupeStatus,
        /// With FAILED the errno.
        errno: Option<i32> = None,
        /// With FAILED why.
        reason: Option<Reason> = None,
        /// Bytes from the beginning of the range that were found equal.
        compared: u64 = 0,
        /// Bytes that share the source's blocks now and did not before, by the files' extent maps; None
        /// where these cannot tell.
        shared: Option<u64> = None,
        /// Bytes that shared the source's blocks before the call; None where the maps cannot tell.
        already_shared: Option<u64> = None,
        /// With DIFFERS how far into the range the first difference is; None if the target could not be
        /// read to find it.
        differs_at: Option<u64> = None,
    }
}

impl From<xtent::DedupeResult> for DedupeResult {
    fn from(result: xtent::DedupeResult) -> Self {
        DedupeResult {
            status: DedupeStatus(result.status),
            errno: (result.errno != 0).then_some(result.errno),
            reason: Reason::of(result.reason),
            compared: result.compared,
            shared: result.shared,
            already_shared: result.already_shared,
            differs_at: result.differs_at,
        }
    }
}

/// Make each target share the blocks of src where the bytes are already equal.
///
/// targets are (descriptor, offset) tuples, any number of them; each gets a result, in their order. The
/// kernel compares and shares while it holds the files' locks: contents never change, by no outcome.
/// Offsets and length are bytes; offsets must be multiples of the filesystem's block size, and a length
/// of None is the rest of the source. A target that differs keeps what was shared before the first
/// difference, to the block.
///
/// measure=False does not compare the files' extent maps before and after: shared and already_shared are
/// None, and what is shared already is compared again. blocks=True goes on behind the first difference and
/// shares every run of equal blocks, of targets that can be read. cache="neutral" lets go of what the call
/// brought into the page cache; the kernel itself lets go of a target's pages where it shared, on XFS.
///
/// One target's failure does not disturb another; that targets differ, or all of them fail, raises
/// nothing. progress and signals are those of copy_range(), with bytes counted over all targets and steps
/// of at most 16 MiB of each; what was shared until then stays shared.
///
/// Raises OSError, with the attributes reason and report, for the call as a whole, with no target
/// touched: EINVAL length 0, past the end of the source, source not open for reading or no regular file;
/// EISDIR; EBADF; EOVERFLOW; EOPNOTSUPP this filesystem or mount cannot, or is not known to compare.
#[pyfunction]
#[pyo3(signature = (
    src, targets, length=None, *, src_offset=0, measure=true, blocks=false, cache="keep", progress=None
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn dedupe_range(
    py: Python<'_>,
    src: Descriptor,
    targets: &Bound<'_, PyAny>,
    #[pyo3(from_py_with = length)] length: Option<u64>,
    #[pyo3(from_py_with = amount)] src_offset: u64,
    measure: bool,
    blocks: bool,
    cache: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Vec<DedupeResult>> {
    let cache = cache_choice(cache)?;
    let len = length.unwrap_or(TO_END);
    let targets = targets.try_iter()?.map(|pair| target(&pair?)).collect::<PyResult<Vec<_>>>()?;
    let done = watched(py, progress, |control| {
        let targets: Vec<_> =
            targets.iter().map(|(fd, offset)| DedupeTarget { fd: fd.as_fd(), offset: *offset }).collect();
        let options = DedupeOptions::new().control(control).measure(measure).blocks(blocks).cache(cache);
        xtent::dedupe_range(src.as_fd(), src_offset, len, &targets, options)
    })?;
    let results = done.map_err(|error| os_error(py, error, &[&src]))?;
    Ok(results.into_iter().map(DedupeResult::from).collect())
}

/// A tuple and not anything that can be iterated over: a file object can, and would be read.
fn target(pair: &Bound<'_, PyAny>) -> PyResult<(Descriptor, u64)> {
    let pair = pair.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let pair = pair.ok_or_else(|| PyTypeError::new_err("a target must be a (descriptor, offset) tuple"))?;
    Ok((pair.get_item(0)?.extract()?, amount(&pair.get_item(1)?)?))
}
