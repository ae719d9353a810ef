//! `dedupe_range`: shares where the bytes are equal, and its numbers are what is really shared.

use super::words::*;

fn two_files(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>, len: u64) -> Case {
    case(format!("dedupe: {name}"), cites, dedupe("src", 0, len, &[("dst", 0)]))
        .file("src", src)
        .file("dst", dst)
}

trait RefusedWhereNothingIsShared {
    fn nothing_shared(self) -> Case;
}

impl RefusedWhereNothingIsShared for Case {
    /// ext4 and tmpfs refuse the call, an XFS without reflink each target (kernel-facts 4).
    fn nothing_shared(self) -> Case {
        let each = failed(EOPNOTSUPP, Reason::MountCannot);
        let many = vec![each; self.call.targets.len()];
        self.on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot)).on(XFS_PLAIN, targets(many))
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for part in
        [equal(), different(), tails(), many(), holes(), inline(), limited(), interrupted(), cancelled()]
    {
        cases.extend(part.into_iter().map(|case| {
            // Those that speak for themselves.
            if case.says_of(EXT4) { case } else { case.nothing_shared() }
        }));
    }
    cases
}

fn equal() -> Vec<Case> {
    const SAME: &str = "kernel-facts 4: SAME; bytes_deduped is the request; contract: honest numbers";
    const TIMES: &str = "kernel-facts 4: mtime/ctime of src and dst unchanged by dedupe";
    const FILE: &str = "kernel-facts 4: same file disjoint: SAME";
    let equal = || data(1, 64 * K);
    vec![
        two_files("equal files", SAME, equal(), equal(), TO_END).on(SHARING, [same(64 * K)]),
        two_files("equal files, synced", TIMES, file(equal()).synced(), file(equal()).synced(), TO_END)
            .on(SHARING, [same(64 * K)]),
        two_files("a part of equal files", SAME, equal(), equal(), 16 * K).on(SHARING, [same(16 * K)]),
        case(
            "dedupe: equal parts at different places",
            SAME,
            dedupe("src", 16 * K, 16 * K, &[("dst", 32 * K)]),
        )
        .file("src", equal())
        .file("dst", [data(2, 32 * K), data_at(1, 16 * K, 16 * K), data(3, 16 * K)])
        .on(SHARING, [same(16 * K)]),
        case("dedupe: in one file", FILE, dedupe("src", 0, 16 * K, &[("src", 32 * K)]))
            .file("src", [data(1, 32 * K), data(1, 32 * K)])
            .on(SHARING, [same(16 * K)]),
        two_files("shared already", SAME, equal(), clone_of("src", 0, 64 * K), TO_END)
            .on(SHARING, [same(0).already(64 * K).compared(64 * K)])
            .not_on(NOT_SHARING, "no file can share blocks beforehand"),
        two_files(
            "shared in part",
            SAME,
            equal(),
            [clone_of("src", 0, 32 * K), data_at(1, 32 * K, 32 * K)],
            TO_END,
        )
        .on(SHARING, [same(32 * K).already(32 * K).compared(64 * K)])
        .not_on(NOT_SHARING, "no file can share blocks beforehand"),
        case(
            "dedupe: beyond 4 GiB",
            "contract: offsets are 64 bits wide in all languages",
            dedupe("src", (5 << 30) + 4 * K, 8 * K, &[("dst", 6 << 30)]),
        )
        .file("src", file(data(1, 16 * K)).far(5 << 30))
        .file("dst", file(data_at(1, 4 * K, 8 * K)).far(6 << 30))
        .on(SHARING, [same(8 * K)]),
        two_files(
            "several steps",
            "kernel-facts 4: max length per call/dest; contract: any length; quirks 3: 1 GiB clamp, older 16 MiB",
            data(1, 17 * M),
            data(1, 17 * M),
            TO_END,
        )
        .on(SHARING, [same(17 * M)])
        .not_on(NOT_SHARING, "one step is refused as several are"),
    ]
}

