//! Directories beneath a directory, by their relative paths: through no symbolic link and never out of it, whatever
//! somebody renames meanwhile, however deep they lie, and with one descriptor held.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::sys::{self, Errno};

/// The kernel takes paths of less than PATH_MAX bytes, 4096; deeper directories are reached in several steps.
const LONGEST: usize = 4000;

/// Opens the directory `path` beneath `root`; an empty path is `root` itself, opened again, with a position of its own.
pub(crate) fn directory(root: BorrowedFd<'_>, path: &Path) -> sys::Result<OwnedFd> {
    let mut left = path.as_os_str().as_bytes();
    let mut at = None::<OwnedFd>;
    loop {
        let (part, rest) = first_part(left, LONGEST);
        let from = at.as_ref().map_or(root, AsFd::as_fd);
        at = Some(step(from, part)?);
        left = rest;
        if left.is_empty() {
            return at.ok_or(Errno(libc::ENOENT));
        }
    }
}

/// The directory in which `path` beneath `root` is a name, and that name.
pub(crate) fn parent(root: BorrowedFd<'_>, path: &Path) -> sys::Result<(OwnedFd, CString)> {
    let name = path.file_name().ok_or(Errno(libc::EINVAL))?;
    let dir = directory(root, path.parent().unwrap_or(Path::new("")))?;
    Ok((dir, terminated(name.as_bytes())?))
}

/// Whole names of a path, no more than `most` bytes of them if possible, and the rest.
fn first_part(path: &[u8], most: usize) -> (&[u8], &[u8]) {
    if path.len() <= most {
        return (path, b"");
    }
    let slash = |range: &[u8]| range.iter().rposition(|byte| *byte == b'/');
    // A single name is never that long: at most 255 bytes.
    match slash(&path[..most]) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, b""),
    }
}

fn step(from: BorrowedFd<'_>, path: &[u8]) -> sys::Result<OwnedFd> {
    let c_path = terminated(if path.is_empty() { b"." } else { path })?;
    match sys::openat2::directory_beneath(from, &c_path) {
        Err(Errno(libc::ENOSYS | libc::EPERM)) => name_by_name(from, path),
        done => done,
    }
}

/// The same on kernels and under filters without openat2(2).
fn name_by_name(from: BorrowedFd<'_>, path: &[u8]) -> sys::Result<OwnedFd> {
    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let mut at = None::<OwnedFd>;
    for name in path.split(|byte| *byte == b'/') {
        let name: &CStr = &terminated(if name.is_empty() { b"." } else { name })?;
        at = Some(sys::open::openat(at.as_ref().map_or(from, AsFd::as_fd), name, flags, 0)?);
    }
    at.ok_or(Errno(libc::ENOENT))
}

fn terminated(name: &[u8]) -> sys::Result<CString> {
    CString::new(name).map_err(|_| Errno(libc::EINVAL))
}

/// Where `name` in the directory `dir` is, relative to what `dir` is relative to.
pub(crate) fn join(dir: &Path, name: &CStr) -> std::path::PathBuf {
    dir.join(OsStr::from_bytes(name.to_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn parts_are_whole_names() {
        assert_eq!(first_part(b"aa/bb/cc", 8), (&b"aa/bb/cc"[..], &b""[..]));
        assert_eq!(first_part(b"aa/bb/cc", 7), (&b"aa/bb"[..], &b"cc"[..]));
        assert_eq!(first_part(b"aa/bb/cc", 3), (&b"aa"[..], &b"bb/cc"[..]));
        assert_eq!(first_part(b"aaaa", 3), (&b"aaaa"[..], &b""[..]));
    }

    type Way = fn(BorrowedFd<'_>, &[u8]) -> sys::Result<OwnedFd>;

    #[test]
    fn no_way_leads_through_a_symbolic_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        symlink("a", dir.path().join("link")).unwrap();
        symlink("/", dir.path().join("a/out")).unwrap();
        let root = fs::File::open(dir.path()).unwrap();
        for way in [step as Way, name_by_name as Way] {
            assert!(way(root.as_fd(), b"").is_ok());
            assert!(way(root.as_fd(), b"a/b").is_ok());
            for path in [&b"link"[..], b"link/b", b"a/out", b"a/out/etc"] {
                assert!(
                    matches!(way(root.as_fd(), path), Err(Errno(libc::ELOOP | libc::ENOTDIR))),
                    "{path:?}"
                );
            }
        }
        assert_eq!(step(root.as_fd(), b"../..").unwrap_err(), Errno(libc::EXDEV));
    }

    #[test]
    fn directories_deeper_than_a_path_is_long() {
        let dir = tempfile::tempdir().unwrap();
        let root: OwnedFd = fs::File::open(dir.path()).unwrap().into();
        let mut path = std::path::PathBuf::new();
        let mut at = directory(root.as_fd(), &path).unwrap();
        let name = CString::new("n".repeat(250)).unwrap();
        for _ in 0..40 {
            sys::dir::make(at.as_fd(), &name, 0o700).unwrap();
            path = join(&path, &name);
            at = directory(root.as_fd(), &path).unwrap();
        }
        let (dir, last) = parent(root.as_fd(), &path).unwrap();
        assert!(sys::dir::remove(dir.as_fd(), &last).is_ok());
        crate::remove::tree(root.as_fd()).unwrap();
    }
}
