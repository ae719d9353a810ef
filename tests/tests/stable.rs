//! Sources that others use meanwhile, each way of `stable`, on every filesystem of the runner.
//!
//! "Meanwhile" is in the progress callback, so that nothing here depends on who is faster. No test of this file starts a
//! process: a child between fork and exec has every descriptor of its parent, and would keep leases from being had.

use std::cell::Cell;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use xtent::{
    At, Control, Error, FileOptions, Preserve, Reason, Report, Stable, clone_file, clone_or_copy_file,
    copy_file,
};
use xtent_tests::{Filesystem, filesystems, pattern, scratch};

/// Some steps of 4 MiB at most.
const SIZE: usize = 9 << 20;
/// What a change writes, at the end.
const CHANGE: &[u8] = b"a change";
const LAST: u64 = (SIZE - CHANGE.len()) as u64;

/// What the source holds, and what it is changed to.
static OLD: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(1, SIZE));
static NEW: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(2, SIZE));

/// A directory with a file `src` on each filesystem.
fn everywhere(test: impl Fn(&Filesystem, &Path)) {
    for fs in filesystems().iter().filter(|fs| fs.name != "xfs2") {
        let dir = scratch(fs);
        fs::write(dir.path().join("src"), &*OLD).unwrap();
        test(fs, dir.path());
    }
}

fn clones(fs: &Filesystem) -> bool {
    matches!(fs.name.as_str(), "xfs" | "xfs2" | "btrfs" | "overlay")
}

/// Whether a lease there keeps what it promises.
fn leases(fs: &Filesystem) -> bool {
    fs.name != "overlay" && fs.name != "tmpdir"
}

/// Whether its change times tell of every change. What the temporary directory lies on nobody knows here.
fn detects(fs: &Filesystem) -> Option<bool> {
    match fs.kind.as_str() {
        _ if fs.name == "tmpdir" => None,
        "xfs" | "btrfs" | "ext4" | "overlay" => Some(true),
        _ => Some(false),
    }
}

fn open_for_writing(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

fn copy(dir: &Path, options: FileOptions<'_>) -> Result<Report, Error> {
    copy_file(&dir.join("src"), &dir.join("dst"), options)
}

/// A copy during which `meanwhile` happens after the first step. Also how many steps were told in all.
fn copy_while(dir: &Path, stable: Stable, meanwhile: &dyn Fn()) -> (Result<Report, Error>, u32) {
    let mut steps = 0;
    let mut progress = |done: u64, total: u64| {
        assert!(done <= total);
        steps += 1;
        if steps == 1 {
            assert!(done < total, "the copy is one step");
            meanwhile();
        }
        ControlFlow::Continue(())
    };
    let done = copy(dir, FileOptions::new().stable(stable).control(Control::new().progress(&mut progress)));
    (done, steps)
}

fn refused(done: &Result<Report, Error>, errno: i32, reason: Reason, fs: &Filesystem) {
    let error = done.as_ref().expect_err(&fs.name);
    assert_eq!((error.errno, error.reason), (errno, reason), "{fs}");
    assert_eq!((error.report.errno, error.report.reason), (errno, reason), "{fs}");
}

/// Nothing is there but the source.
fn nothing_published(dir: &Path) {
    let names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["src"]);
}

#[test]
fn a_quiet_source_each_way() {
    everywhere(|fs, dir| {
        for &stable in Stable::ALL {
            let done = copy(dir, FileOptions::new().stable(stable).replace(true).preserve(Preserve::TIMES));
            match stable {
                Stable::Snapshot if !clones(fs) && fs.name != "tmpdir" => {
                    let reason = if fs.name == "xfs-noreflink" {
                        Reason::MountCannot
                    } else {
                        Reason::FilesystemCannot
                    };
                    refused(&done, libc::EOPNOTSUPP, reason, fs);
                    continue;
                }
                Stable::Lease if !leases(fs) && fs.name != "tmpdir" => {
                    refused(&done, libc::EOPNOTSUPP, Reason::FilesystemCannot, fs);
                    continue;
                }
                Stable::Detect if detects(fs) == Some(false) => {
                    refused(&done, libc::EOPNOTSUPP, Reason::FilesystemCannot, fs);
                    continue;
                }
                Stable::Snapshot | Stable::Detect | Stable::Best if fs.name == "tmpdir" => continue,
                _ => {}
            }
            let report = done.unwrap_or_else(|error| panic!("{fs} {stable:?}: {error}"));
            let way = match stable {
                Stable::Best if clones(fs) => Stable::Snapshot,
                Stable::Best => Stable::Lease,
                way => way,
            };
            assert_eq!(report.stable, way, "{fs}");
            assert_eq!(report.bytes_copied, SIZE as u64, "{fs} {stable:?}");
            assert!(fs::read(dir.join("dst")).unwrap() == *OLD, "{fs} {stable:?}");
            let (src, dst) = (fs::metadata(dir.join("src")).unwrap(), fs::metadata(dir.join("dst")).unwrap());
            assert_eq!((src.mtime(), src.mtime_nsec()), (dst.mtime(), dst.mtime_nsec()), "{fs} {stable:?}");
        }
    });
}

