//! `copy_file`, `clone_file`, `clone_or_copy_file`: one way from source to published file, three ways to fill it.

use std::os::fd::{AsFd, BorrowedFd};

use crate::control::Control;
use crate::copy::CopyOptions;
use crate::error::{Error, Operation, Result};
use crate::preserve::Preserve;
use crate::reason::Reason;
use crate::report::Report;
use crate::stable::Stable;

use super::at::At;
use super::entry::Entry;
use super::fill::{Fill, fill};
use super::metadata::{Original, carry, carry_times};
use super::source::{Source, open_regular};
use super::stage::{Stage, StageOptions};
use super::{Refusal, path_refusal};

/// Options of [`copy_file`], [`clone_file`] and [`clone_or_copy_file`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FileOptions<'a> {
    /// How bytes are moved; progress and cancellation.
    pub copy: CopyOptions<'a>,
    /// Whether the new file may take the place of another that has the name.
    pub replace: bool,
    /// Metadata to keep.
    pub preserve: Preserve,
    /// Whether to wait until the file and its name are on disk.
    pub durable: bool,
    /// Whether a source that is a symbolic link is followed.
    pub follow: bool,
    /// Whether both files are read again and compared before the new one is published: written back, and past the
    /// page cache as far as the filesystem lets one. A source that the caller opened is read as it is open.
    pub verify: bool,
    /// What to do about programs that write to the source meanwhile.
    pub stable: Stable,
    /// A directory on the source's filesystem where a snapshot may lie, without a name; `None` is the source's own.
    pub scratch_dir: Option<BorrowedFd<'a>>,
}

impl<'a> FileOptions<'a> {
    /// The defaults: a new file, with nothing kept but permission bits.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how bytes are moved, with progress and cancellation.
    #[must_use]
    pub fn copy(mut self, copy: CopyOptions<'a>) -> Self {
        self.copy = copy;
        self
    }

    /// Sets progress and cancellation.
    #[must_use]
    pub fn control(mut self, control: Control<'a>) -> Self {
        self.copy.control = control;
        self
    }

    /// Sets whether the new file may take the place of another.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets what metadata to keep.
    #[must_use]
    pub fn preserve(mut self, preserve: Preserve) -> Self {
        self.preserve = preserve;
        self
    }

    /// Sets whether to wait for the disk.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets whether a source that is a symbolic link is followed.
    #[must_use]
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// Sets whether both files are read again and compared.
    #[must_use]
    pub fn verify(mut self, verify: bool) -> Self {
        self.verify = verify;
        self
    }

    /// Sets what to do about programs that write to the source meanwhile.
    #[must_use]
    pub fn stable(mut self, stable: Stable) -> Self {
        self.stable = stable;
        self
    }

    /// Sets where a snapshot may lie.
    #[must_use]
    pub fn scratch_dir(mut self, dir: BorrowedFd<'a>) -> Self {
        self.scratch_dir = Some(dir);
        self
    }
}

/// Copies the file `src` to the name `dst`: whole, or there is an error and `dst` is what it was.
///
/// The new file is built without a name in the destination's directory, for nobody but its owner, and appears under
/// the name at once, with its metadata. A failure, a kill or a power cut leaves the old file, or nothing, under
/// the name: never a part. A symbolic link as `dst` is replaced, not followed; what it pointed to is not
/// touched. Hard links of a file that is replaced keep its old contents. The directory is opened once, so that renaming it
/// meanwhile leads nowhere else.
///
/// Bytes are moved as by [`copy_range`](crate::copy_range): holes stay holes, no blocks are shared. Cancelling publishes
/// nothing. What of [`FileOptions::preserve`] could not be kept is in the report's `unkept`, and is no error.
///
/// Where O_TMPFILE is missing (NFS, OCFS2, older FUSE and overlays) the file has a hidden name `.xtent-` with 16
/// hexadecimal digits meanwhile; everywhere it has one for a moment when it replaces another. A process killed
/// then leaves it behind, and the next run for the same destination clears it.
///
/// ```
/// use xtent::{FileOptions, Preserve, copy_file};
///
/// let dir = tempfile::tempdir()?;
/// let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
/// std::fs::write(&src, "contents")?;
/// copy_file(&src, &dst, FileOptions::new().preserve(Preserve::MODE | Preserve::TIMES))?;
/// assert_eq!(std::fs::read(&dst)?, b"contents");
///
/// let refusal = copy_file(&src, &dst, FileOptions::new()).unwrap_err();
/// assert_eq!(refusal.reason, xtent::Reason::Exists);
/// copy_file(&src, &dst, FileOptions::new().replace(true).durable(true))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// With nothing published:
///
/// - `EEXIST`: the name is taken, and [`FileOptions::replace`] is not set. `EISDIR`: one of the two is a directory.
/// - `ENOENT`, `ENOTDIR`, `ENAMETOOLONG`, `EINVAL`: what is wrong with a path; see the reason. `ELOOP`: too many
///   symbolic links, or one as the source and [`FileOptions::follow`] is not set.
/// - `ESPIPE`, `EINVAL`: the source is a FIFO, socket or device. `EBADF`: a descriptor is not open, or not for that.
/// - `EIO` with [`Reason::VerifyFailed`](crate::Reason::VerifyFailed): [`FileOptions::verify`] found a difference.
/// - `ECANCELED`, and all that reading and writing may fail with: `EACCES`, `EPERM`, `EROFS`, `ENOSPC`, `EDQUOT`, `EFBIG`,
///   `EIO`, `ENOMEM`, `ETXTBSY`. `EPERM` also where the kernel (before Linux 6.10) does not let this caller
///   name an open file, and /proc, the other way to, is not mounted.
///
/// With [`Reason::NotDurable`](crate::Reason::NotDurable) the file is published, but could not be written to disk.
pub fn copy_file<'a, 'b>(
    src: impl Into<At<'a>>,
    dst: impl Into<At<'b>>,
    options: FileOptions<'_>,
) -> Result<Report> {
    make(Operation::CopyFile, &src.into(), &dst.into(), options, Fill::Move)
}

