//! `probe`: what would work, and why the rest would not; nothing is written.

use super::words::*;

const PROBE: &str =
    "contract: probe(src, dst) writes nothing: for each verb yes, no or unknown, why, and the alignment";
const YES: Ability = Ability::Yes;

fn no(errno: i32, reason: Reason) -> Ability {
    Ability::No(errno, reason)
}

fn probes(name: &str, call: Call) -> Case {
    case(format!("probe: {name}"), PROBE, call)
}

fn two_files(name: &str, call: Call) -> Case {
    probes(name, call).file("src", data(1, 64 * K)).file("dst", data(2, 64 * K))
}

trait OnlyCopies {
    fn only_copies(self, copy: Ability) -> Case;
    fn of_a_server(self, copy: Ability) -> Case;
}

impl OnlyCopies for Case {
    /// Where nothing is shared.
    fn only_copies(self, copy: Ability) -> Case {
        let cannot = no(EOPNOTSUPP, Reason::FilesystemCannot);
        let made_without = no(EOPNOTSUPP, Reason::MountCannot);
        self.on(EXT4 | TMPFS, abilities(copy, cannot, cannot))
            .on(XFS_PLAIN, abilities(copy, made_without, made_without))
    }

    /// Nothing is asked of a server, and it is never asked to dedupe: only what the kernel itself looks at is known.
    fn of_a_server(self, copy: Ability) -> Case {
        let cannot = no(EOPNOTSUPP, Reason::FilesystemCannot);
        self.on(REMOTE, abilities(copy, Ability::Unknown(Reason::Unknown), cannot))
    }
}

pub(super) fn cases() -> Vec<Case> {
    [plain(), access(), others()].concat()
}

fn plain() -> Vec<Case> {
    let all = || abilities(YES, YES, YES);
    vec![
        two_files("two files", probe("src", "dst")).on(SHARING, all()).only_copies(YES).of_a_server(YES),
        probes("an empty destination", probe("src", "dst"))
            .file("src", data(1, 64 * K))
            .file("dst", empty())
            .on(SHARING, all())
            .only_copies(YES)
            .of_a_server(YES),
        probes("one file", probe("src", "src"))
            .file("src", data(1, 64 * K))
            .on(SHARING, all())
            .only_copies(YES)
            .of_a_server(YES),
        // Without a block of the source the kernel does not come to the target.
        probes("an empty source", probe("src", "dst"))
            .file("src", empty())
            .file("dst", data(2, 64 * K))
            .on(SHARING, abilities(YES, YES, Ability::Unknown(Reason::PastEnd)))
            .of_a_server(YES)
            .on(EXT4 | TMPFS, {
                let cannot = no(EOPNOTSUPP, Reason::FilesystemCannot);
                abilities(YES, cannot, cannot)
            })
            .on(XFS_PLAIN, {
                abilities(YES, no(EOPNOTSUPP, Reason::MountCannot), Ability::Unknown(Reason::PastEnd))
            }),
    ]
}

/// How they are opened, and by whom.
fn access() -> Vec<Case> {
    let cannot = no(EOPNOTSUPP, Reason::FilesystemCannot);
    let made_without = no(EOPNOTSUPP, Reason::MountCannot);
    let not_for_that = no(EBADF, Reason::NotOpenForThat);
    let append = no(EBADF, Reason::AppendOnly);
    let not_read = no(EINVAL, Reason::NotOpenForThat);
    vec![
        two_files("destination O_RDONLY", probe("src", "dst").dst_flags(O_RDONLY))
            // An overlay looks at the range before it asks what lies under it.
            .on(SHARING | OVERLAY_EXT4, abilities(not_for_that, not_for_that, YES))
            .on(EXT4 | TMPFS | REMOTE, abilities(not_for_that, not_for_that, cannot))
            .on(XFS_PLAIN, abilities(not_for_that, not_for_that, made_without)),
        probes("destination O_RDONLY, of somebody else", probe("src", "dst").dst_flags(O_RDONLY).uid(NOBODY))
            .file("src", data(1, 64 * K))
            .file("dst", file(data(2, 64 * K)).mode(0o644))
            .on(SHARING | XFS_PLAIN, abilities(not_for_that, not_for_that, no(EPERM, Reason::Permission)))
            .on(EXT4 | TMPFS | REMOTE, abilities(not_for_that, not_for_that, cannot)),
        two_files("destination O_APPEND", probe("src", "dst").dst_flags(O_RDWR | O_APPEND))
            .on(SHARING | OVERLAY_EXT4, abilities(append, append, YES))
            .on(EXT4 | TMPFS | REMOTE, abilities(append, append, cannot))
            .on(XFS_PLAIN, abilities(append, append, made_without)),
        two_files("source O_WRONLY", probe("src", "dst").src_flags(O_WRONLY))
            .on(ALL, abilities(not_for_that, not_for_that, not_read)),
        probes("destination a directory", probe("src", "dst").dst_flags(O_RDONLY))
            .file("src", data(1, 64 * K))
            .file("dst", File::Directory)
            .on(SHARING | XFS_PLAIN, {
                let directory = no(EISDIR, Reason::NotRegularFile);
                abilities(directory, directory, directory)
            })
            .on(EXT4 | TMPFS | REMOTE, {
                let directory = no(EISDIR, Reason::NotRegularFile);
                abilities(directory, directory, cannot)
            }),
        probes("source not open", probe("src", "dst"))
            .file("src", File::Closed { number: 1000 })
            .file("dst", data(2, 64 * K))
            .on(ALL, refused(EBADF, Reason::BadDescriptor)),
        probes("destination not open", probe("src", "dst"))
            .file("src", data(1, 64 * K))
            .file("dst", File::Closed { number: 1000 })
            .on(ALL, refused(EBADF, Reason::BadDescriptor)),
    ]
}

fn others() -> Vec<Case> {
    let apart = no(EXDEV, Reason::DifferentFilesystem);
    let mismatch = no(EINVAL, Reason::NocowMismatch);
    let cannot = no(EOPNOTSUPP, Reason::FilesystemCannot);
    let mut cases = Vec::new();
    for (other, itself) in ELSEWHERE {
        let there = format!("@{other}/file");
        cases.push(
            probes(&format!("to {other}"), probe("here", &there))
                .file("here", data(1, 64 * K))
                .file(there.as_str(), data(2, 64 * K))
                .not_on(itself, THE_SAME)
                .on((SHARING | XFS_PLAIN).but(itself), abilities(YES, apart, apart))
                .on((EXT4 | TMPFS).but(itself) | REMOTE, abilities(YES, apart, cannot)),
        );
    }
    cases.push(
        probes("with and without copy-on-write", probe("src", "dst"))
            .file("src", file(data(1, 64 * K)).nocow())
            .file("dst", data(2, 64 * K))
            .on(BTRFS, abilities(YES, mismatch, mismatch))
            .not_on(ALL.but(BTRFS), ONLY_BTRFS),
    );
    cases
}
