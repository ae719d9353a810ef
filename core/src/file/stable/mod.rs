//! A source that does not change, or not unseen, while it is read.

mod choice;
mod detect;
mod lease;
mod lock;
mod snapshot;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::control::Control;
use crate::copy::Again;
use crate::reason::Reason;
use crate::stable::Stable;
use crate::sys;

use super::source::Source;
use super::{Refusal, path_refusal};

use detect::Stamp;
use lease::Lease;
use lock::Lock;

/// A source while it is read.
pub(super) struct Held<'a> {
    way: Stable,
    guard: Guard<'a>,
    source: BorrowedFd<'a>,
    /// The source was opened here.
    private: bool,
}

enum Guard<'a> {
    Nothing,
    Stamp(Stamp),
    Lock { _until_dropped: Lock<'a> },
    Lease(Lease<'a>),
    Snapshot(OwnedFd),
}

/// Protects `source` in the first way that `wish` allows and that is to be had.
pub(super) fn hold<'a>(
    wish: Stable,
    source: &'a Source<'_>,
    scratch_dir: Option<BorrowedFd<'_>>,
    control: &Control<'_>,
) -> Result<Held<'a>, Refusal> {
    let mut ways = choice::ways(wish).iter().copied().peekable();
    loop {
        // No list of ways is empty.
        let way = ways.next().unwrap_or_default();
        match guard(way, source, scratch_dir, control) {
            Ok(guard) => return Ok(Held { way, guard, source: source.fd(), private: source.is_private() }),
            Err(refusal) if ways.peek().is_some() && choice::steps_down(way, refusal.errno) => {}
            Err(refusal) => return Err(refusal),
        }
    }
}

fn guard<'a>(
    way: Stable,
    source: &'a Source<'_>,
    scratch_dir: Option<BorrowedFd<'_>>,
    control: &Control<'_>,
) -> Result<Guard<'a>, Refusal> {
    let file = source.fd();
    Ok(match way {
        Stable::None | Stable::Best => Guard::Nothing,
        Stable::Detect => Guard::Stamp(detect::quiet(file, control)?),
        Stable::Lock => Guard::Lock { _until_dropped: Lock::take(private(source)?, control)? },
        Stable::Lease => Guard::Lease(Lease::take(private(source)?)?),
        Stable::Snapshot => Guard::Snapshot(snapshot::of(file, scratch_dir)?),
    })
}

/// Locks and leases belong to an open file, and so do those that the caller may have on a descriptor of its own: ours
/// would take their place. And a second descriptor, when closed, would drop the POSIX locks of the process.
fn private<'a>(source: &'a Source<'_>) -> Result<BorrowedFd<'a>, Refusal> {
    if source.is_private() {
        Ok(source.fd())
    } else {
        Err(Refusal { errno: libc::EINVAL, reason: Reason::InvalidArgument })
    }
}

impl Held<'_> {
    /// The way that was taken.
    pub(super) fn way(&self) -> Stable {
        self.way
    }

    /// What to read.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        match &self.guard {
            Guard::Snapshot(file) => file.as_fd(),
            _ => self.source,
        }
    }

    /// To be read again, past the page cache where it is not the caller's.
    pub(super) fn again(&self) -> Again<'_> {
        Again { file: self.file(), ours: self.private || matches!(self.guard, Guard::Snapshot(_)) }
    }

    /// What the source was while it was read, where that is kept: not beside a snapshot, whose source goes on
    /// changing. There it was when it was opened, which is never younger than the contents.
    pub(super) fn stat(&self) -> Result<Option<libc::stat64>, Refusal> {
        match self.guard {
            Guard::Nothing | Guard::Snapshot(_) => Ok(None),
            _ => sys::stat::fstat(self.source).map(Some).map_err(path_refusal),
        }
    }

    /// Whether all that was read until now is of one moment.
    pub(super) fn still(&self) -> Result<(), Refusal> {
        match &self.guard {
            Guard::Stamp(then) => detect::still(self.source, *then),
            Guard::Lease(lease) => lease.still(),
            Guard::Nothing | Guard::Lock { .. } | Guard::Snapshot(_) => Ok(()),
        }
    }
}

fn go_on(control: &Control<'_>) -> Result<(), Refusal> {
    if control.is_cancelled() {
        Err(Refusal { errno: libc::ECANCELED, reason: Reason::Cancelled })
    } else {
        Ok(())
    }
}
