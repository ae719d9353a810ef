//! The source of one dedupe, and asking the kernel about it.

use std::os::fd::BorrowedFd;

use crate::cache::{Cache, Side};
use crate::explain;
use crate::facts::Facts;
use crate::probe::{Ability, ask_dedupe};
use crate::range::Pair;
use crate::reason::Reason;
use crate::sys::dedupe::{Outcome, dedupe_range};
use crate::sys::{self, Errno};

use super::patience::Patience;
use super::reader::Reader;

/// What the caller chose that each target asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wishes {
    /// To go on behind a difference.
    pub(crate) blocks: bool,
    pub(crate) cache: Cache,
}

impl Wishes {
    /// What has to leave the page cache again of a file, if the cache is to stay as it was.
    pub(crate) fn pages_of<'a>(&self, fd: BorrowedFd<'a>) -> Option<Side<'a>> {
        (self.cache == Cache::Neutral).then(|| Side::new(fd, u64::MAX))
    }
}

/// The source's range, and what all targets need on their way.
pub(crate) struct Source<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    pub(crate) facts: Facts,
    pub(crate) offset: u64,
    pub(crate) len: u64,
    pub(crate) block: u64,
    pub(crate) reader: Reader,
    pub(crate) wishes: Wishes,
    /// What has to leave the page cache again.
    pub(crate) pages: Option<Side<'a>>,
    patience: Patience,
}

impl<'a> Source<'a> {
    pub(crate) fn new(
        (fd, facts): (BorrowedFd<'a>, Facts),
        offset: u64,
        len: u64,
        block: u64,
        wishes: Wishes,
    ) -> Self {
        let reader = Reader::new(facts.kind());
        let pages = wishes.pages_of(fd);
        Source { fd, facts, offset, len, block, reader, wishes, pages, patience: Patience::default() }
    }

    /// Asks the kernel to share `from..to` of the range with targets `(descriptor, offset)`. A target whose subvolume
    /// is being sent (btrfs: EAGAIN) is asked again for a while.
    pub(crate) fn ask(
        &mut self,
        from: u64,
        to: u64,
        targets: &[(BorrowedFd<'_>, u64)],
    ) -> sys::Result<Vec<Outcome>> {
        let call = |targets: &[_]| dedupe_range(self.fd, self.offset + from, to - from, targets);
        let mut outcomes = call(targets)?;
        loop {
            let busy = |i: &usize| outcomes[*i] == Outcome::Failed(Errno(libc::EAGAIN));
            let busy: Vec<usize> = (0..targets.len()).filter(busy).collect();
            if busy.is_empty() {
                return Ok(outcomes);
            }
            let Some(pause) = self.patience.next() else { return Ok(outcomes) };
            sys::sleep::sleep(pause);
            let again: Vec<_> = busy.iter().map(|i| targets[*i]).collect();
            for (i, outcome) in busy.into_iter().zip(call(&again)?) {
                outcomes[i] = outcome;
            }
        }
    }

    /// Whether a target would be refused, whatever the range: asked without sharing anything.
    pub(crate) fn accepts(&self, fd: BorrowedFd<'_>, facts: &Facts) -> Ability {
        ask_dedupe((self.fd, &self.facts), self.offset, self.len.min(self.block), (fd, facts))
    }

    /// Why the kernel refused the whole call, before it looked at any target.
    pub(crate) fn refused(&self, errno: Errno) -> Reason {
        let range = Pair { src: self.offset, dst: self.offset, len: self.len };
        explain::dedupe(errno.0, &self.facts, &self.facts, range)
    }
}
