//! `snapshot`: a clone without a name, for as long as it is read.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::file::{Refusal, path_refusal, whole};
use crate::reason::Reason;
use crate::scratch;
use crate::sys::Errno;

/// Clones the whole file, which is one moment of it: writers wait meanwhile (mappings, too), readers do not. The
/// clone lies on the source's own filesystem, and is gone when its descriptor is.
pub(super) fn of(source: BorrowedFd<'_>, scratch_dir: Option<BorrowedFd<'_>>) -> Result<OwnedFd, Refusal> {
    let file = match scratch_dir {
        Some(dir) => scratch::private(dir),
        None => scratch::directory_of(source).and_then(|dir| scratch::private(dir.as_fd())),
    };
    let file = file.map_err(no_scratch)?;
    whole::snapshot(source, file.as_fd())?;
    Ok(file)
}

fn no_scratch(errno: Errno) -> Refusal {
    match errno.0 {
        libc::EACCES
        | libc::EPERM
        | libc::EROFS
        | libc::ENOENT
        | libc::ENOTDIR
        | libc::EINVAL
        | libc::EOPNOTSUPP => Refusal { errno: errno.0, reason: Reason::NoScratchDirectory },
        _ => path_refusal(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_missing_directory() {
        assert_eq!(no_scratch(Errno(libc::EROFS)).reason, Reason::NoScratchDirectory);
        assert_eq!(no_scratch(Errno(libc::ENOSPC)).reason, Reason::NoSpace);
        assert_eq!(no_scratch(Errno(libc::EIO)).reason, Reason::Io);
    }
}
