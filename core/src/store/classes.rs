//! Files by where they lie: those that share all their blocks already are one.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use super::member::Member;
use super::placement::Placement;

/// Members that share all their blocks: places in the list.
pub(super) struct Class {
    pub(super) members: Vec<usize>,
    /// Bytes that have blocks, and in how many extents; all of them, and one, where the map does not tell.
    pub(super) mapped: u64,
    pub(super) extents: u32,
}

impl Class {
    /// A class without members, like this one.
    fn of(member: Option<&Member>, size: u64) -> Class {
        let (mapped, extents) = match member.and_then(|member| member.placement) {
            Some(Placement::At(place)) => (place.mapped, place.extents),
            _ => (size, 1),
        };
        Class { members: Vec::new(), mapped, extents }
    }

    /// Members with one digest as one class, like the first that could be looked at.
    pub(super) fn whole(members: &[Member], which: Range<usize>, size: u64) -> Class {
        let first = members[which.clone()].iter().find(|member| member.placement.is_some());
        Class { members: which.collect(), ..Class::of(first, size) }
    }

    /// What its members share among themselves.
    pub(super) fn shared_within(&self) -> u64 {
        self.mapped * (self.members.len() as u64 - 1)
    }
}

/// Members by where they lie; without those that could not be looked at.
pub(super) fn classes(members: &[Member], size: u64) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    let mut by_place: HashMap<u128, usize> = HashMap::new();
    for (at, member) in members.iter().enumerate() {
        let class = match member.placement {
            Some(Placement::At(place)) => *by_place.entry(place.number).or_insert(classes.len()),
            Some(_) => classes.len(),
            None => continue,
        };
        if class == classes.len() {
            classes.push(Class::of(Some(member), size));
        }
        classes[class].members.push(at);
    }
    classes
}

/// Which class's blocks all others are to share, the least: those with most holes, so that none is filled, then those that
/// most files have, then those in fewest extents.
pub(super) fn preference(class: &Class) -> impl Ord + use<> {
    (class.mapped, Reverse(class.members.len()), class.extents)
}

pub(super) fn source(classes: &[Class]) -> Option<usize> {
    (0..classes.len()).min_by_key(|at| preference(&classes[*at]))
}
