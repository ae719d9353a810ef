//! Copying: in the page cache and not, with holes, within and across filesystems.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtent_tests::{allocated, cool, pattern, resident_bytes, write_file};

use crate::arguments::Arguments;
use crate::process::{exists, program};
use crate::scenario::{Contender, Entry, Scenario};
use crate::sys;

pub(crate) fn entries() -> Vec<Entry> {
    vec![
        hot("ext4", &["ext4"], Targets { cp: Some(0.65), dd: Some(1.0), write: Some(1.2) }),
        hot("xfs", &["xfs"], Targets { cp: Some(0.72), dd: None, write: Some(1.9) }),
        hot("xfs to ext4", &["xfs", "ext4"], Targets { cp: Some(0.65), dd: Some(1.0), write: Some(1.2) }),
        hot("btrfs", &["btrfs"], Targets::default()),
        hot("tmpfs", &["tmpfs"], Targets::default()),
        cold("xfs", Some(0.75), Some(1.2)),
        cold("btrfs", Some(0.75), None),
        cold("ext4", None, None),
        neutral("ext4"),
        neutral("xfs"),
        neutral("btrfs"),
        sparse("ext4"),
        sparse("xfs"),
    ]
}

/// What xtent's time must be at most, as a part of theirs.
#[derive(Default, Clone, Copy)]
struct Targets {
    cp: Option<f64>,
    dd: Option<f64>,
    write: Option<f64>,
}

/// A source and a destination, which each run makes anew.
#[derive(Clone)]
struct Job {
    src: PathBuf,
    dst: PathBuf,
    bytes: u64,
}

impl Job {
    /// The source has `bytes` of data; the first directory is its, the last the destination's.
    fn new(dirs: &[&Path], bytes: u64) -> Job {
        let src = dirs[0].join("src");
        write_file(&src, &pattern(1, bytes as usize))
            .unwrap_or_else(|error| panic!("{}: {error}", src.display()));
        Job { src, dst: dirs[dirs.len() - 1].join("dst"), bytes }
    }

    /// A program that is given both names.
    fn copies(&self, name: &str, command: impl Fn() -> Command + 'static) -> Contender {
        let (job, checked) = (self.clone(), self.clone());
        Contender::process(name, move || {
            let mut command = command();
            command.arg(&job.src).arg(&job.dst);
            command
        })
        .prepare({
            let job = self.clone();
            move || job.clear()
        })
        .check(move || {
            let copied = checked.is_copied().expect("both can be read");
            if copied { Ok(()) } else { Err("its copy differs".into()) }
        })
    }

    fn xtent(&self) -> Contender {
        self.copies("xtent", || program("copy"))
    }

    /// The whole job of cp, which the others do too.
    fn xtent_file(&self) -> Contender {
        self.copies("xtent copy_file", || program("copy-file"))
    }

    fn cp(&self) -> Contender {
        self.copies("cp --reflink=never", || tool("cp", &["--reflink=never"]))
    }

    fn dd(&self) -> Contender {
        let job = self.clone();
        let prepared = self.clone();
        Contender::process("dd bs=1M", move || {
            let name = |key: &str, path: &Path| format!("{key}={}", path.display());
            tool("dd", &["bs=1M", "status=none", &name("if", &job.src), &name("of", &job.dst)])
        })
        .prepare(move || prepared.clear())
    }

