//! Where a file is: a path, relative to a directory or to none.

use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::reason::Reason;
use crate::sys;

use super::Refusal;

/// A path relative to a directory, as in openat(2); or a file that is already open.
///
/// ```
/// use std::os::fd::AsFd;
/// use xtent::At;
///
/// let at = At::from("relative/to/the/working/directory");
/// let dir = std::fs::File::open("/tmp")?;
/// let at = At::new(dir.as_fd(), "file"); // /tmp/file, even if somebody renames /tmp
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The directory; `None` is the working directory.
    pub dir: Option<BorrowedFd<'a>>,
    /// The path; empty for `dir` itself, which is an open file then (as a source only).
    pub path: &'a Path,
}

impl<'a> At<'a> {
    /// `path` relative to `dir`; an absolute path stands for itself.
    pub fn new<P: AsRef<Path> + ?Sized>(dir: BorrowedFd<'a>, path: &'a P) -> Self {
        At { dir: Some(dir), path: path.as_ref() }
    }

    /// A source that is already open. It is read by this descriptor, which stays the caller's.
    pub fn open(file: BorrowedFd<'a>) -> Self {
        At { dir: Some(file), path: Path::new("") }
    }

    /// The directory, for calls that take one.
    pub(crate) fn directory(&self) -> BorrowedFd<'a> {
        self.dir.unwrap_or(sys::open::working_directory())
    }

    /// The path, for calls that take one.
    pub(crate) fn c_path(&self) -> Result<CString, Refusal> {
        terminated(self.path.as_os_str().as_bytes())
    }

    /// The descriptor of a file that is already open.
    pub(crate) fn already_open(&self) -> Option<BorrowedFd<'a>> {
        self.dir.filter(|_| self.path.as_os_str().is_empty())
    }
}

impl<'a, P: AsRef<Path> + ?Sized> From<&'a P> for At<'a> {
    /// Relative to the working directory.
    fn from(path: &'a P) -> Self {
        At { dir: None, path: path.as_ref() }
    }
}

/// For the kernel; no name has a zero in it.
pub(crate) fn terminated(bytes: &[u8]) -> Result<CString, Refusal> {
    CString::new(bytes).map_err(|_| Refusal { errno: libc::EINVAL, reason: Reason::InvalidName })
}
