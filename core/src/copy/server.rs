//! By the server: the bytes do not come here. Only on network filesystems, and only when the caller allows it: the
//! server may share the blocks instead of copying them.

use crate::range::Pair;
use crate::sys::{self, Errno};

use super::step::{Files, Moved};

/// One call, after which the cancel flag is looked at. Linux 6.12 ends each after so many bytes anyway; 6.1 and 7.3
/// would copy the whole range in one, which no flag ends, and which begins again when a signal comes.
pub(crate) const STEP: u64 = 4 << 20;

/// Has at most [`STEP`] bytes copied. When the server copies nothing, only reading tells whether the source ends:
/// that is a failure of this way, ENODATA.
pub(crate) fn step(files: Files<'_>, range: Pair) -> Moved {
    let range = range.first(STEP);
    match sys::copy::copy_file_range(files.src, range.src, files.dst, range.dst, range.len as usize) {
        Ok(0) => Moved::nothing_but(Errno(libc::ENODATA)),
        Ok(n) => Moved { bytes: n as u64, failed: None },
        Err(errno) => Moved::nothing_but(errno),
    }
}
