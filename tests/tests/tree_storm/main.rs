//! Storms on the tree verbs: `kills`, `full` and `writers`, on the filesystems of the runner.
//!
//! ```text
//! filesystems -- cargo test -p xtent-tests --test tree_storm -- kills --cases 200
//! ```
//!
//! Whatever happens, the destination's name has the old tree, or none, or the new one whole; where others write to the source
//! meanwhile, one of files that existed, or there is an error that names a path. Each storm prints its seed and
//! counts, and ends with one line of totals.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks through its standard streams")]

mod writers;

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use xtent::{TreeOptions, TreeResult};
use xtent_tests::{Filesystem, Random, fs, scratch};

/// In ten directories.
const FILES: usize = 300;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.first().map(String::as_str) {
        Some("work") => return work(&words[1..]),
        Some("disturb") => return writers::disturb(&words[1..]),
        _ => {}
    }
    let number = |name: &str| {
        let at = words.iter().position(|word| word == name)?;
        words.get(at + 1)?.parse::<u64>().ok()
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let seed = number("--seed").unwrap_or(now.as_nanos() as u64 & 0xffff_ffff);
    let cases = number("--cases").unwrap_or(40);
    let storm = match words.first().map(String::as_str) {
        Some("kills") => kills,
        Some("full") => full,
        Some("writers") => writers::writers,
        _ => {
            say("usage: tree_storm kills|full|writers [--cases N] [--seed N]");
            return ExitCode::from(2);
        }
    };
    say(&format!("{}: seed {seed}", words[0]));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for name in ["xfs", "btrfs"] {
        match fs(name) {
            None => {
                say(&format!("SKIP tree_storm/{name}: it is not there"));
                skipped += 1;
            }
            Some(fs) => match storm(fs, cases, &mut Random(seed)) {
                Ok(counts) => {
                    say(&format!("ok   {name}: {counts}"));
                    passed += 1;
                }
                Err(violation) => {
                    say(&format!("FAIL {name}: {violation}"));
                    failed += 1;
                }
            },
        }
    }
    say(&format!("{passed} passed, {failed} failed, {skipped} skipped"));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").expect("stdout");
}

/// One call of a verb.
#[derive(Clone, Copy)]
struct Call {
    verb: &'static str,
    replace: bool,
}

const VERBS: [&str; 3] = ["copy_tree", "clone_tree", "clone_or_copy_tree"];

impl Call {
    fn any(random: &mut Random) -> Call {
        Call { verb: VERBS[random.below(3) as usize], replace: random.below(2) == 1 }
    }

    fn make(self, src: &Path, dst: &Path, options: TreeOptions<'_>) -> TreeResult {
        let options = options.replace(self.replace);
        match self.verb {
            "copy_tree" => xtent::copy_tree(src, dst, options),
            "clone_tree" => xtent::clone_tree(src, dst, options),
            _ => xtent::clone_or_copy_tree(src, dst, options),
        }
    }
}

/// The child of `kills`: makes one call.
fn work(words: &[String]) -> ExitCode {
    let [verb, replace, src, dst] = words else { return ExitCode::from(2) };
    let verb = VERBS.into_iter().find(|known| known == verb).expect("a verb");
    let call = Call { verb, replace: replace == "true" };
    match call.make(src.as_ref(), dst.as_ref(), TreeOptions::new()) {
        Ok(_) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// A tree whose every byte is `stamp`.
fn grow(root: &Path, stamp: u8) {
    for i in 0..FILES {
        let dir = root.join((i % 10).to_string());
        if i < 10 {
            fs::create_dir_all(&dir).expect("a directory");
        }
        let size = if i % 50 == 0 { 300_000 } else { 1000 + i * 97 };
        fs::write(dir.join(i.to_string()), vec![stamp; size]).expect("room");
    }
}

/// Which tree is there: `None` where there is none, an error where it is no whole one.
fn look(root: &Path) -> Result<Option<u8>, String> {
    if !root.exists() {
        return Ok(None);
    }
    let mut stamp = None;
    for i in 0..FILES {
        let path = root.join((i % 10).to_string()).join(i.to_string());
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let size = if i % 50 == 0 { 300_000 } else { 1000 + i * 97 };
        let first = *stamp.get_or_insert(bytes.first().copied().unwrap_or(0));
        if bytes.len() != size || bytes.iter().any(|byte| *byte != first) {
            return Err(format!("{} is a part, or of another tree", path.display()));
        }
    }
    Ok(stamp)
}

fn hidden(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".xtent-")))
        .collect()
}

