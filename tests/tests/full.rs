//! Filesystems and quotas that are really full. One test and no other in this program: what it fills nobody else writes to.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use xtent::{Cache, CopyOptions, Reason, Report, TO_END};
use xtent_tests::{Filesystem, fs, pattern, scratch, skip, write_file};

const MIB: u64 = 1 << 20;
const BYTES: usize = 24 << 20;

#[test]
fn a_full_disk_and_a_used_up_quota() {
    for name in ["xfs", "btrfs", "ext4", "tmpfs"] {
        match fs(name) {
            Some(fs) => on_a_full_disk(fs),
            None => skip(&format!("a_full_disk_and_a_used_up_quota/{name}"), "there is none"),
        }
    }
    match fs("btrfs") {
        Some(fs) => over_quota(fs),
        None => skip("a_full_disk_and_a_used_up_quota/quota", "there is no btrfs"),
    }
}

fn new(path: &Path) -> File {
    File::options().read(true).write(true).create_new(true).open(path).expect("a new file")
}

fn copy(src: &File, dst: &File, from: u64, options: CopyOptions<'_>) -> xtent::Result<Report> {
    xtent::copy_range(src.as_fd(), from, dst.as_fd(), from, TO_END, options)
}

/// Takes all space, and gives about so much back. Only when there is none left XFS waits for what it still owes for files that
/// were removed.
fn take_all_but(file: &File, left: u64) {
    let mut at = 0;
    let mut piece = free(file);
    while piece >= 4096 {
        // SAFETY: takes numbers only.
        match unsafe { libc::fallocate(file.as_raw_fd(), 0, at as i64, piece as i64) } {
            0 => at += piece,
            _ => piece /= 2,
        }
    }
    file.set_len(at - left).expect("ftruncate");
}

fn free(file: &File) -> u64 {
    let mut stat = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: fstatfs fills one `statfs` when it succeeds.
    let stat = unsafe {
        assert_eq!(libc::fstatfs(file.as_raw_fd(), stat.as_mut_ptr()), 0, "fstatfs");
        stat.assume_init()
    };
    // Root may use what is reserved.
    stat.f_bfree * stat.f_bsize as u64
}

fn beginning(file: &File, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, 0).expect("what was counted");
    bytes
}

fn on_a_full_disk(fs: &Filesystem) {
    let bytes = pattern(1, BYTES);
    for (how, cache) in [("keep", Cache::Keep), ("neutral", Cache::Neutral)] {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &bytes).expect("room");
        let (dst, ballast) = (new(&dir.path().join("dst")), new(&dir.path().join("ballast")));
        take_all_but(&ballast, 8 * MIB);

        let options = || CopyOptions::new().cache(cache);
        let short = copy(&src, &dst, 0, options()).unwrap_or_else(|error| error.report);
        assert_eq!((short.errno, short.reason), (libc::ENOSPC, Reason::NoSpace), "{fs}, {how}: {short:?}");
        let done = short.bytes();
        assert!(done < BYTES as u64, "{fs}, {how}: {done}");
        assert!(beginning(&dst, done) == bytes[..done as usize], "{fs}, {how}: {done} counted");

        // With room again the same call goes on.
        ballast.set_len(0).expect("ftruncate");
        dst.sync_all().ok();
        let rest = copy(&src, &dst, done, options()).unwrap_or_else(|error| panic!("{fs}, {how}: {error}"));
        assert_eq!((rest.bytes(), rest.errno), (BYTES as u64 - done, 0), "{fs}, {how}");
        assert!(beginning(&dst, BYTES as u64) == bytes, "{fs}, {how}");
    }
}

/// A subvolume that may hold 8 MiB.
fn over_quota(fs: &Filesystem) {
    let btrfs = |arguments: &[&str], path: &Path| {
        let done = Command::new("btrfs").args(arguments).arg(path).output();
        done.is_ok_and(|output| output.status.success())
    };
    let dir = scratch(fs);
    let volume = dir.path().join("volume");
    if !btrfs(&["quota", "enable"], &fs.dir) {
        return skip("a_full_disk_and_a_used_up_quota/quota", "btrfs quota enable failed");
    }
    assert!(btrfs(&["subvolume", "create"], &volume) && btrfs(&["qgroup", "limit", "8M"], &volume));
    let bytes = pattern(1, BYTES);
    let src = write_file(&dir.path().join("src"), &bytes).expect("room");
    let dst = new(&volume.join("dst"));
    let short = copy(&src, &dst, 0, CopyOptions::new()).unwrap_or_else(|error| error.report);
    let done = short.bytes();
    let right = beginning(&dst, done) == bytes[..done as usize];
    drop(dst);
    btrfs(&["subvolume", "delete"], &volume);
    btrfs(&["quota", "disable"], &fs.dir);
    assert_eq!((short.errno, short.reason), (libc::EDQUOT, Reason::Quota), "{short:?}");
    assert!(done < 9 * MIB && right, "{done} counted");
}
