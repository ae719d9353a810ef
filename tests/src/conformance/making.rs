//! Making the files of a case.

use std::fs::{self, File as Handle, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use super::case::Before;
use super::kernel;
use super::layout::{BLOCK, File, Piece, Regular};
use super::model::Model;
use super::stage::{Opens, Stage, Trouble};
use crate::pattern;

impl Stage<'_> {
    pub(super) fn make(&mut self, before: &Before) -> Result<(), Trouble> {
        match before {
            Before::File { path, file } => self.make_file(path, file),
            Before::View { path, of } => {
                self.views.insert(path.clone(), of.clone());
                self.opens.insert(path.clone(), Opens::Path(self.place(path)));
                Ok(())
            }
            Before::Bind { at, of, read_only } => {
                let (at, of) = (self.place(at), self.place(of));
                fs::create_dir_all(&at)?;
                fs::create_dir_all(&of)?;
                kernel::bind(&of, &at, *read_only)?;
                self.mounts.push(at);
                Ok(())
            }
            Before::Overlay { at, lower, upper } => self.mount_overlay(at, lower, upper),
            Before::Subvolume { at } => {
                let at = self.place(at);
                tool("btrfs", ["subvolume".as_ref(), "create".as_ref(), at.as_os_str()])?;
                self.subvolumes.push(at);
                Ok(())
            }
            Before::Snapshot { at, of } => {
                let (at, of) = (self.place(at), self.place(of));
                let words = ["subvolume", "snapshot", "-r"].map(AsRef::as_ref);
                tool("btrfs", words.into_iter().chain([of.as_os_str(), at.as_os_str()]))?;
                self.subvolumes.push(at);
                Ok(())
            }
        }
    }

    fn mount_overlay(&mut self, at: &str, lower: &str, upper: &str) -> Result<(), Trouble> {
        // The work directory must be on the upper layer's filesystem, and used by one overlay only.
        let work = self.place(&format!("{upper}-work-{}", self.mounts.len()));
        let (at, lower, upper) = (self.place(at), self.place(lower), self.place(upper));
        for dir in [&at, &lower, &upper, &work] {
            fs::create_dir_all(dir)?;
        }
        let layers =
            format!("lowerdir={},upperdir={},workdir={}", lower.display(), upper.display(), work.display());
        kernel::mount("xtent", &at, "overlay", 0, &layers)?;
        self.mounts.push(at);
        Ok(())
    }

    fn make_file(&mut self, path: &str, file: &File) -> Result<(), Trouble> {
        let at = self.place(path);
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut opens = Opens::Path(at.clone());
        match file {
            File::Regular(regular) => {
                let model = Model::of(regular, |of| &self.models[of]);
                self.make_regular(&at, regular, &model)?;
                self.models.insert(path.into(), model);
            }
            File::Directory => fs::create_dir(&at)?,
            File::Fifo => kernel::make_fifo(&at)?,
            File::Symlink { to } => {
                std::os::unix::fs::symlink(to, &at)?;
                self.views.insert(path.into(), (*to).into());
            }
            File::Host { path: host } => {
                let absent = |error: io::Error| Trouble::Absent(format!("{host}: {error}"));
                let found = Handle::open(host).and_then(|file| file.metadata()).map_err(absent)?;
                if found.is_file() {
                    self.models.insert(path.into(), Model::found(fs::read(host)?));
                }
                opens = Opens::Path(host.into());
            }
            File::Memfd { pieces, sealed } => {
                let regular = Regular { pieces: pieces.clone(), ..Regular::default() };
                let model = Model::of(&regular, |of| &self.models[of]);
                let memfd = kernel::memfd()?;
                fill(&memfd, &regular, &model)?;
                if *sealed {
                    kernel::seal(&memfd)?;
                }
                // Another process comes to it by way of this one.
                opens = Opens::Path(format!("/proc/{}/fd/{}", std::process::id(), memfd.as_raw_fd()).into());
                self.models.insert(path.into(), model);
                self.memfds.push(memfd);
            }
            File::Inherited(what) => opens = Opens::Inherited(*what),
            File::Closed { number } => opens = Opens::Number(*number),
            File::Program => {
                fs::copy("/bin/sleep", &at)
                    .map_err(|error| Trouble::Absent(format!("/bin/sleep: {error}")))?;
                fs::set_permissions(&at, Permissions::from_mode(0o755))?;
                self.models.insert(path.into(), Model::found(fs::read(&at)?));
            }
            File::Swap => {
                let handle = Handle::create_new(&at)?;
                // btrfs(5): no copy-on-write in swap files. Others do not know the flag.
                kernel::chattr(&handle, kernel::NOCOW, true).ok();
                handle.set_len(SWAP_SIZE)?;
                handle.write_all_at(&pattern(9, SWAP_SIZE as usize), 0)?;
                handle.set_permissions(Permissions::from_mode(0o600))?;
                handle.sync_all()?;
                tool("mkswap", [at.as_os_str()]).map_err(Trouble::Absent)?;
                // Behind the header lies what the kernel swaps out.
                self.models.insert(path.into(), Model::found(fs::read(&at)?).moving_from(BLOCK));
            }
        }
        self.opens.insert(path.into(), opens);
        Ok(())
    }

    fn make_regular(&self, at: &Path, regular: &Regular, model: &Model) -> Result<(), Trouble> {
        let handle = Handle::options().read(true).write(true).create_new(true).open(at)?;
        if regular.nocow {
            kernel::chattr(&handle, kernel::NOCOW, true)?;
        }
        if regular.compressed {
            kernel::chattr(&handle, kernel::COMPRESSED, true)?;
        }
        fill(&handle, regular, model)?;
        let mut offset = regular.far;
        for piece in &regular.pieces {
            if let Piece::Clone { of, at, len } = piece {
                kernel::clone_range(&Handle::open(self.place(of))?, *at, *len, &handle, offset)?;
            }
            offset += piece.len();
        }
        if let Some(owner) = regular.owner {
            std::os::unix::fs::fchown(&handle, Some(owner), None)?;
        }
        if let Some(mode) = regular.mode {
            handle.set_permissions(Permissions::from_mode(mode))?;
        }
        if regular.synced {
            handle.sync_all()?;
        }
        Ok(())
    }
}

/// The least that mkswap(8) takes: it is the machine's for a moment, and should not fill.
const SWAP_SIZE: u64 = 10 * BLOCK;

/// Writes the pieces. The size comes first: see [`crate::write_file`].
fn fill(handle: &Handle, regular: &Regular, model: &Model) -> io::Result<()> {
    handle.set_len(model.size())?;
    let mut offset = regular.far;
    for piece in &regular.pieces {
        let from = (offset - regular.far) as usize;
        match piece {
            Piece::Data { len, .. } | Piece::Text { len, .. } => {
                handle.write_all_at(&model.bytes()[from..from + *len as usize], offset)?;
            }
            Piece::Unwritten { len } => kernel::preallocate(handle, offset, *len)?,
            Piece::Hole { .. } | Piece::Clone { .. } => {}
        }
        offset += piece.len();
    }
    Ok(())
}

/// Runs a program of the system; the error is what it said.
pub(super) fn tool<'w>(
    program: &str,
    words: impl IntoIterator<Item = &'w std::ffi::OsStr>,
) -> Result<(), String> {
    let run = Command::new(program)
        .args(words)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    if run.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&run.stderr).trim()))
}
