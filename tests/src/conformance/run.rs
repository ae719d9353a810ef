//! All cases on every filesystem through every driver.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use super::answer::{Answer, expected};
use super::case::{Case, Face, On};
use super::check::Checked;
use super::column::{Column, prepare_inherited};
use super::driver::{Driver, Refusal};
use super::kernel;
use super::model::Model;
use super::outcome::{ALL_OF_IT, Outcome, Way};
use super::programs::{self, Program};
use super::stage::{Stage, Trouble};
use crate::{Filesystem, filesystems, skip, skipped};

/// Set: each case goes through one driver on each filesystem, another on the next one. What the filesystems do is
/// seen whole, in a part of the time.
const ENV_TURNS: &str = "XTENT_TURNS";

/// Names, separated by blanks or commas, of the filesystems to run the cases on; the others are there for what happens
/// between two.
const ENV_COLUMNS: &str = "XTENT_COLUMNS";

/// What the whole run came to.
#[derive(Default)]
struct Tally {
    /// Runs of a case, on a filesystem, through a driver.
    checks: usize,
    failures: usize,
    /// How often a case did not apply, by reason.
    not_applicable: BTreeMap<String, usize>,
}

impl Tally {
    /// Told at once: a run that is ended from outside has said what it found.
    fn fail(&mut self, failure: String) {
        say(&format!("FAILED {failure}\n"));
        self.failures += 1;
    }

    fn excuse(&mut self, why: impl Into<String>) {
        *self.not_applicable.entry(why.into()).or_default() += 1;
    }

    fn add(&mut self, other: Tally) {
        self.checks += other.checks;
        self.failures += other.failures;
        for (why, times) in other.not_applicable {
            *self.not_applicable.entry(why).or_default() += times;
        }
    }
}

