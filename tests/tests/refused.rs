//! Clones that are refused, before anything or half-way, and what is left in the destination.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use xtent::{CloneOptions, Destination, Undo, clone_range};
use xtent_tests::syscalls::{Calls, Verdict, watch};
use xtent_tests::{filesystems, fs, pattern, scratch, skip, write_file};

const BLOCK: usize = 4096;
const ROUNDS: usize = 300;

/// Appends blocks to the file, and each also in place of its first one, until it is told that it is enough. Returns what
/// the file must hold then.
fn write(file: &File, enough: &AtomicBool) -> Vec<u8> {
    let mut held = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let block = pattern(held.len() as u64, BLOCK);
        if held.len() < 2000 * BLOCK {
            file.write_all_at(&block, held.len() as u64).expect("written");
            held.extend(&block);
        }
        file.write_all_at(&block, 0).expect("written");
        held[..BLOCK].copy_from_slice(&block);
    }
    held
}

#[test]
fn what_others_write_meanwhile_stays() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, BLOCK)).expect("a file");
        let dst = write_file(&dir.path().join("dst"), b"").expect("a file");
        let enough = AtomicBool::new(false);
        let (held, words) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| write(&dst, &enough));
            // More than the source has, over what is there and behind it.
            let words: Vec<_> = (0..ROUNDS)
                .map(|round| {
                    let end = dst.metadata().map_or(0, |dst| dst.len());
                    let (at, len) = (if round % 2 == 0 { 0 } else { end }, 2 * BLOCK as u64);
                    clone_range(src.as_fd(), 0, dst.as_fd(), at, len, CloneOptions::new())
                        .map_err(|error| error.report.destination)
                })
                .collect();
            enough.store(true, Ordering::Relaxed);
            (writer.join().expect("the writer"), words)
        });
        assert!(words.iter().all(|word| *word == Err(Some(Destination::Untouched))), "{fs}: {words:?}");
        assert!(fs::read(dir.path().join("dst")).expect("the destination") == held, "{fs}");
    }
}

/// A kernel that ends half-way with an errno that else is one of a refusal: XFS with EFBIG, where a file would have too many
/// extents, and before Linux 6.13 with EINVAL, which a source that was cut meanwhile explains afterwards.
#[test]
fn a_clone_that_ends_half_way_is_taken_back() {
    const TEST: &str = "a_clone_that_ends_half_way_is_taken_back";
    for name in ["xfs", "btrfs"] {
        let Some(fs) = fs(name) else {
            skip(&format!("{TEST}/{name}"), "there is none");
            continue;
        };
        for (errno, cut) in [(libc::EFBIG, false), (libc::EINVAL, false), (libc::EINVAL, true)] {
            for old in [8, 0] {
                let dir = scratch(fs);
                let (ours, theirs) = (pattern(1, 8 * BLOCK), pattern(2, old * BLOCK));
                let src = write_file(&dir.path().join("src"), &ours).expect("a file");
                let dst = write_file(&dir.path().join("dst"), &theirs).expect("a file");
                let clone =
                    || clone_range(src.as_fd(), 0, dst.as_fd(), 0, ours.len() as u64, CloneOptions::new());
                let mut ended = 0;
                let said = watch(Calls::These(&[libc::SYS_ioctl]), clone, |call| {
                    let is_clone = call.arguments[1] as u32 == libc::FICLONERANGE as u32;
                    if !is_clone || call.descriptor(0) != dst.as_raw_fd() || ended > 0 {
                        return Verdict::Allow;
                    }
                    ended += 1;
                    half(&src, &dst);
                    if cut {
                        src.set_len(4 * BLOCK as u64).expect("ftruncate");
                    }
                    Verdict::Fail(errno)
                });
                let error = said.expect("a thread that is watched").expect_err("an error");
                let what = format!("{name}, errno {errno}, cut {cut}, {old} blocks before");
                assert_eq!((error.errno, ended), (errno, 1), "{what}");
                assert_eq!(error.report.destination, Some(Destination::Restored), "{what}");
                assert!(fs::read(dir.path().join("dst")).expect("the destination") == theirs, "{what}");
            }
        }
    }
}

