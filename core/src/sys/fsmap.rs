//! `FS_IOC_GETFSMAP`: what each block of a filesystem is used for (ioctl_getfsmap(2)).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// The owner is no inode.
pub(crate) const SPECIAL_OWNER: u32 = 0x10;
/// The blocks are those of an inode's extended attributes.
pub(crate) const ATTRIBUTES: u32 = 0x2;
/// The blocks hold an inode's extent map.
pub(crate) const EXTENT_MAP: u32 = 0x4;
/// FMR_OWN_UNKNOWN: in use, and the filesystem does not say by whom.
pub(crate) const UNKNOWN: u64 = 2;

/// Records asked for in one call: 64 KiB.
const BATCH: usize = 1024;

/// `struct fsmap`; offsets and lengths in bytes.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Record {
    pub(crate) device: u32,
    pub(crate) flags: u32,
    pub(crate) physical: u64,
    pub(crate) owner: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) reserved: [u64; 3],
}

/// `struct fsmap_head`, with room for records.
#[repr(C)]
struct Request {
    input_flags: u32,
    output_flags: u32,
    count: u32,
    entries: u32,
    reserved: [u64; 6],
    low: Record,
    high: Record,
    records: [Record; BATCH],
}

/// The ioctl's number has the size of the head alone.
const HEAD: usize = 192;
const FS_IOC_GETFSMAP: libc::Ioctl = libc::_IOWR::<[u8; HEAD]>(b'X' as u32, 59);

/// The next records of the device, in the order of their beginnings; none at the end. `after` is the last one that was
/// seen, or nothing for the beginning.
///
/// Who may not know the owners, and whose filesystem does not (XFS without `rmapbt`), is told of free and used space
/// only, the latter [`UNKNOWN`].
pub(crate) fn records(fd: BorrowedFd<'_>, device: u32, after: Option<&Record>) -> Result<Vec<Record>> {
    let high = Record {
        device,
        flags: u32::MAX,
        physical: u64::MAX,
        owner: u64::MAX,
        offset: u64::MAX,
        ..Record::default()
    };
    let mut request = Box::new(Request {
        input_flags: 0,
        output_flags: 0,
        count: BATCH as u32,
        entries: 0,
        reserved: [0; 6],
        low: after.copied().unwrap_or(Record { device, ..Record::default() }),
        high,
        records: [Record::default(); BATCH],
    });
    // SAFETY: FS_IOC_GETFSMAP reads the head and writes at most `count` records behind it; the request has room for
    // BATCH of them and lives until the call returns.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), FS_IOC_GETFSMAP, &raw mut *request) })?;
    Ok(request.records[..(request.entries as usize).min(BATCH)].to_vec())
}
