//! Extent maps straight from the kernel, Documentation/filesystems/fiemap.rst. The library under test has a reader of
//! its own; this one shares no line with it, so that one does not vouch for the other.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Bits of [`Extent::flags`], include/uapi/linux/fiemap.h.
pub mod flags {
    /// The file's last extent.
    pub const LAST: u32 = 0x1;
    /// The physical offset is not known.
    pub const UNKNOWN: u32 = 0x2;
    /// Not written back yet.
    pub const DELALLOC: u32 = 0x4;
    /// Compressed or encrypted: the length on disk is another one.
    pub const ENCODED: u32 = 0x8;
    /// The bytes lie beside the inode; offsets are not in blocks.
    pub const NOT_ALIGNED: u32 = 0x100;
    /// Allocated and reads as zeros.
    pub const UNWRITTEN: u32 = 0x800;
    /// Other files, or other places of this one, use the same blocks.
    pub const SHARED: u32 = 0x2000;
}

/// A run of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Where it stands in the file.
    pub logical: u64,
    /// Where it stands on the device.
    pub physical: u64,
    /// How many bytes.
    pub length: u64,
    /// See [`flags`].
    pub flags: u32,
}

const BATCH: usize = 128;
/// `_IOWR('f', 11, struct fiemap)`, the head of 32 bytes alone.
const FS_IOC_FIEMAP: libc::Ioctl = 0xc020_660b_u32 as libc::Ioctl;
const FIEMAP_FLAG_SYNC: u32 = 0x1;

#[repr(C)]
#[derive(Clone, Copy)]
struct RawExtent {
    logical: u64,
    physical: u64,
    length: u64,
    reserved64: [u64; 2],
    flags: u32,
    reserved: [u32; 3],
}

#[repr(C)]
struct Request {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
    extents: [RawExtent; BATCH],
}

/// Every extent of the file in order, after its dirty pages were written (`FIEMAP_FLAG_SYNC`). Holes are left out.
pub fn extents(file: &File) -> io::Result<Vec<Extent>> {
    let mut found = Vec::new();
    let mut start = 0;
    loop {
        let none =
            RawExtent { logical: 0, physical: 0, length: 0, reserved64: [0; 2], flags: 0, reserved: [0; 3] };
        let mut request = Request {
            start,
            length: u64::MAX - start,
            flags: FIEMAP_FLAG_SYNC,
            mapped_extents: 0,
            extent_count: BATCH as u32,
            reserved: 0,
            extents: [none; BATCH],
        };
        // SAFETY: the request is laid out as struct fiemap with room for the BATCH extents that it announces.
        if unsafe { libc::ioctl(file.as_raw_fd(), FS_IOC_FIEMAP, &raw mut request) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let batch = &request.extents[..request.mapped_extents as usize];
        found.extend(batch.iter().map(|raw| Extent {
            logical: raw.logical,
            physical: raw.physical,
            length: raw.length,
            flags: raw.flags,
        }));
        match batch.last() {
            Some(last) if last.flags & flags::LAST == 0 => start = last.logical + last.length,
            _ => return Ok(found),
        }
    }
}

/// How many bytes of `a` lie in blocks that `b` uses too. Both must be on one filesystem: physical offsets say nothing
/// across two. Extents whose place on disk is not known, or not in plain blocks, count as not shared.
pub fn shared_with(a: &Path, b: &Path) -> io::Result<u64> {
    let places = |path: &Path| -> io::Result<Vec<(u64, u64)>> {
        let vague = flags::UNKNOWN | flags::DELALLOC | flags::ENCODED | flags::NOT_ALIGNED;
        let extents = extents(&File::open(path)?)?;
        Ok(extents
            .iter()
            .filter(|e| e.flags & vague == 0)
            .map(|e| (e.physical, e.physical + e.length))
            .collect())
    };
    let theirs = merged(places(b)?);
    let common = |(start, end): (u64, u64)| -> u64 {
        theirs.iter().map(|&(from, to)| end.min(to).saturating_sub(start.max(from))).sum()
    };
    Ok(places(a)?.into_iter().map(common).sum())
}

/// The same ranges without overlaps: a file may use a block twice.
fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (start, end) in ranges {
        match merged.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => merged.push((start, end)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;
    use crate::{Filesystem, filesystems, pattern, scratch, skip, write_file};

    const MIB: u64 = 1 << 20;

    #[test]
    fn overlaps_are_counted_once() {
        assert_eq!(merged(vec![(8, 9), (0, 4), (4, 6), (2, 3)]), [(0, 6), (8, 9)]);
        assert_eq!(merged(vec![]), []);
    }

    #[test]
    fn a_map_longer_than_one_batch_is_read_whole() {
        for fs in with_maps("a_map_longer_than_one_batch_is_read_whole") {
            let dir = scratch(fs);
            let file = File::create_new(dir.path().join("file")).unwrap();
            let count = 3 * BATCH as u64 + 5;
            // Its size first: see write_file.
            file.set_len(count * 8192).unwrap();
            let block = pattern(2, 4096);
            for index in 0..count {
                file.write_all_at(&block, index * 8192).unwrap();
            }
            let found = extents(&file).unwrap();
            assert_eq!(found.len() as u64, count, "{fs}");
            for (index, extent) in (0..).zip(found) {
                assert_eq!((extent.logical, extent.length), (index * 8192, 4096), "{fs}");
            }
        }
    }

    #[test]
    fn a_clone_shares_and_a_copy_does_not() {
        for fs in with_maps("a_clone_shares_and_a_copy_does_not") {
            let dir = scratch(fs);
            let [a, b, c] = ["a", "b", "c"].map(|name| dir.path().join(name));
            let source = write_file(&a, &pattern(3, MIB as usize)).unwrap();
            write_file(&b, &pattern(3, MIB as usize)).unwrap();
            assert_eq!(shared_with(&a, &b).unwrap(), 0, "{fs}");
            assert_eq!(shared_with(&a, &a).unwrap(), MIB, "{fs}");

            let clone = write_file(&c, b"").unwrap();
            // SAFETY: two open descriptors, no memory.
            let result = unsafe { libc::ioctl(clone.as_raw_fd(), libc::FICLONE, source.as_raw_fd()) };
            let can = ["xfs", "xfs2", "btrfs", "overlay"].contains(&fs.name.as_str());
            if can || (fs.name == "tmpdir" && result == 0) {
                assert_eq!(result, 0, "{fs}: {}", io::Error::last_os_error());
                assert_eq!(shared_with(&a, &c).unwrap(), MIB, "{fs}");
                assert!(
                    extents(&clone).unwrap().iter().all(|extent| extent.flags & flags::SHARED != 0),
                    "{fs}"
                );
            } else {
                assert_eq!(result, -1, "{fs}");
                assert_eq!(io::Error::last_os_error().raw_os_error(), Some(libc::EOPNOTSUPP), "{fs}");
            }
        }
    }

    /// tmpfs has no extent maps: EOPNOTSUPP.
    fn with_maps(test: &str) -> Vec<&'static Filesystem> {
        let (with, without): (Vec<_>, Vec<_>) = filesystems().iter().partition(|fs| fs.kind != "tmpfs");
        if with.is_empty() {
            skip(test, "no filesystem here has extent maps");
        }
        for fs in without {
            let file = File::create_new(scratch(fs).path().join("file")).unwrap();
            assert_eq!(extents(&file).unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP), "{fs}");
        }
        with
    }
}
