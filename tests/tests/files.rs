//! What the table of cases cannot say of the file verbs: which system calls they make, in which order, and what others
//! see meanwhile. On every filesystem of the runner.

use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::fs::{self, File, FileTimes};
use std::io::Read;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use xtent::{
    At, Control, CopyOptions, DedupeOptions, DedupeStatus, Error, FileOptions, Preserve, Reason, Report,
    StageOptions, clone_file, clone_or_copy_file, copy_file, dedupe_files, stage_open,
};
use xtent_tests::syscalls::{Call, Calls, Verdict, watch};
use xtent_tests::{Filesystem, as_user, filesystems, pattern, scratch, skip, with_umask};

const SIZE: usize = 300_000;

type Verb = for<'a, 'b, 'c> fn(At<'a>, At<'b>, FileOptions<'c>) -> Result<Report, Error>;

const VERBS: [(&str, Verb); 3] = [
    ("copy_file", |src, dst, options| copy_file(src, dst, options)),
    ("clone_file", |src, dst, options| clone_file(src, dst, options)),
    ("clone_or_copy_file", |src, dst, options| clone_or_copy_file(src, dst, options)),
];

/// Those that can do it on this filesystem.
fn verbs(fs: &Filesystem) -> impl Iterator<Item = (&'static str, Verb)> {
    let clones = matches!(fs.name.as_str(), "xfs" | "xfs2" | "btrfs" | "overlay");
    VERBS.into_iter().filter(move |(name, _)| clones || *name != "clone_file")
}

/// A directory with a file `src` on each filesystem.
fn everywhere(test: impl Fn(&Filesystem, &Path)) {
    for fs in filesystems() {
        let dir = scratch(fs);
        fs::write(dir.path().join("src"), pattern(1, SIZE)).unwrap();
        test(fs, dir.path());
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Calls by which a stage gets its contents, metadata and name.
const TELLING: [libc::c_long; 10] = [
    libc::SYS_openat,
    libc::SYS_fchown,
    libc::SYS_fchmod,
    libc::SYS_fsetxattr,
    libc::SYS_utimensat,
    libc::SYS_fsync,
    libc::SYS_linkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
];

fn name_of(call: &Call) -> &'static str {
    match call.number {
        libc::SYS_openat => "openat",
        libc::SYS_fchown => "fchown",
        libc::SYS_fchmod => "fchmod",
        libc::SYS_fsetxattr => "fsetxattr",
        libc::SYS_utimensat => "utimensat",
        libc::SYS_fsync => "fsync",
        libc::SYS_linkat => "linkat",
        libc::SYS_renameat => "renameat",
        libc::SYS_renameat2 => "renameat2",
        libc::SYS_unlinkat => "unlinkat",
        _ => "?",
    }
}

fn is_tmpfile(call: &Call) -> bool {
    call.number == libc::SYS_openat && call.descriptor(2) & libc::O_TMPFILE == libc::O_TMPFILE
}

/// As on NFS, FUSE and OCFS2: no O_TMPFILE, no RENAME_NOREPLACE.
fn like_a_network_filesystem(call: Call) -> Verdict {
    match call.number {
        libc::SYS_openat if is_tmpfile(&call) => Verdict::Fail(libc::EOPNOTSUPP),
        libc::SYS_renameat2 => Verdict::Fail(libc::EINVAL),
        _ => Verdict::Allow,
    }
}

/// Watching may be forbidden in a container: then this test says so, once.
fn watched<T: Send>(
    test: &str,
    body: impl FnOnce() -> T + Send,
    judge: impl FnMut(Call) -> Verdict,
) -> Option<T> {
    let told = |error: &std::io::Error| skip(test, &format!("seccomp_unotify(2): {error}"));
    watch(Calls::These(&TELLING), body, judge).inspect_err(told).ok()
}

#[test]
fn a_file_is_there_whole_and_alone() {
    everywhere(|fs, dir| {
        for (verb, call) in verbs(fs) {
            let dst = dir.join(verb);
            let report = call((&dir.join("src")).into(), (&dst).into(), FileOptions::new()).unwrap();
            assert_eq!(report.bytes(), SIZE as u64, "{fs} {verb}");
            assert_eq!(fs::read(&dst).unwrap(), pattern(1, SIZE), "{fs} {verb}");
            let again = call((&dir.join("src")).into(), (&dst).into(), FileOptions::new()).unwrap_err();
            assert_eq!((again.errno, again.reason), (libc::EEXIST, Reason::Exists), "{fs} {verb}");
            assert_eq!(again.op.name(), verb);
            fs::write(&dst, "old").unwrap();
            let old = File::open(&dst).unwrap();
            call((&dir.join("src")).into(), (&dst).into(), FileOptions::new().replace(true)).unwrap();
            assert_eq!(fs::read(&dst).unwrap(), pattern(1, SIZE), "{fs} {verb}");
            let mut contents = String::new();
            (&old).read_to_string(&mut contents).unwrap();
            assert_eq!(contents, "old", "who has the old file open keeps it");
            fs::remove_file(&dst).unwrap();
        }
        assert_eq!(names(dir), ["src"], "{fs}");
    });
}

#[test]
fn nothing_stays_of_a_clone_that_is_refused() {
    everywhere(|fs, dir| {
        if verbs(fs).any(|(verb, _)| verb == "clone_file") {
            return;
        }
        let error = clone_file(&dir.join("src"), &dir.join("dst"), FileOptions::new()).unwrap_err();
        assert_eq!(error.errno, libc::EOPNOTSUPP, "{fs}");
        let report = clone_or_copy_file(&dir.join("src"), &dir.join("dst"), FileOptions::new()).unwrap();
        assert_eq!(report.fallback, error.reason, "{fs}");
        assert_eq!(names(dir), ["dst", "src"], "{fs}");
    });
}

#[test]
fn what_is_at_the_names_is_looked_at_and_not_followed() {
    everywhere(|fs, dir| {
        let at = |name: &str| dir.join(name);
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("precious"), "precious").unwrap();
        symlink("precious", at("link")).unwrap();
        symlink("src", at("link-to-src")).unwrap();
        let fifo = CString::new(at("fifo").as_os_str().as_bytes()).unwrap();
        // SAFETY: the path ends with a zero.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        for (verb, call) in verbs(fs) {
            let go = |src: &str, dst: &str, options: FileOptions<'_>| {
                call((&at(src)).into(), (&at(dst)).into(), options)
                    .map_err(|error| (error.errno, error.reason))
            };
            let new = FileOptions::new;
            let cases = [
                ("missing", "dst", libc::ENOENT, Reason::NotFound),
                ("src", "missing/dst", libc::ENOENT, Reason::NotFound),
                ("src/x", "dst", libc::ENOTDIR, Reason::NotDirectory),
                ("src", "src/dst", libc::ENOTDIR, Reason::NotDirectory),
                ("directory", "dst", libc::EISDIR, Reason::NotRegularFile),
                ("fifo", "dst", libc::ESPIPE, Reason::NotRegularFile),
                ("link-to-src", "dst", libc::ELOOP, Reason::TooManyLinks),
                ("src", "directory", libc::EISDIR, Reason::NotRegularFile),
                ("src", "directory/", libc::EISDIR, Reason::InvalidName),
                ("src", ".", libc::EISDIR, Reason::InvalidName),
            ];
            for (src, dst, errno, reason) in cases {
                assert_eq!(
                    go(src, dst, new().replace(true)),
                    Err((errno, reason)),
                    "{fs} {verb} {src} {dst}"
                );
            }
            let long = "x".repeat(300);
            assert_eq!(
                go("src", &long, new()),
                Err((libc::ENAMETOOLONG, Reason::InvalidName)),
                "{fs} {verb}"
            );
            assert_eq!(go("src", "link", new()), Err((libc::EEXIST, Reason::Exists)), "{fs} {verb}");

            go("link-to-src", "dst", new().follow(true)).unwrap();
            go("src", "link", new().replace(true)).unwrap();
            go("src", "fifo", new().replace(true)).unwrap();
            assert!(fs::symlink_metadata(at("link")).unwrap().is_file(), "{fs} {verb}");
            assert!(!fs::symlink_metadata(at("fifo")).unwrap().file_type().is_fifo(), "{fs} {verb}");
            assert_eq!(fs::read_to_string(at("precious")).unwrap(), "precious", "{fs} {verb}");

            fs::remove_file(at("link")).unwrap();
            symlink("precious", at("link")).unwrap();
            fs::remove_file(at("fifo")).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
            fs::remove_file(at("dst")).unwrap();
        }
        assert_eq!(names(dir), ["directory", "fifo", "link", "link-to-src", "precious", "src"], "{fs}");
    });
}