#[test]
fn a_clone_is_a_snapshot_itself() {
    everywhere(|fs, dir| {
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        for stable in [Stable::Snapshot, Stable::Best] {
            let options = || FileOptions::new().stable(stable).replace(true);
            let cloned = clone_file(&src, &dst, options());
            let both = clone_or_copy_file(&src, &dst, options());
            if clones(fs) {
                for report in [cloned.unwrap(), both.unwrap()] {
                    assert_eq!((report.stable, report.bytes_cloned), (Stable::Snapshot, SIZE as u64), "{fs}");
                    assert_eq!(report.fallback, Reason::None, "{fs}");
                }
            } else if fs.name != "tmpdir" {
                assert_eq!(cloned.unwrap_err().errno, libc::EOPNOTSUPP, "{fs}");
                match stable {
                    Stable::Best => {
                        let report = both.unwrap();
                        assert_eq!(
                            (report.stable, report.bytes_copied),
                            (Stable::Lease, SIZE as u64),
                            "{fs}"
                        );
                        assert_ne!(report.fallback, Reason::None, "{fs}");
                    }
                    _ => assert_eq!(both.unwrap_err().errno, libc::EOPNOTSUPP, "{fs}"),
                }
            }
        }
        // The others hold what they hold around a clone, too.
        for stable in [Stable::Lock, Stable::Lease] {
            if stable == Stable::Lease && !leases(fs) {
                continue;
            }
            let report =
                clone_or_copy_file(&src, &dst, FileOptions::new().stable(stable).replace(true)).unwrap();
            assert_eq!(report.stable, stable, "{fs}");
        }
    });
}

#[test]
fn best_takes_what_a_writer_leaves() {
    everywhere(|fs, dir| {
        let _writer = open_for_writing(&dir.join("src"));
        let done = copy(dir, FileOptions::new().stable(Stable::Best));
        match detects(fs) {
            _ if clones(fs) => assert_eq!(done.unwrap().stable, Stable::Snapshot, "{fs}"),
            Some(true) => assert_eq!(done.unwrap().stable, Stable::Detect, "{fs}"),
            Some(false) if fs.name == "xfs-noreflink" => {
                assert_eq!(done.unwrap().stable, Stable::Detect, "{fs}")
            }
            Some(false) => refused(&done, libc::EOPNOTSUPP, Reason::FilesystemCannot, fs),
            None => {}
        }
    });
}

#[test]
fn a_snapshot_does_not_see_what_is_written_later() {
    everywhere(|fs, dir| {
        if !clones(fs) {
            return;
        }
        let writer = open_for_writing(&dir.join("src"));
        let change = || writer.write_all_at(&NEW, 0).unwrap();
        let (done, _) = copy_while(dir, Stable::Snapshot, &change);
        assert_eq!(done.unwrap().stable, Stable::Snapshot, "{fs}");
        assert!(fs::read(dir.join("dst")).unwrap() == *OLD, "{fs}");
        assert!(fs::read(dir.join("src")).unwrap() == *NEW, "{fs}");
        // The control: without it the copy is a mix.
        fs::remove_file(dir.join("dst")).unwrap();
        let change = || writer.write_all_at(&OLD, 0).unwrap();
        let (done, _) = copy_while(dir, Stable::None, &change);
        assert_eq!(done.unwrap().stable, Stable::None, "{fs}");
        let mix = fs::read(dir.join("dst")).unwrap();
        assert!(mix != *OLD && mix != *NEW, "{fs}");
    });
}

