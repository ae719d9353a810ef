//! The files, what they must be, and what the verbs must say of them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use proptest::test_runner::TestCaseError;
use tempfile::TempDir;
use xtent::{
    CloneOptions, CopyOptions, DedupeOptions, DedupeStatus, DedupeTarget, Report, StageOptions, TO_END,
};
use xtent_tests::{Filesystem, pattern, scratch};

use crate::action::{Action, At, BLOCK, FILES};
use crate::blocks::{first_shared, first_unshared};

type Checked = Result<(), String>;

pub(crate) fn failed(step: usize, action: impl std::fmt::Debug, what: &str) -> TestCaseError {
    TestCaseError::fail(format!("action {step}, {action:?}: {what}"))
}

pub(crate) struct World {
    dir: TempDir,
    files: Vec<File>,
    models: Vec<Vec<u8>>,
}

/// A range of a source and where it goes, as far as the source reaches.
#[derive(Clone, Copy)]
struct Range {
    src: u64,
    dst: u64,
    len: u64,
    one_file: bool,
}

impl Range {
    fn overlaps(&self) -> bool {
        self.one_file && self.src < self.dst + self.len && self.dst < self.src + self.len
    }
}

impl World {
    pub(crate) fn new(fs: &Filesystem) -> World {
        let dir = scratch(fs);
        let open = |number| {
            let path = path(&dir, number);
            File::options().read(true).write(true).create_new(true).open(path).expect("a new file")
        };
        let files = (0..FILES).map(open).collect();
        World { dir, files, models: vec![Vec::new(); FILES] }
    }

    pub(crate) fn act(&mut self, action: &Action) -> Checked {
        match action {
            Action::Write { to, len, seed } => self.write(*to, &pattern(*seed, *len as usize)),
            Action::Echo { from, to, len } => {
                let there = self.part(*from, *len).to_vec();
                self.write(*to, &there);
            }
            Action::Truncate { to } => {
                self.files[to.file].set_len(to.offset).expect("ftruncate");
                self.models[to.file].resize(to.offset as usize, 0);
            }
            Action::Punch { to, len } if *len > 0 => {
                self.allocate(*to, *len, libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE);
                let bytes = self.models[to.file].iter_mut();
                bytes.skip(to.offset as usize).take(*len as usize).for_each(|byte| *byte = 0);
            }
            Action::Preallocate { to, len } if *len > 0 => {
                self.allocate(*to, *len, 0);
                self.grow(to.file, to.offset + len);
            }
            Action::Punch { .. } | Action::Preallocate { .. } => {}
            Action::Sync { file } => self.files[*file].sync_all().expect("fsync"),
            Action::Copy { from, to, len } => self.copy(*from, *to, *len)?,
            Action::Clone { from, to, len } => self.clone(*from, *to, *len)?,
            Action::CloneOrCopy { from, to, len } => self.clone_or_copy(*from, *to, *len)?,
            Action::Dedupe { from, to, len } => self.dedupe(*from, to, *len)?,
            Action::Publish { from, file, more, discard } => self.publish(*from, *file, *more, *discard)?,
        }
        self.compare()
    }

    /// The bytes once more, as they are on disk.
    pub(crate) fn settled(&self) -> Checked {
        for file in &self.files {
            file.sync_all().expect("fsync");
            // SAFETY: numbers only.
            unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        }
        self.compare()
    }

    fn compare(&self) -> Checked {
        for (number, (file, model)) in self.files.iter().zip(&self.models).enumerate() {
            let size = file.metadata().expect("fstat").len();
            if size != model.len() as u64 {
                return Err(format!("file {number} has {size} bytes, not {}", model.len()));
            }
            let mut bytes = vec![0; model.len()];
            file.read_exact_at(&mut bytes, 0).expect("pread");
            if let Some(at) = difference(&bytes, model) {
                return Err(format!("file {number} has {:#x} at {at}, not {:#x}", bytes[at], model[at]));
            }
        }
        Ok(())
    }

    /// What of a range is in the file.
    fn part(&self, at: At, len: u64) -> &[u8] {
        let model = &self.models[at.file];
        let start = model.len().min(at.offset as usize);
        &model[start..model.len().min((at.offset + len) as usize)]
    }

    fn grow(&mut self, file: usize, size: u64) {
        let size = self.models[file].len().max(size as usize);
        self.models[file].resize(size, 0);
    }

