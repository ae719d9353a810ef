//! What a range verb says to descriptors that are no good, and to files that are none.

use super::words::*;

type Verb = fn(&str, u64, &str, u64, u64) -> Call;

const VERBS: [(&str, Verb); 3] = [("copy", copy), ("clone", clone), ("clone or copy", clone_or_copy)];

/// A case for each of the three verbs that move bytes, of 4 KiB from `src` to `dst`.
fn each(name: &str, cites: &'static str, shape: impl Fn(Case) -> Case) -> Vec<Case> {
    let one = |(verb, call): &(&str, Verb)| {
        shape(case(format!("{verb} refused: {name}"), cites, call("src", 0, "dst", 0, 4 * K)))
    };
    VERBS.iter().map(one).collect()
}

/// Only that of one verb.
fn only(verb: Verb, name: &str, cites: &'static str) -> Case {
    let (name_of_verb, _) =
        VERBS.iter().find(|(_, other)| std::ptr::fn_addr_eq(*other, verb)).expect("a verb");
    case(format!("{name_of_verb} refused: {name}"), cites, verb("src", 0, "dst", 0, 4 * K))
}

fn plain() -> Piece {
    data(1, 64 * K)
}

pub(super) fn cases() -> Vec<Case> {
    [access(), not_open(), directories(), pipes(), devices(), links()].concat()
}

/// Opened in a way that does not fit.
fn access() -> Vec<Case> {
    const ACCESS: &str = "kernel-facts 1, 5: dst O_RDONLY; src O_WRONLY; dst opened O_APPEND: EBADF; \
        quirks 3: O_APPEND target";
    const PATH: &str = "kernel-facts 1, 5: O_PATH either side: EBADF";
    let mut cases = Vec::new();
    for (name, cites, src, dst, reason) in [
        ("destination O_RDONLY", ACCESS, O_RDONLY, O_RDONLY, Reason::NotOpenForThat),
        ("source O_WRONLY", ACCESS, O_WRONLY, O_RDWR, Reason::NotOpenForThat),
        ("destination O_APPEND", ACCESS, O_RDONLY, O_RDWR | O_APPEND, Reason::AppendOnly),
        ("destination O_WRONLY and O_APPEND", ACCESS, O_RDONLY, O_WRONLY | O_APPEND, Reason::AppendOnly),
        ("source O_PATH", PATH, O_PATH, O_RDWR, Reason::NotOpenForThat),
        ("destination O_PATH", PATH, O_RDONLY, O_PATH, Reason::NotOpenForThat),
    ] {
        cases.extend(each(name, cites, |mut case| {
            case.call = case.call.src_flags(src).dst_flags(dst);
            case.file("src", plain()).file("dst", data(2, 64 * K)).on(ALL, refused(EBADF, reason))
        }));
    }
    cases
}

fn not_open() -> Vec<Case> {
    const CLOSED: &str = "kernel-facts 1: bad fd: EBADF";
    const NEGATIVE: &str = "no descriptor of Rust, and no object of Python, is -1";
    let closed = || File::Closed { number: 1000 };
    let negative = || File::Closed { number: -1 };
    let bad = refused(EBADF, Reason::BadDescriptor);
    [
        each("source not open", CLOSED, |case| {
            case.file("src", closed()).file("dst", data(2, 64 * K)).on(ALL, bad)
        }),
        each("destination not open", CLOSED, |case| {
            case.file("src", plain()).file("dst", closed()).on(ALL, bad)
        }),
        each("neither open", CLOSED, |case| {
            case.file("src", closed()).file("dst", File::Closed { number: 1001 }).on(ALL, bad)
        }),
        each("source -1", CLOSED, |case| {
            case.file("src", negative())
                .file("dst", data(2, 64 * K))
                .on(ALL, bad)
                .not_from(Face::Rust, NEGATIVE)
                .not_from(Face::Python, NEGATIVE)
        }),
        each("destination -1", CLOSED, |case| {
            case.file("src", plain())
                .file("dst", negative())
                .on(ALL, bad)
                .not_from(Face::Rust, NEGATIVE)
                .not_from(Face::Python, NEGATIVE)
        }),
    ]
    .concat()
}

fn directories() -> Vec<Case> {
    const DIRECTORY: &str = "kernel-facts 1, 5: directory as src or dst: EISDIR";
    let outcome = refused(EISDIR, Reason::NotRegularFile);
    [
        each("source a directory", DIRECTORY, |case| {
            case.file("src", File::Directory).file("dst", data(2, 64 * K)).on(ALL, outcome)
        }),
        each("destination a directory", DIRECTORY, |mut case| {
            case.call = case.call.dst_flags(O_RDONLY);
            case.file("src", plain()).file("dst", File::Directory).on(ALL, outcome)
        }),
    ]
    .concat()
}

