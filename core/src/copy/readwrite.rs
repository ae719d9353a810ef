//! Through a buffer: read and written again. It works wherever a copy can, and lets the bytes be looked at.

use crate::buffer::Buffer;
use crate::range::Pair;
use crate::sys;
use crate::sys::page::page_size;

use super::step::{Files, Interruptions, Moved, all};

impl Buffer {
    /// Reads as much of the range as there is room for; nothing at the end of the source.
    pub(crate) fn read(&mut self, files: Files<'_>, range: Pair) -> sys::Result<&[u8]> {
        // A descriptor opened with O_DIRECT reads whole blocks only, also at the end of the file.
        let memory = self.first(range.len.next_multiple_of(page_size() as u64));
        let n = sys::io::pread(files.src, memory, range.src)?;
        Ok(&memory[..n.min(range.len as usize)])
    }

    /// Moves as much of the range as there is room for.
    pub(crate) fn step(&mut self, files: Files<'_>, range: Pair, interruptions: &mut Interruptions) -> Moved {
        match self.read(files, range) {
            Ok(bytes) => all(range.first(bytes.len() as u64), interruptions, |done, at| {
                sys::io::pwrite(files.dst, &bytes[done as usize..], at)
            }),
            Err(errno) => Moved::nothing_but(errno),
        }
    }
}