/// Samba refuses to clone what is sparse, as the file with the old bytes is there, to what is not.
#[test]
fn a_way_back_that_cannot_be_cloned_is_written() {
    const TEST: &str = "a_way_back_that_cannot_be_cloned_is_written";
    for name in ["xfs", "btrfs"] {
        let Some(fs) = fs(name) else {
            skip(&format!("{TEST}/{name}"), "there is none");
            continue;
        };
        let dir = scratch(fs);
        let (ours, theirs) = (pattern(1, 8 * BLOCK), pattern(2, 8 * BLOCK));
        let src = write_file(&dir.path().join("src"), &ours).expect("a file");
        let dst = write_file(&dir.path().join("dst"), &theirs).expect("a file");
        let clone = || clone_range(src.as_fd(), 0, dst.as_fd(), 0, ours.len() as u64, CloneOptions::new());
        let mut errnos = vec![libc::EOPNOTSUPP, libc::EIO];
        let said = watch(Calls::These(&[libc::SYS_ioctl]), clone, |call| {
            let is_clone = call.arguments[1] as u32 == libc::FICLONERANGE as u32;
            if !is_clone || call.descriptor(0) != dst.as_raw_fd() {
                return Verdict::Allow;
            }
            let errno = errnos.pop().expect("no more than the clone, and the way back");
            if errno == libc::EIO {
                half(&src, &dst);
            }
            Verdict::Fail(errno)
        });
        let error = said.expect("a thread that is watched").expect_err("an error");
        assert_eq!((error.errno, errnos.len()), (libc::EIO, 0), "{name}");
        assert_eq!(error.report.destination, Some(Destination::Restored), "{name}");
        assert!(fs::read(dir.path().join("dst")).expect("the destination") == theirs, "{name}");
    }
}

/// A kernel that finds no room for the first block, as XFS on a full disk and btrfs over the limit of a quota: it has changed the
/// time by then.
#[test]
fn a_clone_that_came_to_nothing_leaves_the_time() {
    const TEST: &str = "a_clone_that_came_to_nothing_leaves_the_time";
    for name in ["xfs", "btrfs"] {
        let Some(fs) = fs(name) else {
            skip(&format!("{TEST}/{name}"), "there is none");
            continue;
        };
        for (undo, kept) in [(Undo::Off, false), (Undo::Best, false), (Undo::Best, true), (Undo::Auto, true)]
        {
            let dir = scratch(fs);
            let (ours, theirs) = (pattern(1, 8 * BLOCK), pattern(2, 8 * BLOCK));
            let src = write_file(&dir.path().join("src"), &ours).expect("a file");
            let dst = write_file(&dir.path().join("dst"), &theirs).expect("a file");
            let modified = || dst.metadata().and_then(|stat| stat.modified()).expect("a time");
            let before = modified();
            let clone = || {
                let options = CloneOptions::new().undo(undo);
                clone_range(src.as_fd(), 0, dst.as_fd(), 0, ours.len() as u64, options)
            };
            let mut asked = 0;
            let said = watch(Calls::These(&[libc::SYS_ioctl]), clone, |call| {
                let is_clone = call.arguments[1] as u32 == libc::FICLONERANGE as u32;
                if !is_clone || kept && call.descriptor(0) != dst.as_raw_fd() {
                    return Verdict::Allow;
                }
                if call.descriptor(0) == dst.as_raw_fd() {
                    // For the clone, or only what the kernel has against it.
                    asked += 1;
                    dst.set_modified(before + Duration::from_secs(1)).expect("futimens");
                }
                Verdict::Fail(libc::ENOSPC)
            });
            let error = said.expect("a thread that is watched").expect_err("an error");
            let what = format!("{name}, {undo:?}, kept {kept}");
            assert!(error.errno == libc::ENOSPC && asked > 0, "{what}: {error}");
            assert_eq!(error.report.destination, Some(Destination::Untouched), "{what}");
            assert_eq!(modified(), before, "{what}");
        }
    }
}

/// The first half of the clone.
fn half(src: &File, dst: &File) {
    let src_fd = src.as_raw_fd().into();
    let range =
        libc::file_clone_range { src_fd, src_offset: 0, src_length: 4 * BLOCK as u64, dest_offset: 0 };
    // SAFETY: the ioctl reads one struct.
    let result = unsafe { libc::ioctl(dst.as_raw_fd(), libc::FICLONERANGE, &raw const range) };
    assert_eq!(result, 0, "FICLONERANGE: {}", std::io::Error::last_os_error());
}
