//! After a refusal: which reason. The kernel was asked first, and left everything as it was.
//!
//! Pure functions of the errno and of what is known about the two files.

use std::os::fd::BorrowedFd;

use crate::error::{Error, Operation};
use crate::facts::{Facts, Kind};
use crate::range::{Pair, TO_END};
use crate::reason::Reason;
use crate::sys::Errno;
use crate::sys::attributes::{APPEND, IMMUTABLE, NOCOW};

/// What errors mean that have one cause only, whichever verb met them.
pub(crate) fn plain(errno: i32) -> Option<Reason> {
    Some(match errno {
        libc::EIO => Reason::Io,
        libc::ENOSPC => Reason::NoSpace,
        libc::EDQUOT => Reason::Quota,
        libc::ENOMEM => Reason::OutOfMemory,
        libc::EFBIG => Reason::FileSizeLimit,
        libc::EROFS => Reason::ReadOnly,
        libc::ETXTBSY => Reason::SwapFile,
        libc::EACCES => Reason::Permission,
        libc::EISDIR | libc::ESPIPE => Reason::NotRegularFile,
        libc::EINTR => Reason::Interrupted,
        libc::EOVERFLOW => Reason::Overflow,
        libc::ECANCELED => Reason::Cancelled,
        libc::ESTALE => Reason::Gone,
        _ => return None,
    })
}

/// Why `clone` of `range` was refused with `errno`.
pub(crate) fn clone(errno: i32, src: &Facts, dst: &Facts, range: Pair) -> Reason {
    if let Some(reason) = plain(errno) {
        return reason;
    }
    match errno {
        libc::EBADF => descriptors(src, dst),
        // Asked before the types are looked at (fs/remap_range.c): a pipe is on another filesystem.
        libc::EXDEV if !regular(src) || !regular(dst) => Reason::NotRegularFile,
        libc::EXDEV => Reason::DifferentFilesystem,
        libc::EPERM if has(dst, IMMUTABLE | APPEND) => Reason::Immutable,
        libc::EPERM => Reason::Permission,
        libc::EOPNOTSUPP | libc::ENOTTY | libc::ENOSYS => unsupported(dst),
        libc::EINVAL if !regular(src) || !regular(dst) => Reason::NotRegularFile,
        libc::EINVAL => clone_geometry(src, dst, range),
        _ => Reason::Unknown,
    }
}

/// Which of the rules for ranges is broken, in the kernel's order (`generic_remap_file_range_prep`).
fn clone_geometry(src: &Facts, dst: &Facts, range: Pair) -> Reason {
    let (Some(src_size), Some(dst_size)) = (src.size(), dst.size()) else { return Reason::Unknown };
    if range.src > src_size {
        return Reason::PastEnd;
    }
    // The kernel's own reading of "to the end".
    let range = if range.len == TO_END { range.within(src_size) } else { range };
    if range.len == 0 {
        return never_share(src, dst).unwrap_or(Reason::Unknown);
    }
    let block = dst.filesystem.map_or(1, |fs| fs.block);
    if !range.src.is_multiple_of(block) || !range.dst.is_multiple_of(block) {
        return Reason::Misaligned;
    }
    if range.src_end() > src_size {
        return Reason::PastEnd;
    }
    if src.same_file(dst) && range.overlaps() {
        return Reason::Overlap;
    }
    if !range.len.is_multiple_of(block) {
        if range.src_end() < src_size {
            return Reason::Misaligned;
        }
        if range.dst_end() < dst_size {
            return Reason::PartialBlock;
        }
    }
    never_share(src, dst).unwrap_or(Reason::Unknown)
}

/// Why one target of a dedupe was refused with `errno`; also why the whole call was, of which the
/// source is the cause.
pub(crate) fn dedupe(errno: i32, src: &Facts, dst: &Facts, range: Pair) -> Reason {
    if let Some(reason) = plain(errno) {
        return reason;
    }
    match errno {
        libc::EAGAIN => Reason::Busy,
        libc::EBADF if dst.is_closed() => Reason::BadDescriptor,
        libc::EBADF if dst.flags.is_ok() => Reason::NotOpenForThat,
        libc::EXDEV if !regular(dst) => Reason::NotRegularFile,
        libc::EXDEV => Reason::DifferentFilesystem,
        libc::EPERM if has(dst, IMMUTABLE) => Reason::Immutable,
        // An overlay does not dedupe a file that still lies on its lower filesystem.
        libc::EPERM => Reason::Permission,
        libc::EOPNOTSUPP | libc::ENOTTY | libc::ENOSYS => unsupported(dst),
        libc::EINVAL if !regular(src) || !regular(dst) => Reason::NotRegularFile,
        libc::EINVAL if !readable(src) => Reason::NotOpenForThat,
        libc::EINVAL => dedupe_geometry(src, dst, range),
        _ => Reason::Unknown,
    }
}

fn dedupe_geometry(src: &Facts, dst: &Facts, range: Pair) -> Reason {
    let (Some(src_size), Some(dst_size)) = (src.size(), dst.size()) else { return Reason::Unknown };
    let block = dst.filesystem.map_or(1, |fs| fs.block);
    if range.src_end() > src_size || range.dst_end() > dst_size {
        return Reason::PastEnd;
    }
    if !range.src.is_multiple_of(block) || !range.dst.is_multiple_of(block) {
        return Reason::Misaligned;
    }
    if src.same_file(dst) && range.overlaps() {
        return Reason::Overlap;
    }
    match dst.kind() {
        // Over a filesystem that cannot.
        Kind::Overlay => Reason::FilesystemCannot,
        _ => never_share(src, dst).unwrap_or(Reason::Unknown),
    }
}

