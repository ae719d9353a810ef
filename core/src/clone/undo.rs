//! The old range, cloned aside, and the way back.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::Span;
use super::reserve::{self, Reserve};
use crate::buffer::{Buffer, STEP};
use crate::compare::Sides;
use crate::extents::{Extent, Extents, Sync, pieces_that_may_differ};
use crate::facts::{Facts, Kind};
use crate::range::{Pair, align_down};
use crate::report::Destination;
use crate::scratch;
use crate::sys::{self, Errno};

/// So often is the way back tried. What is given back is not always there at once: btrfs hands space out
/// again when a transaction ends.
const ATTEMPTS: usize = 3;

/// The client of SMB makes a file sparse that it lengthens by more than this, and Samba clones from a sparse file only to
/// another.
const MADE_SPARSE: u64 = 8192;

/// What the destination was before.
#[derive(Clone, Copy)]
pub(super) struct Before {
    pub(super) size: u64,
    pub(super) allocated: u64,
    mtime: (i64, i64),
}

impl From<&libc::stat64> for Before {
    fn from(stat: &libc::stat64) -> Self {
        Before {
            size: stat.st_size as u64,
            allocated: stat.st_blocks as u64 * 512,
            mtime: (stat.st_mtime, stat.st_mtime_nsec),
        }
    }
}

impl Before {
    /// Puts the modification time back, if it is another now and the caller owns the file.
    pub(super) fn restore_mtime(&self, dst: BorrowedFd<'_>) {
        if sys::stat::fstat(dst).is_ok_and(|stat| Before::from(&stat).mtime != self.mtime) {
            sys::truncate::set_mtime(dst, self.mtime.0, self.mtime.1).ok();
        }
    }

    /// Goes back where no byte of the destination lay at `offset` or behind it.
    pub(super) fn restore_size(&self, dst: BorrowedFd<'_>, offset: u64) -> Destination {
        let Ok(now) = sys::stat::fstat(dst) else {
            return Destination::Changed { from: offset, to: u64::MAX };
        };
        let now = Before::from(&now);
        if now.size == self.size && now.allocated == self.allocated {
            self.restore_mtime(dst);
            return Destination::Untouched;
        }
        // A hole up to the old size is put back as one.
        let cut = sys::truncate::set_size(dst, self.size.min(offset));
        let grown = if self.size > offset { sys::truncate::set_size(dst, self.size) } else { Ok(()) };
        if cut.and(grown).is_err() {
            return Destination::Changed { from: offset.min(self.size), to: now.size };
        }
        self.restore_mtime(dst);
        Destination::Restored
    }
}

/// An unlinked file that shares the old blocks of `span`, at the same offsets.
pub(super) struct Undo {
    file: OwnedFd,
    span: Span,
    before: Before,
    block: u64,
    reserve: Reserve,
}

impl Undo {
    /// Keeps what the destination has in `span`, which is not empty and ends on a block or with the file, in the
    /// first of two empty files; the other one takes the reserve.
    pub(super) fn keep(
        dst: BorrowedFd<'_>,
        span: Span,
        before: Before,
        (kind, block): (Kind, u64),
        (file, spare): (OwnedFd, OwnedFd),
    ) -> sys::Result<Undo> {
        scratch::lies_like(file.as_fd(), dst);
        let keep = || sys::clone::clone_range(dst, span.from, file.as_fd(), span.from, span.len());
        let kept = match keep() {
            Err(Errno(libc::EOPNOTSUPP)) if kind == Kind::Network && span.to <= MADE_SPARSE => {
                // From nothing: the client has made it longer for the clone that was refused.
                let sized = [0, MADE_SPARSE + 1, 0]
                    .iter()
                    .try_for_each(|size| sys::truncate::set_size(file.as_fd(), *size));
                sized.and_then(|()| keep())
            }
            kept => kept,
        };
        let kept = kept.and_then(|()| Reserve::take(spare, reserve::plan(kind, block)));
        match kept {
            Ok(reserve) => Ok(Undo { file, span, before, block, reserve }),
            Err(errno) => {
                // A clone that goes on without needs the room.
                sys::truncate::set_size(file.as_fd(), 0).ok();
                Err(errno)
            }
        }
    }

    /// How much room the way back has.
    pub(super) fn reserved(&self) -> u64 {
        self.reserve.bytes()
    }

