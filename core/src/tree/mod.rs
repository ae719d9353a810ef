//! Whole directories: built beside the destination under a hidden name, and published by one rename.

mod file;
mod frame;
mod queue;
mod report;
mod special;
mod walk;

pub use report::{TreeFailure, TreeReport};

use std::path::PathBuf;

use crate::control::Control;
use crate::error::Error;
use crate::file::At;
use crate::reason::Reason;

use file::Way;
use frame::Frame;

/// Options of [`copy_tree`], [`clone_tree`] and [`clone_or_copy_tree`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct TreeOptions<'a> {
    /// Progress, in files and bytes that are done, and cancellation.
    pub control: Control<'a>,
    /// Whether the new tree may take the place of what has the name. It is removed then: so it may neither be the source nor
    /// have it inside.
    pub replace: bool,
    /// Whether to wait until all of the tree and its name are on disk.
    pub durable: bool,
    /// Whether to go down into other filesystems that are mounted in the source.
    pub cross_mounts: bool,
    /// Whether to go on where a file fails, and publish the tree without it.
    pub keep_going: bool,
    /// How many threads work at it, the caller's among them; 0 is one for each processor. At most 64.
    pub threads: usize,
}

impl<'a> TreeOptions<'a> {
    /// The defaults: a new tree, all or nothing, a thread for each processor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets progress and cancellation. The callback is called in the caller's thread, with the files and the bytes that
    /// are done so far; how many there will be nobody knows.
    #[must_use]
    pub fn control(mut self, control: Control<'a>) -> Self {
        self.control = control;
        self
    }

    /// Sets whether the new tree may take the place of what has the name.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets whether to wait for the disk.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets whether to go down into other filesystems that are mounted in the source.
    #[must_use]
    pub fn cross_mounts(mut self, cross_mounts: bool) -> Self {
        self.cross_mounts = cross_mounts;
        self
    }

    /// Sets whether to go on where a file fails.
    #[must_use]
    pub fn keep_going(mut self, keep_going: bool) -> Self {
        self.keep_going = keep_going;
        self
    }

    /// Sets how many threads work at it.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }
}

/// The result of a tree verb.
pub type TreeResult = std::result::Result<TreeReport, TreeFailure>;

/// Copies the directory `src` with everything in it to the name `dst`: the whole tree, or there is an error and `dst` is
/// what it was.
///
/// Kept is what `cp -a` keeps: modes, owners, times to the nanosecond, extended attributes, ACLs, hard links within the
/// tree, symbolic links, FIFOs, sockets, devices, holes, names of any bytes. What of it the filesystem or the caller's
/// rights do not allow is in the report's `unkept`, and is no error. Bytes are moved as by
/// [`copy_range`](crate::copy_range): no blocks are shared.
///
/// The tree is built in a directory of mode 0700 with a hidden name, `.xtent-` and 16 hexadecimal digits, beside `dst`,
/// and appears under the name by one rename. With [`TreeOptions::replace`] old and new change names in one moment, and the
/// old tree is removed then. A failure, a kill, a full disk leaves no half tree under the name. A killed run leaves its
/// hidden directory, unlocked; the next run for the same `dst` clears it. Where the kernel has no rename that never replaces
/// (NFS, FUSE, a container's filter), the name is looked at first; an empty directory that somebody gives it between that look
/// and the rename is replaced, and nothing else ever is.
///
/// A directory on which another filesystem is mounted is made, and stays empty, unless
/// [`TreeOptions::cross_mounts`] is set. A btrfs subvolume is no mount: it is copied as a directory.
///
/// Others may change the source meanwhile: what is removed between being listed and being opened is left out, and counted as
/// `vanished`. Whatever they rename or link, nothing outside of `src` is read and nothing outside of the new tree is written:
/// all paths are resolved beneath the two directories, and through no symbolic link (openat2(2)).
///
/// ```
/// use xtent::{TreeOptions, copy_tree};
///
/// let dir = tempfile::tempdir()?;
/// let (src, dst) = (dir.path().join("src"), dir.path().join("dst"));
/// std::fs::create_dir_all(src.join("a/b"))?;
/// std::fs::write(src.join("a/b/file"), "contents")?;
///
/// let report = copy_tree(&src, &dst, TreeOptions::new())?;
/// assert_eq!((report.files, report.directories), (1, 3));
/// assert_eq!(std::fs::read(dst.join("a/b/file"))?, b"contents");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// With nothing published; the failure's `path` is that of the file, beneath `src`:
///
/// - `EEXIST`: the name is taken, and [`TreeOptions::replace`] is not set. `EOPNOTSUPP`: it is set, the filesystem cannot
///   exchange two names, and what has the name is no empty directory.
/// - `ENOTDIR`: `src` is no directory. `EINVAL`: `dst` lies inside of `src`, or would be replaced with `src` inside. `ENOENT`, `EACCES`, `ELOOP`, `ENAMETOOLONG`: what
///   is wrong with a path.
/// - `ECANCELED`, and all that reading, writing and making files may fail with: `EACCES`, `EPERM` (a device, without the
///   right to make one), `EROFS`, `ENOSPC`, `EDQUOT`, `EFBIG`, `EIO`, `ENOMEM`, `EMFILE`.
///
/// With [`TreeOptions::keep_going`] the failures of single files are in the report, and the tree is published without
/// them.
///
/// With [`Reason::NotDurable`] the tree is published, but could not be written to disk.
pub fn copy_tree<'a, 'b>(
    src: impl Into<At<'a>>,
    dst: impl Into<At<'b>>,
    options: TreeOptions<'_>,
) -> TreeResult {
    make(Way::Copy, &src.into(), &dst.into(), options)
}

