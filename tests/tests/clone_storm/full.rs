//! Full disks and quotas: the word that the report says of the destination equals what is there, byte for byte.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use xtent::{CloneOptions, Destination, Undo, clone_range};

use crate::files::{self, BLOCK, Look, Shape};
use crate::image::{Image, Kind, Result, workshop};
use crate::kernel;
use crate::{Arguments, Outcome, Verdict};

/// Whether a program takes every block as soon as it is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eater {
    Absent,
    Present,
}

/// What the destination is before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Old {
    Fresh,
    Contiguous,
    Fragmented,
    /// Another file has the same blocks: replacing them frees nothing.
    HeldContiguous,
    HeldFragmented,
}

impl Old {
    const ALL: [Old; 5] =
        [Old::Fresh, Old::Contiguous, Old::Fragmented, Old::HeldContiguous, Old::HeldFragmented];

    fn shape(self) -> Shape {
        match self {
            Old::Contiguous | Old::HeldContiguous => Shape::Whole,
            _ => Shape::Combed,
        }
    }

    fn is_held(self) -> bool {
        matches!(self, Old::HeldContiguous | Old::HeldFragmented)
    }
}

/// How full the disk is, or how far used the quota: any number of blocks below a bound, each as often as the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    LastTenth,
    LastHundredth,
    /// The last few blocks, where clones come half-way: less is left than what the clone itself adds, at most.
    LastBlocks,
}

impl Level {
    const ALL: [Level; 3] = [Level::LastTenth, Level::LastHundredth, Level::LastBlocks];

    /// The same for every destination, so that no kind of them has it easier.
    fn blocks(self, kind: Kind, extents: u64) -> u64 {
        match (self, kind) {
            (Level::LastTenth, _) => DISK_MIB * MIB / BLOCK / 10,
            (Level::LastHundredth, _) => DISK_MIB * MIB / BLOCK / 100,
            // Every extent is charged, as far as the limited subvolume did not have it.
            (Level::LastBlocks, Kind::BtrfsQuota) => extents * 5 / 4,
            // An extent takes up to 24 bytes of trees, on btrfs more; and a few blocks are needed at each step.
            (Level::LastBlocks, Kind::BtrfsMixed) => 8 + extents * 60 / BLOCK,
            (Level::LastBlocks, _) => 8 + extents * 24 / BLOCK,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::LastTenth => "last tenth",
            Level::LastHundredth => "last hundredth",
            Level::LastBlocks => "last blocks",
        })
    }
}

/// One case, which follows from its seed.
#[derive(Debug, Clone, Copy)]
struct Case {
    seed: u64,
    kind: Kind,
    old: Old,
    /// Of the source, if it is combed; else so many blocks of each second one.
    extents: u64,
    source: Shape,
    /// The destination's size.
    old_size: u64,
    level: Level,
    /// What is left of the disk, or of the quota.
    free: u64,
}

impl Case {
    fn of(seed: u64, kind: Kind) -> Case {
        let mut random = crate::random(seed);
        let extents = random.one_of(&EXTENTS);
        let old = random.one_of(&Old::ALL);
        // The source's size is a whole number of blocks; the destination's need not be.
        let whole = extents * 2 * BLOCK;
        let old_size = match (old, random.below(4)) {
            (Old::Fresh, _) => 0,
            (_, 0) => whole / 2 + 1000,
            (_, 1) => whole + whole / 4 + 1000,
            _ => whole,
        };
        let level = random.one_of(&Level::ALL);
        let free = random.below(level.blocks(kind, extents)) * BLOCK;
        // One extent over many is taken apart too.
        let source = random.one_of(&[Shape::Combed, Shape::Combed, Shape::Combed, Shape::Whole]);
        Case { seed, kind, old, extents, source, old_size, level, free }
    }
}

const MIB: u64 = 1 << 20;
/// XFS wants 300.
const DISK_MIB: u64 = 320;

const EXTENTS: [u64; 3] = [1500, 3000, 6000];

#[derive(Default)]
struct Counts {
    cases: u64,
    bare_whole: u64,
    bare_prefix: u64,
    bare_untouched: u64,
    ours_whole: u64,
    /// Where the bare one succeeded too.
    both_whole: u64,
    /// Of the other ones where it did, with `undo = best`.
    best_whole: u64,
    untouched: u64,
    restored: u64,
    changed: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cases; bare ioctl: {} whole, {} prefix left, {} untouched; xtent: {} whole ({} of the bare ones, and \
             {} more with undo = best), {} untouched, {} restored, {} changed",
            self.cases,
            self.bare_whole,
            self.bare_prefix,
            self.bare_untouched,
            self.ours_whole,
            self.both_whole,
            self.best_whole,
            self.untouched,
            self.restored,
            self.changed
        )
    }
}

/// A small filesystem with a source for each number of extents.
struct Disk {
    /// Before the image, which nobody can unmount as long as they are open.
    sources: BTreeMap<(u64, Shape), Source>,
    image: Image,
}

type Source = (File, Vec<u8>);

