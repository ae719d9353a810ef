//! `openat2(2)`: a path that may not lead out of a directory.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::{Errno, Result};

/// `struct open_how`.
#[repr(C)]
struct How {
    flags: u64,
    mode: u64,
    resolve: u64,
}

/// Opens the directory `path` beneath `dir`: neither through a symbolic link, nor up and out of it. ENOSYS before Linux
/// 5.6, and EPERM from container filters that do not know the call.
pub(crate) fn directory_beneath(dir: BorrowedFd<'_>, path: &CStr) -> Result<OwnedFd> {
    let how = How {
        flags: (libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW | libc::O_CLOEXEC) as u64,
        mode: 0,
        resolve: libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS | libc::RESOLVE_NO_MAGICLINKS,
    };
    // SAFETY: the path ends with a zero; openat2 reads as many bytes of `how` as it is told to have.
    let fd = unsafe {
        libc::syscall(libc::SYS_openat2, dir.as_raw_fd(), path.as_ptr(), &raw const how, size_of::<How>())
    };
    match libc::c_int::try_from(fd) {
        // SAFETY: openat2 just gave this descriptor, and nobody else has it.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Errno::last()),
    }
}
