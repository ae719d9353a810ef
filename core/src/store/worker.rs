//! One thread's work: groups of files of one size, from a look at each to the kernel's comparison.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::buffer::{Buffer, STEP};
use crate::cache::Cache;
use crate::control::Control;
use crate::dedupe::{DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, dedupe_range};
use crate::file::{Refusal, open_regular, path_refusal};
use crate::reason::Reason;
use crate::roots::{Directory, Looked};
use crate::sys;

use super::catalogue::Record;
use super::identity::Stamp;
use super::index::Entry;
use super::job::{Caller, HELD, Job};
use super::placement::Placement;
use super::sample::{self, Pages};

pub(super) struct Worker<'a, 'c> {
    job: &'a Job<'a>,
    caller: Option<&'a Caller<'a, 'c>>,
    buffer: Buffer,
    /// The directory of the last file.
    dir: Option<(Directory, OwnedFd)>,
}

/// One file of a group.
pub(super) struct Member {
    record: u32,
    file: Option<OwnedFd>,
    pages: Option<Pages>,
    placement: Option<Placement>,
    digest: Option<u128>,
    stamp: Stamp,
    /// What the index has of it.
    known: Option<Entry>,
    /// Its digest is that of the bytes with this stamp.
    is_sure: bool,
}

/// Members that share all their blocks: places in the list.
pub(super) struct Class {
    members: Vec<usize>,
    /// Bytes that have blocks, and in how many extents; all of them, and one, where the map does not tell.
    mapped: u64,
    extents: u32,
}

/// Why a file takes no part.
enum Missing {
    /// It is gone, or no longer what it was.
    Vanished,
    Refused(Refusal),
}

/// A file that was changed so shortly before it was read could be changed again in the same tick of the clock that files
/// are stamped with, in nanoseconds: nothing of it is remembered.
const TICK: i128 = 100_000_000;

/// So many are left that differ from the first: to compare each with each would read them again and again, up to half the
/// square of their number in all, where a digest of each reads all once, and what is equal then once more.
const MANY: usize = 4;

impl<'a, 'c> Worker<'a, 'c> {
    pub(super) fn new(job: &'a Job<'a>, caller: Option<&'a Caller<'a, 'c>>) -> Self {
        Worker { job, caller, buffer: Buffer::new(STEP), dir: None }
    }

    pub(super) fn work(&mut self) {
        while !self.is_stopped()
            && let Some(groups) = self.job.take()
        {
            self.groups(groups);
        }
    }

    fn is_stopped(&self) -> bool {
        if let Some(caller) = self.caller {
            self.job.look(caller);
        }
        self.job.is_stopped()
    }