impl Disk {
    fn make(kind: Kind, workshop: &Path) -> Result<Disk> {
        let image = Image::make(kind, workshop, kind.name(), DISK_MIB)?;
        let mut sources = BTreeMap::new();
        for (extents, shape) in EXTENTS.into_iter().flat_map(|n| [(n, Shape::Combed), (n, Shape::Whole)]) {
            let bytes = files::bytes(1, shape, extents * 2 * BLOCK);
            // Beside the subvolume with the limit, which is charged for what it did not have.
            let file = files::make(&image.root().join(format!("src-{extents}-{shape:?}")), shape, &bytes)?;
            sources.insert((extents, shape), (file, bytes));
        }
        Ok(Disk { image, sources })
    }
}

pub(crate) fn storm(arguments: &Arguments, eater: Eater) -> Outcome {
    let workshop = workshop()?;
    let mut verdict = Verdict::default();
    let cases = arguments.cases.unwrap_or(100);
    let mut prefixes = 0;
    // On XFS: what the bare ioctl made, and what xtent made of that.
    let mut made = Level::ALL.map(|_| (0, 0));
    for kind in Kind::ALL.into_iter().filter(|kind| arguments.wants(kind.name())) {
        let disk = Disk::make(kind, workshop.path())?;
        let mut counts = Level::ALL.map(|_| Counts::default());
        for number in 0..cases {
            let case = Case::of(arguments.seed * 1_000_000 + number, kind);
            one(&disk, &case, eater, &mut counts[case.level as usize], &mut verdict)
                .map_err(|error| format!("seed {}, {case:?}: {error}", case.seed))?;
        }
        for ((level, counts), (bare, both)) in Level::ALL.iter().zip(&counts).zip(&mut made) {
            println!("{:<13} {level}: {counts}", kind.name());
            prefixes += counts.bare_prefix;
            if kind.is_xfs() && eater == Eater::Absent {
                verdict.must(counts.changed == 0, || {
                    format!("{}: {} destinations stayed changed", kind.name(), counts.changed)
                });
            }
            if kind.is_xfs() {
                *bare += counts.bare_whole;
                *both += counts.both_whole;
            }
        }
    }
    println!("the bare ioctl left {prefixes} prefixes");
    verdict.void_unless(prefixes >= 50, || format!("only {prefixes} prefixes in the control"));
    for (level, (bare, both)) in Level::ALL.iter().zip(made) {
        println!("XFS, {level}: xtent made {both} of the {bare} clones that the bare ioctl made");
        let enough = both * 100 >= bare * 95 || *level == Level::LastBlocks || eater == Eater::Present;
        verdict.void_unless(enough, || format!("{both} of {bare} succeeded in the {level}"));
    }
    Ok(verdict)
}

/// `least`: how much must be free for a clone to succeed, by halving: the price of a way back on a full disk.
pub(crate) fn least(arguments: &Arguments) -> Outcome {
    let workshop = workshop()?;
    let mut verdict = Verdict::default();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.is_xfs() && arguments.wants(kind.name())) {
        let disk = Disk::make(kind, workshop.path())?;
        for extents in EXTENTS {
            for old in Old::ALL {
                let old_size = if old == Old::Fresh { 0 } else { extents * 2 * BLOCK };
                let level = Level::LastBlocks;
                let find = |ours: bool| -> Result<u64> {
                    let (mut low, mut high) = (0, 8 * level.blocks(kind, extents));
                    while low < high {
                        let blocks = (low + high) / 2;
                        let (source, free) = (Shape::Combed, blocks * BLOCK);
                        let case = Case { seed: 0, kind, old, extents, source, old_size, level, free };
                        if succeeds(&disk, &case, ours)? { high = blocks } else { low = blocks + 1 }
                    }
                    Ok(low)
                };
                let (bare, ours) = (find(false)?, find(true)?);
                println!(
                    "{:<13} {extents} extents over {old:?}: bare ioctl {bare}, xtent {ours} blocks",
                    kind.name()
                );
                let most = 16 + extents * 32 / BLOCK;
                verdict.must(ours <= bare + most, || {
                    format!("{ours} blocks for what the ioctl does with {bare}")
                });
            }
        }
    }
    Ok(verdict)
}

fn succeeds(disk: &Disk, case: &Case, ours: bool) -> Result<bool> {
    let (src, new) = &disk.sources[&(case.extents, case.source)];
    let old = files::bytes(2, case.old.shape(), case.old_size);
    staged(&disk.image, case, &old, Eater::Absent, |dst| {
        Ok(if ours {
            clone_range(src.as_fd(), 0, dst.as_fd(), 0, new.len() as u64, CloneOptions::new()).is_ok()
        } else {
            kernel::bare_clone(src, dst, 0).is_ok()
        })
    })
}

