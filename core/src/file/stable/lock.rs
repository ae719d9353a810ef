//! `lock`: programs that use one protocol keep out of each other's way (docs/lock-protocol.md).

use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::control::Control;
use crate::file::{Refusal, path_refusal};
use crate::reason::Reason;
use crate::sys::{self, Errno};

/// Offset and length of what is locked.
type Range = (i64, i64);

/// Every byte that a file can have.
const CONTENTS: Range = (0, i64::MAX);
/// The last offset that a lock can name, where no file has a byte: who waits for the contents holds it, so that
/// others do not go past.
const GATE: Range = (i64::MAX, 1);

/// Between two tries; it is short at first, for most changes are.
const SHORTEST_NAP: Duration = Duration::from_millis(1);
const LONGEST_NAP: Duration = Duration::from_millis(16);

/// A shared lock on the contents, given back when dropped: not by closing, which a child process that another
/// thread just forked would put off.
pub(super) struct Lock<'a>(BorrowedFd<'a>);

impl<'a> Lock<'a> {
    /// Waits for it until it is had or the caller cancels.
    pub(super) fn take(file: BorrowedFd<'a>, control: &Control<'_>) -> Result<Lock<'a>, Refusal> {
        wait_for(file, GATE, control)?;
        let had = wait_for(file, CONTENTS, control);
        unlock(file, GATE);
        had.map(|()| Lock(file))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        unlock(self.0, CONTENTS);
    }
}

fn wait_for(file: BorrowedFd<'_>, range: Range, control: &Control<'_>) -> Result<(), Refusal> {
    let mut nap = SHORTEST_NAP;
    loop {
        super::go_on(control)?;
        match sys::record_lock::try_shared(file, range.0, range.1) {
            Err(Errno(libc::EAGAIN | libc::EACCES)) => {}
            done => return done.map_err(path_refusal),
        }
        // Waiting for oneself has no end. Only locks of processes tell whose they are.
        if sys::record_lock::holder(file, range.0, range.1) == Ok(Some(sys::record_lock::this_process())) {
            return Err(Refusal { errno: libc::EDEADLK, reason: Reason::InUse });
        }
        // Not F_OFD_SETLKW, which does not see that the caller cancels.
        sys::sleep::sleep(nap);
        nap = (nap * 2).min(LONGEST_NAP);
    }
}

fn unlock(file: BorrowedFd<'_>, range: Range) {
    // It can fail only where there are no locks, and then none was had.
    sys::record_lock::unlock(file, range.0, range.1).ok();
}
