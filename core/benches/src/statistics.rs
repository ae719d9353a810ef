//! Medians, and how far they can be trusted.

/// The middle of `samples`, which must not be empty.
pub(crate) fn median(samples: &[f64]) -> f64 {
    quantile(samples, 0.5)
}

/// The value below which `part` of the samples lie, between two of them where it falls there.
pub(crate) fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = part * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// A ratio of medians, and the interval that holds 95 of 100 of those that the same rounds could have given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

const RESAMPLES: usize = 2000;

/// The median of `ours` over that of `theirs`; the interval by the bootstrap (Efron 1979): the rounds are drawn again,
/// with repetition, and whole: what slowed a round down slowed all in it.
pub(crate) fn ratio(ours: &[f64], theirs: &[f64]) -> Ratio {
    assert_eq!(ours.len(), theirs.len(), "every round has one sample of each");
    let mut random = Random(0x5eed);
    let ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let rounds: Vec<usize> = ours.iter().map(|_| random.below(ours.len())).collect();
            let drawn = |of: &[f64]| median(&rounds.iter().map(|round| of[*round]).collect::<Vec<_>>());
            drawn(ours) / drawn(theirs)
        })
        .collect();
    Ratio {
        value: median(ours) / median(theirs),
        low: quantile(&ratios, 0.025),
        high: quantile(&ratios, 0.975),
    }
}

/// The same numbers on every run: a table can be computed again from its samples.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// In an order of its own.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(quantile(&[0.0, 10.0], 0.25), 2.5);
        assert_eq!(quantile(&[7.0], 0.975), 7.0);
    }

    #[test]
    fn a_steady_ratio_has_a_narrow_interval_and_a_wild_one_a_wide() {
        let theirs: Vec<f64> = (0..21).map(|i| 10.0 + f64::from(i % 5)).collect();
        let half: Vec<f64> = theirs.iter().map(|time| time / 2.0).collect();
        let steady = ratio(&half, &theirs);
        // Drawn whole, each round says the same.
        assert!((steady.low - 0.5).abs() < 0.01 && (steady.high - 0.5).abs() < 0.01, "{steady:?}");
        let wild: Vec<f64> = (0..21).map(|i| if i % 2 == 0 { 1.0 } else { 20.0 }).collect();
        let wild = ratio(&wild, &theirs);
        assert!(wild.low < 0.2 && wild.high > 1.0, "{wild:?}");
    }
}
