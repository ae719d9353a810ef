//! One step of one way: from where to where, and what came of it.

use std::os::fd::BorrowedFd;

use crate::range::Pair;
use crate::sys::{self, Errno};

/// The two files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) src: BorrowedFd<'a>,
    pub(crate) dst: BorrowedFd<'a>,
}

/// What a step did. Without bytes and without an errno it met the end of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Moved {
    /// So many bytes from the beginning of the step are in the destination.
    pub(crate) bytes: u64,
    /// What ended it, also after some bytes.
    pub(crate) failed: Option<Errno>,
}

impl Moved {
    pub(crate) fn nothing_but(errno: Errno) -> Moved {
        Moved { bytes: 0, failed: Some(errno) }
    }
}

/// write(2) gives no meaning to 0 where there is something to write; going on might never end.
pub(crate) const WROTE_NOTHING: Errno = Errno(libc::EIO);

/// So often a call that a signal ended without a byte is made again. Local filesystems never end one so; an NFS
/// mounted with `intr`, or FUSE, can, and so does splice(2) from a pipe.
pub(crate) const INTERRUPTIONS: u32 = 100;

/// Calls in a row that a signal ended without a byte. Who makes calls of a step, and who makes the step, count with one
/// of these: a bound inside of another would be their product.
#[derive(Debug, Default)]
pub(crate) struct Interruptions(u32);

impl Interruptions {
    /// Whether a call that failed so is to be made again.
    pub(crate) fn bear(&mut self, errno: Errno, at_most: u32) -> bool {
        let again = errno == Errno(libc::EINTR) && self.0 < at_most;
        self.0 += u32::from(again);
        again
    }

    /// Some bytes have moved.
    pub(crate) fn end(&mut self) {
        self.0 = 0;
    }
}

/// Writes all of `to`, however many calls of `write` that takes: it is given how far they are, and the place that is
/// next.
pub(crate) fn all(
    to: Pair,
    interruptions: &mut Interruptions,
    mut write: impl FnMut(u64, u64) -> sys::Result<usize>,
) -> Moved {
    let mut moved = Moved::default();
    while moved.bytes < to.len {
        let failed = match write(moved.bytes, to.dst + moved.bytes) {
            Ok(n) if n > 0 => {
                moved.bytes += n as u64;
                interruptions.end();
                continue;
            }
            Ok(_) => WROTE_NOTHING,
            Err(errno) if interruptions.bear(errno, INTERRUPTIONS) => continue,
            Err(errno) => errno,
        };
        return Moved { failed: Some(failed), ..moved };
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: Pair = Pair { src: 0, dst: 1000, len: 10 };

    #[test]
    fn all_of_it_goes_on_after_short_writes_and_signals() {
        let mut answers = vec![Ok(3), Err(Errno(libc::EINTR)), Ok(6), Ok(1)].into_iter();
        let mut asked = Vec::new();
        let moved = all(TO, &mut Interruptions::default(), |done, at| {
            asked.push((done, at));
            answers.next().expect("no call more")
        });
        assert_eq!(moved, Moved { bytes: 10, failed: None });
        assert_eq!(asked, [(0, 1000), (3, 1003), (3, 1003), (9, 1009)]);
    }

    #[test]
    fn what_stops_it_is_told_with_what_was_done() {
        for (answer, errno) in [(Err(Errno(libc::ENOSPC)), Errno(libc::ENOSPC)), (Ok(0), WROTE_NOTHING)] {
            let moved =
                all(TO, &mut Interruptions::default(), |done, _| if done == 0 { Ok(4) } else { answer });
            assert_eq!(moved, Moved { bytes: 4, failed: Some(errno) });
        }
    }

    #[test]
    fn signals_are_borne_within_one_bound_whoever_counts() {
        const EINTR: Errno = Errno(libc::EINTR);
        let mut interruptions = Interruptions::default();
        let calls = std::cell::Cell::new(0);
        let step = |interruptions: &mut Interruptions| {
            all(TO, interruptions, |_, _| {
                calls.set(calls.get() + 1);
                Err(EINTR)
            })
        };
        // What ends one step is the caller's to bear, who has nothing left to bear it with.
        assert_eq!(step(&mut interruptions), Moved::nothing_but(EINTR));
        assert_eq!(calls.get(), INTERRUPTIONS + 1);
        assert!(!interruptions.bear(EINTR, INTERRUPTIONS));
        // Some were borne already, before the step.
        interruptions.end();
        for _ in 0..30 {
            assert!(interruptions.bear(EINTR, INTERRUPTIONS));
        }
        calls.set(0);
        assert_eq!(step(&mut interruptions), Moved::nothing_but(EINTR));
        assert_eq!(calls.get(), INTERRUPTIONS - 30 + 1);
        // A byte begins the count anew, and other errors are not borne.
        let mut answers = [Ok(1), Err(EINTR), Err(Errno(libc::EIO))].into_iter();
        let moved = all(TO, &mut interruptions, |_, _| answers.next().expect("no call more"));
        assert_eq!(moved, Moved { bytes: 1, failed: Some(Errno(libc::EIO)) });
    }
}
