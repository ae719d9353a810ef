//! Room that is taken before a clone begins and given back before it is undone, so that the way back has
//! some where the clone itself used up the last.

use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd};

use crate::facts::Kind;
use crate::sys;
use crate::sys::Errno;

/// For what grows in blocks: the trees of extents and reference counts of XFS. The way back needs no more blocks of
/// them in the end than there were before, whatever the number of extents; on the way each step wants a few free
/// ones, by the height of those trees, which are lower where blocks are larger and higher where they are smaller.
const BLOCKS: u64 = 8;
const SPACE: u64 = BLOCKS * 4096;

/// Metadata, for btrfs, where no file's blocks are of use to a tree.
const ATTRIBUTES: u64 = 256 << 10;
/// Nearly what a leaf holds, so that no two fit in one: of leaves of 16 KiB, and of 4 KiB where so much is
/// ENOSPC (mkfs.btrfs(8), nodesize).
const ATTRIBUTE: [usize; 2] = [15_000, 3_800];

/// What is taken, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    space: u64,
    attributes: u64,
}

pub(super) fn plan(kind: Kind, block: u64) -> Plan {
    let space = SPACE.max(BLOCKS * block);
    match kind {
        Kind::Btrfs => Plan { space: 0, attributes: ATTRIBUTES },
        // What lies under it does not show.
        Kind::Overlay => Plan { space, attributes: ATTRIBUTES },
        Kind::Xfs => Plan { space, attributes: 0 },
        _ => Plan { space: SPACE, attributes: 0 },
    }
}

pub(super) struct Reserve {
    file: OwnedFd,
    attributes: u32,
    bytes: u64,
}

impl Reserve {
    pub(super) fn take(file: OwnedFd, plan: Plan) -> sys::Result<Reserve> {
        let mut reserve = Reserve { file, attributes: 0, bytes: 0 };
        match reserve.all(plan) {
            Ok(()) => Ok(reserve),
            Err(errno) => {
                // A part of it is of no use here, but to others.
                reserve.release();
                Err(errno)
            }
        }
    }

    fn all(&mut self, plan: Plan) -> sys::Result<()> {
        if plan.space > 0 && had(sys::fallocate::reserve(self.file.as_fd(), 0, plan.space))? {
            self.bytes += plan.space;
        }
        if plan.attributes > 0 {
            let value = [0x58; ATTRIBUTE[0]];
            match self.fill(plan.attributes, &value) {
                Err(Errno(libc::ENOSPC)) if self.attributes == 0 => {
                    self.fill(plan.attributes, &value[..ATTRIBUTE[1]])?;
                }
                result => result?,
            }
        }
        Ok(())
    }

    fn fill(&mut self, bytes: u64, value: &[u8]) -> sys::Result<()> {
        while u64::from(self.attributes) * (value.len() as u64) < bytes {
            let set = with_name(self.attributes, |name| sys::xattr::set(self.file.as_fd(), name, value));
            if !had(set)? {
                break;
            }
            self.attributes += 1;
            self.bytes += value.len() as u64;
        }
        Ok(())
    }

    /// How much was taken.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives everything back. Not by closing the file: XFS frees the blocks of an unlinked file some time
    /// after that.
    pub(super) fn release(&mut self) {
        let file = self.file.as_fd();
        // A failure shows in what follows.
        sys::truncate::set_size(file, 0).ok();
        if self.attributes == 0 {
            return;
        }
        for number in 0..std::mem::take(&mut self.attributes) {
            with_name(number, |name| sys::xattr::remove(file, name)).ok();
        }
        sys::sync::syncfs(file).ok();
    }
}

/// Whether it worked; a filesystem that does not know such a thing needs none of it.
fn had(result: sys::Result<()>) -> sys::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(Errno(libc::EOPNOTSUPP)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn with_name<T>(number: u32, then: impl FnOnce(&CStr) -> T) -> T {
    let name = format!("user.xtent-{number}\0");
    then(CStr::from_bytes_with_nul(name.as_bytes()).expect("one zero, at the end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_blocks_whatever_their_size() {
        for (block, space) in
            [(1 << 10, 32 << 10), (4 << 10, 32 << 10), (16 << 10, 128 << 10), (64 << 10, 512 << 10)]
        {
            assert_eq!(plan(Kind::Xfs, block), Plan { space, attributes: 0 });
            assert_eq!(plan(Kind::Overlay, block), Plan { space, attributes: ATTRIBUTES });
        }
        assert_eq!(plan(Kind::Btrfs, 4 << 10), Plan { space: 0, attributes: ATTRIBUTES });
        assert_eq!(plan(Kind::Zfs, 1 << 20), Plan { space: SPACE, attributes: 0 });
    }
}
