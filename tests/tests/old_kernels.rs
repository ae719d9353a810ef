//! Kernels and containers that this machine is not: what they answer is put in the place of what the kernel says,
//! seccomp_unotify(2). Whatever it is, the bytes are right or the error says why.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;
use std::sync::LazyLock;

use xtent::{
    CloneOptions, CopyOptions, DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, Destination,
    FileOptions, Reason, Report, Server, TO_END, TreeOptions, clone_file, clone_or_copy_file,
    clone_or_copy_range, clone_range, copy_file, copy_range, copy_tree, dedupe_range,
};
use xtent_tests::syscalls::{Call, Calls, Verdict, watch};
use xtent_tests::{Filesystem, filesystems, pattern, scratch, skip, write_file};

const MIB: usize = 1 << 20;
/// Three steps of a server's copy.
const LEN: usize = 9 * MIB + 1234;

/// Those that share blocks between files.
fn sharing() -> impl Iterator<Item = &'static Filesystem> {
    filesystems().iter().filter(|fs| matches!(fs.name.as_str(), "xfs" | "btrfs"))
}

/// What a server answers is no matter of the filesystem that stands for its: the first there is.
fn any() -> &'static Filesystem {
    &filesystems()[0]
}

/// `None`, and the skip told, where no thread may be watched.
fn watched<T: Send>(
    test: &str,
    calls: &[libc::c_long],
    body: impl FnOnce() -> T + Send,
    judge: impl FnMut(Call) -> Verdict,
) -> Option<T> {
    let told = |error: &io::Error| skip(test, &format!("seccomp_unotify(2): {error}"));
    watch(Calls::These(calls), body, judge).inspect_err(told).ok()
}

/// The call is made by who judges.
fn made(call: Call) -> Verdict {
    match call.make() {
        -1 => Verdict::Fail(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
        value => Verdict::Return(value),
    }
}

/// fstatfs(2) of a file on NFS: so a server is asked to copy.
fn as_on_nfs(call: Call) -> Verdict {
    let verdict = made(call);
    if verdict == Verdict::Return(0) {
        let found = call.arguments[1] as *mut libc::statfs64;
        // SAFETY: the watched thread waits, and its call was just made with this buffer.
        unsafe { (*found).f_type = libc::NFS_SUPER_MAGIC };
    }
    verdict
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

/// Copies a file whose server's copy is answered by `judge`, which is told how often it was asked.
fn by_a_server(
    test: &str,
    fs: &Filesystem,
    mut judge: impl FnMut(usize, Call) -> Verdict,
) -> Option<xtent::Result<Report>> {
    let dir = scratch(fs);
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(1, LEN));
    let bytes = &*BYTES;
    let src = write_file(&dir.path().join("src"), bytes).expect("a file");
    let dst = write_file(&dir.path().join("dst"), &[]).expect("a file");
    let mut asked = 0;
    let result = watched(
        test,
        &[libc::SYS_copy_file_range, libc::SYS_fstatfs],
        || copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CopyOptions::new().server(Server::Allow)),
        |call| match call.number {
            libc::SYS_copy_file_range => {
                asked += 1;
                judge(asked, call)
            }
            _ => as_on_nfs(call),
        },
    )?;
    assert!(asked > 0, "the server was never asked");
    let done = result.as_ref().map_or(0, |report| report.bytes() as usize);
    assert!(read(&dir.path().join("dst")) == bytes[..done], "other bytes: {result:?}");
    Some(result)
}

/// What is no matter of the disk ends this way of copying only, at the first call or in the middle.
#[test]
fn a_server_that_does_not_copy() {
    const AWAY: [i32; 8] = [
        // Two mounts; a kernel or filesystem without; a container's filter; SMB of what is mapped; ZFS.
        libc::EXDEV,
        libc::ENOSYS,
        libc::EOPNOTSUPP,
        libc::ENOTTY,
        libc::EPERM,
        libc::EACCES,
        libc::EINVAL,
        libc::EAGAIN,
    ];
    let fs = any();
    for errno in AWAY {
        for from in [1, 2] {
            let judge = |asked, call| if asked < from { made(call) } else { Verdict::Fail(errno) };
            let Some(result) = by_a_server("a_server_that_does_not_copy", fs, judge) else { return };
            let report = result.unwrap_or_else(|error| panic!("{fs}, errno {errno}: {error}"));
            assert_eq!(report.bytes() as usize, LEN, "{fs}, errno {errno}: {report:?}");
            assert_eq!((report.errno, report.reason), (0, Reason::None));
            assert_eq!(report.bytes_server, (from as u64 - 1) * (4 << 20), "{fs}, errno {errno}");
        }
    }
}

