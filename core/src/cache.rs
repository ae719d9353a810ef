//! What becomes of the page cache, and what of a file was there before.

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

use crate::range::align_down;
use crate::sys;
use crate::sys::page::page_size;

/// What becomes of the page cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Cache {
    /// What a verb brought there stays, as after any reading and writing.
    #[default]
    Keep,
    /// What the copy brought there goes again, of both files; what was there before stays. The destination is
    /// written back for that, at some cost in time.
    ///
    /// Where the kernel does not say what is cached, nothing of that file is let go: before Linux 6.5, and for a
    /// source that the caller may neither write nor owns.
    Neutral,
}

/// So much of a file is looked at, written back and let go at once. The kernel keeps pages in folios of up to 2 MiB,
/// aligned by their size, and lets a folio go only as a whole: none lies in two windows.
pub(crate) const WINDOW: u64 = 4 << 20;

/// So far ahead of the copy the source is looked at, before the kernel reads it ahead: by up to 8 MiB on btrfs.
pub(crate) const AHEAD: u64 = 4 * WINDOW;

/// One of the files.
pub(crate) struct Side<'a> {
    pub(crate) fd: BorrowedFd<'a>,
    /// Behind this nothing was cached.
    size: u64,
    /// Looked at up to here.
    looked: u64,
    windows: VecDeque<Window>,
    /// What did not go when it was to: the kernel is still reading it.
    late: Vec<Window>,
}

impl<'a> Side<'a> {
    pub(crate) fn new(fd: BorrowedFd<'a>, size: u64) -> Self {
        Side { fd, size, looked: 0, windows: VecDeque::new(), late: Vec::new() }
    }

    pub(crate) fn look(&mut self, from: u64, to: u64) {
        // Where nothing was done, in a hole, nothing need be seen.
        self.looked = self.looked.max(align_down(from, WINDOW));
        while self.looked < to {
            self.windows.push_back(Window::look(self.fd, self.looked, self.size));
            self.looked = self.looked.saturating_add(WINDOW);
        }
    }

    /// Lets go of what came in before `at`.
    pub(crate) fn drop_before(&mut self, at: u64) {
        for window in self.passed(at) {
            window.drop_from(self.fd);
            if window.left(self.fd) > 0 {
                self.late.push(window);
            }
        }
    }

    /// Tries again with what did not go, and says how many pages still do not.
    pub(crate) fn drop_late(&mut self) -> u64 {
        let mut all = 0;
        self.late.retain(|window| {
            window.drop_from(self.fd);
            let left = window.left(self.fd);
            all += left;
            left > 0
        });
        all
    }

    /// The windows that end before `at`.
    pub(crate) fn passed(&mut self, at: u64) -> Vec<Window> {
        let passed =
            self.windows.iter().take_while(|window| window.start.saturating_add(WINDOW) <= at).count();
        self.windows.drain(..passed).collect()
    }
}

/// A part of a file.
pub(crate) struct Window {
    pub(crate) start: u64,
    /// What of it was not in the page cache: `(from, to)`.
    absent: Vec<(u64, u64)>,
}

impl Window {
    /// Where the window begins that `at` lies in.
    pub(crate) fn start(at: u64) -> u64 {
        align_down(at, WINDOW)
    }

    /// What of it is there; behind `size` is nothing.
    pub(crate) fn look(fd: BorrowedFd<'_>, start: u64, size: u64) -> Window {
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

    /// How many pages of it are there all the same.
    fn left(&self, fd: BorrowedFd<'_>) -> u64 {
        let cached = |(from, to): &(u64, u64)| sys::cache::cached_pages(fd, *from, to - from).unwrap_or(0);
        self.absent.iter().map(cached).sum()
    }

    pub(crate) fn drop_from(&self, fd: BorrowedFd<'_>) {
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
