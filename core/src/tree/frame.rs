//! The two directories of a tree verb: the source, and the hidden one that becomes the destination.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::facts::Inode;
use crate::file::{At, Entry, Refusal, has_acls, hidden, path_refusal};
use crate::reason::Reason;
use crate::remove;
use crate::sys::{self, Errno};

pub(super) struct Frame {
    pub(super) src: OwnedFd,
    pub(super) stat: libc::stat64,
    pub(super) dst: OwnedFd,
    entry: Entry,
    /// The name that `dst` has until it is published.
    hidden: CString,
    /// Nothing that is made in `dst` has an ACL from it.
    pub(super) alone: bool,
}

/// For its owner only, as long as it is built: nobody finds a half tree, or a file before it has its own mode.
const PRIVATE: u32 = 0o700;

impl Frame {
    pub(super) fn make(src: &At<'_>, dst: &At<'_>, replace: bool) -> Result<Frame, Refusal> {
        let entry = Entry::open(dst)?;
        let src = open_source(src)?;
        let stat = sys::stat::fstat(src.as_fd()).map_err(path_refusal)?;
        if let Some(present) = entry.present()? {
            if !replace {
                return Err(Refusal { errno: libc::EEXIST, reason: Reason::Exists });
            }
            if lies_inside(src.as_fd(), &Inode::from(&present)).map_err(path_refusal)? {
                return Err(Refusal { errno: libc::EINVAL, reason: Reason::InsideDestination });
            }
        }
        if lies_inside(entry.dir(), &Inode::from(&stat)).map_err(path_refusal)? {
            return Err(Refusal { errno: libc::EINVAL, reason: Reason::InsideSource });
        }
        let (dst, hidden) = hidden::under(entry.dir(), entry.name(), |name| {
            sys::dir::make(entry.dir(), name, PRIVATE)?;
            let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
            let dst = sys::open::openat(entry.dir(), name, flags, 0).inspect_err(|_| {
                // Empty, and nobody's: no descriptor was to be had for it.
                sys::dir::remove(entry.dir(), name).ok();
            })?;
            hidden::hold(dst.as_fd(), entry.dir(), name)?;
            Ok(dst)
        })
        .map_err(path_refusal)?;
        let mut frame = Frame { src, stat, dst, entry, hidden, alone: false };
        frame.clean().map_err(path_refusal)?;
        frame.alone = !has_acls(frame.dst.as_fd());
        Ok(frame)
    }

    /// Takes away what the directory has from the one that it was made in, and what everything inside would have from it: a
    /// default ACL, the set-group-id bit.
    fn clean(&self) -> sys::Result<()> {
        // There is none where this fails.
        sys::xattr::remove(self.dst.as_fd(), c"system.posix_acl_default").ok();
        sys::metadata::chmod(self.dst.as_fd(), PRIVATE)
    }

    /// Gives the finished tree its name in one step.
    pub(super) fn publish(mut self, replace: bool, durable: bool) -> Result<(), Refusal> {
        let dir = self.entry.dir();
        if durable {
            sys::sync::syncfs(self.dst.as_fd()).map_err(path_refusal)?;
        }
        let old = self.appear(replace)?;
        let synced = if durable { sys::sync::fsync(dir) } else { Ok(()) };
        let hidden = std::mem::take(&mut self.hidden);
        if let Some(old) = old {
            // What cannot be removed now is a leftover, which the next run clears.
            discard(dir, &hidden, &old).ok();
        }
        match synced {
            // Some network and FUSE filesystems have nothing to sync for a directory, and say so (fsync(2)).
            Ok(()) | Err(Errno(libc::EINVAL)) => Ok(()),
            Err(Errno(errno)) => Err(Refusal { errno, reason: Reason::NotDurable }),
        }
    }

