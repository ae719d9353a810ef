//! Memory that bytes pass through.

use crate::sys::page::page_size;

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
}
