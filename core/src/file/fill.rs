//! From a source, kept stable as asked for, into an empty stage.

use std::os::fd::BorrowedFd;

use crate::both::steps_down;
use crate::copy::{Again, CopyOptions, copy, verify};
use crate::error::{Error, Operation, Result};
use crate::range::TO_END;
use crate::reason::Reason;
use crate::report::Report;
use crate::stable::Stable;

use super::room::Room;
use super::source::Source;
use super::verbs::FileOptions;
use super::{Refusal, stable, whole};

/// What may be done to fill a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    Move,
    Share,
    ShareOrMove,
}

impl Fill {
    /// Fills an empty file with all of `src`; a report with an errno is of a short copy.
    pub(crate) fn run(
        self,
        src: BorrowedFd<'_>,
        dst: BorrowedFd<'_>,
        options: &mut CopyOptions<'_>,
    ) -> Result<Report> {
        match self {
            Fill::Move => move_bytes(src, dst, options),
            Fill::Share => share_blocks(src, dst, options),
            Fill::ShareOrMove => share_or_move(src, dst, options),
        }
    }
}

/// Fills the stage whole, or fails. Afterwards the source's metadata are those of what was read.
pub(super) fn fill(
    mut way: Fill,
    source: &mut Source<'_>,
    stage: BorrowedFd<'_>,
    options: &mut FileOptions<'_>,
) -> Result<Report> {
    let mut fallback = Reason::None;
    // What is compared with must be of the same moment, and the source is not.
    let compared = options.verify;
    if way != Fill::Move && !compared && matches!(options.stable, Stable::Snapshot | Stable::Best) {
        // The clone is a snapshot itself.
        match share(whole::snapshot, source.fd(), stage, &mut options.copy) {
            Err(refusal) if way == Fill::ShareOrMove && steps_down(refusal.errno) => {
                (way, fallback) = (Fill::Move, refusal.reason);
            }
            done => return done.map(|report| Report { stable: Stable::Snapshot, ..report }),
        }
    }
    let report = fill_from_held(way, source, stage, options)?;
    // Nothing was copied of an empty file.
    let fallback = if fallback != Reason::None && report.bytes() > 0 { fallback } else { report.fallback };
    Ok(Report { fallback, ..report })
}

fn fill_from_held(
    way: Fill,
    source: &mut Source<'_>,
    stage: BorrowedFd<'_>,
    options: &mut FileOptions<'_>,
) -> Result<Report> {
    let FileOptions { stable, scratch_dir, copy, verify: compared, .. } = options;
    let held = stable::hold(*stable, source, *scratch_dir, &copy.control).map_err(told)?;
    let stop = || held.still().is_err();
    let mut lent = copy.lend_until(&stop);
    let done = way.run(held.file(), stage, &mut lent).and_then(|report| match report.errno {
        0 if *compared => {
            let written = Again { file: stage, ours: true };
            verify(held.again(), written, &lent.control).map(|()| report)
        }
        0 => Ok(report),
        // Short: there is no such file.
        errno => Err(Error::new(OP, errno, report.reason)),
    });
    // A source that is stable no more ends it just as the caller would, and differs.
    let may_be_that = |error: &Error| matches!(error.reason, Reason::Cancelled | Reason::VerifyFailed);
    if done.as_ref().map_or_else(may_be_that, |_| true) {
        held.still().map_err(told)?;
    }
    let report = Report { stable: held.way(), ..done? };
    let stat = held.stat().map_err(told)?;
    drop(held);
    if let Some(stat) = stat {
        source.was(stat);
    }
    Ok(report)
}

/// Until the verb tells.
const OP: Operation = Operation::CopyFile;

fn told(refusal: Refusal) -> Error {
    refusal.of(OP)
}

fn move_bytes(src: BorrowedFd<'_>, stage: BorrowedFd<'_>, options: &mut CopyOptions<'_>) -> Result<Report> {
    let room = Room::make(src, stage, options.sparse);
    let report = copy((src, 0), (stage, 0), TO_END, options)?;
    room.leave(stage, &report);
    Ok(report)
}

fn share_blocks(src: BorrowedFd<'_>, stage: BorrowedFd<'_>, options: &mut CopyOptions<'_>) -> Result<Report> {
    share(whole::clone, src, stage, options)
}

fn share(
    clone: fn(BorrowedFd<'_>, BorrowedFd<'_>) -> std::result::Result<u64, Refusal>,
    src: BorrowedFd<'_>,
    stage: BorrowedFd<'_>,
    options: &mut CopyOptions<'_>,
) -> Result<Report> {
    let cloned = clone(src, stage).map_err(told)?;
    if options.control.step(cloned, cloned).is_break() {
        return Err(Error::new(OP, libc::ECANCELED, Reason::Cancelled));
    }
    Ok(Report { bytes_cloned: cloned, ..Report::default() })
}

fn share_or_move(
    src: BorrowedFd<'_>,
    stage: BorrowedFd<'_>,
    options: &mut CopyOptions<'_>,
) -> Result<Report> {
    match share_blocks(src, stage, options) {
        Err(refusal) if steps_down(refusal.errno) => {
            let report = move_bytes(src, stage, options)?;
            // Nothing was copied of an empty file.
            let fallback = if report.bytes() > 0 { refusal.reason } else { Reason::None };
            Ok(Report { fallback, ..report })
        }
        done => done,
    }
}
