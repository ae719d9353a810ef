//! The index: that it makes the next run cheap, and what happens to one that is damaged, in use, or none.

use std::cell::Cell;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, chown, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use xtent::{At, Control, DedupeTreeOptions, Reason};
use xtent_tests::syscalls::{Calls, Verdict, watch};
use xtent_tests::{Filesystem, Random, fs, pattern, scratch, skip};

use super::{contents, dedupe, everywhere, grow_old, run, shares_all, write};

/// A directory, and in it a store of so many files with the same bytes, old enough for an index.
fn equal_files(fs: &Filesystem, count: u64) -> (TempDir, PathBuf) {
    let dir = scratch(fs);
    let store = dir.path().join("store");
    for i in 0..count {
        write(&store.join(format!("{i}")), &pattern(1, 30_000));
    }
    grow_old(&store);
    (dir, store)
}

#[test]
fn an_index_makes_the_next_run_cheap() {
    everywhere("an_index_makes_the_next_run_cheap", |fs| {
        let dir = scratch(fs);
        let store = dir.path().join("store");
        let index = dir.path().join("index");
        let at = |i: u64| store.join(format!("{i}"));
        for i in 0..30 {
            write(&at(i), &pattern(i / 2, 30_000));
        }
        for i in 30..34 {
            // Two and two, equal in what is sampled.
            let mut bytes = pattern(99, 1 << 20);
            bytes[200_000] = i as u8 / 2;
            write(&at(i), &bytes);
        }
        grow_old(&store);
        let options = || DedupeTreeOptions::new().index(&index);
        let first = run(&store, options());
        assert_eq!((first.deduped, first.known), (17, 0), "{fs}: {first:?}");
        let second = run(&store, options());
        assert_eq!((second.known, second.read, second.shared), (34, 0, 0), "{fs}: {second:?}");

        // One is written to, and a new one comes.
        File::options()
            .write(true)
            .open(at(0))
            .expect("a file")
            .write_all_at(b"other", 100)
            .expect("a write");
        write(&at(100), &pattern(5, 30_000));
        grow_old(&store);
        let third = run(&store, options());
        assert_eq!((third.read, third.deduped), (2 * 30_000, 1), "{fs}: {third:?}");
        assert!(shares_all(&at(100), &at(10)), "{fs}");

        // One of the same size and modification time takes the place of another.
        let modified = fs::metadata(at(4)).expect("a file").modified().expect("a time");
        fs::remove_file(at(4)).expect("removed");
        write(&at(4), &pattern(3, 30_000));
        File::open(at(4)).expect("a file").set_modified(modified).expect("a time");
        grow_old(&store);
        let fourth = run(&store, options());
        assert_eq!((fourth.read, fourth.deduped), (30_000, 1), "{fs}: {fourth:?}");
        assert!(shares_all(&at(4), &at(6)), "{fs}");
        let fifth = run(&store, options());
        assert_eq!((fifth.read, fifth.known), (0, 35), "{fs}: {fifth:?}");
    });
}

#[test]
fn an_index_that_is_none() {
    // What is in an index does not depend on where it lies.
    let Some(fs) = fs("xfs") else { return skip("an_index_that_is_none", "there is no xfs") };
    let dir = scratch(fs);
    let store = dir.path().join("store");
    for i in 0..40 {
        write(&store.join(format!("{i}")), &pattern(i / 2, 30_000));
    }
    grow_old(&store);
    let index = dir.path().join("index");
    let options = || DedupeTreeOptions::new().index(&index);
    let refused = || {
        let failure = dedupe(&store, options()).expect_err("a refusal");
        assert_eq!(failure.path, index);
        (failure.error.errno, failure.error.reason)
    };
    run(&store, options());
    let good = fs::read(&index).expect("the index");

    fs::write(&index, "something else, and long enough to be anything").expect("a file");
    assert_eq!(refused(), (libc::EINVAL, Reason::IndexForeign), "{fs}");
    assert_eq!(fs::read(&index).expect("a file"), b"something else, and long enough to be anything");

    fs::write(&index, &good[..good.len() / 2]).expect("a file");
    assert_eq!(refused(), (libc::EUCLEAN, Reason::IndexDamaged), "{fs}");
    let rebuilt = run(&store, options().rebuild(true));
    assert_eq!(rebuilt.known, 0, "{fs}");
    assert_eq!(run(&store, options()).known, 40, "{fs}");

    // One that a later release wrote.
    let version = 60; // user_version, in the header
    let file = File::options().write(true).open(&index).expect("the index");
    file.write_all_at(&1000u32.to_be_bytes(), version).expect("written");
    assert_eq!(refused(), (libc::EOPNOTSUPP, Reason::IndexNewer), "{fs}");
    assert_eq!(run(&store, options().rebuild(true)).known, 0, "{fs}");
    assert_eq!(run(&store, options()).known, 40, "{fs}");

    let directory = dir.path().join("directory");
    fs::create_dir(&directory).expect("a directory");
    let failure = dedupe(&store, DedupeTreeOptions::new().index(&directory)).expect_err("no file");
    assert_eq!(failure.error.errno, libc::EISDIR);
}

