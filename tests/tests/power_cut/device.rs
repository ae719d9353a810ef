//! A block device whose writes can be dropped from a moment on.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtent_tests::set_exchange;

use crate::{Result, run};

const NAME: &str = "xtent-cut";

pub(crate) struct Device {
    below: PathBuf,
    kind: String,
    /// An XFS that exchanges ranges.
    pub(crate) exchanges: bool,
    mounted: PathBuf,
    sectors: String,
}

fn dmsetup(arguments: &[&str]) -> Result<()> {
    run(Command::new("dmsetup").args(arguments))
}

impl Device {
    pub(crate) fn format(below: &Path, kind: &str, mounted: &Path) -> Result<Device> {
        let (kind, exchanges) = match kind {
            "xfs-exchange" => ("xfs", true),
            kind => (kind, false),
        };
        run(Command::new(format!("mkfs.{kind}")).args(["-q", "-f"]).arg(below))?;
        if exchanges {
            set_exchange(below, true)?;
        }
        let sectors = Command::new("blockdev").arg("--getsz").arg(below).output()?;
        let sectors = String::from_utf8(sectors.stdout)?.trim().to_owned();
        Ok(Device { below: below.into(), kind: kind.into(), exchanges, mounted: mounted.into(), sectors })
    }

    /// From what is on the device now.
    pub(crate) fn mount(&self) -> Result<&Path> {
        let Device { below, sectors, .. } = self;
        dmsetup(&["create", NAME, "--table", &format!("0 {sectors} linear {} 0", below.display())])?;
        run(Command::new("mount")
            .args(["-t", &self.kind, &format!("/dev/mapper/{NAME}")])
            .arg(&self.mounted))?;
        Ok(&self.mounted)
    }

    pub(crate) fn sync(&self) -> Result<()> {
        let root = File::open(&self.mounted)?;
        // SAFETY: numbers only.
        match unsafe { libc::syncfs(root.as_raw_fd()) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error().into()),
        }
    }

    /// Nothing that is written now, or was on its way, reaches the device any more; nobody is told.
    pub(crate) fn cut(&self) -> Result<()> {
        let Device { below, sectors, .. } = self;
        let table = format!("0 {sectors} flakey {} 0 0 3600 1 drop_writes", below.display());
        // Not even what the filesystem has in hand is written at the change of tables.
        dmsetup(&["suspend", "--noflush", "--nolockfs", NAME])?;
        dmsetup(&["load", NAME, "--table", &table])?;
        dmsetup(&["resume", NAME])
    }

    pub(crate) fn unmount(&self) -> Result<()> {
        run(Command::new("umount").arg(&self.mounted))?;
        dmsetup(&["remove", "--retry", NAME])
    }

    /// By the filesystem's own checker, of which nothing may be repaired.
    pub(crate) fn check(&self) -> Result<()> {
        match self.kind.as_str() {
            "xfs" if self.exchanges => {
                // Which the checker does not know.
                set_exchange(&self.below, false)?;
                run(Command::new("xfs_repair").arg("-n").arg(&self.below))?;
                Ok(set_exchange(&self.below, true)?)
            }
            "xfs" => run(Command::new("xfs_repair").arg("-n").arg(&self.below)),
            _ => run(Command::new("btrfs").args(["check", "--readonly"]).arg(&self.below)),
        }
    }
}
