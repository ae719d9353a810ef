//! Unlinked files on a given filesystem, with the counterpart's attributes.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::sys;
use crate::sys::attributes::{NOCOW, REALTIME};

/// A file without a name, on the filesystem of `dir`; it is gone when its descriptor is. It can get a name
/// later: linkat(2).
pub(crate) fn unlinked(dir: BorrowedFd<'_>, mode: u32) -> sys::Result<OwnedFd> {
    sys::open::openat(dir, c".", libc::O_TMPFILE | libc::O_RDWR, mode)
}

/// Gives an empty file what decides where its data will lie, and so whether it can share blocks with
/// `counterpart`: no copy-on-write (btrfs), the realtime device (XFS). A new file has its directory's.
///
/// What is refused, or is of another filesystem, stays: the clone will say so, and its refusal be explained.
pub(crate) fn lies_like(file: BorrowedFd<'_>, counterpart: BorrowedFd<'_>) {
    if let (Ok(ours), Ok(theirs)) = (sys::attributes::flags(file), sys::attributes::flags(counterpart))
        && (ours ^ theirs) & NOCOW != 0
    {
        sys::attributes::set_flags(file, ours ^ NOCOW).ok();
    }
    if let (Ok(mut ours), Ok(theirs)) =
        (sys::attributes::extended(file), sys::attributes::extended(counterpart))
        && (ours.flags ^ theirs.flags) & REALTIME != 0
    {
        ours.flags ^= REALTIME;
        sys::attributes::set_extended(file, &ours).ok();
    }
}
