//! `xtent_usage`.

use std::ffi::{c_char, c_int, c_void};

use xtent::{At, Report, Usage, UsageOptions, UsageReport};

use crate::control::{Watch, tell, xtent_flag};
use crate::ffi::{Array, Failure, Growing, Output, Result, directory, guarded, options, place, status};

/// For `flags`: go down into other filesystems that are mounted beneath a root.
pub const XTENT_USAGE_CROSS_MOUNTS: u32 = 0x1;

/// Options of xtent_usage. Begin with XTENT_USAGE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_usage_options {
    /// sizeof(struct xtent_usage_options).
    pub size: u32,
    /// 0, or XTENT_USAGE_CROSS_MOUNTS.
    pub flags: u32,
    /// About how many bytes of memory the extents may take, each of them 32; 0 is 32 MiB.
    pub memory: u64,
    /// A directory for the unlinked file in which more than that waits; 0 is /var/tmp.
    pub scratch_dir: c_int,
    /// Must be 0.
    pub reserved: u32,
    /// NULL, or a flag that is looked at between files: once it is not 0 the call ends. A signal handler may
    /// set it, or another thread.
    pub cancel: *const xtent_flag,
    /// NULL, or called between files with `user`, the files and the bytes in them that were looked at so far.
    /// The call ends when it returns anything but 0. It must return: no longjmp, no C++ exception.
    pub progress: Option<unsafe extern "C" fn(user: *mut c_void, files: u64, bytes: u64) -> c_int>,
    /// NULL, or called for what could not be looked at, with `user`, its path, the errno and the reason: at
    /// the end for each, or once where the call fails, with the path of the root or an empty one.
    pub failed:
        Option<unsafe extern "C" fn(user: *mut c_void, path: *const c_char, error: c_int, reason: c_int)>,
    /// Handed to `progress` and `failed`.
    pub user: *mut c_void,
}

// SAFETY: repr(C), the size first; zeros are no flags and NULL pointers.
unsafe impl Growing for xtent_usage_options {}

/// A directory or file, and what is found of it. Begin with XTENT_USAGE_ROOT_INIT(dir, path). The amounts are
/// bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_usage_root {
    /// The directory that `path` is relative to, or AT_FDCWD; with an empty `path` the root itself.
    pub dir: c_int,
    /// 1 if all numbers are known to be exact; 0 if not.
    pub exact: u32,
    /// The root. A symbolic link is not followed.
    pub path: *const c_char,
    /// Regular files; one with several names is one.
    pub files: u64,
    /// The sum of their sizes.
    pub apparent: u64,
    /// The blocks that they use, each counted once.
    pub allocated: u64,
    /// Of these, what another root uses too.
    pub shared_roots: u64,
    /// What something that is in none of the roots uses too, as far as is known.
    pub shared_others: u64,
    /// What may be used by something that is in none of the roots, and the filesystem does not say.
    pub unknown: u64,
    /// What nothing else uses: so much at least is free after the root is deleted.
    pub exclusive: u64,
    /// What may be free after that at most.
    pub exclusive_most: u64,
    /// Must be 0.
    pub reserved: [u64; 2],
}

impl xtent_usage_root {
    fn with(&self, usage: &Usage) -> Self {
        xtent_usage_root {
            exact: usage.exact.into(),
            files: usage.files,
            apparent: usage.apparent,
            allocated: usage.allocated,
            shared_roots: usage.shared_roots,
            shared_others: usage.shared_others,
            unknown: usage.unknown,
            exclusive: usage.exclusive,
            exclusive_most: usage.exclusive_most,
            ..*self
        }
    }

    // SAFETY: as for `place`.
    unsafe fn at<'a>(&self) -> Result<At<'a>> {
        match self.reserved {
            // SAFETY: as the caller says.
            [0, 0] => unsafe { place(self.dir, self.path) },
            _ => Err(Failure::invalid()),
        }
    }
}

/// What all roots take up together, written on success and on failure alike. Begin with
/// XTENT_USAGE_REPORT_INIT. The amounts are bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_usage_report {
    /// sizeof(struct xtent_usage_report).
    pub size: u32,
    /// Why the call failed: XTENT_REASON_..., XTENT_REASON_NONE when it did not.
    pub reason: i32,
    /// The errno that goes with `reason`, positive; 0 when there is none.
    pub error: i32,
    /// 1 if all numbers are known to be exact; 0 if not.
    pub exact: u32,
    /// Regular files; one with several names is one.
    pub files: u64,
    /// The sum of their sizes.
    pub apparent: u64,
    /// The blocks that they use, each counted once.
    pub allocated: u64,
    /// Of these, what at least two roots use.
    pub shared_roots: u64,
    /// What something that is in none of the roots uses too, as far as is known.
    pub shared_others: u64,
    /// What may be used by something that is in none of the roots, and the filesystem does not say.
    pub unknown: u64,
    /// What nothing else uses: so much at least is free after all roots are deleted.
    pub exclusive: u64,
    /// What may be free after that at most.
    pub exclusive_most: u64,
    /// What could not be looked at, and is not in the numbers.
    pub failures: u64,
}

// SAFETY: repr(C), integers only, the size first.
unsafe impl Growing for xtent_usage_report {}

