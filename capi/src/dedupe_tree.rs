//! `xtent_dedupe_tree`.

use std::ffi::{CStr, c_char, c_int, c_void};

use xtent::{At, Cache, DedupeTreeOptions, DedupeTreeReport, Report};

use crate::control::{Watch, tell, xtent_flag};
use crate::ffi::{
    Array, Failure, Growing, Output, Result, choice, directory, guarded, options, place, status,
};

/// For `flags`: share nothing, and only estimate what would be shared.
pub const XTENT_DEDUPE_TREE_DRY_RUN: u32 = 0x1;
/// For `flags`: go down into other filesystems that are mounted beneath a root.
pub const XTENT_DEDUPE_TREE_CROSS_MOUNTS: u32 = 0x2;
/// For `flags`: a new index in the place of one that is damaged, newer, or none at all.
pub const XTENT_DEDUPE_TREE_REBUILD: u32 = 0x4;
/// For `flags`: files of more than 128 KiB that differ share what blocks of theirs are equal.
pub const XTENT_DEDUPE_TREE_BLOCKS: u32 = 0x8;

/// A directory or file. Begin with XTENT_DEDUPE_TREE_ROOT_INIT(dir, path).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_dedupe_tree_root {
    /// The directory that `path` is relative to, or AT_FDCWD; with an empty `path` the root itself, a directory.
    pub dir: c_int,
    /// Must be 0.
    pub reserved: u32,
    /// The root. A symbolic link is not followed.
    pub path: *const c_char,
}

/// Options of xtent_dedupe_tree. Begin with XTENT_DEDUPE_TREE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_dedupe_tree_options {
    /// sizeof(struct xtent_dedupe_tree_options).
    pub size: u32,
    /// Any of XTENT_DEDUPE_TREE_..., combined with |.
    pub flags: u32,
    /// How many threads work at it, the calling one among them: 0 is one for each processor. At most 8.
    pub threads: u32,
    /// What becomes of the page cache: XTENT_CACHE_...
    pub cache: u32,
    /// Files of fewer bytes are left alone. Empty ones always are.
    pub min_size: u64,
    /// Patterns, in UTF-8, of which a file must match one, where there are any. "*", "?", "[...]", "{a,b}", and
    /// "**" for any number of directories; a pattern without a slash is one of names, at any depth, and one with a
    /// slash that of a whole path beneath its root.
    pub include: *const *const c_char,
    /// How many those are.
    pub n_include: usize,
    /// Patterns of files that are left out, and of directories with all that is in them.
    pub exclude: *const *const c_char,
    /// How many those are.
    pub n_exclude: usize,
    /// NULL, or a file that remembers what was found, for the next call; made where there is none.
    pub index: *const c_char,
    /// The directory that `index` is relative to; 0 and AT_FDCWD are the working directory.
    pub index_dir: c_int,
    /// Must be 0.
    pub reserved: u32,
    /// NULL, or a flag that is looked at between files and between steps of large ones: once it is not 0 the
    /// call ends. A signal handler may set it, or another thread.
    pub cancel: *const xtent_flag,
    /// NULL, or called in the calling thread between files and steps, with `user`, the files and the bytes that
    /// are done. The call ends when it returns anything but 0. It must return: no longjmp, no C++ exception.
    pub progress: Option<unsafe extern "C" fn(user: *mut c_void, files: u64, bytes: u64) -> c_int>,
    /// NULL, or called in the calling thread for what failed, with `user`, its path with that of the root, the
    /// errno and the reason: at the end for each, or once where the call fails, with the path of the root, of the
    /// index, or an empty one.
    pub failed:
        Option<unsafe extern "C" fn(user: *mut c_void, path: *const c_char, error: c_int, reason: c_int)>,
    /// Handed to `progress` and `failed`.
    pub user: *mut c_void,
}

// SAFETY: repr(C), the size first; zeros are no flags and NULL pointers.
unsafe impl Growing for xtent_dedupe_tree_options {}

/// What xtent_dedupe_tree did, written on success and on failure alike. Begin with
/// XTENT_DEDUPE_TREE_REPORT_INIT. The amounts are bytes where nothing else is said.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_dedupe_tree_report {
    /// sizeof(struct xtent_dedupe_tree_report).
    pub size: u32,
    /// Why the call failed: XTENT_REASON_..., XTENT_REASON_NONE when it did not.
    pub reason: i32,
    /// The errno that goes with `reason`, positive; 0 when there is none.
    pub error: i32,
    /// Always 0.
    pub unused: u32,
    /// Regular files that the filters let pass, each once.
    pub files: u64,
    /// Directories that were walked.
    pub directories: u64,
    /// Further names of files: hard links, and roots that overlap.
    pub links: u64,
    /// Files of a size that another one of the same filesystem has.
    pub candidates: u64,
    /// Candidates of which the index knew that nothing is to be done: they were not even opened.
    pub known: u64,
    /// What was read to tell candidates apart, before the kernel compared what was left.
    pub read: u64,
    /// Files that are equal to another one, and came to share all their blocks with it.
    pub deduped: u64,
    /// What shares another file's blocks now and did not before, by the files' extent maps. Of files that shared
    /// their blocks among themselves before, all are counted; of one that the kernel found to differ, what comes
    /// before the difference; with XTENT_DEDUPE_TREE_BLOCKS all its equal blocks.
    pub shared: u64,
    /// What of candidates shared another one's blocks before the call: all of those that shared all their blocks with
    /// one that is counted; of each other one what it shared with that which it was compared with first. What is
    /// `known` is not counted.
    pub already_shared: u64,
    /// Files whose extent maps could not tell how much they share.
    pub unmeasured: u64,
    /// With XTENT_DEDUPE_TREE_DRY_RUN an estimate of what `shared` would be. Samples stand for files of more than
    /// 128 KiB: so much of them as is equal, and not shared already by the extent maps.
    pub estimate: u64,
    /// Files that were gone, or not what they were when they were listed.
    pub vanished: u64,
    /// Files that failed.
    pub failures: u64,
}

