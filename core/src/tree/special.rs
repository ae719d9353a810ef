//! Symbolic links, FIFOs, sockets and devices of a tree: by their names, for they are not opened.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::preserve::Preserve;
use crate::sys::{self, Errno};

/// No symbolic link is longer (PATH_MAX).
const LONGEST: usize = 4096;

/// Makes `name` in `dst` what it is in `src`; says what could not be kept. After an error nothing has the name.
pub(super) fn make(
    (src, stat): (BorrowedFd<'_>, &libc::stat64),
    dst: BorrowedFd<'_>,
    name: &CStr,
) -> sys::Result<Preserve> {
    create((src, stat), dst, name)?;
    dress((src, stat), dst, name).inspect_err(|_| {
        sys::names::unlink(dst, name).ok();
    })
}

fn create((src, stat): (BorrowedFd<'_>, &libc::stat64), dst: BorrowedFd<'_>, name: &CStr) -> sys::Result<()> {
    if is_link(stat) {
        let mut target = vec![0; LONGEST];
        let len = sys::special::read_link(src, name, &mut target)?;
        target.truncate(len);
        let target = CString::new(target).map_err(|_| Errno(libc::EIO))?;
        sys::special::symlink(&target, dst, name)
    } else {
        sys::special::node(dst, name, stat.st_mode & libc::S_IFMT | 0o600, stat.st_rdev)
    }
}

fn is_link(stat: &libc::stat64) -> bool {
    stat.st_mode & libc::S_IFMT == libc::S_IFLNK
}

fn dress(
    (src, stat): (BorrowedFd<'_>, &libc::stat64),
    dst: BorrowedFd<'_>,
    name: &CStr,
) -> sys::Result<Preserve> {
    let mut job = Dress { stat, dst, name, unkept: Preserve::NONE };
    job.owner()?;
    let acls = job.attributes(src)?;
    if !is_link(stat) {
        sys::metadata::chmod_at(dst, name, job.mode())?;
    }
    for (acl, value) in acls {
        job.tried(
            by_proc(dst, name).and_then(|path| sys::xattr::set_of(&path, &acl, &value)),
            Preserve::ACLS,
        )?;
    }
    let (accessed, modified) = ((stat.st_atime, stat.st_atime_nsec), (stat.st_mtime, stat.st_mtime_nsec));
    job.tried(sys::metadata::set_times_at(dst, name, accessed, modified), Preserve::TIMES)?;
    Ok(job.unkept)
}

struct Dress<'a> {
    stat: &'a libc::stat64,
    dst: BorrowedFd<'a>,
    name: &'a CStr,
    unkept: Preserve,
}

impl Dress<'_> {
    fn tried(&mut self, result: sys::Result<()>, what: Preserve) -> sys::Result<()> {
        match result {
            Err(errno) if crate::file::fails(errno) => Err(errno),
            Err(_) => {
                self.unkept |= what;
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn owner(&mut self) -> sys::Result<()> {
        let ours = sys::stat::fstatat(self.dst, self.name, libc::AT_SYMLINK_NOFOLLOW)?;
        if (ours.st_uid, ours.st_gid) == (self.stat.st_uid, self.stat.st_gid) {
            return Ok(());
        }
        let done =
            sys::metadata::chown_at(self.dst, self.name, Some(self.stat.st_uid), Some(self.stat.st_gid));
        self.tried(done, Preserve::OWNER)
    }

    /// Without set-id bits where the owner is another than the original's.
    fn mode(&self) -> u32 {
        let set_id = if self.unkept.contains(Preserve::OWNER) { 0 } else { 0o6000 };
        self.stat.st_mode & (0o1777 | set_id)
    }

    /// All but the ACLs, which are handed back: they come after the mode.
    fn attributes(&mut self, src: BorrowedFd<'_>) -> sys::Result<Vec<(CString, Vec<u8>)>> {
        let mut acls = Vec::new();
        let mut copy = || {
            let (from, to) = (by_proc(src, self.name)?, by_proc(self.dst, self.name)?);
            let mut names = vec![0; sys::xattr::LONGEST];
            let len = match sys::xattr::list_of(&from, &mut names) {
                Err(Errno(libc::EOPNOTSUPP)) => 0,
                listed => listed?,
            };
            let mut value = vec![0; if len > 0 { sys::xattr::LONGEST } else { 0 }];
            for name in names[..len].split_inclusive(|byte| *byte == 0) {
                let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
                match sys::xattr::get_of(&from, name, &mut value) {
                    // Removed since it was listed.
                    Err(Errno(libc::ENODATA)) => continue,
                    got if name.to_bytes().starts_with(b"system.") => {
                        acls.push((name.to_owned(), value[..got?].to_vec()));
                    }
                    got => sys::xattr::set_of(&to, name, &value[..got?])?,
                }
            }
            Ok(())
        };
        let copied = copy();
        self.tried(copied, Preserve::XATTRS)?;
        Ok(acls)
    }
}

/// Attributes of what is not opened can be had by a path only, and /proc has one that begins at a directory's descriptor.
fn by_proc(dir: BorrowedFd<'_>, name: &CStr) -> sys::Result<CString> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    CString::new(path).map_err(|_| Errno(libc::EINVAL))
}
