//! One thread's work: groups of files of one size, from a look at each to the kernel's comparison.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::AsFd;

use crate::buffer::{Buffer, STEP};
use crate::file::path_refusal;

use super::classes::classes;
use super::index::Entry;
use super::job::{Caller, HELD, Job};
use super::member::{Files, Member};
use super::placement::Placement;
use super::sample;

pub(super) struct Worker<'a, 'c> {
    pub(super) job: &'a Job<'a>,
    pub(super) caller: Option<&'a Caller<'a, 'c>>,
    pub(super) files: Files<'a>,
    pub(super) buffer: Buffer,
}

impl<'a, 'c> Worker<'a, 'c> {
    pub(super) fn new(job: &'a Job<'a>, caller: Option<&'a Caller<'a, 'c>>) -> Self {
        Worker { job, caller, files: Files::new(job), buffer: Buffer::new(STEP) }
    }

    pub(super) fn work(&mut self) {
        while !self.is_stopped()
            && let Some(groups) = self.job.take()
        {
            self.groups(groups);
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        if let Some(caller) = self.caller {
            self.job.look(caller);
        }
        self.job.is_stopped()
    }

    fn groups(&mut self, groups: &[Range<u32>]) {
        let catalogue = self.job.catalogue;
        let groups: Vec<_> =
            groups.iter().filter(|group| self.job.can(catalogue.record(group.start))).cloned().collect();
        let mut known = self.known(&groups).into_iter();
        let mut members: Vec<Vec<Member>> = groups
            .into_iter()
            .map(|group| {
                group.map(|at| Member::new(at, catalogue.record(at), known.next().flatten())).collect()
            })
            .collect();
        let all = members.iter().map(Vec::len).sum::<usize>();
        self.read(&mut members, all <= HELD);
        for group in members {
            if self.is_stopped() {
                return;
            }
            self.group(group);
        }
    }

    /// What the index has of all files of some groups, in their order.
    fn known(&self, groups: &[Range<u32>]) -> Vec<Option<Entry>> {
        let catalogue = self.job.catalogue;
        let key = |record| catalogue.key(catalogue.record(record));
        let Some(index) = self.job.index else { return Vec::new() };
        index.entries(&groups.iter().cloned().flatten().map(key).collect::<Vec<_>>())
    }

    /// Gives each member a digest that has none. Some are looked at, and their bytes asked for, before the first is read: a
    /// disk does better with many requests than with one after the other.
    fn read(&mut self, groups: &mut [Vec<Member>], hold: bool) {
        // What files that share all their blocks have in common need not be read twice.
        let mut digests: HashMap<(usize, u128), Option<(u128, bool)>> = HashMap::new();
        let mut unread: Vec<(usize, usize)> = Vec::new();
        for (group, members) in groups.iter().enumerate() {
            let new = members.iter().enumerate().filter(|(_, member)| member.digest.is_none());
            unread.extend(new.map(|(at, _)| (group, at)));
        }
        for some in unread.chunks(HELD) {
            if self.is_stopped() {
                return;
            }
            for (group, at) in some {
                let member = &mut groups[*group][*at];
                if !self.files.open(member) {
                    continue;
                }
                let is_new = match member.placement {
                    Some(Placement::At(place)) => {
                        let key = (*group, place.number);
                        let is_new = !digests.contains_key(&key);
                        digests.entry(key).or_insert(None);
                        is_new
                    }
                    Some(Placement::Nothing) => false,
                    _ => true,
                };
                if is_new && let Some(file) = &member.file {
                    let size = self.job.catalogue.record(member.record).size;
                    if let Some(pages) = &mut member.pages {
                        pages.look(file.as_fd(), size);
                    }
                    sample::prepare(file.as_fd(), size);
                }
            }
            for (group, at) in some {
                let member = &mut groups[*group][*at];
                if member.file.is_none() {
                    continue;
                }
                let key = match member.placement {
                    Some(Placement::At(place)) => Some((*group, place.number)),
                    _ => None,
                };
                let digest = match key.and_then(|key| digests.get(&key).copied().flatten()) {
                    Some(digest) => Some(digest),
                    None if member.placement == Some(Placement::Nothing) => Some((0, true)),
                    None => self.sample(member),
                };
                if let Some((digest, is_sure)) = digest {
                    member.digest = Some(digest);
                    member.is_sure = is_sure && self.files.is_still(member);
                    if let Some(key) = key {
                        digests.insert(key, Some((digest, is_sure)));
                    }
                }
                if !hold || member.digest.is_none() {
                    member.close();
                }
            }
        }
    }

    /// Reads a sample, and says whether the file stayed what it was meanwhile.
    fn sample(&mut self, member: &Member) -> Option<(u128, bool)> {
        let record = self.files.record(member);
        let file = member.file.as_ref()?.as_fd();
        match sample::sample(file, record.size, &mut self.buffer) {
            Ok(Some((digest, read))) => {
                self.job.told().read += read;
                Some((digest, self.files.is_still(member)))
            }
            Ok(None) => {
                self.job.told().vanished += 1;
                None
            }
            Err(errno) => {
                let refusal = path_refusal(errno);
                self.job.fail(record, refusal.errno, refusal.reason);
                None
            }
        }
    }

    /// What is equal by the digests goes on.
    fn group(&mut self, mut members: Vec<Member>) {
        let size = members.first().map_or(0, |member| self.files.record(member).size);
        let count = members.len();
        members.retain(|member| member.digest.is_some());
        members.sort_by_key(|member| member.digest);
        if self.job.rules.blocks && size > sample::WHOLE {
            self.settle(&mut members, size, Self::near);
        } else {
            for some in members.chunk_by_mut(|a, b| a.digest == b.digest) {
                self.settle(some, size, Self::equal);
                if self.is_stopped() {
                    return;
                }
            }
        }
        self.job.done(count, size);
    }

    /// Has `share` done among members, where the index does not know that nothing is left to be done; and has it remembered.
    fn settle(
        &mut self,
        members: &mut [Member],
        size: u64,
        share: impl FnOnce(&mut Self, &mut [Member], u64) -> bool,
    ) {
        let set = self.set(members);
        if members.iter().all(|member| member.known.is_some_and(|entry| entry.settled == set)) {
            self.job.told().known += members.len() as u64;
            return;
        }
        let settled = share(self, members, size) && members.iter().all(|member| !member.is_missing);
        let set = if settled { self.set(members) } else { 0 };
        self.end(members, set);
    }

    /// Members with one digest. True where nothing is left to be done.
    pub(super) fn equal(&mut self, members: &mut [Member], size: u64) -> bool {
        if members.len() == 1 || members[0].digest == Some(0) {
            return true;
        }
        let hold = members.len() <= HELD;
        for member in members.iter_mut() {
            if member.placement.is_none() {
                self.files.open(member);
            }
            if !hold {
                member.close();
            }
        }
        let classes = classes(members, size);
        self.tell_within(members, &classes);
        if self.job.rules.dry_run {
            self.estimate(members, &classes, size);
            return false;
        }
        self.share(members, classes, size, true)
    }

    /// A number for these files as they are.
    fn set(&self, members: &[Member]) -> u64 {
        if self.job.index.is_none() {
            return 0;
        }
        let key = |member: &Member| (self.job.catalogue.key(self.files.record(member)), member.stamp.0);
        super::index::set(self.job.rules.blocks, members.iter().map(key))
    }

    fn end(&self, members: &mut [Member], settled: u64) {
        for member in members {
            if let (Some(index), true, Some(digest)) = (self.job.index, member.is_sure, member.digest) {
                let entry = Entry { stamp: member.stamp, digest, settled };
                if member.known != Some(entry) {
                    index.remember(self.job.catalogue.key(self.files.record(member)), entry);
                }
            }
            member.close();
        }
    }
}
