//! Whole files by their paths: what is made, how, and with which metadata.

use super::words::*;

const WHOLE: &str = "contract: built where nobody sees it, published by one link, or by a link and a rename";

fn from(name: &str, cites: &'static str, src: impl Into<File>, call: Call) -> Case {
    case(format!("file: {name}"), cites, call).file("src", src)
}

fn over(name: &str, cites: &'static str, src: impl Into<File>, dst: impl Into<File>, call: Call) -> Case {
    from(name, cites, src, call).file("dst", dst)
}

/// What `clone_or_copy_file` does where nothing is shared.
fn or_copied(case: Case, done: Done) -> Case {
    case.on(EXT4 | TMPFS, done.clone().fallback(Reason::FilesystemCannot))
        .on(XFS_PLAIN, done.fallback(Reason::MountCannot))
}

pub(super) fn cases() -> Vec<Case> {
    [made(), replaced(), metadata(), sources(), deduped()].concat()
}

fn made() -> Vec<Case> {
    let holes = || [data(1, 16 * K), hole(32 * K), data(2, 10_000)];
    vec![
        from("a copy", WHOLE, data(1, 300_000), copy_file("src", "dst")).on(ALL, copied(300_000)),
        from("a copy keeps holes", WHOLE, holes(), copy_file("src", "dst"))
            .on(ALL, copied(16 * K).hole(32 * K).copied(10_000)),
        from("a copy of nothing", WHOLE, empty(), copy_file("src", "dst")).on(ALL, nothing()),
        from("a copy on disk", "contract: durable", data(1, 100_000), copy_file("src", "dst").durable())
            .on(ALL, copied(100_000)),
        from("a clone", WHOLE, data(1, 300_000), clone_file("src", "dst"))
            .on(SHARING, cloned(300_000))
            .refused_where_nothing_is_shared(),
        from("a clone with holes", WHOLE, holes(), clone_file("src", "dst"))
            .on(SHARING, cloned(48 * K + 10_000))
            .refused_where_nothing_is_shared(),
        from(
            "a clone of nothing",
            "kernel-facts 1: an empty source: 0, no-op",
            empty(),
            clone_file("src", "dst"),
        )
        .on(SHARING, nothing())
        // Of no bytes the client says that of every server that does not share.
        .on(SAMBA_EXT4 | KSMBD_EXT4, refused(EINVAL, Reason::Unknown))
        .refused_where_nothing_is_shared(),
        from("a clone on disk", "contract: durable", data(1, 100_000), clone_file("src", "dst").durable())
            .on(SHARING, cloned(100_000))
            .refused_where_nothing_is_shared(),
        from(
            "a clone of a file without copy-on-write",
            "contract: every stage first gets the counterpart's NOCOW (btrfs)",
            file(data(1, 128 * K)).nocow(),
            clone_file("src", "dst"),
        )
        .on(BTRFS, cloned(128 * K))
        .not_on(ALL.but(BTRFS), ONLY_BTRFS),
        or_copied(
            from("either", WHOLE, data(1, 300_000), clone_or_copy_file("src", "dst"))
                .on(SHARING, cloned(300_000)),
            copied(300_000),
        ),
        or_copied(
            from("either, with holes", WHOLE, holes(), clone_or_copy_file("src", "dst"))
                .on(SHARING, cloned(48 * K + 10_000)),
            copied(16 * K).hole(32 * K).copied(10_000),
        ),
        from("either, of nothing", WHOLE, empty(), clone_or_copy_file("src", "dst")).on(ALL, nothing()),
    ]
}

fn replaced() -> Vec<Case> {
    const REPLACE: &str = "contract: for replace by a link to a hidden name and one rename";
    const LINK: &str = "contract: a symlink at the destination is replaced, never followed";
    vec![
        over(
            "a copy over another",
            REPLACE,
            data(1, 64 * K),
            data(2, 99_999),
            copy_file("src", "dst").replace(),
        )
        .on(ALL, copied(64 * K)),
        over(
            "a clone over another",
            REPLACE,
            data(1, 64 * K),
            data(2, 99_999),
            clone_file("src", "dst").replace().durable(),
        )
        .on(SHARING, cloned(64 * K))
        .refused_where_nothing_is_shared(),
        from("replace where nothing is", REPLACE, data(1, 64 * K), copy_file("src", "dst").replace())
            .on(ALL, copied(64 * K)),
        over("a copy over itself", REPLACE, data(1, 64 * K), empty(), copy_file("dst", "src").replace())
            .on(ALL, nothing()),
        from("a copy over a link", LINK, data(1, 64 * K), copy_file("src", "dst").replace())
            .file("precious", data(2, 5000))
            .file("dst", File::Symlink { to: "precious" })
            .on(ALL, copied(64 * K)),
        from("a copy over a FIFO", REPLACE, data(1, 64 * K), copy_file("src", "dst").replace())
            .file("dst", File::Fifo)
            .on(ALL, copied(64 * K)),
    ]
}

