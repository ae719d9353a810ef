//! THE TABLE. Each case cites the fact or the promise that it is about: `kernel-facts N` (N is the section) and
//! `quirks N` are the project's notes on what kernels do, `contract` is what the library promises.
//!
//! A case reads
//!
//! ```text
//! case("clone: aligned range", "kernel-facts 1: ...", clone("src", 4 * K, "dst", 8 * K, 16 * K))   the call
//!     .file("src", data(1, 64 * K))                  the files before it, in the case's own folder,
//!     .file("@ext4/dst", [data(2, K), hole(64 * K)])     or on another filesystem
//!     .meanwhile(Meanwhile::MakeImmutable(...))      what happens between open(2) and the call
//!     .on(XFS | BTRFS, cloned(16 * K))               what must come of it, of every kind of filesystem
//!     .on(EXT4, refused(EOPNOTSUPP, Reason::FilesystemCannot))
//!     .not_on(TMPFS, "why it does not apply there")
//!     .on(OCFS2, refused(EOPNOTSUPP, Reason::MountCannot))
//! ```
//!
//! Six kinds are spoken of in every case. The filesystems of the guests (`tests/vm`) do each verb as one of them, which
//! `conformance/profile.rs` says; a case names those that do it otherwise, as OCFS2 above.
//!
//! From the outcome follows what is checked: the answer of each driver, word by word; the bytes, size and holes of
//! every file against a model; times; that a clone shares all its blocks, a copy none, and a dedupe as many as it says;
//! that descriptors kept their position and the program its locks.
//!
//! `rows.rs` says which case is about which row of the notes, and which rows have none and why.

mod both;
mod clone;
mod clone_refused;
mod clone_special;
mod copy;
mod copy_elsewhere;
mod copy_holes;
mod copy_options;
mod dedupe;
mod dedupe_options;
mod dedupe_refused;
mod dedupe_special;
mod descriptors;
mod extents;
mod files;
mod files_refused;
mod probe;
#[cfg(test)]
mod rows;
mod stable;
mod trees;

/// A case's vocabulary.
mod words {
    pub(super) use crate::conformance::call::*;
    pub(super) use crate::conformance::case::*;
    pub(super) use crate::conformance::layout::*;
    pub(super) use crate::conformance::outcome::*;
    pub(super) use crate::conformance::reason::Reason;
    pub(super) use libc::{
        EAGAIN, EBADF, ECANCELED, EEXIST, EFBIG, EINVAL, EISDIR, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR,
        EOPNOTSUPP, EOVERFLOW, EPERM, EROFS, ESPIPE, ETXTBSY, EXDEV, O_APPEND, O_DIRECT, O_NOFOLLOW, O_PATH,
        O_RDONLY, O_RDWR, O_SYNC, O_WRONLY,
    };

    /// A user without privileges: nobody.
    pub(super) const NOBODY: u32 = 65534;
    /// Other filesystems of the runner, and the kind of each.
    pub(super) const ELSEWHERE: [(&str, On); 5] =
        [("xfs", XFS), ("xfs2", NONE), ("btrfs", BTRFS), ("ext4", EXT4), ("tmpfs", TMPFS)];

    pub(super) const NO_OVERLAY_OVER_OVERLAY: &str = "an overlay is no upper layer";
    pub(super) const NO_SWAP: &str = "tmpfs and overlays hold no swap files";
    pub(super) const ONLY_BTRFS: &str = "only btrfs has it";

    /// The largest offset that there is.
    pub(super) const MAX_OFFSET: u64 = i64::MAX as u64;
}

use crate::conformance::case::Case;

pub(crate) fn all() -> Vec<Case> {
    let cases: Vec<Case> = [
        clone::cases(),
        clone_refused::cases(),
        clone_special::cases(),
        copy::cases(),
        copy_holes::cases(),
        copy_options::cases(),
        copy_elsewhere::cases(),
        both::cases(),
        dedupe::cases(),
        dedupe_options::cases(),
        dedupe_refused::cases(),
        dedupe_special::cases(),
        descriptors::cases(),
        extents::cases(),
        files::cases(),
        files_refused::cases(),
        probe::cases(),
        stable::cases(),
        trees::cases(),
    ]
    .concat();
    for (i, case) in cases.iter().enumerate() {
        assert!(cases[..i].iter().all(|other| other.name != case.name), "two cases are called {}", case.name);
    }
    cases
}
