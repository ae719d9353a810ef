//! Kills and full disks while whole files are made: under the name is the old file, none, or the new one whole; never a
//! part. On XFS and btrfs.
//!
//! `cargo test -p xtent-tests --test file_storm -- kills full --cases 200 --seed 7`: so many of each verb, with and
//! without `replace`, on each filesystem. Without a word both, and without a number one case of each. The seed is printed.

#[allow(dead_code, reason = "the storm of clones makes others too")]
#[path = "clone_storm/image.rs"]
mod image;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use image::Image;
use xtent::{FileOptions, Reason, clone_file, copy_file};
use xtent_tests::syscalls::{Calls, Verdict, watch};
use xtent_tests::{Filesystem, Random, filesystems, pattern, scratch};

/// This program, as the process that is killed: `--child VERB REPLACE DIRECTORY CALL`.
const CHILD: &str = "--child";
const VERBS: [&str; 2] = ["copy_file", "clone_file"];

/// In pieces with holes between them, so that a clone takes its time and a full disk has something to refuse.
const PIECE: usize = 4096;
const PIECES: usize = 1500;

/// A case in which nobody kills within the time that the call needs ends by itself; this is for one that hangs.
const PATIENCE: Duration = Duration::from_secs(300);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == CHILD) {
        child(&arguments[1..]);
        return ExitCode::SUCCESS;
    }
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let word = |name: &str| arguments.iter().any(|argument| argument == name);
    let all = !word("kills") && !word("full");
    let cases = value("--cases").unwrap_or(1);
    let seed = value("--seed").unwrap_or_else(|| u64::from(std::process::id()));
    let mut storm = Storm { random: Random(seed), passed: 0, failures: Vec::new() };
    say(format_args!("file storm: seed {seed}, {cases} cases of each"));
    for fs in filesystems().iter().filter(|fs| matches!(fs.name.as_str(), "xfs" | "btrfs")) {
        if all || word("kills") {
            storm.kills(fs, cases);
        }
        if all || word("full") {
            storm.full(fs, cases);
        }
    }
    storm.failures.iter().for_each(|failure| say(format_args!("FAILED (seed {seed}) {failure}")));
    let result = if storm.failures.is_empty() { "ok" } else { "FAILED" };
    say(format_args!("test result: {result}. {} passed; {} failed;", storm.passed, storm.failures.len()));
    if storm.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: std::fmt::Arguments<'_>) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).expect("stdout");
}

struct Storm {
    random: Random,
    passed: usize,
    failures: Vec<String>,
}

/// What was found under the name.
#[derive(Default)]
struct Found {
    old: usize,
    none: usize,
    new: usize,
    /// Hidden names that were left, and those that the next run cleared.
    left: usize,
    cleared: usize,
    /// Runs that ended before they were killed, or that had room enough.
    undisturbed: usize,
    /// Runs for which the disk was too full, and those of them that had begun to fill the file.
    refused: usize,
    begun: usize,
}

/// A directory with `src`, and what it must contain.
struct Scene {
    dir: tempfile::TempDir,
    new: Vec<u8>,
    old: Vec<u8>,
}

