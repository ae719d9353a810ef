//! `fsync(2)`, `syncfs(2)`: until it is on disk.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Writes back a file, or the names in a directory.
pub(crate) fn fsync(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: fsync takes a number only.
    check(unsafe { libc::fsync(fd.as_raw_fd()) })?;
    Ok(())
}

/// Writes back all of the filesystem that the file lies on.
pub(crate) fn whole_filesystem(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: syncfs takes a number only.
    check(unsafe { libc::syncfs(fd.as_raw_fd()) })?;
    Ok(())
}