impl xtent_usage_report {
    fn new(usage: &UsageReport, end: &Report) -> Self {
        let UsageReport { total, failures, .. } = usage;
        xtent_usage_report {
            size: size_of::<Self>() as u32,
            reason: end.reason.code(),
            error: end.errno,
            exact: (total.exact && end.errno == 0).into(),
            files: total.files,
            apparent: total.apparent,
            allocated: total.allocated,
            shared_roots: total.shared_roots,
            shared_others: total.shared_others,
            unknown: total.unknown,
            exclusive: total.exclusive,
            exclusive_most: total.exclusive_most,
            failures: failures.len() as u64,
        }
    }
}

impl xtent_usage_options {
    // SAFETY: the members are as the header says of them.
    unsafe fn over(self, roots: &[At<'_>]) -> Result<UsageReport> {
        if self.flags & !XTENT_USAGE_CROSS_MOUNTS != 0 || self.reserved != 0 {
            return Err(Failure::invalid());
        }
        // SAFETY: as the caller says.
        let watch = unsafe { Watch::new(self.cancel, self.progress, self.user)? };
        let result = watch.over(|control| {
            let options = UsageOptions::new().control(control).memory(self.memory);
            let options = options.cross_mounts(self.flags & XTENT_USAGE_CROSS_MOUNTS != 0);
            let options = match directory(self.scratch_dir) {
                Some(dir) => options.scratch_dir(dir),
                None => options,
            };
            xtent::usage(roots, options)
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

/// Says of each of some directories or files how long the regular files in it are, how many blocks they use, who
/// else uses these, and what deleting it would free; and the same of all of them together. `roots` are any
/// number of them, in `n_roots` elements, which get the numbers.
///
/// Blocks are told by where they lie, and each is counted once, however many files or places share it; so is a
/// file with several names. What a filesystem takes for itself, directories and extended attributes are not
/// counted. Dirty pages are written back first. Symbolic links are not followed. The roots may lie on different
/// filesystems; what is mounted in one is left out without XTENT_USAGE_CROSS_MOUNTS.
///
/// How exact it is: an extent map says of a block that it is shared, and not with how many. What is flagged and
/// seen once is used by something beside the roots. What is flagged and seen twice may be used by a third. On XFS
/// with rmapbt (the default of mkfs.xfs since 6.5), and for root, the filesystem is asked who uses it, and every
/// number is exact; else such blocks are `unknown`, and `exclusive_most` says what they could add. On btrfs the
/// flag is of whole extents, a part of which others may use: `shared_others` is what it says, `exclusive` is
/// certain to be used by nobody else, compressed extents are counted by the length that they have in the file, an
/// extent of which only a part is still in use takes more space than is counted, and nothing is `exact`. Files
/// without a map (tmpfs) count by the blocks that stat(2) tells; on an overlay, NFS, SMB, FUSE and ZFS these are
/// `unknown`. Where others write meanwhile, the numbers are of no single moment.
///
/// Memory is bounded, whatever the number of extents: what `memory` does not hold is sorted in an unlinked file.
/// Beside that a directory takes some 20 bytes and its name, and a file with several names some 100 bytes.
///
/// `options` and `report` may be NULL. What cannot be looked at beneath a root is told to `failed`, and is no
/// error.
///
/// Returns 0, or -errno, with the numbers of the roots as they were.
///
///   ENOENT, ENOTDIR, ENAMETOOLONG, EACCES
///               a root cannot be opened; or the directory for the unlinked file, where memory did not suffice
///   ELOOP       a root is a symbolic link, or there are too many on its path
///   EINVAL      see the reason: there are no roots, `roots` or a path is NULL; a root is neither directory nor
///               regular file; one lies in another, or is the same (XTENT_REASON_ROOT_IN_ROOT); options or report
///               of a wrong size, an unknown flag, or a reserved member is not 0
///   E2BIG       options of a later version, asking for what this library does not know
///   EBADF       a descriptor is not open
///   ECANCELED   cancelled
///   ENOMEM      out of memory
///   ENOSPC, EDQUOT, EFBIG, EIO
///               the unlinked file
///   EMFILE, ENFILE
///               too many open files: each root needs one, and some more
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_usage(
    roots: *mut xtent_usage_root,
    n_roots: usize,
    options: *const xtent_usage_options,
    report: *mut xtent_usage_report,
) -> c_int {
    // SAFETY: the pointers are what the header asks for.
    unsafe { usage(roots, n_roots, options, report) }
}

// SAFETY: the pointers are as the header says.
unsafe fn usage(
    roots: *mut xtent_usage_root,
    n_roots: usize,
    given: *const xtent_usage_options,
    report: *mut xtent_usage_report,
) -> c_int {
    // SAFETY: as the caller says.
    let out = match unsafe { Output::new(report) } {
        Ok(out) => out,
        refused => return status(refused),
    };
    // SAFETY: as the caller says.
    let result = guarded(|| unsafe {
        let roots = Array::new(roots, n_roots)?;
        let mut places = Vec::new();
        places
            .try_reserve_exact(roots.len())
            .map_err(|_| Failure::new(libc::ENOMEM, xtent::Reason::OutOfMemory))?;
        for root in roots.iter() {
            places.push(root.at()?);
        }
        let found = options(given)?.over(&places)?;
        roots.fill(roots.iter().zip(&found.roots).map(|(root, usage)| root.with(usage)));
        Ok(found)
    });
    out.fill(&match &result {
        Ok(found) => xtent_usage_report::new(found, &Report::default()),
        Err(Failure(end)) => xtent_usage_report::new(&UsageReport::default(), end),
    });
    status(result)
}
