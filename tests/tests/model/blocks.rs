//! Which blocks files lie in, by maps that the library under test has no part in.

use std::fs::File;
use std::ops::Range;

use xtent_tests::{Extent, extents, flags};

/// Data in blocks of its own or shared ones: not inline, not unwritten.
fn placed(file: &File) -> Vec<Extent> {
    let none = flags::UNKNOWN | flags::DELALLOC | flags::NOT_ALIGNED | flags::UNWRITTEN;
    let mut extents = extents(file).expect("a map");
    extents.retain(|extent| extent.flags & none == 0);
    extents
}

/// The block at `offset`, if there is one.
fn place(extents: &[Extent], offset: u64) -> Option<u64> {
    let extent =
        extents.iter().find(|extent| (extent.logical..extent.logical + extent.length).contains(&offset))?;
    Some(extent.physical + offset - extent.logical)
}

/// The first block of the range of `src` that is not at the same place in `dst`.
pub(crate) fn first_unshared(
    src: &File,
    src_off: u64,
    dst: &File,
    dst_off: u64,
    len: u64,
    block: u64,
) -> Option<u64> {
    let (src, dst) = (placed(src), placed(dst));
    (0..len).step_by(block as usize).find(|at| {
        let there = place(&src, src_off + at);
        there.is_some() && there != place(&dst, dst_off + at)
    })
}

/// The first block of the range of a file that also lies elsewhere: outside of the range, or in another file.
pub(crate) fn first_shared(files: &[File], which: usize, range: Range<u64>, block: u64) -> Option<u64> {
    let maps: Vec<Vec<Extent>> = files.iter().map(placed).collect();
    let start = range.start - range.start % block;
    (start..range.end).step_by(block as usize).find(|at| {
        let Some(place) = place(&maps[which], *at) else { return false };
        let is_here = |extent: &&Extent| (extent.physical..extent.physical + extent.length).contains(&place);
        maps.iter().enumerate().any(|(other, map)| {
            map.iter()
                .filter(is_here)
                .any(|extent| other != which || extent.logical + (place - extent.physical) != *at)
        })
    })
}
