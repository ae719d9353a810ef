//! `shared`, `already_shared`, `compared` and `differs_at` are what a second count says.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xtent::{CloneOptions, DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, TO_END};
use xtent_tests::syscalls::{Calls, Verdict, watch};
use xtent_tests::{allocated, pattern, scratch, write_file};

use super::{dedupe, everywhere, shared};

const BLOCK: u64 = 4096;
const GIB: u64 = 1 << 30;

/// Asks, and compares what is told with what the maps say before and after.
fn counted(
    what: &str,
    src: (&File, u64),
    dst: (&File, u64),
    len: u64,
    options: DedupeOptions<'_>,
) -> DedupeResult {
    let before = shared(src, dst, len);
    let result = dedupe(src, dst, len, options);
    let after = shared(src, dst, len);
    assert_eq!(result.already_shared, Some(before), "{what}: {result:?}");
    assert_eq!(result.shared, Some(after - before), "{what}: {result:?}");
    result
}

#[test]
fn lengths_around_blocks_and_ends() {
    everywhere("lengths_around_blocks_and_ends", |fs| {
        let dir = scratch(fs);
        let lengths =
            [100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 1, 3 * BLOCK, 3 * BLOCK + 1, 70_000, 1_000_001];
        for size in lengths {
            // The other file ends in the same place, goes on a little, or for blocks.
            for more in [0, 1, 5000] {
                for len in lengths.into_iter().filter(|len| *len <= size) {
                    let what = format!("{} size {size}, {more} more, length {len}", fs.name);
                    let [a, b] = ["a", "b"].map(|name| dir.path().join(name));
                    let src = write_file(&a, &pattern(1, size as usize)).unwrap();
                    let dst = write_file(&b, &pattern(1, (size + more) as usize)).unwrap();
                    let result = counted(&what, (&src, 0), (&dst, 0), len, DedupeOptions::new());
                    assert_eq!((result.status, result.compared), (DedupeStatus::Same, len), "{what}");
                    // Twice is the same, and nothing new.
                    let again = counted(&what, (&src, 0), (&dst, 0), len, DedupeOptions::new());
                    assert_eq!(
                        (again.status, again.compared, again.shared),
                        (DedupeStatus::Same, len, Some(0)),
                        "{what}"
                    );
                    std::fs::remove_file(&a).unwrap();
                    std::fs::remove_file(&b).unwrap();
                }
            }
        }
    });
}

#[test]
fn differences_wherever_they_are() {
    everywhere("differences_wherever_they_are", |fs| {
        let dir = scratch(fs);
        const SIZE: u64 = 40 * BLOCK + 77;
        let src = write_file(&dir.path().join("src"), &pattern(1, SIZE as usize)).unwrap();
        for at in [0, 1, BLOCK - 1, BLOCK, 20 * BLOCK + 5, 40 * BLOCK - 1, 40 * BLOCK, SIZE - 1] {
            for blocks in [false, true] {
                let what = format!("{} at {at}, blocks {blocks}", fs.name);
                let mut bytes = pattern(1, SIZE as usize);
                bytes[at as usize] ^= 1;
                let dst = write_file(&dir.path().join("dst"), &bytes).unwrap();
                let options = DedupeOptions::new().blocks(blocks);
                let result = counted(&what, (&src, 0), (&dst, 0), TO_END, options);
                assert_eq!(result.status, DedupeStatus::Differs, "{what}");
                assert_eq!((result.differs_at, result.compared), (Some(at), at), "{what}");
                let (block, size) = (at - at % BLOCK, SIZE.next_multiple_of(BLOCK));
                // Both files end in the last block, which counts by what is in it.
                let rest = SIZE - (block + BLOCK).min(SIZE);
                assert_eq!(
                    result.shared,
                    Some(if blocks { block + rest } else { block }),
                    "{what} of {size}"
                );
                assert!(std::fs::read(dir.path().join("dst")).unwrap() == bytes, "{what}: another content");
            }
        }
    });
}

