//! System calls that the standard library has not: one function for each, and the only unsafe code here.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::time::Duration;

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// ioctl_ficlonerange(2).
pub(crate) fn clone_range(
    src: &File,
    src_offset: u64,
    dst: &File,
    dest_offset: u64,
    src_length: u64,
) -> io::Result<()> {
    let src_fd = src.as_raw_fd().into();
    let range = libc::file_clone_range { src_fd, src_offset, src_length, dest_offset };
    // SAFETY: the ioctl reads one struct.
    check(unsafe { libc::ioctl(dst.as_raw_fd(), libc::FICLONERANGE, &raw const range) })
}

/// `struct file_dedupe_range`, ioctl_fideduperange(2), and the one target behind it.
#[repr(C)]
#[derive(Default)]
struct DedupeRequest {
    src_offset: u64,
    src_length: u64,
    dest_count: u16,
    reserved: [u16; 3],
    dest_fd: i64,
    dest_offset: u64,
    bytes_deduped: u64,
    status: i32,
    more_reserved: u32,
}

/// ioctl_fideduperange(2) of one target, at the same offset; its status.
pub(crate) fn dedupe_range(src: &File, dst: &File, offset: u64, len: u64) -> io::Result<i32> {
    // _IOWR(0x94, 54, struct file_dedupe_range), the head of 24 bytes alone.
    const FIDEDUPERANGE: libc::Ioctl = 0xc018_9436_u32 as libc::Ioctl;
    let mut request = DedupeRequest {
        src_offset: offset,
        src_length: len,
        dest_count: 1,
        dest_fd: dst.as_raw_fd().into(),
        dest_offset: offset,
        ..DedupeRequest::default()
    };
    // SAFETY: the request is laid out as the two structs, with the one target that it announces.
    check(unsafe { libc::ioctl(src.as_raw_fd(), FIDEDUPERANGE, &raw mut request) })?;
    Ok(request.status)
}

/// syncfs(2) of the filesystem that it is on.
pub(crate) fn syncfs(file: &File) -> io::Result<()> {
    // SAFETY: takes a number only.
    check(unsafe { libc::syncfs(file.as_raw_fd()) })
}

/// Where the next data is from `at` on, lseek(2) with SEEK_DATA; `None` where there is no more.
pub(crate) fn seek_data(file: &File, at: u64) -> Option<u64> {
    // SAFETY: takes numbers only.
    let found = unsafe { libc::lseek(file.as_raw_fd(), at as i64, libc::SEEK_DATA) };
    u64::try_from(found).ok()
}

/// How many bytes of its filesystem are free, fstatvfs(3).
pub(crate) fn free(file: &File) -> io::Result<u64> {
    let mut stat = MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: valid for the call.
    check(unsafe { libc::fstatvfs(file.as_raw_fd(), stat.as_mut_ptr()) })?;
    // SAFETY: zeros are a valid statvfs, and so is what the call made of them.
    let stat = unsafe { stat.assume_init() };
    Ok(stat.f_bfree * stat.f_frsize)
}

/// A child's status as of wait4(2), the processor time that it and its children took, and its most memory in MiB.
pub(crate) fn wait(pid: u32) -> io::Result<(i32, Duration, f64)> {
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both are valid for the call; zeros are a valid rusage.
    let (pid, usage) =
        unsafe { (libc::wait4(pid as libc::pid_t, &mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    if pid == -1 {
        return Err(io::Error::last_os_error());
    }
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    // In KiB.
    Ok((status, time(usage.ru_utime) + time(usage.ru_stime), usage.ru_maxrss as f64 / 1024.0))
}

/// Runs `body` in a child, fork(2), and ends that with a status that says whether it failed. For a process of one thread.
pub(crate) fn in_a_child(body: impl FnOnce() -> io::Result<()>) -> io::Result<u32> {
    // SAFETY: this process has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => std::process::exit(i32::from(body().is_err())),
        child => Ok(child as u32),
    }
}
