//! One copy on its way: what is done, what is put off, how it ends.

use std::cell::OnceCell;
use std::os::fd::BorrowedFd;

use crate::buffer::Buffer;
use crate::control::Control;
use crate::error::{Error, Operation, Result};
use crate::facts::Kind;
use crate::range::Pair;
use crate::reason::Reason;
use crate::report::Report;
use crate::sys::{self, Errno};

use super::holes::{Segment, Segments, zero_runs};
use super::ladder::{Failure, Situation, Way, choose};
use super::neutral::{Lost, Neutral};
use super::server;
use super::splice::Pipe;
use super::step::{self, Files, Interruptions, Moved};

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

/// The most that is punched or zeroed before the cancel flag is looked at again.
const HOLE_STEP: u64 = 4 << 20;

fn reserves(fd: BorrowedFd<'_>) -> bool {
    // An overlay may lie on XFS.
    sys::stat::fstatfs(fd).is_ok_and(|fs| matches!(Kind::of(fs.f_type as u32), Kind::Xfs | Kind::Overlay))
}

pub(crate) struct Transfer<'a, 'c> {
    files: Files<'a>,
    segments: Segments<'a>,
    range: Pair,
    total: u64,
    control: &'a mut Control<'c>,
    /// What the choice of a way depends on, but for the length of what is next.
    situation: Situation,
    /// The ways that are not available here.
    failures: Vec<Failure>,
    pipe: Option<Pipe>,
    buffer: Option<Buffer>,
    neutral: Option<Neutral<'a>>,
    /// What is done, from the beginning of the range.
    report: Report,
    /// A hole behind what is done that lies past the end of the destination: nothing to do until data
    /// follows, which leaves it a hole, or until the end.
    pending: u64,
    /// The destination's size as this copy knows it.
    dst_size: u64,
    /// Whether its filesystem reserves space behind the end of a file.
    reserves: OnceCell<bool>,
}

impl<'a, 'c> Transfer<'a, 'c> {
    pub(crate) fn new(
        files: Files<'a>,
        segments: Segments<'a>,
        dst_size: u64,
        range: Pair,
        total: u64,
        situation: Situation,
        control: &'a mut Control<'c>,
    ) -> Self {
        Transfer {
            files,
            segments,
            range,
            total,
            control,
            situation,
            failures: Vec::new(),
            pipe: None,
            buffer: None,
            neutral: None,
            report: Report::default(),
            pending: 0,
            dst_size,
            reserves: OnceCell::new(),
        }
    }

    /// Leaves the page cache as it is.
    pub(crate) fn neutral(self) -> Self {
        Transfer { neutral: Some(Neutral::new(self.files, self.dst_size)), ..self }
    }

