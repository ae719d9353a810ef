//! What a verb did.

use xtent::Report;

use crate::ffi::{Failure, Growing, Output, Result, guarded};

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
    /// Always 0.
    pub unused: u32,
    /// Bytes that a server copied without sending them here, which only XTENT_SERVER_ALLOW lets it do. It
    /// may have shared them instead.
    pub bytes_server: u64,
}

// SAFETY: repr(C), integers only, the size first.
unsafe impl Growing for xtent_report {}

impl From<&Report> for xtent_report {
    fn from(report: &Report) -> Self {
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
            unused: 0,
            bytes_server: report.bytes_server,
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
    let (Ok(told) | Err(Failure(told))) = &result;
    out.fill(&xtent_report::from(told));
    result
}
