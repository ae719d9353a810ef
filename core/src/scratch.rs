//! Unlinked files on a given filesystem, with the counterpart's attributes.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::facts::Inode;
use crate::sys;
use crate::sys::Errno;
use crate::sys::attributes::{NOCOW, REALTIME};

/// A file without a name, on the filesystem of `dir`; it is gone when its descriptor is. It can get a name
/// later: linkat(2).
pub(crate) fn unlinked(dir: BorrowedFd<'_>, mode: u32) -> sys::Result<OwnedFd> {
    sys::open::openat(dir, c".", libc::O_TMPFILE | libc::O_RDWR, mode)
}

/// Whether O_TMPFILE was refused because this filesystem or kernel does not have it (open(2)), or a container's filter
/// keeps it away. Where nobody may make a file a name does not help, and says so itself.
pub(crate) fn needs_a_name(errno: Errno) -> bool {
    matches!(errno.0, libc::EOPNOTSUPP | libc::EISDIR | libc::EINVAL | libc::ENOSYS | libc::EPERM)
}

/// A file that nobody else comes to, on the filesystem of `dir`, also where there is no O_TMPFILE: then it
/// has a name for a moment.
pub(crate) fn private(dir: BorrowedFd<'_>) -> sys::Result<OwnedFd> {
    match unlinked(dir, 0o600) {
        Err(errno) if needs_a_name(errno) => {}
        result => return result,
    }
    let name = CString::new(format!(".xtent-{:016x}", sys::random::number()?)).expect("digits hold no zero");
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    let file = sys::open::openat(dir, &name, flags, 0o600)?;
    sys::names::unlink(dir, &name)?;
    Ok(file)
}

/// The directory that an open file is in. Only believed where the file is still found there: the path may be
/// seen from another mount namespace. A file without a name is found nowhere; of that the directory must be on
/// the same filesystem, which is all that it is used for.
pub(crate) fn directory_of(file: BorrowedFd<'_>) -> sys::Result<OwnedFd> {
    let path = sys::proc::path_of(file)?.into_bytes();
    let slash = path.iter().rposition(|byte| *byte == b'/').ok_or(Errno(libc::ENOENT))?;
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno(libc::EINVAL));
    let (parent, name) = (text(&path[..=slash])?, text(&path[slash + 1..])?);
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let dir = sys::open::openat(sys::open::working_directory(), &parent, flags, 0)?;
    let ours = sys::stat::fstat(file)?;
    let found = if ours.st_nlink == 0 {
        sys::stat::fstat(dir.as_fd())?.st_dev == ours.st_dev
    } else {
        let there = sys::stat::fstatat(dir.as_fd(), &name, libc::AT_SYMLINK_NOFOLLOW)?;
        Inode::from(&there).same(&Inode::from(&ours))
    };
    if found { Ok(dir) } else { Err(Errno(libc::ENOENT)) }
}

/// Gives an empty file what decides where its data will lie, and so whether it can share blocks with
/// `counterpart`: no copy-on-write (btrfs), the realtime device (XFS). A new file has its directory's.
///
/// What is refused, or is of another filesystem, stays: the clone will say so, and its refusal be explained. Says whether
/// anything is other than before.
pub(crate) fn lies_like(file: BorrowedFd<'_>, counterpart: BorrowedFd<'_>) -> bool {
    let mut changed = false;
    if let (Ok(ours), Ok(theirs)) = (sys::attributes::flags(file), sys::attributes::flags(counterpart))
        && (ours ^ theirs) & NOCOW != 0
    {
        changed |= sys::attributes::set_flags(file, ours ^ NOCOW).is_ok();
    }
    if let (Ok(mut ours), Ok(theirs)) =
        (sys::attributes::extended(file), sys::attributes::extended(counterpart))
        && (ours.flags ^ theirs.flags) & REALTIME != 0
    {
        ours.flags ^= REALTIME;
        changed |= sys::attributes::set_extended(file, &ours).is_ok();
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_filesystem_that_lacks_o_tmpfile_needs_a_name() {
        for errno in [libc::EOPNOTSUPP, libc::EISDIR, libc::EINVAL, libc::ENOSYS, libc::EPERM] {
            assert!(needs_a_name(Errno(errno)), "{errno}");
        }
        for errno in [libc::EROFS, libc::EACCES, libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::ENOENT] {
            assert!(!needs_a_name(Errno(errno)), "{errno}");
        }
    }
}
