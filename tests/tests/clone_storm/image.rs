//! Small filesystems in image files, mounted in the runner's namespace.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use xtent_tests::set_exchange;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Xfs,
    XfsRmap,
    /// With the feature that XFS_IOC_EXCHANGE_RANGE needs.
    XfsExchange,
    Btrfs,
    /// Data and metadata share their space, so that a full disk is full for both.
    BtrfsMixed,
    /// A subvolume with a limit.
    BtrfsQuota,
}

impl Kind {
    /// For full disks.
    pub(crate) const ALL: [Kind; 5] =
        [Kind::Xfs, Kind::XfsRmap, Kind::XfsExchange, Kind::BtrfsMixed, Kind::BtrfsQuota];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Xfs => "xfs",
            Kind::XfsRmap => "xfs-rmapbt",
            Kind::XfsExchange => "xfs-exchange",
            Kind::Btrfs => "btrfs",
            Kind::BtrfsMixed => "btrfs-mixed",
            Kind::BtrfsQuota => "btrfs-quota",
        }
    }

    pub(crate) fn is_xfs(self) -> bool {
        matches!(self, Kind::Xfs | Kind::XfsRmap | Kind::XfsExchange)
    }
}

/// A mounted one; unmounted when dropped.
pub(crate) struct Image {
    pub(crate) file: PathBuf,
    /// Where files go.
    pub(crate) dir: PathBuf,
    mount: PathBuf,
}

impl Image {
    pub(crate) fn make(kind: Kind, under: &Path, name: &str, mib: u64) -> Result<Image> {
        let file = under.join(format!("{name}.img"));
        File::create(&file)?.set_len(mib << 20)?;
        let path = file.to_str().ok_or("a path in UTF-8")?;
        match kind {
            Kind::Xfs => tool("mkfs.xfs", &["-q", "-f", "-m", "reflink=1,rmapbt=0", path])?,
            Kind::XfsRmap => tool("mkfs.xfs", &["-q", "-f", "-m", "reflink=1,rmapbt=1", path])?,
            Kind::XfsExchange => {
                tool("mkfs.xfs", &["-q", "-f", "-m", "reflink=1", path])?;
                set_exchange(&file, true)?;
            }
            Kind::BtrfsMixed => tool("mkfs.btrfs", &["-q", "-f", "-M", path])?,
            Kind::Btrfs | Kind::BtrfsQuota => tool("mkfs.btrfs", &["-q", "-f", path])?,
        }
        let mount = under.join(name);
        fs::create_dir_all(&mount)?;
        let mut image = Image { file, dir: mount.clone(), mount };
        image.mount(&[])?;
        if kind == Kind::BtrfsQuota {
            let root = image.mount.to_str().ok_or("a path in UTF-8")?.to_owned();
            image.dir = image.mount.join("limited");
            tool("btrfs", &["quota", "enable", &root])?;
            tool("btrfs", &["subvolume", "create", &format!("{root}/limited")])?;
        }
        Ok(image)
    }

    /// One that is there already.
    pub(crate) fn open(file: &Path, mount: &Path, options: &[&str]) -> Result<Image> {
        fs::create_dir_all(mount)?;
        let image = Image { file: file.into(), dir: mount.into(), mount: mount.into() };
        image.mount(options)?;
        Ok(image)
    }

    fn mount(&self, options: &[&str]) -> Result<()> {
        let all = [&["loop"], options].concat().join(",");
        let mut command = Command::new("mount");
        command.args(["-n", "-o", &all]).arg(&self.file).arg(&self.mount);
        run(&mut command)
    }

    pub(crate) fn unmount(&self) -> Result<()> {
        run(Command::new("umount").arg("-n").arg(&self.mount))
    }

    /// Where it is mounted: `dir`, or what that is a subvolume of.
    pub(crate) fn root(&self) -> &Path {
        &self.mount
    }

    /// Again, as after a power cut.
    pub(crate) fn remount(&self) -> Result<()> {
        self.unmount()?;
        self.mount(&[])
    }

    /// Of the subvolume, in bytes beside what it has. By its number, asked of the top: asked of the subvolume itself it is
    /// charged to that, so that one over its limit (a failed clone is taken back, and not at once uncharged) would keep it.
    pub(crate) fn limit(&self, more: Option<u64>) -> Result<()> {
        let dir = self.dir.to_str().ok_or("a path in UTF-8")?;
        let top = self.mount.to_str().ok_or("a path in UTF-8")?;
        let shown = Command::new("btrfs").args(["qgroup", "show", "--raw", "-f", dir]).output()?;
        let shown = String::from_utf8(shown.stdout)?;
        let row = shown.lines().find(|line| line.trim_start().starts_with("0/")).ok_or("a qgroup")?;
        let mut columns = row.split_whitespace();
        let group = columns.next().ok_or("a qgroup's number")?;
        let limit = match more {
            None => "none".to_owned(),
            Some(more) => (columns.next().ok_or("a size")?.parse::<u64>()? + more).to_string(),
        };
        tool("btrfs", &["qgroup", "limit", &limit, group, top])
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        self.unmount().ok();
        fs::remove_file(&self.file).ok();
    }
}

pub(crate) fn tool(name: &str, arguments: &[&str]) -> Result<()> {
    run(Command::new(name).args(arguments))
}

pub(crate) fn run(command: &mut Command) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = command.env("PATH", path).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {} {}", output.status, String::from_utf8_lossy(&output.stderr).trim()).into())
}

/// Where the storms put their images: the runner's TMPDIR, which is memory and goes with it.
pub(crate) fn workshop() -> Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("clone-storm-").tempdir()?)
}
