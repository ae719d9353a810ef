//! Where a file's data lies, and what two files share: FIEMAP walked as one sequence without gaps.

use std::os::fd::BorrowedFd;

use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::{Facts, Kind};
use crate::range::TO_END;
use crate::sys::{self, fiemap};

/// A run of bytes of a file, and where it lies. All amounts are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extent {
    /// Where it begins in the file.
    pub logical: u64,
    /// Where it begins on the filesystem's device (btrfs: in its logical address space). 0 for a hole,
    /// and where there is no place to name (see [`ExtentFlags::UNKNOWN`]). Only comparable between
    /// files of one filesystem.
    pub physical: u64,
    /// How long it is in the file.
    pub length: u64,
    /// What it is.
    pub flags: ExtentFlags,
}

impl Extent {
    /// Where it ends in the file.
    pub fn end(&self) -> u64 {
        self.logical + self.length
    }

    /// Whether it takes no space: a read gives zeros.
    pub fn is_hole(&self) -> bool {
        self.flags.contains(ExtentFlags::HOLE)
    }

    /// Whether it holds bytes that were written.
    pub fn is_data(&self) -> bool {
        !self.flags.contains(ExtentFlags::HOLE) && !self.flags.contains(ExtentFlags::UNWRITTEN)
    }

    /// The part that lies in `start..end`, which must not be empty.
    fn clipped(&self, start: u64, end: u64) -> Extent {
        let from = self.logical.max(start);
        // An encoded extent has no address for its middle: its physical start names the whole.
        let inside = !self.is_hole() && !self.flags.contains(ExtentFlags::ENCODED) && self.physical != 0;
        Extent {
            logical: from,
            physical: if inside { self.physical + (from - self.logical) } else { self.physical },
            length: self.end().min(end) - from,
            flags: self.flags,
        }
    }

    fn without_place(self) -> Extent {
        Extent { physical: 0, flags: ExtentFlags(self.flags.0 | ExtentFlags::UNKNOWN.0), ..self }
    }

    /// Whether its physical address says where its bytes are.
    pub(crate) fn has_place(&self) -> bool {
        let nowhere = ExtentFlags::HOLE.0 | ExtentFlags::UNKNOWN.0 | ExtentFlags::INLINE.0;
        self.flags.0 & nowhere == 0
    }
}

/// What an [`Extent`] is; the values are those of the C header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtentFlags(u32);

impl ExtentFlags {
    /// No blocks: a read gives zeros.
    pub const HOLE: Self = ExtentFlags(0x1);
    /// Blocks are reserved but were never written: a read gives zeros.
    pub const UNWRITTEN: Self = ExtentFlags(0x2);
    /// Another file, or another place in this one, uses the same blocks. XFS says so of each block;
    /// btrfs of a whole extent as soon as any part of it is shared.
    pub const SHARED: Self = ExtentFlags(0x4);
    /// Stored inside metadata, not in blocks of its own.
    pub const INLINE: Self = ExtentFlags(0x8);
    /// Compressed or encrypted: `physical` names the whole extent, and it may be shorter on disk.
    pub const ENCODED: Self = ExtentFlags(0x10);
    /// The filesystem does not say where it lies.
    pub const UNKNOWN: Self = ExtentFlags(0x20);

    /// Whether all of `other`'s flags are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags as a number.
    pub fn bits(self) -> u32 {
        self.0
    }

    fn from_fiemap(raw: u32) -> Self {
        let table = [
            (fiemap::UNWRITTEN, Self::UNWRITTEN),
            (fiemap::SHARED, Self::SHARED),
            (fiemap::INLINE | fiemap::TAIL, Self::INLINE),
            (fiemap::ENCODED, Self::ENCODED),
            (fiemap::UNKNOWN | fiemap::DELALLOC, Self::UNKNOWN),
        ];
        let set = table.iter().filter(|(theirs, _)| raw & theirs != 0);
        ExtentFlags(set.fold(0, |bits, (_, ours)| bits | ours.0))
    }
}

