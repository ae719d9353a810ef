//! Whole directories: trees of every kind of file, compared by rsync, which looks at everything.

use std::ffi::{CString, OsStr};
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use xtent::{Control, Reason, TreeOptions, TreeResult, clone_or_copy_tree, clone_tree, copy_tree};
use xtent_tests::{Filesystem, filesystems, pattern, scratch, shared_with, skip};

type Verb = fn(&Path, &Path, TreeOptions<'_>) -> TreeResult;

const VERBS: [(&str, Verb); 3] = [
    ("copy_tree", |src, dst, options| copy_tree(src, dst, options)),
    ("clone_tree", |src, dst, options| clone_tree(src, dst, options)),
    ("clone_or_copy_tree", |src, dst, options| clone_or_copy_tree(src, dst, options)),
];

fn shares(fs: &Filesystem) -> bool {
    ["xfs", "xfs2", "btrfs", "overlay"].contains(&fs.name.as_str())
}

fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn path_c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no zero")
}

fn xattr(path: &Path, name: &str, value: &[u8]) -> bool {
    let (path, name) = (path_c(path), CString::new(name).expect("no zero"));
    // SAFETY: both end with a zero, and the value has as many bytes.
    unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) == 0 }
}

fn node(path: &Path, mode: u32, device: u64) {
    // SAFETY: the path ends with a zero.
    assert_eq!(unsafe { libc::mknod(path_c(path).as_ptr(), mode, device) }, 0, "{}", path.display());
}

fn times(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = [time, time];
    // SAFETY: the path ends with a zero, and two times are read.
    let rc = unsafe {
        libc::utimensat(libc::AT_FDCWD, path_c(path).as_ptr(), times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW)
    };
    assert_eq!(rc, 0);
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
}

/// `user::rwx, user:1234:r-x, group::r--, mask::r-x, other::---`, as the kernel stores it.
fn acl() -> Vec<u8> {
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, bits, id) in
        [(1u16, 7u16, u32::MAX), (2, 5, 1234), (4, 4, u32::MAX), (16, 5, u32::MAX), (32, 0, u32::MAX)]
    {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&bits.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    acl
}

/// A tree with every kind of file and odd names, in `root`.
fn grow(root: &Path) {
    fs::create_dir_all(root.join("a/b/c/empty")).expect("directories");
    let odd = OsStr::from_bytes(b"not \xff UTF-8\nwith a line break");
    fs::write(root.join(odd), pattern(1, 10)).expect("odd name");
    fs::write(root.join("n".repeat(255)), pattern(2, 5000)).expect("long name");
    fs::create_dir(root.join("a").join(odd)).expect("odd directory");
    for (i, size) in [0, 1, 4095, 4096, 4097, 12_288, 20_000, 100_000, 3 << 20].into_iter().enumerate() {
        fs::write(root.join(format!("a/size-{size}")), pattern(i as u64, size)).expect("a file");
    }
    for i in 0..200 {
        fs::write(root.join(format!("a/b/{i}")), pattern(i, (i * 37) as usize)).expect("a file");
    }
    let sparse = fs::File::create_new(root.join("a/sparse")).expect("a file");
    sparse.set_len(8 << 20).expect("size");
    sparse.write_all_at(&pattern(9, 65_536), 1 << 20).expect("an island");
    fs::hard_link(root.join("a/size-4097"), root.join("a/b/c/linked")).expect("a link");
    fs::hard_link(root.join("a/size-4097"), root.join("linked too")).expect("a link");
    symlink("nowhere/at all", root.join("dangling")).expect("a link");
    symlink("/etc/passwd", root.join("a/b/absolute")).expect("a link");
    symlink("t".repeat(1000), root.join("a/long link")).expect("a link");
    node(&root.join("a/fifo"), libc::S_IFIFO | 0o640, 0);
    node(&root.join("a/socket"), libc::S_IFSOCK | 0o600, 0);
    fs::hard_link(root.join("a/fifo"), root.join("a/b/fifo too")).expect("a link");
    xattr(&root.join("a/size-4096"), "user.note", b"kept");
    xattr(&root.join("a/b"), "user.note", b"on a directory");
    xattr(&root.join("a/size-1"), "system.posix_acl_access", &acl());
    xattr(&root.join("a/b/c"), "system.posix_acl_default", &acl());
    if is_root() {
        node(&root.join("a/device"), libc::S_IFCHR | 0o644, libc::makedev(1, 3));
        std::os::unix::fs::lchown(root.join("a/b/1"), Some(1234), Some(2345)).expect("chown");
        std::os::unix::fs::lchown(root.join("dangling"), Some(1234), Some(2345)).expect("chown");
        std::os::unix::fs::lchown(root.join("a/b/c"), Some(1234), Some(2345)).expect("chown");
        xattr(&root.join("dangling"), "trusted.note", b"on a link");
        xattr(
            &root.join("a/b/2"),
            "security.capability",
            &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        );
    }
    mode(&root.join("a/b/3"), 0o4755);
    mode(&root.join("a/b/4"), 0o2711);
    mode(&root.join("a/b/5"), 0o000);
    mode(&root.join("a/b/c/empty"), 0o3777);
    for (path, seconds) in
        [("a/b/6", 1), ("dangling", 1_000_000_001), ("a/fifo", 7), ("a/b/c/empty", 5), ("a/b", 99)]
    {
        times(&root.join(path), seconds, 123_456_789);
    }
    mode(&root.join("a/b/c"), 0o500);
    times(&root.join("a/b/c"), 77, 1);
    times(root, 12_345, 678);
}

