//! What /proc tells: `readlink(2)` of /proc/self/fd, by which path a descriptor was opened (proc_pid_fd(5)), and the mounts.

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use super::{Errno, Result};

/// The mounts that this process sees, as text: proc_pid_mountinfo(5).
pub(crate) fn mounts() -> Result<Vec<u8>> {
    let file =
        super::open::openat(super::open::working_directory(), c"/proc/self/mountinfo", libc::O_RDONLY, 0)?;
    let (mut text, mut part) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match super::io::pread(file.as_fd(), &mut part, text.len() as u64)? {
            0 => return Ok(text),
            n => text.extend_from_slice(&part[..n]),
        }
    }
}

/// The path as it is now, which may be of another file, or of none (`... (deleted)`).
pub(crate) fn path_of(fd: BorrowedFd<'_>) -> Result<CString> {
    let link = CString::new(format!("/proc/self/fd/{}", fd.as_raw_fd())).map_err(|_| Errno(libc::EINVAL))?;
    // The kernel gives no longer one: it builds the path in a page (fs/proc/base.c, `do_proc_readlink`).
    let mut path = vec![0u8; 4096];
    // SAFETY: the link's name ends with a zero; readlink writes at most `path.len()` bytes into `path`.
    let n = unsafe { libc::readlink(link.as_ptr(), path.as_mut_ptr().cast(), path.len()) };
    path.truncate(usize::try_from(n).map_err(|_| Errno::last())?);
    CString::new(path).map_err(|_| Errno(libc::EINVAL))
}
