//! Whole files from sources that others may write to: each way on each filesystem, and what is refused.

use super::words::*;

const WAYS: &str = "contract: stable source: none, detect, lock, lease, snapshot, best";
const BINDS: &str = "contract: a lease that does not bind is no lease: EOPNOTSUPP";

/// Where not every change is known to be stamped.
const UNSTAMPED: On = OCFS2.and(F2FS).and(NILFS2).and(REMOTE).and(FUSE);

fn from(name: &str, call: Call) -> Case {
    case(format!("stable: {name}"), WAYS, call).file("src", data(1, 64 * K))
}

/// The source is nobody's but the library's.
fn alone(name: &str, call: Call) -> Case {
    from(name, call).meanwhile(Meanwhile::UntilNobodyWrites("src".into()))
}

/// Somebody has the source open for writing.
fn written(name: &str, call: Call) -> Case {
    from(&format!("{name}, of a file that is open for writing"), call)
        .meanwhile(Meanwhile::OpenToWrite("src".into()))
}

fn held(way: &'static str) -> Done {
    copied(64 * K).held(way)
}

fn shared(way: &'static str) -> Done {
    cloned(64 * K).held(way)
}

fn copy(way: &'static str) -> Call {
    copy_file("src", "dst").stable(way)
}

fn clone(way: &'static str) -> Call {
    clone_file("src", "dst").stable(way)
}

fn no_way() -> Refused {
    refused(EOPNOTSUPP, Reason::FilesystemCannot)
}

pub(super) fn cases() -> Vec<Case> {
    [copies(), clones(), refusals()].concat()
}

fn copies() -> Vec<Case> {
    vec![
        from("none", copy("none")).on(ALL, held("none")),
        from("detect", copy("detect")).on(MAPPED, held("detect")).on(TMPFS | UNSTAMPED, no_way()),
        written("detect", copy("detect")).on(MAPPED, held("detect")).on(TMPFS | UNSTAMPED, no_way()),
        from("lock", copy("lock")).on(ALL, held("lock")),
        written("lock", copy("lock")).on(ALL, held("lock")),
        alone("lease", copy("lease"))
            .on(ALL.but(OVERLAY), held("lease"))
            .on(OVERLAYS | FUSE | NFS3, no_way()),
        from("snapshot", copy("snapshot"))
            .on(SHARING | REMOTE_SHARING, held("snapshot"))
            .on(OVERLAY_EXT4, no_way())
            .refused_where_nothing_is_shared(),
        written("snapshot", copy("snapshot"))
            .on(SHARING | REMOTE_SHARING, held("snapshot"))
            .on(OVERLAY_EXT4, no_way())
            .refused_where_nothing_is_shared(),
        from("snapshot in another directory", copy_file("src", "dst").snapshot_in("scratch"))
            .file("scratch", File::Directory)
            .on(SHARING | REMOTE_SHARING, held("snapshot"))
            .on(OVERLAY_EXT4, no_way())
            .refused_where_nothing_is_shared(),
        alone("best", copy("best"))
            .on(SHARING, held("snapshot"))
            .on(NOT_SHARING, held("lease"))
            .on(FUSE | NFS3, no_way())
            .on(OVERLAY_EXT4, held("detect")),
        written("best", copy("best"))
            .on(SHARING | REMOTE_SHARING, held("snapshot"))
            .on(NOT_SHARING.but(TMPFS) | OVERLAY_EXT4, held("detect"))
            .on(TMPFS | F2FS | NILFS2 | SAMBA_EXT4 | KSMBD_EXT4, no_way()),
        from("best, of an open file", copy("best").by(By::Open))
            .on(SHARING | REMOTE_SHARING, held("snapshot"))
            .on(NOT_SHARING.but(TMPFS) | OVERLAY_EXT4, held("detect"))
            .on(TMPFS | F2FS | NILFS2 | SAMBA_EXT4 | KSMBD_EXT4, no_way()),
        from("detect, of an open file", copy("detect").by(By::Open))
            .on(MAPPED, held("detect"))
            .on(TMPFS | UNSTAMPED, no_way()),
    ]
}

fn clones() -> Vec<Case> {
    let way = |way| (format!("clone, {way}"), clone(way));
    let mut cases = vec![
        from("clone, snapshot", clone("snapshot"))
            .on(SHARING, shared("snapshot"))
            .refused_where_nothing_is_shared(),
        alone("clone, lease", clone("lease"))
            .on(SHARING.but(OVERLAY), shared("lease"))
            .on(OVERLAYS, no_way())
            .refused_where_nothing_is_shared(),
        from("either, best", clone_or_copy_file("src", "dst").stable("best"))
            .meanwhile(Meanwhile::UntilNobodyWrites("src".into()))
            .on(SHARING, shared("snapshot"))
            .on(EXT4 | TMPFS, held("lease").fallback(Reason::FilesystemCannot))
            .on(XFS_PLAIN, held("lease").fallback(Reason::MountCannot))
            .on(OVERLAY_EXT4, held("detect").fallback(Reason::FilesystemCannot))
            .on(FUSE | NFS3, no_way()),
    ];
    for (name, call) in [way("detect"), way("lock")] {
        let stable = call.file.stable.expect("a way");
        let case = from(&name, call).on(SHARING, shared(stable)).refused_where_nothing_is_shared();
        cases.push(if stable == "detect" { case.on(OCFS2 | REMOTE | FUSE, no_way()) } else { case });
    }
    cases
}

fn refusals() -> Vec<Case> {
    const OPEN: &str =
        "contract: these verbs open their own descriptors: the caller's may have locks and leases of its own";
    let mut cases = vec![
        Case { cites: BINDS, ..written("lease", copy("lease")) }
            .on(ALL.but(OVERLAY), refused(EAGAIN, Reason::InUse))
            .on(OVERLAYS | FUSE | NFS3, no_way()),
        written("clone, lease", clone("lease"))
            .on(ALL.but(OVERLAY), refused(EAGAIN, Reason::InUse))
            .on(OVERLAYS | FUSE | NFS3, no_way()),
    ];
    for way in ["lock", "lease"] {
        let case = from(&format!("{way}, of an open file"), copy(way).by(By::Open));
        cases.push(Case { cites: OPEN, ..case }.on(ALL, refused(EINVAL, Reason::InvalidArgument)));
    }
    for (name, itself) in ELSEWHERE {
        let scratch = match name {
            "xfs2" => "@xfs2/scratch",
            "ext4" => "@ext4/scratch",
            _ => continue,
        };
        cases.push(
            from(&format!("snapshot in a directory of {name}"), copy_file("src", "dst").snapshot_in(scratch))
                .file(scratch, File::Directory)
                .on(ALL.but(itself), refused(EXDEV, Reason::DifferentFilesystem))
                .not_on(itself, THE_SAME),
        );
    }
    cases
}
