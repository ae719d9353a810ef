//! From one end of a volume to the other: which blocks are used how often, and by which roots.

use std::collections::BTreeMap;
use std::iter::Peekable;

use crate::sys;

use super::owners::Owner;
use super::reference::Reference;
use super::tally::{Elsewhere, Tally};

/// What the maps of a volume's files say of a block that is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Maps {
    /// That it is, and of this block alone.
    OfBlocks,
    /// That some block of the same extent is.
    OfExtents,
    /// There are none.
    Missing,
}

/// Adds up one volume, with the `references` to it that come next, and the uses that the filesystem itself knows of.
///
/// `is_outside` says of a file with several names whether it has one beside the roots.
pub(super) fn sweep(
    maps: Maps,
    references: &mut Peekable<impl Iterator<Item = sys::Result<Reference>>>,
    owners: impl Iterator<Item = Owner>,
    is_outside: impl Fn(u32) -> bool,
    tally: &mut Tally,
) -> sys::Result<()> {
    let Some(Ok(Reference { volume, .. })) = references.peek().copied() else {
        return references.next().map_or(Ok(()), |failed| failed.map(drop));
    };
    let mut next = || -> sys::Result<Option<Reference>> {
        references.next_if(|next| next.as_ref().map_or(true, |next| next.volume == volume)).transpose()
    };
    let mut owners = owners.peekable();
    let mut present = Present::new(tally.roots.len());
    let (mut reference, mut at) = (next()?, 0);
    while reference.is_some() || present.uses + present.again > 0 {
        let starts = reference.map(|reference| reference.start);
        if present.uses + present.again == 0 {
            // Nothing of the roots lies before.
            while owners.next_if(|owner| Some(owner.end) <= starts).is_some() {}
        }
        let events = [starts, owners.peek().map(|owner| owner.start), present.first_end()];
        let Some(to) = events.into_iter().flatten().min() else { break };
        // An owner may begin before the last event: only those that touch nothing were left out.
        let to = to.max(at);
        if to > at && !present.roots.is_empty() {
            tally.add(to - at, &present.roots, present.elsewhere(maps));
        }
        at = to;
        present.end(at);
        while let Some(owner) = owners.next_if(|owner| owner.start <= at) {
            if owner.end > at {
                present.begin(owner.end, if owner.is_known { Use::Owner } else { Use::Owners });
            }
        }
        while let Some(begun) = reference.filter(|reference| reference.start <= at) {
            let Reference { root, is_shared, is_again, link, .. } = begun;
            let is_outside = link != super::reference::NO_LINK && is_outside(link);
            present.begin(begun.end, Use::Root { root, is_shared, is_again, is_outside });
            reference = next()?;
        }
    }
    Ok(())
}

/// One use of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    Root {
        root: u32,
        is_shared: bool,
        is_again: bool,
        is_outside: bool,
    },
    /// That the filesystem knows of.
    Owner,
    /// Any number of them.
    Owners,
}

/// Who uses the block at the place that the sweep has come to.
struct Present {
    /// How many uses of a kind end where. Uses that are alike are one entry, so that a block which a million files share
    /// takes no more room than one which two do.
    ends: BTreeMap<(u64, Use), u64>,
    /// How often each root does.
    of_root: Vec<u64>,
    /// The roots that do.
    roots: Vec<u32>,
    /// By files, however many names they have.
    uses: u64,
    again: u64,
    shared: u64,
    outside: u64,
    owners: u64,
    owners_unknown: u64,
}

impl Present {
    fn new(roots: usize) -> Self {
        Present {
            ends: BTreeMap::new(),
            of_root: vec![0; roots],
            roots: Vec::new(),
            uses: 0,
            again: 0,
            shared: 0,
            outside: 0,
            owners: 0,
            owners_unknown: 0,
        }
    }

    fn first_end(&self) -> Option<u64> {
        self.ends.first_key_value().map(|((end, _), _)| *end)
    }

    fn begin(&mut self, end: u64, what: Use) {
        *self.ends.entry((end, what)).or_default() += 1;
        if let Use::Root { root, .. } = what {
            self.of_root[root as usize] += 1;
            if self.of_root[root as usize] == 1 {
                self.roots.push(root);
            }
        }
        self.count(what, |number| *number += 1);
    }

