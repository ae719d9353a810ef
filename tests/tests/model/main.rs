//! Random sequences of writes and verbs on a few files, against plain vectors of bytes, on XFS and on btrfs.
//!
//! `make test` runs the same sequences each time. XTENT_MODEL_SEED=N chooses others; XTENT_MODEL_SECONDS=N goes from seed
//! to seed for so long. A failure names its seed and is shrunk to few actions.

mod action;
mod blocks;
mod world;

use std::io::Write;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use xtent_tests::{Filesystem, fs, skip};

use action::actions;
use world::World;

/// Sequences for each seed.
const SEQUENCES: u32 = 64;

#[test]
fn on_xfs() {
    on("on_xfs", "xfs");
}

#[test]
fn on_btrfs() {
    on("on_btrfs", "btrfs");
}

fn on(test: &str, name: &str) {
    let Some(fs) = fs(name) else { return skip(test, &format!("there is no {name}")) };
    let number = |variable: &str| {
        std::env::var(variable).ok().map(|value| value.parse::<u64>().expect("a number in the environment"))
    };
    let first = number("XTENT_MODEL_SEED").unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(number("XTENT_MODEL_SECONDS").unwrap_or(0));
    let mut seed = first;
    loop {
        run(fs, seed);
        seed += 1;
        if Instant::now() >= end {
            break;
        }
    }
    say(&format!("model on {name}: seeds {first} to {}, {SEQUENCES} sequences each\n", seed - 1));
}

fn run(fs: &Filesystem, seed: u64) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    // Nothing is kept in files of the source tree: the seed says it all.
    let config =
        Config { cases: SEQUENCES, failure_persistence: None, max_shrink_iters: 4000, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, rng).run(&actions(), |actions| {
        let mut world = World::new(fs);
        for (step, action) in actions.iter().enumerate() {
            world.act(action).map_err(|what| world::failed(step, action, &what))?;
        }
        world.settled().map_err(|what| world::failed(actions.len(), "when all is on disk", &what))
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(why, actions)) => {
            panic!("XTENT_MODEL_SEED={seed} on {}: {why}\n{actions:#?}", fs.name)
        }
        Err(TestError::Abort(why)) => panic!("XTENT_MODEL_SEED={seed} on {}: {why}", fs.name),
    }
}

/// Past libtest, which keeps what a passing test prints.
fn say(text: &str) {
    std::io::stdout().lock().write_all(text.as_bytes()).expect("stdout");
}
