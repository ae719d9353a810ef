//! `fallocate(2)`: space in advance, and holes.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Gives the file blocks for `len` bytes at `offset` where it has none; they read as zeros. Its size stays as it is.
pub(crate) fn reserve(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
    let mode = libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: fallocate takes numbers only.
    check(unsafe { libc::fallocate64(fd.as_raw_fd(), mode, offset as i64, len as i64) })?;
    Ok(())
}

/// Turns `len` bytes at `offset` into a hole; partial blocks at its ends are zeroed. The file's size
/// stays as it is.
pub(crate) fn punch_hole(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: fallocate takes numbers only.
    check(unsafe { libc::fallocate64(fd.as_raw_fd(), mode, offset as i64, len as i64) })?;
    Ok(())
}
