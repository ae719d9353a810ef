//! Power cuts: whoever looks afterwards finds the old range or the new one.
//!
//! The filesystem lies in an image on an outer XFS. While clones go on, the image file is cloned, which is one moment
//! of it, as a power cut leaves it; the clone is mounted and looked at. And XFS is stopped by its own ioctl.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use xtent::{Atomic, CloneOptions, clone_range};

use crate::files::{self, BLOCK, Shape};
use crate::image::{Image, Kind, Result, run, set_exchange, workshop};
use crate::kernel;
use crate::random::Random;
use crate::{Arguments, Outcome, Verdict};

const EXTENTS: u64 = 3000;

#[derive(Default)]
struct Counts {
    cuts: u64,
    a: u64,
    b: u64,
    mixed: u64,
    /// Clones that were finished meanwhile.
    clones: u64,
}

pub(crate) fn storm(arguments: &Arguments) -> Outcome {
    let workshop = workshop()?;
    let mut verdict = Verdict::default();
    let cuts = arguments.cases.unwrap_or(30);
    let outer = Image::make(Kind::Xfs, workshop.path(), "outer", 4096)?;
    let mut control = 0;
    for (way, name) in [(Way::Bare, "bare ioctl"), (Way::Exchange, "exchange")] {
        let mut random = Random::new(arguments.seed);
        let mut cut = Counts::default();
        by_image(&outer, way, cuts, &mut random, &mut cut)?;
        let mut stopped = Counts::default();
        by_shutdown(&outer, way, cuts, &mut random, &mut stopped)?;
        for (how, counts) in [("image cloned", &cut), ("shut down", &stopped)] {
            println!(
                "{name}, {how}: {} cuts during {} clones: {} one, {} the other, {} mixed",
                counts.cuts, counts.clones, counts.a, counts.b, counts.mixed
            );
        }
        match way {
            Way::Bare => control = cut.mixed + stopped.mixed,
            Way::Exchange => {
                let mixed = cut.mixed + stopped.mixed;
                verdict.must(mixed == 0, || format!("{mixed} cuts left a mix"));
            }
        }
    }
    verdict.void_unless(control > 0, || "no cut of the control left a mix".into());
    Ok(verdict)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Bare,
    Exchange,
}

/// Two sources and a destination that is one of them.
struct Inner {
    image: Image,
    sources: [Vec<u8>; 2],
}

impl Inner {
    fn make(outer: &Image) -> Result<Inner> {
        let image = Image::make(Kind::XfsExchange, &outer.dir, "inner", 512)?;
        let size = EXTENTS * 2 * BLOCK;
        let sources = [1, 2].map(|seed| files::bytes(seed, Shape::Combed, size));
        for (name, bytes) in ["a", "b", "dst"].iter().zip([&sources[0], &sources[1], &sources[0]]) {
            files::make(&image.dir.join(name), Shape::Combed, bytes)?;
        }
        kernel::sync_filesystem(&File::open(&image.dir)?)?;
        Ok(Inner { image, sources })
    }

    /// Clones one source and the other in turn, until it is over or the filesystem is gone.
    fn alternate(&self, way: Way, over: &AtomicBool, clones: &AtomicU64) -> Result<()> {
        let open = |name: &str| File::options().read(true).write(true).open(self.image.dir.join(name));
        let (sources, dst) = ([open("b")?, open("a")?], open("dst")?);
        let len = EXTENTS * 2 * BLOCK;
        for turn in 0.. {
            let src = &sources[turn % 2];
            let options = CloneOptions::new().atomic(Atomic::Required);
            let done = match way {
                Way::Bare => kernel::bare_clone(src, &dst, 0).is_ok(),
                Way::Exchange => clone_range(src.as_fd(), 0, dst.as_fd(), 0, len, options).is_ok(),
            };
            if !done || over.load(Ordering::Relaxed) {
                break;
            }
            clones.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn judge(&self, image: &Image, counts: &mut Counts) -> Result<()> {
        let now = files::read(&File::open(image.dir.join("dst"))?)?;
        counts.cuts += 1;
        match self.sources.iter().position(|source| *source == now) {
            Some(0) => counts.a += 1,
            Some(_) => counts.b += 1,
            None => counts.mixed += 1,
        }
        Ok(())
    }
}

fn by_image(outer: &Image, way: Way, cuts: u64, random: &mut Random, counts: &mut Counts) -> Result<()> {
    let inner = Inner::make(outer)?;
    let (over, clones) = (AtomicBool::new(false), AtomicU64::new(0));
    let taken = std::thread::scope(|scope| -> Result<()> {
        let worker = scope.spawn(|| inner.alternate(way, &over, &clones).map_err(|error| error.to_string()));
        let root = File::open(&inner.image.dir)?;
        let result = (0..cuts).try_for_each(|number| -> Result<()> {
            std::thread::sleep(Duration::from_millis(random.below(200)));
            if number % 3 == 0 {
                // Its log is on disk up to here, so that cuts differ in where they fall.
                kernel::sync_filesystem(&root)?;
            }
            let cut = File::create(outer.dir.join(format!("cut-{number}.img")))?;
            Ok(kernel::bare_clone(&File::open(&inner.image.file)?, &cut, 0)?)
        });
        over.store(true, Ordering::Relaxed);
        worker.join().map_err(|_| "the worker panicked")??;
        result
    });
    taken?;
    counts.clones += clones.into_inner();
    for number in 0..cuts {
        let file = outer.dir.join(format!("cut-{number}.img"));
        // It has the UUID of the one that is mounted.
        let cut = Image::open(&file, &outer.dir.join("cut"), &["nouuid"])?;
        inner.judge(&cut, counts)?;
        cut.unmount()?;
        set_exchange(file.to_str().ok_or("a path in UTF-8")?, false)?;
        run(std::process::Command::new("xfs_repair").args(["-n", "-f"]).arg(&file))?;
    }
    Ok(())
}

fn by_shutdown(outer: &Image, way: Way, cuts: u64, random: &mut Random, counts: &mut Counts) -> Result<()> {
    let inner = Inner::make(outer)?;
    for number in 0..cuts {
        let (over, clones) = (AtomicBool::new(false), AtomicU64::new(0));
        let root = File::open(&inner.image.dir)?;
        std::thread::scope(|scope| -> Result<()> {
            let worker =
                scope.spawn(|| inner.alternate(way, &over, &clones).map_err(|error| error.to_string()));
            std::thread::sleep(Duration::from_millis(20 + random.below(300)));
            kernel::shut_down(&root, number % 2 == 0)?;
            worker.join().map_err(|_| "the worker panicked")??;
            Ok(())
        })?;
        drop(root);
        counts.clones += clones.into_inner();
        inner.image.remount()?;
        inner.judge(&inner.image, counts)?;
    }
    Ok(())
}
