//! What is wrong with one file.

use std::fs::File as Handle;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::kernel;
use super::layout::BLOCK;
use super::maps::Map;
use super::model::{Model, Stored};

/// What is wrong with a file's size or bytes; `mapped` is where its holes can be seen.
pub(super) fn content(at: &Path, mapped: &Path, model: &Model) -> io::Result<Option<String>> {
    let file = Handle::open(at)?;
    let size = file.metadata()?.len();
    if size != model.size() {
        return Ok(Some(format!("size {size}, not {}", model.size())));
    }
    let mut bytes = vec![0; model.still_bytes().len()];
    file.read_exact_at(&mut bytes, model.far())?;
    if let Some(at) = difference(&bytes, model.still_bytes()) {
        return Ok(Some(format!("another byte at {}", model.far() + at as u64)));
    }
    // The far hole is not read, but must be one.
    let near = model.far() > 0 && first_data(mapped)?.is_some_and(|start| start < model.far());
    Ok(near.then(|| "data in the far hole".into()))
}

fn first_data(at: &Path) -> io::Result<Option<u64>> {
    Ok(match Map::of(at)? {
        Some(map) => map.first(),
        None => kernel::data_runs(&Handle::open(at)?)?.first().map(|(start, _)| *start),
    })
}

pub(super) fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    // Slices are compared quickly; which byte it is interests only when they differ.
    if a == b { None } else { a.iter().zip(b).position(|(a, b)| a != b) }
}

/// How well holes are kept.
#[derive(Clone, Copy)]
pub(super) struct Holes {
    /// Where none can be punched, the last byte of a hole at the end was written.
    pub(super) punched: bool,
    /// A server that is written to may take space in advance.
    pub(super) by_another: bool,
}

/// What is wrong with where a file has data and where holes.
pub(super) fn holes(at: &Path, model: &Model, kept: Holes) -> io::Result<Option<String>> {
    let map = Map::of(at)?;
    let runs = match map {
        Some(_) => Vec::new(),
        // tmpfs: no map, and lseek(2) is exact there (kernel-facts 6).
        None => kernel::data_runs(&Handle::open(at)?)?,
    };
    let is = |block: u64| match &map {
        Some(map) => map.stored(block),
        None if runs.iter().any(|(start, end)| *start < block + BLOCK && block < *end) => Stored::Data,
        None => Stored::Hole,
    };
    for (block, wanted) in model.blocks() {
        let is = is(block);
        let right = match wanted {
            None => true,
            // An extent that was never written may be dropped, and is no hole that must be one.
            Some(Stored::Unwritten) => is != Stored::Data,
            Some(Stored::Hole) if !kept.punched && block + BLOCK >= model.size() => true,
            Some(Stored::Hole) if kept.by_another => is != Stored::Data,
            Some(wanted) => is == wanted,
        };
        if !right {
            return Ok(Some(format!("{is:?} at {block}, not {:?}", wanted.unwrap_or(Stored::Hole))));
        }
    }
    Ok(None)
}
