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

/// Writes all of `to`, however many calls of `write` that takes: it is given how far they are, and the place that is
/// next.
pub(crate) fn all(to: Pair, mut write: impl FnMut(u64, u64) -> sys::Result<usize>) -> Moved {
    let mut moved = Moved::default();
    let mut interruptions = 0;
    while moved.bytes < to.len {
        let failed = match write(moved.bytes, to.dst + moved.bytes) {
            Ok(n) if n > 0 => {
                moved.bytes += n as u64;
                interruptions = 0;
                continue;
            }
            Ok(_) => WROTE_NOTHING,
            Err(Errno(libc::EINTR)) if interruptions < INTERRUPTIONS => {
                interruptions += 1;
                continue;
            }
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
        let moved = all(TO, |done, at| {
            asked.push((done, at));
            answers.next().expect("no call more")
        });
        assert_eq!(moved, Moved { bytes: 10, failed: None });
        assert_eq!(asked, [(0, 1000), (3, 1003), (3, 1003), (9, 1009)]);
    }

    #[test]
    fn what_stops_it_is_told_with_what_was_done() {
        for (answer, errno) in [(Err(Errno(libc::ENOSPC)), Errno(libc::ENOSPC)), (Ok(0), WROTE_NOTHING)] {
            let moved = all(TO, |done, _| if done == 0 { Ok(4) } else { answer });
            assert_eq!(moved, Moved { bytes: 4, failed: Some(errno) });
        }
        let mut calls = 0;
        let moved = all(TO, |_, _| {
            calls += 1;
            Err(Errno(libc::EINTR))
        });
        assert_eq!((moved, calls), (Moved::nothing_but(Errno(libc::EINTR)), INTERRUPTIONS + 1));
    }
}
