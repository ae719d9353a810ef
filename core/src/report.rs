//! What happened to how many bytes.

use crate::preserve::Preserve;
use crate::reason::Reason;
use crate::stable::Stable;

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
    /// After an error of a clone: what the destination is now. `None` after success, and from other verbs.
    /// (`clone_or_copy` says it of what comes behind the bytes that are done.)
    pub destination: Option<Destination>,
    /// `clone_range` only: what stood between a failure and the destination.
    pub protection: Protection,
    /// How many bytes of space were set aside, during the call, for the way back.
    pub undo_reserve: u64,
    /// File verbs only: how the source was kept stable.
    pub stable: Stable,
}

/// What a clone's destination is after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Destination {
    /// As it was; nothing was changed. Of the times the kernel changes some before it looks for space: the
    /// modification time is put back where the caller owns the file, and `st_ctime` never.
    Untouched,
    /// As it was again: bytes, holes and size, and the modification time where the caller owns the file, but
    /// never `st_ctime`. Space that was preallocated and never written is a hole now.
    Restored,
    /// From `from` up to `to` it may be other than it was, and its size too; outside it is as it was. Where
    /// nothing was kept, these bytes are the source's. `to` is `u64::MAX` where that is not known.
    Changed {
        /// An offset in the destination.
        from: u64,
        /// An offset in the destination.
        to: u64,
    },
}

/// What stands between a failed clone and its destination: see [`clone_range`](crate::clone_range).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Protection {
    /// Nothing: not asked for, not to be had, or it did not come to that.
    #[default]
    None,
    /// The range was empty: the old size is enough to go back.
    Size,
    /// The range changed in one moment.
    Exchange,
    /// The old range was kept aside.
    Undo,
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
        self.destination = part.destination;
    }
}
