//! Stores to which others write meanwhile.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use xtent::DedupeTreeOptions;
use xtent_tests::{Filesystem, Random, pattern, scratch};

use super::{dedupe, everywhere, run};

/// Stores of random files: each file has what was last written to it.
#[test]
fn whoever_writes_meanwhile() {
    let rounds = std::env::var("XTENT_STORE_ROUNDS").map_or(4, |rounds| rounds.parse().expect("a number"));
    let seed = std::env::var("XTENT_STORE_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    everywhere("whoever_writes_meanwhile", |fs| {
        for round in 0..rounds {
            storm(fs, seed, round)
                .unwrap_or_else(|error| panic!("{fs}: seed {seed}, round {round}: {error}"));
        }
    });
}

fn storm(fs: &Filesystem, seed: u64, round: u64) -> io::Result<()> {
    let mut random = Random(seed.wrapping_mul(1_000_003).wrapping_add(round));
    let dir = scratch(fs);
    let store = dir.path().join("store");
    let index = dir.path().join("index");
    let mut model = Vec::new();
    let sizes = [1, 4096, 5000, 70_000, 200_000, 1 << 20].map(|size| size + random.below(3) as usize * 4096);
    for i in 0..(10 + random.below(20)) {
        let size = sizes[random.below(sizes.len() as u64) as usize];
        let mut bytes = pattern(random.below(3), size);
        if random.below(4) == 0 {
            bytes[random.below(size as u64) as usize] ^= 1;
        }
        if random.below(8) == 0 {
            bytes.fill(0);
        }
        let path = store.join(format!("{}/{i}", random.below(4)));
        fs::create_dir_all(path.parent().expect("a directory"))?;
        fs::write(&path, &bytes)?;
        if random.below(2) == 0 {
            File::open(&path)?.sync_all()?;
        }
        model.push((path, bytes));
    }
    let options = || {
        let options =
            DedupeTreeOptions::new().threads(1 + (round % 3) as usize).blocks(!round.is_multiple_of(2));
        if round % 4 < 2 { options.index(&index) } else { options }
    };
    let done = AtomicBool::new(false);
    let writes = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| -> io::Result<()> {
            while !done.load(Ordering::Relaxed) {
                let at = random.below(model.len() as u64) as usize;
                let (path, bytes) = &mut model[at];
                match random.below(5) {
                    0 => {
                        // Replaced by another file.
                        *bytes = pattern(random.below(3), bytes.len());
                        let new = path.with_extension("new");
                        fs::write(&new, &bytes)?;
                        fs::rename(&new, &path)?;
                    }
                    1 => {
                        bytes.truncate((bytes.len() / 2).max(1));
                        File::options().write(true).open(&path)?.set_len(bytes.len() as u64)?;
                    }
                    _ => {
                        let from = random.below(bytes.len() as u64) as usize;
                        let len = (random.below(9000) as usize + 1).min(bytes.len() - from);
                        bytes[from..from + len].copy_from_slice(&pattern(random.below(100), len));
                        let file = File::options().write(true).open(&path)?;
                        file.write_all_at(&bytes[from..from + len], from as u64)?;
                    }
                }
                writes.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        for _ in 0..2 {
            dedupe(&store, options()).expect("a report");
            // The writer gets its turn, too.
            let before = writes.load(Ordering::Relaxed);
            while writes.load(Ordering::Relaxed) < before + 3 && !writer.is_finished() {
                std::thread::yield_now();
            }
        }
        done.store(true, Ordering::Relaxed);
        writer.join().expect("the writer")
    })?;
    let check = |when: &str| -> io::Result<()> {
        for (path, bytes) in &model {
            if fs::read(path)? != *bytes {
                return Err(io::Error::other(format!("{}: not what was written, {when}", path.display())));
            }
        }
        Ok(())
    };
    check("after writes meanwhile")?;
    run(&store, options());
    check("after a run alone")
}
