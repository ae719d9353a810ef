//! Leaves the page cache as it was: what the copy brought there goes again, behind the copy. What was there before
//! stays, for it is somebody's.

use std::collections::VecDeque;

use crate::cache::{AHEAD, Side, WINDOW, Window};
use crate::range::Pair;
use crate::report::Report;
use crate::sys::{self, Errno};

use super::step::Files;

/// So many windows of the destination are on their way to the disk while the next is filled.
const WRITING: usize = 1;

pub(crate) struct Neutral<'a> {
    src: Side<'a>,
    dst: Side<'a>,
    /// Windows of the destination whose pages are being written back: dirty ones cannot go.
    writing: VecDeque<Window>,
    /// What was done, and up to where in the destination: since before the first window that waits.
    marks: VecDeque<(u64, Report)>,
}

/// Writing back failed: so much of the copy is safe, and no more of it counts.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(crate) errno: Errno,
    pub(crate) report: Report,
}

impl<'a> Neutral<'a> {
    /// `dst_size` is the destination's before the copy: nothing of what lies behind it can be cached.
    pub(crate) fn new(files: Files<'a>, dst_size: u64) -> Self {
        Neutral {
            src: Side::new(files.src, u64::MAX),
            dst: Side::new(files.dst, dst_size),
            writing: VecDeque::new(),
            marks: VecDeque::new(),
        }
    }

    /// Before `range` is moved. The kernel reads the source ahead, so that it is looked at further.
    pub(crate) fn before(&mut self, range: Pair) {
        self.src.look(range.src, range.src_end().saturating_add(AHEAD));
        self.dst.look(range.dst, range.dst_end());
    }

    /// When everything before `at` is done, which is what `report` says.
    pub(crate) fn after(&mut self, at: Pair, report: &Report) -> Result<(), Lost> {
        self.src.drop_before(at.src);
        self.begin_writing(at.dst);
        let lost = self.end_writing(WRITING);
        self.marks.push_back((at.dst, *report));
        lost
    }

    /// When no more is to come.
    pub(crate) fn end(&mut self) -> Result<(), Lost> {
        self.src.drop_before(u64::MAX);
        self.begin_writing(u64::MAX);
        self.end_writing(0)
    }

    fn begin_writing(&mut self, at: u64) {
        for window in self.dst.passed(at) {
            // Only to have it begun; whether it works is seen when it is waited for.
            sys::cache::start_writing(self.dst.fd, window.start, WINDOW).ok();
            self.writing.push_back(window);
        }
    }

    /// Waits for all windows but so many.
    fn end_writing(&mut self, but: usize) -> Result<(), Lost> {
        while self.writing.len() > but
            && let Some(window) = self.writing.pop_front()
        {
            match sys::cache::write_back(self.dst.fd, window.start, WINDOW) {
                Ok(()) => window.drop_from(self.dst.fd),
                // No such call on this machine: dirty pages are left to the kernel.
                Err(Errno(libc::ENOSYS)) => {}
                Err(errno) => return Err(Lost { errno, report: self.done_before(window.start) }),
            }
            self.done_before(window.start + WINDOW);
        }
        Ok(())
    }

    /// What had been done, at the latest, when the destination was done up to `offset`. Forgets what came before.
    fn done_before(&mut self, offset: u64) -> Report {
        while self.marks.get(1).is_some_and(|(at, _)| *at <= offset) {
            self.marks.pop_front();
        }
        self.marks.front().filter(|(at, _)| *at <= offset).map_or_else(Report::default, |(_, report)| *report)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn report(bytes_copied: u64) -> Report {
        Report { bytes_copied, ..Report::default() }
    }

    #[test]
    fn what_counts_ends_before_the_window_that_is_lost() {
        let (src, dst) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let mut neutral = Neutral::new(Files { src: src.as_fd(), dst: dst.as_fd() }, 0);
        // From 1000 on, in steps of which none ends where a window does.
        let at = |done: u64| Pair { src: done, dst: 1000 + done, len: 0 };
        for done in (1..=12).map(|step| step * 3_000_000) {
            neutral.marks.push_back((at(done).dst, report(done)));
        }
        assert_eq!(neutral.done_before(0), Report::default());
        assert_eq!(neutral.done_before(WINDOW), report(3_000_000));
        assert_eq!(neutral.done_before(3 * WINDOW), report(12_000_000));
        // Asked again it still knows; what came before is forgotten.
        assert_eq!(neutral.done_before(3 * WINDOW), report(12_000_000));
        assert_eq!(neutral.marks.front(), Some(&(12_001_000, report(12_000_000))));
        assert_eq!(neutral.done_before(1001), Report::default());
    }
}
