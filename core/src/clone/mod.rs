//! `clone_range`: the destination range shares the source's blocks, or an error.

use std::os::fd::BorrowedFd;

use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::{Facts, Kind};
use crate::range::{Pair, TO_END};
use crate::reason::Reason;
use crate::report::Report;
use crate::sys;

/// Makes `len` bytes of `dst` at `dst_off` share the blocks of `src` at `src_off`: whole, or an error.
///
/// Offsets must be multiples of the filesystem's block size; so must the length, unless the range ends
/// at the end of the source and does not land inside the destination. The destination grows where the
/// range passes its end, and never shrinks. With [`TO_END`](crate::TO_END) the kernel reads the
/// source's size while it holds both files' locks. Writers to the source wait meanwhile: the clone is
/// one consistent cut. It never copies instead.
///
/// Signals that the caller handles, ignores or blocks do not interrupt it; neither can it be
/// cancelled. It updates the destination's modification time.
///
/// # Errors
///
/// - `EINVAL`: length 0, misaligned (the report's `alignment` tells what is needed), overlap, past the
///   end of the source, a partial block inside the destination, a file with and one without
///   `chattr +C`; `EISDIR`, `EINVAL` and `EXDEV` for what is no regular file.
/// - `EOPNOTSUPP`: this filesystem, or this mount, cannot. `EXDEV`: two filesystems.
/// - `EBADF`: not open, not open for that, or the destination is append-only.
/// - `EFBIG`: `RLIMIT_FSIZE`. `EOVERFLOW`: an end that cannot be represented.
/// - `EPERM`, `ETXTBSY`, `EROFS`: see the reason.
/// - `ENOSPC`, `EDQUOT`, `EIO`, `ENOMEM`.
///
/// # The destination after an error
///
/// Unchanged after a refusal (the first five lines). After `ENOSPC`, `EDQUOT`, `EIO` or `ENOMEM` the
/// kernel may leave a beginning of the range cloned, and the destination grown to match; so it does
/// when the process is killed, or another of its threads exits it, in the middle of the call.
pub fn clone_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    dst: BorrowedFd<'_>,
    dst_off: u64,
    len: u64,
) -> Result<Report> {
    let fail = |errno, reason| Error::new(Operation::CloneRange, errno, reason);
    if len == 0 {
        // The kernel would read 0 as "to the end".
        return Err(fail(libc::EINVAL, Reason::ZeroLength));
    }
    let range =
        Pair::checked(src_off, dst_off, len).ok_or_else(|| fail(libc::EOVERFLOW, Reason::Overflow))?;
    if passes_limit(src, range) {
        // The kernel says EINVAL where the limit lies inside the range.
        return Err(fail(libc::EFBIG, Reason::FileSizeLimit));
    }
    if let Some(block) = falsely_accepted(dst, range) {
        return Err(fail(libc::EINVAL, Reason::Misaligned).aligned(block));
    }
    clone(src, dst, range).map_err(|errno| {
        let (src, dst) = (Facts::of(src), Facts::of(dst));
        let reason = explain::clone(errno.0, &src, &dst, range);
        fail(errno.0, reason).aligned(dst.filesystem.map_or(0, |fs| fs.block))
    })
}

fn clone(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, range: Pair) -> sys::Result<Report> {
    let cloned = |bytes_cloned| Report { bytes_cloned, ..Report::default() };
    if range.len != TO_END {
        sys::clone::clone_range(src, range.src, dst, range.dst, range.len)?;
        return Ok(cloned(range.len));
    }
    let before = size(src)?;
    sys::clone::clone_range(src, range.src, dst, range.dst, 0)?;
    // A source that grew or shrank around the call: the smaller size is what the clone surely holds. It is done, and
    // stays so if nobody says how large the source is now.
    Ok(cloned(range.within(size(src).map_or(before, |after| before.min(after))).len))
}

/// Whether the range would pass `RLIMIT_FSIZE`.
fn passes_limit(src: BorrowedFd<'_>, range: Pair) -> bool {
    match sys::limit::file_size() {
        u64::MAX => false,
        limit => size(src).is_ok_and(|size| {
            let len = if range.len == TO_END { range.within(size).len } else { range.len };
            len > 0 && range.dst + len > limit
        }),
    }
}

/// The alignment that a network filesystem needs and does not insist on: ksmbd answers "done" to
/// unaligned offsets, and copies.
fn falsely_accepted(dst: BorrowedFd<'_>, range: Pair) -> Option<u64> {
    const SMALLEST_BLOCK: u64 = 4096;
    if range.src.is_multiple_of(SMALLEST_BLOCK) && range.dst.is_multiple_of(SMALLEST_BLOCK) {
        return None;
    }
    let filesystem = Facts::of(dst).filesystem?;
    (filesystem.kind == Kind::Network).then_some(filesystem.block)
}

fn size(fd: BorrowedFd<'_>) -> sys::Result<u64> {
    Ok(sys::stat::fstat(fd)?.st_size as u64)
}
