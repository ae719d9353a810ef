//! A source by its path: opened without side effects, and without waiting for anybody.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::reason::Reason;
use crate::sys::{self, Errno};

use super::at::At;
use super::{Refusal, path_refusal};

/// A regular file to read from, and what it was when it was opened.
pub(crate) struct Source<'a> {
    file: Held<'a>,
    stat: libc::stat64,
}

/// A file that was opened here, or by the caller.
pub(crate) enum Held<'a> {
    Ours(OwnedFd),
    /// Stays open.
    Callers(BorrowedFd<'a>),
}

impl<'a> Source<'a> {
    /// Opens it for reading. A symbolic link as the last part of the path is followed only where `follow` says so.
    pub(crate) fn open(at: &At<'a>, follow: bool) -> Result<Source<'a>, Refusal> {
        let file = Held::open(at, follow, libc::O_RDONLY)?;
        let stat = sys::stat::fstat(file.as_fd()).map_err(path_refusal)?;
        Ok(Source { file, stat })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether it was opened here, and nobody else has it.
    pub(crate) fn is_private(&self) -> bool {
        matches!(self.file, Held::Ours(_))
    }

    /// Remembers a later look at it.
    pub(crate) fn was(&mut self, stat: libc::stat64) {
        self.stat = stat;
    }

    pub(crate) fn stat(&self) -> &libc::stat64 {
        &self.stat
    }
}

impl<'a> Held<'a> {
    /// A regular file, opened unless it is.
    pub(crate) fn open(at: &At<'a>, follow: bool, access: libc::c_int) -> Result<Held<'a>, Refusal> {
        match at.already_open() {
            Some(file) => {
                regular(&sys::stat::fstat(file).map_err(path_refusal)?)?;
                Ok(Held::Callers(file))
            }
            None => open_regular(at.directory(), &at.c_path()?, follow, access).map(Held::Ours),
        }
    }
}

impl AsFd for Held<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Held::Ours(file) => file.as_fd(),
            Held::Callers(file) => *file,
        }
    }
}

/// Opens a regular file. What is none is not opened: opening a FIFO lets a writer go on that waits for a
/// reader, and opening a tape winds it. One put in its place between the look and the opening is opened, but
/// not waited for (O_NONBLOCK), and refused. O_NOATIME in `access` counts where the caller may (open(2): the owner).
pub(crate) fn open_regular(
    dir: BorrowedFd<'_>,
    path: &CStr,
    follow: bool,
    access: libc::c_int,
) -> Result<OwnedFd, Refusal> {
    let (look, open) = if follow { (0, 0) } else { (libc::AT_SYMLINK_NOFOLLOW, libc::O_NOFOLLOW) };
    regular(&sys::stat::fstatat(dir, path, look).map_err(path_refusal)?)?;
    let flags = access | open | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match sys::open::openat(dir, path, flags, 0) {
        Err(Errno(libc::EPERM)) if flags & libc::O_NOATIME != 0 => {
            sys::open::openat(dir, path, flags & !libc::O_NOATIME, 0)
        }
        opened => opened,
    }
    .map_err(path_refusal)?;
    regular(&sys::stat::fstat(file.as_fd()).map_err(path_refusal)?)?;
    Ok(file)
}

/// Refuses everything but regular files, with the errno that the range verbs have for it.
fn regular(stat: &libc::stat64) -> Result<(), Refusal> {
    let errno = match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => return Ok(()),
        // As open(2) with O_NOFOLLOW.
        libc::S_IFLNK => return Err(Refusal { errno: libc::ELOOP, reason: Reason::TooManyLinks }),
        libc::S_IFDIR => libc::EISDIR,
        libc::S_IFIFO | libc::S_IFSOCK => libc::ESPIPE,
        _ => libc::EINVAL,
    };
    Err(Refusal { errno, reason: Reason::NotRegularFile })
}
