//! Whole files by their paths: what is refused, with nothing made and nothing touched.

use super::words::*;

const RAISES: &str = "Python stops by raising, which is another answer";

/// Each verb that makes a file.
fn each(make: impl Fn(fn(&str, &str) -> Call) -> Case) -> Vec<Case> {
    [copy_file as fn(&str, &str) -> Call, clone_file, clone_or_copy_file]
        .into_iter()
        .map(|verb| {
            let case = make(verb);
            let name = format!("{}, {}", case.name, case.call.verb.name());
            Case { name, ..case }
        })
        .collect()
}

pub(super) fn cases() -> Vec<Case> {
    [names(), sources(), read_only(), limits(), cancelled()].concat()
}

fn names() -> Vec<Case> {
    const NAME: &str = "contract: replace = no is the default, and nothing appears that was not asked for";
    let refusals = [
        ("taken", "dst", false, EEXIST, Reason::Exists),
        ("taken by a link", "link", false, EEXIST, Reason::Exists),
        ("taken by a dangling link", "dangling", false, EEXIST, Reason::Exists),
        ("a directory", "folder", true, EISDIR, Reason::NotRegularFile),
        ("a directory's name", "folder/", true, EISDIR, Reason::InvalidName),
        ("a dot", "folder/.", true, EISDIR, Reason::InvalidName),
        ("no directory for it", "missing/dst", true, ENOENT, Reason::NotFound),
        ("a file as its directory", "src/dst", true, ENOTDIR, Reason::NotDirectory),
        ("a loop on the way", "loop/dst", true, ELOOP, Reason::TooManyLinks),
    ];
    let mut cases = Vec::new();
    for (name, dst, replace, errno, reason) in refusals {
        cases.extend(each(|verb| {
            let call = if replace { verb("src", dst).replace() } else { verb("src", dst) };
            with_neighbours(case(format!("file refused: {name}"), NAME, call)).on(ALL, refused(errno, reason))
        }));
    }
    let long = "x".repeat(256);
    cases.extend(each(|verb| {
        with_neighbours(case("file refused: a long name", NAME, verb("src", &long)))
            .on(ALL, refused(ENAMETOOLONG, Reason::InvalidName))
    }));
    cases
}

fn with_neighbours(case: Case) -> Case {
    case.file("src", data(1, 64 * K))
        .file("dst", data(2, 5000))
        .file("folder", File::Directory)
        .file("link", File::Symlink { to: "dst" })
        .file("dangling", File::Symlink { to: "nowhere" })
        .file("loop", File::Symlink { to: "loop" })
}

fn sources() -> Vec<Case> {
    const SOURCE: &str = "contract: symlinks followed only on request; never waits for a FIFO";
    let refusals = [
        ("no source", "missing", ENOENT, Reason::NotFound),
        ("a source below a file", "dst/x", ENOTDIR, Reason::NotDirectory),
        ("a directory as source", "folder", EISDIR, Reason::NotRegularFile),
        ("a FIFO as source", "fifo", ESPIPE, Reason::NotRegularFile),
        ("a device as source", "device", EINVAL, Reason::NotRegularFile),
        ("a link as source", "link", ELOOP, Reason::TooManyLinks),
    ];
    let mut cases = Vec::new();
    for (name, src, errno, reason) in refusals {
        cases.extend(each(|verb| {
            with_neighbours(case(format!("file refused: {name}"), SOURCE, verb(src, "new")))
                .file("fifo", File::Fifo)
                .file("device", File::Host { path: "/dev/null" })
                .on(ALL, refused(errno, reason))
        }));
    }
    cases
}

fn read_only() -> Vec<Case> {
    each(|verb| {
        case(
            "file refused: a read-only mount",
            "kernel-facts 1: dst open rw on ro mount: open: EROFS",
            verb("src", "bound/dst"),
        )
        .bind("bound", "real", true)
        .file("src", data(1, 64 * K))
        .on(ALL, refused(EROFS, Reason::ReadOnly))
    })
}

fn limits() -> Vec<Case> {
    const LIMIT: &str = "kernel-facts 1: RLIMIT_FSIZE: the kernel says EINVAL; contract: file-size limit";
    let with = |case: Case| case.file("src", data(1, 64 * K)).file("dst", data(2, 5000));
    vec![
        with(case(
            "file refused: a copy past the limit",
            LIMIT,
            copy_file("src", "dst").replace().limit(32 * K),
        ))
        .on(ALL, refused(EFBIG, Reason::FileSizeLimit)),
        with(case(
            "file refused: a clone past the limit",
            LIMIT,
            clone_file("src", "dst").replace().limit(32 * K),
        ))
        .on(ALL, refused(EFBIG, Reason::FileSizeLimit)),
    ]
}

fn cancelled() -> Vec<Case> {
    const CANCEL: &str = "contract: cancelling publishes nothing";
    let outcome = || refused(ECANCELED, Reason::Cancelled);
    let mut cases = each(|verb| {
        let call = verb("src", "dst").replace().cancel(Cancel::Before);
        case("file refused: cancelled before", CANCEL, call)
            .file("src", data(1, 64 * K))
            .file("dst", data(2, 5000))
            .on(ALL, outcome())
            .not_from(Face::Python, RAISES)
    });
    let call = copy_file("src", "dst").replace().cancel(Cancel::After(1));
    cases.push(
        case("file refused: cancelled on the way", CANCEL, call)
            .file("src", data(1, 8 * M))
            .file("dst", data(2, 5000))
            .on(ALL, outcome())
            .not_from(Face::Python, RAISES),
    );
    cases
}
