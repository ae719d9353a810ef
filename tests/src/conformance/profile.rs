//! What the filesystems of the table are like.
//!
//! The cases speak of six kinds. Any other filesystem does each verb as one of them, which its profile names, lacks some
//! of what cases are made of, and has a bit of its own by which cases say what is true of it alone.

use super::call::Verb;
use super::case::*;
use super::layout::BLOCK;
use super::outcome::*;
use super::reason::Reason;

pub(crate) struct Profile {
    /// What it is called by the runner and in the guests (`tests/vm/guest/sets.sh`).
    name: &'static str,
    /// Its own bit.
    on: On,
    copies: On,
    clones: On,
    dedupes: On,
    maps: On,
    lacks: &'static [(Need, &'static str)],
    /// What it says in other words than that kind.
    adapts: fn(&Case, &mut Outcome),
    /// Whether holes can be punched where data was.
    pub(crate) punches: bool,
    /// So many bytes at most a file of the table is charged for what says where its blocks lie.
    pub(crate) index: u64,
}

const fn like(name: &'static str, on: On, kind: On) -> Profile {
    let adapts = |_: &Case, _: &mut Outcome| {};
    let punches = !NO_PUNCH.contains(on);
    Profile {
        name,
        on,
        copies: kind,
        clones: kind,
        dedupes: kind,
        maps: kind,
        lacks: &[],
        adapts,
        punches,
        index: 0,
    }
}

impl Profile {
    const fn copies(self, kind: On) -> Self {
        Self { copies: kind, ..self }
    }

    const fn adapts(self, adapts: fn(&Case, &mut Outcome)) -> Self {
        Self { adapts, ..self }
    }

    const fn clones(self, kind: On) -> Self {
        Self { clones: kind, ..self }
    }

    const fn index(self, index: u64) -> Self {
        Self { index, ..self }
    }

    const fn lacks(self, lacks: &'static [(Need, &'static str)]) -> Self {
        Self { lacks, ..self }
    }
}

const PROFILES: &[Profile] = &[
    like("xfs", XFS, XFS),
    like("xfs-noreflink", XFS_PLAIN, XFS_PLAIN),
    like("btrfs", BTRFS, BTRFS),
    like("ext4", EXT4, EXT4),
    like("tmpfs", TMPFS, TMPFS),
    like("overlay", OVERLAY, OVERLAY),
    like("ocfs2", OCFS2, XFS).lacks(&[(Need::Layer, NO_LAYER)]),
    like("f2fs", F2FS, EXT4).index(2 * BLOCK),
    like("nilfs2", NILFS2, EXT4).index(3 * BLOCK).lacks(&[NO_FALLOCATE]).adapts(written_out),
    like("overlay-btrfs", OVERLAY_BTRFS, OVERLAY),
    like("overlay-metacopy", OVERLAY_METACOPY, OVERLAY),
    like("overlay-mixed", OVERLAY_MIXED, OVERLAY),
    like("overlay-ext4", OVERLAY_EXT4, XFS_PLAIN)
        .copies(OVERLAY)
        .lacks(&[
            (Need::Shared, "no file can share blocks beforehand"),
            (Need::Layer, NO_LAYER),
            (Need::Swap, NO_SWAP),
        ])
        .adapts(upper_cannot),
    like("fuse", FUSE, TMPFS)
        .lacks(&[NO_FALLOCATE, (Need::Layer, NO_LAYER), (Need::Swap, NO_SWAP), (Need::Flags, NO_FLAGS)])
        .adapts(written_out),
    like("nfs4.2-xfs", NFS42_XFS, TMPFS).clones(XFS).lacks(OF_NFS4),
    like("nfs4.2-btrfs", NFS42_BTRFS, TMPFS).clones(XFS).lacks(OF_NFS4),
    like("nfs4.2-ext4", NFS42_EXT4, TMPFS).lacks(OF_NFS4),
    like("nfs4.1", NFS41, TMPFS).lacks(OF_NFS4_1).adapts(written_out),
    like("nfs3", NFS3, TMPFS).lacks(OF_NFS3).adapts(written_out),
    like("smb-samba-btrfs", SAMBA_BTRFS, EXT4).clones(XFS).lacks(OF_SMB).adapts(placeless),
    like("smb-samba-ext4", SAMBA_EXT4, EXT4).lacks(OF_SMB).adapts(placeless),
    like("smb-ksmbd-xfs", KSMBD_XFS, EXT4).clones(XFS).lacks(OF_SMB).adapts(placeless),
    like("smb-ksmbd-ext4", KSMBD_EXT4, EXT4).lacks(OF_SMB).adapts(cut_again),
];

