//! `copy_range`: see [`xtent::copy_range`].

use std::os::fd::AsFd;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use xtent::{Cache, Control, CopyOptions, Server, Sparse, TO_END};

use crate::control::watched;
use crate::convert::{Descriptor, amount, length, os_error};
use crate::report::Report;

/// What a caller may choose by name.
#[derive(Default)]
pub(crate) struct Choices {
    sparse: Sparse,
    cache: Cache,
    server: Server,
}

impl Choices {
    pub(crate) fn new(sparse: &str, cache: &str, server: &str) -> PyResult<Self> {
        let sparses = [("keep", Sparse::Keep), ("fill", Sparse::Fill), ("detect", Sparse::Detect)];
        Ok(Choices {
            sparse: choice("sparse", sparse, &sparses)?,
            cache: cache_choice(cache)?,
            server: choice("server", server, &[("never", Server::Never), ("allow", Server::Allow)])?,
        })
    }

    pub(crate) fn options<'c>(&self, control: Control<'c>) -> CopyOptions<'c> {
        CopyOptions::new().control(control).sparse(self.sparse).cache(self.cache).server(self.server)
    }
}

/// What becomes of the page cache.
pub(crate) fn cache_choice(name: &str) -> PyResult<Cache> {
    choice("cache", name, &[("keep", Cache::Keep), ("neutral", Cache::Neutral)])
}

fn choice<T: Copy>(keyword: &str, name: &str, of: &[(&str, T)]) -> PyResult<T> {
    of.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<String> = of.iter().map(|(known, _)| format!("'{known}'")).collect();
        PyValueError::new_err(format!("{keyword} must be {}, not {name:?}", known.join(" or ")))
    })
}

/// Move bytes from src to dst. They get blocks of their own; holes stay holes.
///
/// src and dst are ints or objects with fileno(); offsets and lengths are bytes, and a length of None is
/// the rest of the source. Neither file position is used or moved. What waits in the buffer of a Python
/// file object is not in the file yet: flush() first.
///
/// Like os.read() it may come back short: at the end of the source, or when it met an error after some
/// bytes. Then report.reason says why, and the same call with what is left goes on or raises.
///
/// sparse says what becomes of holes: "keep" them, "fill" them with zeros that take space, or "detect"
/// whole pages of zeros too and make holes of them. cache="neutral" lets go of what the copy brought into
/// the page cache, of both files; what was there before stays. The destination is written back for that,
/// and an error of writing back takes the bytes that it lost off the report. server="allow" lets an NFS
/// 4.2, SMB 3 or CephFS server copy by itself what lies on it, or share it; report.bytes_server says how
/// much.
///
/// progress(done, total) is called after each step of at most 4 MiB; total is None where the source does
/// not say. What it returns is ignored. To stop, let it raise: the exception comes out as it is. So does
/// KeyboardInterrupt: signals are looked at between steps, every 20 ms. What was copied until then stays.
///
/// Raises OSError, with the attributes reason and report, only when no byte was moved, and then the
/// destination is unchanged: EBADF not open, not open for that, or append-only; EINVAL overlapping
/// ranges of one file, or a device; EISDIR; ESPIPE a pipe or socket; EOVERFLOW; EFBIG, ENOSPC, EDQUOT,
/// EIO, ENOMEM, EPERM and ETXTBSY from reading or writing.
#[pyfunction]
#[pyo3(signature = (
    src, dst, length=None, *, src_offset=0, dst_offset=0, sparse="keep", cache="keep", server="never",
    progress=None
))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn copy_range(
    py: Python<'_>,
    src: Descriptor,
    dst: Descriptor,
    #[pyo3(from_py_with = length)] length: Option<u64>,
    #[pyo3(from_py_with = amount)] src_offset: u64,
    #[pyo3(from_py_with = amount)] dst_offset: u64,
    sparse: &str,
    cache: &str,
    server: &str,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let choices = Choices::new(sparse, cache, server)?;
    let len = length.unwrap_or(TO_END);
    let done = watched(py, progress, |control| {
        let options = choices.options(control);
        xtent::copy_range(src.as_fd(), src_offset, dst.as_fd(), dst_offset, len, options)
    })?;
    done.map(Report::from).map_err(|error| os_error(py, error, &[&src, &dst]))
}
