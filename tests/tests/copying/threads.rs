//! Many copies at once.

use xtent::{Cache, CopyOptions, Sparse};
use xtent_tests::{filesystems, pattern, scratch, write_file};

use super::{contents, copy, new};

const THREADS: usize = 64;

#[test]
fn sixty_four_copies_at_once() {
    for fs in filesystems() {
        let dir = scratch(fs);
        let shared = write_file(&dir.path().join("shared"), &pattern(0, 1_500_000)).unwrap();
        std::thread::scope(|scope| {
            for i in 0..THREADS {
                let (dir, shared) = (dir.path(), &shared);
                scope.spawn(move || {
                    let bytes = pattern(i as u64, 1_100_000 + i);
                    let src = write_file(&dir.join(format!("src{i}")), &bytes).unwrap();
                    let dst = new(&dir.join(format!("dst{i}")));
                    let options = match i % 3 {
                        0 => CopyOptions::new(),
                        1 => CopyOptions::new().cache(Cache::Neutral),
                        _ => CopyOptions::new().sparse(Sparse::Detect),
                    };
                    assert_eq!(copy(&src, &dst, options).bytes_copied, bytes.len() as u64);
                    assert!(contents(&dst) == bytes, "{fs}: copy {i}");
                    // All from one descriptor, which has no position that they could move.
                    let other = new(&dir.join(format!("other{i}")));
                    assert_eq!(copy(shared, &other, CopyOptions::new()).bytes_copied, 1_500_000);
                    assert!(contents(&other) == pattern(0, 1_500_000), "{fs}: copy {i} of one file");
                });
            }
        });
    }
}
