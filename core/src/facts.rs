//! What a descriptor is, as far as system calls that change nothing can tell.

use std::os::fd::BorrowedFd;

use crate::sys::{self, Errno};

/// Filesystems by the magic number of statfs(2), where something depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Xfs,
    Btrfs,
    Ocfs2,
    Bcachefs,
    Zfs,
    /// Passes clones and dedupes on to the filesystem under it.
    Overlay,
    /// ext4, ext3, ext2.
    Ext,
    /// Asked for the map of a file of which something is not written back, Linux 6.1 calls that map broken, and the
    /// filesystem is read-only from then on.
    Nilfs,
    /// A program answers for it, and may change files without the kernel's knowing.
    Fuse,
    /// Done by a server, which may answer "done" to what it did not do.
    Network,
    Other,
}

impl Kind {
    pub(crate) fn of(magic: u32) -> Kind {
        match magic {
            0x5846_5342 => Kind::Xfs,
            0x9123_683E => Kind::Btrfs,
            0x7461_636F => Kind::Ocfs2,
            0xCA45_1A4E => Kind::Bcachefs,
            0x2FC1_2FC1 => Kind::Zfs,
            0x794C_7630 => Kind::Overlay,
            0xEF53 => Kind::Ext,
            0x6573_5546 => Kind::Fuse,
            0x3434 => Kind::Nilfs,
            // NFS, SMB 1, SMB 2 and later, CIFS, Ceph, OpenAFS, kAFS, 9P.
            0x6969 | 0x517B | 0xFE53_4D42 | 0xFF53_4D42 | 0x00C3_6400 | 0x5346_414F | 0x6B41_4653
            | 0x0102_1997 => Kind::Network,
            _ => Kind::Other,
        }
    }

    /// Whether this type of filesystem can share blocks between files.
    pub(crate) fn can_share(self) -> bool {
        !matches!(self, Kind::Ext | Kind::Nilfs | Kind::Fuse | Kind::Other | Kind::Network)
    }

    /// Whether its dedupe is known to compare. NFS and SMB clients once cloned without comparing, which
    /// overwrote different data: nothing is asked of a filesystem that is not on this list.
    pub(crate) fn compares(self) -> bool {
        self.can_share()
    }
}

/// By the magic number: SMB 1, SMB 2 and later, CIFS.
pub(crate) fn is_smb(magic: u32) -> bool {
    matches!(magic, 0x517B | 0xFE53_4D42 | 0xFF53_4D42)
}

/// What is known of one descriptor, or why it is not known: the descriptor may be closed, a server silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// open(2) flags.
    pub(crate) flags: sys::Result<i32>,
    pub(crate) inode: sys::Result<Inode>,
    pub(crate) filesystem: sys::Result<Filesystem>,
    /// chattr(1) flags, as `FS_IOC_GETFLAGS` has them; many filesystems have none.
    pub(crate) attributes: Option<u32>,
    /// A memfd that may not be written any more, or not grow (memfd_create(2)).
    pub(crate) sealed: bool,
}

