//! `copy_range`: bytes, never shared blocks, on every filesystem alike.

use super::words::*;

fn files(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>, call: Call) -> Case {
    case(format!("copy: {name}"), cites, call).file("src", src).file("dst", dst)
}

/// `src` of 64 KiB and `dst` of 64 KiB.
fn two_files(name: &str, cites: &'static str, call: Call) -> Case {
    files(name, cites, data(1, 64 * K), data(2, 64 * K), call)
}

pub(super) fn cases() -> Vec<Case> {
    [
        never_shares(),
        odd_ranges(),
        nothing_to_do(),
        one_file(),
        flags(),
        limits(),
        interrupted(),
        cancelled(),
        attributes(),
        busy(),
    ]
    .concat()
}

fn never_shares() -> Vec<Case> {
    const SHARES: &str = "kernel-facts 5: copy_file_range aligned, or to EOF with tail: full, 100 % shared; contract: copy never is";
    let shared = "no file can share blocks beforehand";
    vec![
        files("a whole file", SHARES, data(1, 64 * K), empty(), copy("src", 0, "dst", 0, TO_END))
            .on(ALL, copied(64 * K)),
        files("with a tail", SHARES, data(1, 10_000), empty(), copy("src", 0, "dst", 0, TO_END))
            .on(ALL, copied(10_000)),
        files(
            "a synced file",
            SHARES,
            file(data(1, 64 * K)).synced(),
            empty(),
            copy("src", 0, "dst", 0, TO_END),
        )
        .on(ALL, copied(64 * K)),
        two_files("an aligned range over another", SHARES, copy("src", 4 * K, "dst", 8 * K, 16 * K))
            .on(ALL, copied(16 * K)),
        files("several steps", SHARES, data(1, 5 * M + 100), empty(), copy("src", 0, "dst", 0, TO_END))
            .on(ALL, copied(5 * M + 100)),
        files("a few bytes", SHARES, data(1, 100), empty(), copy("src", 0, "dst", 0, TO_END))
            .on(ALL, copied(100)),
        files(
            "over blocks that were shared with the source",
            SHARES,
            data(1, 64 * K),
            clone_of("src", 0, 64 * K),
            copy("src", 0, "dst", 0, 64 * K),
        )
        .on(SHARING, copied(64 * K))
        .not_on(NOT_SHARING, shared),
        files(
            "a part over blocks that were shared",
            SHARES,
            data(1, 64 * K),
            clone_of("src", 0, 64 * K),
            copy("src", 4 * K, "dst", 5000, 10_000),
        )
        .on(SHARING, copied(10_000))
        .not_on(NOT_SHARING, shared),
        case("copy: from blocks that another file shares", SHARES, copy("src", 0, "dst", 0, TO_END))
            .file("other", data(1, 64 * K))
            .file("src", clone_of("other", 0, 64 * K))
            .file("dst", empty())
            .on(SHARING, copied(64 * K))
            .not_on(NOT_SHARING, shared)
            .after(SHARING, After::Shared("src".into(), "other".into(), 64 * K)),
        files(
            "beyond 4 GiB",
            "contract: offsets are 64 bits wide in all languages",
            file(data(1, 16 * K)).far(5 << 30),
            file(data(2, 4 * K)).far(6 << 30),
            copy("src", (5 << 30) + 100, "dst", (6 << 30) + 200, 8 * K),
        )
        .on(ALL, copied(8 * K)),
        two_files(
            "stores to a mapping of the source",
            "kernel-facts 1: dirty mmap bytes",
            copy("src", 0, "dst", 0, TO_END),
        )
        .meanwhile(Meanwhile::StoreMapped { path: "src".into(), at: 0, seed: 3 })
        .on(ALL, copied(64 * K)),
        two_files(
            "destination mapped",
            "kernel-facts 1: dst maps see new content",
            copy("src", 0, "dst", 0, TO_END),
        )
        .meanwhile(Meanwhile::WatchMapped("dst".into()))
        .on(ALL, copied(64 * K)),
    ]
}

