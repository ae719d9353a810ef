//! How a clone is kept whole: the decision, without the doing.

use super::options::{Atomic, Undo};
use crate::reason::Reason;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The kernel's clone as it is.
    Bare,
    /// Nothing but the old size is needed to go back.
    Size,
    /// Cloned into a file of our own, which then changes places with the destination's range.
    Exchange,
    /// The old range is cloned aside, and back after a failure.
    Undo,
}

/// `nothing_to_lose`: no byte of the destination lies in the range. `None` where an exchange is required
/// and cannot be had.
pub(super) fn choose(
    undo: Undo,
    atomic: Atomic,
    nothing_to_lose: bool,
    can_exchange: impl Fn() -> bool,
) -> Option<Way> {
    Some(match (atomic, undo) {
        (Atomic::Required, _) if can_exchange() => Way::Exchange,
        (Atomic::Required, _) => return None,
        (Atomic::Best, Undo::Off) => Way::Bare,
        _ if nothing_to_lose => Way::Size,
        _ if can_exchange() => Way::Exchange,
        _ => Way::Undo,
    })
}

/// Whether a failed exchange, which changed nothing, only says that this way cannot be gone here, or that
/// there is no room for it: an undo needs less.
pub(super) fn other_way(why: Option<Reason>) -> bool {
    let ways = [Reason::CannotExchange, Reason::NoScratchDirectory, Reason::NoSpace, Reason::Quota];
    why.is_some_and(|why| ways.contains(&why))
}

/// Whether the kernel refuses with `errno` before it changes anything. EINVAL is not among them: before
/// Linux 6.13 (and 6.6.67) XFS also used it for a clone that ended half-way. Nor is EROFS, with which btrfs also
/// ends what it was doing when it meets an error of the disk.
pub(super) fn is_refusal(errno: i32) -> bool {
    matches!(
        errno,
        libc::EBADF
            | libc::EXDEV
            | libc::EISDIR
            | libc::EOPNOTSUPP
            | libc::ENOTTY
            | libc::ENOSYS
            | libc::EPERM
            | libc::EACCES
            | libc::ETXTBSY
            | libc::EOVERFLOW
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination() {
        let table = [
            // undo, atomic, nothing to lose, can exchange
            (Undo::Auto, Atomic::Best, true, true, Some(Way::Size)),
            (Undo::Auto, Atomic::Best, true, false, Some(Way::Size)),
            (Undo::Auto, Atomic::Best, false, true, Some(Way::Exchange)),
            (Undo::Auto, Atomic::Best, false, false, Some(Way::Undo)),
            (Undo::Best, Atomic::Best, true, true, Some(Way::Size)),
            (Undo::Best, Atomic::Best, false, true, Some(Way::Exchange)),
            (Undo::Best, Atomic::Best, false, false, Some(Way::Undo)),
            (Undo::Off, Atomic::Best, true, true, Some(Way::Bare)),
            (Undo::Off, Atomic::Best, false, true, Some(Way::Bare)),
            (Undo::Off, Atomic::Best, false, false, Some(Way::Bare)),
        ];
        for (undo, atomic, nothing, exchange, expected) in table {
            assert_eq!(choose(undo, atomic, nothing, || exchange), expected, "{undo:?} {nothing} {exchange}");
        }
        for undo in [Undo::Auto, Undo::Best, Undo::Off] {
            for nothing in [true, false] {
                assert_eq!(choose(undo, Atomic::Required, nothing, || true), Some(Way::Exchange));
                assert_eq!(choose(undo, Atomic::Required, nothing, || false), None);
            }
        }
    }

    #[test]
    fn the_filesystem_is_not_asked_for_nothing() {
        let never = || unreachable!();
        choose(Undo::Auto, Atomic::Best, true, never);
        choose(Undo::Off, Atomic::Best, false, never);
    }

    #[test]
    fn what_may_have_changed_something_is_no_refusal() {
        for errno in [
            libc::ENOSPC,
            libc::EDQUOT,
            libc::EIO,
            libc::ENOMEM,
            libc::EINTR,
            libc::EINVAL,
            libc::EROFS,
            libc::EFBIG,
        ] {
            assert!(!is_refusal(errno), "{errno}");
        }
        for errno in [libc::EXDEV, libc::EOPNOTSUPP, libc::EBADF, libc::EPERM, libc::ETXTBSY] {
            assert!(is_refusal(errno), "{errno}");
        }
    }

    #[test]
    fn what_the_kernel_says_of_the_files_is_the_answer() {
        for why in [Reason::Misaligned, Reason::DifferentFilesystem, Reason::FilesystemCannot, Reason::Io] {
            assert!(!other_way(Some(why)), "{why}");
        }
        assert!(other_way(Some(Reason::CannotExchange)) && !other_way(None));
    }
}
