//! Why something was refused or ended early: stable codes, one plain sentence each.

macro_rules! reasons {
    ($($(#[$attr:meta])* $name:ident = $code:literal, $label:literal, $text:literal;)*) => {
        /// Why a verb was refused, failed, ended early or fell back.
        ///
        /// An errno alone does not tell: `EINVAL` from a clone has at least eight causes. The codes are
        /// stable; new ones may be added.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
        #[non_exhaustive]
        #[repr(i32)]
        pub enum Reason {
            $($(#[$attr])* #[doc = ""] #[doc = concat!("\"", $text, "\"")] $name = $code,)*
        }

        impl Reason {
            /// Every reason there is, in the order of the codes.
            pub const ALL: &[Reason] = &[$(Reason::$name,)*];

            /// A short stable name, such as `misaligned`.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$name => $label,)* }
            }

            /// One plain sentence, without a full stop.
            pub const fn text(self) -> &'static str {
                match self { $(Reason::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// Nothing was refused.
    #[default]
    None = 0, "none", "no reason: nothing went wrong";
    /// The library found no cause; the errno is all that is known.
    Unknown = 1, "unknown", "the kernel refused, and no cause could be found";
    /// The caller's argument makes no sense by itself.
    InvalidArgument = 2, "invalid-argument", "an argument is not valid: NULL, a wrong struct size, or an unknown flag";
    /// Clone and dedupe of nothing.
    ZeroLength = 3, "zero-length", "the length is 0; use the to-end length for the rest of the file";
    /// An end of a range cannot be represented.
    Overflow = 4, "overflow", "offset plus length passes the largest possible file offset";
    /// The number is no open file.
    BadDescriptor = 5, "bad-descriptor", "a descriptor is not open";
    /// Source not open for reading, or destination not open for writing, or `O_PATH`.
    NotOpenForThat = 6, "not-open-for-that", "a descriptor is not open for that: the source must be readable, the destination writable";
    /// `O_APPEND` on the destination.
    AppendOnly = 7, "append-only", "the destination is append-only, so that data cannot be placed at an offset";
    /// A directory, pipe, socket or device.
    NotRegularFile = 8, "not-a-regular-file", "only regular files can be used";
    /// See the report's `alignment` for the multiple that is needed.
    Misaligned = 9, "misaligned", "an offset or the length is not a multiple of the filesystem's block size";
    /// Both ranges lie in one file and overlap.
    Overlap = 10, "overlap", "source and destination ranges overlap in the same file";
    /// The range reaches behind the end of a file.
    PastEnd = 11, "past-end-of-file", "the range reaches past the end of the file";
    /// The source's last, partial block would land inside the destination.
    PartialBlock = 12, "partial-block", "the source's last partial block would land in the middle of the destination";
    /// btrfs: files with and without `chattr +C` (or checksums) do not share.
    NocowMismatch = 13, "no-copy-on-write-mismatch", "one file is copy-on-write and the other is not (chattr +C)";
    /// Only files of one filesystem can share blocks.
    DifferentFilesystem = 14, "different-filesystem", "the files are on different filesystems, or reached through different mounts of one that keeps them apart";
    /// This type of filesystem never does it.
    FilesystemCannot = 15, "filesystem-cannot", "this type of filesystem cannot do that";
    /// The type could, this one was made or mounted without.
    MountCannot = 16, "mount-cannot", "this filesystem was made or mounted without support for that";
    /// Comparing needs to read the destination.
    DestinationNotReadable = 17, "destination-not-readable", "the destination is not open for reading";
    /// An active swap file.
    SwapFile = 18, "swap-file", "the file is in use as swap space or is being executed";
    /// `chattr +i`.
    Immutable = 19, "immutable", "the file is immutable (chattr +i) or sealed";
    /// A read-only filesystem, mount or subvolume.
    ReadOnly = 20, "read-only", "the destination's filesystem, mount or subvolume is read-only";
    /// `RLIMIT_FSIZE`, or the largest file that the filesystem holds.
    FileSizeLimit = 21, "file-size-limit", "the destination would pass the file-size limit (RLIMIT_FSIZE, or the filesystem's own)";
    /// The filesystem is full.
    NoSpace = 22, "no-space", "the filesystem has no space left";
    /// A quota is used up.
    Quota = 23, "quota", "the disk quota is used up";
    /// Not the owner, a security module, an idmapped mount.
    Permission = 24, "permission", "the caller is not permitted to do that to this file";
    /// By flag or callback.
    Cancelled = 25, "cancelled", "cancelled by the caller";
    /// The device or server failed.
    Io = 26, "input-output", "the device or server reported an input/output error";
    /// The kernel had no memory.
    OutOfMemory = 27, "out-of-memory", "the kernel or process ran out of memory";
    /// Signals kept interrupting the call.
    Interrupted = 28, "interrupted", "signals interrupted the call before it made progress";
    /// The old bytes of a clone's destination, or a snapshot of a source, need a place; see `scratch_dir`.
    NoScratchDirectory = 29, "no-scratch-directory", "there is no directory on the same filesystem to make an unlinked file in";
    /// `stable`: nothing of it was published.
    SourceChanged = 30, "source-changed", "the source changed while it was read";
    /// `stable`: another program opened the source for writing, and went on at once.
    LeaseBroken = 31, "lease-broken", "another program wanted to write to the source, and the lease on it ended";
    /// `stable`: somebody has it open for writing, or mapped, or holds a lock.
    InUse = 32, "in-use", "the source is in use by another program, or another part of this one";
    /// The destination of a file verb, without leave to replace it.
    Exists = 33, "exists", "something has the destination's name already";
    /// The source, or a directory on the way to either file.
    NotFound = 34, "not-found", "there is no such file or directory";
    /// Dedupe leaves zeros that face a hole of the target alone.
    WouldAllocate = 35, "would-allocate", "sharing would fill a hole and take space: left alone, the bytes are equal";
    /// A file verb with `durable`: the name is there, but fsync(2) failed behind it.
    NotDurable = 36, "not-durable", "the file was published, but could not be written to disk";
    /// A device that returns other bytes than were written, memory that changed them, or another program that wrote
    /// to the source meanwhile.
    VerifyFailed = 37, "verify-failed", "read again, the copy and its source differ; nothing was published";
    /// A btrfs send of the target's subvolume is running.
    Busy = 38, "busy", "something else keeps the file busy, such as a running btrfs send; try again later";
    /// Empty, too long, that of a directory, or with bytes that the filesystem does not take.
    InvalidName = 39, "invalid-name", "a path has no name for a file, or one that the filesystem does not take";
    /// Too many of them, or one where none is followed.
    TooManyLinks = 40, "too-many-links", "a symbolic link where none is followed, or too many of them";
    /// The filesystem, the file or the range.
    CannotExchange = 41, "cannot-exchange", "the two cannot be exchanged in one moment: not on this filesystem, or not with these files, or not there";
    /// What was to be cloned aside was refused.
    UndoImpossible = 42, "undo-impossible", "the destination's old range cannot be kept, and so not be put back after a failure";
    /// A tree that would be replaced, and removed, with what is copied from in it.
    InsideDestination = 43, "inside-destination", "the source is what would be replaced, or lies inside of it";
    /// A file stands where the path needs a directory.
    NotDirectory = 44, "not-a-directory", "something on a path is no directory";
    /// A tree cannot be copied into itself.
    InsideSource = 45, "inside-source", "the destination lies inside of the source";
    /// An index of `dedupe_tree` whose checksums do not fit. `rebuild` begins a new one.
    IndexDamaged = 46, "index-damaged", "the index is damaged";
    /// What has the name of the index, or of its journal, is some other file.
    IndexForeign = 47, "index-foreign", "the file is no index of this library";
    /// Made by a later version of this library.
    IndexNewer = 48, "index-newer", "the index was made by a newer version of this library";
    /// Another run has it open.
    IndexInUse = 49, "index-in-use", "another run uses the index";
    /// `usage`: what is in both would go with either.
    RootInRoot = 50, "root-in-root", "a root lies in another one, or is the same";
    /// ESTALE of NFS: it was removed there, or the export is another.
    Gone = 53, "gone", "the server no longer has the file, or does not know it any more";
}

impl Reason {
    /// The stable code, as in the C header.
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The reason with this code.
    pub fn from_code(code: i32) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| reason.code() == code)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_unique_and_round_trip() {
        for (i, a) in Reason::ALL.iter().enumerate() {
            assert_eq!(Reason::from_code(a.code()), Some(*a));
            assert!(!a.text().ends_with('.'));
            assert_eq!(a.to_string(), a.text());
            for b in &Reason::ALL[i + 1..] {
                assert!(a.code() < b.code());
                assert_ne!(a.name(), b.name());
            }
        }
        assert_eq!(Reason::from_code(-1), None);
    }
}
