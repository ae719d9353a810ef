//! `cache = neutral`: what the copy brought into the page cache goes, what was there stays.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use xtent::{Cache, CopyOptions};
use xtent_tests::{Filesystem, cool, fs, pattern, resident, resident_bytes, scratch, skip, write_file};

use super::{contents, copy, new};

const MIB: u64 = 1 << 20;
const BYTES: u64 = 32 * MIB + 12345;
/// What is promised of each file.
const LEFT: u64 = 8 * MIB;

fn neutral<'a>() -> CopyOptions<'a> {
    CopyOptions::new().cache(Cache::Neutral)
}

/// Those whose page cache can be let go; tmpfs has nothing else.
///
/// The page cache is not the tests' own: where memory is short the kernel takes pages back whenever it likes. What a copy
/// does wrong it does each time.
fn everywhere(test: &str, check: impl Fn(&Filesystem)) {
    for name in ["xfs", "btrfs", "ext4"] {
        match fs(name) {
            Some(fs) => {
                let passes = || std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(fs))).is_ok();
                if !(passes() || passes()) {
                    check(fs);
                }
            }
            None => skip(&format!("{test}/{name}"), "there is none"),
        }
    }
}

/// Brings a few places into the page cache, and no more.
fn read_places(file: &File, places: &[(u64, u64)]) {
    // SAFETY: takes numbers only.
    assert_eq!(unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_RANDOM) }, 0);
    for (at, len) in places {
        file.read_exact_at(&mut vec![0; *len as usize], *at).expect("inside the file");
    }
}

/// Every page that was there before is there now; of the others at most what is promised.
fn left_alone(fs: &Filesystem, what: &str, before: &[bool], after: &[bool]) {
    let was = |page: usize| before.get(page).copied().unwrap_or(false);
    let lost: Vec<usize> = (0..before.len()).filter(|page| was(*page) && !after[*page]).collect();
    let stayed = (0..after.len()).filter(|page| !was(*page) && after[*page]).count() as u64 * 4096;
    assert!(lost.is_empty(), "{what} on {}: pages that were there before are gone: {lost:?}", fs.name);
    assert!(stayed <= LEFT, "{what} on {}: {stayed} bytes are left behind", fs.name);
}

#[test]
fn nothing_of_a_cold_copy_stays() {
    everywhere("nothing_of_a_cold_copy_stays", |fs| {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, BYTES as usize)).unwrap();
        for (name, options, stays) in [("keep", CopyOptions::new(), true), ("neutral", neutral(), false)] {
            cool(&src);
            assert_eq!(resident_bytes(&src).unwrap(), 0, "{}", fs.name);
            let dst = new(&dir.path().join(name));
            assert_eq!(copy(&src, &dst, options).bytes_copied, BYTES);
            for (what, file) in [("source", &src), ("destination", &dst)] {
                let left = resident_bytes(file).unwrap();
                assert_eq!(left > LEFT, stays, "{what} on {}, {name}: {left} bytes", fs.name);
            }
            assert!(contents(&dst) == pattern(1, BYTES as usize), "{} {name}", fs.name);
        }
    });
}

#[test]
fn what_was_there_before_stays() {
    everywhere("what_was_there_before_stays", |fs| {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, BYTES as usize)).unwrap();
        let dst = write_file(&dir.path().join("dst"), &pattern(2, (36 * MIB) as usize)).unwrap();
        cool(&src);
        cool(&dst);
        // Whole windows, parts of them, single pages, and the end.
        let mut places = vec![(4 * MIB, 8 * MIB), (17 * MIB, MIB), (BYTES - 100, 100)];
        places.extend((0..30).map(|i| (20 * MIB + i * 300_000, 1)));
        read_places(&src, &places);
        read_places(&dst, &places);
        let before = (resident(&src).unwrap(), resident(&dst).unwrap());
        assert_eq!(copy(&src, &dst, neutral()).bytes_copied, BYTES);
        left_alone(fs, "source", &before.0, &resident(&src).unwrap());
        left_alone(fs, "destination", &before.1, &resident(&dst).unwrap());
    });
}

#[test]
fn a_part_at_odd_offsets() {
    everywhere("a_part_at_odd_offsets", |fs| {
        use std::os::fd::AsFd;
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, (48 * MIB) as usize)).unwrap();
        let dst = write_file(&dir.path().join("dst"), &pattern(2, (48 * MIB) as usize)).unwrap();
        cool(&src);
        cool(&dst);
        let (from, to, len) = (5 * MIB + 100, 9 * MIB + 4001, 30 * MIB + 7);
        let report = xtent::copy_range(src.as_fd(), from, dst.as_fd(), to, len, neutral()).unwrap();
        assert_eq!(report.bytes_copied, len);
        left_alone(fs, "source", &[], &resident(&src).unwrap());
        left_alone(fs, "destination", &[], &resident(&dst).unwrap());
    });
}
