//! `getrandom(2)`.

use super::{Errno, Result};

/// A number that nobody can guess. Waits only while the machine has just started (EINTR then).
pub(crate) fn number() -> Result<u64> {
    let mut bytes = [0u8; 8];
    // SAFETY: getrandom writes at most 8 bytes into `bytes`.
    let n = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // So few bytes come whole or not at all (getrandom(2)).
    if n == 8 { Ok(u64::from_ne_bytes(bytes)) } else { Err(Errno::last()) }
}
