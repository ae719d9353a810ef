//! Whole directories of small files.

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
    ["xfs", "btrfs"].into_iter().flat_map(|fs| VERBS.iter().map(move |verb| small(fs, verb))).collect()
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
}

impl Job {
    fn new(dir: &Path) -> Job {
        let job = Job { src: dir.join("src"), dst: dir.join("dst") };
        let bytes = pattern(1, 16 << 10);
        for i in 0..FILES {
            let directory = job.src.join(format!("{}/{}", i / 5000, i / 100));
            if i % 100 == 0 {
                fs::create_dir_all(&directory).expect("a directory");
            }
            // Every size between 1 and 16 KiB, in no order.
            let size = (1 << 10) + i * 7919 % (15 << 10);
            fs::write(directory.join(i.to_string()), &bytes[..size]).expect("room");
        }
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
            FILES => Ok(()),
            some => Err(format!("it made {some} of {FILES} files")),
        })
    }
}

fn count(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| if entry.file_type().expect("a type").is_dir() { count(&entry.path()) } else { 1 })
        .sum()
}

fn small(fs: &'static str, verb: &'static Verb) -> Entry {
    Entry::new(format!("tree {} {fs}", verb.name), &[fs], move |_: &Arguments, dirs| {
        let job = Job::new(dirs[0]);
        let mut contenders = vec![
            job.contender("xtent", || program(verb.name)),
            job.contender("xtent, 1 thread", || {
                let mut command = program(verb.name);
                command.arg("--one-thread");
                command
            }),
        ];
        let cp = |how: &'static str| {
            job.contender(&format!("cp -a --reflink={how}"), move || {
                let mut command = Command::new("cp");
                command.arg("-a").arg(format!("--reflink={how}"));
                command
            })
        };
        contenders.push(Contender { target: Some(verb.cp), ..cp("always") });
        if verb.name == "copy_tree" {
            contenders.push(cp("never"));
        }
        if exists("xcp") && verb.name != "clone_tree" {
            let xcp = job.contender("xcp --reflink=never", || {
                let mut command = Command::new("xcp");
                command.args(["-r", "--no-progress", "--reflink=never"]);
                command
            });
            contenders.push(Contender { target: verb.xcp, ..xcp });
        }
        let bound = job.contender("bound: create, with metadata, 1 thread", || program("create-tree"));
        contenders.push(Contender { target: verb.bound, ..bound });
        Scenario {
            about: format!("{FILES} files of 1 to 16 KiB in the page cache, to a new directory"),
            rounds: 9,
            contenders,
        }
    })
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
        let stat = fs::symlink_metadata(&from)?;
        let file = fs::File::options().write(true).create_new(true).mode(0o600).open(&to)?;
        fchown(&file, Some(stat.uid()), Some(stat.gid()))?;
        file.set_permissions(stat.permissions())?;
        file.set_times(fs::FileTimes::new().set_accessed(stat.accessed()?).set_modified(stat.modified()?))?;
    }
    Ok(())
}
