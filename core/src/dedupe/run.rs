//! One dedupe on its way: the source's range in steps, each asked of all targets that are still equal.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::control::Control;
use crate::error::{Error, Operation, Result};
use crate::extents::{Extent, Sync};
use crate::range::align_down;
use crate::sys;
use crate::sys::dedupe::Outcome;

use super::maps::map;
use super::patience::Patience;
use super::plan::{COLD_STEP, PEEK, Part, STEP, batch};
use super::reader::is_cached;
use super::source::Source;
use super::target::Target;
use super::{DedupeResult, DedupeTarget};

/// So long the kernel may take to read some of what is read ahead.
const READING: Duration = Duration::from_millis(20);

pub(crate) struct Run<'a, 'c> {
    source: Source<'a>,
    targets: Vec<Target<'a>>,
    control: Control<'c>,
    /// Bytes compared with all targets.
    done: u64,
    /// The target of which all of the next step was just seen in the page cache, as of the source.
    cached: Option<usize>,
}

/// What is asked in one go, and then waited for.
enum Unit {
    /// One call of the kernel for these targets.
    Together(Vec<usize>),
    /// A target that needs different things in different places.
    InParts(usize),
}

impl Unit {
    fn targets(&self) -> &[usize] {
        match self {
            Unit::Together(some) => some,
            Unit::InParts(one) => std::slice::from_ref(one),
        }
    }
}

