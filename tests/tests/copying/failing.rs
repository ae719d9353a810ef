//! Disks that fail while they are read, and while they are written back to.

use std::collections::HashSet;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::LazyLock;

use xtent::{
    Cache, Control, CopyOptions, Error, FileOptions, Reason, Report, Sparse, TO_END, clone_or_copy_file,
    copy_file,
};
use xtent_tests::syscalls::{Calls, Verdict, watch};
use xtent_tests::{Filesystem, fs, pattern, scratch, skip, write_file};

use super::device::{BLOCK, Device, Head, head};
use super::{contents, new};

const BYTES: usize = 24 << 20;

/// What is copied.
static CONTENTS: LazyLock<Vec<u8>> = LazyLock::new(|| pattern(1, BYTES));

/// Where filesystems can be made; they are unmounted with the runner's, whatever comes.
fn everywhere(test: &str, check: impl Fn(&Filesystem)) {
    for name in ["xfs", "btrfs", "ext4"] {
        match fs(name) {
            Some(fs) => check(fs),
            None => skip(&format!("{test}/{name}"), "there is none"),
        }
    }
}

/// It failed as the disk did.
fn is_input_output(result: &Result<Report, Error>) -> bool {
    result.as_ref().is_err_and(|error| (error.errno, error.reason) == (libc::EIO, Reason::Io))
}

/// Range verbs: what can be read is copied and told, then comes the error. File verbs: there is no such file.
#[test]
fn a_source_that_cannot_be_read() {
    everywhere("a_source_that_cannot_be_read", |fs| {
        let dir = scratch(fs);
        let bytes = &CONTENTS[..];
        write_file(&dir.path().join("whole"), bytes).unwrap();
        let mut device = Device::new(fs);
        device.fill(&dir.path().join("whole"), "src");
        let readable = BYTES / 2 + 3 * BLOCK;
        let end = device.find(&bytes[readable..readable + BLOCK]);
        let path = device.mount("ro").join("src");
        let src = File::open(&path).unwrap();
        device.cut_off(end);

        let all = [
            ("keep", Cache::Keep, Sparse::Keep),
            ("neutral", Cache::Neutral, Sparse::Keep),
            ("detect", Cache::Keep, Sparse::Detect),
        ];
        for (name, cache, sparse) in all {
            let dst = new(&dir.path().join(name));
            let mut done = 0;
            // Short ones, until nothing more comes.
            let failed = loop {
                let options = CopyOptions::new().cache(cache).sparse(sparse);
                match xtent::copy_range(src.as_fd(), done, dst.as_fd(), done, TO_END, options) {
                    Ok(report) => {
                        assert!(report.bytes() > 0 && report.errno == libc::EIO, "{fs} {name}: {report:?}");
                        done += report.bytes();
                    }
                    failed => break failed,
                }
            };
            assert!(is_input_output(&failed), "{fs} {name}: {failed:?}");
            // The kernel reads pages together, and what lies beside the bad block may be lost with it.
            let done = done as usize;
            assert!((readable - (4 << 20)..=readable).contains(&done), "{fs} {name}: {done} of {readable}");
            assert!(contents(&dst) == bytes[..done], "{fs} {name}: more, or other bytes than are told");
        }
        let dst = dir.path().join("file");
        for verify in [false, true] {
            let options = || FileOptions::new().verify(verify);
            assert!(is_input_output(&copy_file(&path, &dst, options())), "{fs}");
            assert!(is_input_output(&clone_or_copy_file(&path, &dst, options())), "{fs}");
        }
        let mut names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["detect", "keep", "neutral", "whole"], "{fs}");
    });
}

/// The destination is there, and where its blocks lie cannot be read.
#[test]
fn a_destination_whose_map_cannot_be_read() {
    everywhere("a_destination_whose_map_cannot_be_read", |fs| {
        let dir = scratch(fs);
        // One block of data in two: more extents than an inode has room for.
        let mut islands = pattern(2, BYTES);
        islands.chunks_mut(2 * BLOCK).for_each(|two| two[BLOCK..].fill(0));
        write_file(&dir.path().join("islands"), &islands).unwrap();
        let src = write_file(&dir.path().join("src"), &CONTENTS).unwrap();
        let mut device = Device::new(fs);
        device.fill(&dir.path().join("islands"), "dst");
        let path = device.mount("rw").join("dst");
        let dst = File::options().read(true).write(true).open(path).unwrap();
        device.cut_off(64 << 10);

        // btrfs looks for the place when it writes back.
        let cache = if fs.kind == "btrfs" { Cache::Neutral } else { Cache::Keep };
        let options = CopyOptions::new().cache(cache);
        let failed = xtent::copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, options);
        assert!(is_input_output(&failed), "{fs}: {failed:?}");
    });
}