/// What is known of a descriptor that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) flags: i32,
    pub(crate) inode: Inode,
    pub(crate) filesystem: Filesystem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Inode {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    /// `S_IFMT` bits.
    pub(crate) file_type: u32,
    pub(crate) size: u64,
    /// Space taken, in bytes; also behind the end of the file.
    pub(crate) allocated: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filesystem {
    pub(crate) kind: Kind,
    /// What offsets and lengths of a clone must be multiples of, in bytes.
    pub(crate) block: u64,
    pub(crate) read_only: bool,
}

/// Seals against changes that a verb would make.
const SEALED: i32 = libc::F_SEAL_WRITE | libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_GROW;

/// Where statfs(2) does not tell the server's block size.
const NETWORK_BLOCK: u64 = 4096;

impl Facts {
    pub(crate) fn of(fd: BorrowedFd<'_>) -> Facts {
        let stat = sys::stat::fstat(fd);
        Facts {
            flags: sys::stat::status_flags(fd),
            inode: stat.map(|stat| Inode::from(&stat)),
            filesystem: sys::stat::fstatfs(fd).and_then(|fs| Ok(Filesystem::new(&fs, &stat?))),
            attributes: sys::attributes::flags(fd).ok(),
            sealed: sys::stat::seals(fd).is_ok_and(|seals| seals & SEALED != 0),
        }
    }

    /// What of every open descriptor can be told, or the first errno that came instead. What is asked of the kernel, and
    /// how its answer is read, depends on it.
    pub(crate) fn seen(&self) -> sys::Result<Seen> {
        Ok(Seen { flags: self.flags?, inode: self.inode?, filesystem: self.filesystem? })
    }

    /// Whether the descriptor is none.
    pub(crate) fn is_closed(&self) -> bool {
        self.flags == Err(Errno(libc::EBADF))
    }

    pub(crate) fn size(&self) -> Option<u64> {
        self.inode.ok().map(|inode| inode.size)
    }

    pub(crate) fn kind(&self) -> Kind {
        self.filesystem.map_or(Kind::Other, |fs| fs.kind)
    }

    pub(crate) fn same_file(&self, other: &Facts) -> bool {
        match (self.inode, other.inode) {
            (Ok(a), Ok(b)) => a.same(&b),
            _ => false,
        }
    }

    /// Whether physical addresses of the two files mean the same device. On btrfs each subvolume has an
    /// `st_dev` of its own.
    pub(crate) fn same_filesystem(
        &self,
        other: &Facts,
        fd: BorrowedFd<'_>,
        other_fd: BorrowedFd<'_>,
    ) -> bool {
        let dev = |facts: &Facts| facts.inode.ok().map(|inode| inode.dev);
        if dev(self).is_some() && dev(self) == dev(other) {
            return true;
        }
        match (sys::btrfs::uuid(fd), sys::btrfs::uuid(other_fd)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        }
    }
}

impl Inode {
    pub(crate) fn is_regular(&self) -> bool {
        self.file_type == libc::S_IFREG
    }

    pub(crate) fn same(&self, other: &Inode) -> bool {
        self.dev == other.dev && self.ino == other.ino
    }
}

impl From<&libc::stat64> for Inode {
    fn from(stat: &libc::stat64) -> Self {
        Inode {
            dev: stat.st_dev,
            ino: stat.st_ino,
            file_type: stat.st_mode & libc::S_IFMT,
            size: stat.st_size as u64,
            // st_blocks counts 512 bytes whatever the block size (stat(2)).
            allocated: stat.st_blocks as u64 * 512,
        }
    }
}

impl Filesystem {
    fn new(fs: &libc::statfs64, stat: &libc::stat64) -> Self {
        // The magic numbers are 32 bits wide; the field's width and sign differ between machines.
        let kind = Kind::of(fs.f_type as u32);
        let block = match kind {
            // The record size of this file, not the pool's sector.
            Kind::Zfs => stat.st_blksize as u64,
            Kind::Network => NETWORK_BLOCK,
            _ => fs.f_bsize as u64,
        };
        Filesystem { kind, block: block.max(1), read_only: fs.f_flags as u64 & libc::ST_RDONLY != 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magics() {
        assert_eq!(Kind::of(libc::BTRFS_SUPER_MAGIC as u32), Kind::Btrfs);
        assert_eq!(Kind::of(libc::OVERLAYFS_SUPER_MAGIC as u32), Kind::Overlay);
        assert_eq!(Kind::of(libc::OCFS2_SUPER_MAGIC as u32), Kind::Ocfs2);
        for network in [libc::NFS_SUPER_MAGIC, libc::SMB_SUPER_MAGIC, libc::AFS_SUPER_MAGIC] {
            assert_eq!(Kind::of(network as u32), Kind::Network);
        }
        assert_eq!(Kind::of(libc::EXT4_SUPER_MAGIC as u32), Kind::Ext);
        assert_eq!(Kind::of(libc::FUSE_SUPER_MAGIC as u32), Kind::Fuse);
        assert_eq!(Kind::of(libc::NILFS_SUPER_MAGIC as u32), Kind::Nilfs);
        assert_eq!(Kind::of(libc::TMPFS_MAGIC as u32), Kind::Other);
    }
}
