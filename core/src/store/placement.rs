//! Where a file's bytes lie, in short: files of which it says the same share all their blocks.

use std::os::fd::BorrowedFd;

use xxhash_rust::xxh3::Xxh3;

use crate::extents::{ExtentFlags, Extents, Sync};

/// What an extent map says, without its extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// No byte has a block: holes, or so small that it lies inside of metadata.
    Nothing,
    At(Place),
    /// There is no map, or not all of it has a place yet.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Of two files with the same number all blocks are the same. Of compressed extents the address is that of the
    /// whole: of files that have the same ones it is taken for granted that they have the same parts.
    pub(super) number: u128,
    /// Bytes that have blocks.
    pub(super) mapped: u64,
    pub(super) extents: u32,
}

impl Placement {
    /// Without writing anything back: what is dirty has no place yet, and is compared.
    pub(super) fn of(fd: BorrowedFd<'_>, size: u64) -> Placement {
        let mut hash = Xxh3::new();
        let mut place = Place { number: 0, mapped: 0, extents: 0 };
        for extent in Extents::new(fd, 0, size, Sync::No) {
            match extent {
                Ok(extent) if extent.is_hole() || extent.flags.contains(ExtentFlags::INLINE) => {}
                Ok(extent) if extent.has_place() => {
                    place.mapped += extent.length;
                    place.extents = place.extents.saturating_add(1);
                    for number in [extent.logical, extent.physical, extent.length] {
                        hash.update(&number.to_le_bytes());
                    }
                    // Not whether it is shared: that changes with what others do.
                    hash.update(&[u8::from(extent.is_data())]);
                }
                Ok(_) | Err(_) => return Placement::Unknown,
            }
        }
        if place.mapped == 0 {
            return Placement::Nothing;
        }
        place.number = hash.digest128();
        Placement::At(place)
    }
}
