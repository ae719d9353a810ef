//! Large files of one size that are equal in places: the same file at two times, as images of disks and databases are.

use std::collections::HashMap;
use std::os::fd::AsFd;

use crate::file::path_refusal;

use super::classes::{Class, preference};
use super::member::Member;
use super::sample::{self, Parts};
use super::worker::Worker;

impl Worker<'_, '_> {
    /// All members of one size, sorted by their digests: those with one digest share first, and then what they can with one of
    /// another. True where nothing is left to be done.
    pub(super) fn near(&mut self, members: &mut [Member], size: u64) -> bool {
        let mut settled = true;
        let mut digests = Vec::new();
        let mut at = 0;
        for some in members.chunk_by_mut(|a, b| a.digest == b.digest) {
            settled &= self.equal(some, size);
            if self.is_stopped() {
                return false;
            }
            // Of what has no blocks there is nothing to share.
            digests.extend((some[0].digest != Some(0)).then_some(at..at + some.len()));
            at += some.len();
        }
        let mut sampled = Vec::new();
        for digest in digests {
            let first = &mut members[digest.start];
            match self.parts(first, size) {
                // All of them: one alone would leave what it shares with the others by now.
                Some(parts) => {
                    sampled.push((Class { members: digest.collect(), ..Class::of(first, size) }, parts))
                }
                None => settled = false,
            }
            if self.is_stopped() {
                return false;
            }
        }
        sampled.sort_by_key(|(class, _)| preference(class));
        let parts: Vec<Parts> = sampled.iter().map(|(_, parts)| *parts).collect();
        let mut classes: Vec<Option<Class>> = sampled.into_iter().map(|(class, _)| Some(class)).collect();
        for (source, others) in pairs(&parts) {
            let Some(source) = classes[source].take() else { continue };
            let others: Vec<Class> = others.into_iter().filter_map(|at| classes[at].take()).collect();
            if self.job.rules.dry_run {
                // Half of the samples are equal, or more.
                self.job.told().estimate += others.iter().map(|class| class.mapped / 2).sum::<u64>();
            } else {
                settled &= self.ask(members, &source, others, size).1;
            }
            if self.is_stopped() {
                return false;
            }
        }
        settled && !self.job.rules.dry_run
    }

    fn parts(&mut self, member: &mut Member, size: u64) -> Option<Parts> {
        let is_held = member.file.is_some();
        if !self.files.open(member) {
            return None;
        }
        let record = self.files.record(member);
        let file = member.file.as_ref()?.as_fd();
        if let Some(pages) = &mut member.pages {
            pages.look(file, size);
        }
        let parts = sample::each(file, size, &mut self.buffer).unwrap_or_else(|errno| {
            let refusal = path_refusal(errno);
            self.job.fail(record, refusal.errno, refusal.reason);
            None
        });
        if parts.is_some() {
            self.job.told().read += sample::READ;
        }
        if !is_held {
            member.close();
        }
        parts
    }
}

/// Which are near which: two of their samples are equal, in the same places, and no zeros, which are in many files that have
/// nothing else in common. The first one that others are near to is the source; each of the others has one.
fn pairs(all: &[Parts]) -> Vec<(usize, Vec<usize>)> {
    let mut sources = HashMap::new();
    let mut pairs: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, parts) in all.iter().enumerate() {
        let two = |i: usize, j: usize| Some(((i, parts[i]?), (j, parts[j]?)));
        let twos: Vec<_> = (0..parts.len()).flat_map(|j| (0..j).filter_map(move |i| two(i, j))).collect();
        match twos.iter().find_map(|two| sources.get(two)) {
            Some(source) => pairs.entry(*source).or_default().push(at),
            None => sources.extend(twos.into_iter().map(|two| (two, at))),
        }
    }
    let mut pairs: Vec<_> = pairs.into_iter().collect();
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_samples_that_are_no_zeros() {
        let all = [
            [Some(1), Some(2), Some(3), Some(4)],
            [Some(9), Some(2), Some(3), Some(9)],
            // One alone, and another place.
            [Some(1), Some(7), Some(7), Some(7)],
            [Some(2), Some(1), Some(4), Some(3)],
            // Zeros are equal, and do not count.
            [Some(5), None, None, Some(6)],
            [Some(6), None, None, Some(5)],
            [Some(5), None, Some(8), Some(6)],
            // Near the first, though it has as much in common with the second.
            [Some(9), Some(2), Some(3), Some(4)],
        ];
        assert_eq!(pairs(&all), [(0, vec![1, 7]), (4, vec![6])]);
        assert_eq!(pairs(&[]), []);
    }

    /// None is compared with more than one, so all are read once more at most.
    #[test]
    fn each_has_one_source() {
        let all: Vec<Parts> = (0..1000u64).map(|i| [Some(i % 7), Some(i % 5), Some(i % 3), None]).collect();
        let pairs = pairs(&all);
        let mut others: Vec<_> = pairs.iter().flat_map(|(_, others)| others.clone()).collect();
        others.sort_unstable();
        let len = others.len();
        others.dedup();
        assert_eq!(others.len(), len);
        assert!(pairs.iter().all(|(source, _)| others.binary_search(source).is_err()));
    }
}
