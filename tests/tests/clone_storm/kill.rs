//! Kills in the middle of a clone of many extents. With an exchange the destination is old or new, never a mix; with
//! an undo it may be a mix after what no process survives, which is the documented limit, and is counted.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use xtent::{Atomic, CloneOptions, Undo, clone_range};

use crate::files::{self, BLOCK, Shape};
use crate::image::{Image, Kind, Result, workshop};
use crate::kernel;
use crate::{Arguments, Outcome, Verdict};

const EXTENTS: u64 = 20_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Kill,
    /// By its default action.
    Term,
    /// Another thread ends the process.
    Exit,
    /// Another thread runs another program.
    Exec,
}

impl End {
    const ALL: [End; 4] = [End::Kill, End::Term, End::Exit, End::Exec];

    fn name(self) -> &'static str {
        match self {
            End::Kill => "kill",
            End::Term => "term",
            End::Exit => "exit",
            End::Exec => "exec",
        }
    }
}

/// `child bare|undo|exchange SRC DST kill|term|exit|exec MICROSECONDS`: clones, and is ended meanwhile.
pub(crate) fn child(words: &[String]) -> ExitCode {
    let [way, src, dst, end, delay] = words else { return ExitCode::FAILURE };
    let open = |path: &String| File::options().read(true).write(true).open(path);
    let (Ok(src), Ok(dst), Ok(delay)) = (open(src), open(dst), delay.parse()) else {
        return ExitCode::FAILURE;
    };
    let delay = Duration::from_micros(delay);
    if end == "exit" || end == "exec" {
        let execs = end == "exec";
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            if execs {
                use std::os::unix::process::CommandExt;
                let _ = Command::new("true").exec();
            }
            kernel::exit_now();
        });
    }
    let done = match way.as_str() {
        "bare" => kernel::bare_clone(&src, &dst, 0).is_ok(),
        way => {
            let options = CloneOptions::new().undo(Undo::Auto);
            let options = if way == "exchange" { options.atomic(Atomic::Required) } else { options };
            clone_range(src.as_fd(), 0, dst.as_fd(), 0, EXTENTS * 2 * BLOCK, options).is_ok()
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

pub(crate) fn storm(arguments: &Arguments) -> Outcome {
    let workshop = workshop()?;
    let mut verdict = Verdict::default();
    let kills = arguments.cases.unwrap_or(40);
    for kind in [Kind::XfsExchange, Kind::Xfs, Kind::Btrfs] {
        if !arguments.wants(kind.name()) {
            continue;
        }
        let image = Image::make(kind, workshop.path(), kind.name(), 1024)?;
        let size = EXTENTS * 2 * BLOCK;
        let new = files::bytes(1, Shape::Combed, size);
        let old = files::bytes(2, Shape::Whole, size);
        files::make(&image.dir.join("src"), Shape::Combed, &new)?;
        files::make(&image.dir.join("old"), Shape::Whole, &old)?;
        let contents = Contents { new, old };
        let ours = if kind == Kind::XfsExchange { "exchange" } else { "undo" };
        let bare = rounds(&image, "bare", kills, arguments.seed, &contents)?;
        let our = rounds(&image, ours, kills, arguments.seed, &contents)?;
        println!("{:<13} bare ioctl: {bare}", kind.name());
        println!("{:<13} {ours}: {our}", kind.name());
        verdict.must(our.other == 0 && bare.other == 0, || "bytes of neither file".into());
        if ours == "exchange" {
            verdict.must(our.mixes() == 0, || format!("{} mixes after an exchange", our.mixes()));
        }
        verdict.must(our.mixed[1] == 0, || format!("{} mixes after SIGTERM, which waits", our.mixed[1]));
        verdict.void_unless(bare.mixes() * 100 >= bare.kills * 30, || {
            format!(
                "{}: only {} of {} kills left a mix in the control",
                kind.name(),
                bare.mixes(),
                bare.kills
            )
        });
    }
    Ok(verdict)
}

struct Contents {
    new: Vec<u8>,
    old: Vec<u8>,
}

#[derive(Default)]
struct Counts {
    kills: u64,
    old: u64,
    new: u64,
    /// By the order of [`End::ALL`].
    mixed: [u64; 4],
    other: u64,
}

impl Counts {
    fn mixes(&self) -> u64 {
        self.mixed.iter().sum()
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { kills, old, new, mixed: [kill, term, exit, exec], .. } = self;
        write!(
            f,
            "{kills} kills, {old} old, {new} new, {} mixed (SIGKILL {kill}, SIGTERM {term}, exit {exit}, exec {exec})",
            self.mixes()
        )
    }
}

fn rounds(image: &Image, way: &str, kills: u64, seed: u64, contents: &Contents) -> Result<Counts> {
    let mut random = crate::random(seed);
    let mut counts = Counts::default();
    // How long it takes, so that the kills fall into it.
    let whole = one(image, way, None)?;
    let took = whole.as_micros() as u64;
    for _ in 0..kills {
        let number = random.below(4) as usize;
        let delay = Duration::from_micros(random.below(took));
        one(image, way, Some((End::ALL[number], delay)))?;
        counts.kills += 1;
        let now = files::read(&File::open(image.dir.join("dst"))?)?;
        if now == contents.old {
            counts.old += 1;
        } else if now == contents.new {
            counts.new += 1;
        } else {
            counts.mixed[number] += 1;
            let same = |block: usize, file: &[u8]| {
                let range = block * BLOCK as usize..(block + 1) * BLOCK as usize;
                now.get(range.clone()) == file.get(range)
            };
            let blocks = contents.old.len() / BLOCK as usize;
            let known = (0..blocks).all(|block| same(block, &contents.old) || same(block, &contents.new));
            counts.other += u64::from(!known || now.len() != contents.old.len());
        }
    }
    Ok(counts)
}

/// One clone onto a fresh copy of the old file, ended so long after it began; how long it ran.
fn one(image: &Image, way: &str, end: Option<(End, Duration)>) -> Result<Duration> {
    let path = |name: &str| image.dir.join(name);
    reset(&path("old"), &path("dst"))?;
    let (name, delay) = end.map_or(("none", Duration::ZERO), |(end, delay)| (end.name(), delay));
    let began = Instant::now();
    let mut child = Command::new(std::env::current_exe()?)
        .args(["child", way])
        .args([path("src"), path("dst")])
        .args([name, &delay.as_micros().to_string()])
        .stdout(Stdio::null())
        .spawn()?;
    if let Some((End::Kill | End::Term, delay)) = end {
        std::thread::sleep(delay);
        let signal = if name == "kill" { libc::SIGKILL } else { libc::SIGTERM };
        kernel::signal(child.id(), signal)?;
    }
    let status = child.wait()?;
    if end.is_none() && !status.success() {
        return Err(format!("{way}: the clone failed without a kill").into());
    }
    Ok(began.elapsed())
}

fn reset(old: &Path, dst: &Path) -> Result<()> {
    fs::remove_file(dst).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })?;
    let dst = File::create(dst)?;
    Ok(kernel::bare_clone(&File::open(old)?, &dst, 0)?)
}
