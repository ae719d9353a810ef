//! In which steps a range is asked for, and which part of a step needs what. Pure arithmetic.

use crate::facts::Kind;
use crate::sys::dedupe::MAX_TARGETS;

use super::ranges::Ranges;

/// So much of one target is asked of the kernel at once, in bytes. It would take 1 GiB, but cannot be
/// stopped meanwhile.
pub(crate) const STEP: u64 = 16 << 20;

/// The same where the bytes are read first: the kernel compares them while they are in the processor's cache.
pub(crate) const COLD_STEP: u64 = 4 << 20;

/// So much is looked at before anything else of files that are not in the page cache: those that differ do so mostly
/// at once.
pub(crate) const PEEK: u64 = 64 << 10;

/// So much of all targets together is asked of the kernel at once, in bytes, for the same cause as [`STEP`].
const BATCH: u64 = 4 * STEP;

/// What is shared already in runs shorter than this is asked for again with what lies around it: a call of the
/// kernel costs more than it saves.
const WORTH_SKIPPING: u64 = 64 << 10;

/// How many targets go into one call when each has `step` bytes compared.
pub(crate) fn batch(step: u64) -> usize {
    (BATCH / step.max(1)).clamp(1, MAX_TARGETS as u64) as usize
}

/// How bytes get into the page cache before the kernel compares them, which reads page by page itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// By reading them, into a pipe that nobody reads from: on demand the kernel reads ahead in large folios, which it does
    /// not when it is told to.
    Read,
    /// By telling the kernel that they will be needed, while it compares what came before.
    Advise,
}

/// Measured (README.md beside this file): on XFS, which has large folios, reading is twice as fast as advice; on
/// btrfs, which checks its sums page by page, advice is faster, and short steps would leave short extents.
pub(crate) fn fetch(kind: Kind) -> Fetch {
    if kind == Kind::Xfs { Fetch::Read } else { Fetch::Advise }
}

/// What of a target's map need not be asked for: what shares the source's blocks already, `len` bytes in all.
pub(crate) fn worth_skipping(shared: Ranges, len: u64) -> Ranges {
    shared.filter(|from, to| to - from >= WORTH_SKIPPING || (from == 0 && to == len))
}

/// What a part of a step needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The kernel compares and shares it.
    Ask,
    /// It is equal by the maps, and there is nothing to share.
    Skip,
    /// Sharing would fill a hole: it is only compared.
    Compare,
}

/// `from..to` in parts, in order. `skip` and `holes` have no byte in common.
pub(crate) fn parts(from: u64, to: u64, skip: &Ranges, holes: &Ranges) -> Vec<(Part, u64, u64)> {
    let skip = skip.within(from, to).map(|(from, to)| (Part::Skip, from, to));
    let holes = holes.within(from, to).map(|(from, to)| (Part::Compare, from, to));
    let mut special: Vec<_> = skip.chain(holes).collect();
    special.sort_unstable_by_key(|(_, from, _)| *from);
    let mut parts = Vec::with_capacity(2 * special.len() + 1);
    let mut at = from;
    for part in special {
        if at < part.1 {
            parts.push((Part::Ask, at, part.1));
        }
        at = part.2;
        parts.push(part);
    }
    if at < to {
        parts.push((Part::Ask, at, to));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_targets_and_bytes() {
        assert_eq!(MAX_TARGETS, 127);
        assert_eq!(batch(1), 127);
        assert_eq!(batch(512 << 10), 127);
        assert_eq!(batch(STEP), 4);
        assert_eq!(batch(0), 127);
    }

    #[test]
    fn a_step_in_parts() {
        let ranges = |runs: &[(u64, u64)]| runs.iter().copied().collect::<Ranges>();
        let none = Ranges::default();
        assert_eq!(parts(10, 20, &none, &none), [(Part::Ask, 10, 20)]);
        assert_eq!(parts(10, 20, &ranges(&[(0, 30)]), &none), [(Part::Skip, 10, 20)]);
        assert_eq!(parts(10, 20, &ranges(&[(0, 10)]), &ranges(&[(20, 30)])), [(Part::Ask, 10, 20)]);
        assert_eq!(
            parts(10, 20, &ranges(&[(0, 12), (15, 16)]), &ranges(&[(13, 15)])),
            [
                (Part::Skip, 10, 12),
                (Part::Ask, 12, 13),
                (Part::Compare, 13, 15),
                (Part::Skip, 15, 16),
                (Part::Ask, 16, 20),
            ]
        );
        assert_eq!(parts(5, 5, &none, &none), []);
    }

    #[test]
    fn short_runs_are_not_worth_a_call_unless_they_are_all() {
        let shared: Ranges = [(0, 4096), (8192, 8192 + WORTH_SKIPPING)].into_iter().collect();
        assert_eq!(worth_skipping(shared.clone(), 1 << 20).prefix(), 0);
        assert_eq!(worth_skipping(shared, 1 << 20).total(), WORTH_SKIPPING);
        let all: Ranges = [(0, 4096)].into_iter().collect();
        assert_eq!(worth_skipping(all, 4096).total(), 4096);
        // Its length counts, not where it lies, nor that it is the last.
        let last: Ranges = [((1 << 20) - 4096, 1 << 20)].into_iter().collect();
        assert_eq!(worth_skipping(last.clone(), 1 << 20).total(), 0);
        assert_eq!(worth_skipping(last, 2 << 20).total(), 0);
    }

    /// Each look is longer than the one before it, and ends where a block does.
    #[test]
    fn steps_grow() {
        for pair in [4096, PEEK, COLD_STEP, STEP].windows(2) {
            assert!(pair[0] < pair[1] && pair[1].is_multiple_of(pair[0]), "{pair:?}");
        }
        assert_eq!(STEP, 16 << 20, "as dedupe_range promises");
    }

    #[test]
    fn only_xfs_reads_faster_than_it_is_advised() {
        assert_eq!(fetch(Kind::Xfs), Fetch::Read);
        for kind in [Kind::Btrfs, Kind::Overlay, Kind::Bcachefs, Kind::Ocfs2, Kind::Zfs] {
            assert_eq!(fetch(kind), Fetch::Advise, "{kind:?}");
        }
    }
}
