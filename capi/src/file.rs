//! `xtent_copy_file`, `xtent_clone_file`, `xtent_clone_or_copy_file`.

use std::ffi::{c_char, c_int};

use xtent::{At, FileOptions, Preserve, Stable};

use crate::copy::xtent_copy_options;
use crate::ffi::{Failure, Growing, Result, directory, options, place, status};
use crate::report::{reporting, xtent_report};

/// For `preserve` and `unkept`: the permission bits as they are. Set-user-id and set-group-id only where the
/// new file's owner, or group, is the source's.
pub const XTENT_PRESERVE_MODE: u32 = 0x1;
/// For `preserve` and `unkept`: owner and group.
pub const XTENT_PRESERVE_OWNER: u32 = 0x2;
/// For `preserve` and `unkept`: the times of the last access and modification, as they were when the source
/// was opened.
pub const XTENT_PRESERVE_TIMES: u32 = 0x4;
/// For `preserve` and `unkept`: extended attributes, capabilities among them; not ACLs.
pub const XTENT_PRESERVE_XATTRS: u32 = 0x8;
/// For `preserve` and `unkept`: access control lists, with the permission bits that are part of them.
pub const XTENT_PRESERVE_ACLS: u32 = 0x10;
/// For `preserve`: where a regular file is replaced, mode, owner, extended attributes and ACLs are its own, as
/// if it had been rewritten in place: without set-id bits and capabilities, which are not given to new
/// contents. Of the other bits only XTENT_PRESERVE_TIMES counts then; where none is replaced this one does not.
pub const XTENT_PRESERVE_DESTINATION: u32 = 0x20;

/// For `flags`: the new file may take the place of another that has the name.
pub const XTENT_FILE_REPLACE: u32 = 0x1;
/// For `flags`: wait until the file and its name are on disk.
pub const XTENT_FILE_DURABLE: u32 = 0x2;
/// For `flags`: a source that is a symbolic link is followed.
pub const XTENT_FILE_FOLLOW: u32 = 0x4;
/// For `flags`: both files are read again and compared before the new one is published: written back, and
/// past the page cache as far as the filesystem lets one. Where they differ the error is EIO, the reason
/// XTENT_REASON_VERIFY_FAILED, and nothing is published.
pub const XTENT_FILE_VERIFY: u32 = 0x8;

/// For `stable`: nothing is done about programs that write to the source meanwhile, and a copy may be a mix of
/// different moments. (A clone never is.)
pub const XTENT_STABLE_NONE: u32 = 0;
/// For `stable`: nothing is held. A change while the source is read is seen, and then nothing is published:
/// ESTALE, XTENT_REASON_SOURCE_CHANGED. So it is where the source is not quiet for 100 ms within some tries.
/// EOPNOTSUPP where the times of a file do not tell of every change: tmpfs, NFS, SMB, FUSE. An O_DIRECT write that
/// began more than 100 ms before and has not ended yet is not seen.
pub const XTENT_STABLE_DETECT: u32 = 1;
/// For `stable`: a lock is waited for and held that programs with the same protocol take, too
/// (docs/lock-protocol.md). It keeps out nobody else. EDEADLK, XTENT_REASON_IN_USE where this process itself has a lock in the
/// way, by F_SETLK.
pub const XTENT_STABLE_LOCK: u32 = 2;
/// For `stable`: a lease (fcntl(2), F_SETLEASE), so that nobody has the source open for writing: else EAGAIN,
/// XTENT_REASON_IN_USE. Who opens it for writing later waits for the next step at most, 4 MiB, which ends the copy: EAGAIN,
/// XTENT_REASON_LEASE_BROKEN. No SIGIO reaches the process. EACCES for who neither owns the source nor has
/// CAP_LEASE; EOPNOTSUPP on FUSE and overlays.
pub const XTENT_STABLE_LEASE: u32 = 3;
/// For `stable`: the source is cloned into a file without a name, in `scratch_dir` or beside the source, and the copy is
/// made from that: one moment, whoever writes. Writers wait for the clone, not for the copy. EOPNOTSUPP where
/// the filesystem does not clone.
pub const XTENT_STABLE_SNAPSHOT: u32 = 4;
/// For `stable`: the first of snapshot, lease and detect that is to be had, chosen before the first byte is read. The report
/// says which.
pub const XTENT_STABLE_BEST: u32 = 5;