#[test]
fn a_snapshot_of_a_file_without_copy_on_write() {
    for fs in filesystems().iter().filter(|fs| fs.kind == "btrfs") {
        let dir = scratch(fs);
        let src = dir.path().join("src");
        let file = File::create_new(&src).unwrap();
        let flags: libc::c_long = 0x0080_0000;
        // SAFETY: FS_IOC_SETFLAGS reads one long, which lives until the call returns.
        assert_eq!(unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_SETFLAGS, &flags) }, 0);
        file.write_all_at(&OLD, 0).unwrap();
        let change = || file.write_all_at(&NEW, 0).unwrap();
        let (done, _) = copy_while(dir.path(), Stable::Snapshot, &change);
        done.unwrap();
        assert!(fs::read(dir.path().join("dst")).unwrap() == *OLD);
    }
}

#[test]
fn a_snapshot_where_the_source_has_no_directory() {
    everywhere(|fs, dir| {
        if !clones(fs) {
            return;
        }
        // Without its name the directory would still be known, as the one that the file was in.
        let gone = dir.join("gone");
        fs::create_dir(&gone).unwrap();
        fs::rename(dir.join("src"), gone.join("src")).unwrap();
        let file = File::open(gone.join("src")).unwrap();
        fs::remove_dir_all(&gone).unwrap();
        let dst = dir.join("dst");
        let copy = |options: FileOptions<'_>| copy_file(At::open(file.as_fd()), &dst, options);
        refused(
            &copy(FileOptions::new().stable(Stable::Snapshot)),
            libc::ENOENT,
            Reason::NoScratchDirectory,
            fs,
        );
        // A lease is for a file that is opened here, so that it comes to times.
        assert_eq!(copy(FileOptions::new().stable(Stable::Best)).unwrap().stable, Stable::Detect, "{fs}");

        let options = || FileOptions::new().replace(true).stable(Stable::Snapshot);
        let elsewhere = tempfile::tempdir().unwrap();
        let elsewhere = File::open(elsewhere.path()).unwrap();
        let done = copy(options().scratch_dir(elsewhere.as_fd()));
        refused(&done, libc::EXDEV, Reason::DifferentFilesystem, fs);
        let here = File::open(dir).unwrap();
        assert_eq!(copy(options().scratch_dir(here.as_fd())).unwrap().stable, Stable::Snapshot, "{fs}");
        assert!(fs::read(&dst).unwrap() == *OLD, "{fs}");
    });
}

/// Bytes of a mapping, which are stored to behind the kernel's back.
struct Mapping(*mut libc::c_void);

