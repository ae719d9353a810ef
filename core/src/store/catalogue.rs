//! What a walk found, in little memory: some forty bytes and the name for each file.

use std::ffi::CStr;
use std::ops::{ControlFlow, Range};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use crate::control::Control;
use crate::error::Error;
use crate::facts::{Facts, Kind};
use crate::file::path_refusal;
use crate::reason::Reason;
use crate::roots::{Directory, Found, Looked, Visitor};
use crate::sys::{self, Errno};
use crate::tree::TreeFailure;

use super::OP;
use super::filter::Filter;
use super::identity::{Stamp, identity};
use super::report::DedupeTreeReport;

/// One file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) size: u64,
    pub(super) ino: u64,
    pub(super) stamp: Stamp,
    pub(super) directory: Directory,
    /// Where its name begins, which a zero ends.
    name: u32,
    /// Which of the devices.
    device: u16,
}

/// What `st_dev` tells apart.
struct Device {
    dev: u64,
    /// The first device of the same filesystem: btrfs has one for each subvolume.
    filesystem: u16,
    /// What stays the same when it is mounted again.
    identity: u64,
    /// It shares nothing.
    cannot: bool,
    uuid: Option<[u8; 16]>,
}

pub(super) struct Catalogue {
    records: Vec<Record>,
    names: Vec<u8>,
    devices: Vec<Device>,
}

impl Catalogue {
    pub(super) fn new() -> Self {
        Catalogue { records: Vec::new(), names: Vec::new(), devices: Vec::new() }
    }

    pub(super) fn record(&self, at: u32) -> &Record {
        &self.records[at as usize]
    }

    pub(super) fn name(&self, record: &Record) -> &CStr {
        let from = &self.names[record.name as usize..];
        CStr::from_bytes_until_nul(from).unwrap_or_default()
    }

    /// Under which an index knows it.
    pub(super) fn key(&self, record: &Record) -> (u64, u64) {
        (self.devices[record.device as usize].identity, record.ino)
    }

    pub(super) fn dev(&self, record: &Record) -> u64 {
        self.devices[record.device as usize].dev
    }

    /// The number of its filesystem.
    pub(super) fn filesystem(&self, record: &Record) -> u16 {
        self.devices[record.device as usize].filesystem
    }

    /// Sorts, and keeps files of one filesystem and one size, where there are several: their places, the groups with most
    /// bytes first. That is where the time goes, and several threads end together so.
    pub(super) fn groups(&mut self) -> Vec<Range<u32>> {
        let devices = &self.devices;
        let key = |record: &Record| {
            (devices[record.device as usize].filesystem, record.size, record.device, record.ino)
        };
        self.records.sort_unstable_by_key(key);
        // One that was renamed while it was walked may be there twice.
        self.records.dedup_by_key(|record| (record.device, record.ino));
        let mut kept = 0;
        let mut groups = Vec::new();
        let mut from = 0;
        while from < self.records.len() {
            let first = key(&self.records[from]);
            let len = self.records[from..]
                .iter()
                .take_while(|record| (key(record).0, record.size) == (first.0, first.1))
                .count();
            if len > 1 {
                self.records.copy_within(from..from + len, kept);
                groups.push(kept as u32..(kept + len) as u32);
                kept += len;
            }
            from += len;
        }
        self.records.truncate(kept);
        self.records.shrink_to_fit();
        let bytes = |group: &Range<u32>| {
            self.records[group.start as usize].size.saturating_mul(u64::from(group.end - group.start))
        };
        groups.sort_by_key(|group| std::cmp::Reverse(bytes(group)));
        groups
    }

    /// The number of a device, which is looked at where it is new. By any file or directory of it.
    fn device(&mut self, dev: u64, fd: BorrowedFd<'_>) -> sys::Result<u16> {
        if let Some(at) = self.known(dev) {
            return Ok(at);
        }
        let kind = Kind::of(sys::stat::fstatfs(fd)?.f_type as u32);
        let uuid = if kind == Kind::Btrfs { sys::btrfs::uuid(fd).ok() } else { None };
        let number = u16::try_from(self.devices.len()).map_err(|_| Errno(libc::EOVERFLOW))?;
        let same = self.devices.iter().position(|device| uuid.is_some() && device.uuid == uuid);
        self.devices.push(Device {
            dev,
            filesystem: same.map_or(number, |at| at as u16),
            identity: identity(kind, dev, fd),
            cannot: !kind.compares(),
            uuid,
        });
        Ok(number)
    }

    fn known(&self, dev: u64) -> Option<u16> {
        // The last one first: files come directory by directory.
        self.devices.iter().rposition(|device| device.dev == dev).map(|at| at as u16)
    }
}

/// Fills a catalogue.
pub(super) struct Cataloguing<'a, 'c> {
    pub(super) catalogue: &'a mut Catalogue,
    pub(super) filter: &'a Filter,
    pub(super) report: &'a mut DedupeTreeReport,
    pub(super) control: &'a mut Control<'c>,
    pub(super) is_cancelled: bool,
}

impl Cataloguing<'_, '_> {
    fn add(&mut self, found: &Found<'_>) -> sys::Result<()> {
        let looked = found.looked;
        let device = match self.catalogue.known(looked.dev) {
            Some(device) => device,
            // A root that is a file, or one on which another was mounted.
            None => self.catalogue.device(looked.dev, found.dir)?,
        };
        if self.catalogue.devices[device as usize].cannot {
            return Ok(());
        }
        let name = u32::try_from(self.catalogue.names.len()).map_err(|_| Errno(libc::EOVERFLOW))?;
        if self.catalogue.records.len() == u32::MAX as usize {
            return Err(Errno(libc::EOVERFLOW));
        }
        self.catalogue.names.extend_from_slice(found.name.to_bytes_with_nul());
        self.catalogue.records.push(Record {
            size: looked.size,
            ino: looked.ino,
            stamp: Stamp::of(looked),
            directory: found.directory,
            name,
            device,
        });
        self.report.files += 1;
        Ok(())
    }
}

impl Visitor for Cataloguing<'_, '_> {
    fn look(&mut self) -> ControlFlow<()> {
        if self.control.is_cancelled() || self.control.step(0, 0).is_break() {
            self.is_cancelled = true;
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn enters(&mut self, relative: &Path) -> bool {
        self.filter.enters(relative)
    }

    fn directory(&mut self, dir: BorrowedFd<'_>, looked: &Looked) -> sys::Result<()> {
        self.report.directories += 1;
        let is_new = self.catalogue.known(looked.dev).is_none();
        let device = self.catalogue.device(looked.dev, dir)?;
        if is_new && self.catalogue.devices[device as usize].cannot {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        Ok(())
    }

    fn file(&mut self, found: Found<'_>) {
        if !self.filter.takes(found.looked.size, || found.relative()) {
            return;
        }
        if let Err(errno) = self.add(&found) {
            self.failed(found.root, found.path(), errno);
        }
    }

    fn again(&mut self, _found: Found<'_>) {
        self.report.links += 1;
    }

    fn vanished(&mut self) {
        self.report.vanished += 1;
    }

    fn failed(&mut self, _root: usize, path: PathBuf, errno: Errno) {
        let error = path_refusal(errno).of(OP);
        self.report.failures.push(TreeFailure { path, error });
    }
}

/// Whether a filesystem that a root lies on can share at all.
pub(super) fn refusal(dir: BorrowedFd<'_>) -> Option<Error> {
    let cannot = !Facts::of(dir).kind().compares();
    cannot.then(|| Error::new(OP, libc::EOPNOTSUPP, Reason::FilesystemCannot))
}
