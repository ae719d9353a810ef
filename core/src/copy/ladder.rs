//! Which way the bytes go, and which is next when one is not available here. A pure function.

use super::step::INTERRUPTIONS;
use super::{server, splice};

/// A way of moving bytes. Each has a file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A server copies them: [`super::server`].
    Server,
    /// Pages of the page cache go through a pipe: [`super::splice`].
    Splice,
    /// They go through a buffer, which works wherever a copy can: [`super::readwrite`].
    ReadWrite,
}

impl Way {
    /// The most that one step moves. Between two the cancel flag is looked at.
    pub(crate) fn step(self) -> u64 {
        match self {
            Way::Server => server::STEP,
            Way::Splice => splice::STEP,
            Way::ReadWrite => crate::buffer::STEP,
        }
    }

    /// So often a call that a signal ended without a byte is made again. The server's copy on NFS never gets on while
    /// the program has a timer; and with each try the client takes its request back, after which a server of Linux 6.1 may
    /// put off every copy until it is started again (tests/tests/servers.rs).
    pub(crate) fn interruptions(self) -> u32 {
        match self {
            Way::Server => 3,
            Way::Splice | Way::ReadWrite => INTERRUPTIONS,
        }
    }
}

/// In the order in which they are tried.
const WAYS: [Way; 3] = [Way::Server, Way::Splice, Way::ReadWrite];

/// A way that ended, and the errno that it ended with.
pub(crate) type Failure = (Way, i32);

/// What the choice depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Situation {
    /// How much there is to move in one go.
    pub(crate) len: u64,
    /// The caller allows a server to copy, and both files are on a network filesystem.
    pub(crate) server: bool,
    /// The source has bytes and no size, as files of procfs and sysfs.
    pub(crate) sizeless: bool,
    /// One of the descriptors is O_DIRECT. It takes whole blocks from aligned memory, and a pipe is none.
    pub(crate) direct: bool,
}

/// Below this a pipe costs more than it saves: it takes three system calls more, and memory for its slots.
const WORTH_A_PIPE: u64 = 64 << 10;

impl Situation {
    fn allows(&self, way: Way) -> bool {
        match way {
            Way::Server => self.server && !self.sizeless,
            Way::Splice => !self.sizeless && !self.direct && self.len >= WORTH_A_PIPE,
            Way::ReadWrite => true,
        }
    }
}

/// The way to take, after these failures. `None`: the last of them is no matter of the way, and is the answer.
pub(crate) fn choose(situation: &Situation, failures: &[Failure]) -> Option<Way> {
    if !failures.iter().all(|(way, errno)| steps_down(*way, *errno)) {
        return None;
    }
    WAYS.into_iter()
        .filter(|way| situation.allows(*way))
        .find(|way| failures.iter().all(|(failed, _)| failed != way))
}

