//! What is in a directory.

use std::ffi::CString;
use std::os::fd::BorrowedFd;

use crate::sys::{self, Errno};

/// Room for some hundreds of names.
const BUFFER: usize = 32 << 10;

/// One name, and what it names if the filesystem says so: `DT_UNKNOWN` else.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: CString,
    pub(crate) kind: u8,
}

/// Lists a directory from where its position is, some entries at a time.
pub(crate) struct Listing<'a> {
    dir: BorrowedFd<'a>,
    buffer: Vec<u8>,
}

impl<'a> Listing<'a> {
    pub(crate) fn new(dir: BorrowedFd<'a>) -> Self {
        Listing { dir, buffer: vec![0; BUFFER] }
    }

    /// The next entries, without `.` and `..`; `None` at the end.
    pub(crate) fn some(&mut self) -> sys::Result<Option<Vec<Listed>>> {
        match sys::dir::entries(self.dir, &mut self.buffer) {
            Ok(0) => Ok(None),
            Ok(n) => parse(&self.buffer[..n]).map(Some).ok_or(Errno(libc::EIO)),
            // It was removed meanwhile: nothing is in it.
            Err(Errno(libc::ENOENT)) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Entries as the kernel writes them (getdents(2)): inode and position of 8 bytes each, the entry's length in 2, its type
/// in 1, the name and a zero. `None` where that is not so.
fn parse(mut bytes: &[u8]) -> Option<Vec<Listed>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let len = u16::from_ne_bytes(bytes.get(16..18)?.try_into().ok()?) as usize;
        let (entry, rest) = bytes.split_at_checked(len)?;
        let kind = *entry.get(18)?;
        let name = entry.get(19..)?.split(|byte| *byte == 0).next()?;
        if name != b"." && name != b".." {
            entries.push(Listed { name: CString::new(name).ok()?, kind });
        }
        bytes = rest;
        if len == 0 {
            return None;
        }
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn every_name_is_listed_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut wanted: Vec<_> = (0..2000).map(|i| CString::new(format!("{i:0>200}")).unwrap()).collect();
        for name in &wanted {
            std::fs::write(dir.path().join(name.to_str().unwrap()), "").unwrap();
        }
        let opened = std::fs::File::open(dir.path()).unwrap();
        let mut listing = Listing::new(opened.as_fd());
        let mut names = Vec::new();
        while let Some(some) = listing.some().unwrap() {
            names.extend(some.into_iter().map(|listed| listed.name));
        }
        names.sort();
        wanted.sort();
        assert_eq!(names, wanted);
    }

    #[test]
    fn what_is_no_entry_is_none() {
        for bytes in [&[0; 3][..], &[0; 24], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0]]
        {
            assert_eq!(parse(bytes), None);
        }
    }
}