/// As files of procfs once, and SMB: 0 is no end of the file.
#[test]
fn a_server_that_says_that_it_copied_nothing() {
    let fs = any();
    for from in [1, 3] {
        let judge = |asked, call| if asked < from { made(call) } else { Verdict::Return(0) };
        let Some(result) = by_a_server("a_server_that_says_that_it_copied_nothing", fs, judge) else {
            return;
        };
        let report = result.unwrap_or_else(|error| panic!("{fs}: {error}"));
        assert_eq!((report.bytes() as usize, report.errno), (LEN, 0), "{fs}: {report:?}");
    }
}

/// Short results go on from where they ended.
#[test]
fn a_server_that_copies_a_little() {
    let fs = any();
    let judge = |asked: usize, call: Call| {
        let mut less = call;
        less.arguments[4] = less.arguments[4].min(if asked == 1 { 1 } else { 300_001 });
        made(less)
    };
    let Some(result) = by_a_server("a_server_that_copies_a_little", fs, judge) else { return };
    let report = result.unwrap_or_else(|error| panic!("{fs}: {error}"));
    assert_eq!((report.bytes_server as usize, report.bytes_copied), (LEN, 0), "{fs}: {report:?}");
}

/// Signals that end each call without a byte: the copy gets to its end by itself.
#[test]
fn a_server_that_signals_keep_from_copying() {
    let fs = any();
    let judge = |asked, call| if asked == 1 { made(call) } else { Verdict::Fail(libc::EINTR) };
    let Some(result) = by_a_server("a_server_that_signals_keep_from_copying", fs, judge) else { return };
    let report = result.unwrap_or_else(|error| panic!("{fs}: {error}"));
    assert_eq!((report.bytes_server, report.bytes() as usize), (4 << 20, LEN), "{fs}: {report:?}");
}

/// What tells of the disk, the server or the file is the answer, with what was done before.
#[test]
fn a_server_that_fails() {
    const FATAL: [(i32, Option<Reason>); 5] = [
        // CIFS, when the connection broke; a file that the server closed; one that it no longer has.
        (libc::EIO, Some(Reason::Io)),
        (libc::ENOSPC, Some(Reason::NoSpace)),
        (libc::EDQUOT, Some(Reason::Quota)),
        (libc::EBADF, None),
        (libc::ESTALE, Some(Reason::Gone)),
    ];
    let fs = any();
    for (errno, reason) in FATAL {
        let Some(result) = by_a_server("a_server_that_fails", fs, |_, _| Verdict::Fail(errno)) else {
            return;
        };
        let error = result.expect_err("an error");
        assert_eq!(error.errno, errno, "{fs}");
        assert!(reason.is_none_or(|reason| error.reason == reason), "{fs}: {error:?}");

        let judge = |asked, call| if asked < 2 { made(call) } else { Verdict::Fail(errno) };
        let Some(result) = by_a_server("a_server_that_fails", fs, judge) else { return };
        let report = result.unwrap_or_else(|error| panic!("{fs}: {error}"));
        assert_eq!((report.bytes_server, report.errno), (4 << 20, errno), "{fs}: {report:?}");
    }
}

/// What has no size is read to its end, also where a server might be asked: its 0 would be taken for the end.
#[test]
fn no_server_is_asked_for_what_has_no_size() {
    let fs = any();
    let dir = scratch(fs);
    let src = File::open("/proc/version").expect("procfs");
    let dst = write_file(&dir.path().join("dst"), &[]).expect("a file");
    let mut asked = 0;
    let done = watched(
        "no_server_is_asked_for_what_has_no_size",
        &[libc::SYS_copy_file_range, libc::SYS_fstatfs],
        || copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CopyOptions::new().server(Server::Allow)),
        |call| match call.number {
            libc::SYS_copy_file_range => {
                asked += 1;
                Verdict::Return(0)
            }
            _ => as_on_nfs(call),
        },
    );
    let Some(done) = done else { return };
    let report = done.unwrap_or_else(|error| panic!("{fs}: {error}"));
    assert_eq!(read(&dir.path().join("dst")), read(Path::new("/proc/version")), "{fs}: {report:?}");
    assert_eq!(asked, 0);
}

const FICLONERANGE: u64 = libc::FICLONERANGE;
const FIDEDUPERANGE: u64 = 0xc018_9436;

fn asks(call: Call, request: u64) -> bool {
    call.number == libc::SYS_ioctl && call.arguments[1] == request
}

