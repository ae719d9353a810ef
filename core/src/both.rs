//! `clone_or_copy_range`: the policy on top of the two verbs, always by that name.

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use crate::clone::clone_bare;
use crate::copy::{CopyOptions, copy, usable};
use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::Facts;
use crate::probe::ask_clone;
use crate::range::{Pair, Split, split};
use crate::reason::Reason;
use crate::report::{Destination, Report};

/// Clones what of the range can be cloned, and copies the rest.
///
/// Where both offsets have the same remainder by the filesystem's block size, the whole blocks between
/// are cloned and the ragged ends copied; otherwise, or where a clone is refused, everything is copied.
/// The report says how many bytes went which way, and its `fallback` why some were not cloned.
///
/// It may come back short, as [`copy_range`](crate::copy_range) does and for the same causes.
/// Cancellation is looked at between steps; the clone is one step, whatever its length.
///
/// # Errors
///
/// Those of [`copy_range`](crate::copy_range), when nothing was done yet. A clone that fails with `EIO`,
/// `ENOSPC`, `EDQUOT`, `ENOMEM` or `EFBIG` never turns into a copy. Nothing is kept to undo it: what it came
/// to counts as done, and what comes behind is as it was.
pub fn clone_or_copy_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    dst: BorrowedFd<'_>,
    dst_off: u64,
    len: u64,
    mut options: CopyOptions<'_>,
) -> Result<Report> {
    let fail = |errno, reason| Error::new(OP, errno, reason);
    let range =
        Pair::checked(src_off, dst_off, len).ok_or_else(|| fail(libc::EOVERFLOW, Reason::Overflow))?;
    let (src_facts, dst_facts) = (Facts::of(src), Facts::of(dst));
    usable(src, dst).map_err(|errno| fail(errno.0, explain::copy(errno.0, &src_facts, &dst_facts)))?;
    let seen = |facts: &Facts| facts.seen().map_err(|errno| fail(errno.0, explain::unseen(errno)));
    let (from, to) = (seen(&src_facts)?, seen(&dst_facts)?);
    let (src_size, block) = (from.inode.size, to.filesystem.block);
    let whole = range.within(src_size);
    if from.inode.same(&to.inode) && whole.overlaps() {
        return Err(fail(libc::EINVAL, Reason::Overlap));
    }
    let mut job = Job { src, dst, range: whole, options: &mut options, report: Report::default() };

    let stop = match split(whole, block, src_size, to.inode.size) {
        Some(parts) => job.parts(parts, block),
        None => {
            // Where no clone is possible at all, that is why; else the range is.
            let impossible = ask_clone(src, dst, &src_facts, &dst_facts).err();
            job.falls_back(impossible.map_or(Reason::Misaligned, |(_, reason)| reason), block);
            // The caller's own length: of a source that says it is empty only a copy finds the end.
            job.range = range;
            job.copy(range.len)
        }
    };
    let mut report = job.report;
    if let ControlFlow::Break(Some(error)) = stop {
        if report.bytes() == 0 {
            return Err(error.told_by(OP));
        }
        report.append(&error.report);
    }
    if report.bytes_copied + report.bytes_hole + report.bytes_server == 0 {
        // Nothing was copied after all.
        (report.fallback, report.alignment) = (Reason::None, 0);
    }
    Ok(report)
}

const OP: Operation = Operation::CloneOrCopyRange;

/// Whether to go on with the next part. What stops is an error, or a copy that came back short.
type Next = ControlFlow<Option<Error>>;

struct Job<'a, 'c> {
    src: BorrowedFd<'a>,
    dst: BorrowedFd<'a>,
    range: Pair,
    options: &'a mut CopyOptions<'c>,
    report: Report,
}

impl Job<'_, '_> {
    fn parts(&mut self, Split { head, middle, tail }: Split, block: u64) -> Next {
        if head + tail > 0 {
            self.falls_back(Reason::Misaligned, block);
        }
        if head > 0 {
            self.copy(head)?;
        }
        if self.options.control.is_cancelled() {
            return ControlFlow::Break(Some(Error::new(OP, libc::ECANCELED, Reason::Cancelled)));
        }
        match self.clone(middle) {
            Ok(()) if tail == 0 => self.tell(),
            Ok(()) => {
                self.tell()?;
                self.copy(tail)
            }
            Err(refusal) if steps_down(refusal.errno) => {
                self.falls_back(refusal.reason, refusal.report.alignment);
                self.copy(middle + tail)
            }
            Err(error) => ControlFlow::Break(Some(error)),
        }
    }

    fn falls_back(&mut self, reason: Reason, alignment: u64) {
        self.report.fallback = reason;
        self.report.alignment = if reason == Reason::Misaligned { alignment } else { 0 };
    }

    /// A clone that fails half-way is short, as a copy is: what it came to is done.
    fn clone(&mut self, len: u64) -> Result<()> {
        let part = self.range.after(self.report.bytes()).first(len);
        match clone_bare(self.src, self.dst, part) {
            Ok(report) => self.report.append(&report),
            Err(mut error) => {
                if let Some(Destination::Changed { from, to }) = error.report.destination
                    && to != u64::MAX
                {
                    self.report.bytes_cloned += to - from;
                    error.report.destination = Some(Destination::Untouched);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Tells of the clone, which was one step.
    fn tell(&mut self) -> Next {
        let (done, total) = (self.report.bytes(), self.range.len);
        if self.options.control.part(0, total).step(done, total).is_continue() {
            return ControlFlow::Continue(());
        }
        (self.report.errno, self.report.reason) = (libc::ECANCELED, Reason::Cancelled);
        ControlFlow::Break(None)
    }

    fn copy(&mut self, len: u64) -> Next {
        let done = self.report.bytes();
        let part = self.range.after(done);
        self.options.control.part(done, self.range.len);
        match copy((self.src, part.src), (self.dst, part.dst), len, self.options) {
            Ok(report) => {
                self.report.append(&report);
                if report.bytes() < len { ControlFlow::Break(None) } else { ControlFlow::Continue(()) }
            }
            Err(error) => ControlFlow::Break(Some(error)),
        }
    }
}

/// Whether a clone that failed with `errno` was refused because this way is not available here, so that
/// copying is a way. What tells of a full or failing disk never is, nor a wrong descriptor.
pub(crate) fn steps_down(errno: i32) -> bool {
    matches!(
        errno,
        libc::EXDEV
            | libc::EOPNOTSUPP
            | libc::ENOTTY
            | libc::ENOSYS
            | libc::EINVAL
            // An idmapped mount in a user namespace, a container's filter.
            | libc::EPERM
            | libc::EACCES
            | libc::ETXTBSY
            // ZFS, for blocks that are not on disk yet.
            | libc::EAGAIN
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_refusals_step_down() {
        for errno in [
            libc::EIO,
            libc::ENOSPC,
            libc::EDQUOT,
            libc::ENOMEM,
            libc::EFBIG,
            libc::EINTR,
            libc::EBADF,
            libc::EROFS,
        ] {
            assert!(!steps_down(errno), "{errno}");
        }
        for errno in [libc::EXDEV, libc::EOPNOTSUPP, libc::EINVAL, libc::EPERM] {
            assert!(steps_down(errno), "{errno}");
        }
    }
}
