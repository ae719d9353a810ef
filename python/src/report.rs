//! What happened to how many bytes.

use crate::enums::{Destination, Protection, Reason};
use crate::preserve::{Kept, NOTHING};
use crate::record::record;
use crate::stable::{NONE, Stable};

record! {
    /// What a verb did, on success and on failure alike. All amounts are bytes of the range asked for.
    Report {
        /// Bytes that were read and written again, so that the destination has its own blocks.
        bytes_copied: u64 = 0,
        /// Bytes that now share the source's blocks because the kernel cloned them.
        bytes_cloned: u64 = 0,
        /// Bytes that are a hole in the source and were made, or left, a hole in the destination.
        bytes_hole: u64 = 0,
        /// Why it ended before the whole range was done; None when nothing was in the way (also when a
        /// copy simply met the end of the source).
        reason: Option<Reason> = None,
        /// The errno that goes with reason.
        errno: Option<i32> = None,
        /// clone_or_copy_range() only: why bytes that could have been asked for as a clone were copied.
        fallback: Option<Reason> = None,
        /// The multiple that offsets and lengths need, in bytes, when reason or fallback is MISALIGNED
        /// or PARTIAL_BLOCK.
        alignment: Option<u64> = None,
        /// copy_file() and its kin only: metadata that was to be kept and could not be, in the words of
        /// their argument preserve.
        unkept: Kept = NOTHING,
        /// Bytes that a server copied without sending them here, which only server="allow" lets it do. It
        /// may have shared them instead.
        bytes_server: u64 = 0,
        /// After an error of a clone, what the destination is now. (After clone_or_copy_range(): behind
        /// the bytes that are done.)
        destination: Option<Destination> = None,
        /// With CHANGED, an offset in the destination.
        changed_from: Option<u64> = None,
        /// With CHANGED, an offset in the destination; None also where it is not known.
        changed_to: Option<u64> = None,
        /// clone_range() only: what stood between a failure and the destination.
        protection: Option<Protection> = None,
        /// Bytes of space that were set aside, during the call, for the way back.
        undo_reserve: u64 = 0,
        /// copy_file() and its kin only: how src was kept stable, in the words of their argument stable.
        stable: Stable = NONE,
    }

    /// Bytes of the range that are done, from its beginning on, whichever way they went.
    #[getter]
    fn bytes(&self) -> u64 {
        let ways = [self.bytes_copied, self.bytes_cloned, self.bytes_hole, self.bytes_server];
        ways.into_iter().fold(0, u64::saturating_add)
    }
}

impl From<xtent::Report> for Report {
    fn from(report: xtent::Report) -> Self {
        let (changed_from, changed_to) = match report.destination {
            Some(xtent::Destination::Changed { from, to }) => (Some(from), (to != u64::MAX).then_some(to)),
            _ => (None, None),
        };
        Report {
            bytes_copied: report.bytes_copied,
            bytes_cloned: report.bytes_cloned,
            bytes_hole: report.bytes_hole,
            reason: Reason::of(report.reason),
            errno: (report.errno != 0).then_some(report.errno),
            fallback: Reason::of(report.fallback),
            alignment: (report.alignment != 0).then_some(report.alignment),
            unkept: Kept(report.unkept),
            bytes_server: report.bytes_server,
            destination: report.destination.map(Destination::from),
            changed_from,
            changed_to,
            protection: Protection::of(report.protection),
            undo_reserve: report.undo_reserve,
            stable: Stable(report.stable),
        }
    }
}
