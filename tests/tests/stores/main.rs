//! Many files at once: what comes to be shared of a store, and that nothing else changes.

mod index;
mod storm;

use std::cell::Cell;
use std::fs::{self, File, FileTimes};
use std::ops::ControlFlow;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use xtent::{At, Cache, Control, DedupeTreeOptions, DedupeTreeReport, Reason, TreeFailure, dedupe_tree};
use xtent_tests::{
    Filesystem, allocated, as_user, cool, fs, pattern, resident_bytes, scratch, shared_with, skip, write_file,
};

/// Those that share blocks.
fn everywhere(test: &str, check: impl Fn(&Filesystem)) {
    for name in ["xfs", "btrfs"] {
        match fs(name) {
            Some(fs) => check(fs),
            None => skip(&format!("{test}/{name}"), "there is none"),
        }
    }
}

fn dedupe(root: &Path, options: DedupeTreeOptions<'_>) -> Result<DedupeTreeReport, TreeFailure> {
    dedupe_tree(&[At::from(root)], options)
}

fn run(root: &Path, options: DedupeTreeOptions<'_>) -> DedupeTreeReport {
    let report = dedupe(root, options).expect("a report");
    assert_eq!(report.failures, []);
    report
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a directory")).expect("directories");
    write_file(path, bytes).expect("a file").sync_all().expect("sync");
}

fn shares_all(a: &Path, b: &Path) -> bool {
    let len = fs::metadata(a).expect("a file").len().next_multiple_of(4096);
    shared_with(a, b).expect("maps") == len
}

/// What every file below has, by its path.
fn contents(root: &Path) -> Vec<(PathBuf, Vec<u8>, (i64, i64))> {
    let mut all = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            let stat = fs::symlink_metadata(&path).expect("a look");
            if stat.is_dir() {
                left.push(path);
            } else if stat.is_file() {
                let bytes = fs::read(&path).expect("the bytes");
                all.push((path, bytes, (stat.mtime(), stat.mtime_nsec())));
            }
        }
    }
    all.sort();
    all
}

