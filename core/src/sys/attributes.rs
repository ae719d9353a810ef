//! `FS_IOC_GETFLAGS`: what chattr(1) shows (ioctl_iflags(2)).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

pub(crate) const IMMUTABLE: u32 = 0x10;
pub(crate) const APPEND: u32 = 0x20;
pub(crate) const NOCOW: u32 = 0x0080_0000;

pub(crate) fn flags(fd: BorrowedFd<'_>) -> Result<u32> {
    // The ioctl is declared with a long and writes an int; a long has room for both.
    let mut flags: libc::c_long = 0;
    // SAFETY: FS_IOC_GETFLAGS writes at most one long.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_GETFLAGS, &mut flags) })?;
    Ok(flags as u32)
}