#[test]
fn an_index_with_something_beside_it() {
    const TEST: &str = "an_index_with_something_beside_it";
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    let dir = scratch(fs);
    let store = dir.path().join("store");
    for i in 0..4 {
        write(&store.join(format!("{i}")), &pattern(1, 30_000));
    }
    let index = dir.path().join("n");
    let (journal, log) = (dir.path().join("n-journal"), dir.path().join("n-wal"));
    let refused = |rebuild| {
        let failure =
            dedupe(&store, DedupeTreeOptions::new().index(&index).rebuild(rebuild)).expect_err("a refusal");
        assert_eq!(failure.path, index);
        assert_eq!((failure.error.errno, failure.error.reason), (libc::EINVAL, Reason::IndexForeign));
    };
    let magic = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";

    // A new one is not left behind, and one that is there stays as it is, whatever is asked for.
    for is_there in [false, true] {
        let before = is_there.then(|| {
            run(&store, DedupeTreeOptions::new().index(&index));
            fs::read(&index).expect("the index")
        });
        for rebuild in [false, true] {
            for beside in [&journal, &log] {
                let keeps = |text: &[u8]| {
                    fs::write(beside, text).expect("a file");
                    refused(rebuild);
                    assert_eq!(fs::read(beside).expect("the file"), text);
                    assert_eq!(fs::read(&index).ok(), before);
                    fs::remove_file(beside).expect("removed");
                };
                keeps(b"notes of somebody");
                keeps(b"n");
                if *beside == log {
                    keeps(b"");
                }
                // By other ways than its own file.
                let elsewhere = dir.path().join("elsewhere");
                fs::write(&elsewhere, magic).expect("a file");
                symlink(&elsewhere, beside).expect("a link");
                refused(rebuild);
                fs::remove_file(beside).expect("removed");
                fs::hard_link(&elsewhere, beside).expect("a link");
                refused(rebuild);
                fs::remove_file(beside).expect("removed");
                fs::create_dir(beside).expect("a directory");
                refused(rebuild);
                fs::remove_dir(beside).expect("removed");
                // Of somebody else.
                fs::write(beside, magic).expect("a file");
                chown(beside, Some(12345), None).expect("another owner");
                refused(rebuild);
                fs::remove_file(beside).expect("removed");
                assert_eq!(fs::read(&index).ok(), before);
            }
        }
    }
    // What a killed run may leave.
    for left in [&b""[..], &[0; 600], magic] {
        fs::write(&journal, left).expect("a file");
        run(&store, DedupeTreeOptions::new().index(&index));
        assert!(!journal.exists());
    }
}

/// What was locked is not what SQLite finds at that path.
#[test]
fn an_index_that_is_replaced_meanwhile() {
    const TEST: &str = "an_index_that_is_replaced_meanwhile";
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    let (dir, store) = equal_files(fs, 4);
    let (index, other) = (dir.path().join("index"), dir.path().join("other"));
    run(&store, DedupeTreeOptions::new().index(&other));
    let bytes = fs::read(&other).expect("the index");

    // Once it is locked.
    let work = || dedupe(&store, DedupeTreeOptions::new().index(&index));
    let mut replaced = 0;
    let answer = watch(Calls::These(&[libc::SYS_flock]), work, |_| {
        fs::rename(&other, &index).expect("renamed");
        replaced += 1;
        Verdict::Allow
    });
    let failure = answer.expect("a thread that is watched").expect_err("a refusal");
    assert_eq!((failure.path, failure.error.errno, replaced), (index.clone(), libc::ESTALE, 1));
    assert_eq!(fs::read(&index).expect("the other"), bytes);

    // And once it is open.
    for again in [false, true] {
        let mut progress = |_files: u64, _bytes: u64| {
            if again {
                fs::write(&other, &bytes).expect("a file");
                fs::rename(&other, &index).expect("renamed");
            } else {
                fs::remove_file(&index).ok();
            }
            ControlFlow::Continue(())
        };
        fs::remove_file(&index).ok();
        let options = DedupeTreeOptions::new().index(&index).control(Control::new().progress(&mut progress));
        let report = dedupe(&store, options).expect("a report");
        let failures: Vec<_> =
            report.failures.iter().map(|failure| (&failure.path, failure.error.errno)).collect();
        assert_eq!(failures, [(&index, libc::ESTALE)]);
        assert_eq!(fs::read(&index).ok(), again.then(|| bytes.clone()));
    }
}