fn different() -> Vec<Case> {
    const DIFFERS: &str =
        "kernel-facts 4: any differing byte: DIFFERS; all-or-nothing per dest even with long equal prefix";
    const KEPT: &str = "contract: a target that differs keeps what was shared before it";
    let after = |equal| [data_at(1, 0, equal), data(9, 64 * K - equal)];
    vec![
        two_files("different files", DIFFERS, data(1, 64 * K), data(2, 64 * K), TO_END)
            .on(SHARING, [differs(0)]),
        two_files("different after a block", DIFFERS, data(1, 64 * K), after(4 * K), TO_END)
            .on(SHARING, [differs(4 * K)]),
        two_files("different inside a block", DIFFERS, data(1, 64 * K), after(33_000), TO_END)
            .on(SHARING, [differs(33_000)]),
        two_files("different in the last byte", DIFFERS, data(1, 64 * K), after(64 * K - 1), TO_END)
            .on(SHARING, [differs(64 * K - 1)]),
        two_files("different behind the range", DIFFERS, data(1, 64 * K), after(16 * K), 16 * K)
            .on(SHARING, [same(16 * K)]),
        two_files(
            "different in a later step",
            KEPT,
            data(1, 17 * M),
            [data_at(1, 0, 16 * M + 512 * K), data(9, 512 * K)],
            TO_END,
        )
        .on(SHARING, [differs(16 * M + 512 * K)])
        .not_on(NOT_SHARING, "one step is refused as several are"),
        case(
            "dedupe: different, of a target that cannot be read",
            "contract: differs_at is unknown where the target cannot be read",
            dedupe("src", 0, TO_END, &[("dst", 0)]).dst_flags(O_WRONLY),
        )
        .file("src", data(1, 64 * K))
        .file("dst", after(16 * K))
        .on(SHARING, [differs(0).nobody_knows_where()]),
        case(
            "dedupe: different in the last byte, of a target that cannot be read",
            "contract: what comes before is shared, to the block; the kernel compares a tail by itself",
            dedupe("src", 0, TO_END, &[("dst", 0)]).dst_flags(O_WRONLY),
        )
        .file("src", data(1, 64 * K + 100))
        .file("dst", [data_at(1, 0, 64 * K + 99), data(9, 1)])
        .on(SHARING, [differs(64 * K).nobody_knows_where()]),
    ]
}

/// Lengths and files that do not end on blocks.
fn tails() -> Vec<Case> {
    const SMALL: &str = "kernel-facts 4: len 100 mid: SAME 100, 0 shared; contract: tails that the kernel ignores are compared; \
        quirks 3: bytes_deduped = asked length";
    const MIDDLE: &str =
        "kernel-facts 4: len 5000 mid: 4096 shared; a difference at byte 4500 still says SAME 5000";
    const BOTH: &str = "kernel-facts 4: 10000 both EOF: shared with the tail";
    const ONE: &str = "kernel-facts 4: 10000 only one side at EOF: 8192 shared (tail skipped)";
    let equal = || data(1, 64 * K);
    let after = |equal| [data_at(1, 0, equal), data(9, 64 * K - equal)];
    vec![
        two_files("100 bytes inside", SMALL, equal(), equal(), 100).on(SHARING, [same(0).compared(100)]),
        two_files("100 bytes inside, different", SMALL, equal(), after(50), 100).on(SHARING, [differs(50)]),
        two_files("5000 bytes inside", MIDDLE, equal(), equal(), 5000)
            .on(SHARING, [same(4 * K).compared(5000)]),
        two_files("5000 bytes inside, different at 4500", MIDDLE, equal(), after(4500), 5000)
            .on(SHARING, [differs(4500)]),
        case(
            "dedupe: 5000 bytes inside, of a target that cannot be read",
            MIDDLE,
            dedupe("src", 0, 5000, &[("dst", 0)]).dst_flags(O_WRONLY),
        )
        .file("src", equal())
        .file("dst", equal())
        .on(SHARING, [same(4 * K)]),
        two_files("whole files of 10000 bytes", BOTH, data(1, 10_000), data(1, 10_000), TO_END)
            .on(SHARING, [same(10_000)]),
        two_files(
            "whole files of 10000 bytes, the last different",
            BOTH,
            data(1, 10_000),
            [data_at(1, 0, 9_999), data(9, 1)],
            TO_END,
        )
        .on(SHARING, [differs(9_999)]),
        two_files("the source ends, the target goes on", ONE, data(1, 10_000), equal(), TO_END)
            .on(SHARING, [same(8 * K).compared(10_000)]),
        two_files("the target ends, the source goes on", ONE, equal(), data(1, 10_000), 10_000)
            .on(SHARING, [same(8 * K).compared(10_000)]),
    ]
}