/// The differences that rsync sees. Times to the nanosecond: it compares what it would transfer.
fn differences(src: &Path, dst: &Path) -> String {
    let mut from = src.as_os_str().to_owned();
    from.push("/");
    let mut out = String::new();
    let mut run = |src: &OsStr, dst: &Path| {
        let run = Command::new("rsync")
            .args(["-aHAXn", "--checksum", "--itemize-changes", "--delete", "--modify-window=-1"])
            .arg(src)
            .arg(dst)
            .output()
            .expect("rsync");
        out.push_str(&String::from_utf8_lossy(&run.stdout));
        out.push_str(&String::from_utf8_lossy(&run.stderr));
    };
    run(&from, dst);
    let mut back = dst.as_os_str().to_owned();
    back.push("/");
    run(&back, src);
    out
}

fn has_rsync() -> bool {
    Command::new("rsync").arg("--version").output().is_ok()
}

/// Every directory entry below.
fn everything(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).expect("a directory") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("a type").is_dir() {
                left.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

fn hidden_names(dir: &Path) -> usize {
    let names = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    names.filter(|name| name.as_bytes().starts_with(b".xtent-")).count()
}

#[test]
fn everything_is_kept_and_clones_share() {
    if !has_rsync() {
        return skip("everything_is_kept_and_clones_share", "there is no rsync");
    }
    for fs in filesystems() {
        let dir = scratch(fs);
        let src = dir.path().join("src");
        fs::create_dir(&src).expect("a directory");
        grow(&src);
        for (name, verb) in VERBS {
            for threads in [1, 4] {
                let dst = dir.path().join(format!("{name}-{threads}"));
                let result = verb(&src, &dst, TreeOptions::new().threads(threads));
                if name == "clone_tree" && !shares(fs) {
                    let failure = result.expect_err("no clones here");
                    assert_eq!(failure.error.errno, libc::EOPNOTSUPP, "{fs}: {failure}");
                    assert!(!failure.path.as_os_str().is_empty(), "{fs}: {failure}");
                    assert!(!dst.exists() && hidden_names(dir.path()) == 0, "{fs}");
                    continue;
                }
                let report = result.unwrap_or_else(|failure| panic!("{fs}: {name}: {failure}"));
                assert_eq!(differences(&src, &dst), "", "{fs}: {name}");
                let (ours, theirs) = (everything(&src), everything(&dst));
                let told = report.files + report.directories + report.links + report.specials;
                assert_eq!((ours.len(), told), (theirs.len(), 1 + ours.len() as u64), "{fs}: {name}");
                assert_eq!((report.vanished, report.failures.len()), (0, 0), "{fs}: {name}");
                for path in ours.iter().filter(|path| path.symlink_metadata().expect("stat").is_file()) {
                    let other = dst.join(path.strip_prefix(&src).expect("beneath"));
                    let (stat, copy) = (path.metadata().expect("stat"), other.metadata().expect("stat"));
                    assert_ne!(stat.ino(), copy.ino());
                    let Some(shared) =
                        (stat.len() > 0 && fs.name != "tmpfs").then(|| shared_with(path, &other))
                    else {
                        continue;
                    };
                    let shared = shared.expect("a map");
                    match name {
                        "copy_tree" => assert_eq!(shared, 0, "{fs}: {}", path.display()),
                        // btrfs keeps very small files within the inode, where nothing is shared.
                        "clone_tree" if stat.len() >= 4096 && stat.blocks() > 0 => {
                            assert!(shared > 0, "{fs}: {}", path.display());
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

#[test]
fn a_taken_name_is_kept_or_exchanged() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        fs::create_dir_all(src.join("new/deep")).expect("directories");
        fs::create_dir_all(dst.join("old/deep")).expect("directories");
        fs::write(dst.join("old/deep/file"), "old").expect("a file");
        mode(&dst.join("old"), 0o500);
        let failure = copy_tree(&src, &dst, TreeOptions::new()).expect_err("taken");
        assert_eq!((failure.error.errno, failure.error.reason), (libc::EEXIST, Reason::Exists), "{fs}");
        assert!(dst.join("old/deep/file").exists());
        copy_tree(&src, &dst, TreeOptions::new().replace(true).durable(true)).expect("replaced");
        assert!(dst.join("new/deep").exists() && !dst.join("old").exists(), "{fs}");
        fs::write(dir.path().join("file"), "old").expect("a file");
        copy_tree(&src, &dir.path().join("file"), TreeOptions::new().replace(true)).expect("replaced");
        assert!(dir.path().join("file/new").exists());
        assert_eq!(hidden_names(dir.path()), 0, "{fs}");
    }
}

#[test]
fn what_has_the_source_inside_is_not_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let tree = dir.path().join("tree");
    fs::create_dir_all(tree.join("inner/src")).expect("directories");
    fs::write(tree.join("inner/src/file"), "contents").expect("a file");
    symlink("tree", dir.path().join("link")).expect("a link");
    for (name, verb) in VERBS {
        for src in ["tree", "tree/inner", "tree/inner/src"] {
            let failure =
                verb(&dir.path().join(src), &tree, TreeOptions::new().replace(true)).expect_err("refused");
            let told = (failure.error.errno, failure.error.reason);
            assert_eq!(told, (libc::EINVAL, Reason::InsideDestination), "{name} {src}");
            assert_eq!(fs::read(tree.join("inner/src/file")).expect("still there"), b"contents");
        }
    }
    // A link that leads there is replaced itself, and nothing is lost.
    copy_tree(&tree.join("inner"), &dir.path().join("link"), TreeOptions::new().replace(true))
        .expect("replaced");
    assert!(dir.path().join("link/src/file").exists() && tree.join("inner/src/file").exists());
    assert_eq!(hidden_names(dir.path()), 0);
}

#[test]
fn what_is_no_tree_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let src = dir.path().join("src");
    fs::create_dir_all(src.join("inside")).expect("directories");
    fs::write(src.join("file"), "").expect("a file");
    symlink("src", dir.path().join("link")).expect("a link");
    let refused = |src: &Path, dst: &Path, errno, reason| {
        let failure = copy_tree(src, dst, TreeOptions::new()).expect_err("refused");
        assert_eq!((failure.error.errno, failure.error.reason), (errno, reason), "{failure}");
    };
    let dst = dir.path().join("dst");
    refused(&src.join("file"), &dst, libc::ENOTDIR, Reason::NotDirectory);
    refused(&dir.path().join("link"), &dst, libc::ENOTDIR, Reason::NotDirectory);
    refused(&dir.path().join("nothing"), &dst, libc::ENOENT, Reason::NotFound);
    refused(&src, &src.join("inside/dst"), libc::EINVAL, Reason::InsideSource);
    refused(&src, &dir.path().join("nothing/dst"), libc::ENOENT, Reason::NotFound);
    assert_eq!(hidden_names(dir.path()) + hidden_names(&src.join("inside")), 0);
}

#[test]
fn cancelling_publishes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
    fs::create_dir(&src).expect("a directory");
    for i in 0..100 {
        fs::write(src.join(i.to_string()), pattern(i, 1000)).expect("a file");
    }
    for threads in [1, 3] {
        let mut seen = 0;
        let mut progress = |files: u64, bytes: u64| {
            assert!(bytes >= 1000 * files.saturating_sub(1));
            seen = files;
            if files >= 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let control = Control::new().progress(&mut progress);
        let failure = copy_tree(&src, &dst, TreeOptions::new().threads(threads).control(control))
            .expect_err("cancelled");
        assert_eq!((failure.error.errno, failure.error.reason), (libc::ECANCELED, Reason::Cancelled));
        assert!(seen >= 10 && !dst.exists());
        assert_eq!(hidden_names(dir.path()), 0);
    }
}

#[test]
fn threads_share_a_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let src = dir.path().join("src");
    fs::create_dir(&src).expect("a directory");
    // More than are handed out at once.
    for i in 0..1000_usize {
        fs::write(src.join(i.to_string()), pattern(i as u64, i)).expect("a file");
    }
    for threads in [1, 2, 7] {
        let dst = dir.path().join(threads.to_string());
        let report = copy_tree(&src, &dst, TreeOptions::new().threads(threads)).expect("copied");
        assert_eq!((report.files, report.total.bytes()), (1000, 999 * 1000 / 2));
        for i in 0..1000_usize {
            assert!(fs::read(dst.join(i.to_string())).expect("a file") == pattern(i as u64, i), "{i}");
        }
    }
}

#[test]
fn going_on_reports_every_failure() {
    for fs in filesystems().iter().filter(|fs| !shares(fs)) {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        fs::create_dir_all(src.join("a/b")).expect("directories");
        for name in ["a/one", "a/b/two", "three"] {
            fs::write(src.join(name), pattern(1, 5000)).expect("a file");
        }
        symlink("x", src.join("a/link")).expect("a link");
        // Nothing can be cloned here: each file fails, and all the rest is made.
        let report = clone_tree(&src, &dst, TreeOptions::new().keep_going(true)).expect("published");
        let mut failed: Vec<_> = report
            .failures
            .iter()
            .map(|failure| (failure.path.to_str().expect("UTF-8"), failure.error.errno))
            .collect();
        failed.sort_unstable();
        let cannot = libc::EOPNOTSUPP;
        assert_eq!(failed, [("a/b/two", cannot), ("a/one", cannot), ("three", cannot)], "{fs}");
        assert_eq!((report.files, report.directories, report.specials), (0, 3, 1), "{fs}");
        assert_eq!(everything(&dst).len(), 3, "{fs}: only what did not fail");
    }
}

#[test]
fn leftovers_of_a_killed_run_are_cleared_and_live_ones_are_not() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        fs::create_dir_all(src.join("a")).expect("directories");
        fs::write(src.join("a/file"), pattern(1, 5000)).expect("a file");
        // The hidden name of a destination follows from its name: a run that is stopped in its callback shows it.
        let mut hidden = None;
        let mut progress = |_, _| {
            let names = fs::read_dir(dir.path()).expect("a directory");
            let mut names = names.map(|entry| entry.expect("an entry").path());
            hidden = names
                .find(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".xtent-")));
            // Another run for the same destination meanwhile finds it held, and takes another name.
            ControlFlow::Break(())
        };
        let control = Control::new().progress(&mut progress);
        copy_tree(&src, &dst, TreeOptions::new().threads(1).control(control)).expect_err("cancelled");
        let hidden = hidden.expect("a hidden name");
        fs::create_dir_all(hidden.join("left/over")).expect("directories");
        fs::write(hidden.join("left/over/file"), "").expect("a file");
        let held = fs::File::open(&hidden).expect("a directory");
        held.lock().expect("the lock");
        copy_tree(&src, &dst, TreeOptions::new()).expect("copied beside a live one");
        assert!(hidden.join("left/over/file").exists(), "{fs}");
        // Unlocked, and not just closed: a child that another test's thread forks meanwhile holds what we close until it execs.
        held.unlock().expect("no lock");
        copy_tree(&src, &dst, TreeOptions::new().replace(true)).expect("copied again");
        assert_eq!(hidden_names(dir.path()), 0, "{fs}");
    }
}

