//! The options of `dedupe_range`: measured or not, behind a difference or not, what becomes of the page cache; and what
//! is shared already.

use super::words::*;

fn whole() -> Call {
    dedupe("src", 0, TO_END, &[("dst", 0)])
}

/// `src` is the pattern 1.
fn with(name: &str, cites: &'static str, call: Call, len: u64, dst: impl Into<File>) -> Case {
    case(format!("dedupe options: {name}"), cites, call).file("src", data(1, len)).file("dst", dst)
}

pub(super) fn cases() -> Vec<Case> {
    let cases = [blocks(), unmeasured(), neutral(), already()].concat();
    cases.into_iter().map(|case| case.not_on(NOT_SHARING, "one call is refused as the other is")).collect()
}

fn blocks() -> Vec<Case> {
    const BLOCKS: &str = "contract: blocks = yes: when a target differs, share every equal aligned run";
    let blocks = || whole().choose("blocks", "yes");
    // One byte of the pattern is another one.
    let changed = |at: u64, len: u64| [data_at(1, 0, at), data(9, 1), data_at(1, at + 1, len - at - 1)];
    let shared = |at: u64, bytes: u64| differs(at).shared(bytes);
    vec![
        with("blocks, equal files", BLOCKS, blocks(), 64 * K, data(1, 64 * K)).on(SHARING, [same(64 * K)]),
        with("blocks, all different", BLOCKS, blocks(), 64 * K, data(2, 64 * K)).on(SHARING, [differs(0)]),
        with("blocks, the first byte differs", BLOCKS, blocks(), 64 * K, changed(0, 64 * K))
            .on(SHARING, [shared(0, 60 * K)]),
        with("blocks, a byte inside differs", BLOCKS, blocks(), 64 * K, changed(33_000, 64 * K))
            .on(SHARING, [shared(33_000, 60 * K)]),
        with(
            "blocks, the last byte differs",
            BLOCKS,
            blocks(),
            64 * K,
            [data_at(1, 0, 64 * K - 1), data(9, 1)],
        )
        .on(SHARING, [shared(64 * K - 1, 60 * K)]),
        with(
            "blocks, every third block differs",
            BLOCKS,
            blocks(),
            96 * K,
            file(
                (0..24)
                    .map(|i| if i % 3 == 1 { data(9, BLOCK) } else { data_at(1, i * BLOCK, BLOCK) })
                    .collect::<Vec<_>>(),
            ),
        )
        .on(SHARING, [shared(BLOCK, 64 * K)]),
        with("blocks, both end in a partial block", BLOCKS, blocks(), 50_000, changed(100, 50_000))
            .on(SHARING, [shared(100, 50_000 - BLOCK)]),
        with("blocks, the target goes on", BLOCKS, blocks(), 50_000, changed(100, 64 * K))
            // Its partial block is inside: compared, not shared.
            .on(SHARING, [shared(100, 44 * K)]),
        with("blocks, over several steps", BLOCKS, blocks(), 17 * M, changed(12 * M + 5, 17 * M))
            .on(SHARING, [shared(12 * M + 5, 17 * M - BLOCK)]),
        with(
            "blocks, also behind a hole",
            BLOCKS,
            blocks(),
            64 * K,
            [data_at(1, 0, 16 * K), hole(16 * K), data_at(1, 32 * K, 32 * K)],
        )
        .on(SHARING, [shared(16 * K, 48 * K)]),
        with(
            "blocks, of a target that cannot be read",
            "contract: differs_at is unknown where the target cannot be read",
            blocks().dst_flags(O_WRONLY),
            64 * K,
            changed(33_000, 64 * K),
        )
        .on(SHARING, [differs(0).nobody_knows_where()]),
        with(
            "blocks, opened with O_DIRECT",
            BLOCKS,
            blocks().dst_flags(O_RDWR | O_DIRECT),
            64 * K,
            changed(33_000, 64 * K),
        )
        .on(SHARING, [shared(33_000, 60 * K)]),
    ]
}

