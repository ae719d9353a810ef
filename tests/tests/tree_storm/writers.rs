//! Another process creates, writes, renames and removes in the source while it is copied and cloned.
//!
//! A regular file is known by its number: that is the upper half of each of its words, and its size and mode follow from it. The
//! lower half counts how often it was written over, from its beginning to its end. Files with even numbers get their names
//! when they are whole; those with odd ones grow under their names.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use xtent::TreeOptions;
use xtent_tests::{Filesystem, Random, scratch};

use crate::{Call, hidden};

/// What is written at once.
const PAGE: usize = 4096;

pub(crate) fn writers(fs: &Filesystem, cases: u64, random: &mut Random) -> Result<String, String> {
    let dir = scratch(fs);
    let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
    fs::create_dir(&src).map_err(|error| error.to_string())?;
    let _writer = Writer::start(&src, random.below(u64::MAX))?;
    let (mut made, mut seen, mut refused) = (0, Seen::default(), BTreeMap::<i32, u64>::new());
    let (mut vanished, mut missing) = (0, 0);
    for case in 0..cases {
        let call = Call::any(random);
        let wrong = |what: String| format!("case {case}: {}: {what}", call.verb);
        if call.replace {
            fs::create_dir(&dst)
                .and_then(|()| File::create(dst.join("old")))
                .map_err(|error| error.to_string())?;
        }
        let options =
            TreeOptions::new().keep_going(random.below(2) == 1).threads([0, 1, 4][random.below(3) as usize]);
        match call.make(&src, &dst, options) {
            Ok(report) => {
                made += 1;
                vanished += report.vanished;
                missing += report.failures.len();
                for failure in &report.failures {
                    names(failure).map_err(wrong)?;
                }
                let mut found = Seen::default();
                look(&dst, call.verb == "clone_tree", &mut found).map_err(wrong)?;
                let names = report.files + report.links + report.specials;
                let told = Seen { names, directories: report.directories };
                if found != told {
                    return Err(wrong(format!("{told:?} told, {found:?} found")));
                }
                seen.names += found.names;
            }
            Err(failure) => {
                names(&failure).map_err(wrong)?;
                *refused.entry(failure.error.errno).or_default() += 1;
                if call.replace != dst.join("old").exists() || !call.replace && dst.exists() {
                    return Err(wrong(format!("{failure}, and the name has something new")));
                }
            }
        }
        let left = hidden(dir.path());
        if !left.is_empty() {
            return Err(wrong(format!("{left:?} is left behind")));
        }
        if dst.exists() {
            fs::remove_dir_all(&dst).map_err(|error| error.to_string())?;
        }
    }
    let refused: Vec<_> = refused.iter().map(|(errno, n)| format!("{n} by errno {errno}")).collect();
    Ok(format!(
        "{cases} calls: {made} trees made, of {} names; {vanished} vanished, {missing} told as missing; refused: {}",
        seen.names,
        if refused.is_empty() { "none".into() } else { refused.join(", ") }
    ))
}

/// A failure must say where.
fn names(failure: &xtent::TreeFailure) -> Result<(), String> {
    if failure.path.as_os_str().is_empty() { Err(format!("no path is named: {failure}")) } else { Ok(()) }
}

/// The other process, for as long as this lives.
struct Writer(Child);

impl Writer {
    fn start(src: &Path, seed: u64) -> Result<Writer, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .arg("disturb")
            .arg(src)
            .arg(seed.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| error.to_string())?;
        let mut line = String::new();
        let said = child.stdout.take().map(|out| BufReader::new(out).read_line(&mut line));
        let writer = Writer(child);
        match said {
            Some(Ok(_)) if line == "begun\n" => Ok(writer),
            said => Err(format!("the writer said {line:?}, {said:?}")),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// How much there is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Of all but directories.
    names: u64,
    directories: u64,
}

/// Whether everything below is something that existed.
fn look(dir: &Path, is_clone: bool, seen: &mut Seen) -> Result<(), String> {
    seen.directories += 1;
    for entry in fs::read_dir(dir).map_err(|error| format!("{}: {error}", dir.display()))? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let found = fs::symlink_metadata(&path).map_err(|error| error.to_string())?;
        let (name, kind) = (path.file_name().expect("a name").as_bytes(), found.file_type());
        if kind.is_dir() && name[0] == b'd' {
            look(&path, is_clone, seen)?;
            continue;
        }
        seen.names += 1;
        if kind.is_file() && name[0] == b'f' {
            let bytes = fs::read(&path).map_err(|error| error.to_string())?;
            existed(&bytes, found.permissions().mode() & 0o777, is_clone)
                .map_err(|what| format!("{}: {what}", path.display()))?;
        } else if !kind.is_fifo() && !fs::read_link(&path).is_ok_and(|to| to == Path::new(TARGET)) {
            return Err(format!("{} never existed", path.display()));
        }
    }
    Ok(())
}

const TARGET: &str = "../d1/f1";

fn existed(bytes: &[u8], mode: u32, is_clone: bool) -> Result<(), String> {
    let (words, rest) = bytes.as_chunks::<8>();
    let number = |word: &[u8; 8]| u32::from_le_bytes([word[4], word[5], word[6], word[7]]);
    let times = |word: &[u8; 8]| u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
    let Some(first) = words.first() else {
        // Only one that grows was ever empty.
        return if mode == GROWING { Ok(()) } else { Err(format!("empty, with mode {mode:o}")) };
    };
    let id = number(first);
    if id == 0 || !rest.is_empty() || words.iter().any(|word| number(word) != id) {
        return Err("of several files, or of none".into());
    }
    if id % 2 == 1 {
        let is_part = bytes.len() <= size(id) && times(first) == 0;
        return if is_part && mode == GROWING { Ok(()) } else { Err(format!("no beginning of {id}")) };
    }
    if bytes.len() != size(id) || mode != self::mode(id) {
        return Err(format!("{} bytes of {id} with mode {mode:o}", bytes.len()));
    }
    // Of one moment: so far it was written over one time more than behind.
    let is_cut = words.is_sorted_by(|a, b| times(a) >= times(b))
        && times(first) - times(words.last().expect("there is a first")) <= 1;
    if is_clone && !is_cut { Err("a clone of several moments".into()) } else { Ok(()) }
}

