//! Publishing: a finished file gets its name in one step, and none if it cannot.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::reason::Reason;
use crate::sys::{self, Errno};

use super::entry::Entry;
use super::stage::StageOptions;
use super::{Refusal, hidden, path_refusal};

/// Gives `file` the name of `entry`. `hidden` is the name that it has already, if any; it loses it.
pub(super) fn name(
    file: BorrowedFd<'_>,
    entry: &Entry,
    hidden: Option<&CStr>,
    options: &StageOptions,
) -> Result<(), Refusal> {
    if options.durable {
        sys::sync::fsync(file).map_err(path_refusal)?;
    }
    let (dir, name) = (entry.dir(), entry.name());
    match (hidden, options.replace) {
        (None, false) => give_name(file, dir, name),
        (None, true) => replace(file, entry),
        (Some(hidden), false) => rename_new(dir, hidden, name),
        (Some(hidden), true) => sys::names::rename(dir, hidden, name),
    }
    .map_err(path_refusal)
}

/// Waits until a file that has its name keeps it, if that is asked for.
///
/// The file is synced again, now that it has a name: after a power cut btrfs replays the name from its log, and
/// with it an empty file if the contents were only synced while it had none.
pub(super) fn settle(file: BorrowedFd<'_>, entry: &Entry, options: &StageOptions) -> Result<(), Refusal> {
    if !options.durable {
        return Ok(());
    }
    let synced = sys::sync::fsync(file).and_then(|()| sync_names(entry));
    synced.map_err(|errno| Refusal { errno: errno.0, reason: Reason::NotDurable })
}

/// linkat(2) never replaces: so it gets a hidden name for a moment, and that is renamed. Not where nothing is there to
/// be replaced.
fn replace(file: BorrowedFd<'_>, entry: &Entry) -> sys::Result<()> {
    let (dir, name) = (entry.dir(), entry.name());
    match give_name(file, dir, name) {
        Err(Errno(libc::EEXIST)) => {}
        done => return done,
    }
    let ((), old) = hidden::under(dir, name, |hidden| {
        // Before the name is there: whoever finds it finds it held.
        sys::lock::try_lock(file).ok();
        give_name(file, dir, hidden)
    })?;
    let renamed = sys::names::rename(dir, &old, name).inspect_err(|_| {
        sys::names::unlink(dir, &old).ok();
    });
    hidden::let_go(file);
    renamed
}

/// Gives a file without a name one: by its descriptor, or where the kernel does not let this caller do so, by the path
/// that /proc has for it. EPERM where neither works.
fn give_name(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<()> {
    match sys::names::link_open(file, dir, name) {
        Err(Errno(libc::ENOENT)) => {}
        done => return done,
    }
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap_or_default();
    match sys::names::link_through(&path, dir, name) {
        // The directory is gone, or /proc is not there.
        Err(Errno(libc::ENOENT)) => {
            let proc = sys::stat::fstatat(sys::open::working_directory(), &path, 0);
            Err(Errno(if proc.is_ok() { libc::ENOENT } else { libc::EPERM }))
        }
        done => done,
    }
}

/// Renames where nothing has the new name. By two names for a moment where the filesystem cannot (NFS, OCFS2, FUSE), or a
/// container's filter does not let it.
fn rename_new(dir: BorrowedFd<'_>, old: &CStr, new: &CStr) -> sys::Result<()> {
    match sys::names::rename_new(dir, old, new) {
        Err(Errno(libc::EINVAL | libc::ENOSYS | libc::EPERM)) => {
            sys::names::link(dir, old, new)?;
            // It is published; what stays is a leftover, which the next run clears.
            sys::names::unlink(dir, old).ok();
            Ok(())
        }
        done => done,
    }
}

/// Waits until the directory is on disk.
fn sync_names(entry: &Entry) -> sys::Result<()> {
    match sys::sync::fsync(entry.dir()) {
        // Some network and FUSE filesystems have nothing to sync for a directory, and say so (fsync(2)).
        Err(Errno(libc::EINVAL)) => Ok(()),
        done => done,
    }
}
