//! `clone_range` where it is not the range that matters: mounts, attributes, mappings, what btrfs has of its own.

use super::words::*;

fn whole(name: &str, cites: &'static str) -> Case {
    case(format!("clone: {name}"), cites, clone("src", 0, "dst", 0, TO_END))
}

/// `src` and `dst` of 64 KiB.
fn two_files(name: &str, cites: &'static str) -> Case {
    whole(name, cites).file("src", data(1, 64 * K)).file("dst", data(2, 64 * K))
}

pub(super) fn cases() -> Vec<Case> {
    [elsewhere(), mounts(), overlays(), attributes(), busy(), mapped(), btrfs_only(), btrfs_inline()].concat()
}

fn elsewhere() -> Vec<Case> {
    const OTHER: &str =
        "kernel-facts 1: different fs / sb (incl. xfs to xfs2, tmpfs); overlay file and its underlying fs";
    let mut cases = Vec::new();
    for (other, itself) in ELSEWHERE {
        let there = format!("@{other}/file");
        cases.push(
            case(format!("clone refused: to {other}"), OTHER, clone("here", 0, &there, 0, 64 * K))
                .file("here", data(1, 64 * K))
                .file(there.as_str(), data(2, 64 * K))
                .not_on(itself, THE_SAME)
                .on(ALL.but(itself), refused(EXDEV, Reason::DifferentFilesystem)),
        );
        cases.push(
            case(format!("clone refused: from {other}"), OTHER, clone(&there, 0, "here", 0, 64 * K))
                .file(there.as_str(), data(1, 64 * K))
                .file("here", data(2, 64 * K))
                .not_on(itself, THE_SAME)
                .on(ALL.but(itself), refused(EXDEV, Reason::DifferentFilesystem)),
        );
    }
    const MEMFD: &str = "kernel-facts 1: memfd: EOPNOTSUPP (same fs)";
    let memory = |seed| File::Memfd { pieces: vec![data(seed, 64 * K)], sealed: false };
    cases.push(
        case("clone refused: between memfds", MEMFD, clone("src", 0, "dst", 0, 64 * K))
            .file("src", memory(1))
            .file("dst", memory(2))
            .on(ALL, refused(EOPNOTSUPP, Reason::FilesystemCannot)),
    );
    cases
}

fn mounts() -> Vec<Case> {
    const BIND: &str = "kernel-facts 1: bind mount of same fs, both directions; src on ro bind mount; \
        quirks 3: EXDEV between two mounts before 5.18";
    let bound = |name: &str, src, dst| {
        case(format!("clone: {name}"), BIND, clone(src, 0, dst, 0, TO_END)).on(SHARING, cloned(64 * K))
    };
    [
        bound("to a bind mount", "src", "bound/dst")
            .bind("bound", "real", false)
            .file("src", data(1, 64 * K))
            .file("real/dst", data(2, 64 * K))
            .view("bound/dst", "real/dst"),
        bound("from a bind mount", "bound/src", "dst")
            .bind("bound", "real", false)
            .file("real/src", data(1, 64 * K))
            .view("bound/src", "real/src")
            .file("dst", data(2, 64 * K)),
        bound("from a read-only bind mount", "bound/src", "dst")
            .bind("bound", "real", true)
            .file("real/src", data(1, 64 * K))
            .view("bound/src", "real/src")
            .file("dst", data(2, 64 * K)),
    ]
    .into_iter()
    .map(Case::refused_where_nothing_is_shared)
    .collect()
}

