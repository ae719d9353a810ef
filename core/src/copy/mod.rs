//! `copy_range`: moves bytes, keeps holes, may come back short, never shares.

mod holes;
mod ladder;
mod neutral;
mod options;
mod readwrite;
mod server;
mod splice;
mod step;
mod transfer;
mod verify;

use std::os::fd::BorrowedFd;

use crate::cache::Cache;
use crate::error::{Error, Operation, Result};
use crate::explain;
use crate::facts::{Facts, Inode, Kind};
use crate::range::Pair;
use crate::reason::Reason;
use crate::report::Report;
use crate::sys;
use crate::sys::signal::NoSigxfsz;

pub use options::{CopyOptions, Server, Sparse};

use holes::Segments;
use ladder::Situation;
use step::Files;
use transfer::Transfer;
pub(crate) use verify::{Again, verify};

/// Moves up to `len` bytes of `src` at `src_off` to `dst` at `dst_off`; the report says how many.
///
/// Like read(2) it may come back short: at the end of the source (a `len` that reaches behind it is
/// no error), when cancelled, or when it met an error after some bytes; then the report has the
/// reason, and the same call with what is left goes on or returns the error. The bytes are moved, so that
/// the destination has blocks of its own: no local filesystem is asked to share them.
///
/// Holes of the source become holes of the destination, also where the destination had data;
/// preallocated space that was never written counts as a hole ([`Sparse`] has other wishes). The
/// destination grows where the range passes its end, and never shrinks.
///
/// The order of writes is that of the range, in steps of at most 4 MiB. A caught signal alone does not
/// stop it: let its handler set the flag that [`Control::cancel`](crate::Control::cancel) looks at. At the
/// file-size limit no SIGXFSZ reaches the caller.
///
/// When another program writes to the source meanwhile, each page is the old or the new one. When it cuts
/// the source shorter, the copy ends there, and the last step may have left zeros behind it that the
/// report does not count.
///
/// # Errors
///
/// Only when no byte was moved, and then the destination is unchanged; but with [`Cache::Neutral`] an error
/// of writing back takes the bytes that it lost off the report.
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
    let (from, to) = usable(src, dst).map_err(refused)?;
    let range = match from.inode.size {
        // A file of procfs or sysfs says 0 and has bytes: only reading tells.
        0 => range.within(i64::MAX as u64),
        size => range.within(size),
    };
    if from.inode.same(&to.inode) && range.overlaps() {
        // Of an empty file nothing overlaps.
        if from.inode.size == 0 && sys::io::pread(src, &mut [0], range.src) == Ok(0) {
            return Ok(Report::default());
        }
        return Err(fail(libc::EINVAL, Reason::Overlap));
    }
    let total = if from.inode.size == 0 { len } else { range.len };
    let situation = Situation {
        len: range.len,
        server: options.server == Server::Allow
            && both_on_network(src, dst)
            && server::are_asked([from.inode.dev, to.inode.dev]),
        sizeless: from.inode.size == 0,
        direct: (from.flags | to.flags) & libc::O_DIRECT != 0,
    };
    let files = Files { src, dst };
    let segments = Segments::new(src, &from.inode, range, options.sparse);
    let _guard = NoSigxfsz::new();
    let control = &mut options.control;
    let transfer = Transfer::new(files, segments, to.inode.size, range, total, situation, control);
    match options.cache {
        Cache::Keep => transfer.run(refused),
        Cache::Neutral => transfer.neutral().run(refused),
    }
}

/// Where a server may have both files, and so copy between them.
fn both_on_network(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> bool {
    let on_network = |fd| sys::stat::fstatfs(fd).is_ok_and(|fs| Kind::of(fs.f_type as u32) == Kind::Network);
    on_network(src) && on_network(dst)
}

/// A regular file, and the flags with which it is open.
pub(crate) struct Usable {
    inode: Inode,
    flags: i32,
}

/// The two files, if they are regular and open for what a copy does with them.
pub(crate) fn usable(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> sys::Result<(Usable, Usable)> {
    Ok((open_for(src, Use::Source)?, open_for(dst, Use::Destination)?))
}

#[derive(PartialEq, Eq)]
enum Use {
    Source,
    Destination,
}

/// A regular file that can be used so. Reading would tell some of it, but not before the destination
/// was touched, and `pwrite` on an append-only descriptor ignores the offset (pwrite(2), BUGS).
fn open_for(fd: BorrowedFd<'_>, wanted: Use) -> sys::Result<Usable> {
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
        libc::S_IFREG => Ok(Usable { inode: Inode::from(&stat), flags }),
        _ => Err(sys::Errno(libc::EINVAL)),
    }
}
