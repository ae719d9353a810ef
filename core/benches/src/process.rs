//! Programs, timed from their start to their end.

use std::process::{Command, Stdio};
use std::time::Instant;

use crate::scenario::Spent;
use crate::sys;

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
    let (status, cpu, peak) = sys::wait(child.id()).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let wall = begin.elapsed();
    assert_eq!(status, 0, "{command:?} failed");
    (Spent { wall, cpu }, peak)
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
