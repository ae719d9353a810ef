//! `FS_IOC_GETFLAGS`, `FS_IOC_SETFLAGS`: what chattr(1) shows (ioctl_iflags(2)). `FS_IOC_FSGETXATTR`,
//! `FS_IOC_FSSETXATTR`: what XFS has beside (ioctl_xfs_fsgetxattr(2)).

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

pub(crate) fn set_flags(fd: BorrowedFd<'_>, flags: u32) -> Result<()> {
    let flags = flags as libc::c_long;
    // SAFETY: FS_IOC_SETFLAGS reads at most one long.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), libc::FS_IOC_SETFLAGS, &flags) })?;
    Ok(())
}

/// `struct fsxattr`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Extended {
    pub(crate) flags: u32,
    extent_size: u32,
    extents: u32,
    project: u32,
    cow_extent_size: u32,
    padding: [u8; 8],
}

/// FS_XFLAG_REALTIME: the data is on the realtime device.
pub(crate) const REALTIME: u32 = 0x1;

const FS_IOC_FSGETXATTR: libc::Ioctl = libc::_IOR::<Extended>(b'X' as u32, 31);
const FS_IOC_FSSETXATTR: libc::Ioctl = libc::_IOW::<Extended>(b'X' as u32, 32);

pub(crate) fn extended(fd: BorrowedFd<'_>) -> Result<Extended> {
    let mut extended = Extended::default();
    // SAFETY: FS_IOC_FSGETXATTR writes one `fsxattr`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), FS_IOC_FSGETXATTR, &mut extended) })?;
    Ok(extended)
}

pub(crate) fn set_extended(fd: BorrowedFd<'_>, extended: &Extended) -> Result<()> {
    // SAFETY: FS_IOC_FSSETXATTR reads one `fsxattr`.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), FS_IOC_FSSETXATTR, extended) })?;
    Ok(())
}