#[test]
fn a_source_that_is_open_and_directories_that_are() {
    everywhere(|fs, dir| {
        let src = File::open(dir.join("src")).unwrap();
        let place = File::open(dir).unwrap();
        for (verb, call) in verbs(fs) {
            call(At::open(src.as_fd()), At::new(place.as_fd(), "dst"), FileOptions::new()).unwrap();
            assert_eq!(fs::read(dir.join("dst")).unwrap(), pattern(1, SIZE), "{fs} {verb}");
            call(At::new(place.as_fd(), "dst"), At::new(place.as_fd(), "./dst2"), FileOptions::new())
                .unwrap();
            assert_eq!(names(dir), ["dst", "dst2", "src"]);
            fs::remove_file(dir.join("dst")).unwrap();
            fs::remove_file(dir.join("dst2")).unwrap();

            let refused = |src, dst| {
                call(src, dst, FileOptions::new()).map_err(|error| (error.errno, error.reason)).unwrap_err()
            };
            let write_only = File::options().write(true).open(dir.join("src")).unwrap();
            let no_source = refused(At::open(write_only.as_fd()), At::new(place.as_fd(), "dst"));
            assert_eq!(no_source, (libc::EBADF, Reason::NotOpenForThat), "{fs} {verb}");
            let no_name = refused(At::open(src.as_fd()), At::open(src.as_fd()));
            assert_eq!(no_name, (libc::ENOENT, Reason::InvalidName), "{fs} {verb}");
            let no_directory = refused(At::open(src.as_fd()), At::new(src.as_fd(), "dst"));
            assert_eq!(no_directory, (libc::ENOTDIR, Reason::NotDirectory), "{fs} {verb}");
            assert_eq!(names(dir), ["src"], "{fs} {verb}");
        }
        let mut first = [0];
        (&src).read_exact(&mut first).unwrap();
        assert_eq!(first, pattern(1, 1)[..], "nobody moved the position");
    });
}

