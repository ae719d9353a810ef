//! Sources that become shorter or longer while they are copied.

use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use xtent::{Control, CopyOptions, FileOptions, Report, copy_file};
use xtent_tests::{allocated, filesystems, fs, pattern, scratch, skip, write_file};

use super::{contents, copy, new};

const MIB: usize = 1 << 20;

/// Between two steps.
#[test]
fn cut_shorter_it_ends_at_the_new_end() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), new(&dir.path().join("dst")));
        let src = write_file(&src, &pattern(1, 8 * MIB)).unwrap();
        let end = 3 * MIB + 123;
        let mut cut = |_, _| {
            src.set_len(end as u64).unwrap();
            ControlFlow::Continue(())
        };
        let report = copy(&src, &dst, CopyOptions::new().control(Control::new().progress(&mut cut)));
        assert_eq!((report.bytes_copied, report.errno), (end as u64, 0), "{fs}");
        assert!(contents(&dst) == pattern(1, end), "{fs}");
    }
}

/// And what it took on disk for the rest is given back.
#[test]
fn a_file_of_a_source_that_is_cut_shorter_takes_no_more_room() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        let file = write_file(&src, &pattern(1, 8 * MIB)).unwrap();
        let end = 3 * MIB + 4096;
        let mut cut = |_, _| {
            file.set_len(end as u64).unwrap();
            ControlFlow::Continue(())
        };
        let options = FileOptions::new().control(Control::new().progress(&mut cut));
        let report = copy_file(&src, &dst, options).unwrap();
        assert_eq!(report.bytes_copied, end as u64, "{fs}");
        assert!(std::fs::read(&dst).unwrap() == pattern(1, end), "{fs}");
        assert_eq!(allocated(&dst).unwrap(), end as u64, "{fs}");
    }
}

/// It takes no more room than its data.
#[test]
fn what_a_source_only_reserved_is_a_hole_of_the_file() {
    for name in ["xfs", "btrfs", "ext4"] {
        let Some(fs) = fs(name) else {
            skip(&format!("what_a_source_only_reserved_is_a_hole_of_the_file/{name}"), "there is none");
            continue;
        };
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
        let file = write_file(&src, &pattern(1, MIB)).unwrap();
        // SAFETY: takes numbers only.
        assert_eq!(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, 8 * MIB as i64) }, 0, "{fs}");
        file.sync_all().unwrap();
        let report = copy_file(&src, &dst, FileOptions::new()).unwrap();
        assert_eq!((report.bytes_copied, report.bytes_hole), (MIB as u64, 7 * MIB as u64), "{fs}");
        assert_eq!(allocated(&dst).unwrap(), MIB as u64, "{fs}");
    }
}

/// "To the end" is the end that the source had when the call began.
#[test]
fn what_is_appended_meanwhile_is_not_copied() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let (src, dst) = (dir.path().join("src"), new(&dir.path().join("dst")));
        let src = write_file(&src, &pattern(1, 3 * MIB + 5)).unwrap();
        let mut append = |done: u64, total| {
            assert_eq!(total, 3 * MIB as u64 + 5);
            src.write_all_at(&[1; 5000], 3 * MIB as u64 + 5 + done).unwrap();
            ControlFlow::Continue(())
        };
        let report = copy(&src, &dst, CopyOptions::new().control(Control::new().progress(&mut append)));
        assert_eq!(report, expected(3 * MIB as u64 + 5), "{fs}");
        assert!(contents(&dst) == pattern(1, 3 * MIB + 5), "{fs}");
    }
}

fn expected(bytes_copied: u64) -> Report {
    let mut report = Report::default();
    report.bytes_copied = bytes_copied;
    report
}

/// At any moment, also while a step is under way: what is counted are bytes that the source had, and all that it has
/// left. XTENT_CUTS=N makes more of them.
#[test]
fn cut_shorter_at_any_moment_only_its_bytes_count() {
    let cuts = std::env::var("XTENT_CUTS").map_or(16, |cuts| cuts.parse().expect("a number in XTENT_CUTS"));
    for fs in filesystems() {
        let dir = scratch(fs);
        for (round, end) in (0..cuts).map(|round| (round, MIB / 2 + round % 16 * 200_001)) {
            let src = write_file(&dir.path().join("src"), &pattern(1, 4 * MIB)).unwrap();
            let dst = new(&dir.path().join(format!("dst{round}")));
            let report = std::thread::scope(|scope| {
                scope.spawn(|| {
                    // In some rounds at once, in others later.
                    for _ in 0..round * 200 {
                        std::hint::spin_loop();
                    }
                    src.set_len(end as u64).unwrap();
                });
                copy(&src, &dst, CopyOptions::new())
            });
            let counted = report.bytes() as usize;
            assert!((end..=4 * MIB).contains(&counted), "{fs}: {counted} of {end}");
            assert!(contents(&dst)[..counted] == pattern(1, counted), "{fs}: {counted} of {end}");
            drop(dst);
            std::fs::remove_file(dir.path().join(format!("dst{round}"))).unwrap();
        }
    }
}