/// The extents of `len` bytes of a file at `offset`, in order, holes among them, cut to that range and
/// to the end of the file. [`TO_END`](crate::TO_END) is a length too.
///
/// Writes dirty pages of the file back first: data that is not on disk yet has no place.
///
/// # Errors
///
/// `EOPNOTSUPP` where the filesystem has no FIEMAP (tmpfs, NFS, FUSE), `EBADF`, `EISDIR` or `EINVAL`
/// for what is no regular file, `EIO`.
pub fn extents(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<Vec<Extent>> {
    let fail = |errno| explain::looking(Operation::Extents, errno, fd);
    let size = mapped_size(fd).map_err(fail)?;
    let end = offset.saturating_add(len).min(size);
    Extents::new(fd, offset, end, Sync::Yes).collect::<sys::Result<_>>().map_err(fail)
}

/// How many bytes of blocks two files share: the intersection of where their data lies, each block
/// counted once. The same file twice shares all its data with itself.
///
/// Exact on XFS; on btrfs compressed extents are compared by their beginning only, and counted by the
/// bytes of file data. Data without a place of its own (inline in metadata) is never shared.
///
/// # Errors
///
/// As [`extents()`]; `EXDEV` where the addresses cannot be compared: different filesystems, or an overlay
/// and the filesystem under it. `EOPNOTSUPP` also where there are maps without addresses (SMB).
pub fn shared_bytes(a: BorrowedFd<'_>, b: BorrowedFd<'_>) -> Result<u64> {
    let told = |e: Error| e.told_by(Operation::SharedBytes);
    let of_a = extents(a, 0, TO_END).map_err(told)?;
    let of_b = extents(b, 0, TO_END).map_err(told)?;
    let fail = |errno, reason| Error::new(Operation::SharedBytes, errno, reason);
    let (ours, theirs) = (Facts::of(a), Facts::of(b));
    ours.seen().and(theirs.seen()).map_err(|errno| fail(errno.0, explain::unseen(errno)))?;
    if !ours.same_filesystem(&theirs, a, b) {
        return Err(fail(libc::EXDEV, crate::Reason::DifferentFilesystem));
    }
    if ours.kind() == Kind::Network {
        return Err(fail(libc::EOPNOTSUPP, crate::Reason::FilesystemCannot));
    }
    Ok(intersection(places(&of_a), places(&of_b)))
}

/// The size of a regular file that has a map; EISDIR and EINVAL for anything else, which on some
/// filesystems has extents too.
fn mapped_size(fd: BorrowedFd<'_>) -> sys::Result<u64> {
    let stat = sys::stat::fstat(fd)?;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => {}
        libc::S_IFDIR => return Err(sys::Errno(libc::EISDIR)),
        _ => return Err(sys::Errno(libc::EINVAL)),
    }
    // Also of a file with nothing in it: whether there are maps here does not depend on that.
    fiemap::extents(fd, 0, 1, wants_written(kind(fd)?))?;
    Ok(stat.st_size as u64)
}

fn kind(fd: BorrowedFd<'_>) -> sys::Result<Kind> {
    Ok(Kind::of(sys::stat::fstatfs(fd)?.f_type as u32))
}

/// See [`Kind::Nilfs`].
fn wants_written(kind: Kind) -> bool {
    kind == Kind::Nilfs
}

/// The physical ranges `(start, end)` of data, sorted and without overlap.
fn places(extents: &[Extent]) -> Vec<(u64, u64)> {
    let mut places: Vec<_> =
        extents.iter().filter(|e| e.has_place()).map(|e| (e.physical, e.physical + e.length)).collect();
    places.sort_unstable();
    places.dedup_by(|next, last| {
        let joins = next.0 <= last.1;
        if joins {
            last.1 = last.1.max(next.1);
        }
        joins
    });
    places
}

fn intersection(a: Vec<(u64, u64)>, b: Vec<(u64, u64)>) -> u64 {
    let (mut i, mut j, mut bytes) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        bytes += a[i].1.min(b[j].1).saturating_sub(a[i].0.max(b[j].0));
        if a[i].1 <= b[j].1 { i += 1 } else { j += 1 }
    }
    bytes
}

/// Two lists of extents side by side: `(from, to, of a, of b)`, offsets from `a_start` and `b_start` on.
pub(crate) fn in_step<'e>(
    a: &'e [Extent],
    a_start: u64,
    b: &'e [Extent],
    b_start: u64,
) -> impl Iterator<Item = (u64, u64, &'e Extent, &'e Extent)> {
    let (mut i, mut j) = (0, 0);
    std::iter::from_fn(move || {
        while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
            let (x_to, y_to) = (x.end() - a_start, y.end() - b_start);
            let from = (x.logical - a_start).max(y.logical - b_start);
            if x_to <= y_to {
                i += 1
            } else {
                j += 1
            }
            if from < x_to.min(y_to) {
                return Some((from, x_to.min(y_to), x, y));
            }
        }
        None
    })
}

