//! What can be done to the files, as data.

use proptest::prelude::*;

/// The files that there are.
pub(crate) const FILES: usize = 3;
pub(crate) const BLOCK: u64 = 4096;
/// Offsets and sizes stay below.
const FAR: u64 = 40 * BLOCK;

/// A place in a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) file: usize,
    pub(crate) offset: u64,
}

/// `len` of `None` is to the end of the source.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Write {
        to: At,
        len: u64,
        seed: u64,
    },
    /// The bytes that another file has there, written: equal without being shared.
    Echo {
        from: At,
        to: At,
        len: u64,
    },
    Truncate {
        to: At,
    },
    Punch {
        to: At,
        len: u64,
    },
    Preallocate {
        to: At,
        len: u64,
    },
    Sync {
        file: usize,
    },
    Copy {
        from: At,
        to: At,
        len: Option<u64>,
    },
    Clone {
        from: At,
        to: At,
        len: Option<u64>,
    },
    CloneOrCopy {
        from: At,
        to: At,
        len: Option<u64>,
    },
    Dedupe {
        from: At,
        to: Vec<At>,
        len: Option<u64>,
    },
    /// A stage filled with what another file has from there on, and with something behind it, takes the place of a file
    /// or is discarded.
    Publish {
        from: At,
        file: usize,
        more: u64,
        discard: bool,
    },
}

pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 1..40)
}

/// Mostly whole blocks, which clones need; else anything, most often beside a block's edge.
fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0..FAR / BLOCK).prop_map(|block| block * BLOCK),
        1 => (0..FAR / BLOCK, 0u64..3).prop_map(|(block, beside)| (block * BLOCK + beside).saturating_sub(1)),
        1 => 0..FAR,
    ]
}

fn at() -> impl Strategy<Value = At> {
    (0..FILES, offset()).prop_map(|(file, offset)| At { file, offset })
}

fn len() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![2 => Just(None), 5 => offset().prop_map(Some)]
}

/// Few seeds, so that files come to have equal blocks.
fn seed() -> impl Strategy<Value = u64> {
    0u64..3
}

fn action() -> impl Strategy<Value = Action> {
    use Action::*;
    prop_oneof![
        4 => (at(), offset(), seed()).prop_map(|(to, len, seed)| Write { to, len, seed }),
        2 => (at(), at(), offset()).prop_map(|(from, to, len)| Echo { from, to, len }),
        1 => at().prop_map(|to| Truncate { to }),
        1 => (at(), offset()).prop_map(|(to, len)| Punch { to, len }),
        1 => (at(), offset()).prop_map(|(to, len)| Preallocate { to, len }),
        1 => (0..FILES).prop_map(|file| Sync { file }),
        4 => (at(), at(), len()).prop_map(|(from, to, len)| Copy { from, to, len }),
        4 => (at(), at(), len()).prop_map(|(from, to, len)| Clone { from, to, len }),
        3 => (at(), at(), len()).prop_map(|(from, to, len)| CloneOrCopy { from, to, len }),
        4 => (at(), prop::collection::vec(at(), 1..4), len()).prop_map(|(from, to, len)| Dedupe { from, to, len }),
        2 => (at(), 0..FILES, offset(), any::<bool>())
            .prop_map(|(from, file, more, discard)| Publish { from, file, more, discard }),
    ]
}
