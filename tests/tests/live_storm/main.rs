//! Storms on files in use: `copies`, `waits`, `sqlite` and `killed`, on the filesystems of the runner.
//!
//! ```text
//! filesystems -- cargo test -p xtent-tests --test live_storm -- copies --cases 1000 --seconds 3000
//! ```
//!
//! Each prints its seed and counts, and ends with one line of totals. What depends on how busy the machine is, such as
//! how often a source was quiet, is only told; a violation of a promise fails.

mod copies;
mod killed;
mod sqlite;
mod waits;
mod writer;

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use xtent_tests::{Filesystem, fs};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let storm = arguments.next().unwrap_or_default();
    if storm == "hold" {
        // A child of `killed`.
        killed::hold(&arguments.collect::<Vec<_>>());
    }
    let mut plan = Plan::new();
    while let Some(option) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (option.as_str(), value) {
            ("--cases", Some(cases)) => plan.cases = cases,
            ("--seconds", Some(seconds)) => plan.end = Instant::now() + Duration::from_secs(seconds),
            ("--seed", Some(seed)) => plan.seed = seed,
            _ => return usage(),
        }
    }
    say(&format!("{storm}: seed {}", plan.seed));
    let mut tally = Tally::default();
    match storm.as_str() {
        "copies" => copies::run(&plan, &mut tally),
        "waits" => waits::run(&plan, &mut tally),
        "sqlite" => sqlite::run(&plan, &mut tally),
        "killed" => killed::run(&plan, &mut tally),
        _ => return usage(),
    }
    say(&format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped));
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    say("usage: live_storm copies|waits|sqlite|killed [--cases N] [--seconds N] [--seed N]");
    ExitCode::from(2)
}

/// How much of a storm.
pub(crate) struct Plan {
    pub(crate) cases: u64,
    /// No case begins later.
    pub(crate) end: Instant,
    pub(crate) seed: u64,
}

impl Plan {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        Plan {
            cases: 100,
            end: Instant::now() + Duration::from_secs(24 * 3600),
            seed: now.as_nanos() as u64 & 0xffff_ffff,
        }
    }

    pub(crate) fn time_is_up(&self) -> bool {
        Instant::now() >= self.end
    }
}

/// What came out, one entry for each kind of case.
#[derive(Default)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Tally {
    pub(crate) fn passed(&mut self, what: &str) {
        self.passed += 1;
        say(&format!("ok   {what}"));
    }

    pub(crate) fn failed(&mut self, what: &str) {
        self.failed += 1;
        say(&format!("FAIL {what}"));
    }

    pub(crate) fn skipped(&mut self, what: &str, why: &str) {
        self.skipped += 1;
        say(&format!("SKIP {what}: {why}"));
    }

    pub(crate) fn case(&mut self, what: &str, violations: u64) {
        if violations == 0 { self.passed(what) } else { self.failed(what) }
    }
}

pub(crate) fn say(line: &str) {
    writeln!(std::io::stdout().lock(), "{line}").expect("stdout");
}

/// A filesystem and another one to copy to.
pub(crate) fn pair(from: &str, tally: &mut Tally) -> Option<(&'static Filesystem, &'static Filesystem)> {
    let to = ["ext4", "xfs", "xfs2"].into_iter().filter(|to| *to != from).find_map(fs);
    match (fs(from), to) {
        (Some(from), Some(to)) => Some((from, to)),
        _ => {
            tally.skipped(&format!("live_storm/{from}"), "it, or a filesystem to copy to, is not there");
            None
        }
    }
}
