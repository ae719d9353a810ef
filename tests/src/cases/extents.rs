//! `extents` and `shared_bytes`: what a file's blocks are, and which of them two files share.

use super::words::*;

fn one_file(name: &str, cites: &'static str, src: impl Into<File>, call: Call) -> Case {
    case(format!("extents: {name}"), cites, call).file("src", src)
}

fn whole(name: &str, cites: &'static str, src: impl Into<File>) -> Case {
    one_file(name, cites, src, extents("src", 0, TO_END))
}

trait NoMaps {
    fn no_maps(self) -> Case;
}

impl NoMaps for Case {
    fn no_maps(self) -> Case {
        self.on(TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot))
    }
}

pub(super) fn cases() -> Vec<Case> {
    [mapped(), shared(), refused_extents(), shared_by_two(), not_comparable()].concat()
}

fn mapped() -> Vec<Case> {
    const MAP: &str = "kernel-facts 9: FIEMAP; use SYNC: dirty data has no place";
    const CLIPPED: &str = "contract: extents(fd): logical, physical, length, flags, of a range";
    let many: Vec<Piece> = (0..1200).map(|i| if i % 2 == 0 { data(i, 4 * K) } else { hole(4 * K) }).collect();
    let runs_of_many = (0..1200).map(|i| Run {
        logical: i * 4 * K,
        length: 4 * K,
        flags: if i % 2 == 0 { DATA } else { HOLE },
    });
    vec![
        whole("data", MAP, data(1, 64 * K)).on(MAPPED, runs(0, [(64 * K, DATA)])).no_maps(),
        whole("data, synced", MAP, file(data(1, 64 * K)).synced())
            .on(MAPPED, runs(0, [(64 * K, DATA)]))
            .no_maps(),
        whole("a ragged end", MAP, data(1, 10_000)).on(MAPPED, runs(0, [(10_000, DATA)])).no_maps(),
        whole("a hole", MAP, hole(64 * K)).on(MAPPED, runs(0, [(64 * K, HOLE)])).no_maps(),
        whole("holes between data", MAP, [hole(16 * K), data(1, 16 * K), hole(16 * K), data(2, 100)])
            .on(MAPPED, runs(0, [(16 * K, HOLE), (16 * K, DATA), (16 * K, HOLE), (100, DATA)]))
            .no_maps(),
        whole("preallocated", MAP, [data(1, 16 * K), unwritten(48 * K)])
            .on(MAPPED, runs(0, [(16 * K, DATA), (48 * K, UNWRITTEN)]))
            .no_maps(),
        whole("a store to a hole", MAP, hole(64 * K))
            .meanwhile(Meanwhile::StoreMapped { path: "src".into(), at: 32 * K, seed: 3 })
            .on(MAPPED, runs(0, [(32 * K, HOLE), (4 * K, DATA), (28 * K, HOLE)]))
            .no_maps(),
        whole("more than fit one call of the kernel", MAP, file(many))
            .on(MAPPED, Outcome::Runs(runs_of_many.collect()))
            .no_maps(),
        one_file(
            "beyond 4 GiB",
            CLIPPED,
            file(data(1, 16 * K)).far(5 << 30),
            extents("src", 4 << 30, TO_END),
        )
        .on(MAPPED, runs(4 << 30, [(1 << 30, HOLE), (16 * K, DATA)]))
        .no_maps(),
        one_file("a part", CLIPPED, [data(1, 16 * K), hole(48 * K)], extents("src", 5000, 20_000))
            .on(MAPPED, runs(5000, [(16 * K - 5000, DATA), (25_000 - 16 * K, HOLE)]))
            .no_maps(),
        one_file("a length behind the end", CLIPPED, data(1, 10_000), extents("src", 4 * K, 64 * K))
            .on(MAPPED, runs(4 * K, [(10_000 - 4 * K, DATA)]))
            .no_maps(),
        one_file("from the end", CLIPPED, data(1, 10_000), extents("src", 10_000, TO_END))
            .on(MAPPED, runs(0, []))
            .no_maps(),
        one_file("from behind the end", CLIPPED, data(1, 10_000), extents("src", 1 << 40, TO_END))
            .on(MAPPED, runs(0, []))
            .no_maps(),
        one_file("length 0", CLIPPED, data(1, 10_000), extents("src", 0, 0))
            .on(MAPPED, runs(0, []))
            .no_maps(),
        whole("an empty file", MAP, empty()).on(MAPPED, runs(0, [])).no_maps(),
        one_file("open for writing", MAP, data(1, 4 * K), extents("src", 0, TO_END).src_flags(O_WRONLY))
            .on(MAPPED, runs(0, [(4 * K, DATA)]))
            // The server is asked as who reads.
            .on(SMB, refused(EINVAL, Reason::NotOpenForThat))
            .no_maps(),
    ]
}

