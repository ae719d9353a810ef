//! Hidden names: `.xtent-` and sixteen hexadecimal digits, for a moment or, where O_TMPFILE is missing, as long as
//! a stage lives.
//!
//! A process that is killed leaves one behind. So the first name that is tried follows from the destination's:
//! the next run that makes the same destination meets the leftover, sees that nobody holds its lock, and clears
//! it. There is never more than one for a destination, and no directory is searched. Who is alive holds the
//! lock; whoever meets a name of somebody alive, or of another user, takes a random one.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd};

use crate::remove;
use crate::sys::{self, Errno};

/// So many names are tried: the destination's own, again after a leftover was cleared, and random ones.
const TRIES: u32 = 8;

/// Makes something under a hidden name with `make`, which says EEXIST where the name is taken.
pub(crate) fn under<T>(
    dir: BorrowedFd<'_>,
    destination: &CStr,
    mut make: impl FnMut(&CStr) -> sys::Result<T>,
) -> sys::Result<(T, CString)> {
    let mut name = named(hash(destination.to_bytes()));
    for _ in 0..TRIES {
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(Errno(libc::EEXIST)) if clear_leftover(dir, &name) => {}
            Err(Errno(libc::EEXIST)) => name = named(sys::random::number()?),
            Err(errno) => return Err(errno),
        }
    }
    Err(Errno(libc::EEXIST))
}

/// Marks what was just made under `name` as somebody's, or removes it. EEXIST where another run took it for a leftover
/// before: it is about to clear it.
pub(crate) fn hold(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<()> {
    let held = try_hold(file, dir, name);
    if held.is_err() && is_named(file, dir, name) == Ok(true) {
        // Of directories an empty one only, and no other was made.
        sys::names::unlink(dir, name).or_else(|_| sys::dir::remove(dir, name)).ok();
    }
    held
}

fn try_hold(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<()> {
    match sys::lock::try_lock(file) {
        Err(Errno(libc::EWOULDBLOCK)) => return Err(Errno(libc::EEXIST)),
        // Where there are no locks nobody gets one, and nothing is cleared.
        Err(_) => return Ok(()),
        Ok(()) => {}
    }
    if is_named(file, dir, name)? { Ok(()) } else { Err(Errno(libc::EEXIST)) }
}

/// Marks it as nobody's again: it is published, or what is left of it may be cleared. Closing it would do so only once all
/// children are gone that the program forked meanwhile.
pub(crate) fn let_go(file: BorrowedFd<'_>) {
    // It can fail only where there are no locks, and then none was had.
    sys::lock::unlock(file).ok();
}

/// Whether `name` is a name of this open file.
pub(crate) fn is_named(file: BorrowedFd<'_>, dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<bool> {
    let opened = sys::stat::fstat(file)?;
    match sys::stat::fstatat(dir, name, libc::AT_SYMLINK_NOFOLLOW) {
        Ok(named) => Ok((opened.st_dev, opened.st_ino) == (named.st_dev, named.st_ino)),
        Err(Errno(libc::ENOENT)) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn named(number: u64) -> CString {
    // Has no zero in it.
    CString::new(format!(".xtent-{number:016x}")).unwrap_or_default()
}

/// FNV-1a. Two destinations with one hash only share a hidden name, one after the other.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Removes what a run that was killed left under a hidden name; whether that is done.
///
/// Only a regular file or directory of the caller's own (root's own are all: it gives files away before they are published),
/// and only while its lock is held here, so that nobody alive has it, and nobody else clears it and puts something
/// new there meanwhile.
fn clear_leftover(dir: BorrowedFd<'_>, name: &CStr) -> bool {
    let kind = |stat: &libc::stat64| stat.st_mode & libc::S_IFMT;
    let ours = |stat: &libc::stat64| {
        let user = sys::metadata::effective_user();
        matches!(kind(stat), libc::S_IFREG | libc::S_IFDIR) && (user == 0 || stat.st_uid == user)
    };
    if !sys::stat::fstatat(dir, name, libc::AT_SYMLINK_NOFOLLOW).is_ok_and(|stat| ours(&stat)) {
        return false;
    }
    let open = |access| sys::open::openat(dir, name, access | libc::O_NOFOLLOW | libc::O_NONBLOCK, 0);
    // NFS locks only what is open for writing; a file that has its final mode may not be writable.
    let Ok(file) = open(libc::O_RDWR).or_else(|_| open(libc::O_RDONLY)) else { return false };
    let file = file.as_fd();
    if sys::lock::try_lock(file).is_err() {
        return false;
    }
    let cleared = is_named(file, dir, name) == Ok(true)
        && match sys::stat::fstat(file) {
            Ok(stat) if ours(&stat) && kind(&stat) == libc::S_IFDIR => {
                remove::tree(file).and_then(|()| sys::dir::remove(dir, name)).is_ok()
            }
            Ok(stat) => ours(&stat) && sys::names::unlink(dir, name).is_ok(),
            Err(_) => false,
        };
    let_go(file);
    cleared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_hidden_and_follow_from_the_destination() {
        assert_eq!(named(0x1f).to_str(), Ok(".xtent-000000000000001f"));
        assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c, "FNV-1a, by its own table of examples");
        assert_ne!(hash(b"a"), hash(b"b"));
    }
}
