//! Directories by number: a million of them take little more than their names.

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One that was come to. The first ones are the roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Directory(u32);

pub(super) struct Directories {
    roots: u32,
    /// Those beneath the roots: the one above, and where in `names` the name begins. It ends where the next one begins.
    above: Vec<(Directory, usize)>,
    names: Vec<u8>,
}

impl Directories {
    pub(super) fn new(roots: usize) -> Self {
        Directories { roots: number(roots), above: Vec::new(), names: Vec::new() }
    }

    pub(super) fn top(&self, root: usize) -> Directory {
        Directory(number(root))
    }

    pub(super) fn add(&mut self, above: Directory, name: &CStr) -> Directory {
        self.above.push((above, self.names.len()));
        self.names.extend_from_slice(name.to_bytes());
        Directory(number(self.roots as usize + self.above.len() - 1))
    }

    pub(super) fn root(&self, mut directory: Directory) -> usize {
        while let Some((above, _)) = self.beneath(directory) {
            directory = above;
        }
        directory.0 as usize
    }

    /// The path beneath the root; empty for the root itself.
    pub(super) fn path(&self, mut directory: Directory) -> PathBuf {
        let mut names = Vec::new();
        while let Some((above, name)) = self.beneath(directory) {
            names.push(name);
            directory = above;
        }
        names.reverse();
        PathBuf::from(OsString::from_vec(names.join(&b'/')))
    }

    fn beneath(&self, directory: Directory) -> Option<(Directory, &[u8])> {
        let at = directory.0.checked_sub(self.roots)? as usize;
        let (above, from) = self.above[at];
        let to = self.above.get(at + 1).map_or(self.names.len(), |(_, next)| *next);
        Some((above, &self.names[from..to]))
    }
}

/// Memory for that many is not had.
fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or_else(|_| unreachable!("4 thousand million directories"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_together_again() {
        let mut all = Directories::new(2);
        let (first, second) = (all.top(0), all.top(1));
        let a = all.add(second, c"a");
        let x = all.add(first, c"x");
        let b = all.add(a, c"b");
        assert_eq!([first, second, a, x, b].map(|dir| all.root(dir)), [0, 1, 1, 0, 1]);
        assert_eq!([first, a, x, b].map(|dir| all.path(dir)), ["", "a", "x", "a/b"].map(PathBuf::from));
    }
}