/// Root copies for somebody who owns both directories and plays tricks: puts symbolic links in the place of directories of
/// the source, and in the place of the hidden directory. Nothing outside is read or written.
#[test]
fn a_hostile_neighbour_leads_nowhere() {
    const ROUNDS: usize = 400;
    for fs in filesystems().iter().filter(|fs| ["xfs", "btrfs", "ext4", "tmpdir"].contains(&fs.name.as_str()))
    {
        let dir = scratch(fs);
        let at = |name: &str| dir.path().join(name);
        let (src, out, secret, victim) = (at("src"), at("out"), at("secret"), at("victim"));
        for path in [&src.join("a/b/c"), &out, &secret.join("b/c"), &victim] {
            fs::create_dir_all(path).expect("directories");
        }
        for name in ["b/c/file", "b/file", "file"] {
            fs::write(src.join("a").join(name), "fine").expect("a file");
            fs::write(secret.join(name), "secret").expect("a file");
        }
        let is_over = AtomicBool::new(false);
        let swapped = |from: &Path, aside: &Path, to: &Path| {
            if fs::rename(from, aside).is_ok() {
                symlink(to, from).ok();
                std::thread::yield_now();
                fs::remove_file(from).ok();
                fs::rename(aside, from).ok();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    swapped(&src.join("a"), &at("aside"), &secret);
                    swapped(&src.join("a/b"), &at("aside"), &secret.join("b"));
                    for _ in 0..20 {
                        swapped(&src.join("a/b/file"), &at("aside"), &secret.join("b/file"));
                    }
                }
            });
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let names =
                        fs::read_dir(&out).expect("a directory").map(|entry| entry.expect("an entry"));
                    let hidden = names.map(|entry| entry.path()).find(|path| {
                        path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".xtent-"))
                    });
                    if let Some(hidden) = hidden {
                        swapped(&hidden, &at("aside too"), &victim);
                    }
                    std::thread::yield_now();
                }
            });
            for i in 0..ROUNDS {
                let threads = 1 + i % 2;
                // What it says is of no interest here: the neighbour may make it fail.
                copy_tree(&src, &out.join(i.to_string()), TreeOptions::new().threads(threads)).ok();
            }
            is_over.store(true, Ordering::Relaxed);
        });
        let is_file = |path: &&PathBuf| path.symlink_metadata().expect("stat").is_file();
        for path in everything(&out).iter().filter(is_file) {
            assert_eq!(fs::read(path).expect("a file"), b"fine", "{fs}: {}", path.display());
        }
        assert_eq!(fs::read_dir(&victim).expect("a directory").count(), 0, "{fs}");
        for name in ["b/c/file", "b/file", "file"] {
            assert_eq!(fs::read(secret.join(name)).expect("a file"), b"secret", "{fs}");
        }
    }
}