    /// Something old that has the hidden name now.
    fn appear(&self, replace: bool) -> Result<Option<Inode>, Refusal> {
        let (dir, name) = (self.entry.dir(), self.entry.name());
        // Who owns the directory may have put something else there. It could do so after this look too, but then it could
        // as well rename what was published.
        if !hidden::is_named(self.dst.as_fd(), dir, &self.hidden).map_err(path_refusal)? {
            return Err(path_refusal(Errno(libc::ENOENT)));
        }
        match sys::names::rename_new(dir, &self.hidden, name) {
            Ok(()) => return Ok(None),
            Err(Errno(libc::EEXIST)) if replace => {}
            // NFS, OCFS2, FUSE, and under a container's filter.
            Err(Errno(libc::EINVAL | libc::ENOSYS | libc::EPERM)) => {
                if !replace && self.entry.present()?.is_some() {
                    return Err(path_refusal(Errno(libc::EEXIST)));
                }
                // What has the name, or gets it between the look and this, is safe: a directory is renamed over nothing but
                // an empty directory (rename(2)). One that is made first, to hold the name, would stay after a kill.
                match sys::names::rename(dir, &self.hidden, name) {
                    Ok(()) => return Ok(None),
                    Err(Errno(libc::ENOTEMPTY | libc::EEXIST | libc::ENOTDIR)) if replace => {}
                    Err(Errno(libc::ENOTEMPTY | libc::ENOTDIR)) => {
                        return Err(path_refusal(Errno(libc::EEXIST)));
                    }
                    Err(errno) => return Err(path_refusal(errno)),
                }
            }
            Err(errno) => return Err(path_refusal(errno)),
        }
        let old = self.entry.present()?.as_ref().map(Inode::from);
        match sys::names::exchange(dir, &self.hidden, name) {
            Ok(()) => Ok(old),
            Err(Errno(libc::EINVAL | libc::ENOSYS)) => {
                Err(Refusal { errno: libc::EOPNOTSUPP, reason: Reason::CannotExchange })
            }
            Err(errno) => Err(path_refusal(errno)),
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        if !self.hidden.is_empty() && remove::tree(self.dst.as_fd()).is_ok() {
            // What cannot be removed now is a leftover, which the next run clears.
            sys::dir::remove(self.entry.dir(), &self.hidden).ok();
        }
        hidden::let_go(self.dst.as_fd());
    }
}

/// Removes what was replaced: a tree, or a file of any kind; nothing else that somebody gave the name meanwhile.
fn discard(dir: BorrowedFd<'_>, name: &CStr, old: &Inode) -> sys::Result<()> {
    let found = Inode::from(&sys::stat::fstatat(dir, name, libc::AT_SYMLINK_NOFOLLOW)?);
    if !found.same(old) {
        return Ok(());
    }
    if found.file_type != libc::S_IFDIR {
        return sys::names::unlink(dir, name);
    }
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let opened = match sys::open::openat(dir, name, flags, 0) {
        Err(Errno(libc::EACCES)) => {
            sys::metadata::chmod_at(dir, name, PRIVATE)?;
            sys::open::openat(dir, name, flags, 0)?
        }
        opened => opened?,
    };
    if Inode::from(&sys::stat::fstat(opened.as_fd())?).same(old) {
        remove::tree(opened.as_fd())?;
        sys::dir::remove(dir, name)?;
    }
    Ok(())
}

/// Opens the source; a symbolic link is none. One that the caller has open is opened again, for a position of its own.
fn open_source(at: &At<'_>) -> Result<OwnedFd, Refusal> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    match at.already_open() {
        Some(dir) => sys::open::openat(dir, c".", flags, 0),
        None => sys::open::openat(at.directory(), &at.c_path()?, flags, 0),
    }
    .map_err(path_refusal)
}

/// Whether `dir` is the directory `tree`, or lies in it.
fn lies_inside(dir: BorrowedFd<'_>, tree: &Inode) -> sys::Result<bool> {
    let mut inode = Inode::from(&sys::stat::fstat(dir)?);
    let mut at = None::<OwnedFd>;
    loop {
        if inode.same(tree) {
            return Ok(true);
        }
        let from = at.as_ref().map_or(dir, AsFd::as_fd);
        let up = match sys::open::openat(from, c"..", libc::O_PATH | libc::O_DIRECTORY, 0) {
            // Who may not look up cannot have the tree above opened either.
            Err(Errno(libc::EACCES)) => return Ok(false),
            up => up?,
        };
        let above = Inode::from(&sys::stat::fstat(up.as_fd())?);
        if above.same(&inode) {
            return Ok(false);
        }
        (inode, at) = (above, Some(up));
    }
}
