//! Whole directories: what is made, and what is refused with nothing made.

use super::words::*;

const WHOLE: &str = "contract: whole directories, everything that cp -a keeps, published by one rename";
const NAME: &str = "contract: replace = no is the default; replace exchanges old and new";
const INSIDE: &str = "contract: an error leaves the destination as it was, and the source too";
const BY: &str = "contract: paths are relative to a directory's descriptor";
const RAISES: &str = "Python stops by raising, which is another answer";

/// A file with a hole, a small one, a symbolic link and a FIFO, in two directories.
fn grown(name: &str, cites: &'static str, call: Call) -> Case {
    case(format!("tree: {name}"), cites, call)
        .file("src/large", [data(1, 64 * K), hole(64 * K), data(2, 10_000)])
        .file("src/inner/small", data(3, 1000))
        .file("src/inner/link", File::Symlink { to: "small" })
        .file("src/inner/fifo", File::Fifo)
}

/// One file alone, so that there is one that fails first.
fn one(name: &str, cites: &'static str, call: Call) -> Case {
    case(format!("tree: {name}"), cites, call).file("src/inner/file", data(1, 64 * K))
}

const GROWN: Tree = Tree {
    files: 2,
    directories: 2,
    links: 0,
    specials: 2,
    copied: 64 * K + 11_000,
    cloned: 0,
    hole: 64 * K,
    fallback: None,
};
const ONE: Tree = Tree { files: 1, directories: 2, copied: 64 * K, specials: 0, hole: 0, ..GROWN };

/// As bytes that are cloned, holes among them.
fn shared(tree: Tree) -> Tree {
    Tree { copied: 0, cloned: tree.copied + tree.hole, hole: 0, ..tree }
}

type Make = fn(&str, &str) -> Call;
const EACH: [Make; 3] = [copy_tree, clone_tree, clone_or_copy_tree];

/// Each verb.
fn each(make: impl Fn(Make) -> Case) -> impl Iterator<Item = Case> {
    EACH.into_iter().map(move |verb| {
        let case = make(verb);
        let name = format!("{}, {}", case.name, case.call.verb.name());
        Case { name, ..case }
    })
}

/// `clone_tree` of one file where nothing is shared.
fn or_refused(case: Case) -> Case {
    case.on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot).at("inner/file"))
        .on(XFS_PLAIN, refused(EOPNOTSUPP, Reason::MountCannot).at("inner/file"))
}

pub(super) fn cases() -> Vec<Case> {
    [made(), replaced(), refusals(), limits()].concat()
}

fn made() -> Vec<Case> {
    let fallback = |reason| Tree { fallback: Some(reason), ..GROWN };
    let mut cases = vec![
        grown("a copy", WHOLE, copy_tree("src", "dst")).on(ALL, GROWN),
        grown("a copy on disk", WHOLE, copy_tree("src", "dst").durable()).on(ALL, GROWN),
        grown("a clone", WHOLE, clone_tree("src", "dst"))
            .on(SHARING, shared(GROWN))
            .not_on(NOT_SHARING, "which of two files fails first is not said: tree: a clone of one file")
            .after(SHARING, After::Shared("src/large".into(), "dst/large".into(), 64 * K + 12 * K)),
        or_refused(one("a clone of one file", WHOLE, clone_tree("src", "dst")).on(SHARING, shared(ONE))),
        grown("either: what btrfs keeps in inodes is copied", WHOLE, clone_or_copy_tree("src", "dst"))
            .on(SHARING.but(BTRFS), shared(GROWN))
            .on(BTRFS, Tree { cloned: 128 * K + 10_000, copied: 1000, hole: 0, ..GROWN })
            .on(EXT4 | TMPFS, fallback(Reason::FilesystemCannot))
            .on(XFS_PLAIN, fallback(Reason::MountCannot)),
        case("tree: of nothing", WHOLE, clone_tree("src", "dst"))
            .file("src", File::Directory)
            .on(ALL, Tree { directories: 1, ..Tree::default() }),
        grown("by descriptors of directories", BY, copy_tree("src", "dst").by(By::Directory)).on(ALL, GROWN),
        grown("of an open directory", BY, copy_tree("src", "dst").by(By::Open)).on(ALL, GROWN),
    ];
    for (name, itself) in ELSEWHERE {
        let src = match name {
            "xfs2" | "ext4" => format!("@{name}/src"),
            _ => continue,
        };
        let from = |call| {
            case(format!("tree: from {name}, {}", call_name(&call)), "contract: a clone is EXDEV", call)
                .file(format!("{src}/inner/file"), data(1, 64 * K))
                .not_on(itself, THE_SAME)
        };
        cases.push(from(copy_tree(&src, "dst")).on(ALL.but(itself), ONE));
        cases.push(
            from(clone_tree(&src, "dst"))
                .on(ALL.but(itself), refused(EXDEV, Reason::DifferentFilesystem).at("inner/file")),
        );
        cases.push(
            from(clone_or_copy_tree(&src, "dst"))
                .on(ALL.but(itself), Tree { fallback: Some(Reason::DifferentFilesystem), ..ONE }),
        );
    }
    cases
}