const NO_LAYER: &str = "it cannot be a layer of an overlay";
const NO_SWAP: &str = "it holds no swap files";
const NO_FLAGS: &str = "chattr(1) does not reach the files";
const NO_FALLOCATE: (Need, &str) = (Need::Preallocated, "space cannot be taken in advance");
const OF_NFS4: &[(Need, &str)] = &[
    (Need::Flags, NO_FLAGS),
    (Need::Layer, NO_LAYER),
    (Need::Swap, NO_SWAP),
    (Need::Lease, "whether there are leases is up to the server"),
];
const OF_NFS4_1: &[(Need, &str)] = &[OF_NFS4[0], OF_NFS4[1], OF_NFS4[2], OF_NFS4[3], NO_FALLOCATE];
const OF_NFS3: &[(Need, &str)] = &[OF_NFS4[0], OF_NFS4[1], OF_NFS4[2], NO_FALLOCATE];
const OF_SMB: &[(Need, &str)] = &[
    OF_NFS4[0],
    OF_NFS4[1],
    OF_NFS4[2],
    OF_NFS4[3],
    (Need::Preallocated, "the client writes zeros where space is taken in advance"),
    (Need::Fifo, "it has no special files"),
    (Need::Symlink, "it has no symbolic links"),
    (Need::Owner, "all files have one owner there"),
    (Need::Mode, "all files have one mode there"),
];

/// An overlay does not know whether what lies under it was only made without.
fn upper_cannot(_: &Case, outcome: &mut Outcome) {
    let cannot = |reason: &mut Reason| {
        if *reason == Reason::MountCannot {
            *reason = Reason::FilesystemCannot;
        }
    };
    match outcome {
        Outcome::Refused(refused) => cannot(&mut refused.reason),
        Outcome::Done(Done { fallback: Some(reason), .. })
        | Outcome::Tree(Tree { fallback: Some(reason), .. }) => {
            cannot(reason);
        }
        Outcome::Abilities(abilities) => {
            for ability in [&mut abilities.clone, &mut abilities.dedupe] {
                if let Ability::No(_, reason) = ability {
                    cannot(reason);
                }
            }
        }
        Outcome::Targets(targets) => {
            for target in targets {
                if let Status::Failed(errno, reason) = &mut target.status {
                    cannot(reason);
                    // What lies below may be two filesystems; wrong ranges are told without asking.
                    if !matches!(*errno, libc::EINVAL | libc::EOVERFLOW) {
                        *target = target.unmeasured();
                    }
                }
            }
        }
        _ => {}
    }
}

/// Where no hole can be punched zeros are written over what the destination has; behind its end holes are left out.
fn written_out(case: &Case, outcome: &mut Outcome) {
    let Outcome::Done(done) = outcome else { return };
    if filesystem(&case.call.dst().path).is_some() {
        return;
    }
    let mut at = case.call.dst().offset;
    // Whole files are made anew.
    let mut end = if case.call.takes_paths() { 0 } else { case.size(&case.call.dst().path) };
    for (way, len) in std::mem::take(&mut done.ways) {
        let inside = if way == Way::Hole { end.saturating_sub(at).min(len) } else { 0 };
        let parts = [(Way::Copied, inside), (way, len - inside)];
        done.ways.extend(parts.into_iter().filter(|(_, len)| *len > 0));
        // It may be all of what is not known yet.
        at = at.saturating_add(len);
        if way != Way::Hole {
            end = end.max(at);
        }
    }
}

/// The maps of SMB name no places.
fn placeless(_: &Case, outcome: &mut Outcome) {
    match outcome {
        Outcome::Runs(runs) => {
            for run in runs.iter_mut().filter(|run| run.flags & HOLE == 0) {
                run.flags |= UNKNOWN;
            }
        }
        Outcome::Number(_) => *outcome = refused(libc::EOPNOTSUPP, Reason::FilesystemCannot).into(),
        _ => {}
    }
}

/// ksmbd says of every filesystem that it shares blocks: the client makes the destination longer, and only then is refused.
fn cut_again(case: &Case, outcome: &mut Outcome) {
    placeless(case, outcome);
    let call = &case.call;
    // A program's is not written down here.
    let rest = match case.size(&call.src.path) {
        0 if case.is_program(&call.src.path) => u64::MAX,
        size => size.saturating_sub(call.src.offset),
    };
    if let Outcome::Refused(refused) = outcome
        && (call.verb, refused.errno) == (Verb::CloneRange, libc::EOPNOTSUPP)
    {
        // Where there are old bytes in the range, that those cannot be cloned aside is told before.
        refused.restored = call.len.min(rest) > 0 && call.dst().offset >= case.size(&call.dst().path);
    }
}

