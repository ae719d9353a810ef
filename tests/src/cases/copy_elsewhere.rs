//! `copy_range` between filesystems, and from what has bytes but no blocks.

use super::words::*;

pub(super) fn cases() -> Vec<Case> {
    [pairs(), without_blocks(), mounts()].concat()
}

fn pairs() -> Vec<Case> {
    const OTHER: &str = "kernel-facts 5: copy_file_range cross-fs: always EXDEV (overlay to underlying, too); \
        quirks 3: EXDEV again across superblocks";
    let mut cases = Vec::new();
    for (other, itself) in ELSEWHERE {
        let there = format!("@{other}/file");
        let src = || [data(1, 64 * K), hole(64 * K), data(2, 5000)];
        let outcome = copied(64 * K).hole(64 * K).copied(5000);
        cases.push(
            case(format!("copy: to {other}"), OTHER, copy("here", 0, &there, 0, TO_END))
                .file("here", src())
                .file(there.as_str(), data(3, 256 * K))
                .not_on(itself, THE_SAME)
                .on(ALL.but(itself), outcome.clone()),
        );
        cases.push(
            case(format!("copy: from {other}"), OTHER, copy(&there, 0, "here", 0, TO_END))
                .file(there.as_str(), src())
                .file("here", empty())
                .not_on(itself, THE_SAME)
                .on(ALL.but(itself), outcome),
        );
    }
    cases
}

fn without_blocks() -> Vec<Case> {
    const PROC: &str = "kernel-facts 5: procfs source to disk: EXDEV; quirks 3: 0 on procfs/sysfs/tracefs";
    const MEMFD: &str = "kernel-facts 5: cross-fs: memfd; sealed memfd EPERM";
    let memory = |sealed| File::Memfd { pieces: vec![data(1, 64 * K)], sealed };
    vec![
        case("copy: a file of procfs", PROC, copy("src", 0, "dst", 0, TO_END))
            .file("src", File::Host { path: "/proc/version" })
            .file("dst", empty())
            .on(ALL, all_of_it_copied()),
        case("copy: a file of procfs, by a length", PROC, copy("src", 0, "dst", 5000, 1 << 20))
            .file("src", File::Host { path: "/proc/version" })
            .file("dst", data(2, 4 * K))
            .on(ALL, all_of_it_copied()),
        case("copy: the beginning of a file of procfs", PROC, copy("src", 2, "dst", 0, 5))
            .file("src", File::Host { path: "/proc/version" })
            .file("dst", data(2, 4 * K))
            .on(ALL, copied(5)),
        // It says that it has a page of bytes, and has two.
        case("copy: a file of sysfs", PROC, copy("src", 0, "dst", 0, TO_END))
            .file("src", File::Host { path: "/sys/kernel/fscaps" })
            .file("dst", empty())
            .on(ALL, all_of_it_copied()),
        case("copy: from a memfd", MEMFD, copy("src", 0, "dst", 0, TO_END))
            .file("src", memory(false))
            .file("dst", data(2, 4 * K))
            .on(ALL, copied(64 * K)),
        case("copy: from a sealed memfd", MEMFD, copy("src", 0, "dst", 0, TO_END))
            .file("src", memory(true))
            .file("dst", data(2, 4 * K))
            .on(ALL, copied(64 * K)),
        case("copy: to a memfd", MEMFD, copy("src", 0, "dst", 0, TO_END))
            .file("src", data(2, 100_000))
            .file("dst", memory(false))
            .on(ALL, copied(100_000)),
        case("copy refused: to a sealed memfd", MEMFD, copy("src", 0, "dst", 0, TO_END))
            .file("src", data(2, 64 * K))
            .file("dst", memory(true))
            // The reason's own words: "the file is immutable (chattr +i) or sealed".
            .on(ALL, refused(EPERM, Reason::Immutable)),
    ]
}

fn mounts() -> Vec<Case> {
    vec![
        case(
            "copy: to a bind mount",
            "kernel-facts 5: copy_file_range works across bind mounts",
            copy("src", 0, "bound/dst", 0, TO_END),
        )
        .bind("bound", "real", false)
        .file("src", data(1, 64 * K))
        .file("real/dst", data(2, 64 * K))
        .view("bound/dst", "real/dst")
        .on(ALL, copied(64 * K)),
        case(
            "copy: between two overlays",
            "kernel-facts 5: copy_file_range works between overlay mounts with same upper fs (and shares)",
            copy("one/src", 0, "other/dst", 0, TO_END),
        )
        .overlay("one", "one-lower", "one-upper")
        .overlay("other", "other-lower", "other-upper")
        .file("one/src", data(1, 64 * K))
        .file("other/dst", data(2, 64 * K))
        .not_on(OVERLAY, NO_OVERLAY_OVER_OVERLAY)
        .on(ALL.but(OVERLAY), copied(64 * K)),
        case(
            "copy: from the lower layer to the upper",
            "kernel-facts 10: lower to upper, O_RDONLY lower fd: no copy-up",
            copy("merged/src", 0, "merged/dst", 0, TO_END),
        )
        .file("lower/src", [data(1, 64 * K), hole(64 * K)])
        .overlay("merged", "lower", "upper")
        .view("merged/src", "lower/src")
        .file("merged/dst", data(2, 64 * K))
        .not_on(OVERLAY, NO_OVERLAY_OVER_OVERLAY)
        .on(ALL.but(OVERLAY), copied(64 * K).hole(64 * K))
        .after(ALL.but(OVERLAY), After::Absent("upper/src".into())),
    ]
}