fn unmeasured() -> Vec<Case> {
    const MEASURE: &str = "contract: measure = yes | no for callers who cannot pay";
    const GROWS: &str = "kernel-facts 4: src zeros, dst hole allocates; contract: disk use never grows";
    let unmeasured = || whole().choose("measure", "no");
    vec![
        with("unmeasured, equal files", MEASURE, unmeasured(), 64 * K, data(1, 64 * K))
            .on(SHARING, [same(64 * K).unmeasured()])
            .after(SHARING, After::Shared("src".into(), "dst".into(), 64 * K)),
        with(
            "unmeasured, different files",
            MEASURE,
            unmeasured(),
            64 * K,
            [data_at(1, 0, 40 * K), data(9, 24 * K)],
        )
        .on(SHARING, [differs(40 * K).unmeasured()])
        .after(SHARING, After::Shared("src".into(), "dst".into(), 40 * K)),
        case("dedupe options: unmeasured, zeros onto a hole", GROWS, unmeasured())
            .file("src", zeros(64 * K))
            .file("dst", file(hole(64 * K)).synced())
            .on(SHARING, [same(64 * K).unmeasured()]),
        case("dedupe options: unmeasured, a hole onto zeros", GROWS, unmeasured())
            .file("src", file(hole(64 * K)).synced())
            .file("dst", zeros(64 * K))
            .on(SHARING, [same(64 * K).unmeasured()])
            .becomes(SHARING, "dst", hole(64 * K)),
    ]
}

fn neutral() -> Vec<Case> {
    const NEUTRAL: &str = "contract: cache = neutral";
    let neutral = || whole().choose("cache", "neutral");
    vec![
        with("neutral, equal files", NEUTRAL, neutral(), 5 * M, data(1, 5 * M)).on(SHARING, [same(5 * M)]),
        with(
            "neutral, blocks",
            NEUTRAL,
            neutral().choose("blocks", "yes"),
            5 * M,
            [data_at(1, 0, 2 * M), data(9, BLOCK), data_at(1, 2 * M + BLOCK, 3 * M - BLOCK)],
        )
        .on(SHARING, [differs(2 * M).shared(5 * M - BLOCK)]),
    ]
}

/// What is shared already is not asked for; what lies between is.
fn already() -> Vec<Case> {
    const SKIP: &str = "kernel-facts 4: already-shared range: no short-circuit: skip via FIEMAP first";
    const REFUSED: &str = "contract: a target that would be refused is refused, also where nothing is to do";
    vec![
        with(
            "shared already but for the middle",
            SKIP,
            whole(),
            512 * K,
            [clone_of("src", 0, 128 * K), data_at(1, 128 * K, 64 * K), clone_of("src", 192 * K, 320 * K)],
        )
        .on(SHARING, [same(64 * K).already(448 * K).compared(512 * K)]),
        with(
            "shared already but for a difference",
            SKIP,
            whole(),
            512 * K,
            [clone_of("src", 0, 128 * K), data(9, 64 * K), clone_of("src", 192 * K, 320 * K)],
        )
        .on(SHARING, [differs(128 * K).shared(0).already(448 * K)]),
        with("shared already, immutable", REFUSED, whole(), 64 * K, clone_of("src", 0, 64 * K))
            .meanwhile(Meanwhile::MakeImmutable("dst".into()))
            .on(XFS | BTRFS, [failed(EPERM, Reason::Immutable).already(64 * K)])
            // The flag is kept only in the overlay.
            .on(OVERLAY, [same(0).already(64 * K).compared(64 * K)]),
        with(
            "shared already, one block apart",
            SKIP,
            dedupe("src", 0, 60 * K, &[("dst", BLOCK)]),
            64 * K,
            clone_of("src", 0, 64 * K),
        )
        .on(SHARING, [differs(0)]),
    ]
}
