//! `xtent_clone_range`.

use std::ffi::c_int;
use std::mem::offset_of;
use std::os::fd::{IntoRawFd, OwnedFd};

use xtent::{Atomic, CloneOptions, Undo};

use crate::ffi::{
    Failure, Growing, Output, Result, descriptor, directory, guarded, no_flags, options, status,
};
use crate::report::{tell, xtent_report};

/// For `undo`: the old bytes are kept until the clone is whole, and put back after a failure. Where they
/// cannot be kept, nothing is cloned.
pub const XTENT_UNDO_AUTO: u32 = 0;
/// For `undo`: the old bytes are kept where possible. Where they cannot be, the clone goes on without.
pub const XTENT_UNDO_BEST: u32 = 1;
/// For `undo`: nothing is kept: the kernel's clone as it is.
pub const XTENT_UNDO_OFF: u32 = 2;

/// For `atomic`: by an exchange where the filesystem has it and there is something to lose.
pub const XTENT_ATOMIC_BEST: u32 = 0;
/// For `atomic`: by an exchange, or nothing is cloned.
pub const XTENT_ATOMIC_REQUIRED: u32 = 1;

/// Options of xtent_clone_range. Begin with XTENT_CLONE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_clone_options {
    /// sizeof(struct xtent_clone_options).
    pub size: u32,
    /// Must be 0: there are no flags yet.
    pub flags: u32,
    /// Whether the old bytes of the range are kept until the clone is whole: XTENT_UNDO_...
    pub undo: u32,
    /// Whether the range must change in one moment: XTENT_ATOMIC_...
    pub atomic: u32,
    /// A directory on the destination's filesystem, for unlinked files. 0: the one that the destination
    /// is in, or was before it was unlinked, looked up by /proc/self/fd and only used if the destination is
    /// still found there, or of an unlinked one if it is on the same filesystem.
    pub scratch_dir: i32,
    /// Not 0: hand over the file with the old bytes, should they not have come back (the report's
    /// `undo_fd`). EINVAL without a report that has this member.
    pub keep_undo: u32,
}

// SAFETY: repr(C), the size first; zeros are the defaults.
unsafe impl Growing for xtent_clone_options {}

impl xtent_clone_options {
    // SAFETY: `ptr` is as for `options`, and a `scratch_dir` stays open until the C function returns.
    unsafe fn read<'a>(ptr: *const Self, place: &'a mut Option<OwnedFd>) -> Result<CloneOptions<'a>> {
        // SAFETY: as the caller says.
        let given = unsafe { options(ptr)? };
        no_flags(given.flags)?;
        let mut options = CloneOptions::new();
        options.undo = match given.undo {
            XTENT_UNDO_AUTO => Undo::Auto,
            XTENT_UNDO_BEST => Undo::Best,
            XTENT_UNDO_OFF => Undo::Off,
            _ => return Err(Failure::invalid()),
        };
        options.atomic = match given.atomic {
            XTENT_ATOMIC_BEST => Atomic::Best,
            XTENT_ATOMIC_REQUIRED => Atomic::Required,
            _ => return Err(Failure::invalid()),
        };
        options.scratch_dir = directory(given.scratch_dir);
        options.keep_undo = (given.keep_undo != 0).then_some(place);
        Ok(options)
    }
}

/// The number that a report has for a file that is handed over: not 0, which says that there is none.
fn handed_over(file: OwnedFd) -> c_int {
    // Duplicates that std makes are 3 or more (F_DUPFD_CLOEXEC).
    file.try_clone().unwrap_or(file).into_raw_fd()
}

