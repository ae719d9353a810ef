//! `xtent_clone_range`.

use std::ffi::c_int;

use crate::ffi::{Growing, Result, descriptor, no_flags, options, status};
use crate::report::{reporting, xtent_report};

/// Options of xtent_clone_range. Begin with XTENT_CLONE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_clone_options {
    /// sizeof(struct xtent_clone_options).
    pub size: u32,
    /// Must be 0: there are no flags yet.
    pub flags: u32,
}

// SAFETY: repr(C), the size first; zeros are no flags.
unsafe impl Growing for xtent_clone_options {}

impl xtent_clone_options {
    // SAFETY: `ptr` is as for `options`.
    unsafe fn read(ptr: *const Self) -> Result<()> {
        // SAFETY: as the caller says.
        no_flags(unsafe { options(ptr)? }.flags)
    }
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
/// It cannot be cancelled, and signals that the caller handles, ignores or blocks do not interrupt it.
///
/// `options` and `report` may be NULL.
///
/// Returns 0, or -errno.
///
///   EINVAL      see the reason: `len` is 0; misaligned (the report's `alignment` has the multiple that
///               is needed); overlap in one file; past the end of the source; a partial block would land
///               inside the destination; chattr +C on one file only; no regular file; options or report
///               of a wrong size, or an unknown flag
///   E2BIG       options of a later version, asking for what this library does not know
///   EBADF       not open; the source not for reading, or the destination not for writing, or O_APPEND
///   EISDIR      a directory
///   EXDEV       the files are on two filesystems, or one is a pipe or device
///   EOPNOTSUPP  this type of filesystem, or this one as it was made or mounted, cannot
///   EOVERFLOW   offset plus length passes the largest possible offset
///   EFBIG       the file-size limit: RLIMIT_FSIZE, or the filesystem's own
///   EPERM       the destination is immutable, or the caller is not permitted to do that
///   ETXTBSY     a file is used as swap space
///   EROFS       the destination is on a read-only mount or subvolume
///   ENOSPC, EDQUOT, EIO, ENOMEM
///               as xtent_copy_range
///
/// After ENOSPC, EDQUOT, EIO and ENOMEM a beginning of the range may have been cloned, and the
/// destination have grown to match: the kernel does not take that back. It is also so when the process
/// is killed in the middle of the call. After any other error the destination is as it was.
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
    status(unsafe {
        reporting(report, || {
            xtent_clone_options::read(options)?;
            Ok(xtent::clone_range(src, src_off, dst, dst_off, len)?)
        })
    })
}