/// The case with the bare ioctl and with xtent. Where these do not end alike, also what its other choices make of it.
fn one(disk: &Disk, case: &Case, eater: Eater, counts: &mut Counts, verdict: &mut Verdict) -> Result<()> {
    let (src, new) = &disk.sources[&(case.extents, case.source)];
    let old = files::bytes(2, case.old.shape(), case.old_size);
    let both = files::overlaid(&old, new);
    let mut ours = |undo| {
        staged(&disk.image, case, &old, eater, |dst| {
            let look = Look::at(dst)?;
            let options = CloneOptions::new().undo(undo);
            let done = clone_range(src.as_fd(), 0, dst.as_fd(), 0, new.len() as u64, options);
            let now = files::read(dst)?;
            let Err(error) = done else {
                verdict.must(now == both, || format!("called whole and is not: {undo:?} {case:?}"));
                return Ok(None);
            };
            let word = error.report.destination.ok_or("an error without a word")?;
            let mut is_true = truly(word, &old, &now);
            if !matches!(word, Destination::Changed { .. }) {
                is_true &= Look::at(dst)? == look;
            }
            verdict.must(is_true, || format!("{word:?} is not true: {undo:?} {case:?} {error}"));
            Ok(Some(word))
        })
    };
    counts.cases += 1;
    let found = ours(Undo::Auto)?;
    let bare = staged(&disk.image, case, &old, eater, |dst| {
        let done = kernel::bare_clone(src, dst, 0);
        Ok((done.is_ok(), files::read(dst)?))
    })?;
    match &bare {
        (true, _) => counts.bare_whole += 1,
        (false, now) if *now == old => counts.bare_untouched += 1,
        (false, _) => counts.bare_prefix += 1,
    }
    match found {
        None => {
            counts.ours_whole += 1;
            counts.both_whole += u64::from(bare.0);
        }
        Some(Destination::Untouched) => counts.untouched += 1,
        Some(Destination::Restored) => counts.restored += 1,
        Some(word) => {
            println!("changed: {word:?} {case:?}");
            counts.changed += 1;
        }
    }
    if bare.0 && found.is_some() {
        counts.best_whole += u64::from(ours(Undo::Best)?.is_none());
    }
    if !bare.0 {
        // Of this the word must be true as well.
        ours(Undo::Off)?;
    }
    verdict.must(!bare.0 || bare.1 == both, || format!("the control lied: {case:?}"));
    Ok(())
}

/// Whether a destination that was `old` and is `now` is what the report says.
fn truly(word: Destination, old: &[u8], now: &[u8]) -> bool {
    let Destination::Changed { from, to } = word else { return old == now };
    let same = |range: std::ops::Range<usize>| old.get(range.clone()) == now.get(range);
    let (from, to, shorter) = (from as usize, to as usize, old.len().min(now.len()));
    old != now && same(0..from) && (to >= shorter || same(to..shorter))
}

/// Sets the case, does something with its destination, and clears it away.
fn staged<T>(
    image: &Image,
    case: &Case,
    old: &[u8],
    eater: Eater,
    act: impl FnOnce(&File) -> Result<T>,
) -> Result<T> {
    let dir = image.dir.join("case");
    fs::create_dir(&dir)?;
    let dst = files::make(&dir.join("dst"), case.old.shape(), old)?;
    if case.old.is_held() {
        let holder = File::create(dir.join("holder"))?;
        kernel::bare_clone(&dst, &holder, 0)?;
    }
    kernel::sync_filesystem(&dst)?;
    if case.kind == Kind::BtrfsQuota {
        image.limit(Some(case.free))?;
    } else {
        fill(&dir.join("filler"), case.free)?;
    }
    let result = match eater {
        Eater::Absent => act(&dst),
        Eater::Present => eaten(&dir.join("eater"), || act(&dst)),
    };
    if case.kind == Kind::BtrfsQuota {
        image.limit(None)?;
    }
    drop(dst);
    fs::remove_dir_all(&dir)?;
    // What was freed can be used again, on XFS after its background work, on btrfs after a transaction.
    let root = File::open(&image.dir)?;
    for _ in 0..2 {
        kernel::sync_filesystem(&root)?;
    }
    result
}

/// Takes all space but `free` bytes.
fn fill(path: &Path, free: u64) -> Result<()> {
    let filler = File::create(path)?;
    let mut end = 0;
    for step in [16 << 20, 1 << 20, 64 << 10, BLOCK] {
        while kernel::allocate(&filler, end, step).is_ok() {
            end += step;
        }
    }
    kernel::sync_filesystem(&filler)?;
    filler.set_len(end.saturating_sub(free))?;
    kernel::sync_filesystem(&filler)?;
    Ok(())
}

/// While `act` runs, another thread takes what becomes free, and when it is done gives it back.
fn eaten<T>(path: &Path, act: impl FnOnce() -> T) -> T {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let Ok(file) = File::create(path) else { return };
            let mut end = 0;
            while !over.load(Ordering::Relaxed) {
                match kernel::allocate(&file, end, BLOCK) {
                    Ok(()) => end += BLOCK,
                    Err(_) => std::thread::yield_now(),
                }
            }
        });
        let result = act();
        over.store(true, Ordering::Relaxed);
        result
    })
}
