//! `pread(2)` and `pwrite(2)`: both leave the descriptor's position alone.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result};

/// Reads at most `buf.len()` bytes at `offset`; 0 is the end of the file.
pub(crate) fn pread(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> Result<usize> {
    // SAFETY: the kernel writes at most `buf.len()` bytes into `buf`.
    let n = unsafe { libc::pread64(fd.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), offset as i64) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// Whether the byte at `offset` can be read without waiting: EAGAIN if not (preadv2(2), RWF_NOWAIT).
pub(crate) fn pread_nowait(fd: BorrowedFd<'_>, offset: u64) -> Result<usize> {
    let mut byte = 0u8;
    let vector = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: the kernel reads one vector and writes at most the one byte that it names.
    let n = unsafe { libc::preadv64v2(fd.as_raw_fd(), &vector, 1, offset as i64, libc::RWF_NOWAIT) };
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
