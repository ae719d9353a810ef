//! One file of a group, from the walk to the kernel's comparison: how it is opened again, and looked at.

use std::os::fd::{AsFd, OwnedFd};

use crate::cache::Cache;
use crate::file::{Refusal, open_regular, path_refusal};
use crate::roots::{Directory, Looked};
use crate::sys;

use super::catalogue::Record;
use super::identity::Stamp;
use super::index::Entry;
use super::job::Job;
use super::placement::Placement;
use super::sample::Pages;

/// One file of a group.
pub(super) struct Member {
    pub(super) record: u32,
    pub(super) file: Option<OwnedFd>,
    pub(super) pages: Option<Pages>,
    pub(super) placement: Option<Placement>,
    pub(super) digest: Option<u128>,
    pub(super) stamp: Stamp,
    /// What the index has of it.
    pub(super) known: Option<Entry>,
    /// Its digest is that of the bytes with this stamp.
    pub(super) is_sure: bool,
    /// It could not be opened, which was told: it takes no part any more.
    pub(super) is_missing: bool,
    /// What it shared before the call was told, or cannot be seen any more.
    pub(super) is_told: bool,
}

/// Opens the files of one thread.
pub(super) struct Files<'a> {
    job: &'a Job<'a>,
    /// The directory of the last one.
    dir: Option<(Directory, OwnedFd)>,
}

/// Why a file takes no part.
enum Missing {
    /// It is gone, or no longer what it was.
    Vanished,
    Refused(Refusal),
}

/// A file that was changed so shortly before it was read could be changed again in the same tick of the clock that files
/// are stamped with, in nanoseconds: nothing of it is remembered.
const TICK: i128 = 100_000_000;

impl Member {
    pub(super) fn new(record: u32, found: &Record, known: Option<Entry>) -> Member {
        let known = known.filter(|entry| entry.stamp == found.stamp);
        Member {
            record,
            file: None,
            pages: None,
            placement: None,
            digest: known.map(|entry| entry.digest),
            stamp: found.stamp,
            known,
            is_sure: known.is_some(),
            is_missing: false,
            is_told: false,
        }
    }

    /// With what was read gone from the page cache, where that is asked for.
    pub(super) fn close(&mut self) {
        if let (Some(file), Some(pages)) = (self.file.take(), self.pages.take()) {
            pages.drop_from(file.as_fd());
        }
    }
}

impl<'a> Files<'a> {
    pub(super) fn new(job: &'a Job<'a>) -> Self {
        Files { job, dir: None }
    }

    pub(super) fn record(&self, member: &Member) -> &'a Record {
        self.job.catalogue.record(member.record)
    }

    /// Whether a file is what it was when it was opened; only an index has to know.
    pub(super) fn is_still(&self, member: &Member) -> bool {
        let Some(file) = member.file.as_ref().filter(|_| self.job.index.is_some()) else { return false };
        let now = sys::time::now().as_nanos() as i128;
        Looked::at(file.as_fd(), c"")
            .is_ok_and(|looked| Stamp::of(&looked) == member.stamp && looked.changed + TICK < now)
    }

    /// Opens a member where it is not open, and looks where it lies. False where it takes no part.
    pub(super) fn open(&mut self, member: &mut Member) -> bool {
        if member.file.is_some() || member.is_missing {
            return !member.is_missing;
        }
        let record = self.record(member);
        match self.find(record) {
            Ok((file, looked)) => {
                if member.placement.is_none() {
                    member.placement = Some(Placement::of(file.as_fd(), record.size));
                }
                let stamp = Stamp::of(&looked);
                if member.stamp != stamp {
                    (member.stamp, member.known, member.is_sure) = (stamp, None, false);
                }
                member.pages =
                    (self.job.rules.cache == Cache::Neutral && member.pages.is_none()).then(Pages::default);
                member.file = Some(file);
                true
            }
            Err(missing) => {
                member.is_missing = true;
                match missing {
                    Missing::Vanished => self.job.told().vanished += 1,
                    Missing::Refused(refusal) => self.job.fail(record, refusal.errno, refusal.reason),
                }
                false
            }
        }
    }

    /// Opens the first of some members that takes part.
    pub(super) fn first(
        &mut self,
        members: &mut [Member],
        some: impl IntoIterator<Item = usize>,
    ) -> Option<usize> {
        some.into_iter().find(|at| self.open(&mut members[*at]))
    }

    fn find(&mut self, record: &Record) -> Result<(OwnedFd, Looked), Missing> {
        let missing = |refusal: Refusal| match refusal.errno {
            // Gone, or something else has its name.
            libc::ENOENT | libc::ENOTDIR | libc::ELOOP | libc::EISDIR | libc::ESPIPE => Missing::Vanished,
            _ => Missing::Refused(refusal),
        };
        let refused = |errno| missing(path_refusal(errno));
        if self.dir.as_ref().is_none_or(|(directory, _)| *directory != record.directory) {
            self.dir = None;
            let dir = self.job.roots.reopen(record.directory).map_err(refused)?;
            self.dir = Some((record.directory, dir));
        }
        let Some((_, dir)) = &self.dir else { return Err(Missing::Vanished) };
        let name = self.job.catalogue.name(record);
        let file =
            open_regular(dir.as_fd(), name, false, libc::O_RDONLY | libc::O_NOATIME).map_err(missing)?;
        let looked = Looked::at(file.as_fd(), c"").map_err(refused)?;
        let dev = self.job.catalogue.dev(record);
        if (looked.dev, looked.ino, looked.size) != (dev, record.ino, record.size) {
            return Err(Missing::Vanished);
        }
        Ok((file, looked))
    }
}
