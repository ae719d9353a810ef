//! `usage`: who uses how much of a filesystem, by where the blocks lie.

mod apart;
mod collect;
mod links;
mod owners;
mod reference;
mod report;
mod sort;
mod sweep;
mod tally;
mod volumes;

pub use report::{Usage, UsageReport};

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;

use crate::control::Control;
use crate::error::{Error, Operation};
use crate::file::{At, path_refusal};
use crate::reason::Reason;
use crate::roots::{Roots, Visitor};
use crate::scratch;
use crate::sys::signal::NoSigxfsz;
use crate::sys::{self, Errno};
use crate::tree::TreeFailure;

use collect::Collector;
use links::Links;
use sort::Sorter;
use tally::Tally;
use volumes::Volumes;

/// Options of [`usage()`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UsageOptions<'a> {
    /// Progress, in files and bytes of them, and cancellation.
    pub control: Control<'a>,
    /// Whether to go down into other filesystems that are mounted beneath a root.
    pub cross_mounts: bool,
    /// About how many bytes of memory the extents may take, each of them 32; 0 is 32 MiB.
    pub memory: u64,
    /// Where more than that waits, in an unlinked file; `None` is /var/tmp.
    pub scratch_dir: Option<BorrowedFd<'a>>,
}

impl<'a> UsageOptions<'a> {
    /// The defaults: one filesystem for each root, 32 MiB.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets progress and cancellation. The callback is told the files and the bytes in them that were looked at so far; how
    /// many there will be nobody knows.
    #[must_use]
    pub fn control(mut self, control: Control<'a>) -> Self {
        self.control = control;
        self
    }

    /// Sets whether to go down into other filesystems that are mounted beneath a root.
    #[must_use]
    pub fn cross_mounts(mut self, cross_mounts: bool) -> Self {
        self.cross_mounts = cross_mounts;
        self
    }

    /// Sets how much memory extents may take.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Sets the directory for what memory does not hold.
    #[must_use]
    pub fn scratch_dir(mut self, dir: BorrowedFd<'a>) -> Self {
        self.scratch_dir = Some(dir);
        self
    }
}

/// Without being told otherwise.
const MEMORY: u64 = 32 << 20;
/// Where large temporary files are to be (hier(7)).
const SCRATCH: &CStr = c"/var/tmp";