/// What kernels without clones, and containers that forbid them, say; and what it is explained as.
const NO_CLONES: [(i32, Reason); 4] = [
    (libc::EOPNOTSUPP, Reason::MountCannot),
    // Linux before 4.5.
    (libc::ENOTTY, Reason::MountCannot),
    (libc::ENOSYS, Reason::MountCannot),
    (libc::EPERM, Reason::Permission),
];

#[test]
fn a_kernel_without_clones() {
    const TEST: &str = "a_kernel_without_clones";
    type Verb = fn(BorrowedFd<'_>, BorrowedFd<'_>) -> xtent::Result<Report>;
    let clone: Verb = |src, dst| clone_range(src, 0, dst, 0, TO_END, CloneOptions::new());
    let both: Verb = |src, dst| clone_or_copy_range(src, 0, dst, 0, TO_END, CopyOptions::new());
    for fs in sharing() {
        for (errno, reason) in NO_CLONES {
            let run = |verb: Verb, old: &[u8]| {
                let dir = scratch(fs);
                let bytes = pattern(1, MIB);
                let src = write_file(&dir.path().join("src"), &bytes).expect("a file");
                let dst = write_file(&dir.path().join("dst"), old).expect("a file");
                let body = || verb(src.as_fd(), dst.as_fd());
                let judge =
                    |call| if asks(call, FICLONERANGE) { Verdict::Fail(errno) } else { Verdict::Allow };
                let result = watched(TEST, &[libc::SYS_ioctl], body, judge)?;
                Some((result, read(&dir.path().join("dst")), bytes))
            };
            for old in [&[][..], &pattern(2, MIB)] {
                let Some((result, now, _)) = run(clone, old) else { return };
                let error = result.expect_err("no clone");
                assert_eq!((error.errno, error.reason), (errno, reason), "{fs}");
                assert!(now == old, "{fs}, errno {errno}: the destination is another");

                let Some((result, now, bytes)) = run(both, old) else { return };
                let report = result.unwrap_or_else(|error| panic!("{fs}, errno {errno}: {error}"));
                assert_eq!((report.bytes_cloned, report.bytes_copied), (0, MIB as u64), "{fs}: {report:?}");
                assert_eq!(report.fallback, reason, "{fs}, errno {errno}");
                assert!(now == bytes, "{fs}, errno {errno}: not copied whole");
            }
        }
        // What tells of the disk never turns into a copy.
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, MIB)).expect("a file");
        let dst = write_file(&dir.path().join("dst"), &[]).expect("a file");
        let judge = |call| if asks(call, FICLONERANGE) { Verdict::Fail(libc::EIO) } else { Verdict::Allow };
        let Some(result) = watched(TEST, &[libc::SYS_ioctl], || both(src.as_fd(), dst.as_fd()), judge) else {
            return;
        };
        assert_eq!(result.expect_err("no copy").errno, libc::EIO, "{fs}");
        assert_eq!(read(&dir.path().join("dst")), b"");
    }
}

#[test]
fn a_kernel_without_dedupe() {
    for fs in sharing() {
        for (errno, reason) in NO_CLONES {
            let dir = scratch(fs);
            let bytes = pattern(1, MIB);
            let [src, dst] =
                ["src", "dst"].map(|name| write_file(&dir.path().join(name), &bytes).expect("a file"));
            let dedupe = || {
                let targets = [DedupeTarget { fd: dst.as_fd(), offset: 0 }];
                dedupe_range(src.as_fd(), 0, TO_END, &targets, DedupeOptions::new())
            };
            let judge = |call| if asks(call, FIDEDUPERANGE) { Verdict::Fail(errno) } else { Verdict::Allow };
            let Some(result) = watched("a_kernel_without_dedupe", &[libc::SYS_ioctl], dedupe, judge) else {
                return;
            };
            match result {
                Err(error) => assert_eq!((error.errno, error.reason), (errno, reason), "{fs}"),
                Ok(results) => {
                    let DedupeResult { status, errno: said, reason: why, shared, .. } = results[0];
                    assert_eq!((status, said, why), (DedupeStatus::Failed, errno, reason), "{fs}");
                    assert_eq!(shared.unwrap_or(0), 0, "{fs}");
                }
            }
            assert!(read(&dir.path().join("dst")) == bytes, "{fs}: the target is another");
        }
    }
}

/// What a filter looks at that knows no call which old ones do not know.
const UNKNOWN: [libc::c_long; 6] = [
    libc::SYS_openat,
    libc::SYS_ioctl,
    libc::SYS_copy_file_range,
    libc::SYS_statx,
    libc::SYS_renameat2,
    libc::SYS_openat2,
];

