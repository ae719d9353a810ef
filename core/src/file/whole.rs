//! All of one file, shared with an empty one.

use std::os::fd::BorrowedFd;

use crate::explain;
use crate::facts::Facts;
use crate::range::{Pair, TO_END};
use crate::reason::Reason;
use crate::scratch;
use crate::sys::{self, Errno};

use super::{Refusal, path_refusal};

/// Makes the empty file `dst` share everything that `src` has, and says how much. There is nothing to protect: what
/// a failing clone leaves goes with the file.
pub(super) fn clone(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> Result<u64, Refusal> {
    let limit = sys::limit::file_size();
    // No file is larger than the largest offset.
    if limit < i64::MAX as u64 && size(src)? > limit {
        // The kernel says EINVAL.
        return Err(Refusal { errno: libc::EFBIG, reason: Reason::FileSizeLimit });
    }
    let clone = || sys::clone::clone_range(src, 0, dst, 0, 0);
    let cloned = match clone() {
        // Nearly always they lie alike, and four calls are saved.
        Err(Errno(libc::EINVAL)) if scratch::lies_like(dst, src) => clone(),
        done => done,
    };
    cloned.map_err(|errno| {
        let whole = Pair { src: 0, dst: 0, len: TO_END };
        let reason = explain::clone(errno.0, &Facts::of(src), &Facts::of(dst), whole);
        Refusal { errno: errno.0, reason }
    })?;
    size(dst)
}

/// The same of a file that others write to. The clone writes back what is dirty, and they wait for it; what is written
/// back before, they need not wait for.
pub(super) fn snapshot(src: BorrowedFd<'_>, dst: BorrowedFd<'_>) -> Result<u64, Refusal> {
    sys::sync::fsync(src).map_err(path_refusal)?;
    clone(src, dst)
}

fn size(file: BorrowedFd<'_>) -> Result<u64, Refusal> {
    Ok(sys::stat::fstat(file).map_err(path_refusal)?.st_size as u64)
}
