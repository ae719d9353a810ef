//! `xtent-benches [--list] [--rounds N] [--mib N] [WORD...]`: measures every scenario that has all of the words in its
//! name, and prints Markdown.
//!
//! In each round every contender of a scenario runs once, in a new order, so that whatever else the machine does
//! meets all of them. To be started by `core/benches/run`, which brings the filesystems.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program talks through its standard streams")]

mod arguments;
mod calls;
mod clone;
mod command;
mod copy;
mod dedupe;
mod process;
mod programs;
mod scenario;
mod statistics;
mod stores;
mod sys;
mod table;
mod threads;
mod trees;
mod usage;

use std::path::Path;
use std::process::ExitCode;

use arguments::Arguments;
use scenario::{Contender, Entry, Scenario};
use statistics::Random;
use table::{Samples, table};
use xtent_tests::{fs, scratch};

/// All there are, in the order of the tables.
fn entries() -> Vec<Entry> {
    [
        copy::entries(),
        clone::entries(),
        dedupe::entries(),
        trees::entries(),
        stores::entries(),
        usage::entries(),
        command::entries(),
        threads::entries(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "do") {
        return programs::run(&words[1..]);
    }
    let arguments = match Arguments::parse(words) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("xtent-benches: {problem}");
            return ExitCode::FAILURE;
        }
    };
    // No comparison, and so no scenario: a table of its own, with everything or by its name.
    let calls = arguments.words.is_empty() || arguments.words == ["calls"];
    let chosen: Vec<Entry> =
        entries().into_iter().filter(|entry| entry.has_words(&arguments.words)).collect();
    if chosen.is_empty() && !calls {
        eprintln!("xtent-benches: no scenario has all of these words: {}", arguments.words.join(" "));
        return ExitCode::FAILURE;
    }
    if !arguments.list {
        println!(
            "Linux {}, {} processors.",
            kernel(),
            std::thread::available_parallelism().map_or(0, usize::from)
        );
    }
    for entry in chosen {
        if arguments.list {
            println!("{}", entry.name);
        } else {
            println!("\n{}", measure(&entry, &arguments));
        }
    }
    if calls && arguments.list {
        println!("calls");
    } else if calls {
        println!("\n{}", calls::table());
    }
    ExitCode::SUCCESS
}

fn kernel() -> String {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    // Without what its distribution or machine calls it.
    release.split(['-', '+']).next().unwrap_or_default().trim().into()
}

/// The table of one scenario.
fn measure(entry: &Entry, arguments: &Arguments) -> String {
    let mut dirs = Vec::new();
    for name in &entry.on {
        match fs(name) {
            Some(fs) => dirs.push(scratch(fs)),
            None => return format!("### {}\n\nLeft out: no {name} here.\n", entry.name),
        }
    }
    let places: Vec<&Path> = dirs.iter().map(|dir| dir.path()).collect();
    let mut scenario = (entry.make)(arguments, &places);
    let rounds = arguments.rounds.unwrap_or(scenario.rounds);
    // A single round, of what takes minutes, is its own trial.
    let (samples, left_out) = if rounds > 1 {
        let left_out = try_out(&mut scenario);
        (run(&mut scenario, rounds), left_out)
    } else {
        run_once(&mut scenario)
    };
    table(&entry.name, &scenario, &samples, &left_out)
}

/// Once for the caches of programs and libraries, and to see that each does the job. A peer that does not is left out;
/// says which did what instead.
fn try_out(scenario: &mut Scenario) -> Vec<String> {
    let mut left_out = Vec::new();
    let mut is_ours = true;
    scenario.contenders.retain_mut(|contender| {
        (contender.prepare)();
        (contender.run)();
        let kept = does_the_job(contender, is_ours, &mut left_out);
        is_ours = false;
        kept
    });
    left_out
}

fn does_the_job(contender: &mut Contender, is_ours: bool, left_out: &mut Vec<String>) -> bool {
    let done = (contender.check)();
    assert!(done.is_ok() || !is_ours, "{}: {done:?}", contender.name);
    left_out.extend(done.as_ref().err().map(|instead| format!("{}: {instead}", contender.name)));
    done.is_ok()
}

fn run(scenario: &mut Scenario, rounds: usize) -> Vec<Samples> {
    let mut samples: Vec<Samples> = scenario.contenders.iter().map(|_| Samples::default()).collect();
    let mut random = Random(0x5eed);
    let mut order: Vec<usize> = (0..scenario.contenders.len()).collect();
    for _ in 0..rounds {
        random.shuffle(&mut order);
        for &i in &order {
            sample(&mut scenario.contenders[i], &mut samples[i]);
        }
    }
    samples
}

fn sample(contender: &mut Contender, samples: &mut Samples) {
    (contender.prepare)();
    samples.spent.push((contender.run)());
    if let Some(quantity) = &mut contender.quantity {
        samples.quantity.push((quantity.look)());
    }
}

/// Measured and tried out at once.
fn run_once(scenario: &mut Scenario) -> (Vec<Samples>, Vec<String>) {
    let (mut all, mut left_out) = (Vec::new(), Vec::new());
    let mut is_ours = true;
    scenario.contenders.retain_mut(|contender| {
        let mut samples = Samples::default();
        sample(contender, &mut samples);
        let kept = does_the_job(contender, is_ours, &mut left_out);
        is_ours = false;
        if kept {
            all.push(samples);
        }
        kept
    });
    (all, left_out)
}
