//! `clone_range` where it shares. Filesystems that share nothing refuse every one of these.

use super::words::*;

/// Where the filesystem is asked last: of a server nobody knows beforehand whether it shares. What is lacking here is told
/// first, and that there is nothing to do.
const ASKED: On = SHARING.and(REMOTE);

/// `src` of 64 KiB and `dst` of 64 KiB.
fn two_files(name: &str, cites: &'static str, call: Call) -> Case {
    case(format!("clone: {name}"), cites, call).file("src", data(1, 64 * K)).file("dst", data(2, 64 * K))
}

fn files(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>, call: Call) -> Case {
    case(format!("clone: {name}"), cites, call).file("src", src).file("dst", dst)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = shares();
    cases.extend(tails());
    cases.extend(one_file());
    cases.extend(flags());
    cases.extend(kept_whole());
    cases.extend(options());
    cases.into_iter().map(Case::refused_where_nothing_is_shared).collect()
}

fn shares() -> Vec<Case> {
    const ALIGNED: &str = "kernel-facts 1: aligned; src_length=0 (= to EOF, also from 4K offset)";
    const TO_NOTHING: &str = "kernel-facts 1: src_length=0 and src_off == EOF; empty src";
    const BEYOND: &str = "kernel-facts 1: dst_off beyond dst EOF (aligned)";
    vec![
        two_files("aligned range", ALIGNED, clone("src", 4 * K, "dst", 8 * K, 16 * K))
            .on(SHARING, cloned(16 * K)),
        two_files("to the end", ALIGNED, clone("src", 0, "dst", 0, TO_END)).on(SHARING, cloned(64 * K)),
        two_files("to the end, from a block on", ALIGNED, clone("src", 4 * K, "dst", 0, TO_END))
            .on(SHARING, cloned(60 * K)),
        files(
            "synced source",
            ALIGNED,
            file(data(1, 64 * K)).synced(),
            empty(),
            clone("src", 0, "dst", 0, TO_END),
        )
        .on(SHARING, cloned(64 * K)),
        files(
            "a source that is shared already",
            ALIGNED,
            data(1, 64 * K),
            [clone_of("src", 0, 32 * K), data(3, 32 * K)],
            clone("src", 0, "dst", 0, 64 * K),
        )
        .on(SHARING, cloned(64 * K))
        .not_on(NOT_SHARING, "no file can share blocks beforehand"),
        files(
            "holes come along",
            "kernel-facts 3: holes stay holes; 6: SEEK_DATA/HOLE",
            [data(1, 16 * K), hole(64 * K), data(2, 16 * K), hole(32 * K)],
            data(3, 128 * K),
            clone("src", 0, "dst", 0, TO_END),
        )
        .on(SHARING, cloned(128 * K)),
        files(
            "beyond 4 GiB",
            "contract: offsets are 64 bits wide in all languages",
            file(data(1, 16 * K)).far(5 << 30),
            file(data(2, 4 * K)).far(6 << 30),
            clone("src", (5 << 30) + 4 * K, "dst", (6 << 30) + 8 * K, 8 * K),
        )
        .on(SHARING, cloned(8 * K)),
        two_files("to the end, from the end", TO_NOTHING, clone("src", 64 * K, "dst", 0, TO_END))
            .on(ASKED, nothing()),
        files(
            "to the end, from a ragged end",
            TO_NOTHING,
            data(1, 5000),
            data(2, 64 * K),
            clone("src", 5000, "dst", 100, TO_END),
        )
        .on(ASKED, nothing()),
        files("an empty source", TO_NOTHING, empty(), data(2, 64 * K), clone("src", 0, "dst", 0, TO_END))
            .on(ASKED, nothing()),
        files(
            "an empty source to an empty file",
            TO_NOTHING,
            empty(),
            empty(),
            clone("src", 0, "dst", 0, TO_END),
        )
        .on(SHARING, nothing())
        // Of no bytes the client says that of every server that does not share.
        .on(SAMBA_EXT4 | KSMBD_EXT4, refused(EINVAL, Reason::Unknown)),
        two_files("behind the destination's end", BEYOND, clone("src", 0, "dst", 128 * K, 16 * K))
            .on(SHARING, cloned(16 * K)),
        files(
            "behind the destination's ragged end",
            BEYOND,
            data(1, 64 * K),
            data(2, 5000),
            clone("src", 0, "dst", 64 * K, 64 * K),
        )
        .on(SHARING, cloned(64 * K)),
        files(
            "the whole of a shorter file: the destination is not truncated",
            "kernel-facts 1: whole FICLONE of 8192 B src into 64K dst",
            data(1, 8 * K),
            data(2, 64 * K),
            clone("src", 0, "dst", 0, TO_END),
        )
        .on(SHARING, cloned(8 * K)),
    ]
}

