//! Copying where the table of cases does not reach: the page cache, sources that change meanwhile, disks that fail, many
//! threads.

mod cache;
mod changing;
mod device;
mod failing;
mod signals;
mod threads;

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;

use xtent::{CopyOptions, Report, TO_END};

fn copy(src: &File, dst: &File, options: CopyOptions<'_>) -> Report {
    xtent::copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, options).expect("some bytes")
}

fn contents(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().expect("an open file").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("what is there");
    bytes
}

/// A new file to write to and to read again.
fn new(path: &std::path::Path) -> File {
    File::options().read(true).write(true).create_new(true).open(path).expect("a new file")
}
