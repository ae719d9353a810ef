//! Many files at once: which of them are equal, and what they share.

mod catalogue;
mod classes;
mod filter;
mod identity;
mod index;
mod job;
mod member;
mod near;
mod placement;
mod report;
mod sample;
mod sharing;
mod worker;

pub use report::DedupeTreeReport;

use std::path::PathBuf;

use crate::cache::Cache;
use crate::control::Control;
use crate::error::{Error, Operation};
use crate::file::At;
use crate::reason::Reason;
use crate::roots::Roots;
use crate::sys::signal::NoSigxfsz;
use crate::tree::TreeFailure;

use catalogue::{Catalogue, Cataloguing};
use filter::Filter;
use index::Index;
use job::Rules;

const OP: Operation = Operation::DedupeTree;

/// Each holds up to 64 files open, and a process may have 1024 (RLIMIT_NOFILE).
const MOST_THREADS: usize = 8;

/// Options of [`dedupe_tree`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct DedupeTreeOptions<'a> {
    /// Progress, in files and bytes that are done, and cancellation.
    pub control: Control<'a>,
    /// Whether to share nothing, and only to estimate what would be shared.
    pub dry_run: bool,
    /// Whether files that differ share what blocks of theirs are equal.
    pub blocks: bool,
    /// Files of fewer bytes are left alone.
    pub min_size: u64,
    /// Patterns of which a file must match one, where there are any.
    pub include: &'a [&'a str],
    /// Patterns of which a file, and the directories above it, may match none.
    pub exclude: &'a [&'a str],
    /// Whether to go down into other filesystems that are mounted beneath a root.
    pub cross_mounts: bool,
    /// What becomes of the page cache.
    pub cache: Cache,
    /// How many threads work at it, the caller's among them; 0 is one for each processor. At most 8.
    pub threads: usize,
    /// A file that remembers what was found, for the next run; made where there is none.
    pub index: Option<At<'a>>,
    /// Whether an index that is damaged, newer or none at all is replaced by a new one.
    pub rebuild: bool,
}

impl<'a> DedupeTreeOptions<'a> {
    /// The defaults: everything is shared that can be, with no index, by a thread for each processor.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets progress and cancellation. The callback is called in the caller's thread, with the files and the bytes that
    /// are done so far; how many there will be nobody knows.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Sets whether to share nothing, and only to estimate what would be shared.
    #[must_use]
    pub fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// Sets whether large files that differ share what blocks of theirs are equal.
    #[must_use]
    pub fn blocks(self, blocks: bool) -> Self {
        Self { blocks, ..self }
    }

    /// Sets below how many bytes files are left alone. Empty ones always are.
    #[must_use]
    pub fn min_size(self, min_size: u64) -> Self {
        Self { min_size, ..self }
    }

    /// Sets patterns of which a file must match one. `*`, `?`, `[...]`, `{a,b}`, and `**` for any number of directories; a
    /// pattern without a slash is one of names, at any depth, and one with a slash that of a whole path beneath its root.
    #[must_use]
    pub fn include(self, include: &'a [&'a str]) -> Self {
        Self { include, ..self }
    }

    /// Sets patterns of what is left out: of files, and of directories with all that is in them.
    #[must_use]
    pub fn exclude(self, exclude: &'a [&'a str]) -> Self {
        Self { exclude, ..self }
    }

    /// Sets whether to go down into other filesystems that are mounted beneath a root.
    #[must_use]
    pub fn cross_mounts(self, cross_mounts: bool) -> Self {
        Self { cross_mounts, ..self }
    }

    /// Sets what becomes of the page cache.
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        Self { cache, ..self }
    }

    /// Sets how many threads work at it.
    #[must_use]
    pub fn threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Sets the file that remembers what was found.
    #[must_use]
    pub fn index(self, index: impl Into<At<'a>>) -> Self {
        Self { index: Some(index.into()), ..self }
    }

    /// Sets whether an index that is damaged, newer or none at all is replaced by a new one.
    #[must_use]
    pub fn rebuild(self, rebuild: bool) -> Self {
        Self { rebuild, ..self }
    }
}

