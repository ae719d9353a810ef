//! Calls that signals end again and again: they are made again, so often and no more.

use std::os::fd::AsFd;

use xtent::{CopyOptions, Error, Reason, Report, TO_END};
use xtent_tests::syscalls::{Calls, Verdict, watch};
use xtent_tests::{filesystems, pattern, scratch, skip};

use super::new;

/// What a copy of a file of so many bytes says, and how many of these calls it makes, when each of them is interrupted that
/// `judge` says so of by its number. `None` where no thread can be watched.
fn interrupted(
    len: usize,
    number: libc::c_long,
    judge: impl Fn(usize) -> bool,
) -> Option<(Result<Report, Error>, usize)> {
    let dir = scratch(&filesystems()[0]);
    let bytes = pattern(1, len);
    std::fs::write(dir.path().join("src"), &bytes).expect("a new file");
    let src = std::fs::File::open(dir.path().join("src")).expect("the source");
    let dst = new(&dir.path().join("dst"));
    let mut calls = 0;
    let copied = watch(
        Calls::These(&[number]),
        || xtent::copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CopyOptions::new()),
        |_| {
            calls += 1;
            if judge(calls) { Verdict::Fail(libc::EINTR) } else { Verdict::Allow }
        },
    );
    let told = |error: &std::io::Error| skip("copying/signals", &format!("seccomp_unotify(2): {error}"));
    Some((copied.inspect_err(told).ok()?, calls))
}

#[test]
fn an_interrupted_call_is_made_again_a_hundred_times() {
    // Through a buffer, and through a pipe, of which either end may be interrupted.
    for (len, number) in [(5000, libc::SYS_pread64), (5000, libc::SYS_pwrite64), (1 << 20, libc::SYS_splice)]
    {
        let Some((copied, calls)) = interrupted(len, number, |_| true) else { return };
        let error = copied.expect_err("nothing was copied");
        assert_eq!((error.errno, error.reason), (libc::EINTR, Reason::Interrupted), "{number}");
        assert_eq!(calls, 101, "{number}");
        let Some((copied, calls)) = interrupted(len, number, |call| call <= 100) else { return };
        assert_eq!(copied.expect("a copy").bytes_copied, len as u64, "{number}");
        assert!(calls > 100, "{number}");
    }
    // The first fills the pipe, and all that empty it are interrupted.
    let Some((copied, calls)) = interrupted(1 << 20, libc::SYS_splice, |call| call > 1) else { return };
    assert_eq!(copied.expect_err("nothing was copied").reason, Reason::Interrupted);
    assert_eq!(calls, 1 + 101);
}
