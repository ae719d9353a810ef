//! `cachestat(2)`, `posix_fadvise(2)` and `sync_file_range(2)`: what of a file is in the page cache, how to get it
//! there and how to let it go.

use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Errno, Result, check};

/// Since Linux 6.5; libc does not have it. System calls this young have one number on all machines, counted from the
/// machine's first.
const SYS_CACHESTAT: libc::c_long = libc::SYS_futex_waitv + 2;

#[repr(C)]
struct Range {
    offset: u64,
    len: u64,
}

/// `struct cachestat`: numbers of pages.
#[repr(C)]
#[derive(Default)]
struct Counts {
    cached: u64,
    dirty: u64,
    writeback: u64,
    evicted: u64,
    recently_evicted: u64,
}

/// How many pages of the range are in the page cache. EPERM for who may neither write the file nor owns it.
pub(crate) fn cached_pages(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<u64> {
    let range = Range { offset, len };
    let mut counts = Counts::default();
    let flags: libc::c_uint = 0;
    // SAFETY: the kernel reads one range and writes one `struct cachestat`; both live until the call returns.
    let result =
        unsafe { libc::syscall(SYS_CACHESTAT, fd.as_raw_fd(), &raw const range, &raw mut counts, flags) };
    if result == -1 { Err(Errno::last()) } else { Ok(counts.cached) }
}

/// Begins to read the range into the page cache. The kernel cuts what is longer than its largest request.
pub(crate) fn will_need(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
    advise(fd, offset, len, libc::POSIX_FADV_WILLNEED)
}

/// Whether what is read by this descriptor is read alone, with nothing ahead of it.
pub(crate) fn read_randomly(fd: BorrowedFd<'_>, alone: bool) {
    // It cannot fail for a regular file; and if it did, nothing but time is lost.
    advise(fd, 0, 0, if alone { libc::POSIX_FADV_RANDOM } else { libc::POSIX_FADV_NORMAL }).ok();
}

/// Takes whole clean pages of the range out of the page cache, those that no program has mapped.
pub(crate) fn drop_pages(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
    advise(fd, offset, len, libc::POSIX_FADV_DONTNEED)
}

fn advise(fd: BorrowedFd<'_>, offset: u64, len: u64, advice: libc::c_int) -> Result<()> {
    // SAFETY: takes numbers only.
    match unsafe { libc::posix_fadvise64(fd.as_raw_fd(), offset as i64, len as i64, advice) } {
        0 => Ok(()),
        // It returns the errno and does not set it.
        errno => Err(Errno(errno)),
    }
}

/// Begins to write the range's dirty pages back.
pub(crate) fn start_writing(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
    sync_file_range(fd, offset, len, libc::SYNC_FILE_RANGE_WRITE)
}

/// Writes the range's dirty pages back and waits for them. An error of writing back that it returns is reported
/// through this descriptor once, and no fsync(2) will tell of it again.
pub(crate) fn write_back(fd: BorrowedFd<'_>, offset: u64, len: u64) -> Result<()> {
    let all =
        libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
    sync_file_range(fd, offset, len, all)
}

fn sync_file_range(fd: BorrowedFd<'_>, offset: u64, len: u64, flags: libc::c_uint) -> Result<()> {
    // SAFETY: takes numbers only.
    check(unsafe { libc::sync_file_range(fd.as_raw_fd(), offset as i64, len as i64, flags) })?;
    Ok(())
}
