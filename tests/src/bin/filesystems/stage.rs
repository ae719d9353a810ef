//! A mount namespace of our own with a tmpfs in it, which carries the images and the mount points.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::kinds::{self, Kind, Source};
use crate::namespace;
use crate::tools::{Missing, run, tool};

/// Where the tmpfs may go: directories that stand in every system (FHS) and are empty in most. Making one would leave
/// it behind when the runner is killed, and removing it while in use would detach the mount (since Linux 3.18).
const PLACES: [&str; 4] = ["/mnt", "/media", "/srv", "/opt"];

pub(crate) struct Stage {
    root: PathBuf,
    size_mib: u32,
    /// Stands in the images' names, so that losetup(8) shows outside whose they are.
    runner: u32,
}

impl Stage {
    pub(crate) fn enter(size_mib: u32, runner: u32) -> Result<Self, String> {
        namespace::unshare_mounts()?;
        // A pid namespace needs a /proc that shows it, pid_namespaces(7).
        run(tool("mount").args(["-n", "-t", "proc", "proc", "/proc"]))?;
        let empty = |place: &&str| fs::read_dir(place).is_ok_and(|mut entries| entries.next().is_none());
        let root = PLACES.into_iter().find(empty);
        let root = PathBuf::from(root.ok_or_else(|| format!("none of {} is empty", PLACES.join(" ")))?);
        // Images are sparse: this is a limit, not a reservation. Beside them the command's temporary files.
        let size = format!("mode=0755,size={}m", u64::from(size_mib) * kinds::ALL.len() as u64 + 4096);
        mount_tmpfs(&size, &root)?;
        let stage = Self { root, size_mib, runner };
        make_public(&stage.temporary_directory()).map(|()| stage)
    }

    /// For the command's TMPDIR: what tests that are killed leave there goes too.
    pub(crate) fn temporary_directory(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Makes one filesystem and gives its directory.
    pub(crate) fn mount(&self, kind: &Kind, missing: &Missing) -> Result<PathBuf, String> {
        let dir = self.root.join(kind.name);
        make_public(&dir)?;
        let mut mount = tool("mount");
        mount.args(["-n", "-t", kind.kind]);
        match &kind.source {
            Source::Image { mkfs, arguments, exchange, .. } => {
                if let Some(reason) = missing.get(mkfs) {
                    return Err(reason.clone());
                }
                let image = self.root.join(format!("xtent-{}-{}.img", self.runner, kind.name));
                let file =
                    fs::File::create_new(&image).map_err(|error| format!("{}: {error}", image.display()))?;
                file.set_len(u64::from(self.size_mib) << 20)
                    .map_err(|error| format!("{}: {error}", image.display()))?;
                run(tool(mkfs).args(*arguments).arg(&image))?;
                if *exchange {
                    xtent_tests::set_exchange(&image, true)?;
                }
                // mount(8) takes a free loop device and sets LO_FLAGS_AUTOCLEAR, loop(4): it lives as long as the mount.
                mount.args(["-o", "loop"]).arg(&image);
            }
            Source::Memory => {
                return mount_tmpfs(&format!("size={}m", self.size_mib), &dir)
                    .and_then(|()| make_public(&dir))
                    .map(|()| dir);
            }
            Source::Overlay { on } => {
                let [lower, upper, work] = self.layers(on)?;
                let layers = format!("lowerdir={lower},upperdir={upper},workdir={work}");
                mount.args(["-o", &layers, "xtent"]);
            }
        }
        run(mount.arg(&dir))?;
        make_public(&dir)?;
        Ok(dir)
    }

    fn layers(&self, on: &str) -> Result<[String; 3], String> {
        let base = self.root.join(on).join(".overlay");
        let make = |layer: &str| -> Result<String, String> {
            let dir = base.join(layer);
            fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
            Ok(dir.display().to_string())
        };
        Ok([make("lower")?, make("upper")?, make("work")?])
    }

    /// Unmounts, so that everything is gone before the runner ends. Should something hold on to it, the end of the
    /// namespace does the same a moment later.
    pub(crate) fn leave(self) {
        let _ = run(tool("umount").args(["-n", "-R"]).arg(&self.root));
    }
}

/// Its pages stay in memory: tests turn on swap space that lies in an image here, and a page of that image swapped out
/// to the image would be waited for by the very write that frees it. Without the option before Linux 6.4.
fn mount_tmpfs(options: &str, at: &Path) -> Result<(), String> {
    let mount =
        |options: &str| run(tool("mount").args(["-n", "-t", "tmpfs", "-o", options, "xtent"]).arg(at));
    mount(&format!("{options},noswap")).or_else(|_| mount(options))
}

/// A directory like /tmp, for tests that gave root up too.
fn make_public(dir: &Path) -> Result<(), String> {
    fs::create_dir_all(dir)
        .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o1777)))
        .map_err(|error| format!("{}: {error}", dir.display()))
}
