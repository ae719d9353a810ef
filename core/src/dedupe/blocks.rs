//! Which blocks of two ranges are equal.

use crate::compare::equal_bytes;

use super::ranges::Ranges;

/// Found by comparing one piece after another. Offsets count from the first one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Blocks {
    /// Runs of equal blocks, among them the partial one at the end.
    pub(crate) equal: Ranges,
    /// Where the first difference is.
    pub(crate) first_difference: Option<u64>,
}

impl Blocks {
    /// Compares a piece at `at`, which is a multiple of `block`. Where one side is shorter its file ended.
    pub(crate) fn add(&mut self, at: u64, ours: &[u8], theirs: &[u8], block: u64) {
        let blocks = ours.chunks(block as usize).zip(theirs.chunks(block as usize));
        for (from, (a, b)) in (at..).step_by(block as usize).zip(blocks) {
            if a == b {
                self.equal.push(from, from + a.len() as u64);
            } else if self.first_difference.is_none() {
                self.first_difference = Some(from + equal_bytes(a, b) as u64);
            }
        }
    }

    /// The files end here, before the range does.
    pub(crate) fn cut_off(&mut self, at: u64) {
        self.first_difference.get_or_insert(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_go_on_over_pieces() {
        let a = [7; 40];
        let mut b = a;
        b[13] = 0;
        b[39] = 0;
        let mut blocks = Blocks::default();
        blocks.add(0, &a[..16], &b[..16], 8);
        blocks.add(16, &a[16..], &b[16..], 8);
        assert_eq!(blocks.first_difference, Some(13));
        assert_eq!(blocks.equal, [(0, 8), (16, 32)].into_iter().collect());
        // The last block is partial, and equal.
        blocks.add(40, &a[..3], &a[..3], 8);
        assert_eq!(blocks.equal, [(0, 8), (16, 32), (40, 43)].into_iter().collect());
    }

    #[test]
    fn a_file_that_ends_differs_there() {
        let mut blocks = Blocks::default();
        blocks.add(0, &[1; 8], &[1; 8], 8);
        blocks.cut_off(8);
        assert_eq!(blocks.first_difference, Some(8));
    }
}
