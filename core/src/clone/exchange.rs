//! The source's range, cloned into an unlinked file, changes places with the destination's range: all or
//! nothing, also when the process is killed or the machine stops.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::facts::{Facts, Kind};
use crate::range::{Pair, TO_END};
use crate::scratch;
use crate::sys;
use crate::sys::xfs::{CAN_EXCHANGE, Length};

/// Whether the destination's filesystem was made with it. That it works only the exchange itself tells.
pub(super) fn is_there(dst: BorrowedFd<'_>, facts: &Facts) -> bool {
    facts.kind() == Kind::Xfs && sys::xfs::geometry_flags(dst).is_ok_and(|flags| flags & CAN_EXCHANGE != 0)
}

/// Where the exchange begins; `None` where none can: an exchange begins on a block, and not behind the end
/// of the destination.
pub(super) fn begins(dst_off: u64, dst_size: u64, block: u64) -> Option<u64> {
    let from = dst_off.min(dst_size);
    from.is_multiple_of(block).then_some(from)
}

/// The source's range in a file of our own, at the offset that it is to have in the destination.
pub(super) struct Staged {
    file: OwnedFd,
    range: Pair,
}

impl Staged {
    pub(super) fn clone(
        (src, dst): (BorrowedFd<'_>, BorrowedFd<'_>),
        range: Pair,
        file: OwnedFd,
    ) -> sys::Result<Staged> {
        scratch::lies_like(file.as_fd(), dst);
        let to_end = range.len == TO_END;
        let len = if to_end { 0 } else { range.len };
        let staged = Staged { file, range };
        if let Err(errno) = sys::clone::clone_range(src, range.src, staged.file.as_fd(), range.dst, len) {
            // A beginning of it may be there, and another way needs the room.
            staged.discard();
            return Err(errno);
        }
        // Where the kernel saw the end of the source.
        let size = sys::stat::fstat(staged.file.as_fd())?.st_size as u64;
        let len = if to_end { size.saturating_sub(range.dst) } else { range.len };
        Ok(Staged { range: Pair { len, ..range }, ..staged })
    }

    /// The range as it was staged.
    pub(super) fn range(&self) -> Pair {
        self.range
    }

    /// Puts it in its place, from `begins` on. A destination that was smaller grows.
    pub(super) fn exchange(&self, dst: BorrowedFd<'_>, begins: u64, dst_size: u64) -> sys::Result<()> {
        let end = self.range.dst_end();
        let length = if end > dst_size { Length::ToEnds } else { Length::Bytes(end - begins) };
        sys::xfs::exchange_range(self.file.as_fd(), dst, begins, length)
    }

    /// Gives the space back at once: XFS frees the blocks of an unlinked file some time after it was closed.
    pub(super) fn discard(self) {
        sys::truncate::set_size(self.file.as_fd(), 0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_exchange_can_begin() {
        assert_eq!(begins(8192, 65536, 4096), Some(8192));
        assert_eq!(begins(8192, 10_000, 4096), Some(8192));
        assert_eq!(begins(8192, 8192, 4096), Some(8192));
        // Behind the end: what lies between is exchanged too, as a hole.
        assert_eq!(begins(65536, 8192, 4096), Some(8192));
        assert_eq!(begins(65536, 10_000, 4096), None);
        assert_eq!(begins(100, 65536, 4096), None);
    }
}
