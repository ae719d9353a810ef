//! Any number of references in the order of their addresses, with bounded memory: what is too much is sorted in pieces,
//! which wait in an unlinked file and are merged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::os::fd::{AsFd, OwnedFd};

use crate::sys::{self, Errno};

use super::reference::{ENCODED, Reference};

/// So many encoded references are written at once.
const WRITTEN: usize = 4096;
/// The least that is read of a piece at once.
const READ: usize = 64;

/// Takes references in any order.
pub(super) struct Sorter<'a> {
    held: Vec<Reference>,
    /// How many are held in memory.
    most: usize,
    /// Makes the file, once one is needed.
    make: &'a dyn Fn() -> sys::Result<OwnedFd>,
    file: Option<OwnedFd>,
    /// Where in the file each sorted piece begins and ends.
    pieces: Vec<(u64, u64)>,
}

impl<'a> Sorter<'a> {
    /// With about `memory` bytes of memory, and never less than some KiB.
    pub(super) fn new(memory: u64, make: &'a dyn Fn() -> sys::Result<OwnedFd>) -> Self {
        // Half for what is held, half for reading the pieces.
        let most = (memory / 2 / size_of::<Reference>() as u64).clamp(READ as u64, u32::MAX.into()) as usize;
        Sorter { held: Vec::new(), most, make, file: None, pieces: Vec::new() }
    }

    pub(super) fn push(&mut self, reference: Reference) -> sys::Result<()> {
        if let Some(last) = self.held.last_mut()
            && last.goes_on(&reference)
        {
            last.end = reference.end;
            return Ok(());
        }
        if self.held.len() == self.most {
            self.spill()?;
        }
        if self.held.len() == self.held.capacity() {
            // Vec's own growth would take up to twice the bound.
            let more = self.held.len().max(1024).min(self.most - self.held.len());
            self.held.try_reserve_exact(more).map_err(|_| Errno(libc::ENOMEM))?;
        }
        self.held.push(reference);
        Ok(())
    }

    fn spill(&mut self) -> sys::Result<()> {
        self.held.sort_unstable();
        let file = match self.file.take() {
            Some(file) => file,
            None => (self.make)()?,
        };
        let start = self.pieces.last().map_or(0, |piece| piece.1);
        let mut at = start;
        for some in self.held.chunks(WRITTEN) {
            let bytes: Vec<u8> = some.iter().flat_map(Reference::encode).collect();
            let mut left = &bytes[..];
            while !left.is_empty() {
                let n = sys::io::pwrite(file.as_fd(), left, at)?;
                left = &left[n..];
                at += n as u64;
            }
        }
        self.file = Some(file);
        self.pieces.push((start, at));
        self.held.clear();
        Ok(())
    }

    /// All of them, sorted.
    pub(super) fn sorted(mut self) -> sys::Result<Sorted> {
        self.held.sort_unstable();
        // What is held stays there; the pieces share the other half.
        let each = (self.most / self.pieces.len().max(1)).max(READ);
        let pieces =
            self.pieces.into_iter().map(|(at, end)| Piece { at, end, each, read: Vec::new().into_iter() });
        let mut sorted = Sorted {
            file: self.file,
            pieces: pieces.collect(),
            held: self.held.into_iter(),
            first: BinaryHeap::new(),
        };
        for source in 0..=sorted.pieces.len() {
            sorted.refill(source)?;
        }
        Ok(sorted)
    }
}

/// A sorted part of the file, of which some is in memory.
struct Piece {
    at: u64,
    end: u64,
    each: usize,
    read: std::vec::IntoIter<Reference>,
}

impl Piece {
    fn next(&mut self, file: &OwnedFd) -> sys::Result<Option<Reference>> {
        if self.read.len() == 0 && self.at < self.end {
            let mut bytes = vec![0; ((self.end - self.at) as usize).min(self.each * ENCODED)];
            let mut filled = 0;
            while filled < bytes.len() {
                match sys::io::pread(file.as_fd(), &mut bytes[filled..], self.at)? {
                    0 => return Err(Errno(libc::EIO)),
                    n => {
                        filled += n;
                        self.at += n as u64;
                    }
                }
            }
            let (whole, _) = bytes.as_chunks();
            self.read = whole.iter().map(Reference::decode).collect::<Vec<_>>().into_iter();
        }
        Ok(self.read.next())
    }
}

