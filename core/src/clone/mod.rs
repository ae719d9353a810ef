//! `clone_range`: the destination range shares the source's blocks, all of it, or an error.

mod exchange;
mod options;
mod reserve;
mod undo;
mod way;

use std::cell::LazyCell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::extents::{Extent, Extents, Sync, cloned_prefix};
use crate::facts::{Facts, Filesystem, Kind, is_smb};
use crate::probe::ask_clone;
use crate::range::{Pair, TO_END};
use crate::reason::Reason;
use crate::report::{Destination, Protection, Report};
use crate::scratch;
use crate::sys;
use crate::sys::Errno;
use crate::sys::signal::{Deferred, NoSigxfsz};

pub use options::{Atomic, CloneOptions, Undo};
use undo::Before;
use way::Way;

/// Makes `len` bytes of `dst` at `dst_off` share the blocks of `src` at `src_off`: all of them, or an error.
///
/// Offsets must be multiples of the filesystem's block size; so must the length, unless the range ends
/// at the end of the source and does not land inside the destination. The destination grows where the
/// range passes its end, and never shrinks. [`TO_END`](crate::TO_END) is the rest of the source.
/// Writers to the source wait meanwhile: the clone is one consistent cut. It never copies instead.
///
/// From the first change of the destination to the last, signals wait, except those that the calling thread
/// causes itself; neither can it be cancelled. It updates the destination's modification time.
///
/// # The whole range or nothing
///
/// The kernel's clone is not that: when the disk is full, it leaves a beginning of the range cloned and
/// the rest as it was. This function has four ways; [`Report::protection`] tells which one was taken.
///
/// 1. Nothing of the destination lies in the range (it begins at its end, or behind, or the file has no
///    blocks at all): after a failure the file gets its old size again.
/// 2. The filesystem can exchange (XFS made with that feature): the source's range is cloned into an unlinked
///    file, and the two ranges change places in one moment. A reader of the destination sees old or new,
///    and so does whoever looks after a kill or a power cut. Not for a range that begins behind a
///    destination's end in the middle of a block, nor with a destination that is only open for writing.
/// 3. Else the old range is first cloned into an unlinked file, some space is set aside for the way back,
///    and after a failure it is cloned back.
/// 4. With [`Undo::Off`] the kernel's clone as it is.
///
/// Ways 2 and 3 need a directory on the same filesystem, see [`CloneOptions::scratch_dir`]; way 3 a
/// destination that is open for reading too. What they cannot do: the way back of 1 and 3 is visible while
/// it runs, and overwrites what other programs write meanwhile; a killed process takes no way back; a
/// program that takes all space as soon as it is free takes the reserve too.
///
/// # Errors
///
/// - `EINVAL`: length 0, misaligned (the report's `alignment` tells what is needed), overlap, past the
///   end of the source, a partial block inside the destination, a file with and one without
///   `chattr +C`; `EISDIR`, `EINVAL` and `EXDEV` for what is no regular file.
/// - `EOPNOTSUPP`: this filesystem, or this mount, cannot. `EXDEV`: two filesystems.
/// - `EBADF`: not open, not open for that, or the destination is append-only.
/// - `EFBIG`: `RLIMIT_FSIZE`. `EOVERFLOW`: an end that cannot be represented.
/// - `EPERM`, `ETXTBSY`, `EROFS`: see the reason.
/// - `ENOSPC`, `EDQUOT`, `EIO`, `ENOMEM`.
/// - What keeps the old bytes from being kept, with [`Undo::Auto`]: [`Reason::NoScratchDirectory`],
///   [`Reason::DestinationNotReadable`] (`EBADF`), [`Reason::UndoImpossible`], `ENOSPC` and so on. With
///   [`Atomic::Required`], `EOPNOTSUPP` and others with [`Reason::CannotExchange`].
///
/// The error's [`Report::destination`] says what the destination is then, and that is always true.
pub fn clone_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    dst: BorrowedFd<'_>,
    dst_off: u64,
    len: u64,
    mut options: CloneOptions<'_>,
) -> Result<Report> {
    if let Some(place) = &mut options.keep_undo {
        **place = None;
    }
    if len == 0 {
        // The kernel would read 0 as "to the end".
        return Err(refused(libc::EINVAL, Reason::ZeroLength));
    }
    let range =
        Pair::checked(src_off, dst_off, len).ok_or_else(|| refused(libc::EOVERFLOW, Reason::Overflow))?;
    Job { src, dst, range }.report(options)
}