fn many() -> Vec<Case> {
    const MANY: &str = "kernel-facts 4: dest_count 127 ok, 128 ENOMEM; contract: any number of targets; \
        quirks 3: argument of more than a page: ENOMEM";
    const OTHERS: &str = "kernel-facts 4: one target's failure: others in the same call still proceed";
    let count = 300;
    let places: Vec<_> = (0..count).map(|i| ("dst", i * BLOCK)).collect();
    // Each third block of the target is another one.
    let block = |i| if i % 3 == 2 { data(9, BLOCK) } else { data(1, BLOCK) };
    let pieces: Vec<Piece> = (0..count).map(block).collect();
    let results: Vec<_> = (0..count).map(|i| if i % 3 == 2 { differs(0) } else { same(BLOCK) }).collect();
    vec![
        case("dedupe: 300 targets", MANY, dedupe("src", 0, BLOCK, &places))
            .file("src", data(1, BLOCK))
            .file("dst", file(pieces))
            .on(SHARING, targets(results)),
        case("dedupe: no target", "kernel-facts 4: dest_count 0: 0", dedupe("src", 0, BLOCK, &[]))
            .file("src", data(1, BLOCK))
            .on(SHARING | XFS_PLAIN, targets([]))
            .on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot)),
        case(
            "dedupe: one of each",
            OTHERS,
            dedupe_block(&[
                "equal",
                "closed",
                "different",
                "pipe",
                "directory",
                "elsewhere",
                "short",
                "last",
            ])
            .target_flags(4, O_RDONLY),
        )
        .file("src", data(1, 64 * K))
        .file("equal", data(1, 64 * K))
        .file("closed", File::Closed { number: 1000 })
        .file("different", data(2, 64 * K))
        .file("pipe", File::Inherited(Inherited::Pipe))
        .file("directory", File::Directory)
        .file("elsewhere", File::Memfd { pieces: vec![data(1, 64 * K)], sealed: false })
        .file("short", data(1, 100))
        .file("last", data(1, 64 * K))
        .on(SHARING, one_of_each(failed(EISDIR, Reason::NotRegularFile).unmeasured()))
        // Directories there have maps.
        .on(OCFS2, one_of_each(failed(EISDIR, Reason::NotRegularFile)))
        .not_on(NOT_SHARING, "the whole call is refused, or each target for one cause"),
    ]
}

fn one_of_each(directory: Target) -> [Target; 8] {
    [
        same(BLOCK),
        failed(EBADF, Reason::BadDescriptor).unmeasured(),
        differs(0),
        failed(EXDEV, Reason::NotRegularFile).unmeasured(),
        directory,
        failed(EXDEV, Reason::DifferentFilesystem).unmeasured(),
        failed(EINVAL, Reason::PastEnd),
        same(BLOCK),
    ]
}

