//! What a new file takes over beside its bytes, in the order in which the kernel lets it stay.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use crate::preserve::Preserve;
use crate::sys::{self, Errno};

/// The file that metadata comes from.
pub(crate) struct Original<'a> {
    pub(crate) stat: &'a libc::stat64,
    /// For attributes; `None` where it cannot be opened.
    pub(crate) file: Option<BorrowedFd<'a>>,
    /// Its set-id bits and capabilities are not handed on.
    pub(crate) without_privileges: bool,
    /// The new file's directory has no default ACL, from which it would have one.
    pub(crate) alone: bool,
}

/// Where Linux and NFS keep ACLs among the attributes.
const ACLS: [&CStr; 3] = [c"system.posix_acl_access", c"system.posix_acl_default", c"system.nfs4_acl"];

/// Gives `file` what `from` has of `what`, its final mode in any case; says what could not be kept. `as_new` is the mode
/// without [`Preserve::MODE`].
pub(crate) fn carry(
    file: BorrowedFd<'_>,
    from: &Original<'_>,
    what: Preserve,
    as_new: u32,
) -> sys::Result<Preserve> {
    let begun = begin(file, from, what)?;
    complete(file, from, what, begun, as_new)
}

/// What is carried already, and what is still to be.
pub(crate) struct Begun {
    acls: Vec<(&'static CStr, Vec<u8>)>,
    unkept: Preserve,
    /// What the new file was found to be, as long as that was not changed.
    ours: Option<libc::stat64>,
}

/// The part of [`carry`] that may happen before all of the contents are there.
///
/// chown(2) takes set-id bits and capabilities away, so it comes first. Attributes of the user are set while the mode is
/// still 0600: a file that its owner may not write takes none (xattr(7)).
pub(crate) fn begin(file: BorrowedFd<'_>, from: &Original<'_>, what: Preserve) -> sys::Result<Begun> {
    let mut job = Carry { file, from, unkept: Preserve::NONE, ours: None };
    if what.contains(Preserve::OWNER) {
        job.owner()?;
    }
    let wanted = what.common(Preserve::XATTRS | Preserve::ACLS);
    let mut acls = Vec::new();
    if wanted != Preserve::NONE {
        match from.file {
            None => job.unkept |= wanted,
            Some(original) => {
                let names = job.tried(listed(original), wanted)?.unwrap_or_default();
                if what.contains(Preserve::XATTRS) {
                    job.attributes(original, &names)?;
                }
                if what.contains(Preserve::ACLS) {
                    acls = job.read_acls(original, &names)?;
                }
            }
        }
    }
    Ok(Begun { acls, unkept: job.unkept, ours: job.ours })
}

/// The rest, when time has passed: what denies access, and what changes with every other change.
pub(crate) fn finish(
    file: BorrowedFd<'_>,
    from: &Original<'_>,
    what: Preserve,
    begun: Begun,
    as_new: u32,
) -> sys::Result<Preserve> {
    complete(file, from, what, Begun { ours: None, ..begun }, as_new)
}

/// chmod(2) changes the mask of an ACL, so ACLs come after it. Everything before changes times.
fn complete(
    file: BorrowedFd<'_>,
    from: &Original<'_>,
    what: Preserve,
    begun: Begun,
    as_new: u32,
) -> sys::Result<Preserve> {
    let mut job = Carry { file, from, unkept: begun.unkept, ours: begun.ours };
    if what.contains(Preserve::ACLS) && !from.alone {
        job.remove_inherited_acls();
    }
    job.mode(what.contains(Preserve::MODE).then_some(from.stat.st_mode & 0o7777), as_new)?;
    for (name, value) in begun.acls {
        job.tried(sys::xattr::set(file, name, &value), Preserve::ACLS)?;
    }
    if what.contains(Preserve::TIMES) {
        job.times(from.stat)?;
    }
    Ok(job.unkept)
}

/// Only the times of `from`.
pub(crate) fn carry_times(file: BorrowedFd<'_>, from: &libc::stat64) -> sys::Result<Preserve> {
    let original = Original { stat: from, file: None, without_privileges: false, alone: false };
    let mut job = Carry { file, from: &original, unkept: Preserve::NONE, ours: None };
    job.times(from)?;
    Ok(job.unkept)
}

struct Carry<'a> {
    file: BorrowedFd<'a>,
    from: &'a Original<'a>,
    unkept: Preserve,
    ours: Option<libc::stat64>,
}

