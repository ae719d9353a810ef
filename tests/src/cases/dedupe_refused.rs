//! `dedupe_range` where the call, or a target of it, is wrong.

use super::words::*;

/// Filesystems that look at each target, if only to refuse it.
const ASKED: On = SHARING.and(XFS_PLAIN);

trait RefusedWhereNothingIsShared {
    fn refused_as_a_whole(self) -> Case;
    fn mount_cannot(self) -> Case;
}

impl RefusedWhereNothingIsShared for Case {
    /// kernel-facts 4: ext4, tmpfs: the ioctl itself is EOPNOTSUPP.
    fn refused_as_a_whole(self) -> Case {
        self.on(EXT4 | TMPFS, refused(EOPNOTSUPP, Reason::FilesystemCannot))
    }

    /// kernel-facts 4: XFS without reflink: the status of each target is EOPNOTSUPP.
    fn mount_cannot(self) -> Case {
        self.refused_as_a_whole().on(XFS_PLAIN, [failed(EOPNOTSUPP, Reason::MountCannot)])
    }
}

/// `src` of 64 KiB, `dst` with the same bytes.
fn equal_files(name: &str, cites: &'static str, call: Call) -> Case {
    case(format!("dedupe refused: {name}"), cites, call)
        .file("src", data(1, 64 * K))
        .file("dst", data(1, 64 * K))
}

pub(super) fn cases() -> Vec<Case> {
    [ranges(), one_file(), sources(), targets_of_other_kinds(), elsewhere()].concat()
}

fn ranges() -> Vec<Case> {
    const MISALIGNED: &str = "kernel-facts 4: src/dst offset unaligned: status EINVAL";
    const SOURCE: &str = "kernel-facts 4: len past src EOF, or src_off == EOF: ioctl EINVAL (whole call); \
        quirks 3: source range past EOF: whole call EINVAL";
    const TARGET: &str = "kernel-facts 4: range past dst EOF / dst_off >= EOF: status EINVAL";
    const ZERO: &str =
        "contract: length 0 is no length; kernel-facts 4: len 0: SAME, 0; quirks 3: length 0 = nothing";
    const END: &str = "contract: to-end is to the end of the source, also where nothing is left";
    let one = |offset| [("dst", offset)];
    let past_end = || refused(EINVAL, Reason::PastEnd);
    let target = |errno, reason| [failed(errno, reason)];
    vec![
        equal_files("source at 512", MISALIGNED, dedupe("src", 512, 4 * K, &one(0)))
            .on(SHARING | OVERLAY_EXT4, target(EINVAL, Reason::Misaligned))
            .mount_cannot(),
        equal_files("target at 1", MISALIGNED, dedupe("src", 0, 4 * K, &one(1)))
            .on(SHARING | OVERLAY_EXT4, target(EINVAL, Reason::Misaligned))
            .mount_cannot(),
        case("dedupe refused: source at 512, target a hole", MISALIGNED, dedupe("src", 512, TO_END, &one(0)))
            .file("src", zeros(64 * K))
            .file("dst", hole(64 * K))
            .on(SHARING | OVERLAY_EXT4, target(EINVAL, Reason::Misaligned))
            .mount_cannot(),
        equal_files("length 0", ZERO, dedupe("src", 0, 0, &one(0)))
            .on(ALL, refused(EINVAL, Reason::ZeroLength)),
        equal_files("past the source's end", SOURCE, dedupe("src", 32 * K, 64 * K, &one(0)))
            .on(ASKED, past_end())
            .refused_as_a_whole(),
        equal_files("from the source's end", SOURCE, dedupe("src", 64 * K, 4 * K, &one(0)))
            .on(ASKED, past_end())
            .refused_as_a_whole(),
        equal_files(
            "from behind the source's end, to the end",
            SOURCE,
            dedupe("src", 100 * K, TO_END, &one(0)),
        )
        .on(ASKED, past_end())
        .refused_as_a_whole(),
        equal_files("past the target's end", TARGET, dedupe("src", 0, 64 * K, &one(32 * K)))
            .on(ASKED, target(EINVAL, Reason::PastEnd))
            .refused_as_a_whole(),
        equal_files("behind the target's end", TARGET, dedupe("src", 0, 4 * K, &one(128 * K)))
            .on(ASKED, target(EINVAL, Reason::PastEnd))
            .refused_as_a_whole(),
        case("dedupe: an empty source", END, dedupe("src", 0, TO_END, &one(0)))
            .file("src", empty())
            .file("dst", data(1, 64 * K))
            .on(ASKED, [same(0)])
            .refused_as_a_whole(),
        case(
            "dedupe refused: an empty source, a target that is not open",
            END,
            dedupe("src", 0, TO_END, &one(0)),
        )
        .file("src", empty())
        .file("dst", File::Closed { number: 1000 })
        .on(ASKED, [failed(EBADF, Reason::BadDescriptor).unmeasured()])
        .refused_as_a_whole(),
        equal_files(
            "source offset passes the largest offset",
            "kernel-facts 5: negative off EOVERFLOW",
            dedupe("src", 1 << 63, 4 * K, &one(0)),
        )
        .on(ALL, refused(EOVERFLOW, Reason::Overflow)),
        equal_files(
            "target offset passes the largest offset",
            "kernel-facts 5: negative off EOVERFLOW",
            dedupe("src", 0, 4 * K, &one(1 << 63)),
        )
        .on(ASKED, target(EOVERFLOW, Reason::Overflow))
        .refused_as_a_whole(),
    ]
}

