//! `linkat(2)`, `renameat(2)`, `renameat2(2)`, `unlinkat(2)`: names in directories.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// Gives an open file the name `new` in `dir`; fails where the name is taken. Before Linux 6.10 this needs
/// CAP_DAC_READ_SEARCH (ENOENT), since then it is enough that the caller opened the file.
pub(crate) fn link_open(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, new: &CStr) -> Result<()> {
    let (file, dir) = (file.as_raw_fd(), dir.as_raw_fd());
    // SAFETY: both paths end with a zero and live until the call returns.
    check(unsafe { libc::linkat(file, c"".as_ptr(), dir, new.as_ptr(), libc::AT_EMPTY_PATH) })?;
    Ok(())
}

/// Gives what `old`, a path of /proc/self/fd, stands for the name `new` in `dir`; fails where the name is taken.
pub(crate) fn link_through(old: &CStr, dir: BorrowedFd<'_>, new: &CStr) -> Result<()> {
    let (cwd, flags) = (libc::AT_FDCWD, libc::AT_SYMLINK_FOLLOW);
    // SAFETY: both paths end with a zero and live until the call returns.
    check(unsafe { libc::linkat(cwd, old.as_ptr(), dir.as_raw_fd(), new.as_ptr(), flags) })?;
    Ok(())
}

/// Gives the file `old` in `dir` a second name there; fails where it is taken. A symbolic link is not followed.
pub(crate) fn link(dir: BorrowedFd<'_>, old: &CStr, new: &CStr) -> Result<()> {
    let dir = dir.as_raw_fd();
    // SAFETY: both paths end with a zero and live until the call returns.
    check(unsafe { libc::linkat(dir, old.as_ptr(), dir, new.as_ptr(), 0) })?;
    Ok(())
}

/// Renames in one directory; what had the name `new` loses it in the same moment.
pub(crate) fn rename(dir: BorrowedFd<'_>, old: &CStr, new: &CStr) -> Result<()> {
    let dir = dir.as_raw_fd();
    // SAFETY: both paths end with a zero and live until the call returns.
    check(unsafe { libc::renameat(dir, old.as_ptr(), dir, new.as_ptr()) })?;
    Ok(())
}

/// Renames in one directory; fails where the name is taken. EINVAL where the filesystem does not know the
/// flag (NFS, OCFS2, FUSE servers).
pub(crate) fn rename_new(dir: BorrowedFd<'_>, old: &CStr, new: &CStr) -> Result<()> {
    let (dir, flags) = (dir.as_raw_fd(), libc::RENAME_NOREPLACE);
    // Not the C library's renameat2, which musl does not have.
    // SAFETY: both paths end with a zero and live until the call returns.
    let rc = unsafe { libc::syscall(libc::SYS_renameat2, dir, old.as_ptr(), dir, new.as_ptr(), flags) };
    check(rc as libc::c_int)?;
    Ok(())
}

/// Lets two names of one directory change what they name, in one moment. EINVAL where the filesystem does not know the
/// flag.
pub(crate) fn exchange(dir: BorrowedFd<'_>, one: &CStr, other: &CStr) -> Result<()> {
    let (dir, flags) = (dir.as_raw_fd(), libc::RENAME_EXCHANGE);
    // SAFETY: both paths end with a zero and live until the call returns.
    let rc = unsafe { libc::syscall(libc::SYS_renameat2, dir, one.as_ptr(), dir, other.as_ptr(), flags) };
    check(rc as libc::c_int)?;
    Ok(())
}

/// Gives what `old` names in one directory the name `new` in another; fails where it is taken. A symbolic link is not
/// followed.
pub(crate) fn link_across(
    old_dir: BorrowedFd<'_>,
    old: &CStr,
    new_dir: BorrowedFd<'_>,
    new: &CStr,
) -> Result<()> {
    let (old_dir, new_dir) = (old_dir.as_raw_fd(), new_dir.as_raw_fd());
    // SAFETY: both paths end with a zero and live until the call returns.
    check(unsafe { libc::linkat(old_dir, old.as_ptr(), new_dir, new.as_ptr(), 0) })?;
    Ok(())
}

/// Removes a name; never a directory.
pub(crate) fn unlink(dir: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // SAFETY: the name ends with a zero and lives until the call returns.
    check(unsafe { libc::unlinkat(dir.as_raw_fd(), name.as_ptr(), 0) })?;
    Ok(())
}
