//! What one look at a name tells.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use crate::sys::{self, Errno};

/// What a file is, and by which times one sees that it is still what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    /// `S_IFMT` bits.
    pub(crate) kind: u32,
    /// Whether it has several names.
    pub(crate) is_linked: bool,
    pub(crate) size: u64,
    /// Space taken, in bytes; also behind the end of the file.
    pub(crate) allocated: u64,
    /// In nanoseconds, as the next ones.
    pub(crate) changed: i128,
    pub(crate) modified: i128,
    /// When it was made, where the filesystem knows.
    pub(crate) born: i128,
    /// The mount that it was reached through; since Linux 5.8.
    pub(crate) mount: Option<u64>,
}

impl Looked {
    /// At `name` in `dir`, a symbolic link itself; an empty name is `dir`.
    pub(crate) fn at(dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<Looked> {
        let flags = libc::AT_SYMLINK_NOFOLLOW | if name.is_empty() { libc::AT_EMPTY_PATH } else { 0 };
        match sys::stat::statx(
            dir,
            name,
            flags,
            libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID,
        ) {
            Ok(stat) => Ok(Looked::from(&stat)),
            // Before Linux 4.11, and under container filters that do not know the call.
            Err(Errno(libc::ENOSYS | libc::EPERM)) => {
                sys::stat::fstatat(dir, name, flags).map(|stat| Looked::from(&stat))
            }
            Err(errno) => Err(errno),
        }
    }

    /// Whether it is reached through another mount than `other`. By the device where the kernel does not tell mounts: there a
    /// btrfs subvolume looks like one.
    pub(crate) fn is_elsewhere(&self, other: &Looked) -> bool {
        match (self.mount, other.mount) {
            (Some(ours), Some(theirs)) => ours != theirs,
            _ => self.dev != other.dev,
        }
    }
}

fn nanoseconds(seconds: i64, nanoseconds: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

impl From<&libc::statx> for Looked {
    fn from(stat: &libc::statx) -> Self {
        let time = |time: &libc::statx_timestamp| nanoseconds(time.tv_sec, i64::from(time.tv_nsec));
        Looked {
            dev: libc::makedev(stat.stx_dev_major, stat.stx_dev_minor),
            ino: stat.stx_ino,
            kind: u32::from(stat.stx_mode) & libc::S_IFMT,
            is_linked: stat.stx_nlink > 1,
            size: stat.stx_size,
            // Counts 512 bytes whatever the block size (stat(2)).
            allocated: stat.stx_blocks * 512,
            changed: time(&stat.stx_ctime),
            modified: time(&stat.stx_mtime),
            born: if stat.stx_mask & libc::STATX_BTIME != 0 { time(&stat.stx_btime) } else { 0 },
            mount: (stat.stx_mask & libc::STATX_MNT_ID != 0).then_some(stat.stx_mnt_id),
        }
    }
}

impl From<&libc::stat64> for Looked {
    fn from(stat: &libc::stat64) -> Self {
        Looked {
            dev: stat.st_dev,
            ino: stat.st_ino,
            kind: stat.st_mode & libc::S_IFMT,
            is_linked: stat.st_nlink > 1,
            size: stat.st_size as u64,
            allocated: stat.st_blocks as u64 * 512,
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            born: 0,
            mount: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn both_calls_tell_the_same() {
        let file = tempfile::tempfile().unwrap();
        let by_statx = Looked::at(file.as_fd(), c"").unwrap();
        let by_stat = Looked::from(&sys::stat::fstat(file.as_fd()).unwrap());
        assert_eq!(Looked { born: 0, mount: None, ..by_statx }, by_stat);
    }
}