/// Runs the table, and prints what failed, what was skipped, and the counts. `rust` is the argument that makes this
/// program the Rust driver; `wanted` is a part of the names of the cases to run, or empty.
pub fn run(rust: OsString, wanted: &str) -> ExitCode {
    let start = Instant::now();
    prepare_inherited();
    let mut tally = Tally::default();
    for name in programs::required_in_vain() {
        tally.fail(format!("there is no driver {name}"));
    }
    let mut drivers = BTreeMap::new();
    for (face, program) in programs::all(rust) {
        match program {
            Ok(program) => drop(drivers.insert(face, program)),
            Err(why) if programs::is_required(face) => {
                tally.fail(format!("no {} driver: {why}", face.name()))
            }
            Err(why) => skip(&format!("conformance/{}", face.name()), &why),
        }
    }
    for filesystem in skipped() {
        skip(&format!("conformance/{}", filesystem.name), &filesystem.reason);
    }
    let cases: Vec<Case> =
        crate::cases::all().into_iter().filter(|case| case.name.contains(wanted)).collect();
    let wanted_columns = std::env::var(ENV_COLUMNS).ok();
    let is_wanted = |fs: &&Filesystem| {
        let names = wanted_columns.as_ref().map(|names| names.split([' ', ',']));
        names.is_none_or(|mut names| names.any(|name| name == fs.name))
    };
    // The second XFS is there to be another filesystem than the first. A column's place does not depend on which are wanted.
    let columns = filesystems().iter().filter(|fs| fs.name != "xfs2").enumerate();
    let columns: Vec<_> = columns.filter(|(_, fs)| is_wanted(fs)).collect();
    let total = Mutex::new(tally);
    std::thread::scope(|scope| {
        for &place in &columns {
            let (cases, drivers, total) = (&cases, &drivers, &total);
            scope.spawn(move || {
                let tally = column(place, cases, drivers);
                total.lock().expect("no thread panicked").add(tally);
            });
        }
    });
    let tally = total.into_inner().expect("no thread panicked");
    report(&tally.not_applicable);
    let not_applicable: usize = tally.not_applicable.values().sum();
    let part =
        if wanted.is_empty() { String::new() } else { format!(" of those with {wanted:?} in their names") };
    say(&format!(
        "conformance: {} cases{part} x {} filesystems x {} drivers: {} checks, {} failed, {} not applicable, {:.1} s\n",
        cases.len(),
        columns.len(),
        drivers.len(),
        tally.checks,
        tally.failures,
        not_applicable,
        start.elapsed().as_secs_f32()
    ));
    // In the words of libtest, for whoever counts tests.
    let all = tally.failures == 0;
    let result = if all { "ok" } else { "FAILED" };
    let passed = tally.checks.saturating_sub(tally.failures);
    say(&format!("test result: {result}. {passed} passed; {} failed;\n", tally.failures));
    // A name that stands for no case is libtest's way to run a test of another program.
    let ran = tally.checks > 0 || !wanted.is_empty();
    if all && ran { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(not_applicable: &BTreeMap<String, usize>) {
    let mut text = String::from("\n");
    for (why, times) in not_applicable {
        writeln!(text, "not applicable {times} times: {why}").expect("a string");
    }
    say(&text);
}

fn say(text: &str) {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).expect("stdout");
}

/// Everything on one filesystem. On a thread of its own, because of the mounts.
fn column((place, fs): (usize, &Filesystem), cases: &[Case], programs: &BTreeMap<Face, Program>) -> Tally {
    let in_turn = std::env::var_os(ENV_TURNS).is_some();
    let mut tally = Tally::default();
    let column = match Column::new(fs) {
        Ok(column) => column,
        Err(why) => {
            skip(&format!("conformance/{}", fs.name), &why);
            return tally;
        }
    };
    let mut drivers: BTreeMap<Face, Driver> = BTreeMap::new();
    let begin = Instant::now();
    for (number, case) in cases.iter().enumerate() {
        let on = column.profile.seen_as(case);
        let outcome = column.profile.outcome(case).map_err(str::to_owned);
        let outcome = match outcome.and_then(|outcome| absent(&column, case).map_or(Ok(outcome), Err)) {
            Ok(outcome) => outcome,
            Err(why) => {
                (0..programs.len()).for_each(|_| tally.excuse(why.as_str()));
                continue;
            }
        };
        let turn = (number + place) % programs.len().max(1);
        for (i, (face, program)) in programs.iter().enumerate() {
            if in_turn && i != turn {
                continue;
            }
            if let Some((_, why)) = case.faces_excused.iter().find(|(excused, _)| excused == face) {
                tally.excuse(*why);
                continue;
            }
            let driver = match drivers.remove(face).map_or_else(|| Driver::start(program), Ok) {
                Ok(driver) => driver,
                Err(why) => {
                    tally.fail(format!("{} driver on {}: {why}", face.name(), column.name));
                    continue;
                }
            };
            let folder = format!("{number}-{}", face.name());
            let mut run = Run { column: &column, case, on, face: *face, driver, is_alive: true };
            match run.once(folder, &outcome) {
                Ok(problems) => {
                    tally.checks += 1;
                    if !problems.is_empty() {
                        let (name, fs, face) = (&case.name, &column.name, face.name());
                        let problems = problems.join("\n    ");
                        tally.fail(format!("{name} [{fs}, {face}] ({})\n    {problems}", case.cites));
                    }
                }
                Err(why) => tally.excuse(why),
            }
            if run.is_alive {
                drivers.insert(*face, run.driver);
            }
        }
    }
    let not_applicable: usize = tally.not_applicable.values().sum();
    say(&format!(
        "column {}: {} checks, {} failed, {not_applicable} not applicable, {:.1} s\n",
        column.name,
        tally.checks,
        tally.failures,
        begin.elapsed().as_secs_f32()
    ));
    tally
}

/// What the machine lacks for a case, beforehand.
fn absent(column: &Column, case: &Case) -> Option<String> {
    if let Some(name) = case.elsewhere().find(|name| !column.has(name)) {
        return Some(format!("there is no {name} beside"));
    }
    match &column.no_root {
        Some(why) if case.needs_root() => Some(why.clone()),
        _ => None,
    }
}

struct Run<'a> {
    column: &'a Column,
    case: &'a Case,
    /// What the filesystem is to the case.
    on: On,
    face: Face,
    driver: Driver,
    is_alive: bool,
}