/// The source's last, partial block.
fn tails() -> Vec<Case> {
    const TAIL: &str = "kernel-facts 1: unaligned len ending exactly at src EOF";
    let tail = |name, dst: File, dst_off, len| {
        files(name, TAIL, data(1, 10_000), dst, clone("src", 0, "dst", dst_off, len))
            .on(SHARING, cloned(10_000))
    };
    vec![
        tail("a tail to an empty file", empty().into(), 0, 10_000),
        tail("a tail to an empty file, to the end", empty().into(), 0, TO_END),
        tail("a tail to a file of the same size", data(2, 10_000).into(), 0, 10_000),
        tail("a tail to a file that ends inside that block", data(2, 9_000).into(), 0, 10_000),
        tail("a tail appended", data(2, 8 * K).into(), 8 * K, 10_000),
        tail("a tail behind a hole", data(2, 100).into(), 64 * K, 10_000),
    ]
}

fn one_file() -> Vec<Case> {
    const SAME: &str = "kernel-facts 1: same file: disjoint/adjacent, or append to self (len 0, dst_off=EOF)";
    let same = |name: &str, src_off, dst_off, len, bytes| {
        case(format!("clone in one file: {name}"), SAME, clone("src", src_off, "src", dst_off, len))
            .file("src", data(1, 64 * K))
            .on(SHARING, cloned(bytes))
    };
    vec![
        same("disjoint", 0, 32 * K, 16 * K, 16 * K),
        same("disjoint, backwards", 32 * K, 0, 16 * K, 16 * K),
        same("adjacent", 0, 16 * K, 16 * K, 16 * K),
        same("appended", 0, 64 * K, TO_END, 64 * K),
        case(
            "clone in one file: through one descriptor",
            SAME,
            clone("src", 0, "src", 32 * K, 16 * K).same_descriptor(),
        )
        .file("src", data(1, 64 * K))
        .on(SHARING, cloned(16 * K)),
    ]
}

fn flags() -> Vec<Case> {
    const FLAGS: &str = "kernel-facts 1: dst O_WRONLY; src O_APPEND; O_DIRECT; O_SYNC";
    let flags = |name: &str, src, dst| {
        let call = clone("src", 0, "dst", 0, 64 * K).src_flags(src).dst_flags(dst);
        two_files(name, FLAGS, call).on(SHARING, cloned(64 * K))
    };
    vec![
        flags("source O_APPEND", O_RDWR | O_APPEND, O_RDWR),
        flags("both O_DIRECT", O_RDONLY | O_DIRECT, O_RDWR | O_DIRECT),
        flags("destination O_SYNC", O_RDONLY, O_RDWR | O_SYNC),
    ]
}

