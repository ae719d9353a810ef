//! `fchmod(2)`, `fchown(2)`, `futimens(3)` and their kin that take a name: what an inode says of its file.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Sets the permission bits, set-id and sticky bits among them.
pub(crate) fn chmod(fd: BorrowedFd<'_>, mode: u32) -> Result<()> {
    // SAFETY: fchmod takes numbers only.
    check(unsafe { libc::fchmod(fd.as_raw_fd(), mode) })?;
    Ok(())
}

/// Sets owner and group; `None` stays as it is.
pub(crate) fn chown(fd: BorrowedFd<'_>, owner: Option<u32>, group: Option<u32>) -> Result<()> {
    // SAFETY: fchown takes numbers only; -1 leaves one as it is.
    check(unsafe { libc::fchown(fd.as_raw_fd(), owner.unwrap_or(u32::MAX), group.unwrap_or(u32::MAX)) })?;
    Ok(())
}

/// Sets the times of the last access and modification, as (seconds, nanoseconds).
pub(crate) fn set_times(fd: BorrowedFd<'_>, accessed: (i64, i64), modified: (i64, i64)) -> Result<()> {
    let times = [time(accessed), time(modified)];
    // SAFETY: futimens reads two times.
    check(unsafe { libc::futimens(fd.as_raw_fd(), times.as_ptr()) })?;
    Ok(())
}

fn time((tv_sec, tv_nsec): (i64, i64)) -> libc::timespec {
    libc::timespec { tv_sec: tv_sec as libc::time_t, tv_nsec: tv_nsec as libc::c_long }
}

/// [`chmod`] of what has a name in `dir`; follows a symbolic link (fchmodat(2)).
pub(crate) fn chmod_at(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: the name ends with a zero and lives until the call returns.
    check(unsafe { libc::fchmodat(dir.as_raw_fd(), name.as_ptr(), mode, 0) })?;
    Ok(())
}

/// [`chown`] of what has a name in `dir`, be it a symbolic link.
pub(crate) fn chown_at(
    dir: BorrowedFd<'_>,
    name: &CStr,
    owner: Option<u32>,
    group: Option<u32>,
) -> Result<()> {
    let (owner, group) = (owner.unwrap_or(u32::MAX), group.unwrap_or(u32::MAX));
    // SAFETY: the name ends with a zero and lives until the call returns; -1 leaves an id as it is.
    check(unsafe {
        libc::fchownat(dir.as_raw_fd(), name.as_ptr(), owner, group, libc::AT_SYMLINK_NOFOLLOW)
    })?;
    Ok(())
}

/// [`set_times`] of what has a name in `dir`, be it a symbolic link.
pub(crate) fn set_times_at(
    dir: BorrowedFd<'_>,
    name: &CStr,
    accessed: (i64, i64),
    modified: (i64, i64),
) -> Result<()> {
    let times = [time(accessed), time(modified)];
    // SAFETY: the name ends with a zero and lives until the call returns; utimensat reads two times.
    check(unsafe {
        libc::utimensat(dir.as_raw_fd(), name.as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW)
    })?;
    Ok(())
}

/// Who the process is to the filesystem, apart from capabilities.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: geteuid takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}
