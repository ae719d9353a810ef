//! One target of a dedupe: what is known of it, and what became of it so far.

use std::os::fd::BorrowedFd;

use crate::explain;
use crate::extents::{Extent, Sync};
use crate::facts::{Facts, Kind};
use crate::probe::Answer;
use crate::range::{Pair, align_down};
use crate::reason::Reason;
use crate::sys;
use crate::sys::dedupe::Outcome;

use super::maps::{Maps, map};
use super::plan::{Part, parts, worth_skipping};
use super::ranges::Ranges;
use super::source::Source;
use super::{DedupeResult, DedupeStatus, DedupeTarget};

pub(crate) struct Target<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    facts: Facts,
    range: Pair,
    result: DedupeResult,
    /// Its range and the source's both end at the end of their files.
    pub(crate) ends_with_source: bool,
    /// The maps before anything was done.
    before: Option<Maps>,
    /// What needs no asking, and where sharing would fill a hole.
    skip: Ranges,
    holes: Ranges,
    /// What was found equal.
    equal: Ranges,
    /// The kernel did not refuse it.
    asked: bool,
    /// The kernel shared something.
    touched: bool,
    /// Equal so far.
    pub(crate) active: bool,
}

impl<'a> Target<'a> {
    pub(crate) fn new(target: &DedupeTarget<'a>, source: &Source<'_>) -> Self {
        let facts = Facts::of(target.fd);
        let range = Pair::checked(source.offset, target.offset, source.len);
        let past_end = facts.inode.filter(|inode| inode.is_regular()).zip(range);
        let failed = match range {
            None => Some((libc::EOVERFLOW, Reason::Overflow)),
            // The kernel looks at each step only, and would share those before the end.
            Some(_) if past_end.is_some_and(|(inode, range)| range.dst_end() > inode.size) => {
                Some((libc::EINVAL, Reason::PastEnd))
            }
            // Nor would one step always overlap where the whole range does.
            Some(range) if facts.same_file(&source.facts) && range.overlaps() => {
                Some((libc::EINVAL, Reason::Overlap))
            }
            // The kernel would share as far as the limit, and say "same" of all.
            Some(range) if range.dst_end() > sys::limit::file_size() => {
                Some((libc::EFBIG, Reason::FileSizeLimit))
            }
            Some(_) => None,
        };
        let range = range.unwrap_or(Pair { src: source.offset, dst: 0, len: 0 });
        Target {
            fd: target.fd,
            facts,
            range,
            ends_with_source: Some(range.src_end()) == source.facts.size()
                && Some(range.dst_end()) == facts.size(),
            before: None,
            skip: Ranges::default(),
            holes: Ranges::default(),
            equal: Ranges::default(),
            asked: false,
            touched: false,
            active: failed.is_none(),
            result: failed
                .map_or_else(DedupeResult::default, |(errno, reason)| DedupeResult::failed(errno, reason)),
        }
    }

    /// Looks at the maps before anything is done; `ours` is the source's.
    pub(crate) fn look(&mut self, source: &Source<'_>, ours: Option<&[Extent]>) {
        self.before = self.compare_maps(source, ours);
        // Of a range that does not begin on a block nothing is shared: the kernel refuses it.
        let aligned =
            [self.range.src, self.range.dst].iter().all(|offset| offset.is_multiple_of(source.block));
        if let Some(maps) = self.before.as_ref().filter(|_| aligned && self.active) {
            self.skip = worth_skipping(maps.equal(), self.range.len);
            self.holes = maps.holes.clone();
        }
    }

    fn compare_maps(&self, source: &Source<'_>, ours: Option<&[Extent]>) -> Option<Maps> {
        // Addresses of two filesystems may be the same by chance.
        let comparable = source.facts.same_filesystem(&self.facts, source.fd, self.fd);
        let theirs = comparable.then(|| map(self.fd, self.range.dst, self.range.len, Sync::Yes)).flatten()?;
        Some(Maps::compare(ours?, self.range.src, &theirs, self.range.dst))
    }

    /// Whether the maps have to be looked at again: else nothing came of this call.
    pub(crate) fn is_touched(&self) -> bool {
        self.touched
    }

    /// What became of it, when the call is done with everything, or was broken off; `ours` is the source's map by now.
    pub(crate) fn finish(
        mut self,
        source: &Source<'_>,
        ours: Option<&[Extent]>,
        whole: bool,
    ) -> DedupeResult {
        if self.active && whole {
            self.result.status = DedupeStatus::Same;
        }
        self.result.compared = self.equal.prefix();
        let shared = |maps: &Maps| maps.shared(&self.equal);
        let before = self.before.as_ref().and_then(shared);
        let after = if self.touched {
            self.compare_maps(source, ours).as_ref().and_then(shared)
        } else {
            before.clone()
        };
        self.result.already_shared = before.as_ref().map(Ranges::total);
        self.result.shared = before.zip(after).map(|(before, after)| after.without(&before).total());
        self.result
    }

    /// What of `from..to` needs what.
    pub(crate) fn parts(&self, from: u64, to: u64) -> Vec<(Part, u64, u64)> {
        parts(from, to, &self.skip, &self.holes)
    }

