//! `symlinkat(2)`, `readlinkat(2)`, `mknodat(2)`: files that are no regular ones.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result, check};

/// Fills `target` with what the symbolic link `name` points to, without a zero; says how many bytes it is.
pub(crate) fn read_link(dir: BorrowedFd<'_>, name: &CStr, target: &mut [u8]) -> Result<usize> {
    // SAFETY: the name ends with a zero; readlinkat writes at most `target.len()` bytes into `target`.
    let n =
        unsafe { libc::readlinkat(dir.as_raw_fd(), name.as_ptr(), target.as_mut_ptr().cast(), target.len()) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// Makes a symbolic link to `target`.
pub(crate) fn symlink(target: &CStr, dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // SAFETY: both end with a zero and live until the call returns.
    check(unsafe { libc::symlinkat(target.as_ptr(), dir.as_raw_fd(), name.as_ptr()) })?;
    Ok(())
}

/// Makes a FIFO, socket or device; `mode` has its type, and permission bits that go through the umask.
pub(crate) fn node(dir: BorrowedFd<'_>, name: &CStr, mode: u32, device: u64) -> Result<()> {
    // SAFETY: the name ends with a zero and lives until the call returns.
    check(unsafe { libc::mknodat(dir.as_raw_fd(), name.as_ptr(), mode, device) })?;
    Ok(())
}
