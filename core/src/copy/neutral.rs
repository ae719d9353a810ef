//! Leaves the page cache as it was: what the copy brought there goes again, behind the copy. What was there before
//! stays, for it is somebody's.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use crate::range::{Pair, align_down};
use crate::report::Report;
use crate::sys::page::page_size;
use crate::sys::{self, Errno};

use super::step::Files;

/// So much of a file is looked at, written back and let go at once. The kernel keeps pages in folios of up to 2 MiB,
/// aligned by their size, and lets a folio go only as a whole: none lies in two windows.
const WINDOW: u64 = 4 << 20;

/// So far ahead of the copy the source is looked at, before the kernel reads it ahead: by up to 8 MiB on btrfs.
const AHEAD: u64 = 4 * WINDOW;

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
        self.src.passed(at.src).iter().for_each(|window| window.drop_from(self.src.fd));
        self.begin_writing(at.dst);
        let lost = self.end_writing(WRITING);
        self.marks.push_back((at.dst, *report));
        lost
    }

    /// When no more is to come.
    pub(crate) fn end(&mut self) -> Result<(), Lost> {
        self.src.passed(u64::MAX).iter().for_each(|window| window.drop_from(self.src.fd));
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

/// One of the files.
struct Side<'a> {
    fd: BorrowedFd<'a>,
    /// Behind this nothing was cached.
    size: u64,
    /// Looked at up to here.
    looked: u64,
    windows: VecDeque<Window>,
}

impl<'a> Side<'a> {
    fn new(fd: BorrowedFd<'a>, size: u64) -> Self {
        Side { fd, size, looked: 0, windows: VecDeque::new() }
    }

    fn look(&mut self, from: u64, to: u64) {
        // Where nothing was done, in a hole, nothing need be seen.
        self.looked = self.looked.max(align_down(from, WINDOW));
        while self.looked < to {
            self.windows.push_back(Window::look(self.fd, self.looked, self.size));
            self.looked = self.looked.saturating_add(WINDOW);
        }
    }

    /// The windows that end before `at`.
    fn passed(&mut self, at: u64) -> Vec<Window> {
        let passed =
            self.windows.iter().take_while(|window| window.start.saturating_add(WINDOW) <= at).count();
        self.windows.drain(..passed).collect()
    }
}

/// A part of a file.
struct Window {
    start: u64,
    /// What of it was not in the page cache: `(from, to)`.
    absent: Vec<(u64, u64)>,
}

impl Window {
    fn look(fd: BorrowedFd<'_>, start: u64, size: u64) -> Window {
        let mut window = Window { start, absent: Vec::new() };
        let end = start.saturating_add(WINDOW);
        let inside = size.checked_next_multiple_of(page_size() as u64).unwrap_or(size).clamp(start, end);
        window.find_absent(fd, start, inside);
        window.is_absent(inside, end);
        window
    }

    /// By halves, as the kernel only counts. Where it does not tell nothing is taken for ours.
    fn find_absent(&mut self, fd: BorrowedFd<'_>, from: u64, to: u64) {
        let pages = (to - from).div_ceil(page_size() as u64);
        if pages == 0 {
            return;
        }
        match sys::cache::cached_pages(fd, from, to - from) {
            Ok(0) => self.is_absent(from, to),
            Ok(cached) if cached < pages => {
                let middle = from + pages / 2 * page_size() as u64;
                self.find_absent(fd, from, middle);
                self.find_absent(fd, middle, to);
            }
            Ok(_) | Err(_) => {}
        }
    }

    fn is_absent(&mut self, from: u64, to: u64) {
        match self.absent.last_mut() {
            Some((_, end)) if *end == from => *end = to,
            _ if from < to => self.absent.push((from, to)),
            _ => {}
        }
    }

    fn drop_from(&self, fd: BorrowedFd<'_>) {
        for (from, to) in &self.absent {
            // It cannot fail for a regular file; and if it did, nothing but memory is lost.
            sys::cache::drop_pages(fd, *from, to - from).ok();
        }
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

    #[test]
    fn windows_are_aligned_and_none_is_looked_at_twice() {
        let file = tempfile::tempfile().unwrap();
        let mut side = Side::new(file.as_fd(), 0);
        side.look(WINDOW + 5, WINDOW + 6);
        side.look(WINDOW + 6, 3 * WINDOW + 1);
        let starts: Vec<u64> = side.windows.iter().map(|window| window.start).collect();
        assert_eq!(starts, [WINDOW, 2 * WINDOW, 3 * WINDOW]);
        // Behind the end of the file nothing can be cached.
        assert_eq!(side.windows[0].absent, [(WINDOW, 2 * WINDOW)]);
        assert_eq!(side.passed(3 * WINDOW - 1).len(), 1);
        assert_eq!(side.passed(4 * WINDOW).len(), 2);
        // Far away, behind a hole.
        side.look(100 * WINDOW, 100 * WINDOW + 1);
        assert_eq!((side.windows.len(), side.windows[0].start), (1, 100 * WINDOW));
    }
}
