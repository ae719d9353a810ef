//! Whole files: under the name is the old file or the new one, whatever fails, and beside it nothing.

use std::fs::{self, File, FileTimes};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;
use xtent::{CopyOptions, FileOptions, Preserve, Reason, Report, Stable, StageOptions, TO_END};
use xtent_tests::{Filesystem, pattern, scratch, syscalls};

use crate::scene::{SPARSE, bytes, difference, write};
use crate::supervisor::Call;
use crate::{Trial, may_come};

/// One file from another, by their paths.
pub(crate) struct FileScene {
    name: &'static str,
    /// From a path, which is that of the open file too, to a path.
    verb: fn(&Path, &File, &Path) -> xtent::Result<Report>,
    /// Whether the name is taken.
    replaces: bool,
    /// Whether all metadata is asked for.
    keeps: bool,
    /// Whether it is as on NFS: no O_TMPFILE, no RENAME_NOREPLACE.
    named: bool,
}

/// A new file.
const NEW: FileScene = FileScene { name: "", verb: staged, replaces: false, keeps: false, named: false };

fn stable(src: &Path, dst: &Path, stable: Stable) -> xtent::Result<Report> {
    xtent::copy_file(src, dst, FileOptions::new().stable(stable))
}

/// Everything but what the destination has.
fn all() -> Preserve {
    Preserve::MODE | Preserve::OWNER | Preserve::TIMES | Preserve::XATTRS | Preserve::ACLS
}

pub(crate) const FILES: &[FileScene] = &[
    FileScene {
        name: "copy_file",
        verb: |src, _, dst| xtent::copy_file(src, dst, FileOptions::new().preserve(all())),
        keeps: true,
        ..NEW
    },
    FileScene {
        name: "copy_file over another, durable",
        verb: |src, _, dst| {
            xtent::copy_file(src, dst, FileOptions::new().preserve(all()).replace(true).durable(true))
        },
        replaces: true,
        keeps: true,
        ..NEW
    },
    FileScene {
        name: "copy_file, verified",
        verb: |src, _, dst| xtent::copy_file(src, dst, FileOptions::new().verify(true)),
        ..NEW
    },
    FileScene {
        name: "copy_file of a snapshot",
        verb: |src, _, dst| stable(src, dst, Stable::Snapshot),
        ..NEW
    },
    FileScene { name: "copy_file under a lease", verb: |src, _, dst| stable(src, dst, Stable::Lease), ..NEW },
    FileScene {
        name: "copy_file of what is locked",
        verb: |src, _, dst| stable(src, dst, Stable::Lock),
        ..NEW
    },
    FileScene {
        name: "clone_file, durable",
        verb: |src, _, dst| xtent::clone_file(src, dst, FileOptions::new().durable(true)),
        ..NEW
    },
    FileScene {
        name: "clone_file over another",
        verb: |src, _, dst| xtent::clone_file(src, dst, FileOptions::new().preserve(all()).replace(true)),
        replaces: true,
        keeps: true,
        ..NEW
    },
    FileScene {
        name: "clone_or_copy_file over another",
        verb: |src, _, dst| xtent::clone_or_copy_file(src, dst, FileOptions::new().replace(true)),
        replaces: true,
        ..NEW
    },
    FileScene { name: "a stage, published over another", replaces: true, ..NEW },
    FileScene {
        name: "copy_file by a hidden name",
        verb: |src, _, dst| xtent::copy_file(src, dst, FileOptions::new().preserve(all()).durable(true)),
        keeps: true,
        named: true,
        ..NEW
    },
    FileScene {
        name: "clone_or_copy_file over another, by a hidden name",
        verb: |src, _, dst| xtent::clone_or_copy_file(src, dst, FileOptions::new().replace(true)),
        replaces: true,
        named: true,
        ..NEW
    },
];

fn staged(_: &Path, src: &File, dst: &Path) -> xtent::Result<Report> {
    let mut stage = xtent::stage_open(dst, StageOptions::new().replace(true).durable(true))?;
    let report = xtent::copy_range(src.as_fd(), 0, stage.as_fd(), 0, TO_END, CopyOptions::new())?;
    if report.errno != 0 {
        return Ok(report);
    }
    stage.publish()?;
    Ok(report)
}

/// The files of a scene.
pub(crate) struct FileSet {
    dir: TempDir,
    src: File,
    scene: &'static FileScene,
    new: Vec<u8>,
    old: Vec<u8>,
}

const MODE: u32 = 0o640;

fn long_ago() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)
}

