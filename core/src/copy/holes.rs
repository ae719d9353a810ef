//! Where the source has data, so that its holes stay holes.

use std::iter::Peekable;
use std::os::fd::BorrowedFd;

use crate::extents::{Extent, Extents, Sync};
use crate::facts::Inode;
use crate::range::Pair;
use crate::sys::page::page_size;

use super::options::Sparse;

/// A run of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Bytes to move.
    Data(u64),
    /// Zeros that take no space.
    Hole(u64),
    /// Bytes of which only reading tells whether they are zeros.
    Unseen(u64),
}

/// So much is handed out as one segment, though it may lie in many extents.
const LONGEST: u64 = 64 << 20;

/// The segments of a range, in order and without gaps.
///
/// With [`Sparse::Fill`] all is data; with [`Sparse::Detect`] no data is taken for it before it was seen.
///
/// Asked of FIEMAP and not of lseek(2) with SEEK_DATA, which would move the position of the caller's
/// descriptor under the feet of whoever else reads from it. What FIEMAP calls data is data; what it
/// calls a hole is one only once dirty pages were written back. So writing back waits until the first
/// hole, and a file without any is never written back.
pub(crate) struct Segments<'fd> {
    fd: BorrowedFd<'fd>,
    at: u64,
    end: u64,
    sync: Sync,
    /// `None` where there is no map: the filesystem has none, or the file has bytes but no size (procfs).
    map: Option<Peekable<Extents<'fd>>>,
    looks_sparse: bool,
    sparse: Sparse,
}

impl<'fd> Segments<'fd> {
    pub(crate) fn new(fd: BorrowedFd<'fd>, inode: &Inode, range: Pair, sparse: Sparse) -> Self {
        let (at, end) = (range.src, range.src_end());
        let mapped = inode.size > 0 && sparse != Sparse::Fill;
        let map = mapped.then(|| Extents::new(fd, at, end, Sync::No).peekable());
        let looks_sparse = inode.allocated < inode.size;
        Segments { fd, at, end, sync: Sync::No, map, looks_sparse, sparse }
    }

    /// What the map says of the next byte.
    fn peek(&mut self) -> Option<Extent> {
        let seen = self.map.as_mut()?.peek()?.as_ref().ok().copied();
        if seen.is_none() {
            // No FIEMAP here, or it failed: then reading decides, and has the error if there is one.
            self.map = None;
        }
        seen
    }

    /// The length of the run of extents that are data, or are not, from here on.
    fn run(&mut self, data: bool) -> u64 {
        let mut len = 0;
        while len < LONGEST
            && let Some(extent) = self.peek().filter(|extent| extent.is_data() == data)
        {
            len += extent.length;
            self.map.as_mut().and_then(Iterator::next);
        }
        len
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        if self.at >= self.end {
            return None;
        }
        let detect = self.sparse == Sparse::Detect;
        let seen = |len| if detect { Segment::Unseen(len) } else { Segment::Data(len) };
        let segment = match self.peek() {
            Some(extent) if extent.is_data() => seen(self.run(true)),
            Some(_) if self.sync == Sync::No => {
                self.sync = Sync::Yes;
                self.map = Some(Extents::new(self.fd, self.at, self.end, Sync::Yes).peekable());
                return self.next();
            }
            Some(_) => Segment::Hole(self.run(false)),
            None if self.looks_sparse && self.sparse == Sparse::Keep => Segment::Unseen(self.end - self.at),
            None => seen(self.end - self.at),
        };
        let (Segment::Data(len) | Segment::Hole(len) | Segment::Unseen(len)) = segment;
        self.at += len;
        Some(segment)
    }
}

/// Splits the bytes that go to `offset` into runs that are to be written (`true`) and runs of whole
/// pages of zeros (`false`): `(length, written)`. A hole of less than a page takes a page on tmpfs.
pub(crate) fn zero_runs(bytes: &[u8], offset: u64) -> impl Iterator<Item = (usize, bool)> {
    let mut rest = bytes;
    let mut at = offset;
    std::iter::from_fn(move || {
        let first = page(rest, at)?;
        let written = !is_zero_page(first);
        let mut len = first.len();
        while let Some(next) = page(&rest[len..], at + len as u64) {
            if is_zero_page(next) == written {
                break;
            }
            len += next.len();
        }
        rest = &rest[len..];
        at += len as u64;
        Some((len, written))
    })
}

/// What of `bytes`, which begin at `offset`, lies in the first page.
fn page(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    let len = bytes.len().min(page_size() - (offset % page_size() as u64) as usize);
    (len > 0).then(|| &bytes[..len])
}

fn is_zero_page(page: &[u8]) -> bool {
    // In pieces, so that the compiler uses wide registers and data ends the search early.
    page.len() == page_size() && page.chunks(64).all(|piece| piece.iter().fold(0, |or, byte| or | byte) == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_of_zero_pages() {
        let mut bytes = vec![0u8; 5 * 4096];
        bytes[4096 + 7] = 1;
        let runs = |bytes: &[u8], offset| zero_runs(bytes, offset).collect::<Vec<_>>();
        assert_eq!(runs(&bytes, 0), [(4096, false), (4096, true), (3 * 4096, false)]);
        // Half a page of zeros is written.
        assert_eq!(runs(&bytes[..6 * 1024], 0), [(4096, false), (2048, true)]);
        assert_eq!(runs(&bytes[..4096], 2048), [(4096, true)]);
        assert_eq!(runs(&[], 0), []);
    }

    proptest! {
        #[test]
        fn runs_cover_all_and_skip_only_zeros(
            offset in 0u64..10_000, len in 0usize..40_000, dirty in prop::collection::vec(0usize..40_000, 0..5),
        ) {
            let mut bytes = vec![0u8; len];
            for at in dirty.into_iter().filter(|at| *at < len) {
                bytes[at] = 1;
            }
            let mut at = 0;
            let mut last = None;
            for (run, written) in zero_runs(&bytes, offset) {
                prop_assert_ne!(last, Some(written));
                prop_assert!(written || bytes[at..at + run].iter().all(|byte| *byte == 0));
                at += run;
                last = Some(written);
            }
            prop_assert_eq!(at, len);
        }
    }
}
