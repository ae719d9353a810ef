//! `dedupe_files`: whole files by their paths, as many as there are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::os::fd::{AsFd, BorrowedFd};

use crate::dedupe::{DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, dedupe_range};
use crate::error::{Error, Operation, Result};
use crate::facts::Inode;
use crate::range::TO_END;
use crate::sys;

use super::at::At;
use super::source::Held;
use super::{Refusal, path_refusal};

/// So many targets are open at once: a process may have 1024 descriptors (RLIMIT_NOFILE), and needs some itself.
const TOGETHER: usize = 127;

/// Makes each of `targets` share the blocks of the file `src` where it is its equal: as
/// [`dedupe_range`](crate::dedupe_range) of whole files, opened here.
///
/// Files are opened for reading, which is enough for those of the caller, read-only ones and programs that run among
/// them, or, where that is denied, for writing. Their times do not change; that of the last access may where the caller
/// is not the owner (`O_NOATIME`, open(2)), or has opened the file. Symbolic links are not followed (`ELOOP`);
/// [`At::open`] takes a file that is open already.
///
/// One result for each target, in their order; one target's failure does not disturb another. A target of another
/// size differs, and nothing of it is shared. A name of the source's own file, or of one that an earlier target
/// named, is the same without being asked: all of it is shared already.
///
/// # Errors
///
/// For the call as a whole: those of [`dedupe_range`](crate::dedupe_range), and of opening the source (see
/// [`copy_file`](crate::copy_file)). For a target the same.
pub fn dedupe_files<'a, 'b>(
    src: impl Into<At<'a>>,
    targets: &[At<'b>],
    mut options: DedupeOptions<'_>,
) -> Result<Vec<DedupeResult>> {
    let told = |error: Error| error.told_by(OP);
    let (source, source_is) = open(&src.into(), READ).map_err(|refusal| refusal.of(OP))?;
    // Of the source alone, so that its refusals are the call's also where no target can be asked.
    dedupe_range(source.as_fd(), 0, TO_END, &[], DedupeOptions::new()).map_err(told)?;
    let mut job = Job { source: source_is, asked: HashMap::new(), results: Vec::new(), begun: false };
    let total = job.source.size.saturating_mul(targets.len() as u64);
    for (turn, targets) in targets.chunks(TOGETHER).enumerate() {
        let before = job.source.size.saturating_mul((turn * TOGETHER) as u64);
        options.control.part(before, total);
        job.ask(source.as_fd(), targets, options.lend()).map_err(told)?;
    }
    Ok(job.results)
}

/// What is read ahead of the kernel's comparison is no access that anybody asked for.
const READ: libc::c_int = libc::O_RDONLY | libc::O_NOATIME;

const OP: Operation = Operation::DedupeFiles;

struct Job {
    source: Inode,
    /// Where the result of each file is that was asked, by device and inode.
    asked: HashMap<(u64, u64), usize>,
    results: Vec<DedupeResult>,
    /// Some targets were asked: the call as a whole does not fail any more.
    begun: bool,
}

impl Job {
    fn ask(&mut self, source: BorrowedFd<'_>, targets: &[At<'_>], options: DedupeOptions<'_>) -> Result<()> {
        // Each with the place of its result.
        let mut files = Vec::new();
        let mut named_before = Vec::new();
        for target in targets {
            let at = self.results.len();
            let result = match look(target) {
                Err(Refusal { errno, reason }) => DedupeResult::failed(errno, reason),
                Ok((_, inode)) if inode.same(&self.source) => shared_already(inode.size),
                Ok((_, inode)) if inode.size != self.source.size => {
                    DedupeResult { status: DedupeStatus::Differs, ..DedupeResult::default() }
                }
                Ok((file, inode)) => {
                    match self.asked.entry((inode.dev, inode.ino)) {
                        Entry::Occupied(first) => named_before.push((at, *first.get())),
                        Entry::Vacant(new) => {
                            new.insert(at);
                            files.push((at, file));
                        }
                    }
                    DedupeResult::default()
                }
            };
            self.results.push(result);
        }
        let ranges: Vec<_> =
            files.iter().map(|(_, file)| DedupeTarget { fd: file.as_fd(), offset: 0 }).collect();
        let results = match dedupe_range(source, 0, TO_END, &ranges, options) {
            Err(Error { errno, reason, .. }) if self.begun => {
                vec![DedupeResult::failed(errno, reason); ranges.len()]
            }
            asked => asked?,
        };
        self.begun |= !ranges.is_empty();
        for ((at, _), result) in files.iter().zip(results) {
            self.results[*at] = result;
        }
        for (at, first) in named_before {
            self.results[at] = again(self.results[first]);
        }
        Ok(())
    }
}

/// Opens a target.
fn look<'a>(target: &At<'a>) -> std::result::Result<(Held<'a>, Inode), Refusal> {
    match open(target, READ) {
        Err(Refusal { errno: libc::EACCES, .. }) => open(target, libc::O_WRONLY),
        opened => opened,
    }
}

fn open<'a>(at: &At<'a>, access: libc::c_int) -> std::result::Result<(Held<'a>, Inode), Refusal> {
    let file = Held::open(at, false, access)?;
    let inode = Inode::from(&sys::stat::fstat(file.as_fd()).map_err(path_refusal)?);
    Ok((file, inode))
}

/// Of another name of the source's file.
fn shared_already(size: u64) -> DedupeResult {
    DedupeResult {
        status: DedupeStatus::Same,
        compared: size,
        shared: Some(0),
        already_shared: Some(size),
        ..DedupeResult::default()
    }
}

/// Of another name of a file with this result.
fn again(first: DedupeResult) -> DedupeResult {
    let all = first.shared.zip(first.already_shared).map(|(now, before)| now + before);
    DedupeResult { shared: all.map(|_| 0), already_shared: all, ..first }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_name_shares_what_the_first_did() {
        let first = DedupeResult { shared: Some(5), already_shared: Some(3), ..shared_already(8) };
        assert_eq!(again(first), DedupeResult { shared: Some(0), already_shared: Some(8), ..first });
        let unmeasured = DedupeResult { shared: None, already_shared: None, ..first };
        assert_eq!(again(unmeasured), unmeasured);
    }
}