/// Makes `len` bytes of `dst_fd` at `dst_off` share the blocks of `src_fd` at `src_off`: the whole range,
/// or an error. It never copies instead.
///
/// The offsets must be multiples of the filesystem's block size; so must `len`, unless the range ends
/// at the end of the source and not inside the destination. A `len` of XTENT_TO_END is the rest of the
/// source, whose size the kernel reads while it holds both files' locks. Writers to the source wait
/// meanwhile, so that the clone is one consistent cut. The destination grows where the range passes its
/// end, and never shrinks; its modification time changes.
///
/// It cannot be cancelled. From the first change of the destination to the last, signals wait in the calling
/// thread, except SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS.
///
/// The kernel's clone is not all or nothing: when the disk is full, it leaves a beginning of the range
/// cloned. This function has four ways; the report's `protection` tells which one was taken:
///
///   SIZE      nothing of the destination lies in the range: the old size is enough to go back
///   EXCHANGE  (XFS made with that feature) the source's range is cloned into an unlinked file, and the two
///             ranges change places in one moment, also for who looks after a kill or a power cut; not where
///             the range begins behind an end in the middle of a block, and the destination must be open for
///             reading too
///   UNDO      the old range is cloned into an unlinked file, some space is set aside, and after a failure
///             the range is cloned back; the destination must be open for reading too
///   NONE      XTENT_UNDO_OFF: the kernel's clone as it is
///
/// The way back of SIZE and UNDO is visible while it runs and overwrites what other programs write
/// meanwhile; a killed process does not take it; a program that takes all space as soon as it is free takes
/// the reserve too.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno. The report's `destination` says what the destination is after an error, and that
/// is always true.
///
///   EINVAL      see the reason: `len` is 0; misaligned (the report's `alignment` has the multiple that
///               is needed); overlap in one file; past the end of the source; a partial block would land
///               inside the destination; chattr +C on one file only; no regular file; options or report
///               of a wrong size, an unknown flag or value
///   E2BIG       options of a later version, asking for what this library does not know
///   EBADF       not open; the source not for reading, or the destination not for writing, or O_APPEND;
///               for UNDO, the destination not for reading (XTENT_REASON_DESTINATION_NOT_READABLE); the same
///               for EXCHANGE with XTENT_ATOMIC_REQUIRED (XTENT_REASON_CANNOT_EXCHANGE)
///   EISDIR      a directory
///   EXDEV       the files are on two filesystems, or one is a pipe or device
///   EOPNOTSUPP  this type of filesystem, or this one as it was made or mounted, cannot; or there is no
///               exchange and XTENT_ATOMIC_REQUIRED (XTENT_REASON_CANNOT_EXCHANGE)
///   EOVERFLOW   offset plus length passes the largest possible offset
///   EFBIG       the file-size limit: RLIMIT_FSIZE, or the filesystem's own
///   EPERM       the destination is immutable, or the caller is not permitted to do that
///   ETXTBSY     a file is used as swap space
///   EROFS       the destination is on a read-only mount or subvolume
///   ENOSPC, EDQUOT, EIO, ENOMEM
///               as xtent_copy_range; also where the old bytes could not be kept
///   ENOENT, EACCES
///               no directory for an unlinked file (XTENT_REASON_NO_SCRATCH_DIRECTORY)
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_clone_range(
    src_fd: c_int,
    src_off: u64,
    dst_fd: c_int,
    dst_off: u64,
    len: u64,
    options: *const xtent_clone_options,
    report: *mut xtent_report,
) -> c_int {
    let (src, dst) = (descriptor(src_fd), descriptor(dst_fd));
    // SAFETY: the pointers are what the header asks for.
    status(unsafe { Output::new(report) }.and_then(|out| {
        let has_room = out.has(offset_of!(xtent_report, undo_fd) + size_of::<c_int>());
        let mut undo = None;
        let done = guarded(|| {
            // SAFETY: as above.
            let options = unsafe { xtent_clone_options::read(options, &mut undo)? };
            if options.keep_undo.is_some() && !has_room {
                return Err(Failure::invalid());
            }
            Ok(xtent::clone_range(src, src_off, dst, dst_off, len, options)?)
        });
        let kept = guarded(|| Ok(undo.map_or(0, handed_over)));
        tell(&out, &done, kept.unwrap_or(0));
        done
    }))
}