fn odd_ranges() -> Vec<Case> {
    const ODD: &str =
        "kernel-facts 5: unaligned src or dst offset (even congruent 100 to 100): full, physical";
    const SHORT: &str = "kernel-facts 5: len 100000 mid-file: short, 98304, shared";
    const CLAMPED: &str =
        "kernel-facts 5: huge len clamped; contract: at the end of the source it comes back short";
    let mut cases = Vec::new();
    for (src_off, dst_off) in [(1, 0), (0, 1), (512, 512), (100, 100), (100, 4196), (4095, 4097)] {
        let call = copy("src", src_off, "dst", dst_off, 20_000);
        cases.push(two_files(&format!("from {src_off} to {dst_off}"), ODD, call).on(ALL, copied(20_000)));
    }
    cases.extend([
        files("100000 bytes inside", SHORT, data(1, 256 * K), empty(), copy("src", 0, "dst", 0, 100_000))
            .on(ALL, copied(100_000)),
        files(
            "100000 bytes inside, over others",
            SHORT,
            data(1, 256 * K),
            data(2, 256 * K),
            copy("src", 0, "dst", 0, 100_000),
        )
        .on(ALL, copied(100_000)),
        two_files("behind the destination's end", ODD, copy("src", 0, "dst", 100_000, 10_000))
            .on(ALL, copied(10_000)),
        two_files("one byte", ODD, copy("src", 4095, "dst", 4096, 1)).on(ALL, copied(1)),
        two_files("a length behind the end", CLAMPED, copy("src", 32 * K, "dst", 0, 64 * K))
            .on(ALL, copied(32 * K)),
        two_files("the largest length", CLAMPED, copy("src", 0, "dst", 0, MAX_OFFSET))
            .on(ALL, copied(64 * K)),
        two_files("to the end, from the middle", CLAMPED, copy("src", 40_000, "dst", 0, TO_END))
            .on(ALL, copied(64 * K - 40_000)),
    ]);
    cases
}

fn nothing_to_do() -> Vec<Case> {
    const ZERO: &str = "kernel-facts 5: n=0 / off >= EOF: 0; contract: length 0: copy returns 0";
    const FAR: &str = "quirks 3: kernel 6.17: EFBIG at EOF with huge offset";
    const OVERFLOW: &str = "kernel-facts 5: negative off EOVERFLOW";
    let mut cases = vec![
        two_files("length 0", ZERO, copy("src", 0, "dst", 0, 0)).on(ALL, nothing()),
        two_files("from the end", ZERO, copy("src", 64 * K, "dst", 0, 4 * K)).on(ALL, nothing()),
        two_files("from behind the end", ZERO, copy("src", 100_000, "dst", 0, TO_END)).on(ALL, nothing()),
        files("an empty file", ZERO, empty(), data(2, 64 * K), copy("src", 0, "dst", 0, TO_END))
            .on(ALL, nothing()),
        two_files("from the end, far away", FAR, copy("src", 64 * K, "dst", MAX_OFFSET - 4096, 4096))
            .on(ALL, nothing()),
    ];
    for (name, src_off, dst_off, len) in [
        ("source offset", 1 << 63, 0, 4 * K),
        ("destination offset", 0, 1 << 63, TO_END),
        ("source end", MAX_OFFSET, 0, 1),
        ("destination end", 0, MAX_OFFSET, 1),
        ("length", 0, 0, u64::MAX - 1),
    ] {
        let call = copy("src", src_off, "dst", dst_off, len);
        cases.push(
            two_files(&format!("{name} passes the largest offset"), OVERFLOW, call)
                .on(ALL, refused(EOVERFLOW, Reason::Overflow)),
        );
    }
    cases
}

fn one_file() -> Vec<Case> {
    const SAME: &str = "kernel-facts 5: same-file overlap EINVAL (disjoint ok)";
    let same = |name: &str, call: Call| {
        case(format!("copy in one file: {name}"), SAME, call).file("src", data(1, 64 * K))
    };
    vec![
        same("disjoint", copy("src", 100, "src", 32 * K, 10_000)).on(ALL, copied(10_000)),
        same("adjacent", copy("src", 0, "src", 16 * K, 16 * K)).on(ALL, copied(16 * K)),
        same("appended", copy("src", 0, "src", 64 * K, TO_END)).on(ALL, copied(64 * K)),
        same("through one descriptor", copy("src", 0, "src", 32 * K, 16 * K).same_descriptor())
            .on(ALL, copied(16 * K)),
        same("overlapping", copy("src", 0, "src", 100, 10_000)).on(ALL, refused(EINVAL, Reason::Overlap)),
        same("overlapping backwards", copy("src", 100, "src", 0, 10_000))
            .on(ALL, refused(EINVAL, Reason::Overlap)),
        same("onto itself", copy("src", 0, "src", 0, TO_END)).on(ALL, refused(EINVAL, Reason::Overlap)),
        case("copy in one file: an empty one onto itself", SAME, copy("src", 0, "src", 0, TO_END))
            .file("src", empty())
            .on(ALL, nothing()),
        // Only what is there is copied, and that lies apart.
        same("a length that would overlap, were the file longer", copy("src", 48 * K, "src", 16 * K, 64 * K))
            .on(ALL, copied(16 * K)),
    ]
}

