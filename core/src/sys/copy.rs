//! `copy_file_range(2)`, by its number: the wrapper of glibc 2.41 and 2.42 answers wrongly above 2 GiB.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result};

/// Asks the filesystem to copy at most `len` bytes; 0 is the end of the source. It may share them instead.
pub(crate) fn copy_file_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    dst: BorrowedFd<'_>,
    dst_off: u64,
    len: usize,
) -> Result<usize> {
    let (mut src_off, mut dst_off) = (src_off as libc::loff_t, dst_off as libc::loff_t);
    let flags: libc::c_uint = 0;
    // SAFETY: the kernel reads and writes two offsets, which live until the call returns.
    let n = unsafe {
        libc::syscall(
            libc::SYS_copy_file_range,
            src.as_raw_fd(),
            &raw mut src_off,
            dst.as_raw_fd(),
            &raw mut dst_off,
            len,
            flags,
        )
    };
    usize::try_from(n).map_err(|_| Errno::last())
}
