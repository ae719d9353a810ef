//! Comparing in user space: only to say where a difference is, and for bytes that the kernel leaves out.

use std::os::fd::BorrowedFd;

use crate::range::Pair;
use crate::sys;

const PIECE: u64 = 1 << 20;

/// How many bytes at the beginning of `range` are equal; all of them where it returns `range.len`. Ends
/// early, as at a difference, where one file ends.
pub(crate) fn equal_prefix(src: BorrowedFd<'_>, dst: BorrowedFd<'_>, range: Pair) -> sys::Result<u64> {
    let room = range.len.min(PIECE) as usize;
    let (mut ours, mut theirs) = (vec![0; room], vec![0; room]);
    let mut done = 0;
    while done < range.len {
        let piece = range.after(done).first(PIECE);
        let n = read_full(src, &mut ours[..piece.len as usize], piece.src)?;
        let m = read_full(dst, &mut theirs[..piece.len as usize], piece.dst)?;
        let both = n.min(m);
        let equal = ours[..both].iter().zip(&theirs[..both]).take_while(|(a, b)| a == b).count();
        done += equal as u64;
        if (equal as u64) < piece.len {
            break;
        }
    }
    Ok(done)
}

/// Reads until `buf` is full or the file ends.
fn read_full(fd: BorrowedFd<'_>, buf: &mut [u8], offset: u64) -> sys::Result<usize> {
    let mut done = 0;
    while done < buf.len() {
        match sys::io::pread(fd, &mut buf[done..], offset + done as u64)? {
            0 => break,
            n => done += n,
        }
    }
    Ok(done)
}
