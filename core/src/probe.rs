//! What works between two files, and why not, without writing anything.

use std::os::fd::BorrowedFd;

use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::{Facts, Inode, Kind};
use crate::range::{Pair, align_down};
use crate::reason::Reason;
use crate::sys;
use crate::sys::dedupe::Outcome;

/// Whether a verb works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Answer {
    /// Only trying would tell.
    #[default]
    Unknown,
    /// It works.
    Yes,
    /// It does not.
    No,
}

/// Whether one verb works, and why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Ability {
    /// The answer.
    pub answer: Answer,
    /// With [`Answer::No`] the errno that the verb would fail with, else 0.
    pub errno: i32,
    /// Why it does not work, or why that is not known; else [`Reason::None`].
    pub reason: Reason,
}

impl Ability {
    const YES: Ability = Ability { answer: Answer::Yes, errno: 0, reason: Reason::None };

    fn no(errno: i32, reason: Reason) -> Ability {
        Ability { answer: Answer::No, errno, reason }
    }

    fn unknown(reason: Reason) -> Ability {
        Ability { answer: Answer::Unknown, errno: 0, reason }
    }
}

/// What works from one file to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Capabilities {
    /// Of [`copy_range`](crate::copy_range).
    pub copy: Ability,
    /// Of [`clone_range`](crate::clone_range).
    pub clone: Ability,
    /// Of [`dedupe_range`](crate::dedupe_range).
    pub dedupe: Ability,
    /// What offsets and lengths of clone and dedupe must be multiples of, in bytes; 0 where neither works.
    pub alignment: u64,
}

