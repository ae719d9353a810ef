//! The files before a call, as data.

/// Blocks of every filesystem of the runner, and pages; what offsets and lengths of a clone are multiples of.
pub(crate) const BLOCK: u64 = 4096;
pub(crate) const K: u64 = 1024;
pub(crate) const M: u64 = 1024 * K;

/// A run of a file's bytes.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Bytes that depend on the seed, from a place in that seed's sequence on.
    Data {
        seed: u64,
        at: u64,
        len: u64,
    },
    /// The same byte over and over: compresses.
    Text {
        byte: u8,
        len: u64,
    },
    Hole {
        len: u64,
    },
    /// fallocate(2), never written.
    Unwritten {
        len: u64,
    },
    /// Cloned from another file when the file is made.
    Clone {
        of: &'static str,
        at: u64,
        len: u64,
    },
}

pub(crate) fn data(seed: u64, len: u64) -> Piece {
    data_at(seed, 0, len)
}

/// The bytes that `data(seed, ...)` has at `at`.
pub(crate) fn data_at(seed: u64, at: u64, len: u64) -> Piece {
    Piece::Data { seed, at, len }
}

pub(crate) fn text(byte: u8, len: u64) -> Piece {
    Piece::Text { byte, len }
}

/// Zeros that were written: data, though a hole would read the same.
pub(crate) fn zeros(len: u64) -> Piece {
    Piece::Text { byte: 0, len }
}

pub(crate) fn hole(len: u64) -> Piece {
    Piece::Hole { len }
}

pub(crate) fn unwritten(len: u64) -> Piece {
    Piece::Unwritten { len }
}

pub(crate) fn clone_of(of: &'static str, at: u64, len: u64) -> Piece {
    Piece::Clone { of, at, len }
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match *self {
            Piece::Data { len, .. }
            | Piece::Text { len, .. }
            | Piece::Hole { len }
            | Piece::Unwritten { len }
            | Piece::Clone { len, .. } => len,
        }
    }
}

/// What stands under a name.
#[derive(Debug, Clone)]
pub(crate) enum File {
    Regular(Regular),
    Directory,
    Fifo,
    Symlink {
        to: &'static str,
    },
    /// A file of this machine that is not made by the tests, such as one of /proc or /dev.
    Host {
        path: &'static str,
    },
    Memfd {
        pieces: Vec<Piece>,
        sealed: bool,
    },
    /// Descriptors that have no path are inherited by the drivers.
    Inherited(Inherited),
    /// A number that is no open descriptor.
    Closed {
        number: i32,
    },
    /// A program that can be run: see [`super::case::Meanwhile::Run`].
    Program,
    /// Formatted as swap space: see [`super::case::Meanwhile::SwapOn`]. A call may take its first block alone: the
    /// others are what the kernel makes them.
    Swap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inherited {
    Pipe,
    Socket,
    EventFd,
}

/// A regular file. It is not synced when the call comes: what a library sees then is what programs meet.
#[derive(Debug, Clone, Default)]
pub(crate) struct Regular {
    pub(crate) pieces: Vec<Piece>,
    /// A hole so long at its beginning that it is not kept in memory.
    pub(crate) far: u64,
    /// chattr +C.
    pub(crate) nocow: bool,
    /// chattr +c.
    pub(crate) compressed: bool,
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<u32>,
    pub(crate) synced: bool,
}

impl Regular {
    pub(crate) fn far(self, far: u64) -> Self {
        Self { far, ..self }
    }

    pub(crate) fn nocow(self) -> Self {
        Self { nocow: true, ..self }
    }

    /// Synced too: compression happens when pages are written back.
    pub(crate) fn compressed(self) -> Self {
        Self { compressed: true, synced: true, ..self }
    }

    pub(crate) fn mode(self, mode: u32) -> Self {
        Self { mode: Some(mode), ..self }
    }

    pub(crate) fn owner(self, owner: u32) -> Self {
        Self { owner: Some(owner), ..self }
    }

    pub(crate) fn synced(self) -> Self {
        Self { synced: true, ..self }
    }
}

/// A regular file with options; without them a piece, or an array of pieces, will do.
pub(crate) fn file(pieces: impl Into<Vec<Piece>>) -> Regular {
    Regular { pieces: pieces.into(), ..Regular::default() }
}

pub(crate) fn empty() -> Regular {
    Regular::default()
}

impl From<Piece> for Vec<Piece> {
    fn from(piece: Piece) -> Self {
        vec![piece]
    }
}

impl From<Piece> for File {
    fn from(piece: Piece) -> Self {
        File::Regular(file(piece))
    }
}

impl<const N: usize> From<[Piece; N]> for File {
    fn from(pieces: [Piece; N]) -> Self {
        File::Regular(file(pieces))
    }
}

impl From<Regular> for File {
    fn from(regular: Regular) -> Self {
        File::Regular(regular)
    }
}
