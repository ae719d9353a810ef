//! `XFS_IOC_EXCHANGE_RANGE` (ioctl_xfs_exchange_range(2)) and `XFS_IOC_FSGEOMETRY` (ioctl_xfs_fsgeometry(2)).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Result, check};

/// `struct xfs_exchange_range`.
#[repr(C)]
struct ExchangeRange {
    file1_fd: i32,
    pad: u32,
    file1_offset: u64,
    file2_offset: u64,
    length: u64,
    flags: u64,
}

const XFS_IOC_EXCHANGE_RANGE: libc::Ioctl = libc::_IOW::<ExchangeRange>(b'X' as u32, 129);
const XFS_EXCHANGE_RANGE_TO_EOF: u64 = 0x1;

/// How much of two files changes places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes, which both files have.
    Bytes(u64),
    /// To the ends of both, and the sizes too.
    ToEnds,
}

/// Exchanges the blocks of `a` and of `b` from `offset` on: all or nothing, also when the machine stops in
/// the middle of it. Both must be open for reading and writing.
pub(crate) fn exchange_range(
    a: BorrowedFd<'_>,
    b: BorrowedFd<'_>,
    offset: u64,
    length: Length,
) -> Result<()> {
    let (length, flags) = match length {
        Length::Bytes(length) => (length, 0),
        Length::ToEnds => (0, XFS_EXCHANGE_RANGE_TO_EOF),
    };
    let arg = ExchangeRange {
        file1_fd: a.as_raw_fd(),
        pad: 0,
        file1_offset: offset,
        file2_offset: offset,
        length,
        flags,
    };
    // SAFETY: XFS_IOC_EXCHANGE_RANGE reads one `xfs_exchange_range`, which lives until the call returns.
    check(unsafe { libc::ioctl(b.as_raw_fd(), XFS_IOC_EXCHANGE_RANGE, &arg) })?;
    Ok(())
}

/// `struct xfs_fsop_geom`, of which only the UUID and the flags are used here.
#[repr(C)]
struct Geometry {
    before: [u8; 64],
    uuid: [u8; 16],
    between: [u8; 12],
    flags: u32,
    rest: [u8; 160],
}

const XFS_IOC_FSGEOMETRY: libc::Ioctl = libc::_IOR::<Geometry>(b'X' as u32, 126);

/// XFS_FSOP_GEOM_FLAGS_EXCHANGE_RANGE
pub(crate) const CAN_EXCHANGE: u32 = 1 << 24;

/// What the filesystem was made with.
pub(crate) fn geometry_flags(fd: BorrowedFd<'_>) -> Result<u32> {
    Ok(geometry(fd)?.flags)
}

/// The filesystem's UUID.
pub(crate) fn uuid(fd: BorrowedFd<'_>) -> Result<[u8; 16]> {
    Ok(geometry(fd)?.uuid)
}

fn geometry(fd: BorrowedFd<'_>) -> Result<Geometry> {
    let mut geometry =
        Geometry { before: [0; 64], uuid: [0; 16], between: [0; 12], flags: 0, rest: [0; 160] };
    // SAFETY: XFS_IOC_FSGEOMETRY writes one `xfs_fsop_geom` of 256 bytes.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), XFS_IOC_FSGEOMETRY, &mut geometry) })?;
    Ok(geometry)
}