fn flags() -> Vec<Case> {
    const FLAGS: &str = "kernel-facts 1: dst O_WRONLY; src O_APPEND; O_SYNC";
    const DIRECT: &str =
        "kernel-facts 8: O_DIRECT 100 B or off 1: EINVAL; btrfs and tmpfs ok (buffered fallback)";
    /// What insists on whole blocks.
    const STRICT: On = XFS.and(XFS_PLAIN).and(EXT4).and(OVERLAY);
    let flags = |name: &str, src, dst| {
        let call = copy("src", 0, "dst", 0, 64 * K).src_flags(src).dst_flags(dst);
        two_files(name, FLAGS, call).on(ALL, copied(64 * K))
    };
    let direct = |name: &str, call: Call| two_files(name, DIRECT, call);
    vec![
        flags("destination O_WRONLY", O_RDONLY, O_WRONLY),
        flags("source O_APPEND", O_RDWR | O_APPEND, O_RDWR),
        flags("destination O_SYNC", O_RDONLY, O_RDWR | O_SYNC),
        flags("both O_DIRECT", O_RDONLY | O_DIRECT, O_RDWR | O_DIRECT),
        files(
            "source O_DIRECT, with a tail",
            DIRECT,
            data(1, 10_000),
            empty(),
            copy("src", 0, "dst", 0, TO_END).src_flags(O_RDONLY | O_DIRECT),
        )
        .on(ALL, copied(10_000)),
        direct(
            "source O_DIRECT, at an odd offset",
            copy("src", 1, "dst", 0, 4 * K).src_flags(O_RDONLY | O_DIRECT),
        )
        .on(STRICT, refused(EINVAL, Reason::Misaligned))
        .on(BTRFS | TMPFS | OVERLAY_BTRFS | SMB, copied(4 * K)),
        direct("destination O_DIRECT, 100 bytes", copy("src", 0, "dst", 0, 100).dst_flags(O_RDWR | O_DIRECT))
            .on(STRICT.but(EXT4), refused(EINVAL, Reason::Misaligned))
            // It sets the times before it looks at the alignment.
            .on(EXT4 | OVERLAY_EXT4 | OCFS2, refused(EINVAL, Reason::Misaligned).sets_times())
            // NILFS2 only reads without the page cache.
            .on(BTRFS | TMPFS | OVERLAY_BTRFS | SMB | NILFS2, copied(100)),
    ]
}

fn limits() -> Vec<Case> {
    const LIMIT: &str = "kernel-facts 5: RLIMIT_FSIZE: short to the limit (524288 of 1 MiB), at limit EFBIG; \
        contract: SIGXFSZ is consumed";
    vec![
        files(
            "file-size limit inside",
            LIMIT,
            data(1, M),
            empty(),
            copy("src", 0, "dst", 0, TO_END).limit(512 * K),
        )
        .on(ALL, copied(512 * K).ended(EFBIG, Reason::FileSizeLimit)),
        files(
            "file-size limit reached",
            LIMIT,
            data(1, 64 * K),
            data(2, 64 * K),
            copy("src", 0, "dst", 64 * K, TO_END).limit(64 * K),
        )
        .on(ALL, refused(EFBIG, Reason::FileSizeLimit)),
        files(
            "file-size limit not reached",
            LIMIT,
            data(1, 64 * K),
            empty(),
            copy("src", 0, "dst", 0, TO_END).limit(64 * K),
        )
        .on(ALL, copied(64 * K)),
        files(
            "file-size limit inside a hole at the end",
            LIMIT,
            [data(1, 16 * K), hole(112 * K)],
            empty(),
            copy("src", 0, "dst", 0, TO_END).limit(64 * K),
        )
        .on(ALL, copied(16 * K).ended(EFBIG, Reason::FileSizeLimit)),
    ]
}

const RAISES: &str = "a progress function ends a call of Python by raising, and then there is no report";

/// A handler runs every millisecond.
fn interrupted() -> Vec<Case> {
    const SIGNALS: &str = "kernel-facts 5: caught signal: copy_file_range and sendfile come back short, even with SA_RESTART; \
        contract: a caught signal alone does not stop a local copy";
    vec![
        files(
            "while signals are caught",
            SIGNALS,
            data(1, 6 * M),
            empty(),
            copy("src", 0, "dst", 0, TO_END).alarms(),
        )
        .on(ALL, copied(6 * M)),
        files(
            "a hole, while signals are caught",
            SIGNALS,
            [data(1, M), hole(4 * M), data(2, M)],
            empty(),
            copy("src", 0, "dst", 0, TO_END).alarms(),
        )
        .on(ALL, copied(M).hole(4 * M).copied(M)),
    ]
}

