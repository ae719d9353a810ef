//! `xtent_dedupe_range`.

use std::ffi::{c_int, c_void};

use xtent::{Cache, Control, DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, Report};

use crate::control::{Watch, xtent_flag};
use crate::ffi::{Array, Failure, Growing, Result, choice, descriptor, no_flags, options, status};
use crate::report::{reporting, xtent_report};

/// A target's status: the call ended before it was done with this target. What `compared` and `shared`
/// say was done all the same.
pub const XTENT_NOT_REACHED: i32 = 0;
/// A target's status: all that was compared is equal.
pub const XTENT_SAME: i32 = 1;
/// A target's status: the bytes differ. What was equal before the first difference may be shared.
pub const XTENT_DIFFERS: i32 = 2;
/// A target's status: it was refused, or failed. See its `error` and `reason`.
pub const XTENT_FAILED: i32 = 3;

/// The files' extent maps are compared before and after.
pub const XTENT_MEASURE_YES: u32 = 0;
/// They are not: `shared` and `already_shared` are XTENT_UNKNOWN, and what is shared already is compared
/// again. For files in so many extents that reading their maps costs more.
pub const XTENT_MEASURE_NO: u32 = 1;

/// A target is left at its first difference.
pub const XTENT_BLOCKS_NO: u32 = 0;
/// A target that differs goes on to share every run of equal blocks behind the first difference. It must be
/// readable for that; of one that is not, steps are shared that are equal as a whole.
pub const XTENT_BLOCKS_YES: u32 = 1;

/// A number of bytes that cannot be told.
pub const XTENT_UNKNOWN: u64 = u64::MAX;

/// Options of xtent_dedupe_range. Begin with XTENT_DEDUPE_OPTIONS_INIT.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_dedupe_options {
    /// sizeof(struct xtent_dedupe_options).
    pub size: u32,
    /// Must be 0: there are no flags yet.
    pub flags: u32,
    /// NULL, or a flag that is looked at before each step: once it is not 0 the call ends. A signal
    /// handler may set it, or another thread.
    pub cancel: *const xtent_flag,
    /// NULL, or called after each step in the calling thread, with `user`, the bytes that are done and
    /// the bytes that there are in all, counted over all targets. The call ends when it returns anything
    /// but 0. It must return: no longjmp, no C++ exception.
    pub progress: Option<unsafe extern "C" fn(user: *mut c_void, done: u64, total: u64) -> c_int>,
    /// Handed to `progress`.
    pub user: *mut c_void,
    /// Whether it is measured what is shared: XTENT_MEASURE_...
    pub measure: u32,
    /// What becomes of a target behind a difference: XTENT_BLOCKS_...
    pub blocks: u32,
    /// What becomes of the page cache: XTENT_CACHE_... The kernel itself lets go of a target's pages where it
    /// shared, on XFS.
    pub cache: u32,
    /// Must be 0.
    pub reserved: u32,
}

// SAFETY: repr(C), the size first; zeros are no flags, NULL pointers and the defaults.
unsafe impl Growing for xtent_dedupe_options {}

impl xtent_dedupe_options {
    // SAFETY: `ptr` is as for `options`, its members as for `Watch::new`.
    pub(crate) unsafe fn read<'a>(ptr: *const Self) -> Result<Asked<'a>> {
        // SAFETY: as the caller says.
        unsafe {
            let given = options(ptr)?;
            no_flags(given.flags | given.reserved)?;
            Ok(Asked {
                watch: Watch::new(given.cancel, given.progress, given.user)?,
                measure: choice(given.measure, [true, false])?,
                blocks: choice(given.blocks, [false, true])?,
                cache: choice(given.cache, [Cache::Keep, Cache::Neutral])?,
            })
        }
    }
}

/// What the options ask for.
pub(crate) struct Asked<'a> {
    watch: Watch<'a>,
    measure: bool,
    blocks: bool,
    cache: Cache,
}

impl Asked<'_> {
    /// Calls a verb with them.
    pub(crate) fn over<T>(self, verb: impl FnOnce(DedupeOptions<'_>) -> T) -> T {
        let Asked { watch, measure, blocks, cache } = self;
        let with = |control: Control<'_>| {
            verb(DedupeOptions::new().control(control).measure(measure).blocks(blocks).cache(cache))
        };
        watch.over(with)
    }
}

/// A place that may come to share the source's blocks, and what became of it. Begin with
/// XTENT_DEDUPE_TARGET_INIT(fd, offset). The numbers are bytes of its range.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_dedupe_target {
    /// The file: open for writing, or for reading by its owner or somebody who may write it.
    pub fd: c_int,
    /// What became of it: XTENT_NOT_REACHED, XTENT_SAME, XTENT_DIFFERS or XTENT_FAILED.
    pub status: i32,
    /// Where the range begins in it; a multiple of the filesystem's block size.
    pub offset: u64,
    /// With XTENT_FAILED the errno, positive; else 0.
    pub error: i32,
    /// With XTENT_FAILED why: XTENT_REASON_...
    pub reason: i32,
    /// From the beginning of the range, what was found equal.
    pub compared: u64,
    /// What shares the source's blocks now and did not before the call; XTENT_UNKNOWN where the
    /// files' extent maps cannot tell.
    pub shared: u64,
    /// What shared the source's blocks before the call; or XTENT_UNKNOWN.
    pub already_shared: u64,
    /// With XTENT_DIFFERS how far into the range the first difference is; XTENT_UNKNOWN otherwise, and
    /// where the target could not be read to find it.
    pub differs_at: u64,
    /// Must be 0.
    pub reserved: [u64; 2],
}

