//! `pread(2)` and `pwrite(2)`: both leave the descriptor's position alone.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result};

/// Reads at most `buf.len()` bytes at `offset`; 0 is the end of the file.
pub(crate) fn pread(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes into `buf`.
    let n = unsafe { libc::pread64(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), offset as i64) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// Writes at most `buf.len()` bytes at `offset`.
///
/// At the file-size limit the kernel also sends SIGXFSZ to the thread: see [`super::signal`].
pub(crate) fn pwrite(fd: BorrowedFd<'_>, buf: &[u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel reads at most `buf.len()` bytes from `buf`.
    let n = unsafe { libc::pwrite64(fd.as_raw_fd(), buf.as_ptr().cast(), buf.len(), offset as i64) };
    usize::try_from(n).map_err(|_| Errno::last())
}
