//! `clone_or_copy_range`: what can be cloned is, the rest is copied, and the report says which and why.

use super::words::*;

fn files(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>, call: Call) -> Case {
    case(format!("clone or copy: {name}"), cites, call).file("src", src).file("dst", dst)
}

fn two_files(name: &str, cites: &'static str, call: Call) -> Case {
    files(name, cites, data(1, 64 * K), data(2, 64 * K), call)
}

trait CopiedInstead {
    fn copied_instead(self, done: Done) -> Case;
}

impl CopiedInstead for Case {
    /// Where nothing is shared all is copied.
    fn copied_instead(self, done: Done) -> Case {
        self.on(EXT4 | TMPFS, done.clone().fallback(Reason::FilesystemCannot))
            .on(XFS_PLAIN, done.fallback(Reason::MountCannot))
    }
}

pub(super) fn cases() -> Vec<Case> {
    [cloned_whole(), split(), copied_whole(), stopped()].concat()
}

fn cloned_whole() -> Vec<Case> {
    const WHOLE: &str =
        "contract: share if possible, else copy, always reporting how many bytes went which way";
    vec![
        two_files("aligned", WHOLE, clone_or_copy("src", 4 * K, "dst", 8 * K, 16 * K))
            .on(SHARING, cloned(16 * K))
            .copied_instead(copied(16 * K)),
        files(
            "a whole file with a tail",
            WHOLE,
            data(1, 10_000),
            empty(),
            clone_or_copy("src", 0, "dst", 0, TO_END),
        )
        .on(SHARING, cloned(10_000))
        .copied_instead(copied(10_000)),
        two_files("a length behind the end", WHOLE, clone_or_copy("src", 32 * K, "dst", 0, 64 * K))
            .on(SHARING, cloned(32 * K))
            .copied_instead(copied(32 * K)),
        files(
            "with holes",
            WHOLE,
            [data(1, 16 * K), hole(32 * K), data(2, 16 * K)],
            data(3, 64 * K),
            clone_or_copy("src", 0, "dst", 0, TO_END),
        )
        .on(SHARING, cloned(64 * K))
        .copied_instead(copied(16 * K).hole(32 * K).copied(16 * K)),
        files(
            "beyond 4 GiB",
            "contract: offsets are 64 bits wide in all languages",
            file(data(1, 16 * K)).far(5 << 30),
            file(data(2, 4 * K)).far(6 << 30),
            clone_or_copy("src", (5 << 30) + 4 * K, "dst", (6 << 30) + 8 * K, 8 * K),
        )
        .on(SHARING, cloned(8 * K))
        .copied_instead(copied(8 * K)),
        case("clone or copy: in one file", WHOLE, clone_or_copy("src", 0, "src", 32 * K, 16 * K))
            .file("src", data(1, 64 * K))
            .on(SHARING, cloned(16 * K))
            .copied_instead(copied(16 * K)),
        files("an empty file", WHOLE, empty(), data(2, 64 * K), clone_or_copy("src", 0, "dst", 0, TO_END))
            .on(ALL, nothing()),
        two_files("length 0", WHOLE, clone_or_copy("src", 0, "dst", 0, 0)).on(ALL, nothing()),
        two_files("from behind the end", WHOLE, clone_or_copy("src", 100_000, "dst", 0, TO_END))
            .on(ALL, nothing()),
    ]
}