    fn end(&mut self, at: u64) {
        while let Some(first) = self.ends.first_entry().filter(|first| first.key().0 <= at) {
            let ((_, what), times) = first.remove_entry();
            if let Use::Root { root, .. } = what {
                self.of_root[root as usize] -= times;
                if self.of_root[root as usize] == 0 {
                    self.roots.retain(|other| *other != root);
                }
            }
            self.count(what, |number| *number -= times);
        }
    }

    fn count(&mut self, what: Use, change: impl Fn(&mut u64)) {
        match what {
            Use::Root { is_shared, is_again, is_outside, .. } => {
                change(if is_again { &mut self.again } else { &mut self.uses });
                if is_shared {
                    change(&mut self.shared);
                }
                if is_outside {
                    change(&mut self.outside);
                }
            }
            Use::Owner => change(&mut self.owners),
            Use::Owners => change(&mut self.owners_unknown),
        }
    }

    fn elsewhere(&self, maps: Maps) -> Elsewhere {
        if self.outside > 0 {
            return Elsewhere::Yes;
        }
        if self.owners > 0 && self.owners_unknown == 0 {
            return if self.owners > self.uses { Elsewhere::Yes } else { Elsewhere::No };
        }
        match (maps, self.shared > 0, self.uses > 1) {
            (Maps::Missing, ..) => Elsewhere::Unknown,
            (_, false, _) => Elsewhere::No,
            // The flag says that there are two uses, and not whether there is a third.
            (_, true, true) => Elsewhere::Unknown,
            (Maps::OfBlocks, true, false) => Elsewhere::Yes,
            (Maps::OfExtents, true, false) => Elsewhere::Likely,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reference::NO_LINK;
    use super::super::report::Usage;
    use super::*;
    use proptest::prelude::*;

    fn swept(maps: Maps, references: &[Reference], owners: &[Owner], roots: usize) -> Tally {
        let mut sorted = references.to_vec();
        sorted.sort_unstable();
        let mut tally = Tally::new(roots);
        let mut references = sorted.into_iter().map(Ok).peekable();
        while references.peek().is_some() {
            sweep(maps, &mut references, owners.iter().copied(), |link| link % 2 == 1, &mut tally).unwrap();
        }
        tally
    }

    fn used(root: u32, start: u64, end: u64) -> Reference {
        Reference { volume: 0, start, end, root, link: NO_LINK, is_shared: false, is_again: false }
    }

    fn shared(root: u32, start: u64, end: u64) -> Reference {
        Reference { is_shared: true, ..used(root, start, end) }
    }

    fn owner(start: u64, end: u64) -> Owner {
        Owner { start, end, is_known: true }
    }

    #[test]
    fn what_the_flag_tells() {
        // Own; shared with nothing that is seen; shared between the roots; used twice by one of them.
        let uses = [
            used(0, 0, 10),
            shared(0, 10, 30),
            shared(0, 30, 70),
            shared(1, 30, 70),
            shared(1, 70, 150),
            shared(1, 70, 150),
        ];
        let tally = swept(Maps::OfBlocks, &uses, &[], 2);
        let first = Usage {
            allocated: 70,
            shared_roots: 40,
            shared_others: 20,
            unknown: 40,
            exclusive: 10,
            exclusive_most: 10,
            exact: false,
            ..Usage::default()
        };
        let second = Usage {
            allocated: 120,
            shared_roots: 40,
            unknown: 120,
            exclusive_most: 80,
            exact: false,
            ..Usage::default()
        };
        let total = Usage {
            allocated: 150,
            shared_roots: 40,
            shared_others: 20,
            unknown: 120,
            exclusive: 10,
            exclusive_most: 130,
            exact: false,
            ..Usage::default()
        };
        assert_eq!(tally, Tally { roots: vec![first, second], total });
        // Where the flag is of whole extents, what nothing else is seen to use may be free all the same.
        let tally = swept(Maps::OfExtents, &uses, &[], 2);
        assert_eq!((tally.roots[0].shared_others, tally.roots[0].exclusive_most), (20, 30));
        let tally = swept(Maps::Missing, &[used(0, 0, 10)], &[], 1);
        assert_eq!((tally.total.unknown, tally.total.exclusive_most, tally.total.exclusive), (10, 10, 0));
    }

    #[test]
    fn owners_tell_the_rest() {
        let uses = [shared(0, 30, 70), shared(1, 30, 70), shared(1, 100, 150)];
        let twice =
            [owner(0, 5), owner(0, 40), owner(30, 70), owner(40, 70), owner(60, 150), owner(100, 110)];
        let tally = swept(Maps::OfBlocks, &uses, &twice, 2);
        assert!(tally.total.exact);
        assert_eq!((tally.total.shared_others, tally.total.exclusive), (10 + 10, 30 + 40));
        // Known only up to a place.
        let some = [owner(30, 70), owner(30, 70), Owner { start: 70, end: u64::MAX, is_known: false }];
        let tally = swept(Maps::OfBlocks, &uses, &some, 2);
        assert_eq!((tally.total.unknown, tally.total.shared_others, tally.total.exclusive), (0, 50, 40));
    }

    #[test]
    fn names_are_not_uses() {
        let named = |link, root, is_again| Reference { link, is_again, ..used(root, 0, 10) };
        let tally = swept(Maps::OfBlocks, &[named(0, 0, false), named(0, 1, true)], &[owner(0, 10)], 2);
        assert_eq!(
            (tally.total.exclusive, tally.roots[0].exclusive, tally.roots[0].shared_roots),
            (10, 0, 10)
        );
        assert!(tally.total.exact);
        // It has one elsewhere.
        let tally = swept(Maps::OfBlocks, &[named(1, 0, false)], &[owner(0, 10)], 1);
        assert_eq!(
            (tally.total.exclusive, tally.total.exclusive_most, tally.total.shared_others),
            (0, 0, 10)
        );
    }

    #[test]
    fn a_failure_ends_it() {
        let mut tally = Tally::new(1);
        let mut references = [Ok(used(0, 0, 10)), Err(sys::Errno(libc::EIO))].into_iter().peekable();
        let failed = sweep(Maps::OfBlocks, &mut references, std::iter::empty(), |_| false, &mut tally);
        assert_eq!(failed, Err(sys::Errno(libc::EIO)));
    }

    const BLOCKS: u64 = 40;
    const ROOTS: u32 = 3;

    fn extents() -> impl Strategy<Value = Vec<(u32, u32, u64, u64)>> {
        // Volume, root (the last stands for what is in none), start, length.
        prop::collection::vec((0..2_u32, 0..=ROOTS, 0..BLOCKS, 1..8_u64), 0..40)
    }

    proptest! {
        /// Against counting block by block, with a map that flags what is used twice, as XFS has it.
        #[test]
        fn as_block_by_block(all in extents(), with_owners: bool) {
            let mut uses = vec![vec![Vec::new(); BLOCKS as usize + 8]; 2];
            for (volume, root, start, len) in &all {
                for block in *start..*start + *len {
                    uses[*volume as usize][block as usize].push(*root);
                }
            }
            let mut references = Vec::new();
            for (volume, root, start, len) in all.iter().filter(|(_, root, ..)| *root < ROOTS) {
                for block in *start..*start + *len {
                    let is_shared = uses[*volume as usize][block as usize].len() > 1;
                    references.push(Reference { volume: *volume, is_shared, ..used(*root, block * 10, block * 10 + 10) });
                }
            }
            references.sort_unstable();
            let mut tally = Tally::new(ROOTS as usize);
            let mut sorted = references.into_iter().map(Ok).peekable();
            while let Some(Ok(first)) = sorted.peek() {
                let volume = first.volume;
                let mut owners: Vec<_> = all
                    .iter()
                    .filter(|(of, ..)| with_owners && *of == volume)
                    .map(|(_, _, start, len)| owner(start * 10, (start + len) * 10))
                    .collect();
                owners.sort_by_key(|owner| owner.start);
                sweep(Maps::OfBlocks, &mut sorted, owners.into_iter(), |_| false, &mut tally).unwrap();
            }

            let mut wanted = Tally::new(ROOTS as usize);
            for users in uses.iter().flatten() {
                let mut roots: Vec<_> = users.iter().copied().filter(|root| *root < ROOTS).collect();
                let seen = roots.len();
                roots.sort_unstable();
                roots.dedup();
                if roots.is_empty() {
                    continue;
                }
                let elsewhere = match (with_owners, users.len() > seen) {
                    (true, true) => Elsewhere::Yes,
                    (true, false) => Elsewhere::No,
                    (false, _) if users.len() == 1 => Elsewhere::No,
                    (false, _) if seen == 1 => Elsewhere::Yes,
                    (false, _) => Elsewhere::Unknown,
                };
                wanted.add(10, &roots, elsewhere);
            }
            prop_assert_eq!(tally, wanted);
        }
    }
}