fn overlays() -> Vec<Case> {
    vec![
        case(
            "clone: from the lower layer to the upper",
            "kernel-facts 10: clone lower to upper (O_RDONLY lower fd): 0, shared, no copy-up",
            clone("merged/src", 0, "merged/dst", 0, TO_END),
        )
        .file("lower/src", data(1, 64 * K))
        .overlay("merged", "lower", "upper")
        .view("merged/src", "lower/src")
        .file("merged/dst", data(2, 64 * K))
        .not_on(OVERLAY, NO_OVERLAY_OVER_OVERLAY)
        .on(XFS | BTRFS, cloned(64 * K))
        .on(EXT4 | TMPFS | XFS_PLAIN, refused(EOPNOTSUPP, Reason::FilesystemCannot))
        .after(XFS | BTRFS, After::Absent("upper/src".into())),
        case(
            "clone refused: from the lower layer on ext4 to the upper",
            "kernel-facts 10: clone lower to upper, lower ext4: EXDEV",
            clone("merged/src", 0, "merged/dst", 0, TO_END),
        )
        .file("@ext4/lower/src", data(1, 64 * K))
        .overlay("merged", "@ext4/lower", "upper")
        .view("merged/src", "@ext4/lower/src")
        .file("merged/dst", data(2, 64 * K))
        .not_on(OVERLAY, NO_OVERLAY_OVER_OVERLAY)
        .not_on(EXT4, THE_SAME)
        .on(XFS | BTRFS | XFS_PLAIN | TMPFS, refused(EXDEV, Reason::DifferentFilesystem)),
        case(
            "clone refused: between two overlays",
            "kernel-facts 1: two overlay mounts (same upper fs): EXDEV",
            clone("one/src", 0, "other/dst", 0, TO_END),
        )
        .overlay("one", "one-lower", "one-upper")
        .overlay("other", "other-lower", "other-upper")
        .file("one/src", data(1, 64 * K))
        .file("other/dst", data(2, 64 * K))
        .not_on(OVERLAY, NO_OVERLAY_OVER_OVERLAY)
        .on(ALL.but(OVERLAY), refused(EXDEV, Reason::DifferentFilesystem)),
    ]
}

fn attributes() -> Vec<Case> {
    vec![
        two_files(
            "destination made immutable",
            "kernel-facts 1: dst chattr +i after fd opened: EPERM; 0 through overlay",
        )
        .meanwhile(Meanwhile::MakeImmutable("dst".into()))
        .on(XFS | BTRFS, refused(EPERM, Reason::Immutable))
        .on(OVERLAY, cloned(64 * K))
        .refused_where_nothing_is_shared(),
        two_files(
            "destination made append-only",
            "kernel-facts 1: dst chattr +a after non-append fd opened: 0",
        )
        .meanwhile(Meanwhile::MakeAppendOnly("dst".into()))
        .on(SHARING, cloned(64 * K))
        .refused_where_nothing_is_shared(),
        two_files("immutable source", "kernel-facts 1: src immutable: 0")
            .meanwhile(Meanwhile::MakeImmutable("src".into()))
            .on(SHARING, cloned(64 * K))
            .refused_where_nothing_is_shared(),
        case(
            "clone: clears set-user-id",
            "kernel-facts 1: suid cleared by clone (uid 1000 owner: 04755 to 0755)",
            // No unlinked file can be made in the directory.
            clone("src", 0, "dst", 0, TO_END).uid(NOBODY).undo("best"),
        )
        .file("src", data(1, 64 * K))
        .file("dst", file(data(2, 64 * K)).owner(NOBODY).mode(0o4755))
        .on(SHARING, cloned(64 * K))
        .refused_where_nothing_is_shared()
        // An overlay takes the bit away before it asks what lies under it.
        .on(OVERLAY_EXT4, refused(EOPNOTSUPP, Reason::FilesystemCannot))
        .after(SHARING | OVERLAY_EXT4, After::Mode("dst".into(), 0o755))
        .after(NOT_SHARING, After::Mode("dst".into(), 0o4755)),
    ]
}

