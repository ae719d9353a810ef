//! `fstat(2)`, `statx(2)`, `fstatat(2)`, `fstatfs(2)`, `fcntl(2)` with F_GETFL and F_GET_SEALS: what a descriptor is.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result, check};

pub(crate) fn fstat(fd: BorrowedFd<'_>) -> Result<libc::stat64> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: fstat fills one `stat64` when it succeeds.
    unsafe {
        check(libc::fstat64(fd.as_raw_fd(), stat.as_mut_ptr()))?;
        Ok(stat.assume_init())
    }
}

/// What `path` names, relative to `dir`; with `AT_SYMLINK_NOFOLLOW` a symbolic link itself.
pub(crate) fn fstatat(dir: BorrowedFd<'_>, path: &CStr, flags: libc::c_int) -> Result<libc::stat64> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the path ends with a zero; fstatat fills one `stat64` when it succeeds.
    unsafe {
        check(libc::fstatat64(dir.as_raw_fd(), path.as_ptr(), stat.as_mut_ptr(), flags))?;
        Ok(stat.assume_init())
    }
}

pub(crate) fn fstatfs(fd: BorrowedFd<'_>) -> Result<libc::statfs64> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: fstatfs fills one `statfs64` when it succeeds.
    unsafe {
        check(libc::fstatfs64(fd.as_raw_fd(), stat.as_mut_ptr()))?;
        Ok(stat.assume_init())
    }
}

/// The number that statfs(2) has for the filesystem; libc keeps its parts to itself.
pub(crate) fn fsid(fs: &libc::statfs64) -> u64 {
    // SAFETY: an `fsid_t` is two ints, which are valid as any eight bytes.
    unsafe { std::mem::transmute(fs.f_fsid) }
}

/// The descriptor's access mode and status flags (open(2)).
pub(crate) fn status_flags(fd: BorrowedFd<'_>) -> Result<libc::c_int> {
    // SAFETY: F_GETFL takes no argument.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFL) })
}

/// Sets the status flags that F_SETFL can, for all who share the open file description.
pub(crate) fn set_status_flags(fd: BorrowedFd<'_>, flags: libc::c_int) -> Result<()> {
    // SAFETY: F_SETFL takes a number.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags) })?;
    Ok(())
}

/// What a memfd is sealed against (F_SEAL_..., fcntl(2)); EINVAL for other files.
pub(crate) fn seals(fd: BorrowedFd<'_>) -> Result<libc::c_int> {
    // SAFETY: F_GET_SEALS takes no argument.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) })
}

/// Which mount the open file was reached through; `None` before Linux 5.8, and under container filters that do not know
/// the call.
pub(crate) fn mount(fd: BorrowedFd<'_>) -> Result<Option<u64>> {
    match statx(fd, c"", libc::AT_EMPTY_PATH, libc::STATX_MNT_ID) {
        Ok(stat) => Ok((stat.stx_mask & libc::STATX_MNT_ID != 0).then_some(stat.stx_mnt_id)),
        Err(Errno(libc::ENOSYS | libc::EPERM)) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// What `path` names, relative to `dir`, with what the mask asks for: `stx_mask` says what of it is there.
pub(crate) fn statx(
    dir: BorrowedFd<'_>,
    path: &CStr,
    flags: libc::c_int,
    mask: libc::c_uint,
) -> Result<libc::statx> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the path ends with a zero; statx fills one `statx` when it succeeds.
    unsafe {
        check(libc::statx(dir.as_raw_fd(), path.as_ptr(), flags, mask, stat.as_mut_ptr()))?;
        Ok(stat.assume_init())
    }
}
