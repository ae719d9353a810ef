//! The second half of a thread's work: files that are equal as far as is known are compared, and share, by the kernel.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

use crate::control::Control;
use crate::dedupe::{DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, dedupe_range};
use crate::extents::{Extents, Sync, pieces_that_may_differ};
use crate::file::path_refusal;
use crate::reason::Reason;
use crate::sys;

use super::catalogue::Record;
use super::classes::{Class, source};
use super::job::HELD;
use super::member::Member;
use super::sample;
use super::worker::Worker;

/// So many are left that differ from the first: to compare each with each would read them again and again, up to half the
/// square of their number in all, where a digest of each reads all once, and what is equal then once more.
const MANY: usize = 4;

enum Told {
    Done,
    Differs,
    Failed,
}

impl Worker<'_, '_> {
    /// Tells what the members of each class share among themselves; and that of all but one of them nothing is to be
    /// told later: they share the same with others as that one does.
    pub(super) fn tell_within(&self, members: &mut [Member], classes: &[Class]) {
        for class in classes {
            class.members[1..].iter().for_each(|at| members[*at].is_told = true);
        }
        self.job.told().already_shared += classes.iter().map(Class::shared_within).sum::<u64>();
    }

    pub(super) fn estimate(&mut self, members: &mut [Member], classes: &[Class], size: u64) {
        let Some(source) = source(classes) else { return };
        for at in (0..classes.len()).filter(|at| *at != source) {
            let each = self.unshared(members, &classes[source], &classes[at], size, |_| true);
            self.job.told().estimate += each * classes[at].members.len() as u64;
        }
    }

    /// How much each member of a class could come to share of the source's blocks, by the samples that are equal, and what
    /// the maps of these say is shared already.
    pub(super) fn unshared(
        &mut self,
        members: &mut [Member],
        source: &Class,
        class: &Class,
        size: u64,
        is_equal: impl Fn(usize) -> bool,
    ) -> u64 {
        let mut first = |class: &Class| self.files.first(members, class.members.iter().copied());
        let (Some(from), Some(to)) = (first(source), first(class)) else { return 0 };
        let unshared = match (file(&members[from]), file(&members[to])) {
            (Some(ours), Some(theirs)) => unshared(ours, theirs, size, is_equal),
            _ => None,
        };
        if members.len() > HELD {
            members[from].close();
            members[to].close();
        }
        unshared.map_or(class.mapped, |(unshared, blocks)| {
            (u128::from(class.mapped) * u128::from(unshared) / u128::from(blocks)) as u64
        })
    }

    /// Has the kernel compare the classes and share what is equal. True where nothing is left to be done.
    pub(super) fn share(
        &mut self,
        members: &mut [Member],
        mut left: Vec<Class>,
        size: u64,
        is_first: bool,
    ) -> bool {
        let mut settled = true;
        let mut is_first = is_first;
        while let Some(at) = source(&left) {
            let source = left.swap_remove(at);
            if left.is_empty() {
                break;
            }
            let (differing, all_asked) = self.ask(members, &source, left, size);
            settled &= all_asked;
            if self.is_stopped() {
                return false;
            }
            left = differing;
            if is_first && size > sample::WHOLE && left.len() >= MANY {
                return self.divide(members, left, size) && settled;
            }
            is_first = false;
        }
        settled
    }

    /// The same with a digest of each class.
    fn divide(&mut self, members: &mut [Member], left: Vec<Class>, size: u64) -> bool {
        let mut settled = true;
        let mut divided: HashMap<u128, Vec<Class>> = HashMap::new();
        for class in left {
            match self.whole(members, &class, size) {
                Some(digest) => divided.entry(digest).or_default().push(class),
                None => settled = false,
            }
            if self.is_stopped() {
                return false;
            }
        }
        for (_, classes) in divided {
            settled &= self.share(members, classes, size, false);
            if self.is_stopped() {
                return false;
            }
        }
        settled
    }

    fn whole(&mut self, members: &mut [Member], class: &Class, size: u64) -> Option<u128> {
        let hold = members.len() <= HELD;
        let at = self.files.first(members, class.members.iter().copied())?;
        let member = &mut members[at];
        let stopped = || self.job.is_stopped();
        let control = Control::new().cancel(&stopped);
        let file = member.file.as_ref()?.as_fd();
        let digest = sample::whole(file, size, &mut self.buffer, &mut member.pages, &control);
        if let Some(caller) = self.caller {
            self.job.look(caller);
        }
        let digest = match digest {
            Ok(Some(digest)) => {
                self.job.told().read += size;
                Some(digest)
            }
            Ok(None) => None,
            Err(errno) => {
                let refusal = path_refusal(errno);
                self.job.fail(self.files.record(member), refusal.errno, refusal.reason);
                None
            }
        };
        if !hold {
            member.close();
        }
        digest
    }

