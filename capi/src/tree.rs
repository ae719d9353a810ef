//! `xtent_copy_tree`, `xtent_clone_tree`, `xtent_clone_or_copy_tree`.

use std::ffi::{c_char, c_int, c_void};

use xtent::{At, Report, TreeOptions, TreeReport, TreeResult};

use crate::control::{Watch, tell, xtent_flag};
use crate::ffi::{Failure, Growing, Output, Result, guarded, options, place, status};

/// For `flags`: the new tree may take the place of what has the name.
pub const XTENT_TREE_REPLACE: u32 = 0x1;
/// For `flags`: wait until all of the tree and its name are on disk.
pub const XTENT_TREE_DURABLE: u32 = 0x2;
/// For `flags`: go down into other filesystems that are mounted in the source.
pub const XTENT_TREE_CROSS_MOUNTS: u32 = 0x4;
/// For `flags`: go on where a file fails, and publish the tree without it.
pub const XTENT_TREE_KEEP_GOING: u32 = 0x8;

/// Options of xtent_copy_tree, xtent_clone_tree and xtent_clone_or_copy_tree. Begin with
/// XTENT_TREE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_tree_options {
    /// sizeof(struct xtent_tree_options).
    pub size: u32,
    /// Any of XTENT_TREE_..., combined with |.
    pub flags: u32,
    /// How many threads work at it, the calling one among them: 0 is one for each processor. At most 64.
    pub threads: u32,
    /// Must be 0.
    pub reserved: u32,
    /// NULL, or a flag that is looked at between files and between steps of large ones: once it is not 0 the
    /// call ends. A signal handler may set it, or another thread.
    pub cancel: *const xtent_flag,
    /// NULL, or called in the calling thread between files and steps, with `user`, the files and the bytes that
    /// are done. The call ends when it returns anything but 0. It must return: no longjmp, no C++ exception.
    pub progress: Option<unsafe extern "C" fn(user: *mut c_void, files: u64, bytes: u64) -> c_int>,
    /// NULL, or called in the calling thread for what failed, with `user`, the path beneath `src` (empty for
    /// the tree itself), the errno and the reason: once where the call fails, and with
    /// XTENT_TREE_KEEP_GOING for each file, at the end.
    pub failed:
        Option<unsafe extern "C" fn(user: *mut c_void, path: *const c_char, error: c_int, reason: c_int)>,
    /// Handed to `progress` and `failed`.
    pub user: *mut c_void,
}

// SAFETY: repr(C), the size first; zeros are no flags and NULL pointers.
unsafe impl Growing for xtent_tree_options {}

/// What a tree verb did, written on success and on failure alike. Begin with XTENT_TREE_REPORT_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_tree_report {
    /// sizeof(struct xtent_tree_report).
    pub size: u32,
    /// Why the call failed: XTENT_REASON_..., XTENT_REASON_NONE when it did not.
    pub reason: i32,
    /// The errno that goes with `reason`, positive; 0 when there is none.
    pub error: i32,
    /// xtent_clone_or_copy_tree only: why the first file that could not be cloned was copied.
    pub fallback: i32,
    /// Bytes of all files: the sum of the next three.
    pub bytes: u64,
    /// Bytes that were read and written, so that the new files have blocks of their own.
    pub bytes_copied: u64,
    /// Bytes that share the source's blocks now because the kernel cloned them.
    pub bytes_cloned: u64,
    /// Bytes that are a hole in the source, and in the new tree.
    pub bytes_hole: u64,
    /// Regular files with contents of their own.
    pub files: u64,
    /// Directories, the tree itself among them.
    pub directories: u64,
    /// Further names of files: hard links.
    pub links: u64,
    /// Symbolic links, FIFOs, sockets and devices.
    pub specials: u64,
    /// Names that were listed in the source and not there any more.
    pub vanished: u64,
    /// With XTENT_TREE_KEEP_GOING, what failed and is not in the new tree.
    pub failures: u64,
    /// Metadata that could not be kept of some file: any of XTENT_PRESERVE_...
    pub unkept: u32,
    /// Always 0.
    pub unused: u32,
}

// SAFETY: repr(C), integers only, the size first.
unsafe impl Growing for xtent_tree_report {}

