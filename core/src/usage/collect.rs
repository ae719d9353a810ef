//! On the way through the roots: where each file's blocks lie.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use crate::control::Control;
use crate::error::{Error, Operation};
use crate::extents::{Extent, ExtentFlags, Extents, Sync};
use crate::facts::Kind;
use crate::file::path_refusal;
use crate::reason::Reason;
use crate::roots::{Found, Visitor};
use crate::sys::{self, Errno};
use crate::tree::TreeFailure;

use super::links::Links;
use super::reference::{NO_LINK, Reference};
use super::sort::Sorter;
use super::tally::Tally;
use super::volumes::{Part, Volumes, is_realtime};

/// So much of a file at most is one compressed extent of btrfs (`BTRFS_MAX_UNCOMPRESSED`), of which at least a block of
/// 4096 bytes is on disk.
const SPREAD: u64 = (128 << 10) / 4096;

/// Between so many extents of one file the caller is asked.
const OFTEN: usize = 4096;

pub(super) struct Collector<'a, 'c> {
    pub(super) control: Control<'c>,
    pub(super) sorter: Sorter<'a>,
    pub(super) tally: Tally,
    pub(super) volumes: Volumes,
    pub(super) links: Links,
    pub(super) failures: Vec<TreeFailure>,
    /// What ended the walk.
    pub(super) ended: Option<Error>,
}

impl Collector<'_, '_> {
    fn end(&mut self, errno: i32, reason: Reason) {
        self.ended.get_or_insert(Error::new(Operation::Usage, errno, reason));
    }

    /// A file that is new to its root.
    fn count(&mut self, found: &Found<'_>, first: bool) {
        let usages = [Some(&mut self.tally.roots[found.root]), first.then_some(&mut self.tally.total)];
        for usage in usages.into_iter().flatten() {
            usage.files += 1;
            usage.apparent += found.looked.size;
        }
    }

    /// Opens what was found, and says how many names it has; `None` if it is something else by now.
    fn open(found: &Found<'_>) -> sys::Result<Option<(OwnedFd, libc::nlink_t)>> {
        let flags = libc::O_RDONLY | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = match sys::open::openat(found.dir, found.name, flags, 0) {
            Err(Errno(libc::ENOENT | libc::ELOOP)) => return Ok(None),
            opened => opened?,
        };
        let stat = sys::stat::fstat(file.as_fd())?;
        let is_same = (stat.st_dev, stat.st_ino) == (found.looked.dev, found.looked.ino);
        Ok(is_same.then_some((file, stat.st_nlink)))
    }

    /// Notes where its blocks lie.
    fn take(&mut self, found: &Found<'_>, link: u32, is_again: bool) -> sys::Result<()> {
        if found.looked.allocated == 0 {
            self.count(found, !is_again);
            return Ok(());
        }
        let Some((file, names)) = Self::open(found)? else { return Ok(()) };
        if link != NO_LINK {
            self.links.has(link, names);
        }
        let filesystem = self.volumes.filesystem(found.looked.dev, file.as_fd());
        let root = found.root as u32;
        let mut notes = Notes {
            blank: Reference { volume: 0, start: 0, end: 0, root, link, is_shared: false, is_again },
            kind: filesystem.kind,
            data: 0,
            encoded: 0,
            is_exact: true,
            shared: false,
        };
        if filesystem.has_maps() {
            let is_realtime = filesystem.kind == Kind::Xfs && is_realtime(&file);
            notes.data =
                self.volumes.number(filesystem, if is_realtime { Part::Realtime } else { Part::Data });
            notes.encoded = match filesystem.kind {
                Kind::Btrfs => self.volumes.number(filesystem, Part::Encoded),
                _ => notes.data,
            };
            match self.map(&file, &mut notes) {
                Ok(()) => {
                    self.count(found, !is_again);
                    self.tally.roots[found.root].exact &= notes.is_exact;
                    self.tally.total.exact &= notes.is_exact;
                    if notes.shared && !self.volumes.any_shared(notes.data) {
                        self.volumes.is_shared(notes.data, file);
                    }
                    return Ok(());
                }
                // There is no map.
                Err(Errno(libc::EOPNOTSUPP | libc::ENOTTY)) => {}
                Err(errno) => return Err(errno),
            }
        }
        self.count(found, !is_again);
        let volume = self.volumes.number(filesystem, Part::Unmapped);
        let bytes = found.looked.allocated;
        let mut make_up = || self.volumes.place(volume, bytes);
        let start = if link == NO_LINK { make_up() } else { self.links.place(link, make_up) };
        self.sorter.push(Reference { volume, start, end: start.saturating_add(bytes), ..notes.blank })
    }

    fn map(&mut self, file: &OwnedFd, notes: &mut Notes) -> sys::Result<()> {
        // What is allocated behind the end of the file is freed with it too.
        let extents = Extents::new(file.as_fd(), 0, i64::MAX as u64, Sync::Yes);
        for (i, extent) in extents.enumerate() {
            if let Some(reference) = notes.of(&extent?)
                && let Err(errno) = self.sorter.push(reference)
            {
                self.end(errno.0, path_refusal(errno).reason);
                return Ok(());
            }
            if i % OFTEN == OFTEN - 1 && self.look().is_break() {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// From extents of one file to references.
struct Notes {
    /// All that they have in common.
    blank: Reference,
    kind: Kind,
    data: u32,
    encoded: u32,
    is_exact: bool,
    shared: bool,
}

impl Notes {
    fn of(&mut self, extent: &Extent) -> Option<Reference> {
        if extent.is_hole() {
            return None;
        }
        let has = |flag| extent.flags.contains(flag);
        self.is_exact &=
            !has(ExtentFlags::UNKNOWN) && matches!(self.kind, Kind::Xfs | Kind::Ext | Kind::Other);
        if !extent.has_place() {
            return None;
        }
        let is_shared = has(ExtentFlags::SHARED);
        self.shared |= is_shared;
        let (volume, start) = match has(ExtentFlags::ENCODED) && self.encoded != self.data {
            // Far enough apart for their lengths in the file, which are the only ones that the map has.
            true => (self.encoded, extent.physical.saturating_mul(SPREAD)),
            false => (self.data, extent.physical),
        };
        Some(Reference { volume, start, end: start.saturating_add(extent.length), is_shared, ..self.blank })
    }
}

impl Visitor for Collector<'_, '_> {
    fn look(&mut self) -> ControlFlow<()> {
        let total = &self.tally.total;
        if self.control.is_cancelled() || self.control.step(total.files, total.apparent).is_break() {
            self.end(libc::ECANCELED, Reason::Cancelled);
        }
        if self.ended.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn file(&mut self, found: Found<'_>) {
        let several = found.looked.is_linked;
        let link = if several { self.links.first(found.looked, found.root as u32) } else { NO_LINK };
        if let Err(errno) = self.take(&found, link, false) {
            self.failed(found.root, found.path(), errno);
        }
    }

    fn again(&mut self, found: Found<'_>) {
        if let Some(link) = self.links.again(found.looked, found.root as u32)
            && let Err(errno) = self.take(&found, link, true)
        {
            self.failed(found.root, found.path(), errno);
        }
    }

    fn vanished(&mut self) {}

    fn failed(&mut self, root: usize, path: PathBuf, errno: Errno) {
        self.tally.roots[root].exact = false;
        self.tally.total.exact = false;
        self.failures.push(TreeFailure { path, error: path_refusal(errno).of(Operation::Usage) });
    }
}