/// In use by the kernel.
fn busy() -> Vec<Case> {
    vec![
        whole("swap file as source", "kernel-facts 1: swapfile src: ETXTBSY xfs, btrfs; ext4 EOPNOTSUPP")
            .file("src", File::Swap)
            .file("dst", empty())
            .meanwhile(Meanwhile::SwapOn("src".into()))
            .not_on(TMPFS | OVERLAY, NO_SWAP)
            .on(XFS, refused(ETXTBSY, Reason::SwapFile))
            // A swap file there is without copy-on-write, and that is what the kernel looks at first.
            .on(BTRFS, refused(EINVAL, Reason::NocowMismatch))
            .on(EXT4, refused(EOPNOTSUPP, Reason::FilesystemCannot))
            .on(XFS_PLAIN, refused(EOPNOTSUPP, Reason::MountCannot)),
        whole(
            "swap file as source, both without copy-on-write",
            "kernel-facts 1: swapfile src: ETXTBSY btrfs",
        )
        .file("src", File::Swap)
        .file("dst", empty().nocow())
        .meanwhile(Meanwhile::SwapOn("src".into()))
        .on(BTRFS, refused(ETXTBSY, Reason::SwapFile))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        whole(
            "swap file as destination",
            "kernel-facts 1: swapfile dst: ETXTBSY xfs; btrfs EINVAL (nocow); ext4 EOPNOTSUPP",
        )
        .file("src", data(1, 64 * K))
        .file("dst", File::Swap)
        .meanwhile(Meanwhile::SwapOn("dst".into()))
        .not_on(TMPFS | OVERLAY, NO_SWAP)
        .on(XFS, refused(ETXTBSY, Reason::SwapFile))
        .on(BTRFS, refused(EINVAL, Reason::NocowMismatch))
        .on(EXT4, refused(EOPNOTSUPP, Reason::FilesystemCannot))
        .on(XFS_PLAIN, refused(EOPNOTSUPP, Reason::MountCannot)),
        whole(
            "swap file as destination, both without copy-on-write",
            "kernel-facts 1: swapfile dst: nocow vs cow hit first",
        )
        .file("src", file(data(1, 64 * K)).nocow())
        .file("dst", File::Swap)
        .meanwhile(Meanwhile::SwapOn("dst".into()))
        .on(BTRFS, refused(ETXTBSY, Reason::SwapFile))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        whole("running program as source", "kernel-facts 1: running executable: as src: 0")
            .file("src", File::Program)
            .file("dst", empty())
            .meanwhile(Meanwhile::Run("src".into()))
            .on(SHARING, all_of_it_cloned())
            .refused_where_nothing_is_shared(),
    ]
}

fn mapped() -> Vec<Case> {
    const MAPPED: &str = "kernel-facts 1: live MAP_SHARED writers on src/dst; dst mlock'ed: dirty mmap bytes included, \
        dst maps see new content";
    vec![
        two_files("stores to a mapping of the source", MAPPED)
            .meanwhile(Meanwhile::StoreMapped { path: "src".into(), at: 0, seed: 3 })
            .on(SHARING, cloned(64 * K))
            .refused_where_nothing_is_shared(),
        two_files("stores to a mapping of the destination", MAPPED)
            .meanwhile(Meanwhile::StoreMapped { path: "dst".into(), at: 0, seed: 3 })
            .on(SHARING, cloned(64 * K))
            .refused_where_nothing_is_shared(),
        whole(
            "preallocated space",
            "kernel-facts 6: clone of a preallocated file: XFS holes, btrfs UNWRITTEN|SHARED",
        )
        .file("src", [data(1, 16 * K), unwritten(48 * K)])
        .file("dst", data(2, 64 * K))
        .on(SHARING, cloned(64 * K))
        .refused_where_nothing_is_shared(),
        case(
            "clone: while signals are caught",
            "kernel-facts 2: caught SIGALRM each 20 ms, no SA_RESTART: ret 0, full",
            clone("src", 0, "dst", 0, TO_END).alarms(),
        )
        .file("src", data(1, 6 * M))
        .file("dst", data(2, 6 * M))
        .on(SHARING, cloned(6 * M))
        .refused_where_nothing_is_shared(),
        two_files("destination mapped and locked in memory", MAPPED)
            .meanwhile(Meanwhile::WatchMapped("dst".into()))
            .on(SHARING, cloned(64 * K))
            .refused_where_nothing_is_shared(),
    ]
}

