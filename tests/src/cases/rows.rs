//! Which case is about which row of the project's notes: sections 1, 4, 5 and 6 of what the kernel does, and section 3 of
//! the quirks. A row without a case says why. A test sees to it that the cases exist and cite the row's section.

/// Where a row is seen.
enum Seen {
    /// By the cases of these names; one that ends in `*` stands for all that begin so.
    In(&'static [&'static str]),
    /// By another test than the table.
    Beside(&'static str),
    /// Not at all.
    Nowhere(&'static str),
}

use Seen::{Beside, In, Nowhere};

// What is seen beside the table names a file of the tests.
const EVERY_CASE: &str = "every case looks at it: tests/src/conformance/check.rs";
const FAULTS: &str = "the faults: tests/tests/faults";
const PRETENDED: &str = "put in the place of the kernel's answer: tests/tests/old_kernels.rs";
const KILLS: &str = "the storm of clones: tests/tests/clone_storm/kill.rs";
const NEVER_ASKED: &str = "the library never asks for it";
const SPEED: &str = "a matter of speed, and no answer";
const ENDS_THE_PROCESS: &str = "it ends the process, and with it the driver";
const OTHER_KERNEL: &str = "another kernel";
const OTHER_FILESYSTEM: &str = "a filesystem that this machine cannot make";
const SERVERS: &str = "in a guest, by make test-vm: tests/tests/works.rs, tests/tests/servers.rs";
const GUESTS: &str = "all of the table in guests, on filesystems that this machine cannot make: tests/vm/run";

type Row = (&'static str, Seen);

/// kernel-facts 1: clone.
const CLONE: &[Row] = &[
    (
        "ext4, tmpfs, xfsnr, memfd: EOPNOTSUPP, every geometry",
        In(&["clone: aligned range", "clone refused: a ragged length", "clone refused: between memfds"]),
    ),
    (
        "aligned; src_length=0, also from a 4K offset",
        In(&["clone: aligned range", "clone: to the end", "clone: to the end, from a block on"]),
    ),
    (
        "src_length=0 and src_off == EOF; empty src",
        In(&["clone: to the end, from the end", "clone: an empty source*"]),
    ),
    ("src_off > EOF (len 0)", In(&["clone refused: to the end, from behind the end"])),
    (
        "src or dst offset not aligned (1, 512)",
        In(&["clone refused: source at *", "clone refused: destination at *", "clone refused: both at *"]),
    ),
    (
        "unaligned len not ending at src EOF",
        In(&["clone refused: a ragged length", "clone refused: a ragged length to an empty file"]),
    ),
    (
        "unaligned len ending at src EOF: dst empty",
        In(&["clone: a tail to an empty file", "clone: a tail to an empty file, to the end"]),
    ),
    (
        "unaligned len ending at src EOF: dst of the same size",
        In(&["clone: a tail to a file of the same size"]),
    ),
    (
        "unaligned len ending at src EOF: dst EOF inside that block",
        In(&["clone: a tail to a file that ends inside that block"]),
    ),
    ("unaligned len ending at src EOF: dst_off == old EOF", In(&["clone: a tail appended"])),
    (
        "a tail in the middle of dst, even dst 1 byte longer",
        In(&[
            "clone refused: a tail inside the destination",
            "clone refused: a tail, the destination a byte longer",
        ]),
    ),
    (
        "whole FICLONE of 10000 B or 100 B into larger dst",
        In(&["clone refused: the whole of 10000 bytes", "clone refused: the whole of 100 bytes"]),
    ),
    (
        "whole FICLONE of 8192 B into 64K: dst not truncated",
        In(&["clone: the whole of a shorter file: the destination is not truncated"]),
    ),
    (
        "len past src EOF, incl. rounded up to block",
        In(&["clone refused: a length past the end", "clone refused: a length rounded up to the block"]),
    ),
    ("dst_off beyond dst EOF: hole between", In(&["clone: behind the destination's*"])),
    ("same file: disjoint, adjacent, append to self", In(&["clone in one file: *"])),
    (
        "same file: overlap, identical, FICLONE self",
        In(&[
            "clone refused: in one file, overlapping",
            "clone refused: in one file, identical",
            "clone refused: in one file, onto itself",
        ]),
    ),
    (
        "bind mount, both directions; src on ro bind mount",
        In(&["clone: to a bind mount", "clone: from a bind mount", "clone: from a read-only bind mount"]),
    ),
    (
        "different fs / sb: xfs, xfs2, btrfs, ext4, tmpfs",
        In(&[
            "clone refused: to xfs",
            "clone refused: to xfs2",
            "clone refused: to btrfs",
            "clone refused: to ext4",
            "clone refused: to tmpfs",
            "clone refused: from *",
        ]),
    ),
    ("different sb: btrfs to btrfs2", Nowhere("the runner makes one btrfs, and two XFS to see the same")),
    (
        "different fs: procfs, sysfs, memfd",
        In(&[
            "clone refused: source a file of procfs",
            "clone refused: source a file of sysfs",
            "clone refused: source a memfd",
            "clone refused: destination a memfd",
        ]),
    ),
    (
        "pipe, socket, eventfd, /dev/*",
        In(&[
            "clone refused: source a pipe",
            "clone refused: destination a pipe",
            "clone refused: source a socket",
            "clone refused: destination a socket",
            "clone refused: source an eventfd",
            "clone refused: destination an eventfd",
            "clone refused: source a device",
            "clone refused: destination a device",
        ]),
    ),
    ("overlay file and its underlying fs path", In(&["clone refused: to xfs", "clone refused: from xfs"])),
    ("two overlay mounts", In(&["clone refused: between two overlays"])),
    (
        "directory as src or dst",
        In(&["clone refused: source a directory", "clone refused: destination a directory"]),
    ),
    (
        "FIFO located on the same fs",
        In(&["clone refused: source a FIFO", "clone refused: destination a FIFO"]),
    ),
    (
        "bad fd either side",
        In(&[
            "clone refused: source not open",
            "clone refused: destination not open",
            "clone refused: source -1",
        ]),
    ),
    ("O_PATH either side", In(&["clone refused: source O_PATH", "clone refused: destination O_PATH"])),
    (
        "dst O_RDONLY; src O_WRONLY; dst O_APPEND",
        In(&[
            "clone refused: destination O_RDONLY",
            "clone refused: source O_WRONLY",
            "clone refused: destination O_APPEND",
        ]),
    ),
    (
        "dst O_WRONLY; src O_APPEND; O_DIRECT; O_SYNC",
        In(&[
            "clone: destination O_WRONLY",
            "clone: source O_APPEND",
            "clone: both O_DIRECT",
            "clone: destination O_SYNC",
        ]),
    ),
    ("dst chattr +i after fd opened; 0 through overlay", In(&["clone: destination made immutable"])),
    ("dst chattr +a after fd opened", In(&["clone: destination made append-only"])),
    ("src immutable", In(&["clone: immutable source"])),
    ("swapfile src", In(&["clone: swap file as source*"])),
    ("swapfile dst", In(&["clone: swap file as destination*"])),
    ("dst open rw on ro mount", In(&["file refused: a read-only mount*"])),
    ("running executable: open rw", Nowhere("open(2) refuses: the library is not called")),
    ("running executable as src", In(&["clone: running program as source"])),
    (
        "RLIMIT_FSIZE: range crosses limit",
        In(&["clone refused: file-size limit, the limit inside the range"]),
    ),
    ("RLIMIT_FSIZE: dst_off >= limit", In(&["clone refused: file-size limit, behind the limit"])),
    (
        "live MAP_SHARED writers on src and dst; dst mlock'ed",
        In(&["clone: stores to a mapping of *", "clone: destination mapped and locked in memory"]),
    ),
    (
        "btrfs: NOCOW vs COW either direction; +C to +C",
        In(&[
            "clone: without copy-on-write to with",
            "clone: with copy-on-write to without",
            "clone: both without copy-on-write",
        ]),
    ),
    ("btrfs: compressed, plain", In(&["clone: compressed to plain", "clone: plain to compressed"])),
    (
        "btrfs: inline to empty, same size, appended",
        In(&[
            "clone: a small file to an empty one",
            "clone: a small file to one of the same size",
            "clone: a small file appended",
        ]),
    ),
    (
        "btrfs: subvol to subvol, to top, ro-snapshot src",
        In(&[
            "clone: from a subvolume to another",
            "clone: from a subvolume to the top",
            "clone: from a read-only snapshot",
        ]),
    ),
    (
        "btrfs: subvol flipped to ro while dst fd open",
        In(&[
            "clone refused: to a subvolume that was made read-only",
            "copy: to a subvolume that was made read-only",
        ]),
    ),
    ("nodatasum mount mismatch", Beside("on an image of its own: tests/tests/nodatasum.rs")),
    ("OCFS2, NFS, CIFS", Beside(SERVERS)),
    ("ZFS, bcachefs", Nowhere(OTHER_FILESYSTEM)),
    (
        "suid cleared by clone, not by dedupe",
        In(&["clone: clears set-user-id", "dedupe: leaves set-user-id"]),
    ),
    ("clone updates dst mtime and ctime; src times unchanged", Beside(EVERY_CASE)),
];

/// kernel-facts 4: dedupe.
const DEDUPE: &[Row] = &[
    ("max length per call: 1 GiB", In(&["dedupe: several steps"])),
    ("dest_count 127, 128, 0", In(&["dedupe: 300 targets", "dedupe: no target"])),
    (
        "any differing byte: all-or-nothing per dest",
        In(&[
            "dedupe: different files",
            "dedupe: different after a block",
            "dedupe: different in the last byte",
        ]),
    ),
    ("src/dst offset unaligned", In(&["dedupe refused: source at 512", "dedupe refused: target at 1"])),
    ("len 0", In(&["dedupe refused: length 0"])),
    (
        "len past src EOF, or src_off == EOF",
        In(&["dedupe refused: past the source's end", "dedupe refused: from the source's end"]),
    ),
    (
        "range past dst EOF, dst_off >= EOF",
        In(&["dedupe refused: past the target's end", "dedupe refused: behind the target's end"]),
    ),
    (
        "same-file overlap or identical",
        In(&["dedupe refused: in one file, overlapping", "dedupe refused: in one file, identical"]),
    ),
    ("same file disjoint", In(&["dedupe: in one file"])),
    (
        "cross-fs dest; pipe; dir; bad fd",
        In(&[
            "dedupe refused: target on *",
            "dedupe refused: target a pipe",
            "dedupe refused: target a directory",
            "dedupe refused: target not open",
        ]),
    ),
    ("others in the same call still proceed", In(&["dedupe: one of each"])),
    (
        "src dir; src pipe, /dev/zero, O_WRONLY; procfs, memfd",
        In(&[
            "dedupe refused: source a directory",
            "dedupe refused: source a pipe",
            "dedupe refused: source a device",
            "dedupe refused: source open for writing",
            "dedupe refused: source a file of procfs",
            "dedupe refused: source a memfd",
        ]),
    ),
    ("reserved fields not 0", Nowhere(NEVER_ASKED)),
    (
        "dst O_RDONLY: root, owner, write permission; else EPERM",
        In(&[
            "dedupe: read-only target, root",
            "dedupe: read-only target, its owner",
            "dedupe: read-only target, somebody who may write it",
            "dedupe: read-only target, somebody who may not",
        ]),
    ),
    (
        "dst O_WRONLY, O_APPEND, +a",
        In(&["dedupe: target O_WRONLY", "dedupe: target O_APPEND", "dedupe: target made append-only"]),
    ),
    ("dst immutable", In(&["dedupe: target made immutable"])),
    ("dst fd on ro bind mount", In(&["dedupe refused: target on a read-only mount"])),
    ("dst = running executable", In(&["dedupe: a running program"])),
    (
        "btrfs NOCOW vs COW; +C/+C, compressed/plain",
        In(&[
            "dedupe: without copy-on-write to with",
            "dedupe: both without copy-on-write",
            "dedupe: compressed to plain",
            "dedupe: plain to compressed",
        ]),
    ),
    ("holes vs zeros: src hole frees", In(&["dedupe: a hole onto zeros"])),
    ("holes vs zeros: src zeros allocate", In(&["dedupe: zeros onto a hole"])),
    ("mtime, ctime unchanged", In(&["dedupe: equal files, synced"])),
    ("ext4, tmpfs, memfd: EOPNOTSUPP", In(&["dedupe: equal files", "dedupe refused: source a memfd"])),
    ("FUSE: EOPNOTSUPP", Beside(GUESTS)),
    (
        "xfsnr: status EOPNOTSUPP; src checks EINVAL",
        In(&["dedupe: equal files", "dedupe refused: past the source's end"]),
    ),
    (
        "overlay: either side on lower",
        In(&["dedupe: overlay, target on the lower layer", "dedupe: overlay, source on the lower layer"]),
    ),
    ("bytes_deduped, len 100 mid", In(&["dedupe: 100 bytes inside*"])),
    (
        "bytes_deduped, len 5000 mid",
        In(&["dedupe: 5000 bytes inside", "dedupe: 5000 bytes inside, different at 4500"]),
    ),
    ("bytes_deduped, 10000 both EOF", In(&["dedupe: whole files of 10000 bytes*"])),
    (
        "bytes_deduped, 10000 one side at EOF",
        In(&["dedupe: the source ends, the target goes on", "dedupe: the target ends, the source goes on"]),
    ),
    ("bytes_deduped, RLIMIT_FSIZE", In(&["dedupe: file-size limit, *"])),
    ("bytes_deduped, inline tiny; XFS tiny EOF tail", In(&["dedupe: small files"])),
    ("a failed ioctl leaves status 0", Beside(FAULTS)),
    ("caught SIGALRM never interrupts", In(&["dedupe: while signals are caught"])),
    ("SIGKILL mid dedupe", Nowhere(ENDS_THE_PROCESS)),
    ("throughput, cold and warm; page cache after", Nowhere(SPEED)),
];

/// kernel-facts 5: copy.
const COPY: &[Row] = &[
    (
        "aligned, or to EOF with tail: copy_file_range shares all",
        In(&["copy: a whole file", "copy: with a tail", "copy: an aligned range over another"]),
    ),
    (
        "unaligned offsets, even congruent",
        In(&["copy: from 1 to 0", "copy: from 100 to 100", "copy: from 100 to 4196"]),
    ),
    ("len 100000 mid-file", In(&["copy: 100000 bytes inside*"])),
    ("sparse 64 MiB", In(&["copy holes: one block in 8 MiB", "copy holes: between megabytes of data"])),
    ("max per call: 0x7ffff000", Nowhere(NEVER_ASKED)),
    (
        "one caught signal in big call",
        In(&["copy: while signals are caught", "copy: a hole, while signals are caught"]),
    ),
    ("n=0; off >= EOF", In(&["copy: length 0", "copy: from the end", "copy: from behind the end"])),
    ("flags not 0; NULL offsets", Nowhere(NEVER_ASKED)),
    ("same-file overlap; disjoint", In(&["copy in one file: *"])),
    ("dst O_APPEND", In(&["copy refused: destination O_APPEND"])),
    ("dst RO, src WO", In(&["copy refused: destination O_RDONLY", "copy refused: source O_WRONLY"])),
    ("negative off", In(&["copy: source offset passes the largest offset"])),
    ("huge len clamped", In(&["copy: the largest length", "copy: a length behind the end"])),
    ("dir", In(&["copy refused: source a directory", "copy refused: destination a directory"])),
    (
        "pipe, fifo, /dev/*, blkdev, socket",
        In(&[
            "copy refused: source a pipe",
            "copy refused: destination a FIFO",
            "copy refused: source a device",
            "copy refused: source a block device",
            "copy refused: destination a socket",
        ]),
    ),
    ("O_PATH", In(&["copy refused: source O_PATH", "copy refused: destination O_PATH"])),
    ("sealed memfd", In(&["copy refused: to a sealed memfd"])),
    ("swapfile either side", In(&["copy: from a swap file", "copy: to a swap file"])),
    ("RLIMIT_FSIZE: short to the limit", In(&["copy: file-size limit inside*"])),
    ("RLIMIT_FSIZE: at the limit", In(&["copy: file-size limit reached"])),
    (
        "cross-fs EXDEV: xfs2, ext4, tmpfs, btrfs",
        In(&["copy: to xfs2", "copy: from ext4", "copy: to tmpfs", "copy: from btrfs"]),
    ),
    (
        "cross-fs EXDEV: proc, sysfs, memfd",
        In(&["copy: a file of procfs", "copy: a file of sysfs", "copy: from a memfd", "copy: to a memfd"]),
    ),
    ("cross-fs EXDEV: overlay and underlying", In(&["copy: to xfs", "copy: from xfs"])),
    ("works across bind mounts", In(&["copy: to a bind mount"])),
    ("works between overlay mounts with same upper fs", In(&["copy: between two overlays"])),
    ("FUSE", Beside(GUESTS)),
    (
        "physical methods share none",
        In(&["copy: a whole file", "copy: over blocks that were shared with the source"]),
    ),
    ("sendfile", Nowhere(NEVER_ASKED)),
    ("splice: shares nothing", In(&["copy: a whole file", "copy: several steps"])),
    ("seccomp: ENOSYS, EPERM", Beside(FAULTS)),
];

/// kernel-facts 6: holes.
const HOLES: &[Row] = &[
    ("all-hole", In(&["copy holes: nothing but a hole*"])),
    (
        "dirty cache over hole and over unwritten is data",
        In(&["copy holes: a store to a hole", "copy holes: a store to preallocated space"]),
    ),
    ("written zeros are data", In(&["copy holes: zeros that were written"])),
    ("fallocated-unwritten = hole", In(&["copy holes: preallocated"])),
    ("unwritten after reading: DATA", In(&["copy holes: preallocated and read"])),
    ("lseek: off >= EOF, negative", Nowhere(NEVER_ASKED)),
    ("PUNCH|KEEP", Beside(EVERY_CASE)),
    ("fallocate: the other modes", Nowhere(NEVER_ASKED)),
    ("unaligned punch", In(&["copy holes: from inside to inside", "copy holes: less than a block"])),
    (
        "clone of a preallocated file",
        In(&["clone: preallocated space", "extents: a clone of preallocated space"]),
    ),
    ("SEEK_DATA of such a clone", In(&["copy holes: a clone of preallocated space"])),
];

/// quirks 3.
const QUIRKS: &[Row] = &[
    ("cfr: glibc 2.41, 2.42: wrong return", Nowhere("the system call is made without glibc's wrapper")),
    ("cfr: at most 0x7ffff000 bytes a call", Nowhere(NEVER_ASKED)),
    ("cfr: before 5.3; 5.3-5.18; 32-bit", Nowhere(OTHER_KERNEL)),
    ("cfr: RHEL7: NFS EOPNOTSUPP, CIFS EIO", Beside(PRETENDED)),
    ("cfr: 0 on procfs, sysfs", In(&["copy: a file of procfs*", "copy: a file of sysfs"])),
    ("cfr: EXDEV across superblocks", In(&["copy: to xfs2"])),
    ("cfr: O_APPEND target", In(&["copy refused: destination O_APPEND"])),
    (
        "cfr: immutable: EPERM",
        In(&["copy: destination made immutable", "copy: a hole, destination made immutable"]),
    ),
    ("cfr: seccomp: EPERM", Beside(FAULTS)),
    ("cfr: CIFS, CephFS, eCryptfs, ZFS: EPERM, ENOENT, EACCES, EINVAL, EAGAIN", Beside(PRETENDED)),
    ("cfr: NFS 4.2: EINVAL within one file", Beside(PRETENDED)),
    ("cfr: FUSE: 64-bit count cut to 32 bits", Nowhere(NEVER_ASKED)),
    ("cfr: 6.17: EFBIG at EOF with huge offset", In(&["copy: from the end, far away"])),
    (
        "cfr: error after some bytes",
        In(&["copy: file-size limit inside", "copy: a hole, destination made immutable"]),
    ),
    ("clone: length 0 = to EOF", In(&["clone refused: length 0"])),
    (
        "clone: partial EOF block",
        In(&["clone refused: a tail inside the destination", "clone: a tail appended"]),
    ),
    ("clone: fatal signal: partial target", Beside(KILLS)),
    ("clone: NODATASUM differs", In(&["clone: without copy-on-write to with"])),
    ("clone: read-only subvolume: EROFS", In(&["clone refused: to a subvolume that was made read-only"])),
    ("clone: btrfs inline, tail extents", In(&["clone: a small file appended", "clone: a tail appended"])),
    ("clone: EXDEV between two mounts of one fs", In(&["clone: to a bind mount"])),
    ("clone: stale data past EOF before 4.20", Nowhere(OTHER_KERNEL)),
    ("clone: gVisor: ENOTTY", Beside(PRETENDED)),
    ("clone: FUSE", Beside(GUESTS)),
    ("clone: ZFS, bcachefs", Nowhere(OTHER_FILESYSTEM)),
    (
        "clone: idmapped mount in a user namespace: EPERM",
        Beside(
            "a mount that works: tests/tests/confined.rs, and the errno by the faults: tests/tests/faults",
        ),
    ),
    ("dedupe: NFS, CIFS", Beside(SERVERS)),
    ("dedupe: ZFS", Nowhere(OTHER_FILESYSTEM)),
    ("dedupe: bytes_deduped = asked length", In(&["dedupe: 100 bytes inside", "dedupe: small files"])),
    ("dedupe: argument of more than a page", In(&["dedupe: 300 targets"])),
    ("dedupe: source range past EOF", In(&["dedupe refused: past the source's end"])),
    ("dedupe: 1 GiB, older 16 MiB", In(&["dedupe: several steps"])),
    ("dedupe: killed: later entries read SAME", Nowhere(ENDS_THE_PROCESS)),
    ("dedupe: length 0 = nothing", In(&["dedupe refused: length 0"])),
    ("dedupe: who may", In(&["dedupe: read-only target, *"])),
    ("dedupe: send running: EAGAIN", In(&["dedupe refused: target in a snapshot that is being sent"])),
    ("dedupe: before 4.2; btrfs 5.0-5.5; XFS before 2018; before 2022", Nowhere(OTHER_KERNEL)),
    ("dedupe: with LOGICAL_INO at once can hang", Nowhere("a hang cannot be a test")),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::case::Case;

    /// `kernel-facts 1` in "kernel-facts 1, 5: ..." and "kernel-facts 4: ...; 1: ...", and not in "kernel-facts 10: ...".
    fn cites(case: &Case, notes: &str, section: &str) -> bool {
        let said = case.cites.split_once(notes).map_or("", |(_, rest)| rest);
        said.split([' ', ',', ';', ':']).any(|word| word == section)
    }

    #[test]
    fn every_row_has_a_case_or_a_reason() {
        let cases = crate::cases::all();
        let mut problems = Vec::new();
        let mut seen = 0;
        for (notes, section, rows) in [
            ("kernel-facts", "1", CLONE),
            ("kernel-facts", "4", DEDUPE),
            ("kernel-facts", "5", COPY),
            ("kernel-facts", "6", HOLES),
            ("quirks", "3", QUIRKS),
        ] {
            for (row, by) in rows {
                let names = match by {
                    In(names) => names,
                    Beside(test) => {
                        // Its last word is what the test is in.
                        let file = test.rsplit(' ').next().unwrap_or_default();
                        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                        if !file.contains('/') || !root.join(file).exists() {
                            problems.push(format!("{notes} {section}: {row}: there is no {file:?}"));
                        }
                        continue;
                    }
                    Nowhere(why) => {
                        assert!(!why.is_empty(), "{row}");
                        continue;
                    }
                };
                seen += 1;
                let row = format!("{notes} {section}: {row}");
                let mut found = Vec::new();
                for name in *names {
                    let is = |case: &&Case| match name.strip_suffix('*') {
                        Some(beginning) => case.name.starts_with(beginning),
                        None => case.name == *name,
                    };
                    let those: Vec<&Case> = cases.iter().filter(is).collect();
                    if those.is_empty() {
                        problems.push(format!("{row}: there is no case {name:?}"));
                    }
                    found.extend(those);
                }
                if !found.iter().any(|case| cites(case, notes, section)) {
                    problems.push(format!("{row}: none of its cases cites the section"));
                }
                for case in found.iter().filter(|case| case.outcomes.is_empty()) {
                    problems.push(format!("{row}: {:?} has no outcome anywhere", case.name));
                }
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
        assert!(seen > 100, "{seen} rows have cases");
    }
}
