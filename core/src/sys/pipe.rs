//! `pipe2(2)` and `fcntl(2)` with F_SETPIPE_SZ.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Result, check};

/// A pipe that no program started meanwhile inherits: the end to read from, and the one to write to.
pub(crate) fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: pipe2 writes two numbers.
    check(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: two new descriptors, owned by nobody yet.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// Asks for room for `bytes`; says how much there is now, which may be more.
pub(crate) fn set_size(pipe: BorrowedFd<'_>, bytes: usize) -> Result<usize> {
    // SAFETY: F_SETPIPE_SZ takes a number.
    let room = check(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, bytes as libc::c_int) })?;
    Ok(room as usize)
}
