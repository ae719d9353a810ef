//! `getdents64(2)`, `mkdirat(2)`, `unlinkat(2)` with AT_REMOVEDIR: directories.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result, check};

/// Fills `buf` with the next entries, one `linux_dirent64` behind the other; says how many bytes they are, 0 at the end.
/// Moves the position of `dir`.
pub(crate) fn entries(dir: BorrowedFd<'_>, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: getdents64 writes at most `buf.len()` bytes into `buf`.
    let n = unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buf.as_mut_ptr(), buf.len()) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// Makes a directory; its mode goes through the umask.
pub(crate) fn make(dir: BorrowedFd<'_>, name: &CStr, mode: u32) -> Result<()> {
    // SAFETY: the name ends with a zero and lives until the call returns.
    check(unsafe { libc::mkdirat(dir.as_raw_fd(), name.as_ptr(), mode) })?;
    Ok(())
}

/// Removes an empty directory.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // SAFETY: the name ends with a zero and lives until the call returns.
    check(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), libc::AT_REMOVEDIR) })?;
    Ok(())
}
