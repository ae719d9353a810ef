//! Clones that are refused while others write to the destination.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use xtent::{CloneOptions, Destination, clone_range};
use xtent_tests::{filesystems, pattern, scratch, write_file};

const BLOCK: usize = 4096;
const ROUNDS: usize = 300;

/// Appends blocks to the file, and each also in place of its first one, until it is told that it is enough. Returns what
/// the file must hold then.
fn write(file: &File, enough: &AtomicBool) -> Vec<u8> {
    let mut held = Vec::new();
    while !enough.load(Ordering::Relaxed) {
        let block = pattern(held.len() as u64, BLOCK);
        if held.len() < 2000 * BLOCK {
            file.write_all_at(&block, held.len() as u64).expect("written");
            held.extend(&block);
        }
        file.write_all_at(&block, 0).expect("written");
        held[..BLOCK].copy_from_slice(&block);
    }
    held
}

#[test]
fn what_others_write_meanwhile_stays() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, BLOCK)).expect("a file");
        let dst = write_file(&dir.path().join("dst"), b"").expect("a file");
        let enough = AtomicBool::new(false);
        let (held, words) = std::thread::scope(|scope| {
            let writer = scope.spawn(|| write(&dst, &enough));
            // More than the source has, over what is there and behind it.
            let words: Vec<_> = (0..ROUNDS)
                .map(|round| {
                    let end = dst.metadata().map_or(0, |dst| dst.len());
                    let (at, len) = (if round % 2 == 0 { 0 } else { end }, 2 * BLOCK as u64);
                    clone_range(src.as_fd(), 0, dst.as_fd(), at, len, CloneOptions::new())
                        .map_err(|error| error.report.destination)
                })
                .collect();
            enough.store(true, Ordering::Relaxed);
            (writer.join().expect("the writer"), words)
        });
        assert!(words.iter().all(|word| *word == Err(Some(Destination::Untouched))), "{fs}: {words:?}");
        assert!(fs::read(dir.path().join("dst")).expect("the destination") == held, "{fs}");
    }
}
