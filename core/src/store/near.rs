//! Large files of one size that are equal in places: the same file at two times, as images of disks and databases are.

use std::collections::HashMap;
use std::ops::Range;
use std::os::fd::AsFd;

use xxhash_rust::xxh3::Xxh3;

use crate::file::path_refusal;

use super::classes::{Class, preference};
use super::job::HELD;
use super::member::Member;
use super::sample::{self, Parts};
use super::worker::Worker;

impl Worker<'_, '_> {
    /// All members of one size, sorted by their digests: those with one digest share first, and then what they can with one of
    /// another. True where nothing is left to be done.
    pub(super) fn near(&mut self, members: &mut [Member], size: u64) -> bool {
        let hold = members.len() <= HELD;
        let mut settled = true;
        let mut sampled: Vec<(Range<usize>, Parts)> = Vec::new();
        let mut at = 0;
        for some in members.chunk_by_mut(|a, b| a.digest == b.digest) {
            settled &= self.equal(some, size);
            let which = at..at + some.len();
            at = which.end;
            // Of what has no blocks there is nothing to share.
            if some[0].digest != Some(0) && !self.is_stopped() {
                match self.parts(some, size) {
                    // All of them: one alone would leave what it shares with the others by now.
                    Some(parts) => sampled.push((which, parts)),
                    None => settled = false,
                }
            }
            if !hold {
                some.iter_mut().for_each(Member::close);
            }
            if self.is_stopped() {
                return false;
            }
        }
        sampled.sort_by_cached_key(|(which, _)| preference(&Class::whole(members, which.clone(), size)));
        let pairs = pairs(sampled.iter().map(|(_, parts)| parts));
        // Not all at once: they take more memory than what was sampled.
        for some in pairs.chunk_by(|a, b| a.0 == b.0).flat_map(|pairs| pairs.chunks(HELD)) {
            let class = |at: usize| Class::whole(members, sampled[at].0.clone(), size);
            let (from, others) = (some[0].0, some.iter().map(|(_, other)| *other));
            let (source, classes) = (class(from), others.clone().map(class).collect::<Vec<_>>());
            if self.job.rules.dry_run {
                for (other, class) in others.zip(&classes) {
                    let is_equal = |i: usize| sampled[from].1[i] == sampled[other].1[i];
                    let more = self.unshared(members, &source, class, size, is_equal);
                    self.job.told().estimate += more;
                }
            } else {
                settled &= self.ask(members, &source, classes, size).1;
            }
            if self.is_stopped() {
                return false;
            }
        }
        settled && !self.job.rules.dry_run
    }

    /// Of members with one digest.
    fn parts(&mut self, members: &mut [Member], size: u64) -> Option<Parts> {
        let at = self.files.first(members, 0..members.len())?;
        let member = &mut members[at];
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
        parts
    }
}

/// Which are near which, the source first: two of their samples are equal, in the same places, and no zeros, which are in many
/// files that have nothing else in common. The first one that others are near to is the source; each of the others has one.
fn pairs<'a>(all: impl Iterator<Item = &'a Parts>) -> Vec<(usize, usize)> {
    // By a digest of the two: that others have the same costs a comparison, and nothing else.
    let mut sources: HashMap<u64, u32> = HashMap::new();
    let mut pairs = Vec::new();
    for (at, parts) in all.enumerate() {
        let two = |i: usize, j: usize| {
            let mut hash = Xxh3::new();
            for number in [i as u64, parts[i]?.get(), j as u64, parts[j]?.get()] {
                hash.update(&number.to_le_bytes());
            }
            Some(hash.digest())
        };
        let twos = (0..parts.len()).flat_map(|j| (0..j).filter_map(move |i| two(i, j)));
        match twos.clone().find_map(|two| sources.get(&two)) {
            Some(source) => pairs.push((*source as usize, at)),
            None => sources.extend(twos.map(|two| (two, at as u32))),
        }
    }
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    /// Zeros are 0.
    fn parts(digests: [u64; 4]) -> Parts {
        digests.map(NonZeroU64::new)
    }

    #[test]
    fn two_samples_that_are_no_zeros() {
        let all = [
            [1, 2, 3, 4],
            [9, 2, 3, 9],
            // One alone, and another place.
            [1, 7, 7, 7],
            [2, 1, 4, 3],
            // Zeros are equal, and do not count.
            [5, 0, 0, 6],
            [6, 0, 0, 5],
            [5, 0, 8, 6],
            // Near the first, though it has as much in common with the second.
            [9, 2, 3, 4],
        ]
        .map(parts);
        assert_eq!(pairs(all.iter()), [(0, 1), (0, 7), (4, 6)]);
        assert_eq!(pairs([].iter()), []);
    }

    /// None is compared with more than one, so all are read once more at most.
    #[test]
    fn each_has_one_source() {
        let all: Vec<Parts> = (0..1000).map(|i| parts([1 + i % 7, 1 + i % 5, 1 + i % 3, 0])).collect();
        let pairs = pairs(all.iter());
        let mut others: Vec<_> = pairs.iter().map(|(_, other)| *other).collect();
        others.sort_unstable();
        let len = others.len();
        others.dedup();
        assert_eq!(others.len(), len);
        assert!(pairs.iter().all(|(source, _)| others.binary_search(source).is_err()));
    }
}
