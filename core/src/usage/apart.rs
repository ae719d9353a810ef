//! Roots must lie apart: what is in two of them would go with either.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use crate::roots::{Looked, Roots};
use crate::sys;

/// A directory or file, by device and inode.
type Place = (u64, u64);

/// The path of a root that lies in another, or is the same.
pub(super) fn root_in_root(roots: &Roots) -> Option<PathBuf> {
    let ways: Vec<_> = roots.each().map(|(dir, name, path)| (way_up(dir), name, path)).collect();
    let is_in = |(way, name): (&[Place], _), (other, other_name): (&[Place], _)| match other_name {
        // A directory: anywhere on the way.
        None => other.first().is_some_and(|top| way.contains(top)),
        Some(_) => name == other_name && way.first() == other.first(),
    };
    let nested = ways.iter().enumerate().find(|(i, (way, name, _))| {
        ways.iter()
            .enumerate()
            .any(|(j, (other, other_name, _))| *i != j && is_in((way, *name), (other, *other_name)))
    });
    nested.map(|(_, (.., path))| path.to_path_buf())
}

/// Where a directory is: itself, and all above it as far as they can be seen.
fn way_up(dir: BorrowedFd<'_>) -> Vec<Place> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let mut places = Vec::new();
    let mut at = sys::open::openat(dir, c".", flags, 0);
    while let Ok(dir) = at {
        let Ok(looked) = Looked::at(dir.as_fd(), c"") else { break };
        let place = (looked.dev, looked.ino);
        // The uppermost directory is its own parent.
        if places.last() == Some(&place) {
            break;
        }
        places.push(place);
        at = sys::open::openat(dir.as_fd(), c"..", flags, 0);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::At;
    use std::fs;

    #[test]
    fn what_lies_in_another_root() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        fs::create_dir(dir.path().join("ab")).unwrap();
        fs::write(dir.path().join("a/b/file"), "").unwrap();
        fs::write(dir.path().join("a/b/other"), "").unwrap();
        let nested = |paths: &[&str]| {
            let paths: Vec<_> = paths.iter().map(|path| dir.path().join(path)).collect();
            let at: Vec<At<'_>> = paths.iter().map(At::from).collect();
            let roots = Roots::open(&at).map_err(|(path, _)| path).unwrap();
            root_in_root(&roots).map(|path| path.strip_prefix(dir.path()).unwrap().to_owned())
        };
        for apart in [&["a", "ab"][..], &["a"], &["a/b/file", "a/b/other"], &["a/b/c", "a/b/file", "ab"]] {
            assert_eq!(nested(apart), None, "{apart:?}");
        }
        for (roots, inner) in [
            (["a", "a/b"], "a/b"),
            (["a/b/c", "a"], "a/b/c"),
            (["a", "ab/../a"], "a"),
            (["a", "a/b/file"], "a/b/file"),
            (["a/b/file", "a/b/../b/file"], "a/b/file"),
        ] {
            assert_eq!(nested(&roots), Some(PathBuf::from(inner)), "{roots:?}");
        }
    }
}
