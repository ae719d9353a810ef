//! `xtent_extents` and `xtent_shared_bytes`.

use std::ffi::c_int;

use xtent::Extent;

use crate::ffi::{Array, Failure, count, descriptor, guarded};

/// An extent is a hole: it takes no space, and a read gives zeros.
pub const XTENT_EXTENT_HOLE: u32 = 0x1;
/// An extent has blocks that were never written: a read gives zeros.
pub const XTENT_EXTENT_UNWRITTEN: u32 = 0x2;
/// Another file, or another place in this one, uses the same blocks. XFS says so of each block; btrfs
/// of a whole extent as soon as any part of it is shared.
pub const XTENT_EXTENT_SHARED: u32 = 0x4;
/// Stored inside metadata, not in blocks of its own.
pub const XTENT_EXTENT_INLINE: u32 = 0x8;
/// Compressed or encrypted: `physical` names the whole extent, which may be shorter on disk.
pub const XTENT_EXTENT_ENCODED: u32 = 0x10;
/// The filesystem does not say where it lies.
pub const XTENT_EXTENT_UNKNOWN: u32 = 0x20;

/// A run of bytes of a file, and where it lies.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_extent {
    /// Where it begins in the file.
    pub logical: u64,
    /// Where it begins on the filesystem's device (btrfs: in its logical address space). 0 for a hole,
    /// and where there is no place to name. Only comparable between files of one filesystem.
    pub physical: u64,
    /// How long it is in the file.
    pub length: u64,
    /// XTENT_EXTENT_... bits.
    pub flags: u32,
    /// 0.
    pub reserved: u32,
}

impl From<Extent> for xtent_extent {
    fn from(extent: Extent) -> Self {
        xtent_extent {
            logical: extent.logical,
            physical: extent.physical,
            length: extent.length,
            flags: extent.flags.bits(),
            reserved: 0,
        }
    }
}

/// Lists where `len` bytes of a file at `off` lie: its extents in order, holes among them, without gaps,
/// cut to that range and to the end of the file. XTENT_TO_END is a length too.
///
/// Fills the first `n` elements of `out` at most. To go on, call it again with `off` at the end of the
/// last one (`logical` plus `length`); it is done when it returns 0. Writes dirty pages of the file back
/// first: data that is not on disk yet has no place.
///
/// Returns the number of elements that were filled, or -errno.
///
///   EINVAL      `out` is NULL, or `n` is 0; no regular file
///   EBADF       not open, or opened with O_PATH
///   EISDIR      a directory
///   EOPNOTSUPP  the filesystem has no such maps (tmpfs, NFS, FUSE)
///   EIO         the device failed
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_extents(
    fd: c_int,
    off: u64,
    len: u64,
    out: *mut xtent_extent,
    n: usize,
) -> i64 {
    count(guarded(|| {
        if n == 0 {
            // 0 filled would read as "no more".
            return Err(Failure::invalid());
        }
        // SAFETY: the pointer is what the header asks for.
        let out = unsafe { Array::new(out, n)? };
        let extents = xtent::extents(descriptor(fd), off, len)?;
        Ok(out.fill(extents.into_iter().map(xtent_extent::from)))
    }))
}

/// How many bytes of blocks two files share, each block counted once. A file shares all its data with
/// itself.
///
/// Exact on XFS; on btrfs compressed extents are compared by their beginning only, and counted by the
/// bytes of file data. Data without blocks of its own (XTENT_EXTENT_INLINE) is never shared. Writes
/// dirty pages of both files back first.
///
/// Returns the number of bytes, or -errno.
///
///   EXDEV       the files are on two filesystems, or on an overlay and the filesystem under it, where
///               addresses cannot be compared
///   EOPNOTSUPP  also on SMB, whose maps have no addresses
///   EINVAL, EBADF, EISDIR, EOPNOTSUPP, EIO
///               as xtent_extents
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub extern "C" fn xtent_shared_bytes(a_fd: c_int, b_fd: c_int) -> i64 {
    count(guarded(|| Ok(xtent::shared_bytes(descriptor(a_fd), descriptor(b_fd))?)))
}

#[cfg(test)]
mod tests {
    use xtent::ExtentFlags;

    use super::*;

    #[test]
    fn flags_are_those_of_core() {
        for (c, core) in [
            (XTENT_EXTENT_HOLE, ExtentFlags::HOLE),
            (XTENT_EXTENT_UNWRITTEN, ExtentFlags::UNWRITTEN),
            (XTENT_EXTENT_SHARED, ExtentFlags::SHARED),
            (XTENT_EXTENT_INLINE, ExtentFlags::INLINE),
            (XTENT_EXTENT_ENCODED, ExtentFlags::ENCODED),
            (XTENT_EXTENT_UNKNOWN, ExtentFlags::UNKNOWN),
        ] {
            assert_eq!(c, core.bits());
        }
    }
}
