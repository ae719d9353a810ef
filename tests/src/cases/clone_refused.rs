//! `clone_range` where the range is wrong: an errno, the reason behind it, and nothing changed.

use super::words::*;

fn files(name: &str, cites: &'static str, src: u64, dst: u64, call: Call) -> Case {
    case(format!("clone refused: {name}"), cites, call).file("src", data(1, src)).file("dst", data(2, dst))
}

/// Who says what is wrong with the range. No server is asked with a wrong one: the client of SMB would make the destination
/// longer first, and ksmbd say of odd offsets that it is done, and copy.
const TOLD: On = SHARING.and(REMOTE);

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [misaligned(), past_end(), partial(), overlaps()].concat();
    cases = cases.into_iter().map(Case::refused_where_nothing_is_shared).collect();
    cases.extend(before_asking());
    cases
}

fn misaligned() -> Vec<Case> {
    const OFFSET: &str = "kernel-facts 1: src or dst offset not 4096-aligned (1, 512)";
    const LENGTH: &str = "kernel-facts 1: unaligned len not ending at src EOF (even if dst empty)";
    let mut cases = Vec::new();
    for odd in [1, 512] {
        for (which, src_off, dst_off) in [("source", odd, 0), ("destination", 0, odd), ("both", odd, odd)] {
            let call = clone("src", src_off, "dst", dst_off, 4 * K);
            cases.push(files(&format!("{which} at {odd}"), OFFSET, 64 * K, 64 * K, call));
        }
    }
    cases.push(files("an odd offset, to the end", OFFSET, 64 * K, 0, clone("src", 512, "dst", 512, TO_END)));
    cases.push(files("a ragged length", LENGTH, 64 * K, 64 * K, clone("src", 0, "dst", 0, 10_000)));
    cases.push(files(
        "a ragged length to an empty file",
        LENGTH,
        64 * K,
        0,
        clone("src", 0, "dst", 0, 10_000),
    ));
    cases.push(files("one byte", LENGTH, 64 * K, 0, clone("src", 0, "dst", 0, 1)));
    cases.push(files("a byte less than the source", LENGTH, 10_000, 0, clone("src", 0, "dst", 0, 9_999)));
    cases.into_iter().map(|case| case.on(TOLD, refused(EINVAL, Reason::Misaligned))).collect()
}

fn past_end() -> Vec<Case> {
    const BEHIND: &str = "kernel-facts 1: src_off > EOF (len 0)";
    const PAST: &str = "kernel-facts 1: len past src EOF, incl. rounded up to block";
    let cases = [
        files(
            "to the end, from behind the end",
            BEHIND,
            64 * K,
            64 * K,
            clone("src", 68 * K, "dst", 0, TO_END),
        ),
        files(
            "to the end, from a block behind a ragged end",
            BEHIND,
            5000,
            0,
            clone("src", 8 * K, "dst", 0, TO_END),
        ),
        files("a length past the end", PAST, 64 * K, 64 * K, clone("src", 32 * K, "dst", 0, 64 * K)),
        files("a length rounded up to the block", PAST, 10_000, 0, clone("src", 0, "dst", 0, 12 * K)),
        files("a block behind the end", PAST, 64 * K, 64 * K, clone("src", 64 * K, "dst", 0, 4 * K)),
        files("a block of an empty file", PAST, 0, 64 * K, clone("src", 0, "dst", 0, 4 * K)),
    ];
    cases.into_iter().map(|case| case.on(TOLD, refused(EINVAL, Reason::PastEnd))).collect()
}