impl Mapping {
    fn of(file: &File) -> Mapping {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping of an open file of SIZE bytes; the result is checked.
        let at = unsafe { libc::mmap(null_mut(), SIZE, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(at, libc::MAP_FAILED);
        Mapping(at)
    }

    fn store(&self, byte: u8) {
        // SAFETY: inside the mapping, which lives as long as self; nobody holds a reference into it.
        unsafe { self.0.cast::<u8>().add(SIZE - 1).write_volatile(byte) };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping of `of`.
        unsafe { libc::munmap(self.0, SIZE) };
    }
}

#[test]
fn detect_sees_every_kind_of_change() {
    everywhere(|fs, dir| {
        if detects(fs) != Some(true) {
            return;
        }
        let src = dir.join("src");
        let writer = open_for_writing(&src);
        let mapping = Mapping::of(&writer);
        let byte = Cell::new(0);
        let store = || {
            byte.set(byte.get() + 1);
            mapping.store(byte.get());
        };
        let write = || writer.write_all_at(CHANGE, LAST).unwrap();
        let same = || writer.write_all_at(&pattern(1, 1), 0).unwrap();
        let cut = || writer.set_len(LAST).unwrap();
        let grow = || writer.set_len(SIZE as u64).unwrap();
        let change_mode = || {
            let mode = if fs::metadata(&src).unwrap().mode() & 0o40 == 0 { 0o640 } else { 0o600 };
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(&src, permissions).unwrap()
        };
        let changes: [(&str, &dyn Fn()); 7] = [
            ("write", &write),
            // The page is dirty by the one before: the second store would not be stamped if nothing wrote it back.
            ("store", &store),
            ("store again", &store),
            ("the same bytes", &same),
            ("truncate", &cut),
            ("grow", &grow),
            ("mode", &change_mode),
        ];
        for (name, change) in changes {
            if name.starts_with("store") {
                store();
            }
            let (done, steps) = copy_while(dir, Stable::Detect, change);
            let error = done.expect_err(name);
            assert_eq!((error.errno, error.reason), (libc::ESTALE, Reason::SourceChanged), "{fs} {name}");
            // It does not read on to the end.
            assert_eq!(steps, 1, "{fs} {name}");
            nothing_published(dir);
        }
        assert_eq!(
            copy(dir, FileOptions::new().stable(Stable::Detect)).unwrap().stable,
            Stable::Detect,
            "{fs}"
        );
    });
}

#[test]
fn detect_gives_up_where_it_is_never_quiet() {
    everywhere(|fs, dir| {
        if detects(fs) != Some(true) {
            return;
        }
        let writer = open_for_writing(&dir.join("src"));
        // Asked in each try, between the first look and the second.
        let asked = Cell::new(0);
        let cancel = || {
            asked.set(asked.get() + 1);
            writer.write_all_at(CHANGE, LAST).unwrap();
            false
        };
        let control = Control::new().cancel(&cancel);
        let done = copy(dir, FileOptions::new().stable(Stable::Detect).control(control));
        refused(&done, libc::ESTALE, Reason::SourceChanged, fs);
        assert!(asked.get() >= 10, "{fs}: {} tries", asked.get());
        nothing_published(dir);
    });
}

static SIGIOS: AtomicU32 = AtomicU32::new(0);

extern "C" fn on_sigio(_: libc::c_int) {
    SIGIOS.fetch_add(1, Ordering::Relaxed);
}

#[test]
fn a_lease_ends_for_a_writer_within_a_step_and_no_signal_comes() {
    // SAFETY: the handler does nothing but count, on an atomic.
    unsafe { libc::signal(libc::SIGIO, on_sigio as *const () as libc::sighandler_t) };
    everywhere(|fs, dir| {
        if !leases(fs) {
            return;
        }
        let src = dir.join("src");
        let open = |truncate| {
            let mut options = File::options();
            options.write(true).truncate(truncate).custom_flags(libc::O_NONBLOCK);
            options.open(&src)
        };
        for truncate in [false, true] {
            let arrive = || {
                let error = open(truncate).expect_err("there is a lease").raw_os_error();
                assert_eq!(error, Some(libc::EAGAIN), "{fs}");
            };
            let (done, steps) = copy_while(dir, Stable::Lease, &arrive);
            refused(&done, libc::EAGAIN, Reason::LeaseBroken, fs);
            assert_eq!(steps, 1, "{fs}: it went on beside a writer that waits");
            nothing_published(dir);
            // And it is over.
            drop(open(false).unwrap());
        }
        // Readers are no matter.
        let reader = || drop(File::open(&src).unwrap());
        let (done, _) = copy_while(dir, Stable::Lease, &reader);
        assert_eq!(done.unwrap().stable, Stable::Lease, "{fs}");
        drop(open(false).unwrap());
    });
    assert_eq!(SIGIOS.load(Ordering::Relaxed), 0);
}

#[test]
fn no_lease_beside_a_writer_or_a_mapping() {
    everywhere(|fs, dir| {
        if !leases(fs) {
            return;
        }
        let writer = open_for_writing(&dir.join("src"));
        refused(&copy(dir, FileOptions::new().stable(Stable::Lease)), libc::EAGAIN, Reason::InUse, fs);
        let mapping = Mapping::of(&writer);
        drop(writer);
        refused(&copy(dir, FileOptions::new().stable(Stable::Lease)), libc::EAGAIN, Reason::InUse, fs);
        nothing_published(dir);
        drop(mapping);
        copy(dir, FileOptions::new().stable(Stable::Lease)).unwrap();
    });
}

/// As docs/lock-protocol.md has them.
const CONTENTS: (i64, i64) = (0, i64::MAX);
const GATE: (i64, i64) = (i64::MAX, 1);

fn lock(file: &File, command: libc::c_int, kind: libc::c_int, (start, len): (i64, i64)) -> Result<(), i32> {
    let lock = libc::flock64 {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: start,
        l_len: len,
        l_pid: 0,
    };
    // SAFETY: the command reads one `flock64`, which lives until the call returns.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &lock) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap()),
    }
}

#[test]
fn a_lock_keeps_out_who_asks_for_one_as_long_as_it_reads() {
    everywhere(|fs, dir| {
        let writer = open_for_writing(&dir.join("src"));
        let take = |range| lock(&writer, libc::F_OFD_SETLK, libc::F_WRLCK, range);
        let meanwhile = || {
            assert_eq!(take((4096, 1)), Err(libc::EAGAIN), "{fs}");
            // It does not wait any more.
            assert_eq!(take(GATE), Ok(()), "{fs}");
            lock(&writer, libc::F_OFD_SETLK, libc::F_UNLCK, GATE).unwrap();
        };
        let (done, _) = copy_while(dir, Stable::Lock, &meanwhile);
        assert_eq!(done.unwrap().stable, Stable::Lock, "{fs}");
        assert_eq!(take(CONTENTS), Ok(()), "{fs}: a lock was left behind");
    });
}

#[test]
fn a_lock_is_waited_for_until_it_is_had() {
    everywhere(|fs, dir| {
        let writer = open_for_writing(&dir.join("src"));
        let other = open_for_writing(&dir.join("src"));
        lock(&writer, libc::F_OFD_SETLK, libc::F_WRLCK, (4096, 1)).unwrap();
        let asked = Cell::new(0);
        let cancel = || {
            asked.set(asked.get() + 1);
            if asked.get() == 10 {
                // Who waits holds the gate, so that no later writer goes past.
                assert_eq!(lock(&other, libc::F_OFD_SETLK, libc::F_WRLCK, GATE), Err(libc::EAGAIN), "{fs}");
                writer.write_all_at(CHANGE, LAST).unwrap();
                lock(&writer, libc::F_OFD_SETLK, libc::F_UNLCK, (4096, 1)).unwrap();
            }
            false
        };
        copy(dir, FileOptions::new().stable(Stable::Lock).control(Control::new().cancel(&cancel))).unwrap();
        assert!(fs::read(dir.join("dst")).unwrap().ends_with(CHANGE), "{fs}");
    });
}

#[test]
fn waiting_for_a_lock_can_be_cancelled_and_never_waits_for_oneself() {
    everywhere(|fs, dir| {
        let writer = open_for_writing(&dir.join("src"));
        for range in [GATE, (0, 1), (LAST as i64, 0)] {
            lock(&writer, libc::F_OFD_SETLK, libc::F_WRLCK, range).unwrap();
            let asked = Cell::new(0);
            let cancel = || {
                asked.set(asked.get() + 1);
                asked.get() == 5
            };
            let done =
                copy(dir, FileOptions::new().stable(Stable::Lock).control(Control::new().cancel(&cancel)));
            refused(&done, libc::ECANCELED, Reason::Cancelled, fs);
            lock(&writer, libc::F_OFD_SETLK, libc::F_UNLCK, range).unwrap();
        }
        // A lock of the process, which tells whose it is.
        lock(&writer, libc::F_SETLK, libc::F_WRLCK, (0, 1)).unwrap();
        refused(&copy(dir, FileOptions::new().stable(Stable::Lock)), libc::EDEADLK, Reason::InUse, fs);
        nothing_published(dir);
    });
}

#[test]
fn locks_and_leases_are_not_put_on_a_descriptor_of_the_caller() {
    everywhere(|fs, dir| {
        let file = File::open(dir.join("src")).unwrap();
        for stable in [Stable::Lock, Stable::Lease] {
            let options = FileOptions::new().stable(stable);
            let done = copy_file(At::open(file.as_fd()), &dir.join("dst"), options);
            refused(&done, libc::EINVAL, Reason::InvalidArgument, fs);
        }
        nothing_published(dir);
    });
}

#[test]
fn what_is_read_again_is_of_the_same_moment() {
    everywhere(|fs, dir| {
        if !clones(fs) {
            return;
        }
        let writer = open_for_writing(&dir.join("src"));
        let (src, dst) = (dir.join("src"), dir.join("dst"));
        type Verb = fn(&Path, &Path, FileOptions<'_>) -> Result<Report, Error>;
        let verbs: [Verb; 3] = [
            |src, dst, options| copy_file(src, dst, options),
            |src, dst, options| clone_file(src, dst, options),
            |src, dst, options| clone_or_copy_file(src, dst, options),
        ];
        for verb in verbs {
            writer.write_all_at(&OLD, 0).unwrap();
            let mut change = |_, _| {
                writer.write_all_at(&NEW, 0).unwrap();
                ControlFlow::Continue(())
            };
            let options = FileOptions::new().stable(Stable::Snapshot).verify(true).replace(true);
            verb(&src, &dst, options.control(Control::new().progress(&mut change))).unwrap();
            assert!(fs::read(&dst).unwrap() == *OLD, "{fs}");
        }
        writer.write_all_at(&OLD, 0).unwrap();
        let mut change = |_, _| {
            writer.write_all_at(&NEW, 0).unwrap();
            ControlFlow::Continue(())
        };
        // The control: compared with a source that has changed.
        let options = FileOptions::new().verify(true).replace(true);
        let done = copy_file(&src, &dst, options.control(Control::new().progress(&mut change)));
        refused(&done, libc::EIO, Reason::VerifyFailed, fs);
    });
}
