//! Reading: into the page cache before the kernel compares, and comparing what the kernel does not.

use std::os::fd::{AsFd, BorrowedFd};

use crate::buffer::STEP;
use crate::compare::Sides;
use crate::explain;
use crate::facts::{Facts, Kind};
use crate::range::Pair;
use crate::sys;
use crate::sys::page::page_size;

use super::blocks::Blocks;
use super::plan::{Fetch, PEEK, fetch};

/// One piece of advice. The kernel cuts longer ones, and reads what is left page by page when it comes to it.
const PIECE: u64 = STEP;

/// Memory to read into, and how this filesystem is read best.
pub(crate) struct Reader {
    fetch: Fetch,
    pub(crate) sides: Sides,
}

impl Reader {
    pub(crate) fn new(kind: Kind) -> Self {
        Reader { fetch: fetch(kind), sides: Sides::new(PIECE) }
    }

    /// Whether short steps are faster for what is not in the page cache.
    pub(crate) fn reads(&self) -> bool {
        self.fetch == Fetch::Read
    }

    /// Brings `from..to` of a file into the page cache where it is not there yet. That this fails changes nothing but
    /// the time that the kernel takes.
    pub(crate) fn fetch(&self, fd: BorrowedFd<'_>, facts: &Facts, from: u64, to: u64) {
        if is_cached(fd, from, to) {
            return;
        }
        if self.fetch == Fetch::Advise || !through_the_cache(facts) {
            return advise(fd, from, to);
        }
        let mut at = from;
        while at < to {
            match read_in(fd, at, (to - at).min(PIECE)) {
                Ok(n) if n > 0 => at += n as u64,
                Ok(_) => return,
                // No pipe is to be had, or not for this file.
                Err(_) => return advise(fd, at, to),
            }
        }
    }

    /// Begins to bring `from..to` of a file into the page cache while something else is done.
    pub(crate) fn fetch_ahead(&self, fd: BorrowedFd<'_>, from: u64, to: u64) {
        if self.fetch == Fetch::Advise {
            advise(fd, from, to);
        }
    }

    /// Whether the first bytes of two ranges are seen to differ; for files that are not in the page cache.
    pub(crate) fn differ_at_once(&mut self, src: BorrowedFd<'_>, dst: BorrowedFd<'_>, range: Pair) -> bool {
        let first = range.first(PEEK);
        self.sides.equal_prefix(src, dst, first).is_ok_and(|equal| equal < first.len)
    }

    /// Compares block by block. Offsets count from the beginning of `range`, which is that of a block.
    pub(crate) fn equal_blocks(
        &mut self,
        src: BorrowedFd<'_>,
        dst: BorrowedFd<'_>,
        range: Pair,
        block: u64,
    ) -> sys::Result<Blocks> {
        let mut blocks = Blocks::default();
        for (from, to) in pieces(0, range.len) {
            let (ours, theirs) = self.sides.read(src, dst, range.after(from).first(to - from))?;
            blocks.add(from, ours, theirs, block);
            let both = ours.len() as u64;
            if both < to - from {
                blocks.cut_off(from + both);
                break;
            }
        }
        Ok(blocks)
    }
}

/// Reads some of `len` bytes at `offset` into the page cache and nowhere else: a pipe is lent the pages, and gone before
/// anybody copies what is in them.
fn read_in(fd: BorrowedFd<'_>, offset: u64, len: u64) -> sys::Result<usize> {
    let (_read, write) = sys::pipe::pipe()?;
    // With less room it takes more of them.
    sys::pipe::set_size(write.as_fd(), len as usize).ok();
    sys::splice::file_to_pipe(fd, offset, write.as_fd(), len as usize)
}

/// Tells the kernel that `from..to` will be needed, where it is not cached.
fn advise(fd: BorrowedFd<'_>, from: u64, to: u64) {
    for (from, to) in pieces(from, to).filter(|(from, to)| !is_cached(fd, *from, *to)) {
        sys::cache::will_need(fd, from, to - from).ok();
    }
}

/// `from..to` cut at multiples of a piece.
fn pieces(from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = move |from: u64| (from + 1).next_multiple_of(PIECE).min(to);
    std::iter::successors((from < to).then(|| (from, end(from))), move |(_, next)| {
        (*next < to).then(|| (*next, end(*next)))
    })
}

/// Whether reading this descriptor fills the page cache.
fn through_the_cache(facts: &Facts) -> bool {
    explain::readable(facts) && !explain::direct(facts)
}

/// Whether `from..to` of a file is in the page cache, or on its way there.
pub(crate) fn is_cached(fd: BorrowedFd<'_>, from: u64, to: u64) -> bool {
    if from >= to {
        return true;
    }
    let page = page_size() as u64;
    match sys::cache::cached_pages(fd, from, to - from) {
        Ok(cached) => cached >= to.div_ceil(page) - from / page,
        // Before Linux 6.5, or not the caller's file: then both ends speak for what lies between.
        Err(_) => [from, to - 1].iter().all(|at| sys::io::pread_nowait(fd, *at) == Ok(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_on_multiples() {
        let all = |from, to| pieces(from, to).collect::<Vec<_>>();
        assert_eq!(all(0, PIECE), [(0, PIECE)]);
        assert_eq!(all(4096, 2 * PIECE + 1), [(4096, PIECE), (PIECE, 2 * PIECE), (2 * PIECE, 2 * PIECE + 1)]);
        assert_eq!(all(7, 7), []);
    }
}