    fn record(&self, member: &Member) -> &'a Record {
        self.job.catalogue.record(member.record)
    }

    fn groups(&mut self, groups: &[Range<u32>]) {
        let catalogue = self.job.catalogue;
        let groups: Vec<_> =
            groups.iter().filter(|group| self.job.can(catalogue.record(group.start))).cloned().collect();
        let mut known = self.known(&groups).into_iter();
        let mut members: Vec<Vec<Member>> = groups
            .into_iter()
            .map(|group| group.map(|record| self.member(record, known.next().flatten())).collect())
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

    fn member(&self, record: u32, known: Option<Entry>) -> Member {
        let found = self.job.catalogue.record(record);
        let known = known.filter(|entry| entry.stamp == found.stamp);
        Member {
            record,
            file: None,
            pages: None,
            placement: None,
            digest: known.map(|entry| entry.digest),
            stamp: found.stamp,
            known,
            is_sure: known.is_some(),
        }
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
                if !self.open(member) {
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
                    member.is_sure = is_sure && self.is_still(member);
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
        let record = self.record(member);
        let file = member.file.as_ref()?.as_fd();
        match sample::sample(file, record.size, &mut self.buffer) {
            Ok(Some((digest, read))) => {
                self.job.told().read += read;
                Some((digest, self.is_still(member)))
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

    /// Whether a file is what it was when it was opened; only an index has to know.
    fn is_still(&self, member: &Member) -> bool {
        let Some(file) = member.file.as_ref().filter(|_| self.job.index.is_some()) else { return false };
        let now = sys::time::now().as_nanos() as i128;
        Looked::at(file.as_fd(), c"")
            .is_ok_and(|looked| Stamp::of(&looked) == member.stamp && looked.changed + TICK < now)
    }

    /// Opens a member where it is not open, and looks where it lies. False where it takes no part.
    fn open(&mut self, member: &mut Member) -> bool {
        if member.file.is_some() {
            return true;
        }
        let record = self.record(member);
        match self.find(record) {
            Ok((file, looked)) => {
                if member.placement.is_none() {
                    member.placement = Some(Placement::of(file.as_fd(), record.size));
                }
                let stamp = Stamp::of(&looked);
                if member.stamp != stamp {
                    (member.stamp, member.known, member.is_sure) = (stamp, None, false);
                }
                member.pages =
                    (self.job.rules.cache == Cache::Neutral && member.pages.is_none()).then(Pages::default);
                member.file = Some(file);
                true
            }
            Err(Missing::Vanished) => {
                self.job.told().vanished += 1;
                false
            }
            Err(Missing::Refused(refusal)) => {
                self.job.fail(record, refusal.errno, refusal.reason);
                false
            }
        }
    }

    fn find(&mut self, record: &Record) -> Result<(OwnedFd, Looked), Missing> {
        let missing = |refusal: Refusal| match refusal.errno {
            // Gone, or something else has its name.
            libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::EISDIR | libc::ESPIPE => Missing::Vanished,
            _ => Missing::Refused(refusal),
        };
        let refused = |errno| missing(path_refusal(errno));
        if self.dir.as_ref().is_none_or(|(directory, _)| *directory != record.directory) {
            self.dir = None;
            let dir = self.job.roots.reopen(record.directory).map_err(refused)?;
            self.dir = Some((record.directory, dir));
        }
        let Some((_, dir)) = &self.dir else { return Err(Missing::Vanished) };
        let name = self.job.catalogue.name(record);
        let file = open_regular(dir.as_fd(), name, false, libc::O_RDONLY).map_err(missing)?;
        let looked = Looked::at(file.as_fd(), c"").map_err(refused)?;
        let dev = self.job.catalogue.dev(record);
        if (looked.dev, looked.ino, looked.size) != (dev, record.ino, record.size) {
            return Err(Missing::Vanished);
        }
        Ok((file, looked))
    }

    /// What is equal by the digests goes on.
    fn group(&mut self, mut members: Vec<Member>) {
        let size = members.first().map_or(0, |member| self.record(member).size);
        let count = members.len();
        members.retain(|member| member.digest.is_some());
        members.sort_by_key(|member| member.digest);
        let mut rest = members;
        while !rest.is_empty() {
            let digest = rest[0].digest;
            let len = rest.iter().take_while(|member| member.digest == digest).count();
            let others = rest.split_off(len);
            self.equal(std::mem::replace(&mut rest, others), size);
            if self.is_stopped() {
                return;
            }
        }
        self.job.done(count, size);
    }

    /// Members with one digest.
    fn equal(&mut self, mut members: Vec<Member>, size: u64) {
        let set = self.set(&members);
        let nothing = members.len() == 1 || members[0].digest == Some(0);
        let is_settled = |member: &Member| member.known.is_some_and(|entry| nothing || entry.settled == set);
        if members.iter().all(is_settled) {
            self.job.told().known += members.len() as u64;
            return;
        }
        if nothing {
            return self.end(members, 0);
        }
        let hold = members.len() <= HELD;
        members.retain_mut(|member| {
            let opened = member.placement.is_some() || self.open(member);
            if !hold {
                member.close();
            }
            opened
        });
        let classes = classes(&members, size);
        let settled = if self.job.rules.dry_run {
            self.estimate(&classes);
            false
        } else {
            self.share(&mut members, classes, size, true)
        };
        let set = if settled { self.set(&members) } else { 0 };
        self.end(members, set);
    }

    /// A number for these files as they are.
    fn set(&self, members: &[Member]) -> u64 {
        if self.job.index.is_none() {
            return 0;
        }
        let key = |member: &Member| (self.job.catalogue.key(self.record(member)), member.stamp.0);
        super::index::set(members.iter().map(key))
    }

    fn end(&self, members: Vec<Member>, settled: u64) {
        for mut member in members {
            if let (Some(index), true, Some(digest)) = (self.job.index, member.is_sure, member.digest) {
                let entry = Entry { stamp: member.stamp, digest, settled };
                if member.known != Some(entry) {
                    index.remember(self.job.catalogue.key(self.record(&member)), entry);
                }
            }
            member.close();
        }
    }

    fn estimate(&self, classes: &[Class]) {
        let all: u64 = classes.iter().map(|class| class.mapped * class.members.len() as u64).sum();
        let source = source(classes).map_or(0, |at| classes[at].mapped * classes[at].members.len() as u64);
        let mut told = self.job.told();
        told.estimate += all - source;
        told.already_shared += classes.iter().map(Class::shared_within).sum::<u64>();
    }

    /// Has the kernel compare the classes and share what is equal. True where nothing is left to be done.
    fn share(&mut self, members: &mut [Member], mut left: Vec<Class>, size: u64, is_first: bool) -> bool {
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
        if !self.open(member) {
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
                self.job.fail(self.record(member), refusal.errno, refusal.reason);
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
    fn ask(
        &mut self,
        members: &mut [Member],
        source: &Class,
        classes: Vec<Class>,
        size: u64,
    ) -> (Vec<Class>, bool) {
        let hold = members.len() <= HELD;
        let from = source.members[0];
        if !self.open(&mut members[from]) {
            return (classes, false);
        }
        let mut all_asked = true;
        let mut differing = Vec::new();
        for mut class in classes {
            let mut differ = Vec::new();
            for some in class.members.chunks(HELD - 1) {
                let mut opened = Vec::with_capacity(some.len());
                for at in some {
                    if self.open(&mut members[*at]) {
                        opened.push(*at);
                    } else {
                        all_asked = false;
                    }
                }
                match self.ask_together(members, from, &opened, size) {
                    Ok(results) => {
                        for (at, result) in opened.iter().zip(results) {
                            let record = self.record(&members[*at]);
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
        let options =
            DedupeOptions::new().control(Control::new().cancel(&stopped)).cache(self.job.rules.cache);
        let Some(source) = file(&members[from]) else { return Err(()) };
        dedupe_range(source, 0, size, &targets, options).map_err(|error| {
            let record = self.record(&members[from]);
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

enum Told {
    Done,
    Differs,
    Failed,
}

impl Member {
    /// With what was read gone from the page cache, where that is asked for.
    fn close(&mut self) {
        if let (Some(file), Some(pages)) = (self.file.take(), self.pages.take()) {
            pages.drop_from(file.as_fd());
        }
    }
}

impl Class {
    /// What its members share among themselves.
    fn shared_within(&self) -> u64 {
        self.mapped * (self.members.len() as u64 - 1)
    }
}

/// Members by where they lie.
fn classes(members: &[Member], size: u64) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    let mut by_place: HashMap<u128, usize> = HashMap::new();
    for (at, member) in members.iter().enumerate() {
        let (mapped, extents, number) = match member.placement {
            Some(Placement::At(place)) => (place.mapped, place.extents, Some(place.number)),
            _ => (size, 1, None),
        };
        let class = number.and_then(|number| by_place.get(&number).copied());
        match class {
            Some(class) => classes[class].members.push(at),
            None => {
                if let Some(number) = number {
                    by_place.insert(number, classes.len());
                }
                classes.push(Class { members: vec![at], mapped, extents });
            }
        }
    }
    classes
}

/// Which class's blocks all others are to share: those with most holes, so that none is filled, then those that most files
/// have, then those in fewest extents.
fn source(classes: &[Class]) -> Option<usize> {
    let key = |class: &Class| (class.mapped, std::cmp::Reverse(class.members.len()), class.extents);
    (0..classes.len()).min_by_key(|at| key(&classes[*at]))
}