/// Waits until what was written last is no longer as young as the clock's tick, so that an index remembers it.
fn grow_old(root: &Path) {
    let newest = |root: &Path| {
        let mut newest = 0;
        let mut left = vec![root.to_owned()];
        while let Some(path) = left.pop() {
            let stat = fs::symlink_metadata(&path).expect("a look");
            newest = newest.max(i128::from(stat.ctime()) * 1_000_000_000 + i128::from(stat.ctime_nsec()));
            if stat.is_dir() {
                left.extend(fs::read_dir(path).expect("a directory").map(|entry| entry.expect("one").path()));
            }
        }
        newest
    };
    let newest = newest(root);
    loop {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time");
        if now.as_nanos() as i128 > newest + 200_000_000 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn what_is_equal_comes_to_share_and_nothing_else_changes() {
    everywhere("what_is_equal_comes_to_share_and_nothing_else_changes", |fs| {
        let dir = scratch(fs);
        let at = |name: &str| dir.path().join(name);
        let small = pattern(1, 20_000);
        let large = pattern(2, (3 << 20) + 77);
        let mut other = large.clone();
        other[1_234_567] ^= 1;
        for name in ["a/small", "a/b/small too", "c/small again"] {
            write(&at(name), &small);
        }
        for name in ["large", "a/large", "c/d/large"] {
            write(&at(name), &large);
        }
        write(&at("c/other"), &other);
        write(&at("single"), &pattern(3, 54_321));
        write(&at("c/as long as small"), &pattern(4, 20_000));
        fs::hard_link(at("a/small"), at("c/linked")).expect("a link");
        symlink(at("large"), at("link")).expect("a link");
        fs::write(at("empty"), "").expect("a file");
        fs::write(at("empty too"), "").expect("a file");
        assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().expect("mkfifo").success());
        let before = contents(dir.path());
        // Older than the last change: with relatime (mount(8)) the next read sets it.
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        for name in ["large", "a/small", "c/other"] {
            let times = FileTimes::new().set_accessed(long_ago);
            File::open(at(name)).expect("a file").set_times(times).expect("a time");
        }

        let dry = run(dir.path(), DedupeTreeOptions::new().dry_run(true));
        assert_eq!((dry.shared, dry.deduped), (0, 0), "{fs}");
        let three_large = 3 * (3 << 20) as u64;
        assert!(dry.estimate >= 40_000 && dry.estimate < 60_000 + three_large + 9 * 4096, "{fs}: {dry:?}");
        assert!(!shares_all(&at("large"), &at("a/large")));

        let report = run(dir.path(), DedupeTreeOptions::new());
        assert_eq!((report.files, report.links, report.candidates), (9, 1, 8), "{fs}");
        assert_eq!(report.deduped, 4, "{fs}: {report:?}");
        // Of the one that differs what comes before is shared, too.
        let before_difference = 1_234_567 / 4096 * 4096;
        assert_eq!(report.shared, 2 * 20_000 + 2 * large.len() as u64 + before_difference, "{fs}");
        for [a, b] in [
            ["a/small", "a/b/small too"],
            ["a/small", "c/small again"],
            ["large", "a/large"],
            ["large", "c/d/large"],
        ] {
            assert!(shares_all(&at(a), &at(b)), "{fs}: {a} and {b}");
        }
        assert_eq!(shared_with(&at("a/small"), &at("c/as long as small")).expect("maps"), 0);
        for name in ["large", "a/small", "c/other"] {
            assert_eq!(
                fs::metadata(at(name)).expect("a file").accessed().expect("a time"),
                long_ago,
                "{fs}: {name}"
            );
        }
        assert_eq!(contents(dir.path()), before, "{fs}");

        let again = run(dir.path(), DedupeTreeOptions::new());
        assert_eq!((again.shared, again.deduped), (0, 0), "{fs}: {again:?}");
        assert!(again.already_shared >= report.shared, "{fs}: {again:?}");
        // One of each class, and of the large ones samples alone.
        assert!(again.read <= 2 * 20_000 + 2 * (64 << 10), "{fs}: {again:?}");
    });
}

#[test]
fn filters_and_roots() {
    everywhere("filters_and_roots", |fs| {
        let dir = scratch(fs);
        let at = |name: &str| dir.path().join(name);
        for name in ["a/x.iso", "b/y.iso", "b/tmp/z.iso", "c.txt"] {
            write(&at(name), &pattern(1, 8192));
        }
        for name in ["a/s", "b/s"] {
            write(&at(name), &pattern(2, 4096));
        }
        let options = || DedupeTreeOptions::new().dry_run(true);
        let candidates = |options: DedupeTreeOptions<'_>| run(dir.path(), options).candidates;
        assert_eq!(candidates(options()), 6);
        assert_eq!(candidates(options().min_size(4097)), 4);
        assert_eq!(candidates(options().include(&["*.iso"])), 3);
        assert_eq!(candidates(options().include(&["*.iso"]).exclude(&["tmp"])), 2);
        assert_eq!(candidates(options().exclude(&["b/**"])), 2);
        let refused = dedupe(dir.path(), options().include(&["["])).expect_err("no pattern").error;
        assert_eq!((refused.errno, refused.reason), (libc::EINVAL, Reason::InvalidArgument));

        let (a, whole, file) = (at("a"), dir.path(), at("c.txt"));
        let roots = [At::from(&file), At::from(&a), At::from(whole), At::from(&a)];
        let report = dedupe_tree(&roots, options()).expect("a report");
        assert_eq!((report.files, report.candidates), (6, 6), "{fs}: {report:?}");
        let nothing = at("nothing");
        let failure = dedupe_tree(&[At::from(&a), At::from(&nothing)], options()).expect_err("no root");
        assert_eq!((failure.path.as_path(), failure.error.errno), (nothing.as_path(), libc::ENOENT));
    });
}

#[test]
fn a_filesystem_that_shares_nothing_is_refused() {
    for name in ["ext4", "tmpfs"] {
        let Some(fs) = fs(name) else {
            skip(&format!("a_filesystem_that_shares_nothing_is_refused/{name}"), "there is none");
            continue;
        };
        let dir = scratch(fs);
        let failure = dedupe(dir.path(), DedupeTreeOptions::new()).expect_err("it cannot");
        assert_eq!(failure.path, dir.path());
        assert_eq!((failure.error.errno, failure.error.reason), (libc::EOPNOTSUPP, Reason::FilesystemCannot));
    }
    let Some(fs) = fs("xfs-noreflink") else {
        return skip("a_filesystem_that_shares_nothing_is_refused/xfs-noreflink", "there is none");
    };
    let dir = scratch(fs);
    for i in 0..4 {
        write(&dir.path().join(format!("{i}")), &pattern(1, 8192));
        write(&dir.path().join(format!("s{i}")), &pattern(2, 4096));
    }
    let report = dedupe(dir.path(), DedupeTreeOptions::new().threads(1)).expect("a report");
    assert_eq!(report.failures.len(), 1, "said once: {report:?}");
    assert_eq!(report.failures[0].error.errno, libc::EOPNOTSUPP);
}

#[test]
fn files_that_have_nothing_to_share() {
    everywhere("files_that_have_nothing_to_share", |fs| {
        let dir = scratch(fs);
        let at = |name: &str| dir.path().join(name);
        for name in ["hole", "hole too"] {
            File::create_new(at(name)).expect("a file").set_len(1 << 20).expect("size");
        }
        for name in ["tiny", "tiny too"] {
            write(&at(name), b"a few bytes");
        }
        // Zeros that were written, as long as the holes: a hole is not filled, the zeros go.
        write(&at("zeros"), &vec![0; 1 << 20]);
        let island = |name: &str| {
            let file = File::create_new(at(name)).expect("a file");
            file.set_len(4 << 20).expect("size");
            file.write_all_at(&pattern(7, 65_536), 2 << 20).expect("an island");
            file.sync_all().expect("sync");
        };
        island("sparse");
        island("sparse too");
        let before = contents(dir.path());
        run(dir.path(), DedupeTreeOptions::new());
        assert_eq!(contents(dir.path()), before, "{fs}");
        assert_eq!(allocated(&at("hole")).expect("a look"), 0, "{fs}");
        assert!(allocated(&at("sparse too")).expect("a look") <= 2 * 65_536, "{fs}");
        assert_eq!(shared_with(&at("sparse"), &at("sparse too")).expect("maps"), 65_536, "{fs}");
    });
}

#[test]
fn many_that_differ_late_are_told_apart_by_digests() {
    everywhere("many_that_differ_late_are_told_apart_by_digests", |fs| {
        let dir = scratch(fs);
        let size = 1 << 20;
        // Twelve of six kinds, all equal in what is sampled.
        for i in 0..12usize {
            let mut bytes = pattern(1, size);
            bytes[200_000 + i / 2] ^= 0xff;
            write(&dir.path().join(format!("{i}")), &bytes);
        }
        let report = run(dir.path(), DedupeTreeOptions::new());
        // What comes before the difference is shared with the first one, by all.
        let before_difference = 200_000 / 4096 * 4096;
        let shared = 6 * size as u64 + 5 * before_difference;
        assert_eq!((report.deduped, report.shared), (6, shared), "{fs}: {report:?}");
        // Each of the ten that are left after the first comparison, once.
        assert_eq!(report.read, 12 * (64 << 10) + 10 * size as u64, "{fs}");
        let at = |i: usize| dir.path().join(format!("{i}"));
        assert!((0..12).step_by(2).all(|i| shares_all(&at(i), &at(i + 1))));
        assert_eq!(shared_with(&at(0), &at(2)).expect("maps"), before_difference, "{fs}");
    });
}

#[test]
fn files_that_differ_share_what_is_equal() {
    everywhere("files_that_differ_share_what_is_equal", |fs| {
        let dir = scratch(fs);
        let size = 1 << 20;
        let store = dir.path().join("store");
        let at = |name: &str| store.join(name);
        // Samples are at the beginning, at two places between, and at the end.
        let samples = [0, 344_064, 688_128, 1_032_192];
        let changed = |places: &[usize]| {
            let mut bytes = pattern(1, size);
            places.iter().for_each(|place| bytes[*place] ^= 0xff);
            bytes
        };
        let near = [
            ("as it was", changed(&[])),
            ("behind the samples", changed(&[200_000, 900_000])),
            ("in one sample", changed(&[samples[0] + 5, 500_000])),
            ("in two samples", changed(&[samples[1], samples[3], samples[3] + 9000])),
        ];
        for (name, bytes) in &near {
            write(&at(name), bytes);
        }
        write(&at("in three samples"), &changed(&samples[..3]));
        write(&at("another"), &pattern(2, size));
        // A file of zeros but for one sample has that one and no other.
        let mut zeros = vec![0; size];
        zeros[..16_384].copy_from_slice(&pattern(1, 16_384));
        write(&at("zeros"), &zeros);
        grow_old(&store);
        let before = contents(&store);
        let index = dir.path().join("index");
        let options = || DedupeTreeOptions::new().index(&index);

        // Without: what comes before the first difference, of those with the same samples.
        let report = run(&store, options());
        assert_eq!((report.deduped, report.shared), (0, 200_000 / 4096 * 4096), "{fs}: {report:?}");
        let dry = run(&store, options().blocks(true).dry_run(true));
        assert!(dry.shared == 0 && dry.estimate > size as u64, "{fs}: {dry:?}");

        // That run left nothing to be done, but not for this one.
        let report = run(&store, options().blocks(true).cache(Cache::Neutral));
        assert_eq!(report.deduped, 0, "{fs}: {report:?}");
        let equal = |a: &[u8], b: &[u8]| {
            4096 * a.chunks(4096).zip(b.chunks(4096)).filter(|(a, b)| a == b).count() as u64
        };
        let shares_with_all = |source: &(&str, Vec<u8>)| {
            near.iter().filter(|other| other.0 != source.0).all(|other| {
                shared_with(&at(source.0), &at(other.0)).expect("maps") == equal(&source.1, &other.1)
            })
        };
        assert!(near.iter().any(shares_with_all), "{fs}: {report:?}");
        for name in ["in three samples", "another", "zeros"] {
            assert!(
                near.iter().all(|(near, _)| shared_with(&at(near), &at(name)).expect("maps") == 0),
                "{fs}: {name}"
            );
        }
        assert_eq!(contents(&store), before, "{fs}");

        let again = run(&store, options().blocks(true));
        assert_eq!((again.known, again.read, again.shared), (7, 0, 0), "{fs}: {again:?}");
    });
}

/// A large file with some bytes changed.
fn changed(seed: u64, size: usize, places: &[usize]) -> Vec<u8> {
    let mut bytes = pattern(seed, size);
    places.iter().for_each(|place| bytes[*place] ^= 0xff);
    bytes
}

#[test]
fn what_was_shared_before_is_told_once_and_truly() {
    everywhere("what_was_shared_before_is_told_once_and_truly", |fs| {
        let dir = scratch(fs);
        let size = 4 << 20;
        // Three with the same samples, and a pair that is near them.
        for (name, places) in
            [("a", [1 << 20]), ("b", [2 << 20]), ("c", [3 << 20]), ("d", [size - 1]), ("e", [size - 1])]
        {
            write(&dir.path().join(name), &changed(1, size, &places));
        }
        let report = run(dir.path(), DedupeTreeOptions::new().blocks(true));
        assert_eq!((report.already_shared, report.deduped), (0, 1), "{fs}: {report:?}");
        assert!(report.shared >= 4 * (size as u64 - 8192), "{fs}: {report:?}");

        let dry = run(dir.path(), DedupeTreeOptions::new().blocks(true).dry_run(true));
        assert_eq!((dry.estimate, dry.already_shared), (0, size as u64), "{fs}: {dry:?}");

        // One of the pair is all the other's; what shares with the source is told of each of the others once.
        let again = run(dir.path(), DedupeTreeOptions::new().blocks(true));
        let most = 4 * size as u64;
        assert!(again.already_shared <= most, "{fs}: {again:?}");
        assert!(again.already_shared >= most - 3 * 8192, "{fs}: {again:?}");
    });
}

#[test]
fn more_near_files_than_are_held_open() {
    everywhere("more_near_files_than_are_held_open", |fs| {
        let dir = scratch(fs);
        let size = 136 << 10;
        let at = |i: u64, which: &str| dir.path().join(format!("{i}{which}"));
        let kinds = 30;
        for i in 0..kinds {
            write(&at(i, "a"), &changed(i, size, &[]));
            write(&at(i, "b"), &changed(i, size, &[]));
            write(&at(i, "near"), &changed(i, size, &[5]));
            write(&at(i, "near too"), &changed(i, size, &[size - 1]));
        }
        let before = contents(dir.path());
        let most = Cell::new(0);
        let count = || {
            let open = fs::read_dir("/proc/self/fd").expect("descriptors");
            let paths = open.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
            let held = paths.filter(|path| path != dir.path() && path.starts_with(dir.path())).count();
            most.set(most.get().max(held));
            false
        };
        let options = || {
            let options = DedupeTreeOptions::new().blocks(true).threads(1);
            options.control(Control::new().cancel(&count))
        };
        let dry = run(dir.path(), options().dry_run(true));
        assert!(dry.estimate >= kinds * 2 * size as u64, "{fs}: {dry:?}");
        let report = run(dir.path(), options());
        assert_eq!((report.deduped, report.already_shared), (kinds, 0), "{fs}: {report:?}");
        for i in 0..kinds {
            assert!(shares_all(&at(i, "a"), &at(i, "b")), "{fs}");
            let near = ["a", "near", "near too"];
            let shared = |a: &str, b: &str| shared_with(&at(i, a), &at(i, b)).expect("maps");
            let with_all = |a: &&str| near.iter().all(|b| *a == *b || shared(a, b) >= size as u64 - 8192);
            assert!(near.iter().any(with_all), "{fs}: {i}");
        }
        assert_eq!(run(dir.path(), options().dry_run(true)).estimate, 0, "{fs}");
        assert_eq!(contents(dir.path()), before, "{fs}");
        assert!((2..=64).contains(&most.get()), "{fs}: {} were open", most.get());
    });
}

#[test]
fn a_file_that_vanishes_takes_no_other_with_it() {
    everywhere("a_file_that_vanishes_takes_no_other_with_it", |fs| {
        let dir = scratch(fs);
        let (store, index) = (dir.path().join("store"), dir.path().join("index"));
        let at = |name: &str| store.join(name);
        let size = 1 << 20;
        for name in ["a", "b", "c"] {
            write(&at(name), &changed(1, size, &[]));
        }
        write(&at("near"), &changed(1, size, &[5]));
        // A group that comes before, as it has more bytes.
        for name in ["first", "first too"] {
            write(&at(name), &changed(2, 4 << 20, &[]));
        }
        grow_old(&store);
        // The index has their digests, so that they are not opened to be read.
        run(&store, DedupeTreeOptions::new().index(&index).dry_run(true));
        // The one that is asked first.
        let inode = |name: &&str| fs::metadata(at(name)).expect("a file").ino();
        let mut equal = ["a", "b", "c"];
        equal.sort_by_key(inode);
        let mut remove = |files: u64, _bytes: u64| {
            if files >= 2 {
                fs::remove_file(at(equal[0])).ok();
            }
            ControlFlow::Continue(())
        };
        let options = || DedupeTreeOptions::new().index(&index).blocks(true).threads(1);
        let report = run(&store, options().control(Control::new().progress(&mut remove)));
        assert_eq!((report.vanished, report.deduped), (1, 2), "{fs}: {report:?}");
        assert!(shares_all(&at(equal[1]), &at(equal[2])), "{fs}");
        assert_eq!(shared_with(&at(equal[1]), &at("near")).expect("maps"), size as u64 - 4096, "{fs}");
    });
}

#[test]
fn more_files_than_are_held_open() {
    everywhere("more_files_than_are_held_open", |fs| {
        let dir = scratch(fs);
        for i in 0..300u64 {
            write(&dir.path().join(format!("{}/{i}", i % 7)), &pattern(i % 3, 5000));
        }
        for threads in [1, 3] {
            let report = run(dir.path(), DedupeTreeOptions::new().threads(threads).dry_run(threads == 1));
            let all = 297 * 5000;
            match threads {
                1 => assert!(report.estimate >= all, "{fs}: {report:?}"),
                _ => assert_eq!((report.deduped, report.shared), (297, all), "{fs}: {report:?}"),
            }
        }
    });
}

#[test]
fn a_file_that_fails_is_listed_and_the_others_go_on() {
    // SAFETY: takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        return skip(
            "a_file_that_fails_is_listed_and_the_others_go_on",
            "only root can become somebody else",
        );
    }
    everywhere("a_file_that_fails_is_listed_and_the_others_go_on", |fs| {
        let dir = scratch(fs);
        let at = |name: &str| dir.path().join(name);
        for name in ["secret", "a", "b", "locked/c"] {
            write(&at(name), &pattern(1, 10_000));
            std::os::unix::fs::chown(at(name), Some(1234), None).expect("chown");
        }
        fs::set_permissions(at("secret"), fs::Permissions::from_mode(0o0)).expect("chmod");
        fs::set_permissions(at("locked"), fs::Permissions::from_mode(0o0)).expect("chmod");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        let report = as_user(1234, || dedupe(dir.path(), DedupeTreeOptions::new()))
            .expect("a person")
            .expect("a report");
        assert_eq!((report.deduped, report.shared), (1, 10_000), "{fs}: {report:?}");
        let mut failed: Vec<_> =
            report.failures.iter().map(|f| (f.path.clone(), f.error.errno, f.error.reason)).collect();
        failed.sort_by(|a, b| a.0.cmp(&b.0));
        let denied = |name: &str| (at(name), libc::EACCES, Reason::Permission);
        assert_eq!(failed, [denied("locked"), denied("secret")], "{fs}");
    });
}

