//! Removing a whole directory, by descriptors: nothing outside of it, whatever is renamed or linked meanwhile, and nothing
//! that is mounted in it.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::beneath;
use crate::listing::Listing;
use crate::sys::{self, Errno};

/// Empties the directory `root`. What cannot be removed stays, and is the error.
///
/// The directories are remembered by their paths, so that no more than one is open, however deep they lie.
pub(crate) fn tree(root: BorrowedFd<'_>) -> sys::Result<()> {
    // It may be final already; where it is not the caller's, that shows below.
    sys::metadata::chmod(root, 0o700).ok();
    let here = Place::of(root)?;
    let mut directories = vec![PathBuf::new()];
    let mut next = 0;
    while let Some(path) = directories.get(next).cloned() {
        next += 1;
        let dir = beneath::directory(root, &path).or_else(|errno| opened(root, &path, errno))?;
        if Place::of(dir.as_fd())? != here {
            // As rmdir(2) says of it.
            return Err(Errno(libc::EBUSY));
        }
        empty(dir.as_fd(), &path, &mut directories)?;
    }
    for path in directories[1..].iter().rev() {
        let (dir, name) = beneath::parent(root, path)?;
        sys::dir::remove(dir.as_fd(), &name)?;
    }
    Ok(())
}

/// Through which mount a directory is reached. Whoever owns a directory may rename it to a hidden name with all that is
/// mounted in it.
#[derive(PartialEq, Eq)]
struct Place {
    mount: Option<u64>,
    /// Where the kernel does not tell the mount, before Linux 5.8. There a btrfs subvolume is another place, and stays.
    device: Option<u64>,
}

impl Place {
    fn of(dir: BorrowedFd<'_>) -> sys::Result<Place> {
        Ok(match sys::stat::mount(dir)? {
            Some(mount) => Place { mount: Some(mount), device: None },
            None => Place { mount: None, device: Some(sys::stat::fstat(dir)?.st_dev) },
        })
    }
}

/// Once more where the directory's own mode denies it: it is the caller's.
fn opened(root: BorrowedFd<'_>, path: &Path, errno: Errno) -> sys::Result<std::os::fd::OwnedFd> {
    if errno != Errno(libc::EACCES) || path.as_os_str().is_empty() {
        return Err(errno);
    }
    let (dir, name) = beneath::parent(root, path)?;
    sys::metadata::chmod_at(dir.as_fd(), &name, 0o700)?;
    beneath::directory(root, path)
}

/// Removes everything but directories, and notes those.
fn empty(dir: BorrowedFd<'_>, path: &Path, directories: &mut Vec<PathBuf>) -> sys::Result<()> {
    let mut listing = Listing::new(dir);
    let mut is_writable = false;
    while let Some(some) = listing.some()? {
        for entry in some {
            if entry.kind == libc::DT_DIR {
                directories.push(beneath::join(path, &entry.name));
                if !is_writable {
                    // For its removal later.
                    is_writable = sys::metadata::chmod(dir, 0o700).is_ok();
                }
                continue;
            }
            match sys::names::unlink(dir, &entry.name) {
                Ok(()) | Err(Errno(libc::ENOENT)) => {}
                Err(Errno(libc::EISDIR)) => directories.push(beneath::join(path, &entry.name)),
                Err(Errno(libc::EACCES)) if !is_writable => {
                    sys::metadata::chmod(dir, 0o700)?;
                    is_writable = true;
                    sys::names::unlink(dir, &entry.name)?;
                }
                Err(errno) => return Err(errno),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn everything_inside_goes_and_nothing_outside() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, outside) = (dir.path().join("inside"), dir.path().join("outside"));
        fs::create_dir_all(inside.join("a/b/c")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        fs::write(inside.join("a/file"), "").unwrap();
        symlink(&outside, inside.join("a/b/link")).unwrap();
        fs::set_permissions(inside.join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
        let opened = fs::File::open(&inside).unwrap();
        tree(opened.as_fd()).unwrap();
        assert_eq!(fs::read_dir(&inside).unwrap().count(), 0);
        assert!(outside.join("kept").exists());
    }
}
