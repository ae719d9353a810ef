//! `xtent_stage_open`, `xtent_stage_publish`, `xtent_stage_discard`.

use std::ffi::{c_char, c_int};
use std::os::fd::{AsFd, AsRawFd};

use xtent::{Report, Stage, StageOptions};

use crate::ffi::{Failure, Growing, Result, guarded, options, place, status};
use crate::report::{reporting, xtent_report};

/// For `flags`: the file may take the place of another that has the name.
pub const XTENT_STAGE_REPLACE: u32 = 0x1;
/// For `flags`: publishing waits until the file and its name are on disk.
pub const XTENT_STAGE_DURABLE: u32 = 0x2;
/// For `flags`: the published file has the permission bits that the program gave it by fchmod(2), and `mode`
/// must be 0.
pub const XTENT_STAGE_KEEP_MODE: u32 = 0x4;

/// Options of xtent_stage_open. Begin with XTENT_STAGE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_stage_options {
    /// sizeof(struct xtent_stage_options).
    pub size: u32,
    /// Any of XTENT_STAGE_..., combined with |.
    pub flags: u32,
    /// The permission bits of the published file, at most 07777, through the umask or the directory's default
    /// ACL as for any new file; 0 stands for 0666.
    pub mode: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: repr(C), integers only, the size first; zeros are the defaults.
unsafe impl Growing for xtent_stage_options {}

impl xtent_stage_options {
    // SAFETY: `ptr` is as for `options`.
    unsafe fn read(ptr: *const Self) -> Result<StageOptions> {
        // SAFETY: as the caller says.
        let given = unsafe { options(ptr)? };
        let known = XTENT_STAGE_REPLACE | XTENT_STAGE_DURABLE | XTENT_STAGE_KEEP_MODE;
        let has = |flag| given.flags & flag != 0;
        let mode = match (has(XTENT_STAGE_KEEP_MODE), given.mode) {
            (true, 0) => None,
            (false, 0) => Some(0o666),
            (false, mode @ 1..=0o7777) => Some(mode),
            _ => return Err(Failure::invalid()),
        };
        if given.flags & !known != 0 || given.reserved != 0 {
            return Err(Failure::invalid());
        }
        Ok(StageOptions::new().replace(has(XTENT_STAGE_REPLACE)).durable(has(XTENT_STAGE_DURABLE)).mode(mode))
    }
}

/// A file in the making: see xtent_stage_open.
pub struct xtent_stage(Stage);

/// Makes a stage for the file `dst`: a file that nobody sees until it is published whole.
///
/// The path is relative to the directory `dst_dir`, or to the working directory where that is AT_FDCWD. The stage
/// is in the directory of `dst`, without a name, or where the filesystem has no O_TMPFILE under a hidden one. Its
/// mode is 0600. The descriptor that is returned is open for reading and writing, and closed on exec: fill the file
/// by any verbs and writes, then give `*stage` to xtent_stage_publish or xtent_stage_discard, which close it.
///
/// `stage` is set on success, and to NULL otherwise. `options` and `report` may be NULL.
///
/// Returns the stage's descriptor, or -errno.
///
///   EEXIST     the name `dst` is taken, and XTENT_STAGE_REPLACE is not set
///   ENOENT     no directory for `dst`, or `dst` is empty
///   ENOTDIR    something on the path is no directory
///   ELOOP      too many symbolic links
///   EISDIR     what has the name `dst` is a directory; `dst` ends with "/", "." or ".."
///   ENAMETOOLONG
///              the name is longer than the filesystem takes
///   EINVAL     `dst` or `stage` is NULL; options or report of a wrong size, an unknown flag, a wrong mode, or a
///              reserved member is not 0
///   E2BIG      options of a later version, asking for what this library does not know
///   EBADF      `dst_dir` is not open
///   EACCES, EPERM, EROFS, ENOSPC, EDQUOT, EIO, ENOMEM
///              from making a file in the directory
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_stage_open(
    dst_dir: c_int,
    dst: *const c_char,
    options: *const xtent_stage_options,
    stage: *mut *mut xtent_stage,
    report: *mut xtent_report,
) -> c_int {
    if !stage.is_null() {
        // SAFETY: not NULL, and one pointer can be written there.
        unsafe { stage.write_unaligned(std::ptr::null_mut()) };
    }
    let mut fd = -1;
    // SAFETY: the pointers are what the header asks for.
    let result = unsafe {
        reporting(report, || {
            if stage.is_null() {
                return Err(Failure::invalid());
            }
            let dst = place(dst_dir, dst)?;
            let opened = xtent::stage_open(dst, xtent_stage_options::read(options)?)?;
            fd = opened.as_fd().as_raw_fd();
            stage.write_unaligned(Box::into_raw(Box::new(xtent_stage(opened))));
            Ok(Report::default())
        })
    };
    if result.is_ok() { fd } else { status(result) }
}

/// Gives a stage its mode and its name, in one step: whoever opens the name finds the old file, or none, or the
/// new one whole.
///
/// On success `stage` is over, and its descriptor closed. After an error it is as before: try again, or discard it.
/// Only with the reason XTENT_REASON_NOT_DURABLE the file has its name, but could not be written to disk; then it
/// is to be discarded, which leaves the published file alone.
///
/// `stage` NULL is EINVAL. `report` may be NULL.
///
/// Returns 0, or -errno.
///
///   EEXIST     the name is taken, perhaps only since the stage was opened
///   EISDIR     a directory has the name
///   EPERM      the kernel (before Linux 6.10) does not let this caller name an open file, and /proc, the other
///              way to, is not mounted
///   EINVAL     `stage` is NULL, or was published before; a report of a wrong size
///   ENOENT, EACCES, EROFS, ENOSPC, EDQUOT, EIO, ENOMEM
///              from giving it a name
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_stage_publish(stage: *mut xtent_stage, report: *mut xtent_report) -> c_int {
    // SAFETY: the pointers are what the header asks for.
    let result = unsafe {
        reporting(report, || {
            let report = stage.as_mut().ok_or_else(Failure::invalid)?.0.publish()?;
            // Not NULL, and over, as the header says.
            drop(Box::from_raw(stage));
            Ok(report)
        })
    };
    status(result)
}

/// Ends a stage as if it had never been, and closes its descriptor. `stage` NULL does nothing.
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_stage_discard(stage: *mut xtent_stage) {
    if !stage.is_null() {
        // SAFETY: from xtent_stage_open, and over with this call, as the header says.
        let stage = unsafe { Box::from_raw(stage) };
        guarded(|| {
            drop(stage);
            Ok(())
        })
        .ok();
    }
}
