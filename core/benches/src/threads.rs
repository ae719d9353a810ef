//! Many files in many threads of one Python program: the verbs give the interpreter's lock away.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use xtent_tests::{pattern, write_file};

use crate::arguments::Arguments;
use crate::copy::settle;
use crate::scenario::{Contender, Entry, Scenario, Spent};

const FILES: usize = 32;
const BLOCK: usize = 4096;

pub(crate) fn entries() -> Vec<Entry> {
    [("copy", "xfs"), ("copy", "ext4"), ("copy", "btrfs"), ("clone", "xfs"), ("clone", "btrfs")]
        .into_iter()
        .chain([("dedupe", "xfs"), ("dedupe", "btrfs")])
        .map(|(verb, on)| threads(verb, on))
        .collect()
}

#[derive(Clone)]
struct Job {
    dir: PathBuf,
    verb: &'static str,
}

impl Job {
    fn new(arguments: &Arguments, dir: &Path, verb: &'static str) -> Job {
        let job = Job { dir: dir.into(), verb };
        for i in 0..FILES {
            let src = job.path(i, "src");
            let bytes = pattern(i as u64 + 1, arguments.bytes as usize / FILES);
            match verb {
                // Every other block a hole: what a clone costs is the number of extents.
                "clone" => {
                    let file = fs::File::create(&src).expect("a new file");
                    for at in (0..bytes.len()).step_by(2 * BLOCK) {
                        file.write_all_at(&bytes[at..at + BLOCK], at as u64).expect("room");
                    }
                }
                _ => drop(write_file(&src, &bytes).expect("room")),
            }
        }
        job
    }

    fn path(&self, i: usize, end: &str) -> PathBuf {
        self.dir.join(format!("{i}.{end}"))
    }

    fn prepare(&self) {
        for i in 0..FILES {
            let dst = self.path(i, "dst");
            fs::remove_file(&dst).ok();
            if self.verb == "dedupe" {
                let bytes = fs::read(self.path(i, "src")).expect("the source");
                write_file(&dst, &bytes).expect("room");
            }
        }
        settle(&self.dir);
        // Both sides in the page cache.
        for i in (0..FILES).filter(|_| self.verb != "clone") {
            fs::read(self.path(i, "src")).expect("the source");
        }
    }

    fn check(&self) -> Result<(), String> {
        let differs = |i: &usize| fs::read(self.path(*i, "src")).ok() != fs::read(self.path(*i, "dst")).ok();
        (0..FILES).find(differs).map_or(Ok(()), |i| Err(format!("file {i} differs")))
    }

    fn contender(&self, threads: usize) -> Contender {
        let (job, prepared, checked) = (self.clone(), self.clone(), self.clone());
        let name = if threads == 1 { "xtent, 1 thread".into() } else { format!("xtent, {threads} threads") };
        Contender::new(name, move || job.run(threads))
            .prepare(move || prepared.prepare())
            .check(move || checked.check())
    }

    /// Without the start of Python, which takes as long.
    fn run(&self, threads: usize) -> Spent {
        let python = std::env::var_os("XTENT_PYTHON").expect("XTENT_PYTHON, which core/benches/run sets");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../python/tests/threads.py");
        let mut command = Command::new(python);
        command.arg(script).arg(self.verb).arg(&self.dir).arg(threads.to_string());
        let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&done.stdout);
        let times: Vec<f64> = said.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [wall, cpu] = times[..] else {
            panic!("{command:?}: {said}{}", String::from_utf8_lossy(&done.stderr));
        };
        Spent { wall: Duration::from_secs_f64(wall), cpu: Duration::from_secs_f64(cpu) }
    }
}

fn threads(verb: &'static str, on: &'static str) -> Entry {
    Entry::new(format!("threads {verb} {on}"), &[on], move |arguments: &Arguments, dirs| {
        let job = Job::new(arguments, dirs[0], verb);
        let one = Contender { target: Some(1.0), ..job.contender(1) };
        let how = if verb == "clone" { ", every other block a hole" } else { " in the page cache" };
        Scenario {
            about: format!(
                "{FILES} files of {} MiB{how}, by one Python program",
                (arguments.bytes >> 20) / FILES as u64
            ),
            rounds: 15,
            contenders: vec![job.contender(8), one],
        }
    })
}
