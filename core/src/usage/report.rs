//! What `usage` found.

use crate::tree::TreeFailure;

/// What a root, or all of them, take up. All amounts are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Regular files; one with several names is one.
    pub files: u64,
    /// The sum of their sizes.
    pub apparent: u64,
    /// The blocks that they use, each counted once.
    pub allocated: u64,
    /// Of these, what another root uses too; in total, what at least two roots use.
    pub shared_roots: u64,
    /// What something that is in none of the roots uses too, as far as is known.
    pub shared_others: u64,
    /// What may be used by something that is in none of the roots, and the filesystem does not say.
    pub unknown: u64,
    /// What nothing else uses: so much at least is free after the root is deleted; in total, after all of them are.
    pub exclusive: u64,
    /// What may be free after that at most: more than `exclusive` where the filesystem does not say enough.
    pub exclusive_most: u64,
    /// Whether all numbers are known to be exact.
    pub exact: bool,
}

impl Default for Usage {
    /// Nothing, exactly.
    fn default() -> Self {
        Usage {
            files: 0,
            apparent: 0,
            allocated: 0,
            shared_roots: 0,
            shared_others: 0,
            unknown: 0,
            exclusive: 0,
            exclusive_most: 0,
            exact: true,
        }
    }
}

/// What [`usage`](crate::usage()) found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct UsageReport {
    /// For each root, in their order.
    pub roots: Vec<Usage>,
    /// For all of them together.
    pub total: Usage,
    /// What could not be looked at, and is not in the numbers; the paths are those of the roots and beneath.
    pub failures: Vec<TreeFailure>,
}
