//! System calls that make the files, and look at them, without the library under test. All `unsafe` of the table is here.

use std::ffi::{CString, c_long};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use libc::c_int;

/// Flags of chattr(1), include/uapi/linux/fs.h.
pub(crate) const COMPRESSED: u32 = 0x4;
pub(crate) const IMMUTABLE: u32 = 0x10;
pub(crate) const APPEND_ONLY: u32 = 0x20;
pub(crate) const NOCOW: u32 = 0x0080_0000;

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn c_string(path: impl AsRef<Path>) -> CString {
    CString::new(path.as_ref().as_os_str().as_bytes()).expect("a path holds no NUL")
}

/// Sets or clears flags of chattr(1).
pub(crate) fn chattr(file: &File, flags: u32, set: bool) -> io::Result<()> {
    // Declared with a long; the kernel reads and writes an int (ioctl_iflags(2)), and a long has room for both.
    let mut now: c_long = 0;
    // SAFETY: the ioctl writes at most one long.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_GETFLAGS, &raw mut now) })?;
    let flags = c_long::from(flags);
    let wanted = if set { now | flags } else { now & !flags };
    // SAFETY: the ioctl reads at most one long.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_SETFLAGS, &raw const wanted) })?;
    Ok(())
}

/// FICLONERANGE.
pub(crate) fn clone_range(
    src: &File,
    src_offset: u64,
    len: u64,
    dst: &File,
    dst_offset: u64,
) -> io::Result<()> {
    let range = libc::file_clone_range {
        src_fd: src.as_raw_fd().into(),
        src_offset,
        src_length: len,
        dest_offset: dst_offset,
    };
    // SAFETY: the ioctl reads one struct.
    check(unsafe { libc::ioctl(dst.as_raw_fd(), libc::FICLONERANGE, &raw const range) })?;
    Ok(())
}

/// Space that is not written, fallocate(2).
pub(crate) fn preallocate(file: &File, offset: u64, len: u64) -> io::Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::fallocate64(file.as_raw_fd(), 0, offset as i64, len as i64) })?;
    Ok(())
}

pub(crate) fn make_fifo(path: &Path) -> io::Result<()> {
    let path = c_string(path);
    // SAFETY: a string that ends with NUL.
    check(unsafe { libc::mkfifo(path.as_ptr(), 0o600) })?;
    Ok(())
}

/// A file in memory, memfd_create(2).
pub(crate) fn memfd() -> io::Result<File> {
    // SAFETY: a string that ends with NUL; the number is a new descriptor, owned by nobody yet.
    unsafe {
        let fd = check(libc::memfd_create(c"xtent".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING))?;
        Ok(File::from_raw_fd(fd))
    }
}

/// No more writes, by nobody.
pub(crate) fn seal(file: &File) -> io::Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_WRITE) })?;
    Ok(())
}

pub(crate) fn event_fd() -> io::Result<OwnedFd> {
    // SAFETY: numbers only; the number is a new descriptor, owned by nobody yet.
    unsafe { Ok(OwnedFd::from_raw_fd(check(libc::eventfd(0, 0))?)) }
}

/// Whether a new file there opens with O_DIRECT. It stays.
pub(crate) fn opens_direct(path: &Path) -> bool {
    let mut options = File::options();
    options.read(true).write(true).create(true).custom_flags(libc::O_DIRECT).open(path).is_ok()
}

/// The descriptor stays open in programs that are run.
pub(crate) fn let_inherit(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) })?;
    Ok(())
}

/// Where the next data, or hole, begins; `None` if there is none before the end of the file. The position moves.
fn seek(file: &File, offset: u64, whence: c_int) -> io::Result<Option<u64>> {
    // SAFETY: numbers only.
    match unsafe { libc::lseek64(file.as_raw_fd(), offset as i64, whence) } {
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ENXIO) => Ok(None),
            error => Err(error),
        },
        found => Ok(Some(found as u64)),
    }
}

/// The runs `(start, end)` that lseek(2) calls data.
pub(crate) fn data_runs(file: &File) -> io::Result<Vec<(u64, u64)>> {
    let mut runs = Vec::new();
    let mut at = 0;
    while let Some(start) = seek(file, at, libc::SEEK_DATA)? {
        let Some(end) = seek(file, start, libc::SEEK_HOLE)? else { break };
        runs.push((start, end));
        at = end;
    }
    Ok(runs)
}

