//! What each call costs on each filesystem, in one table: a feeling for what is cheap, no comparison.

use std::fs::{self, File};
use std::hint::black_box;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use xtent::{
    CloneOptions, CopyOptions, DedupeOptions, DedupeStatus, DedupeTarget, FileOptions, StageOptions, TO_END,
    TreeOptions,
};
use xtent_tests::{fs as filesystem, pattern, scratch, write_file};

use crate::copy::settle;
use crate::statistics::median;

const BLOCK: usize = 4096;
const LARGE: usize = 16 << 20;
/// What is measured is the median.
const ROUNDS: usize = 25;

const ON: [&str; 4] = ["xfs", "btrfs", "ext4", "tmpfs"];

/// Markdown, with microseconds.
pub(crate) fn table() -> String {
    let places: Vec<_> =
        ON.iter().filter_map(|name| filesystem(name)).map(|fs| (fs.name.clone(), scratch(fs))).collect();
    let mut text = String::from("### calls\n\n");
    text +=
        &format!("µs, the median of {ROUNDS}; files are in the page cache. A dash: refused there.\n\n| |");
    for (name, _) in &places {
        text += &format!(" {name} |");
    }
    text += &format!("\n|---|{}\n", "---|".repeat(places.len()));
    for (name, call) in CALLS {
        text += &format!("| {name} |");
        for (_, dir) in &places {
            let own = dir.path().join("call");
            fs::create_dir(&own).expect("a directory");
            let median =
                (0..ROUNDS).map(|round| call(&Place { dir: own.clone(), round })).collect::<Option<Vec<_>>>();
            text += &median.map_or(" – |".into(), |times| format!(" {} |", short(self::median(&times))));
            fs::remove_dir_all(&own).expect("removed");
        }
        text.push('\n');
    }
    text
}

fn short(us: f64) -> String {
    if us < 10.0 { format!("{us:.1}") } else { format!("{us:.0}") }
}

/// A round: what it makes beyond the source has names of its own.
struct Place {
    dir: PathBuf,
    round: usize,
}

/// The microseconds that one call took; none where it is refused.
type Call = fn(&Place) -> Option<f64>;

const CALLS: &[(&str, Call)] = &[
    ("`xtent_probe`", |place| {
        let (src, dst) = (place.source(BLOCK), place.destination());
        timed(|| xtent::probe(src.as_fd(), dst.as_fd()).ok())
    }),
    ("`xtent_copy_range`, 4 KiB to a new file", |place| place.copy(BLOCK)),
    ("`xtent_copy_range`, 16 MiB to a new file", |place| place.copy(LARGE)),
    ("`xtent_clone_range`, 16 MiB to a new file", |place| place.clone_onto(&place.source(LARGE), 0)),
    ("`xtent_clone_range`, 16 MiB over 16 MiB", |place| place.clone_onto(&place.source(LARGE), LARGE)),
    ("`xtent_clone_range`, 10,000 extents to a new file", |place| place.clone_onto(&place.fragmented(), 0)),
    ("`xtent_dedupe_range`, 16 MiB", |place| place.dedupe(false)),
    ("`xtent_dedupe_range`, 16 MiB, shared already", |place| place.dedupe(true)),
    ("`xtent_extents`, 10,000 of them", |place| {
        let src = place.fragmented();
        timed(|| xtent::extents(src.as_fd(), 0, TO_END).ok())
    }),
    ("`xtent_copy_file`, 4 KiB", |place| place.copy_file(FileOptions::new())),
    ("`xtent_copy_file`, 4 KiB, durable", |place| place.copy_file(FileOptions::new().durable(true))),
    ("`xtent_clone_file`, 16 MiB", |place| {
        place.source(LARGE);
        timed(|| xtent::clone_file(&place.path("src"), &place.new_path(), FileOptions::new()).ok())
    }),
    ("`xtent_stage_open` and `xtent_stage_publish`", |place| {
        let dst = place.new_path();
        timed(|| xtent::stage_open(&dst, StageOptions::new()).ok()?.publish().ok())
    }),
    ("`xtent_copy_tree`, 100 files of 4 KiB", |place| {
        place.tree();
        timed(|| xtent::copy_tree(&place.path("src"), &place.new_path(), TreeOptions::new()).ok())
    }),
    ("`xtent_clone_tree`, 100 files of 4 KiB", |place| {
        place.tree();
        timed(|| xtent::clone_tree(&place.path("src"), &place.new_path(), TreeOptions::new()).ok())
    }),
];

fn timed<T>(call: impl FnOnce() -> Option<T>) -> Option<f64> {
    let begin = Instant::now();
    let done = call();
    let spent = begin.elapsed();
    black_box(done).map(|_| spent.as_secs_f64() * 1e6)
}

impl Place {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    fn new_path(&self) -> PathBuf {
        self.path(&format!("dst-{}", self.round))
    }

    fn destination(&self) -> File {
        File::options().read(true).write(true).create_new(true).open(self.new_path()).expect("a new file")
    }

    /// The same in each round, written back.
    fn made(&self, make: impl FnOnce(&Path)) -> File {
        let path = self.path("src");
        if self.round == 0 {
            make(&path);
        }
        settle(&self.dir);
        File::open(path).expect("the source")
    }

    fn source(&self, len: usize) -> File {
        self.made(|path| drop(write_file(path, &pattern(1, len)).expect("room")))
    }

    /// Every other block a hole.
    fn fragmented(&self) -> File {
        self.made(|path| {
            let file = File::create(path).expect("a new file");
            let bytes = pattern(1, BLOCK);
            for i in 0..10_000 {
                file.write_all_at(&bytes, 2 * i * BLOCK as u64).expect("room");
            }
        })
    }

    fn tree(&self) -> File {
        self.made(|path| {
            fs::create_dir(path).expect("a directory");
            for i in 0..100 {
                write_file(&path.join(i.to_string()), &pattern(i, BLOCK)).expect("room");
            }
        })
    }

    fn copy(&self, len: usize) -> Option<f64> {
        let (src, dst) = (self.source(len), self.destination());
        timed(|| xtent::copy_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CopyOptions::new()).ok())
    }

    fn clone_onto(&self, src: &File, old: usize) -> Option<f64> {
        let dst = self.destination();
        dst.write_all_at(&pattern(2, old), 0).expect("room");
        dst.sync_all().expect("a disk");
        timed(|| xtent::clone_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, CloneOptions::new()).ok())
    }

    fn dedupe(&self, again: bool) -> Option<f64> {
        let (src, dst) = (self.source(LARGE), self.destination());
        dst.write_all_at(&pattern(1, LARGE), 0).expect("room");
        dst.sync_all().expect("a disk");
        let target = DedupeTarget { fd: dst.as_fd(), offset: 0 };
        let dedupe = || {
            let results =
                xtent::dedupe_range(src.as_fd(), 0, TO_END, &[target], DedupeOptions::new()).ok()?;
            (results[0].status == DedupeStatus::Same).then_some(())
        };
        if again {
            dedupe()?;
        }
        timed(dedupe)
    }

    fn copy_file(&self, options: FileOptions<'_>) -> Option<f64> {
        self.source(BLOCK);
        timed(|| xtent::copy_file(&self.path("src"), &self.new_path(), options).ok())
    }
}
