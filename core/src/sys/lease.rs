//! `fcntl(2)` with F_SETLEASE, F_GETLEASE, F_SETOWN, F_SETOWN_EX: a word from the kernel before somebody writes.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Takes a read lease on the open file. EAGAIN where anything could write to it: an open file, or a mapping that
/// outlived one. EACCES for who neither owns the file nor has CAP_LEASE.
pub(crate) fn take(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: F_SETLEASE takes a number.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_RDLCK) })?;
    Ok(())
}

/// Whether the lease stands. As soon as somebody waits for its end it reads as none.
pub(crate) fn stands(fd: BorrowedFd<'_>) -> Result<bool> {
    // SAFETY: F_GETLEASE takes no argument.
    Ok(check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETLEASE) })? == libc::F_RDLCK)
}

/// Gives the lease back: who waits goes on.
pub(crate) fn release(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: F_SETLEASE takes a number.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) })?;
    Ok(())
}

/// `struct f_owner_ex`; libc does not have it for every C library.
#[repr(C)]
struct Owner {
    kind: libc::c_int,
    id: libc::pid_t,
}

const F_SETOWN_EX: libc::c_int = 15;
const F_OWNER_TID: libc::c_int = 0;

/// The signals of this open file go to the calling thread alone.
pub(crate) fn signals_to_this_thread(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: gettid takes nothing and cannot fail.
    let id = unsafe { libc::syscall(libc::SYS_gettid) } as libc::pid_t;
    let owner = Owner { kind: F_OWNER_TID, id };
    // SAFETY: F_SETOWN_EX reads one `f_owner_ex`, which lives until the call returns.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), F_SETOWN_EX, &owner) })?;
    Ok(())
}

/// The signals of this open file go to nobody.
pub(crate) fn signals_to_nobody(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: F_SETOWN takes a number.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETOWN, 0) })?;
    Ok(())
}