/// SIGKILL at random moments of a call.
fn kills(fs: &Filesystem, cases: u64, random: &mut Random) -> Result<String, String> {
    let dir = scratch(fs);
    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
    grow(&src, 2);
    let (mut killed, mut old, mut none, mut new, mut left) = (0, 0, 0, 0, 0);
    // How long a whole call takes here and now: the moments are spread over it.
    let begin = Instant::now();
    let call = Call { verb: "copy_tree", replace: false };
    call.make(&src, &dst, TreeOptions::new()).map_err(|failure| failure.to_string())?;
    let mut whole = begin.elapsed();
    fs::remove_dir_all(&dst).map_err(|error| error.to_string())?;
    for case in 0..cases {
        let call = Call::any(random);
        if call.replace {
            grow(&dst, 1);
        }
        let begin = Instant::now();
        let mut child = Command::new(std::env::current_exe().expect("a program knows its own file"))
            .args(["work", call.verb, &call.replace.to_string()])
            .args([&src, &dst])
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        std::thread::sleep(whole.mul_f64(random.below(1000) as f64 / 800.0));
        child.kill().ok();
        let status = child.wait().map_err(|error| error.to_string())?;
        match status.signal() {
            Some(_) => killed += 1,
            None if status.success() => whole = begin.elapsed(),
            None => return Err(format!("case {case}: {} failed: {status}", call.verb)),
        }
        match look(&dst).map_err(|violation| format!("case {case}: {}: {violation}", call.verb))? {
            Some(1) if call.replace => old += 1,
            None if !call.replace => none += 1,
            Some(2) => new += 1,
            other => return Err(format!("case {case}: {}: found {other:?}", call.verb)),
        }
        left += hidden(dir.path()).len();
        // The next run for the same name clears what the killed one left.
        Call { replace: true, ..call }
            .make(&src, &dst, TreeOptions::new())
            .map_err(|failure| format!("case {case}, afterwards: {failure}"))?;
        let still = hidden(dir.path());
        if !still.is_empty() {
            return Err(format!("case {case}: {still:?} is still there"));
        }
        fs::remove_dir_all(&dst).map_err(|error| error.to_string())?;
    }
    Ok(format!(
        "{cases} cases, {killed} killed; old {old}, none {none}, new {new}; {left} hidden names left, all cleared"
    ))
}

/// Disks with less room than the tree needs, by a part or by all of it.
fn full(fs: &Filesystem, cases: u64, random: &mut Random) -> Result<String, String> {
    let dir = scratch(fs);
    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
    grow(&src, 2);
    let (mut refused, mut made) = (0, 0);
    for case in 0..cases {
        let call =
            Call { verb: ["copy_tree", "clone_or_copy_tree"][random.below(2) as usize], ..Call::any(random) };
        if call.replace {
            grow(&dst, 1);
        }
        File::open(dir.path()).and_then(|dir| dir.sync_all()).map_err(|error| error.to_string())?;
        let ballast = fill(dir.path(), random.below(12 << 20))?;
        match call.make(&src, &dst, TreeOptions::new()) {
            Ok(_) => made += 1,
            Err(failure) if failure.error.errno == libc::ENOSPC => refused += 1,
            Err(failure) => return Err(format!("case {case}: {failure}")),
        }
        let found = look(&dst).map_err(|violation| format!("case {case}: {}: {violation}", call.verb))?;
        if !matches!((found, call.replace), (Some(2), _) | (Some(1), true) | (None, false)) {
            return Err(format!("case {case}: {}: found {found:?}", call.verb));
        }
        fs::remove_file(ballast).map_err(|error| error.to_string())?;
        // btrfs may have had no room to remove what it made: the next run does.
        Call { replace: true, ..call }
            .make(&src, &dst, TreeOptions::new())
            .map_err(|failure| format!("case {case}, afterwards: {failure}"))?;
        let still = hidden(dir.path());
        if !still.is_empty() {
            return Err(format!("case {case}: {still:?} is still there"));
        }
        fs::remove_dir_all(&dst).map_err(|error| error.to_string())?;
    }
    Ok(format!("{cases} cases: {refused} refused with ENOSPC, {made} made; old, none or new whole each time"))
}

/// A file that leaves about `room` bytes.
fn fill(dir: &Path, room: u64) -> Result<PathBuf, String> {
    let path = dir.join("ballast");
    let file = File::create(&path).map_err(|error| error.to_string())?;
    // SAFETY: takes a number only; the file is open.
    unsafe { libc::syncfs(file.as_raw_fd()) };
    // SAFETY: fstatvfs fills the struct when it succeeds; zeros are one.
    let free = unsafe {
        let mut stat = std::mem::zeroed::<libc::statvfs>();
        if libc::fstatvfs(file.as_raw_fd(), &mut stat) != 0 {
            return Err(std::io::Error::last_os_error().to_string());
        }
        stat.f_bavail * stat.f_frsize
    };
    let mut at = 0;
    let mut step = free.saturating_sub(room);
    while step >= 4096 {
        // SAFETY: takes numbers only; the file is open.
        match unsafe { libc::fallocate(file.as_raw_fd(), 0, at as i64, step as i64) } {
            0 => {
                at += step;
                step = step.min(free.saturating_sub(room).saturating_sub(at));
            }
            // As much as there is.
            _ => step /= 2,
        }
    }
    Ok(path)
}
