//! Through a buffer: read and written again. It works wherever a copy can, and lets the bytes be looked at.

use crate::range::Pair;
use crate::sys;
use crate::sys::page::page_size;

use super::step::{Files, Moved, all};

/// One step: larger buffers fall out of the processor's cache and cost more than they save.
pub(crate) const STEP: u64 = 1 << 20;

/// At most [`STEP`] bytes, at an address and of a length that a descriptor opened with O_DIRECT takes
/// (open(2)): whole pages.
pub(crate) struct Buffer {
    memory: Vec<u8>,
    start: usize,
}

impl Buffer {
    /// Room for `len` bytes, or for a step of them. Memory that is never used takes no space.
    pub(crate) fn new(len: u64) -> Buffer {
        let len = len.clamp(1, STEP) as usize;
        let memory = vec![0; len.next_multiple_of(page_size()) + page_size()];
        let start = memory.as_ptr().align_offset(page_size());
        Buffer { memory, start }
    }

    /// The first `len` bytes, or all there are.
    pub(crate) fn first(&mut self, len: u64) -> &mut [u8] {
        let room = self.memory.len() - page_size();
        let len = len.min(room as u64) as usize;
        &mut self.memory[self.start..self.start + len]
    }

    /// Reads as much of the range as there is room for; nothing at the end of the source.
    pub(crate) fn read(&mut self, files: Files<'_>, range: Pair) -> sys::Result<&[u8]> {
        // A descriptor opened with O_DIRECT reads whole blocks only, also at the end of the file.
        let memory = self.first(range.len.next_multiple_of(page_size() as u64));
        let n = sys::io::pread(files.src, memory, range.src)?;
        Ok(&memory[..n.min(range.len as usize)])
    }

    /// Moves as much of the range as there is room for.
    pub(crate) fn step(&mut self, files: Files<'_>, range: Pair) -> Moved {
        match self.read(files, range) {
            Ok(bytes) => all(range.first(bytes.len() as u64), |done, at| {
                sys::io::pwrite(files.dst, &bytes[done as usize..], at)
            }),
            Err(errno) => Moved::nothing_but(errno),
        }
    }
}
