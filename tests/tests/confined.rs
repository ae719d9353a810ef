//! A caller that may little, or sees little: a plain user, a directory that may not be written, no /proc, a user
//! namespace, a mount that maps ids. What can work works, and the rest says why.

use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use xtent::{
    CloneOptions, CopyOptions, DedupeOptions, DedupeStatus, DedupeTarget, FileOptions, Reason, TO_END,
    TreeOptions, Undo, clone_file, clone_or_copy_file, clone_or_copy_range, clone_range, copy_file,
    copy_range, copy_tree, dedupe_range,
};
use xtent_tests::{Filesystem, as_user, filesystems, pattern, scratch, skip, write_file};

const USER: u32 = 1000;
const MIB: usize = 1 << 20;

fn is_root() -> bool {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// The filesystems, of which root makes what `USER` then finds; or none, and why.
fn with_root(test: &str) -> Vec<&'static Filesystem> {
    if is_root() {
        return filesystems().iter().collect();
    }
    skip(test, "needs root");
    Vec::new()
}

fn shares(fs: &Filesystem) -> bool {
    matches!(fs.name.as_str(), "xfs" | "btrfs" | "overlay")
}

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

fn own(path: &Path, owner: u32) {
    chown(path, Some(owner), Some(owner)).expect("chown");
}

/// All that can be done to whole files in `dir`, where `src` is.
fn every_verb_of_files(dir: &Path, shares: bool) {
    let src = dir.join("src");
    let wanted = fs::read(&src).expect("a source that may be read");
    for replace in [false, true] {
        let options = || FileOptions::new().replace(replace).durable(true);
        copy_file(&src, &dir.join("copied"), options()).expect("a copy");
        clone_or_copy_file(&src, &dir.join("either"), options()).expect("a clone or a copy");
        let mut names = vec!["copied", "either"];
        if shares {
            clone_file(&src, &dir.join("cloned"), options()).expect("a clone");
            names.push("cloned");
        }
        for name in names {
            assert!(fs::read(dir.join(name)).expect("the new file") == wanted, "{name}");
        }
    }
}

#[test]
fn a_plain_user() {
    for fs in with_root("a_plain_user") {
        let dir = scratch(fs);
        write_file(&dir.path().join("src"), &pattern(1, MIB)).expect("a file");
        own(dir.path(), USER);
        as_user(USER, || every_verb_of_files(dir.path(), shares(fs))).expect("another user");
    }
}

#[test]
fn a_directory_that_may_not_be_written() {
    for fs in with_root("a_directory_that_may_not_be_written") {
        let (dir, elsewhere) = (scratch(fs), scratch(fs));
        let bytes = pattern(1, MIB);
        for (name, bytes) in [("src", &bytes), ("full", &pattern(2, 2 * MIB)), ("empty", &Vec::new())] {
            write_file(&dir.path().join(name), bytes).expect("a file");
            own(&dir.path().join(name), USER);
        }
        allow(dir.path(), 0o555);
        own(elsewhere.path(), USER);
        let open = |name| File::options().read(true).write(true).open(dir.path().join(name)).expect("a file");
        let check = || {
            let (src, new) = (dir.path().join("src"), dir.path().join("new"));
            for error in [
                copy_file(&src, &new, FileOptions::new()).expect_err("no name"),
                clone_or_copy_file(&src, &new, FileOptions::new()).expect_err("no name"),
            ] {
                assert_eq!((error.errno, error.reason), (libc::EACCES, Reason::Permission), "{fs}");
            }
            let (src, full, empty) = (open("src"), open("full"), open("empty"));
            copy_range(src.as_fd(), 0, full.as_fd(), 0, 8192, CopyOptions::new()).expect("a copy");
            let both = clone_or_copy_range(src.as_fd(), 0, full.as_fd(), 0, TO_END, CopyOptions::new());
            assert_eq!(both.expect("a clone or a copy").bytes() as usize, MIB, "{fs}");
            if !shares(fs) {
                return;
            }
            // Nothing is there to be kept.
            clone_range(src.as_fd(), 0, empty.as_fd(), 0, TO_END, CloneOptions::new()).expect("a clone");
            // The old bytes have no place, but elsewhere or not at all.
            let clone = |options| clone_range(src.as_fd(), 0, full.as_fd(), 0, MIB as u64, options);
            let error = clone(CloneOptions::new()).expect_err("nowhere for the old bytes");
            assert_eq!(error.reason, Reason::NoScratchDirectory, "{fs}: {error:?}");
            let other = File::open(elsewhere.path()).expect("a directory");
            clone(CloneOptions::new().scratch_dir(other.as_fd())).expect("a clone");
            clone(CloneOptions::new().undo(Undo::Off)).expect("a clone");
            let targets = [DedupeTarget { fd: full.as_fd(), offset: 0 }];
            let results = dedupe_range(src.as_fd(), 0, TO_END, &targets, DedupeOptions::new());
            assert_eq!(results.expect("results")[0].status, DedupeStatus::Same, "{fs}");
        };
        as_user(USER, check).expect("another user");
        allow(dir.path(), 0o755);
    }
}

