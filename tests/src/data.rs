//! File contents, and the room they take.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::random::Random;

/// `len` bytes that depend on `seed` alone. No two blocks are equal and nothing compresses, so that a filesystem
/// finds nothing to share or to shrink by itself.
pub fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut random = Random(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.word().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A new file with these bytes, on disk when this returns: blocks are only allocated, and extent maps only stand
/// still, once written back.
pub fn write_file(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    // XFS gives a file that grows by writing blocks in advance, which count until it is closed and read as unwritten
    // extents where a hole was meant, xfs(5) allocsize. One that has its size already gets what it needs.
    file.set_len(bytes.len() as u64)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(file)
}

/// Bytes on disk that the file is charged for, st_blocks of stat(2); shared blocks are charged to each of their files.
pub fn allocated(path: &Path) -> io::Result<u64> {
    let file = File::open(path)?;
    // Delayed allocation is counted differently by each filesystem.
    file.sync_all()?;
    Ok(file.metadata()?.blocks() * 512)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{filesystems, scratch};

    #[test]
    fn a_pattern_is_its_seed() {
        assert_eq!(pattern(7, 10_001), pattern(7, 10_001));
        assert_eq!(pattern(7, 100), pattern(7, 200)[..100]);
        assert_ne!(pattern(0, 4096), pattern(1, 4096));
        let bytes = pattern(0, 3 * 4096);
        assert_ne!(bytes[..4096], bytes[4096..8192]);
        assert!(pattern(3, 0).is_empty());
    }

    #[test]
    fn a_written_file_takes_its_room() {
        for fs in filesystems() {
            let dir = scratch(fs);
            let path = dir.path().join("file");
            write_file(&path, &pattern(1, 1 << 20)).unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), pattern(1, 1 << 20), "{fs}");
            assert_eq!(allocated(&path).unwrap(), 1 << 20, "{fs}");
        }
    }
}