fn cancelled() -> Vec<Case> {
    const CANCEL: &str = "contract: cancelled before progress: ECANCELED; at most one step (4 MiB) moves after the flag was set";
    let big = || data(1, 6 * M);
    vec![
        files(
            "cancelled before",
            CANCEL,
            data(1, 64 * K),
            empty(),
            copy("src", 0, "dst", 0, TO_END).cancel(Cancel::Before),
        )
        .on(ALL, refused(libc::ECANCELED, Reason::Cancelled))
        .not_from(Face::Python, RAISES),
        files(
            "cancelled after the first step",
            CANCEL,
            big(),
            empty(),
            copy("src", 0, "dst", 0, TO_END).cancel(Cancel::After(1)),
        )
        .on(ALL, copied_at_most(4 * M).ended(libc::ECANCELED, Reason::Cancelled))
        .not_from(Face::Python, RAISES),
        files(
            "cancelled after it was done",
            CANCEL,
            big(),
            empty(),
            copy("src", 0, "dst", 0, TO_END).cancel(Cancel::After(7 * M)),
        )
        .on(ALL, copied(6 * M))
        .not_from(Face::Python, RAISES),
    ]
}

fn attributes() -> Vec<Case> {
    vec![
        two_files(
            "destination made append-only",
            "kernel-facts 1: dst chattr +a after non-append fd opened",
            copy("src", 0, "dst", 0, TO_END),
        )
        .meanwhile(Meanwhile::MakeAppendOnly("dst".into()))
        .on(ALL, copied(64 * K)),
        two_files("immutable source", "kernel-facts 1: src immutable", copy("src", 0, "dst", 0, TO_END))
            .meanwhile(Meanwhile::MakeImmutable("src".into()))
            .on(ALL, copied(64 * K)),
        // Only ext4 and F2FS ask again when they are written to: elsewhere a descriptor that was open before may.
        two_files("destination made immutable", "quirks 3: immutable: EPERM", copy("src", 0, "dst", 0, TO_END))
            .meanwhile(Meanwhile::MakeImmutable("dst".into()))
            .on(EXT4, refused(EPERM, Reason::Immutable))
            .on(ALL.but(EXT4) | NILFS2, copied(64 * K)),
        files(
            "a hole, destination made immutable",
            "quirks 3: immutable: EPERM (fallocate asks everywhere)",
            [data(1, 16 * K), hole(48 * K)],
            data(2, 64 * K),
            copy("src", 0, "dst", 0, TO_END),
        )
        .meanwhile(Meanwhile::MakeImmutable("dst".into()))
        .on(EXT4, refused(EPERM, Reason::Immutable))
        .on(ALL.but(EXT4) | NILFS2, copied(16 * K).ended(EPERM, Reason::Immutable)),
        case(
            "copy: to a subvolume that was made read-only",
            "kernel-facts 1: btrfs: subvol flipped to ro while dst fd open: pwrite on that fd still succeeded",
            copy("src", 0, "a/dst", 0, TO_END),
        )
        .before(Before::Subvolume { at: "a".into() })
        .file("src", data(1, 64 * K))
        .file("a/dst", data(2, 64 * K))
        .meanwhile(Meanwhile::MakeReadOnly("a".into()))
        .on(BTRFS, copied(64 * K))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        files(
            "between files with and without copy-on-write",
            "kernel-facts 1: btrfs: NOCOW(+C) vs COW",
            file(data(1, 64 * K)).nocow(),
            data(2, 64 * K),
            copy("src", 0, "dst", 0, TO_END),
        )
        .on(BTRFS, copied(64 * K))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        files(
            "a compressed file",
            "kernel-facts 1: btrfs: compressed",
            file(text(b'x', 128 * K)).compressed(),
            empty(),
            copy("src", 0, "dst", 0, TO_END),
        )
        .on(BTRFS, copied(128 * K))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
    ]
}

fn busy() -> Vec<Case> {
    const SWAP: &str = "kernel-facts 5: swapfile either side ETXTBSY (ext4 too)";
    vec![
        case("copy: from a swap file", SWAP, copy("src", 0, "dst", 0, 4 * K))
            .file("src", File::Swap)
            .file("dst", empty())
            .meanwhile(Meanwhile::SwapOn("src".into()))
            .not_on(TMPFS | OVERLAY, NO_SWAP)
            .on(ALL.but(TMPFS | OVERLAY), copied(4 * K)),
        case("copy: to a swap file", SWAP, copy("src", 0, "dst", 0, TO_END))
            .file("src", data(1, 64 * K))
            .file("dst", File::Swap)
            .meanwhile(Meanwhile::SwapOn("dst".into()))
            .not_on(TMPFS | OVERLAY, NO_SWAP)
            .on(ALL.but(TMPFS | OVERLAY), refused(ETXTBSY, Reason::SwapFile)),
        case(
            "copy: a running program",
            "kernel-facts 1: running executable: as src",
            copy("src", 0, "dst", 0, TO_END),
        )
        .file("src", File::Program)
        .file("dst", empty())
        .meanwhile(Meanwhile::Run("src".into()))
        .on(ALL, all_of_it_copied()),
    ]
}
