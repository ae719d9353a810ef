//! `fcntl(2)` with F_OFD_SETLK and F_OFD_GETLK: advisory locks on ranges of a file, which belong to an open file.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Takes a shared lock on `len` bytes at `start`. EAGAIN or EACCES where somebody holds an exclusive one that
/// touches them; it does not wait.
pub(crate) fn try_shared(fd: BorrowedFd<'_>, start: i64, len: i64) -> Result<()> {
    let lock = range(libc::F_RDLCK, start, len);
    // SAFETY: F_OFD_SETLK reads one `flock64`, which lives until the call returns.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &lock) })?;
    Ok(())
}

/// Gives back what this open file holds of `len` bytes at `start`.
pub(crate) fn unlock(fd: BorrowedFd<'_>, start: i64, len: i64) -> Result<()> {
    let lock = range(libc::F_UNLCK, start, len);
    // SAFETY: as above.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &lock) })?;
    Ok(())
}

/// The process that stands in the way of [`try_shared`], if one does: -1 where it is not known, which it is for
/// locks that belong to a process (F_SETLK) only.
pub(crate) fn holder(fd: BorrowedFd<'_>, start: i64, len: i64) -> Result<Option<libc::pid_t>> {
    let mut lock = range(libc::F_RDLCK, start, len);
    // SAFETY: F_OFD_GETLK reads and writes one `flock64`, which lives until the call returns.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) })?;
    Ok((lock.l_type != libc::F_UNLCK as libc::c_short).then_some(lock.l_pid))
}

fn range(kind: libc::c_int, start: i64, len: i64) -> libc::flock64 {
    libc::flock64 {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        // Must be 0 for locks of open files.
        l_pid: 0,
    }
}

/// The calling process, as [`holder`] names it.
pub(crate) fn this_process() -> libc::pid_t {
    // SAFETY: getpid takes nothing and cannot fail.
    unsafe { libc::getpid() }
}
