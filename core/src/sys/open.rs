//! `openat(2)`: a file by its name in a directory.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Result, check};

/// Opens `path`, relative to `dir`; `mode` counts where the flags create. The descriptor is closed on exec.
pub(crate) fn openat(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: libc::c_int,
    mode: libc::mode_t,
) -> Result<OwnedFd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_LARGEFILE;
    // SAFETY: the path ends with a zero and lives until the call returns.
    let fd = check(unsafe { libc::openat(dir.as_raw_fd(), path.as_ptr(), flags, mode) })?;
    // SAFETY: openat just gave this descriptor, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Stands for the working directory in calls that take a directory and a path (`AT_FDCWD`).
pub(crate) fn working_directory() -> BorrowedFd<'static> {
    // SAFETY: the one number that a `BorrowedFd` must not hold is -1, and AT_FDCWD is -100. It is no
    // descriptor that anybody could close.
    unsafe { BorrowedFd::borrow_raw(libc::AT_FDCWD) }
}
