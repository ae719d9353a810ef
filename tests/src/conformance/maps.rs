//! What extent maps say of ranges, by the reader that shares nothing with the library's.

use std::fs::File as Handle;
use std::io;
use std::path::Path;

use super::layout::BLOCK;
use super::model::Stored;
use crate::{Extent, extents, flags};

pub(crate) struct Map(Vec<Extent>);

/// Data whose place does not name its blocks.
const PLACELESS: u32 = flags::UNKNOWN | flags::DELALLOC | flags::NOT_ALIGNED;

fn end(extent: &Extent) -> u64 {
    extent.logical + extent.length
}

fn is_data(extent: &Extent) -> bool {
    extent.flags & flags::UNWRITTEN == 0
}

fn is_placed(extent: &Extent) -> bool {
    is_data(extent) && extent.flags & PLACELESS == 0
}

fn is_encoded(extent: &Extent) -> bool {
    extent.flags & flags::ENCODED != 0
}

impl Map {
    /// `None` where the filesystem has no maps.
    pub(crate) fn of(at: &Path) -> io::Result<Option<Map>> {
        match extents(&Handle::open(at)?) {
            Ok(extents) => Ok(Some(Map(extents))),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where the first extent begins.
    pub(crate) fn first(&self) -> Option<u64> {
        self.0.first().map(|extent| extent.logical)
    }

    /// What the block is.
    pub(crate) fn stored(&self, block: u64) -> Stored {
        match self.0.iter().find(|extent| extent.logical < block + BLOCK && block < end(extent)) {
            Some(extent) if is_data(extent) => Stored::Data,
            Some(_) => Stored::Unwritten,
            None => Stored::Hole,
        }
    }

    /// Where the byte lies; `None` in a hole and where the filesystem names no place.
    pub(crate) fn physical(&self, logical: u64) -> Option<u64> {
        let extent = self.0.iter().find(|extent| extent.logical <= logical && logical < end(extent))?;
        // Of a compressed extent only the beginning has a place.
        let inside = if is_encoded(extent) || extent.physical == 0 { 0 } else { logical - extent.logical };
        Some(extent.physical + inside)
    }

    /// How many of these bytes are data in blocks.
    pub(crate) fn data(&self, offset: u64, len: u64) -> u64 {
        let inside = |e: &Extent| end(e).min(offset + len).saturating_sub(e.logical.max(offset));
        self.0.iter().filter(|e| is_placed(e)).map(inside).sum()
    }

    /// How many of `len` bytes lie in the same blocks in `other` at the same distance from the two offsets.
    pub(crate) fn in_step(&self, offset: u64, other: &Map, other_offset: u64, len: u64) -> u64 {
        let mut bytes = 0;
        for ours in self.0.iter().filter(|e| is_placed(e)) {
            for theirs in other.0.iter().filter(|e| is_placed(e)) {
                // Both as distances from the beginning of the range; an extent may begin before it.
                let from = |e: &Extent, offset: u64| i128::from(e.logical) - i128::from(offset);
                let (a, b) = (from(ours, offset), from(theirs, other_offset));
                let start = a.max(b).max(0);
                let stop =
                    (a + i128::from(ours.length)).min(b + i128::from(theirs.length)).min(i128::from(len));
                let same = match (is_encoded(ours), is_encoded(theirs)) {
                    (false, false) => i128::from(ours.physical) - a == i128::from(theirs.physical) - b,
                    (true, true) => ours.physical == theirs.physical,
                    _ => false,
                };
                if same && start < stop {
                    bytes += (stop - start) as u64;
                }
            }
        }
        bytes
    }

    /// The blocks on the device.
    fn places(&self) -> impl Iterator<Item = (u64, u64)> {
        let placed = self.0.iter().filter(|e| is_placed(e));
        placed.map(|e| (e.physical, e.physical + if is_encoded(e) { 1 } else { e.length }))
    }

    /// How many bytes of blocks both use.
    pub(crate) fn common(&self, other: &Map) -> u64 {
        let overlap = |a: (u64, u64), b: (u64, u64)| a.1.min(b.1).saturating_sub(a.0.max(b.0));
        self.places().map(|ours| other.places().map(|place| overlap(ours, place)).sum::<u64>()).sum()
    }

    /// The extents that touch a range, cut to its blocks.
    pub(crate) fn part(&self, offset: u64, len: u64) -> Map {
        let (start, stop) = (offset - offset % BLOCK, (offset + len).next_multiple_of(BLOCK));
        let touching = self.0.iter().filter(|e| e.logical < stop && start < end(e));
        let cut = |e: &Extent| {
            let from = e.logical.max(start);
            let inside = if is_encoded(e) { 0 } else { from - e.logical };
            Extent { logical: from, physical: e.physical + inside, length: end(e).min(stop) - from, ..*e }
        };
        Map(touching.map(cut).collect())
    }

    pub(crate) fn is_inline(&self) -> bool {
        self.0.iter().any(|e| e.flags & flags::NOT_ALIGNED != 0)
    }

    pub(crate) fn is_encoded(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(is_encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(logical: u64, physical: u64, length: u64) -> Extent {
        Extent { logical, physical, length, flags: 0 }
    }

    #[test]
    fn the_same_blocks_in_step_and_out_of_step() {
        let a = Map(vec![extent(0, 40_960, 8192)]);
        let b = Map(vec![extent(4096, 40_960, 4096), extent(8192, 90_112, 4096)]);
        assert_eq!(a.in_step(0, &b, 4096, 8192), 4096);
        assert_eq!(a.in_step(0, &b, 0, 8192), 0);
        assert_eq!(a.in_step(0, &b, 4096, 100), 100);
        assert_eq!(b.part(4096, 1).common(&a), 4096);
        assert_eq!(b.part(8192, 4096).common(&a), 0);
        assert_eq!(a.data(100, 10_000), 8092);
        assert_eq!(a.physical(4097), Some(45_057));
        assert_eq!(a.physical(8192), None);
    }

    #[test]
    fn data_without_a_place_is_never_shared() {
        let inline = Map(vec![Extent { flags: flags::NOT_ALIGNED, ..extent(0, 0, 100) }]);
        assert_eq!(inline.in_step(0, &inline, 0, 100), 0);
        assert_eq!(inline.data(0, 100), 0);
        assert_eq!(inline.stored(0), Stored::Data);
        assert!(inline.is_inline());
    }
}
