//! One regular file of a tree.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::control::Control;
use crate::copy::CopyOptions;
use crate::error::{Error, Operation, Result};
use crate::facts::Kind;
use crate::file::{Fill, Original, carry, path_refusal};
use crate::preserve::Preserve;
use crate::report::Report;
use crate::sys::{self, Errno};

/// How the files of a tree are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Copy,
    Clone,
    CloneOrCopy,
}

/// What `cp -a` keeps.
pub(super) const KEPT: Preserve =
    Preserve::MODE.with(Preserve::OWNER).with(Preserve::TIMES).with(Preserve::XATTRS).with(Preserve::ACLS);

impl Way {
    pub(super) fn operation(self) -> Operation {
        match self {
            Way::Copy => Operation::CopyTree,
            Way::Clone => Operation::CloneTree,
            Way::CloneOrCopy => Operation::CloneOrCopyTree,
        }
    }

    fn fill(self, size: u64, kind: Kind) -> Fill {
        match self {
            Way::Copy => Fill::Move,
            Way::Clone => Fill::Share,
            Way::CloneOrCopy if size <= sooner_copied(kind) => Fill::Move,
            Way::CloneOrCopy => Fill::ShareOrMove,
        }
    }
}

/// Files up to this size are copied sooner than cloned. On btrfs those are kept in the inode (max_inline in btrfs(5)), so that
/// a clone has nothing to share; anywhere else a clone is no slower than a copy of a single block (README.md beside this file).
fn sooner_copied(kind: Kind) -> u64 {
    match kind {
        Kind::Btrfs => 2048,
        _ => 0,
    }
}

/// What a name turned out to be.
pub(super) enum Opened {
    Regular(OwnedFd, libc::stat64),
    /// Something else by now.
    Other,
}

/// Opens what was listed as a regular file, without waiting for anybody if it is something else by now.
pub(super) fn open(dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<Opened> {
    let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = match sys::open::openat(dir, name, flags, 0) {
        // A symbolic link; a socket.
        Err(Errno(libc::ELOOP | libc::ENXIO)) => return Ok(Opened::Other),
        opened => opened?,
    };
    let stat = sys::stat::fstat(file.as_fd())?;
    if stat.st_mode & libc::S_IFMT == libc::S_IFREG {
        Ok(Opened::Regular(file, stat))
    } else {
        Ok(Opened::Other)
    }
}

/// Makes `name` in `dir` the file `src`. The new tree's filesystem is of that kind, and nothing in it has a default ACL yet,
/// if it is `alone`.
pub(super) fn make(
    way: Way,
    (kind, alone): (Kind, bool),
    (src, stat): (OwnedFd, libc::stat64),
    dir: BorrowedFd<'_>,
    name: &CStr,
    control: Control<'_>,
) -> Result<Report> {
    let op = way.operation();
    let refused = |errno| path_refusal(errno).of(op);
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
    // Nobody else reaches it before the tree is published, so it may have its final mode at once, which saves a call;
    // but attributes of the user are set on what its owner may write only (xattr(7)).
    let mode = stat.st_mode & 0o777 | 0o600;
    let dst = sys::open::openat(dir, name, flags, mode).map_err(refused)?;
    let mut options = CopyOptions::new().control(control);
    let fill = way.fill(stat.st_size as u64, kind);
    let mut report = fill.run(src.as_fd(), dst.as_fd(), &mut options).map_err(|error| error.told_by(op))?;
    if report.errno != 0 {
        // Short: there is no such file.
        return Err(Error::new(op, report.errno, report.reason));
    }
    let original = Original { stat: &stat, file: Some(src.as_fd()), without_privileges: false, alone };
    report.unkept = carry(dst.as_fd(), &original, KEPT, 0).map_err(refused)?;
    Ok(report)
}