/// The kernel's clone with nothing kept, for who takes what was done: `clone_or_copy`.
pub(crate) fn clone_bare(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, range: Pair) -> Result<Report> {
    Job { src, dst, range }.report(CloneOptions::new().undo(Undo::Off))
}

fn refused(errno: i32, reason: Reason) -> Error {
    let mut error = Error::new(Operation::CloneRange, errno, reason);
    error.report.destination = Some(Destination::Untouched);
    error
}

/// Bytes `from..to` of the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    fn len(self) -> u64 {
        self.to - self.from
    }

    /// From the beginning of the first to the end of the last.
    fn and(self, other: Span) -> Span {
        Span { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// So often is a source that grows meanwhile looked at again.
const LOOKS: usize = 8;

/// How many bytes were cloned, what stood by, and how much space was set aside for that.
struct Done {
    bytes: u64,
    protection: Protection,
    reserve: u64,
}

impl Done {
    fn new(bytes: u64, protection: Protection) -> Done {
        Done { bytes, protection, reserve: 0 }
    }
}

/// Why it did not come about, and what the destination is now.
struct Failed {
    errno: Errno,
    /// `None`: the kernel refused it, and why is to be found out.
    reason: Option<Reason>,
    destination: Destination,
    protection: Protection,
    reserve: u64,
}

impl Failed {
    fn before_anything(errno: Errno, reason: Option<Reason>) -> Failed {
        let (destination, protection) = (Destination::Untouched, Protection::None);
        Failed { errno, reason, destination, protection, reserve: 0 }
    }
}

impl From<Errno> for Failed {
    /// Of a look at one of the files, before anything was done.
    fn from(errno: Errno) -> Failed {
        Failed::before_anything(errno, Some(explain::unseen(errno)))
    }
}

type Tried = std::result::Result<Done, Failed>;

#[derive(Clone, Copy)]
struct Job<'a> {
    src: BorrowedFd<'a>,
    dst: BorrowedFd<'a>,
    range: Pair,
}

impl Job<'_> {
    fn report(&self, options: CloneOptions<'_>) -> Result<Report> {
        match self.run(options) {
            Ok(Done { bytes, protection, reserve }) => {
                Ok(Report { bytes_cloned: bytes, protection, undo_reserve: reserve, ..Report::default() })
            }
            Err(failed) => Err(self.explained(failed)),
        }
    }

    fn run(&self, mut options: CloneOptions<'_>) -> Tried {
        let stat = sys::stat::fstat(self.dst)?;
        if stat.st_mode & libc::S_IFMT != libc::S_IFREG {
            // The kernel knows what to say of those.
            return self.bare(Before::from(&stat));
        }
        let before = Before::from(&stat);
        let facts = LazyCell::new(|| Facts::of(self.dst));
        // Clients do before they ask what a local filesystem does not: that of SMB makes the destination longer; that of NFS
        // does not look at the file-size limit. And ksmbd says "done" of odd offsets, and copies.
        if remote(self.dst, &stat)? != Remote::No
            && let Some(refusal) = self.refusal()
        {
            return Err(refusal);
        }
        let nothing_to_lose = before.size <= self.range.dst || before.allocated == 0 && counts_blocks(&facts);
        let can_exchange = || exchange::is_there(self.dst, &facts);
        match way::choose(options.undo, options.atomic, nothing_to_lose, can_exchange) {
            None => {
                facts.seen()?;
                Err(self.impossible(Errno(libc::EOPNOTSUPP), Reason::CannotExchange))
            }
            Some(Way::Bare) => self.bare(before),
            Some(Way::Size) => self.sized(before),
            Some(Way::Undo) => self.undoable(before, &mut options),
            Some(Way::Exchange) => match self.exchanged(before, &options) {
                Err(failed) if options.atomic == Atomic::Best && way::other_way(failed.reason) => {
                    self.undoable(before, &mut options)
                }
                tried => tried,
            },
        }
    }

    /// The kernel's clone.
    fn ask(&self, len: u64) -> sys::Result<()> {
        let len = if len == TO_END { 0 } else { len };
        sys::clone::clone_range(self.src, self.range.src, self.dst, self.range.dst, len)
    }

    fn bare(&self, before: Before) -> Tried {
        let amount = Amount::of(self.src, self.range)?;
        let signals = Deferred::new();
        let Err(errno) = self.ask(self.range.len) else {
            return Ok(Done::new(amount.cloned(), Protection::None));
        };
        signals.take_sigxfsz();
        let refused = self.was_refused(errno);
        let destination = if refused { self.after_refusal(before) } else { self.how_far() };
        if destination == Destination::Untouched && !refused {
            // The kernel changes the time before it looks for room for the first extent.
            before.restore_mtime(self.dst);
        }
        Err(Failed { destination, ..Failed::before_anything(errno, None) })
    }

    /// What the kernel left of a clone of which nothing was kept. The maps tell: it goes through the range
    /// from its beginning to its end.
    fn how_far(&self) -> Destination {
        let Pair { src: src_off, dst: from, .. } = self.range;
        let map = |fd, offset: u64| {
            let end = offset.saturating_add(self.range.len).min(size(fd)?);
            Extents::new(fd, offset, end, Sync::Yes).collect::<sys::Result<Vec<Extent>>>()
        };
        let prefix = map(self.src, src_off)
            .and_then(|src| Ok((src, map(self.dst, from)?)))
            .map(|(src, dst)| cloned_prefix(&src, src_off, &dst, from));
        match prefix {
            Ok(Some(0)) => Destination::Untouched,
            Ok(Some(len)) => Destination::Changed { from, to: from + len },
            _ => Destination::Changed { from, to: u64::MAX },
        }
    }

    fn sized(&self, before: Before) -> Tried {
        let amount = Amount::of(self.src, self.range)?;
        let signals = Deferred::new();
        let Err(errno) = self.ask(self.range.len) else {
            return Ok(Done::new(amount.cloned(), Protection::Size));
        };
        signals.take_sigxfsz();
        let destination = if self.left_alone(errno) {
            self.after_refusal(before)
        } else {
            before.restore_size(self.dst, self.range.dst)
        };
        let protection = Protection::Size;
        Err(Failed { destination, protection, ..Failed::before_anything(errno, None) })
    }

    fn exchanged(&self, before: Before, options: &CloneOptions<'_>) -> Tried {
        let _guard = NoSigxfsz::new();
        let block = Facts::of(self.dst).seen()?.filesystem.block;
        // Nothing was asked of the kernel yet with these two files: it must not refuse less than a clone.
        if let Some(refusal) = self.refusal() {
            return Err(refusal);
        }
        let cannot = |errno| Failed::before_anything(errno, Some(reason_or(errno, Reason::CannotExchange)));
        let begins = exchange::begins(self.range.dst, before.size, block)
            .ok_or_else(|| cannot(Errno(libc::EOPNOTSUPP)))?;
        let file = self.scratch_file(options)?;
        let staged = exchange::Staged::clone((self.src, self.dst), self.range, file).map_err(cannot)?;
        if staged.range().len > 0
            && let Err(errno) = staged.exchange(self.dst, begins, before.size)
        {
            staged.discard();
            return Err(cannot(errno));
        }
        Ok(Done::new(staged.range().len, Protection::Exchange))
    }

    fn undoable(&self, before: Before, options: &mut CloneOptions<'_>) -> Tried {
        let _guard = NoSigxfsz::new();
        let mut looks = 0;
        loop {
            looks += 1;
            let source = size(self.src)?;
            let range = self.range.within(source);
            let span = Span { from: self.range.dst, to: before.size.min(range.dst_end()) };
            if span.from >= span.to {
                // To the end, from the end of the source or behind it. The kernel would look at that end once more,
                // and clone without anything kept what came to be there meanwhile.
                return self.refusal().map_or_else(|| Ok(Done::new(0, Protection::None)), Err);
            }
            let undo = match self.keep(span, before, options) {
                Ok(undo) => undo,
                Err(_) if options.undo == Undo::Best => return self.bare(before),
                Err(lack) => return Err(lack),
            };
            // Where "to the end" is inside the destination, a source that grows must not make the range longer
            // than what was kept.
            let inside = self.range.len == TO_END && range.dst_end() < before.size;
            let len = if inside { range.len } else { self.range.len };
            match self.asked(undo, len, before, options) {
                // What it changed and could not put back must not be kept as the old bytes.
                Err(Failed { errno: Errno(libc::EINVAL), destination, .. })
                    if !matches!(destination, Destination::Changed { .. })
                        && len != self.range.len
                        && looks < LOOKS
                        && size(self.src).is_ok_and(|now| now != source) => {}
                tried => return tried,
            }
        }
    }

    fn asked(&self, mut undo: undo::Undo, len: u64, before: Before, options: &mut CloneOptions<'_>) -> Tried {
        let amount = Amount::of(self.src, Pair { len, ..self.range })?;
        let reserve = undo.reserved();
        let _signals = Deferred::new();
        let Err(errno) = self.ask(len) else {
            return Ok(Done { bytes: amount.cloned(), protection: Protection::Undo, reserve });
        };
        let destination =
            if self.left_alone(errno) { self.after_refusal(before) } else { undo.restore(self.dst) };
        if matches!(destination, Destination::Changed { .. })
            && let Some(place) = &mut options.keep_undo
        {
            **place = Some(undo.into_file());
        }
        Err(Failed { errno, reason: None, destination, protection: Protection::Undo, reserve })
    }

    fn keep(
        &self,
        span: Span,
        before: Before,
        options: &CloneOptions<'_>,
    ) -> std::result::Result<undo::Undo, Failed> {
        let facts = Facts::of(self.dst);
        let Filesystem { kind, block, .. } = facts.seen()?.filesystem;
        if !explain::readable(&facts) {
            return Err(self.impossible(Errno(libc::EBADF), Reason::DestinationNotReadable));
        }
        let files = (self.scratch_file(options)?, self.scratch_file(options)?);
        undo::Undo::keep(self.dst, span, before, (kind, block), files).map_err(|errno| {
            // Nobody asked a server beforehand: what cannot be cloned aside there cannot be cloned at all.
            let never = kind == Kind::Network && errno.0 == libc::EOPNOTSUPP;
            let reason = if never { self.why(errno) } else { Reason::UndoImpossible };
            self.impossible(errno, reason_or(errno, reason))
        })
    }

    /// An unlinked file.
    fn scratch_file(&self, options: &CloneOptions<'_>) -> std::result::Result<OwnedFd, Failed> {
        let file = match options.scratch_dir {
            Some(dir) => scratch::private(dir),
            None => scratch::directory_of(self.dst).and_then(|dir| scratch::private(dir.as_fd())),
        };
        file.map_err(|errno| {
            let full = [libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::ENOMEM].contains(&errno.0);
            let reason = if full { reason_or(errno, Reason::Unknown) } else { Reason::NoScratchDirectory };
            self.impossible(errno, reason)
        })
    }

    /// What the kernel says against a clone of this range, asked without changing anything.
    fn refusal(&self) -> Option<Failed> {
        let (src, dst) = (Facts::of(self.src), Facts::of(self.dst));
        let (errno, reason) = match ask_clone(self.src, self.dst, &src, &dst) {
            _ if self.passes_limit() => (libc::EFBIG, Reason::FileSizeLimit),
            Err(refusal) => refusal,
            Ok(()) => match explain::clone(libc::EINVAL, &src, &dst, self.range) {
                Reason::Unknown => return None,
                reason => (libc::EINVAL, reason),
            },
        };
        Some(Failed::before_anything(Errno(errno), Some(reason)))
    }

    /// A way cannot be gone. Where no clone could be made anyhow, that is what the caller is told.
    fn impossible(&self, errno: Errno, reason: Reason) -> Failed {
        self.refusal().unwrap_or_else(|| Failed::before_anything(errno, Some(reason)))
    }

    /// Whether the kernel refused before it changed anything. With EFBIG XFS also ends a clone half-way, for a file that would
    /// have too many extents.
    fn was_refused(&self, errno: Errno) -> bool {
        match errno.0 {
            libc::EINVAL => self.why(errno) != Reason::Unknown,
            libc::EFBIG => self.passes_limit(),
            errno => way::is_refusal(errno),
        }
    }

    /// The same, where there is a way back. Where nothing was changed it is not gone: what is other than before was written by
    /// others. What explains an EINVAL now may have come about since, by others too.
    fn left_alone(&self, errno: Errno) -> bool {
        self.was_refused(errno) && (errno.0 != libc::EINVAL || self.how_far() == Destination::Untouched)
    }

    /// What the destination is then. A client of SMB makes it as long as the range wants before it asks the server, and leaves
    /// it so; any other size is of others, who wrote meanwhile.
    fn after_refusal(&self, before: Before) -> Destination {
        let wanted = || size(self.src).map(|size| self.range.within(size).dst_end());
        let is_lengthened = || size(self.dst).is_ok_and(|now| now > before.size && wanted() == Ok(now));
        let remote = sys::stat::fstat(self.dst).and_then(|stat| remote(self.dst, &stat));
        if remote == Ok(Remote::Smb) && is_lengthened() {
            before.restore_size(self.dst, before.size)
        } else {
            Destination::Untouched
        }
    }

    fn why(&self, errno: Errno) -> Reason {
        explain::clone(errno.0, &Facts::of(self.src), &Facts::of(self.dst), self.range)
    }

    fn explained(&self, failed: Failed) -> Error {
        let Failed { mut errno, reason, destination, protection, reserve } = failed;
        let refused_by_kernel =
            reason.is_none() && (matches!(errno.0, libc::EINVAL | libc::EFBIG) || way::is_refusal(errno.0));
        if refused_by_kernel && self.passes_limit() {
            // The kernel says EINVAL where the limit lies inside the range.
            errno = Errno(libc::EFBIG);
        }
        let dst = Facts::of(self.dst);
        let reason = reason.unwrap_or_else(|| self.why(errno));
        let mut error = refused(errno.0, reason).aligned(dst.filesystem.map_or(0, |fs| fs.block));
        error.report.destination = Some(destination);
        error.report.protection = protection;
        error.report.undo_reserve = reserve;
        error
    }

    /// Whether the range would pass `RLIMIT_FSIZE`.
    fn passes_limit(&self) -> bool {
        match sys::limit::file_size() {
            u64::MAX => false,
            limit => size(self.src).is_ok_and(|size| {
                let range = self.range;
                let len = if range.len == TO_END { range.within(size).len } else { range.len };
                len > 0 && range.dst + len > limit
            }),
        }
    }
}

