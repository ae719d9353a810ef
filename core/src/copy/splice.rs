//! Through a pipe: pages of the source's cache are lent to it, and written from there. They are copied once, where
//! reading and writing copies twice.

use std::os::fd::{AsFd, OwnedFd};

use crate::range::Pair;
use crate::sys;

use super::step::{Files, Interruptions, Moved, all};

/// What a pipe is to hold, and so one step. More does not go faster, and an unprivileged user may not have more
/// (/proc/sys/fs/pipe-max-size).
pub(crate) const STEP: u64 = 1 << 20;

/// A pipe of our own. Nothing is in it between two steps.
pub(crate) struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Pipe {
    /// Fails also where a step would not fit: through a small pipe it is slower than with a buffer.
    pub(crate) fn new() -> sys::Result<Pipe> {
        let (read, write) = sys::pipe::pipe()?;
        sys::pipe::set_size(write.as_fd(), STEP as usize)?;
        Ok(Pipe { read, write })
    }

    /// Moves at most [`STEP`] bytes. After a failure something may be left in the pipe.
    pub(crate) fn step(&self, files: Files<'_>, range: Pair, interruptions: &mut Interruptions) -> Moved {
        let (read, write) = (self.read.as_fd(), self.write.as_fd());
        let range = range.first(STEP);
        // The pipe is empty and nobody else has it: neither call waits for room, or for bytes.
        let filled = match sys::splice::file_to_pipe(files.src, range.src, write, range.len as usize) {
            Ok(n) => n as u64,
            Err(errno) => return Moved::nothing_but(errno),
        };
        let moved = all(range.first(filled), interruptions, |done, at| {
            sys::splice::pipe_to_file(read, files.dst, at, (filled - done) as usize)
        });
        // The pages in the pipe are those of the file. When it was cut shorter meanwhile, the rest of its last page
        // became zeros, which were never bytes of the source: they do not count.
        match sys::stat::fstat(files.src) {
            Ok(stat) => {
                Moved { bytes: moved.bytes.min((stat.st_size as u64).saturating_sub(range.src)), ..moved }
            }
            Err(errno) => Moved { failed: Some(errno), ..moved },
        }
    }
}
