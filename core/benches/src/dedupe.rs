//! Dedupe of two files: in the page cache and not, shared already, in many extents, and different in places.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use xtent_tests::{cool, pattern, shared_with, write_file};

use crate::arguments::Arguments;
use crate::process::{exists, program};
use crate::scenario::{Contender, Entry, Scenario};

const BLOCK: usize = 4096;

pub(crate) fn entries() -> Vec<Entry> {
    vec![
        hot("xfs"),
        hot("btrfs"),
        cold("xfs"),
        cold("btrfs"),
        cold_bare("xfs", 0.04),
        cold_bare("btrfs", 0.06),
        again("xfs", 0.02),
        again("btrfs", 0.2),
        extents("btrfs", 0.5),
        blocks("xfs"),
        blocks("btrfs"),
    ]
}

/// Two files, of which the second is made anew where a run shares it.
#[derive(Clone)]
struct Pair {
    a: PathBuf,
    b: PathBuf,
    ours: Rc<Vec<u8>>,
    theirs: Rc<Vec<u8>>,
}

/// What is true of the files when a run begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Apart, and in the page cache.
    Hot,
    /// Apart, and not in the page cache.
    Cold,
    /// Shared, and what that leaves in the page cache: on XFS nothing of the second file.
    Shared,
    /// Shared once and for all, and in the page cache: making them anew takes too long.
    Kept,
}

impl Pair {
    fn new(dir: &Path, ours: Vec<u8>, theirs: Vec<u8>) -> Pair {
        let pair = Pair { a: dir.join("a"), b: dir.join("b"), ours: Rc::new(ours), theirs: Rc::new(theirs) };
        write_file(&pair.a, &pair.ours).expect("room");
        write_file(&pair.b, &pair.theirs).expect("room");
        pair
    }

    /// Twice the size of what is copied elsewhere.
    fn equal(dir: &Path, arguments: &Arguments) -> Pair {
        let bytes = pattern(1, 2 * arguments.bytes as usize);
        Pair::new(dir, bytes.clone(), bytes)
    }

    fn len(&self) -> u64 {
        self.ours.len() as u64
    }

    fn make(&self, before: Before) {
        if before == Before::Kept {
            return;
        }
        std::fs::remove_file(&self.b).ok();
        write_file(&self.b, &self.theirs).expect("room");
        for path in [&self.a, &self.b] {
            match before {
                Before::Cold => drop_from_cache(path),
                _ => drop(std::fs::read(path).expect("a file")),
            }
        }
        if before == Before::Shared {
            assert!(self.ours("dedupe").status().expect("it starts").success(), "it was to be shared");
        }
    }

    fn contender(
        &self,
        name: &str,
        before: Before,
        command: impl Fn(&Pair) -> Command + 'static,
    ) -> Contender {
        let (pair, making) = (self.clone(), self.clone());
        Contender::process(name, move || command(&pair)).prepare(move || making.make(before))
    }

    /// One that has to share everything.
    fn sharing(&self, name: &str, before: Before, command: impl Fn(&Pair) -> Command + 'static) -> Contender {
        let pair = self.clone();
        self.contender(name, before, command).check(move || {
            let shared = shared_with(&pair.a, &pair.b).expect("maps");
            if shared == pair.len() {
                Ok(())
            } else {
                Err(format!("it shared {shared} of {} bytes", pair.len()))
            }
        })
    }

    fn xtent(&self, before: Before) -> Contender {
        self.sharing("xtent", before, |pair| pair.ours("dedupe"))
    }

    fn bare(&self, before: Before) -> Contender {
        self.sharing("bare ioctl, 16 MiB at a time", before, |pair| pair.ours("dedupe-bare"))
    }

    fn read_both(&self, before: Before) -> Contender {
        self.contender("bound: read both once, 1 MiB at a time", before, |pair| pair.ours("read-both"))
    }

    /// Those that are there.
    fn peers(&self, before: Before) -> Vec<Contender> {
        let mut peers = Vec::new();
        if exists("duperemove") {
            peers.push(self.sharing("duperemove -d", before, |pair| {
                let mut command = tool("duperemove", &["-d", "-q", "--dedupe-options=nosame,partial"]);
                command.arg(&pair.a).arg(&pair.b);
                command
            }));
        }
        if exists("jdupes") {
            peers.push(self.sharing("jdupes -B", before, |pair| {
                let mut command = tool("jdupes", &["-B", "-q"]);
                // It takes directories only.
                command.arg(pair.a.parent().expect("a directory"));
                command
            }));
        }
        peers
    }

    /// A program of ours that is given both names.
    fn ours(&self, name: &str) -> Command {
        let mut command = program(name);
        command.arg(&self.a).arg(&self.b);
        command
    }
}

fn tool(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(arguments).env("LC_ALL", "C");
    command
}

fn hot(name: &'static str) -> Entry {
    Entry::new(format!("dedupe hot {name}"), &[name], |arguments: &Arguments, dirs| {
        let pair = Pair::equal(dirs[0], arguments);
        let bare = Contender { target: Some(1.02), ..pair.bare(Before::Hot) };
        let mut contenders = vec![pair.xtent(Before::Hot), bare];
        contenders.extend(pair.peers(Before::Hot));
        contenders.push(pair.read_both(Before::Hot));
        Scenario { about: about(&pair, "equal, in the page cache"), rounds: 9, contenders }
    })
}

