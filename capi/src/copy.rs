//! `xtent_copy_range`.

use std::ffi::{c_int, c_void};

use xtent::CopyOptions;

use crate::control::{Watch, xtent_flag};
use crate::ffi::{Growing, Result, count, descriptor, no_flags, options};
use crate::report::{reporting, xtent_report};

/// Options of xtent_copy_range and xtent_clone_or_copy_range. Begin with XTENT_COPY_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_copy_options {
    /// sizeof(struct xtent_copy_options).
    pub size: u32,
    /// Must be 0: there are no flags yet.
    pub flags: u32,
    /// NULL, or a flag that is looked at before each step: once it is not 0 the call ends. A signal
    /// handler may set it, or another thread.
    pub cancel: *const xtent_flag,
    /// NULL, or called after each step in the calling thread, with `user`, the bytes that are done and
    /// the bytes that there are in all (XTENT_TO_END where the source does not say). The call ends when
    /// it returns anything but 0. It must return: no longjmp, no C++ exception.
    pub progress: Option<unsafe extern "C" fn(user: *mut c_void, done: u64, total: u64) -> c_int>,
    /// Handed to `progress`.
    pub user: *mut c_void,
}

// SAFETY: repr(C), the size first; zeros are no flags and NULL pointers.
unsafe impl Growing for xtent_copy_options {}

impl xtent_copy_options {
    // SAFETY: `ptr` is as for `options`, its members as for `Watch::new`.
    pub(crate) unsafe fn read<'a>(ptr: *const Self) -> Result<Watch<'a>> {
        // SAFETY: as the caller says.
        unsafe {
            let given = options(ptr)?;
            no_flags(given.flags)?;
            Watch::new(given.cancel, given.progress, given.user)
        }
    }
}

/// Copies up to `len` bytes of `src_fd` at `src_off` to `dst_fd` at `dst_off`.
///
/// The bytes are read and written, so that the destination has blocks of its own: no local filesystem
/// is asked to share them. Holes of the source become holes of the destination, also where that had
/// data. The destination grows where the range passes its end, and never shrinks.
///
/// Like read(2) it may come back short: at the end of the source (a `len` that reaches behind it is no
/// error), when it was cancelled, or when it met an error after some bytes; then the report has the
/// reason, and the same call for what is left goes on or returns the error. A `len` of XTENT_TO_END is
/// the rest of the source, a `len` of 0 copies nothing. The range is written from its beginning to its
/// end, in steps of at most 1 MiB; at most one step is done after `cancel` was set. A signal alone does
/// not stop a copy: let its handler set the flag.
///
/// `options` and `report` may be NULL.
///
/// Returns the number of bytes that are done, holes among them, or -errno when there are none. After an
/// error the destination is as it was.
///
///   EINVAL     the ranges overlap in one file; a device; options or report of a wrong size, or an
///              unknown flag
///   E2BIG      options of a later version, asking for what this library does not know
///   EBADF      not open; the source not for reading, or the destination not for writing; the
///              destination is O_APPEND, so that data cannot be placed at an offset
///   EISDIR     a directory
///   ESPIPE     a pipe or socket
///   EOVERFLOW  offset plus length passes the largest possible offset
///   ECANCELED  cancelled before anything was done
///   EFBIG      the file-size limit: RLIMIT_FSIZE (no SIGXFSZ reaches the caller) or the filesystem's
///   ENOSPC     the filesystem is full
///   EDQUOT     the quota is used up
///   EIO        the device or server failed
///   ENOMEM     the kernel has no memory
///   EPERM      the destination is immutable or sealed
///   ETXTBSY    the destination is used as swap space
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_copy_range(
    src_fd: c_int,
    src_off: u64,
    dst_fd: c_int,
    dst_off: u64,
    len: u64,
    options: *const xtent_copy_options,
    report: *mut xtent_report,
) -> i64 {
    let (src, dst) = (descriptor(src_fd), descriptor(dst_fd));
    // SAFETY: the pointers are what the header asks for.
    count(unsafe {
        reporting(report, || {
            xtent_copy_options::read(options)?.over(|control| {
                let options = CopyOptions::new().control(control);
                Ok(xtent::copy_range(src, src_off, dst, dst_off, len, options)?)
            })
        })
    })
}
