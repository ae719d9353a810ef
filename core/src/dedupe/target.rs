//! One target of a dedupe: what is known of it, and what became of it so far.

use std::os::fd::BorrowedFd;

use crate::cache::{AHEAD, Side};
use crate::explain;
use crate::extents::{Extent, Sync};
use crate::facts::{Facts, Inode, Kind};
use crate::probe::Answer;
use crate::range::{Pair, align_down};
use crate::reason::Reason;
use crate::sys::dedupe::Outcome;
use crate::sys::{self, Errno};

use super::maps::{Maps, map};
use super::plan::{PEEK, Part, parts, worth_skipping};
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
    /// A difference was found, and perhaps where.
    difference: Option<Option<u64>>,
    /// The last step had a difference: the next will have one too.
    pub(crate) rough: bool,
    /// What has to leave the page cache again.
    pages: Option<Side<'a>>,
    /// More of it is to be done.
    pub(crate) active: bool,
}

impl<'a> Target<'a> {
    pub(crate) fn new(target: &DedupeTarget<'a>, source: &Source<'_>) -> Self {
        let facts = Facts::of(target.fd);
        let range = Pair::checked(source.offset, target.offset, source.len);
        let seen = facts.seen();
        let past_end = seen.ok().map(|seen| seen.inode).filter(Inode::is_regular).zip(range);
        let failed = match range {
            None => Some((libc::EOVERFLOW, Reason::Overflow)),
            Some(_) if seen.is_err() => seen.err().map(|errno| (errno.0, explain::unseen(errno))),
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
            difference: None,
            rough: false,
            pages: source.wishes.pages_of(target.fd),
            active: failed.is_none(),
            result: failed
                .map_or_else(DedupeResult::default, |(errno, reason)| DedupeResult::failed(errno, reason)),
        }
    }

    /// Looks at the maps before anything is done; `ours` is the source's.
    pub(crate) fn look(&mut self, source: &Source<'_>, ours: Option<&[Extent]>) {
        self.before = self.compare_maps(source, ours);
        // Of a range that does not begin on a block nothing is shared: the kernel refuses it.
        if let Some(maps) = self.before.as_ref().filter(|_| self.active && self.is_aligned(source)) {
            self.skip = worth_skipping(maps.equal(), self.range.len);
            self.holes = maps.holes.clone();
        }
    }

