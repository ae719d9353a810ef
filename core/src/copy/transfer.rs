//! One copy on its way: what is done, what is put off, how it ends.

use std::os::fd::BorrowedFd;

use crate::control::Control;
use crate::error::{Error, Operation, Result};
use crate::facts::Inode;
use crate::range::Pair;
use crate::reason::Reason;
use crate::report::Report;
use crate::sys::page::page_size;
use crate::sys::{self, Errno};

use super::buffer::Buffer;
use super::holes::{Segment, Segments, zero_runs};

/// Why a copy does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The source has no more bytes.
    EndOfSource,
    Cancelled,
    Failed(Errno),
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Stop::Failed(errno)
    }
}

type Step = std::result::Result<(), Stop>;

/// So often a call that a signal interrupted before it moved a byte is tried again. Local filesystems
/// never are; an NFS mounted with `intr`, or FUSE, can be.
const INTERRUPTIONS: u32 = 100;

pub(crate) struct Transfer<'a, 'c> {
    src: BorrowedFd<'a>,
    dst: BorrowedFd<'a>,
    segments: Segments<'a>,
    range: Pair,
    total: u64,
    control: &'a mut Control<'c>,
    buffer: Buffer,
    /// What is done, from the beginning of the range.
    report: Report,
    /// A hole behind what is done that lies past the end of the destination: nothing to do until data
    /// follows, which leaves it a hole, or until the end.
    pending: u64,
    /// The destination's size as this copy knows it.
    dst_size: u64,
}

