//! A filesystem on a device that stops working when it is told to, each time in the same place.
//!
//! A loop device over a file in memory, memfd_create(2). Where that was cut off the device cannot read, and what is sealed
//! against writing it cannot write: the filesystem above meets EIO, as from a disk.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtent_tests::Filesystem;

/// Above the least that mkfs.xfs(8) takes.
const BYTES: u64 = 320 << 20;
pub(crate) const BLOCK: usize = 4096;

/// Enough of a block of [`xtent_tests::pattern`] to know it by.
pub(crate) type Head = [u8; 16];

pub(crate) fn head(block: &[u8]) -> Head {
    block[..size_of::<Head>()].try_into().expect("so many bytes")
}

pub(crate) struct Device {
    image: File,
    /// With which it is mounted.
    options: &'static str,
    mounted: Option<tempfile::TempDir>,
}

impl Device {
    /// With a filesystem of the same kind as `fs`, that nobody has mounted yet.
    pub(crate) fn new(fs: &Filesystem) -> Device {
        // SAFETY: the name ends with zero; the descriptor is new, and owned by nobody yet.
        let image = unsafe {
            let fd = libc::memfd_create(c"image".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
            assert!(fd >= 0, "memfd_create: {}", std::io::Error::last_os_error());
            File::from_raw_fd(fd)
        };
        image.set_len(BYTES).expect("a size");
        // Nothing of the filesystem's own is written by the clock: what fails first is what the test does.
        let options = if fs.kind == "xfs" { "loop,noatime" } else { "loop,noatime,commit=300" };
        let device = Device { image, options, mounted: None };
        // Small ones of ext4 have smaller blocks by default.
        let options: &[&str] = if fs.kind == "ext4" { &["-qFb", "4096"] } else { &["-q", "-f"] };
        let path = device.path();
        let words: Vec<_> = options.iter().map(Path::new).chain([path.as_path()]).collect();
        tool(&format!("mkfs.{}", fs.kind), &words);
        device
    }

    /// Its image, which has no name.
    fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.image.as_raw_fd()).into()
    }

    /// Mounts it, `ro` or `rw`, and gives its root.
    pub(crate) fn mount(&mut self, mode: &str) -> &Path {
        let dir = tempfile::tempdir().expect("a directory");
        let options = format!("{},{mode}", self.options);
        tool("mount", &["-n".as_ref(), "-o".as_ref(), options.as_ref(), self.path().as_ref(), dir.path()]);
        self.mounted.insert(dir).path()
    }

    /// Puts the file there, in blocks that nothing has in memory: this process never opens it, so that no child that it
    /// forks meanwhile can hold what is unmounted.
    pub(crate) fn fill(&mut self, from: &Path, name: &str) {
        let to = self.mount("rw").join(name);
        tool("cp", &["--reflink=never".as_ref(), "--sparse=always".as_ref(), from, &to]);
        let dir = self.mounted.take().expect("mounted");
        tool("umount", &["-n".as_ref(), dir.path()]);
    }

    /// Where on the device this block lies, which is nowhere else.
    pub(crate) fn find(&self, block: &[u8]) -> u64 {
        let head = head(block);
        self.blocks().find(|(_, found)| *found == head).expect("the block is on the device").0
    }

    /// Where what the device has lies, block by block, and how each begins.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (u64, Head)> {
        let len = self.image.metadata().expect("an image").len();
        let mut at = 0;
        std::iter::from_fn(move || {
            let found = self.data(at);
            at = found.saturating_add(BLOCK as u64);
            let mut head = Head::default();
            (found < len).then(|| {
                self.image.read_exact_at(&mut head, found).expect("it is in memory");
                (found, head)
            })
        })
    }

    fn data(&self, at: u64) -> u64 {
        // SAFETY: takes numbers only. The position is nobody's.
        let found = unsafe { libc::lseek(self.image.as_raw_fd(), at as i64, libc::SEEK_DATA) };
        u64::try_from(found).unwrap_or(u64::MAX)
    }

    /// From now on it has nothing behind `at`: it can neither read nor write there.
    pub(crate) fn cut_off(&self, at: u64) {
        self.image.set_len(at).expect("it can be cut off");
        self.seal(libc::F_SEAL_GROW);
    }

    /// From now on it cannot write.
    pub(crate) fn refuse_writing(&self) {
        self.seal(libc::F_SEAL_WRITE);
    }

    fn seal(&self, seal: libc::c_int) {
        // SAFETY: takes numbers only.
        let result = unsafe { libc::fcntl(self.image.as_raw_fd(), libc::F_ADD_SEALS, seal) };
        assert_eq!(result, 0, "F_ADD_SEALS: {}", std::io::Error::last_os_error());
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        if let Some(dir) = &self.mounted {
            // What is still open there, in a child that was forked meanwhile, keeps the filesystem and not its place.
            Command::new("umount").args(["-n", "-l"]).arg(dir.path()).status().ok();
        }
    }
}

fn tool(program: &str, words: &[&Path]) {
    let mut command = Command::new(program);
    command.args(words).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    let done = command.output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
