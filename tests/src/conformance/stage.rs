//! The files of one run of a case: made, changed meanwhile, cleared away.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File as Handle, FileTimes};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, SystemTime};

use super::call::End;
use super::case::{Case, filesystem};
use super::column::{Column, inherited};
use super::kernel::{self, Mapping};
use super::layout::Inherited;
use super::making::tool;
use super::model::Model;

/// Every regular file's modification time before the call: long ago, so that any change shows.
const LONG_AGO: Duration = Duration::from_secs(1_000_000_000);

/// So many tenths of a second are waited for a file that is gone to have no name either.
const GOES: u32 = 1200;

pub(crate) struct Stage<'a> {
    pub(super) column: &'a Column,
    /// The folder of this run, on each filesystem that it uses.
    pub(super) folder: String,
    /// What the regular files must be, by the path that the case calls them by.
    pub(crate) models: BTreeMap<String, Model>,
    /// Other ways to those.
    pub(super) views: BTreeMap<String, String>,
    /// What the driver opens.
    pub(super) opens: BTreeMap<String, Opens>,
    pub(super) memfds: Vec<Handle>,
    /// Open until the case is over.
    pub(super) held: Vec<Handle>,
    pub(super) mounts: Vec<PathBuf>,
    pub(super) subvolumes: Vec<PathBuf>,
    /// Files with a flag that keeps them from being removed.
    pub(super) flagged: Vec<(Handle, u32)>,
    pub(super) children: Vec<Child>,
    pub(crate) watched: Vec<(String, Mapping)>,
    pub(super) stored: Vec<Mapping>,
    /// The names in the folder just before the call.
    pub(crate) names: BTreeSet<OsString>,
    /// When each model's file was last changed, ctime, just before the call.
    pub(crate) changed: BTreeMap<String, (i64, i64)>,
}

/// How a driver comes to a file.
pub(super) enum Opens {
    Path(PathBuf),
    Number(i32),
    Inherited(Inherited),
}

/// Why a stage could not be set.
pub(crate) enum Trouble {
    /// This machine does not have what the case is about.
    Absent(String),
    Broken(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Broken(format!("setting the stage: {error}"))
    }
}

impl From<String> for Trouble {
    fn from(said: String) -> Self {
        Trouble::Broken(said)
    }
}