/// Makes the file `dst` share all blocks of the file `src`: whole, or there is an error and `dst` is what it was.
///
/// As [`copy_file`], but filled as by [`clone_range`](crate::clone_range), in one step: never by copying. The new
/// file first gets the source's `chattr +C` (btrfs) or realtime attribute (XFS), without which the two could not share.
///
/// # Errors
///
/// As [`copy_file`]. `EOPNOTSUPP`: this filesystem, or this mount, cannot. `EXDEV`: two filesystems.
pub fn clone_file<'a, 'b>(
    src: impl Into<At<'a>>,
    dst: impl Into<At<'b>>,
    options: FileOptions<'_>,
) -> Result<Report> {
    make(Operation::CloneFile, &src.into(), &dst.into(), options, Fill::Share)
}

/// Clones the file `src` to the name `dst`, or copies it where a clone is refused; the report says which, and its
/// `fallback` why. Otherwise as [`copy_file`].
///
/// # Errors
///
/// As [`copy_file`]. A clone that fails with `EIO`, `ENOSPC`, `EDQUOT`, `ENOMEM` or `EFBIG` is such an error and
/// never turns into a copy.
pub fn clone_or_copy_file<'a, 'b>(
    src: impl Into<At<'a>>,
    dst: impl Into<At<'b>>,
    options: FileOptions<'_>,
) -> Result<Report> {
    make(Operation::CloneOrCopyFile, &src.into(), &dst.into(), options, Fill::ShareOrMove)
}

fn make(
    op: Operation,
    src: &At<'_>,
    dst: &At<'_>,
    mut options: FileOptions<'_>,
    way: Fill,
) -> Result<Report> {
    let refused = |refusal: Refusal| refusal.of(op);
    let entry = Entry::open(dst).map_err(refused)?;
    let mut source = Source::open(src, options.follow).map_err(refused)?;
    entry.may_be_made(options.replace, options.durable).map_err(refused)?;
    go_on(&options.copy.control, op)?;

    let mut stage = Stage::create(entry, options.stage(&source)).map_err(refused)?;
    let mut report =
        fill(way, &mut source, stage.as_fd(), &mut options).map_err(|error| error.told_by(op))?;
    report.unkept = dress(&stage, &source, options.preserve).map_err(refused)?;
    go_on(&options.copy.control, op)?;
    stage.appear().map_err(refused)?;
    Ok(report)
}

impl FileOptions<'_> {
    fn stage(&self, source: &Source<'_>) -> StageOptions {
        // With MODE nobody asks what a new file's would be.
        let mode = (!self.preserve.contains(Preserve::MODE)).then_some(source.stat().st_mode & 0o777);
        StageOptions::new().replace(self.replace).durable(self.durable).mode(mode)
    }
}

fn go_on(control: &Control<'_>, op: Operation) -> Result<()> {
    if control.is_cancelled() { Err(Error::new(op, libc::ECANCELED, Reason::Cancelled)) } else { Ok(()) }
}

/// Gives a filled stage its metadata and its final mode; says what could not be kept.
fn dress(stage: &Stage, source: &Source<'_>, what: Preserve) -> std::result::Result<Preserve, Refusal> {
    let file = stage.as_fd();
    let as_new = stage.mode_as_new().unwrap_or(0);
    if what.contains(Preserve::DESTINATION)
        && let Some(old) = stage.entry().present()?.filter(|old| old.st_mode & libc::S_IFMT == libc::S_IFREG)
    {
        let opened = open_regular(stage.entry().dir(), stage.entry().name(), false, libc::O_RDONLY).ok();
        let opened = opened.as_ref().map(AsFd::as_fd);
        let original = Original { stat: &old, file: opened, without_privileges: true, alone: false };
        let its_own = Preserve::MODE | Preserve::OWNER | Preserve::XATTRS | Preserve::ACLS;
        let mut unkept = carry(file, &original, its_own, as_new).map_err(path_refusal)?;
        if what.contains(Preserve::TIMES) {
            unkept |= carry_times(file, source.stat()).map_err(path_refusal)?;
        }
        return Ok(unkept);
    }
    let original =
        Original { stat: source.stat(), file: Some(source.fd()), without_privileges: false, alone: false };
    carry(file, &original, what, as_new).map_err(path_refusal)
}
