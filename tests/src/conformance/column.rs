//! A column of the table: one filesystem, and what it takes to run cases there.

use std::collections::BTreeMap;
use std::fs::File as Handle;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tempfile::TempDir;

use super::case::filesystem;
use super::kernel;
use super::layout::{BLOCK, Inherited};
use super::profile::{Profile, profile};
use crate::{Filesystem, beneath, filesystems, scratch, write_file};

pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) profile: &'static Profile,
    /// Where the same files lie on the filesystem of a server, with the maps that their client has not.
    pub(crate) beneath: Option<PathBuf>,
    root: PathBuf,
    /// A scratch directory on each filesystem there is.
    scratch: BTreeMap<String, TempDir>,
    /// Whether files there can be opened with O_DIRECT: those of tmpfs since Linux 6.6.
    pub(crate) opens_direct: bool,
    /// Why nothing can be done that needs root, if so: mounts, swap space, files that cannot be removed. What is not
    /// the tests' own stays alone.
    pub(crate) no_root: Option<String>,
}

impl Column {
    /// To be called on the thread that runs the column: its mounts are that thread's.
    pub(crate) fn new(fs: &Filesystem) -> Result<Column, String> {
        let no_root = if fs.name == "tmpdir" {
            Some("needs a filesystem of the runner's".into())
        } else if !kernel::is_root() {
            Some("needs root".into())
        } else {
            kernel::own_mounts().err().map(|error| format!("no mount namespace: {error}"))
        };
        let scratch: BTreeMap<_, _> = filesystems().iter().map(|fs| (fs.name.clone(), scratch(fs))).collect();
        let dir = scratch[&fs.name].path();
        let profile = find(fs, dir)?;
        let opens_direct = kernel::opens_direct(&dir.join("direct"));
        let (beneath, root) = (beneath(&fs.name), fs.dir.clone());
        let on_disk =
            std::fs::metadata(beneath.as_ref().unwrap_or(&root)).map_err(|error| error.to_string())?;
        let block = on_disk.blksize();
        if block != BLOCK {
            return Err(format!("blocks of {block} bytes: the table is about {BLOCK}"));
        }
        Ok(Column { name: fs.name.clone(), profile, beneath, root, scratch, opens_direct, no_root })
    }

    pub(crate) fn dir(&self) -> &Path {
        self.scratch[&self.name].path()
    }

    /// Where a path of a case is: `@name/rest` on another filesystem, everything in the folder of that run of the case.
    pub(crate) fn place(&self, folder: &str, path: &str) -> PathBuf {
        match filesystem(path) {
            Some(name) => self.scratch[name].path().join(folder).join(&path[name.len() + 2..]),
            None => self.dir().join(folder).join(path),
        }
    }

    /// Where the extent map of a file is to be read, once everything that was written is there.
    pub(crate) fn mapped(&self, at: &Path) -> io::Result<PathBuf> {
        let rest = at.strip_prefix(&self.root).ok();
        let beneath = self.beneath.as_ref().zip(rest).map(|(beneath, rest)| beneath.join(rest));
        // What a case mounted is not there.
        match beneath.filter(|beneath| beneath.exists()) {
            Some(beneath) => {
                Handle::open(at)?.sync_all()?;
                Ok(beneath)
            }
            None => Ok(at.into()),
        }
    }

    pub(crate) fn has(&self, filesystem: &str) -> bool {
        self.scratch.contains_key(filesystem)
    }
}

/// Those of the runner and of the guests by name, others by type.
fn find(fs: &Filesystem, dir: &Path) -> Result<&'static Profile, String> {
    let by_type = || match fs.kind.as_str() {
        // Of what layers it is nobody knows.
        "overlay" => None,
        "xfs" if !clones(dir) => profile("xfs-noreflink"),
        kind => profile(kind),
    };
    profile(&fs.name).or_else(by_type).ok_or_else(|| format!("the table says nothing of {}", fs.kind))
}

fn clones(dir: &Path) -> bool {
    let file = |name| write_file(&dir.join(name), &[1; 4096]).expect("a file in a scratch directory");
    kernel::clone_range(&file("a"), 0, 4096, &file("b"), 0).is_ok()
}

/// Descriptors of files that have no path. The drivers inherit them.
struct Pathless {
    pipe: (OwnedFd, OwnedFd),
    socket: (OwnedFd, OwnedFd),
    event: OwnedFd,
}

static PATHLESS: LazyLock<Pathless> = LazyLock::new(|| {
    let pipe = std::io::pipe().expect("a pipe");
    let socket = std::os::unix::net::UnixStream::pair().expect("a socket");
    let pathless = Pathless {
        pipe: (pipe.0.into(), pipe.1.into()),
        socket: (socket.0.into(), socket.1.into()),
        event: kernel::event_fd().expect("an eventfd"),
    };
    for fd in [&pathless.pipe.0, &pathless.pipe.1, &pathless.socket.0, &pathless.event] {
        kernel::let_inherit(fd).expect("fcntl");
    }
    pathless
});

/// The number that the drivers know it by.
pub(crate) fn inherited(what: Inherited, for_writing: bool) -> RawFd {
    match what {
        Inherited::Pipe if for_writing => PATHLESS.pipe.1.as_raw_fd(),
        Inherited::Pipe => PATHLESS.pipe.0.as_raw_fd(),
        Inherited::Socket => PATHLESS.socket.0.as_raw_fd(),
        Inherited::EventFd => PATHLESS.event.as_raw_fd(),
    }
}

/// To be called before the first driver starts.
pub(crate) fn prepare_inherited() {
    LazyLock::force(&PATHLESS);
}