#[test]
fn an_empty_file_and_one_that_does_not_tell_its_size() {
    everywhere(|fs, dir| {
        fs::write(dir.join("empty"), "").unwrap();
        for (verb, call) in verbs(fs) {
            let dst = dir.join(verb);
            let report = call((&dir.join("empty")).into(), (&dst).into(), FileOptions::new()).unwrap();
            assert_eq!((report.bytes(), fs::metadata(&dst).unwrap().len()), (0, 0), "{fs} {verb}");
            assert_eq!(report.fallback, Reason::None);
        }
        let proc = Path::new("/proc/filesystems");
        let report = copy_file(proc, &dir.join("proc"), FileOptions::new()).unwrap();
        assert_eq!(fs::read(dir.join("proc")).unwrap(), fs::read(proc).unwrap(), "{fs}");
        assert!(report.bytes_copied > 0);
        let error = clone_file(proc, &dir.join("cloned"), FileOptions::new()).unwrap_err();
        assert!(matches!(error.errno, libc::EXDEV | libc::EOPNOTSUPP), "{fs} {error}");
        clone_or_copy_file(proc, &dir.join("both"), FileOptions::new()).unwrap();
        assert_eq!(fs::read(dir.join("both")).unwrap(), fs::read(proc).unwrap(), "{fs}");
    });
}

#[test]
fn a_cancelled_verb_publishes_nothing() {
    everywhere(|fs, dir| {
        for (verb, call) in verbs(fs) {
            fs::write(dir.join("dst"), "old").unwrap();
            let go = |control: Control<'_>| {
                let options = FileOptions::new().replace(true).control(control);
                let error = call((&dir.join("src")).into(), (&dir.join("dst")).into(), options).unwrap_err();
                assert_eq!((error.errno, error.reason), (libc::ECANCELED, Reason::Cancelled), "{fs} {verb}");
            };
            go(Control::new().cancel(&|| true));
            // The progress callback is asked for the last time when all is done.
            let mut end = |_, _| ControlFlow::Break(());
            go(Control::new().progress(&mut end));
            // Between the last step and publishing.
            let done = Cell::new(false);
            let is_done = || done.get();
            let mut set = |_, _| {
                done.set(true);
                ControlFlow::Continue(())
            };
            go(Control::new().cancel(&is_done).progress(&mut set));
            assert!(done.get(), "{fs} {verb}");
            assert_eq!(fs::read_to_string(dir.join("dst")).unwrap(), "old", "{fs} {verb}");
        }
        assert_eq!(names(dir), ["dst", "src"], "{fs}");
    });
}

#[test]
fn everything_is_done_before_the_name_and_synced_around_it() {
    if !is_root() {
        return skip("everything_is_done_before_the_name_and_synced_around_it", "needs root: chown(2)");
    }
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        std::os::unix::fs::chown(&src, Some(12345), Some(54321)).unwrap();
        set_mode(&src, 0o4751);
        let attribute = set_attribute(&src, c"user.xtent", b"value");
        let all = Preserve::MODE | Preserve::OWNER | Preserve::TIMES | Preserve::XATTRS | Preserve::ACLS;
        for replace in [false, true] {
            for (verb, call) in verbs(fs) {
                let mut order = Vec::new();
                let mut stage = None;
                let Some(report) = watched(
                    "everything_is_done_before_the_name_and_synced_around_it",
                    || {
                        let options = FileOptions::new().preserve(all).durable(true).replace(replace);
                        call((&src).into(), (&dst).into(), options)
                    },
                    |call| {
                        // From here on the stage can be looked at by its descriptor.
                        if stage.is_none() && call.number != libc::SYS_openat {
                            stage = Some(call.descriptor(0));
                        }
                        if let Some(fd) = stage
                            && !order.contains(&"fchmod")
                        {
                            assert_eq!(mode_of(fd), 0o600, "{fs} {verb} before {}", name_of(&call));
                        }
                        if call.number != libc::SYS_openat {
                            order.push(name_of(&call));
                        }
                        Verdict::Allow
                    },
                ) else {
                    return;
                };
                let report = report.unwrap();
                let expected_unkept = if attribute { Preserve::NONE } else { report.unkept };
                assert_eq!(report.unkept, expected_unkept, "{fs} {verb}");
                let dressed: &[_] = if attribute {
                    &["fchown", "fsetxattr", "fchmod", "utimensat", "fsync"]
                } else {
                    &["fchown", "fchmod", "utimensat", "fsync"]
                };
                let named: &[_] = match replace {
                    // Its own name is tried before the hidden one.
                    true => &["linkat", "linkat", "renameat"],
                    false => &["linkat"],
                };
                assert_eq!(order, [dressed, named, &["fsync", "fsync"]].concat(), "{fs} {verb}");
                assert_eq!(mode(&dst), 0o4751, "{fs} {verb}");
                let (ours, theirs) = (fs::metadata(&dst).unwrap(), fs::metadata(&src).unwrap());
                assert_eq!((ours.uid(), ours.gid()), (12345, 54321), "{fs} {verb}");
                assert_eq!(ours.modified().unwrap(), theirs.modified().unwrap(), "{fs} {verb}");
                assert_eq!(names(dir), ["dst", "src"], "{fs} {verb}");
                if !replace {
                    fs::remove_file(&dst).unwrap();
                }
            }
            fs::write(&dst, "old").unwrap();
        }
    });
}

