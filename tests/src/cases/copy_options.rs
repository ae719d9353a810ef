//! The options of `copy_range` and `clone_or_copy_range`: what becomes of holes and of the page cache, and who copies.

use super::words::*;

fn whole(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>, call: Call) -> Case {
    case(format!("copy options: {name}"), cites, call).file("src", src).file("dst", dst)
}

fn all() -> Call {
    copy("src", 0, "dst", 0, TO_END)
}

pub(super) fn cases() -> Vec<Case> {
    [filled(), detected(), neutral(), server()].concat()
}

fn filled() -> Vec<Case> {
    const FILL: &str = "contract: sparse = fill writes holes out";
    let fill = || all().choose("sparse", "fill");
    vec![
        whole(
            "fill: holes of all places",
            FILL,
            [hole(64 * K), data(1, 64 * K), hole(64 * K)],
            empty(),
            fill(),
        )
        .on(ALL, copied(192 * K))
        .after(ALL, After::Allocated("dst".into(), 192 * K)),
        whole("fill: nothing but a hole", FILL, hole(2 * M), empty(), fill()).on(ALL, copied(2 * M)),
        whole("fill: over data", FILL, [data(1, 16 * K), hole(48 * K)], data(2, 128 * K), fill())
            .on(ALL, copied(64 * K)),
        whole("fill: over a hole", FILL, hole(64 * K), hole(64 * K), fill()).on(ALL, copied(64 * K)),
        whole("fill: preallocated space", FILL, [data(1, 16 * K), unwritten(48 * K)], empty(), fill())
            .on(ALL, copied(64 * K)),
        whole("fill: a ragged end", FILL, [data(1, 4 * K), hole(10_000)], empty(), fill())
            .on(ALL, copied(4 * K + 10_000)),
    ]
}

fn detected() -> Vec<Case> {
    const DETECT: &str = "contract: sparse = detect also turns long runs of zeros into holes";
    let detect = || all().choose("sparse", "detect");
    let zeros_between = || [data(1, 16 * K), zeros(32 * K), data(2, 16 * K)];
    vec![
        whole("detect: zeros that were written", DETECT, zeros_between(), empty(), detect())
            .on(ALL, copied(16 * K).hole(32 * K).copied(16 * K))
            .after(ALL, After::Allocated("dst".into(), 32 * K)),
        whole("detect: over data", DETECT, zeros_between(), data(3, 128 * K), detect())
            .on(ALL, copied(16 * K).hole(32 * K).copied(16 * K)),
        whole(
            "detect: zeros and holes",
            DETECT,
            [zeros(16 * K), hole(16 * K), data(1, 4 * K), zeros(4 * K)],
            empty(),
            detect(),
        )
        .on(ALL, a_hole(32 * K).copied(4 * K).hole(4 * K)),
        whole(
            "detect: less than a page of zeros",
            DETECT,
            [data(1, 6 * K), zeros(4 * K), data(2, 6 * K)],
            empty(),
            detect(),
        )
        .on(ALL, copied(16 * K)),
        whole("detect: nothing but zeros, in several steps", DETECT, zeros(3 * M), data(2, M), detect())
            .on(ALL, a_hole(3 * M)),
        whole("detect: no zeros", DETECT, data(1, 3 * M + 100), empty(), detect())
            .on(ALL, copied(3 * M + 100)),
        whole("detect: preallocated space", DETECT, [data(1, 16 * K), unwritten(48 * K)], empty(), detect())
            .on(ALL, copied(16 * K).hole(48 * K)),
    ]
}

fn neutral() -> Vec<Case> {
    const NEUTRAL: &str = "contract: cache = neutral";
    let neutral = || all().choose("cache", "neutral");
    vec![
        whole("neutral: several windows", NEUTRAL, data(1, 9 * M + 100), empty(), neutral())
            .on(ALL, copied(9 * M + 100)),
        whole("neutral: over data", NEUTRAL, data(1, 5 * M), data(2, 9 * M), neutral())
            .on(ALL, copied(5 * M)),
        whole(
            "neutral: odd offsets",
            NEUTRAL,
            data(1, 5 * M),
            data(2, 64 * K),
            copy("src", 100, "dst", 5000, TO_END).choose("cache", "neutral"),
        )
        .on(ALL, copied(5 * M - 100)),
        whole(
            "neutral: holes",
            NEUTRAL,
            [data(1, 5 * M), hole(9 * M), data(2, 16 * K), hole(64 * K)],
            empty(),
            neutral(),
        )
        .on(ALL, copied(5 * M).hole(9 * M).copied(16 * K).hole(64 * K)),
        whole("neutral: holes over data", NEUTRAL, [hole(5 * M), data(2, 16 * K)], data(3, 6 * M), neutral())
            .on(ALL, a_hole(5 * M).copied(16 * K)),
        whole(
            "neutral: file-size limit inside",
            NEUTRAL,
            data(1, 6 * M),
            empty(),
            neutral().limit(5 * M + 512 * K),
        )
        .on(ALL, copied(5 * M + 512 * K).ended(EFBIG, Reason::FileSizeLimit)),
        whole(
            "neutral and detect",
            NEUTRAL,
            [data(1, M), zeros(5 * M), data(2, M)],
            empty(),
            neutral().choose("sparse", "detect"),
        )
        .on(ALL, copied(M).hole(5 * M).copied(M)),
    ]
}

/// On a local filesystem nothing may change.
fn server() -> Vec<Case> {
    const SERVER: &str =
        "contract: the syscall is used only with server = allow on filesystems where a server does it";
    let allow = |call: Call| call.choose("server", "allow");
    vec![
        whole("server: a whole file", SERVER, data(1, 5 * M), empty(), allow(all()))
            .on(ALL, copied(5 * M))
            .on(NFS42 | SMB, by_a_server(5 * M)),
        whole("server: holes", SERVER, [data(1, M), hole(M)], empty(), allow(all()))
            .on(ALL, copied(M).hole(M))
            // Where the client has a map; elsewhere what may have holes is read.
            .on(SMB, by_a_server(M).hole(M)),
        whole(
            "server: clone_or_copy of what cannot be cloned",
            SERVER,
            data(1, 64 * K),
            empty(),
            allow(clone_or_copy("src", 1, "dst", 0, TO_END)),
        )
        .on(SHARING, copied(64 * K - 1).fallback(Reason::Misaligned))
        .on(XFS_PLAIN, copied(64 * K - 1).fallback(Reason::MountCannot))
        .on(EXT4 | TMPFS, copied(64 * K - 1).fallback(Reason::FilesystemCannot))
        .on(NFS42 | SMB, by_a_server(64 * K - 1).fallback(Reason::Misaligned))
        .on(NFS41 | NFS3, copied(64 * K - 1).fallback(Reason::Misaligned)),
    ]
}