    /// Copies until it stops. An error after some bytes is a short copy; `explain` makes an error of an errno.
    pub(crate) fn run(mut self, explain: impl FnOnce(Errno) -> Error) -> Result<Report> {
        let stop = self.every_segment().err();
        // What was put off counts only once it is there; an error or cancellation leaves it out.
        let stop = match stop {
            None | Some(Stop::EndOfSource) => self.settle().err().or(stop),
            _ => stop,
        };
        let stop = self.let_go().err().or(stop);
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
                Segment::Data(len) => self.data(len)?,
                Segment::Unseen(len) => self.unseen(len)?,
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
        self.passed()?;
        let told = self.control.step(self.report.bytes() + self.pending, self.total);
        if told.is_break() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    /// Moves `len` bytes, a step at a time.
    fn data(&mut self, len: u64) -> Step {
        let end = self.rest().src + len;
        let situation = Situation { len, ..self.situation };
        let mut interruptions = Interruptions::default();
        while self.rest().src < end {
            self.go_on()?;
            let next = self.rest().first(end - self.rest().src);
            let Some(way) = choose(&situation, &self.failures) else { return Err(self.last_failure()) };
            let next = next.first(way.step());
            self.about_to_move(next);
            let moved = self.step(way, next, &mut interruptions);
            self.arrived(way, moved.bytes);
            match moved.failed {
                None if moved.bytes == 0 => return Err(Stop::EndOfSource),
                None => interruptions.end(),
                Some(errno) if interruptions.bear(errno, way.interruptions()) => {}
                Some(errno) => {
                    self.failures.push((way, errno.0));
                    interruptions.end();
                }
            }
            if moved.bytes > 0 {
                self.tell()?;
            }
        }
        Ok(())
    }

    fn step(&mut self, way: Way, next: Pair, interruptions: &mut Interruptions) -> Moved {
        let files = self.files;
        match way {
            Way::Server => server::step(files, next),
            Way::Splice => match self.pipe.take().map_or_else(Pipe::new, Ok) {
                Ok(pipe) => {
                    let moved = pipe.step(files, next, interruptions);
                    // What a failure left in it must not come before the next bytes.
                    self.pipe = moved.failed.is_none().then_some(pipe);
                    moved
                }
                Err(errno) => Moved::nothing_but(errno),
            },
            Way::ReadWrite => self.buffer().step(files, next, interruptions),
        }
    }

    fn buffer(&mut self) -> &mut Buffer {
        self.buffer.get_or_insert_with(|| Buffer::new(self.range.len))
    }

    /// What is to be told when no way is left.
    fn last_failure(&self) -> Stop {
        Stop::Failed(Errno(self.failures.last().map_or(libc::EIO, |(_, errno)| *errno)))
    }

    /// Moves `len` bytes that are looked at: whole pages of zeros become holes.
    fn unseen(&mut self, len: u64) -> Step {
        let end = self.rest().src + len;
        let mut buffer = self.buffer.take().unwrap_or_else(|| Buffer::new(self.range.len));
        let mut every_step = || {
            while self.rest().src < end {
                let next = self.rest().first(end - self.rest().src).first(Way::ReadWrite.step());
                self.about_to_move(next);
                let bytes = self.persist(|files| buffer.read(files, next).map(<[u8]>::len))?;
                if bytes == 0 {
                    return Err(Stop::EndOfSource);
                }
                self.write_sparse(&buffer.first(bytes as u64)[..])?;
                self.tell()?;
            }
            Ok(())
        };
        let stop = every_step();
        self.buffer = Some(buffer);
        stop
    }

    /// Writes `bytes` behind what is done, and makes holes of whole pages of zeros.
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

    /// Writes all of `bytes` behind what is done.
    fn write(&mut self, mut bytes: &[u8]) -> Step {
        while !bytes.is_empty() {
            let at = self.rest().dst;
            let n = self.persist(|files| sys::io::pwrite(files.dst, bytes, at))?;
            if n == 0 {
                return Err(Stop::Failed(step::WROTE_NOTHING));
            }
            self.arrived(Way::ReadWrite, n as u64);
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Bytes arrived behind the hole that was put off, which is one now.
    fn arrived(&mut self, way: Way, bytes: u64) {
        if bytes == 0 {
            return;
        }
        self.dst_size = self.dst_size.max(self.rest().dst + bytes);
        if self.pending > 0 {
            self.free_reserved();
            self.report.bytes_hole += std::mem::take(&mut self.pending);
        }
        match way {
            Way::Server => self.report.bytes_server += bytes,
            Way::Splice | Way::ReadWrite => self.report.bytes_copied += bytes,
        }
    }

    /// XFS reserves space behind the end of a file that grows, up to as much again; when data arrives behind the hole
    /// that was put off, what was reserved there would stay.
    fn free_reserved(&self) {
        let hole = self.range.after(self.report.bytes()).first(self.pending);
        if *self.reserves.get_or_init(|| reserves(self.files.dst)) {
            // If it fails the bytes are zeros all the same.
            sys::fallocate::punch_hole(self.files.dst, hole.dst, hole.len).ok();
        }
    }

    /// Makes the next `len` bytes of the destination a hole. Behind its end that is put off.
    fn hole(&mut self, len: u64) -> Step {
        let end = self.rest().dst + len;
        while self.rest().dst < end.min(self.dst_size) {
            let next = self.rest().first(end.min(self.dst_size) - self.rest().dst).first(HOLE_STEP);
            self.about_to_move(next);
            let punch =
                |files: Files<'_>| sys::fallocate::punch_hole(files.dst, next.dst, next.len).map(|()| 0);
            match self.persist(punch) {
                Ok(_) => self.report.bytes_hole += next.len,
                // No holes on this filesystem: the bytes are zeros all the same.
                Err(Stop::Failed(Errno(libc::EOPNOTSUPP | libc::ENOSYS))) => self.zeros(next.len)?,
                Err(stop) => return Err(stop),
            }
            self.passed()?;
        }
        self.pending += end - self.rest().dst;
        Ok(())
    }

    /// Writes `len` zeros behind what is done.
    fn zeros(&mut self, len: u64) -> Step {
        let mut zeros = Buffer::new(len);
        let end = self.rest().dst + len;
        while self.rest().dst < end {
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
        if self.pending == 0 {
            return Ok(());
        }
        let size = sys::stat::fstat(self.files.src)?.st_size as u64;
        let done = self.range.after(self.report.bytes());
        let hole = done.first(self.pending).within(size);
        self.pending = 0;
        if hole.len > 0 {
            let last = hole.after(hole.len - 1);
            self.about_to_move(last);
            self.persist(|files| sys::io::pwrite(files.dst, &[0], last.dst))?;
            // Where there are no holes the one zero stays, which is the same bytes.
            sys::fallocate::punch_hole(self.files.dst, hole.dst, hole.len).ok();
            self.report.bytes_hole += hole.len;
        }
        Ok(())
    }

    fn about_to_move(&mut self, next: Pair) {
        if let Some(neutral) = &mut self.neutral {
            neutral.before(next);
        }
    }

    /// Lets go of the pages behind what is done.
    fn passed(&mut self) -> Step {
        let (at, report) = (self.rest(), self.report);
        let lost = self.neutral.as_mut().map_or(Ok(()), |neutral| neutral.after(at, &report));
        lost.map_err(|lost| self.lose(lost))
    }

    /// Lets go of all pages that are still held.
    fn let_go(&mut self) -> Step {
        let lost = self.neutral.as_mut().map_or(Ok(()), Neutral::end);
        lost.map_err(|lost| self.lose(lost))
    }

    /// What could not be written back is not done.
    fn lose(&mut self, lost: Lost) -> Stop {
        if lost.report.bytes() < self.report.bytes() {
            self.report = lost.report;
        }
        self.pending = 0;
        Stop::Failed(lost.errno)
    }

    /// Makes a call again when a signal interrupted it before it moved a byte, within a bound.
    fn persist(
        &self,
        mut call: impl FnMut(Files<'a>) -> sys::Result<usize>,
    ) -> std::result::Result<usize, Stop> {
        let mut interruptions = Interruptions::default();
        loop {
            self.go_on()?;
            match call(self.files) {
                Err(errno) if interruptions.bear(errno, step::INTERRUPTIONS) => {}
                done => return Ok(done?),
            }
        }
    }
}