fn metadata() -> Vec<Case> {
    const BITS: &str = "contract: metadata by bits; what could not be kept is listed";
    const PLAIN: &str = "contract: by default the source's permission bits without set-id, through the umask";
    let executable = |mode| file(data(1, 10_000)).mode(mode);
    let kept = KEEP_MODE | KEEP_OWNER | KEEP_TIMES | KEEP_XATTRS | KEEP_ACLS;
    vec![
        from("permission bits", PLAIN, executable(0o6751), copy_file("src", "dst"))
            .on(ALL, copied(10_000))
            .after(ALL, After::Mode("dst".into(), 0o751)),
        from("a private file", PLAIN, executable(0o600), copy_file("src", "dst"))
            .on(ALL, copied(10_000))
            .after(ALL, After::Mode("dst".into(), 0o600)),
        from("the mode", BITS, executable(0o6777), copy_file("src", "dst").preserve(KEEP_MODE))
            .on(ALL, copied(10_000))
            .after(ALL, After::Mode("dst".into(), 0o6777)),
        from("the times", BITS, data(1, 10_000), copy_file("src", "dst").preserve(KEEP_TIMES))
            .on(ALL, copied(10_000)),
        from(
            "everything",
            BITS,
            executable(0o4755).owner(NOBODY),
            copy_file("src", "dst").preserve(kept).durable(),
        )
        .on(ALL, copied(10_000))
        .after(ALL, After::Mode("dst".into(), 0o4755)),
        from(
            "everything of a clone",
            BITS,
            executable(0o4755).owner(NOBODY),
            clone_file("src", "dst").preserve(kept),
        )
        .on(SHARING, cloned(10_000))
        .refused_where_nothing_is_shared()
        .after(SHARING, After::Mode("dst".into(), 0o4755)),
        from(
            "set-user-id of another owner",
            "contract: what could not be kept is listed: a program must not begin to run as somebody else",
            executable(0o4755).owner(NOBODY),
            copy_file("src", "dst").preserve(KEEP_MODE),
        )
        .on(ALL, copied(10_000).unkept(KEEP_MODE))
        .after(ALL, After::Mode("dst".into(), 0o755)),
        over(
            "what the replaced file had",
            "contract: destination keeps what the replaced destination had",
            executable(0o777),
            file(data(2, 5000)).mode(0o640),
            copy_file("src", "dst").replace().preserve(KEEP_DESTINATION | KEEP_MODE),
        )
        .on(ALL, copied(10_000))
        .after(ALL, After::Mode("dst".into(), 0o640)),
    ]
}

fn sources() -> Vec<Case> {
    let mut cases = vec![
        from("followed", WHOLE, data(1, 64 * K), copy_file("link", "dst").follow())
            .file("link", File::Symlink { to: "src" })
            .on(ALL, copied(64 * K)),
        case(
            "file: a source that says it is empty",
            "quirks 3: a file of procfs says 0 and has bytes",
            copy_file("src", "dst"),
        )
        .file("src", File::Host { path: "/proc/version" })
        .on(ALL, all_of_it_copied()),
        case(
            "file: either, of a source that says it is empty",
            "quirks 3: a file of procfs says 0 and has bytes",
            clone_or_copy_file("src", "dst"),
        )
        .file("src", File::Host { path: "/proc/version" })
        .on(ALL, all_of_it_copied().fallback(Reason::DifferentFilesystem)),
    ];
    for (name, itself) in ELSEWHERE {
        let src = format!("@{name}/src");
        let file = |call| {
            case(format!("file: from {name}, {}", call_name(&call)), "contract: a clone is EXDEV", call)
                .file(src.clone(), data(1, 64 * K))
                .not_on(itself, THE_SAME)
        };
        cases.push(file(copy_file(&src, "dst")).on(ALL.but(itself), copied(64 * K)));
        cases.push(
            file(clone_file(&src, "dst")).on(ALL.but(itself), refused(EXDEV, Reason::DifferentFilesystem)),
        );
        cases.push(
            file(clone_or_copy_file(&src, "dst"))
                .on(ALL.but(itself), copied(64 * K).fallback(Reason::DifferentFilesystem)),
        );
    }
    cases
}

fn call_name(call: &Call) -> &'static str {
    call.verb.name()
}

fn deduped() -> Vec<Case> {
    const FILES: &str = "contract: dedupe_files opens its files itself, and tells the outcome of each";
    let nothing_told = |target: Target| target.unmeasured();
    vec![
        case(
            "dedupe files: one of each",
            FILES,
            dedupe_files(
                "src",
                &["same", "read-only", "differs", "shorter", "missing", "link", "src", "same"],
            ),
        )
        .file("src", file(data(1, 64 * K)).synced())
        .file("same", file(data(1, 64 * K)).synced())
        .file("read-only", file(data(1, 64 * K)).mode(0o400).synced())
        .file("differs", file([data(1, 32 * K), data(2, 32 * K)]).synced())
        .file("shorter", file(data(1, 60 * K)).synced())
        .file("link", File::Symlink { to: "same" })
        .on(
            XFS | BTRFS | OVERLAY,
            [
                same(64 * K),
                same(64 * K),
                differs(32 * K),
                nothing_told(Target { differs_at: None, ..differs(0) }),
                nothing_told(failed(ENOENT, Reason::NotFound)),
                nothing_told(failed(ELOOP, Reason::TooManyLinks)),
                same(64 * K).shared(0).already(64 * K),
                same(64 * K).shared(0).already(64 * K),
            ],
        )
        .not_on(XFS_PLAIN, "refused for each target: dedupe files: where nothing is shared")
        .on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot)),
        case("dedupe files: where nothing is shared", FILES, dedupe_files("src", &["same"]))
            .file("src", file(data(1, 64 * K)).synced())
            .file("same", file(data(1, 64 * K)).synced())
            .on(SHARING, [same(64 * K)])
            .on(XFS_PLAIN, [failed(EOPNOTSUPP, Reason::MountCannot)])
            .on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot)),
        case("dedupe files: no source", FILES, dedupe_files("missing", &["same"]))
            .file("same", data(1, 64 * K))
            .on(ALL, refused(ENOENT, Reason::NotFound)),
        case("dedupe files: none", FILES, dedupe_files("src", &[]))
            .file("src", data(1, 64 * K))
            .on(SHARING | XFS_PLAIN, targets([]))
            .on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot)),
    ]
}