impl<'a, 'c> Run<'a, 'c> {
    pub(crate) fn new(source: Source<'a>, targets: &[DedupeTarget<'a>], control: Control<'c>) -> Self {
        let targets = targets.iter().map(|target| Target::new(target, &source)).collect();
        Run { source, targets, control, done: 0, cached: None }
    }

    pub(crate) fn finish(mut self, measure: bool) -> Result<Vec<DedupeResult>> {
        if measure {
            self.look();
        } else {
            self.look_for_holes();
        }
        // Broken off by the caller, or by a signal that ends the process: the rest is not reached.
        let whole = self.share()?.is_continue();
        self.drop_pages();
        let again = measure && self.targets.iter().any(Target::is_touched);
        let ours = if again { self.map(Sync::Yes) } else { None };
        let source = &self.source;
        Ok(self.targets.into_iter().map(|target| target.finish(source, ours.as_deref(), whole)).collect())
    }

    /// Lets go of all that came into the page cache. What was read ahead for nothing, behind a difference, may still be on
    /// its way there, and goes only then: that is waited for as long as it gets less.
    fn drop_pages(&mut self) {
        let Some(ours) = &mut self.source.pages else { return };
        ours.drop_before(u64::MAX);
        self.targets.iter_mut().for_each(|target| target.drop_pages(u64::MAX));
        let mut patience = Patience::default();
        let mut before = u64::MAX;
        loop {
            let left = ours.drop_late() + self.targets.iter_mut().map(Target::drop_late).sum::<u64>();
            let Some(pause) = patience.next().filter(|_| 0 < left && left < before) else { return };
            before = left;
            sys::sleep::sleep(pause.max(READING));
        }
    }

    fn look(&mut self) {
        let ours = if self.targets.is_empty() { None } else { self.map(Sync::Yes) };
        for target in &mut self.targets {
            target.look(&self.source, ours.as_deref());
        }
    }

    fn look_for_holes(&mut self) {
        let mut ours = None;
        for target in &mut self.targets {
            let source = &self.source;
            let map = || map(source.fd, source.offset, source.len, Sync::No);
            target.look_for_holes(source, || ours.get_or_insert_with(map).as_deref());
        }
    }

    fn map(&self, sync: Sync) -> Option<Vec<Extent>> {
        map(self.source.fd, self.source.offset, self.source.len, sync)
    }

    /// Asks for whole blocks, then for what is left behind the last one; for both at once where the kernel compares that too.
    fn share(&mut self) -> Result<ControlFlow<()>> {
        let len = self.source.len;
        if len == 0 {
            // Nothing to share, and yet a target may be one that cannot be asked.
            return self.ask_all(0, 0, 0, |_| true);
        }
        // The partial block at the end of both files goes with those before it: half the calls for a small file. Not for what
        // cannot be read: where it differs nobody could tell that what comes before does not.
        let mut active = self.targets.iter().filter(|target| target.active);
        let body = if active.all(|target| target.ends_with_source && target.is_readable()) {
            len
        } else {
            align_down(len, self.source.block)
        };
        let mut at = 0;
        while at < body {
            let to = (at + self.step(at, body)).min(body);
            if self.ask_all(at, to, body, |_| true)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            at = to;
        }
        if body == len {
            return Ok(ControlFlow::Continue(()));
        }
        // Of a partial block that is not the end of both files the kernel says "same" without looking.
        // It is asked all the same where it was asked nothing before: it may refuse the target.
        if self.ask_all(body, len, len, |target| target.ends_with_source || body == 0)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        // Where it would have filled a hole it is compared already.
        let left = |target: &&mut Target<'_>| target.active && !target.is_all_compared();
        for target in self.targets.iter_mut().filter(left).filter(|target| !target.ends_with_source) {
            target.fetch(&mut self.source, body, len);
            target.compare(&mut self.source, body, len);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// How long the step at `at` is. It is short where the bytes have to be read first, and shorter still where a look
    /// at the first of them shows that targets differ.
    fn step(&mut self, at: u64, end: u64) -> u64 {
        let active = || self.targets.iter().enumerate().filter(|(_, target)| target.active);
        let to = (at + STEP).min(end);
        let needed = |target: &Target<'_>| {
            let parts = target.parts(at, to);
            parts.into_iter().find(|(part, ..)| *part != Part::Skip).map(|(_, from, to)| (from, to))
        };
        // The first target that needs anything stands for all.
        let first = active().find_map(|(i, target)| Some((i, needed(target)?)));
        let source = &self.source;
        let cold = first.is_some_and(|(i, (from, to))| {
            let (fd, offset) = self.targets[i].place(from);
            !is_cached(source.fd, source.offset + from, source.offset + to)
                || !is_cached(fd, offset, offset + (to - from))
        });
        if !cold {
            self.cached = first.filter(|(_, part)| *part == (at, to)).map(|(i, _)| i);
            return STEP;
        }
        let mut active = self.targets.iter_mut().filter(|target| target.active);
        if at == 0 && end > PEEK && active.any(|target| target.differs_at_once(&mut self.source)) {
            return PEEK.next_multiple_of(self.source.block);
        }
        if self.source.reader.reads() { COLD_STEP } else { STEP }
    }

    /// Asks the kernel for `from..to` of the range, for the targets that are still equal and wanted. More will be
    /// asked up to `end`.
    fn ask_all(
        &mut self,
        from: u64,
        to: u64,
        end: u64,
        wanted: impl Fn(&Target<'_>) -> bool,
    ) -> Result<ControlFlow<()>> {
        let units = self.units(from, to, wanted);
        // Counting pages takes time; but what is to leave the page cache has to be noted.
        let cached = self.cached.take().filter(|_| self.source.pages.is_none());
        for (i, unit) in units.iter().enumerate() {
            if self.control.is_cancelled() {
                return Ok(ControlFlow::Break(()));
            }
            for target in unit.targets().iter().filter(|target| cached != Some(**target)) {
                self.targets[*target].fetch(&mut self.source, from, to);
            }
            let (next, ahead) = match units.get(i + 1) {
                Some(next) => (next.targets(), from..to),
                // Behind what is in the page cache there is mostly more of it, and looking takes time.
                None if cached.is_some() => (&[][..], to..to),
                None => (units[0].targets(), to..end.min(to + STEP)),
            };
            for target in next {
                self.targets[*target].fetch_ahead(&mut self.source, ahead.start, ahead.end);
            }
            let done = match unit {
                Unit::Together(some) => self.ask_together(some, from, to)?,
                Unit::InParts(one) => {
                    self.targets[*one].step(&mut self.source, from, to);
                    ControlFlow::Continue(())
                }
            };
            for target in unit.targets() {
                self.targets[*target].drop_pages(to);
            }
            if done.is_break() {
                return Ok(done);
            }
            self.done += (to - from) * unit.targets().len() as u64;
            let total = self.source.len.saturating_mul(self.targets.len() as u64);
            if self.control.step(self.done, total).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        if let Some(pages) = &mut self.source.pages {
            pages.drop_before(self.source.offset + to);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// In what order `from..to` is asked for.
    fn units(&self, from: u64, to: u64, wanted: impl Fn(&Target<'_>) -> bool) -> Vec<Unit> {
        let active = self.targets.iter().enumerate().filter(|(_, target)| target.active && wanted(target));
        let (in_parts, together): (Vec<usize>, Vec<usize>) =
            active.map(|(i, _)| i).partition(|i| self.targets[*i].is_in_parts(from, to));
        let together = together.chunks(batch(to - from)).map(|some| Unit::Together(some.to_vec()));
        in_parts.into_iter().map(Unit::InParts).chain(together).collect()
    }

    /// One call for several targets.
    fn ask_together(&mut self, some: &[usize], from: u64, to: u64) -> Result<ControlFlow<()>> {
        let places: Vec<_> = some.iter().map(|i| self.targets[*i].place(from)).collect();
        let outcomes = match self.source.ask(from, to, &places) {
            Ok(outcomes) => outcomes,
            Err(errno) if self.done == 0 => {
                return Err(Error::new(Operation::DedupeRange, errno.0, self.source.refused(errno)));
            }
            // The source was cut off, say, after something was done: told by each target.
            Err(errno) => vec![Outcome::Failed(errno); some.len()],
        };
        for (i, outcome) in some.iter().zip(outcomes) {
            if outcome == Outcome::NotReached {
                return Ok(ControlFlow::Break(()));
            }
            self.targets[*i].take(&mut self.source, outcome, from, to);
        }
        Ok(ControlFlow::Continue(()))
    }
}
