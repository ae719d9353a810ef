//! Writers on the source, and readers of the destination: a clone is one consistent cut, and who reads sees old or new.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use xtent::{CloneOptions, clone_range};

use crate::files::{self, BLOCK, Shape};
use crate::image::{Image, Kind, Result, workshop};
use crate::kernel::Page;
use crate::{Arguments, Outcome, Verdict};

const EXTENTS: u64 = 4000;

/// How the source is written to.
#[derive(Debug, Clone, Copy)]
enum Writer {
    Write,
    Mapped,
    Direct,
}

pub(crate) fn storm(arguments: &Arguments) -> Outcome {
    let workshop = workshop()?;
    let mut verdict = Verdict::default();
    let rounds = arguments.cases.unwrap_or(20);
    for kind in [Kind::XfsExchange, Kind::Xfs, Kind::Btrfs] {
        if !arguments.wants(kind.name()) {
            continue;
        }
        let image = Image::make(kind, workshop.path(), kind.name(), 512)?;
        for writer in [Writer::Write, Writer::Mapped, Writer::Direct] {
            let (mut during, mut reads) = (0, 0);
            for _ in 0..rounds {
                let (written, read) = round(&image, writer, &mut verdict)?;
                during += written;
                reads += read;
            }
            println!(
                "{:<13} {rounds} clones, {during} writes to the source meanwhile ({writer:?}), {reads} reads of the \
                 destination",
                kind.name()
            );
        }
    }
    Ok(verdict)
}

/// The writer counts up: the last block first, then the first. A cut has both the same, or the last one ahead by one.
fn round(image: &Image, writer: Writer, verdict: &mut Verdict) -> Result<(u64, u64)> {
    let size = EXTENTS * 2 * BLOCK;
    let mut bytes = files::bytes(1, Shape::Combed, size);
    let last = (EXTENTS * 2 - 2) * BLOCK;
    for at in [0, last] {
        bytes[at as usize..(at + BLOCK) as usize].fill(0);
    }
    let src = files::make(&image.dir.join("src"), Shape::Combed, &bytes)?;
    let old = files::bytes(2, Shape::Combed, size);
    let dst = files::make(&image.dir.join("dst"), Shape::Combed, &old)?;
    let direct = File::options().write(true).custom_flags(libc::O_DIRECT).open(image.dir.join("src"))?;
    let (first_page, last_page) = (Page::map(&src, 0)?, Page::map(&src, last)?);
    let put = |at: u64, page: &Page, value: u64| -> std::io::Result<()> {
        match writer {
            Writer::Mapped => page.store(value),
            Writer::Write => src.write_all_at(&value.to_le_bytes(), at)?,
            Writer::Direct => {
                let mut block = Aligned([0; BLOCK as usize]);
                block.0[..8].copy_from_slice(&value.to_le_bytes());
                direct.write_all_at(&block.0, at)?;
            }
        }
        Ok(())
    };
    let over = AtomicBool::new(false);
    let (writes, reads, torn) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let done = std::thread::scope(|scope| {
        let pages = Pages(&first_page, &last_page);
        let (put, over, writes) = (&put, &over, &writes);
        scope.spawn(move || {
            let Pages(first_page, last_page) = { pages };
            for value in 1.. {
                if over.load(Ordering::Relaxed)
                    || put(last, last_page, value).and(put(0, first_page, value)).is_err()
                {
                    break;
                }
                writes.store(value, Ordering::Relaxed);
            }
        });
        let (reads, torn) = (&reads, &torn);
        let (dst_again, old, bytes) = (&dst, &old, &bytes);
        scope.spawn(move || {
            let mut block = [0; BLOCK as usize];
            for turn in 1.. {
                // Not the two that are written to.
                let at = turn * 7919 % (EXTENTS - 2) * 2 * BLOCK + 2 * BLOCK;
                if over.load(Ordering::Relaxed) || dst_again.read_exact_at(&mut block, at).is_err() {
                    break;
                }
                let of = |file: &[u8]| file[at as usize..][..BLOCK as usize] == block;
                torn.fetch_add(u64::from(!of(old) && !of(bytes)), Ordering::Relaxed);
                reads.store(turn, Ordering::Relaxed);
            }
        });
        while writes.load(Ordering::Relaxed) < 3 {
            std::thread::yield_now();
        }
        let done = clone_range(src.as_fd(), 0, dst.as_fd(), 0, size, CloneOptions::new());
        over.store(true, Ordering::Relaxed);
        done
    });
    let torn = torn.into_inner();
    verdict.must(torn == 0, || format!("{torn} blocks of the destination were neither old nor new"));
    done?;
    let number = |at: u64| -> std::io::Result<u64> {
        let mut value = [0; 8];
        dst.read_exact_at(&mut value, at)?;
        Ok(u64::from_le_bytes(value))
    };
    let (low, high) = (number(0)?, number(last)?);
    verdict.must(high == low || high == low + 1, || {
        format!("no cut: {high} behind, {low} in front ({writer:?})")
    });
    Ok((writes.into_inner(), reads.into_inner()))
}

#[repr(align(4096))]
struct Aligned([u8; BLOCK as usize]);

/// Two mapped pages that one other thread stores to.
struct Pages<'a>(&'a Page, &'a Page);

// SAFETY: a page is only stored to, by one thread at a time, and outlives the thread that it is handed to.
unsafe impl Send for Pages<'_> {}
