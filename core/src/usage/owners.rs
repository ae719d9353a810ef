//! What the filesystem itself knows of who uses a block (XFS with `rmapbt`, for root).

use std::os::fd::{AsFd, OwnedFd};

use crate::sys::fsmap::{self, Record};

/// A file's use of some blocks, whichever file that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Whether the filesystem says how often the blocks are used. Else this is not one use but any number.
    pub(super) is_known: bool,
}

/// All uses of the blocks of a device by files, in the order of their beginnings. Where the filesystem does not tell,
/// or no more, the last one goes on for ever and is not known.
pub(super) struct Owners {
    filesystem: OwnedFd,
    device: u32,
    last: Option<Record>,
    batch: std::vec::IntoIter<Record>,
    /// Where the answers end.
    at: u64,
    is_over: bool,
}

impl Owners {
    /// `filesystem` is any file there, `dev` its device as fstat(2) has it.
    pub(super) fn new(filesystem: OwnedFd, dev: u64) -> Self {
        let (major, minor) = (libc::major(dev), libc::minor(dev));
        Owners {
            filesystem,
            // As the kernel hands numbers of devices out in 32 bits.
            device: minor & 0xff | major << 8 | (minor & !0xff) << 12,
            last: None,
            batch: Vec::new().into_iter(),
            at: 0,
            is_over: false,
        }
    }

    fn record(&mut self) -> Option<Record> {
        if let Some(record) = self.batch.next() {
            return Some(record);
        }
        let batch = fsmap::records(self.filesystem.as_fd(), self.device, self.last.as_ref()).ok()?;
        self.last = batch.last().copied().or(self.last);
        self.batch = batch.into_iter();
        self.batch.next()
    }
}

impl Iterator for Owners {
    type Item = Owner;

    fn next(&mut self) -> Option<Owner> {
        while !self.is_over {
            let Some(record) = self.record() else {
                self.is_over = true;
                return Some(Owner { start: self.at, end: u64::MAX, is_known: false });
            };
            self.at = record.physical;
            if let Some(owner) = use_of(&record, self.device) {
                return Some(owner);
            }
        }
        None
    }
}

/// Free space, and what the filesystem keeps for itself, is no use.
fn use_of(record: &Record, device: u32) -> Option<Owner> {
    let special = record.flags & fsmap::SPECIAL_OWNER != 0;
    let is_known = !special;
    let is_data = record.flags & (fsmap::ATTRIBUTES | fsmap::EXTENT_MAP) == 0;
    let is_use = if special { record.owner == fsmap::UNKNOWN } else { is_data };
    (is_use && record.device == device).then_some(Owner {
        start: record.physical,
        end: record.physical.saturating_add(record.length),
        is_known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filesystem_that_does_not_tell_is_one_unknown_use() {
        let file = tempfile::tempfile_in("/dev/shm").unwrap();
        let mut owners = Owners::new(file.into(), libc::makedev(8, 300));
        assert_eq!(owners.device, 8 << 8 | 300 & 0xff | (300 & !0xff) << 12);
        assert_eq!(owners.next(), Some(Owner { start: 0, end: u64::MAX, is_known: false }));
        assert_eq!(owners.next(), None);
    }

    #[test]
    fn only_the_data_of_files_counts() {
        let record =
            |flags, owner| Record { flags, owner, physical: 4096, length: 8192, ..Record::default() };
        let known = |is_known| Some(Owner { start: 4096, end: 12288, is_known });
        assert_eq!(use_of(&record(0, 130), 0), known(true));
        assert_eq!(use_of(&record(fsmap::SPECIAL_OWNER, fsmap::UNKNOWN), 0), known(false));
        // Free space.
        assert_eq!(use_of(&record(fsmap::SPECIAL_OWNER, 1), 0), None);
        assert_eq!(use_of(&record(fsmap::ATTRIBUTES, 130), 0), None);
        assert_eq!(use_of(&record(fsmap::EXTENT_MAP, 130), 0), None);
        assert_eq!(use_of(&record(0, 130), 9), None);
    }
}