/// Makes the directory `dst` a clone of the directory `src`: each file shares all its blocks with the original's. As
/// [`copy_tree`], but files are filled as by [`clone_file`](crate::clone_file): never by copying.
///
/// # Errors
///
/// As [`copy_tree`]. `EOPNOTSUPP`, `EXDEV`: a file that cannot be cloned.
pub fn clone_tree<'a, 'b>(
    src: impl Into<At<'a>>,
    dst: impl Into<At<'b>>,
    options: TreeOptions<'_>,
) -> TreeResult {
    make(Way::Clone, &src.into(), &dst.into(), options)
}

/// Makes the directory `dst` a copy of the directory `src` whose files share blocks with the originals where they can. Files of up to 2 KiB on btrfs are copied: it keeps them without blocks. Otherwise as [`copy_tree`].
///
/// # Errors
///
/// As [`copy_tree`]. A clone that fails with `EIO`, `ENOSPC`, `EDQUOT`, `ENOMEM` or `EFBIG` never turns into a copy.
pub fn clone_or_copy_tree<'a, 'b>(
    src: impl Into<At<'a>>,
    dst: impl Into<At<'b>>,
    options: TreeOptions<'_>,
) -> TreeResult {
    make(Way::CloneOrCopy, &src.into(), &dst.into(), options)
}

fn make(way: Way, src: &At<'_>, dst: &At<'_>, mut options: TreeOptions<'_>) -> TreeResult {
    let op = way.operation();
    let fail = |error: Error| TreeFailure { path: PathBuf::new(), error };
    if options.control.is_cancelled() {
        return Err(fail(Error::new(op, libc::ECANCELED, Reason::Cancelled)));
    }
    let frame = Frame::make(src, dst, options.replace).map_err(|refusal| fail(refusal.of(op)))?;
    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let report = walk::build(
        &frame,
        way,
        &walk::Rules {
            threads: threads.min(MOST_THREADS),
            cross_mounts: options.cross_mounts,
            keep_going: options.keep_going,
        },
        &mut options.control,
    )?;
    frame.publish(options.replace, options.durable).map_err(|refusal| fail(refusal.of(op)))?;
    Ok(report)
}

/// Each has up to six descriptors open, and a process may have 1024 (RLIMIT_NOFILE).
const MOST_THREADS: usize = 64;