impl FileSet {
    pub(crate) fn new(fs: &Filesystem, scene: &'static FileScene) -> FileSet {
        let dir = scratch(fs);
        let new = bytes(SPARSE);
        let src = File::create_new(dir.path().join("src")).expect("a new file");
        write(&src, SPARSE, &new);
        src.set_permissions(fs::Permissions::from_mode(MODE)).expect("fchmod");
        src.set_times(FileTimes::new().set_modified(long_ago())).expect("futimens");
        FileSet { dir, src, scene, new, old: pattern(9, 5000) }
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

    /// What could not be removed while calls failed, the next call that needs the name removes.
    fn is_cleared(&self) -> Result<(), String> {
        let replaced = FileOptions::new().replace(true);
        fs::write(self.dst(), "something").map_err(|error| error.to_string())?;
        xtent::copy_file(&*self.dir.path().join("src"), &*self.dst(), replaced)
            .map_err(|error| format!("afterwards: {error}"))?;
        match self.strays().first() {
            Some(stray) => Err(format!("{} is never cleared", stray.display())),
            None => Ok(()),
        }
    }

    fn is_new(&self) -> Result<(), String> {
        let found = fs::read(self.dst()).map_err(|error| format!("not published: {error}"))?;
        match difference(&found, &self.new) {
            Some(at) => Err(format!("the new file is another at {at}")),
            None => Ok(()),
        }
    }

    fn is_old(&self) -> Result<(), String> {
        match fs::read(self.dst()) {
            Ok(found) if self.scene.replaces && found == self.old => Ok(()),
            Err(error) if !self.scene.replaces && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            found => Err(format!("the name is not as it was: {:?} bytes", found.map(|found| found.len()))),
        }
    }

    /// What is not listed as lost is there.
    fn is_dressed(&self, report: &Report) -> Result<(), String> {
        let stat = fs::metadata(self.dst()).expect("stat");
        let asked = |bit| self.scene.keeps && !report.unkept.contains(bit);
        let mode = stat.permissions().mode() & 0o7777;
        if asked(Preserve::MODE) && mode != MODE {
            return Err(format!("mode {mode:o} told as kept"));
        }
        if asked(Preserve::TIMES) && stat.modified().expect("a time") != long_ago() {
            return Err("the time is told as kept".into());
        }
        Ok(())
    }
}

impl Trial for FileSet {
    type Said = xtent::Result<Report>;

    fn name(&self) -> &'static str {
        self.scene.name
    }

    fn reset(&self) {
        for stray in self.strays() {
            fs::remove_file(stray).expect("unlink");
        }
        if self.scene.replaces {
            fs::write(self.dst(), &self.old).expect("a file");
        } else {
            fs::remove_file(self.dst()).ok();
        }
    }

    fn act(&self) -> Self::Said {
        (self.scene.verb)(&self.dir.path().join("src"), &self.src, &self.dst())
    }

    fn pretended(&self, call: &syscalls::Call) -> Option<i32> {
        let tmpfile = || call.descriptor(2) & libc::O_TMPFILE == libc::O_TMPFILE;
        match call.number {
            libc::SYS_openat if self.scene.named && tmpfile() => Some(libc::EOPNOTSUPP),
            libc::SYS_renameat2 if self.scene.named => Some(libc::EINVAL),
            _ => None,
        }
    }

    fn judge(&self, said: &Self::Said, calm: &Self::Said, fault: Option<(Call, i32)>) -> Result<(), String> {
        // Who cannot remove a name leaves it, and so does who cannot see whose it is.
        let may_stray = fault.is_some_and(|(call, _)| {
            call.is(libc::SYS_unlinkat) || self.scene.named && call.is(libc::SYS_newfstatat)
        });
        let stray = self.strays().into_iter().next();
        if let Some(stray) = stray.as_ref().filter(|_| !may_stray) {
            return Err(format!("{} is left behind", stray.display()));
        }
        let outcome = match said {
            Ok(report) if report.errno == 0 => {
                if report.bytes() != self.new.len() as u64 {
                    return Err(format!("{} bytes told", report.bytes()));
                }
                self.is_new().and_then(|()| self.is_dressed(report))
            }
            // Filled by the scene itself, and not published.
            Ok(_) => self.is_old(),
            Err(error) => {
                if error.reason == Reason::NotDurable {
                    self.is_new()?;
                } else {
                    self.is_old()?;
                }
                let as_ever = calm.as_ref().is_err_and(|calm| calm.errno == error.errno);
                let errnos = may_come(fault);
                if as_ever || errnos.contains(&error.errno) { Ok(()) } else { Err("another errno".into()) }
            }
        };
        outcome.and_then(|()| if stray.is_some() { self.is_cleared() } else { Ok(()) })
    }
}