impl xtent_dedupe_target {
    /// The same place, with what became of it.
    fn with(&self, result: &DedupeResult) -> Self {
        xtent_dedupe_target {
            status: number(result.status),
            error: result.errno,
            reason: result.reason.code(),
            compared: result.compared,
            shared: result.shared.unwrap_or(XTENT_UNKNOWN),
            already_shared: result.already_shared.unwrap_or(XTENT_UNKNOWN),
            differs_at: result.differs_at.unwrap_or(XTENT_UNKNOWN),
            ..*self
        }
    }

    fn place<'a>(&self) -> Result<DedupeTarget<'a>> {
        match self.reserved {
            [0, 0] => Ok(DedupeTarget { fd: descriptor(self.fd), offset: self.offset }),
            _ => Err(Failure::invalid()),
        }
    }
}

pub(crate) fn number(status: DedupeStatus) -> i32 {
    match status {
        DedupeStatus::NotReached => XTENT_NOT_REACHED,
        DedupeStatus::Same => XTENT_SAME,
        DedupeStatus::Differs => XTENT_DIFFERS,
        DedupeStatus::Failed => XTENT_FAILED,
    }
}

/// Makes each target share the `len` bytes of `src_fd` at `src_off` where the bytes are already equal.
/// The kernel compares and shares under both files' locks: contents never change, by no outcome.
///
/// `targets` are any number of places, in `n_targets` elements; each gets its own result. One target's
/// failure does not disturb another, and it is no error of the call that targets differ or fail, not
/// even all of them. A target that differs keeps what was shared before the first difference, to the
/// block; `blocks` goes on behind it.
///
/// A `len` of XTENT_TO_END is the rest of the source. The kernel shares whole blocks; a last partial
/// block is shared where both files end in it. Elsewhere the library compares it and counts it as
/// compared; where the target is not open for reading that, `compared` leaves it out.
///
/// What is shared is measured with the files' extent maps before and after, which writes dirty pages
/// back; the kernel's own answer only repeats the request. What shares the source's blocks already is
/// not read again. Modification and change times stay; reading may set the time of last access.
///
/// The flag `cancel` is looked at between steps
/// of at most 16 MiB of one target, of a few targets at once. What was shared stays shared, and
/// targets that were not done with are XTENT_NOT_REACHED.
///
/// `options` and `report` may be NULL. The report has only the call's own error and reason.
///
/// Returns 0 when every target has its result (cancelled or not), or -errno when the call as a whole
/// failed, no target was touched, and all of them are XTENT_NOT_REACHED.
///
///   EINVAL      see the reason: `len` is 0; past the end of the source; the source is no regular file,
///               or not open for reading; `targets` is NULL, or a reserved member is not 0; options or
///               report of a wrong size, or an unknown flag
///   E2BIG       options of a later version, asking for what this library does not know
///   EBADF       the source is not open
///   EISDIR      the source is a directory
///   EOVERFLOW   offset plus length passes the largest possible offset
///   EOPNOTSUPP  the filesystem cannot, or is not known to compare before it shares (NFS and SMB
///               clients once did not)
///   ENOMEM      no memory for the list of targets
///
/// The `error` of a target:
///
///   EINVAL      see the reason: misaligned; past the target's end; overlap with the source in one file;
///               chattr +C on one file only; no regular file
///   EPERM       neither open for writing nor the caller's own; immutable; on an overlay, a file that
///               still lies on the lower filesystem
///   EXDEV       on another filesystem than the source
///   EAGAIN      btrfs: its subvolume is being sent; tried again for about a second, for all targets
///               together
///   EBADF, EISDIR, EROFS, EOPNOTSUPP, EOVERFLOW, ETXTBSY, EIO
///               not open; a directory; read-only; the others as above or as xtent_clone_range
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_dedupe_range(
    src_fd: c_int,
    src_off: u64,
    len: u64,
    targets: *mut xtent_dedupe_target,
    n_targets: usize,
    options: *const xtent_dedupe_options,
    report: *mut xtent_report,
) -> c_int {
    let src = descriptor(src_fd);
    // SAFETY: the pointers are what the header asks for.
    status(unsafe {
        let targets = Array::new(targets, n_targets).inspect(unreached);
        reporting(report, || {
            let targets = targets?;
            let places = places(&targets)?;
            xtent_dedupe_options::read(options)?.over(|options| {
                let results = xtent::dedupe_range(src, src_off, len, &places, options)?;
                targets.fill(targets.iter().zip(&results).map(|(target, result)| target.with(result)));
                Ok(Report::default())
            })
        })
    })
}

/// Marks every target before anything can fail: what is in the caller's array by chance must not read
/// as "same".
fn unreached(targets: &Array<xtent_dedupe_target>) {
    targets.fill(targets.iter().map(|target| target.with(&DedupeResult::default())));
}

/// The targets as core takes them. A list of the caller's length must not end the host when there is no
/// memory for it.
fn places<'a>(targets: &Array<xtent_dedupe_target>) -> Result<Vec<DedupeTarget<'a>>> {
    let mut places = Vec::new();
    places
        .try_reserve_exact(targets.len())
        .map_err(|_| Failure::new(libc::ENOMEM, xtent::Reason::OutOfMemory))?;
    for target in targets.iter() {
        places.push(target.place()?);
    }
    Ok(places)
}
