//! One dedupe on its way: the source's range in steps, each asked of all targets that are still equal.

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;

use crate::control::Control;
use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::extents::{Extent, Extents, Sync, blocks_onto_holes, shared_in_step};
use crate::facts::Facts;
use crate::probe::{Answer, ask_dedupe};
use crate::range::{Pair, align_down};
use crate::reason::Reason;
use crate::sys::dedupe::{MAX_TARGETS, Outcome, dedupe_range};
use crate::sys::{self, Errno};

use super::{DedupeResult, DedupeStatus, DedupeTarget};
use crate::compare::equal_prefix;

/// So much of one target is asked of the kernel at once, in bytes. It would take 1 GiB, but cannot be
/// stopped meanwhile.
const STEP: u64 = 16 << 20;

/// So much of all targets together is asked of the kernel at once, in bytes, for the same cause.
const BATCH: u64 = 4 * STEP;

/// How many targets go into one call when each has `step` bytes compared.
fn batch(step: u64) -> usize {
    (BATCH / step.max(1)).clamp(1, MAX_TARGETS as u64) as usize
}

pub(crate) struct Run<'a, 'c> {
    src: BorrowedFd<'a>,
    src_facts: Facts,
    src_off: u64,
    len: u64,
    block: u64,
    targets: Vec<Target<'a>>,
    control: Control<'c>,
    /// Bytes compared with all targets.
    done: u64,
}

struct Target<'a> {
    fd: BorrowedFd<'a>,
    facts: Facts,
    range: Pair,
    result: DedupeResult,
    /// Its range and the source's both end at the end of their files.
    ends_with_source: bool,
    /// Where sharing would fill a hole: `(from, to)`, offsets into the range.
    holes: Vec<(u64, u64)>,
    /// The kernel did not refuse it.
    asked: bool,
    /// Equal so far.
    active: bool,
}

