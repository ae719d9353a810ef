//! Blocks in advance, where that makes writing faster: only for a file that is nobody else's yet.

use std::os::fd::BorrowedFd;

use crate::copy::Sparse;
use crate::extents::{Extents, Sync};
use crate::facts::{Inode, Kind};
use crate::report::Report;
use crate::sys;

/// Below this the call costs what it saves.
const WORTH_A_CALL: u64 = 256 << 10;

/// ext4 promises blocks to dirty pages one by one, and finds them when it writes back. Where there are blocks already a
/// copy takes a quarter less of the processor, and no more when it is written back. XFS and btrfs gain nothing.
///
/// They lie behind the end of the file until it grows over them, and what it does not come to is given back by cutting the
/// file: what another program appended meanwhile would be cut off too. So this is not for a caller's file.
pub(super) struct Room(Option<u64>);

impl Room {
    /// For all of `src`, if it has no holes and will have none. Whether that works changes nothing but the time that writing takes, which
    /// has errors of its own.
    pub(super) fn make(src: BorrowedFd<'_>, stage: BorrowedFd<'_>, sparse: Sparse) -> Room {
        let source = sys::stat::fstat(src).map(|stat| Inode::from(&stat)).ok();
        let size = source.filter(|inode| inode.allocated >= inode.size).map_or(0, |inode| inode.size);
        let on_ext4 = || sys::stat::fstatfs(stage).is_ok_and(|fs| Kind::of(fs.f_type as u32) == Kind::Ext);
        // Space that was reserved and never written becomes a hole too.
        let is_data = || Extents::new(src, 0, size, Sync::No).flatten().all(|extent| extent.is_data());
        if size < WORTH_A_CALL || sparse == Sparse::Detect || !on_ext4() || !is_data() {
            return Room(None);
        }
        // After a failure a part of it may be there.
        sys::fallocate::reserve(stage, 0, size).ok();
        Room(Some(size))
    }

    /// Gives back what the copy did not come to, because the source was cut shorter.
    pub(super) fn leave(self, stage: BorrowedFd<'_>, report: &Report) {
        if self.0.is_some_and(|size| report.bytes() < size) {
            sys::truncate::set_size(stage, report.bytes()).ok();
        }
    }
}