/// References in order.
pub(super) struct Sorted {
    file: Option<OwnedFd>,
    pieces: Vec<Piece>,
    held: std::vec::IntoIter<Reference>,
    /// The first of each source that has not been given out, and which source that is; what is held comes last.
    first: BinaryHeap<Reverse<(Reference, usize)>>,
}

impl Sorted {
    fn refill(&mut self, source: usize) -> sys::Result<()> {
        let next = match (self.pieces.get_mut(source), &self.file) {
            (Some(piece), Some(file)) => piece.next(file)?,
            _ => self.held.next(),
        };
        self.first.extend(next.map(|next| Reverse((next, source))));
        Ok(())
    }
}

impl Iterator for Sorted {
    type Item = sys::Result<Reference>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((reference, source)) = self.first.pop()?;
        Some(self.refill(source).map(|()| reference))
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::NO_LINK;
    use super::*;
    use std::cell::Cell;

    fn reference(start: u64, end: u64) -> Reference {
        Reference { volume: 0, start, end, root: 1, link: NO_LINK, is_shared: true, is_again: false }
    }

    fn sorted(memory: u64, of: &[Reference]) -> (Vec<Reference>, u32) {
        let made = Cell::new(0);
        let make = || {
            made.set(made.get() + 1);
            tempfile::tempfile().map(Into::into).map_err(|_| Errno(libc::EIO))
        };
        let mut sorter = Sorter::new(memory, &make);
        of.iter().for_each(|reference| sorter.push(*reference).unwrap());
        assert!(sorter.held.capacity() * size_of::<Reference>() <= memory as usize);
        (sorter.sorted().unwrap().map(sys::Result::unwrap).collect(), made.get())
    }

    #[test]
    fn records_survive_the_file() {
        let all = Reference {
            volume: 7,
            start: u64::MAX - 5,
            end: u64::MAX,
            root: 3,
            link: 9,
            is_shared: false,
            is_again: true,
        };
        for reference in [all, reference(1, 2)] {
            assert_eq!(Reference::decode(&reference.encode()), reference);
        }
    }

    #[test]
    fn more_than_memory_holds_is_sorted_too() {
        // A generator of all numbers below a power of two, in an order of its own.
        let mut at = 1_u64;
        let shuffled: Vec<_> = (0..100_000)
            .map(|_| {
                at = (at * 1_664_525 + 1_013_904_223) % (1 << 32);
                reference(at * 10, at * 10 + at % 7 + 1)
            })
            .collect();
        let mut wanted = shuffled.clone();
        wanted.sort_unstable();
        assert_eq!(sorted(16 << 20, &shuffled), (wanted.clone(), 0));
        assert_eq!(sorted(256 << 10, &shuffled), (wanted.clone(), 1));
        // Some 1,600 pieces.
        assert_eq!(sorted(4096, &shuffled), (wanted, 1));
    }

    #[test]
    fn neighbours_are_one() {
        let twice = [reference(10, 20), reference(20, 30), reference(20, 40)];
        assert_eq!(sorted(1 << 20, &twice).0, [reference(10, 30), reference(20, 40)]);
        let other = Reference { root: 2, ..reference(30, 40) };
        assert_eq!(sorted(1 << 20, &[reference(10, 30), other]).0.len(), 2);
    }

    #[test]
    fn a_file_that_cannot_be_made_is_an_error() {
        let make = || Err(Errno(libc::ENOENT));
        let mut sorter = Sorter::new(0, &make);
        let pushed = (0..1000).try_for_each(|i| sorter.push(reference(i * 10, i * 10 + 5)));
        assert_eq!(pushed, Err(Errno(libc::ENOENT)));
    }
}
