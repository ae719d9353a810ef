//! `sysconf(3)`: the size of a page.

use once_cell::sync::Lazy;

static SIZE: Lazy<usize> = Lazy::new(|| {
    // SAFETY: sysconf takes a number only.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // It cannot fail for this name; the smallest page there is would be right wherever it could.
    usize::try_from(size).unwrap_or(4096)
});

/// The size of a page of memory, and so of the page cache and of tmpfs, in bytes.
pub(crate) fn page_size() -> usize {
    *SIZE
}
