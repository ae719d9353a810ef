//! `filesystems [--size-mib N] [--only a,b] [--list] -- CMD ARGS...`
//!
//! Makes and mounts the filesystems that the tests need, runs a command with their directories in the environment
//! (`xtent_tests::ENV_FILESYSTEMS`, and a TMPDIR of its own), ends with its exit status and leaves nothing behind,
//! whichever way it ends.
//!
//! Everything lives in a mount namespace and a pid namespace of its own, on a tmpfs that is mounted only there. The
//! kernel clears up, not this program: when the runner dies, process 1 of the pid namespace is killed, with it every
//! process inside, with the last of these the mounts, and with the mounts the loop devices and the memory of the
//! images.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks through its standard streams")]

mod arguments;
mod kinds;
mod namespace;
mod offer;
mod stage;
mod tools;

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use arguments::Arguments;
use offer::Offer;
use tools::Missing;

/// The runner itself failed, as for timeout(1), chroot(1), env(1): 125; the command cannot be run: 126; is not there: 127.
const FAILED: u8 = 125;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("filesystems: {problem}\n{}", arguments::USAGE);
            return FAILED.into();
        }
    };
    let runner = std::process::id();
    match isolate(&arguments) {
        Ok(missing) => match namespace::contain(|| inside(&arguments, &missing, runner)) {
            Ok(status) => status.into(),
            Err(error) => {
                eprintln!("filesystems: {error}");
                FAILED.into()
            }
        },
        Err(reason) => outside(&arguments, &reason).into(),
    }
}

/// Whether filesystems can be made at all. Missing tools are installed first, outside, where they stay.
fn isolate(arguments: &Arguments) -> Result<Missing, String> {
    // SAFETY: no arguments, cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return Err("mounting needs root".into());
    }
    namespace::allowed()?;
    let missing = tools::install(&arguments.wanted);
    namespace::unshare_pids()?;
    Ok(missing)
}

/// As process 1 of the new pid namespace.
fn inside(arguments: &Arguments, missing: &Missing, runner: u32) -> u8 {
    let stage = stage::Stage::enter(arguments.size_mib, runner);
    let offer = match &stage {
        Ok(stage) => Offer::make(stage, &arguments.wanted, missing),
        Err(reason) => Offer::temporary_directory(&arguments.wanted, reason),
    };
    let status = match prepare(arguments, &offer) {
        Ok(Some(mut command)) => {
            namespace::give_signals(&mut command);
            if let Ok(stage) = &stage {
                command.env("TMPDIR", stage.temporary_directory());
            }
            match command.spawn() {
                Ok(child) => namespace::supervise_command(child),
                Err(error) => cannot_run(&command, &error),
            }
        }
        Ok(None) => 0,
        Err(status) => status,
    };
    namespace::kill_all();
    if let Ok(stage) = stage {
        stage.leave();
    }
    status
}

/// Without namespaces nothing was made and nothing needs to be watched: this process becomes the command.
fn outside(arguments: &Arguments, reason: &str) -> u8 {
    let offer = Offer::temporary_directory(&arguments.wanted, reason);
    match prepare(arguments, &offer) {
        Ok(Some(mut command)) => {
            let error = command.exec();
            cannot_run(&command, &error)
        }
        Ok(None) => 0,
        Err(status) => status,
    }
}

/// The command with its environment, `None` for `--list`, the exit status when a required filesystem is not there.
fn prepare(arguments: &Arguments, offer: &Offer) -> Result<Option<Command>, u8> {
    let problems = offer.required_but_skipped();
    for problem in &problems {
        eprintln!("filesystems: {problem}");
    }
    if !problems.is_empty() {
        return Err(FAILED);
    }
    if arguments.list {
        print!("{offer}");
        return Ok(None);
    }
    let mut command = Command::new(&arguments.command[0]);
    command.args(&arguments.command[1..]).envs(offer.environment());
    Ok(Some(command))
}

fn cannot_run(command: &Command, error: &std::io::Error) -> u8 {
    eprintln!("filesystems: {}: {error}", command.get_program().display());
    if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }
}