impl Carry<'_> {
    /// Notes what was refused; a failing disk is an error.
    fn tried<T>(&mut self, result: sys::Result<T>, what: Preserve) -> sys::Result<Option<T>> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(errno) if fails(errno) => Err(errno),
            Err(_) => {
                self.unkept |= what;
                Ok(None)
            }
        }
    }

    /// What the new file is.
    fn ours(&mut self) -> sys::Result<libc::stat64> {
        match self.ours {
            Some(ours) => Ok(ours),
            None => Ok(*self.ours.insert(sys::stat::fstat(self.file)?)),
        }
    }

    fn owner(&mut self) -> sys::Result<()> {
        let (ours, theirs) = (self.ours()?, self.from.stat);
        if (ours.st_uid, ours.st_gid) == (theirs.st_uid, theirs.st_gid) {
            return Ok(());
        }
        self.ours = None;
        let both = sys::metadata::chown(self.file, Some(theirs.st_uid), Some(theirs.st_gid));
        if self.tried(both, Preserve::OWNER)?.is_none() {
            // The group alone may be one of the caller's.
            sys::metadata::chown(self.file, None, Some(theirs.st_gid)).ok();
        }
        Ok(())
    }

    fn attributes(&mut self, from: BorrowedFd<'_>, names: &[u8]) -> sys::Result<()> {
        let mut value = Vec::new();
        for name in each(names) {
            let privilege = name == c"security.capability" && self.from.without_privileges;
            if privilege || is_acl(name) {
                continue;
            }
            value.resize(sys::xattr::LONGEST, 0);
            let copied = match sys::xattr::get(from, name, &mut value) {
                // Removed since it was listed.
                Err(Errno(libc::ENODATA)) => continue,
                Err(errno) => Err(errno),
                Ok(len) => sys::xattr::set(self.file, name, &value[..len]),
            };
            self.tried(copied, Preserve::XATTRS)?;
        }
        Ok(())
    }

    fn read_acls(
        &mut self,
        from: BorrowedFd<'_>,
        names: &[u8],
    ) -> sys::Result<Vec<(&'static CStr, Vec<u8>)>> {
        let mut acls = Vec::new();
        for name in ACLS.into_iter().filter(|acl| each(names).any(|name| name == *acl)) {
            let mut value = vec![0; sys::xattr::LONGEST];
            match sys::xattr::get(from, name, &mut value) {
                Err(Errno(libc::ENODATA | libc::EOPNOTSUPP)) => {}
                got => {
                    if let Some(len) = self.tried(got, Preserve::ACLS)? {
                        value.truncate(len);
                        acls.push((name, value));
                    }
                }
            }
        }
        Ok(acls)
    }

    /// What the directory's default ACL gave the new file, before the mode is set, whose group bits would be its mask.
    fn remove_inherited_acls(&mut self) {
        let names = listed(self.file).unwrap_or_default();
        for name in ACLS.into_iter().filter(|acl| each(&names).any(|name| name == *acl)) {
            sys::xattr::remove(self.file, name).ok();
        }
    }

    fn mode(&mut self, kept: Option<u32>, as_new: u32) -> sys::Result<()> {
        let ours = self.ours()?;
        let set_id = match self.from {
            Original { without_privileges: true, .. } => 0,
            Original { stat, .. } => set_id_bits((ours.st_uid, ours.st_gid), (stat.st_uid, stat.st_gid)),
        };
        let mode = kept.map_or(as_new & 0o777, |mode| mode & (0o1777 | set_id));
        let done = if ours.st_mode & 0o7777 == mode { Ok(()) } else { sys::metadata::chmod(self.file, mode) };
        let asked = if self.from.without_privileges { mode } else { kept.unwrap_or(mode) };
        if self.tried(done, Preserve::MODE)?.is_some() && asked & 0o7000 != 0 {
            // The kernel drops a set-group-id bit of a group that the caller is not in (chmod(2)).
            let has = sys::stat::fstat(self.file)?.st_mode & 0o7777;
            if has != asked {
                self.unkept |= Preserve::MODE;
            }
        }
        Ok(())
    }

    fn times(&mut self, from: &libc::stat64) -> sys::Result<()> {
        let (accessed, modified) = ((from.st_atime, from.st_atime_nsec), (from.st_mtime, from.st_mtime_nsec));
        let done = sys::metadata::set_times(self.file, accessed, modified);
        self.tried(done, Preserve::TIMES)?;
        Ok(())
    }
}

/// Whether a directory has ACLs, which it may hand on; also where that cannot be told.
pub(crate) fn has_acls(dir: BorrowedFd<'_>) -> bool {
    listed(dir).map_or(true, |names| each(&names).any(|name| ACLS.contains(&name)))
}

/// The names of all attributes, each ended by a zero: most files have none, which costs one call.
fn listed(file: BorrowedFd<'_>) -> sys::Result<Vec<u8>> {
    let mut names = Vec::new();
    loop {
        match sys::xattr::list(file, &mut names) {
            Err(Errno(libc::EOPNOTSUPP)) | Ok(0) => return Ok(Vec::new()),
            // Without room for any it tells how much they need.
            Ok(_) if names.is_empty() => names.resize(sys::xattr::LONGEST, 0),
            Ok(len) => {
                names.truncate(len);
                return Ok(names);
            }
            Err(errno) => return Err(errno),
        }
    }
}

/// Each name of a list.
fn each(names: &[u8]) -> impl Iterator<Item = &CStr> {
    names.split_inclusive(|byte| *byte == 0).filter_map(|name| CStr::from_bytes_with_nul(name).ok())
}

/// Whether an attribute is an ACL, or made up by the filesystem, as everything is that begins with `system.`. XFS shows
/// root its ACLs a second time, in the form in which it stores them.
fn is_acl(name: &CStr) -> bool {
    let name = name.to_bytes();
    name.starts_with(b"system.") || name.starts_with(b"trusted.SGI_ACL_")
}

/// The set-id bits that may be kept: a program must not begin to run as somebody else than before.
fn set_id_bits((uid, gid): (u32, u32), from: (u32, u32)) -> u32 {
    let user = if uid == from.0 { libc::S_ISUID } else { 0 };
    let group = if gid == from.1 { libc::S_ISGID } else { 0 };
    user | group
}

/// Whether it tells of a failing disk or machine, and not of what this filesystem or caller may not.
pub(crate) fn fails(errno: Errno) -> bool {
    matches!(errno.0, libc::EIO | libc::ENOMEM | libc::EROFS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_id_bits_stay_with_their_owner() {
        assert_eq!(set_id_bits((1, 2), (1, 2)), 0o6000);
        assert_eq!(set_id_bits((1, 2), (1, 3)), 0o4000);
        assert_eq!(set_id_bits((1, 2), (3, 2)), 0o2000);
        assert_eq!(set_id_bits((1, 2), (3, 4)), 0);
    }
}
