//! Files by where they lie: those that share all their blocks already are one.

use std::collections::HashMap;

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
    /// What its members share among themselves.
    pub(super) fn shared_within(&self) -> u64 {
        self.mapped * (self.members.len() as u64 - 1)
    }
}

/// Members by where they lie.
pub(super) fn classes(members: &[Member], size: u64) -> Vec<Class> {
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
pub(super) fn source(classes: &[Class]) -> Option<usize> {
    let key = |class: &Class| (class.mapped, std::cmp::Reverse(class.members.len()), class.extents);
    (0..classes.len()).min_by_key(|at| key(&classes[*at]))
}
