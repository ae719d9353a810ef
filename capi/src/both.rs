//! `xtent_clone_or_copy_range`.

use std::ffi::c_int;

use crate::copy::xtent_copy_options;
use crate::ffi::{count, descriptor};
use crate::report::{reporting, xtent_report};

/// Clones what of the range can be cloned, and copies the rest: share if possible, else copy.
///
/// Where both offsets have the same remainder by the filesystem's block size, the whole blocks between
/// are cloned and the ragged ends copied; otherwise, and where a clone is refused, everything is copied.
/// The report's `bytes_cloned`, `bytes_copied`, `bytes_hole` and `bytes_server` say how much went which way, and its
/// `fallback` why some was copied that could have been cloned.
///
/// It may come back short, as xtent_copy_range does and for the same causes. The flag `cancel` is
/// looked at between steps; the clone is one step, whatever its length.
///
/// `options` and `report` may be NULL.
///
/// Returns the number of bytes that are done, or -errno when there are none. The errors are those of
/// xtent_copy_range. A clone that fails with EIO, ENOSPC, EDQUOT, ENOMEM or EFBIG never turns into a copy.
/// Nothing is kept to undo it: what it came to counts as done, and what comes behind is as it was.
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_clone_or_copy_range(
    src_fd: c_int,
    src_off: u64,
    dst_fd: c_int,
    dst_off: u64,
    len: u64,
    options: *const xtent_copy_options,
    report: *mut xtent_report,
) -> i64 {
    let (src, dst) = (descriptor(src_fd), descriptor(dst_fd));
    // SAFETY: the pointers are what the header asks for.
    count(unsafe {
        reporting(report, || {
            xtent_copy_options::read(options)?
                .over(|options| Ok(xtent::clone_or_copy_range(src, src_off, dst, dst_off, len, options)?))
        })
    })
}
