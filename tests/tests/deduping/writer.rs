//! Somebody who writes to a file all the while, and knows what it must be.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use xtent_tests::{Random, pattern};

pub(crate) const BLOCK: usize = 4096;

/// How bytes come into the file. One way for each file: the kernel promises nothing of a mapping beside O_DIRECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Write,
    Mapping,
    Direct,
}

/// What the writers of a round have in common.
#[derive(Default)]
pub(crate) struct Signals {
    /// Writes that are done.
    pub(crate) writes: AtomicU64,
    pub(crate) stop: AtomicBool,
}

impl Signals {
    pub(crate) fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// Waits until a write was done from its beginning to its end.
    pub(crate) fn await_write(&self) {
        // The one that is under way may have begun before.
        let enough = self.writes() + 2;
        while self.writes() < enough {
            std::thread::yield_now();
        }
    }
}

/// Writes block after block, any of them, until it is told to stop. `bytes` is what the file must be.
pub(crate) fn write(file: &File, way: Way, bytes: &mut [u8], mut random: Random, signals: &Signals) {
    let mapping = (way == Way::Mapping).then(|| Mapping::new(file, bytes.len()));
    let mut aligned = Aligned::new();
    let blocks = (bytes.len() / BLOCK) as u64;
    while !signals.stop.load(Ordering::SeqCst) {
        let at = random.below(blocks) as usize * BLOCK;
        let new = pattern(random.below(u64::MAX), BLOCK);
        bytes[at..at + BLOCK].copy_from_slice(&new);
        match &mapping {
            Some(mapping) => mapping.store(at, &new),
            None => {
                let buffer = aligned.buffer();
                buffer.copy_from_slice(&new);
                file.write_all_at(buffer, at as u64).expect("room");
            }
        }
        signals.writes.fetch_add(1, Ordering::SeqCst);
    }
}

/// A block at an address that O_DIRECT takes (open(2)).
struct Aligned(Vec<u8>);

impl Aligned {
    fn new() -> Self {
        Aligned(vec![0; 2 * BLOCK])
    }

    fn buffer(&mut self) -> &mut [u8] {
        let start = self.0.as_ptr().align_offset(BLOCK);
        &mut self.0[start..start + BLOCK]
    }
}

/// A whole file, mapped shared.
struct Mapping {
    start: *mut libc::c_void,
    len: usize,
}

impl Mapping {
    fn new(file: &File, len: usize) -> Self {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: the kernel chooses the address; the file is as long as the mapping, and stays so.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), len, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(start, libc::MAP_FAILED, "mmap");
        Mapping { start, len }
    }

    fn store(&self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= self.len);
        // SAFETY: inside the mapping, which is writable and lives as long as `self`; nothing else in this process refers
        // to it.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.cast::<u8>().add(at), bytes.len())
        };
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made, with its length.
        unsafe { libc::munmap(self.start, self.len) };
    }
}