    fn python(&self) -> Contender {
        let python = interpreter();
        let script = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])";
        self.copies("Python shutil.copyfile", move || tool(&python, &["-IS", "-c", script]))
    }

    /// Not where it shares blocks instead: that is another job.
    fn std_copy(&self) -> Contender {
        self.copies("Rust std::fs::copy", || program("std-copy"))
    }

    fn write(&self) -> Contender {
        self.writes("bound: write only, 1 MiB at a time", "write")
    }

    /// A bound of the destination alone.
    fn writes(&self, name: &str, program_name: &'static str) -> Contender {
        let (job, prepared) = (self.clone(), self.clone());
        Contender::process(name, move || {
            let mut command = program(program_name);
            command.arg(job.bytes.to_string()).arg(&job.dst);
            command
        })
        .prepare(move || prepared.clear())
    }

    /// No destination, and nothing that waits to be written back: no run pays for another's.
    fn clear(&self) {
        std::fs::remove_file(&self.dst).ok();
        settle(self.dst.parent().expect("a directory"));
    }

    fn is_copied(&self) -> io::Result<bool> {
        Ok(std::fs::metadata(&self.dst)?.len() == std::fs::metadata(&self.src)?.len()
            && same_data(&self.src, &self.dst)?)
    }
}

/// Waits until nothing is left to be written back on the filesystem of `dir`.
pub(crate) fn settle(dir: &Path) {
    let dir = File::open(dir).expect("a directory");
    sys::syncfs(&dir).expect("syncfs");
}

/// A file of 10 GiB is mostly holes: only what is data in either is read.
fn same_data(a: &Path, b: &Path) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let (a, b) = (File::open(a)?, File::open(b)?);
    let data = |file: &File, at: u64| sys::seek_data(file, at).unwrap_or(u64::MAX);
    let (mut mine, mut theirs) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut at = 0;
    loop {
        at = data(&a, at).min(data(&b, at));
        if at == u64::MAX {
            return Ok(true);
        }
        let (n, m) = (a.read_at(&mut mine, at)?, b.read_at(&mut theirs, at)?);
        if n == 0 || mine[..n] != theirs[..m] {
            return Ok(false);
        }
        at += n as u64;
    }
}

fn tool(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env("LC_ALL", "C");
    command
}

/// What `python3` runs in the end: it may be a script that looks for one of many, and takes its time.
fn interpreter() -> String {
    let asked =
        tool("python3", &["-c", "import sys; print(sys.executable, end='')"]).output().expect("python3");
    String::from_utf8(asked.stdout).expect("a path")
}

/// Whether `std::fs::copy` moves bytes here, and does not share them.
fn std_moves(dirs: &[&'static str]) -> bool {
    dirs.len() > 1 || !matches!(dirs[0], "xfs" | "btrfs")
}

/// A peer, if it is there, and if there is a target for it.
fn peer(
    contenders: &mut Vec<Contender>,
    program: &str,
    contender: impl FnOnce() -> Contender,
    target: Option<f64>,
) {
    if exists(program) {
        let contender = contender();
        contenders.push(Contender { target, ..contender });
    }
}

fn hot(name: &str, on: &'static [&'static str], targets: Targets) -> Entry {
    Entry::new(format!("copy hot {name}"), on, move |arguments: &Arguments, dirs| {
        let job = Job::new(dirs, arguments.bytes);
        let mut contenders =
            vec![job.xtent_file(), Contender { name: "xtent copy_range".into(), ..job.xtent() }];
        peer(&mut contenders, "cp", || job.cp(), targets.cp);
        peer(&mut contenders, "dd", || job.dd(), targets.dd);
        if std_moves(on) {
            contenders.push(job.std_copy());
        }
        peer(&mut contenders, "python3", || job.python(), None);
        contenders.push(Contender { target: targets.write, ..job.write() });
        Scenario {
            about: format!("{} MiB in the page cache, to a new file", arguments.bytes >> 20),
            rounds: 21,
            contenders,
        }
    })
}

