//! The system calls of the storms. All `unsafe` is here.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The control: the kernel's clone of the whole file.
pub(crate) fn bare_clone(src: &File, dst: &File, len: u64) -> io::Result<()> {
    let src_fd = src.as_raw_fd().into();
    let range = libc::file_clone_range { src_fd, src_offset: 0, src_length: len, dest_offset: 0 };
    // SAFETY: the ioctl reads one struct.
    check(unsafe { libc::ioctl(dst.as_raw_fd(), libc::FICLONERANGE, &raw const range) })
}

pub(crate) fn allocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::fallocate64(file.as_raw_fd(), 0, offset as i64, len as i64) })
}

/// Where data (`SEEK_DATA`) or a hole (`SEEK_HOLE`) comes next; `None` behind the last data.
pub(crate) fn seek(file: &File, from: i64, whence: libc::c_int) -> io::Result<Option<i64>> {
    // SAFETY: numbers only. Nobody uses the file's position.
    match unsafe { libc::lseek64(file.as_raw_fd(), from, whence) } {
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
        offset => Ok(Some(offset)),
    }
}

pub(crate) fn sync_filesystem(file: &File) -> io::Result<()> {
    // SAFETY: a number only.
    check(unsafe { libc::syncfs(file.as_raw_fd()) })
}

/// Stops an XFS as a power cut does, with or without its log written (`XFS_IOC_GOINGDOWN`).
pub(crate) fn shut_down(file: &File, write_log: bool) -> io::Result<()> {
    let flags: u32 = if write_log { 1 } else { 2 };
    // _IOR('X', 125, __u32), of which the argument is read.
    const XFS_IOC_GOINGDOWN: libc::Ioctl = libc::_IOR::<u32>(b'X' as u32, 125);
    // SAFETY: the ioctl reads one number.
    check(unsafe { libc::ioctl(file.as_raw_fd(), XFS_IOC_GOINGDOWN, &raw const flags) })
}

pub(crate) fn signal(process: u32, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::kill(process as libc::pid_t, signal) })
}

/// The whole process, from any of its threads.
pub(crate) fn exit_now() -> ! {
    // SAFETY: a number only; nothing runs after it.
    unsafe { libc::_exit(3) }
}

/// The running kernel, as uname(2) names it.
pub(crate) fn release() -> String {
    // SAFETY: plain characters, of which zeros are valid; uname fills them with strings that end with a zero.
    unsafe {
        let mut name: libc::utsname = std::mem::zeroed();
        libc::uname(&raw mut name);
        format!("Linux {}", CStr::from_ptr(name.release.as_ptr()).to_string_lossy())
    }
}

/// A page of a file, mapped shared.
pub(crate) struct Page(*mut u64);

impl Page {
    pub(crate) fn map(file: &File, offset: u64) -> io::Result<Page> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, where the kernel likes.
        let at = unsafe {
            libc::mmap64(
                std::ptr::null_mut(),
                4096,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                offset as i64,
            )
        };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Page(at.cast())) }
    }

    pub(crate) fn store(&self, value: u64) {
        // SAFETY: inside the mapping, which lives as long as `self`, and aligned.
        unsafe { self.0.write_volatile(value) };
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped in `map`, and not used after this.
        unsafe { libc::munmap(self.0.cast(), 4096) };
    }
}