/// The kernel says "same" of a partial block inside a file without looking; and what faces a hole it is not asked.
#[test]
fn differences_where_the_kernel_does_not_look() {
    everywhere("differences_where_the_kernel_does_not_look", |fs| {
        let dir = scratch(fs);
        let bytes = pattern(1, 20 * BLOCK as usize);
        let src = write_file(&dir.path().join("src"), &bytes).unwrap();
        for len in [100, BLOCK - 1, BLOCK + 1, 5000, 70_000] {
            // The last byte of the range, and the first behind it.
            for at in [len - 1, len] {
                let what = format!("{} length {len}, different at {at}", fs.name);
                let mut other = bytes.clone();
                other[at as usize] ^= 1;
                let dst = write_file(&dir.path().join("dst"), &other).unwrap();
                let result = counted(&what, (&src, 0), (&dst, 0), len, DedupeOptions::new());
                let inside = (at < len).then_some(at);
                assert_eq!((result.differs_at, result.compared), (inside, at), "{what}");
                assert_eq!(result.shared, Some(len - len % BLOCK), "{what}");
            }
        }
        for (at, len) in [(3 * BLOCK, 2 * BLOCK), (19 * BLOCK, BLOCK)] {
            let what = format!("{} hole at {at}", fs.name);
            let dst = write_file(&dir.path().join("dst"), &[]).unwrap();
            dst.set_len(bytes.len() as u64).unwrap();
            dst.write_all_at(&bytes[..at as usize], 0).unwrap();
            dst.write_all_at(&bytes[(at + len) as usize..], at + len).unwrap();
            dst.sync_all().unwrap();
            let before = used(&dir.path().join("dst"));
            let result = counted(&what, (&src, 0), (&dst, 0), TO_END, DedupeOptions::new());
            assert_eq!((result.status, result.differs_at), (DedupeStatus::Differs, Some(at)), "{what}");
            assert_eq!((result.shared, used(&dir.path().join("dst"))), (Some(at), before), "{what}");
        }
    });
}

#[test]
fn across_a_gigabyte() {
    everywhere("across_a_gigabyte", |fs| {
        let dir = scratch(fs);
        // Data around 1 GiB and 2 GiB of the source; the target has it 4 KiB further on.
        let islands = [GIB - 3 * BLOCK, 2 * GIB - 2 * BLOCK];
        let make = |name: &str, shift: u64| -> File {
            let file =
                File::options().read(true).write(true).create_new(true).open(dir.path().join(name)).unwrap();
            file.set_len(2 * GIB + 10 * BLOCK + shift).unwrap();
            for (seed, at) in (1..).zip(islands) {
                file.write_all_at(&pattern(seed, 5 * BLOCK as usize), at + shift).unwrap();
            }
            file.sync_all().unwrap();
            file
        };
        let (src, dst) = (make("src", 0), make("dst", BLOCK));
        let what = format!("{} one", fs.name);
        let len = 2 * GIB + 10 * BLOCK;
        let result = counted(&what, (&src, 0), (&dst, BLOCK), len, DedupeOptions::new());
        assert_eq!(
            (result.status, result.compared, result.shared),
            (DedupeStatus::Same, len, Some(10 * BLOCK))
        );
        // From inside one island, up to the first gigabyte and a block more.
        let part = make("part", 0);
        let from = GIB - BLOCK;
        let what = format!("{} part", fs.name);
        let result = counted(&what, (&src, from), (&part, from), 2 * BLOCK, DedupeOptions::new());
        assert_eq!((result.status, result.shared), (DedupeStatus::Same, Some(2 * BLOCK)));
    });
}

#[test]
fn compressed_extents() {
    everywhere("compressed_extents", |fs| {
        if fs.name != "btrfs" {
            return;
        }
        let dir = scratch(fs);
        // Text of 1.1 MiB: whole extents of 128 KiB, and a shorter one at the end. No two lines are equal.
        let text: String = (0..40_000).map(|line| format!("line number {line:>15}\n")).collect();
        let make = |name: &str| -> File {
            let path = dir.path().join(name);
            File::create_new(&path).unwrap();
            let done = std::process::Command::new("btrfs")
                .args(["property", "set"])
                .arg(&path)
                .args(["compression", "zlib"])
                .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
                .status();
            assert!(done.is_ok_and(|status| status.success()), "btrfs property set");
            write_file(&path, text.as_bytes()).unwrap()
        };
        let (src, dst) = (make("src"), make("dst"));
        let len = text.len() as u64;
        assert!(allocated(&dir.path().join("src")).is_ok());
        let first = dedupe((&src, 0), (&dst, 0), TO_END, DedupeOptions::new());
        assert_eq!(
            (first.status, first.shared, first.already_shared),
            (DedupeStatus::Same, Some(len), Some(0))
        );
        let again = dedupe((&src, 0), (&dst, 0), TO_END, DedupeOptions::new());
        assert_eq!(
            (again.status, again.shared, again.already_shared),
            (DedupeStatus::Same, Some(0), Some(len))
        );
        // Other parts of the same extents are not the same bytes, though the maps name the same place: the first half of
        // an extent, and the second.
        let halves = |name: &str, at: u64| -> File {
            let file =
                File::options().read(true).write(true).create_new(true).open(dir.path().join(name)).unwrap();
            let report =
                xtent::clone_range(src.as_fd(), at, file.as_fd(), 0, 64 << 10, CloneOptions::new()).unwrap();
            assert_eq!(report.bytes_cloned, 64 << 10);
            file
        };
        let (one, other) = (halves("one", 0), halves("other", 64 << 10));
        let result = dedupe((&one, 0), (&other, 0), TO_END, DedupeOptions::new());
        assert_eq!(
            (result.status, result.shared, result.already_shared),
            (DedupeStatus::Differs, None, None)
        );
        let same = halves("same", 0);
        let result = dedupe((&one, 0), (&same, 0), TO_END, DedupeOptions::new());
        assert_eq!(
            (result.status, result.shared, result.already_shared),
            (DedupeStatus::Same, Some(0), Some(64 << 10))
        );
    });
}

