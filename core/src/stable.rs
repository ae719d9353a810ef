//! How a source is kept from changing while it is read.

#[cfg(doc)]
use crate::reason::Reason;

/// What a file verb does about programs that write to the source meanwhile. Without it a copy may be a mix of
/// different moments.
///
/// A clone is one moment of its source in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
#[repr(u8)]
pub enum Stable {
    /// Nothing: for sources that nobody writes to.
    #[default]
    None = 0,
    /// Nothing is held; a change while the source is read is seen, and then nothing is published: `ESTALE`,
    /// [`Reason::SourceChanged`]. So it is where the source is not quiet for 100 ms within some tries.
    ///
    /// Changes are seen by the file's times, after it was written back (fsync(2)); a change of permissions or of the
    /// number of links counts as well. `EOPNOTSUPP` where times do not tell: tmpfs, NFS, SMB, FUSE. What they do
    /// not tell anywhere is an O_DIRECT write that began more than 100 ms before and has not ended yet.
    Detect = 1,
    /// A shared lock on the contents is waited for and held, for programs that use the same protocol
    /// (docs/lock-protocol.md): it keeps out nobody else. Waiting ends when the caller cancels; `EDEADLK`,
    /// [`Reason::InUse`], where this process itself holds a lock by F_SETLK that is in the way.
    Lock = 2,
    /// A lease (fcntl(2), F_SETLEASE): nobody has the source open for writing. `EAGAIN`, [`Reason::InUse`], where
    /// somebody has, or a writable mapping. Who opens it for writing later, or truncates it, waits until the next step
    /// of 4 MiB at most; the copy ends with `EAGAIN`, [`Reason::LeaseBroken`].
    ///
    /// For the file's owner and CAP_LEASE (`EACCES`). No SIGIO reaches the process. `EOPNOTSUPP` on FUSE and overlays.
    Lease = 3,
    /// The source is cloned into a file without a name, and the copy is made from that: one moment, whoever writes.
    /// Writers wait for the clone, not for the copy; readers do not wait. Blocks that are written to meanwhile take
    /// space on the source's filesystem until the copy is done.
    ///
    /// The clone is made in [`FileOptions::scratch_dir`](crate::FileOptions::scratch_dir), else beside the source:
    /// [`Reason::NoScratchDirectory`] where that cannot be written. `EOPNOTSUPP` where the filesystem does not clone.
    Snapshot = 4,
    /// The first of snapshot, lease and detect that is to be had; the report says which. It is chosen before the
    /// first byte is read, and a source that changes or is wanted by a writer afterwards ends the copy as with that one.
    Best = 5,
}

impl Stable {
    /// Every way, in the order of the codes.
    pub const ALL: &[Stable] =
        &[Stable::None, Stable::Detect, Stable::Lock, Stable::Lease, Stable::Snapshot, Stable::Best];

    /// A short stable name, as Python takes it: `none`, `detect`, `lock`, `lease`, `snapshot`, `best`.
    pub const fn name(self) -> &'static str {
        match self {
            Stable::None => "none",
            Stable::Detect => "detect",
            Stable::Lock => "lock",
            Stable::Lease => "lease",
            Stable::Snapshot => "snapshot",
            Stable::Best => "best",
        }
    }

    /// The code, as in the C header.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The way with this code.
    pub fn from_code(code: u32) -> Option<Stable> {
        Stable::ALL.iter().copied().find(|way| way.code() == code)
    }
}
