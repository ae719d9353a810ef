//! A live SQLite database under load, copied with its log or rollback journal, and looked at by SQLite.
//!
//! SQLite changes the database file only by what the other file has already: in WAL mode pages that are in the log are moved
//! into the database (a checkpoint), and only then is the log begun again; with a rollback journal the old pages are in the
//! journal before the new ones go into the database. So the database is taken first, the other file second, and if the
//! database is still what it was, both are of one moment. If not, both are taken again.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use xtent::{FileOptions, Reason, Stable, clone_file, copy_file};
use xtent_tests::{Filesystem, scratch};

use crate::{Plan, Tally, pair, say};

pub(crate) fn run(plan: &Plan, tally: &mut Tally) {
    let Some(mut checker) = Program::start(&["check"]) else {
        return tally.skipped("live_storm/sqlite", "there is no Python with sqlite3");
    };
    for (journal, suffix) in [("wal", "-wal"), ("delete", "-journal")] {
        for name in ["xfs", "btrfs"] {
            let Some((from, to)) = pair(name, tally) else { continue };
            if plan.time_is_up() {
                continue;
            }
            storm(from, to, journal, suffix, plan, &mut checker, tally);
        }
    }
}

fn storm(
    from: &Filesystem,
    to: &Filesystem,
    journal: &str,
    suffix: &str,
    plan: &Plan,
    checker: &mut Program,
    tally: &mut Tally,
) {
    let (here, taken, there) = (scratch(from), scratch(from), scratch(to));
    let live = Files::new(here.path(), suffix);
    let mut writer =
        Program::start(&["write", live.database.to_str().unwrap(), journal]).expect("it was there");
    assert_eq!(writer.answer(), "ready");

    let (mut cases, mut bad, mut restarts, mut by_hand) = (0, Vec::new(), 0, (0, 0));
    for case in 0..plan.cases.div_ceil(4) {
        if plan.time_is_up() {
            break;
        }
        let copy = Files::new(there.path(), suffix);
        let snapshot = Files::new(taken.path(), suffix);
        let Some(again) = live.take(&snapshot, plan) else { break };
        restarts += again;
        snapshot.copy_to(&copy);
        cases += 1;
        let verdict = checker.ask(&copy.database);
        if verdict != "ok" {
            bad.push(verdict);
        }
        copy.remove();
        // How the usual way does, beside it, a tenth as often.
        if case % 10 == 0 {
            for (src, dst) in live.names().into_iter().zip(copy.names()) {
                Command::new("cp").arg(src).arg(dst).stderr(Stdio::null()).status().expect("cp");
            }
            by_hand.0 += 1;
            by_hand.1 += u64::from(checker.ask(&copy.database) != "ok");
            copy.remove();
        }
    }
    let transactions = writer.end();
    let name = format!(
        "sqlite {journal} on {}: {} of {cases} ok, {restarts} taken again; cp: {} of {} broken; {transactions} transactions {bad:?}",
        from.name,
        cases - bad.len(),
        by_hand.1,
        by_hand.0,
    );
    tally.case(&name, bad.len() as u64);
}

/// A database and what belongs to it.
struct Files {
    database: PathBuf,
    log: PathBuf,
}

impl Files {
    fn new(dir: &Path, suffix: &str) -> Files {
        Files { database: dir.join("db"), log: dir.join(format!("db{suffix}")) }
    }

    fn names(&self) -> [&Path; 2] {
        [&self.database, &self.log]
    }

    /// Snapshots of one moment; says how often they had to be taken again. None where the time is up before the
    /// database was quiet for as long as two clones take.
    fn take(&self, to: &Files, plan: &Plan) -> Option<u64> {
        for again in 0.. {
            if again > 0 && plan.time_is_up() {
                break;
            }
            to.remove();
            let before = stamp(&self.database);
            // A clone is a snapshot that has a name, and takes no longer however large the file is.
            clone_file(&self.database, &to.database, FileOptions::new().stable(Stable::Snapshot)).unwrap();
            match clone_file(&self.log, &to.log, FileOptions::new().stable(Stable::Snapshot)) {
                // There is none between transactions.
                Err(error) if error.reason == Reason::NotFound => {}
                done => drop(done.unwrap()),
            }
            if stamp(&self.database) == before {
                return Some(again);
            }
        }
        None
    }

    fn copy_to(&self, to: &Files) {
        for (src, dst) in self.names().into_iter().zip(to.names()) {
            if src.exists() {
                copy_file(src, dst, FileOptions::new()).unwrap();
            }
        }
    }

    fn remove(&self) {
        for name in [&self.database, &self.log, &self.database.with_file_name("db-shm")] {
            std::fs::remove_file(name).ok();
        }
    }
}

/// What every write changes.
fn stamp(path: &Path) -> [i64; 3] {
    let stat = std::fs::metadata(path).unwrap();
    [stat.size() as i64, stat.ctime(), stat.ctime_nsec()]
}

/// `database.py`.
struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(arguments: &[&str]) -> Option<Program> {
        let python = std::env::var_os("XTENT_PYTHON").unwrap_or_else(|| "python3".into());
        let has_sqlite = Command::new(&python).args(["-c", "import sqlite3"]).stderr(Stdio::null()).status();
        if !has_sqlite.is_ok_and(|status| status.success()) {
            return None;
        }
        let mut child = Command::new(&python)
            .arg("-c")
            .arg(include_str!("database.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it just ran");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Some(Program { input: child.stdin.take(), output, child })
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, path: &Path) -> String {
        writeln!(self.input.as_mut().expect("open"), "{}", path.display()).unwrap();
        self.answer()
    }

    /// Closes its input, and has its last words.
    fn end(&mut self) -> String {
        self.input = None;
        self.answer()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.input = None;
        if self.child.wait().is_err() {
            say("a program did not end");
        }
    }
}