    /// Looks only where sharing would fill holes; `ours` is asked for the source's map where that matters. Dirty pages
    /// are not written back for it. On XFS some of them hide in a hole (see [`Sync::No`]): they are not shared, then.
    pub(crate) fn look_for_holes<'m>(
        &mut self,
        source: &Source<'_>,
        ours: impl FnOnce() -> Option<&'m [Extent]>,
    ) {
        if !self.active || !self.is_aligned(source) {
            return;
        }
        let theirs = map(self.fd, self.range.dst, self.range.len, Sync::No).unwrap_or_default();
        if theirs.iter().any(Extent::is_hole) {
            let ours = ours().unwrap_or_default();
            self.holes = Maps::compare(ours, self.range.src, &theirs, self.range.dst).holes;
        }
    }

    fn still_ends_with(&self, source: &Source<'_>) -> bool {
        let ends = |fd, at| sys::stat::fstat(fd).is_ok_and(|stat| stat.st_size as u64 == at);
        ends(source.fd, self.range.src_end()) && ends(self.fd, self.range.dst_end())
    }

    /// Whether its bytes can be compared here, whatever their place.
    pub(crate) fn is_readable(&self) -> bool {
        explain::readable(&self.facts) && self.facts.flags.is_ok_and(|flags| flags & libc::O_DIRECT == 0)
    }

    fn is_aligned(&self, source: &Source<'_>) -> bool {
        [self.range.src, self.range.dst].iter().all(|offset| offset.is_multiple_of(source.block))
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
        match self.difference {
            _ if self.active && !whole => self.result.reason = Reason::None,
            None if self.active => self.result.status = DedupeStatus::Same,
            Some(at) if self.result.status != DedupeStatus::Failed => {
                self.result =
                    DedupeResult { status: DedupeStatus::Differs, differs_at: at, ..DedupeResult::default() };
            }
            _ => {}
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

    /// Whether it needs more than one question.
    pub(crate) fn is_in_parts(&self, from: u64, to: u64) -> bool {
        self.rough || self.parts(from, to).iter().any(|(part, ..)| *part != Part::Ask)
    }

    /// Brings what will be compared of `from..to` into the page cache.
    pub(crate) fn fetch(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        for (part, from, to) in self.parts(from, to).into_iter().filter(|(part, ..)| *part != Part::Skip) {
            self.note_pages(source, from, to);
            let Source { reader, fd, facts, offset, .. } = source;
            // What is read and compared here anyway is not read twice.
            if reader.reads() && (part == Part::Compare || self.rough) {
                continue;
            }
            reader.fetch(*fd, facts, *offset + from, *offset + to);
            reader.fetch(self.fd, &self.facts, self.range.dst + from, self.range.dst + to);
        }
    }

    /// Begins to do so for what comes later.
    pub(crate) fn fetch_ahead(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        if source.reader.reads() {
            return;
        }
        for (_, from, to) in self.parts(from, to).into_iter().filter(|(part, ..)| *part != Part::Skip) {
            self.note_pages(source, from, to);
            source.reader.fetch_ahead(source.fd, source.offset + from, source.offset + to);
            source.reader.fetch_ahead(self.fd, self.range.dst + from, self.range.dst + to);
        }
    }

    /// Sees what of `from..to` is not in the page cache, where that is to stay so.
    fn note_pages(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        if let (Some(ours), Some(theirs)) = (&mut source.pages, &mut self.pages) {
            // Where files are read the kernel reads ahead.
            ours.look(self.range.src + from, self.range.src + to + AHEAD);
            theirs.look(self.range.dst + from, self.range.dst + to + AHEAD);
        }
    }

    /// Lets go of what came into the page cache before `to`, or at all when no more is to come.
    pub(crate) fn drop_pages(&mut self, to: u64) {
        if let Some(pages) = &mut self.pages {
            pages.drop_before(if self.active { self.range.dst.saturating_add(to) } else { u64::MAX });
        }
    }

    /// Tries again with what did not go, and says how many pages still do not.
    pub(crate) fn drop_late(&mut self) -> u64 {
        self.pages.as_mut().map_or(0, Side::drop_late)
    }

    /// Whether a look at the first bytes shows a difference.
    pub(crate) fn differs_at_once(&mut self, source: &mut Source<'_>) -> bool {
        self.note_pages(source, 0, PEEK.min(self.range.len));
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
            if part == Part::Ask && self.rough {
                self.share_blocks(source, from, to);
                continue;
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
                let whole = from + align_down(to - from, source.block);
                if whole > from || self.ends_with_source {
                    self.touched = true;
                    self.equal.push(from, whole);
                }
                // Of a partial block that is not, or no longer, the end of both files it says "same" without looking.
                if whole < to && self.ends_with_source {
                    if self.still_ends_with(source) {
                        self.equal.push(whole, to);
                    } else {
                        self.compare(source, whole, to);
                    }
                }
            }
            Outcome::NotReached => {}
            Outcome::Differs => {
                self.asked = true;
                if source.wishes.blocks {
                    self.share_blocks(source, from, to);
                } else {
                    self.share_prefix(source, from, to);
                }
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
        let Ok(equal) = source.reader.sides.equal_prefix(source.fd, self.fd, piece) else {
            return self.differs(source, None);
        };
        let before = align_down(equal, source.block);
        // That it may be refused changes nothing of the outcome.
        if before > 0 && self.ask(source, from, from + before) == Outcome::Same {
            self.touched = true;
        }
        if equal < piece.len {
            self.equal.push(from, from + equal);
            self.differs(source, Some(from + equal));
        } else {
            // Somebody has changed it since.
            self.differs(source, None);
        }
    }

    /// Somewhere in `from..to` there is a difference: shares all blocks that are equal. The kernel compares them again.
    fn share_blocks(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        let piece = self.range.after(from).first(to - from);
        let Ok(blocks) = source.reader.equal_blocks(source.fd, self.fd, piece, source.block) else {
            return self.differs(source, None);
        };
        self.rough = blocks.first_difference.is_some();
        if let Some(equal) = blocks.first_difference {
            self.equal.push(from, from + equal);
            self.differs(source, Some(from + equal));
        }
        for (run, end) in blocks.equal.iter().map(|(run, end)| (from + run, from + end)) {
            match self.ask(source, run, end) {
                Outcome::Same => {
                    self.touched = true;
                    self.equal.push(run, end);
                }
                // Somebody has changed it since.
                Outcome::Differs => self.differs(source, None),
                Outcome::NotReached => return,
                outcome @ Outcome::Failed(_) => return self.take(source, outcome, run, end),
            }
        }
    }

    /// Compares what the kernel is not asked or leaves out, if the target is open for reading that.
    pub(crate) fn compare(&mut self, source: &mut Source<'_>, from: u64, to: u64) {
        let piece = self.range.after(from).first(to - from);
        let equal = match source.reader.sides.equal_prefix(source.fd, self.fd, piece) {
            Ok(equal) => equal,
            // For writing only, or O_DIRECT, which reads no part of a block.
            Err(Errno(libc::EBADF | libc::EINVAL)) => return,
            Err(errno) => return self.take(source, Outcome::Failed(errno), from, to),
        };
        self.equal.push(from, from + equal);
        if equal < piece.len {
            self.differs(source, Some(from + equal));
        }
    }

    /// Whether all of the range was found equal.
    pub(crate) fn is_all_compared(&self) -> bool {
        self.equal.prefix() == self.range.len
    }

    /// A difference, and where it is if that could be found. The first one counts.
    fn differs(&mut self, source: &Source<'_>, at: Option<u64>) {
        self.difference.get_or_insert(at);
        self.active = source.wishes.blocks;
    }
}
