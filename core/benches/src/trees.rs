//! Whole directories: of small files, of a real program, and of a million files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtent_tests::pattern;

use crate::arguments::Arguments;
use crate::process::{exists, program};
use crate::scenario::{Contender, Entry, Scenario};

/// So many, in directories of 100, of 1 to 16 KiB.
const FILES: usize = 25_000;

pub(crate) fn entries() -> Vec<Entry> {
    let on = |fs| {
        VERBS.iter().map(move |verb| small(fs, verb)).chain(VERBS.iter().map(move |verb| real(fs, verb)))
    };
    let sized = ["xfs", "btrfs"].into_iter().flat_map(|fs| [1, 4, 16].map(|kib| sized(fs, kib)));
    ["xfs", "btrfs"].into_iter().flat_map(on).chain(sized).chain([million()]).collect()
}

/// A verb, and what its time must be at most, as a part of theirs.
struct Verb {
    name: &'static str,
    cp: f64,
    xcp: Option<f64>,
    bound: Option<f64>,
}

const VERBS: [Verb; 3] = [
    Verb { name: "copy_tree", cp: 0.55, xcp: Some(0.8), bound: Some(0.85) },
    Verb { name: "clone_or_copy_tree", cp: 0.55, xcp: Some(0.8), bound: Some(0.85) },
    Verb { name: "clone_tree", cp: 0.9, xcp: None, bound: None },
];

#[derive(Clone)]
struct Job {
    src: PathBuf,
    dst: PathBuf,
    /// All but directories.
    names: usize,
}

impl Job {
    fn new(dir: &Path, names: usize) -> Job {
        Job { src: dir.join("src"), dst: dir.join("dst"), names }
    }

    /// In directories of 100.
    fn of_files(dir: &Path, files: usize, size: impl Fn(usize) -> usize) -> Job {
        let job = Job::new(dir, files);
        let bytes = pattern(1, 16 << 10);
        for i in 0..files {
            let directory = job.src.join(format!("{}/{}", i / 5000, i / 100));
            if i % 100 == 0 {
                fs::create_dir_all(&directory).expect("a directory");
            }
            fs::write(directory.join(i.to_string()), &bytes[..size(i)]).expect("room");
        }
        job
    }

    fn of_small_files(dir: &Path) -> Job {
        // Every size between 1 and 16 KiB, in no order.
        Job::of_files(dir, FILES, |i| (1 << 10) + i * 7919 % (15 << 10))
    }

    /// The Rust toolchain that built this program.
    fn of_a_toolchain(dir: &Path) -> Job {
        let root = toolchain();
        let job = Job::new(dir, count(Path::new(&root)));
        let copied = Command::new("cp").arg("-a").arg(root).arg(&job.src).status().expect("cp");
        assert!(copied.success(), "cp: {copied}");
        job
    }

    fn contender(&self, name: &str, command: impl Fn() -> Command + 'static) -> Contender {
        let (job, prepared, checked) = (self.clone(), self.clone(), self.clone());
        Contender::process(name, move || {
            let mut command = command();
            command.arg(&job.src).arg(&job.dst);
            command
        })
        .prepare(move || {
            if prepared.dst.exists() {
                fs::remove_dir_all(&prepared.dst).expect("removed");
            }
            crate::copy::settle(&prepared.src);
        })
        .check(move || match count(&checked.dst) {
            some if some == checked.names => Ok(()),
            some => Err(format!("it made {some} of {} names", checked.names)),
        })
    }
}

/// The directory of the Rust toolchain.
pub(crate) fn toolchain() -> String {
    let rustc = Command::new("rustc").args(["--print", "sysroot"]).output().expect("rustc");
    String::from_utf8(rustc.stdout).expect("a path").trim().into()
}

fn count(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| if entry.file_type().expect("a type").is_dir() { count(&entry.path()) } else { 1 })
        .sum()
}

fn small(fs: &'static str, verb: &'static Verb) -> Entry {
    Entry::new(format!("tree {} small {fs}", verb.name), &[fs], move |_: &Arguments, dirs| {
        let job = Job::of_small_files(dirs[0]);
        let mut contenders = contenders(&job, verb);
        contenders[2].target = Some(verb.cp);
        for contender in &mut contenders {
            match contender.name.as_str() {
                "xcp --reflink=never" => contender.target = verb.xcp,
                BOUND => contender.target = verb.bound,
                _ => {}
            }
        }
        Scenario {
            about: format!("{FILES} files of 1 to 16 KiB in the page cache, to a new directory"),
            rounds: 9,
            contenders,
        }
    })
}