/// What stands between a failure and the destination.
fn kept_whole() -> Vec<Case> {
    const SIZE: &str =
        "contract: clone: destination range empty or past its end of file: only the old size is needed";
    const UNDO: &str = "contract: clone: undo: the old range is cloned aside first";
    let way = |name, cites, dst: File, dst_off, way| {
        files(name, cites, data(1, 64 * K), dst, clone("src", 0, "dst", dst_off, TO_END))
            .on(SHARING, cloned(64 * K).by(way))
    };
    vec![
        way("nothing to lose: an empty file", SIZE, empty().into(), 0, Protection::Size),
        way("nothing to lose: at the end", SIZE, data(2, 64 * K).into(), 64 * K, Protection::Size),
        way("nothing to lose: behind a ragged end", SIZE, data(2, 5000).into(), 8 * K, Protection::Size),
        way("nothing to lose: a hole", SIZE, [hole(128 * K)].into(), 32 * K, Protection::Size)
            // That it has no blocks is not believed.
            .on(OCFS2 | REMOTE_SHARING, cloned(64 * K).by(Protection::Undo)),
        way("kept aside: the whole file", UNDO, data(2, 64 * K).into(), 0, Protection::Undo),
        way("kept aside: a longer file", UNDO, data(2, 128 * K).into(), 32 * K, Protection::Undo),
        way("kept aside: a ragged end", UNDO, data(2, 50_000).into(), 4 * K, Protection::Undo),
        way(
            "kept aside: a file of holes",
            UNDO,
            [hole(16 * K), data(2, 8 * K), hole(100 * K), data(3, 4 * K)].into(),
            0,
            Protection::Undo,
        ),
    ]
}

fn options() -> Vec<Case> {
    const OPTIONS: &str =
        "contract: clone: undo = auto | best | off, atomic = best | required, scratch_dir, keep_undo";
    let call = || clone("src", 0, "dst", 0, 64 * K);
    let unreadable = refused(EBADF, Reason::DestinationNotReadable);
    vec![
        two_files("undo auto, said aloud", OPTIONS, call().undo("auto").atomic("best"))
            .on(SHARING, cloned(64 * K).by(Protection::Undo)),
        two_files("undo best", OPTIONS, call().undo("best")).on(SHARING, cloned(64 * K).by(Protection::Undo)),
        two_files("undo off", OPTIONS, call().undo("off")).on(SHARING, cloned(64 * K).by(Protection::None)),
        two_files("keep_undo, with nothing to keep", OPTIONS, call().keep_undo())
            .on(SHARING, cloned(64 * K).by(Protection::Undo)),
        two_files("scratch_dir", OPTIONS, call().scratch("scratch"))
            .file("scratch", File::Directory)
            .on(SHARING, cloned(64 * K).by(Protection::Undo)),
        two_files("scratch_dir that is no directory", OPTIONS, call().scratch("src").scratch_flags(O_RDONLY))
            .on(ASKED, refused(libc::ENOTDIR, Reason::NoScratchDirectory)),
        two_files("destination O_WRONLY", OPTIONS, call().dst_flags(O_WRONLY)).on(ASKED, unreadable),
        two_files("destination O_WRONLY, undo best", OPTIONS, call().dst_flags(O_WRONLY).undo("best"))
            .on(SHARING, cloned(64 * K).by(Protection::None)),
        two_files("destination O_WRONLY, undo off", OPTIONS, call().dst_flags(O_WRONLY).undo("off"))
            .on(SHARING, cloned(64 * K).by(Protection::None)),
        files(
            "destination O_WRONLY, nothing to lose",
            OPTIONS,
            data(1, 64 * K),
            empty(),
            call().dst_flags(O_WRONLY),
        )
        .on(SHARING, cloned(64 * K).by(Protection::Size)),
        two_files("atomic required", OPTIONS, call().atomic("required"))
            .on(ASKED, refused(EOPNOTSUPP, Reason::CannotExchange)),
        two_files(
            "atomic required, and no clone either",
            OPTIONS,
            clone("src", 1, "dst", 0, 4 * K).atomic("required"),
        )
        .on(ASKED, refused(EINVAL, Reason::Misaligned)),
        two_files("somebody else's directory", OPTIONS, call().uid(NOBODY))
            .on(ASKED, refused(libc::EACCES, Reason::NoScratchDirectory)),
        two_files("somebody else's directory, undo best", OPTIONS, call().uid(NOBODY).undo("best"))
            .on(SHARING, cloned(64 * K).by(Protection::None))
            // A server looks at who asks, not at who opened the files.
            .on(NFS42_XFS | NFS42_BTRFS, refused(libc::EACCES, Reason::Permission)),
    ]
}
