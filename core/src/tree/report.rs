//! What became of a tree.

use std::path::PathBuf;

use crate::error::Error;
use crate::report::Report;

/// What a tree verb did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct TreeReport {
    /// Bytes of all files, by the way they went; `fallback` is that of the first file that was copied because it could not be
    /// cloned, `unkept` what could not be kept of any.
    pub total: Report,
    /// Regular files with contents of their own.
    pub files: u64,
    /// Directories, the tree itself among them.
    pub directories: u64,
    /// Further names of files: hard links.
    pub links: u64,
    /// Symbolic links, FIFOs, sockets and devices.
    pub specials: u64,
    /// Names that were listed in the source and not there any more.
    pub vanished: u64,
    /// What failed, with [`TreeOptions::keep_going`](crate::TreeOptions::keep_going).
    pub failures: Vec<TreeFailure>,
}

/// What stopped a tree verb or [`usage`](crate::usage()), or is missing in its result, and which file that was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {error}", path.display())]
#[non_exhaustive]
pub struct TreeFailure {
    /// The path beneath the source; empty for the tree itself, or the destination. Of `usage` and `dedupe_tree` the path with that
    /// of the root; empty for the call as a whole.
    pub path: PathBuf,
    /// Why.
    pub error: Error,
}

impl From<TreeFailure> for std::io::Error {
    /// Keeps the errno (`raw_os_error`); path and reason are lost.
    fn from(failure: TreeFailure) -> Self {
        failure.error.into()
    }
}