fn denied(call: Call, errno: i32) -> Verdict {
    let tmpfile = call.number == libc::SYS_openat && call.descriptor(2) & libc::O_TMPFILE == libc::O_TMPFILE;
    let clones = asks(call, FICLONERANGE) || asks(call, libc::FICLONE);
    let ioctl = call.number == libc::SYS_ioctl;
    if tmpfile || clones || !ioctl && call.number != libc::SYS_openat {
        Verdict::Fail(errno)
    } else {
        Verdict::Allow
    }
}

/// A filter that lets through none of the calls that old ones do not know: whole files are made all the same, but for
/// clones, which say why not.
#[test]
fn a_filter_that_knows_none_of_it() {
    const TEST: &str = "a_filter_that_knows_none_of_it";
    type Verb = fn(&Path, &Path, FileOptions<'_>) -> xtent::Result<Report>;
    let verbs: [(&str, Verb, bool); 3] = [
        ("copy", |src, dst, options| copy_file(src, dst, options), true),
        ("clone or copy", |src, dst, options| clone_or_copy_file(src, dst, options), true),
        ("clone", |src, dst, options| clone_file(src, dst, options), false),
    ];
    for fs in sharing() {
        for errno in [libc::EPERM, libc::ENOSYS] {
            for (name, verb, works) in verbs {
                for replace in [false, true] {
                    let dir = scratch(fs);
                    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
                    let (new, old) = (pattern(1, MIB), pattern(2, 5000));
                    write_file(&src, &new).expect("a file");
                    if replace {
                        write_file(&dst, &old).expect("a file");
                    }
                    let body = || verb(&src, &dst, FileOptions::new().replace(replace).durable(true));
                    let Some(result) = watched(TEST, &UNKNOWN, body, |call| denied(call, errno)) else {
                        return;
                    };
                    let said = format!("{fs}, {name}, errno {errno}, replace {replace}: {result:?}");
                    assert_eq!(result.is_ok(), works, "{said}");
                    if let Err(error) = result {
                        assert_eq!(error.errno, errno, "{said}");
                        assert_ne!(error.reason, Reason::Unknown, "{said}");
                    }
                    let wanted = if works { Some(new) } else { replace.then_some(old) };
                    assert!(fs::read(&dst).ok() == wanted, "{said}");
                    let names = fs::read_dir(dir.path()).expect("a directory").count();
                    assert_eq!(names, 1 + usize::from(works || replace), "{said}: a name was left");
                }
            }
        }
    }
}

/// All names beneath a directory, and what the files contain.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("a directory");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .map(|path| (path.display().to_string(), if path.is_dir() { Vec::new() } else { read(&path) }))
        .collect();
    for at in 0..found.len() {
        let inner = Path::new(&found[at].0).to_owned();
        if inner.is_dir() {
            found.extend(contents(&inner));
        }
    }
    for (name, _) in &mut found {
        if let Some(rest) = name.strip_prefix(&format!("{}/", dir.display())) {
            *name = rest.to_owned();
        }
    }
    found.sort();
    found
}

/// What has a tree's name before it is made.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Taken {
    Free,
    Empty,
    Full,
    File,
}

impl Taken {
    fn make(self, path: &Path) {
        match self {
            Taken::Free => {}
            Taken::Empty => fs::create_dir(path).expect("a directory"),
            Taken::Full => {
                fs::create_dir(path).expect("a directory");
                write_file(&path.join("old"), b"old").expect("a file");
            }
            Taken::File => drop(write_file(path, b"old").expect("a file")),
        }
    }

    fn is_as_it_was(self, path: &Path) -> bool {
        match self {
            Taken::Free => !path.exists(),
            Taken::Empty => contents(path).is_empty(),
            Taken::Full => contents(path) == [("old".to_owned(), b"old".to_vec())],
            Taken::File => read(path) == b"old",
        }
    }
}