fn mode_of(fd: i32) -> u32 {
    mode(Path::new(&format!("/proc/self/fd/{fd}")))
}

/// Whether the filesystem takes it.
fn set_attribute(path: &Path, name: &CStr, value: &[u8]) -> bool {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: path and name end with a zero, and the value is as long as is said.
    unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) == 0 }
}

fn attribute(path: &Path, name: &CStr) -> Option<Vec<u8>> {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    let mut value = vec![0u8; 65536];
    // SAFETY: path and name end with a zero, and no more is written than there is room.
    let len = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    value.truncate(usize::try_from(len).ok()?);
    Some(value)
}

#[test]
fn a_private_file_is_never_seen_with_a_wider_mode() {
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        set_mode(&src, 0o600);
        for judge in [|_| Verdict::Allow, like_a_network_filesystem] {
            for replace in [false, true] {
                for (verb, call) in verbs(fs) {
                    let mut looked = 0;
                    let done = watched(
                        "a_private_file_is_never_seen_with_a_wider_mode",
                        || {
                            let options = FileOptions::new().replace(replace);
                            call((&src).into(), (&dst).into(), options)
                        },
                        |call| {
                            for entry in fs::read_dir(dir).unwrap() {
                                // It may be gone since it was listed: never meanwhile, the verb waits.
                                assert_eq!(mode(&entry.unwrap().path()), 0o600, "{fs} {verb}");
                                looked += 1;
                            }
                            if call.number == libc::SYS_openat && call.descriptor(2) & libc::O_CREAT != 0 {
                                assert_eq!(call.arguments[3] & 0o077, 0, "{fs} {verb}");
                            }
                            if call.number == libc::SYS_fchmod {
                                assert_eq!(call.arguments[1], 0o600, "{fs} {verb}");
                            }
                            judge(call)
                        },
                    );
                    let Some(done) = done else { return };
                    done.unwrap();
                    assert!(looked > 0);
                    if !replace {
                        fs::remove_file(&dst).unwrap();
                    } else {
                        set_mode(&dst, 0o600);
                    }
                }
            }
            fs::remove_file(&dst).unwrap();
        }
    });
}

#[test]
fn without_o_tmpfile_a_hidden_name_does_it() {
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        for replace in [false, true] {
            for (verb, call) in verbs(fs) {
                let mut hidden = 0;
                let done = watched(
                    "without_o_tmpfile_a_hidden_name_does_it",
                    || {
                        with_umask(0o027, || {
                            call((&src).into(), (&dst).into(), FileOptions::new().replace(replace))
                        })
                    },
                    |call| {
                        for name in names(dir).iter().filter(|name| name.starts_with(".xtent-")) {
                            assert_eq!(name.len(), ".xtent-0123456789abcdef".len());
                            hidden += 1;
                        }
                        like_a_network_filesystem(call)
                    },
                );
                let Some(done) = done else { return };
                done.unwrap().unwrap();
                assert!(hidden > 0, "{fs} {verb}");
                assert_eq!(fs::read(&dst).unwrap(), pattern(1, SIZE), "{fs} {verb}");
                assert_eq!(mode(&dst), 0o640, "{fs} {verb}");
                assert_eq!(names(dir), ["dst", "src"], "{fs} {verb}");
                if !replace {
                    let taken = watched(
                        "without_o_tmpfile_a_hidden_name_does_it",
                        || {
                            let mut stage = stage_open(&dir.join("late"), StageOptions::new()).unwrap();
                            fs::write(dir.join("late"), "somebody else's").unwrap();
                            stage.publish().unwrap_err().reason
                        },
                        like_a_network_filesystem,
                    );
                    assert_eq!(taken, Some(Reason::Exists), "{fs}");
                    fs::remove_file(dir.join("late")).unwrap();
                    fs::remove_file(&dst).unwrap();
                }
            }
        }
    });
}

/// A child process that has what this one has open, and does nothing until it is dropped.
struct Forked(libc::pid_t);

impl Forked {
    fn new() -> Forked {
        // SAFETY: the child only waits, which is safe beside locks that other threads held.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            loop {
                // SAFETY: takes nothing.
                unsafe { libc::pause() };
            }
        }
        assert!(pid > 0, "fork: {}", std::io::Error::last_os_error());
        Forked(pid)
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        // SAFETY: the child is ours, and nobody else waits for it.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

