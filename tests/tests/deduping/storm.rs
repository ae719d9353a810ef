//! Contents never change: rounds of dedupe while others write to the source and to the targets, by write(2), through
//! mappings and with O_DIRECT. What was written last must be there, in the page cache and on the disk.
//!
//! `make test` runs few rounds, always the same. XTENT_STORM_ROUNDS=N runs so many on each filesystem, XTENT_STORM_SEED=N
//! chooses others.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use xtent::{Cache, CloneOptions, Control, DedupeOptions, DedupeStatus, DedupeTarget, TO_END};
use xtent_tests::{Filesystem, Random, cool, pattern, scratch, write_file};

use super::writer::{BLOCK, Signals, Way, write};
use super::{everywhere, shared};

const BLOCKS: u64 = 64;
const SIZE: usize = BLOCKS as usize * BLOCK;
/// The source and two targets.
const FILES: usize = 3;

/// What came of the rounds.
#[derive(Debug, Default)]
struct Counts {
    /// Nobody wrote, and a target was the same.
    same: u64,
    /// Nobody wrote, and both targets differed.
    different: u64,
    /// A write was done inside the call, from its beginning to its end.
    hit: u64,
    /// There were writers, and no write from beginning to end was seen inside the call.
    beside: u64,
}

/// Before the round, and what the files must be after it.
struct Round {
    files: Vec<File>,
    ways: Vec<Option<Way>>,
    bytes: Vec<Vec<u8>>,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect("a number in the environment"))
}

#[test]
fn contents_are_what_was_written_last() {
    let rounds = number("XTENT_STORM_ROUNDS").unwrap_or(60);
    let seed = number("XTENT_STORM_SEED").unwrap_or(1);
    everywhere("contents_are_what_was_written_last", |fs| {
        let dir = scratch(fs);
        let mut counts = Counts::default();
        for round in 0..rounds {
            let what = format!("{}, seed {seed}, round {round}", fs.name);
            one(&what, dir.path(), Random(seed << 32 | round), round, &mut counts);
        }
        let Counts { same, different, hit, beside } = counts;
        say(&format!(
            "dedupe storm on {}: seed {seed}, {rounds} rounds: {same} same, {different} different, {hit} hit by a write \
             inside the call, {beside} written beside it, 0 wrong\n",
            fs.name
        ));
        assert!(hit >= rounds / 6 && same * 4 >= rounds && different * 4 >= rounds, "{counts:?}");
    });
}

/// The storm would see it: comparing and then cloning, which is what a dedupe must not be, loses what is written between.
#[test]
fn comparing_and_cloning_is_seen_to_lose() {
    let rounds = number("XTENT_STORM_ROUNDS").unwrap_or(60) / 8;
    everywhere("comparing_and_cloning_is_seen_to_lose", |fs| {
        let dir = scratch(fs);
        let lost = (0..rounds).filter(|round| control(fs, dir.path(), Random(*round))).count() as u64;
        say(&format!("dedupe storm on {}: the control lost a write in {lost} of {rounds} rounds\n", fs.name));
        assert!(lost > 0, "{}: nothing was lost", fs.name);
    });
}

fn one(what: &str, dir: &Path, mut random: Random, turn: u64, counts: &mut Counts) {
    let mut round = prepare(dir, &mut random, turn);
    let signals = Signals::default();
    let waits = turn.is_multiple_of(2) && round.ways.iter().any(Option::is_some);
    let (mut begun, mut ended) = (0, 0);
    let mut results = Vec::new();
    std::thread::scope(|scope| {
        let Round { files, ways, bytes } = &mut round;
        for ((file, way), bytes) in files.iter().zip(ways.iter()).zip(bytes.iter_mut()) {
            if let Some(way) = *way {
                let (random, signals) = (Random(random.below(u64::MAX)), &signals);
                scope.spawn(move || write(file, way, bytes, random, signals));
            }
        }
        if ways.iter().any(Option::is_some) {
            signals.await_write();
        }
        let targets: Vec<_> =
            files[1..].iter().map(|file| DedupeTarget { fd: file.as_fd(), offset: 0 }).collect();
        // Asked inside the call, before its first step.
        let cancelled = || {
            if waits {
                signals.await_write();
            }
            false
        };
        let cache = if random.below(2) == 0 { Cache::Keep } else { Cache::Neutral };
        let options = DedupeOptions::new().control(Control::new().cancel(&cancelled)).cache(cache);
        let options = options.blocks(random.below(2) == 0).measure(random.below(4) > 0);
        begun = signals.writes();
        results = xtent::dedupe_range(files[0].as_fd(), 0, TO_END, &targets, options).expect("a result");
        ended = signals.writes();
        signals.stop.store(true, std::sync::atomic::Ordering::SeqCst);
    });
    verify(what, &round);
    let quiet = round.ways.iter().all(Option::is_none);
    if quiet {
        for (target, result) in results.iter().enumerate() {
            let (ours, theirs) = (&round.bytes[0], &round.bytes[target + 1]);
            let equal = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count() as u64;
            let status = if equal == SIZE as u64 { DedupeStatus::Same } else { DedupeStatus::Differs };
            assert_eq!((result.status, result.compared), (status, equal), "{what}, target {target}");
            if let (Some(new), Some(already)) = (result.shared, result.already_shared) {
                let counted = shared((&round.files[0], 0), (&round.files[target + 1], 0), SIZE as u64);
                assert_eq!(new + already, counted, "{what}, target {target}");
            }
        }
        let same = results.iter().any(|result| result.status == DedupeStatus::Same);
        *(if same { &mut counts.same } else { &mut counts.different }) += 1;
    } else {
        for result in &results {
            assert!(
                matches!(result.status, DedupeStatus::Same | DedupeStatus::Differs),
                "{what}: {result:?}"
            );
        }
        // The first one inside may have begun before.
        *(if ended > begun + 1 { &mut counts.hit } else { &mut counts.beside }) += 1;
    }
}

