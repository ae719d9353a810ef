//! A case: the files before, the call, and what must come of it on each filesystem.

use std::ops::BitOr;

use super::call::Call;
use super::layout::{File, Piece, Regular, file};
use super::outcome::{Outcome, refused};
use super::reason::Reason;

/// Kinds of filesystems, by what they can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct On(u32);

pub(crate) const XFS: On = On(0x1);
/// XFS made without reflink.
pub(crate) const XFS_PLAIN: On = On(0x2);
pub(crate) const BTRFS: On = On(0x4);
pub(crate) const EXT4: On = On(0x8);
pub(crate) const TMPFS: On = On(0x10);
/// With both layers on one XFS.
pub(crate) const OVERLAY: On = On(0x20);

// What follows does most as one of those above (profile.rs); a case names them where they differ.
pub(crate) const OCFS2: On = On(0x40);
pub(crate) const F2FS: On = On(0x80);
pub(crate) const NILFS2: On = On(0x100);
pub(crate) const OVERLAY_BTRFS: On = On(0x200);
pub(crate) const OVERLAY_EXT4: On = On(0x400);
pub(crate) const FUSE: On = On(0x800);
pub(crate) const NFS42_XFS: On = On(0x1000);
pub(crate) const NFS42_BTRFS: On = On(0x2000);
pub(crate) const NFS42_EXT4: On = On(0x4000);
pub(crate) const NFS41: On = On(0x8000);
pub(crate) const NFS3: On = On(0x1_0000);
pub(crate) const SAMBA_BTRFS: On = On(0x2_0000);
pub(crate) const SAMBA_EXT4: On = On(0x4_0000);
pub(crate) const KSMBD_XFS: On = On(0x8_0000);
pub(crate) const KSMBD_EXT4: On = On(0x10_0000);
/// With metacopy and redirect_dir.
pub(crate) const OVERLAY_METACOPY: On = On(0x20_0000);
/// With a lower layer on ext4, and an upper one on XFS.
pub(crate) const OVERLAY_MIXED: On = On(0x40_0000);
pub(crate) const OVERLAYS: On =
    OVERLAY.and(OVERLAY_BTRFS).and(OVERLAY_EXT4).and(OVERLAY_METACOPY).and(OVERLAY_MIXED);
pub(crate) const NFS42: On = NFS42_XFS.and(NFS42_BTRFS).and(NFS42_EXT4);
pub(crate) const NFS: On = NFS42.and(NFS41).and(NFS3);
pub(crate) const SMB: On = SAMBA_BTRFS.and(SAMBA_EXT4).and(KSMBD_XFS).and(KSMBD_EXT4);
/// A server does it.
pub(crate) const REMOTE: On = NFS.and(SMB);
/// And shares blocks.
pub(crate) const REMOTE_SHARING: On = NFS42_XFS.and(NFS42_BTRFS).and(SAMBA_BTRFS).and(KSMBD_XFS);
/// Where no hole can be punched: what must read as zeros where data was is written.
pub(crate) const NO_PUNCH: On = NILFS2.and(FUSE).and(NFS41).and(NFS3);
/// Where two names cannot be exchanged.
pub(crate) const NO_EXCHANGE: On = OCFS2.and(NILFS2).and(FUSE).and(REMOTE);

pub(crate) const NONE: On = On(0);
pub(crate) const ALL: On = On(0x3f);
/// Those that share blocks between files.
pub(crate) const SHARING: On = On(XFS.0 | BTRFS.0 | OVERLAY.0);
pub(crate) const NOT_SHARING: On = On(ALL.0 & !SHARING.0);
/// Those that have extent maps.
pub(crate) const MAPPED: On = On(ALL.0 & !TMPFS.0);

impl BitOr for On {
    type Output = On;

    fn bitor(self, other: On) -> On {
        self.and(other)
    }
}

impl On {
    pub(crate) const fn contains(self, other: On) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn and(self, other: On) -> On {
        On(self.0 | other.0)
    }

    pub(crate) fn but(self, other: On) -> On {
        On(self.0 & !other.0)
    }

    /// Another kind that does the same, to ask instead of this one where a case is about two filesystems.
    pub(crate) fn brother(self) -> On {
        match self {
            XFS => BTRFS,
            TMPFS => EXT4,
            EXT4 => TMPFS,
            other => other,
        }
    }
}

/// The faces of the library, and so the drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Face {
    /// The crate.
    Rust,
    /// `libxtent.so`.
    C,
    /// The module.
    Python,
}

