//! `copy_range` and holes: they stay holes, also where the destination had data; and nothing that was written is
//! taken for one.

use super::words::*;

fn files(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>, call: Call) -> Case {
    case(format!("copy holes: {name}"), cites, call).file("src", src).file("dst", dst)
}

fn whole(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>) -> Case {
    files(name, cites, src, dst, copy("src", 0, "dst", 0, TO_END))
}

pub(super) fn cases() -> Vec<Case> {
    [kept(), ragged(), not_written(), written_lately()].concat()
}

fn kept() -> Vec<Case> {
    const SPARSE: &str =
        "kernel-facts 5: sparse 64 MiB (1 block): copy_file_range fills holes on ext4, tmpfs, XFS";
    const RESERVED: &str =
        "contract: holes stay holes; XFS reserves space behind the end of a file that grows";
    const EMPTY: &str = "kernel-facts 6: all-hole: SEEK_DATA ENXIO";
    const ZEROS: &str = "kernel-facts 6: written zeros are data";
    vec![
        whole("one block in 8 MiB", SPARSE, [hole(4 * M), data(1, 4 * K), hole(4 * M - 4 * K)], empty())
            .on(ALL, a_hole(4 * M).copied(4 * K).hole(4 * M - 4 * K))
            .after(ALL, After::Allocated("dst".into(), 4 * K)),
        whole("between megabytes of data", SPARSE, [data(1, M), hole(M), data(2, M)], empty())
            .on(ALL, copied(M).hole(M).copied(M))
            .after(ALL, After::Allocated("dst".into(), 2 * M)),
        whole("behind much data", RESERVED, [data(1, 5 * M), hole(9 * M), data(2, 4 * K)], empty())
            .on(ALL, copied(5 * M).hole(9 * M).copied(4 * K)),
        whole("at the beginning", SPARSE, [hole(64 * K), data(1, 64 * K)], empty())
            .on(ALL, a_hole(64 * K).copied(64 * K)),
        whole("at the end", SPARSE, [data(1, 64 * K), hole(64 * K)], empty())
            .on(ALL, copied(64 * K).hole(64 * K))
            .after(ALL, After::Allocated("dst".into(), 64 * K)),
        whole(
            "many",
            SPARSE,
            [
                data(1, 4 * K),
                hole(4 * K),
                data(2, 8 * K),
                hole(8 * K),
                data(3, 4 * K),
                hole(64 * K),
                data(4, 4 * K),
            ],
            empty(),
        )
        .on(
            ALL,
            copied(4 * K).hole(4 * K).copied(8 * K).hole(8 * K).copied(4 * K).hole(64 * K).copied(4 * K),
        ),
        whole("nothing but a hole", EMPTY, hole(64 * K), empty())
            .on(ALL, a_hole(64 * K))
            .not_on(SMB, "the server sets no time as long as who only makes the file longer has it open"),
        whole("nothing but a hole, over data", EMPTY, hole(64 * K), data(2, 64 * K)).on(ALL, a_hole(64 * K)),
        whole("nothing but a hole, over more data", EMPTY, hole(32 * K), data(2, 64 * K))
            .on(ALL, a_hole(32 * K)),
        whole("over data", SPARSE, [data(1, 16 * K), hole(32 * K), data(3, 16 * K)], data(2, 64 * K))
            .on(ALL, copied(16 * K).hole(32 * K).copied(16 * K)),
        whole("past the end of data", SPARSE, [data(1, 16 * K), hole(48 * K)], data(2, 32 * K))
            .on(ALL, copied(16 * K).hole(48 * K)),
        files(
            "behind the destination's end",
            SPARSE,
            [data(1, 16 * K), hole(48 * K)],
            data(2, 5000),
            copy("src", 0, "dst", 64 * K, TO_END),
        )
        .on(ALL, copied(16 * K).hole(48 * K)),
        whole("over shared blocks", SPARSE, [data(1, 32 * K), hole(32 * K)], clone_of("src", 0, 64 * K))
            .on(SHARING, copied(32 * K).hole(32 * K))
            .not_on(NOT_SHARING, "no file can share blocks beforehand"),
        whole("zeros that were written", ZEROS, [data(1, 16 * K), zeros(32 * K), data(2, 16 * K)], empty())
            .on(ALL, copied(64 * K)),
        whole("zeros that were written, beside a hole", ZEROS, [zeros(32 * K), hole(32 * K)], empty())
            .on(MAPPED, copied(32 * K).hole(32 * K))
            // Without a map only reading tells, and zeros are zeros.
            .on(TMPFS, a_hole(64 * K)),
    ]
}

