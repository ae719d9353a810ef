//! Dedupe where the table of cases does not reach: numbers against an independent count, many targets with all kinds of
//! outcomes, the page cache, and writers meanwhile.

mod cache;
mod many;
mod numbers;
mod storm;
mod writer;

use std::fs::File;
use std::os::fd::AsFd;

use xtent::{DedupeOptions, DedupeResult, DedupeTarget};
use xtent_tests::{Filesystem, extents, flags, fs, skip};

/// One target.
fn dedupe(
    (src, from): (&File, u64),
    (dst, to): (&File, u64),
    len: u64,
    options: DedupeOptions<'_>,
) -> DedupeResult {
    let target = DedupeTarget { fd: dst.as_fd(), offset: to };
    xtent::dedupe_range(src.as_fd(), from, len, &[target], options).expect("a result")[0]
}

/// How many bytes lie in the same place at the same distance from both offsets, by the maps that the tests read
/// themselves.
fn shared((a, a_from): (&File, u64), (b, b_from): (&File, u64), len: u64) -> u64 {
    // (from, to, physical - logical), within the range.
    let runs = |file: &File, start: u64| -> Vec<(u64, u64, i128)> {
        let end = (start + len).min(file.metadata().expect("an open file").len());
        extents(file)
            .expect("maps")
            .iter()
            .filter(|e| e.flags & (flags::UNKNOWN | flags::DELALLOC | flags::NOT_ALIGNED) == 0)
            .map(|e| (e.logical.max(start), (e.logical + e.length).min(end), e))
            .filter(|(from, to, _)| from < to)
            .map(|(from, to, e)| {
                let place = i128::from(e.physical) - (i128::from(e.logical) - i128::from(start));
                (from - start, to - start, place)
            })
            .collect()
    };
    let (a, b) = (runs(a, a_from), runs(b, b_from));
    let mut total = 0;
    let mut first = 0;
    for (from, to, place) in a {
        while b.get(first).is_some_and(|run| run.1 <= from) {
            first += 1;
        }
        for run in b[first..].iter().take_while(|run| run.0 < to).filter(|run| run.2 == place) {
            total += to.min(run.1) - from.max(run.0);
        }
    }
    total
}

/// Those that share blocks.
fn everywhere(test: &str, check: impl Fn(&Filesystem)) {
    for name in ["xfs", "btrfs"] {
        match fs(name) {
            Some(fs) => check(fs),
            None => skip(&format!("{test}/{name}"), "there is none"),
        }
    }
}