/// Runs `body` in a thread that has mounts of its own, without /proc.
fn without_proc<T: Send>(body: impl FnOnce() -> T + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let apart = scope.spawn(|| {
            own_mounts()?;
            // One may lie over another. SAFETY: a string that ends with NUL.
            while check(unsafe { libc::umount2(c"/proc".as_ptr(), libc::MNT_DETACH) }.into()).is_ok() {}
            assert!(!Path::new("/proc/self").exists(), "/proc is still there");
            Ok(body())
        });
        apart.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn own_mounts() -> io::Result<()> {
    // SAFETY: changes the namespace of this thread; the strings end with NUL.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS).into())?;
        let none = std::ptr::null();
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(none, c"/".as_ptr(), none, private, none.cast()).into())?;
    }
    Ok(())
}

fn check(result: i64) -> io::Result<i64> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[test]
fn without_procfs() {
    const TEST: &str = "without_procfs";
    for fs in with_root(TEST) {
        let dir = scratch(fs);
        write_file(&dir.path().join("src"), &pattern(1, MIB)).expect("a file");
        let full = write_file(&dir.path().join("full"), &pattern(2, MIB)).expect("a file");
        let done = without_proc(|| {
            every_verb_of_files(dir.path(), shares(fs));
            if shares(fs) {
                // Its directory is not found, so that one must be named.
                let src = File::open(dir.path().join("src")).expect("a file");
                let clone = |options| clone_range(src.as_fd(), 0, full.as_fd(), 0, TO_END, options);
                let error = clone(CloneOptions::new()).expect_err("nowhere for the old bytes");
                assert_eq!(error.reason, Reason::NoScratchDirectory, "{fs}: {error:?}");
                let here = File::open(dir.path()).expect("a directory");
                clone(CloneOptions::new().scratch_dir(here.as_fd())).expect("a clone");
            }
            copy_tree(dir.path(), &dir.path().with_extension("tree"), TreeOptions::new().threads(1))
        });
        match done {
            Err(error) => return skip(TEST, &format!("no mounts of its own: {error}")),
            Ok(tree) => drop(tree.expect("a tree")),
        }
        fs::remove_dir_all(dir.path().with_extension("tree")).expect("the tree");
    }
}

/// This program, in a user namespace, is told the directory by it.
const INSIDE: &str = "XTENT_INSIDE";

#[test]
fn in_a_user_namespace() {
    const TEST: &str = "in_a_user_namespace";
    if let Some(dir) = std::env::var_os(INSIDE) {
        let dir = Path::new(&dir);
        every_verb_of_files(dir, std::env::var_os("XTENT_SHARES").is_some());
        let tree = |to, options| copy_tree(&dir.join("tree"), &dir.join(to), options);
        tree("other-tree", TreeOptions::new().threads(2)).expect("a tree");
        return;
    }
    for fs in filesystems() {
        let dir = scratch(fs);
        write_file(&dir.path().join("src"), &pattern(1, MIB)).expect("a file");
        fs::create_dir(dir.path().join("tree")).expect("a directory");
        write_file(&dir.path().join("tree/file"), &pattern(1, 5000)).expect("a file");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user"]);
        match command.arg("true").output() {
            Ok(output) if output.status.success() => {}
            _ => return skip(TEST, "no user namespaces"),
        }
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user"]).arg(std::env::current_exe().expect("this program"));
        command.args(["--exact", TEST, "--nocapture"]).env(INSIDE, dir.path());
        if shares(fs) {
            command.env("XTENT_SHARES", "1");
        }
        let output = command.output().expect("unshare");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{fs}: {said}");
        assert!(dir.path().join("other-tree/file").exists(), "{fs}");
    }
}

