//! Which ways to a stable source are tried, and when the next one is: pure.

use crate::stable::Stable;

/// The ways that a wish allows, in their order.
pub(super) fn ways(wish: Stable) -> &'static [Stable] {
    match wish {
        Stable::None => &[Stable::None],
        Stable::Detect => &[Stable::Detect],
        Stable::Lock => &[Stable::Lock],
        Stable::Lease => &[Stable::Lease],
        Stable::Snapshot => &[Stable::Snapshot],
        // From what always works where it is to be had to what may fail later.
        Stable::Best => &[Stable::Snapshot, Stable::Lease, Stable::Detect],
    }
}

/// Whether `way` was refused with `errno` because it is not to be had here and now, so that another may be. What
/// tells of a failing disk or a lack of memory never is, nor that the caller cancelled.
pub(super) fn steps_down(way: Stable, errno: i32) -> bool {
    match way {
        Stable::Snapshot => matches!(
            errno,
            libc::EOPNOTSUPP
                | libc::ENOTTY
                | libc::ENOSYS
                | libc::EXDEV
                | libc::EINVAL
                // ZFS, for blocks that are not on disk yet.
                | libc::EAGAIN
                // An active swap file.
                | libc::ETXTBSY
                // No directory for it: not writable, gone, or the file is larger than RLIMIT_FSIZE allows.
                | libc::EPERM
                | libc::EACCES
                | libc::EROFS
                | libc::ENOENT
                | libc::ENOTDIR
                | libc::EFBIG
                // The source's filesystem is full: that is no matter of the destination's.
                | libc::ENOSPC
                | libc::EDQUOT
        ),
        Stable::Lease => matches!(
            errno,
            // Somebody writes; not the owner; a source that the caller opened; no leases here.
            libc::EAGAIN | libc::EACCES | libc::EPERM | libc::EINVAL | libc::EOPNOTSUPP | libc::ENOSYS
        ),
        Stable::None | Stable::Detect | Stable::Lock | Stable::Best => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_machine_never_steps_down() {
        for way in [Stable::Snapshot, Stable::Lease, Stable::Detect, Stable::Lock] {
            for errno in [libc::EIO, libc::ENOMEM, libc::ECANCELED, libc::EBADF, libc::ESTALE, libc::EINTR] {
                assert!(!steps_down(way, errno), "{way:?} {errno}");
            }
        }
    }

    #[test]
    fn what_is_not_to_be_had_does() {
        for errno in [libc::EOPNOTSUPP, libc::EXDEV, libc::EACCES, libc::EROFS, libc::ENOENT, libc::ENOSPC] {
            assert!(steps_down(Stable::Snapshot, errno), "{errno}");
        }
        for errno in [libc::EAGAIN, libc::EACCES, libc::EOPNOTSUPP] {
            assert!(steps_down(Stable::Lease, errno), "{errno}");
        }
    }

    #[test]
    fn only_best_has_more_than_one_way_and_none_of_them_is_unprotected() {
        assert_eq!(ways(Stable::Best).len(), 3);
        assert!(!ways(Stable::Best).contains(&Stable::None));
        for one in [Stable::None, Stable::Detect, Stable::Lock, Stable::Lease, Stable::Snapshot] {
            assert_eq!(ways(one), [one]);
        }
    }
}
