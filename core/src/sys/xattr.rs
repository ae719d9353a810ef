//! Extended attributes of an open file, or of one that is not opened, by its path (xattr(7)).

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result, check};

/// No list of names and no value is longer (limits.h, `XATTR_LIST_MAX` and `XATTR_SIZE_MAX`).
pub(crate) const LONGEST: usize = 65536;

/// Fills `names` with the names, each ended by a zero; says how many bytes they are.
pub(crate) fn list(fd: BorrowedFd<'_>, names: &mut [u8]) -> Result<usize> {
    // SAFETY: flistxattr writes at most `names.len()` bytes into `names`.
    let n = unsafe { libc::flistxattr(fd.as_raw_fd(), names.as_mut_ptr().cast(), names.len()) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// Fills `value` with the value of one; says how many bytes it is.
pub(crate) fn get(fd: BorrowedFd<'_>, name: &CStr, value: &mut [u8]) -> Result<usize> {
    // SAFETY: fgetxattr reads a name that ends with a zero, and writes at most `value.len()` bytes.
    let n = unsafe { libc::fgetxattr(fd.as_raw_fd(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// Makes or replaces one.
pub(crate) fn set(fd: BorrowedFd<'_>, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: fsetxattr reads a name that ends with a zero, and `value.len()` bytes.
    check(unsafe { libc::fsetxattr(fd.as_raw_fd(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) })?;
    Ok(())
}

pub(crate) fn remove(fd: BorrowedFd<'_>, name: &CStr) -> Result<()> {
    // SAFETY: fremovexattr reads a name that ends with a zero.
    check(unsafe { libc::fremovexattr(fd.as_raw_fd(), name.as_ptr()) })?;
    Ok(())
}

/// [`list`] of what has this path, be it a symbolic link.
pub(crate) fn list_of(path: &CStr, names: &mut [u8]) -> Result<usize> {
    // SAFETY: the path ends with a zero; llistxattr writes at most `names.len()` bytes into `names`.
    let n = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// [`get`] of what has this path, be it a symbolic link.
pub(crate) fn get_of(path: &CStr, name: &CStr, value: &mut [u8]) -> Result<usize> {
    // SAFETY: path and name end with a zero; lgetxattr writes at most `value.len()` bytes.
    let n = unsafe { libc::lgetxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
    usize::try_from(n).map_err(|_| Errno::last())
}

/// [`set`] of what has this path, be it a symbolic link.
pub(crate) fn set_of(path: &CStr, name: &CStr, value: &[u8]) -> Result<()> {
    // SAFETY: path and name end with a zero; lsetxattr reads `value.len()` bytes.
    check(unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) })?;
    Ok(())
}
