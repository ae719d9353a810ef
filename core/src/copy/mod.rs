//! `copy_range`: moves bytes, keeps holes, may come back short, never shares.

mod buffer;
mod holes;
mod transfer;

use std::os::fd::BorrowedFd;

use crate::control::Control;
use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::{Facts, Inode};
use crate::range::Pair;
use crate::reason::Reason;
use crate::report::Report;
use crate::sys;
use crate::sys::signal::NoSigxfsz;

use transfer::Transfer;

/// Options of [`copy_range`] and [`clone_or_copy_range`](crate::clone_or_copy_range).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CopyOptions<'a> {
    /// Progress and cancellation.
    pub control: Control<'a>,
}

impl<'a> CopyOptions<'a> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets progress and cancellation.
    #[must_use]
    pub fn control(mut self, control: Control<'a>) -> Self {
        self.control = control;
        self
    }
}

/// Moves up to `len` bytes of `src` at `src_off` to `dst` at `dst_off`; the report says how many.
///
/// Like read(2) it may come back short: at the end of the source (a `len` that reaches behind it is
/// no error), when cancelled, or when it met an error after some bytes; then the report has the
/// reason, and the same call with what is left goes on or returns the error. The bytes are read and
/// written, so that the destination has blocks of its own: no local filesystem is asked to share them.
///
/// Holes of the source become holes of the destination, also where the destination had data;
/// preallocated space that was never written counts as a hole. The destination grows where the range
/// passes its end, and never shrinks.
///
/// The order of writes is that of the range, in steps of at most 1 MiB. A caught signal alone does not
/// stop it: let its handler set the flag that [`Control::cancel`] looks at. At the file-size limit no
/// SIGXFSZ reaches the caller.
///
/// # Errors
///
/// Only when no byte was moved, and then the destination is unchanged.
///
/// - `EINVAL`: overlapping ranges of one file; a device. `EISDIR`: a directory. `ESPIPE`: a pipe or
///   socket. `EOVERFLOW`: an end that cannot be represented.
/// - `EBADF`: not open, not open for that, or the destination is append-only.
/// - `ECANCELED`: cancelled before the first step.
/// - `EFBIG`, `ENOSPC`, `EDQUOT`, `EIO`, `ENOMEM`, `EPERM`, `ETXTBSY` from reading or writing.
pub fn copy_range(
    src: BorrowedFd<'_>,
    src_off: u64,
    dst: BorrowedFd<'_>,
    dst_off: u64,
    len: u64,
    mut options: CopyOptions<'_>,
) -> Result<Report> {
    copy((src, src_off), (dst, dst_off), len, &mut options)
}

/// [`copy_range`], of which the caller keeps the options.
pub(crate) fn copy(
    (src, src_off): (BorrowedFd<'_>, u64),
    (dst, dst_off): (BorrowedFd<'_>, u64),
    len: u64,
    options: &mut CopyOptions<'_>,
) -> Result<Report> {
    let fail = |errno, reason| Error::new(Operation::CopyRange, errno, reason);
    let refused = |errno: sys::Errno| {
        let (src, dst) = (Facts::of(src), Facts::of(dst));
        let block = dst.filesystem.map_or(0, |fs| fs.block);
        fail(errno.0, explain::copy(errno.0, &src, &dst)).aligned(block)
    };
    let range =
        Pair::checked(src_off, dst_off, len).ok_or_else(|| fail(libc::EOVERFLOW, Reason::Overflow))?;
    let (src_inode, dst_inode) = usable(src, dst).map_err(refused)?;
    let range = match src_inode.size {
        // A file of procfs or sysfs says 0 and has bytes: only reading tells.
        0 => range.within(i64::MAX as u64),
        size => range.within(size),
    };
    if src_inode.same(&dst_inode) && range.overlaps() {
        // Of an empty file nothing overlaps.
        if src_inode.size == 0 && sys::io::pread(src, &mut [0], range.src) == Ok(0) {
            return Ok(Report::default());
        }
        return Err(fail(libc::EINVAL, Reason::Overlap));
    }
    let total = if src_inode.size == 0 { len } else { range.len };
    let _guard = NoSigxfsz::new();
    let transfer = Transfer::new((src, &src_inode), (dst, &dst_inode), range, total, &mut options.control);
    transfer.run(refused)
}

/// The two files, if they are regular and open for what a copy does with them.
pub(crate) fn usable(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> sys::Result<(Inode, Inode)> {
    Ok((open_for(src, Use::Source)?, open_for(dst, Use::Destination)?))
}

#[derive(PartialEq, Eq)]
enum Use {
    Source,
    Destination,
}

/// A regular file that can be used so. Reading would tell some of it, but not before the destination
/// was touched, and `pwrite` on an append-only descriptor ignores the offset (pwrite(2), BUGS).
fn open_for(fd: BorrowedFd<'_>, wanted: Use) -> sys::Result<Inode> {
    let stat = sys::stat::fstat(fd)?;
    let flags = sys::stat::status_flags(fd)?;
    let denied = match wanted {
        Use::Source => libc::O_WRONLY,
        Use::Destination => libc::O_RDONLY,
    };
    let appends = wanted == Use::Destination && flags & libc::O_APPEND != 0;
    match stat.st_mode & libc::S_IFMT {
        libc::S_IFDIR => Err(sys::Errno(libc::EISDIR)),
        libc::S_IFIFO | libc::S_IFSOCK => Err(sys::Errno(libc::ESPIPE)),
        libc::S_IFREG if flags & libc::O_PATH != 0 || flags & libc::O_ACCMODE == denied || appends => {
            Err(sys::Errno(libc::EBADF))
        }
        libc::S_IFREG => Ok(Inode::from(&stat)),
        _ => Err(sys::Errno(libc::EINVAL)),
    }
}
