//! Whether what is on disk is what was copied: both files are read again, past the page cache as far as the
//! filesystem lets one.

use std::os::fd::BorrowedFd;

use crate::buffer::{Buffer, STEP};
use crate::control::Control;
use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::Facts;
use crate::reason::Reason;
use crate::sys::{self, Errno};

use super::step::{INTERRUPTIONS, Interruptions};

/// A descriptor to read again from.
pub(crate) struct Again<'a> {
    pub(crate) file: BorrowedFd<'a>,
    /// Nobody else has its file description: it may be made O_DIRECT.
    pub(crate) ours: bool,
}

/// Reads both files to their ends and compares them. The destination is written back first, since what is only in
/// memory says nothing. Both are read with O_DIRECT where that is possible, which leaves the page cache as it is; where
/// it is not, the destination's pages are let go before. A source that the caller opened is read as it is open.
///
/// Fails with EIO and [`Reason::VerifyFailed`] when they differ, also because the source changed meanwhile.
pub(crate) fn verify(src: Again<'_>, dst: Again<'_>, control: &Control<'_>) -> Result<()> {
    let fail = |errno, reason| Error::new(Operation::CopyFile, errno, reason);
    let failed =
        |errno: Errno| fail(errno.0, explain::copy(errno.0, &Facts::of(src.file), &Facts::of(dst.file)));
    sys::sync::fsync(dst.file).map_err(failed)?;
    if !past_the_cache(&dst) {
        // It can only fail to free memory.
        sys::cache::drop_pages(dst.file, 0, 0).ok();
    }
    past_the_cache(&src);
    let (mut mine, mut theirs) = (Buffer::new(STEP), Buffer::new(STEP));
    let mut at = 0;
    loop {
        if control.is_cancelled() {
            return Err(fail(libc::ECANCELED, Reason::Cancelled));
        }
        let read = fill(&mut mine, src.file, at).map_err(failed)?;
        if fill(&mut theirs, dst.file, at).map_err(failed)? != read {
            return Err(fail(libc::EIO, Reason::VerifyFailed));
        }
        if read.is_empty() {
            return Ok(());
        }
        at += read.len() as u64;
    }
}

/// Makes reading go to the disk.
fn past_the_cache(again: &Again<'_>) -> bool {
    let direct = |flags| sys::stat::set_status_flags(again.file, flags | libc::O_DIRECT);
    again.ours && sys::stat::status_flags(again.file).and_then(direct).is_ok()
}

/// Reads a step, less only at the end of the file. A descriptor that is O_DIRECT has to begin on a block again: a short
/// read that does not end there was the end.
fn fill<'b>(buffer: &'b mut Buffer, file: BorrowedFd<'_>, at: u64) -> sys::Result<&'b [u8]> {
    let mut interruptions = Interruptions::default();
    let mut filled = 0;
    while filled < STEP {
        match sys::io::pread(file, &mut buffer.first(STEP)[filled as usize..], at + filled) {
            Ok(0) => break,
            Ok(n) => {
                filled += n as u64;
                interruptions.end();
                if !n.is_multiple_of(sys::page::page_size()) {
                    break;
                }
            }
            Err(errno) if interruptions.bear(errno, INTERRUPTIONS) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(buffer.first(filled))
}
