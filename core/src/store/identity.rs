//! By what a filesystem, and a file as it was, are known again.

use std::os::fd::BorrowedFd;

use xxhash_rust::xxh3::xxh3_64;

use crate::facts::Kind;
use crate::roots::Looked;
use crate::sys;

/// What a file was when it was looked at: a change of its contents is one of these numbers too. 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Stamp(pub(super) u64);

impl Stamp {
    pub(super) fn of(looked: &Looked) -> Stamp {
        let mut bytes = Vec::with_capacity(7 * 8);
        bytes.extend(looked.size.to_le_bytes());
        for time in [looked.changed, looked.modified, looked.born] {
            bytes.extend(time.to_le_bytes());
        }
        Stamp(xxh3_64(&bytes).max(1))
    }
}

/// Of a filesystem, or of a subvolume: stays the same when it is mounted again, other than a device number.
pub(super) fn identity(kind: Kind, dev: u64, fd: BorrowedFd<'_>) -> u64 {
    let mut bytes = vec![kind as u8];
    match kind {
        // Its f_fsid is made of the device number.
        Kind::Xfs => bytes.extend(sys::xfs::uuid(fd).unwrap_or_default()),
        _ => {
            // That of btrfs is another one for each subvolume, as the inode numbers are.
            let fsid = sys::stat::fstatfs(fd).map(|fs| sys::stat::fsid(&fs)).unwrap_or_default();
            bytes.extend(fsid.to_le_bytes());
        }
    }
    if bytes[1..].iter().all(|byte| *byte == 0) {
        bytes.extend(dev.to_le_bytes());
    }
    xxh3_64(&bytes)
}