fn btrfs_only() -> Vec<Case> {
    const NOCOW: &str = "kernel-facts 1: btrfs: NOCOW(+C) vs COW either direction EINVAL; +C to +C 0; \
        quirks 3: NODATASUM differs: EINVAL";
    const PACKED: &str = "kernel-facts 1: btrfs: compressed to plain and back 0 (extent stays ENCODED)";
    const SUBVOLUMES: &str = "kernel-facts 1: btrfs: subvol to subvol, subvol to top, ro-snapshot src: 0";
    let plain = || data(1, 64 * K);
    vec![
        whole("without copy-on-write to with", NOCOW)
            .file("src", file(plain()).nocow())
            .file("dst", data(2, 64 * K))
            .on(BTRFS, refused(EINVAL, Reason::NocowMismatch))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        whole("with copy-on-write to without", NOCOW)
            .file("src", plain())
            .file("dst", file(data(2, 64 * K)).nocow())
            .on(BTRFS, refused(EINVAL, Reason::NocowMismatch))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        whole("both without copy-on-write", NOCOW)
            .file("src", file(plain()).nocow())
            .file("dst", file(data(2, 64 * K)).nocow())
            .on(BTRFS, cloned(64 * K))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        whole("compressed to plain", PACKED)
            .file("src", file(text(b'x', 128 * K)).compressed())
            .file("dst", data(2, 64 * K))
            .on(BTRFS, cloned(128 * K))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS)
            .after(BTRFS, After::Encoded("dst".into())),
        whole("plain to compressed", PACKED)
            .file("src", plain())
            .file("dst", file(text(b'x', 64 * K)).compressed())
            .on(BTRFS, cloned(64 * K))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        case("clone: from a subvolume to another", SUBVOLUMES, clone("a/src", 0, "b/dst", 0, TO_END))
            .before(Before::Subvolume { at: "a".into() })
            .before(Before::Subvolume { at: "b".into() })
            .file("a/src", plain())
            .file("b/dst", data(2, 64 * K))
            .on(BTRFS, cloned(64 * K))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        case("clone: from a subvolume to the top", SUBVOLUMES, clone("a/src", 0, "dst", 0, TO_END))
            .before(Before::Subvolume { at: "a".into() })
            .file("a/src", plain())
            .file("dst", data(2, 64 * K))
            .on(BTRFS, cloned(64 * K))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        case("clone: from a read-only snapshot", SUBVOLUMES, clone("snapshot/src", 0, "dst", 0, TO_END))
            .before(Before::Subvolume { at: "a".into() })
            .file("a/src", plain())
            .before(Before::Snapshot { at: "snapshot".into(), of: "a".into() })
            .view("snapshot/src", "a/src")
            .file("dst", data(2, 64 * K))
            .on(BTRFS, cloned(64 * K))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        case(
            "clone refused: to a subvolume that was made read-only",
            "kernel-facts 1: btrfs: subvol flipped to ro while dst fd open: EROFS; quirks 3: read-only subvolume EROFS",
            clone("src", 0, "a/dst", 0, TO_END),
        )
        .before(Before::Subvolume { at: "a".into() })
        .file("src", plain())
        .file("a/dst", data(2, 64 * K))
        .meanwhile(Meanwhile::MakeReadOnly("a".into()))
        .on(BTRFS, refused(EROFS, Reason::ReadOnly))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
    ]
}

/// So few bytes that btrfs keeps them in metadata.
fn btrfs_inline() -> Vec<Case> {
    const INLINE: &str = "kernel-facts 1: btrfs: inline src (1000 B) to empty / same size / EOF-appending: 0, not shared; \
        at dst_off != 0 a copied extent; quirks 3: 5.7 inline works";
    let inline = |name: &str, dst: File, dst_off| {
        case(format!("clone: {name}"), INLINE, clone("src", 0, "dst", dst_off, TO_END))
            .file("src", data(1, 1000))
            .file("dst", dst)
            .on(XFS | OVERLAY, cloned(1000))
            .on(BTRFS, cloned(1000).shares_no_blocks())
            .refused_where_nothing_is_shared()
    };
    vec![
        inline("a small file to an empty one", empty().into(), 0).after(BTRFS, After::Inline("dst".into())),
        inline("a small file to one of the same size", data(2, 1000).into(), 0)
            .after(BTRFS, After::Inline("dst".into())),
        inline("a small file appended", data(2, 4 * K).into(), 4 * K),
    ]
}
