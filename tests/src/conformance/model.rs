//! What a file must be: a plain vector of bytes, and what they are stored as.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex};

use super::layout::{BLOCK, Piece, Regular};
use super::outcome::Way;
use crate::pattern;

/// What bytes are stored as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stored {
    Hole,
    Unwritten,
    Data,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// A hole of this length comes before the bytes.
    far: u64,
    bytes: Vec<u8>,
    /// What others may write while the tests look lies from this byte on, and is not compared.
    moving: Option<usize>,
    /// Where bytes are data or unwritten, later ones on top of earlier ones; the rest is a hole.
    stored: Vec<(Range<usize>, Stored)>,
}

impl Model {
    /// The pieces one after another; `other` finds the model that a piece was cloned from.
    pub(crate) fn of<'a>(file: &Regular, other: impl Fn(&str) -> &'a Model) -> Model {
        let mut model = Model { far: file.far, ..Model::default() };
        for piece in &file.pieces {
            let (at, len) = (model.bytes.len(), piece.len() as usize);
            let stored = match piece {
                Piece::Data { seed, at, .. } => {
                    let at = *at as usize;
                    model.bytes.extend_from_slice(&data(*seed, at + len)[at..at + len]);
                    Stored::Data
                }
                Piece::Text { byte, .. } => {
                    model.bytes.resize(at + len, *byte);
                    Stored::Data
                }
                Piece::Hole { .. } => Stored::Hole,
                Piece::Unwritten { .. } => Stored::Unwritten,
                Piece::Clone { of, at: from, .. } => {
                    let end = model.size();
                    model.put(Way::Cloned, other(of), *from, end, len as u64);
                    continue;
                }
            };
            model.store(at..at + len, stored);
        }
        model
    }

    /// A file that the tests did not make.
    pub(crate) fn found(bytes: Vec<u8>) -> Model {
        Model { stored: vec![(0..bytes.len(), Stored::Data)], bytes, ..Model::default() }
    }

    /// The bytes from here on are the kernel's to change.
    pub(crate) fn moving_from(self, offset: u64) -> Model {
        Model { moving: Some(offset as usize), ..self }
    }

    pub(crate) fn size(&self) -> u64 {
        self.far + self.bytes.len() as u64
    }

    /// The hole before the bytes that are kept.
    pub(crate) fn far(&self) -> u64 {
        self.far
    }

    /// The bytes behind [`Model::far`].
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Those of them that nobody but the call changes.
    pub(crate) fn still_bytes(&self) -> &[u8] {
        &self.bytes[..self.moving.unwrap_or(self.bytes.len())]
    }

    fn index(&self, offset: u64) -> usize {
        (offset.checked_sub(self.far).expect("an offset in the far hole is not modelled")) as usize
    }

    /// The file grows where it must.
    fn store(&mut self, range: Range<usize>, stored: Stored) {
        self.bytes.resize(self.bytes.len().max(range.end), 0);
        self.stored.push((range, stored));
    }

    pub(crate) fn overwrite(&mut self, offset: u64, bytes: &[u8]) {
        let at = self.index(offset);
        self.store(at..at + bytes.len(), Stored::Data);
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// `len` bytes of `src` went that way.
    pub(crate) fn put(&mut self, way: Way, src: &Model, src_off: u64, dst_off: u64, len: u64) {
        if len == 0 {
            return;
        }
        let (from, at, len) = (src.index(src_off), self.index(dst_off), len as usize);
        let bytes = &src.bytes[from..from + len];
        match way {
            Way::Copied | Way::Server => self.store(at..at + len, Stored::Data),
            Way::Hole => {
                assert!(bytes == vec![0; len], "the case calls bytes a hole that are not zeros");
                self.store(at..at + len, Stored::Hole);
            }
            Way::Cloned => {
                self.store(at..at + len, Stored::Hole);
                for (range, stored) in &src.stored {
                    let (start, end) = (range.start.max(from), range.end.min(from + len));
                    if start < end {
                        self.store(start - from + at..end - from + at, *stored);
                    }
                }
            }
        }
        self.bytes[at..at + len].copy_from_slice(bytes);
    }

    /// Each block's beginning, and what it must be on disk; `None` where both are right: the block in
    /// which the file ends may be a hole or zeros (XFS frees whole blocks only).
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (u64, Option<Stored>)> {
        (0..self.bytes.len()).step_by(BLOCK as usize).map(|start| {
            let end = (start + BLOCK as usize).min(self.bytes.len());
            let cut = end - start < BLOCK as usize;
            let stored =
                [Stored::Data, Stored::Unwritten].into_iter().find(|stored| self.holds(start..end, *stored));
            let stored = stored.or(if cut { None } else { Some(Stored::Hole) });
            (self.far + start as u64, stored)
        })
    }

    /// Whether any byte of the range is stored so.
    fn holds(&self, range: Range<usize>, wanted: Stored) -> bool {
        // The last one that says something of a byte is right.
        let mut open = vec![range];
        for (said, stored) in self.stored.iter().rev() {
            let mut rest = Vec::new();
            for part in open {
                let (start, end) = (said.start.max(part.start), said.end.min(part.end));
                if start >= end {
                    rest.push(part);
                    continue;
                }
                if *stored == wanted {
                    return true;
                }
                rest.extend([part.start..start, end..part.end].into_iter().filter(|part| !part.is_empty()));
            }
            open = rest;
        }
        false
    }
}

/// The beginning of a seed's bytes. They are made once: many cases have the same ones.
fn data(seed: u64, len: usize) -> Arc<Vec<u8>> {
    static MADE: LazyLock<Mutex<HashMap<u64, Arc<Vec<u8>>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().expect("no thread panicked");
    let bytes = made.entry(seed).or_default();
    if bytes.len() < len {
        *bytes = Arc::new(pattern(seed, len));
    }
    Arc::clone(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::layout::{data, file, hole};

    fn model(pieces: impl Into<Vec<Piece>>) -> Model {
        Model::of(&file(pieces), |_| unreachable!())
    }

    #[test]
    fn bytes_arrive_and_holes_lie_between() {
        let src = model([data(1, 5000), hole(3192)]);
        let mut dst = model(data(2, 100));
        dst.put(Way::Copied, &src, 0, 8192, 5000);
        assert_eq!(dst.size(), 13_192);
        assert_eq!(dst.bytes()[..100], pattern(2, 100));
        assert_eq!(dst.bytes()[100..8192], [0; 8092]);
        assert_eq!(dst.bytes()[8192..], pattern(1, 5000));
        let blocks: Vec<_> = dst.blocks().collect();
        assert_eq!(
            blocks,
            [
                (0, Some(Stored::Data)),
                (4096, Some(Stored::Hole)),
                (8192, Some(Stored::Data)),
                (12_288, Some(Stored::Data)),
            ]
        );
        dst.put(Way::Hole, &src, 5000, 8192, 3000);
        assert_eq!(dst.blocks().nth(2), Some((8192, Some(Stored::Data))));
        assert_eq!(dst.bytes()[8192..11_192], [0; 3000]);
    }

    #[test]
    #[should_panic(expected = "not zeros")]
    fn a_case_cannot_call_data_a_hole() {
        let src = model(data(1, 100));
        model([]).put(Way::Hole, &src, 0, 0, 100);
    }
}