#[test]
fn disk_use_never_grows() {
    everywhere("disk_use_never_grows", |fs| {
        let dir = scratch(fs);
        let path = |name: &str| dir.path().join(name);
        let mut zeros = pattern(1, 64 * BLOCK as usize);
        zeros[20 * BLOCK as usize..50 * BLOCK as usize].fill(0);
        let src = write_file(&path("src"), &zeros).unwrap();
        for (measure, blocks) in [(true, false), (true, true), (false, false), (false, true)] {
            // The same bytes with a hole, and one block of data in the middle of it.
            let dst = write_file(&path("dst"), &[]).unwrap();
            dst.set_len(zeros.len() as u64).unwrap();
            for block in (0..20).chain([30]).chain(50..64) {
                let at = (block * BLOCK) as usize;
                dst.write_all_at(&zeros[at..at + BLOCK as usize], at as u64).unwrap();
            }
            dst.sync_all().unwrap();
            let before = used(&path("dst"));
            let options = DedupeOptions::new().measure(measure).blocks(blocks);
            let result = dedupe((&src, 0), (&dst, 0), TO_END, options);
            assert_eq!(result.status, DedupeStatus::Same, "{} {measure} {blocks}", fs.name);
            assert_eq!(result.reason, xtent::Reason::WouldAllocate, "{} {measure} {blocks}", fs.name);
            assert_eq!(used(&path("dst")), before, "{} {measure} {blocks}", fs.name);
            assert_eq!(shared((&src, 0), (&dst, 0), zeros.len() as u64), 35 * BLOCK, "{}", fs.name);
        }
    });
}

fn used(path: &Path) -> u64 {
    allocated(path).expect("a file")
}

#[test]
fn as_many_targets_as_fit_a_page_and_more() {
    everywhere("as_many_targets_as_fit_a_page_and_more", |fs| {
        let dir = scratch(fs);
        let src = write_file(&dir.path().join("src"), &pattern(1, BLOCK as usize)).unwrap();
        for count in [1, 126, 127, 128, 129, 254, 255] {
            let blocks: Vec<u8> =
                (0..count).flat_map(|i| pattern(1 + u64::from(i % 5 == 4), BLOCK as usize)).collect();
            let dst = write_file(&dir.path().join("dst"), &blocks).unwrap();
            let targets: Vec<_> =
                (0..count).map(|i| DedupeTarget { fd: dst.as_fd(), offset: i as u64 * BLOCK }).collect();
            let results =
                xtent::dedupe_range(src.as_fd(), 0, TO_END, &targets, DedupeOptions::new()).unwrap();
            assert_eq!(results.len(), count);
            for (i, result) in results.iter().enumerate() {
                let wanted = if i % 5 == 4 {
                    (DedupeStatus::Differs, Some(0))
                } else {
                    (DedupeStatus::Same, Some(BLOCK))
                };
                assert_eq!((result.status, result.shared), wanted, "{} {i} of {count}", fs.name);
                let told = result.shared.unwrap() + result.already_shared.unwrap();
                assert_eq!(
                    shared((&src, 0), (&dst, i as u64 * BLOCK), BLOCK),
                    told,
                    "{} {i} of {count}",
                    fs.name
                );
            }
        }
    });
}

/// Of a partial block that is the end of one file alone the kernel says "same" without looking.
#[test]
fn a_tail_that_one_file_has_outgrown_meanwhile() {
    everywhere("a_tail_that_one_file_has_outgrown_meanwhile", |fs| {
        let dir = scratch(fs);
        let bytes = pattern(1, 10_000);
        let mut other = bytes.clone();
        other[9_999] ^= 1;
        let src = write_file(&dir.path().join("src"), &bytes).expect("a file");
        let dst = write_file(&dir.path().join("dst"), &other).expect("a file");
        let mut asked = 0;
        let result = watch(
            Calls::These(&[libc::SYS_ioctl]),
            || dedupe((&src, 0), (&dst, 0), 10_000, DedupeOptions::new()),
            |call| {
                // FIDEDUPERANGE.
                if call.arguments[1] as u32 == 0xc018_9436 && asked == 0 {
                    asked += 1;
                    dst.write_all_at(b"more", 10_000).expect("written");
                }
                Verdict::Allow
            },
        )
        .expect("a thread that is watched");
        assert_eq!(
            (asked, result.status, result.differs_at),
            (1, DedupeStatus::Differs, Some(9_999)),
            "{fs}"
        );
        assert_eq!(result.compared, 9_999, "{fs}");
        assert_eq!(result.shared, Some(8192), "{fs}");
    });
}