    /// Asks for all members of the classes whether they equal the source. Gives back what differs, and whether each gave
    /// an answer.
    pub(super) fn ask(
        &mut self,
        members: &mut [Member],
        source: &Class,
        classes: Vec<Class>,
        size: u64,
    ) -> (Vec<Class>, bool) {
        let hold = members.len() <= HELD;
        let Some(from) = self.files.first(members, source.members.iter().copied()) else {
            return (classes, false);
        };
        let mut all_asked = true;
        let mut differing = Vec::new();
        for mut class in classes {
            let mut differ = Vec::new();
            for some in class.members.chunks(HELD - 1) {
                let mut opened = Vec::with_capacity(some.len());
                for at in some {
                    if self.files.open(&mut members[*at]) {
                        opened.push(*at);
                    }
                }
                match self.ask_together(members, from, &opened, size) {
                    Ok(results) => {
                        for (at, result) in opened.iter().zip(results) {
                            match self.tell(&mut members[*at], &result) {
                                Told::Done => {}
                                Told::Differs => differ.push(*at),
                                Told::Failed => all_asked = false,
                            }
                        }
                    }
                    Err(()) => {
                        all_asked = false;
                        differ.extend(opened);
                    }
                }
                if !hold {
                    some.iter().for_each(|at| members[*at].close());
                }
                if self.is_stopped() {
                    return (Vec::new(), false);
                }
            }
            if !differ.is_empty() {
                class.members = differ;
                differing.push(class);
            }
        }
        if !hold {
            members[from].close();
        }
        (differing, all_asked)
    }

    /// `Err` where the source is to blame.
    fn ask_together(
        &self,
        members: &[Member],
        from: usize,
        opened: &[usize],
        size: u64,
    ) -> Result<Vec<DedupeResult>, ()> {
        let target = |at: &usize| file(&members[*at]).map(|fd| DedupeTarget { fd, offset: 0 });
        let targets: Vec<DedupeTarget<'_>> = opened.iter().filter_map(target).collect();
        let stopped = || {
            if let Some(caller) = self.caller {
                self.job.look(caller);
            }
            self.job.is_stopped()
        };
        let rules = self.job.rules;
        let options = DedupeOptions::new().control(Control::new().cancel(&stopped)).cache(rules.cache);
        let options = options.blocks(rules.blocks);
        let Some(source) = file(&members[from]) else { return Err(()) };
        dedupe_range(source, 0, size, &targets, options).map_err(|error| {
            let record = self.files.record(&members[from]);
            self.refused(record, error.errno, error.reason);
        })
    }

    fn tell(&self, member: &mut Member, result: &DedupeResult) -> Told {
        {
            let mut told = self.job.told();
            told.shared += result.shared.unwrap_or(0);
            // What it shares later on this call may have brought about.
            if !std::mem::replace(&mut member.is_told, true) {
                told.already_shared += result.already_shared.unwrap_or(0);
            }
            match (result.status, result.shared) {
                (DedupeStatus::Same, None) => told.unmeasured += 1,
                (DedupeStatus::Same, Some(more)) if more > 0 => told.deduped += 1,
                _ => {}
            }
        }
        match result.status {
            DedupeStatus::Same => Told::Done,
            DedupeStatus::Differs => Told::Differs,
            DedupeStatus::NotReached => Told::Failed,
            DedupeStatus::Failed => {
                self.refused(self.files.record(member), result.errno, result.reason);
                Told::Failed
            }
        }
    }

    fn refused(&self, record: &Record, errno: i32, reason: Reason) {
        match reason {
            // It was cut off since it was looked at.
            Reason::PastEnd => self.job.told().vanished += 1,
            Reason::FilesystemCannot | Reason::MountCannot => self.job.cannot(record, errno, reason),
            _ => self.job.fail(record, errno, reason),
        }
    }
}

fn file(member: &Member) -> Option<BorrowedFd<'_>> {
    member.file.as_ref().map(AsFd::as_fd)
}

/// Of how many bytes of blocks in the second one's samples how many could come to share the first one's. `None` where the
/// samples say nothing: there are no blocks, or no maps.
fn unshared(
    ours: BorrowedFd<'_>,
    theirs: BorrowedFd<'_>,
    size: u64,
    is_equal: impl Fn(usize) -> bool,
) -> Option<(u64, u64)> {
    let (mut unshared, mut blocks) = (0, 0);
    for (i, (at, len)) in sample::parts(size).enumerate() {
        let map = |fd| Extents::new(fd, at, at + len, Sync::No).collect::<sys::Result<Vec<_>>>().ok();
        let (ours, theirs) = (map(ours)?, map(theirs)?);
        blocks += theirs.iter().filter(|extent| !extent.is_hole()).map(|extent| extent.length).sum::<u64>();
        if is_equal(i) {
            // Holes are not filled.
            let pieces = pieces_that_may_differ(&ours, &theirs).into_iter().filter(|piece| !piece.2);
            unshared += pieces.map(|(from, to, _)| to - from).sum::<u64>();
        }
    }
    (blocks > 0).then_some((unshared.min(blocks), blocks))
}