/// Options of xtent_copy_file, xtent_clone_file and xtent_clone_or_copy_file. Begin with
/// XTENT_FILE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_file_options {
    /// sizeof(struct xtent_file_options).
    pub size: u32,
    /// Any of XTENT_FILE_..., combined with |.
    pub flags: u32,
    /// Metadata to keep: any of XTENT_PRESERVE_..., combined with |. With 0 the new file has the source's
    /// permission bits, without set-id and sticky bits, through the umask or the directory's default ACL.
    pub preserve: u32,
    /// Must be 0.
    pub reserved: u32,
    /// NULL, or how bytes are moved, with `cancel` and `progress`.
    pub copy: *const xtent_copy_options,
    /// What to do about programs that write to the source meanwhile: XTENT_STABLE_... For a source that is
    /// open already, lock and lease are EINVAL: its descriptor may have others.
    pub stable: u32,
    /// A directory on the source's filesystem, for XTENT_STABLE_SNAPSHOT. 0: the one that the source is in,
    /// looked up by /proc/self/fd and only used if the source is still found there.
    pub scratch_dir: i32,
}

// SAFETY: repr(C), the size first; zeros are no flags and a NULL pointer.
unsafe impl Growing for xtent_file_options {}

impl xtent_file_options {
    /// Calls a verb with these options.
    // SAFETY: `ptr` is as for `options`, `copy` in it as for `xtent_copy_options::read`.
    unsafe fn over<T>(ptr: *const Self, verb: impl FnOnce(FileOptions<'_>) -> Result<T>) -> Result<T> {
        // SAFETY: as the caller says.
        let given = unsafe { options(ptr)? };
        let known = XTENT_FILE_REPLACE | XTENT_FILE_DURABLE | XTENT_FILE_FOLLOW | XTENT_FILE_VERIFY;
        let preserve = Preserve::from_bits(given.preserve).ok_or_else(Failure::invalid)?;
        let stable = Stable::from_code(given.stable).ok_or_else(Failure::invalid)?;
        if given.flags & !known != 0 || given.reserved != 0 {
            return Err(Failure::invalid());
        }
        let has = |flag| given.flags & flag != 0;
        // SAFETY: as the caller says.
        unsafe { xtent_copy_options::read(given.copy)? }.over(|copy| {
            let mut options = FileOptions::new().copy(copy).preserve(preserve).stable(stable);
            options.scratch_dir = directory(given.scratch_dir);
            verb(
                options
                    .replace(has(XTENT_FILE_REPLACE))
                    .durable(has(XTENT_FILE_DURABLE))
                    .follow(has(XTENT_FILE_FOLLOW))
                    .verify(has(XTENT_FILE_VERIFY)),
            )
        })
    }
}

type Verb = fn(At<'_>, At<'_>, FileOptions<'_>) -> xtent::Result<xtent::Report>;

// SAFETY: the pointers are as the header says of each verb.
unsafe fn file(
    verb: Verb,
    (src_dir, src): (c_int, *const c_char),
    (dst_dir, dst): (c_int, *const c_char),
    options: *const xtent_file_options,
    report: *mut xtent_report,
) -> c_int {
    // SAFETY: as the caller says.
    status(unsafe {
        reporting(report, || {
            let (src, dst) = (place(src_dir, src)?, place(dst_dir, dst)?);
            xtent_file_options::over(options, |options| Ok(verb(src, dst, options)?))
        })
    })
}

/// Copies the file `src` to the name `dst`: whole, or there is an error and `dst` is what it was.
///
/// The paths are relative to the directories `src_dir` and `dst_dir`, or to the working directory where these
/// are AT_FDCWD, as in linkat(2). With an empty `src` the descriptor `src_dir` is itself the source, open for
/// reading; its file is not opened again, and its position not used.
///
/// The new file is built without a name in the destination's directory, for nobody but its owner (mode 0600),
/// and appears under the name at once, with its metadata. A failure, a kill or a power cut leaves the old file, or
/// nothing, under the name: never a part. A symbolic link as `dst` is replaced, not followed. Hard links of a
/// file that is replaced keep its old contents. The directory is opened once, so that renaming it meanwhile
/// leads nowhere else.
///
/// Bytes are moved as by xtent_copy_range: holes stay holes, no blocks are shared. After ECANCELED nothing is
/// published. What of `preserve` could not be kept is in the report's `unkept`, and is no error.
///
/// Where O_TMPFILE is missing (NFS, OCFS2, older FUSE and overlays) the file has a hidden name meanwhile, .xtent-
/// and 16 hexadecimal digits; everywhere it has one for a moment when it replaces another. A process that is
/// killed then leaves it behind, and the next call for the same destination clears it.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno with nothing published (except with XTENT_REASON_NOT_DURABLE).
///
///   EEXIST     the name `dst` is taken, and XTENT_FILE_REPLACE is not set
///   ENOENT     no such file; no directory for `dst`, or `dst` is empty
///   ENOTDIR    something on a path is no directory
///   ELOOP      too many symbolic links, or one as the source without XTENT_FILE_FOLLOW
///   EISDIR     the source, or what has the name `dst`, is a directory; `dst` ends with "/", "." or ".."
///   ENAMETOOLONG
///              a name is longer than the filesystem takes
///   EINVAL     see the reason: a path is NULL; the source is a device; a name that the filesystem does not
///              take; options or report of a wrong size, an unknown flag or bit, or a reserved member is not 0
///   E2BIG      options of a later version, asking for what this library does not know
///   ESPIPE     the source is a FIFO or socket
///   EBADF      a descriptor is not open, or the source not for reading
///   EACCES     a file may not be read, or the directory not written
///   EPERM      not permitted; also where the kernel (before Linux 6.10) does not let this caller name an open
///              file, and /proc, the other way to, is not mounted
///   EROFS      the destination's filesystem is read-only
///   ECANCELED  cancelled
///   ESTALE, EAGAIN, EDEADLK, EOPNOTSUPP
///              with `stable`: see there
///   ENOSPC, EDQUOT, EFBIG, EIO, ENOMEM, ETXTBSY
///              as xtent_copy_range; with the reason XTENT_REASON_NOT_DURABLE the file is published, but could
///              not be written to disk
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_copy_file(
    src_dir: c_int,
    src: *const c_char,
    dst_dir: c_int,
    dst: *const c_char,
    options: *const xtent_file_options,
    report: *mut xtent_report,
) -> c_int {
    // SAFETY: the pointers are what the header asks for.
    unsafe {
        file(
            |src, dst, with| xtent::copy_file(src, dst, with),
            (src_dir, src),
            (dst_dir, dst),
            options,
            report,
        )
    }
}

/// Makes the file `dst` share all blocks of the file `src`: whole, or there is an error and `dst` is what it was.
/// It never copies instead.
///
/// As xtent_copy_file, but filled as by xtent_clone_range, in one step. The new file first gets the source's
/// chattr +C (btrfs) or realtime attribute (XFS), without which the two could not share.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno. Beside those below the errors are those of xtent_copy_file.
///
///   EOPNOTSUPP  this type of filesystem, or this one as it was made or mounted, cannot
///   EXDEV       the files are on two filesystems
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_clone_file(
    src_dir: c_int,
    src: *const c_char,
    dst_dir: c_int,
    dst: *const c_char,
    options: *const xtent_file_options,
    report: *mut xtent_report,
) -> c_int {
    // SAFETY: the pointers are what the header asks for.
    unsafe {
        file(
            |src, dst, with| xtent::clone_file(src, dst, with),
            (src_dir, src),
            (dst_dir, dst),
            options,
            report,
        )
    }
}

/// Clones the file `src` to the name `dst`, or copies it where a clone is refused. The report says which, and
/// its `fallback` why.
///
/// Otherwise it is as xtent_copy_file.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno. The errors are those of xtent_copy_file. A clone that fails with EIO, ENOSPC, EDQUOT,
/// ENOMEM or EFBIG is such an error and never turns into a copy.
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_clone_or_copy_file(
    src_dir: c_int,
    src: *const c_char,
    dst_dir: c_int,
    dst: *const c_char,
    options: *const xtent_file_options,
    report: *mut xtent_report,
) -> c_int {
    let verb: Verb = |src, dst, with| xtent::clone_or_copy_file(src, dst, with);
    // SAFETY: the pointers are what the header asks for.
    unsafe { file(verb, (src_dir, src), (dst_dir, dst), options, report) }
}
