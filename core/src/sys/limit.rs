//! `getrlimit(2)`: the largest file this process may make.

/// The soft `RLIMIT_FSIZE` in bytes, `u64::MAX` when there is none.
pub(crate) fn file_size() -> u64 {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one `rlimit64`.
    match unsafe { libc::getrlimit64(libc::RLIMIT_FSIZE, &mut limit) } {
        0 => limit.rlim_cur,
        // It fails only for a wrong resource or pointer: neither can be.
        _ => u64::MAX,
    }
}