#[test]
fn an_index_far_from_the_root() {
    const TEST: &str = "an_index_far_from_the_root";
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    let (dir, store) = equal_files(fs, 1);
    let mut deep = dir.path().canonicalize().expect("a directory");
    while deep.as_os_str().len() < 400 {
        deep.push("d".repeat(60));
    }
    fs::create_dir_all(&deep).expect("directories");
    let place = File::open(&deep).expect("a directory");
    for (len, answer) in [(504, None), (505, Some(libc::ENAMETOOLONG)), (600, Some(libc::ENAMETOOLONG))] {
        let name = "i".repeat(len - deep.as_os_str().len() - 1);
        for at in [At::from(&deep.join(&name)), At::new(place.as_fd(), &name)] {
            let told =
                dedupe(&store, DedupeTreeOptions::new().index(at)).map_err(|failure| failure.error.errno);
            assert_eq!(told.err(), answer, "{len}");
            assert_eq!(deep.join(&name).exists(), answer.is_none(), "{len}");
        }
    }
}

#[test]
fn an_index_that_was_made_one_with_a_log() {
    const TEST: &str = "an_index_that_was_made_one_with_a_log";
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    let (dir, store) = equal_files(fs, 1);
    let index = dir.path().join("index");
    let options = || DedupeTreeOptions::new().index(&index);
    run(&store, options());
    // The versions of the format for who writes and who reads, in the header.
    File::options().write(true).open(&index).expect("the index").write_all_at(&[2, 2], 18).expect("written");
    let failure = dedupe(&store, options()).expect_err("a refusal");
    assert_eq!((failure.error.errno, failure.error.reason), (libc::EUCLEAN, Reason::IndexDamaged));
    assert!(!dir.path().join("index-wal").exists());
    run(&store, options().rebuild(true));
    run(&store, options());
}

#[test]
fn a_run_that_is_cancelled_while_it_looks_at_the_index() {
    const TEST: &str = "a_run_that_is_cancelled_while_it_looks_at_the_index";
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    let (dir, store) = equal_files(fs, 4);
    let index = dir.path().join("index");
    run(&store, DedupeTreeOptions::new().index(&index));
    // The last byte is of the sum of the first row: whether that is damaged is not even looked at.
    let mut bytes = fs::read(&index).expect("the index");
    *bytes.last_mut().expect("a byte") ^= 1;
    fs::write(&index, bytes).expect("room");
    let asked = Cell::new(0);
    for (cancelled, answer) in [
        (false, (libc::EUCLEAN, Reason::IndexDamaged, index.as_path())),
        (true, (libc::ECANCELED, Reason::Cancelled, Path::new(""))),
    ] {
        // Asked before anything, and then for each row.
        asked.set(0);
        let cancel = || asked.replace(asked.get() + 1) == 1 && cancelled;
        let options = DedupeTreeOptions::new().index(&index).control(Control::new().cancel(&cancel));
        let failure = dedupe(&store, options).expect_err("a failure");
        assert_eq!((failure.error.errno, failure.error.reason, failure.path.as_path()), answer);
    }
}

#[test]
fn an_index_is_used_by_one_run_at_a_time() {
    everywhere("an_index_is_used_by_one_run_at_a_time", |fs| {
        let dir = scratch(fs);
        let store = dir.path().join("store");
        for i in 0..4 {
            write(&store.join(format!("{i}")), &pattern(1, 30_000));
        }
        let index = dir.path().join("index");
        let mut refusals = Vec::new();
        let mut progress = |_files: u64, _bytes: u64| {
            for rebuild in [false, true] {
                let second = dedupe(&store, DedupeTreeOptions::new().index(&index).rebuild(rebuild));
                refusals.push(second.map_err(|failure| (failure.error.errno, failure.error.reason)));
            }
            ControlFlow::Continue(())
        };
        let options = DedupeTreeOptions::new().index(&index).control(Control::new().progress(&mut progress));
        let report = run(&store, options);
        assert_eq!(report.deduped, 3, "{fs}");
        assert!(!refusals.is_empty());
        assert!(
            refusals.iter().all(|second| *second == Err((libc::EBUSY, Reason::IndexInUse))),
            "{refusals:?}"
        );
    });
}