    /// Brings what will be compared of `from..to` into the page cache.
    pub(crate) fn fetch(&self, source: &mut Source<'_>, from: u64, to: u64) {
        for (_, from, to) in self.parts(from, to).into_iter().filter(|(part, ..)| *part != Part::Skip) {
            let Source { reader, fd, facts, offset, .. } = source;
            reader.fetch(*fd, facts, *offset + from, *offset + to);
            reader.fetch(self.fd, &self.facts, self.range.dst + from, self.range.dst + to);
        }
    }

    /// Begins to do so for what comes later.
    pub(crate) fn fetch_ahead(&self, source: &Source<'_>, from: u64, to: u64) {
        for (_, from, to) in self.parts(from, to).into_iter().filter(|(part, ..)| *part != Part::Skip) {
            source.reader.fetch_ahead(source.fd, source.offset + from, source.offset + to);
            source.reader.fetch_ahead(self.fd, self.range.dst + from, self.range.dst + to);
        }
    }

    /// Whether a look at the first bytes shows a difference.
    pub(crate) fn differs_at_once(&self, source: &mut Source<'_>) -> bool {
        source.reader.differ_at_once(source.fd, self.fd, self.range)
    }

    /// Where a part of the range begins in the target.
    pub(crate) fn place(&self, from: u64) -> (BorrowedFd<'a>, u64) {
        (self.fd, self.range.dst + from)
    }

    /// Does what each part of `from..to` needs.
    pub(crate) fn step(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        for (part, from, to) in self.parts(from, to) {
            if !self.active {
                return;
            }
            if part == Part::Ask {
                let outcome = self.ask(source, from, to);
                self.take(source, outcome, from, to);
                continue;
            }
            if !self.asked {
                self.ask_whether(source);
            }
            match part {
                _ if !self.active => return,
                Part::Skip => self.equal.push(from, to),
                _ => {
                    self.result.reason = Reason::WouldAllocate;
                    self.compare(source, from, to);
                }
            }
        }
    }

    fn ask(&self, source: &mut Source<'_>, from: u64, to: u64) -> Outcome {
        match source.ask(from, to, &[self.place(from)]) {
            Ok(outcomes) => outcomes[0],
            Err(errno) => Outcome::Failed(errno),
        }
    }

    /// Asks only whether the target would be refused: where nothing of it may be shared.
    fn ask_whether(&mut self, source: &Source<'_>) {
        let ability = source.accepts(self.fd, &self.facts);
        match ability.answer {
            Answer::No => self.refused(ability.errno, ability.reason),
            _ => self.asked = true,
        }
    }

    fn refused(&mut self, errno: i32, reason: Reason) {
        // An overlay over a filesystem that cannot says EINVAL.
        let errno = if reason == Reason::FilesystemCannot { libc::EOPNOTSUPP } else { errno };
        self.result = DedupeResult::failed(errno, reason);
        self.active = false;
        if !self.asked && reason != Reason::Misaligned && self.facts.kind() == Kind::Overlay {
            // Not for its range. Below there may be two filesystems, whose addresses may be the same by chance.
            self.before = None;
        }
    }

    /// What the kernel said of `from..to`.
    pub(crate) fn take(&mut self, source: &mut Source<'_>, outcome: Outcome, from: u64, to: u64) {
        match outcome {
            Outcome::Same => {
                self.asked = true;
                if (to - from).is_multiple_of(source.block) || self.ends_with_source {
                    self.touched = true;
                    self.equal.push(from, to);
                }
                // Else it did not look.
            }
            Outcome::NotReached => {}
            Outcome::Differs => {
                self.asked = true;
                self.share_prefix(source, from, to);
            }
            Outcome::Failed(errno) => {
                let reason = explain::dedupe(errno.0, &source.facts, &self.facts, self.range);
                self.refused(errno.0, reason);
            }
        }
    }

    /// Somewhere in `from..to` there is a difference: shares what comes before.
    fn share_prefix(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        let piece = self.range.after(from).first(to - from);
        let Ok(equal) = source.reader.equal_prefix(source.fd, self.fd, piece) else {
            return self.differs(None);
        };
        let before = align_down(equal, source.block);
        // That it may be refused changes nothing of the outcome.
        if before > 0 && self.ask(source, from, from + before) == Outcome::Same {
            self.touched = true;
        }
        if equal < piece.len {
            self.equal.push(from, from + equal);
            self.differs(Some(from + equal));
        } else {
            // Somebody has changed it since.
            self.differs(None);
        }
    }

    /// Compares what the kernel is not asked or leaves out, if the target can be read.
    pub(crate) fn compare(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        let piece = self.range.after(from).first(to - from);
        let Ok(equal) = source.reader.equal_prefix(source.fd, self.fd, piece) else { return };
        self.equal.push(from, from + equal);
        if equal < piece.len {
            self.differs(Some(from + equal));
        }
    }

    /// Whether all of the range was found equal.
    pub(crate) fn is_all_compared(&self) -> bool {
        self.equal.prefix() == self.range.len
    }

    /// A difference, and where it is if that could be found.
    fn differs(&mut self, at: Option<u64>) {
        self.result =
            DedupeResult { status: DedupeStatus::Differs, differs_at: at, ..DedupeResult::default() };
        self.active = false;
    }
}