fn shared() -> Vec<Case> {
    const SHARED_FLAG: &str =
        "kernel-facts 9: SHARED flag: XFS exact per block range; btrfs per whole extent item";
    const UNWRITTEN_CLONE: &str =
        "kernel-facts 6: clone of a preallocated file: XFS holes; btrfs UNWRITTEN|SHARED";
    let nothing = "no file can share blocks";
    vec![
        whole("shared in part", SHARED_FLAG, file(data(1, 64 * K)).synced())
            .file("other", clone_of("src", 0, 32 * K))
            .on(XFS | OVERLAY, runs(0, [(32 * K, SHARED), (32 * K, DATA)]))
            .on(BTRFS | OVERLAY_BTRFS, runs(0, [(64 * K, SHARED)]))
            .not_on(NOT_SHARING, nothing),
        case("extents: a clone", SHARED_FLAG, extents("clone", 0, TO_END))
            .file("src", [data(1, 32 * K), hole(32 * K), data(1, 5000)])
            .file("clone", clone_of("src", 0, 64 * K + 5000))
            .on(SHARING, runs(0, [(32 * K, SHARED), (32 * K, HOLE), (5000, SHARED)]))
            .not_on(NOT_SHARING, nothing),
        case("extents: a clone of preallocated space", UNWRITTEN_CLONE, extents("clone", 0, TO_END))
            .file("src", unwritten(64 * K))
            .file("clone", clone_of("src", 0, 64 * K))
            .on(XFS | OVERLAY, runs(0, [(64 * K, HOLE)]))
            .on(BTRFS | OVERLAY_BTRFS | OCFS2, runs(0, [(64 * K, UNWRITTEN | SHARED)]))
            .not_on(NOT_SHARING, nothing),
        whole("inline", "kernel-facts 1: btrfs: inline src (1000 B)", data(1, 1000))
            .on(MAPPED.but(BTRFS), runs(0, [(1000, DATA)]))
            .on(BTRFS | OVERLAY_BTRFS, runs(0, [(1000, INLINE)]))
            // Not written yet, for all that FIEMAP_FLAG_SYNC asks.
            .on(F2FS, runs(0, [(1000, INLINE | UNKNOWN)]))
            .no_maps(),
        whole("compressed", "kernel-facts 9: btrfs ENCODED", file(text(b'x', 128 * K)).compressed())
            .on(BTRFS, runs(0, [(128 * K, ENCODED)]))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
    ]
}

fn refused_extents() -> Vec<Case> {
    const KINDS: &str = "kernel-facts 9: FIEMAP: tmpfs, FUSE, proc, pipe, devs EOPNOTSUPP; contract: errno and reason for bad input";
    let refuses = |name: &str, src: File, flags, errno, reason| {
        one_file(name, KINDS, src, extents("src", 0, TO_END).src_flags(flags)).on(ALL, refused(errno, reason))
    };
    vec![
        refuses("not open", File::Closed { number: 1000 }, O_RDONLY, EBADF, Reason::BadDescriptor),
        refuses("O_PATH", data(1, 4 * K).into(), O_PATH, EBADF, Reason::NotOpenForThat),
        refuses("a directory", File::Directory, O_RDONLY, EISDIR, Reason::NotRegularFile),
        refuses("a FIFO", File::Fifo, O_RDWR, EINVAL, Reason::NotRegularFile),
        refuses("a socket", File::Inherited(Inherited::Socket), O_RDWR, EINVAL, Reason::NotRegularFile),
        refuses("a device", File::Host { path: "/dev/zero" }, O_RDONLY, EINVAL, Reason::NotRegularFile),
        refuses(
            "a file of procfs",
            File::Host { path: "/proc/version" },
            O_RDONLY,
            EOPNOTSUPP,
            Reason::FilesystemCannot,
        ),
        refuses(
            "a memfd",
            File::Memfd { pieces: vec![data(1, 4 * K)], sealed: false },
            O_RDONLY,
            EOPNOTSUPP,
            Reason::FilesystemCannot,
        ),
    ]
}