fn call_name(call: &Call) -> &'static str {
    call.verb.name()
}

fn replaced() -> Vec<Case> {
    let with_old = |case: Case| case.file("dst/old", data(4, 5000));
    let cannot = refused(EOPNOTSUPP, Reason::CannotExchange);
    vec![
        with_old(grown("a copy over a tree", NAME, copy_tree("src", "dst").replace()))
            .on(ALL, GROWN)
            .on(NO_EXCHANGE, cannot),
        or_refused(
            with_old(one("a clone over a tree", NAME, clone_tree("src", "dst").replace()))
                .on(SHARING, shared(ONE))
                .on(OCFS2 | REMOTE_SHARING, cannot),
        ),
        one("a copy over a file", NAME, copy_tree("src", "dst").replace())
            .file("dst", data(4, 5000))
            .on(ALL, ONE)
            .on(NO_EXCHANGE, cannot),
        one("replace where nothing is", NAME, copy_tree("src", "dst").replace()).on(ALL, ONE),
        one("a copy over a link", NAME, copy_tree("src", "dst").replace())
            .file("precious/file", data(4, 5000))
            .file("dst", File::Symlink { to: "precious" })
            .on(ALL, ONE)
            .on(NO_EXCHANGE, cannot),
    ]
}

fn refusals() -> Vec<Case> {
    let refusals = [
        ("a taken name", "src", "taken", false, EEXIST, Reason::Exists),
        ("a taken name, of a file", "src", "file", false, EEXIST, Reason::Exists),
        ("no source", "missing", "dst", false, ENOENT, Reason::NotFound),
        ("no directory for it", "src", "missing/dst", false, ENOENT, Reason::NotFound),
        ("a file as source", "file", "dst", false, ENOTDIR, Reason::NotDirectory),
        ("a link as source", "link", "dst", false, ENOTDIR, Reason::NotDirectory),
        ("a file as its directory", "src", "file/dst", false, ENOTDIR, Reason::NotDirectory),
        ("inside of itself", "src", "src/inner/dst", false, EINVAL, Reason::InsideSource),
        ("over itself", "src", "src", true, EINVAL, Reason::InsideDestination),
        ("over what it is inside of", "src/inner", "src", true, EINVAL, Reason::InsideDestination),
        ("a directory's name", "src", "taken/", true, EISDIR, Reason::InvalidName),
    ];
    let mut cases = Vec::new();
    for (name, src, dst, replace, errno, reason) in refusals {
        cases.extend(each(|verb| {
            let call = if replace { verb(src, dst).replace() } else { verb(src, dst) };
            one(&format!("refused: {name}"), INSIDE, call)
                .file("taken/old", data(2, 5000))
                .file("file", data(3, 5000))
                .file("link", File::Symlink { to: "src" })
                .on(ALL, refused(errno, reason))
        }));
    }
    cases.extend(each(|verb| {
        one("refused: cancelled before", "contract: cancelling publishes nothing", {
            verb("src", "dst").cancel(Cancel::Before)
        })
        .on(ALL, refused(ECANCELED, Reason::Cancelled))
        .not_from(Face::Python, RAISES)
    }));
    cases
}

/// A file that fails is named, and the old tree stays.
fn limits() -> Vec<Case> {
    let limit = |verb: Make| {
        one("refused: a file past the limit", "contract: file-size limit", {
            verb("src", "dst").replace().limit(32 * K)
        })
        .file("dst/old", data(2, 5000))
    };
    each(limit).map(|case| case.on(ALL, refused(EFBIG, Reason::FileSizeLimit).at("inner/file"))).collect()
}