impl Face {
    pub(crate) const ALL: [Face; 3] = [Face::Rust, Face::C, Face::Python];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Face::Rust => "rust",
            Face::C => "c",
            Face::Python => "python",
        }
    }
}

/// What is made before the call, in this order.
#[derive(Debug, Clone)]
pub(crate) enum Before {
    File {
        path: String,
        file: File,
    },
    /// `path` is another way to the file at `of`.
    View {
        path: String,
        of: String,
    },
    Bind {
        at: String,
        of: String,
        read_only: bool,
    },
    Overlay {
        at: String,
        lower: String,
        upper: String,
    },
    /// Of btrfs.
    Subvolume {
        at: String,
    },
    /// Of btrfs, read-only.
    Snapshot {
        at: String,
        of: String,
    },
}

/// What happens between open(2) and the call.
#[derive(Debug, Clone)]
pub(crate) enum Meanwhile {
    /// chattr +i
    MakeImmutable(String),
    /// chattr +a
    MakeAppendOnly(String),
    /// A btrfs subvolume.
    MakeReadOnly(String),
    /// All of it is read, so that its pages are cached.
    Read(String),
    /// Mapped shared by another process, which stores a block of bytes and does not sync them.
    StoreMapped {
        path: String,
        at: u64,
        seed: u64,
    },
    /// Mapped shared and locked into memory by another process, which must see what the call makes of it.
    WatchMapped(String),
    Run(String),
    SwapOn(String),
    /// Somebody has it open for writing until the case is over.
    OpenToWrite(String),
    /// Waits until nobody has it open for writing: a process that another thread starts has all that is open until it is
    /// executed.
    UntilNobodyWrites(String),
    /// A read-only snapshot of btrfs, by btrfs-send(8), which waits for who reads it until the case is over.
    Send(String),
}

/// What must hold afterwards beside what follows from the outcome.
#[derive(Debug, Clone)]
pub(crate) enum After {
    Mode(String, u32),
    /// Stored in metadata.
    Inline(String),
    /// Compressed.
    Encoded(String),
    /// So many bytes of blocks are used by both files.
    Shared(String, String, u64),
    /// There is no such file.
    Absent(String),
    /// The file is charged for so many bytes.
    Allocated(String, u64),
}

