//! Reading: into the page cache before the kernel compares, and comparing what the kernel does not.

use std::os::fd::BorrowedFd;

use crate::explain;
use crate::facts::{Facts, Kind};
use crate::range::Pair;
use crate::sys;
use crate::sys::page::page_size;

use super::plan::{Fetch, PEEK, fetch};

/// One request. The kernel cuts longer ones, and reads what is left page by page when it comes to it.
const PIECE: u64 = 1 << 20;

/// Memory to read into, and how this filesystem is read best.
pub(crate) struct Reader {
    fetch: Fetch,
    ours: Vec<u8>,
    theirs: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(kind: Kind) -> Self {
        Reader { fetch: fetch(kind), ours: Vec::new(), theirs: Vec::new() }
    }

    /// Whether short steps are faster for what is not in the page cache.
    pub(crate) fn reads(&self) -> bool {
        self.fetch == Fetch::Read
    }

    /// Brings `from..to` of a file into the page cache where it is not there yet. That this fails changes nothing but
    /// the time that the kernel takes.
    pub(crate) fn fetch(&mut self, fd: BorrowedFd<'_>, facts: &Facts, from: u64, to: u64) {
        if is_cached(fd, from, to) {
            return;
        }
        for (from, to) in pieces(from, to) {
            if is_cached(fd, from, to) {
                continue;
            }
            if self.fetch == Fetch::Read && through_the_cache(facts) {
                let memory = room(&mut self.ours, to - from);
                sys::io::pread(fd, memory, from).ok();
            } else {
                sys::cache::will_need(fd, from, to - from).ok();
            }
        }
    }

    /// Begins to bring `from..to` of a file into the page cache while something else is done.
    pub(crate) fn fetch_ahead(&self, fd: BorrowedFd<'_>, from: u64, to: u64) {
        if self.fetch == Fetch::Read {
            return;
        }
        for (from, to) in pieces(from, to).filter(|(from, to)| !is_cached(fd, *from, *to)) {
            sys::cache::will_need(fd, from, to - from).ok();
        }
    }

    /// Whether the first bytes of two ranges are seen to differ; for files that are not in the page cache.
    pub(crate) fn differ_at_once(&mut self, src: BorrowedFd<'_>, dst: BorrowedFd<'_>, range: Pair) -> bool {
        let first = range.first(PEEK);
        self.equal_prefix(src, dst, first).is_ok_and(|equal| equal < first.len)
    }

    /// How many bytes at the beginning of `range` are equal; all of them where it returns `range.len`. Ends
    /// early, as at a difference, where one file ends.
    pub(crate) fn equal_prefix(
        &mut self,
        src: BorrowedFd<'_>,
        dst: BorrowedFd<'_>,
        range: Pair,
    ) -> sys::Result<u64> {
        let mut done = 0;
        while done < range.len {
            let piece = range.after(done).first(PIECE);
            let (ours, theirs) = self.read(src, dst, piece)?;
            let equal = equal_bytes(ours, theirs) as u64;
            done += equal;
            if equal < piece.len {
                break;
            }
        }
        Ok(done)
    }

    /// Both sides of a piece, as far as both files reach.
    fn read(&mut self, src: BorrowedFd<'_>, dst: BorrowedFd<'_>, piece: Pair) -> sys::Result<(&[u8], &[u8])> {
        let (ours, theirs) = (room(&mut self.ours, piece.len), room(&mut self.theirs, piece.len));
        let both = read_full(src, ours, piece.src)?.min(read_full(dst, theirs, piece.dst)?);
        Ok((&ours[..both], &theirs[..both]))
    }
}

/// `from..to` cut at multiples of a piece.
fn pieces(from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let end = move |from: u64| (from + 1).next_multiple_of(PIECE).min(to);
    std::iter::successors((from < to).then(|| (from, end(from))), move |(_, next)| {
        (*next < to).then(|| (*next, end(*next)))
    })
}

/// The first `len` bytes of memory that grows where it must.
fn room(memory: &mut Vec<u8>, len: u64) -> &mut [u8] {
    if memory.len() < len as usize {
        memory.resize(len as usize, 0);
    }
    &mut memory[..len as usize]
}

/// How many bytes at the beginning are equal. Whole memory is compared many bytes at a time, single bytes are not.
fn equal_bytes(a: &[u8], b: &[u8]) -> usize {
    const CHUNK: usize = 256;
    let equal = a.chunks(CHUNK).zip(b.chunks(CHUNK)).take_while(|(a, b)| a == b);
    let equal = equal.map(|(chunk, _)| chunk.len()).sum::<usize>();
    equal + a[equal..].iter().zip(&b[equal..]).take_while(|(a, b)| a == b).count()
}

/// Reads until `buf` is full or the file ends.
fn read_full(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> sys::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match sys::io::pread(fd, &mut buf[done..], offset + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
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

    #[test]
    fn the_first_difference_wherever_it_is() {
        let a: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
        assert_eq!(equal_bytes(&a, &a), 1000);
        assert_eq!(equal_bytes(&a, &a[..700]), 700);
        for at in [0, 1, 255, 256, 257, 511, 999] {
            let mut b = a.clone();
            b[at] ^= 1;
            assert_eq!(equal_bytes(&a, &b), at);
        }
    }
}
