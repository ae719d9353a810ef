//! What happened to how many bytes.

use crate::preserve::Preserve;
use crate::reason::Reason;

/// What a verb did, on success and on failure alike. All amounts are bytes of the range asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Bytes that were moved: read and written again, so that the destination has its own blocks.
    pub bytes_copied: u64,
    /// Bytes that now share the source's blocks because the kernel cloned them.
    pub bytes_cloned: u64,
    /// Bytes that are a hole in the source and were made, or left, a hole in the destination.
    pub bytes_hole: u64,
    /// Bytes that a server copied without sending them here, which only [`Server::Allow`](crate::Server::Allow)
    /// lets it do. It may have shared them instead.
    pub bytes_server: u64,
    /// Why it ended before the whole range was done; [`Reason::None`] when nothing was in the way
    /// (also when a copy simply met the end of the source).
    pub reason: Reason,
    /// The errno that goes with `reason`, 0 when there is none.
    pub errno: i32,
    /// `clone_or_copy` only: why bytes that could have been asked for as a clone were copied.
    pub fallback: Reason,
    /// The multiple that offsets and lengths need, in bytes, when `reason` or `fallback` is
    /// [`Reason::Misaligned`] or [`Reason::PartialBlock`]; else 0.
    pub alignment: u64,
    /// File verbs only: metadata that was to be kept and could not be.
    pub unkept: Preserve,
}

impl Report {
    /// Bytes of the range that are done, from its beginning on, whichever way they went.
    pub fn bytes(&self) -> u64 {
        self.bytes_copied + self.bytes_cloned + self.bytes_hole + self.bytes_server
    }

    /// Takes the way and the end of a part that follows directly on what this report tells.
    pub(crate) fn append(&mut self, part: &Report) {
        self.bytes_copied += part.bytes_copied;
        self.bytes_cloned += part.bytes_cloned;
        self.bytes_hole += part.bytes_hole;
        self.bytes_server += part.bytes_server;
        self.reason = part.reason;
        self.errno = part.errno;
        self.alignment = self.alignment.max(part.alignment);
    }
}
