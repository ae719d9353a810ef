//! `lease`: nobody has the file open for writing, and the kernel tells of who wants to.

use std::os::fd::BorrowedFd;

use crate::facts::Kind;
use crate::file::{Refusal, path_refusal};
use crate::reason::Reason;
use crate::sys::signal::NoSigio;
use crate::sys::{self, Errno};

/// A read lease, given back when dropped. Who opens the file for writing, or truncates it, waits until then, for
/// /proc/sys/fs/lease-break-time (45 seconds) at most.
pub(super) struct Lease<'a>(BorrowedFd<'a>);

impl<'a> Lease<'a> {
    pub(super) fn take(file: BorrowedFd<'a>) -> Result<Lease<'a>, Refusal> {
        let filesystem = sys::stat::fstatfs(file).map_err(path_refusal)?;
        if !binds(Kind::of(filesystem.f_type as u32)) {
            return Err(NO_LEASES);
        }
        // The kernel makes the process the owner of the file's signals where it has none, so that a break would
        // reach the host as SIGIO. Nobody can be made the owner before, only after; so until then it is this
        // thread, which takes no SIGIO meanwhile.
        let _guard = NoSigio::new();
        sys::lease::signals_to_this_thread(file).map_err(refusal)?;
        let lease = sys::lease::take(file).map(|()| Lease(file)).map_err(refusal)?;
        sys::lease::signals_to_nobody(file).map_err(refusal)?;
        Ok(lease)
    }

    /// Whether still nobody wants to write.
    pub(super) fn still(&self) -> Result<(), Refusal> {
        if sys::lease::stands(self.0) == Ok(true) { Ok(()) } else { Err(BROKEN) }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // Where the kernel ended it, after lease-break-time, there is nothing to give back.
        sys::lease::release(self.0).ok();
    }
}

/// Whether a lease that the kernel gives keeps what it promises. On FUSE it binds only who comes through the kernel. On
/// an overlay it is had beside a writable mapping whose descriptor was closed: that belongs to the file
/// beneath.
fn binds(kind: Kind) -> bool {
    !matches!(kind, Kind::Fuse | Kind::Overlay)
}

const NO_LEASES: Refusal = Refusal { errno: libc::EOPNOTSUPP, reason: Reason::FilesystemCannot };
const BROKEN: Refusal = Refusal { errno: libc::EAGAIN, reason: Reason::LeaseBroken };

fn refusal(errno: Errno) -> Refusal {
    match errno.0 {
        libc::EAGAIN => Refusal { errno: errno.0, reason: Reason::InUse },
        // Neither the owner nor CAP_LEASE.
        libc::EACCES => Refusal { errno: errno.0, reason: Reason::Permission },
        // How filesystems without leases say so.
        libc::EINVAL => NO_LEASES,
        _ => path_refusal(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_they_bind() {
        for kind in [Kind::Fuse, Kind::Overlay] {
            assert!(!binds(kind), "{kind:?}");
        }
        for kind in [Kind::Xfs, Kind::Btrfs, Kind::Ext, Kind::Other, Kind::Network] {
            assert!(binds(kind), "{kind:?}");
        }
    }

    #[test]
    fn refusals() {
        assert_eq!(refusal(Errno(libc::EAGAIN)).reason, Reason::InUse);
        assert_eq!(refusal(Errno(libc::EACCES)).reason, Reason::Permission);
        assert_eq!(refusal(Errno(libc::EINVAL)), NO_LEASES);
        assert_eq!(refusal(Errno(libc::EIO)).reason, Reason::Io);
    }
}