impl Scene {
    fn new(fs: &Filesystem) -> io::Result<Scene> {
        let dir = scratch(fs);
        let src = File::create_new(dir.path().join("src"))?;
        let data = pattern(1, PIECE * PIECES);
        let mut new = vec![0; 2 * PIECE * PIECES];
        for (i, piece) in data.chunks(PIECE).enumerate() {
            src.write_all_at(piece, (2 * i * PIECE) as u64)?;
            new[2 * i * PIECE..][..PIECE].copy_from_slice(piece);
        }
        src.set_len(new.len() as u64)?;
        src.sync_all()?;
        Ok(Scene { dir, new, old: pattern(2, 50_000) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The destination as it is before a case.
    fn before(&self, replace: bool) -> io::Result<()> {
        if replace { fs::write(self.path("dst"), &self.old) } else { self.remove() }
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(self.path("dst")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn hidden(&self) -> io::Result<usize> {
        let mut hidden = 0;
        for entry in fs::read_dir(self.dir.path())? {
            hidden += usize::from(entry?.file_name().to_string_lossy().starts_with(".xtent-"));
        }
        Ok(hidden)
    }

    /// Looks under the name; an error says what is there that must not be.
    fn look(&self, replace: bool, found: &mut Found) -> Result<(), String> {
        match fs::read(self.path("dst")) {
            Ok(bytes) if bytes == self.new => found.new += 1,
            Ok(bytes) if replace && bytes == self.old => found.old += 1,
            Ok(bytes) => return Err(format!("a part of {} bytes is under the name", bytes.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !replace => found.none += 1,
            Err(error) => return Err(format!("the name: {error}")),
        }
        Ok(())
    }
}

fn call(verb: &str, dir: &Path, replace: bool) -> xtent::Result<xtent::Report> {
    let (src, dst) = (dir.join("src"), dir.join("dst"));
    let options = FileOptions::new().replace(replace);
    if verb == "copy_file" { copy_file(&src, &dst, options) } else { clone_file(&src, &dst, options) }
}

impl Storm {
    fn each(
        &mut self,
        fs: &Filesystem,
        what: &str,
        cases: u64,
        scene: &Scene,
        mut case: impl FnMut(&mut Random, &Scene, &str, bool, &mut Found) -> Result<(), String>,
    ) {
        for verb in VERBS {
            for replace in [false, true] {
                let mut found = Found::default();
                for number in 0..cases {
                    let done = scene.before(replace).map_err(|error| error.to_string());
                    match done.and_then(|()| case(&mut self.random, scene, verb, replace, &mut found)) {
                        Ok(()) => self.passed += 1,
                        Err(why) => {
                            let name = &fs.name;
                            self.failures.push(format!(
                                "{what}, {name}, {verb}, replace={replace}, case {number}: {why}"
                            ));
                        }
                    }
                }
                let Found { old, none, new, left, cleared, undisturbed, refused, begun } = found;
                say(format_args!(
                    "{what}, {}, {verb}, replace={replace}: {cases} cases: {old} old, {none} none, {new} new, 0 parts; \
                     {undisturbed} undisturbed; {refused} refused, {begun} half-way; {left} hidden names left, \
                     {cleared} cleared",
                    fs.name
                ));
            }
        }
    }

    fn kills(&mut self, fs: &Filesystem, cases: u64) {
        let scene = match Scene::new(fs) {
            Ok(scene) => scene,
            Err(error) => return self.failures.push(format!("kills, {fs}: {error}")),
        };
        self.each(fs, "kills", cases, &scene, |random, scene, verb, replace, found| {
            kill(random, scene, verb, replace, found).map_err(|error| error.to_string())??;
            scene.look(replace, found)?;
            let hidden = || scene.hidden().map_err(|error| error.to_string());
            let left = hidden()?;
            call(verb, scene.dir.path(), true).map_err(|error| format!("the next run: {error}"))?;
            let (after, mut next) = (hidden()?, Found::default());
            scene.look(true, &mut next)?;
            found.left += left;
            found.cleared += left - after.min(left);
            match (next.new, after) {
                (1, 0) => Ok(()),
                (1, _) => Err(format!("{after} hidden names stay")),
                _ => Err("the next run did not make the file".into()),
            }
        });
    }

    fn full(&mut self, fs: &Filesystem, cases: u64) {
        let small = match small(fs) {
            Ok(small) => small,
            Err(error) => return self.failures.push(format!("full, {fs}: {error}")),
        };
        let fs = &small
            .as_ref()
            .map_or_else(|| fs.clone(), |image| Filesystem { dir: image.dir.clone(), ..fs.clone() });
        let made = Scene::new(fs).and_then(|scene| Ok((Ballast::fill(scene.dir.path())?, scene)));
        let (ballast, scene) = match made {
            Ok(made) => made,
            Err(error) => return self.failures.push(format!("full, {fs}: {error}")),
        };
        self.each(fs, "full", cases, &scene, |random, scene, verb, replace, found| {
            // A copy needs 6 MB, a clone next to nothing; but btrfs sets metadata aside before it needs it.
            let room = random.below(match (verb, &small) {
                ("copy_file", None) => 10 << 20,
                ("copy_file", Some(_)) => 24 << 20,
                (_, None) => 256 << 10,
                (_, Some(_)) => 8 << 20,
            });
            ballast.leave(room).map_err(|error| error.to_string())?;
            let (done, begun) = watched(|| call(verb, scene.dir.path(), replace));
            let made_before = found.new;
            scene.look(replace, found)?;
            let hidden = scene.hidden().map_err(|error| error.to_string())?;
            ballast.clear().map_err(|error| error.to_string())?;
            match done {
                _ if hidden > 0 => Err(format!("{hidden} hidden names after {done:?}")),
                Ok(_) if found.new > made_before => {
                    found.undisturbed += 1;
                    Ok(())
                }
                Err(error) if error.reason == Reason::NoSpace && found.new == made_before => {
                    found.refused += 1;
                    found.begun += usize::from(begun);
                    Ok(())
                }
                done => Err(format!(
                    "{done:?}, and the file is {}new",
                    if found.new > made_before { "" } else { "not " }
                )),
            }
        });
    }
}

/// Runs the verb in a process of its own, and kills it at a random time, or before one of its system calls.
fn kill(
    random: &mut Random,
    scene: &Scene,
    verb: &str,
    replace: bool,
    found: &mut Found,
) -> io::Result<Result<(), String>> {
    // Which call, from 1 on; 0 is none. Between the second link and the rename lies what is hit least by time.
    let number = if random.below(2) == 0 { 1 + random.below(12) } else { 0 };
    let mut child = Command::new(std::env::current_exe()?)
        .args([CHILD, verb, if replace { "replace" } else { "new" }])
        .arg(scene.dir.path())
        .arg(number.to_string())
        .stdout(Stdio::null())
        .spawn()?;
    let start = Instant::now();
    if number == 0 {
        std::thread::sleep(Duration::from_micros(random.below(40_000)));
        child.kill()?;
    }
    let status = loop {
        match child.try_wait()? {
            Some(status) => break status,
            None if start.elapsed() > PATIENCE => {
                child.kill()?;
                child.wait()?;
                return Ok(Err("the child hangs".into()));
            }
            None => std::thread::sleep(Duration::from_micros(200)),
        }
    };
    found.undisturbed += usize::from(status.success());
    let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(libc::SIGKILL);
    Ok(if killed || status.success() { Ok(()) } else { Err(format!("the child: {status}")) })
}

/// What is killed: by its parent, or by itself before the call of that number.
fn child(arguments: &[String]) {
    let [verb, replace, dir, number] = arguments else { panic!("verb, replace, directory, number") };
    let number: u64 = number.parse().expect("a number");
    let go = || call(verb, Path::new(dir), replace == "replace").map(drop);
    if number == 0 {
        return go().expect("the verb");
    }
    let calls = [
        libc::SYS_openat,
        libc::SYS_fchmod,
        libc::SYS_pwrite64,
        libc::SYS_ioctl,
        libc::SYS_flock,
        libc::SYS_linkat,
        libc::SYS_renameat,
        libc::SYS_unlinkat,
    ];
    let mut seen = 0;
    let publishing = [libc::SYS_linkat, libc::SYS_flock, libc::SYS_renameat];
    let done = watch(Calls::These(&calls), go, |call| {
        // Half of the numbers are kept for the end, which is short in time.
        seen += u64::from(number <= 6 || publishing.contains(&call.number));
        if seen == (number - 1) % 6 + 1 {
            // SAFETY: numbers only.
            unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
        }
        Verdict::Allow
    });
    // Where that is not allowed the verb did not run: an end without a kill.
    if let Ok(done) = done {
        done.expect("the verb");
    }
}

/// On the runner's btrfs metadata has space of its own, which no data fills, and a clone needs only that: so an image of
/// our own, in which both share their space. It lies where the runner's temporary files do, in memory.
fn small(fs: &Filesystem) -> image::Result<Option<Image>> {
    if fs.name != "btrfs" {
        return Ok(None);
    }
    let dir = std::env::temp_dir();
    Image::make(image::Kind::Btrfs, &dir, &format!("file-storm-{}", std::process::id()), 256).map(Some)
}

/// Runs the verb, and says whether it came to fill the file; where a thread cannot be watched, not.
fn watched<T: Send>(verb: impl Fn() -> T + Send + Sync) -> (T, bool) {
    let filling = [libc::SYS_pwrite64, libc::SYS_splice, libc::SYS_ioctl];
    let mut begun = false;
    let done = watch(Calls::These(&filling), &verb, |call| {
        begun |= call.number != libc::SYS_ioctl || call.arguments[1] == libc::FICLONERANGE;
        Verdict::Allow
    });
    (done.unwrap_or_else(|_| verb()), begun)
}

/// So much of a full disk is free between the cases.
const SLACK: u64 = 64 << 20;

/// Takes a filesystem's space.
struct Ballast {
    slack: File,
}

impl Ballast {
    fn fill(dir: &Path) -> io::Result<Ballast> {
        let ballast = File::create_new(dir.join("ballast"))?;
        let slack = File::create_new(dir.join("slack"))?;
        slack.sync_all()?;
        let taken = take(&ballast, 0, 1 << 30);
        ballast.set_len(taken.saturating_sub(SLACK))?;
        commit(&ballast)?;
        Ok(Ballast { slack })
    }

    /// Leaves about so much, by taking what is free beyond it.
    fn leave(&self, room: u64) -> io::Result<()> {
        let taken = take(&self.slack, 0, 1 << 26);
        self.slack.set_len(taken.saturating_sub(room))?;
        commit(&self.slack)
    }

    fn clear(&self) -> io::Result<()> {
        self.slack.set_len(0)?;
        commit(&self.slack)
    }
}

/// Waits until what was freed can be used again: on btrfs after a transaction.
fn commit(file: &File) -> io::Result<()> {
    // SAFETY: numbers only.
    if unsafe { libc::syncfs(file.as_raw_fd()) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Allocates from `at` on, in ever smaller pieces, until nothing is left; says how far that went.
fn take(file: &File, mut at: u64, largest: u64) -> u64 {
    let mut piece = largest;
    while piece >= 4096 {
        // SAFETY: numbers only.
        if unsafe { libc::fallocate64(file.as_raw_fd(), 0, at as i64, piece as i64) } == 0 {
            at += piece;
        } else {
            piece /= 2;
        }
    }
    at
}
