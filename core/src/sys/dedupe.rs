//! `FIDEDUPERANGE`: share ranges whose bytes are equal (ioctl_fideduperange(2)).

use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result, check};

/// As many targets as fit the one page that the kernel takes (fs/ioctl.c, `ioctl_file_dedupe_range`:
/// above it the call is ENOMEM): 127 with pages of 4 KiB, the smallest there are.
pub(crate) const MAX_TARGETS: usize = (4096 - size_of::<Header>()) / size_of::<Info>();

/// What the kernel says of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The kernel wrote nothing: it did not come to this target.
    NotReached,
    Same,
    Differs,
    Failed(Errno),
}

#[repr(C)]
struct Header {
    src_offset: u64,
    src_length: u64,
    dest_count: u16,
    reserved1: u16,
    reserved2: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Info {
    dest_fd: i64,
    dest_offset: u64,
    bytes_deduped: u64,
    status: i32,
    reserved: u32,
}

#[repr(C)]
struct Request {
    header: Header,
    info: [Info; MAX_TARGETS],
}

/// libc does not have this one.
const FIDEDUPERANGE: libc::Ioctl = libc::_IOWR::<Header>(0x94, 54);

/// A value that the kernel never writes (statuses are 0, 1 or a negative errno). Without it a call
/// that fails as a whole leaves zeros behind, and 0 reads as "same".
const UNTOUCHED: i32 = i32::MIN;

/// Asks the kernel to compare `len` bytes of `src` with each target `(descriptor, offset)`, and to
/// share them where they are equal. At most [`MAX_TARGETS`] targets.
///
/// `bytes_deduped` is not handed on: it echoes the request (fs/remap_range.c).
pub(crate) fn dedupe_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    len: u64,
    targets: &[(BorrowedFd<'_>, u64)],
) -> Result<Vec<Outcome>> {
    debug_assert!(targets.len() <= MAX_TARGETS);
    let empty = Info { dest_fd: -1, dest_offset: 0, bytes_deduped: 0, status: UNTOUCHED, reserved: 0 };
    let mut request = Request {
        header: Header {
            src_offset: src_off,
            src_length: len,
            dest_count: targets.len() as u16,
            reserved1: 0,
            reserved2: 0,
        },
        info: [empty; MAX_TARGETS],
    };
    for (info, (fd, offset)) in request.info.iter_mut().zip(targets) {
        info.dest_fd = i64::from(fd.as_raw_fd());
        info.dest_offset = *offset;
    }
    // SAFETY: FIDEDUPERANGE reads the header and `dest_count` infos and writes into those infos;
    // `request` has room for MAX_TARGETS of them and lives until the call returns.
    check(unsafe { libc::ioctl(src.as_raw_fd(), FIDEDUPERANGE, &mut request) })?;
    Ok(request.info[..targets.len()]
        .iter()
        .map(|info| match info.status {
            UNTOUCHED => Outcome::NotReached,
            // After a fatal signal the kernel skips the rest with "same, 0 bytes".
            0 if info.bytes_deduped == 0 && len != 0 => Outcome::NotReached,
            0 => Outcome::Same,
            1 => Outcome::Differs,
            errno => Outcome::Failed(Errno(errno.wrapping_neg())),
        })
        .collect())
}