/// Of the filesystem with this name.
pub(crate) fn profile(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

impl Profile {
    /// What of the case must be looked at: the filesystem itself, where the case speaks of it; else the kind that it
    /// does the verb as.
    pub(crate) fn seen_as(&self, case: &Case) -> On {
        use Verb::*;
        if case.says_of(self.on) {
            return self.on;
        }
        let kind = match case.call.verb {
            CopyRange | CopyFile | CopyTree => self.copies,
            CloneRange | CloneFile | CloneTree | CloneOrCopyRange | CloneOrCopyFile | CloneOrCopyTree
            | Probe => self.clones,
            DedupeRange | DedupeFiles => self.dedupes,
            Extents | SharedBytes => self.maps,
        };
        // It is like that filesystem, and not the same.
        match case.call.verb {
            _ if !case.is_about_itself(kind) => kind,
            Extents | SharedBytes if kind == EXT4 => XFS_PLAIN,
            _ => kind.brother(),
        }
    }

    /// Why the case does not apply there, or what must come of it.
    pub(crate) fn outcome(&self, case: &Case) -> Result<Outcome, &'static str> {
        if let Some(why) = self.lack(case) {
            return Err(why);
        }
        let on = self.seen_as(case);
        let mut outcome = case.outcome(on)?.clone();
        if on != self.on {
            (self.adapts)(case, &mut outcome);
        }
        Ok(outcome)
    }

    /// Why the case cannot be made there, if so.
    fn lack(&self, case: &Case) -> Option<&'static str> {
        self.lacks.iter().find(|(need, _)| need.is_of(case)).map(|(_, why)| *why)
    }
}

/// What a case is made of, and not every filesystem has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Flags of chattr(1).
    Flags,
    /// To be a layer of an overlay.
    Layer,
    Swap,
    /// Space that is not written.
    Preallocated,
    Fifo,
    Symlink,
    Owner,
    Mode,
    /// Blocks that are shared before the call.
    Shared,
    /// To know that nobody writes, or to keep others from it, by a lease.
    Lease,
}

impl Need {
    fn is_of(self, case: &Case) -> bool {
        use super::layout::{File, Piece};
        let file = |wanted: &dyn Fn(&File) -> bool| {
            case.before.iter().any(|before| matches!(before, Before::File { file, .. } if wanted(file)))
        };
        let regular = |wanted: &dyn Fn(&super::layout::Regular) -> bool| {
            file(&|file| matches!(file, File::Regular(regular) if wanted(regular)))
        };
        let meanwhile = |wanted: fn(&Meanwhile) -> bool| case.meanwhile.iter().any(wanted);
        match self {
            Need::Flags => {
                meanwhile(|it| matches!(it, Meanwhile::MakeImmutable(_) | Meanwhile::MakeAppendOnly(_)))
            }
            Need::Layer => case.before.iter().any(|before| matches!(before, Before::Overlay { .. })),
            Need::Swap => meanwhile(|it| matches!(it, Meanwhile::SwapOn(_))),
            Need::Preallocated => {
                regular(&|file| file.pieces.iter().any(|piece| matches!(piece, Piece::Unwritten { .. })))
            }
            Need::Fifo => file(&|file| matches!(file, File::Fifo)),
            Need::Symlink => file(&|file| matches!(file, File::Symlink { .. })),
            Need::Owner => case.call.uid.is_some() || regular(&|file| file.owner.is_some()),
            Need::Mode => regular(&|file| file.mode.is_some()),
            Need::Lease => {
                meanwhile(|it| matches!(it, Meanwhile::UntilNobodyWrites(_)))
                    || case.call.file.stable == Some("lease")
            }
            Need::Shared => {
                regular(&|file| file.pieces.iter().any(|piece| matches!(piece, Piece::Clone { .. })))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_says_what_comes_of_it_on_every_filesystem() {
        let cases = crate::cases::all();
        for (i, profile) in PROFILES.iter().enumerate() {
            assert!(PROFILES[..i].iter().all(|other| other.on != profile.on && other.name != profile.name));
            // Panics where a case says nothing, or two things.
            let said = cases.iter().filter(|case| profile.outcome(case).is_ok()).count();
            assert!(said > cases.len() / 2, "{}: {said} of {} cases apply", profile.name, cases.len());
        }
    }

    #[test]
    fn a_filesystem_is_what_it_does_each_verb_as() {
        let nfs = profile("nfs4.2-xfs").expect("a column");
        let seen_as = |name: &str| {
            let cases = crate::cases::all();
            nfs.seen_as(cases.iter().find(|case| case.name == name).expect("a case"))
        };
        assert_eq!(seen_as("clone: aligned range"), XFS);
        assert_eq!(seen_as("copy: a whole file"), TMPFS);
        assert_eq!(seen_as("copy options: server: a whole file"), NFS42_XFS);
        // Between itself and what it only resembles.
        assert_eq!(seen_as("clone refused: to xfs"), BTRFS);
        assert_eq!(seen_as("copy: to tmpfs"), EXT4);
    }
}
