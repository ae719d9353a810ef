//! `BTRFS_IOC_FS_INFO`: which btrfs a file belongs to (btrfs-ioctl(2)).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// `struct btrfs_ioctl_fs_info_args`, of which only the identity is used here.
#[repr(C)]
struct FsInfo {
    max_id: u64,
    num_devices: u64,
    fsid: [u8; 16],
    rest: [u8; 992],
}

const BTRFS_IOC_FS_INFO: libc::Ioctl = libc::_IOR::<FsInfo>(0x94, 31);

/// The filesystem's UUID: the same for all of its subvolumes, whose `st_dev` differ.
pub(crate) fn uuid(fd: BorrowedFd<'_>) -> Result<[u8; 16]> {
    let mut info = FsInfo { max_id: 0, num_devices: 0, fsid: [0; 16], rest: [0; 992] };
    // SAFETY: BTRFS_IOC_FS_INFO reads and writes one `btrfs_ioctl_fs_info_args` of 1024 bytes.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), BTRFS_IOC_FS_INFO, &mut info) })?;
    Ok(info.fsid)
}
