//! Many files, half of which are equal to another one.

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use xtent_tests::{cool, pattern};

use crate::arguments::Arguments;
use crate::copy::settle;
use crate::process::{exists, program};
use crate::scenario::{Contender, Entry, Scenario};
use crate::sys;

pub(crate) fn entries() -> Vec<Entry> {
    ["xfs", "btrfs"].into_iter().flat_map(|fs| [first(fs), again(fs)]).chain([million()]).collect()
}

/// Files in directories of 100; each of the second half is equal to one of the first.
struct Store {
    root: PathBuf,
    index: PathBuf,
    files: usize,
    /// The least, and how much more the others have.
    sizes: (usize, usize),
}

impl Store {
    /// 1.6 GiB.
    fn new(dir: &Path) -> Rc<Store> {
        Rc::new(Store { files: 50_000, sizes: (4 << 10, 56 << 10), ..Store::empty(dir) })
    }

    fn empty(dir: &Path) -> Store {
        Store { root: dir.join("store"), index: dir.join("index"), files: 0, sizes: (0, 1) }
    }

    fn size(&self, i: usize) -> usize {
        let (least, more) = self.sizes;
        // Every size there is, in no order: many have one that is not equal.
        least + i % (self.files / 2) * 7919 % more
    }

    /// Makes it anew, with nothing shared and nothing in the page cache. What the inodes say stays in memory, for all alike.
    fn make(&self) {
        if self.root.exists() {
            fs::remove_dir_all(&self.root).expect("removed");
        }
        fs::remove_file(&self.index).ok();
        for i in 0..self.files {
            let path = path(&self.root, i);
            if i % 100 == 0 {
                fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            }
            fs::write(path, pattern((i % (self.files / 2)) as u64, self.size(i))).expect("room");
        }
        self.cool();
    }

    fn cool(&self) {
        settle(&self.root);
        for i in 0..self.files {
            cool(&File::open(path(&self.root, i)).expect("a file"));
        }
    }

    /// What there is to be freed, in blocks of 4 KiB.
    fn double(&self) -> u64 {
        (self.files / 2..self.files).map(|i| self.size(i).div_ceil(4096) as u64 * 4096).sum()
    }

    /// One that has to free all of it, or is left out. What those do instead is said below the table.
    fn contender(self: &Rc<Self>, name: &str, command: impl Fn(&Store) -> Command + 'static) -> Contender {
        let (prepared, checked) = (self.clone(), self.clone());
        let before = Rc::new(Cell::new(0));
        let were_free = before.clone();
        self.runs(name, command)
            .prepare(move || {
                prepared.make();
                before.set(free(&prepared.root));
            })
            .check(move || {
                let of_index = fs::metadata(&checked.index).map_or(0, |index| index.blocks() * 512);
                let freed = (free(&checked.root) + of_index).saturating_sub(were_free.get());
                let all = checked.double();
                let mib = |bytes| bytes >> 20;
                // The filesystem's own metadata come and go.
                if freed + all / 50 >= all {
                    Ok(())
                } else {
                    Err(format!("it freed {} of {} MiB", mib(freed), mib(all)))
                }
            })
    }

    fn runs(self: &Rc<Self>, name: &str, command: impl Fn(&Store) -> Command + 'static) -> Contender {
        let store = self.clone();
        Contender::process_with_peak(name, move || command(&store))
    }

    fn ours(self: &Rc<Self>, name: &str, with_index: bool) -> Contender {
        let mut ours = self.contender(name, move |store| store.program(with_index));
        ours.quantity.iter_mut().for_each(|peak| peak.at_most = Some(64.0));
        ours
    }

    /// Once more, with nothing left to be shared.
    fn again(self: &Rc<Self>, name: &str, with_index: bool) -> Contender {
        let cooled = self.clone();
        self.runs(name, move |store| store.program(with_index)).prepare(move || cooled.cool())
    }

    fn program(&self, with_index: bool) -> Command {
        let mut command = program("dedupe-tree");
        command.arg(&self.root);
        if with_index {
            command.arg(&self.index);
        }
        command
    }
}