/// The aligned middle of congruent ranges, between ragged edges.
fn split() -> Vec<Case> {
    const EDGES: &str = "issue 2: clone_or_copy_range clones the aligned middle and copies the ragged edges of congruent ranges";
    const TAIL: &str = "kernel-facts 1: a tail in the middle of dst: EINVAL";
    vec![
        two_files("ragged edges", EDGES, clone_or_copy("src", 100, "dst", 4196, 12_000))
            .on(SHARING, copied(3996).cloned(4 * K).copied(3908).fallback(Reason::Misaligned))
            .copied_instead(copied(12_000)),
        two_files("a ragged beginning", EDGES, clone_or_copy("src", 100, "dst", 100, TO_END))
            .on(SHARING, copied(3996).cloned(60 * K).fallback(Reason::Misaligned))
            .copied_instead(copied(64 * K - 100)),
        two_files("a ragged end", EDGES, clone_or_copy("src", 0, "dst", 0, 10_000))
            .on(SHARING, cloned(8 * K).copied(1808).fallback(Reason::Misaligned))
            .copied_instead(copied(10_000)),
        files(
            "a tail inside the destination",
            TAIL,
            data(1, 10_000),
            data(2, 64 * K),
            clone_or_copy("src", 0, "dst", 0, TO_END),
        )
        .on(SHARING, cloned(8 * K).copied(1808).fallback(Reason::Misaligned))
        .copied_instead(copied(10_000)),
        files(
            "a ragged hole behind the middle",
            EDGES,
            [data(1, 16 * K), hole(16 * K)],
            data(2, 64 * K),
            clone_or_copy("src", 0, "dst", 0, 20_000),
        )
        .on(SHARING, cloned(16 * K).hole(3616).fallback(Reason::Misaligned))
        .on(EXT4, copied(16 * K).hole(3616).fallback(Reason::FilesystemCannot))
        .on(TMPFS, copied(20_000).fallback(Reason::FilesystemCannot))
        .on(XFS_PLAIN, copied(16 * K).hole(3616).fallback(Reason::MountCannot))
        // Without a map less than a page is no hole.
        .on(NFS42_XFS | NFS42_BTRFS, cloned(16 * K).copied(3616).fallback(Reason::Misaligned)),
        // Of what is misaligned no server is asked whether it could be cloned.
        two_files("not congruent", EDGES, clone_or_copy("src", 0, "dst", 100, 20_000))
            .on(SHARING | REMOTE, copied(20_000).fallback(Reason::Misaligned))
            .copied_instead(copied(20_000)),
        two_files("less than a block", EDGES, clone_or_copy("src", 100, "dst", 100, 200))
            .on(SHARING | REMOTE, copied(200).fallback(Reason::Misaligned))
            .copied_instead(copied(200)),
        // Aligned or not, it could not be cloned: that is the cause to tell.
        case(
            "clone or copy: not congruent, to tmpfs",
            EDGES,
            clone_or_copy("src", 0, "@tmpfs/dst", 100, 20_000),
        )
        .file("src", data(1, 64 * K))
        .file("@tmpfs/dst", data(2, 64 * K))
        .not_on(TMPFS, THE_SAME)
        .on(ALL.but(TMPFS), copied(20_000).fallback(Reason::DifferentFilesystem)),
    ]
}

/// A clone is refused for another cause than the range.
fn copied_whole() -> Vec<Case> {
    const OTHER: &str = "kernel-facts 1: different fs: EXDEV; contract: says how many bytes went which way";
    let mut cases = Vec::new();
    for (other, itself) in ELSEWHERE {
        let there = format!("@{other}/file");
        cases.push(
            case(format!("clone or copy: to {other}"), OTHER, clone_or_copy("here", 0, &there, 0, TO_END))
                .file("here", [data(1, 64 * K), hole(64 * K), data(2, 5000)])
                .file(there.as_str(), data(3, 256 * K))
                .not_on(itself, THE_SAME)
                .on(
                    ALL.but(itself),
                    copied(64 * K).hole(64 * K).copied(5000).fallback(Reason::DifferentFilesystem),
                ),
        );
    }
    cases.extend([
        files(
            "between files with and without copy-on-write",
            "kernel-facts 1: btrfs: NOCOW(+C) vs COW either direction EINVAL",
            file(data(1, 64 * K)).nocow(),
            data(2, 64 * K),
            clone_or_copy("src", 0, "dst", 0, TO_END),
        )
        .on(BTRFS, copied(64 * K).fallback(Reason::NocowMismatch))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        case(
            "clone or copy: from a swap file",
            "kernel-facts 1: swapfile src: ETXTBSY",
            clone_or_copy("src", 0, "dst", 0, 4 * K),
        )
        .file("src", File::Swap)
        .file("dst", empty())
        .meanwhile(Meanwhile::SwapOn("src".into()))
        .not_on(TMPFS | OVERLAY, NO_SWAP)
        .on(XFS, copied(4 * K).fallback(Reason::SwapFile))
        .on(BTRFS, copied(4 * K).fallback(Reason::NocowMismatch))
        .on(EXT4, copied(4 * K).fallback(Reason::FilesystemCannot))
        .on(XFS_PLAIN, copied(4 * K).fallback(Reason::MountCannot)),
        // What a kernel lets a descriptor do that was open before.
        two_files(
            "destination made immutable",
            "kernel-facts 1: dst chattr +i after fd opened: EPERM; 0 through overlay",
            clone_or_copy("src", 0, "dst", 0, TO_END),
        )
        .meanwhile(Meanwhile::MakeImmutable("dst".into()))
        .on(XFS | BTRFS, copied(64 * K).fallback(Reason::Immutable))
        .on(OVERLAY, cloned(64 * K))
        .on(EXT4, refused(EPERM, Reason::Immutable))
        .on(TMPFS | NILFS2, copied(64 * K).fallback(Reason::FilesystemCannot))
        .on(XFS_PLAIN, copied(64 * K).fallback(Reason::MountCannot)),
        case(
            "clone or copy: a file of procfs",
            "kernel-facts 5: procfs source to disk; contract: the report says why",
            clone_or_copy("src", 0, "dst", 0, TO_END),
        )
        .file("src", File::Host { path: "/proc/version" })
        .file("dst", empty())
        .on(ALL, all_of_it_copied().fallback(Reason::DifferentFilesystem)),
    ]);
    cases
}

