//! `dedupe_tree`: see [`xtent::dedupe_tree`].

use pyo3::prelude::*;
use xtent::DedupeTreeOptions;

use crate::control::watched;
use crate::convert::{Descriptor, FilePath, amount};
use crate::copy::cache_choice;
use crate::record::record;
use crate::tree::{Failures, NONE_FAILED};
use crate::usage::{failed, files};

record! {
    /// What dedupe_tree() did. Amounts are bytes where nothing else is said.
    DedupeTreeReport {
        /// Regular files that the filters let pass, each once.
        files: u64 = 0,
        /// Directories that were walked.
        directories: u64 = 0,
        /// Further names of files: hard links, and roots that overlap.
        links: u64 = 0,
        /// Files of a size that another one of the same filesystem has.
        candidates: u64 = 0,
        /// Candidates of which the index knew that nothing is to be done: they were not even opened.
        known: u64 = 0,
        /// What was read to tell candidates apart, before the kernel compared what was left.
        read: u64 = 0,
        /// Files that are equal to another one, and came to share all their blocks with it.
        deduped: u64 = 0,
        /// What shares another file's blocks now and did not before, by the files' extent maps. Of files that
        /// shared their blocks among themselves before, all are counted; of one that the kernel found to differ, what
        /// comes before the difference; with blocks all its equal blocks.
        shared: u64 = 0,
        /// What of candidates shared another one's blocks before the call: all of those that shared all their blocks
        /// with one that is counted; of each other one what it shared with that which it was compared with first. What
        /// is known is not counted.
        already_shared: u64 = 0,
        /// Files whose extent maps could not tell how much they share.
        unmeasured: u64 = 0,
        /// With dry_run an estimate of what shared would be.
        estimate: u64 = 0,
        /// Files that were gone, or not what they were when they were listed.
        vanished: u64 = 0,
        /// What failed; paths are those of the roots and beneath.
        failures: Failures = NONE_FAILED,
    }
}

impl From<xtent::DedupeTreeReport> for DedupeTreeReport {
    fn from(report: xtent::DedupeTreeReport) -> Self {
        DedupeTreeReport {
            files: report.files,
            directories: report.directories,
            links: report.links,
            candidates: report.candidates,
            known: report.known,
            read: report.read,
            deduped: report.deduped,
            shared: report.shared,
            already_shared: report.already_shared,
            unmeasured: report.unmeasured,
            estimate: report.estimate,
            vanished: report.vanished,
            failures: Failures::of(&report.failures),
        }
    }
}

/// Make equal files share their blocks: all that lie beneath the directories, or are the files, of roots.
///
/// roots are paths, relative to dir_fd where it is given, or directories that are open: ints or objects with fileno().
/// What is equal the kernel decides, as for dedupe_range(), under both files' locks: contents never change, by no
/// outcome and whoever writes meanwhile. The files' times stay; that of the last access may not where the caller is
/// not the owner.
///
/// Each file counts once, however many names and roots lead to it. Symbolic links are not followed, and what is no
/// regular file is passed over. Only files of one filesystem share; what is mounted beneath a root is left out, unless
/// cross_mounts is set.
///
/// dry_run shares nothing, and estimates what would be shared: samples stand for files of more than 128 KiB, so much of
/// them as is equal and not shared already. Files of fewer than min_size bytes are left alone. include are patterns of
/// which a file must match one, where there are any, and exclude those of files, and of directories with all in them,
/// that are left out: "*", "?", "[...]", "{a,b}", and "**" for any number of directories. A pattern without a slash is one
/// of names, at any depth, and one with a slash that of a whole path beneath its root. cache is that of dedupe_range().
/// threads says how many work at it; 0 is one for each processor, and no more than 8 do.
///
/// blocks has files of more than 128 KiB that differ share every run of equal blocks too: those of one size of which
/// two of four samples are equal, in the same places, and not all zeros, such as yesterday's image of a disk and
/// today's. Those with equal samples are compared among themselves, as without, and then each of them with one file of
/// other samples; both are read for that where they do not share already. What was inserted into, or is of another size,
/// is not found. All files of one size are one matter then: where one of them is new or changed, an index does not keep
/// the others from being opened, and sampled, again. While they are told apart each takes up to some 450 bytes of
/// memory more.
///
/// index is a file that remembers what was found, made where there is none: the next call reads and opens only files that
/// changed, by their size and times, and those that have one of these for their equal. It is used by one call at a time,
/// and does not decide what is equal. It is an SQLite database, in a directory that nobody else should be able to write to:
/// its journal lies beside it, by its name and "-journal", as long as a call writes, and after one that was killed until the
/// next. Any other file of that name, or with "-wal", is left alone, and the call refused. rebuild puts a new one in the
/// place of what is damaged, newer, or no index at all.
///
/// A file that fails is in report.failures, and the others go on. progress is called with the files and the bytes that are
/// done. An exception from it, or KeyboardInterrupt, ends the call; what was shared stays shared.
///
/// Raises OSError of the subclass for its errno, with the attributes reason and report, and the path of the root or the
/// index as filename: where a root cannot be opened; EOPNOTSUPP a root's filesystem cannot share, or is not known to
/// compare; EINVAL a pattern is none; and of the index EBUSY INDEX_IN_USE, EUCLEAN INDEX_DAMAGED, EINVAL INDEX_FOREIGN,
/// EOPNOTSUPP INDEX_NEWER, ENAMETOOLONG a whole path of more than 504 bytes, ESTALE another file took its place meanwhile.
#[pyfunction]
#[pyo3(signature = (
    roots, *, dry_run=false, blocks=false, min_size=0, include=Vec::new(), exclude=Vec::new(), cross_mounts=false,
    cache="keep", threads=0, index=None, rebuild=false, dir_fd=None, progress=None
))]
#[allow(clippy::too_many_arguments, reason = "keywords, in Python")]
pub(crate) fn dedupe_tree(
    py: Python<'_>,
    roots: &Bound<'_, PyAny>,
    dry_run: bool,
    blocks: bool,
    #[pyo3(from_py_with = amount)] min_size: u64,
    include: Vec<String>,
    exclude: Vec<String>,
    cross_mounts: bool,
    cache: &str,
    threads: usize,
    index: Option<FilePath>,
    rebuild: bool,
    dir_fd: Option<Descriptor>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<DedupeTreeReport> {
    let (roots, cache) = (files(roots)?, cache_choice(cache)?);
    let done = watched(py, progress, |mut control| {
        let places: Vec<_> = roots.iter().map(|root| root.at(dir_fd.as_ref())).collect();
        let include: Vec<&str> = include.iter().map(String::as_str).collect();
        let exclude: Vec<&str> = exclude.iter().map(String::as_str).collect();
        let options = DedupeTreeOptions::new().control(control.lend()).dry_run(dry_run).min_size(min_size);
        let options = options.include(&include).exclude(&exclude).cross_mounts(cross_mounts).cache(cache);
        let mut options = options.blocks(blocks).threads(threads).rebuild(rebuild);
        options.index = index.as_ref().map(|index| index.at(dir_fd.as_ref()));
        xtent::dedupe_tree(&places, options)
    })?;
    done.map(DedupeTreeReport::from).map_err(|failure| failed(py, &failure))
}