impl xtent_tree_report {
    fn new(tree: &TreeReport, end: &Report) -> Self {
        xtent_tree_report {
            size: size_of::<Self>() as u32,
            reason: end.reason.code(),
            error: end.errno,
            fallback: tree.total.fallback.code(),
            bytes: tree.total.bytes(),
            bytes_copied: tree.total.bytes_copied,
            bytes_cloned: tree.total.bytes_cloned,
            bytes_hole: tree.total.bytes_hole,
            files: tree.files,
            directories: tree.directories,
            links: tree.links,
            specials: tree.specials,
            vanished: tree.vanished,
            failures: tree.failures.len() as u64,
            unkept: tree.total.unkept.bits(),
            unused: 0,
        }
    }
}

type Verb = fn(At<'_>, At<'_>, TreeOptions<'_>) -> TreeResult;

impl xtent_tree_options {
    /// Calls a verb with these options, and tells of what failed.
    // SAFETY: the members are as the header says of them.
    unsafe fn over(self, verb: Verb, src: At<'_>, dst: At<'_>) -> Result<TreeReport> {
        let known = XTENT_TREE_REPLACE | XTENT_TREE_DURABLE | XTENT_TREE_CROSS_MOUNTS | XTENT_TREE_KEEP_GOING;
        if self.flags & !known != 0 || self.reserved != 0 {
            return Err(Failure::invalid());
        }
        let has = |flag| self.flags & flag != 0;
        // SAFETY: as the caller says.
        let watch = unsafe { Watch::new(self.cancel, self.progress, self.user)? };
        let result = watch.over(|control| {
            let options = TreeOptions::new().control(control).threads(self.threads as usize);
            let options = options.replace(has(XTENT_TREE_REPLACE)).durable(has(XTENT_TREE_DURABLE));
            let options = options.cross_mounts(has(XTENT_TREE_CROSS_MOUNTS));
            verb(src, dst, options.keep_going(has(XTENT_TREE_KEEP_GOING)))
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

// SAFETY: the pointers are as the header says of each verb.
unsafe fn tree(
    verb: Verb,
    (src_dir, src): (c_int, *const c_char),
    (dst_dir, dst): (c_int, *const c_char),
    given: *const xtent_tree_options,
    report: *mut xtent_tree_report,
) -> c_int {
    // SAFETY: as the caller says.
    let out = match unsafe { Output::new(report) } {
        Ok(out) => out,
        refused => return status(refused),
    };
    // SAFETY: as the caller says.
    let result = guarded(|| unsafe {
        let (src, dst) = (place(src_dir, src)?, place(dst_dir, dst)?);
        options(given)?.over(verb, src, dst)
    });
    out.fill(&match &result {
        Ok(done) => xtent_tree_report::new(done, &Report::default()),
        Err(Failure(end)) => xtent_tree_report::new(&TreeReport::default(), end),
    });
    status(result)
}

/// Copies the directory `src` with everything in it to the name `dst`: the whole tree, or there is an error and
/// `dst` is what it was.
///
/// The paths are relative to the directories `src_dir` and `dst_dir`, or to the working directory where these
/// are AT_FDCWD, as in linkat(2). With an empty `src` the descriptor `src_dir` is itself the source.
///
/// Kept is what "cp -a" keeps: modes, owners, times to the nanosecond, extended attributes, ACLs, hard links
/// within the tree, symbolic links, FIFOs, sockets, devices, holes, names of any bytes. What of it the
/// filesystem or the caller's rights do not allow is in the report's `unkept`, and is no error. Bytes are moved
/// as by xtent_copy_range: no blocks are shared.
///
/// The tree is built in a directory of mode 0700 with a hidden name, .xtent- and 16 hexadecimal digits, beside
/// `dst`, and appears under the name by one rename. With XTENT_TREE_REPLACE old and new change names in one
/// moment, and the old tree is removed then. A failure, a kill, a full disk leaves no half tree under the name.
/// A killed call leaves its hidden directory; the next for the same `dst` clears it. Where the kernel has no rename
/// that never replaces (NFS, FUSE, a container's filter), the name is looked at first; an empty directory that
/// somebody gives it between that look and the rename is replaced, and nothing else ever is.
///
/// A directory on which another filesystem is mounted is made, and stays empty, unless XTENT_TREE_CROSS_MOUNTS
/// is set. A btrfs subvolume is no mount: it is copied as a directory.
///
/// Others may change the source meanwhile: what is removed between being listed and being opened is left out,
/// and counted as `vanished`. Whatever they rename or link, nothing outside of `src` is read and nothing
/// outside of the new tree is written.
///
/// Threads work at it, as many as `threads` says; all signals that can wait are blocked in those that the call
/// makes, and they are gone when it returns.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno with nothing published (except with XTENT_REASON_NOT_DURABLE).
///
///   EEXIST      the name `dst` is taken, and XTENT_TREE_REPLACE is not set
///   ENOTDIR     `src`, or something on a path, is no directory
///   ENOENT      no such directory; no directory for `dst`, or `dst` is empty
///   ELOOP       too many symbolic links on a path
///   EISDIR      `dst` ends with "/", "." or ".."
///   ENAMETOOLONG
///               a name is longer than the filesystem takes
///   EINVAL      `dst` lies inside of `src`, or would be replaced with `src` inside; a path is NULL; options or
///               report of a wrong size, an unknown flag, or a reserved member is not 0
///   E2BIG       options of a later version, asking for what this library does not know
///   EBADF       a descriptor is not open
///   EACCES      a file may not be read, or a directory not written
///   EPERM       not permitted, as making a device is
///   EROFS       the destination's filesystem is read-only
///   EOPNOTSUPP  XTENT_TREE_REPLACE, this filesystem cannot exchange two names, and what has the name is no empty
///               directory
///   ECANCELED   cancelled
///   EMFILE, ENFILE
///               too many open files: each thread needs up to six
///   ENOSPC, EDQUOT, EFBIG, EIO, ENOMEM, ETXTBSY
///               as xtent_copy_range; with the reason XTENT_REASON_NOT_DURABLE the tree is published, but could
///               not be written to disk
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_copy_tree(
    src_dir: c_int,
    src: *const c_char,
    dst_dir: c_int,
    dst: *const c_char,
    options: *const xtent_tree_options,
    report: *mut xtent_tree_report,
) -> c_int {
    let verb: Verb = |src, dst, with| xtent::copy_tree(src, dst, with);
    // SAFETY: the pointers are what the header asks for.
    unsafe { tree(verb, (src_dir, src), (dst_dir, dst), options, report) }
}

/// Makes the directory `dst` a clone of the directory `src`: each file shares all its blocks with the
/// original's. It never copies instead.
///
/// As xtent_copy_tree, but files are filled as by xtent_clone_file.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno. Beside those below the errors are those of xtent_copy_tree.
///
///   EOPNOTSUPP  a file that cannot be cloned: `failed` is told which, and why
///   EXDEV       the directories are on two filesystems
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_clone_tree(
    src_dir: c_int,
    src: *const c_char,
    dst_dir: c_int,
    dst: *const c_char,
    options: *const xtent_tree_options,
    report: *mut xtent_tree_report,
) -> c_int {
    let verb: Verb = |src, dst, with| xtent::clone_tree(src, dst, with);
    // SAFETY: the pointers are what the header asks for.
    unsafe { tree(verb, (src_dir, src), (dst_dir, dst), options, report) }
}

/// Makes the directory `dst` a copy of the directory `src` whose files share blocks with the originals where
/// they can. Files of up to 2 KiB on btrfs are copied: it keeps them without blocks.
///
/// Otherwise it is as xtent_copy_tree.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno. The errors are those of xtent_copy_tree. A clone that fails with EIO, ENOSPC, EDQUOT,
/// ENOMEM or EFBIG is such an error and never turns into a copy.
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_clone_or_copy_tree(
    src_dir: c_int,
    src: *const c_char,
    dst_dir: c_int,
    dst: *const c_char,
    options: *const xtent_tree_options,
    report: *mut xtent_tree_report,
) -> c_int {
    let verb: Verb = |src, dst, with| xtent::clone_or_copy_tree(src, dst, with);
    // SAFETY: the pointers are what the header asks for.
    unsafe { tree(verb, (src_dir, src), (dst_dir, dst), options, report) }
}