/// New contents. A third of the rounds has equal files, a third different ones, and in a third somebody writes.
fn prepare(dir: &Path, random: &mut Random, turn: u64) -> Round {
    let seed = random.below(u64::MAX);
    let ours = pattern(seed, SIZE);
    let mut round = Round { files: Vec::new(), ways: vec![None; FILES], bytes: vec![ours; FILES] };
    match turn % 3 {
        0 => {}
        1 => {
            for bytes in &mut round.bytes[1..] {
                for _ in 0..=random.below(3) {
                    bytes[random.below(SIZE as u64) as usize] ^= 1;
                }
            }
            // Twice the same byte is no difference.
            for bytes in &mut round.bytes[1..] {
                bytes[random.below(SIZE as u64) as usize] ^= 2;
            }
        }
        _ => {
            let ways = [Way::Write, Way::Mapping, Way::Direct];
            // The source, a target, or everything.
            let written = 1 + random.below(7);
            for (i, way) in round.ways.iter_mut().enumerate() {
                let chosen = ways[random.below(3) as usize];
                *way = (written >> i & 1 == 1).then_some(chosen);
            }
        }
    }
    for (i, (bytes, way)) in round.bytes.iter().zip(&round.ways).enumerate() {
        let path = dir.join(i.to_string());
        drop(write_file(&path, bytes).expect("room"));
        let flags = if *way == Some(Way::Direct) { libc::O_DIRECT } else { 0 };
        let open = File::options().read(true).write(true).custom_flags(flags).open(&path);
        round.files.push(open.expect("a file"));
    }
    if random.below(3) == 0 {
        round.files.iter().for_each(cool);
    }
    round
}

/// What was written last is there, by the page cache and by the disk.
fn verify(what: &str, round: &Round) {
    let wrong = wrong(round);
    assert!(wrong.is_empty(), "{what}: {wrong:?}, written by {:?}", round.ways);
}

/// Blocks that are not what was written last: which file, which block, and where it was read.
fn wrong(round: &Round) -> Vec<(usize, usize, &'static str)> {
    let mut wrong = Vec::new();
    for from in ["cache", "disk"] {
        for (i, (file, bytes)) in round.files.iter().zip(&round.bytes).enumerate() {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            let again = File::open(path).expect("a file");
            if from == "disk" {
                again.sync_all().expect("a disk");
                cool(&again);
            }
            let mut found = vec![0; SIZE];
            again.read_exact_at(&mut found, 0).expect("as long as before");
            let blocks = found.chunks(BLOCK).zip(bytes.chunks(BLOCK)).enumerate();
            wrong.extend(blocks.filter(|(_, (a, b))| a != b).map(|(block, _)| (i, block, from)));
        }
    }
    wrong
}

/// Whether a write was lost by comparing first and cloning then.
fn control(fs: &Filesystem, dir: &Path, mut random: Random) -> bool {
    let mut round = prepare(dir, &mut random, 0);
    round.ways[1] = Some(Way::Write);
    let signals = Signals::default();
    std::thread::scope(|scope| {
        let Round { files, bytes, .. } = &mut round;
        let (ours, theirs) = (std::fs::read(dir.join("0")).unwrap(), std::fs::read(dir.join("1")).unwrap());
        assert!(ours == theirs, "{}", fs.name);
        let (target, bytes, signals) = (&files[1], &mut bytes[1], &signals);
        scope.spawn(move || write(target, Way::Write, bytes, random, signals));
        signals.await_write();
        signals.stop.store(true, std::sync::atomic::Ordering::SeqCst);
        xtent::clone_range(files[0].as_fd(), 0, files[1].as_fd(), 0, TO_END, CloneOptions::new())
            .expect("a clone");
    });
    !wrong(&round).is_empty()
}

/// Past the test harness, which keeps what a test that passes prints.
fn say(line: &str) {
    use std::io::Write;
    std::io::stderr().lock().write_all(line.as_bytes()).expect("stderr");
}
