//! Files with several names: each is one file, and is deleted with its last name.

use std::collections::HashMap;

use crate::roots::Looked;

/// Those that were come to: some 50 bytes for each.
#[derive(Default)]
pub(super) struct Links {
    numbers: HashMap<(u64, u64), u32>,
    files: Vec<File>,
}

struct File {
    /// How many names it has; 0 until it was opened.
    links: libc::nlink_t,
    /// Names that were come to.
    seen: libc::nlink_t,
    /// The last root with one of them.
    root: u32,
    /// The address that was made up for it.
    place: Option<u64>,
}

impl Links {
    /// A file that was not seen before.
    pub(super) fn first(&mut self, looked: &Looked, root: u32) -> u32 {
        let number = self.files.len() as u32;
        self.numbers.insert((looked.dev, looked.ino), number);
        self.files.push(File { links: 0, seen: 1, root, place: None });
        number
    }

    /// A further name: the file's number, if this is its first name in the root.
    pub(super) fn again(&mut self, looked: &Looked, root: u32) -> Option<u32> {
        let number = *self.numbers.get(&(looked.dev, looked.ino))?;
        let file = &mut self.files[number as usize];
        file.seen += 1;
        (std::mem::replace(&mut file.root, root) != root).then_some(number)
    }

    /// It has so many names.
    pub(super) fn has(&mut self, number: u32, links: libc::nlink_t) {
        self.files[number as usize].links = links;
    }

    /// The address that was made up for it, or else is made up now.
    pub(super) fn place(&mut self, number: u32, make_up: impl FnOnce() -> u64) -> u64 {
        *self.files[number as usize].place.get_or_insert_with(make_up)
    }

    /// Whether it has names that were not come to.
    pub(super) fn is_outside(&self, number: u32) -> bool {
        let file = &self.files[number as usize];
        file.seen < file.links
    }
}
