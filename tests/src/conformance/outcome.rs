//! What must come of a call, as data.

use super::layout::BLOCK;
use super::reason::Reason;

#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Done(Done),
    /// An error, and nothing is changed.
    Refused(Refused),
    Targets(Vec<Target>),
    Runs(Vec<Run>),
    Number(u64),
    Abilities(Abilities),
    Tree(Tree),
}

impl Outcome {
    pub(crate) fn protection(&self) -> Option<Protection> {
        match self {
            Outcome::Done(done) => done.protection,
            _ => None,
        }
    }
}

/// The way that some bytes went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Copied,
    Cloned,
    Hole,
    /// Copied by a server, which may share instead.
    Server,
}

/// What copy, clone or both did: how many bytes went which way, in the order of the range.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    pub(crate) ways: Vec<(Way, u64)>,
    /// The last way's length is the answer's, but at most the one written here and at least 1.
    pub(crate) at_most: bool,
    /// Why it came back short.
    pub(crate) end: Option<(i32, Reason)>,
    pub(crate) fallback: Option<Reason>,
    /// Cloned, but by a filesystem that keeps so few bytes in its metadata, or copies them: by name, because
    /// sharing is not looked for then.
    pub(crate) shares_no_blocks: bool,
    /// What must have stood between a failure and the destination.
    pub(crate) protection: Option<Protection>,
    /// Metadata that could not be kept.
    pub(crate) unkept: u32,
    /// How the source was kept stable, by its name in Python.
    pub(crate) stable: Option<&'static str>,
}

/// The codes of the C header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    None = 0,
    Size = 1,
    Exchange = 2,
    Undo = 3,
}

pub(crate) fn nothing() -> Done {
    Done::default()
}

pub(crate) fn copied(len: u64) -> Done {
    nothing().copied(len)
}

pub(crate) fn cloned(len: u64) -> Done {
    nothing().cloned(len)
}

pub(crate) fn a_hole(len: u64) -> Done {
    nothing().hole(len)
}

pub(crate) fn by_a_server(len: u64) -> Done {
    nothing().way(Way::Server, len)
}

/// All of a source that the tests did not make.
pub(crate) fn all_of_it_cloned() -> Done {
    cloned(ALL_OF_IT)
}

pub(crate) fn all_of_it_copied() -> Done {
    copied(ALL_OF_IT)
}

/// Replaced by the size of the source when that is known.
pub(crate) const ALL_OF_IT: u64 = u64::MAX;

/// Some bytes, but not more than these: where only the largest step is promised.
pub(crate) fn copied_at_most(len: u64) -> Done {
    Done { at_most: true, ..copied(len) }
}

impl Done {
    fn way(mut self, way: Way, len: u64) -> Self {
        self.ways.push((way, len));
        self
    }

    pub(crate) fn copied(self, len: u64) -> Self {
        self.way(Way::Copied, len)
    }

    pub(crate) fn cloned(self, len: u64) -> Self {
        self.way(Way::Cloned, len)
    }

    pub(crate) fn hole(self, len: u64) -> Self {
        self.way(Way::Hole, len)
    }

    pub(crate) fn ended(self, errno: i32, reason: Reason) -> Self {
        Self { end: Some((errno, reason)), ..self }
    }

    pub(crate) fn fallback(self, reason: Reason) -> Self {
        Self { fallback: Some(reason), ..self }
    }

    pub(crate) fn unkept(self, unkept: u32) -> Self {
        Self { unkept, ..self }
    }

    pub(crate) fn held(self, way: &'static str) -> Self {
        Self { stable: Some(way), ..self }
    }

    pub(crate) fn shares_no_blocks(self) -> Self {
        Self { shares_no_blocks: true, ..self }
    }

    pub(crate) fn by(self, protection: Protection) -> Self {
        Self { protection: Some(protection), ..self }
    }

    pub(crate) fn bytes(&self, way: Way) -> u64 {
        self.ways.iter().filter(|(w, _)| *w == way).map(|(_, len)| len).sum()
    }

    pub(crate) fn total(&self) -> u64 {
        self.ways.iter().map(|(_, len)| len).sum()
    }

    /// The multiple that the report must ask for.
    pub(crate) fn alignment(&self) -> u64 {
        self.fallback.map_or(0, alignment)
    }
}

