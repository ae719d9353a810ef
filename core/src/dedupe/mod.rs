//! `dedupe_range`: shares blocks only where the bytes are already equal.

mod blocks;
mod maps;
mod patience;
mod plan;
mod ranges;
mod reader;
mod run;
mod source;
mod target;

use std::os::fd::BorrowedFd;

use crate::cache::Cache;
use crate::control::Control;
use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::{Facts, Filesystem, Inode, Seen};
use crate::range::{Pair, TO_END};
use crate::reason::Reason;

use run::Run;
use source::{Source, Wishes};

/// A place that may come to share the source's blocks.
#[derive(Debug, Clone, Copy)]
pub struct DedupeTarget<'fd> {
    /// The file; open for writing, or for reading by its owner or somebody who may write it.
    pub fd: BorrowedFd<'fd>,
    /// Where the range begins in it, in bytes; a multiple of the filesystem's block size.
    pub offset: u64,
}

/// What became of one target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DedupeStatus {
    /// Nothing was asked of this target: the call ended before. What [`DedupeResult::compared`] tells
    /// was done all the same.
    #[default]
    NotReached,
    /// All that was compared is equal.
    Same,
    /// The bytes differ; what was equal before the first difference may be shared.
    Differs,
    /// It was refused, or failed: see `errno` and `reason`.
    Failed,
}

/// What became of one target, in bytes of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct DedupeResult {
    /// The outcome.
    pub status: DedupeStatus,
    /// With [`DedupeStatus::Failed`] the errno, else 0.
    pub errno: i32,
    /// With [`DedupeStatus::Failed`] why; with [`DedupeStatus::Same`] [`Reason::WouldAllocate`] where zeros that
    /// face a hole of the target were left alone.
    pub reason: Reason,
    /// Bytes from the beginning of the range that were found equal.
    pub compared: u64,
    /// Bytes that share the source's blocks now and did not before, by the files' extent maps; `None`
    /// where these cannot tell.
    pub shared: Option<u64>,
    /// Bytes that shared the source's blocks before the call; `None` as above.
    pub already_shared: Option<u64>,
    /// With [`DedupeStatus::Differs`] how far into the range the first difference is; `None` if the
    /// library could not read the target to find it.
    pub differs_at: Option<u64>,
}

impl DedupeResult {
    pub(crate) fn failed(errno: i32, reason: Reason) -> Self {
        DedupeResult { status: DedupeStatus::Failed, errno, reason, ..Self::default() }
    }
}

/// Options of [`dedupe_range`].
#[derive(Debug)]
#[non_exhaustive]
pub struct DedupeOptions<'a> {
    /// Progress and cancellation; bytes are counted over all targets.
    pub control: Control<'a>,
    /// Whether the files' extent maps are compared before and after. Without it `shared` and `already_shared` are
    /// `None`, and what is shared already is compared again: for files in so many extents that reading their maps
    /// costs more.
    pub measure: bool,
    /// Whether a target that differs goes on to share every run of equal blocks behind the first difference. It must
    /// be readable for that; of one that is not, steps are shared that are equal as a whole.
    pub blocks: bool,
    /// What becomes of the page cache. The kernel itself lets go of a target's pages where it shared, on XFS.
    pub cache: Cache,
}

impl Default for DedupeOptions<'_> {
    fn default() -> Self {
        DedupeOptions { control: Control::default(), measure: true, blocks: false, cache: Cache::default() }
    }
}

impl<'a> DedupeOptions<'a> {
    /// The defaults: measured, only up to the first difference, what was read stays cached.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same for one of several calls.
    pub(crate) fn lend(&mut self) -> DedupeOptions<'_> {
        DedupeOptions { control: self.control.lend(), ..*self }
    }

    /// Sets progress and cancellation.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Sets whether extent maps are compared before and after.
    #[must_use]
    pub fn measure(self, measure: bool) -> Self {
        Self { measure, ..self }
    }

    /// Sets whether equal blocks behind a difference are shared too.
    #[must_use]
    pub fn blocks(self, blocks: bool) -> Self {
        Self { blocks, ..self }
    }

    /// Sets what becomes of the page cache.
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        Self { cache, ..self }
    }
}

