//! The files of a case, whose every block says whose it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use crate::kernel;

pub(crate) const BLOCK: u64 = 4096;

/// Block `index` of a file with this seed.
pub(crate) fn block(seed: u64, index: u64) -> [u8; BLOCK as usize] {
    let mut block = [0; BLOCK as usize];
    for (i, word) in block.chunks_exact_mut(8).enumerate() {
        let value = (seed << 48) ^ (index << 12) ^ i as u64 ^ 0x5555_0000_0000_0000;
        word.copy_from_slice(&value.to_le_bytes());
    }
    block
}

/// Which blocks of a file hold data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// All of them, in few extents.
    Whole,
    /// Every other one: as many extents.
    Combed,
}

/// A file's bytes, as they must be.
pub(crate) fn bytes(seed: u64, shape: Shape, size: u64) -> Vec<u8> {
    let mut bytes = vec![0; size as usize];
    for (index, piece) in bytes.chunks_mut(BLOCK as usize).enumerate() {
        if shape == Shape::Whole || index % 2 == 0 {
            piece.copy_from_slice(&block(seed, index as u64)[..piece.len()]);
        }
    }
    bytes
}

/// Makes it, on disk when this returns.
pub(crate) fn make(path: &Path, shape: Shape, bytes: &[u8]) -> io::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    file.set_len(bytes.len() as u64)?;
    match shape {
        Shape::Whole => file.write_all_at(bytes, 0)?,
        Shape::Combed => {
            for (index, piece) in bytes.chunks(BLOCK as usize).enumerate().step_by(2) {
                file.write_all_at(piece, index as u64 * BLOCK)?;
            }
        }
    }
    file.sync_all()?;
    Ok(file)
}

/// What a file holds now.
pub(crate) fn read(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// What a failed clone must leave as it was beside the bytes: where there is data and no hole, and when the file was
/// changed last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Look {
    data: Vec<(i64, i64)>,
    modified: SystemTime,
}

impl Look {
    pub(crate) fn at(file: &File) -> io::Result<Look> {
        let (mut data, mut end) = (Vec::new(), 0);
        while let Some(begin) = kernel::seek(file, end, libc::SEEK_DATA)? {
            end = kernel::seek(file, begin, libc::SEEK_HOLE)?.expect("data ends with the file at last");
            data.push((begin, end));
        }
        Ok(Look { data, modified: file.metadata()?.modified()? })
    }
}

/// What the destination is when the whole of `src` was cloned to its beginning.
pub(crate) fn overlaid(old: &[u8], src: &[u8]) -> Vec<u8> {
    let mut new = old.to_vec();
    new.resize(old.len().max(src.len()), 0);
    new[..src.len()].copy_from_slice(src);
    new
}