impl Run<'_> {
    /// The case once. `Err` is why it does not apply on this machine.
    fn once(&mut self, folder: String, outcome: &Outcome) -> Result<Vec<String>, String> {
        let mut stage = match Stage::set(self.column, folder, self.case) {
            Ok(stage) => stage,
            Err(Trouble::Absent(why)) => return Err(why),
            Err(Trouble::Broken(why)) => return Ok(vec![why]),
        };
        let call = &self.case.call;
        let opened = if call.same_descriptor { &[][..] } else { &call.targets[..] };
        // A driver that gets paths opens nothing; what was open is closed all the same.
        let ends = std::iter::once(&call.src)
            .chain(opened)
            .chain(&call.clone.scratch)
            .take(if call.takes_paths() { 0 } else { usize::MAX });
        match self.driver.open(ends.map(|end| (end, stage.opened(end)))) {
            Ok(()) => {}
            Err(Refusal::Open(_, libc::EINVAL)) if !self.column.opens_direct && call.opens_direct() => {
                return Err("no file there opens with O_DIRECT".into());
            }
            Err(Refusal::Open(i, errno)) => {
                return Ok(vec![format!("file {i} could not be opened: errno {errno}")]);
            }
            Err(Refusal::Died(why)) => return Ok(self.died(why)),
        }
        for meanwhile in &self.case.meanwhile {
            match stage.meanwhile(meanwhile) {
                Ok(()) => {}
                Err(Trouble::Absent(why)) => return Err(why),
                Err(Trouble::Broken(why)) => return Ok(vec![why]),
            }
        }
        let answer =
            match stage.note_changes().map_err(|error| error.to_string()).and_then(|()| self.call(&stage)) {
                Ok(answer) => answer,
                Err(why) => return Ok(self.died(why)),
            };
        let outcome = settled(outcome, &answer, stage.model(&call.src.path).map_or(0, Model::size));
        let mut checked = Checked { stage: &mut stage, case: self.case, on: self.on, problems: Vec::new() };
        let (said, wanted) = (answer.sentences(call, self.face), expected(call, self.face, &outcome));
        if said != wanted {
            checked.problems.push(differing(&said, &wanted));
        }
        if let Some(wanted) = outcome.protection() {
            let problem = answer.protection().filter(|found| *found != wanted);
            checked.problems.extend(problem.map(|found| format!("protected by {found:?}, not {wanted:?}")));
        }
        let looked = checked.descriptors(&answer).and_then(|()| checked.files(&outcome, &answer));
        if let Err(error) = looked {
            checked.problems.push(format!("checking: {error}"));
        }
        Ok(checked.problems)
    }

    fn call(&mut self, stage: &Stage<'_>) -> Result<Answer, String> {
        let call = &self.case.call;
        let limit = |limit| {
            kernel::limit_file_size(self.driver.process(), limit).map_err(|error| format!("prlimit: {error}"))
        };
        if call.limit.is_some() {
            limit(call.limit)?;
        }
        let answer = if call.takes_paths() {
            let paths: Vec<_> =
                std::iter::once(&call.src).chain(&call.targets).map(|end| stage.path(end)).collect();
            let scratch = call.file.scratch.map(|path| stage.place(path));
            self.driver.call_by_paths(call, &paths, scratch.as_deref())
        } else {
            self.driver.call(call)
        };
        if call.limit.is_some() {
            let limit = kernel::limit_file_size(self.driver.process(), None);
            return answer
                .and_then(|answer| limit.map_err(|error| format!("prlimit: {error}")).map(|()| answer));
        }
        answer
    }

    fn died(&mut self, why: String) -> Vec<String> {
        self.is_alive = false;
        vec![why]
    }
}

/// With the numbers that are only known now: the size of a source that the tests did not make; and how much was done
/// where the case only bounds it.
fn settled(outcome: &Outcome, answer: &Answer, size: u64) -> Outcome {
    let mut outcome = outcome.clone();
    match &mut outcome {
        Outcome::Done(done) => {
            for (way, len) in &mut done.ways {
                if *len == ALL_OF_IT {
                    *len = size;
                } else if done.at_most && *way == Way::Copied {
                    *len = answer.number("copied").clamp(1, *len);
                }
            }
        }
        Outcome::Targets(targets) => {
            for target in targets {
                for number in [Some(&mut target.compared), target.shared.as_mut()].into_iter().flatten() {
                    if *number == ALL_OF_IT {
                        *number = size;
                    }
                }
            }
        }
        _ => {}
    }
    outcome
}

/// The sentences that are not alike.
fn differing(said: &[String], wanted: &[String]) -> String {
    let none = || "nothing".to_owned();
    let longest = said.len().max(wanted.len());
    let pairs = (0..longest).map(|i| (said.get(i), wanted.get(i))).filter(|(said, wanted)| said != wanted);
    let pair = |(said, wanted): (Option<&String>, Option<&String>)| {
        format!(
            "expected: {}\n    got:      {}",
            wanted.cloned().unwrap_or_else(none),
            said.cloned().unwrap_or_else(none)
        )
    };
    // One of a hundred targets is enough to see what is wrong.
    pairs.take(4).map(pair).collect::<Vec<_>>().join("\n    ")
}
