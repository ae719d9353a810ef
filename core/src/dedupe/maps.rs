//! What the extent maps of the source and of a target say of each other.

use std::os::fd::BorrowedFd;

use crate::extents::{Extent, ExtentFlags, Extents, Sync, in_step};
use crate::sys;

use super::ranges::Ranges;

/// So long is a whole compressed extent of btrfs (`BTRFS_MAX_UNCOMPRESSED`). Of a shorter one the map does not say
/// which part of the extent on disk it is.
const WHOLE_ENCODED: u64 = 128 << 10;

/// Parts of a target's range by what the maps say of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Maps {
    /// In the same place as the source's bytes.
    shared: Ranges,
    /// Compressed, and in the same extent as the source's bytes: in the same place if the bytes are equal.
    perhaps: Ranges,
    /// Holes in both files.
    zeros: Ranges,
    /// Holes where the source has blocks: sharing would fill them.
    pub(crate) holes: Ranges,
    /// Some bytes have no place yet.
    unknown: bool,
}

impl Maps {
    /// Extents of the source from `a_start` on, and of a target from `b_start` on.
    pub(crate) fn compare(a: &[Extent], a_start: u64, b: &[Extent], b_start: u64) -> Maps {
        let mut maps = Maps::default();
        for (from, to, x, y) in in_step(a, a_start, b, b_start) {
            match (x.is_hole(), y.is_hole()) {
                (true, true) => maps.zeros.push(from, to),
                (false, true) => maps.holes.push(from, to),
                (true, false) => {}
                (false, false) => match place(x, y, from + a_start - x.logical, from + b_start - y.logical) {
                    Place::Same => maps.shared.push(from, to),
                    Place::Perhaps => maps.perhaps.push(from, to),
                    Place::Other => {}
                },
            }
            maps.unknown |= [x, y].iter().any(|e| e.flags.contains(ExtentFlags::UNKNOWN));
        }
        maps
    }

    /// What need not be compared: it is equal, and there is nothing to share.
    pub(crate) fn equal(&self) -> Ranges {
        self.shared.with(&self.zeros)
    }

    /// What shares the source's blocks, where the bytes of `equal` are known to be equal; `None` where the maps do not
    /// tell.
    pub(crate) fn shared(&self, equal: &Ranges) -> Option<Ranges> {
        let told = !self.unknown && self.perhaps.without(equal).is_empty();
        told.then(|| self.shared.with(&self.perhaps))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Same,
    Perhaps,
    Other,
}

/// Whether the byte `x_in` into `x` and the byte `y_in` into `y` are the same byte on disk.
fn place(x: &Extent, y: &Extent, x_in: u64, y_in: u64) -> Place {
    if !x.has_place() || !y.has_place() {
        return Place::Other;
    }
    match (x.flags.contains(ExtentFlags::ENCODED), y.flags.contains(ExtentFlags::ENCODED)) {
        (false, false) if x.physical + x_in == y.physical + y_in => Place::Same,
        // Of encoded extents only the beginning has an address.
        (true, true) if x.physical == y.physical => {
            let whole = x.length == WHOLE_ENCODED && y.length == WHOLE_ENCODED;
            match (whole, x_in == y_in) {
                (true, true) => Place::Same,
                (true, false) => Place::Other,
                (false, _) => Place::Perhaps,
            }
        }
        _ => Place::Other,
    }
}

/// The extents of `len` bytes at `offset`; `None` where there is no map.
pub(crate) fn map(fd: BorrowedFd<'_>, offset: u64, len: u64, sync: Sync) -> Option<Vec<Extent>> {
    Extents::new(fd, offset, offset + len, sync).collect::<sys::Result<_>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extent(logical: u64, physical: u64, length: u64, flags: ExtentFlags) -> Extent {
        Extent { logical, physical, length, flags }
    }

    fn data(logical: u64, physical: u64, length: u64) -> Extent {
        extent(logical, physical, length, ExtentFlags::default())
    }

    fn ranges(runs: &[(u64, u64)]) -> Ranges {
        runs.iter().copied().collect()
    }

    #[test]
    fn holes_that_blocks_would_fill() {
        let hole = |logical, length| extent(logical, 0, length, ExtentFlags::HOLE);
        let a = [data(10, 1000, 30), hole(40, 20), data(60, 2000, 40)];
        let b = [hole(0, 10), data(10, 5000, 25), hole(35, 10), data(45, 6000, 25), hole(70, 20)];
        let maps = Maps::compare(&a, 10, &b, 0);
        assert_eq!(maps.holes, ranges(&[(0, 10), (70, 90)]));
        assert_eq!(maps.equal(), ranges(&[(35, 45)]));
        assert_eq!(Maps::compare(&b, 0, &a, 10).holes, ranges(&[(30, 35), (45, 50)]));
    }

    #[test]
    fn in_step_is_not_just_anywhere() {
        let a = [data(0, 1000, 100)];
        let shared = |b: Extent, b_start| Maps::compare(&a, 0, &[b], b_start).shared(&Ranges::default());
        assert_eq!(shared(data(500, 1000, 100), 500), Some(ranges(&[(0, 100)])));
        assert_eq!(shared(data(500, 1050, 50), 450), Some(ranges(&[(50, 100)])));
        // The same blocks, but one block off.
        assert_eq!(shared(data(500, 1010, 90), 500), Some(Ranges::default()));
        assert_eq!(shared(extent(0, 0, 100, ExtentFlags::UNKNOWN), 0), None);
        assert_eq!(shared(extent(0, 1000, 100, ExtentFlags::INLINE), 0), Some(Ranges::default()));
    }

    #[test]
    fn encoded_extents_tell_only_where_they_begin() {
        let packed = |logical, physical, length| extent(logical, physical, length, ExtentFlags::ENCODED);
        let whole = WHOLE_ENCODED;
        let maps = |a: Extent, b: Extent, b_start| Maps::compare(&[a], 0, &[b], b_start);
        let none = Ranges::default();
        // Whole ones at the same place, and one block apart.
        let same = maps(packed(0, 1000, whole), packed(4096, 1000, whole), 4096);
        assert_eq!(same.equal(), ranges(&[(0, whole)]));
        let apart = maps(packed(0, 1000, whole), packed(8192, 1000, whole), 4096);
        assert_eq!(apart.shared(&none), Some(none.clone()));
        // Parts: only the bytes tell whether they are the same part.
        let part = maps(packed(0, 1000, 8192), packed(0, 1000, 8192), 0);
        assert!(part.equal().is_empty());
        assert_eq!(part.shared(&none), None);
        assert_eq!(part.shared(&ranges(&[(0, 4096)])), None);
        assert_eq!(part.shared(&ranges(&[(0, 8192)])), Some(ranges(&[(0, 8192)])));
        // Not encoded, at the same address: the place is another file's by now.
        assert_eq!(maps(packed(0, 1000, 8192), data(0, 1000, 8192), 0).shared(&none), Some(none));
    }
}
