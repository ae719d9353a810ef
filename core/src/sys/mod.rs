//! The only place that talks to the kernel, and the only `unsafe` in this crate.
//!
//! One small file for each kernel interface, one function for each call: its man page, its errno,
//! no decisions. A call that fails gives its [`Errno`]; what that means is decided elsewhere.

pub(crate) mod attributes;
pub(crate) mod btrfs;
pub(crate) mod cache;
pub(crate) mod clone;
pub(crate) mod copy;
pub(crate) mod dedupe;
pub(crate) mod dir;
pub(crate) mod fallocate;
pub(crate) mod fiemap;
pub(crate) mod fsmap;
pub(crate) mod io;
pub(crate) mod lease;
pub(crate) mod limit;
pub(crate) mod lock;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod open;
pub(crate) mod openat2;
pub(crate) mod page;
pub(crate) mod pipe;
pub(crate) mod proc;
pub(crate) mod random;
pub(crate) mod record_lock;
pub(crate) mod signal;
pub(crate) mod sleep;
pub(crate) mod special;
pub(crate) mod splice;
pub(crate) mod sqlite;
pub(crate) mod stat;
pub(crate) mod sync;
pub(crate) mod time;
pub(crate) mod truncate;
pub(crate) mod xattr;
pub(crate) mod xfs;

/// An error number of the kernel, as in `<errno.h>`; always positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    /// The calling thread's `errno`, set by the call that just failed.
    fn last() -> Self {
        Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }
}

pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// -1 and `errno` become an error, anything else is the answer.
fn check(rc: libc::c_int) -> Result<libc::c_int> {
    if rc == -1 { Err(Errno::last()) } else { Ok(rc) }
}
