//! `dedupe_range` where it is not the bytes that matter: who asks, how files are opened, mounts, btrfs.

use super::words::*;

trait RefusedWhereNothingIsShared {
    fn nothing_shared(self) -> Case;
}

impl RefusedWhereNothingIsShared for Case {
    fn nothing_shared(self) -> Case {
        self.on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot))
            .on(XFS_PLAIN, [failed(EOPNOTSUPP, Reason::MountCannot)])
    }
}

fn whole() -> Call {
    dedupe("src", 0, TO_END, &[("dst", 0)])
}

/// `src` and `dst` with the same 64 KiB.
fn equal_files(name: &str, cites: &'static str, call: Call) -> Case {
    case(format!("dedupe: {name}"), cites, call).file("src", data(1, 64 * K)).file("dst", data(1, 64 * K))
}

pub(super) fn cases() -> Vec<Case> {
    [permission(), opened(), attributes(), overlays(), btrfs_only()].concat()
}

/// Of somebody who could not open the target for writing.
fn permission() -> Vec<Case> {
    const WHO: &str = "kernel-facts 4: dst O_RDONLY: root, owner (even 0444), or non-owner with write permission (0666) ok; \
        non-owner 0644: EPERM; quirks 3: who may dedupe";
    let asks = |name: &str, call: Call, dst: Regular| {
        case(format!("dedupe: read-only target, {name}"), WHO, call.dst_flags(O_RDONLY))
            .file("src", data(1, 64 * K))
            .file("dst", dst)
    };
    let mode = |mode| file(data(1, 64 * K)).mode(mode);
    vec![
        asks("root", whole(), mode(0o644)).on(SHARING, [same(64 * K)]).nothing_shared(),
        asks("its owner", whole().uid(NOBODY), mode(0o444).owner(NOBODY))
            .on(SHARING, [same(64 * K)])
            .nothing_shared(),
        asks("somebody who may write it", whole().uid(NOBODY), mode(0o666))
            .on(SHARING, [same(64 * K)])
            .nothing_shared(),
        asks("somebody who may not", whole().uid(NOBODY), mode(0o644))
            .on(XFS | BTRFS, [failed(EPERM, Reason::Permission)])
            // What lies below may be two filesystems.
            .on(OVERLAY, [failed(EPERM, Reason::Permission).unmeasured()])
            .refused_for_whom(),
    ]
}

trait RefusedForWhom {
    fn refused_for_whom(self) -> Case;
}

impl RefusedForWhom for Case {
    /// The permission is looked at before the filesystem is asked.
    fn refused_for_whom(self) -> Case {
        self.on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot))
            .on(XFS_PLAIN, [failed(EPERM, Reason::Permission)])
    }
}

fn opened() -> Vec<Case> {
    const FLAGS: &str = "kernel-facts 4: dst O_WRONLY, O_RDWR|O_APPEND, +a: SAME";
    const MODE: &str = "kernel-facts 1: suid cleared by clone, not by dedupe";
    vec![
        equal_files("target O_WRONLY", FLAGS, whole().dst_flags(O_WRONLY))
            .on(SHARING, [same(64 * K)])
            .nothing_shared(),
        equal_files("target O_APPEND", FLAGS, whole().dst_flags(O_RDWR | O_APPEND))
            .on(SHARING, [same(64 * K)])
            .nothing_shared(),
        equal_files("through one descriptor", "kernel-facts 4: same file disjoint: SAME", {
            dedupe("src", 0, 16 * K, &[("src", 16 * K)]).same_descriptor()
        })
        .on(SHARING, [differs(0)])
        .nothing_shared(),
        equal_files(
            "stores to a mapping of the source",
            "kernel-facts 1: dirty mmap bytes included",
            whole(),
        )
        .meanwhile(Meanwhile::StoreMapped { path: "src".into(), at: 32 * K, seed: 3 })
        .on(SHARING, [differs(32 * K)])
        .nothing_shared(),
        equal_files("target mapped and locked in memory", "kernel-facts 1: dst mlock'ed", whole())
            .meanwhile(Meanwhile::WatchMapped("dst".into()))
            .on(SHARING, [same(64 * K)])
            .nothing_shared(),
        case("dedupe: leaves set-user-id", MODE, whole().uid(NOBODY))
            .file("src", data(1, 64 * K))
            .file("dst", file(data(1, 64 * K)).owner(NOBODY).mode(0o4755))
            .on(SHARING, [same(64 * K)])
            .nothing_shared()
            .after(ALL, After::Mode("dst".into(), 0o4755)),
        case(
            "dedupe: a running program",
            "kernel-facts 4: dst = running executable through O_RDONLY fd: SAME",
            whole().dst_flags(O_RDONLY),
        )
        .file("src", File::Program)
        .file("dst", File::Program)
        .meanwhile(Meanwhile::Run("dst".into()))
        .on(SHARING, [same(ALL_OF_IT)])
        .nothing_shared(),
    ]
}