/// Why a case that is about two filesystems is not run on the second one.
pub(crate) const THE_SAME: &str = "that is this filesystem itself";

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Where the fact stands that the case is about.
    pub(crate) cites: &'static str,
    pub(crate) before: Vec<Before>,
    pub(crate) meanwhile: Vec<Meanwhile>,
    pub(crate) call: Call,
    pub(crate) outcomes: Vec<(On, Outcome)>,
    pub(crate) excused: Vec<(On, &'static str)>,
    pub(crate) faces_excused: Vec<(Face, &'static str)>,
    pub(crate) after: Vec<(On, After)>,
    /// Files that are stored in another way afterwards, with the same bytes.
    pub(crate) becomes: Vec<(On, String, Regular)>,
}

pub(crate) fn case(name: impl Into<String>, cites: &'static str, call: Call) -> Case {
    Case {
        name: name.into(),
        cites,
        before: Vec::new(),
        meanwhile: Vec::new(),
        call,
        outcomes: Vec::new(),
        excused: Vec::new(),
        faces_excused: Vec::new(),
        after: Vec::new(),
        becomes: Vec::new(),
    }
}

impl Case {
    /// A path that begins with `@name/` is on the filesystem of that name, others are on the one that the case runs on.
    pub(crate) fn file(self, path: impl Into<String>, file: impl Into<File>) -> Self {
        self.before(Before::File { path: path.into(), file: file.into() })
    }

    pub(crate) fn before(mut self, before: Before) -> Self {
        self.before.push(before);
        self
    }

    pub(crate) fn view(self, path: &str, of: &str) -> Self {
        self.before(Before::View { path: path.into(), of: of.into() })
    }

    pub(crate) fn bind(self, at: &str, of: &str, read_only: bool) -> Self {
        self.before(Before::Bind { at: at.into(), of: of.into(), read_only })
    }

    pub(crate) fn overlay(self, at: &str, lower: &str, upper: &str) -> Self {
        self.before(Before::Overlay { at: at.into(), lower: lower.into(), upper: upper.into() })
    }

    pub(crate) fn meanwhile(mut self, meanwhile: Meanwhile) -> Self {
        self.meanwhile.push(meanwhile);
        self
    }

    pub(crate) fn on(mut self, on: On, outcome: impl Into<Outcome>) -> Self {
        self.outcomes.push((on, outcome.into()));
        self
    }

    /// The case does not apply there.
    pub(crate) fn not_on(mut self, on: On, why: &'static str) -> Self {
        self.excused.push((on, why));
        self
    }

    pub(crate) fn not_from(mut self, face: Face, why: &'static str) -> Self {
        self.faces_excused.push((face, why));
        self
    }

    /// Filesystems that share nothing refuse a clone of regular files of theirs, whatever the range.
    pub(crate) fn refused_where_nothing_is_shared(self) -> Self {
        self.on(EXT4 | TMPFS, refused(libc::EOPNOTSUPP, Reason::FilesystemCannot))
            .on(XFS_PLAIN, refused(libc::EOPNOTSUPP, Reason::MountCannot))
    }

    pub(crate) fn after(mut self, on: On, after: After) -> Self {
        self.after.push((on, after));
        self
    }

    pub(crate) fn becomes(mut self, on: On, path: &str, pieces: impl Into<Vec<Piece>>) -> Self {
        self.becomes.push((on, path.into(), file(pieces)));
        self
    }

    /// Whether the table says something of these already.
    pub(crate) fn says_of(&self, on: On) -> bool {
        self.outcomes
            .iter()
            .map(|(kinds, _)| kinds)
            .chain(self.excused.iter().map(|(kinds, _)| kinds))
            .any(|kinds| kinds.contains(on))
    }

    /// Whether it is between this filesystem and another, which would be the same one.
    pub(crate) fn is_about_itself(&self, on: On) -> bool {
        self.excused.iter().any(|(kinds, why)| kinds.contains(on) && *why == THE_SAME)
    }

    /// Why it does not apply, if the table says so; else what must come of it.
    pub(crate) fn outcome(&self, on: On) -> Result<&Outcome, &'static str> {
        if let Some((_, why)) = self.excused.iter().find(|(kinds, _)| kinds.contains(on)) {
            return Err(why);
        }
        let mut outcomes = self.outcomes.iter().filter(|(kinds, _)| kinds.contains(on));
        let found = outcomes.next().unwrap_or_else(|| panic!("{}: nothing is said of {on:?}", self.name));
        assert!(outcomes.next().is_none(), "{}: two outcomes on {on:?}", self.name);
        Ok(&found.1)
    }

    /// How long a regular file is made; 0 for anything else.
    pub(crate) fn size(&self, wanted: &str) -> u64 {
        let other = self.before.iter().find_map(|before| match before {
            Before::View { path, of } if path == wanted => Some(of.as_str()),
            _ => None,
        });
        let wanted = other.unwrap_or(wanted);
        let size = |before: &Before| match before {
            Before::File { path, file: File::Regular(regular) } if path == wanted => {
                Some(regular.far + regular.pieces.iter().map(Piece::len).sum::<u64>())
            }
            _ => None,
        };
        self.before.iter().find_map(size).unwrap_or(0)
    }

    pub(crate) fn is_program(&self, wanted: &str) -> bool {
        let program =
            |before: &Before| matches!(before, Before::File { path, file: File::Program } if path == wanted);
        self.before.iter().any(program)
    }

    /// Whether only root can make what stands before, or happens meanwhile.
    pub(crate) fn needs_root(&self) -> bool {
        self.call.uid.is_some()
            || self.meanwhile.iter().any(|meanwhile| {
                use Meanwhile::*;
                matches!(
                    meanwhile,
                    MakeImmutable(_) | MakeAppendOnly(_) | MakeReadOnly(_) | SwapOn(_) | Send(_)
                )
            })
            || self.before.iter().any(|before| match before {
                Before::File { file: File::Regular(regular), .. } => regular.owner.is_some(),
                Before::File { .. } | Before::View { .. } => false,
                _ => true,
            })
    }

    /// The names of the other filesystems that it needs.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = &str> {
        self.before.iter().filter_map(|before| match before {
            Before::File { path, .. } => filesystem(path),
            Before::Overlay { lower, upper, .. } => filesystem(lower).or(filesystem(upper)),
            _ => None,
        })
    }
}

/// `@name/rest` is on the filesystem `name`.
pub(crate) fn filesystem(path: &str) -> Option<&str> {
    path.strip_prefix('@')?.split('/').next()
}
