//! What directories take up, against a count of every block of every file, and against what deleting them frees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::fs::{self, File};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use xtent::{At, Control, Reason, TreeFailure, Usage, UsageOptions, UsageReport, usage};
use xtent_tests::{as_user, extents, filesystems, pattern, scratch, skip, write_file};

#[path = "clone_storm/image.rs"]
#[allow(dead_code, reason = "what the storm alone uses")]
mod image;

use image::{Image, Kind};

const BLOCK: u64 = 4096;
/// Three are looked at; the last one is what lies elsewhere.
const DIRS: [&str; 4] = ["a", "b", "c", "elsewhere"];
const ROOTS: usize = 3;

fn found(dir: &Path, roots: &[&str], options: UsageOptions<'_>) -> Result<UsageReport, TreeFailure> {
    let paths: Vec<_> = roots.iter().map(|root| dir.join(root)).collect();
    let roots: Vec<At<'_>> = paths.iter().map(At::from).collect();
    usage(&roots, options)
}

/// Numbers that depend on the seed alone.
struct Dice(std::vec::IntoIter<u8>);

impl Dice {
    fn new(seed: u64) -> Self {
        Dice(pattern(seed, 8000).into_iter())
    }

    fn roll(&mut self, below: u64) -> u64 {
        let bytes = [0; 4].map(|_: u8| self.0.next().expect("enough bytes"));
        u64::from(u32::from_le_bytes(bytes)) % below
    }

    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.roll(all.len() as u64) as usize]
    }
}

/// `struct file_clone_range`.
#[repr(C)]
struct CloneRange {
    fd: i64,
    from: u64,
    len: u64,
    to: u64,
}

/// Shares blocks; false where that cannot be, as behind the end of the file.
fn share(src: &File, from: u64, len: u64, dst: &File, to: u64) -> bool {
    let range = CloneRange { fd: src.as_raw_fd().into(), from, len, to };
    // SAFETY: FICLONERANGE reads one struct.
    unsafe { libc::ioctl(dst.as_raw_fd(), libc::FICLONERANGE, &range) == 0 }
}

/// Files, clones of parts of them, new blocks in these, names and space that was never written, in all four.
fn build(dir: &Path, seed: u64) {
    let mut dice = Dice::new(seed);
    for name in DIRS {
        fs::create_dir_all(dir.join(name).join("deeper")).expect("a directory");
    }
    let open = |path: &PathBuf| File::options().read(true).write(true).open(path).expect("a file");
    let mut files: Vec<PathBuf> = Vec::new();
    for i in 0..120 {
        let place = dir.join(dice.of(&DIRS)).join(if dice.roll(2) == 0 { "" } else { "deeper" });
        let new = place.join(i.to_string());
        match if files.len() < 8 { 0 } else { dice.roll(8) } {
            0 | 1 => {
                write_file(&new, &pattern(seed + i, dice.roll(80 * BLOCK) as usize)).expect("a file");
                files.push(new);
            }
            2..=4 => {
                let (src, dst) = (open(dice.of(&files)), open(dice.of(&files)));
                let mut block = |below| dice.roll(below) * BLOCK;
                let (from, len, to) = (block(40), block(30) + BLOCK, block(60));
                share(&src, from, len, &dst, to);
            }
            5 => {
                let dst = open(dice.of(&files));
                dst.write_all_at(&pattern(seed + i, 3 * BLOCK as usize), dice.roll(40) * BLOCK)
                    .expect("written");
                dst.sync_all().expect("on disk");
            }
            6 => {
                fs::hard_link(dice.of(&files), &new).expect("a name");
                files.push(new);
            }
            _ => {
                let dst = open(dice.of(&files));
                let (at, len) = (dice.roll(100) * BLOCK, BLOCK * 5);
                // SAFETY: takes numbers. Space behind the end of the file is there too, and was never written.
                let rc = unsafe {
                    libc::fallocate(dst.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, at as i64, len as i64)
                };
                assert_eq!(rc, 0, "fallocate");
            }
        }
    }
    symlink("/", dir.join("a/out")).expect("a symbolic link");
}