/// On disk everything belongs to `USER`; by way of the mount to `MAPPED`.
const SHIFT: u32 = 100_000;
const MAPPED: u32 = SHIFT + USER;

/// A user namespace in which 0 is `SHIFT`: that of a process which waits until its input ends.
fn shifting_namespace() -> io::Result<OwnedFd> {
    let mut holder = Command::new("unshare")
        .args(["--user", "sh", "-c", "echo; read line"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut begun = [0];
    holder.stdout.take().expect("it is piped").read_exact(&mut begun)?;
    for map in ["uid_map", "gid_map"] {
        fs::write(format!("/proc/{}/{map}", holder.id()), format!("0 {SHIFT} 65536"))?;
    }
    let namespace = File::open(format!("/proc/{}/ns/user", holder.id()))?;
    holder.stdin.take().expect("it is piped").write_all(b"\n")?;
    holder.wait()?;
    Ok(namespace.into())
}

/// Mounts `of` once more at `at`, with ids as in that namespace.
fn mount_shifted(of: &Path, at: &Path, namespace: &OwnedFd) -> io::Result<()> {
    let path = |path: &Path| CString::new(path.as_os_str().as_bytes()).expect("no NUL");
    /// `struct mount_attr` of mount_setattr(2).
    #[repr(C)]
    struct Attributes {
        set: u64,
        clear: u64,
        propagation: u64,
        namespace: u64,
    }
    const IDMAP: u64 = 0x0010_0000;
    const CLONE: libc::c_uint = 1;
    const FROM_EMPTY_PATH: libc::c_uint = 4;
    let idmap = Attributes { set: IDMAP, clear: 0, propagation: 0, namespace: namespace.as_raw_fd() as u64 };
    // SAFETY: strings that end with NUL, a struct of the size that is told, and descriptors that are open; the first
    // call gives one that nobody owns yet.
    unsafe {
        let (of, at) = (path(of), path(at));
        let tree = check(libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, of.as_ptr(), CLONE))?;
        let tree = OwnedFd::from_raw_fd(tree as i32);
        let (fd, empty) = (tree.as_raw_fd(), c"".as_ptr());
        let size = size_of::<Attributes>();
        check(libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            empty,
            libc::AT_EMPTY_PATH,
            &raw const idmap,
            size,
        ))?;
        check(libc::syscall(libc::SYS_move_mount, fd, empty, libc::AT_FDCWD, at.as_ptr(), FROM_EMPTY_PATH))?;
    }
    Ok(())
}

#[test]
fn on_a_mount_that_maps_ids() {
    const TEST: &str = "on_a_mount_that_maps_ids";
    for fs in with_root(TEST) {
        let (dir, mounted) = (scratch(fs), scratch(fs));
        write_file(&dir.path().join("src"), &pattern(1, MIB)).expect("a file");
        own(dir.path(), USER);
        own(&dir.path().join("src"), USER);
        let inside = || -> io::Result<()> {
            own_mounts()?;
            mount_shifted(dir.path(), mounted.path(), &shifting_namespace()?)?;
            as_user(MAPPED, || {
                every_verb_of_files(mounted.path(), shares(fs));
                if shares(fs) {
                    let open = |name| File::options().read(true).write(true).open(mounted.path().join(name));
                    let (src, dst) = (open("src").expect("a file"), open("copied").expect("a file"));
                    clone_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CloneOptions::new())
                        .expect("a clone");
                }
            })?;
            assert_eq!(fs::metadata(dir.path().join("copied"))?.uid(), USER, "{fs}");
            // Who is nobody there may make no file, whatever the directory's mode says.
            allow(dir.path(), 0o777);
            let refused = as_user(USER, || {
                copy_file(&mounted.path().join("src"), &mounted.path().join("new"), FileOptions::new())
            })?;
            let error = refused.expect_err("an owner that has no number there");
            assert_eq!(error.reason, Reason::Permission, "{fs}: {error:?}");
            Ok(())
        };
        let done = std::thread::scope(|scope| scope.spawn(inside).join());
        match done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                skip(&format!("{TEST}/{}", fs.name), "it has no mounts that map ids");
            }
            Err(error) => return skip(TEST, &format!("no mount that maps ids: {error}")),
        }
    }
}
