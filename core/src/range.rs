//! Offsets, lengths, alignment, overlap: pure arithmetic.

/// The length that means "to the end of the source, as the kernel sees it at that moment".
pub const TO_END: u64 = u64::MAX;

/// The largest file offset: `loff_t` is signed.
const MAX_OFFSET: u64 = i64::MAX as u64;

/// `len` bytes at `src` in one file and at `dst` in another; no end passes [`MAX_OFFSET`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) src: u64,
    pub(crate) dst: u64,
    pub(crate) len: u64,
}

impl Pair {
    /// `None` where an end cannot be represented. [`TO_END`] only bounds the offsets.
    pub(crate) fn checked(src: u64, dst: u64, len: u64) -> Option<Pair> {
        let reach = if len == TO_END { 0 } else { len };
        let fits = |offset: u64| offset.checked_add(reach).is_some_and(|end| end <= MAX_OFFSET);
        (fits(src) && fits(dst)).then_some(Pair { src, dst, len })
    }

    pub(crate) fn src_end(&self) -> u64 {
        self.src + self.len
    }

    pub(crate) fn dst_end(&self) -> u64 {
        self.dst + self.len
    }

    /// What is left behind the first `done` bytes.
    pub(crate) fn after(&self, done: u64) -> Pair {
        Pair { src: self.src + done, dst: self.dst + done, len: self.len - done }
    }

    /// The first `len` bytes.
    pub(crate) fn first(&self, len: u64) -> Pair {
        Pair { len: self.len.min(len), ..*self }
    }

    /// With [`TO_END`] and anything longer cut at the end of a source of `size` bytes; also at the
    /// largest offset of the destination.
    pub(crate) fn within(&self, size: u64) -> Pair {
        let len = self.len.min(size.saturating_sub(self.src)).min(MAX_OFFSET - self.dst);
        Pair { len, ..*self }
    }

    /// Whether the two ranges overlap when they lie in one file.
    pub(crate) fn overlaps(&self) -> bool {
        self.src < self.dst_end() && self.dst < self.src_end()
    }
}

pub(crate) fn align_down(offset: u64, alignment: u64) -> u64 {
    offset - offset % alignment
}

/// How a range is split into what can only be copied at its ends, and what can be cloned between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Split {
    /// Bytes before the first block boundary.
    pub(crate) head: u64,
    /// Whole blocks; with the source's partial last block where a clone may take it along.
    pub(crate) middle: u64,
    /// Bytes behind the last block boundary.
    pub(crate) tail: u64,
}