fn cold(name: &'static str) -> Entry {
    Entry::new(format!("dedupe cold {name}"), &[name], |arguments: &Arguments, dirs| {
        let pair = Pair::equal(dirs[0], arguments);
        let mut contenders = vec![pair.xtent(Before::Cold)];
        contenders.extend(pair.peers(Before::Cold));
        contenders.push(Contender { target: Some(1.3), ..pair.read_both(Before::Cold) });
        Scenario { about: about(&pair, "equal, not in the page cache"), rounds: 11, contenders }
    })
}

/// For itself: a bare run takes as long as all the others.
fn cold_bare(name: &'static str, target: f64) -> Entry {
    Entry::new(format!("dedupe cold bare {name}"), &[name], move |arguments: &Arguments, dirs| {
        let pair = Pair::equal(dirs[0], arguments);
        let bare = Contender { target: Some(target), ..pair.bare(Before::Cold) };
        // No dedupe can be faster than reading, whatever the target says.
        let contenders = vec![pair.xtent(Before::Cold), bare, pair.read_both(Before::Cold)];
        Scenario { about: about(&pair, "equal, not in the page cache"), rounds: 3, contenders }
    })
}

fn again(name: &'static str, target: f64) -> Entry {
    Entry::new(format!("dedupe again {name}"), &[name], move |arguments: &Arguments, dirs| {
        let pair = Pair::equal(dirs[0], arguments);
        let bare = Contender { target: Some(target), ..pair.bare(Before::Shared) };
        let mut contenders = vec![pair.xtent(Before::Shared), bare];
        contenders.extend(pair.peers(Before::Shared));
        Scenario { about: about(&pair, "shared already"), rounds: 5, contenders }
    })
}

/// One block of data in two.
fn extents(name: &'static str, target: f64) -> Entry {
    const EXTENTS: usize = 40_000;
    Entry::new(format!("dedupe again extents {name}"), &[name], move |_: &Arguments, dirs| {
        let pair = Pair {
            a: dirs[0].join("a"),
            b: dirs[0].join("b"),
            ours: Rc::new(pattern(1, EXTENTS * BLOCK)),
            theirs: Rc::default(),
        };
        for path in [&pair.a, &pair.b] {
            let file = File::create(path).expect("a new file");
            file.set_len(pair.len() * 2).expect("a sparse file");
            for (at, block) in (0u64..).step_by(2 * BLOCK).zip(pair.ours.chunks(BLOCK)) {
                file.write_all_at(block, at).expect("room");
            }
            file.sync_all().expect("room");
        }
        let bare = Contender { target: Some(target), ..pair.bare(Before::Kept) };
        let contenders = vec![pair.xtent(Before::Kept), bare];
        Scenario {
            about: format!("two files with {EXTENTS} extents and as many holes, shared already"),
            rounds: 5,
            contenders,
        }
    })
}

/// Eight times the size of what is copied elsewhere: one block of a hundred is another one.
fn blocks(name: &'static str) -> Entry {
    Entry::new(format!("dedupe blocks {name}"), &[name], |arguments: &Arguments, dirs| {
        let ours = pattern(1, 8 * arguments.bytes as usize);
        let mut theirs = ours.clone();
        let blocks = ours.len() / BLOCK;
        let mut different = vec![false; blocks];
        for word in pattern(2, blocks / 100 * 8).chunks_exact(8) {
            let at = u64::from_le_bytes(word.try_into().expect("eight bytes")) as usize % blocks;
            different[at] = true;
            theirs[at * BLOCK + 100] ^= 1;
        }
        let could = (different.iter().filter(|different| !**different).count() * BLOCK) as f64;
        let pair = Pair::new(dirs[0], ours, theirs);
        let looked = pair.clone();
        let xtent = pair.contender("xtent", Before::Cold, |pair| pair.ours("dedupe-blocks"));
        let xtent = xtent.quantity("% of equal blocks left unshared", Some(5.0), move || {
            let shared = shared_with(&looked.a, &looked.b).expect("maps") as f64;
            100.0 * (1.0 - shared / could)
        });
        let mut contenders = vec![xtent];
        if exists("duperemove") {
            contenders.push(pair.contender("duperemove -d -b 4K", Before::Cold, |pair| {
                let mut command = tool("duperemove", &["-d", "-q", "-b", "4K"]);
                command.arg(&pair.a).arg(&pair.b);
                command
            }));
        }
        contenders.push(Contender { target: Some(2.0), ..pair.read_both(Before::Cold) });
        Scenario {
            about: about(&pair, "not in the page cache, of which 1 block in 100 differs, scattered"),
            rounds: 3,
            contenders,
        }
    })
}

fn about(pair: &Pair, what: &str) -> String {
    format!("two files of {} MiB, {what}", pair.len() >> 20)
}

fn drop_from_cache(path: &Path) {
    cool(&File::open(path).expect("a file"));
}
