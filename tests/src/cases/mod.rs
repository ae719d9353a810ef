//! THE TABLE. Each case cites the fact or the promise that it is about: `kernel-facts N` and `quirks N` are the
//! project's notes on what kernels do, `contract` is what the library promises.

mod both;
mod clone;
mod clone_refused;
mod clone_special;
mod copy;
mod copy_elsewhere;
mod copy_holes;
mod dedupe;
mod dedupe_refused;
mod dedupe_special;
mod descriptors;
mod extents;
mod probe;

/// A case's vocabulary.
mod words {
    pub(super) use crate::conformance::call::*;
    pub(super) use crate::conformance::case::*;
    pub(super) use crate::conformance::layout::*;
    pub(super) use crate::conformance::outcome::*;
    pub(super) use crate::conformance::reason::Reason;
    pub(super) use libc::{
        EBADF, EFBIG, EINVAL, EISDIR, EOPNOTSUPP, EOVERFLOW, EPERM, EROFS, ESPIPE, ETXTBSY, EXDEV, O_APPEND,
        O_DIRECT, O_NOFOLLOW, O_PATH, O_RDONLY, O_RDWR, O_SYNC, O_WRONLY,
    };

    /// A user without privileges: nobody.
    pub(super) const NOBODY: u32 = 65534;
    /// Other filesystems of the runner, and the kind of each.
    pub(super) const ELSEWHERE: [(&str, On); 5] =
        [("xfs", XFS), ("xfs2", NONE), ("btrfs", BTRFS), ("ext4", EXT4), ("tmpfs", TMPFS)];

    pub(super) const THE_SAME: &str = "that is this filesystem itself";
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
        copy_elsewhere::cases(),
        both::cases(),
        dedupe::cases(),
        dedupe_refused::cases(),
        dedupe_special::cases(),
        descriptors::cases(),
        extents::cases(),
        probe::cases(),
    ]
    .concat();
    for (i, case) in cases.iter().enumerate() {
        assert!(cases[..i].iter().all(|other| other.name != case.name), "two cases are called {}", case.name);
    }
    cases
}