fn pipes() -> Vec<Case> {
    const FIFO: &str = "kernel-facts 1: FIFO located on the same fs: EINVAL (either side); 5: fifo EINVAL";
    const PIPE: &str = "kernel-facts 1: pipe, socket, eventfd: EXDEV; 5: pipe, socket EINVAL";
    let mut cases = Vec::new();
    // A FIFO opened both ways does not wait for another program.
    for (name, src, dst) in [
        ("source a FIFO", File::Fifo, File::from(plain())),
        ("destination a FIFO", plain().into(), File::Fifo),
    ] {
        let shape = |verb: Verb, errno| {
            let mut case = only(verb, name, FIFO);
            case.call = case.call.src_flags(O_RDWR);
            case.file("src", src.clone())
                .file("dst", dst.clone())
                .on(ALL, refused(errno, Reason::NotRegularFile))
        };
        cases.extend([shape(copy, ESPIPE), shape(clone, EINVAL), shape(clone_or_copy, ESPIPE)]);
    }
    for (what, name) in
        [(Inherited::Pipe, "a pipe"), (Inherited::Socket, "a socket"), (Inherited::EventFd, "an eventfd")]
    {
        // An eventfd is of no type that fstat(2) names.
        let errno = if what == Inherited::EventFd { EINVAL } else { ESPIPE };
        for (side, src, dst) in [
            ("source", File::Inherited(what), File::from(plain())),
            ("destination", plain().into(), File::Inherited(what)),
        ] {
            let shape = |verb: Verb, errno| {
                only(verb, &format!("{side} {name}"), PIPE)
                    .file("src", src.clone())
                    .file("dst", dst.clone())
                    .on(ALL, refused(errno, Reason::NotRegularFile))
            };
            cases.extend([shape(copy, errno), shape(clone, EXDEV), shape(clone_or_copy, errno)]);
        }
    }
    cases
}

fn devices() -> Vec<Case> {
    const DEVICE: &str = "kernel-facts 1: /dev/*: EXDEV; 5: /dev/*: EINVAL";
    let mut cases = Vec::new();
    for (side, src, dst) in [
        ("source", File::Host { path: "/dev/zero" }, File::from(plain())),
        ("destination", plain().into(), File::Host { path: "/dev/null" }),
    ] {
        let shape = |verb: Verb, errno| {
            only(verb, &format!("{side} a device"), DEVICE)
                .file("src", src.clone())
                .file("dst", dst.clone())
                .on(ALL, refused(errno, Reason::NotRegularFile))
        };
        cases.extend([shape(copy, EINVAL), shape(clone, EXDEV), shape(clone_or_copy, EINVAL)]);
    }
    for (verb, errno) in [(copy as Verb, EINVAL), (clone, EXDEV), (clone_or_copy, EINVAL)] {
        cases.push(
            only(verb, "source a block device", "kernel-facts 5: blkdev EINVAL")
                .file("src", File::Host { path: "/dev/loop0" })
                .file("dst", data(2, 64 * K))
                .on(ALL, refused(errno, Reason::NotRegularFile)),
        );
    }
    cases.push(
        only(clone, "source a file of procfs", "kernel-facts 1: procfs: EXDEV")
            .file("src", File::Host { path: "/proc/version" })
            .file("dst", data(2, 64 * K))
            .on(ALL, refused(EXDEV, Reason::DifferentFilesystem)),
    );
    cases.push(
        only(clone, "source a file of sysfs", "kernel-facts 1: sysfs: EXDEV")
            .file("src", File::Host { path: "/sys/kernel/fscaps" })
            .file("dst", data(2, 64 * K))
            .on(ALL, refused(EXDEV, Reason::DifferentFilesystem)),
    );
    for (side, src, dst) in [("source", "memory", "disk"), ("destination", "disk", "memory")] {
        cases.push(
            case(
                format!("clone refused: {side} a memfd"),
                "kernel-facts 1: memfd: EXDEV",
                clone(src, 0, dst, 0, 4 * K),
            )
            .file("memory", File::Memfd { pieces: vec![data(1, 64 * K)], sealed: false })
            .file("disk", data(2, 64 * K))
            .on(ALL, refused(EXDEV, Reason::DifferentFilesystem)),
        );
    }
    cases
}

fn links() -> Vec<Case> {
    const LINK: &str = "open(2): a symbolic link is followed";
    vec![
        case("copy: through symbolic links", LINK, copy("to-src", 0, "to-dst", 0, TO_END))
            .file("src", plain())
            .file("dst", data(2, 64 * K))
            .file("to-src", File::Symlink { to: "src" })
            .file("to-dst", File::Symlink { to: "dst" })
            .on(ALL, copied(64 * K)),
        case("clone: through symbolic links", LINK, clone("to-src", 0, "to-dst", 0, TO_END))
            .file("src", plain())
            .file("dst", data(2, 64 * K))
            .file("to-src", File::Symlink { to: "src" })
            .file("to-dst", File::Symlink { to: "dst" })
            .on(SHARING, cloned(64 * K))
            .refused_where_nothing_is_shared(),
        case(
            "clone refused: a symbolic link itself",
            "kernel-facts 1: O_PATH either side: EBADF",
            clone("to-src", 0, "dst", 0, 4 * K).src_flags(O_PATH | O_NOFOLLOW),
        )
        .file("src", plain())
        .file("dst", data(2, 64 * K))
        .file("to-src", File::Symlink { to: "src" })
        .on(ALL, refused(EBADF, Reason::NotOpenForThat)),
    ]
}
