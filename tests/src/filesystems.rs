//! Which filesystems the tests have, as the `filesystems` runner hands them on through the environment.

use std::ffi::{CString, OsString};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// One line per filesystem: `name<TAB>type<TAB>directory`.
pub const ENV_FILESYSTEMS: &str = "XTENT_FILESYSTEMS";
/// One line per filesystem that could not be had: `name<TAB>reason`.
pub const ENV_SKIPPED: &str = "XTENT_SKIPPED";
/// One line per filesystem that a server or a program keeps on another one here: `name<TAB>directory`, which is its
/// root there.
pub const ENV_BENEATH: &str = "XTENT_BENEATH";
/// Names, separated by blanks or commas, of filesystems whose skip is a failure.
pub const ENV_REQUIRE: &str = "XTENT_REQUIRE";

/// A mounted filesystem that tests may fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filesystem {
    /// What tests ask for: `xfs`, `xfs2`, `xfs-noreflink`, `btrfs`, `ext4`, `tmpfs`, `overlay`, or `tmpdir`.
    pub name: String,
    /// The kernel's name of the type.
    pub kind: String,
    /// Its root, writable by everybody.
    pub dir: PathBuf,
}

/// A filesystem that could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, as in [`Filesystem::name`].
    pub name: String,
    /// One line that says why.
    pub reason: String,
}

/// The filesystems to run on: those of the runner, or outside of it only the temporary directory.
pub fn filesystems() -> &'static [Filesystem] {
    static LIST: LazyLock<Vec<Filesystem>> = LazyLock::new(|| match lines(ENV_FILESYSTEMS) {
        Some(lines) => lines.iter().map(|line| line.parse().expect(ENV_FILESYSTEMS)).collect(),
        None => vec![Filesystem::temporary_directory()],
    });
    &LIST
}

/// What the runner could not offer.
pub fn skipped() -> &'static [Skipped] {
    static LIST: LazyLock<Vec<Skipped>> = LazyLock::new(|| {
        let lines = lines(ENV_SKIPPED).unwrap_or_default();
        lines.iter().map(|line| line.parse().expect(ENV_SKIPPED)).collect()
    });
    &LIST
}

/// The filesystem of this name, if there is one.
pub fn fs(name: &str) -> Option<&'static Filesystem> {
    filesystems().iter().find(|fs| fs.name == name)
}

/// The root, on the filesystem beneath, of what a server or a program of this machine gives away under this name.
pub fn beneath(name: &str) -> Option<PathBuf> {
    let lines = lines(ENV_BENEATH).unwrap_or_default();
    lines.iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t').map(PathBuf::from))
}

/// A new directory there, removed with everything in it when dropped.
pub fn scratch(fs: &Filesystem) -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("xtent-")
        .tempdir_in(&fs.dir)
        .unwrap_or_else(|error| panic!("no scratch directory on {fs}: {error}"))
}

impl Filesystem {
    /// What there is without the runner.
    pub fn temporary_directory() -> Self {
        let dir = std::env::temp_dir();
        Self { name: "tmpdir".into(), kind: kind_of(&dir), dir }
    }
}

/// The line of `XTENT_FILESYSTEMS`, without its end.
impl fmt::Display for Filesystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}\t{}", self.name, self.kind, self.dir.display())
    }
}

impl std::str::FromStr for Filesystem {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut fields = line.splitn(3, '\t');
        let mut field =
            || fields.next().map(str::to_owned).ok_or_else(|| format!("not name, type, directory: {line:?}"));
        Ok(Self { name: field()?, kind: field()?, dir: field()?.into() })
    }
}

/// The line of `XTENT_SKIPPED`, without its end.
impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}", self.name, self.reason)
    }
}

impl std::str::FromStr for Skipped {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (name, reason) = line.split_once('\t').ok_or_else(|| format!("not name, reason: {line:?}"))?;
        Ok(Self { name: name.into(), reason: reason.into() })
    }
}

fn lines(variable: &str) -> Option<Vec<String>> {
    let value: OsString = std::env::var_os(variable)?;
    let value = value.into_string().unwrap_or_else(|value| panic!("{variable} is not UTF-8: {value:?}"));
    Some(value.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

/// The type by its magic number, statfs(2). mountinfo(5) would give the kernel's own name, but files are found there
/// by st_dev, and a btrfs subvolume has one that stands in no line.
fn kind_of(dir: &Path) -> String {
    let path = CString::new(dir.as_os_str().as_bytes()).expect("a path holds no NUL");
    let mut found = MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: `path` ends with NUL and `found` is valid for one struct statfs, which is read only after success.
    let magic = unsafe {
        if libc::statfs(path.as_ptr(), found.as_mut_ptr()) != 0 {
            return "unknown".into();
        }
        found.assume_init().f_type
    };
    // include/uapi/linux/magic.h; bcachefs, ZFS and FUSE from their own sources. ext2 and ext3 share ext4's number.
    match magic & 0xffff_ffff {
        0xef53 => "ext4".into(),
        0x5846_5342 => "xfs".into(),
        0x9123_683e => "btrfs".into(),
        0xca45_1a4e => "bcachefs".into(),
        0x0102_1994 => "tmpfs".into(),
        0x794c_7630 => "overlay".into(),
        0x2fc1_2fc1 => "zfs".into(),
        0x7461_636f => "ocfs2".into(),
        0x6969 => "nfs".into(),
        0xfe53_4d42 => "smb".into(),
        0x6573_5546 => "fuse".into(),
        other => format!("{other:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_survive_the_environment() {
        let fs = Filesystem { name: "xfs".into(), kind: "xfs".into(), dir: "/a dir/\twith a tab".into() };
        assert_eq!(fs.to_string().parse(), Ok(fs));
        let skipped = Skipped { name: "btrfs".into(), reason: "not root: no mount(2)".into() };
        assert_eq!(skipped.to_string().parse(), Ok(skipped));
        assert!("xfs\txfs".parse::<Filesystem>().is_err());
    }

    #[test]
    fn every_filesystem_is_of_the_kind_it_says() {
        for fs in filesystems() {
            assert_eq!(kind_of(&fs.dir), fs.kind, "{fs}");
            assert_eq!(self::fs(&fs.name), Some(fs));
            assert!(skipped().iter().all(|skipped| skipped.name != fs.name), "{fs} is there and skipped");
        }
    }
}
