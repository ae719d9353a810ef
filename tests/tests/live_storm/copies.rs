//! Copies of a file that is written to all the time, to another filesystem.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use xtent::{FileOptions, Reason, Stable, copy_file};
use xtent_tests::{Filesystem, scratch};

use crate::writer::{CHANGE, Fared, Manner, Means, Signs, moment, prepare, write};
use crate::{Plan, Tally, pair, say};

/// One kind of case.
pub(crate) struct Kind {
    pub(crate) stable: Stable,
    pub(crate) manner: Manner,
    /// How many of these in a round.
    pub(crate) weight: u64,
    pub(crate) promise: Promise,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// None: the control.
    Nothing,
    /// What is published is of one moment.
    NoMix,
    /// Each time something is published, and it is of one moment.
    Always,
    /// Of one moment between two changes.
    WholeChanges,
    /// There is a writer: never published.
    InUse,
}

const KINDS: [Kind; 7] = [
    Kind { stable: Stable::None, manner: Manner::Always, weight: 1, promise: Promise::Nothing },
    Kind { stable: Stable::Snapshot, manner: Manner::Always, weight: 4, promise: Promise::Always },
    Kind { stable: Stable::Detect, manner: Manner::Bursts, weight: 3, promise: Promise::NoMix },
    Kind { stable: Stable::Lease, manner: Manner::OpensForBursts, weight: 1, promise: Promise::NoMix },
    Kind { stable: Stable::Lease, manner: Manner::Bursts, weight: 1, promise: Promise::InUse },
    Kind { stable: Stable::Lock, manner: Manner::Locks, weight: 1, promise: Promise::WholeChanges },
    // It does not ask for the lock, and is not kept out.
    Kind { stable: Stable::Lock, manner: Manner::Always, weight: 1, promise: Promise::Nothing },
];

const FILESYSTEMS: [&str; 3] = ["xfs", "btrfs", "ext4"];
pub(crate) const MEANS: [Means; 3] = [Means::Write, Means::Mapping, Means::Direct];

/// Below this many copies nothing is said about how many of the control tore.
const ENOUGH: u64 = 50;

pub(crate) fn run(plan: &Plan, tally: &mut Tally) {
    let pairs: Vec<_> = FILESYSTEMS.iter().filter_map(|name| pair(name, tally)).collect();
    let of_one_round: u64 = KINDS.iter().map(|kind| kind.weight).sum::<u64>() * 9 - 3 * 4;
    let times = plan.cases.div_ceil(of_one_round);
    let (mut copies, mut control, mut torn, mut seed) = (0, 0, 0, plan.seed);
    // The filesystems innermost, so that each has its share where the time ends first.
    for means in MEANS {
        for kind in &KINDS {
            for (from, to) in &pairs {
                if kind.stable == Stable::Snapshot && from.name == "ext4" || plan.time_is_up() {
                    continue;
                }
                seed += 1;
                let often = Often { times: times * kind.weight, apart: Duration::ZERO };
                let counts = storm((from, to), means, kind, often, seed, plan);
                copies += counts.copies;
                if kind.stable == Stable::None {
                    control += counts.copies;
                    torn += counts.torn;
                }
                let name = format!("{} {means:?} {:?} {:?}: {counts}", from.name, kind.manner, kind.stable);
                tally.case(&name, counts.violations);
            }
        }
    }
    say(&format!("copies: {copies} in all; of {control} unprotected ones {torn} are a mix"));
    if control < ENOUGH {
        return;
    }
    // Otherwise the writers prove nothing.
    tally.case("the control tears at least 20%", u64::from(torn * 5 < control));
}

#[derive(Default)]
pub(crate) struct Counts {
    copies: u64,
    whole: u64,
    torn: u64,
    refused: BTreeMap<&'static str, u64>,
    pub(crate) violations: u64,
    why: String,
    pub(crate) writer: Fared,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { copies, whole, torn, writer, .. } = self;
        write!(f, "{copies} copies, {whole} of one moment, {torn} mixed, ")?;
        self.refused.iter().try_for_each(|(reason, n)| write!(f, "{n} {reason}, "))?;
        write!(f, "{} records, {writer}", writer.records)?;
        if self.violations > 0 { write!(f, "; {} violations: {}", self.violations, self.why) } else { Ok(()) }
    }
}

/// How many copies, and how long nobody copies before each and after the last.
#[derive(Clone, Copy)]
pub(crate) struct Often {
    pub(crate) times: u64,
    pub(crate) apart: Duration,
}

pub(crate) fn storm(
    (from, to): (&Filesystem, &Filesystem),
    means: Means,
    kind: &Kind,
    Often { times, apart }: Often,
    seed: u64,
    plan: &Plan,
) -> Counts {
    let (here, there) = (scratch(from), scratch(to));
    let (src, dst) = (here.path().join("live"), there.path().join("copy"));
    prepare(&src);
    let mut counts = Counts::default();
    let signs = Signs::default();
    let writer = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(&src, means, kind.manner, seed, &signs));
        while !signs.begun.load(Ordering::Relaxed) && !writer.is_finished() {
            std::thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..times {
            if plan.time_is_up() {
                break;
            }
            std::thread::sleep(apart);
            one(&src, &dst, means, kind, &mut counts);
        }
        std::thread::sleep(apart);
        signs.stop.store(true, Ordering::Relaxed);
        writer.join().expect("the writer")
    });
    counts.writer = writer;
    counts
}

fn one(src: &Path, dst: &Path, means: Means, kind: &Kind, counts: &mut Counts) {
    counts.copies += 1;
    let done = copy_file(src, dst, FileOptions::new().stable(kind.stable));
    let mut violated = |why: String| {
        counts.violations += 1;
        counts.why = why;
    };
    let report = match done {
        Ok(report) => report,
        Err(error) => {
            *counts.refused.entry(error.reason.name()).or_default() += 1;
            let expected = match kind.promise {
                Promise::InUse => error.reason == Reason::InUse,
                Promise::NoMix => {
                    matches!(error.reason, Reason::SourceChanged | Reason::LeaseBroken | Reason::InUse)
                }
                _ => false,
            };
            if !expected || dst.exists() {
                violated(error.to_string());
            }
            return;
        }
    };
    if report.stable != kind.stable {
        violated(format!("{:?} was taken", report.stable));
    }
    let moment = moment(&std::fs::read(dst).unwrap(), means);
    std::fs::remove_file(dst).unwrap();
    let kept = match (kind.promise, moment) {
        (Promise::Nothing, _) | (Promise::NoMix | Promise::Always, Some(_)) => true,
        (Promise::WholeChanges, Some(last)) => last % CHANGE == 0,
        _ => false,
    };
    if !kept {
        violated(format!("published: {moment:?}"));
    }
    match moment {
        Some(_) => counts.whole += 1,
        None => counts.torn += 1,
    }
}