/// The largest part of `range` that the kernel would clone: both offsets on a block boundary, and a
/// partial block only where the source ends in it and it does not land inside the destination
/// (ioctl_ficlonerange(2); fs/remap_range.c).
///
/// `None` if there is no such part: the offsets are not congruent, or no whole block is in the range.
pub(crate) fn split(range: Pair, block: u64, src_size: u64, dst_size: u64) -> Option<Split> {
    if range.src % block != range.dst % block {
        return None;
    }
    let head = ((block - range.src % block) % block).min(range.len);
    let rest = range.len - head;
    let takes_tail = range.src_end() == src_size && range.dst_end() >= dst_size;
    let middle = if takes_tail { rest } else { align_down(rest, block) };
    (middle > 0).then_some(Split { head, middle, tail: rest - middle })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ends_that_cannot_be_represented() {
        let max = MAX_OFFSET;
        assert!(Pair::checked(0, 0, max).is_some());
        assert!(Pair::checked(1, 0, max).is_none());
        assert!(Pair::checked(0, 1, max).is_none());
        assert!(Pair::checked(max, max, 0).is_some());
        assert!(Pair::checked(max, max, TO_END).is_some());
        assert!(Pair::checked(max + 1, 0, TO_END).is_none());
        assert!(Pair::checked(0, max + 1, 0).is_none());
        assert!(Pair::checked(u64::MAX, 0, 1).is_none());
    }

    #[test]
    fn to_end_is_cut_at_the_source() {
        let pair = Pair::checked(10, 0, TO_END).unwrap();
        assert_eq!(pair.within(100).len, 90);
        assert_eq!(pair.within(10).len, 0);
        assert_eq!(pair.within(5).len, 0);
        let far = Pair::checked(0, MAX_OFFSET - 3, TO_END).unwrap();
        assert_eq!(far.within(100).len, 3);
    }

    #[test]
    fn what_is_done_and_what_is_left() {
        let pair = Pair { src: 10, dst: 20, len: 30 };
        assert_eq!(pair.after(7), Pair { src: 17, dst: 27, len: 23 });
        assert_eq!(pair.first(7), Pair { len: 7, ..pair });
        assert_eq!(pair.first(31), pair);
    }

    #[test]
    fn overlap_is_of_half_open_ranges() {
        let overlaps = |src, dst, len| Pair { src, dst, len }.overlaps();
        assert!(overlaps(0, 0, 1));
        assert!(overlaps(0, 9, 10));
        assert!(overlaps(9, 0, 10));
        assert!(!overlaps(0, 10, 10));
        assert!(!overlaps(10, 0, 10));
        assert!(!overlaps(5, 5, 0));
    }

    #[test]
    fn split_by_hand() {
        let pair = |src, dst, len| Pair { src, dst, len };
        let parts = |head, middle, tail| Some(Split { head, middle, tail });
        // Aligned on both ends.
        assert_eq!(split(pair(0, 4096, 8192), 4096, 99_999, 0), parts(0, 8192, 0));
        // Ragged on both ends, congruent.
        assert_eq!(split(pair(100, 4196, 12_000), 4096, 99_999, 0), parts(3996, 4096, 3908));
        // Not congruent.
        assert_eq!(split(pair(100, 0, 12_000), 4096, 99_999, 0), None);
        // No whole block.
        assert_eq!(split(pair(100, 100, 5000), 4096, 99_999, 0), None);
        assert_eq!(split(pair(0, 0, 4095), 4096, 99_999, 0), None);
        // The source's end: taken along, unless it would land inside the destination.
        assert_eq!(split(pair(0, 0, 10_000), 4096, 10_000, 0), parts(0, 10_000, 0));
        assert_eq!(split(pair(0, 0, 10_000), 4096, 10_000, 10_000), parts(0, 10_000, 0));
        assert_eq!(split(pair(0, 0, 10_000), 4096, 10_000, 10_001), parts(0, 8192, 1808));
        assert_eq!(split(pair(0, 0, 10_000), 4096, 10_001, 0), parts(0, 8192, 1808));
        assert_eq!(split(pair(0, 0, 100), 4096, 100, 0), parts(0, 100, 0));
    }

    proptest! {
        #[test]
        fn split_is_a_partition_that_the_kernel_takes(
            src in 0u64..100_000, dst in 0u64..100_000, len in 0u64..100_000,
            src_size in 0u64..200_000, dst_size in 0u64..200_000, shift in 0u32..5,
        ) {
            let block = 512u64 << shift;
            let range = Pair { src, dst, len };
            match split(range, block, src_size, dst_size) {
                Some(Split { head, middle, tail }) => {
                    prop_assert_eq!(head + middle + tail, len);
                    prop_assert!(middle > 0);
                    prop_assert!(head < block && tail < block);
                    prop_assert!((src + head).is_multiple_of(block) && (dst + head).is_multiple_of(block));
                    let at_end = src + head + middle == src_size && dst + head + middle >= dst_size;
                    prop_assert!(middle.is_multiple_of(block) || at_end);
                }
                None => {
                    let congruent = src % block == dst % block;
                    let blocks = align_down(src + len, block).saturating_sub(src.next_multiple_of(block));
                    let ends = src + len == src_size && dst + len >= dst_size;
                    prop_assert!(!congruent || (blocks == 0 && !(ends && src + len > src.next_multiple_of(block))));
                }
            }
        }

        #[test]
        fn checked_never_lets_an_end_overflow(src: u64, dst: u64, len: u64) {
            if let Some(pair) = Pair::checked(src, dst, len) {
                if len != TO_END {
                    prop_assert!(pair.src_end() <= MAX_OFFSET && pair.dst_end() <= MAX_OFFSET);
                }
                let cut = pair.within(MAX_OFFSET);
                prop_assert!(cut.src_end() <= MAX_OFFSET && cut.dst_end() <= MAX_OFFSET);
            }
        }
    }
}
