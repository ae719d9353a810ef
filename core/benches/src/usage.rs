//! Who uses what, where many files share many extents.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use crate::arguments::Arguments;
use crate::copy::settle;
use crate::process::{exists, program};
use crate::scenario::{Contender, Entry, Scenario};

const BLOCK: usize = 4096;

pub(crate) fn entries() -> Vec<Entry> {
    vec![
        entry("usage btrfs", "btrfs", 10, 40_000),
        entry("usage xfs million", "xfs", 100, 100_000).only_by_name(),
    ]
}

/// `files` that share the same `extents`.
fn entry(name: &str, fs: &'static str, files: usize, extents: usize) -> Entry {
    Entry::new(name, &[fs], move |_: &Arguments, dirs| {
        let root = dirs[0].join("root");
        make(&root, files, extents).expect("room");
        let root = Rc::new(root);
        let contender = |name: &str, command: Box<dyn Fn() -> Command>| {
            let root = root.clone();
            Contender::process_with_peak(name, move || {
                let mut command = command();
                command.arg(&*root);
                command
            })
        };
        let mut contenders = vec![contender("xtent", Box::new(|| program("usage")))];
        let peer = |words: &'static [&'static str]| {
            let command = || {
                let mut command = Command::new(words[0]);
                command.args(&words[1..]);
                command
            };
            contender(&words.join(" "), Box::new(command))
        };
        // It tells of btrfs alone what is shared; du(1) tells nothing of it, and looks at no map.
        if fs == "btrfs" && exists("btrfs") {
            contenders.push(peer(&["btrfs", "filesystem", "du", "-s"]));
        }
        Scenario {
            about: format!("{files} files, which share {extents} extents: {} in all", files * extents),
            rounds: if files * extents > 1_000_000 { 1 } else { 5 },
            contenders,
        }
    })
}

fn make(root: &Path, files: usize, extents: usize) -> std::io::Result<()> {
    fs::create_dir(root)?;
    let first = root.join("0");
    let file = File::create(&first)?;
    file.set_len((2 * extents * BLOCK) as u64)?;
    for i in 0..extents {
        // A hole behind each.
        file.write_all_at(&[7; BLOCK], (2 * i * BLOCK) as u64)?;
    }
    file.sync_all()?;
    for i in 1..files {
        xtent::clone_file(&first, &root.join(i.to_string()), xtent::FileOptions::new())?;
    }
    settle(root);
    Ok(())
}