/// The same filter, and whole directories. Only an exchange of two names has no other way.
#[test]
fn a_filter_and_trees() {
    const TEST: &str = "a_filter_and_trees";
    for fs in sharing() {
        for errno in [libc::EPERM, libc::ENOSYS] {
            for (taken, replace, wanted) in [
                (Taken::Free, false, Ok(())),
                (Taken::Empty, false, Err(libc::EEXIST)),
                (Taken::Full, false, Err(libc::EEXIST)),
                (Taken::File, false, Err(libc::EEXIST)),
                (Taken::Free, true, Ok(())),
                (Taken::Empty, true, Ok(())),
                (Taken::Full, true, Err(if errno == libc::ENOSYS { libc::EOPNOTSUPP } else { errno })),
                (Taken::File, true, Err(if errno == libc::ENOSYS { libc::EOPNOTSUPP } else { errno })),
            ] {
                let dir = scratch(fs);
                let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
                fs::create_dir_all(src.join("a/b")).expect("directories");
                write_file(&src.join("a/file"), &pattern(1, 100_000)).expect("a file");
                taken.make(&dst);
                let body = || copy_tree(&src, &dst, TreeOptions::new().threads(1).replace(replace));
                let Some(result) = watched(TEST, &UNKNOWN, body, |call| denied(call, errno)) else { return };
                let said = format!("{fs}, errno {errno}, {taken:?}, replace {replace}: {result:?}");
                assert_eq!(result.map(drop).map_err(|failure| failure.error.errno), wanted, "{said}");
                if wanted.is_ok() {
                    assert!(contents(&dst) == contents(&src), "{said}: another tree");
                } else {
                    assert!(taken.is_as_it_was(&dst), "{said}: the old one is another");
                }
                let names = fs::read_dir(dir.path()).expect("a directory").count();
                assert_eq!(names, 1 + usize::from(dst.exists()), "{said}: a name was left");
            }
        }
    }
}

/// Where names cannot be renamed without replacing, somebody takes the name at the last moment: what they have stays.
#[test]
fn a_name_that_is_taken_at_the_last_moment() {
    const TEST: &str = "a_name_that_is_taken_at_the_last_moment";
    for (fs, taken) in sharing().flat_map(|fs| [(fs, Taken::Full), (fs, Taken::File)]) {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        fs::create_dir(&src).expect("a directory");
        write_file(&src.join("file"), &pattern(1, 5000)).expect("a file");
        let body = || copy_tree(&src, &dst, TreeOptions::new().threads(1));
        let mut renames = 0;
        let judge = |call: Call| match call.number {
            libc::SYS_renameat2 => Verdict::Fail(libc::EPERM),
            _ => {
                renames += 1;
                taken.make(&dst);
                Verdict::Allow
            }
        };
        let calls = [libc::SYS_renameat2, libc::SYS_renameat];
        let Some(result) = watched(TEST, &calls, body, judge) else { return };
        let error = result.expect_err("it is taken").error;
        assert_eq!((error.errno, error.reason), (libc::EEXIST, Reason::Exists), "{fs}, {taken:?}");
        assert_eq!(renames, 1, "{fs}, {taken:?}");
        assert!(taken.is_as_it_was(&dst), "{fs}, {taken:?}: theirs is another");
        let names = fs::read_dir(dir.path()).expect("a directory").count();
        assert_eq!(names, 2, "{fs}, {taken:?}: a name was left");
    }
}

/// As on NFS, which has no extent maps: whether a refused clone changed anything is told by the bytes.
#[test]
fn a_clone_that_is_refused_where_there_are_no_maps() {
    const TEST: &str = "a_clone_that_is_refused_where_there_are_no_maps";
    const FS_IOC_FIEMAP: u64 = 0xc020_660b;
    for fs in sharing() {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, MIB)).expect("a file");
        let dst = write_file(&dir.path().join("dst"), &pattern(2, MIB)).expect("a file");
        let before = dst.metadata().and_then(|now| now.modified()).expect("fstat");
        let mut clones = 0;
        let clone = || {
            let options = CloneOptions::new();
            clone_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, options)
        };
        let judge = |call: Call| {
            let onto = call.descriptor(0) == dst.as_raw_fd();
            clones += usize::from(asks(call, FICLONERANGE));
            if asks(call, FS_IOC_FIEMAP) {
                Verdict::Fail(libc::EOPNOTSUPP)
            } else if asks(call, FICLONERANGE) && onto {
                // Which XFS also said of a clone that ended half-way.
                Verdict::Fail(libc::EINVAL)
            } else {
                Verdict::Allow
            }
        };
        let Some(result) = watched(TEST, &[libc::SYS_ioctl], clone, judge) else { return };
        let error = result.expect_err("a refusal");
        assert_eq!(error.report.destination, Some(Destination::Untouched), "{fs}: {error:?}");
        assert!(clones >= 2, "{fs}: nothing was kept aside");
        assert!(read(&dir.path().join("dst")) == pattern(2, MIB), "{fs}: the destination is another");
        assert_eq!(dst.metadata().and_then(|now| now.modified()).expect("fstat"), before, "{fs}");
    }
}
