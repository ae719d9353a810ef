//! What addresses belong to: those of two files may be compared only within one volume.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::facts::{Facts, Kind};
use crate::sys;

use super::owners::Owners;
use super::sweep::Maps;

/// Parts of a filesystem with addresses of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    Data,
    /// XFS: another device.
    Realtime,
    /// btrfs: compressed extents, which are told by their beginnings.
    Encoded,
    /// Files without a map, at addresses that are made up.
    Unmapped,
}

/// The filesystems that were come to.
#[derive(Default)]
pub(super) struct Volumes {
    /// By the device of fstat(2), of which a btrfs has one for each subvolume.
    filesystems: HashMap<u64, Filesystem>,
    /// Those of btrfs, by their UUIDs.
    btrfs: HashMap<[u8; 16], u64>,
    numbers: HashMap<(u64, Part), u32>,
    volumes: Vec<Volume>,
}

/// One that files were found on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Filesystem {
    /// The first device that it was known by.
    first: u64,
    pub(super) kind: Kind,
}

struct Volume {
    filesystem: Filesystem,
    part: Part,
    /// A file of it whose map says that something is shared: the filesystem is asked by it.
    shared: Option<OwnedFd>,
    /// The first address that was not given to a file without a map.
    free: u64,
}

impl Filesystem {
    /// Whether its maps are asked. An overlay's may be those of several filesystems, and what servers and programs
    /// answer says nothing of blocks.
    pub(super) fn has_maps(self) -> bool {
        !matches!(self.kind, Kind::Overlay | Kind::Fuse | Kind::Network | Kind::Zfs)
    }
}

impl Volumes {
    /// The filesystem of an open file, which is on the device `dev`.
    pub(super) fn filesystem(&mut self, dev: u64, file: BorrowedFd<'_>) -> Filesystem {
        if let Some(known) = self.filesystems.get(&dev) {
            return *known;
        }
        let kind = Facts::of(file).kind();
        let first = match sys::btrfs::uuid(file) {
            Ok(uuid) if kind == Kind::Btrfs => *self.btrfs.entry(uuid).or_insert(dev),
            _ => dev,
        };
        *self.filesystems.entry(dev).or_insert(Filesystem { first, kind })
    }

    /// The number of a part of it.
    pub(super) fn number(&mut self, filesystem: Filesystem, part: Part) -> u32 {
        *self.numbers.entry((filesystem.first, part)).or_insert_with(|| {
            self.volumes.push(Volume { filesystem, part, shared: None, free: 0 });
            // Not even one for each file of a filesystem.
            (self.volumes.len() - 1) as u32
        })
    }

    /// Makes up an address for a file without a map.
    pub(super) fn place(&mut self, volume: u32, bytes: u64) -> u64 {
        let free = &mut self.volumes[volume as usize].free;
        let start = *free;
        *free = free.saturating_add(bytes);
        start
    }

    /// The map of `file` says that something of it is shared.
    pub(super) fn is_shared(&mut self, volume: u32, file: OwnedFd) {
        self.volumes[volume as usize].shared.get_or_insert(file);
    }

    pub(super) fn any_shared(&self, volume: u32) -> bool {
        self.volumes[volume as usize].shared.is_some()
    }

    pub(super) fn maps(&self, volume: u32) -> Maps {
        let Volume { filesystem: Filesystem { kind, .. }, part, .. } = self.volumes[volume as usize];
        match (part, kind) {
            // They share nothing, with a map or without.
            (_, Kind::Ext | Kind::Other) | (Part::Data | Part::Realtime, Kind::Xfs) => Maps::OfBlocks,
            (Part::Unmapped, _) => Maps::Missing,
            _ => Maps::OfExtents,
        }
    }

    /// What the filesystem itself knows of the uses, where it may and need be asked.
    pub(super) fn owners(&mut self, volume: u32) -> Option<Owners> {
        let Volume { filesystem, part, shared, .. } = &mut self.volumes[volume as usize];
        let can_tell = filesystem.kind == Kind::Xfs && *part == Part::Data;
        shared.take().filter(|_| can_tell).map(|file| Owners::new(file, filesystem.first))
    }
}

/// Whether a file of XFS lies on the realtime device.
pub(super) fn is_realtime(file: &OwnedFd) -> bool {
    sys::attributes::extended(file.as_fd())
        .is_ok_and(|extended| extended.flags & sys::attributes::REALTIME != 0)
}
