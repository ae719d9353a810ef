//! `FS_IOC_FIEMAP`: where a file's extents lie (Documentation/filesystems/fiemap.rst).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

pub(crate) const UNKNOWN: u32 = 0x2;
pub(crate) const DELALLOC: u32 = 0x4;
pub(crate) const ENCODED: u32 = 0x8;
pub(crate) const INLINE: u32 = 0x200;
pub(crate) const TAIL: u32 = 0x400;
pub(crate) const UNWRITTEN: u32 = 0x800;
pub(crate) const SHARED: u32 = 0x2000;

/// FIEMAP_FLAG_SYNC.
const SYNC: u32 = 0x1;

/// libc does not have this one.
const FS_IOC_FIEMAP: libc::Ioctl = libc::_IOWR::<Header>(b'f' as u32, 11);

/// Extents asked for in one call: 28 KiB on the stack.
pub(crate) const BATCH: usize = 512;

/// `struct fiemap_extent`; all in bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawExtent {
    pub(crate) logical: u64,
    pub(crate) physical: u64,
    pub(crate) length: u64,
    reserved64: [u64; 2],
    pub(crate) flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap`.
#[repr(C)]
struct Header {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

#[repr(C)]
struct Request {
    header: Header,
    extents: [RawExtent; BATCH],
}

/// The first extents, [`BATCH`] at most, that touch `len` bytes at `start`, in logical order. They may
/// begin before the range and end behind it; holes are what lies between them.
///
/// With `sync` dirty pages are written back first. Without it, data that has no place on disk yet
/// comes back as [`DELALLOC`], as [`UNWRITTEN`], or (XFS, data that waits in the copy-on-write fork)
/// as a hole.
pub(crate) fn extents(fd: BorrowedFd<'_>, start: u64, len: u64, sync: bool) -> Result<Vec<RawExtent>> {
    let mut request = Request {
        header: Header {
            start,
            length: len,
            flags: if sync { SYNC } else { 0 },
            mapped_extents: 0,
            extent_count: BATCH as u32,
            reserved: 0,
        },
        // Zeros, though most files have a few extents: valgrind does not know that the kernel writes them.
        extents: [RawExtent::default(); BATCH],
    };
    // SAFETY: FS_IOC_FIEMAP reads the header and writes at most `extent_count` extents behind it;
    // `request` has room for BATCH of them and lives until the call returns.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), FS_IOC_FIEMAP, &mut request) })?;
    Ok(request.extents[..(request.header.mapped_extents as usize).min(BATCH)].to_vec())
}