impl<'a> Stage<'a> {
    pub(crate) fn set(column: &'a Column, folder: String, case: &Case) -> Result<Stage<'a>, Trouble> {
        let mut stage = Stage {
            column,
            folder,
            models: BTreeMap::new(),
            views: BTreeMap::new(),
            opens: BTreeMap::new(),
            memfds: Vec::new(),
            held: Vec::new(),
            mounts: Vec::new(),
            subvolumes: Vec::new(),
            flagged: Vec::new(),
            children: Vec::new(),
            watched: Vec::new(),
            stored: Vec::new(),
            names: BTreeSet::new(),
            changed: BTreeMap::new(),
        };
        fs::create_dir(stage.place(""))?;
        for name in case.elsewhere() {
            match fs::create_dir(stage.place(&format!("@{name}/"))) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error.into()),
                _ => {}
            }
        }
        for before in &case.before {
            stage.make(before)?;
        }
        for path in stage.models.keys() {
            stage.forget_times(path)?;
        }
        Ok(stage)
    }

    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.column.place(&self.folder, path)
    }

    /// Where the extent map of a file is to be read.
    pub(crate) fn mapped(&self, at: &Path) -> io::Result<PathBuf> {
        self.column.mapped(at)
    }

    /// The last step before the call.
    pub(crate) fn note_changes(&mut self) -> io::Result<()> {
        let ours = self.models.keys().filter(|path| self.is_ours(path));
        let changed = ours.map(|path| {
            let stat = fs::metadata(self.place(path))?;
            Ok((path.clone(), (stat.ctime(), stat.ctime_nsec())))
        });
        self.changed = changed.collect::<io::Result<_>>()?;
        self.names = self.listed()?;
        Ok(())
    }

    /// The names in the folder. A file that is removed while it is open the client of NFS keeps as `.nfs...`, and takes away
    /// some time after it was closed: close(2) does not wait for the server.
    pub(crate) fn listed(&self) -> io::Result<BTreeSet<OsString>> {
        let names = || fs::read_dir(self.place(""))?.map(|entry| Ok(entry?.file_name())).collect();
        for _ in 0..GOES {
            let names: BTreeSet<OsString> = names()?;
            if !names.iter().any(|name| name.as_encoded_bytes().starts_with(b".nfs")) {
                return Ok(names);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        names()
    }

    /// The path for a driver that opens the file itself; it need not exist.
    pub(crate) fn path(&self, end: &End) -> PathBuf {
        match self.opens.get(&end.path) {
            Some(Opens::Path(path)) => path.clone(),
            _ => self.place(&end.path),
        }
    }

    /// The call made this file, empty as far as is known.
    pub(crate) fn made(&mut self, path: &str) {
        self.views.remove(path);
        self.models.insert(path.into(), Model::default());
        self.opens.insert(path.into(), Opens::Path(self.place(path)));
    }

    /// Makes any change of the modification time visible.
    pub(super) fn forget_times(&self, path: &str) -> Result<(), Trouble> {
        if self.is_ours(path) {
            let long_ago = SystemTime::UNIX_EPOCH + LONG_AGO;
            // Both, for bindfs sets none alone.
            let times = FileTimes::new().set_modified(long_ago).set_accessed(long_ago);
            Handle::open(self.place(path))?.set_times(times)?;
        }
        Ok(())
    }

    /// Whether the file is in the folder of this run, and so nobody else's.
    pub(crate) fn is_ours(&self, path: &str) -> bool {
        matches!(self.opens.get(path), Some(Opens::Path(at)) if *at == self.place(path))
    }

    /// Whether addresses in the extent maps of both mean the same device. Files that are not ours may be anywhere.
    pub(crate) fn is_one_filesystem(&self, a: &str, b: &str) -> bool {
        self.is_ours(a) && self.is_ours(b) && filesystem(a) == filesystem(b)
    }

    /// Whether nothing but [`Stage::forget_times`] set this time.
    pub(crate) fn is_long_ago(time: SystemTime) -> bool {
        time == SystemTime::UNIX_EPOCH + LONG_AGO
    }

    /// The path of the model that `path` leads to.
    pub(crate) fn model_path<'b>(&'b self, path: &'b str) -> Option<&'b str> {
        let path = self.views.get(path).map_or(path, String::as_str);
        self.models.contains_key(path).then_some(path)
    }

    pub(crate) fn model(&self, path: &str) -> Option<&Model> {
        self.model_path(path).map(|path| &self.models[path])
    }

    /// A path by which the driver, or this process, opens it; `Err` is the number of a descriptor.
    pub(crate) fn opened(&self, end: &End) -> Result<&Path, i32> {
        match self.opens.get(&end.path).unwrap_or_else(|| panic!("no file {}", end.path)) {
            Opens::Path(path) => Ok(path),
            Opens::Number(number) => Err(*number),
            Opens::Inherited(what) => Err(inherited(*what, end.flags & libc::O_ACCMODE != libc::O_RDONLY)),
        }
    }

    fn folders(&self) -> Vec<PathBuf> {
        let elsewhere = self.opens.keys().filter_map(|path| filesystem(path));
        let mut folders: Vec<_> = elsewhere.map(|name| self.place(&format!("@{name}/"))).collect();
        folders.push(self.place(""));
        folders
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.stored.clear();
        self.watched.clear();
        for child in &mut self.children {
            match child.stdin.take() {
                // The one that holds the swap space ends with its input.
                Some(mut input) => drop(input.write_all(b"\n")),
                None => drop(child.kill()),
            }
            child.wait().ok();
        }
        for (file, flag) in &self.flagged {
            kernel::chattr(file, *flag, false).ok();
        }
        self.flagged.clear();
        for mount in self.mounts.iter().rev() {
            kernel::unmount(mount).ok();
        }
        for subvolume in self.subvolumes.iter().rev() {
            tool("btrfs", ["subvolume".as_ref(), "delete".as_ref(), subvolume.as_os_str()]).ok();
        }
        for folder in self.folders() {
            fs::remove_dir_all(folder).ok();
        }
    }
}