    /// After a failed clone: makes the destination what it was, and says what it is.
    pub(super) fn restore(&mut self, dst: BorrowedFd<'_>) -> Destination {
        let Some(mut changed) = self.difference(dst) else {
            self.before.restore_mtime(dst);
            return Destination::Untouched;
        };
        self.reserve.release();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sys::sync::syncfs(dst).ok();
            }
            self.put_back(dst, changed);
            match self.difference(dst) {
                Some(left) => changed = left,
                None => {
                    self.before.restore_mtime(dst);
                    return Destination::Restored;
                }
            }
        }
        Destination::Changed { from: changed.from, to: changed.to }
    }

    /// What fails here shows in the difference that is left.
    fn put_back(&self, dst: BorrowedFd<'_>, changed: Span) {
        if size(dst).is_ok_and(|size| size > self.before.size) {
            // The old size first, because a partial block at the end of the undo file would land inside
            // the destination. Down to a whole block: cutting one in two zeroes its end, for which a block
            // that is shared must be copied, and the disk is full.
            let whole = align_down(self.before.size, self.block);
            let cut = if whole >= self.span.from { whole } else { self.before.size };
            sys::truncate::set_size(dst, cut).ok();
        }
        let from = align_down(changed.from, self.block).max(self.span.from);
        let to = changed.to.min(self.span.to).next_multiple_of(self.block).min(self.span.to);
        // The cut may have taken more than what was changed.
        let to = if size(dst).is_ok_and(|size| size < self.before.size) { self.span.to } else { to };
        if from < to {
            let back = sys::clone::clone_range(self.file.as_fd(), from, dst, from, to - from);
            if back == Err(Errno(libc::EOPNOTSUPP)) {
                // Samba clones what is sparse, as this file has to be there, only to what is sparse too.
                self.write_back(dst, Span { from, to: to.min(self.before.size) }).ok();
            }
        }
        if size(dst).is_ok_and(|size| size < self.before.size) {
            sys::truncate::set_size(dst, self.before.size).ok();
        }
    }

    fn write_back(&self, dst: BorrowedFd<'_>, span: Span) -> sys::Result<()> {
        let mut buffer = Buffer::new(STEP);
        let mut at = span.from;
        while at < span.to {
            let memory = buffer.first(span.to - at);
            let read = sys::io::pread(self.file.as_fd(), memory, at)?;
            if read == 0 {
                return Ok(());
            }
            match sys::io::pwrite(dst, &memory[..read], at)? {
                0 => return Ok(()),
                written => at += written as u64,
            }
        }
        Ok(())
    }

    /// From the first to the last byte that is not as it was; all of it where that cannot be told.
    fn difference(&self, dst: BorrowedFd<'_>) -> Option<Span> {
        let found = difference(self.file.as_fd(), dst, self.span).unwrap_or(Some(self.span));
        match (found, size(dst)) {
            (found, Ok(size)) if size == self.before.size => found,
            (found, Ok(size)) => {
                let grown = Span { from: size.min(self.before.size), to: size.max(self.before.size) };
                Some(found.map_or(grown, |span| span.and(grown)))
            }
            (_, Err(_)) => Some(self.span),
        }
    }

    /// The file itself, with the destination's old size.
    pub(super) fn into_file(self) -> OwnedFd {
        if self.span.to < self.before.size {
            // A failure leaves the bytes, which are what the file is kept for.
            sys::truncate::set_size(self.file.as_fd(), self.before.size).ok();
        }
        self.file
    }
}

fn size(fd: BorrowedFd<'_>) -> sys::Result<u64> {
    Ok(sys::stat::fstat(fd)?.st_size as u64)
}

/// From the first to the last byte of `span` in which two files differ, the last to the end of its extent. A hole is
/// other than zeros. Blocks that both use are not read; where no maps are to be believed, as those of a server's
/// files, all is.
fn difference(a: BorrowedFd<'_>, b: BorrowedFd<'_>, span: Span) -> sys::Result<Option<Span>> {
    let map = |fd| Extents::new(fd, span.from, span.to, Sync::Yes).collect::<sys::Result<Vec<Extent>>>();
    let mut sides = Sides::new(span.to - span.from);
    let mut found: Option<Span> = None;
    let pieces = match (Facts::of(b).kind(), map(a), map(b)) {
        (kind, Ok(a), Ok(b)) if kind != Kind::Network => pieces_that_may_differ(&a, &b),
        _ => vec![(span.from, span.to, false)],
    };
    for (from, to, a_hole_of_one) in pieces {
        let piece = Pair { src: from, dst: from, len: to - from };
        let equal = if a_hole_of_one { 0 } else { sides.equal_prefix(a, b, piece)? };
        if equal < piece.len {
            let differs = Span { from: from + equal, to };
            found = Some(found.map_or(differs, |span| span.and(differs)));
        }
    }
    Ok(found)
}
