//! What became of a store.

use crate::tree::TreeFailure;

/// What [`dedupe_tree`](crate::dedupe_tree) did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DedupeTreeReport {
    /// Regular files that the filters let pass, each once.
    pub files: u64,
    /// Directories that were walked.
    pub directories: u64,
    /// Further names of files: hard links, and roots that overlap.
    pub links: u64,
    /// Files of a size that another one of the same filesystem has.
    pub candidates: u64,
    /// Candidates of which the index knew that nothing is to be done: they were not even opened.
    pub known: u64,
    /// Bytes that were read to tell candidates apart, before the kernel compared what was left.
    pub read: u64,
    /// Files that are equal to another one, and came to share all their blocks with it.
    pub deduped: u64,
    /// Bytes that share another file's blocks now and did not before, by the files' extent maps. Of files that shared
    /// their blocks among themselves before, all are counted; of one that the kernel found to differ, what comes before
    /// the difference; with [`blocks`](crate::DedupeTreeOptions::blocks) all its equal blocks.
    pub shared: u64,
    /// Bytes of candidates that shared another one's blocks before the call: all of those that shared all their blocks
    /// with one that is counted; of each other one what it shared with that which it was compared with first. What is
    /// `known` is not counted.
    pub already_shared: u64,
    /// Files whose extent maps could not tell how much they share.
    pub unmeasured: u64,
    /// With [`dry_run`](crate::DedupeTreeOptions::dry_run) an estimate of what `shared` would be. Samples stand for files
    /// of more than 128 KiB: so much of them as is equal, and not shared already by the extent maps.
    pub estimate: u64,
    /// Files that were gone, or not what they were when they were listed.
    pub vanished: u64,
    /// What failed; with the path, that of the root among it.
    pub failures: Vec<TreeFailure>,
}