/// That some are done is not remembered of those that nobody could open, though the index knows their digests.
#[test]
fn a_file_that_failed_is_looked_at_the_next_time() {
    // SAFETY: takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        return skip("a_file_that_failed_is_looked_at_the_next_time", "only root can become somebody else");
    }
    everywhere("a_file_that_failed_is_looked_at_the_next_time", |fs| {
        let dir = scratch(fs);
        let (store, index) = (dir.path().join("store"), dir.path().join("index"));
        let own = |path: &Path| std::os::unix::fs::chown(path, Some(1234), None).expect("chown");
        for name in ["a", "b", "secret"] {
            write(&store.join(name), &pattern(1, 1 << 20));
        }
        ["a", "b"].iter().for_each(|name| own(&store.join(name)));
        fs::set_permissions(store.join("secret"), fs::Permissions::from_mode(0o600)).expect("chmod");
        grow_old(&store);
        let options = || DedupeTreeOptions::new().index(&index);
        run(&store, options().dry_run(true));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
        [dir.path(), &index].iter().for_each(|path| own(path));
        for blocks in [false, true] {
            let report = as_user(1234, || dedupe(&store, options().blocks(blocks)))
                .expect("a person")
                .expect("a report");
            let failed: Vec<_> = report.failures.iter().map(|f| (f.path.clone(), f.error.errno)).collect();
            assert_eq!(failed, [(store.join("secret"), libc::EACCES)], "{fs}: {report:?}");
            assert_eq!(report.deduped, u64::from(!blocks), "{fs}: {report:?}");
        }
        let report = run(&store, options().blocks(true));
        assert_eq!((report.known, report.deduped), (0, 1), "{fs}: {report:?}");
    });
}

