//! Who uses which blocks, as compact records.

/// One file's use of some neighbouring blocks. Sorted by where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reference {
    /// What the addresses belong to.
    pub(super) volume: u32,
    pub(super) start: u64,
    pub(super) end: u64,
    /// Which root the file is in.
    pub(super) root: u32,
    /// Which file with several names it is, or [`NO_LINK`].
    pub(super) link: u32,
    /// The map says that there is another use of the same blocks.
    pub(super) is_shared: bool,
    /// The same use as in another root, by a further name of the file.
    pub(super) is_again: bool,
}

/// The file has one name.
pub(super) const NO_LINK: u32 = u32::MAX;

/// How long one is in a file.
pub(super) const ENCODED: usize = 32;

impl Reference {
    /// Whether `next` goes on where this one ends.
    pub(super) fn goes_on(&self, next: &Reference) -> bool {
        *next == Reference { start: self.end, end: next.end, ..*self }
    }

    pub(super) fn encode(&self) -> [u8; ENCODED] {
        let flags = u32::from(self.is_shared) | u32::from(self.is_again) << 1;
        let mut bytes = [0; ENCODED];
        bytes[..8].copy_from_slice(&self.start.to_ne_bytes());
        bytes[8..16].copy_from_slice(&self.end.to_ne_bytes());
        for (place, word) in bytes[16..].chunks_exact_mut(4).zip([self.volume, self.root, self.link, flags]) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8; ENCODED]) -> Reference {
        let long = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        Reference {
            start: long(0),
            end: long(8),
            volume: word(16),
            root: word(20),
            link: word(24),
            is_shared: word(28) & 1 != 0,
            is_again: word(28) & 2 != 0,
        }
    }
}
