//! `ftruncate(2)` and `futimens(3)`: a file's size and modification time.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Cuts a file, or lets it grow by a hole.
pub(crate) fn set_size(fd: BorrowedFd<'_>, size: u64) -> Result<()> {
    // SAFETY: ftruncate takes numbers only.
    check(unsafe { libc::ftruncate64(fd.as_raw_fd(), size as i64) })?;
    Ok(())
}

/// EPERM unless the caller owns the file (utimensat(2)).
pub(crate) fn set_mtime(fd: BorrowedFd<'_>, sec: i64, nsec: i64) -> Result<()> {
    let keep = libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT };
    let times = [keep, libc::timespec { tv_sec: sec as libc::time_t, tv_nsec: nsec as libc::c_long }];
    // SAFETY: futimens reads two `timespec`, which live until the call returns.
    check(unsafe { libc::futimens(fd.as_raw_fd(), times.as_ptr()) })?;
    Ok(())
}
