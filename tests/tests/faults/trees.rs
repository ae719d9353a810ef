//! Whole directories: under the name is the old tree, or none, or the new one whole, whatever fails; and what fails is told
//! with the path where it did.

use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use xtent::{Preserve, Reason, TreeOptions, TreeReport, TreeResult};
use xtent_tests::{Filesystem, pattern, scratch};

use crate::scene::{K, SPARSE, bytes, write};
use crate::supervisor::Call;
use crate::{Trial, may_come};

/// A tree from another, by their paths.
pub(crate) struct TreeScene {
    name: &'static str,
    verb: fn(&Path, &Path) -> TreeResult,
    /// Whether the name is taken.
    replaces: bool,
}

/// Only the calling thread is watched.
fn alone() -> TreeOptions<'static> {
    TreeOptions::new().threads(1)
}

pub(crate) const TREES: &[TreeScene] = &[
    TreeScene { name: "copy_tree", verb: |src, dst| xtent::copy_tree(src, dst, alone()), replaces: false },
    TreeScene {
        name: "clone_or_copy_tree over another, durable",
        verb: |src, dst| xtent::clone_or_copy_tree(src, dst, alone().replace(true).durable(true)),
        replaces: true,
    },
];

/// The trees of a scene.
pub(crate) struct TreeSet {
    dir: TempDir,
    scene: &'static TreeScene,
}

const MODE: u32 = 0o640;
/// All names beneath the tree: a file, another name of it, a directory, and a file and a link in that.
const NAMES: [&str; 5] = ["large", "again", "inner", "inner/small", "inner/link"];

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

impl TreeSet {
    pub(crate) fn new(fs: &Filesystem, scene: &'static TreeScene) -> TreeSet {
        let set = TreeSet { dir: scratch(fs), scene };
        let src = set.src();
        fs::create_dir_all(src.join("inner")).expect("directories");
        let large = File::create_new(src.join("large")).expect("a new file");
        write(&large, SPARSE, &bytes(SPARSE));
        fs::hard_link(src.join("large"), src.join("again")).expect("a second name");
        let small = File::create_new(src.join("inner/small")).expect("a new file");
        small.write_all_at(&pattern(5, K), 0).expect("room");
        symlink("small", src.join("inner/link")).expect("a link");
        for file in [large, small] {
            file.set_permissions(Permissions::from_mode(MODE)).expect("fchmod");
            file.set_times(FileTimes::new().set_modified(long_ago())).expect("futimens");
        }
        set
    }

    fn src(&self) -> PathBuf {
        self.dir.path().join("src")
    }

    fn dst(&self) -> PathBuf {
        self.dir.path().join("dst")
    }

    /// What lies there beside the two.
    fn strays(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path()).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| !path.ends_with("src") && !path.ends_with("dst")).collect()
    }

    /// Whether it is the source's tree, with all that is not told as lost.
    fn is_whole(&self, root: &Path, report: &TreeReport) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{}: {what}", root.display()));
        let mut names = everything(root)?;
        names.sort();
        let mut wanted = NAMES.map(PathBuf::from);
        wanted.sort();
        if names != wanted {
            return wrong(&format!("not the names of the source: {names:?}"));
        }
        let read = |name| fs::read(root.join(name)).map_err(|error| format!("{name}: {error}"));
        if read("large")? != bytes(SPARSE) || read("inner/small")? != pattern(5, K) {
            return wrong("other bytes");
        }
        let stat = |name| fs::symlink_metadata(root.join(name)).map_err(|error| format!("{name}: {error}"));
        let large = stat("large")?;
        if stat("again")?.ino() != large.ino() {
            return wrong("the second name is another file");
        }
        if fs::read_link(root.join("inner/link")).ok() != Some("small".into()) {
            return wrong("the link leads elsewhere");
        }
        let kept = |what| !report.total.unkept.contains(what);
        for stat in [large, stat("inner/small")?] {
            if kept(Preserve::MODE) && stat.mode() & 0o7777 != MODE {
                return wrong(&format!("mode {:o} told as kept", stat.mode()));
            }
            if kept(Preserve::TIMES) && stat.modified().ok() != Some(long_ago()) {
                return wrong("a time is told as kept");
            }
        }
        Ok(())
    }

    fn is_old(&self) -> Result<(), String> {
        match everything(&self.dst()) {
            Ok(names) if self.scene.replaces && names == [Path::new("old")] => Ok(()),
            Err(_) if !self.scene.replaces && !self.dst().exists() => Ok(()),
            Ok(_) => Err("the name has something new".into()),
            Err(error) => Err(format!("the name is gone: {error}")),
        }
    }

    /// What could not be removed while calls failed, the next call for the same name removes.
    fn is_cleared(&self) -> Result<(), String> {
        xtent::copy_tree(&*self.src(), &*self.dst(), alone().replace(true))
            .map_err(|failure| format!("afterwards: {failure}"))?;
        match self.strays().first() {
            Some(stray) => Err(format!("{} is never cleared", stray.display())),
            None => Ok(()),
        }
    }
}

