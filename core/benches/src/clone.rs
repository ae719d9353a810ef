//! Cloning, against the kernel's bare ioctl: what it costs that the whole range comes or nothing.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xtent::{CloneOptions, clone_range};
use xtent_tests::{pattern, write_file};

use crate::arguments::Arguments;
use crate::scenario::{Contender, Entry, Scenario, Spent};
use crate::sys;

/// So many clones in a run: one takes microseconds.
const CLONES: usize = 100;

pub(crate) fn entries() -> Vec<Entry> {
    let mut entries = Vec::new();
    for on in ["xfs", "btrfs"] {
        entries.push(fresh(on));
    }
    for on in ["xfs", "xfs-exchange", "btrfs"] {
        entries.push(over(on, Old::Small));
        entries.push(over(on, Old::Same));
    }
    entries
}

/// 1.05 of the ioctl and 1 µs, where the destination is new.
fn fresh(on: &'static str) -> Entry {
    Entry::new(format!("clone fresh {on}"), &[on], |arguments, dirs| {
        let job = Job::new(arguments, dirs[0]);
        let mut bare = job.contender("bare ioctl, and 1/1.05 µs", Old::None, ioctl);
        let mut run = bare.run;
        bare.run = Box::new(move || {
            let spent = run();
            Spent { wall: spent.wall + Duration::from_nanos((CLONES * 1000 * 100 / 105) as u64), ..spent }
        });
        bare.target = Some(1.05);
        let plain = job.contender("bare ioctl", Old::None, ioctl);
        Scenario {
            about: format!("{CLONES} clones of {} MiB in few extents, each onto a new file", job.mib()),
            rounds: 31,
            contenders: vec![job.xtent(Old::None), bare, plain],
        }
    })
}

/// The price of keeping the old bytes until the clone is whole: by an exchange where the filesystem has it, else by
/// an undo.
fn over(on: &'static str, old: Old) -> Entry {
    let what = if old == Old::Small { "small" } else { "same size" };
    Entry::new(format!("clone over {what} {on}"), &[on], move |arguments, dirs| {
        let job = Job::new(arguments, dirs[0]);
        let bare = job.contender("bare ioctl", old, ioctl);
        let mib = if old == Old::Small { 1 } else { job.mib() };
        Scenario {
            about: format!(
                "{CLONES} clones of {} MiB in few extents, each over a file of {mib} MiB",
                job.mib()
            ),
            rounds: 31,
            contenders: vec![job.xtent(old), bare],
        }
    })
}

/// What lies in the destinations.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Old {
    None,
    Small,
    /// As large as what is cloned.
    Same,
}

#[derive(Clone)]
struct Job {
    dir: PathBuf,
    len: u64,
}

impl Job {
    /// Eight times what is copied in other tables: 1 GiB unless it is said otherwise.
    fn new(arguments: &Arguments, dir: &Path) -> Job {
        let len = arguments.bytes << 3;
        let piece = pattern(1, 8 << 20);
        let src = File::create(dir.join("src")).expect("a new file");
        src.set_len(len).expect("its size");
        for at in (0..len).step_by(piece.len()) {
            std::os::unix::fs::FileExt::write_all_at(&src, &piece, at).expect("room");
        }
        src.sync_all().expect("a disk");
        write_file(&dir.join("old"), &pattern(2, 1 << 20)).expect("room");
        let job = Job { dir: dir.into(), len };
        // The halves of the source, the other way round: other blocks everywhere, and no more of them.
        let same = File::create(dir.join("same")).expect("a new file");
        let src = job.open("src");
        range(&src, len / 2, &same, 0, len / 2);
        range(&src, 0, &same, len / 2, len / 2);
        job
    }

    fn open(&self, name: &str) -> File {
        File::open(self.dir.join(name)).expect("made before")
    }

    fn mib(&self) -> u64 {
        self.len >> 20
    }

    fn xtent(&self, old: Old) -> Contender {
        self.contender("xtent", old, |src, dst, len| {
            let done = clone_range(src.as_fd(), 0, dst.as_fd(), 0, len, CloneOptions::new());
            done.unwrap_or_else(|error| panic!("{error}"));
        })
    }

    /// In this process: starting one takes much longer than a clone.
    fn contender(&self, name: &str, old: Old, clone: impl Fn(&File, &File, u64) + 'static) -> Contender {
        let files = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let (job, made) = (self.clone(), files.clone());
        let src = self.open("src");
        let len = self.len;
        Contender::new(name, move || {
            let begin = Instant::now();
            for dst in files.borrow().iter() {
                clone(&src, dst, len);
            }
            let wall = begin.elapsed();
            Spent { wall, cpu: wall }
        })
        .prepare(move || *made.borrow_mut() = job.destinations(old))
    }

    fn destinations(&self, old: Old) -> Vec<File> {
        (0..CLONES)
            .map(|number| {
                let path = self.dir.join(format!("dst-{number}"));
                std::fs::remove_file(&path).ok();
                let dst =
                    File::options().read(true).write(true).create_new(true).open(&path).expect("a new file");
                match old {
                    Old::None => {}
                    Old::Small => ioctl(&self.open("old"), &dst, 0),
                    Old::Same => ioctl(&self.open("same"), &dst, 0),
                }
                dst
            })
            .collect()
    }
}

fn ioctl(src: &File, dst: &File, len: u64) {
    range(src, 0, dst, 0, len);
}

fn range(src: &File, src_offset: u64, dst: &File, dest_offset: u64, src_length: u64) {
    sys::clone_range(src, src_offset, dst, dest_offset, src_length).expect("FICLONERANGE");
}
