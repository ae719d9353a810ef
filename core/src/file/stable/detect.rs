//! `detect`: nothing is held; what changed is seen afterwards.
//!
//! The kernel stamps a file before it takes a change: write(2) at its beginning, a mapping at the first store to
//! each page since the page was last written back. So pages are written back first, and the times remembered are
//! those from before that: a store between the two is stamped and seen. Times from behind it would hide it, with
//! all later stores to that page.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::control::Control;
use crate::facts::Kind;
use crate::file::{Refusal, path_refusal};
use crate::reason::Reason;
use crate::sys;

/// So often the file may change while one waits for it to be quiet.
const TRIES: u32 = 10;

/// How old the last change must be. Before Linux 6.13 two changes within a tick of the clock, 10 ms at most, have
/// one stamp. And a write past the page cache (O_DIRECT) is stamped when it begins, and may not have ended: this is
/// the time that it gets, for there is nothing to wait for.
const AGE: Duration = Duration::from_millis(100);

/// What a change of contents changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: BorrowedFd<'_>) -> Result<Stamp, Refusal> {
        let stat = sys::stat::fstat(file).map_err(path_refusal)?;
        Ok(Stamp {
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        })
    }

    /// How long after `now` a change is stamped differently for sure. A time in the future, where a clock was
    /// set back, can come again.
    fn settles_in(&self, now: Duration) -> Duration {
        let changed = Duration::new(self.changed.0.max(0) as u64, self.changed.1 as u32);
        AGE.saturating_sub(now.abs_diff(changed))
    }
}

/// Waits until nobody changes the file, but not for long.
pub(super) fn quiet(file: BorrowedFd<'_>, control: &Control<'_>) -> Result<Stamp, Refusal> {
    trusted(file)?;
    for _ in 0..TRIES {
        let before = Stamp::of(file)?;
        let wait = before.settles_in(sys::time::now());
        if !wait.is_zero() {
            sys::sleep::sleep(wait);
        }
        super::go_on(control)?;
        sys::sync::fsync(file).map_err(path_refusal)?;
        after_write(file)?;
        if Stamp::of(file)? == before {
            return Ok(before);
        }
    }
    Err(CHANGED)
}

/// Whether it is still what it was.
pub(super) fn still(file: BorrowedFd<'_>, then: Stamp) -> Result<(), Refusal> {
    if Stamp::of(file)? == then { Ok(()) } else { Err(CHANGED) }
}

const CHANGED: Refusal = Refusal { errno: libc::ESTALE, reason: Reason::SourceChanged };

/// Only filesystems of which it was measured that every change is stamped. On tmpfs a mapping stamps once and never
/// again; on NFS, SMB and FUSE others change files whose times are remembered here.
///
/// An overlay is what lies under it, which it does not tell; but tmpfs has no extents to list.
fn trusted(file: BorrowedFd<'_>) -> Result<(), Refusal> {
    let filesystem = sys::stat::fstatfs(file).map_err(path_refusal)?;
    if !stamps_every_change(Kind::of(filesystem.f_type as u32)) {
        return Err(Refusal { errno: libc::EOPNOTSUPP, reason: Reason::FilesystemCannot });
    }
    after_write(file)
}

fn stamps_every_change(kind: Kind) -> bool {
    matches!(kind, Kind::Xfs | Kind::Btrfs | Kind::Ext | Kind::Overlay)
}

/// Returns when a write(2) under way, which was stamped when it began, has ended: listing extents takes the lock
/// that it holds. Writes of O_DIRECT over blocks that exist hold none that excludes.
fn after_write(file: BorrowedFd<'_>) -> Result<(), Refusal> {
    sys::fiemap::extents(file, 0, 1, false).map(drop).map_err(path_refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_measured_filesystems_are_trusted() {
        for kind in [Kind::Xfs, Kind::Btrfs, Kind::Ext, Kind::Overlay] {
            assert!(stamps_every_change(kind), "{kind:?}");
        }
        for kind in [Kind::Network, Kind::Fuse, Kind::Other, Kind::Ocfs2, Kind::Zfs, Kind::Bcachefs] {
            assert!(!stamps_every_change(kind), "{kind:?}");
        }
    }

    #[test]
    fn a_fresh_change_is_waited_for_and_an_old_one_not() {
        let stamp = Stamp { size: 1, modified: (5, 0), changed: (1000, 500_000_000) };
        let wait = |secs, millis: u32| stamp.settles_in(Duration::new(secs, millis * 1_000_000));
        assert_eq!(wait(1000, 500), AGE);
        assert_eq!(wait(1000, 570), Duration::from_millis(30));
        assert_eq!(wait(1000, 600), Duration::ZERO);
        assert_eq!(wait(2000, 0), Duration::ZERO);
        // The clock was set back.
        assert_eq!(wait(1000, 450), Duration::from_millis(50));
        assert_eq!(wait(900, 0), Duration::ZERO);
    }
}
