//! A destination: a name in a directory that is opened once.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use crate::reason::Reason;
use crate::sys::{self, Errno};

use super::at::{At, terminated};
use super::{Refusal, path_refusal};

/// Everything that happens to the destination happens relative to the one descriptor: whoever renames the
/// directory or puts a symbolic link in its place meanwhile leads nowhere else.
#[derive(Debug)]
pub(crate) struct Entry {
    dir: OwnedFd,
    name: CString,
    /// Whether the directory is open for reading, and so for fsync(2).
    is_readable: bool,
}

impl Entry {
    pub(crate) fn open(at: &At<'_>) -> Result<Entry, Refusal> {
        let (parent, name) = split(at.path.as_os_str().as_bytes())?;
        let (parent, name) = (terminated(parent)?, terminated(name)?);
        let open = |access| sys::open::openat(at.directory(), &parent, libc::O_DIRECTORY | access, 0);
        let (dir, is_readable) = match open(libc::O_RDONLY) {
            // One may use the names in a directory without being allowed to list them.
            Err(Errno(libc::EACCES)) => (open(libc::O_PATH), false),
            done => (done, true),
        };
        Ok(Entry { dir: dir.map_err(path_refusal)?, name, is_readable })
    }

    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    pub(crate) fn name(&self) -> &CStr {
        &self.name
    }

    /// What has the name now, if anything. A symbolic link is not followed.
    pub(crate) fn present(&self) -> Result<Option<libc::stat64>, Refusal> {
        match sys::stat::fstatat(self.dir(), &self.name, libc::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno(libc::ENOENT)) => Ok(None),
            Err(errno) => Err(path_refusal(errno)),
        }
    }

    /// Refuses early what publishing would refuse, or fail at, when all the work is done.
    pub(crate) fn may_be_made(&self, replace: bool, durable: bool) -> Result<(), Refusal> {
        if durable && !self.is_readable {
            return Err(Refusal { errno: libc::EACCES, reason: Reason::Permission });
        }
        match self.present()? {
            Some(stat) if replace && stat.st_mode & libc::S_IFMT == libc::S_IFDIR => {
                Err(Refusal { errno: libc::EISDIR, reason: Reason::NotRegularFile })
            }
            Some(_) if !replace => Err(Refusal { errno: libc::EEXIST, reason: Reason::Exists }),
            _ => Ok(()),
        }
    }
}

/// The directory and the name of a path: `("a/b/", "c")` of `a/b/c`.
fn split(path: &[u8]) -> Result<(&[u8], &[u8]), Refusal> {
    let refused = |errno| Err(Refusal { errno, reason: Reason::InvalidName });
    let (parent, name) = match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => path.split_at(slash + 1),
        None => (&b"."[..], path),
    };
    match name {
        b"" if path.is_empty() => refused(libc::ENOENT),
        // Names of directories only.
        b"" | b"." | b".." => refused(libc::EISDIR),
        name => Ok((parent, name)),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_split_at_the_last_slash() {
        let split = |path: &'static str| {
            super::split(path.as_bytes())
                .map(|(dir, name)| (std::str::from_utf8(dir).unwrap(), std::str::from_utf8(name).unwrap()))
                .map_err(|refusal| refusal.errno)
        };
        assert_eq!(split("c"), Ok((".", "c")));
        assert_eq!(split("a/b/c"), Ok(("a/b/", "c")));
        assert_eq!(split("/c"), Ok(("/", "c")));
        assert_eq!(split("a//c"), Ok(("a//", "c")));
        assert_eq!(split("..."), Ok((".", "...")));
        assert_eq!(split(""), Err(libc::ENOENT));
        for directory in ["/", ".", "..", "a/", "a/.", "a/.."] {
            assert_eq!(split(directory), Err(libc::EISDIR), "{directory}");
        }
    }
}