fn holes() -> Vec<Case> {
    const FREES: &str = "kernel-facts 4: holes vs zeros: src hole, dst zeros frees (512 to 0 blocks)";
    const GROWS: &str = "kernel-facts 4: src zeros, dst hole allocates; contract: disk use never grows";
    vec![
        two_files("a hole onto zeros", FREES, hole(64 * K), zeros(64 * K), TO_END)
            .on(SHARING, [same(0).compared(64 * K)])
            .becomes(SHARING, "dst", hole(64 * K)),
        two_files("a hole onto a hole", FREES, hole(64 * K), hole(64 * K), TO_END)
            .on(SHARING | OVERLAY_EXT4, [same(0).compared(64 * K)]),
        two_files("zeros onto a hole", GROWS, zeros(64 * K), hole(64 * K), TO_END)
            .on(SHARING | OVERLAY_EXT4, [same(0).compared(64 * K)]),
        two_files("preallocated onto a hole, a byte", GROWS, unwritten(64 * K), hole(64 * K), 1)
            .on(SHARING | OVERLAY_EXT4, [same(0).compared(1)]),
        two_files(
            "data and a hole",
            FREES,
            [data(1, 32 * K), hole(32 * K)],
            [data(1, 32 * K), hole(32 * K)],
            TO_END,
        )
        .on(SHARING, [same(32 * K).compared(64 * K)]),
    ]
}

fn inline() -> Vec<Case> {
    const INLINE: &str = "kernel-facts 4: btrfs inline tiny: SAME, 0 shared; XFS tiny EOF tail shared";
    vec![
        two_files("small files", INLINE, data(1, 100), data(1, 100), TO_END)
            .on(XFS | OVERLAY, [same(100)])
            .on(BTRFS | OVERLAY_BTRFS, [same(0).compared(100)]),
    ]
}

fn limited() -> Vec<Case> {
    const LIMIT: &str = "kernel-facts 4: RLIMIT_FSIZE=4096, 256 KiB: SAME 262144, 4096 shared; \
        contract: checked beforehand is what a kernel would accept wrongly: file-size limits";
    let limited = |name: &str, dst: File| {
        let call = dedupe("src", 0, TO_END, &[("dst", 0)]).limit(4 * K);
        case(format!("dedupe: file-size limit, {name}"), LIMIT, call)
            .file("src", data(1, 64 * K))
            .file("dst", dst)
            .on(SHARING, [failed(EFBIG, Reason::FileSizeLimit)])
    };
    vec![
        limited("equal behind it", data(1, 64 * K).into()),
        // The kernel does not look there, and says "same".
        limited("different behind it", [data_at(1, 0, 8 * K), data(9, 56 * K)].into()),
    ]
    .into_iter()
    .map(|case| case.not_on(NOT_SHARING, "nothing is shared with or without a limit"))
    .collect()
}

/// A handler runs every millisecond.
fn interrupted() -> Vec<Case> {
    const SIGNALS: &str = "kernel-facts 4: caught SIGALRM never interrupts";
    vec![
        case("dedupe: while signals are caught", SIGNALS, dedupe("src", 0, TO_END, &[("dst", 0)]).alarms())
            .file("src", data(1, 6 * M))
            .file("dst", data(1, 6 * M))
            .on(SHARING, [same(6 * M)]),
    ]
}

fn cancelled() -> Vec<Case> {
    const CANCEL: &str = "contract: interrupted between steps; what was shared stays shared; unfinished targets are not reached";
    const RAISES: &str = "a progress function ends a call of Python by raising, and then there is no result";
    vec![
        case(
            "dedupe: cancelled before",
            CANCEL,
            dedupe("src", 0, TO_END, &[("dst", 0)]).cancel(Cancel::Before),
        )
        .file("src", data(1, 64 * K))
        .file("dst", data(1, 64 * K))
        .on(SHARING, [not_reached()])
        .on(XFS_PLAIN, [not_reached()])
        .on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot))
        .not_from(Face::Python, RAISES),
        case(
            "dedupe: cancelled after a step",
            CANCEL,
            dedupe("src", 0, TO_END, &[("dst", 0)]).cancel(Cancel::After(1)),
        )
        .file("src", data(1, 17 * M))
        .file("dst", data(1, 17 * M))
        // The step is the library's own, and documented.
        .on(SHARING, [not_reached().compared(16 * M).shared(16 * M)])
        .not_on(NOT_SHARING, "one step is refused as several are")
        .not_from(Face::Python, RAISES),
    ]
}