/// A file, whatever names it has.
#[derive(Default)]
struct Seen {
    /// Which of the directories have them.
    dirs: BTreeSet<usize>,
    size: u64,
    blocks: BTreeSet<u64>,
}

/// Every file of the four, by inode.
fn every_file(dir: &Path) -> BTreeMap<u64, Seen> {
    let mut seen: BTreeMap<u64, Seen> = BTreeMap::new();
    for (number, name) in DIRS.iter().enumerate() {
        let mut left = vec![dir.join(name)];
        while let Some(at) = left.pop() {
            for entry in fs::read_dir(&at).expect("a directory") {
                let (path, kind) =
                    entry.map(|e| (e.path(), e.file_type().expect("a type"))).expect("an entry");
                if kind.is_dir() {
                    left.push(path);
                } else if kind.is_file() {
                    let file = File::open(&path).expect("a file");
                    let meta = file.metadata().expect("metadata");
                    let of_file = seen.entry(meta.ino()).or_default();
                    of_file.dirs.insert(number);
                    of_file.size = meta.len();
                    for extent in extents(&file).expect("a map") {
                        let blocks = extent.physical / BLOCK..(extent.physical + extent.length) / BLOCK;
                        of_file.blocks.extend(blocks);
                    }
                }
            }
        }
    }
    seen
}

/// What is true of the three roots, and of all of them, block by block.
fn counted(dir: &Path) -> (Vec<Truth>, Truth) {
    let files = every_file(dir);
    let mut users: HashMap<u64, BTreeSet<usize>> = HashMap::new();
    for file in files.values() {
        for block in &file.blocks {
            users.entry(*block).or_default().extend(&file.dirs);
        }
    }
    let of = |roots: &[usize]| {
        let has = |dirs: &BTreeSet<usize>| roots.iter().any(|root| dirs.contains(root));
        let ours: Vec<_> = files.values().filter(|file| has(&file.dirs)).collect();
        let bytes = |which: &dyn Fn(&BTreeSet<usize>) -> bool| {
            BLOCK * users.values().filter(|dirs| has(dirs) && which(dirs)).count() as u64
        };
        Truth {
            files: ours.len() as u64,
            apparent: ours.iter().map(|file| file.size).sum(),
            allocated: bytes(&|_| true),
            shared_roots: bytes(&|dirs| dirs.iter().filter(|dir| **dir < ROOTS).count() > 1),
            shared_others: bytes(&|dirs| dirs.contains(&ROOTS)),
            exclusive: bytes(&|dirs| dirs.iter().all(|dir| roots.contains(dir))),
        }
    };
    ((0..ROOTS).map(|root| of(&[root])).collect(), of(&[0, 1, 2]))
}

#[derive(Debug, PartialEq, Eq)]
struct Truth {
    files: u64,
    apparent: u64,
    allocated: u64,
    shared_roots: u64,
    shared_others: u64,
    exclusive: u64,
}

/// What is certain is as it was counted, and the rest lies within what was said.
fn check(said: &Usage, truth: &Truth, kind: Kind, what: &str) {
    let certain = |usage: &Usage| (usage.files, usage.apparent, usage.allocated, usage.shared_roots);
    let wanted = (truth.files, truth.apparent, truth.allocated, truth.shared_roots);
    assert_eq!(certain(said), wanted, "{what}: {said:?} {truth:?}");
    let range = said.exclusive..=said.exclusive_most;
    assert!(range.contains(&truth.exclusive), "{what}: {said:?} {truth:?}");
    if kind.is_xfs() {
        let range = said.shared_others..=said.shared_others + said.unknown;
        assert!(range.contains(&truth.shared_others), "{what}: {said:?} {truth:?}");
    }
    match kind {
        Kind::XfsRmap => assert!(said.exact, "{what}: {said:?}"),
        Kind::Btrfs => assert!(!said.exact, "{what}: {said:?}"),
        _ => {}
    }
    if said.exact {
        let numbers = (said.exclusive, said.exclusive_most, said.shared_others, said.unknown);
        assert_eq!(numbers, (truth.exclusive, truth.exclusive, truth.shared_others, 0), "{what}");
    }
}