/// Whether another process has a lock on this byte, F_GETLK of fcntl(2).
pub(crate) fn is_locked(file: &File, byte: u64) -> io::Result<bool> {
    // SAFETY: the struct is plain numbers, of which zeros are valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_start = byte as i64;
    lock.l_len = 1;
    // SAFETY: the call reads and writes one struct.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &raw mut lock) })?;
    Ok(c_int::from(lock.l_type) != libc::F_UNLCK)
}

/// Whether somebody has it open for writing: who does keeps others from leases, F_SETLEASE of fcntl(2).
pub(crate) fn is_written_to(file: &File) -> bool {
    let set = |lease: c_int| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, lease) })
    };
    let taken = set(libc::F_RDLCK);
    if taken.is_ok() {
        set(libc::F_UNLCK).ok();
    }
    taken.is_err_and(|error| error.raw_os_error() == Some(libc::EAGAIN))
}

/// RLIMIT_FSIZE of another process; `None` is no limit.
pub(crate) fn limit_file_size(process: u32, limit: Option<u64>) -> io::Result<()> {
    let limit =
        libc::rlimit64 { rlim_cur: limit.unwrap_or(libc::RLIM64_INFINITY), rlim_max: libc::RLIM64_INFINITY };
    // SAFETY: the call reads one struct; the old limit is not asked for.
    check(unsafe {
        libc::prlimit64(process as libc::pid_t, libc::RLIMIT_FSIZE, &raw const limit, std::ptr::null_mut())
    })?;
    Ok(())
}

pub(crate) fn is_root() -> bool {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Gives this thread, and the processes that it starts, mounts of their own, mount_namespaces(7). They go when the
/// last of them ends.
pub(crate) fn own_mounts() -> io::Result<()> {
    // SAFETY: changes the namespace of this thread and touches no memory.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount("none", Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "")
}

pub(crate) fn bind(of: &Path, at: &Path, read_only: bool) -> io::Result<()> {
    mount(of, at, "", libc::MS_BIND, "")?;
    if read_only {
        // A flag of a bind mount is only heeded when it is mounted once more, mount(2).
        mount("none", at, "", libc::MS_BIND | libc::MS_REMOUNT | libc::MS_RDONLY, "")?;
    }
    Ok(())
}

pub(crate) fn mount(
    source: impl AsRef<Path>,
    at: &Path,
    kind: &str,
    flags: libc::c_ulong,
    options: &str,
) -> io::Result<()> {
    let (source, at, kind, options) = (c_string(source), c_string(at), c_string(kind), c_string(options));
    // SAFETY: strings that end with NUL.
    check(unsafe {
        libc::mount(source.as_ptr(), at.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast())
    })?;
    Ok(())
}

pub(crate) fn unmount(at: &Path) -> io::Result<()> {
    let at = c_string(at);
    // SAFETY: a string that ends with NUL.
    check(unsafe { libc::umount2(at.as_ptr(), libc::MNT_DETACH) })?;
    Ok(())
}

/// A shared mapping of a part of a file.
pub(crate) struct Mapping {
    start: *mut libc::c_void,
    len: usize,
}

impl Mapping {
    pub(crate) fn new(file: &File, offset: u64, len: usize) -> io::Result<Mapping> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let start = unsafe {
            let (fd, offset) = (file.as_raw_fd(), offset as i64);
            libc::mmap64(std::ptr::null_mut(), len, access, libc::MAP_SHARED, fd, offset)
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = Mapping { start, len };
        // Read ahead for a mapping, Linux 6.12 takes folios of 16 KiB, and a store to a block of a hole dirties all of one.
        // SAFETY: the range is mapped.
        check(unsafe { libc::madvise(mapping.start, len, libc::MADV_RANDOM) })?;
        Ok(mapping)
    }

    pub(crate) fn store(&self, bytes: &[u8]) {
        assert!(bytes.len() <= self.len);
        // SAFETY: as many bytes are mapped, and the file is not truncated while the mapping lives.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.cast(), bytes.len()) };
    }

    pub(crate) fn load(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len];
        // SAFETY: as many bytes are mapped, and the file is not truncated while the mapping lives.
        unsafe { std::ptr::copy_nonoverlapping(self.start.cast(), bytes.as_mut_ptr(), self.len) };
        bytes
    }

    pub(crate) fn lock(&self) -> io::Result<()> {
        // SAFETY: the range is mapped.
        check(unsafe { libc::mlock(self.start, self.len) })?;
        Ok(())
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nothing refers to it any more.
        unsafe { libc::munmap(self.start, self.len) };
    }
}