fn shared_by_two() -> Vec<Case> {
    const BOTH: &str = "kernel-facts 9: bytes shared between A and B = intersect sorted (physical,len) lists";
    let nothing = "no file can share blocks";
    let two = |name: &str, a: File, b: File| {
        case(format!("shared bytes: {name}"), BOTH, shared_bytes("a", "b")).file("a", a).file("b", b)
    };
    let plain = || File::from(data(1, 64 * K));
    vec![
        two("equal files that share nothing", plain(), plain()).on(MAPPED, Outcome::Number(0)).no_maps(),
        two("a clone", plain(), clone_of("a", 0, 64 * K).into())
            .on(SHARING, Outcome::Number(64 * K))
            .not_on(NOT_SHARING, nothing),
        two("a clone of a part, elsewhere", plain(), [data(2, 32 * K), clone_of("a", 16 * K, 16 * K)].into())
            .on(SHARING, Outcome::Number(16 * K))
            .not_on(NOT_SHARING, nothing),
        two(
            "blocks used twice count once",
            plain(),
            [clone_of("a", 0, 64 * K), clone_of("a", 0, 64 * K)].into(),
        )
        .on(SHARING, Outcome::Number(64 * K))
        .not_on(NOT_SHARING, nothing),
        two("a clone with a tail", data(1, 10_000).into(), clone_of("a", 0, 10_000).into())
            .on(SHARING, Outcome::Number(10_000))
            .not_on(NOT_SHARING, nothing),
        two("holes", hole(64 * K).into(), hole(64 * K).into()).on(MAPPED, Outcome::Number(0)).no_maps(),
        two("empty files", empty().into(), empty().into()).on(MAPPED, Outcome::Number(0)).no_maps(),
        case("shared bytes: a file with itself", BOTH, shared_bytes("a", "a"))
            .file("a", [data(1, 64 * K), hole(64 * K)])
            .on(MAPPED, Outcome::Number(64 * K))
            .no_maps(),
        case("shared bytes: a file with what shares it", BOTH, shared_bytes("a", "c"))
            .file("a", data(1, 64 * K))
            .file("b", clone_of("a", 0, 64 * K))
            .file("c", clone_of("b", 0, 32 * K))
            .on(SHARING, Outcome::Number(32 * K))
            .not_on(NOT_SHARING, nothing),
        two("small clones", data(1, 1000).into(), clone_of("a", 0, 1000).into())
            .on(XFS | OVERLAY, Outcome::Number(1000))
            .on(BTRFS | OVERLAY_BTRFS, Outcome::Number(0))
            .not_on(NOT_SHARING, nothing),
        case(
            "shared bytes: with a snapshot",
            "kernel-facts 1: btrfs: ro-snapshot",
            shared_bytes("a/file", "b/file"),
        )
        .before(Before::Subvolume { at: "a".into() })
        .file("a/file", data(1, 64 * K))
        .before(Before::Snapshot { at: "b".into(), of: "a".into() })
        .view("b/file", "a/file")
        .on(BTRFS, Outcome::Number(64 * K))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
    ]
}

fn not_comparable() -> Vec<Case> {
    const OTHER: &str =
        "kernel-facts 9: physical addresses comparable only in the same fs; 10: overlay to underlying EXDEV";
    let mut cases = Vec::new();
    for (other, itself) in ELSEWHERE {
        let there = format!("@{other}/file");
        // tmpfs has no map to compare with.
        let outcome = match itself {
            TMPFS => refused(EOPNOTSUPP, Reason::FilesystemCannot),
            _ => refused(EXDEV, Reason::DifferentFilesystem),
        };
        let case = case(format!("shared bytes: with {other}"), OTHER, shared_bytes("here", &there))
            .file("here", data(1, 64 * K))
            .file(there.as_str(), data(1, 64 * K))
            .not_on(itself, THE_SAME)
            .on(MAPPED.but(itself), outcome);
        cases.push(if itself == TMPFS { case } else { case.no_maps() });
    }
    cases.push(
        case("shared bytes: one not open", OTHER, shared_bytes("here", "closed"))
            .file("here", data(1, 64 * K))
            .file("closed", File::Closed { number: 1000 })
            .on(MAPPED, refused(EBADF, Reason::BadDescriptor))
            .no_maps(),
    );
    cases
}
