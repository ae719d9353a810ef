//! A stage: a file that nobody sees until it is published whole.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Operation, Result};
use crate::reason::Reason;
use crate::report::Report;
use crate::scratch;
use crate::sys;

use super::at::At;
use super::entry::Entry;
use super::{Refusal, hidden, path_refusal, publish};

/// For its owner only, as long as it is a stage.
const PRIVATE: u32 = 0o600;

/// Options of [`stage_open`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct StageOptions {
    /// Whether the file may take the place of another that has the name.
    pub replace: bool,
    /// Whether publishing waits until the file and its name are on disk.
    pub durable: bool,
    /// The permission bits that the published file gets, through the umask or the directory's default ACL
    /// as for any new file. `None` leaves those that the caller has set.
    pub mode: Option<u32>,
}

impl Default for StageOptions {
    fn default() -> Self {
        StageOptions { replace: false, durable: false, mode: Some(0o666) }
    }
}

impl StageOptions {
    /// The defaults: a new file, of mode 0666 through the umask.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the file may take the place of another.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.replace = replace;
        self
    }

    /// Sets whether publishing waits for the disk.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Sets the permission bits of the published file.
    #[must_use]
    pub fn mode(mut self, mode: Option<u32>) -> Self {
        self.mode = mode;
        self
    }
}

/// A file in the making: filled by any verbs and writes on its descriptor ([`AsFd`]), then published under its
/// name, whole, or discarded. Dropping it discards it.
///
/// ```
/// use std::os::fd::AsFd;
/// use xtent::{CopyOptions, StageOptions, TO_END, copy_range, stage_open};
///
/// let dir = tempfile::tempdir()?;
/// let part = std::fs::File::open("/etc/passwd")?;
/// let name = dir.path().join("restored");
///
/// let mut stage = stage_open(&name, StageOptions::new().durable(true))?;
/// copy_range(part.as_fd(), 0, stage.as_fd(), 4096, TO_END, CopyOptions::new())?;
/// assert!(!name.exists());
/// stage.publish()?;
/// assert!(name.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Stage {
    file: OwnedFd,
    entry: Entry,
    /// The name that it has meanwhile, where files without one are not to be had.
    hidden: Option<CString>,
    options: StageOptions,
    /// The permission bits that the kernel gave a new file here that asked for `options.mode`.
    mode: Option<u32>,
    published: bool,
}

/// Makes a stage for the file `dst`, in its directory: a file without a name, or where the filesystem has none
/// (NFS, OCFS2, older FUSE and overlays) under a hidden name `.xtent-` with 16 hexadecimal digits. Its mode is 0600
/// until it is published.
///
/// # Errors
///
/// - `EEXIST`: the name is taken, and [`StageOptions::replace`] is not set. `EISDIR`: it is that of a directory.
/// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, `EINVAL`: what is wrong with the path; see the reason.
/// - `EACCES`, `EPERM`, `EROFS`, `ENOSPC`, `EDQUOT`, `EIO`, `ENOMEM` from making a file in the directory.
pub fn stage_open<'a>(dst: impl Into<At<'a>>, options: StageOptions) -> Result<Stage> {
    let open = || {
        let entry = Entry::open(&dst.into())?;
        entry.may_be_made(options.replace, options.durable)?;
        Stage::create(entry, options)
    };
    open().map_err(|refusal: Refusal| refusal.of(Operation::StageOpen))
}

impl Stage {
    pub(super) fn create(entry: Entry, options: StageOptions) -> std::result::Result<Stage, Refusal> {
        // The kernel knows best what a new file's mode is, by umask or default ACL, and asking it is safe in
        // every thread, as umask(2) is not. An empty file without a name shows nobody anything meanwhile.
        let wanted = options.mode.unwrap_or(PRIVATE);
        match scratch::unlinked(entry.dir(), wanted) {
            Ok(file) => {
                let mode = granted(file.as_fd()).map_err(path_refusal)?;
                if mode != PRIVATE {
                    sys::metadata::chmod(file.as_fd(), PRIVATE).map_err(path_refusal)?;
                }
                Ok(Stage {
                    file,
                    entry,
                    hidden: None,
                    options,
                    mode: options.mode.map(|_| mode),
                    published: false,
                })
            }
            Err(errno) if scratch::needs_a_name(errno) => Self::create_hidden(entry, options),
            Err(errno) => Err(path_refusal(errno)),
        }
    }

