//! `FICLONERANGE`: share a range of one file with another (ioctl_ficlonerange(2)).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Shares `len` bytes of `src` at `src_off` with `dst` at `dst_off`; a `len` of 0 means to the end
/// of `src` as the kernel sees it while it holds both files' locks.
pub(crate) fn clone_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    dst: BorrowedFd<'_>,
    dst_off: u64,
    len: u64,
) -> Result<()> {
    let arg = libc::file_clone_range {
        src_fd: i64::from(src.as_raw_fd()),
        src_offset: src_off,
        src_length: len,
        dest_offset: dst_off,
    };
    // SAFETY: FICLONERANGE reads one `file_clone_range`, which lives until the call returns.
    check(unsafe { libc::ioctl(dst.as_raw_fd(), libc::FICLONERANGE, &arg) })?;
    Ok(())
}