#[test]
fn a_leftover_is_cleared_by_the_next_run_and_one_of_somebody_alive_is_not() {
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        fs::write(&dst, "old").unwrap();
        let replace = || copy_file(&src, &dst, FileOptions::new().replace(true)).unwrap();
        let hidden = || names(dir).into_iter().filter(|name| name.starts_with(".xtent-")).collect::<Vec<_>>();
        // A run that ends between the link and the rename: what its kill would leave. A child that is forked meanwhile has
        // its descriptors for as long as it lives.
        let mut child = None;
        let done = watched(
            "a_leftover_is_cleared_by_the_next_run_and_one_of_somebody_alive_is_not",
            || copy_file(&src, &dst, FileOptions::new().replace(true)).unwrap_err(),
            |call| match call.number {
                libc::SYS_renameat | libc::SYS_unlinkat => {
                    child.get_or_insert_with(Forked::new);
                    Verdict::Fail(libc::EIO)
                }
                _ => Verdict::Allow,
            },
        );
        let Some(error) = done else { return };
        assert!(child.is_some(), "{fs}");
        assert_eq!(error.errno, libc::EIO);
        assert_eq!(fs::read_to_string(&dst).unwrap(), "old", "{fs}");
        let leftover = hidden();
        assert_eq!(leftover.len(), 1, "{fs}");
        replace();
        assert_eq!(names(dir), ["dst", "src"], "{fs}");
        drop(child);

        // The same name, with a lock as somebody alive has it.
        let path = dir.join(&leftover[0]);
        let alive = File::create(&path).unwrap();
        // SAFETY: numbers only.
        assert_eq!(unsafe { libc::flock(alive.as_raw_fd(), libc::LOCK_EX) }, 0);
        replace();
        assert_eq!(hidden(), leftover, "{fs}");
        drop(alive);
        // What is no leftover: a directory, a link. Another name is taken.
        fs::remove_file(&path).unwrap();
        symlink("src", &path).unwrap();
        replace();
        assert_eq!(hidden(), leftover, "{fs}");
        fs::remove_file(&path).unwrap();
        if is_root() {
            fs::write(&path, "somebody else's").unwrap();
            set_mode(dir, 0o777);
            as_user(65534, replace).unwrap();
            assert_eq!(hidden(), leftover, "{fs}");
        }
    });
}

#[test]
fn a_name_by_its_path_in_proc_where_the_kernel_wants_a_capability() {
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        for replace in [false, true] {
            let done = watched(
                "a_name_by_its_path_in_proc_where_the_kernel_wants_a_capability",
                || copy_file(&src, &dst, FileOptions::new().replace(replace)),
                |call| match call.number {
                    libc::SYS_linkat if call.descriptor(4) & libc::AT_EMPTY_PATH != 0 => {
                        Verdict::Fail(libc::ENOENT)
                    }
                    _ => Verdict::Allow,
                },
            );
            let Some(done) = done else { return };
            done.unwrap();
            assert_eq!(fs::read(&dst).unwrap(), pattern(1, SIZE), "{fs}");
            assert_eq!(names(dir), ["dst", "src"], "{fs}");
        }
    });
}

#[test]
fn the_mode_is_that_of_any_new_file() {
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        for (source, umask, preserve, expected) in [
            (0o644, 0o022, Preserve::NONE, 0o644),
            (0o666, 0o027, Preserve::NONE, 0o640),
            (0o755, 0o077, Preserve::NONE, 0o700),
            (0o6755, 0o022, Preserve::NONE, 0o755),
            (0o400, 0o000, Preserve::NONE, 0o400),
            (0o666, 0o077, Preserve::MODE, 0o666),
            (0o6755, 0o077, Preserve::MODE, 0o6755),
        ] {
            set_mode(&src, source);
            let go = || copy_file(&src, &dst, FileOptions::new().preserve(preserve)).unwrap();
            assert_eq!(with_umask(umask, go).unwrap().unkept, Preserve::NONE);
            assert_eq!(mode(&dst), expected, "{fs} {source:o} {umask:o}");
            fs::remove_file(&dst).unwrap();
        }
    });
}

#[test]
fn set_id_bits_are_not_given_to_somebody_else() {
    if !is_root() {
        return skip("set_id_bits_are_not_given_to_somebody_else", "needs root: chown(2)");
    }
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        set_mode(dir, 0o777);
        set_mode(&src, 0o6755);
        let preserve = Preserve::MODE | Preserve::OWNER;
        let go = || copy_file(&src, &dst, FileOptions::new().preserve(preserve)).unwrap();
        let report = as_user(65534, go).unwrap();
        assert_eq!(report.unkept, preserve, "{fs}");
        assert_eq!((mode(&dst), fs::metadata(&dst).unwrap().uid()), (0o755, 65534), "{fs}");
        // Neither with the mode alone.
        fs::remove_file(&dst).unwrap();
        let go = || copy_file(&src, &dst, FileOptions::new().preserve(Preserve::MODE)).unwrap();
        assert_eq!(as_user(65534, go).unwrap().unkept, Preserve::MODE, "{fs}");
        assert_eq!(mode(&dst), 0o755, "{fs}");
    });
}

#[test]
fn a_directory_that_may_not_be_listed() {
    if !is_root() {
        return skip("a_directory_that_may_not_be_listed", "needs root: to be somebody else");
    }
    everywhere(|fs, dir| {
        set_mode(dir, 0o733);
        set_mode(&dir.join("src"), 0o644);
        let go = |durable| copy_file(&dir.join("src"), &dir.join("dst"), FileOptions::new().durable(durable));
        // Its names cannot be synced, which is said before anything is done.
        let error = as_user(65534, || go(true)).unwrap().unwrap_err();
        assert_eq!((error.errno, error.reason), (libc::EACCES, Reason::Permission), "{fs}");
        assert_eq!(names(dir), ["src"], "{fs}");
        as_user(65534, || go(false)).unwrap().unwrap();
        assert_eq!(fs::read(dir.join("dst")).unwrap(), pattern(1, SIZE), "{fs}");
    });
}