/// Whether a way that ended with `errno` is not available here, so that the next may be. What tells of a full or
/// failing disk never says so, nor does a file-size limit.
fn steps_down(way: Way, errno: i32) -> bool {
    match way {
        Way::Server => matches!(
            errno,
            libc::EXDEV
                | libc::EOPNOTSUPP
                | libc::ENOSYS
                | libc::ENOTTY
                // eCryptfs, NFS within one file; SMB of a source that has dirty mapped pages.
                | libc::EINVAL
                // A container's filter; SMB servers; CephFS before Linux 4.20.
                | libc::EPERM
                | libc::EACCES
                | libc::ENOENT
                // ZFS, for blocks that are not on disk yet.
                | libc::EAGAIN
                // NFS under a timer never gets on, however often it is asked.
                | libc::EINTR
                // It said that it copied nothing and the source goes on: procfs once, and old SMB.
                | libc::ENODATA
        ),
        Way::Splice => matches!(
            errno,
            // A file without it, on some filesystem; a container's filter.
            libc::EINVAL
                | libc::ENOSYS
                | libc::EOPNOTSUPP
                | libc::EPERM
                | libc::EACCES
                // No descriptors left for a pipe. (EPERM is also: the user's pipes have all the room they may have.)
                | libc::EMFILE
                | libc::ENFILE
        ),
        // There is no way behind it.
        Way::ReadWrite => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Situation = Situation { len: 1 << 20, server: false, sizeless: false, direct: false };

    /// A bound, and one that a handler run every millisecond does not come to.
    #[test]
    fn interruptions_are_borne_and_not_for_ever() {
        for (way, times) in [(Way::Server, 3), (Way::Splice, 100), (Way::ReadWrite, 100)] {
            assert_eq!(way.interruptions(), times, "{way:?}");
        }
    }

    /// At most one step moves after the caller cancelled; a step of less than a pipe is worth is none.
    #[test]
    fn steps_are_whole_pages_and_at_most_4_mib() {
        for way in WAYS {
            assert!((WORTH_A_PIPE..=4 << 20).contains(&way.step()), "{way:?}");
            assert!(way.step().is_multiple_of(WORTH_A_PIPE), "{way:?}");
        }
    }

    #[test]
    fn the_first_way() {
        let table = [
            (PLAIN, Way::Splice),
            (Situation { server: true, ..PLAIN }, Way::Server),
            (Situation { len: WORTH_A_PIPE, ..PLAIN }, Way::Splice),
            (Situation { len: WORTH_A_PIPE - 1, ..PLAIN }, Way::ReadWrite),
            (Situation { len: 1, server: true, ..PLAIN }, Way::Server),
            (Situation { sizeless: true, ..PLAIN }, Way::ReadWrite),
            (Situation { sizeless: true, server: true, ..PLAIN }, Way::ReadWrite),
            (Situation { direct: true, ..PLAIN }, Way::ReadWrite),
            (Situation { direct: true, server: true, ..PLAIN }, Way::Server),
        ];
        for (situation, way) in table {
            assert_eq!(choose(&situation, &[]), Some(way), "{situation:?}");
        }
    }

    #[test]
    fn the_way_after_an_errno() {
        use Way::*;
        let server = Situation { server: true, ..PLAIN };
        let table: [(Way, &[i32], Option<Way>); 5] = [
            (
                Server,
                &[
                    libc::EXDEV,
                    libc::EOPNOTSUPP,
                    libc::ENOSYS,
                    libc::ENOTTY,
                    libc::EINVAL,
                    libc::EPERM,
                    libc::EACCES,
                    libc::ENOENT,
                    libc::EAGAIN,
                    libc::EINTR,
                    libc::ENODATA,
                ],
                Some(Splice),
            ),
            (Server, &[libc::EBADF, libc::ETXTBSY, libc::EROFS, libc::ESTALE], None),
            (
                Splice,
                &[
                    libc::EINVAL,
                    libc::ENOSYS,
                    libc::EOPNOTSUPP,
                    libc::EPERM,
                    libc::EACCES,
                    libc::EMFILE,
                    libc::ENFILE,
                ],
                Some(ReadWrite),
            ),
            (Splice, &[libc::EINTR, libc::ETXTBSY, libc::EBADF, libc::EXDEV, libc::EAGAIN], None),
            (ReadWrite, &[libc::EINVAL, libc::EOPNOTSUPP, libc::EPERM, libc::ENOSYS, libc::EINTR], None),
        ];
        for (way, errnos, next) in table {
            for errno in errnos {
                let situation = if way == Server { server } else { PLAIN };
                assert_eq!(choose(&situation, &[(way, *errno)]), next, "{way:?} {errno}");
            }
        }
        // What tells of the disk or of memory stops each.
        for way in WAYS {
            for errno in [libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::ENOMEM, libc::EFBIG] {
                assert_eq!(choose(&server, &[(way, errno)]), None, "{way:?} {errno}");
            }
        }
    }

    #[test]
    fn one_step_down_after_the_other() {
        let server = Situation { server: true, ..PLAIN };
        let exdev = (Way::Server, libc::EXDEV);
        assert_eq!(choose(&server, &[exdev, (Way::Splice, libc::EINVAL)]), Some(Way::ReadWrite));
        assert_eq!(choose(&server, &[exdev, (Way::Splice, libc::EIO)]), None);
        assert_eq!(
            choose(&server, &[exdev, (Way::Splice, libc::EINVAL), (Way::ReadWrite, libc::EINVAL)]),
            None
        );
        // A way that failed is not taken again for the next run of the source.
        assert_eq!(choose(&PLAIN, &[(Way::Splice, libc::EMFILE)]), Some(Way::ReadWrite));
    }
}
