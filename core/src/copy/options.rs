//! What a caller of a copy may choose.

use crate::cache::Cache;
use crate::control::Control;

/// What becomes of holes. The bytes are the same each time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Sparse {
    /// Holes of the source, and space that was reserved there and never written, become holes.
    #[default]
    Keep,
    /// Everything is written out: the destination has blocks for all of it.
    Fill,
    /// Holes stay holes, and whole pages of zeros become holes too.
    Detect,
}

/// Whether a server may copy by itself what lies on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Server {
    /// The bytes are read and written here.
    #[default]
    Never,
    /// Where both files are on a network filesystem the server is asked to copy (copy_file_range(2)): NFS 4.2, SMB 3,
    /// CephFS. It may share the blocks instead; the report's `bytes_server` says how much went this way. Where it
    /// cannot, the bytes are read and written.
    Allow,
}

/// Options of [`copy_range`](crate::copy_range) and [`clone_or_copy_range`](crate::clone_or_copy_range).
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct CopyOptions<'a> {
    /// Progress and cancellation.
    pub control: Control<'a>,
    /// What becomes of holes.
    pub sparse: Sparse,
    /// What becomes of the page cache.
    pub cache: Cache,
    /// Whether a server may copy.
    pub server: Server,
}

impl<'a> CopyOptions<'a> {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets progress and cancellation.
    #[must_use]
    pub fn control(self, control: Control<'a>) -> Self {
        Self { control, ..self }
    }

    /// Sets what becomes of holes.
    #[must_use]
    pub fn sparse(self, sparse: Sparse) -> Self {
        Self { sparse, ..self }
    }

    /// Sets what becomes of the page cache.
    #[must_use]
    pub fn cache(self, cache: Cache) -> Self {
        Self { cache, ..self }
    }

    /// Sets whether a server may copy.
    #[must_use]
    pub fn server(self, server: Server) -> Self {
        Self { server, ..self }
    }

    /// The same for a call that `stop` ends too.
    pub(crate) fn lend_until<'b>(&'b mut self, stop: &'b dyn Fn() -> bool) -> CopyOptions<'b> {
        let CopyOptions { control, sparse, cache, server } = self;
        CopyOptions { control: control.lend_until(stop), sparse: *sparse, cache: *cache, server: *server }
    }
}
