//! `flock(2)`: a sign that somebody works on a file, which goes when its process does.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Takes the lock; EWOULDBLOCK where another open file has it.
pub(crate) fn try_lock(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: flock takes numbers only.
    check(unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) })?;
    Ok(())
}

/// Gives the lock back, whoever else has the open file too.
pub(crate) fn unlock(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: as above.
    check(unsafe { libc::flock(fd.as_raw_fd(), libc::LOCK_UN) })?;
    Ok(())
}