// SAFETY: repr(C), integers only, the size first.
unsafe impl Growing for xtent_dedupe_tree_report {}

impl xtent_dedupe_tree_report {
    fn new(done: &DedupeTreeReport, end: &Report) -> Self {
        xtent_dedupe_tree_report {
            size: size_of::<Self>() as u32,
            reason: end.reason.code(),
            error: end.errno,
            unused: 0,
            files: done.files,
            directories: done.directories,
            links: done.links,
            candidates: done.candidates,
            known: done.known,
            read: done.read,
            deduped: done.deduped,
            shared: done.shared,
            already_shared: done.already_shared,
            unmeasured: done.unmeasured,
            estimate: done.estimate,
            vanished: done.vanished,
            failures: done.failures.len() as u64,
        }
    }
}

impl xtent_dedupe_tree_options {
    // SAFETY: the members are as the header says of them.
    unsafe fn over(self, roots: &[At<'_>]) -> Result<DedupeTreeReport> {
        let known = XTENT_DEDUPE_TREE_DRY_RUN
            | XTENT_DEDUPE_TREE_CROSS_MOUNTS
            | XTENT_DEDUPE_TREE_REBUILD
            | XTENT_DEDUPE_TREE_BLOCKS;
        if self.flags & !known != 0 || self.reserved != 0 {
            return Err(Failure::invalid());
        }
        let has = |flag| self.flags & flag != 0;
        let cache = choice(self.cache, [Cache::Keep, Cache::Neutral])?;
        // SAFETY: as the caller says.
        let (include, exclude, index, watch) = unsafe {
            (
                patterns(self.include, self.n_include)?,
                patterns(self.exclude, self.n_exclude)?,
                if self.index.is_null() { None } else { Some(place(libc::AT_FDCWD, self.index)?) },
                Watch::new(self.cancel, self.progress, self.user)?,
            )
        };
        let index = index.map(|at| At { dir: directory(self.index_dir), ..at });
        let result = watch.over(|mut control| {
            let options = DedupeTreeOptions::new().control(control.lend()).threads(self.threads as usize);
            let options =
                options.dry_run(has(XTENT_DEDUPE_TREE_DRY_RUN)).min_size(self.min_size).cache(cache);
            let options = options.cross_mounts(has(XTENT_DEDUPE_TREE_CROSS_MOUNTS));
            let options = options.blocks(has(XTENT_DEDUPE_TREE_BLOCKS));
            let options = options.rebuild(has(XTENT_DEDUPE_TREE_REBUILD)).include(&include).exclude(&exclude);
            let options = match index {
                Some(at) => options.index(at),
                None => options,
            };
            xtent::dedupe_tree(roots, options)
        });
        let failures = match &result {
            Ok(report) => &report.failures[..],
            Err(failure) => std::slice::from_ref(failure),
        };
        // SAFETY: as the caller says.
        unsafe { tell(self.failed, self.user, failures) };
        result.map_err(|failure| failure.error.into())
    }
}

// SAFETY: `n` strings can be read at `patterns`, and live as long as the answer.
unsafe fn patterns<'a>(patterns: *const *const c_char, n: usize) -> Result<Vec<&'a str>> {
    // SAFETY: as the caller says; nothing is written to it.
    let patterns = unsafe { Array::new(patterns.cast_mut(), n)? };
    let pattern = |pattern: *const c_char| {
        if pattern.is_null() {
            return Err(Failure::invalid());
        }
        // SAFETY: as the caller says.
        unsafe { CStr::from_ptr(pattern) }.to_str().map_err(|_| Failure::invalid())
    };
    patterns.iter().map(pattern).collect()
}

/// Makes files that are equal share their blocks: all that lie beneath the directories, or are the files, of
/// `roots`, in `n_roots` elements. What is equal the kernel decides, as for xtent_dedupe_range, under both files'
/// locks: contents never change, by no outcome and whoever writes meanwhile. The files' times stay; that of the last
/// access may not where the caller is not the owner.
///
/// Each file counts once, however many names and roots lead to it. Symbolic links are not followed, and what is no
/// regular file is passed over. Only files of one filesystem share; what is mounted beneath a root is left out
/// without XTENT_DEDUPE_TREE_CROSS_MOUNTS. A btrfs subvolume is no mount.
///
/// Files of one size are told apart by as little reading as will do. Those that share all their blocks already, by
/// their extent maps, are not read. Files of up to 128 KiB are read whole, once; of larger ones a few samples, and
/// what is equal in these the kernel compares at once. Only where four or more are left that differ from the one
/// that they were compared with are these read for a digest of all their bytes.
///
/// With XTENT_DEDUPE_TREE_BLOCKS files of more than 128 KiB that differ share every run of equal blocks too: those
/// of one size of which two of four samples are equal, in the same places, and not all zeros, such as yesterday's
/// image of a disk and today's. Those with equal samples are compared among themselves, as without, and then each of
/// them with one file of other samples; both are read for that where they do not share already. What was inserted
/// into, or is of another size, is not found. All files of one size are one matter then: where one of them is new or
/// changed, an index does not keep the others from being opened, and sampled, again. While they are told apart each
/// takes up to some 450 bytes of memory more.
///
/// A file that fails is told to `failed`, and the others go on: that is no error of the call. What was shared stays
/// shared when the call is cancelled, or killed; the next one passes it over.
///
/// With an `index` the next call reads and opens only files that changed, by their size and times, and those that
/// have one of these for their equal. An index is private to its caller, is used by one call at a time, and does
/// not decide what is equal. It is an SQLite database, in a directory that may be written to, and that nobody else
/// should be able to write to: its journal lies beside it, by its name and "-journal", as long as a call writes, and
/// after one that was killed until the next. Any other file of that name, or with "-wal", is left alone, and the call
/// refused. Killed at any moment, an index stays whole, and loses what some 32,000 files were found to be at most. It
/// grows with the files that ever were there; without the file the next call begins anew. All of it is looked at
/// first; `cancel` is asked between its rows, though not while its pages are checked.
///
/// Threads work at it, as many as `threads` says; all signals that can wait are blocked in those that the call
/// makes, and they are gone when it returns.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno.
///
///   ENOENT, ENOTDIR, ENAMETOOLONG, EACCES
///               a root, or the index, cannot be opened; ENAMETOOLONG also an index whose whole path has more than
///               504 bytes
///   ELOOP       a root or the index is a symbolic link, or there are too many on its path
///   EINVAL      a root is neither directory nor regular file; `roots`, a path or a pattern is NULL, or a pattern is
///               none; the file `index` is none, or what has the name of its journal is not its own
///               (XTENT_REASON_INDEX_FOREIGN); options or report of a wrong size, an unknown flag, or a reserved
///               member is not 0
///   E2BIG       options of a later version, asking for what this library does not know
///   EBADF       a descriptor is not open
///   EOPNOTSUPP  a root's filesystem cannot share, or is not known to compare before it does; or the index is of a
///               later version (XTENT_REASON_INDEX_NEWER)
///   EUCLEAN     the index is damaged (XTENT_REASON_INDEX_DAMAGED)
///   EBUSY       another call uses the index (XTENT_REASON_INDEX_IN_USE)
///   ESTALE      another file took the place of the index meanwhile, or none is there any more
///   EISDIR, EROFS, ENOSPC, EDQUOT, EIO
///               of the index
///   ECANCELED   cancelled
///   ENOMEM      no memory for the list of roots
///   EMFILE, ENFILE
///               too many open files: each root needs one, and each thread up to 70
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_dedupe_tree(
    roots: *const xtent_dedupe_tree_root,
    n_roots: usize,
    options: *const xtent_dedupe_tree_options,
    report: *mut xtent_dedupe_tree_report,
) -> c_int {
    // SAFETY: the pointers are what the header asks for.
    unsafe { dedupe_tree(roots, n_roots, options, report) }
}

// SAFETY: the pointers are as the header says.
unsafe fn dedupe_tree(
    roots: *const xtent_dedupe_tree_root,
    n_roots: usize,
    given: *const xtent_dedupe_tree_options,
    report: *mut xtent_dedupe_tree_report,
) -> c_int {
    // SAFETY: as the caller says.
    let out = match unsafe { Output::new(report) } {
        Ok(out) => out,
        refused => return status(refused),
    };
    // SAFETY: as the caller says; nothing is written to the roots.
    let result = guarded(|| unsafe {
        let roots = Array::new(roots.cast_mut(), n_roots)?;
        let mut places = Vec::new();
        places
            .try_reserve_exact(roots.len())
            .map_err(|_| Failure::new(libc::ENOMEM, xtent::Reason::OutOfMemory))?;
        for root in roots.iter() {
            if root.reserved != 0 {
                return Err(Failure::invalid());
            }
            places.push(place(root.dir, root.path)?);
        }
        options(given)?.over(&places)
    });
    out.fill(&match &result {
        Ok(done) => xtent_dedupe_tree_report::new(done, &Report::default()),
        Err(Failure(end)) => xtent_dedupe_tree_report::new(&DedupeTreeReport::default(), end),
    });
    status(result)
}
