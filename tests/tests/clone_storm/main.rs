//! `clone_storm full|eaten|least|kill|race|crash [--cases N] [--seed N] [--only KIND,...] [--report-only]`
//!
//! Attacks on the promise of `clone_range`: the whole range or nothing. Each storm runs the same seeds over the
//! kernel's bare ioctl, as control: where that does not leave half-done clones, the storm is void and proves nothing.
//! To be run as root inside the `filesystems` runner, whose namespace takes every mount and file away in the end.
//!
//! It ends with 1 on a violation, and with 2 when it is void; with `--report-only` a void storm is said and no failure.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks through its standard streams")]

mod crash;
mod files;
mod full;
mod image;
mod kernel;
mod kill;
mod race;

use std::process::ExitCode;

use xtent_tests::Random;

/// What a storm found.
#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    /// Why it proves nothing.
    pub(crate) void: Vec<String>,
}

impl Verdict {
    pub(crate) fn must(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            let what = otherwise();
            println!("VIOLATION {what}");
            self.violations.push(what);
        }
    }

    pub(crate) fn void_unless(&mut self, holds: bool, why: impl FnOnce() -> String) {
        if !holds {
            self.void.push(why());
        }
    }
}

pub(crate) struct Arguments {
    pub(crate) cases: Option<u64>,
    pub(crate) seed: u64,
    only: Option<Vec<String>>,
    pub(crate) report_only: bool,
}

impl Arguments {
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }
}

/// What the counts in core/src/clone/README.md were drawn with.
pub(crate) fn random(seed: u64) -> Random {
    Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
}

type Outcome = Result<Verdict, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let name = words.first().map_or("", String::as_str);
    if name == "child" {
        return kill::child(&words[1..]);
    }
    let arguments = match parse(&words) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("clone_storm: {problem}");
            return 2.into();
        }
    };
    println!("clone_storm {name}: seed {}, {}", arguments.seed, kernel::release());
    let outcome: Outcome = match name {
        "full" => full::storm(&arguments, full::Eater::Absent),
        "eaten" => full::storm(&arguments, full::Eater::Present),
        "least" => full::least(&arguments),
        "kill" => kill::storm(&arguments),
        "race" => race::storm(&arguments),
        "crash" => crash::storm(&arguments),
        _ => Err("one of full, eaten, least, kill, race, crash".into()),
    };
    match outcome {
        Err(error) => {
            eprintln!("clone_storm {name}: {error}");
            2.into()
        }
        Ok(verdict) if !verdict.violations.is_empty() => {
            println!("clone_storm {name}: {} violations", verdict.violations.len());
            1.into()
        }
        Ok(verdict) => {
            for why in &verdict.void {
                println!("VOID {why}");
            }
            let void = !verdict.void.is_empty() && !arguments.report_only;
            println!("clone_storm {name}: {}", if void { "void" } else { "no violation" });
            if void { 2.into() } else { ExitCode::SUCCESS }
        }
    }
}

fn parse(words: &[String]) -> Result<Arguments, String> {
    let mut parsed = Arguments { cases: None, seed: 1, only: None, report_only: false };
    let mut words = words.iter().skip(1);
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{option} needs a value"));
        let number = |value: &String| value.parse().map_err(|_| format!("not a number: {value}"));
        match option.as_str() {
            "--cases" => parsed.cases = Some(number(value()?)?),
            "--seed" => parsed.seed = number(value()?)?,
            "--only" => parsed.only = Some(value()?.split(',').map(str::to_owned).collect()),
            "--report-only" => parsed.report_only = true,
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(parsed)
}
