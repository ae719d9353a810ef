//! Power cuts in the middle of durable clones and copies of files, of published and exchanged trees, of exchanged ranges,
//! and of dedupes: what was told as done is there, everything else is old or new as a whole, and what was deduped has its
//! bytes.
//!
//! ```text
//! power_cut DEVICE xfs|xfs-exchange|btrfs [--cuts 3] [--seed N]
//! ```
//!
//! On `xfs-exchange` ranges are exchanged too, for which Linux must be 6.10 or newer.
//!
//! For a machine that may be spoilt (`tests/vm`): it formats the device. At a moment of its own every write to the device
//! is dropped from then on, flushes too (dm-flakey); the filesystem is unmounted, mounted again from what had reached
//! the device, looked at, and checked by its own checker. A file that was written just before the cut and not synced
//! must be lost in most cuts, or they were none.

mod device;
mod work;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use device::Device;
use work::{Work, found, is_leftover};
use xtent_tests::Random;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A worker that says nothing for so long hangs.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    let [first, second, ..] = &words[..] else {
        say("usage: power_cut DEVICE xfs|xfs-exchange|btrfs [--cuts N] [--seed N]");
        return ExitCode::from(2);
    };
    if first == "--work" {
        let exchanges = words.iter().any(|word| word == "--exchange");
        return match Work::new(Path::new(second), number("--seed").unwrap_or(0), exchanges).go_on() {
            Ok(never) => never,
            Err(error) => {
                say(&format!("error {error}"));
                ExitCode::FAILURE
            }
        };
    }
    let (cuts, seed) = (number("--cuts").unwrap_or(3), number("--seed").unwrap_or(1));
    let mut counts = Counts::default();
    let result = storm(Path::new(first), second, cuts, seed, &mut counts);
    say(&format!("power cuts on {second}, seed {seed}: {counts}"));
    // In a few cuts chance may have it that the control was written back.
    let enough = counts.lost >= 10.min(counts.cuts.div_ceil(2));
    match result {
        Ok(()) if enough => ExitCode::SUCCESS,
        Ok(()) => {
            say("FAILED the unsynced file survived: nothing was cut");
            ExitCode::FAILURE
        }
        Err(error) => {
            say(&format!("FAILED power cuts on {second}, seed {seed}, cut {}: {error}", counts.cuts));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).expect("stdout");
}

#[derive(Default)]
struct Counts {
    cuts: u64,
    /// Cuts after which the file that nobody synced was not there, or not whole.
    lost: u64,
    /// Steps that were told as done.
    done: u64,
    /// Names that have what was told last, and those that were further.
    kept: u64,
    ahead: u64,
    /// Hidden names that were left.
    left: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { cuts, lost, done, kept, ahead, left } = self;
        write!(
            f,
            "{cuts} cuts, in {lost} of them an unsynced file was lost; {done} steps done, names as told {kept}, newer \
             {ahead}; {left} hidden names left"
        )
    }
}

fn storm(device: &Path, kind: &str, cuts: u64, seed: u64, counts: &mut Counts) -> Result<()> {
    let mut random = Random(seed);
    let dir = tempfile::tempdir()?;
    let device = Device::format(device, kind, dir.path())?;
    for number in 0..cuts {
        one(&device, seed.wrapping_add(number << 32), &mut random, counts)?;
        // Of hundreds one likes to know how far they are.
        if counts.cuts.is_multiple_of(25) && counts.cuts < cuts {
            say(&format!("so far on {kind}: {counts}"));
        }
    }
    Ok(())
}

/// What the worker told: how often each name was published.
type Told = std::collections::BTreeMap<String, u64>;

fn one(device: &Device, seed: u64, random: &mut Random, counts: &mut Counts) -> Result<()> {
    let root = device.mount()?;
    // Every cut begins with an empty directory.
    let dir = root.join("work");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir(&dir)?;
    Work::new(&dir, seed, device.exchanges).prepare()?;
    device.sync()?;

    let mut child = Command::new(std::env::current_exe()?)
        .arg("--work")
        .arg(&dir)
        .args(["--seed", &seed.to_string()])
        .args(device.exchanges.then_some("--exchange"))
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = reader(child.stdout.take().expect("it is piped"));
    let mut told = Told::new();
    // Somewhere in the step behind so many.
    for _ in 0..=random.below(12) {
        let line = lines.recv_timeout(PATIENCE).map_err(|_| "the worker is silent")?;
        note(&mut told, &line)?;
        counts.done += 1;
    }
    std::thread::sleep(Duration::from_millis(random.below(60)));
    // It gets no further than the end of the call that it is in, which goes on meanwhile: a step behind that might sync
    // all of the filesystem, and the control with it.
    // SAFETY: kill(2) with numbers.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGSTOP) };
    let control = dir.join("control");
    fs::write(&control, xtent_tests::pattern(seed, 300_000))?;
    for line in lines.try_iter() {
        note(&mut told, &line)?;
        counts.done += 1;
    }
    device.cut()?;
    child.kill()?;
    child.wait()?;
    device.unmount()?;

    counts.cuts += 1;
    device.mount()?;
    if fs::read(&control).ok() != Some(xtent_tests::pattern(seed, 300_000)) {
        counts.lost += 1;
    }
    let now = found(&dir, seed)?;
    for (name, version) in &now {
        let last = told.get(name).copied().unwrap_or(0);
        if *version < last {
            return Err(format!("{name}: version {version}, though {last} was told as on disk").into());
        }
        *(if *version == last { &mut counts.kept } else { &mut counts.ahead }) += 1;
    }
    if let Some(gone) = told.keys().find(|name| !now.contains_key(*name)) {
        return Err(format!("{gone}: is not there, though it was told as on disk").into());
    }
    let names = fs::read_dir(&dir)?.map(|entry| Ok(entry?.file_name()));
    let names: Vec<_> = names.collect::<std::io::Result<_>>()?;
    counts.left += names.iter().filter(|name| is_leftover(name)).count() as u64;
    device.unmount()?;
    device.check()
}

fn note(told: &mut Told, line: &str) -> Result<()> {
    let words: Vec<&str> = line.split(' ').collect();
    let ["done", name, version] = words[..] else { return Err(format!("the worker: {line}").into()) };
    told.insert(name.into(), version.parse()?);
    Ok(())
}

fn reader(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(std::result::Result::ok) {
            if send.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// Runs a tool, and gives what it said when it failed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let run = command.output().map_err(|error| format!("{program}: {error}"))?;
    if run.status.success() {
        return Ok(());
    }
    let said = [run.stdout, run.stderr].concat();
    Err(format!("{program}: {}: {}", run.status, String::from_utf8_lossy(&said)).into())
}