/// Who owns the destination's directory may give a hidden name to a directory of its own in which root mounted something.
#[test]
fn what_is_mounted_in_a_leftover_stays() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        fs::create_dir_all(src.join("a")).expect("directories");
        fs::write(src.join("a/file"), "contents").expect("a file");
        let mut hidden = None;
        let mut progress = |_, _| {
            let names =
                fs::read_dir(dir.path()).expect("a directory").map(|entry| entry.expect("an entry").path());
            let mut names = names
                .filter(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".xtent-")));
            hidden = names.next();
            ControlFlow::Break(())
        };
        let control = Control::new().progress(&mut progress);
        copy_tree(&src, &dst, TreeOptions::new().threads(1).control(control)).expect_err("cancelled");
        let mounted = hidden.expect("a hidden name").join("left/mounted");
        fs::create_dir_all(&mounted).expect("directories");
        let kind = c"tmpfs".as_ptr();
        // SAFETY: all strings end with a zero; tmpfs needs no data.
        if unsafe { libc::mount(kind, path_c(&mounted).as_ptr(), kind, 0, std::ptr::null()) } != 0 {
            return skip("what_is_mounted_in_a_leftover_stays", "mounting needs root");
        }
        fs::write(mounted.join("precious"), "precious").expect("a file");
        let copied = copy_tree(&src, &dst, TreeOptions::new());
        let kept = fs::read(mounted.join("precious"));
        // SAFETY: the path ends with a zero.
        assert_eq!(unsafe { libc::umount2(path_c(&mounted).as_ptr(), 0) }, 0);
        copied.expect("copied under another hidden name");
        assert_eq!(kept.expect("still there"), b"precious", "{fs}");
        copy_tree(&src, &dst, TreeOptions::new().replace(true)).expect("copied again");
        assert_eq!(hidden_names(dir.path()), 0, "{fs}: a leftover with nothing mounted in it goes");
    }
}