/// What could not be written back is no copy, where it was asked for that it is on disk.
#[test]
fn a_file_that_cannot_be_written_back_is_not_published() {
    everywhere("a_file_that_cannot_be_written_back_is_not_published", |fs| {
        let dir = scratch(fs);
        let path = dir.path().join("src");
        write_file(&path, &CONTENTS).unwrap();
        let neutral = || CopyOptions::new().cache(Cache::Neutral);
        let all = [
            ("durable", FileOptions::new().durable(true)),
            ("verify", FileOptions::new().verify(true)),
            ("neutral", FileOptions::new().copy(neutral())),
            // Writing back for the page cache's sake tells of an error once: no fsync would.
            ("neutral and durable", FileOptions::new().copy(neutral()).durable(true)),
        ];
        for (name, options) in all {
            let mut device = Device::new(fs);
            let dst = device.mount("rw").join("dst");
            device.refuse_writing();
            let failed = copy_file(&path, &dst, options);
            assert!(is_input_output(&failed), "{fs} {name}: {failed:?}");
            assert!(fs::symlink_metadata(&dst).is_err(), "{fs} {name}: it is there");
        }
    });
}

/// It has its name, and not for good.
#[test]
fn a_name_that_cannot_be_written_back_is_told() {
    let test = "a_name_that_cannot_be_written_back_is_told";
    everywhere(test, |fs| {
        let dir = scratch(fs);
        let path = dir.path().join("src");
        write_file(&path, &CONTENTS).unwrap();
        let mut device = Device::new(fs);
        let dst = device.mount("rw").join("dst");
        let done = watch(
            Calls::These(&[libc::SYS_linkat]),
            || copy_file(&path, &dst, FileOptions::new().durable(true)),
            |_| {
                device.refuse_writing();
                Verdict::Allow
            },
        );
        match done {
            Ok(failed) => {
                let told = failed.as_ref().map_err(|error| (error.errno, error.reason)).err();
                assert_eq!(told, Some((libc::EIO, Reason::NotDurable)), "{fs}: {failed:?}");
            }
            Err(error) => skip(&format!("{test}/{}", fs.name), &format!("seccomp_unotify(2): {error}")),
        }
    });
}

/// A neutral copy writes back as it goes: what it says is done when the disk fails is on the disk.
#[test]
fn what_a_neutral_copy_tells_is_on_disk() {
    everywhere("what_a_neutral_copy_tells_is_on_disk", |fs| {
        let dir = scratch(fs);
        let bytes = &CONTENTS[..];
        let src = write_file(&dir.path().join("src"), bytes).unwrap();
        for fails_at in [0, BYTES / 2, BYTES - (1 << 20)] {
            let mut device = Device::new(fs);
            let dst = new(&device.mount("rw").join("dst"));
            let mut refuses = fails_at == 0;
            if refuses {
                device.refuse_writing();
            }
            let mut progress = |done: u64, _| {
                if !refuses && done as usize >= fails_at {
                    device.refuse_writing();
                    refuses = true;
                }
                ControlFlow::Continue(())
            };
            let options =
                CopyOptions::new().cache(Cache::Neutral).control(Control::new().progress(&mut progress));
            let report = match xtent::copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, options) {
                Ok(report) => report,
                Err(error) => error.report,
            };
            let what = format!("{fs}, failing at {fails_at}: {report:?}");
            assert_eq!((report.errno, report.reason), (libc::EIO, Reason::Io), "{what}");
            let done = report.bytes() as usize;
            assert!(done < BYTES && done <= fails_at, "{what}");
            // Long before it failed.
            assert!(done > 0 || fails_at < BYTES - (1 << 20), "{what}");
            assert_on_device(&device, &bytes[..done - done % BLOCK], &what);
        }
    });
}

fn assert_on_device(device: &Device, bytes: &[u8], what: &str) {
    let there: HashSet<Head> = device.blocks().map(|(_, head)| head).collect();
    let lost = bytes.chunks(BLOCK).position(|block| !there.contains(&head(block)));
    assert_eq!(lost, None, "{what}: a block that is told is not on the device");
}
