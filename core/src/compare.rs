//! Comparing in user space: only to say where a difference is, and for bytes that the kernel leaves out.

use std::os::fd::BorrowedFd;

use crate::buffer::Buffer;
use crate::range::Pair;
use crate::sys;
use crate::sys::page::page_size;

/// Memory for a piece of each of two files.
pub(crate) struct Sides {
    ours: Buffer,
    theirs: Buffer,
    piece: u64,
}

impl Sides {
    /// Room for pieces of a range of `len` bytes.
    pub(crate) fn new(len: u64) -> Self {
        let (ours, theirs) = (Buffer::new(len), Buffer::new(len));
        Sides { ours, theirs, piece: len.clamp(1, crate::buffer::STEP) }
    }

    /// How many bytes at the beginning of `range` are equal; all of them where it returns `range.len`. Ends
    /// early, as at a difference, where one file ends.
    pub(crate) fn equal_prefix(
        &mut self,
        src: BorrowedFd<'_>,
        dst: BorrowedFd<'_>,
        range: Pair,
    ) -> sys::Result<u64> {
        let mut done = 0;
        while done < range.len {
            let piece = range.after(done).first(self.piece);
            let (ours, theirs) = self.read(src, dst, piece)?;
            let equal = equal_bytes(ours, theirs) as u64;
            done += equal;
            if equal < piece.len {
                break;
            }
        }
        Ok(done)
    }

    /// Both sides of a piece, as far as both files reach.
    pub(crate) fn read(
        &mut self,
        src: BorrowedFd<'_>,
        dst: BorrowedFd<'_>,
        piece: Pair,
    ) -> sys::Result<(&[u8], &[u8])> {
        let ours = read_full(src, &mut self.ours, piece.src, piece.len)?;
        let theirs = read_full(dst, &mut self.theirs, piece.dst, piece.len)?;
        let both = ours.len().min(theirs.len());
        Ok((&ours[..both], &theirs[..both]))
    }
}

/// Reads `len` bytes at `offset`, less only where the file ends.
fn read_full<'b>(fd: BorrowedFd<'_>, buffer: &'b mut Buffer, offset: u64, len: u64) -> sys::Result<&'b [u8]> {
    // A descriptor opened with O_DIRECT reads whole blocks only, also at the end of the file.
    let memory = buffer.first(len.next_multiple_of(page_size() as u64));
    let len = len as usize;
    let mut done = 0;
    while done < len {
        match sys::io::pread(fd, &mut memory[done..], offset + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(&memory[..done.min(len)])
}

/// How many bytes at the beginning are equal. Whole memory is compared many bytes at a time, single bytes are not.
pub(crate) fn equal_bytes(a: &[u8], b: &[u8]) -> usize {
    const CHUNK: usize = 256;
    let equal = a.chunks(CHUNK).zip(b.chunks(CHUNK)).take_while(|(a, b)| a == b);
    let equal = equal.map(|(chunk, _)| chunk.len()).sum::<usize>();
    equal + a[equal..].iter().zip(&b[equal..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_wherever_it_is() {
        let a: Vec<u8> = (0..1000u32).map(|i| i as u8).collect();
        assert_eq!(equal_bytes(&a, &a), 1000);
        assert_eq!(equal_bytes(&a, &a[..700]), 700);
        for at in [0, 1, 255, 256, 257, 511, 999] {
            let mut b = a.clone();
            b[at] ^= 1;
            assert_eq!(equal_bytes(&a, &b), at);
        }
    }
}