/// The source is not in the page cache. Its device is: an image in memory.
fn cold(name: &'static str, cp: Option<f64>, direct: Option<f64>) -> Entry {
    Entry::new(format!("copy cold {name}"), &[name], move |arguments: &Arguments, dirs| {
        let job = Job::new(dirs, arguments.bytes);
        let cool = |contender: Contender| {
            let (job, mut prepare) = (job.clone(), contender.prepare);
            let prepare = Box::new(move || {
                prepare();
                drop_from_cache(&job.src);
            });
            Contender { prepare, ..contender }
        };
        let read = |name: &str, program_name: &'static str| {
            let src = job.src.clone();
            Contender::process(name, move || {
                let mut command = program(program_name);
                command.arg(&src);
                command
            })
        };
        let mut contenders = vec![cool(job.xtent())];
        peer(&mut contenders, "cp", || cool(job.cp()), cp);
        peer(&mut contenders, "dd", || cool(job.dd()), None);
        contenders.push(cool(job.write()));
        contenders.push(cool(read("bound: read only, 1 MiB at a time", "read")));
        let direct = Contender { target: direct, ..cool(read("bound: read only, O_DIRECT", "read-direct")) };
        contenders.push(direct);
        Scenario {
            about: format!("{} MiB that are not in the page cache, to a new file", arguments.bytes >> 20),
            rounds: 21,
            contenders,
        }
    })
}

/// What is left in the page cache of either file, and what that costs: both are cold before.
fn neutral(name: &'static str) -> Entry {
    Entry::new(format!("copy neutral {name}"), &[name], move |arguments: &Arguments, dirs| {
        let job = Job::new(dirs, arguments.bytes);
        let looked_at = |name: &str, program_name: &'static str, at_most, target| {
            let contender = job.copies(name, move || program(program_name));
            let (cooled, left, mut prepare) = (job.clone(), job.clone(), contender.prepare);
            let prepare = Box::new(move || {
                prepare();
                drop_from_cache(&cooled.src);
            });
            let look = move || {
                let resident = |path| resident_bytes(&File::open(path).expect("a file")).expect("mincore");
                resident(&left.src).max(resident(&left.dst)) as f64 / f64::from(1 << 20)
            };
            Contender { prepare, target, ..contender }.quantity(
                "MiB of a file left in the page cache",
                at_most,
                look,
            )
        };
        Scenario {
            about: format!("{} MiB that are not in the page cache, to a new file", arguments.bytes >> 20),
            rounds: 15,
            contenders: vec![
                looked_at("xtent, cache = neutral", "copy-neutral", Some(8.0), None),
                looked_at("xtent, cache = keep", "copy", None, Some(2.0)),
                // A page that is dirty cannot go: each has to be written back.
                job.writes("bound: write only, and fdatasync", "write-synced"),
            ],
        }
    })
}

fn drop_from_cache(path: &Path) {
    cool(&File::open(path).expect("the source is there"));
}

const ISLAND: u64 = 64 << 10;

/// 80 times as long as what is copied elsewhere, 10 GiB, with data in one place of a hundred.
fn sparse(name: &'static str) -> Entry {
    Entry::new(format!("copy sparse {name}"), &[name], move |arguments: &Arguments, dirs| {
        use std::os::unix::fs::FileExt;
        let job = Job { src: dirs[0].join("src"), dst: dirs[0].join("dst"), bytes: arguments.bytes * 80 };
        let src = File::create(&job.src).expect("a new file");
        src.set_len(job.bytes).expect("a sparse file");
        for at in (0..job.bytes).step_by(ISLAND as usize * 100) {
            src.write_all_at(&pattern(at, ISLAND as usize), at).expect("room");
        }
        src.sync_all().expect("room");
        let blocks = |contender: Contender, at_most| {
            let dst = job.dst.clone();
            contender.quantity("MiB allocated", at_most, move || {
                allocated(&dst).expect("a destination") as f64 / f64::from(1 << 20)
            })
        };
        let source = allocated(&job.src).expect("a source") as f64 / f64::from(1 << 20);
        let mut contenders = vec![blocks(job.xtent(), Some(source))];
        peer(&mut contenders, "cp", || blocks(job.cp(), None), Some(0.8));
        Scenario {
            about: format!(
                "{} MiB with data in 1 of 100, islands of 64 KiB, in the page cache",
                job.bytes >> 20
            ),
            rounds: 21,
            contenders,
        }
    })
}