/// Says what works from `src` to `dst`, opened as they are, and why the rest does not. Writes nothing.
///
/// Clone and dedupe are asked of the kernel with a range that no file can have: what is refused for the
/// range only would work. Not asked of filesystems that are done by a server (NFS, SMB), whose clients
/// may change the file before they ask: there the answer is unknown, unless the kernel refuses whatever the
/// filesystem. That a clone works does not promise space for it.
///
/// # Errors
///
/// `EBADF` when one of the descriptors is not open; what fstat(2) and fstatfs(2) fail with, `EIO` or `ESTALE` say.
pub fn probe(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> Result<Capabilities> {
    let (src_facts, dst_facts) = (Facts::of(src), Facts::of(dst));
    let seen = src_facts.seen().and(dst_facts.seen());
    let block =
        seen.map_err(|errno| Error::new(Operation::Probe, errno.0, explain::unseen(errno)))?.filesystem.block;
    let clone = clone(src, dst, &src_facts, &dst_facts);
    let mut dedupe = dedupe(src, dst, &src_facts, &dst_facts);
    // An overlay looks at the range before it asks what lies under it, which does both or neither.
    if dst_facts.kind() == Kind::Overlay && clone.errno == libc::EOPNOTSUPP && dedupe == Ability::YES {
        dedupe = clone;
    }
    let works = clone.answer != Answer::No || dedupe.answer != Answer::No;
    let copy = match crate::copy::usable(src, dst) {
        Ok(_) => Ability::YES,
        Err(errno) => Ability::no(errno.0, explain::copy(errno.0, &src_facts, &dst_facts)),
    };
    Ok(Capabilities { copy, clone, dedupe, alignment: if works { block } else { 0 } })
}

/// An offset behind the end of every file that there can be, aligned to any block.
const NOWHERE: u64 = 1 << 62;

/// Filesystems whose kernel code was read: a range behind the end is refused before anything is touched.
fn may_be_asked(facts: &Facts) -> bool {
    facts.kind() != Kind::Network
}

fn clone(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, src_facts: &Facts, dst_facts: &Facts) -> Ability {
    match ask_clone(src, dst, src_facts, dst_facts) {
        Ok(()) if !may_be_asked(src_facts) || !may_be_asked(dst_facts) => Ability::unknown(Reason::Unknown),
        Ok(()) => Ability::YES,
        Err((errno, reason)) => Ability::no(errno, reason),
    }
}

/// Asks the kernel for a clone of a range that no file has: what is refused for the range only would work.
pub(crate) fn ask_clone(
    src: BorrowedFd<'_>,
    dst: BorrowedFd<'_>,
    src_facts: &Facts,
    dst_facts: &Facts,
) -> std::result::Result<(), (i32, Reason)> {
    if !may_be_asked(src_facts) || !may_be_asked(dst_facts) {
        // Nothing of a server is asked, but what the kernel looks at before its client is known.
        return refused_by_any_kernel(src_facts, dst_facts).map_or(Ok(()), Err);
    }
    // Without that nobody knows what was refused: the range, or the files.
    let seen = src_facts.seen().and(dst_facts.seen());
    let block = seen.map_err(|errno| (errno.0, explain::unseen(errno)))?.filesystem.block;
    let nowhere = Pair { src: NOWHERE, dst: NOWHERE, len: block };
    // It cannot succeed: there is nothing to share.
    let Err(errno) = sys::clone::clone_range(src, nowhere.src, dst, nowhere.dst, nowhere.len) else {
        return Ok(());
    };
    match explain::clone(errno.0, src_facts, dst_facts, nowhere) {
        // Refused for the range: the only thing wrong, unless files like these never share.
        Reason::PastEnd => {
            explain::never_share(src_facts, dst_facts).map_or(Ok(()), |why| Err((libc::EINVAL, why)))
        }
        Reason::FileSizeLimit => Ok(()),
        reason => Err((errno.0, reason)),
    }
}

/// What of a clone the kernel refuses whatever the filesystem, in its order (fs/ioctl.c, `vfs_clone_file_range`).
fn refused_by_any_kernel(src: &Facts, dst: &Facts) -> Option<(i32, Reason)> {
    let is_path = |facts: &Facts| facts.flags.is_ok_and(|flags| flags & libc::O_PATH != 0);
    let says = |errno| Some((errno, explain::clone(errno, src, dst, Pair { src: 0, dst: 0, len: 1 })));
    if src.is_closed() || dst.is_closed() || is_path(src) || is_path(dst) {
        return says(libc::EBADF);
    }
    let (from, to) = match (src.inode, dst.inode) {
        (Ok(from), Ok(to)) => (from, to),
        (Err(errno), _) | (_, Err(errno)) => return Some((errno.0, explain::unseen(errno))),
    };
    let is_directory = |inode: &Inode| inode.file_type == libc::S_IFDIR;
    if from.dev != to.dev {
        says(libc::EXDEV)
    } else if is_directory(&from) || is_directory(&to) {
        says(libc::EISDIR)
    } else if !from.is_regular() || !to.is_regular() {
        says(libc::EINVAL)
    } else if explain::descriptors(src, dst) != Reason::Unknown {
        says(libc::EBADF)
    } else {
        None
    }
}

fn dedupe(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, src_facts: &Facts, dst_facts: &Facts) -> Ability {
    if let Err(refusal) = crate::dedupe::source(src_facts) {
        return Ability::no(refusal.0, refusal.1);
    }
    // The source's range must exist, or the kernel does not come to the target.
    let block = dst_facts.filesystem.map_or(1, |fs| fs.block);
    let len = align_down(src_facts.size().unwrap_or(0), block).min(block);
    if len == 0 {
        return Ability::unknown(Reason::PastEnd);
    }
    ask_dedupe((src, src_facts), 0, len, (dst, dst_facts))
}

/// Asks the kernel to dedupe `len` bytes of `src` with a range that `dst` does not have: what is refused for
/// the range only would work.
pub(crate) fn ask_dedupe(
    (src, src_facts): (BorrowedFd<'_>, &Facts),
    src_off: u64,
    len: u64,
    (dst, dst_facts): (BorrowedFd<'_>, &Facts),
) -> Ability {
    let range = Pair { src: src_off, dst: NOWHERE, len };
    let outcome = match sys::dedupe::dedupe_range(src, src_off, len, &[(dst, NOWHERE)]) {
        Ok(outcomes) => outcomes[0],
        Err(errno) => return Ability::no(errno.0, explain::dedupe(errno.0, src_facts, src_facts, range)),
    };
    let Outcome::Failed(errno) = outcome else { return Ability::unknown(Reason::Unknown) };
    match explain::dedupe(errno.0, src_facts, dst_facts, range) {
        Reason::PastEnd => explain::never_share(src_facts, dst_facts)
            .map_or(Ability::YES, |reason| Ability::no(libc::EINVAL, reason)),
        Reason::FileSizeLimit => Ability::YES,
        reason => Ability::no(errno.0, reason),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::os::fd::AsFd;
    use std::os::unix::fs::OpenOptionsExt;

    use super::*;

    #[test]
    fn what_no_filesystem_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = File::create(&path).unwrap();
        let both = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let opened = |flags| OpenOptions::new().read(true).custom_flags(flags).open(&path).unwrap();
        let append = OpenOptions::new().read(true).append(true).open(&path).unwrap();
        let directory = File::open(dir.path()).unwrap();
        let pipe: std::os::fd::OwnedFd = std::io::pipe().unwrap().0.into();
        let facts = |fd: &dyn AsFd| Facts::of(fd.as_fd());
        for (src, dst, expected) in [
            (facts(&both), facts(&both), None),
            (facts(&opened(0)), facts(&file), None),
            (facts(&file), facts(&both), Some((libc::EBADF, Reason::NotOpenForThat))),
            (facts(&both), facts(&opened(0)), Some((libc::EBADF, Reason::NotOpenForThat))),
            (facts(&both), facts(&append), Some((libc::EBADF, Reason::AppendOnly))),
            (facts(&opened(libc::O_PATH)), facts(&both), Some((libc::EBADF, Reason::NotOpenForThat))),
            (facts(&directory), facts(&both), Some((libc::EISDIR, Reason::NotRegularFile))),
            (facts(&both), facts(&directory), Some((libc::EISDIR, Reason::NotRegularFile))),
            (facts(&pipe), facts(&both), Some((libc::EXDEV, Reason::NotRegularFile))),
        ] {
            assert_eq!(refused_by_any_kernel(&src, &dst), expected, "{src:?} {dst:?}");
        }
    }
}
