//! What a verb did.

use std::ffi::c_int;

use xtent::{Destination, Protection, Report};

use crate::ffi::{Failure, Growing, Output, Result, guarded};

/// For `destination`: no clone failed.
pub const XTENT_DESTINATION_NONE: u32 = 0;
/// For `destination`: it is as it was; nothing was changed. Of the times the kernel changes some before it looks for
/// space: the modification time is put back where the caller owns the file, and st_ctime never.
pub const XTENT_DESTINATION_UNTOUCHED: u32 = 1;
/// For `destination`: it is as it was again: bytes, holes and size, and the modification time where the
/// caller owns the file, but never st_ctime. Space that was preallocated and never written is a hole now.
pub const XTENT_DESTINATION_RESTORED: u32 = 2;
/// For `destination`: from `changed_from` up to `changed_to` it may be other than it was, and its size too;
/// outside it is as it was. Where nothing was kept these bytes are the source's.
pub const XTENT_DESTINATION_CHANGED: u32 = 3;

/// For `protection`: nothing stood between a failure and the destination.
pub const XTENT_PROTECTION_NONE: u32 = 0;
/// For `protection`: the range was empty, and the old size enough to go back.
pub const XTENT_PROTECTION_SIZE: u32 = 1;
/// For `protection`: the range changed in one moment.
pub const XTENT_PROTECTION_EXCHANGE: u32 = 2;
/// For `protection`: the old range was kept aside.
pub const XTENT_PROTECTION_UNDO: u32 = 3;

/// What a verb did, written on success and on failure alike. Begin with XTENT_REPORT_INIT. All
/// amounts are bytes of the range that was asked for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_report {
    /// sizeof(struct xtent_report).
    pub size: u32,
    /// Why the verb ended before the whole range was done: XTENT_REASON_..., XTENT_REASON_NONE when
    /// nothing was in the way (also when a copy just met the end of the source).
    pub reason: i32,
    /// The errno that goes with `reason`, positive; 0 when there is none.
    pub error: i32,
    /// xtent_clone_or_copy_range only: why bytes that could have been cloned were copied.
    pub fallback: i32,
    /// Bytes that are done, from the beginning of the range on: the sum of `bytes_copied`,
    /// `bytes_cloned`, `bytes_hole` and `bytes_server`.
    pub bytes: u64,
    /// Bytes that were read and written, so that the destination has blocks of its own.
    pub bytes_copied: u64,
    /// Bytes that share the source's blocks now because the kernel cloned them.
    pub bytes_cloned: u64,
    /// Bytes that are a hole in the source, and were made or left a hole in the destination.
    pub bytes_hole: u64,
    /// The multiple that offsets and lengths need, in bytes, when `reason` or `fallback` is
    /// XTENT_REASON_MISALIGNED or XTENT_REASON_PARTIAL_BLOCK; else 0.
    pub alignment: u64,
    /// File verbs only, metadata that was to be kept and could not be: any of XTENT_PRESERVE_...
    pub unkept: u32,
    /// After an error of a clone, what the destination is now: XTENT_DESTINATION_... (After
    /// xtent_clone_or_copy_range: behind the bytes that are done.)
    pub destination: u32,
    /// Bytes that a server copied without sending them here, which only XTENT_SERVER_ALLOW lets it do. It
    /// may have shared them instead.
    pub bytes_server: u64,
    /// xtent_clone_range only, what stood between a failure and the destination: XTENT_PROTECTION_...
    pub protection: u32,
    /// With `keep_undo` and XTENT_DESTINATION_CHANGED, a file with the old bytes of the range at their
    /// offsets and the destination's old size, open for reading and writing; yours to close. Else 0.
    pub undo_fd: i32,
    /// With XTENT_DESTINATION_CHANGED, an offset in the destination.
    pub changed_from: u64,
    /// With XTENT_DESTINATION_CHANGED, an offset in the destination, or XTENT_TO_END if it is not known.
    pub changed_to: u64,
    /// How many bytes of space were set aside, during the call, for the way back.
    pub undo_reserve: u64,
    /// File verbs only, how the source was kept stable: XTENT_STABLE_...
    pub stable: u32,
    /// Always 0.
    pub unused: u32,
}

// SAFETY: repr(C), integers only, the size first.
unsafe impl Growing for xtent_report {}

impl From<&Report> for xtent_report {
    fn from(report: &Report) -> Self {
        let (destination, changed_from, changed_to) = match report.destination {
            None => (XTENT_DESTINATION_NONE, 0, 0),
            Some(Destination::Untouched) => (XTENT_DESTINATION_UNTOUCHED, 0, 0),
            Some(Destination::Restored) => (XTENT_DESTINATION_RESTORED, 0, 0),
            Some(Destination::Changed { from, to }) => (XTENT_DESTINATION_CHANGED, from, to),
        };
        xtent_report {
            size: size_of::<Self>() as u32,
            reason: report.reason.code(),
            error: report.errno,
            fallback: report.fallback.code(),
            bytes: report.bytes(),
            bytes_copied: report.bytes_copied,
            bytes_cloned: report.bytes_cloned,
            bytes_hole: report.bytes_hole,
            alignment: report.alignment,
            unkept: report.unkept.bits(),
            destination,
            protection: match report.protection {
                Protection::None => XTENT_PROTECTION_NONE,
                Protection::Size => XTENT_PROTECTION_SIZE,
                Protection::Exchange => XTENT_PROTECTION_EXCHANGE,
                Protection::Undo => XTENT_PROTECTION_UNDO,
            },
            changed_from,
            changed_to,
            undo_reserve: report.undo_reserve,
            undo_fd: 0,
            bytes_server: report.bytes_server,
            stable: report.stable.code(),
            unused: 0,
        }
    }
}

/// Calls a verb, and writes what it did into the caller's report, if there is one.
// SAFETY: as for `Output::new`.
pub(crate) unsafe fn reporting(
    report: *mut xtent_report,
    verb: impl FnOnce() -> Result<Report>,
) -> Result<Report> {
    // SAFETY: as the caller of this function says.
    let out = unsafe { Output::new(report)? };
    let result = guarded(verb);
    tell(&out, &result, 0);
    result
}

/// Writes what a verb did into the caller's report, and which file is handed over.
pub(crate) fn tell(out: &Output<xtent_report>, result: &Result<Report>, undo_fd: c_int) {
    let (Ok(told) | Err(Failure(told))) = result;
    out.fill(&xtent_report { undo_fd, ..told.into() });
}