/// An access or default ACL: owner rw-, user 65533 r--, group ---, mask as given, others none (posix_acl_xattr.h).
fn acl(mask: u16) -> Vec<u8> {
    let entry = |tag: u16, permission: u16, id: u32| {
        [&tag.to_le_bytes()[..], &permission.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    let any = u32::MAX;
    let entries =
        [entry(1, 6, any), entry(2, 4, 65533), entry(4, 0, any), entry(0x10, mask, any), entry(0x20, 0, any)];
    [2u32.to_le_bytes().to_vec(), entries.concat()].concat()
}

#[test]
fn attributes_and_acls_come_along_and_inherited_ones_do_not() {
    const ACCESS: &CStr = c"system.posix_acl_access";
    const DEFAULT: &CStr = c"system.posix_acl_default";
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        if !set_attribute(&src, c"user.xtent", b"value") || !set_attribute(&src, ACCESS, &acl(4)) {
            skip(
                &format!("attributes_and_acls_come_along_and_inherited_ones_do_not/{}", fs.name),
                "no attributes or ACLs here",
            );
            return;
        }
        let go = |preserve| {
            let report = copy_file(&src, &dst, FileOptions::new().replace(true).preserve(preserve)).unwrap();
            assert_eq!(report.unkept, Preserve::NONE, "{fs}");
            (attribute(&dst, c"user.xtent"), attribute(&dst, ACCESS))
        };
        let value = Some(b"value".to_vec());
        assert_eq!(go(Preserve::NONE), (None, None), "{fs}");
        assert_eq!(go(Preserve::XATTRS), (value.clone(), None), "{fs}");
        assert_eq!(go(Preserve::ACLS), (None, Some(acl(4))), "{fs}");
        assert_eq!(
            go(Preserve::ACLS | Preserve::MODE | Preserve::XATTRS),
            (value.clone(), Some(acl(4))),
            "{fs}"
        );
        // An owner may not write, and yet the attribute is set.
        if is_root() {
            set_mode(dir, 0o777);
            set_mode(&src, 0o444);
            let report = as_user(65534, || go(Preserve::XATTRS | Preserve::MODE)).unwrap();
            assert_eq!((report.0, mode(&dst)), (value, 0o444), "{fs}");
            fs::remove_file(&dst).unwrap();
        }

        // The directory gives new files an ACL: it stands for the umask, and not for what is to be kept.
        assert!(set_attribute(dir, DEFAULT, &acl(7)));
        fs::remove_file(&src).unwrap();
        fs::write(&src, "contents").unwrap();
        File::create(dir.join("any")).unwrap();
        fs::write(dir.join("plain"), "contents").unwrap();
        copy_file(&src, &dst, FileOptions::new().replace(true)).unwrap();
        assert_eq!(
            (attribute(&dst, ACCESS), mode(&dst)),
            (attribute(&dir.join("plain"), ACCESS), mode(&dir.join("plain"))),
            "{fs}"
        );
        // A plain source.
        remove_attribute(&src, ACCESS);
        set_mode(&src, 0o646);
        copy_file(&src, &dst, FileOptions::new().replace(true).preserve(Preserve::ACLS | Preserve::MODE))
            .unwrap();
        assert_eq!((attribute(&dst, ACCESS), mode(&dst)), (None, 0o646), "{fs}");
    });
}

fn remove_attribute(path: &Path, name: &CStr) {
    let path = CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: path and name end with a zero.
    assert_eq!(unsafe { libc::removexattr(path.as_ptr(), name.as_ptr()) }, 0);
}

#[test]
fn the_replaced_file_can_leave_its_metadata() {
    if !is_root() {
        return skip("the_replaced_file_can_leave_its_metadata", "needs root: chown(2)");
    }
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        fs::write(&dst, "old").unwrap();
        std::os::unix::fs::chown(&dst, Some(12345), Some(54321)).unwrap();
        set_mode(&dst, 0o4750);
        let taken = set_attribute(&dst, c"user.xtent", b"old");
        set_attribute(&src, c"user.other", b"new");
        set_mode(&src, 0o666);
        let preserve = Preserve::DESTINATION | Preserve::MODE | Preserve::XATTRS | Preserve::TIMES;
        let options = || FileOptions::new().replace(true).preserve(preserve);
        let report = copy_file(&src, &dst, options()).unwrap();
        let (ours, theirs) = (fs::metadata(&dst).unwrap(), fs::metadata(&src).unwrap());
        assert_eq!((ours.uid(), ours.gid(), mode(&dst)), (12345, 54321, 0o750), "{fs}");
        assert_eq!(ours.modified().unwrap(), theirs.modified().unwrap(), "{fs}");
        assert_eq!(attribute(&dst, c"user.xtent"), taken.then(|| b"old".to_vec()), "{fs}");
        assert_eq!(attribute(&dst, c"user.other"), None, "{fs}");
        assert_eq!(report.unkept, Preserve::NONE, "{fs}");
        // Nothing is replaced: the other bits say what is kept.
        fs::remove_file(&dst).unwrap();
        copy_file(&src, &dst, options()).unwrap();
        assert_eq!((fs::metadata(&dst).unwrap().uid(), mode(&dst)), (0, 0o666), "{fs}");
    });
}

