//! What is in the middle of being done when the power goes, and what may be found of it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use xtent::{
    Atomic, CloneOptions, DedupeOptions, DedupeStatus, DedupeTarget, FileOptions, TO_END, TreeOptions,
    clone_file, clone_range, clone_tree, copy_file, copy_tree, dedupe_range,
};
use xtent_tests::{Random, pattern};

use crate::{Result, say};

/// Names that files are published under, and those of trees.
const FILES: [&str; 2] = ["cloned", "copied"];
const TREES: [&str; 2] = ["cloned-tree", "copied-tree"];
/// A file whose range is exchanged, where the filesystem can.
const EXCHANGED: &str = "exchanged";
const EXCHANGED_LEN: usize = 256 << 10;
/// The last differs from the others in its middle.
const EQUAL: [&str; 4] = ["equal-0", "equal-1", "equal-2", "differs"];
const EQUAL_LEN: usize = 1 << 20;
const IN_A_TREE: usize = 12;

pub(crate) struct Work {
    dir: PathBuf,
    seed: u64,
    exchanges: bool,
    random: Random,
    versions: BTreeMap<&'static str, u64>,
}

/// The bytes of a version of what stands under a name. The version comes first, so that it can be told.
fn content(seed: u64, name: &str, version: u64) -> Vec<u8> {
    let mut state = Random(seed ^ version);
    let len = match name {
        EXCHANGED => EXCHANGED_LEN - 8,
        _ => 100_000 + state.below(200_000) as usize,
    };
    let of =
        name.bytes().fold(seed ^ (version << 8), |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    [&version.to_le_bytes()[..], &pattern(of, len)].concat()
}

fn equal(seed: u64, name: &str) -> Vec<u8> {
    let mut bytes = pattern(seed, EQUAL_LEN);
    if name == "differs" {
        bytes[EQUAL_LEN / 2] ^= 1;
    }
    bytes
}

/// The version that a file is, if it is one as a whole.
fn version_of(path: &Path, seed: u64, name: &str) -> Result<u64> {
    let bytes = fs::read(path)?;
    let Some(version) = bytes.first_chunk().map(|version| u64::from_le_bytes(*version)) else {
        return Err(format!("{}: {} bytes", path.display(), bytes.len()).into());
    };
    if bytes == content(seed, name, version) {
        return Ok(version);
    }
    Err(format!("{}: {} bytes that are no version as a whole", path.display(), bytes.len()).into())
}

fn tree_version_of(path: &Path, seed: u64) -> Result<u64> {
    let mut versions = Vec::new();
    for number in 0..IN_A_TREE {
        let name = format!("{number}");
        versions.push(version_of(&path.join("below").join(&name), seed, &name)?);
    }
    if versions.windows(2).all(|pair| pair[0] == pair[1]) {
        return Ok(versions[0]);
    }
    Err(format!("{}: files of versions {versions:?}", path.display()).into())
}

/// What is there, by names and versions. An error: something is in part what it was and in part what it would be.
pub(crate) fn found(dir: &Path, seed: u64) -> Result<BTreeMap<String, u64>> {
    for name in EQUAL {
        if fs::read(dir.join(name))? != equal(seed, name) {
            return Err(format!("{name}: a dedupe changed its bytes").into());
        }
    }
    let mut found = BTreeMap::new();
    for name in FILES.iter().chain([&EXCHANGED]).filter(|name| dir.join(name).exists()) {
        found.insert((*name).into(), version_of(&dir.join(name), seed, name)?);
    }
    for name in TREES.iter().filter(|name| dir.join(name).exists()) {
        found.insert((*name).into(), tree_version_of(&dir.join(name), seed)?);
    }
    Ok(found)
}

/// A hidden name of the library's, which its next run there may clear.
pub(crate) fn is_leftover(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".xtent-")
}

impl Work {
    pub(crate) fn new(dir: &Path, seed: u64, exchanges: bool) -> Work {
        Work { dir: dir.into(), seed, exchanges, random: Random(seed), versions: BTreeMap::new() }
    }

