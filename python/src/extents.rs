//! `extents` and `shared_bytes`: see [`xtent::extents()`] and [`xtent::shared_bytes`].

use std::os::fd::AsFd;

use pyo3::prelude::*;
use xtent::TO_END;

use crate::convert::{Descriptor, amount, length, os_error};
use crate::enums::ExtentFlags;
use crate::record::record;

record! {
    /// A run of bytes of a file, and where it lies. All amounts are bytes.
    Extent {
        /// Where it begins in the file.
        logical: u64,
        /// Where it begins on the filesystem's device (btrfs: in its logical address space); None for a
        /// hole, and where there is no place to name. Only comparable between files of one filesystem.
        physical: Option<u64>,
        /// How long it is in the file.
        length: u64,
        /// What it is.
        flags: ExtentFlags,
    }

    /// Where it ends in the file.
    #[getter]
    fn end(&self) -> u64 {
        self.logical.saturating_add(self.length)
    }

    /// Whether it takes no space: a read gives zeros.
    #[getter]
    fn is_hole(&self) -> bool {
        self.has(xtent::ExtentFlags::HOLE)
    }

    /// Whether it holds bytes that were written.
    #[getter]
    fn is_data(&self) -> bool {
        !self.is_hole() && !self.has(xtent::ExtentFlags::UNWRITTEN)
    }
}

impl Extent {
    fn has(&self, flag: xtent::ExtentFlags) -> bool {
        self.flags.0 & flag.bits() != 0
    }
}

impl From<xtent::Extent> for Extent {
    fn from(extent: xtent::Extent) -> Self {
        Extent {
            logical: extent.logical,
            // Core's way to say that there is no place to name.
            physical: (extent.physical != 0).then_some(extent.physical),
            length: extent.length,
            flags: ExtentFlags(extent.flags.bits()),
        }
    }
}

/// List the extents of a range of a file, in order, holes among them.
///
/// They are cut to the range and to the end of the file. fd is an int or an object with fileno(); offset
/// and length are bytes, and a length of None is the rest of the file. Dirty pages of the file are written
/// back first: data that is not on disk yet has no place.
///
/// Raises OSError, with the attributes reason and report: EOPNOTSUPP where the filesystem has no map
/// (tmpfs, NFS, FUSE); EBADF; EISDIR; EINVAL for what is no regular file; EIO.
#[pyfunction]
#[pyo3(signature = (fd, offset=0, length=None))]
pub(crate) fn extents(
    py: Python<'_>,
    fd: Descriptor,
    #[pyo3(from_py_with = amount)] offset: u64,
    #[pyo3(from_py_with = length)] length: Option<u64>,
) -> PyResult<Vec<Extent>> {
    let found = py.detach(|| xtent::extents(fd.as_fd(), offset, length.unwrap_or(TO_END)));
    let found = found.map_err(|error| os_error(py, error, &[&fd]))?;
    Ok(found.into_iter().map(Extent::from).collect())
}

/// Count the bytes of blocks that two files share.
///
/// It is the intersection of where their data lies, each block counted once. a and b are ints or objects
/// with fileno(). Exact on XFS; on btrfs compressed extents are compared by their beginning only. Data
/// inside metadata is never shared.
///
/// Raises OSError as extents() does; and EXDEV where the addresses cannot be compared: two filesystems,
/// or an overlay and the filesystem under it. EOPNOTSUPP also on SMB, whose maps have no addresses.
#[pyfunction]
pub(crate) fn shared_bytes(py: Python<'_>, a: Descriptor, b: Descriptor) -> PyResult<u64> {
    let found = py.detach(|| xtent::shared_bytes(a.as_fd(), b.as_fd()));
    found.map_err(|error| os_error(py, error, &[&a, &b]))
}