impl<'a, 'c> Transfer<'a, 'c> {
    pub(crate) fn new(
        (src, src_inode): (BorrowedFd<'a>, &Inode),
        (dst, dst_inode): (BorrowedFd<'a>, &Inode),
        range: Pair,
        total: u64,
        control: &'a mut Control<'c>,
    ) -> Self {
        Transfer {
            src,
            dst,
            segments: Segments::new(src, src_inode, range),
            range,
            total,
            control,
            buffer: Buffer::new(range.len),
            report: Report::default(),
            pending: 0,
            dst_size: dst_inode.size,
        }
    }

    /// Copies until it stops. An error after some bytes is a short copy; `explain` makes an error of an errno.
    pub(crate) fn run(mut self, explain: impl FnOnce(Errno) -> Error) -> Result<Report> {
        let stop = self.every_segment().err();
        // What was put off counts only once it is there; an error or cancellation leaves it out.
        let stop = match stop {
            None | Some(Stop::EndOfSource) => self.settle().err().or(stop),
            _ => stop,
        };
        let error = match stop {
            None | Some(Stop::EndOfSource) => return Ok(self.report),
            Some(Stop::Cancelled) => Error::new(Operation::CopyRange, libc::ECANCELED, Reason::Cancelled),
            Some(Stop::Failed(errno)) => explain(errno),
        };
        if self.report.bytes() == 0 {
            return Err(error);
        }
        self.report.append(&error.report);
        Ok(self.report)
    }

    fn every_segment(&mut self) -> Step {
        while let Some(segment) = self.segments.next() {
            match segment {
                Segment::Data(len) => self.data(len, Self::write)?,
                Segment::Unmapped(len) => self.data(len, Self::write_sparse)?,
                Segment::Hole(len) => {
                    self.go_on()?;
                    self.hole(len)?;
                    self.tell()?;
                }
            }
        }
        Ok(())
    }

    /// What is left, behind what is done and what is put off.
    fn rest(&self) -> Pair {
        self.range.after(self.report.bytes() + self.pending)
    }

    fn go_on(&self) -> Step {
        if self.control.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    fn tell(&mut self) -> Step {
        let told = self.control.step(self.report.bytes() + self.pending, self.total);
        if told.is_break() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// Moves `len` bytes, a buffer at a time.
    fn data(&mut self, len: u64, write: fn(&mut Self, &[u8]) -> Step) -> Step {
        let end = self.rest().src + len;
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut every_step = || loop {
            let left = end - self.rest().src;
            if left == 0 {
                return Ok(());
            }
            // A descriptor opened with O_DIRECT reads whole blocks only, also at the end of the file.
            let memory = buffer.first(left.next_multiple_of(page_size() as u64));
            let n = self.persist(|job| sys::io::pread(job.src, memory, job.rest().src))?;
            let n = n.min(left as usize);
            if n == 0 {
                return Err(Stop::EndOfSource);
            }
            write(self, &memory[..n])?;
            self.tell()?;
        };
        let stop = every_step();
        self.buffer = buffer;
        stop
    }

    /// Writes all of `bytes` behind what is done.
    fn write(&mut self, mut bytes: &[u8]) -> Step {
        while !bytes.is_empty() {
            let at = self.rest().dst;
            let n = self.persist(|job| sys::io::pwrite(job.dst, bytes, at))?;
            if n == 0 {
                // write(2) gives no meaning to 0 here; going on might never end.
                return Err(Stop::Failed(Errno(libc::EIO)));
            }
            self.arrived(n as u64);
            self.dst_size = self.dst_size.max(at + n as u64);
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Writes `bytes` behind what is done; whole pages of zeros become holes.
    fn write_sparse(&mut self, bytes: &[u8]) -> Step {
        let mut at = 0;
        for (len, written) in zero_runs(bytes, self.rest().dst) {
            if written {
                self.write(&bytes[at..at + len])?
            } else {
                self.hole(len as u64)?
            }
            at += len;
        }
        Ok(())
    }

    /// Bytes arrived behind the hole that was put off, which is one now.
    fn arrived(&mut self, copied: u64) {
        self.report.bytes_hole += std::mem::take(&mut self.pending);
        self.report.bytes_copied += copied;
    }

    /// Makes the next `len` bytes of the destination a hole. Behind its end that is put off.
    fn hole(&mut self, len: u64) -> Step {
        let next = self.rest().first(len);
        let inside = next.first(self.dst_size.saturating_sub(next.dst));
        if inside.len > 0 {
            match sys::fallocate::punch_hole(self.dst, inside.dst, inside.len) {
                Ok(()) => {
                    self.arrived(0);
                    self.report.bytes_hole += inside.len;
                }
                // No holes on this filesystem: the bytes are zeros all the same.
                Err(Errno(libc::EOPNOTSUPP | libc::ENOSYS)) => self.zeros(inside.len)?,
                Err(errno) => return Err(errno.into()),
            }
        }
        self.pending += len - inside.len;
        Ok(())
    }

    /// Writes `len` zeros behind what is done.
    fn zeros(&mut self, len: u64) -> Step {
        let mut zeros = Buffer::new(len);
        let end = self.rest().dst + len;
        while self.rest().dst < end {
            self.go_on()?;
            let left = end - self.rest().dst;
            self.write(zeros.first(left))?;
        }
        Ok(())
    }

    /// Makes the file reach over the hole that was put off, if the source still does.
    ///
    /// By a byte and not by ftruncate(2), which would cut off what another thread wrote behind it
    /// meanwhile; then the byte's block is freed again.
    fn settle(&mut self) -> Step {
        let size = sys::stat::fstat(self.src)?.st_size as u64;
        let done = self.range.after(self.report.bytes());
        let hole = done.first(self.pending).within(size);
        self.pending = 0;
        if hole.len > 0 {
            let last = hole.dst_end() - 1;
            self.persist(|job| sys::io::pwrite(job.dst, &[0], last))?;
            // Where there are no holes the one zero stays, which is the same bytes.
            sys::fallocate::punch_hole(self.dst, hole.dst, hole.len).ok();
            self.report.bytes_hole += hole.len;
        }
        Ok(())
    }

    /// Makes a call again when a signal interrupted it before it moved a byte, within a bound.
    fn persist(
        &mut self,
        mut call: impl FnMut(&Self) -> sys::Result<usize>,
    ) -> std::result::Result<usize, Stop> {
        let mut interruptions = 0;
        loop {
            self.go_on()?;
            match call(self) {
                Err(Errno(libc::EINTR)) if interruptions < INTERRUPTIONS => interruptions += 1,
                done => return Ok(done?),
            }
        }
    }
}