/// Why a read or write of a copy failed with `errno`.
pub(crate) fn copy(errno: i32, src: &Facts, dst: &Facts) -> Reason {
    if let Some(reason) = plain(errno) {
        return reason;
    }
    match errno {
        libc::EBADF => descriptors(src, dst),
        libc::EPERM if dst.sealed || has(dst, IMMUTABLE | APPEND) => Reason::Immutable,
        libc::EPERM => Reason::Permission,
        libc::EOPNOTSUPP | libc::ENOSYS => Reason::FilesystemCannot,
        libc::EINVAL if !regular(src) || !regular(dst) => Reason::NotRegularFile,
        // A descriptor opened with O_DIRECT takes whole blocks only (open(2)).
        libc::EINVAL if direct(src) || direct(dst) => Reason::Misaligned,
        _ => Reason::Unknown,
    }
}

/// Why a call on a path failed with `errno`, or one on a file that was just opened by its path.
pub(crate) fn path(errno: i32) -> Reason {
    match errno {
        libc::ENOENT => Reason::NotFound,
        libc::ENOTDIR => Reason::NotDirectory,
        libc::EEXIST => Reason::Exists,
        libc::ELOOP => Reason::TooManyLinks,
        // The last two are of filesystems that take only some characters, or only UTF-8.
        libc::ENAMETOOLONG | libc::EINVAL | libc::EILSEQ => Reason::InvalidName,
        libc::EBADF => Reason::BadDescriptor,
        // EOVERFLOW: a new file would belong to somebody who has no number on this mount, which maps ids (open(2)).
        libc::EPERM | libc::EOVERFLOW => Reason::Permission,
        libc::EOPNOTSUPP | libc::ENOSYS => Reason::FilesystemCannot,
        _ => plain(errno).unwrap_or(Reason::Unknown),
    }
}

/// Why a way of looking at one file failed with `errno`.
pub(crate) fn looking(op: Operation, errno: Errno, fd: BorrowedFd<'_>) -> Error {
    let reason = plain(errno.0).unwrap_or_else(|| look(errno.0, &Facts::of(fd)));
    Error::new(op, errno.0, reason)
}

fn look(errno: i32, facts: &Facts) -> Reason {
    match errno {
        libc::EBADF if facts.is_closed() => Reason::BadDescriptor,
        libc::EBADF if facts.flags.is_ok() => Reason::NotOpenForThat,
        libc::EINVAL if !regular(facts) => Reason::NotRegularFile,
        // A client of SMB asks the server for a map as if it read.
        libc::EINVAL if facts.flags.is_ok() && !readable(facts) => Reason::NotOpenForThat,
        libc::EOPNOTSUPP | libc::ENOTTY => Reason::FilesystemCannot,
        libc::EPERM => Reason::Permission,
        _ => Reason::Unknown,
    }
}

/// Why a look at a descriptor failed, of which every open one lets have it: fstat(2), fstatfs(2), F_GETFL.
pub(crate) fn unseen(errno: Errno) -> Reason {
    match errno.0 {
        libc::EBADF => Reason::BadDescriptor,
        libc::EPERM => Reason::Permission,
        errno => plain(errno).unwrap_or(Reason::Unknown),
    }
}

/// What EBADF stands for: one of them is not open, or not for that.
pub(crate) fn descriptors(src: &Facts, dst: &Facts) -> Reason {
    match (src.flags, dst.flags) {
        _ if src.is_closed() || dst.is_closed() => Reason::BadDescriptor,
        (Ok(_), Ok(_)) if !readable(src) || !writable(dst) => Reason::NotOpenForThat,
        (Ok(_), Ok(flags)) if flags & libc::O_APPEND != 0 => Reason::AppendOnly,
        _ => Reason::Unknown,
    }
}

/// EOPNOTSUPP: no filesystem of this type does it, or just not this one (an XFS without reflink).
fn unsupported(facts: &Facts) -> Reason {
    match facts.kind() {
        // The upper filesystem decides: an overlay over ext4 is of a type that cannot.
        Kind::Overlay => Reason::FilesystemCannot,
        kind if kind.can_share() => Reason::MountCannot,
        _ => Reason::FilesystemCannot,
    }
}

fn regular(facts: &Facts) -> bool {
    facts.inode.map_or(true, |inode| inode.is_regular())
}

pub(crate) fn readable(facts: &Facts) -> bool {
    facts.flags.is_ok_and(|flags| flags & libc::O_PATH == 0 && flags & libc::O_ACCMODE != libc::O_WRONLY)
}

pub(crate) fn writable(facts: &Facts) -> bool {
    facts.flags.is_ok_and(|flags| flags & libc::O_PATH == 0 && flags & libc::O_ACCMODE != libc::O_RDONLY)
}

pub(crate) fn direct(facts: &Facts) -> bool {
    facts.flags.is_ok_and(|flags| flags & libc::O_DIRECT != 0)
}

fn has(facts: &Facts, attribute: u32) -> bool {
    facts.attributes.is_some_and(|attributes| attributes & attribute != 0)
}

/// Why no ranges of these two files can be shared, though both are regular files of one filesystem that
/// can: btrfs refuses it with EINVAL.
pub(crate) fn never_share(src: &Facts, dst: &Facts) -> Option<Reason> {
    let known = src.attributes.is_some() && dst.attributes.is_some();
    (known && has(src, NOCOW) != has(dst, NOCOW)).then_some(Reason::NocowMismatch)
}

#[cfg(test)]
mod tests;
