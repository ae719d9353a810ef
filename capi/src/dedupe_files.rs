//! `xtent_dedupe_files`.

use std::ffi::{c_char, c_int};

use xtent::{At, DedupeResult, Report};

use crate::dedupe::{XTENT_UNKNOWN, number, xtent_dedupe_options};
use crate::ffi::{Array, Failure, Result, place, status};
use crate::report::{reporting, xtent_report};

/// A file that may come to share the source's blocks, and what became of it. Begin with
/// XTENT_DEDUPE_FILE_INIT(dir, path). The numbers are bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct xtent_dedupe_file {
    /// The directory that `path` is relative to, or AT_FDCWD; with an empty `path` the open file itself.
    pub dir: c_int,
    /// What became of it: XTENT_NOT_REACHED, XTENT_SAME, XTENT_DIFFERS or XTENT_FAILED.
    pub status: i32,
    /// The file. A symbolic link is not followed.
    pub path: *const c_char,
    /// With XTENT_FAILED the errno, positive; else 0.
    pub error: i32,
    /// With XTENT_FAILED why: XTENT_REASON_...
    pub reason: i32,
    /// From its beginning, what was found equal.
    pub compared: u64,
    /// What shares the source's blocks now and did not before the call; XTENT_UNKNOWN where the
    /// files' extent maps cannot tell.
    pub shared: u64,
    /// What shared the source's blocks before the call; or XTENT_UNKNOWN.
    pub already_shared: u64,
    /// With XTENT_DIFFERS where the first difference is; XTENT_UNKNOWN otherwise, where the file could not be
    /// read to find it, and where it is of another size.
    pub differs_at: u64,
    /// Must be 0.
    pub reserved: [u64; 2],
}

impl xtent_dedupe_file {
    /// The same file, with what became of it.
    fn with(&self, result: &DedupeResult) -> Self {
        xtent_dedupe_file {
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

    // SAFETY: as for `place`.
    unsafe fn at<'a>(&self) -> Result<At<'a>> {
        match self.reserved {
            // SAFETY: as the caller says.
            [0, 0] => unsafe { place(self.dir, self.path) },
            _ => Err(Failure::invalid()),
        }
    }
}

/// Makes each of some files share the blocks of the file `src` where it is its equal: as xtent_dedupe_range of
/// whole files, which are opened here. Contents and times never change, by no outcome.
///
/// `src` is relative to `src_dir`, as with xtent_copy_file; symbolic links are not followed. `targets` are any number
/// of files, in `n_targets` elements; each gets its own result, and none disturbs another. They are opened for
/// reading, which is enough for files of the caller, read-only ones and programs that run among them, or, where that
/// is denied, for writing; a few at a time, so that no more descriptors are needed than a process has.
///
/// A target of another size differs, and nothing of it is shared. A name of the source's own file, or of one that
/// an earlier target named, is the same without being asked: all of it is shared already.
///
/// `options` and `report` may be NULL. The report has only the call's own error and reason.
///
/// Returns 0 when every target has its result (cancelled or not), or -errno when the call as a whole failed,
/// no target was touched, and all of them are XTENT_NOT_REACHED.
///
///   EINVAL      see the reason: `src`, `targets` or the path of one is NULL, or a reserved member is not 0; the
///               source is a device, or not open for reading; options or report of a wrong size, or an unknown flag
///   E2BIG       options of a later version, asking for what this library does not know
///   ENOENT, ENOTDIR, ENAMETOOLONG, EACCES
///               the source cannot be opened
///   ELOOP       the source is a symbolic link, or there are too many on its path
///   EISDIR      the source is a directory
///   ESPIPE      the source is a FIFO or socket
///   EBADF       a descriptor of the source is not open
///   EOPNOTSUPP  the filesystem cannot, or is not known to compare before it shares
///   ENOMEM      no memory for the list of targets
///
/// The `error` of a target is one of these, or one of those that xtent_dedupe_range has for a target.
///
/// Since 0.1.0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn xtent_dedupe_files(
    src_dir: c_int,
    src: *const c_char,
    targets: *mut xtent_dedupe_file,
    n_targets: usize,
    options: *const xtent_dedupe_options,
    report: *mut xtent_report,
) -> c_int {
    // SAFETY: the pointers are what the header asks for.
    status(unsafe {
        let targets = Array::new(targets, n_targets).inspect(unreached);
        reporting(report, || {
            let targets = targets?;
            let (src, places) = (place(src_dir, src)?, places(&targets)?);
            xtent_dedupe_options::read(options)?.over(|options| {
                let results = xtent::dedupe_files(src, &places, options)?;
                targets.fill(targets.iter().zip(&results).map(|(target, result)| target.with(result)));
                Ok(Report::default())
            })
        })
    })
}

/// Marks every target before anything can fail, as xtent_dedupe_range does.
fn unreached(targets: &Array<xtent_dedupe_file>) {
    targets.fill(targets.iter().map(|target| target.with(&DedupeResult::default())));
}

// SAFETY: the paths of all targets are as for `place`.
unsafe fn places<'a>(targets: &Array<xtent_dedupe_file>) -> Result<Vec<At<'a>>> {
    let mut places = Vec::new();
    places
        .try_reserve_exact(targets.len())
        .map_err(|_| Failure::new(libc::ENOMEM, xtent::Reason::OutOfMemory))?;
    for target in targets.iter() {
        // SAFETY: as the caller says.
        places.push(unsafe { target.at()? });
    }
    Ok(places)
}