/// In a process of its own: this says that it is that one, and where the files are.
const INSIDE: &str = "XTENT_INSIDE";

/// What the library says of damages: nothing, but for the answer of the call.
#[test]
fn an_index_that_is_damaged() {
    const TEST: &str = "index::an_index_that_is_damaged";
    if let Some(dir) = std::env::var_os(INSIDE) {
        return damage(Path::new(&dir));
    }
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    let dir = scratch(fs);
    let output = alone(TEST, dir.path()).output().expect("this program");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.is_empty(),
        "{}\n{said}",
        String::from_utf8_lossy(&output.stdout)
    );
}

/// This test, in a process of its own.
fn alone(test: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, dir);
    command
}

/// Each is refused with a reason of the index, or an earlier state that was whole is found: then the next run knows all.
fn damage(dir: &Path) {
    let rounds = std::env::var("XTENT_INDEX_ROUNDS").map_or(400, |rounds| rounds.parse().expect("a number"));
    let seed = std::env::var("XTENT_INDEX_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    const FILES: u64 = 400;
    let (store, index) = (dir.join("store"), dir.join("index"));
    for i in 0..FILES {
        write(&store.join(format!("{}/{i}", i % 3)), &pattern(i / 2, 4096));
    }
    grow_old(&store);
    let options = || DedupeTreeOptions::new().threads(1).index(&index);
    run(&store, options());
    let good = fs::read(&index).expect("the index");
    assert!(good.len() > 5 * 4096, "an index of one page has no tree");
    let mut random = Random(seed);
    let (mut refused, mut found) = (0, 0);
    for round in 0..rounds {
        let mut bad = good.clone();
        let what = spoil(&mut bad, &mut random);
        fs::write(&index, &bad).expect("room");
        let journal = dir.join("index-journal");
        if random.below(8) == 0 {
            let magic = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7";
            let rest = pattern(round, random.below(9000) as usize);
            fs::write(&journal, [&magic[..], &rest].concat()).expect("room");
        }
        let at = || format!("seed {seed}, round {round}: {what}");
        match dedupe(&store, options()) {
            Ok(report) => {
                found += 1;
                assert_eq!((report.shared, &report.failures[..]), (0, &[][..]), "{}", at());
                assert_eq!(run(&store, options()).known, FILES, "{}", at());
            }
            Err(failure) => {
                refused += 1;
                assert_eq!(failure.path, index, "{}", at());
                let answer = (failure.error.errno, failure.error.reason);
                let may = [
                    (libc::EUCLEAN, Reason::IndexDamaged),
                    (libc::EINVAL, Reason::IndexForeign),
                    (libc::EOPNOTSUPP, Reason::IndexNewer),
                ];
                assert!(may.contains(&answer), "{}: {answer:?}", at());
                if round % 16 == 0 {
                    assert_eq!(run(&store, options().rebuild(true)).known, 0, "{}", at());
                    assert_eq!(run(&store, options()).known, FILES, "{}", at());
                }
            }
        }
        fs::remove_file(&journal).ok();
    }
    assert!(refused > rounds / 2, "{refused} of {rounds} refused");
    assert!(found > 0 || rounds < 100, "{found} of {rounds} found whole");
}

/// Bits that turn, bytes that are others, pages of zeros or in each other's place, an end that is missing.
fn spoil(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let len = bytes.len() as u64;
    let page = |random: &mut Random| (random.below(len / 4096) * 4096) as usize;
    match random.below(6) {
        0 => {
            let (at, bit) = (random.below(len) as usize, random.below(8));
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at}")
        }
        1 => {
            let at = random.below(100) as usize;
            bytes[at] = !bytes[at];
            format!("byte {at} of the header")
        }
        2 => {
            let to = random.below(len) as usize;
            bytes.truncate(to);
            format!("cut off at {to}")
        }
        3 => {
            let at = page(random);
            bytes[at..at + 4096].fill(0);
            format!("zeros at {at}")
        }
        4 => {
            let (a, b) = (page(random), page(random));
            let other = bytes[b..b + 4096].to_vec();
            bytes.copy_within(a..a + 4096, b);
            bytes[a..a + 4096].copy_from_slice(&other);
            format!("pages {a} and {b}")
        }
        _ => {
            let (at, more) = (random.below(len - 64) as usize, 1 + random.below(64) as usize);
            bytes[at..at + more].copy_from_slice(&pattern(random.below(1000), more));
            format!("{more} bytes at {at}")
        }
    }
}