/// Ranges and holes that do not end on blocks.
fn ragged() -> Vec<Case> {
    const PUNCH: &str = "kernel-facts 6: unaligned punch zeroes partial blocks, frees inner ones";
    vec![
        files(
            "to an odd offset",
            PUNCH,
            [data(1, 4 * K), hole(64 * K), data(3, 4 * K)],
            data(2, 128 * K),
            copy("src", 0, "dst", 100, TO_END),
        )
        .on(MAPPED, copied(4 * K).hole(64 * K).copied(4 * K))
        // Whole pages of zeros become holes; the ends are written.
        .on(TMPFS, copied(8092).hole(60 * K).copied(4196)),
        files(
            "to an odd offset of an empty file",
            PUNCH,
            [data(1, 4 * K), hole(64 * K), data(3, 4 * K)],
            empty(),
            copy("src", 0, "dst", 2 * K, TO_END),
        )
        .on(MAPPED, copied(4 * K).hole(64 * K).copied(4 * K))
        .on(TMPFS, copied(6 * K).hole(60 * K).copied(6 * K)),
        files(
            "from inside to inside",
            PUNCH,
            hole(64 * K),
            data(2, 64 * K),
            copy("src", 100, "dst", 5000, 20_000),
        )
        .on(MAPPED, a_hole(20_000))
        .on(TMPFS, copied(3192).hole(16 * K).copied(424)),
        files("less than a block", PUNCH, hole(64 * K), data(2, 64 * K), copy("src", 0, "dst", 100, 200))
            .on(MAPPED, a_hole(200))
            .on(TMPFS, copied(200)),
        whole("a ragged end", PUNCH, [data(1, 4 * K), hole(10_000)], empty())
            .on(MAPPED, copied(4 * K).hole(10_000))
            .on(TMPFS, copied(4 * K).hole(8 * K).copied(10_000 - 8 * K)),
        whole("a ragged end over data", PUNCH, [data(1, 4 * K), hole(10_000)], data(2, 64 * K))
            .on(MAPPED, copied(4 * K).hole(10_000))
            .on(TMPFS, copied(4 * K).hole(8 * K).copied(10_000 - 8 * K)),
    ]
}

/// fallocate(2) without a write.
fn not_written() -> Vec<Case> {
    const SEEK: &str =
        "kernel-facts 6: fallocated-unwritten = hole, but after reading it XFS/ext4 report DATA";
    const CLONED: &str =
        "kernel-facts 6: clone of a preallocated file: btrfs UNWRITTEN|SHARED, SEEK_DATA gave data";
    // tmpfs has no map, and asking lseek(2) would move the caller's position: its zeros are written.
    vec![
        whole("preallocated", SEEK, [data(1, 16 * K), unwritten(48 * K)], empty())
            .on(MAPPED, copied(16 * K).hole(48 * K))
            .on(TMPFS, copied(64 * K)),
        whole("preallocated and read", SEEK, unwritten(64 * K), data(2, 64 * K))
            .meanwhile(Meanwhile::Read("src".into()))
            .on(MAPPED, a_hole(64 * K))
            .on(TMPFS, copied(64 * K)),
        whole("over preallocated space", SEEK, [data(1, 32 * K), hole(32 * K)], unwritten(64 * K))
            .on(ALL, copied(32 * K).hole(32 * K)),
        case("copy holes: a clone of preallocated space", CLONED, copy("src", 0, "dst", 0, TO_END))
            .file("first", unwritten(64 * K))
            .file("src", clone_of("first", 0, 64 * K))
            .file("dst", empty())
            .on(SHARING, a_hole(64 * K))
            .not_on(NOT_SHARING, "no file can share blocks beforehand"),
    ]
}

/// Data that is not on disk yet.
fn written_lately() -> Vec<Case> {
    const DIRTY: &str =
        "kernel-facts 6: dirty cache over hole and over unwritten reported as data before fsync";
    let stored = |name: &str, src: File, at| {
        whole(name, DIRTY, src, data(2, 128 * K)).meanwhile(Meanwhile::StoreMapped {
            path: "src".into(),
            at,
            seed: 3,
        })
    };
    vec![
        stored("a store to a hole", hole(64 * K).into(), 0).on(ALL, copied(4 * K).hole(60 * K)),
        stored("a store inside a hole", hole(64 * K).into(), 32 * K)
            .on(ALL, a_hole(32 * K).copied(4 * K).hole(28 * K)),
        stored("a store to preallocated space", unwritten(64 * K).into(), 32 * K)
            .on(MAPPED, a_hole(32 * K).copied(4 * K).hole(28 * K))
            .on(TMPFS, copied(64 * K)),
        case(
            "copy holes: a store beside shared blocks",
            "kernel-facts 9: dirty data without FIEMAP_FLAG_SYNC",
            copy("src", 0, "dst", 0, TO_END),
        )
        .file("first", data(1, 64 * K))
        .file("src", [clone_of("first", 0, 64 * K), hole(64 * K)])
        .file("dst", empty())
        .meanwhile(Meanwhile::StoreMapped { path: "src".into(), at: 0, seed: 3 })
        .meanwhile(Meanwhile::StoreMapped { path: "src".into(), at: 64 * K, seed: 4 })
        .on(SHARING, copied(68 * K).hole(60 * K))
        .not_on(NOT_SHARING, "no file can share blocks beforehand"),
    ]
}