/// Where two lists of one range, of two files, may hold other bytes: `(from, to)`, and whether one has a hole there that
/// the other has not. Where both have the same blocks, or none, they cannot.
pub(crate) fn pieces_that_may_differ(a: &[Extent], b: &[Extent]) -> Vec<(u64, u64, bool)> {
    in_step(a, 0, b, 0)
        .filter(|(from, _, x, y)| {
            let encoded = x.flags.contains(ExtentFlags::ENCODED) || y.flags.contains(ExtentFlags::ENCODED);
            // Of an encoded extent the address does not tell which part of it this is.
            let same = x.has_place() && y.has_place() && !encoded;
            let same = same && same_place(x, y, from - x.logical, from - y.logical);
            !(same || reads_as_zeros(x) && reads_as_zeros(y))
        })
        .map(|(from, to, x, y)| {
            let known = !(x.flags.contains(ExtentFlags::UNKNOWN) || y.flags.contains(ExtentFlags::UNKNOWN));
            (from, to, known && reads_as_zeros(x) != reads_as_zeros(y))
        })
        .collect()
}

/// How many bytes from the start on a clone of `a_start` to `b_start` has made, or found made: the same
/// blocks, or holes on both sides. `None` where the maps cannot tell.
pub(crate) fn cloned_prefix(a: &[Extent], a_start: u64, b: &[Extent], b_start: u64) -> Option<u64> {
    let mut done = 0;
    for (from, to, x, y) in in_step(a, a_start, b, b_start) {
        let vague = ExtentFlags::UNKNOWN.0 | ExtentFlags::INLINE.0;
        if (x.flags.0 | y.flags.0) & vague != 0 {
            return None;
        }
        let (x_in, y_in) = (from + a_start - x.logical, from + b_start - y.logical);
        let same = x.has_place() && y.has_place() && same_place(x, y, x_in, y_in);
        if !(same || reads_as_zeros(x) && reads_as_zeros(y)) {
            break;
        }
        done = to;
    }
    Some(done)
}

fn reads_as_zeros(extent: &Extent) -> bool {
    !extent.is_data() && !extent.flags.contains(ExtentFlags::UNKNOWN)
}

/// Whether the byte `x_in` into `x` and the byte `y_in` into `y` are the same byte on disk. Of encoded
/// extents only the beginning has an address.
fn same_place(x: &Extent, y: &Extent, x_in: u64, y_in: u64) -> bool {
    match (x.flags.contains(ExtentFlags::ENCODED), y.flags.contains(ExtentFlags::ENCODED)) {
        (true, true) => x.physical == y.physical,
        (false, false) => x.physical + x_in == y.physical + y_in,
        _ => false,
    }
}

/// Whether dirty pages are written back before looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Everything has its place, and holes are holes.
    Yes,
    /// Cheaper, and enough to find data: what is not reported as a hole or unwritten is data. Not on NILFS2, see
    /// [`Kind::Nilfs`].
    No,
}

/// The extents of `offset..end` in order and without gaps, asked for in batches.
pub(crate) struct Extents<'fd> {
    fd: BorrowedFd<'fd>,
    sync: Sync,
    /// Everything before it was given out.
    at: u64,
    end: u64,
    batch: std::vec::IntoIter<fiemap::RawExtent>,
    /// Of the filesystem, once it was asked.
    kind: Option<Kind>,
    /// The addresses of the batch are none.
    placeless: bool,
    /// The next extent of the filesystem, not yet given out because a hole comes before it.
    next: Option<Extent>,
    /// The filesystem has no more extents in the range.
    exhausted: bool,
}

impl<'fd> Extents<'fd> {
    pub(crate) fn new(fd: BorrowedFd<'fd>, offset: u64, end: u64, sync: Sync) -> Self {
        let batch = Vec::new().into_iter();
        Extents {
            fd,
            sync,
            at: offset,
            end,
            batch,
            kind: None,
            placeless: false,
            next: None,
            exhausted: false,
        }
    }

    /// The next extent that reaches behind `at`, `None` when the filesystem has no more.
    fn fetch(&mut self) -> sys::Result<Option<Extent>> {
        if let Some(extent) = self.take() {
            return Ok(Some(extent));
        }
        if self.exhausted {
            return Ok(None);
        }
        let kind = match self.kind {
            Some(kind) => kind,
            None => *self.kind.insert(kind(self.fd)?),
        };
        let sync = self.sync == Sync::Yes || wants_written(kind);
        let batch = fiemap::extents(self.fd, self.at, self.end - self.at, sync)?;
        // A client of SMB has maps, in which each extent lies where it stands in the file: all files would share everything.
        self.placeless = kind == Kind::Network;
        self.exhausted = batch.len() < fiemap::BATCH;
        self.batch = batch.into_iter();
        Ok(self.take())
    }