/// How many bytes of the filesystem of `dir` are free, once all is written back, and what was unlinked is gone: XFS frees that
/// later, and is asked until it says the same again.
pub(crate) fn free(dir: &Path) -> u64 {
    let file = File::open(dir).expect("a directory");
    let mut before = None;
    loop {
        settle(dir);
        let free = sys::free(&file).expect("fstatvfs");
        if before == Some(free) {
            return free;
        }
        before = Some(free);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn path(root: &Path, i: usize) -> PathBuf {
    root.join(format!("{}/{}/{i}", i / 5000, i / 100))
}

/// Another program that dedupes a directory, which is its last argument.
#[derive(Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    words: &'static [&'static str],
}

impl Peer {
    pub(crate) fn command(&self, root: &Path) -> Command {
        let mut command = Command::new(self.words[0]);
        command.args(&self.words[1..]).arg(root);
        command
    }
}

/// Those that are here.
pub(crate) fn peers() -> impl Iterator<Item = Peer> {
    const RMLINT: &str =
        "cd \"$1\" && rmlint -T df -c sh:reflink -o sh:../rmlint.sh . && sh ../rmlint.sh -d -q";
    [
        Peer { name: "jdupes -r -B", words: &["jdupes", "-q", "-r", "-B"] },
        // Of many files its status is 22 (0.11): what it freed tells whether it did the job.
        Peer { name: "duperemove -r -d", words: &["sh", "-c", "duperemove -q -r -d \"$1\" || true", "sh"] },
        Peer {
            name: "fclones group, dedupe",
            words: &["sh", "-c", "fclones group \"$1\" | fclones dedupe", "sh"],
        },
        Peer { name: "rmlint -c sh:reflink", words: &["sh", "-c", RMLINT, "sh"] },
    ]
    .into_iter()
    .filter(|peer| exists(peer.name.split(' ').next().expect("a word")))
}

fn first(fs: &'static str) -> Entry {
    Entry::new(format!("store {fs}"), &[fs], move |_: &Arguments, dirs| {
        let store = Store::new(dirs[0]);
        let mut contenders = vec![store.ours("xtent", false), store.ours("xtent, with a new index", true)];
        for peer in peers() {
            let target = peer.name.starts_with("jdupes").then_some(0.7);
            let contender = store.contender(peer.name, move |store| peer.command(&store.root));
            contenders.push(Contender { target, ..contender });
        }
        let (run, prepared) = (store.clone(), store.clone());
        let bound = Contender::process("bound: reading the candidates, 2 processes", move || {
            let mut command = program("read-candidates");
            command.arg(&run.root);
            command
        });
        contenders.push(Contender { target: Some(1.5), ..bound.prepare(move || prepared.make()) });
        Scenario {
            about: format!("{} files, half of them double, not in the page cache", store.files),
            rounds: 5,
            contenders,
        }
    })
}

fn again(fs: &'static str) -> Entry {
    Entry::new(format!("store again {fs}"), &[fs], move |_: &Arguments, dirs| {
        let store = Store::new(dirs[0]);
        store.make();
        // What an index remembers is older than the tick of the clock: writing it all took longer.
        crate::process::timed(store.program(true));
        let first = store.ours("the first run", true);
        let contenders = vec![
            store.again("xtent, with the index", true),
            store.again("xtent, without one", false),
            Contender { target: Some(0.1), ..first },
        ];
        Scenario {
            about: format!(
                "{} files, all of which share what they can already; not in the page cache",
                store.files
            ),
            rounds: 5,
            contenders,
        }
    })
}

fn million() -> Entry {
    let make = |_: &Arguments, dirs: &[&Path]| {
        let store = Store { files: 1_000_000, sizes: (1 << 10, 6 << 10), ..Store::empty(dirs[0]) };
        let store = Rc::new(store);
        let mut contenders = vec![store.ours("xtent", false), store.ours("xtent, with a new index", true)];
        let again = store.again("xtent, again with the index", true);
        let made = store.clone();
        contenders.push(again.prepare(move || {
            made.make();
            crate::process::timed(made.program(true));
            made.cool();
        }));
        contenders.extend(
            peers()
                .filter(|peer| peer.name.starts_with("jdupes"))
                .map(|peer| store.contender(peer.name, move |store| peer.command(&store.root))),
        );
        Scenario {
            about: format!("{} files, half of them double, not in the page cache", store.files),
            rounds: 1,
            contenders,
        }
    };
    Entry::new("store xfs million", &["xfs"], make).only_by_name()
}

/// The bound: all files of which there is another one of the same size, read once, by two processes.
pub(crate) fn read_candidates(root: &Path) -> io::Result<()> {
    let mut sizes = std::collections::HashMap::<u64, Vec<PathBuf>>::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => left.push(entry.path()),
                false => sizes.entry(entry.metadata()?.size()).or_default().push(entry.path()),
            }
        }
    }
    let mut candidates: Vec<PathBuf> = sizes.into_values().filter(|some| some.len() > 1).flatten().collect();
    candidates.sort();
    let mut halves = Vec::new();
    for part in candidates.chunks(candidates.len().div_ceil(2).max(1)) {
        halves.push(sys::in_a_child(|| {
            let mut buffer = vec![0; 1 << 20];
            part.iter().try_for_each(|path| -> io::Result<()> {
                let mut file = File::open(path)?;
                while io::Read::read(&mut file, &mut buffer)? > 0 {}
                Ok(())
            })
        })?);
    }
    for child in halves {
        if sys::wait(child)?.0 != 0 {
            return Err(io::Error::other("a process failed"));
        }
    }
    Ok(())
}