fn stopped() -> Vec<Case> {
    const ENDS: &str = "contract: EIO, ENOSPC, EDQUOT, ENOMEM and EFBIG never step down";
    const SAME: &str = "kernel-facts 1, 5: same file: overlap EINVAL";
    const CANCEL: &str = "contract: cancelled before progress: ECANCELED; between steps of at most 4 MiB";
    const RAISES: &str = "a progress function ends a call of Python by raising, and then there is no report";
    vec![
        files(
            "file-size limit",
            ENDS,
            data(1, 64 * K),
            empty(),
            clone_or_copy("src", 0, "dst", 0, TO_END).limit(32 * K),
        )
        .on(ALL, refused(EFBIG, Reason::FileSizeLimit)),
        case("clone or copy: overlapping", SAME, clone_or_copy("src", 0, "src", 8 * K, 16 * K))
            .file("src", data(1, 64 * K))
            .on(ALL, refused(EINVAL, Reason::Overlap)),
        case("clone or copy: overlapping, ragged", SAME, clone_or_copy("src", 100, "src", 8292, 16 * K))
            .file("src", data(1, 64 * K))
            .on(ALL, refused(EINVAL, Reason::Overlap)),
        two_files(
            "an offset passes the largest",
            "kernel-facts 5: negative off EOVERFLOW",
            clone_or_copy("src", 0, "dst", 1 << 63, 4 * K),
        )
        .on(ALL, refused(EOVERFLOW, Reason::Overflow)),
        case(
            "clone or copy: to a swap file",
            "kernel-facts 1, 5: swapfile dst: ETXTBSY",
            clone_or_copy("src", 0, "dst", 0, TO_END),
        )
        .file("src", data(1, 64 * K))
        .file("dst", File::Swap)
        .meanwhile(Meanwhile::SwapOn("dst".into()))
        .not_on(TMPFS | OVERLAY, NO_SWAP)
        .on(ALL.but(TMPFS | OVERLAY), refused(ETXTBSY, Reason::SwapFile)),
        two_files(
            "cancelled before",
            CANCEL,
            clone_or_copy("src", 0, "dst", 0, TO_END).cancel(Cancel::Before),
        )
        .on(ALL, refused(libc::ECANCELED, Reason::Cancelled))
        .not_from(Face::Python, RAISES),
        files(
            "cancelled after the first step of a copy",
            CANCEL,
            data(1, 6 * M),
            empty(),
            clone_or_copy("src", 0, "dst", 100, TO_END).cancel(Cancel::After(1)),
        )
        .on(
            SHARING | REMOTE,
            copied_at_most(4 * M).ended(libc::ECANCELED, Reason::Cancelled).fallback(Reason::Misaligned),
        )
        .copied_instead(copied_at_most(4 * M).ended(libc::ECANCELED, Reason::Cancelled))
        .not_from(Face::Python, RAISES),
    ]
}