fn real(fs: &'static str, verb: &'static Verb) -> Entry {
    Entry::new(format!("tree {} toolchain {fs}", verb.name), &[fs], move |_: &Arguments, dirs| {
        let job = Job::of_a_toolchain(dirs[0]);
        let about = format!("A Rust toolchain of {} files in the page cache, to a new directory", job.names);
        Scenario { about, rounds: 5, contenders: contenders(&job, verb) }
    })
}

/// From which size on a clone is faster than a copy.
fn sized(fs: &'static str, kib: usize) -> Entry {
    const SO_MANY: usize = 5000;
    Entry::new(format!("tree sizes {kib} KiB {fs}"), &[fs], move |_: &Arguments, dirs| {
        let job = Job::of_files(dirs[0], SO_MANY, |_| kib << 10);
        let contenders = ["clone_tree", "copy_tree"].map(|verb| job.contender(verb, || program(verb))).into();
        let about = format!("{SO_MANY} files of {kib} KiB in the page cache, to a new directory");
        Scenario { about, rounds: 9, contenders }
    })
}

const BOUND: &str = "bound: create, with metadata, 1 thread";

/// The third is `cp --reflink=always`.
fn contenders(job: &Job, verb: &'static Verb) -> Vec<Contender> {
    let mut contenders = vec![
        job.contender("xtent", || program(verb.name)),
        job.contender("xtent, 1 thread", || {
            let mut command = program(verb.name);
            command.arg("--one-thread");
            command
        }),
        cp(job, "always"),
    ];
    if verb.name == "copy_tree" {
        contenders.push(cp(job, "never"));
    }
    if exists("xcp") && verb.name != "clone_tree" {
        contenders.push(job.contender("xcp --reflink=never", || {
            let mut command = Command::new("xcp");
            command.args(["-r", "--no-progress", "--reflink=never"]);
            command
        }));
    }
    contenders.push(job.contender(BOUND, || program("create-tree")));
    contenders
}

fn cp(job: &Job, how: &'static str) -> Contender {
    job.contender(&format!("cp -a --reflink={how}"), move || {
        let mut command = Command::new("cp");
        command.arg("-a").arg(format!("--reflink={how}"));
        command
    })
}

/// One in four has contents, so that it fits into memory.
fn million() -> Entry {
    let make = |_: &Arguments, dirs: &[&Path]| {
        let job = Job::of_files(dirs[0], 1_000_000, |i| if i % 4 == 0 { 1 << 10 } else { 0 });
        let contender = |name: &str, command: fn() -> Command| {
            let run = job.clone();
            let with_peak = Contender::process_with_peak(name, move || {
                let mut command = command();
                command.arg(&run.src).arg(&run.dst);
                command
            });
            let Contender { prepare, check, .. } = job.contender(name, command);
            Contender { prepare, check, ..with_peak }
        };
        let contenders = vec![
            contender("copy_tree", || program("copy_tree")),
            contender("cp -a --reflink=never", || {
                let mut command = Command::new("cp");
                command.args(["-a", "--reflink=never"]);
                command
            }),
        ];
        Scenario {
            about: "1000000 files, 250000 of 1 KiB and the others empty, to a new directory".into(),
            rounds: 1,
            contenders,
        }
    };
    Entry::new("tree copy_tree xfs million", &["xfs"], make).only_by_name()
}

/// The bound: every name of the source made with mode, owner and times, and nothing in it.
pub(crate) fn create(src: &Path, dst: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
    fs::create_dir(dst)?;
    for entry in fs::read_dir(src)? {
        let entry = entry?;
        let (from, to) = (entry.path(), dst.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            create(&from, &to)?;
            continue;
        }
        if entry.file_type()?.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&from)?, &to)?;
            continue;
        }
        let stat = fs::symlink_metadata(&from)?;
        let file = fs::File::options().write(true).create_new(true).mode(0o600).open(&to)?;
        fchown(&file, Some(stat.uid()), Some(stat.gid()))?;
        file.set_permissions(stat.permissions())?;
        file.set_times(fs::FileTimes::new().set_accessed(stat.accessed()?).set_modified(stat.modified()?))?;
    }
    Ok(())
}