/// The file that is written over most of the time, and never renamed: so that a copy that is no clone meets it half-way.
const LIVE: u32 = 2;
const LIVE_NAME: &str = "f-live";

/// In bytes, whole words.
fn size(id: u32) -> usize {
    if id == LIVE {
        return 4 << 20;
    }
    let words = if id % 64 < 2 { 40_000 } else { 1 + Random(id.into()).below(2000) };
    words as usize * 8
}

fn mode(id: u32) -> u32 {
    [0o600, 0o640, 0o444, 0o755][Random((!id).into()).below(4) as usize]
}

const GROWING: u32 = 0o666;

fn words(id: u32, times: u32, bytes: usize) -> Vec<u8> {
    (u64::from(id) << 32 | u64::from(times)).to_le_bytes().repeat(bytes / 8)
}

/// The other process: changes the source until it is killed. What fails because of what it did itself is left.
pub(crate) fn disturb(words: &[String]) -> ExitCode {
    let [src, seed] = words else { return ExitCode::from(2) };
    // SAFETY: takes a number only.
    unsafe { libc::umask(0) };
    let mut hand = Hand { src: src.into(), random: Random(seed.parse().expect("a number")), last: 0 };
    hand.whole(Path::new(LIVE_NAME)).expect("room");
    for n in 0..300 {
        hand.make(if n < 60 { 4 } else { 0 });
    }
    println!("begun");
    std::io::stdout().flush().expect("stdout");
    loop {
        let what = hand.random.below(12);
        hand.make(what);
    }
}

struct Hand {
    src: PathBuf,
    random: Random,
    /// The number of the last file.
    last: u32,
}

impl Hand {
    /// A directory that may be there: one of nine below the tree, one of three below each.
    fn dir(&mut self) -> PathBuf {
        let outer = self.src.join(format!("d{}", self.random.below(9)));
        if self.random.below(2) == 0 { outer } else { outer.join(format!("d{}", self.random.below(3))) }
    }

    /// A file that may be there, or a symbolic link or FIFO.
    fn name(&mut self) -> PathBuf {
        self.dir().join(format!("f{}", self.random.below(20)))
    }

    fn next(&mut self, odd: u32) -> u32 {
        self.last += 2;
        self.last | odd
    }

    fn make(&mut self, what: u64) {
        match what {
            0..3 => {
                let name = self.name();
                self.whole(&name).ok();
            }
            3 => drop(self.growing()),
            4 => drop(fs::create_dir_all(self.dir())),
            5 => drop(fs::remove_file(self.name())),
            6 => drop(fs::rename(self.name(), self.name())),
            7 => {
                let name = self.name();
                self.write_over(&name).ok();
                self.write_over(Path::new(LIVE_NAME)).ok();
            }
            8 => drop(fs::rename(self.dir(), self.dir())),
            9 => exchange(self.dir(), self.dir()),
            10 => drop(fs::hard_link(self.name(), self.name())),
            // Not often, or there is little left.
            _ if self.random.below(8) == 0 => drop(fs::remove_dir_all(self.dir())),
            _ => self.special(),
        }
    }

    fn whole(&mut self, name: &Path) -> std::io::Result<()> {
        let id = self.next(0);
        let path = self.src.with_extension("new");
        fs::write(&path, words(id, 0, size(id)))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode(id)))?;
        fs::rename(&path, self.src.join(name))
    }

    fn growing(&mut self) -> std::io::Result<()> {
        let id = self.next(1);
        let file = File::options().write(true).create_new(true).mode(GROWING).open(self.name())?;
        for (n, piece) in words(id, 0, size(id)).chunks(3000 * 8).enumerate() {
            file.write_all_at(piece, n as u64 * 3000 * 8)?;
        }
        Ok(())
    }

    fn write_over(&mut self, name: &Path) -> std::io::Result<()> {
        let file = File::options().read(true).write(true).open(self.src.join(name))?;
        let mut first = [0; 8];
        file.read_exact_at(&mut first, 0)?;
        let first = u64::from_le_bytes(first);
        let (id, times) = ((first >> 32) as u32, first as u32 + 1);
        if id % 2 == 0 {
            for (n, page) in words(id, times, size(id)).chunks(PAGE).enumerate() {
                file.write_all_at(page, (n * PAGE) as u64)?;
            }
        }
        Ok(())
    }

    fn special(&mut self) {
        let (link, fifo) = (self.name(), c_path(self.name()));
        symlink(TARGET, link).ok();
        // SAFETY: the path ends with a zero and lives until the call returns.
        unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) };
    }
}

fn c_path(path: PathBuf) -> CString {
    CString::new(path.into_os_string().as_bytes()).expect("no zeros")
}

fn exchange(a: PathBuf, b: PathBuf) {
    let (a, b) = (c_path(a), c_path(b));
    // SAFETY: both paths end with a zero and live until the call returns.
    unsafe { libc::renameat2(libc::AT_FDCWD, a.as_ptr(), libc::AT_FDCWD, b.as_ptr(), libc::RENAME_EXCHANGE) };
}
