//! Programs, timed from their start to their end.

use std::io;
use std::mem::MaybeUninit;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::scenario::Spent;

/// Runs it. A peer that fails has no time, and the run of the bench no meaning.
pub(crate) fn timed(command: Command) -> Spent {
    timed_with_peak(command).0
}

/// The same, and the most memory that it had, in MiB: its own, without the page cache.
pub(crate) fn timed_with_peak(mut command: Command) -> (Spent, f64) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begin = Instant::now();
    #[expect(clippy::zombie_processes, reason = "wait4 buries it, and tells what it took")]
    let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (status, cpu, peak) = wait(child.id()).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let wall = begin.elapsed();
    assert_eq!(status, 0, "{command:?} failed");
    (Spent { wall, cpu }, peak)
}

/// Its status as of wait4(2), the processor time that it and its children took, and its most memory.
fn wait(pid: u32) -> io::Result<(i32, Duration, f64)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both are valid for the call; zeros are a valid rusage.
    let (pid, usage) =
        unsafe { (libc::wait4(pid as libc::pid_t, &mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    if pid == -1 {
        return Err(io::Error::last_os_error());
    }
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    // In KiB.
    Ok((status, time(usage.ru_utime) + time(usage.ru_stime), usage.ru_maxrss as f64 / 1024.0))
}

/// This program, to do one thing (see [`crate::programs`]).
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a program knows its own file"));
    command.arg("do").arg(name);
    command
}

/// Whether there is such a program.
pub(crate) fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name).is_file())
}