/// The paths beneath a directory, relative to it.
fn everything(root: &Path) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut left = vec![PathBuf::new()];
    while let Some(dir) = left.pop() {
        let entries = fs::read_dir(root.join(&dir)).map_err(|error| format!("{}: {error}", dir.display()))?;
        for entry in entries {
            let entry = entry.map_err(|error| error.to_string())?;
            let path = dir.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(path.clone());
            }
            found.push(path);
        }
    }
    Ok(found)
}

/// Calls that removing a tree makes too, so that one that fails may leave it.
fn removes(call: Call) -> bool {
    let calls = [
        libc::SYS_unlinkat,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_getdents64,
        libc::SYS_fstat,
        libc::SYS_newfstatat,
        libc::SYS_statx,
        libc::SYS_fchmod,
    ];
    calls.into_iter().any(|number| call.is(number))
}

/// Calls that are made for what has a name beneath the tree only.
fn is_for_a_name(call: Call) -> bool {
    let calls = [
        libc::SYS_copy_file_range,
        libc::SYS_pread64,
        libc::SYS_pwrite64,
        libc::SYS_splice,
        libc::SYS_symlinkat,
        libc::SYS_readlinkat,
        libc::SYS_linkat,
    ];
    calls.into_iter().any(|number| call.is(number))
}

impl Trial for TreeSet {
    type Said = TreeResult;

    fn name(&self) -> &'static str {
        self.scene.name
    }

    fn reset(&self) {
        fs::remove_dir_all(self.dst()).ok();
        for stray in self.strays() {
            fs::remove_dir_all(stray).expect("removed");
        }
        if self.scene.replaces {
            fs::create_dir(self.dst())
                .and_then(|()| File::create(self.dst().join("old")))
                .expect("an old tree");
        }
    }

    fn act(&self) -> TreeResult {
        (self.scene.verb)(&self.src(), &self.dst())
    }

    fn judge(&self, said: &TreeResult, calm: &TreeResult, fault: Option<(Call, i32)>) -> Result<(), String> {
        self.is_whole(&self.src(), &TreeReport::default())?;
        match said {
            Ok(report) => self.is_whole(&self.dst(), report)?,
            Err(failure) => {
                if failure.error.reason == Reason::NotDurable {
                    self.is_whole(&self.dst(), &calm.clone().unwrap_or_default())?;
                } else {
                    self.is_old()?;
                }
                let mut errnos = may_come(fault);
                if fault.is_some_and(|(call, _)| call.is(libc::SYS_renameat2)) {
                    // As it is told where names cannot be exchanged, and where a name turns out to be taken.
                    errnos.extend([libc::EOPNOTSUPP, libc::EEXIST]);
                }
                if !errnos.contains(&failure.error.errno) {
                    return Err("another errno".into());
                }
                let is_named = NAMES.iter().any(|name| failure.path == Path::new(name));
                if !is_named && !failure.path.as_os_str().is_empty() {
                    return Err(format!("{} is no path of the source", failure.path.display()));
                }
                if !is_named && fault.is_some_and(|(call, _)| is_for_a_name(call)) {
                    return Err("no path is told".into());
                }
            }
        }
        match self.strays().first() {
            None => Ok(()),
            Some(_) if fault.is_some_and(|(call, _)| removes(call)) => self.is_cleared(),
            Some(stray) => Err(format!("{} is left behind", stray.display())),
        }
    }
}
