//! The command `xtent` as a new user meets it: two Rust toolchains and five virtual environments of Python, copied, and
//! deduped where they were copied without sharing.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;

use xtent_tests::cool;

use crate::arguments::Arguments;
use crate::scenario::{Contender, Entry, Scenario};
use crate::stores::{free, peers};

/// How many copies there are to be of each.
const COPIES: [(&str, usize); 2] = [("toolchain", 2), ("venv", 5)];

pub(crate) fn entries() -> Vec<Entry> {
    ["xfs", "btrfs"].into_iter().flat_map(|fs| [copies(fs), dedupe(fs)]).collect()
}

struct Tree {
    /// What is copied, as COPIES has it.
    sources: Vec<PathBuf>,
    /// The copies.
    root: PathBuf,
    free_before: Cell<u64>,
}

impl Tree {
    fn new(dir: &Path) -> Tree {
        let venv = python().ancestors().nth(2).expect("bin, and the environment").to_owned();
        let sources = vec![crate::trees::toolchain().into(), venv];
        Tree { sources, root: dir.join("copies"), free_before: Cell::new(0) }
    }

    /// What is copied lies on the filesystem too.
    fn beside_its_originals(dir: &Path) -> Tree {
        let mut tree = Tree::new(dir);
        for (source, (name, _)) in tree.sources.iter_mut().zip(COPIES) {
            let original = dir.join(name);
            let copied = Command::new("cp").arg("-a").arg(&source).arg(&original).status().expect("cp");
            assert!(copied.success(), "cp: {copied}");
            *source = original;
        }
        tree
    }

    fn clear(&self) {
        if self.root.exists() {
            fs::remove_dir_all(&self.root).expect("removed");
        }
        fs::create_dir(&self.root).expect("a directory");
        self.free_before.set(free(&self.root));
    }

    /// One after the other, by a command that takes what is copied, and the new name.
    fn commands(&self, command: &str) -> Command {
        let mut lines = vec!["set -e".to_owned()];
        for (at, (name, count)) in COPIES.iter().enumerate() {
            lines.extend((1..=*count).map(|n| format!("{command} \"${}\" \"$1/{name}-{n}\"", at + 2)));
        }
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(lines.join("\n")).arg("sh").arg(&self.root).args(&self.sources);
        shell
    }

    /// Copies that share nothing, and are not in the page cache.
    fn make(&self) {
        self.clear();
        let made = self.commands("cp -a --reflink=never").status().expect("sh");
        assert!(made.success(), "cp: {made}");
        self.free_before.set(free(&self.root));
        cool_all(&self.root);
    }
}

fn cool_all(dir: &Path) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => cool_all(&entry.path()),
            kind if kind.is_file() => cool(&File::open(entry.path()).expect("a file")),
            _ => {}
        }
    }
}

const MIB: f64 = (1 << 20) as f64;

/// The interpreter of a virtual environment that has the command.
fn python() -> PathBuf {
    std::env::var_os("XTENT_PYTHON").expect("an interpreter, as run gives it").into()
}

fn xtent() -> String {
    format!("{} -m xtent.command", python().display())
}

fn copies(fs: &'static str) -> Entry {
    let make = |_: &Arguments, dirs: &[&Path]| {
        let tree = Rc::new(Tree::beside_its_originals(dirs[0]));
        let contender = |name: &str, command: String| {
            let (run, prepared, seen) = (tree.clone(), tree.clone(), tree.clone());
            Contender::process(name, move || run.commands(&command))
                .prepare(move || prepared.clear())
                .quantity("MiB taken", None, move || {
                    (seen.free_before.get() as f64 - free(&seen.root) as f64) / MIB
                })
        };
        let cp = |how| contender(&format!("cp -a --reflink={how}"), format!("cp -a --reflink={how}"));
        let contenders = vec![
            contender("xtent clone-or-copy", format!("{} clone-or-copy", xtent())),
            contender("xtent copy", format!("{} copy", xtent())),
            cp("auto"),
            cp("never"),
        ];
        Scenario { about: about("copied"), rounds: 3, contenders }
    };
    Entry::new(format!("copies {fs} command"), &[fs], make).only_by_name()
}

fn dedupe(fs: &'static str) -> Entry {
    let make = |_: &Arguments, dirs: &[&Path]| {
        let tree = Rc::new(Tree::new(dirs[0]));
        let contender = |name: &str, command: Box<dyn Fn(&Path) -> Command>| {
            let (run, prepared, seen) = (tree.clone(), tree.clone(), tree.clone());
            Contender::process(name, move || command(&run.root)).prepare(move || prepared.make()).quantity(
                "MiB saved",
                None,
                move || (free(&seen.root) as f64 - seen.free_before.get() as f64) / MIB,
            )
        };
        let ours = |root: &Path| {
            let mut command = Command::new("sh");
            command.arg("-c").arg(format!("{} dedupe -r --apply \"$1\"", xtent())).arg("sh").arg(root);
            command
        };
        let mut contenders = vec![contender("xtent dedupe -r --apply", Box::new(ours))];
        contenders.extend(peers().map(|peer| contender(peer.name, Box::new(move |root| peer.command(root)))));
        Scenario {
            about: about("deduped, where they share nothing and are not in the page cache"),
            rounds: 3,
            contenders,
        }
    };
    Entry::new(format!("dedupe {fs} command"), &[fs], make).only_by_name()
}

fn about(done: &str) -> String {
    let [(_, toolchains), (_, venvs)] = COPIES;
    format!("{toolchains} Rust toolchains and {venvs} virtual environments, {done}")
}