/// Looks at the regular files beneath each of the `roots`, which are directories or files: how long they are, how many
/// blocks they use, who else uses these, and what deleting a root would free.
///
/// Blocks are told by where they lie, and each is counted once, however many files or places share it; so is a file with
/// several names. What a filesystem takes for itself, directories and extended attributes are not counted. Dirty pages
/// are written back first. Symbolic links are not followed, and a root is not left for what is mounted in it, unless
/// [`UsageOptions::cross_mounts`] is set. Roots may lie on different filesystems.
///
/// **How exact it is.** A map says of a block that it is shared, and not with how many. What is flagged and seen once is
/// used by something beside the roots. What is flagged and seen twice may be used by a third: on XFS with `rmapbt` (the
/// default of mkfs.xfs since 6.5), and for root, the filesystem is asked who uses it, and every number is exact; else such
/// blocks are `unknown`, and `exclusive_most` says what they could add. On btrfs the flag is of whole extents, a part of
/// which others may use; `shared_others` is what it says, `exclusive` is certain to be used by nobody else, compressed
/// extents are counted by the length that they have in the file, and nothing is `exact`; an extent of which only a part is
/// still in use takes more space than is counted, and is freed as a whole. Files without a map (tmpfs) count by the blocks
/// that stat(2) tells; on an overlay, NFS, SMB, FUSE and ZFS these are `unknown`.
///
/// Others may write meanwhile: then the numbers are of no single moment.
///
/// Memory is bounded: references to blocks are sorted in pieces, which wait in an unlinked file where
/// [`UsageOptions::memory`] does not hold them. Beside that a directory takes some 20 bytes and its name, and a file with
/// several names some 100 bytes.
///
/// ```
/// use xtent::{UsageOptions, usage};
///
/// let dir = tempfile::tempdir()?;
/// std::fs::write(dir.path().join("file"), [7; 10_000])?;
/// let report = usage(&[dir.path().into()], UsageOptions::new())?;
/// assert_eq!((report.total.files, report.total.apparent), (1, 10_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// For the call as a whole, and the failure's `path` is that of the root:
///
/// - `ENOENT`, `ENOTDIR`, `EACCES`, `ELOOP` (a symbolic link), `ENAMETOOLONG`, `EBADF`: a root cannot be opened.
/// - `EINVAL`: there are no roots; a root is neither directory nor regular file; one lies in another, or is the same
///   ([`Reason::RootInRoot`]).
/// - `ECANCELED`; `ENOMEM`; and where memory did not suffice what making and writing a file may fail with: `ENOENT`,
///   `EACCES`, `ENOSPC`, `EDQUOT`, `EFBIG`, `EIO`.
///
/// What cannot be looked at beneath a root is in [`UsageReport::failures`].
pub fn usage(roots: &[At<'_>], mut options: UsageOptions<'_>) -> Result<UsageReport, TreeFailure> {
    let fail = |errno, reason| at_no_path(Error::new(Operation::Usage, errno, reason));
    if roots.is_empty() {
        return Err(fail(libc::EINVAL, Reason::InvalidArgument));
    }
    let mut opened = Roots::open(roots)
        .map_err(|(path, refusal)| TreeFailure { path, error: refusal.of(Operation::Usage) })?;
    if let Some(path) = apart::root_in_root(&opened) {
        return Err(TreeFailure {
            path,
            error: Error::new(Operation::Usage, libc::EINVAL, Reason::RootInRoot),
        });
    }
    let _guard = NoSigxfsz::new();
    let scratch_dir = options.scratch_dir;
    let make = || scratch_file(scratch_dir);
    let memory = if options.memory == 0 { MEMORY } else { options.memory };
    let mut collector = Collector {
        control: options.control.lend(),
        sorter: Sorter::new(memory, &make),
        tally: Tally::new(roots.len()),
        volumes: Volumes::default(),
        links: Links::default(),
        failures: Vec::new(),
        ended: None,
    };
    opened.walk(options.cross_mounts, &mut collector);
    // All of it is told too, and may be the caller's last word.
    _ = collector.look();
    let Collector { sorter, mut tally, volumes, links, failures, ended, control } = collector;
    if let Some(error) = ended {
        return Err(at_no_path(error));
    }
    add_up(sorter, volumes, &links, &mut tally, &control).map_err(|errno| match errno {
        Errno(libc::ECANCELED) => fail(libc::ECANCELED, Reason::Cancelled),
        errno => at_no_path(path_refusal(errno).of(Operation::Usage)),
    })?;
    let Tally { roots, total } = tally;
    Ok(UsageReport { roots, total, failures })
}

fn at_no_path(error: Error) -> TreeFailure {
    TreeFailure { path: PathBuf::new(), error }
}

fn scratch_file(dir: Option<BorrowedFd<'_>>) -> sys::Result<OwnedFd> {
    use std::os::fd::AsFd;
    if let Some(dir) = dir {
        return scratch::private(dir);
    }
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let dir = sys::open::openat(sys::open::working_directory(), SCRATCH, flags, 0)?;
    scratch::private(dir.as_fd())
}

/// Between so many references the caller is asked.
const OFTEN: usize = 4096;

fn add_up(
    sorter: Sorter<'_>,
    mut volumes: Volumes,
    links: &Links,
    tally: &mut Tally,
    control: &Control<'_>,
) -> sys::Result<()> {
    let watched = sorter.sorted()?.enumerate().map(|(i, reference)| match i % OFTEN {
        0 if control.is_cancelled() => Err(Errno(libc::ECANCELED)),
        _ => reference,
    });
    let mut references = watched.peekable();
    while let Some(first) = references.peek() {
        let volume = first.as_ref().map_err(|errno| *errno)?.volume;
        let owners = volumes.owners(volume).into_iter().flatten();
        let is_outside = |link| links.is_outside(link);
        sweep::sweep(volumes.maps(volume), &mut references, owners, is_outside, tally)?;
    }
    Ok(())
}