/// Another test's child may have a descriptor of it until it has become another program.
fn remount(image: &Image) {
    while let Err(error) = image.remount() {
        assert!(error.to_string().contains("busy"), "{error}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// What is free in an image, once nothing waits to be freed any more.
fn free(image: &Image) -> u64 {
    remount(image);
    let path = CString::new(image.dir.as_os_str().as_bytes()).expect("no zero");
    let mut found = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: the path ends with a zero, and the struct is read only after success.
    unsafe {
        assert_eq!(libc::statvfs(path.as_ptr(), found.as_mut_ptr()), 0);
        let found = found.assume_init();
        found.f_bfree * found.f_frsize
    }
}

/// Images of XFS with a map of owners and without, and of btrfs; none without the rights to mount them.
fn images(test: &str, each: impl Fn(Image, Kind)) {
    let Some(host) = filesystems().iter().find(|fs| ["xfs", "ext4"].contains(&fs.name.as_str())) else {
        return skip(test, "nowhere to make images; needs root");
    };
    let dir = scratch(host);
    for kind in [Kind::XfsRmap, Kind::Xfs, Kind::Btrfs] {
        match Image::make(kind, dir.path(), kind.name(), 320) {
            Ok(image) => each(image, kind),
            Err(error) => skip(&format!("{test}/{}", kind.name()), &error.to_string()),
        }
    }
}

#[test]
fn as_counted_block_by_block_and_as_much_is_freed() {
    images("as_counted_block_by_block_and_as_much_is_freed", |image, kind| {
        for seed in [1, 1000] {
            let dir = image.dir.join(seed.to_string());
            build(&dir, seed);
            // What XFS holds ready for writes is given back.
            remount(&image);
            let what = format!("{} {seed}", kind.name());
            let report = found(&dir, &DIRS[..ROOTS], UsageOptions::new()).expect("usage");
            assert_eq!(report.failures, [], "{what}");
            let (roots, total) = counted(&dir);
            for (said, truth) in report.roots.iter().zip(&roots) {
                check(said, truth, kind, &what);
            }
            check(&report.total, &total, kind, &what);
            assert!(total.exclusive > 0 && total.shared_others > 0 && total.shared_roots > 0, "{what}");

            // In pieces of a few records.
            let scratch_dir = File::open(&dir).expect("a directory");
            let few = UsageOptions::new().memory(1).scratch_dir(scratch_dir.as_fd());
            assert_eq!(found(&dir, &DIRS[..ROOTS], few).expect("usage"), report, "{what}");
            drop(scratch_dir);
            // Looked at for itself, a root shares with others what it shares with the other roots.
            let alone = found(&dir, &["b"], UsageOptions::new()).expect("usage").total;
            assert_eq!((alone.allocated, alone.shared_roots), (report.roots[1].allocated, 0), "{what}");
            assert!((alone.exclusive..=alone.exclusive_most).contains(&roots[1].exclusive), "{what}");

            // Beside data, deleting frees inodes and directories. btrfs frees an extent only as a whole.
            if kind.is_xfs() {
                let before = free(&image);
                fs::remove_dir_all(dir.join("b")).expect("removed");
                let freed = free(&image) - before;
                let most = report.roots[1].exclusive_most + (192 << 10);
                assert!((report.roots[1].exclusive..=most).contains(&freed), "{what}: {freed} {report:?}");
            }
        }
    });
}

#[test]
fn on_btrfs_what_is_flagged_and_what_is_not() {
    images("on_btrfs_what_is_flagged_and_what_is_not", |image, kind| {
        if kind != Kind::Btrfs {
            return;
        }
        let mib = 1 << 20;
        for name in ["a", "b", "elsewhere"] {
            fs::create_dir(image.dir.join(name)).expect("a directory");
        }
        let file =
            |name: &str, len: usize| write_file(&image.dir.join(name), &pattern(7, len)).expect("a file");
        let clone = |src: &File, name: &str| assert!(share(src, 0, 0, &file(name, 0), 0));
        file("b/own", 3 * mib);
        clone(&file("a/both", mib), "b/both");
        clone(&file("b/out", 2 * mib), "elsewhere/out");
        let report = found(&image.dir, &["a", "b"], UsageOptions::new()).expect("usage");
        let mib = mib as u64;
        let numbers = |usage: &Usage| {
            [usage.allocated, usage.shared_roots, usage.shared_others, usage.unknown].map(|bytes| bytes / mib)
        };
        assert_eq!(numbers(&report.roots[0]), [1, 1, 0, 1]);
        assert_eq!(numbers(&report.roots[1]), [6, 1, 2, 1]);
        assert_eq!(numbers(&report.total), [6, 1, 2, 1]);
        assert_eq!((report.roots[0].exclusive, report.roots[0].exclusive_most), (0, 0));
        assert_eq!((report.roots[1].exclusive, report.roots[1].exclusive_most), (3 * mib, 5 * mib));
        assert_eq!((report.total.exclusive, report.total.exclusive_most), (3 * mib, 6 * mib));
        let before = free(&image);
        fs::remove_dir_all(image.dir.join("b")).expect("removed");
        let freed = free(&image) - before;
        assert!((3 * mib..=3 * mib + (512 << 10)).contains(&freed), "{freed}");
    });
}

#[test]
fn a_file_counts_on_every_filesystem() {
    for fs in filesystems() {
        let dir = scratch(fs);
        for name in ["a", "b"] {
            fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        let at = |name: &str| dir.path().join(name);
        write_file(&at("a/file"), &pattern(1, 10 * BLOCK as usize)).expect("a file");
        write_file(&at("a/empty"), b"").expect("a file");
        fs::hard_link(at("a/file"), at("b/again")).expect("a name");
        fs::hard_link(at("a/file"), at("a/again")).expect("a name");
        let report = found(dir.path(), &["a", "b"], UsageOptions::new()).expect("usage");
        let bytes = 10 * BLOCK;
        let (a, b, total) = (report.roots[0], report.roots[1], report.total);
        assert_eq!((a.files, b.files, total.files), (2, 1, 2), "{fs}");
        for usage in [a, b, total] {
            assert_eq!((usage.apparent, usage.allocated, usage.shared_roots), (bytes, bytes, bytes), "{fs}");
        }
        assert_eq!((a.exclusive, a.exclusive_most), (0, 0), "{fs}");
        // What an overlay's files use is the lower filesystems' business.
        let known = fs.kind != "overlay";
        assert_eq!((total.exclusive, total.exclusive_most), (if known { bytes } else { 0 }, bytes), "{fs}");
        assert_eq!(total.exact, known && fs.kind != "btrfs", "{fs}");

        // A file may be a root; its other names are elsewhere.
        let alone = found(dir.path(), &["b/again"], UsageOptions::new()).expect("usage").total;
        assert_eq!((alone.allocated, alone.shared_others, alone.exclusive_most), (bytes, bytes, 0), "{fs}");
        let both = found(dir.path(), &["b/again", "a/again"], UsageOptions::new()).expect("usage").total;
        assert_eq!((both.files, both.allocated, both.shared_roots), (1, bytes, bytes), "{fs}");
    }
}

#[test]
fn roots_on_several_filesystems() {
    let dirs: Vec<_> = filesystems().iter().map(scratch).collect();
    for dir in &dirs {
        write_file(&dir.path().join("file"), &pattern(1, 3 * BLOCK as usize)).expect("a file");
    }
    let roots: Vec<At<'_>> = dirs.iter().map(|dir| At::from(dir.path())).collect();
    let report = usage(&roots, UsageOptions::new()).expect("usage");
    assert_eq!(report.total.allocated, 3 * BLOCK * roots.len() as u64);
    assert_eq!(report.total.shared_roots, 0);
}

#[test]
fn what_is_refused() {
    let dir = scratch(&filesystems()[0]);
    fs::create_dir_all(dir.path().join("a/b")).expect("directories");
    symlink("a", dir.path().join("link")).expect("a symbolic link");
    let refused = |roots: &[&str]| {
        let failure = found(dir.path(), roots, UsageOptions::new()).expect_err("refused");
        let path = failure.path.strip_prefix(dir.path()).unwrap_or(&failure.path).to_owned();
        (failure.error.errno, failure.error.reason, path.to_str().expect("UTF-8").to_owned())
    };
    assert_eq!(refused(&[]), (libc::EINVAL, Reason::InvalidArgument, String::new()));
    assert_eq!(refused(&["a", "nothing"]), (libc::ENOENT, Reason::NotFound, "nothing".into()));
    assert_eq!(refused(&["link"]), (libc::ELOOP, Reason::TooManyLinks, "link".into()));
    assert_eq!(refused(&["a", "a/b"]), (libc::EINVAL, Reason::RootInRoot, "a/b".into()));
    assert_eq!(refused(&["a", "a"]), (libc::EINVAL, Reason::RootInRoot, "a".into()));
}

#[test]
fn it_can_be_watched_and_ended() {
    let dir = scratch(&filesystems()[0]);
    for i in 0..100 {
        write_file(&dir.path().join(i.to_string()), b"contents").expect("a file");
    }
    let cancelled = |options| {
        let failure = usage(&[dir.path().into()], options).expect_err("ended");
        assert_eq!((failure.error.errno, failure.error.reason), (libc::ECANCELED, Reason::Cancelled));
    };
    let flag = AtomicBool::new(false);
    let cancel = || flag.load(Ordering::Relaxed);
    let mut most = (0, 0);
    let mut watch = |files, bytes| {
        most = (files, bytes);
        std::ops::ControlFlow::Continue(())
    };
    let control = Control::new().cancel(&cancel).progress(&mut watch);
    usage(&[dir.path().into()], UsageOptions::new().control(control)).expect("usage");
    assert_eq!(most, (100, 800));
    flag.store(true, Ordering::Relaxed);
    cancelled(UsageOptions::new().control(Control::new().cancel(&cancel)));
    let mut stop = |_, _| std::ops::ControlFlow::Break(());
    cancelled(UsageOptions::new().control(Control::new().progress(&mut stop)));
}

#[test]
fn what_cannot_be_looked_at_is_said() {
    let test = "what_cannot_be_looked_at_is_said";
    // SAFETY: takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return skip(test, "needs root, to be somebody else");
    }
    let dir = scratch(&filesystems()[0]);
    fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("chmod");
    for name in ["open", "secret"] {
        write_file(&dir.path().join(name), &pattern(1, BLOCK as usize)).expect("a file");
    }
    let closed = dir.path().join("secret");
    fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    let report = as_user(1234, || usage(&[dir.path().into()], UsageOptions::new())).expect("somebody else");
    let report = report.expect("usage");
    let failures: Vec<_> = report.failures.iter().map(|f| (f.path.as_path(), f.error.errno)).collect();
    assert_eq!(failures, [(closed.as_path(), libc::EACCES)]);
    assert_eq!((report.total.files, report.total.exact, report.roots[0].exact), (1, false, false));
}

#[test]
fn a_directory_for_what_memory_does_not_hold() {
    let dir = scratch(&filesystems()[0]);
    for i in 0..200 {
        let file = dir.path().join(i.to_string());
        write_file(&file, &pattern(i, BLOCK as usize)).expect("a file");
        // Neighbouring blocks of two files are one record, unless the files have several names.
        fs::hard_link(&file, dir.path().join(format!("{i} again"))).expect("a name");
    }
    // A file is no directory.
    let wrong = File::open(dir.path().join("7")).expect("a file");
    let options = UsageOptions::new().memory(1).scratch_dir(wrong.as_fd());
    let failure = usage(&[dir.path().into()], options).expect_err("no place for a file");
    assert_eq!(failure.error.errno, libc::ENOTDIR, "{failure}");
    let within = scratch(&filesystems()[0]);
    let right = File::open(within.path()).expect("a directory");
    let options = UsageOptions::new().memory(1).scratch_dir(right.as_fd());
    assert_eq!(usage(&[dir.path().into()], options).expect("usage").total.files, 200);
    assert_eq!(fs::read_dir(within.path()).expect("a directory").count(), 0);
}