    /// The same under a hidden name. An empty file of the mode that is asked for would be seen: so it is made
    /// only to look at, and goes before the stage comes.
    pub(super) fn create_hidden(entry: Entry, options: StageOptions) -> std::result::Result<Stage, Refusal> {
        let create = |mode| {
            hidden::under(entry.dir(), entry.name(), |name| {
                let flags = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW | libc::O_RDWR;
                let file = sys::open::openat(entry.dir(), name, flags, mode)?;
                hidden::hold(file.as_fd(), entry.dir(), name)?;
                Ok(file)
            })
        };
        let mode = |wanted| {
            let (file, name) = create(wanted)?;
            let mode = granted(file.as_fd());
            let removed = sys::names::unlink(entry.dir(), &name);
            hidden::let_go(file.as_fd());
            removed.and(mode)
        };
        let mode = options.mode.map(mode).transpose().map_err(path_refusal)?;
        let (file, name) = create(PRIVATE).map_err(path_refusal)?;
        Ok(Stage { file, entry, hidden: Some(name), options, mode, published: false })
    }

    /// The permission bits that it would have as any new file does.
    pub(super) fn mode_as_new(&self) -> Option<u32> {
        self.mode
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Gives the file its mode and its name, both at the end and the name in one step: whoever opens the name finds
    /// the old file, or none, or the new one whole. Once published, the stage is only a descriptor.
    ///
    /// # Errors
    ///
    /// Those of [`stage_open`]: the name may be taken meanwhile. `EPERM` also where the kernel (before Linux
    /// 6.10) does not let this caller name an open file, and /proc, the other way to, is not mounted.
    /// After an error the stage is as before: try again, or discard it.
    ///
    /// With [`Reason::NotDurable`](crate::Reason::NotDurable) the file has its name, but could not be written to
    /// disk. `EINVAL`: it was published before.
    pub fn publish(&mut self) -> Result<Report> {
        let publish = |stage: &mut Self| {
            if stage.published {
                return Err(Refusal { errno: libc::EINVAL, reason: Reason::InvalidArgument });
            }
            if let Some(mode) = stage.mode {
                sys::metadata::chmod(stage.as_fd(), mode).map_err(path_refusal)?;
            }
            stage.appear()
        };
        publish(self).map(|()| Report::default()).map_err(|refusal| {
            if self.mode.is_some() && !self.published {
                sys::metadata::chmod(self.as_fd(), PRIVATE).ok();
            }
            refusal.of(Operation::StagePublish)
        })
    }

    /// Publishes it as it is.
    pub(super) fn appear(&mut self) -> std::result::Result<(), Refusal> {
        publish::name(self.file.as_fd(), &self.entry, self.hidden.as_deref(), &self.options)?;
        self.published = true;
        if self.hidden.take().is_some() {
            hidden::let_go(self.file.as_fd());
        }
        publish::settle(self.file.as_fd(), &self.entry, &self.options)
    }

    /// Makes it as if it had never been.
    pub fn discard(self) {}
}

impl AsFd for Stage {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(name) = &self.hidden {
            // What cannot be removed now is a leftover, which the next run clears.
            sys::names::unlink(self.entry.dir(), name).ok();
            hidden::let_go(self.file.as_fd());
        }
    }
}

fn granted(file: BorrowedFd<'_>) -> sys::Result<u32> {
    Ok(sys::stat::fstat(file)?.st_mode & 0o7777)
}