fn attributes() -> Vec<Case> {
    vec![
        equal_files("target made append-only", "kernel-facts 4: +a: SAME", whole())
            .meanwhile(Meanwhile::MakeAppendOnly("dst".into()))
            .on(SHARING, [same(64 * K)])
            .nothing_shared(),
        equal_files(
            "target made immutable",
            "kernel-facts 4: dst immutable EPERM; 1: the flag is kept only in overlay",
            whole(),
        )
        .meanwhile(Meanwhile::MakeImmutable("dst".into()))
        .on(XFS | BTRFS, [failed(EPERM, Reason::Immutable)])
        .on(OVERLAY, [same(64 * K)])
        .nothing_shared(),
        equal_files("immutable source", "kernel-facts 1: src immutable: 0", whole())
            .meanwhile(Meanwhile::MakeImmutable("src".into()))
            .on(SHARING, [same(64 * K)])
            .nothing_shared(),
        case(
            "dedupe refused: target on a read-only mount",
            "kernel-facts 4: dst fd on ro bind mount: EROFS",
            dedupe("src", 0, TO_END, &[("bound/dst", 0)]).dst_flags(O_RDONLY),
        )
        .bind("bound", "real", true)
        .file("src", data(1, 64 * K))
        .file("real/dst", data(1, 64 * K))
        .view("bound/dst", "real/dst")
        .on(XFS | BTRFS | XFS_PLAIN, [failed(EROFS, Reason::ReadOnly)])
        // What lies below may be two filesystems.
        .on(OVERLAY, [failed(EROFS, Reason::ReadOnly).unmeasured()])
        .on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot)),
    ]
}

fn overlays() -> Vec<Case> {
    const LOWER: &str = "kernel-facts 4, 10: overlay: either side still on lower: status EPERM (no copy-up)";
    let merged = |name: &str, src, dst: &str| {
        case(format!("dedupe: {name}"), LOWER, dedupe(src, 0, TO_END, &[(dst, 0)]).dst_flags(O_RDONLY))
            .file("lower/file", data(1, 64 * K))
            .overlay("merged", "lower", "upper")
            .view("merged/file", "lower/file")
            .file("merged/one", data(1, 64 * K))
            .file("merged/other", data(1, 64 * K))
            .not_on(OVERLAY, NO_OVERLAY_OVER_OVERLAY)
            .after(ALL.but(OVERLAY), After::Absent("upper/file".into()))
    };
    vec![
        merged("overlay, both on the upper layer", "merged/one", "merged/other")
            .on(XFS | BTRFS, [same(64 * K)])
            .on(XFS_PLAIN | EXT4 | TMPFS, [failed(EOPNOTSUPP, Reason::FilesystemCannot).unmeasured()]),
        merged("overlay, target on the lower layer", "merged/one", "merged/file")
            // What lies below may be two filesystems.
            .on(ALL.but(OVERLAY), [failed(EPERM, Reason::Permission).unmeasured()]),
        merged("overlay, source on the lower layer", "merged/file", "merged/one")
            // What lies below may be two filesystems.
            .on(ALL.but(OVERLAY), [failed(EPERM, Reason::Permission).unmeasured()]),
    ]
}

fn btrfs_only() -> Vec<Case> {
    const KINDS: &str = "kernel-facts 4: btrfs NOCOW vs COW EINVAL; +C/+C, compressed/plain SAME";
    const SUBVOLUMES: &str = "kernel-facts 1: btrfs: subvol to subvol: 0";
    let only = |name: &str, src: Regular, dst: Regular, outcome: Target| {
        case(format!("dedupe: {name}"), KINDS, whole())
            .file("src", src)
            .file("dst", dst)
            .on(BTRFS, [outcome])
            .not_on(ALL.but(BTRFS), ONLY_BTRFS)
    };
    let plain = || file(data(1, 64 * K));
    let packed = || file(text(b'x', 128 * K)).compressed();
    let mismatch = || failed(EINVAL, Reason::NocowMismatch);
    vec![
        only("without copy-on-write to with", plain().nocow(), plain(), mismatch()),
        only("with copy-on-write to without", plain(), plain().nocow(), mismatch()),
        only("both without copy-on-write", plain().nocow(), plain().nocow(), same(64 * K)),
        only("compressed to plain", packed(), file(text(b'x', 128 * K)), same(128 * K)),
        only("plain to compressed", file(text(b'x', 128 * K)), packed(), same(128 * K)),
        case("dedupe: from a subvolume to another", SUBVOLUMES, dedupe("a/src", 0, TO_END, &[("b/dst", 0)]))
            .before(Before::Subvolume { at: "a".into() })
            .before(Before::Subvolume { at: "b".into() })
            .file("a/src", data(1, 64 * K))
            .file("b/dst", data(1, 64 * K))
            .on(BTRFS, [same(64 * K)])
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        case(
            "dedupe refused: target in a snapshot that is being sent",
            "quirks 3: send running: EAGAIN (dedupe)",
            dedupe("src", 0, 64 * K, &[("snapshot/dst", 0)]).dst_flags(O_RDONLY),
        )
        .file("src", data(1, 64 * K))
        .before(Before::Subvolume { at: "a".into() })
        // More than the pipes between the kernel and us hold.
        .file("a/dst", data(1, 8 * M))
        .before(Before::Snapshot { at: "snapshot".into(), of: "a".into() })
        .view("snapshot/dst", "a/dst")
        .meanwhile(Meanwhile::Send("snapshot".into()))
        .on(BTRFS, [failed(EAGAIN, Reason::Busy)])
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
    ]
}
