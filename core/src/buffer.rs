//! Memory that bytes pass through.

use crate::sys::page::page_size;

/// One step: larger buffers fall out of the processor's cache and cost more than they save.
pub(crate) const STEP: u64 = 1 << 20;

/// At most [`STEP`] bytes, at an address and of a length that a descriptor opened with O_DIRECT takes
/// (open(2)): whole pages.
pub(crate) struct Buffer {
    /// Empty until it is needed.
    memory: Vec<u8>,
    start: usize,
    room: usize,
}

impl Buffer {
    /// Room for `len` bytes, or for a step of them. It is taken when it is first used: to fill it with zeros takes longer than
    /// most of what is done to a small file.
    pub(crate) fn new(len: u64) -> Buffer {
        let room = (len.clamp(1, STEP) as usize).next_multiple_of(page_size());
        Buffer { memory: Vec::new(), start: 0, room }
    }

    /// The first `len` bytes, or all there are.
    pub(crate) fn first(&mut self, len: u64) -> &mut [u8] {
        if self.memory.is_empty() {
            self.memory = vec![0; self.room + page_size()];
            self.start = self.memory.as_ptr().align_offset(page_size());
        }
        let len = len.min(self.room as u64) as usize;
        &mut self.memory[self.start..self.start + len]
    }
}
