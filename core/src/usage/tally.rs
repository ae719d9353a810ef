//! Adding up: from a run of blocks, and who uses it, to what each root takes up.

use super::report::Usage;

/// Whether something that is in none of the roots uses a block too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    No,
    Yes,
    /// A neighbouring block of the same extent is, or this one.
    Likely,
    Unknown,
}

/// The sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) roots: Vec<Usage>,
    pub(super) total: Usage,
}

impl Tally {
    pub(super) fn new(roots: usize) -> Self {
        Tally { roots: vec![Usage::default(); roots], total: Usage::default() }
    }

    /// `bytes` of blocks that `roots` use, each of which is named once.
    pub(super) fn add(&mut self, bytes: u64, roots: &[u32], elsewhere: Elsewhere) {
        for root in roots {
            add(&mut self.roots[*root as usize], bytes, roots.len() > 1, roots.len() == 1, elsewhere);
        }
        add(&mut self.total, bytes, roots.len() > 1, true, elsewhere);
    }
}

/// `alone` says that no root is left to use the blocks once this one, or all, are deleted.
fn add(usage: &mut Usage, bytes: u64, shared: bool, alone: bool, elsewhere: Elsewhere) {
    let of = |condition| if condition { bytes } else { 0 };
    usage.allocated += bytes;
    usage.shared_roots += of(shared);
    usage.shared_others += of(matches!(elsewhere, Elsewhere::Yes | Elsewhere::Likely));
    usage.unknown += of(elsewhere == Elsewhere::Unknown);
    usage.exclusive += of(alone && elsewhere == Elsewhere::No);
    usage.exclusive_most += of(alone && elsewhere != Elsewhere::Yes);
    usage.exact &= matches!(elsewhere, Elsewhere::No | Elsewhere::Yes);
}
