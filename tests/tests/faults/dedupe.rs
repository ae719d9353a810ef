//! Deduping: what is told as the same is the same, and shares its blocks; `dedupe_files` among files of every kind.

use std::fs::{self, File};
use std::path::PathBuf;

use tempfile::TempDir;
use xtent::{At, DedupeOptions, DedupeResult, DedupeStatus, Reason};
use xtent_tests::{Filesystem, pattern, scratch};

use crate::scene::{K, Pieces, bytes, content, difference, write};
use crate::supervisor::Call;
use crate::{Trial, may_come};

/// The results of a call; none where it failed by that errno, or would have without a fault.
pub(crate) fn results<'a>(
    said: &'a xtent::Result<Vec<DedupeResult>>,
    calm: &xtent::Result<Vec<DedupeResult>>,
    errnos: &[i32],
) -> Result<&'a [DedupeResult], String> {
    match said {
        Ok(results) => Ok(results),
        Err(error) if errnos.contains(&error.errno) => Ok(&[]),
        Err(error) if calm.as_ref().is_err_and(|calm| calm.errno == error.errno) => Ok(&[]),
        Err(_) => Err("another errno".into()),
    }
}

/// Whether all that is told of a target is so; `errnos` may have made it fail.
pub(crate) fn is_true(
    result: &DedupeResult,
    (src, src_bytes): (&File, &[u8]),
    (dst, offset, target): (&File, usize, &[u8]),
    errnos: &[i32],
) -> Result<(), String> {
    let len = src_bytes.len();
    let differs_at = difference(src_bytes, target).map(|at| at as u64);
    let told = result.shared.zip(result.already_shared).map(|(now, before)| now + before);
    let shared = shared(src, dst, offset, len);
    let may_leave_out = errnos.iter().any(|errno| [libc::EBADF, libc::EINVAL].contains(errno));
    if told.is_some_and(|told| told > shared) {
        return Err(format!("{told:?} told as shared, {shared} are"));
    }
    match result.status {
        DedupeStatus::Same if differs_at.is_some() => Err("told as the same".into()),
        // As of a target that is not open for reading.
        DedupeStatus::Same if result.compared < len as u64 && !may_leave_out => {
            Err("not all of it was compared".into())
        }
        // The last partial block lies in one of the target's that has more in it.
        DedupeStatus::Same if shared < len as u64 / 4096 * 4096 && result.reason != Reason::WouldAllocate => {
            Err(format!("told as the same, and {shared} bytes are shared"))
        }
        DedupeStatus::Differs if differs_at.is_none() => Err("told as different".into()),
        DedupeStatus::Differs if result.differs_at.is_some_and(|at| Some(at) != differs_at) => {
            Err(format!("differs elsewhere, at {differs_at:?}"))
        }
        DedupeStatus::Failed if !errnos.contains(&result.errno) => Err("another errno".into()),
        DedupeStatus::NotReached => Err("not reached".into()),
        _ => Ok(()),
    }
}

/// Bytes of the source that lie in the same blocks as those at `offset` of the destination.
fn shared(src: &File, dst: &File, offset: usize, len: usize) -> u64 {
    let Ok(src) = xtent_tests::extents(src) else { return 0 };
    let Ok(dst) = xtent_tests::extents(dst) else { return 0 };
    let place = |extents: &[xtent_tests::Extent], at: u64| {
        let extent = extents.iter().find(|e| (e.logical..e.logical + e.length).contains(&at))?;
        Some(extent.physical + at - extent.logical)
    };
    let blocks = (0..len as u64).step_by(4096);
    let is_shared = |at: &u64| {
        let ours = place(&src, *at);
        ours.is_some() && ours == place(&dst, offset as u64 + at)
    };
    blocks.filter(is_shared).map(|at| (len as u64 - at).min(4096)).sum()
}

const SOURCE: Pieces = &[(Some(1), 64 * K + 100)];
const OTHER_END: Pieces = &[(Some(1), 48 * K), (Some(9), 16 * K + 100)];

/// By their paths: an equal file, one that differs, one of another size, second names of the first and of the source, and
/// a name of nothing.
const TARGETS: [&str; 6] = ["equal", "differs", "longer", "equal again", "source again", "missing"];

/// The files of [`TARGETS`].
pub(crate) struct ManyFiles {
    dir: TempDir,
    src: File,
    equal: File,
    differs: File,
}

impl ManyFiles {
    pub(crate) fn new(fs: &Filesystem) -> ManyFiles {
        let dir = scratch(fs);
        let new = |name: &str| {
            let path = dir.path().join(name);
            File::options().read(true).write(true).create_new(true).open(path).expect("a new file")
        };
        let src = new("source");
        write(&src, SOURCE, &bytes(SOURCE));
        fs::write(dir.path().join("longer"), pattern(1, 80 * K)).expect("a new file");
        let (equal, differs) = (new("equal"), new("differs"));
        for name in ["equal", "source"] {
            let again = dir.path().join(format!("{name} again"));
            fs::hard_link(dir.path().join(name), again).expect("link");
        }
        ManyFiles { dir, src, equal, differs }
    }

    fn paths(&self) -> [PathBuf; 6] {
        TARGETS.map(|name| self.dir.path().join(name))
    }
}

impl Trial for ManyFiles {
    type Said = xtent::Result<Vec<DedupeResult>>;

    fn name(&self) -> &'static str {
        "dedupe_files"
    }

    fn reset(&self) {
        write(&self.equal, SOURCE, &bytes(SOURCE));
        write(&self.differs, OTHER_END, &bytes(OTHER_END));
    }

    fn act(&self) -> Self::Said {
        let paths = self.paths();
        let targets: Vec<At<'_>> = paths.iter().map(At::from).collect();
        xtent::dedupe_files(&self.dir.path().join("source"), &targets, DedupeOptions::new())
    }

    fn judge(&self, said: &Self::Said, calm: &Self::Said, fault: Option<(Call, i32)>) -> Result<(), String> {
        let errnos = may_come(fault);
        let source = bytes(SOURCE);
        if content(&self.src) != source {
            return Err("the source is another".into());
        }
        let wanted = [source.clone(), bytes(OTHER_END), pattern(1, 80 * K)];
        let wanted = [&wanted[0], &wanted[1], &wanted[2], &wanted[0], &wanted[0]];
        for (path, wanted) in self.paths().iter().zip(wanted) {
            let file = File::open(path).expect("a target");
            if difference(&content(&file), wanted).is_some() {
                return Err(format!("{} is another", path.display()));
            }
        }
        let results = results(said, calm, &errnos)?;
        if results.is_empty() {
            return Ok(());
        }
        for ((path, wanted), result) in self.paths().iter().zip(wanted).zip(results) {
            let file = File::open(path).expect("a target");
            is_true(result, (&self.src, &source), (&file, 0, wanted), &errnos)
                .map_err(|what| format!("{}: {what}", path.display()))?;
        }
        match &results[TARGETS.len() - 1] {
            DedupeResult { status: DedupeStatus::Failed, errno: libc::ENOENT, .. } => Ok(()),
            missing if missing.status == DedupeStatus::Failed && errnos.contains(&missing.errno) => Ok(()),
            missing => Err(format!("of nothing is told {missing:?}")),
        }
    }
}