    fn write(&mut self, to: At, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.files[to.file].write_all_at(bytes, to.offset).expect("pwrite");
            self.put(to, bytes);
        }
    }

    fn put(&mut self, to: At, bytes: &[u8]) {
        self.grow(to.file, to.offset + bytes.len() as u64);
        self.models[to.file][to.offset as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn allocate(&self, at: At, len: u64, mode: i32) {
        let fd = self.files[at.file].as_raw_fd();
        // SAFETY: numbers only.
        let result = unsafe { libc::fallocate(fd, mode, at.offset as i64, len as i64) };
        assert_eq!(result, 0, "fallocate: {}", io::Error::last_os_error());
    }

    fn size(&self, file: usize) -> u64 {
        self.models[file].len() as u64
    }

    /// As far as the source reaches.
    fn range(&self, from: At, to: At, len: Option<u64>) -> Range {
        let left = self.size(from.file).saturating_sub(from.offset);
        let len = len.map_or(left, |len| len.min(left));
        Range { src: from.offset, dst: to.offset, len, one_file: from.file == to.file }
    }

    /// The range arrived.
    fn arrive(&mut self, from: At, to: At, len: u64) {
        let bytes = self.part(from, len).to_vec();
        if !bytes.is_empty() {
            self.put(to, &bytes);
        }
    }

    fn copy(&mut self, from: At, to: At, len: Option<u64>) -> Checked {
        let range = self.range(from, to, len);
        let said = xtent::copy_range(
            self.files[from.file].as_fd(),
            from.offset,
            self.files[to.file].as_fd(),
            to.offset,
            len.unwrap_or(TO_END),
            CopyOptions::new(),
        );
        if range.len > 0 && range.overlaps() {
            return refused(said, libc::EINVAL);
        }
        let report = whole(said, range.len)?;
        if report.bytes_cloned > 0 {
            return Err(format!("a copy cloned: {report:?}"));
        }
        if range.len == 0 {
            return Ok(());
        }
        self.arrive(from, to, range.len);
        match first_shared(&self.files, to.file, to.offset..to.offset + range.len, BLOCK) {
            Some(at) => Err(format!("copied, but the block at {at} is shared")),
            None => Ok(()),
        }
    }

    /// What the kernel takes: whole blocks, and a last one of the source only where nothing lies behind it.
    fn can_clone(&self, range: Range, from: At, to: At, len: Option<u64>) -> bool {
        let aligned = |offset: u64| offset.is_multiple_of(BLOCK);
        let all = len.is_none_or(|len| len > 0 && len == range.len) && from.offset <= self.size(from.file);
        let end =
            range.src + range.len == self.size(from.file) && range.dst + range.len >= self.size(to.file);
        // To the end, where nothing is left: nothing is asked.
        all && (range.len == 0
            || aligned(range.src) && aligned(range.dst) && (aligned(range.len) || end) && !range.overlaps())
    }

    fn clone(&mut self, from: At, to: At, len: Option<u64>) -> Checked {
        let range = self.range(from, to, len);
        let said = xtent::clone_range(
            self.files[from.file].as_fd(),
            from.offset,
            self.files[to.file].as_fd(),
            to.offset,
            len.unwrap_or(TO_END),
            CloneOptions::new(),
        );
        if !self.can_clone(range, from, to, len) {
            return refused(said, libc::EINVAL);
        }
        let report = whole(said, range.len)?;
        if report.bytes_cloned != range.len {
            return Err(format!("a clone did something else: {report:?}"));
        }
        self.arrive(from, to, range.len);
        self.all_shared(from, to, range.len)
    }

    fn all_shared(&self, from: At, to: At, len: u64) -> Checked {
        let (src, dst) = (&self.files[from.file], &self.files[to.file]);
        match first_unshared(src, from.offset, dst, to.offset, len, BLOCK) {
            Some(at) => Err(format!("cloned, but the block at {at} of the range is not shared")),
            None => Ok(()),
        }
    }

    fn clone_or_copy(&mut self, from: At, to: At, len: Option<u64>) -> Checked {
        let range = self.range(from, to, len);
        let said = xtent::clone_or_copy_range(
            self.files[from.file].as_fd(),
            from.offset,
            self.files[to.file].as_fd(),
            to.offset,
            len.unwrap_or(TO_END),
            CopyOptions::new(),
        );
        if range.len > 0 && range.overlaps() {
            return refused(said, libc::EINVAL);
        }
        let report = whole(said, range.len)?;
        self.arrive(from, to, range.len);
        if report.bytes_cloned == range.len { self.all_shared(from, to, range.len) } else { Ok(()) }
    }

    fn publish(&mut self, from: At, file: usize, more: u64, discard: bool) -> Checked {
        let path = path(&self.dir, file);
        let told = |error: xtent::Error| format!("{error:?}");
        let mut stage = xtent::stage_open(&path, StageOptions::new().replace(true)).map_err(told)?;
        let src = self.files[from.file].as_fd();
        let said = xtent::clone_or_copy_range(src, from.offset, stage.as_fd(), 0, TO_END, CopyOptions::new());
        let mut staged = self.part(from, u64::MAX / 2).to_vec();
        whole(said, staged.len() as u64)?;
        let behind = pattern(more, more as usize);
        // The stage is written to by a descriptor of ours, as restore programs do.
        let own = File::from(stage.as_fd().try_clone_to_owned().expect("dup"));
        own.write_all_at(&behind, staged.len() as u64).expect("pwrite");
        staged.extend(behind);
        if discard {
            stage.discard();
            return Ok(());
        }
        // Nobody sees it before, under no name.
        self.compare()?;
        stage.publish().map_err(told)?;
        self.files[file] = File::options().read(true).write(true).open(&path).expect("it is published");
        self.models[file] = staged;
        let names = std::fs::read_dir(self.dir.path()).expect("a directory").count();
        if names == FILES { Ok(()) } else { Err(format!("{names} names in the directory")) }
    }

    fn dedupe(&mut self, from: At, to: &[At], len: Option<u64>) -> Checked {
        let targets: Vec<DedupeTarget<'_>> =
            to.iter().map(|at| DedupeTarget { fd: self.files[at.file].as_fd(), offset: at.offset }).collect();
        let src = self.files[from.file].as_fd();
        let said =
            xtent::dedupe_range(src, from.offset, len.unwrap_or(TO_END), &targets, DedupeOptions::new());
        let left = self.size(from.file).checked_sub(from.offset);
        let len = match (left, len) {
            (Some(left), Some(len)) if 0 < len && len <= left => len,
            // Of nothing any answer is true.
            (Some(0), None) => return Ok(()),
            (Some(left), None) => left,
            _ => return refused(said, libc::EINVAL),
        };
        let results = said.map_err(|error| format!("{error:?}"))?;
        for (at, result) in to.iter().zip(results) {
            let range = self.range(from, *at, Some(len));
            let wrong = !from.offset.is_multiple_of(BLOCK)
                || !at.offset.is_multiple_of(BLOCK)
                || at.offset + len > self.size(at.file)
                || range.overlaps();
            let differs_at = difference(self.part(from, len), self.part(*at, len)).map(|at| at as u64);
            let wanted = match differs_at {
                _ if wrong => DedupeStatus::Failed,
                Some(_) => DedupeStatus::Differs,
                None => DedupeStatus::Same,
            };
            if result.status != wanted || wrong && result.errno != libc::EINVAL {
                return Err(format!("{at:?}: {result:?}, not {wanted:?}"));
            }
            if !wrong && result.differs_at != differs_at {
                return Err(format!("{at:?}: {result:?}, but they differ at {differs_at:?}"));
            }
            if wanted == DedupeStatus::Same {
                let shared = result.shared.zip(result.already_shared).map(|(now, before)| now + before);
                if result.compared != len || shared.is_none_or(|shared| shared > len) {
                    return Err(format!("{at:?}: {result:?}, of {len} equal bytes"));
                }
            }
        }
        Ok(())
    }
}

fn path(dir: &TempDir, number: usize) -> PathBuf {
    dir.path().join(number.to_string())
}

fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    if a == b { None } else { a.iter().zip(b).position(|(a, b)| a != b) }
}

/// Refused with that errno. That nothing changed is seen afterwards.
fn refused<T: std::fmt::Debug>(said: xtent::Result<T>, errno: i32) -> Checked {
    match said {
        Err(error) if error.errno == errno => Ok(()),
        said => Err(format!("{said:?}, not errno {errno}")),
    }
}

/// Done, all of it.
fn whole(said: xtent::Result<Report>, len: u64) -> Result<Report, String> {
    match said {
        Ok(report) if report.bytes() == len && report.errno == 0 => Ok(report),
        said => Err(format!("{said:?}, not {len} bytes")),
    }
}