fn one_file() -> Vec<Case> {
    const SAME: &str = "kernel-facts 4: same-file overlap or identical: status EINVAL";
    let same = |name: &str, dst_off| {
        case(
            format!("dedupe refused: in one file, {name}"),
            SAME,
            dedupe("src", 0, 16 * K, &[("src", dst_off)]),
        )
        .file("src", zeros(64 * K))
        .on(ASKED, [failed(EINVAL, Reason::Overlap).already(if dst_off == 0 { 16 * K } else { 0 })])
        .refused_as_a_whole()
    };
    vec![
        same("overlapping", 8 * K),
        same("identical", 0),
        // Around the hole the library asks for pieces, of which none overlaps with its own place.
        case("dedupe refused: in one file, overlapping, a hole between", SAME, {
            dedupe("src", 32 * K, 96 * K, &[("src", 0)])
        })
        .file("src", [hole(32 * K), data(1, 96 * K)])
        .on(ASKED, [failed(EINVAL, Reason::Overlap)])
        .refused_as_a_whole(),
    ]
}

/// A source that is none refuses the call, wherever the target is.
fn sources() -> Vec<Case> {
    const SOURCE: &str =
        "kernel-facts 4: src dir EISDIR; src pipe, /dev/zero, src O_WRONLY EINVAL; procfs, memfd EOPNOTSUPP";
    let mut cases = Vec::new();
    for (name, src, flags, outcome) in [
        ("a directory", File::Directory, O_RDONLY, refused(EISDIR, Reason::NotRegularFile)),
        ("a pipe", File::Inherited(Inherited::Pipe), O_RDONLY, refused(EINVAL, Reason::NotRegularFile)),
        ("a FIFO", File::Fifo, O_RDWR, refused(EINVAL, Reason::NotRegularFile)),
        ("a device", File::Host { path: "/dev/zero" }, O_RDONLY, refused(EINVAL, Reason::NotRegularFile)),
        ("open for writing", data(1, 64 * K).into(), O_WRONLY, refused(EINVAL, Reason::NotOpenForThat)),
        (
            "a file of procfs",
            File::Host { path: "/proc/version" },
            O_RDONLY,
            refused(EOPNOTSUPP, Reason::FilesystemCannot),
        ),
        (
            "a memfd",
            File::Memfd { pieces: vec![data(1, 64 * K)], sealed: false },
            O_RDONLY,
            refused(EOPNOTSUPP, Reason::FilesystemCannot),
        ),
        ("not open", File::Closed { number: 1000 }, O_RDONLY, refused(EBADF, Reason::BadDescriptor)),
        // As ioctl(2) says of such a descriptor, and clone too (kernel-facts 1).
        ("O_PATH", data(1, 64 * K).into(), O_PATH, refused(EBADF, Reason::NotOpenForThat)),
    ] {
        let call = dedupe("src", 0, 4 * K, &[("dst", 0)]).src_flags(flags);
        cases.push(
            case(format!("dedupe refused: source {name}"), SOURCE, call)
                .file("src", src)
                .file("dst", data(1, 64 * K))
                .on(ALL, outcome),
        );
    }
    cases
}

fn targets_of_other_kinds() -> Vec<Case> {
    const TARGET: &str = "kernel-facts 4: cross-fs dest EXDEV; pipe EXDEV; dir EISDIR; bad fd EBADF";
    let one = |name: &str, dst: File, flags, outcome: Target| {
        let call = dedupe("src", 0, 4 * K, &[("dst", 0)]).dst_flags(flags);
        case(format!("dedupe refused: target {name}"), TARGET, call)
            .file("src", data(1, 64 * K))
            .file("dst", dst)
            .on(ASKED, [outcome])
            .refused_as_a_whole()
    };
    vec![
        one("a directory", File::Directory, O_RDONLY, failed(EISDIR, Reason::NotRegularFile).unmeasured())
            // Directories there have maps.
            .on(OCFS2, [failed(EISDIR, Reason::NotRegularFile)]),
        one(
            "a pipe",
            File::Inherited(Inherited::Pipe),
            O_WRONLY,
            failed(EXDEV, Reason::NotRegularFile).unmeasured(),
        ),
        one(
            "not open",
            File::Closed { number: 1000 },
            O_RDWR,
            failed(EBADF, Reason::BadDescriptor).unmeasured(),
        ),
        one("O_PATH", data(1, 64 * K).into(), O_PATH, failed(EBADF, Reason::NotOpenForThat).unmeasured()),
        one(
            "a memfd",
            File::Memfd { pieces: vec![data(1, 64 * K)], sealed: false },
            O_RDWR,
            failed(EXDEV, Reason::DifferentFilesystem).unmeasured(),
        ),
    ]
}

fn elsewhere() -> Vec<Case> {
    const OTHER: &str = "kernel-facts 4: cross-fs dest EXDEV";
    let mut cases = Vec::new();
    for (other, itself) in ELSEWHERE {
        let there = format!("@{other}/file");
        cases.push(
            case(
                format!("dedupe refused: target on {other}"),
                OTHER,
                dedupe("src", 0, TO_END, &[(there.as_str(), 0)]),
            )
            .file("src", data(1, 64 * K))
            .file(there.as_str(), data(1, 64 * K))
            .not_on(itself, THE_SAME)
            .on(ASKED.but(itself), [failed(EXDEV, Reason::DifferentFilesystem).unmeasured()])
            .on((EXT4 | TMPFS).but(itself), refused(EOPNOTSUPP, Reason::FilesystemCannot)),
        );
    }
    cases
}