#[test]
fn a_stage_is_filled_by_anybody_and_published_whole() {
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        let open = |options| stage_open(&dst, options);
        let mut stage = with_umask(0o027, || open(StageOptions::new().durable(true))).unwrap().unwrap();
        assert_eq!(mode_of(stage.as_fd().as_raw_fd()), 0o600, "{fs}");
        let source = File::open(&src).unwrap();
        xtent::clone_or_copy_range(source.as_fd(), 0, stage.as_fd(), 0, xtent::TO_END, CopyOptions::new())
            .unwrap();
        xtent::copy_range(source.as_fd(), 0, stage.as_fd(), SIZE as u64, xtent::TO_END, CopyOptions::new())
            .unwrap();
        assert_eq!(names(dir), ["src"], "{fs}");
        fs::write(&dst, "in the way").unwrap();
        let refused = stage.publish().unwrap_err();
        assert_eq!((refused.errno, refused.reason), (libc::EEXIST, Reason::Exists), "{fs}");
        assert_eq!(mode_of(stage.as_fd().as_raw_fd()), 0o600, "{fs}: as before");
        fs::remove_file(&dst).unwrap();
        stage.publish().unwrap();
        assert_eq!(fs::read(&dst).unwrap(), [pattern(1, SIZE), pattern(1, SIZE)].concat(), "{fs}");
        assert_eq!(mode(&dst), 0o640, "{fs}");

        assert_eq!(open(StageOptions::new()).unwrap_err().reason, Reason::Exists, "{fs}");
        open(StageOptions::new().replace(true)).unwrap().discard();
        let mut empty = open(StageOptions::new().replace(true).mode(None)).unwrap();
        File::from(empty.as_fd().try_clone_to_owned().unwrap())
            .set_permissions(fs::Permissions::from_mode(0o604))
            .unwrap();
        empty.publish().unwrap();
        assert_eq!((mode(&dst), fs::metadata(&dst).unwrap().len()), (0o604, 0), "{fs}");
        assert_eq!(empty.publish().unwrap_err().errno, libc::EINVAL, "{fs}: published before");
        assert_eq!(names(dir), ["dst", "src"], "{fs}");
    });
}

#[test]
fn files_that_are_equal_are_deduped_by_their_paths() {
    everywhere(|fs, dir| {
        let (src, at) = (dir.join("src"), |name: &str| dir.join(name));
        File::open(&src).unwrap().sync_all().unwrap();
        for name in ["same", "read-only"] {
            fs::write(at(name), pattern(1, SIZE)).unwrap();
        }
        set_mode(&at("read-only"), 0o400);
        fs::write(at("differs"), pattern(2, SIZE)).unwrap();
        fs::write(at("longer"), pattern(1, SIZE + 1)).unwrap();
        fs::hard_link(&src, at("hard-link")).unwrap();
        fs::hard_link(at("same"), at("same-again")).unwrap();
        symlink("same", at("symlink")).unwrap();
        let targets =
            ["same", "differs", "missing", "hard-link", "read-only", "longer", "symlink", "same-again"];
        let paths = targets.map(at);
        let targets: Vec<At<'_>> = paths.iter().map(|path| At { dir: None, path }).collect();
        // Older than the last change: with relatime (mount(8)) the next read sets it.
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let times = || {
            [&src, &at("same"), &at("differs"), &at("read-only")].map(|path| {
                let stat = fs::metadata(path).unwrap();
                (stat.accessed().unwrap(), stat.modified().unwrap())
            })
        };
        for path in [&src, &at("same"), &at("differs"), &at("read-only")] {
            File::open(path).unwrap().set_times(FileTimes::new().set_accessed(long_ago)).unwrap();
        }
        let before = times();
        let results = match dedupe_files(&src, &targets, DedupeOptions::new()) {
            Ok(results) => results,
            Err(refusal) => {
                assert_eq!((refusal.errno, refusal.op.name()), (libc::EOPNOTSUPP, "dedupe_files"), "{fs}");
                return;
            }
        };
        let outcome = |i: usize| (results[i].status, results[i].errno, results[i].reason);
        if fs.name == "xfs-noreflink" || outcome(0).1 == libc::EOPNOTSUPP {
            return;
        }
        use DedupeStatus::*;
        assert_eq!(outcome(0), (Same, 0, Reason::None), "{fs}");
        assert_eq!(outcome(1).0, Differs, "{fs}");
        assert_eq!(outcome(2), (Failed, libc::ENOENT, Reason::NotFound), "{fs}");
        assert_eq!(outcome(3).0, Same, "{fs}");
        assert_eq!((results[3].shared, results[3].already_shared), (Some(0), Some(SIZE as u64)), "{fs}");
        assert_eq!(outcome(4), (Same, 0, Reason::None), "{fs}");
        assert_eq!(outcome(5).0, Differs, "{fs}");
        assert_eq!(outcome(6), (Failed, libc::ELOOP, Reason::TooManyLinks), "{fs}");
        assert_eq!((outcome(7).0, results[7].shared), (Same, Some(0)), "{fs}");
        assert_eq!(before, times(), "{fs}");
        assert_eq!(fs::read(at("differs")).unwrap(), pattern(2, SIZE));
    });
}

/// Held by who opens very many files, or counts them.
static VERY_MANY_FILES: Mutex<()> = Mutex::new(());

