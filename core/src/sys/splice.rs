//! `splice(2)`: pages go through a pipe and not through memory of the process. With offsets of our own the files'
//! positions stay.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;

use super::{Errno, Result};

/// Puts at most `len` bytes of `file` at `offset` into the pipe; 0 is the end of the file. It waits when the pipe is
/// full.
pub(crate) fn file_to_pipe(
    file: BorrowedFd<'_>,
    offset: u64,
    pipe: BorrowedFd<'_>,
    len: usize,
) -> Result<usize> {
    let mut offset = offset as libc::loff_t;
    // SAFETY: the kernel reads and writes one offset, which lives until the call returns.
    let n = unsafe { libc::splice(file.as_raw_fd(), &mut offset, pipe.as_raw_fd(), null_mut(), len, 0) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// Writes at most `len` bytes from the pipe to `file` at `offset`. It waits when the pipe is empty.
///
/// At the file-size limit the kernel also sends SIGXFSZ to the thread: see [`super::signal`].
pub(crate) fn pipe_to_file(
    pipe: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    offset: u64,
    len: usize,
) -> Result<usize> {
    let mut offset = offset as libc::loff_t;
    // SAFETY: the kernel reads and writes one offset, which lives until the call returns.
    let n = unsafe { libc::splice(pipe.as_raw_fd(), null_mut(), file.as_raw_fd(), &mut offset, len, 0) };
    usize::try_from(n).map_err(|_| Errno::last())
}
