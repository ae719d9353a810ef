//! Parts of a target's range, as offsets into it.

/// Half-open runs `(from, to)`: sorted, none empty, none touching another.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds `from..to`, which begins nowhere before the last run that was added.
    pub(crate) fn push(&mut self, from: u64, to: u64) {
        debug_assert!(self.0.last().is_none_or(|last| last.0 <= from));
        match self.0.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ if from < to => self.0.push((from, to)),
            _ => {}
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many bytes it has.
    pub(crate) fn total(&self) -> u64 {
        self.iter().map(|(from, to)| to - from).sum()
    }

    /// How many bytes it has from 0 on without a gap.
    pub(crate) fn prefix(&self) -> u64 {
        self.0.first().filter(|(from, _)| *from == 0).map_or(0, |(_, to)| *to)
    }

    /// What of it lies in `from..to`.
    pub(crate) fn within(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.0.partition_point(|run| run.1 <= from);
        self.0[first..]
            .iter()
            .take_while(move |run| run.0 < to)
            .map(move |run| (run.0.max(from), run.1.min(to)))
    }

    /// What lies in this one only.
    pub(crate) fn without(&self, other: &Ranges) -> Ranges {
        let mut rest = Ranges::default();
        for (mut from, to) in self.iter() {
            for (gap, resume) in other.within(from, to) {
                rest.push(from, gap);
                from = resume;
            }
            rest.push(from, to);
        }
        rest
    }

    /// What lies in either.
    pub(crate) fn with(&self, other: &Ranges) -> Ranges {
        let mut runs: Vec<_> = self.iter().chain(other.iter()).collect();
        runs.sort_unstable();
        runs.into_iter().collect()
    }

    /// Without the runs that `keep` has no use for.
    pub(crate) fn filter(mut self, keep: impl Fn(u64, u64) -> bool) -> Ranges {
        self.0.retain(|(from, to)| keep(*from, *to));
        self
    }
}

impl FromIterator<(u64, u64)> for Ranges {
    /// In order of their beginnings; runs that touch become one.
    fn from_iter<I: IntoIterator<Item = (u64, u64)>>(runs: I) -> Self {
        let mut ranges = Ranges::default();
        for (from, to) in runs {
            ranges.push(from, to);
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges<const N: usize>(runs: [(u64, u64); N]) -> Ranges {
        runs.into_iter().collect()
    }

    #[test]
    fn runs_that_touch_are_one() {
        assert_eq!(ranges([(0, 4), (4, 6), (5, 9), (9, 9), (12, 13)]), ranges([(0, 9), (12, 13)]));
        assert_eq!(ranges([(0, 9), (12, 13)]).total(), 10);
        assert_eq!(ranges([(0, 9), (12, 13)]).prefix(), 9);
        assert_eq!(ranges([(1, 9)]).prefix(), 0);
        assert!(ranges([(7, 7)]).is_empty() && !ranges([(1, 9)]).is_empty());
    }

    /// The bytes below 64 that are in it, one by one.
    fn bytes(ranges: &Ranges) -> Vec<u64> {
        (0..64).filter(|byte| ranges.iter().any(|(from, to)| (from..to).contains(byte))).collect()
    }

    fn any_ranges() -> impl Strategy<Value = Ranges> {
        proptest::collection::vec((0u64..64, 0u64..12), 0..8).prop_map(|mut runs| {
            runs.sort_unstable();
            runs.into_iter().map(|(from, len)| (from, (from + len).min(64))).collect()
        })
    }

    proptest! {
        #[test]
        fn as_sets_of_bytes(a in any_ranges(), b in any_ranges(), from in 0u64..64, len in 0u64..64) {
            let (in_a, in_b) = (bytes(&a), bytes(&b));
            let only = |keep: &dyn Fn(u64) -> bool| (0..64).filter(|byte| keep(*byte)).collect::<Vec<_>>();
            let (is_a, is_b) = (|byte| in_a.contains(&byte), |byte| in_b.contains(&byte));
            prop_assert_eq!(bytes(&a.without(&b)), only(&|byte| is_a(byte) && !is_b(byte)));
            prop_assert_eq!(bytes(&a.with(&b)), only(&|byte| is_a(byte) || is_b(byte)));
            let part: Ranges = a.within(from, from + len).collect();
            prop_assert_eq!(bytes(&part), only(&|byte| is_a(byte) && (from..from + len).contains(&byte)));
            prop_assert_eq!(a.total(), in_a.len() as u64);
        }

        #[test]
        fn never_touching(a in any_ranges(), b in any_ranges()) {
            for made in [a.without(&b), a.with(&b)] {
                prop_assert!(made.iter().all(|(from, to)| from < to));
                prop_assert!(made.0.windows(2).all(|two| two[0].1 < two[1].0));
            }
        }
    }
}