#[test]
fn more_files_are_deduped_than_a_process_may_open() {
    let _alone = VERY_MANY_FILES.lock();
    for fs in filesystems().iter().filter(|fs| matches!(fs.name.as_str(), "xfs" | "btrfs")) {
        let dir = scratch(fs);
        let block = pattern(1, 4096);
        fs::write(dir.path().join("src"), &block).unwrap();
        let paths: Vec<_> = (0..300).map(|i| dir.path().join(format!("{i}"))).collect();
        paths.iter().for_each(|path| fs::write(path, &block).unwrap());
        let targets: Vec<At<'_>> = paths.iter().map(|path| At { dir: None, path }).collect();
        let mut told = Vec::new();
        let mut most = 0;
        let mut progress = |done, total| {
            told.push((done, total));
            most = most.max(fs::read_dir("/proc/self/fd").unwrap().count());
            ControlFlow::Continue(())
        };
        let before = fs::read_dir("/proc/self/fd").unwrap().count();
        let options = DedupeOptions::new().control(Control::new().progress(&mut progress));
        let results = dedupe_files(&dir.path().join("src"), &targets, options).unwrap();
        assert!(results.iter().all(|result| result.status == DedupeStatus::Same), "{fs}");
        assert!(told.is_sorted(), "{fs} {told:?}");
        assert_eq!(told.last(), Some(&(300 * 4096, 300 * 4096)), "{fs}");
        // Other tests open files meanwhile.
        assert!(most < before + 250, "{fs}: {most} descriptors, {before} before");
    }
}

#[test]
fn what_fails_late_fails_for_the_files_that_are_left() {
    let _alone = VERY_MANY_FILES.lock();
    for fs in filesystems().iter().filter(|fs| matches!(fs.name.as_str(), "xfs" | "btrfs")) {
        let dir = scratch(fs);
        let block = pattern(1, 4096);
        fs::write(dir.path().join("src"), &block).unwrap();
        let paths: Vec<_> = (0..130).map(|i| dir.path().join(format!("{i}"))).collect();
        paths.iter().for_each(|path| fs::write(path, &block).unwrap());
        let targets: Vec<At<'_>> = paths.iter().map(|path| At { dir: None, path }).collect();
        // FIDEDUPERANGE has room for 127.
        let mut asked = 0;
        let fideduperange = libc::_IOWR::<[u64; 3]>(0x94, 54);
        let done = watch(
            Calls::These(&[libc::SYS_ioctl]),
            || dedupe_files(&dir.path().join("src"), &targets, DedupeOptions::new()),
            |call| {
                asked += u32::from(call.arguments[1] == fideduperange);
                if call.arguments[1] == fideduperange && asked > 1 {
                    Verdict::Fail(libc::EIO)
                } else {
                    Verdict::Allow
                }
            },
        );
        let told = |error: &std::io::Error| {
            skip("what_fails_late_fails_for_the_files_that_are_left", &format!("seccomp_unotify(2): {error}"))
        };
        let Ok(results) = done.inspect_err(told) else { return };
        let results = results.unwrap();
        assert!(asked > 1, "{fs}");
        assert!(results[..127].iter().all(|result| result.status == DedupeStatus::Same), "{fs}");
        for result in &results[127..] {
            let told = (result.status, result.errno, result.reason);
            assert_eq!(told, (DedupeStatus::Failed, libc::EIO, Reason::Io), "{fs}");
        }
    }
}

/// Before each system call of a run in turn somebody who may write the directory's parent moves it away and puts a
/// symbolic link in its place, and another one under the destination's name. Everything still happens in the directory
/// that was opened.
#[test]
fn a_hostile_neighbour_leads_nowhere_else() {
    everywhere(|fs, dir| {
        let elsewhere = dir.join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::write(elsewhere.join("precious"), "precious").unwrap();
        for (verb, call) in verbs(fs) {
            // No run makes as many calls; it ends when one was left alone.
            for swap_at in 1..100 {
                let (place, moved) = (dir.join("place"), dir.join("moved"));
                fs::create_dir(&place).unwrap();
                fs::write(place.join("dst"), "old").unwrap();
                let mut calls = 0;
                let done = watched(
                    "a_hostile_neighbour_leads_nowhere_else",
                    || {
                        let preserve = Preserve::MODE | Preserve::TIMES | Preserve::DESTINATION;
                        let options = FileOptions::new().replace(true).durable(true).preserve(preserve);
                        call((&dir.join("src")).into(), (&place.join("dst")).into(), options)
                    },
                    |_| {
                        // The first call opens the directory: until then the path leads where it leads.
                        if calls == swap_at {
                            fs::rename(&place, &moved).unwrap();
                            symlink("elsewhere", &place).unwrap();
                            fs::remove_file(moved.join("dst")).unwrap();
                            symlink("../elsewhere/precious", moved.join("dst")).unwrap();
                        }
                        calls += 1;
                        Verdict::Allow
                    },
                );
                let Some(done) = done else { return };
                assert_eq!(names(&elsewhere), ["precious"], "{fs} {verb} {swap_at}");
                assert_eq!(
                    fs::read_to_string(elsewhere.join("precious")).unwrap(),
                    "precious",
                    "{fs} {verb}"
                );
                let swapped = calls > swap_at;
                let there = if swapped { &moved } else { &place };
                assert!(swapped || done.is_ok(), "{fs} {verb}: {done:?}");
                if done.is_ok() {
                    let dst = there.join("dst");
                    // After the rename it is the neighbour who took the new file away.
                    if fs::symlink_metadata(&dst).unwrap().is_file() {
                        assert_eq!(fs::read(&dst).unwrap(), pattern(1, SIZE), "{fs} {verb} {swap_at}");
                    }
                    assert_eq!(names(there), ["dst"], "{fs} {verb} {swap_at}");
                }
                if swapped {
                    fs::remove_file(&place).unwrap();
                }
                fs::remove_dir_all(there).unwrap();
                if !swapped {
                    break;
                }
            }
        }
    });
}
