//! Which metadata a file verb keeps, as bits.

/// Metadata that a file verb keeps; the values are those of the C header.
///
/// The default is [`Preserve::NONE`]: the source's permission bits, without set-id and sticky bits, through the umask
/// or the directory's default ACL, as cp(1) does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Preserve(u32);

impl Preserve {
    /// Nothing.
    pub const NONE: Self = Preserve(0);
    /// The permission bits as they are. Set-user-id and set-group-id only where the new file's owner, or group, is the
    /// source's.
    pub const MODE: Self = Preserve(0x1);
    /// Owner and group.
    pub const OWNER: Self = Preserve(0x2);
    /// The times of the last access and modification, as they were when the source was opened.
    pub const TIMES: Self = Preserve(0x4);
    /// Extended attributes, capabilities among them; not ACLs.
    pub const XATTRS: Self = Preserve(0x8);
    /// Access control lists, with the permission bits that are part of them.
    pub const ACLS: Self = Preserve(0x10);
    /// Where a regular file is replaced, mode, owner, extended attributes and ACLs are its own, as if it had been
    /// rewritten in place: without set-id bits and capabilities, which are not given to new contents. Of the other
    /// bits only [`Preserve::TIMES`] counts then; where none is replaced this one does not.
    pub const DESTINATION: Self = Preserve(0x20);

    /// All bits that there are.
    const ALL: u32 = 0x3f;

    /// These and those.
    pub(crate) const fn with(self, other: Self) -> Self {
        Preserve(self.0 | other.0)
    }

    /// What both have.
    pub(crate) const fn common(self, other: Self) -> Self {
        Preserve(self.0 & other.0)
    }

    /// Whether all of `other`'s bits are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits as a number.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// From a number; `None` where a bit is set that has no meaning.
    pub fn from_bits(bits: u32) -> Option<Self> {
        (bits & !Self::ALL == 0).then_some(Preserve(bits))
    }
}

impl std::ops::BitOr for Preserve {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.with(other)
    }
}

impl std::ops::BitOrAssign for Preserve {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_without_a_meaning_are_refused() {
        assert_eq!(Preserve::from_bits(0x3f).map(Preserve::bits), Some(0x3f));
        assert_eq!(Preserve::from_bits(0x40), None);
        assert!((Preserve::MODE | Preserve::TIMES).contains(Preserve::TIMES));
        assert!(!Preserve::MODE.contains(Preserve::MODE | Preserve::TIMES));
    }
}
