//! A digest of a small file, or of some small parts of a large one.

use std::num::NonZeroU64;
use std::os::fd::BorrowedFd;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::buffer::Buffer;
use crate::cache::Window;
use crate::control::Control;
use crate::sys;

/// Files up to this size are read whole: the digest costs little beside the look at the file, and the kernel finds the
/// bytes in the page cache when it compares them.
pub(super) const WHOLE: u64 = 128 << 10;

/// So much is read in each of [`PARTS`] places of a larger one.
const PART: u64 = 16 << 10;
const PARTS: u64 = 4;

/// All of them, in bytes.
pub(super) const READ: u64 = PARTS * PART;

/// A digest of each part of a larger file; `None` of one that is all zeros.
pub(super) type Parts = [Option<NonZeroU64>; PARTS as usize];

/// Where the parts are: at the beginning, at the end, and evenly between; whole parts that begin at a multiple.
pub(super) fn parts(size: u64) -> impl Iterator<Item = (u64, u64)> {
    let (parts, part) = if size <= WHOLE { (1, size) } else { (PARTS, PART) };
    let last = (size - part) / PART * PART;
    (0..parts).map(move |i| {
        let at = if i == 0 { 0 } else { last * i / (parts - 1) / PART * PART };
        (at, part.min(size - at))
    })
}

/// What a sample brought into the page cache.
#[derive(Default)]
pub(super) struct Pages(Vec<Window>);

impl Pages {
    /// Before anything of the sample is read.
    pub(super) fn look(&mut self, fd: BorrowedFd<'_>, size: u64) {
        for (at, _) in parts(size) {
            self.note(fd, at, size);
        }
    }

    fn note(&mut self, fd: BorrowedFd<'_>, at: u64, size: u64) {
        let start = Window::start(at);
        if self.0.iter().all(|window| window.start != start) {
            self.0.push(Window::look(fd, start, size));
        }
    }

    pub(super) fn drop_from(&self, fd: BorrowedFd<'_>) {
        self.0.iter().for_each(|window| window.drop_from(fd));
    }
}

/// Begins to read a small file, while others are looked at.
pub(super) fn prepare(fd: BorrowedFd<'_>, size: u64) {
    if size <= WHOLE {
        // That it fails changes nothing but the time.
        sys::cache::will_need(fd, 0, size).ok();
    }
}

/// Reads the sample of a file of `size` bytes; says how much was read, too. `None` where the file is shorter by now.
pub(super) fn sample(fd: BorrowedFd<'_>, size: u64, buffer: &mut Buffer) -> sys::Result<Option<(u128, u64)>> {
    let mut hash = Xxh3::new();
    let mut read = 0;
    if size > WHOLE {
        sys::cache::read_randomly(fd, true);
    }
    for (at, len) in parts(size) {
        if !update(&mut hash, fd, at, len, buffer)? {
            return Ok(None);
        }
        read += len;
    }
    if size > WHOLE {
        sys::cache::read_randomly(fd, false);
    }
    Ok(Some((hash.digest128(), read)))
}

/// Reads the sample of a larger file, part by part. `None` where the file is shorter by now.
pub(super) fn each(fd: BorrowedFd<'_>, size: u64, buffer: &mut Buffer) -> sys::Result<Option<Parts>> {
    let mut digests = Parts::default();
    for (digest, (at, len)) in digests.iter_mut().zip(parts(size)) {
        let mut hash = Xxh3::new();
        if !update(&mut hash, fd, at, len, buffer)? {
            return Ok(None);
        }
        *digest = NonZeroU64::new(hash.digest()).filter(|digest| digest.get() != zeros(len));
    }
    Ok(Some(digests))
}

fn zeros(len: u64) -> u64 {
    xxh3_64(&[0; PART as usize][..len as usize])
}

/// Reads all of a file. `None` also where it was cancelled.
pub(super) fn whole(
    fd: BorrowedFd<'_>,
    size: u64,
    buffer: &mut Buffer,
    pages: &mut Option<Pages>,
    control: &Control<'_>,
) -> sys::Result<Option<u128>> {
    let mut hash = Xxh3::new();
    let mut at = 0;
    while at < size {
        if let Some(pages) = pages {
            pages.note(fd, at, size);
        }
        let len = (size - at).min(crate::buffer::STEP);
        if control.is_cancelled() || !update(&mut hash, fd, at, len, buffer)? {
            return Ok(None);
        }
        at += len;
    }
    Ok(Some(hash.digest128()))
}

fn update(
    hash: &mut Xxh3,
    fd: BorrowedFd<'_>,
    mut at: u64,
    len: u64,
    buffer: &mut Buffer,
) -> sys::Result<bool> {
    let end = at + len;
    while at < end {
        let memory = buffer.first(end - at);
        match sys::io::pread(fd, memory, at)? {
            0 => return Ok(false),
            n => {
                hash.update(&memory[..n]);
                at += n as u64;
            }
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_lie_in_the_file_and_reach_its_end() {
        for size in [1, PART, WHOLE - 1, WHOLE] {
            assert_eq!(parts(size).collect::<Vec<_>>(), [(0, size)]);
        }
        for size in [WHOLE + 1, 9 * PART + 7, 1 << 20, (1 << 40) + 12345] {
            let parts: Vec<_> = parts(size).collect();
            assert_eq!(parts[0], (0, PART));
            assert!(parts.windows(2).all(|pair| pair[0].0 < pair[1].0), "{parts:?}");
            assert!(parts.iter().all(|(at, len)| at + len <= size && at.is_multiple_of(PART)));
            assert!(size - parts[PARTS as usize - 1].0 < 2 * PART);
        }
    }
}