impl<'a, 'c> Run<'a, 'c> {
    pub(crate) fn new(
        (src, src_facts): (BorrowedFd<'a>, Facts),
        src_off: u64,
        len: u64,
        block: u64,
        targets: &[DedupeTarget<'a>],
        control: Control<'c>,
    ) -> Self {
        let targets = targets.iter().map(|target| Target::new(target, &src_facts, src_off, len)).collect();
        Run { src, src_facts, src_off, len, block, targets, control, done: 0 }
    }

    pub(crate) fn finish(mut self) -> Result<Vec<DedupeResult>> {
        let before = self.measure();
        // Broken off by the caller, or by a signal that ends the process: the rest is not reached.
        let whole = self.share()?.is_continue();
        for target in self.targets.iter_mut().filter(|target| target.active && whole) {
            target.result.status = DedupeStatus::Same;
        }
        let after = self.measure();
        for ((target, before), after) in self.targets.iter_mut().zip(before).zip(after) {
            target.result.already_shared = before;
            // A writer may have unshared what was shared before: then nothing came of this call.
            target.result.shared = before.zip(after).map(|(before, after)| after.saturating_sub(before));
        }
        Ok(self.targets.into_iter().map(|target| target.result).collect())
    }

    /// How many bytes of each target's range share the source's blocks; `None` where nothing tells. Finds
    /// the holes on the way.
    fn measure(&mut self) -> Vec<Option<u64>> {
        let ours = map(self.src, self.src_off, self.len);
        let mut shared = Vec::with_capacity(self.targets.len());
        for target in &mut self.targets {
            // Addresses of two filesystems may be the same by chance.
            let comparable = self.src_facts.same_filesystem(&target.facts, self.src, target.fd);
            let theirs = comparable.then(|| map(target.fd, target.range.dst, self.len)).flatten();
            shared.push(ours.as_ref().zip(theirs).and_then(|(ours, theirs)| {
                // Of a range that does not begin on a block nothing is shared: the kernel refuses it.
                if self.src_off.is_multiple_of(self.block) && target.range.dst.is_multiple_of(self.block) {
                    target.holes = blocks_onto_holes(ours, self.src_off, &theirs, target.range.dst);
                }
                shared_in_step(ours, self.src_off, &theirs, target.range.dst)
            }));
        }
        shared
    }

    /// Asks for whole blocks, then for what is left behind the last one.
    fn share(&mut self) -> Result<ControlFlow<()>> {
        if self.len == 0 {
            // Nothing to share, and yet a target may be one that cannot be asked.
            return self.ask_all(0, 0, |_| true);
        }
        let body = align_down(self.len, self.block);
        let mut at = 0;
        while at < body {
            let step = STEP.min(body - at);
            if self.ask_all(at, step, |_| true)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at += step;
        }
        let tail = self.len - body;
        if tail == 0 {
            return Ok(ControlFlow::Continue(()));
        }
        // Of a partial block that is not the end of both files the kernel says "same" without looking.
        // It is asked all the same where it was asked nothing before: it may refuse the target.
        if self.ask_all(body, tail, |target| target.ends_with_source || body == 0)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let len = self.len;
        // Where it would have filled a hole it is compared already.
        let left = |target: &&mut Target<'_>| target.active && target.result.compared < len;
        for target in self.targets.iter_mut().filter(left).filter(|target| !target.ends_with_source) {
            target.compare(self.src, target.range.after(body));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Asks the kernel for `len` bytes at `at` into the range, for the targets that are still equal and
    /// wanted.
    fn ask_all(
        &mut self,
        at: u64,
        len: u64,
        wanted: impl Fn(&Target<'_>) -> bool,
    ) -> Result<ControlFlow<()>> {
        let active = self.targets.iter().enumerate().filter(|(_, target)| target.active && wanted(target));
        let (around, active): (Vec<usize>, Vec<usize>) =
            active.map(|(i, _)| i).partition(|i| self.targets[*i].has_hole(at, len));
        for i in around {
            if self.control.is_cancelled() {
                return Ok(ControlFlow::Break(()));
            }
            self.targets[i].take_around_holes((self.src, &self.src_facts), at, len, self.block);
            self.done += len;
        }
        for some in active.chunks(batch(len)) {
            if self.control.is_cancelled() {
                return Ok(ControlFlow::Break(()));
            }
            let asked: Vec<_> =
                some.iter().map(|i| &self.targets[*i]).map(|t| (t.fd, t.range.dst + at)).collect();
            let outcomes = match dedupe_range(self.src, self.src_off + at, len, &asked) {
                Ok(outcomes) => outcomes,
                Err(errno) if self.done == 0 => return Err(self.refused(errno)),
                // The source was cut off, say, after something was done: told by each target.
                Err(errno) => vec![Outcome::Failed(errno); some.len()],
            };
            for (i, outcome) in some.iter().zip(outcomes) {
                if outcome == Outcome::NotReached {
                    return Ok(ControlFlow::Break(()));
                }
                let target = &mut self.targets[*i];
                let piece = target.range.after(at).first(len);
                target.take(outcome, (self.src, &self.src_facts), piece, self.block);
                self.done += len;
            }
            let total = self.len.saturating_mul(self.targets.len() as u64);
            if self.control.step(self.done, total).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The kernel refused the whole call, before it looked at any target.
    fn refused(&self, errno: Errno) -> Error {
        let range = Pair { src: self.src_off, dst: self.src_off, len: self.len };
        let reason = explain::dedupe(errno.0, &self.src_facts, &self.src_facts, range);
        Error::new(Operation::DedupeRange, errno.0, reason)
    }
}

impl<'a> Target<'a> {
    fn new(target: &DedupeTarget<'a>, src_facts: &Facts, src_off: u64, len: u64) -> Self {
        let facts = Facts::of(target.fd);
        let range = Pair::checked(src_off, target.offset, len);
        let past_end = facts.inode.filter(|inode| inode.is_regular()).zip(range);
        let failed = match range {
            None => Some((libc::EOVERFLOW, Reason::Overflow)),
            // The kernel looks at each step only, and would share those before the end.
            Some(_) if past_end.is_some_and(|(inode, range)| range.dst_end() > inode.size) => {
                Some((libc::EINVAL, Reason::PastEnd))
            }
            // Nor would one step always overlap where the whole range does.
            Some(range) if facts.same_file(src_facts) && range.overlaps() => {
                Some((libc::EINVAL, Reason::Overlap))
            }
            // The kernel would share as far as the limit, and say "same" of all.
            Some(range) if range.dst_end() > sys::limit::file_size() => {
                Some((libc::EFBIG, Reason::FileSizeLimit))
            }
            Some(_) => None,
        };
        let range = range.unwrap_or(Pair { src: src_off, dst: 0, len });
        Target {
            fd: target.fd,
            facts,
            range,
            ends_with_source: Some(range.src_end()) == src_facts.size()
                && Some(range.dst_end()) == facts.size(),
            holes: Vec::new(),
            asked: false,
            active: failed.is_none(),
            result: failed
                .map_or_else(DedupeResult::default, |(errno, reason)| DedupeResult::failed(errno, reason)),
        }
    }

    /// Whether sharing `len` bytes at `at` into the range would fill a hole.
    fn has_hole(&self, at: u64, len: u64) -> bool {
        self.holes.iter().any(|(from, to)| *from < at + len && at < *to)
    }

    /// Asks for `len` bytes at `at`, except where sharing would fill a hole and disk use would grow: there
    /// the source must have zeros to be equal, and is compared by the library.
    fn take_around_holes(
        &mut self,
        (src, src_facts): (BorrowedFd<'_>, &Facts),
        at: u64,
        len: u64,
        block: u64,
    ) {
        let end = at + len;
        let holes = std::mem::take(&mut self.holes);
        let inside =
            holes.iter().map(|(from, to)| (*from.max(&at), *to.min(&end))).filter(|(from, to)| from < to);
        let mut at = at;
        // What lies behind the last hole is closed by an empty one.
        for (from, to) in inside.chain([(end, end)]) {
            if self.active && at < from {
                let piece = self.range.after(at).first(from - at);
                let outcome = match dedupe_range(src, piece.src, piece.len, &[(self.fd, piece.dst)]) {
                    Ok(outcomes) => outcomes[0],
                    Err(errno) => Outcome::Failed(errno),
                };
                self.take(outcome, (src, src_facts), piece, block);
            }
            if from < to && !self.asked {
                self.ask((src, src_facts), block);
            }
            if self.active && from < to {
                self.result.reason = Reason::WouldAllocate;
                self.compare(src, self.range.after(from).first(to - from));
            }
            at = to;
        }
        self.holes = holes;
    }

    /// Asks only whether the target would be refused: where nothing of it may be shared.
    fn ask(&mut self, src: (BorrowedFd<'_>, &Facts), block: u64) {
        let len = self.range.len.min(block);
        let ability = ask_dedupe(src, self.range.src, len, (self.fd, &self.facts));
        self.asked = true;
        if ability.answer == Answer::No {
            self.refused(ability.errno, ability.reason);
        }
    }

    fn refused(&mut self, errno: i32, reason: Reason) {
        // An overlay over a filesystem that cannot says EINVAL.
        let errno = if reason == Reason::FilesystemCannot { libc::EOPNOTSUPP } else { errno };
        let DedupeResult { compared, .. } = self.result;
        self.result = DedupeResult { compared, ..DedupeResult::failed(errno, reason) };
        self.active = false;
    }

    /// What the kernel said of `piece`.
    fn take(
        &mut self,
        outcome: Outcome,
        (src, src_facts): (BorrowedFd<'_>, &Facts),
        piece: Pair,
        block: u64,
    ) {
        self.asked = true;
        match outcome {
            Outcome::Same if piece.len.is_multiple_of(block) || self.ends_with_source => {
                self.result.compared += piece.len
            }
            // It did not look.
            Outcome::Same | Outcome::NotReached => {}
            Outcome::Differs => {
                let equal = equal_prefix(src, self.fd, piece).ok();
                let before = align_down(equal.unwrap_or(0), block);
                if before > 0 {
                    // Shares what it can; that it may be refused changes nothing of the outcome.
                    dedupe_range(src, piece.src, before, &[(self.fd, piece.dst)]).ok();
                }
                self.differs(equal.filter(|equal| *equal < piece.len));
            }
            Outcome::Failed(errno) => {
                let reason = explain::dedupe(errno.0, src_facts, &self.facts, self.range);
                self.refused(errno.0, reason);
            }
        }
    }

    /// Compares what the kernel is not asked or leaves out, if the target can be read.
    fn compare(&mut self, src: BorrowedFd<'_>, piece: Pair) {
        match equal_prefix(src, self.fd, piece) {
            Ok(equal) if equal < piece.len => self.differs(Some(equal)),
            Ok(equal) => self.result.compared += equal,
            Err(_) => {}
        }
    }

    /// A difference; behind `equal` more bytes, where that could be found.
    fn differs(&mut self, equal: Option<u64>) {
        self.result.status = DedupeStatus::Differs;
        self.result.reason = Reason::None;
        self.result.differs_at = equal.map(|equal| self.result.compared + equal);
        self.result.compared += equal.unwrap_or(0);
        self.active = false;
    }
}

/// The extents of `len` bytes at `offset`, everything in its place.
fn map(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Option<Vec<Extent>> {
    Extents::new(fd, offset, offset + len, Sync::Yes).collect::<sys::Result<_>>().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_targets_and_bytes() {
        assert_eq!(MAX_TARGETS, 127);
        assert_eq!(batch(1), 127);
        assert_eq!(batch(512 << 10), 127);
        assert_eq!(batch(STEP), 4);
        assert_eq!(batch(0), 127);
    }
}
