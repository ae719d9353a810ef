//! Small programs that stand in the tables: this one, called as `xtent-benches do NAME ARGS...`. So xtent and what it
//! is compared with start alike.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::process::ExitCode;

use xtent::{
    At, Cache, CopyOptions, DedupeOptions, DedupeStatus, DedupeTarget, DedupeTreeOptions, FileOptions,
    TO_END, TreeOptions, UsageOptions,
};

use crate::sys;

const MIB: usize = 1 << 20;

pub(crate) fn run(words: &[String]) -> ExitCode {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["copy", src, dst] => copy(src, dst, CopyOptions::new()),
        ["copy-file", src, dst] => {
            xtent::copy_file(src, dst, FileOptions::new()).map(drop).map_err(io::Error::from)
        }
        ["copy-neutral", src, dst] => copy(src, dst, CopyOptions::new().cache(Cache::Neutral)),
        ["std-copy", src, dst] => std::fs::copy(src, dst).map(drop),
        ["dedupe", src, dst] => dedupe(src, dst, DedupeOptions::new()),
        ["dedupe-blocks", src, dst] => dedupe(src, dst, DedupeOptions::new().blocks(true)),
        ["dedupe-bare", src, dst] => dedupe_bare(src, dst),
        ["read-both", a, b] => read_both(a, b),
        ["write", len, dst] => write(len.parse().expect("a length"), dst).map(drop),
        ["write-synced", len, dst] => {
            write(len.parse().expect("a length"), dst).and_then(|written| written.sync_data())
        }
        ["read", src] => read(src, 0),
        ["read-direct", src] => read(src, libc::O_DIRECT),
        ["dedupe-tree", root] => dedupe_tree(root, DedupeTreeOptions::new()),
        ["dedupe-tree", root, index] => dedupe_tree(root, DedupeTreeOptions::new().index(index)),
        ["usage", root] => usage(root),
        ["read-candidates", root] => crate::stores::read_candidates(root.as_ref()),
        ["create-tree", src, dst] => crate::trees::create(src.as_ref(), dst.as_ref()),
        [verb, "--one-thread", src, dst] => tree(verb, src, dst, TreeOptions::new().threads(1)),
        [verb @ ("copy_tree" | "clone_tree" | "clone_or_copy_tree"), src, dst] => {
            tree(verb, src, dst, TreeOptions::new())
        }
        _ => Err(io::Error::other(format!("no such program: {words:?}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{words:?}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn copy(src: &str, dst: &str, options: CopyOptions<'_>) -> io::Result<()> {
    let src = File::open(src)?;
    let dst = File::create(dst)?;
    let report = xtent::copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, options)?;
    match report.errno {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

fn tree(verb: &str, src: &str, dst: &str, options: TreeOptions<'_>) -> io::Result<()> {
    let done = match verb {
        "copy_tree" => xtent::copy_tree(src, dst, options),
        "clone_tree" => xtent::clone_tree(src, dst, options),
        _ => xtent::clone_or_copy_tree(src, dst, options),
    };
    Ok(done.map(drop)?)
}

fn dedupe_tree(root: &str, options: DedupeTreeOptions<'_>) -> io::Result<()> {
    let report = xtent::dedupe_tree(&[At::from(root)], options)?;
    match report.failures.first() {
        None => Ok(()),
        Some(failure) => Err(io::Error::other(failure.to_string())),
    }
}

fn usage(root: &str) -> io::Result<()> {
    println!("{:?}", xtent::usage(&[At::from(root)], UsageOptions::new())?);
    Ok(())
}

fn dedupe(src: &str, dst: &str, options: DedupeOptions<'_>) -> io::Result<()> {
    let src = File::open(src)?;
    let dst = File::open(dst)?;
    let target = DedupeTarget { fd: dst.as_fd(), offset: 0 };
    let result = xtent::dedupe_range(src.as_fd(), 0, TO_END, &[target], options)?[0];
    match result.status {
        DedupeStatus::Failed => Err(io::Error::from_raw_os_error(result.errno)),
        _ => Ok(()),
    }
}

/// What everybody writes: ioctl_fideduperange(2) in a loop.
fn dedupe_bare(src: &str, dst: &str) -> io::Result<()> {
    const STEP: u64 = 16 << 20;
    let (src, dst) = (File::open(src)?, File::open(dst)?);
    let len = src.metadata()?.len();
    for at in (0..len).step_by(STEP as usize) {
        let status = sys::dedupe_range(&src, &dst, at, STEP.min(len - at))?;
        if status != 0 {
            return Err(io::Error::other(format!("status {status}")));
        }
    }
    Ok(())
}

/// The bound of a dedupe of what is not in the page cache.
fn read_both(a: &str, b: &str) -> io::Result<()> {
    let (a, b) = (File::open(a)?, File::open(b)?);
    let mut buffer = vec![0; MIB];
    let mut at = 0;
    loop {
        match a.read_at(&mut buffer, at)?.max(b.read_at(&mut buffer, at)?) {
            0 => return Ok(()),
            n => at += n as u64,
        }
    }
}

/// The bound of every copy: the same bytes written, from memory.
fn write(len: usize, dst: &str) -> io::Result<File> {
    let dst = File::create(dst)?;
    let bytes = vec![7; MIB];
    for at in (0..len).step_by(MIB) {
        dst.write_all_at(&bytes[..MIB.min(len - at)], at as u64)?;
    }
    Ok(dst)
}

/// The bound of a copy of what is not in the page cache: the same bytes read.
fn read(src: &str, flags: i32) -> io::Result<()> {
    let src = File::options().read(true).custom_flags(flags).open(src)?;
    // O_DIRECT wants an address that is a multiple of the block size (open(2)); no block is larger than a page.
    const PAGE: usize = 4096;
    let mut memory = vec![0; MIB + PAGE];
    let start = memory.as_ptr().align_offset(PAGE);
    let buffer = &mut memory[start..start + MIB];
    let mut at = 0;
    loop {
        match src.read_at(buffer, at)? {
            0 => return Ok(()),
            n => at += n as u64,
        }
    }
}
