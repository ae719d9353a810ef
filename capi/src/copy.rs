//! `xtent_copy_range`.

use std::ffi::{c_int, c_void};

use xtent::{Cache, Control, CopyOptions, Server, Sparse};

use crate::control::{Watch, xtent_flag};
use crate::ffi::{Growing, Result, choice, count, descriptor, no_flags, options};
use crate::report::{reporting, xtent_report};

/// Holes of the source, and space that was reserved there and never written, become holes.
pub const XTENT_SPARSE_KEEP: u32 = 0;
/// Everything is written out: the destination has blocks for all of it.
pub const XTENT_SPARSE_FILL: u32 = 1;
/// Holes stay holes, and whole pages of zeros become holes too.
pub const XTENT_SPARSE_DETECT: u32 = 2;

/// What was read and written stays in the page cache, as always.
pub const XTENT_CACHE_KEEP: u32 = 0;
/// What the call brought into the page cache goes again, of all its files; what was there before stays.
/// The destination of a copy is written back for that, at some cost in time; an error of writing back takes
/// the bytes that it lost off the count. Where the kernel does not say what is cached, nothing of that file
/// is let go: before Linux 6.5, and for a source that the caller may neither write nor owns.
pub const XTENT_CACHE_NEUTRAL: u32 = 1;

/// The bytes are read and written here.
pub const XTENT_SERVER_NEVER: u32 = 0;
/// Where both files are on a network filesystem the server is asked to copy (copy_file_range(2)): NFS 4.2,
/// SMB 3, CephFS. It may share the blocks instead. Where it cannot, the bytes are read and written.
pub const XTENT_SERVER_ALLOW: u32 = 1;

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
    /// What becomes of holes: XTENT_SPARSE_... The bytes are the same each time.
    pub sparse: u32,
    /// What becomes of the page cache: XTENT_CACHE_...
    pub cache: u32,
    /// Whether a server may copy by itself what lies on it: XTENT_SERVER_...
    pub server: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: repr(C), the size first; zeros are no flags, NULL pointers and the defaults.
unsafe impl Growing for xtent_copy_options {}

impl xtent_copy_options {
    // SAFETY: `ptr` is as for `options`, its members as for `Watch::new`.
    pub(crate) unsafe fn read<'a>(ptr: *const Self) -> Result<Asked<'a>> {
        // SAFETY: as the caller says.
        unsafe {
            let given = options(ptr)?;
            no_flags(given.flags | given.reserved)?;
            Ok(Asked {
                watch: Watch::new(given.cancel, given.progress, given.user)?,
                sparse: choice(given.sparse, [Sparse::Keep, Sparse::Fill, Sparse::Detect])?,
                cache: choice(given.cache, [Cache::Keep, Cache::Neutral])?,
                server: choice(given.server, [Server::Never, Server::Allow])?,
            })
        }
    }
}

/// What the options ask for.
pub(crate) struct Asked<'a> {
    watch: Watch<'a>,
    sparse: Sparse,
    cache: Cache,
    server: Server,
}

impl Asked<'_> {
    /// Calls a verb with them.
    pub(crate) fn over<T>(self, verb: impl FnOnce(CopyOptions<'_>) -> T) -> T {
        let Asked { watch, sparse, cache, server } = self;
        let with = |control: Control<'_>| {
            verb(CopyOptions::new().control(control).sparse(sparse).cache(cache).server(server))
        };
        watch.over(with)
    }
}

/// Copies up to `len` bytes of `src_fd` at `src_off` to `dst_fd` at `dst_off`.
///
/// The bytes are moved, so that the destination has blocks of its own: no local filesystem is asked to
/// share them. Holes of the source become holes of the destination, also where that had data; `sparse`
/// has other wishes. The destination grows where the range passes its end, and never shrinks.
///
/// Like read(2) it may come back short: at the end of the source (a `len` that reaches behind it is no
/// error), when it was cancelled, or when it met an error after some bytes; then the report has the
/// reason, and the same call for what is left goes on or returns the error. A `len` of XTENT_TO_END is
/// the rest of the source, a `len` of 0 copies nothing. The range is written from its beginning to its
/// end, in steps of at most 4 MiB; at most one step is done after `cancel` was set. A signal alone does
/// not stop a copy: let its handler set the flag.
///
/// When another program writes to the source meanwhile, each page is the old or the new one. When it cuts
/// the source shorter, the copy ends there, and the last step may have left zeros behind it that are not
/// counted.
///
/// `options` and `report` may be NULL.
///
/// Returns the number of bytes that are done, holes among them, or -errno when there are none. After an
/// error the destination is as it was.
///
///   EINVAL     the ranges overlap in one file; a device; options or report of a wrong size, an unknown
///              flag, or a choice that there is not
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
            xtent_copy_options::read(options)?
                .over(|options| Ok(xtent::copy_range(src, src_off, dst, dst_off, len, options)?))
        })
    })
}