/// Makes each target share the `len` bytes of `src` at `src_off` where the bytes are already equal. The
/// kernel compares and shares under both files' locks: contents never change, by no outcome.
///
/// Any number of targets, any length; [`TO_END`] is the rest of the source. One result for each target,
/// in their order. One target's failure does not disturb another, and that targets differ, or all of
/// them fail, is no error of the call. A target that differs keeps what was shared before the first
/// difference, to the block; with [`DedupeOptions::blocks`] everything else that is equal is shared too.
///
/// The kernel shares whole blocks. A last partial block is shared where both files end in it; elsewhere
/// the library compares it, and counts it as compared; where the target is not open for reading that, the
/// partial block is left out of `compared`.
///
/// Disk use never grows: zeros that face a hole of the target are compared and left alone.
///
/// The numbers are measured with the extent maps (which writes dirty pages back first), not taken from the
/// kernel's answer, which only repeats the request. What shares the source's blocks already by these maps
/// is not read again. What is not in the page cache is read ahead of the kernel, which itself reads page by
/// page.
///
/// Modification and change times of the files stay; reading them may set the time of last access.
///
/// Cancellation is looked at between steps of at most 16 MiB of one target: what was shared stays
/// shared, and unfinished targets are [`DedupeStatus::NotReached`].
///
/// # Errors
///
/// For the call as a whole, with no target touched:
///
/// - `EINVAL`: length 0; the range passes the end of the source; the source is not open for reading or
///   no regular file. `EISDIR`, `EBADF`, `EOVERFLOW`.
/// - `EOPNOTSUPP`: this filesystem or mount cannot, or it is not known to compare before sharing (NFS
///   and SMB clients once did not).
///
/// For a target: `EOPNOTSUPP` (an XFS made without reflink says so of the target only), `EPERM` (neither open for writing nor the caller's own; immutable; on an overlay, a
/// file that still lies on the lower filesystem), `EXDEV`, `EROFS`, `EISDIR`, `EBADF`,
/// `EINVAL` (misaligned, past the target's end, overlap, `chattr +C` on one only), `EAGAIN` (btrfs: its
/// subvolume is being sent; tried again for about a second, for all targets together).
pub fn dedupe_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    len: u64,
    targets: &[DedupeTarget<'_>],
    options: DedupeOptions<'_>,
) -> Result<Vec<DedupeResult>> {
    let fail = |errno, reason| Error::new(Operation::DedupeRange, errno, reason);
    if len == 0 {
        return Err(fail(libc::EINVAL, Reason::ZeroLength));
    }
    let range = Pair::checked(src_off, 0, len).ok_or_else(|| fail(libc::EOVERFLOW, Reason::Overflow))?;
    let facts = Facts::of(src);
    let (inode, filesystem) = source(&facts).map_err(|(errno, reason)| fail(errno, reason))?;
    if src_off > inode.size || (len != TO_END && range.src_end() > inode.size) {
        return Err(fail(libc::EINVAL, Reason::PastEnd));
    }
    let len = range.within(inode.size).len;
    let DedupeOptions { control, measure, blocks, cache } = options;
    let source = Source::new((src, facts), src_off, len, filesystem.block, Wishes { blocks, cache });
    Run::new(source, targets, control).finish(measure)
}

/// What is known of a source that can be asked about; else the refusal.
pub(crate) fn source(facts: &Facts) -> std::result::Result<(Inode, Filesystem), (i32, Reason)> {
    let Seen { flags, inode, filesystem } =
        facts.seen().map_err(|errno| (errno.0, explain::unseen(errno)))?;
    if inode.file_type == libc::S_IFDIR {
        Err((libc::EISDIR, Reason::NotRegularFile))
    } else if !inode.is_regular() {
        Err((libc::EINVAL, Reason::NotRegularFile))
    } else if flags & libc::O_PATH != 0 {
        Err((libc::EBADF, Reason::NotOpenForThat))
    } else if !explain::readable(facts) {
        Err((libc::EINVAL, Reason::NotOpenForThat))
    } else if !filesystem.kind.compares() {
        Err((libc::EOPNOTSUPP, Reason::FilesystemCannot))
    } else {
        Ok((inode, filesystem))
    }
}
