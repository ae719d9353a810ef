//! `cache = neutral`: what the dedupe brought into the page cache goes, what was there stays.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use xtent::{Cache, DedupeOptions, DedupeStatus, TO_END};
use xtent_tests::{Filesystem, cool, pattern, resident, resident_bytes, scratch, write_file};

use super::{dedupe, everywhere};

const MIB: u64 = 1 << 20;
const BYTES: u64 = 40 * MIB + 12345;
/// What is promised of each file.
const LEFT: u64 = 8 * MIB;

fn neutral<'a>() -> DedupeOptions<'a> {
    DedupeOptions::new().cache(Cache::Neutral)
}

/// The page cache is not the tests' own: where memory is short the kernel takes pages back whenever it likes. What a dedupe
/// does wrong it does each time.
fn each_time(test: &str, check: impl Fn(&Filesystem)) {
    everywhere(test, |fs| {
        let passes = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(fs))).is_ok();
        if !(passes() || passes()) {
            check(fs);
        }
    });
}

/// The pattern 1 with another byte here and there.
fn different() -> Vec<u8> {
    let mut bytes = pattern(1, BYTES as usize);
    bytes.iter_mut().step_by(700_001).skip(1).for_each(|byte| *byte ^= 1);
    bytes
}

#[test]
fn nothing_of_a_cold_dedupe_stays() {
    each_time("nothing_of_a_cold_dedupe_stays", |fs| {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, BYTES as usize)).unwrap();
        let all = [
            ("keep", DedupeOptions::new(), pattern(1, BYTES as usize), DedupeStatus::Same),
            ("neutral", neutral(), pattern(1, BYTES as usize), DedupeStatus::Same),
            ("neutral, different", neutral(), different(), DedupeStatus::Differs),
            ("neutral, blocks", neutral().blocks(true), different(), DedupeStatus::Differs),
        ];
        for (name, options, bytes, status) in all {
            let dst = write_file(&dir.path().join("dst"), &bytes).unwrap();
            cool(&src);
            cool(&dst);
            let result = dedupe((&src, 0), (&dst, 0), TO_END, options);
            assert_eq!(result.status, status, "{} {name}", fs.name);
            let left = (resident_bytes(&src).unwrap(), resident_bytes(&dst).unwrap());
            if name == "keep" {
                assert!(left.0 > LEFT, "{} {name}: {left:?}", fs.name);
            } else {
                assert!(left.0 <= LEFT && left.1 <= LEFT, "{} {name}: {left:?}", fs.name);
            }
        }
    });
}

#[test]
fn what_was_there_before_stays() {
    each_time("what_was_there_before_stays", |fs| {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, BYTES as usize)).unwrap();
        let dst = write_file(&dir.path().join("dst"), &different()).unwrap();
        cool(&src);
        cool(&dst);
        read_places(&src);
        read_places(&dst);
        let before = (resident(&src).unwrap(), resident(&dst).unwrap());
        dedupe((&src, 0), (&dst, 0), TO_END, neutral().blocks(true));
        let lost = |before: &[bool], after: &[bool]| -> Vec<usize> {
            (0..before.len()).filter(|page| before[*page] && !after[*page]).collect()
        };
        assert_eq!(lost(&before.0, &resident(&src).unwrap()), [], "source on {}", fs.name);
        // The kernel lets go of a target's pages where it shared, on XFS.
        if fs.name == "btrfs" {
            assert_eq!(lost(&before.1, &resident(&dst).unwrap()), [], "target on {}", fs.name);
        }
    });
}

/// Brings a few places into the page cache, and no more.
fn read_places(file: &File) {
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) }, 0);
    let single = (0..30).map(|i| (20 * MIB + i * 300_000, 1));
    for (at, len) in [(4 * MIB, 8 * MIB), (17 * MIB, MIB), (BYTES - 100, 100)].into_iter().chain(single) {
        file.read_exact_at(&mut vec![0; len as usize], at).expect("inside the file");
    }
}