/// Which reasons come with the multiple that is needed.
fn alignment(reason: Reason) -> u64 {
    if matches!(reason, Reason::Misaligned | Reason::PartialBlock) { BLOCK } else { 0 }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused {
    pub(crate) errno: i32,
    pub(crate) reason: Reason,
    pub(crate) alignment: u64,
    /// The kernel sets the destination's times though it refuses; the bytes stay as they were.
    pub(crate) sets_times: bool,
    /// The destination was changed for a moment, and is as it was again but for its ctime.
    pub(crate) restored: bool,
    /// Which file of a tree it was.
    pub(crate) at: &'static str,
}

pub(crate) fn refused(errno: i32, reason: Reason) -> Refused {
    Refused { errno, reason, alignment: alignment(reason), sets_times: false, restored: false, at: "" }
}

impl Refused {
    pub(crate) fn at(self, at: &'static str) -> Self {
        Self { at, ..self }
    }

    pub(crate) fn sets_times(self) -> Self {
        Self { sets_times: true, ..self }
    }
}

/// What a tree verb did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tree {
    pub(crate) files: u64,
    pub(crate) directories: u64,
    pub(crate) links: u64,
    pub(crate) specials: u64,
    pub(crate) copied: u64,
    pub(crate) cloned: u64,
    pub(crate) hole: u64,
    pub(crate) fallback: Option<Reason>,
}

impl From<Tree> for Outcome {
    fn from(tree: Tree) -> Self {
        Outcome::Tree(tree)
    }
}

/// What became of a target of a dedupe.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) status: Status,
    pub(crate) compared: u64,
    /// `None`: the maps cannot tell.
    pub(crate) shared: Option<u64>,
    pub(crate) already_shared: Option<u64>,
    pub(crate) differs_at: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Same,
    Differs,
    Failed(i32, Reason),
    NotReached,
}

impl Target {
    fn new(status: Status, compared: u64) -> Self {
        Target { status, compared, shared: Some(0), already_shared: Some(0), differs_at: None }
    }

    pub(crate) fn compared(self, compared: u64) -> Self {
        Self { compared, ..self }
    }

    pub(crate) fn shared(self, shared: u64) -> Self {
        Self { shared: Some(shared), ..self }
    }

    pub(crate) fn already(self, already_shared: u64) -> Self {
        Self { already_shared: Some(already_shared), ..self }
    }

    /// Where the maps cannot tell.
    pub(crate) fn unmeasured(self) -> Self {
        Self { shared: None, already_shared: None, ..self }
    }

    /// A target that cannot be read: only the kernel saw the difference.
    pub(crate) fn nobody_knows_where(self) -> Self {
        Self { differs_at: None, ..self }
    }
}

/// Equal, and all of it shared now.
pub(crate) fn same(len: u64) -> Target {
    Target::new(Status::Same, len).shared(len)
}

/// Equal up to there, and shared up to the block.
pub(crate) fn differs(at: u64) -> Target {
    let target = Target::new(Status::Differs, at).shared(at - at % BLOCK);
    Target { differs_at: Some(at), ..target }
}

/// Nothing of it was done.
pub(crate) fn failed(errno: i32, reason: Reason) -> Target {
    Target::new(Status::Failed(errno, reason), 0)
}

pub(crate) fn not_reached() -> Target {
    Target::new(Status::NotReached, 0)
}

pub(crate) fn targets(targets: impl Into<Vec<Target>>) -> Outcome {
    Outcome::Targets(targets.into())
}

/// A run of an extent map. Where it lies on the device is compared with the maps read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) logical: u64,
    pub(crate) length: u64,
    pub(crate) flags: u32,
}

/// The flags of the C header.
pub(crate) const DATA: u32 = 0;
pub(crate) const HOLE: u32 = 0x1;
pub(crate) const UNWRITTEN: u32 = 0x2;
pub(crate) const SHARED: u32 = 0x4;
pub(crate) const INLINE: u32 = 0x8;
pub(crate) const ENCODED: u32 = 0x10;
pub(crate) const UNKNOWN: u32 = 0x20;

/// Runs from `start` on, as `(length, flags)`.
pub(crate) fn runs<const N: usize>(start: u64, runs: [(u64, u32); N]) -> Outcome {
    let mut logical = start;
    let runs = runs.map(|(length, flags)| {
        logical += length;
        Run { logical: logical - length, length, flags }
    });
    Outcome::Runs(runs.into())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ability {
    Yes,
    No(i32, Reason),
    Unknown(Reason),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Abilities {
    pub(crate) copy: Ability,
    pub(crate) clone: Ability,
    pub(crate) dedupe: Ability,
}

pub(crate) fn abilities(copy: Ability, clone: Ability, dedupe: Ability) -> Abilities {
    Abilities { copy, clone, dedupe }
}

impl Abilities {
    /// 0 where neither clone nor dedupe works.
    pub(crate) fn alignment(&self) -> u64 {
        let no = |ability| matches!(ability, Ability::No(..));
        if no(self.clone) && no(self.dedupe) { 0 } else { BLOCK }
    }
}

impl From<Done> for Outcome {
    fn from(done: Done) -> Self {
        Outcome::Done(done)
    }
}

impl From<Refused> for Outcome {
    fn from(refused: Refused) -> Self {
        Outcome::Refused(refused)
    }
}

impl From<Abilities> for Outcome {
    fn from(abilities: Abilities) -> Self {
        Outcome::Abilities(abilities)
    }
}

impl<const N: usize> From<[Target; N]> for Outcome {
    fn from(targets: [Target; N]) -> Self {
        Outcome::Targets(targets.into())
    }
}