    /// What must be there before anything is cut.
    pub(crate) fn prepare(&self) -> Result<()> {
        for name in EQUAL {
            fs::write(self.dir.join(name), equal(self.seed, name))?;
        }
        if self.exchanges {
            fs::write(self.dir.join(EXCHANGED), content(self.seed, EXCHANGED, 0))?;
        }
        Ok(fs::create_dir(self.dir.join("source"))?)
    }

    /// One step after the other, each told when it is on disk, until somebody ends this process.
    pub(crate) fn go_on(mut self) -> Result<ExitCode> {
        loop {
            let name = match self.random.below(if self.exchanges { 7 } else { 5 }) {
                step @ (0 | 1) => self.file(FILES[step as usize])?,
                step @ (2 | 3) => self.tree(TREES[step as usize - 2])?,
                4 => self.dedupe()?,
                _ => self.exchange()?,
            };
            if let Some(name) = name {
                say(&format!("done {name} {}", self.versions[name]));
            }
        }
    }

    fn next(&mut self, name: &'static str) -> u64 {
        let version = self.versions.entry(name).or_default();
        *version += 1;
        *version
    }

    /// A file is made from a source that nobody synced.
    fn file(&mut self, name: &'static str) -> Result<Option<&'static str>> {
        let version = self.next(name);
        let (src, dst) = (self.dir.join("source/file"), self.dir.join(name));
        fs::write(&src, content(self.seed, name, version))?;
        let options = FileOptions::new().replace(true).durable(true);
        match name {
            "cloned" => clone_file(&src, &dst, options)?,
            _ => copy_file(&src, &dst, options)?,
        };
        Ok(Some(name))
    }

    /// Likewise a tree, which takes the place of the last one.
    fn tree(&mut self, name: &'static str) -> Result<Option<&'static str>> {
        let version = self.next(name);
        let (src, dst) = (self.dir.join("source/tree"), self.dir.join(name));
        fs::create_dir_all(src.join("below"))?;
        for number in 0..IN_A_TREE {
            let file = format!("{number}");
            fs::write(src.join("below").join(&file), content(self.seed, &file, version))?;
        }
        let options = TreeOptions::new().replace(true).durable(true).threads(2);
        match name {
            "cloned-tree" => clone_tree(&src, &dst, options),
            _ => copy_tree(&src, &dst, options),
        }
        .map_err(|failure| format!("{}: {}", failure.path.display(), failure.error))?;
        Ok(Some(name))
    }

    /// A range of a file in place, likewise from a source that nobody synced.
    fn exchange(&mut self) -> Result<Option<&'static str>> {
        let version = self.next(EXCHANGED);
        let src = self.dir.join("source/range");
        fs::write(&src, content(self.seed, EXCHANGED, version))?;
        let (src, dst) =
            (File::open(&src)?, File::options().read(true).write(true).open(self.dir.join(EXCHANGED))?);
        let options = CloneOptions::new().atomic(Atomic::Required);
        clone_range(src.as_fd(), 0, dst.as_fd(), 0, TO_END, options)?;
        dst.sync_all()?;
        Ok(Some(EXCHANGED))
    }

    /// Blocks of their own first, with the same bytes, so that there is something to share.
    fn dedupe(&mut self) -> Result<Option<&'static str>> {
        let open = |name: &str| File::options().read(true).write(true).open(self.dir.join(name));
        for name in EQUAL {
            let file = open(name)?;
            file.write_all_at(&equal(self.seed, name), 0)?;
            if self.random.below(2) == 0 {
                file.sync_all()?;
            }
        }
        let files = EQUAL.map(open);
        let [src, targets @ ..] = files;
        let (src, targets) = (src?, targets.into_iter().collect::<std::io::Result<Vec<_>>>()?);
        let asked: Vec<_> = targets.iter().map(|file| DedupeTarget { fd: file.as_fd(), offset: 0 }).collect();
        let results = dedupe_range(src.as_fd(), 0, TO_END, &asked, DedupeOptions::new())?;
        for (name, result) in EQUAL[1..].iter().zip(&results) {
            let wanted = if *name == "differs" { DedupeStatus::Differs } else { DedupeStatus::Same };
            if result.status != wanted {
                return Err(format!("{name}: {result:?}").into());
            }
        }
        Ok(None)
    }
}
