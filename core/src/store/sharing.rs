//! The second half of a thread's work: files that are equal as far as is known are compared, and share, by the kernel.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

use crate::control::Control;
use crate::dedupe::{DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, dedupe_range};
use crate::file::path_refusal;
use crate::reason::Reason;

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
    pub(super) fn estimate(&self, classes: &[Class]) {
        let all: u64 = classes.iter().map(|class| class.mapped * class.members.len() as u64).sum();
        let source = source(classes).map_or(0, |at| classes[at].mapped * classes[at].members.len() as u64);
        let mut told = self.job.told();
        told.estimate += all - source;
        told.already_shared += classes.iter().map(Class::shared_within).sum::<u64>();
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
            self.job.told().already_shared += source.shared_within();
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
            match self.whole(&mut members[class.members[0]], size) {
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

    fn whole(&mut self, member: &mut Member, size: u64) -> Option<u128> {
        let is_held = member.file.is_some();
        if !self.files.open(member) {
            return None;
        }
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
        if !is_held {
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
        let from = source.members[0];
        if !self.files.open(&mut members[from]) {
            return (classes, false);
        }
        let mut all_asked = true;
        let mut differing = Vec::new();
        for mut class in classes {
            let mut differ = Vec::new();
            for some in class.members.chunks(HELD - 1) {
                let mut opened = Vec::with_capacity(some.len());
                for at in some {
                    if self.files.open(&mut members[*at]) {
                        opened.push(*at);
                    } else {
                        all_asked = false;
                    }
                }
                match self.ask_together(members, from, &opened, size) {
                    Ok(results) => {
                        for (at, result) in opened.iter().zip(results) {
                            let record = self.files.record(&members[*at]);
                            match self.tell(record, &result) {
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
        fn file(member: &Member) -> Option<BorrowedFd<'_>> {
            member.file.as_ref().map(AsFd::as_fd)
        }
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

    fn tell(&self, record: &Record, result: &DedupeResult) -> Told {
        {
            let mut told = self.job.told();
            told.shared += result.shared.unwrap_or(0);
            told.already_shared += result.already_shared.unwrap_or(0);
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
                self.refused(record, result.errno, result.reason);
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