/// Whether a file that is charged for no blocks has none: servers tell it late, some filesystems never.
fn counts_blocks(facts: &Facts) -> bool {
    matches!(facts.kind(), Kind::Xfs | Kind::Btrfs | Kind::Overlay)
}

/// How many bytes a clone is of.
enum Amount<'a> {
    Known(u64),
    /// To the end of the source, which had this size before.
    ToEnd {
        src: BorrowedFd<'a>,
        range: Pair,
        before: u64,
    },
}

impl Amount<'_> {
    fn of(src: BorrowedFd<'_>, range: Pair) -> sys::Result<Amount<'_>> {
        Ok(match range.len {
            TO_END => Amount::ToEnd { src, range, before: size(src)? },
            len => Amount::Known(len),
        })
    }

    /// After it succeeded.
    fn cloned(&self) -> u64 {
        match *self {
            Amount::Known(len) => len,
            // A source that grew or shrank around the call: the smaller size is what the clone surely holds.
            Amount::ToEnd { src, range, before } => {
                range.within(size(src).map_or(before, |after| after.min(before))).len
            }
        }
    }
}

fn reason_or(errno: Errno, otherwise: Reason) -> Reason {
    explain::plain(errno.0).unwrap_or(otherwise)
}

/// Whether a server does what is done to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remote {
    No,
    Smb,
    Other,
}

fn remote(fd: BorrowedFd<'_>, stat: &libc::stat64) -> sys::Result<Remote> {
    // Those filesystems have no device, and so the major number 0.
    if libc::major(stat.st_dev) != 0 || stat.st_mode & libc::S_IFMT != libc::S_IFREG {
        return Ok(Remote::No);
    }
    let magic = sys::stat::fstatfs(fd)?.f_type as u32;
    Ok(match Kind::of(magic) {
        Kind::Network if is_smb(magic) => Remote::Smb,
        Kind::Network => Remote::Other,
        _ => Remote::No,
    })
}

fn size(fd: BorrowedFd<'_>) -> sys::Result<u64> {
    Ok(sys::stat::fstat(fd)?.st_size as u64)
}
