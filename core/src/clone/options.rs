//! What a caller of `clone_range` may ask for.

use std::os::fd::{BorrowedFd, OwnedFd};

/// Whether the old bytes of the destination's range are kept until the clone is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Undo {
    /// Kept, and so put back after a failure. Where they cannot be kept, nothing is cloned.
    #[default]
    Auto,
    /// Kept where possible. Where they cannot be, the clone goes on without.
    Best,
    /// Not kept: the kernel's clone as it is.
    Off,
}

/// Whether the destination's range must change in one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Atomic {
    /// By an exchange where the filesystem has it and there is something to lose, else not.
    #[default]
    Best,
    /// By an exchange, or nothing is cloned.
    Required,
}

/// Options of [`clone_range`](crate::clone_range).
///
/// ```
/// use xtent::{Atomic, CloneOptions, Undo};
///
/// let mut undo_file = None;
/// let options = CloneOptions::new().undo(Undo::Best).atomic(Atomic::Best).keep_undo(&mut undo_file);
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CloneOptions<'a> {
    /// Whether the old bytes are kept until the clone is whole.
    pub undo: Undo,
    /// Whether the range must change in one moment.
    pub atomic: Atomic,
    /// A directory on the destination's filesystem, for unlinked files; else the destination's own is used.
    pub scratch_dir: Option<BorrowedFd<'a>>,
    /// Takes the file with the old bytes, should they not have come back.
    pub keep_undo: Option<&'a mut Option<OwnedFd>>,
}

impl<'a> CloneOptions<'a> {
    /// The defaults: old bytes are kept, and exchanged where that is possible.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the old bytes are kept until the clone is whole.
    #[must_use]
    pub fn undo(mut self, undo: Undo) -> Self {
        self.undo = undo;
        self
    }

    /// Sets whether the range must change in one moment.
    #[must_use]
    pub fn atomic(mut self, atomic: Atomic) -> Self {
        self.atomic = atomic;
        self
    }

    /// Sets where unlinked files are made: a directory on the destination's filesystem.
    ///
    /// Without it that is the directory that the destination is in, or was before it was unlinked. It is looked
    /// up by /proc/self/fd, and only used if the destination is still found there, or of an unlinked one if it
    /// is on the same filesystem.
    #[must_use]
    pub fn scratch_dir(mut self, dir: BorrowedFd<'a>) -> Self {
        self.scratch_dir = Some(dir);
        self
    }

    /// Sets where the file with the old bytes is put after an error with
    /// [`Destination::Changed`](crate::Destination::Changed), to try again when there is space. It has the
    /// old bytes of the range at their offsets, and the destination's old size. `None` is put there when
    /// there is no such file.
    #[must_use]
    pub fn keep_undo(mut self, place: &'a mut Option<OwnedFd>) -> Self {
        self.keep_undo = Some(place);
        self
    }
}