fn partial() -> Vec<Case> {
    const INSIDE: &str = "kernel-facts 1: same, but resulting end < dst size (even dst 1 byte longer); \
        quirks 3: partial EOF block only at or after target EOF";
    const WHOLE: &str = "kernel-facts 1: whole FICLONE of 10000 B or 100 B src into larger dst";
    let cases = [
        files("a tail inside the destination", INSIDE, 10_000, 64 * K, clone("src", 0, "dst", 0, 10_000)),
        files(
            "a tail, the destination a byte longer",
            INSIDE,
            10_000,
            10_001,
            clone("src", 0, "dst", 0, 10_000),
        ),
        files(
            "a tail alone inside the destination",
            INSIDE,
            10_000,
            64 * K,
            clone("src", 8 * K, "dst", 0, 1808),
        ),
        files("the whole of 10000 bytes", WHOLE, 10_000, 64 * K, clone("src", 0, "dst", 0, TO_END)),
        files("the whole of 100 bytes", WHOLE, 100, 64 * K, clone("src", 0, "dst", 0, TO_END)),
    ];
    cases.into_iter().map(|case| case.on(TOLD, refused(EINVAL, Reason::PartialBlock))).collect()
}

fn overlaps() -> Vec<Case> {
    const SAME: &str = "kernel-facts 1: same file: overlap / identical / FICLONE self";
    let same = |name: &str, src_off, dst_off, len| {
        case(format!("clone refused: in one file, {name}"), SAME, clone("src", src_off, "src", dst_off, len))
            .file("src", data(1, 64 * K))
    };
    let cases = [
        same("overlapping", 0, 8 * K, 16 * K),
        same("overlapping backwards", 8 * K, 0, 16 * K),
        same("identical", 16 * K, 16 * K, 16 * K),
        same("onto itself", 0, 0, TO_END),
        case(
            "clone refused: onto itself through one descriptor",
            SAME,
            clone("src", 0, "src", 0, TO_END).same_descriptor(),
        )
        .file("src", data(1, 64 * K)),
    ];
    cases.into_iter().map(|case| case.on(TOLD, refused(EINVAL, Reason::Overlap))).collect()
}

/// Decided before the kernel is asked, so everywhere alike.
fn before_asking() -> Vec<Case> {
    const ZERO: &str = "contract: length 0 is EINVAL for clone; quirks 3: length 0 = to EOF";
    const OVERFLOW: &str = "contract: checked beforehand is overflow";
    const LIMIT: &str =
        "kernel-facts 1: RLIMIT_FSIZE: range crosses limit; contract: file-size limits beforehand";
    let mut cases: Vec<Case> = vec![
        files("length 0", ZERO, 64 * K, 64 * K, clone("src", 0, "dst", 0, 0))
            .on(ALL, refused(EINVAL, Reason::ZeroLength)),
        files("length 0 of an empty file", ZERO, 0, 0, clone("src", 0, "dst", 0, 0))
            .on(ALL, refused(EINVAL, Reason::ZeroLength)),
    ];
    for (name, src_off, dst_off, len) in [
        ("source offset", 1 << 63, 0, 4 * K),
        ("destination offset", 0, 1 << 63, 4 * K),
        ("source offset, to the end", u64::MAX, 0, TO_END),
        ("source end", MAX_OFFSET - 4095, 0, 4 * K),
        ("destination end", 0, MAX_OFFSET - 4095, 4 * K),
        ("length", 0, 0, u64::MAX - 1),
    ] {
        let call = clone("src", src_off, "dst", dst_off, len);
        cases.push(
            files(&format!("{name} passes the largest offset"), OVERFLOW, 64 * K, 64 * K, call)
                .on(ALL, refused(EOVERFLOW, Reason::Overflow)),
        );
    }
    for (name, dst_off, len) in [
        ("the limit inside the range", 0, 64 * K),
        ("to the end", 0, TO_END),
        ("behind the limit", 64 * K, 16 * K),
    ] {
        let call = clone("src", 0, "dst", dst_off, len).limit(32 * K);
        cases.push(
            files(&format!("file-size limit, {name}"), LIMIT, 64 * K, 16 * K, call)
                .on(ALL, refused(EFBIG, Reason::FileSizeLimit)),
        );
    }
    cases.push(
        files(
            "file-size limit, not reached",
            LIMIT,
            64 * K,
            16 * K,
            clone("src", 0, "dst", 0, 32 * K).limit(32 * K),
        )
        .on(SHARING, cloned(32 * K))
        .refused_where_nothing_is_shared(),
    );
    cases
}