    /// The next extent of the batch that lies in what is left of the range, cut to it.
    fn take(&mut self) -> Option<Extent> {
        let placeless = self.placeless;
        let extent = |raw| if placeless { Extent::from(&raw).without_place() } else { Extent::from(&raw) };
        self.batch.by_ref().map(extent).find_map(|extent| {
            let touches = extent.end() > self.at && extent.logical < self.end;
            touches.then(|| extent.clipped(self.at, self.end))
        })
    }

    fn step(&mut self) -> sys::Result<Extent> {
        if self.next.is_none() {
            self.next = self.fetch()?;
        }
        Ok(match self.next {
            Some(next) if next.logical == self.at => {
                self.next = None;
                next
            }
            next => {
                let end = next.map_or(self.end, |next| next.logical);
                Extent { logical: self.at, physical: 0, length: end - self.at, flags: ExtentFlags::HOLE }
            }
        })
    }
}

impl From<&fiemap::RawExtent> for Extent {
    fn from(raw: &fiemap::RawExtent) -> Self {
        Extent {
            logical: raw.logical,
            physical: raw.physical,
            length: raw.length,
            flags: ExtentFlags::from_fiemap(raw.flags),
        }
    }
}

impl Iterator for Extents<'_> {
    type Item = sys::Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let step = self.step();
        // After an error there is nothing sound to go on with.
        self.at = step.as_ref().map_or(self.end, Extent::end);
        Some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(logical: u64, physical: u64, length: u64) -> Extent {
        Extent { logical, physical, length, flags: ExtentFlags::default() }
    }

    #[test]
    fn clipping_moves_the_physical_start_too() {
        assert_eq!(data(100, 1000, 50).clipped(110, 120), data(110, 1010, 10));
        let encoded = Extent { flags: ExtentFlags::ENCODED, ..data(100, 1000, 50) };
        assert_eq!(encoded.clipped(110, 120).physical, 1000);
    }

    #[test]
    fn places_are_joined_and_counted_once() {
        // One block range mapped twice in a file is one place.
        let twice = [data(0, 1000, 100), data(100, 1000, 100), data(200, 1050, 100)];
        assert_eq!(places(&twice), vec![(1000, 1150)]);
        assert_eq!(intersection(places(&twice), vec![(0, 1010), (1140, 2000)]), 20);
    }

    #[test]
    fn a_map_tells_where_bytes_may_differ() {
        let hole = |logical, length| Extent { flags: ExtentFlags::HOLE, ..data(logical, 0, length) };
        let unwritten = Extent { flags: ExtentFlags::UNWRITTEN, ..data(40, 9000, 20) };
        let old = [data(0, 1000, 40), hole(40, 20), data(60, 2000, 40)];
        assert_eq!(pieces_that_may_differ(&old, &old), []);
        assert_eq!(pieces_that_may_differ(&old, &[data(0, 1000, 40), unwritten, data(60, 2000, 40)]), []);
        let new = [data(0, 5000, 50), hole(50, 10), data(60, 2000, 40)];
        assert_eq!(pieces_that_may_differ(&old, &new), [(0, 40, false), (40, 50, true)]);
        // The address of a compressed extent is that of its beginning, whichever part of it is meant.
        let encoded = [Extent { flags: ExtentFlags::ENCODED, ..data(0, 1000, 40) }];
        assert_eq!(pieces_that_may_differ(&encoded, &encoded), [(0, 40, false)]);
    }

    #[test]
    fn how_far_a_clone_came() {
        let hole = |logical, length| Extent { flags: ExtentFlags::HOLE, ..data(logical, 0, length) };
        let src = [data(10, 1000, 30), hole(40, 20), data(60, 2000, 40)];
        let prefix = |dst: &[Extent]| cloned_prefix(&src, 10, dst, 0);
        assert_eq!(prefix(&[data(0, 1000, 30), hole(30, 20), data(50, 2000, 40)]), Some(90));
        assert_eq!(prefix(&[data(0, 1000, 20), data(20, 7000, 70)]), Some(20));
        assert_eq!(prefix(&[data(0, 1000, 30), hole(30, 5)]), Some(35));
        assert_eq!(prefix(&[data(0, 7000, 90)]), Some(0));
        assert_eq!(prefix(&[]), Some(0));
        assert_eq!(prefix(&[Extent { flags: ExtentFlags::INLINE, ..data(0, 0, 90) }]), None);
    }
}