/// SQLite takes none of their numbers for a file by default, and leaves /dev/null open in their places.
#[test]
fn an_index_where_standard_descriptors_are_closed() {
    const TEST: &str = "index::an_index_where_standard_descriptors_are_closed";
    if let Some(dir) = std::env::var_os(INSIDE) {
        let (store, index) = (Path::new(&dir).join("store"), Path::new(&dir).join("index"));
        for fd in 0..3 {
            // SAFETY: nothing is read or written by them from here on to the end of this process.
            unsafe { libc::close(fd) };
        }
        let done = dedupe(&store, DedupeTreeOptions::new().threads(1).index(&index)).is_ok();
        // SAFETY: numbers only.
        let left = (0..3).filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } != -1).count();
        std::process::exit(if done { left as i32 } else { -1 });
    }
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    let dir = scratch(fs);
    write(&dir.path().join("store/a"), &pattern(1, 30_000));
    let output = alone(TEST, dir.path()).output().expect("this program");
    assert_eq!(output.status.code(), Some(0), "so many are left open");
    assert!(dir.path().join("index").exists());
}

/// Killed before each of the calls by which the index is written: the next run finds one that is whole.
#[test]
fn an_index_whose_run_was_killed() {
    const TEST: &str = "index::an_index_whose_run_was_killed";
    const NUMBER: &str = "XTENT_KILLED_BEFORE";
    if let Some(dir) = std::env::var_os(INSIDE) {
        let number = std::env::var(NUMBER).ok().and_then(|number| number.parse().ok()).expect("a number");
        return killed(Path::new(&dir), number);
    }
    let Some(fs) = fs("xfs") else { return skip(TEST, "there is no xfs") };
    const FILES: u64 = 300;
    let dir = scratch(fs);
    let (store, index, journal) =
        (dir.path().join("store"), dir.path().join("index"), dir.path().join("index-journal"));
    for i in 0..FILES {
        write(&store.join(format!("{i}")), &pattern(i / 2, 4096));
    }
    grow_old(&store);
    let options = || DedupeTreeOptions::new().threads(1).index(&index);
    let mut kills = 0;
    // A new index, and one that is written to again.
    let mut earlier = None;
    for again in [false, true] {
        if again {
            run(&store, options());
            earlier = Some(fs::read(&index).expect("the index"));
            for i in (0..FILES).step_by(3) {
                write(&store.join(format!("{i}")), &pattern(FILES + i, 4096));
            }
            grow_old(&store);
        }
        let before = contents(&store);
        let mut journals = 0;
        for number in 1.. {
            fs::remove_file(&journal).ok();
            match &earlier {
                Some(earlier) => fs::write(&index, earlier).expect("room"),
                None => fs::remove_file(&index).unwrap_or_default(),
            }
            let output =
                alone(TEST, dir.path()).env(NUMBER, number.to_string()).output().expect("this program");
            journals += u64::from(journal.exists());
            let report = run(&store, options());
            assert!(!again || report.known > 0, "killed before call {number}: {report:?}");
            assert_eq!(run(&store, options()).known, FILES, "killed before call {number}");
            assert!(!journal.exists(), "killed before call {number}");
            match output.status.signal() {
                Some(libc::SIGKILL) => kills += 1,
                _ if output.status.success() => break,
                _ => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            }
        }
        assert!(journals > 0, "none was killed on the way");
        assert_eq!(contents(&store), before);
    }
    assert!(kills > 10, "{kills} kills");
}

/// Ends before the call of that number, if it comes so far.
fn killed(dir: &Path, number: u64) {
    let calls = [
        libc::SYS_write,
        libc::SYS_pwrite64,
        libc::SYS_fsync,
        libc::SYS_fdatasync,
        libc::SYS_ftruncate,
        libc::SYS_unlink,
    ];
    let mut seen = 0;
    let index = dir.join("index");
    let work = || dedupe(&dir.join("store"), DedupeTreeOptions::new().threads(1).index(&index));
    let done = watch(Calls::These(&calls), work, |_| {
        seen += 1;
        if seen == number {
            // SAFETY: numbers only.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        Verdict::Allow
    });
    done.expect("a thread that is watched").expect("a report");
}