#[test]
fn a_run_may_be_cancelled_and_goes_on_the_next_time() {
    everywhere("a_run_may_be_cancelled_and_goes_on_the_next_time", |fs| {
        let dir = scratch(fs);
        for i in 0..40u64 {
            write(&dir.path().join(format!("{i}")), &pattern(i % 2, 40_000 + (i as usize / 4) * 5000));
        }
        let before = contents(dir.path());
        let mut files = 0;
        let mut progress = |done: u64, _bytes: u64| {
            files = done;
            if done >= 8 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let options = DedupeTreeOptions::new().threads(1).control(Control::new().progress(&mut progress));
        let failure = dedupe(dir.path(), options).expect_err("cancelled");
        assert_eq!((failure.error.errno, failure.error.reason), (libc::ECANCELED, Reason::Cancelled));
        let rest = run(dir.path(), DedupeTreeOptions::new());
        assert!(rest.deduped < 20 && rest.already_shared > 0, "{fs}: {rest:?}");
        let last = run(dir.path(), DedupeTreeOptions::new());
        assert_eq!(last.deduped, 0, "{fs}");
        assert_eq!(contents(dir.path()), before, "{fs}");
        let cancel = || true;
        let options = DedupeTreeOptions::new().control(Control::new().cancel(&cancel));
        assert_eq!(dedupe(dir.path(), options).expect_err("cancelled").error.reason, Reason::Cancelled);
    });
}

/// At any look: what was shared by then stays, and the next run does the rest.
#[test]
fn a_run_over_near_files_may_be_cancelled_at_any_time() {
    everywhere("a_run_over_near_files_may_be_cancelled_at_any_time", |fs| {
        let dir = scratch(fs);
        let size = 1 << 20;
        for i in 0..6 {
            write(&dir.path().join(format!("{i}")), &changed(1, size, &[i / 2 * 20_000, 500_000]));
        }
        let before = contents(dir.path());
        let (mut at, mut cancelled) = (1, 0);
        loop {
            let looks = Cell::new(0);
            let cancel = || {
                looks.set(looks.get() + 1);
                looks.get() >= at
            };
            let control = Control::new().cancel(&cancel);
            let options = DedupeTreeOptions::new().blocks(true).threads(1).control(control);
            match dedupe(dir.path(), options) {
                Ok(report) => {
                    assert_eq!(report.failures, [], "{fs}");
                    break;
                }
                Err(failure) => assert_eq!(failure.error.reason, Reason::Cancelled, "{fs}"),
            }
            cancelled += 1;
            at += 1;
        }
        assert!(cancelled > 10, "{fs}: {cancelled}");
        let last = run(dir.path(), DedupeTreeOptions::new().blocks(true));
        assert_eq!((last.deduped, last.shared), (0, 0), "{fs}: {last:?}");
        assert_eq!(contents(dir.path()), before, "{fs}");
    });
}

#[test]
fn the_page_cache_is_as_it_was() {
    everywhere("the_page_cache_is_as_it_was", |fs| {
        let dir = scratch(fs);
        let mut files = Vec::new();
        for i in 0..24u64 {
            let path = dir.path().join(format!("{i}"));
            write(&path, &pattern(i % 5, if i < 16 { 50_000 } else { 2 << 20 }));
            files.push(path);
        }
        files.iter().for_each(|path| cool(&File::open(path).expect("a file")));
        run(dir.path(), DedupeTreeOptions::new().cache(Cache::Neutral));
        let left: u64 = files
            .iter()
            .map(|path| resident_bytes(&File::open(path).expect("a file")).expect("a count"))
            .sum();
        assert_eq!(left, 0, "{fs}");
    });
}