/// Makes files that are equal share their blocks: all that lie beneath the directories, or are the files, of `roots`. What is
/// equal the kernel decides, as for [`dedupe_range`](crate::dedupe_range), under both files' locks: contents never change,
/// by no outcome and whoever writes meanwhile. The files' times stay; that of the last access may not where the
/// caller is not the owner.
///
/// Each file counts once, however many names and roots lead to it. Symbolic links are not followed, and what is no regular
/// file is passed over. Only files of one filesystem share; what is mounted beneath a root is left out unless
/// [`DedupeTreeOptions::cross_mounts`] is set. A btrfs subvolume is no mount.
///
/// Files of one size are told apart by as little reading as will do. Those that share all their blocks already, by their
/// extent maps, are not read. Files of up to 128 KiB are read whole, once; of larger ones a few samples, and what is equal in
/// these the kernel compares at once. Only where four or more are left that differ from the one that they were compared with
/// are these read for a digest of all their bytes.
///
/// With [`blocks`](DedupeTreeOptions::blocks) files of more than 128 KiB that differ share every run of equal blocks too, as
/// by [`DedupeOptions::blocks`](crate::DedupeOptions::blocks): those of one size of which two of four samples are equal, in the
/// same places, and not all zeros, such as yesterday's image of a disk and today's. Those with equal samples are compared among
/// themselves, as without, and then each of them with one file of other samples; both are read for that where they do not
/// share already. What was inserted into, or is of another size, is not found. All files of one size are one matter then:
/// where one of them is new or changed, an index does not keep the others from being opened, and sampled, again. While they
/// are told apart each takes up to some 450 bytes of memory more.
///
/// A file that fails is in the report's `failures`, and the others go on. What was shared stays shared when the run
/// is cancelled, or killed; the next one passes it over.
///
/// With an [`index`](DedupeTreeOptions::index) the next run reads and opens only files that changed, by their size and times,
/// and those that have one of these for their equal. An index is private to its caller, is used by one run at a time, and is
/// never trusted with more than that: it does not decide what is equal. It is an SQLite database, in a directory that may be
/// written to, and that nobody else should be able to write to: its journal lies beside it, by its name and `-journal`, as
/// long as a run writes, and after one that was killed until the next. Any other file of that name, or with `-wal`, is left
/// alone, and the run refused. Killed at any moment, an index stays whole, and loses what some 32,000 files were found to be at
/// most. It grows with the files that ever were there; without the file the next run begins anew. All of it is looked at first;
/// [`Control::cancel`] is asked between its rows, though not while its pages are checked. A process that forks while a thread
/// of it is in such a run may not begin another one in the child: SQLite's locks may be held there for ever.
///
/// ```no_run
/// use xtent::{At, DedupeTreeOptions, dedupe_tree};
///
/// let roots = [At::from("/srv/images"), At::from("/srv/backups")];
/// let options = DedupeTreeOptions::new().min_size(4096).exclude(&["*.tmp"]).index("/var/lib/dedupe/index");
/// let report = dedupe_tree(&roots, options)?;
/// println!("{} bytes of {} files are shared now", report.shared, report.deduped);
/// for failure in &report.failures {
///     println!("{failure}");
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Before anything is done, with the path of the root or of the index:
///
/// - `ENOENT`, `EACCES`, `ELOOP`, `ENAMETOOLONG`, `EMFILE`: what is wrong with a path. `EINVAL`: a root that is neither a directory nor a regular
///   file, or, with no path, a pattern that is none. `EOPNOTSUPP`: a root's filesystem cannot share, or is not known to compare.
/// - of the index: `EBUSY` with [`Reason::IndexInUse`], `EUCLEAN` with [`Reason::IndexDamaged`], `EINVAL` with
///   [`Reason::IndexForeign`], `EOPNOTSUPP` with [`Reason::IndexNewer`]. The last three not with
///   [`DedupeTreeOptions::rebuild`], which makes a new one in its place, whatever file that is; but what has the name of its
///   journal and is not its own is `EINVAL` even then. `ENAMETOOLONG`: its whole path, from the root of the filesystems on, has
///   more than 504 bytes. `ESTALE` with [`Reason::Gone`]: another file took its place meanwhile, or none is there any more.
///   `ENOENT` also where it is relative to a directory, and there is no /proc. What it cannot be written for later on is in
///   the report's `failures`.
///
/// `ECANCELED`: what was shared by then stays shared.
pub fn dedupe_tree(
    roots: &[At<'_>],
    mut options: DedupeTreeOptions<'_>,
) -> std::result::Result<DedupeTreeReport, TreeFailure> {
    let fail = |path: PathBuf, error: Error| TreeFailure { path, error };
    let cancelled = || fail(PathBuf::new(), Error::new(OP, libc::ECANCELED, Reason::Cancelled));
    if options.control.is_cancelled() {
        return Err(cancelled());
    }
    let filter = Filter::new(options.min_size, options.include, options.exclude)
        .ok_or_else(|| fail(PathBuf::new(), Error::new(OP, libc::EINVAL, Reason::InvalidArgument)))?;
    let mut roots = Roots::open(roots).map_err(|(path, refusal)| fail(path, refusal.of(OP)))?;
    if let Some((path, error)) =
        roots.each().find_map(|(dir, _, path)| Some((path.to_owned(), catalogue::refusal(dir)?)))
    {
        return Err(fail(path, error));
    }
    // An index is written; not by the other threads alone, which have all signals blocked.
    let _guard = NoSigxfsz::new();
    let index = match &options.index {
        Some(at) => {
            let opened = Index::open(at, options.rebuild, &|| options.control.is_cancelled());
            Some(opened.map_err(|refusal| match refusal.reason {
                Reason::Cancelled => cancelled(),
                _ => fail(at.path.to_owned(), refusal.of(OP)),
            })?)
        }
        None => None,
    };

    let (mut catalogue, mut report) = (Catalogue::new(), DedupeTreeReport::default());
    let mut cataloguing = Cataloguing {
        catalogue: &mut catalogue,
        filter: &filter,
        report: &mut report,
        control: &mut options.control,
        is_cancelled: false,
    };
    roots.walk(options.cross_mounts, &mut cataloguing);
    if cataloguing.is_cancelled {
        return Err(cancelled());
    }
    let groups = catalogue.groups();
    report.candidates = groups.iter().map(|group| u64::from(group.end - group.start)).sum();

    let threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let rules = Rules {
        dry_run: options.dry_run,
        blocks: options.blocks,
        cache: options.cache,
        threads: threads.min(MOST_THREADS),
    };
    let (mut report, whole) =
        job::run(&roots, &catalogue, &groups, &rules, index.as_ref(), &mut options.control, report);
    if let (Some(index), Some(at)) = (index, &options.index)
        && let Err(refusal) = index.close()
    {
        report.failures.push(fail(at.path.to_owned(), refusal.of(OP)));
    }
    if whole { Ok(report) } else { Err(cancelled()) }
}
