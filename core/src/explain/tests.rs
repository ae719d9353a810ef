//! Each refusal and its reason, as tables.

use super::*;
use crate::facts::{Filesystem, Inode};

const BLOCK: u64 = 4096;

/// A regular file of XFS, of 16 blocks, open for both.
fn file(ino: u64) -> Facts {
    Facts {
        flags: Ok(libc::O_RDWR),
        inode: Ok(Inode { dev: 1, ino, file_type: libc::S_IFREG, size: 16 * BLOCK, allocated: 16 * BLOCK }),
        filesystem: Ok(Filesystem { kind: Kind::Xfs, block: BLOCK, read_only: false }),
        attributes: Some(0),
        sealed: false,
    }
}

fn opened(flags: i32) -> Facts {
    Facts { flags: Ok(flags), ..file(1) }
}

fn closed() -> Facts {
    unseen_by(libc::EBADF)
}

fn unseen_by(errno: i32) -> Facts {
    let errno = Errno(errno);
    Facts { flags: Err(errno), inode: Err(errno), filesystem: Err(errno), attributes: None, sealed: false }
}

fn sized(size: u64) -> Facts {
    let inode = file(1).inode.map(|inode| Inode { size, ..inode });
    Facts { inode, ..file(1) }
}

fn pipe() -> Facts {
    let inode = file(1).inode.map(|inode| Inode { file_type: libc::S_IFIFO, ..inode });
    Facts { inode, ..file(1) }
}

fn on(kind: Kind) -> Facts {
    let filesystem = file(1).filesystem.map(|fs| Filesystem { kind, ..fs });
    Facts { filesystem, ..file(1) }
}

fn with(attributes: u32) -> Facts {
    Facts { attributes: Some(attributes), ..file(1) }
}

/// Another file that is like it.
fn other(facts: Facts) -> Facts {
    Facts { inode: facts.inode.map(|inode| Inode { ino: 2, ..inode }), ..facts }
}

fn range(src: u64, dst: u64, len: u64) -> Pair {
    Pair { src, dst, len }
}

fn whole() -> Pair {
    range(0, 0, 16 * BLOCK)
}

#[test]
fn errors_of_one_cause() {
    let causes = [
        (libc::EIO, Reason::Io),
        (libc::ENOSPC, Reason::NoSpace),
        (libc::EDQUOT, Reason::Quota),
        (libc::ENOMEM, Reason::OutOfMemory),
        (libc::EFBIG, Reason::FileSizeLimit),
        (libc::EROFS, Reason::ReadOnly),
        (libc::ETXTBSY, Reason::SwapFile),
        (libc::EACCES, Reason::Permission),
        (libc::EISDIR, Reason::NotRegularFile),
        (libc::ESPIPE, Reason::NotRegularFile),
        (libc::EINTR, Reason::Interrupted),
        (libc::EOVERFLOW, Reason::Overflow),
        (libc::ECANCELED, Reason::Cancelled),
        (libc::ESTALE, Reason::Gone),
    ];
    for (errno, reason) in causes {
        assert_eq!(clone(errno, &file(1), &file(2), whole()), reason, "clone {errno}");
        assert_eq!(dedupe(errno, &file(1), &file(2), whole()), reason, "dedupe {errno}");
        assert_eq!(copy(errno, &file(1), &file(2)), reason, "copy {errno}");
    }
    assert_eq!(dedupe(libc::EAGAIN, &file(1), &file(2), whole()), Reason::Busy);
    assert_eq!(clone(libc::ENXIO, &file(1), &file(2), whole()), Reason::Unknown);
    assert_eq!(dedupe(libc::ENXIO, &file(1), &file(2), whole()), Reason::Unknown);
    assert_eq!(copy(libc::ENXIO, &file(1), &file(2)), Reason::Unknown);
}

#[test]
fn what_is_wrong_with_a_path() {
    for (errno, reason) in [
        (libc::ENOENT, Reason::NotFound),
        (libc::ENOTDIR, Reason::NotDirectory),
        (libc::EEXIST, Reason::Exists),
        (libc::ELOOP, Reason::TooManyLinks),
        (libc::ENAMETOOLONG, Reason::InvalidName),
        (libc::EINVAL, Reason::InvalidName),
        (libc::EILSEQ, Reason::InvalidName),
        (libc::EBADF, Reason::BadDescriptor),
        (libc::EPERM, Reason::Permission),
        (libc::EOVERFLOW, Reason::Permission),
        (libc::EACCES, Reason::Permission),
        (libc::EOPNOTSUPP, Reason::FilesystemCannot),
        (libc::ENOSYS, Reason::FilesystemCannot),
        (libc::EROFS, Reason::ReadOnly),
        (libc::ENXIO, Reason::Unknown),
    ] {
        assert_eq!(path(errno), reason, "{errno}");
    }
}

/// Why a file could not be looked at depends on what it is.
#[test]
fn looking_at_what_there_is() {
    for (errno, facts, reason) in [
        (libc::EBADF, closed(), Reason::BadDescriptor),
        (libc::EBADF, opened(libc::O_PATH), Reason::NotOpenForThat),
        // Nothing is known of it.
        (libc::EBADF, unseen_by(libc::EPERM), Reason::Unknown),
        (libc::EINVAL, pipe(), Reason::NotRegularFile),
        (libc::EINVAL, file(1), Reason::Unknown),
        (libc::EINVAL, opened(libc::O_WRONLY), Reason::NotOpenForThat),
        (libc::EINVAL, unseen_by(libc::EPERM), Reason::Unknown),
        (libc::EOPNOTSUPP, file(1), Reason::FilesystemCannot),
        (libc::ENOTTY, file(1), Reason::FilesystemCannot),
        (libc::EPERM, file(1), Reason::Permission),
        (libc::ENXIO, file(1), Reason::Unknown),
    ] {
        assert_eq!(look(errno, &facts), reason, "{errno} {facts:?}");
    }
}

#[test]
fn looking_tells_what_it_was_told() {
    let file = tempfile::tempfile().unwrap();
    for (errno, reason) in [(libc::EIO, Reason::Io), (libc::EBADF, Reason::NotOpenForThat)] {
        let error = looking(Operation::Extents, Errno(errno), std::os::fd::AsFd::as_fd(&file));
        assert_eq!((error.op, error.errno, error.reason), (Operation::Extents, errno, reason));
    }
}

#[test]
fn why_nothing_is_seen_of_a_descriptor() {
    for (errno, reason) in [
        (libc::EBADF, Reason::BadDescriptor),
        (libc::EPERM, Reason::Permission),
        (libc::EIO, Reason::Io),
        (libc::ENXIO, Reason::Unknown),
    ] {
        assert_eq!(unseen(Errno(errno)), reason, "{errno}");
    }
}

#[test]
fn a_bad_descriptor_is_not_open_or_not_for_that() {
    use libc::{O_APPEND, O_PATH, O_RDONLY, O_RDWR, O_WRONLY};
    for (src, dst, reason) in [
        (closed(), file(2), Reason::BadDescriptor),
        (file(1), closed(), Reason::BadDescriptor),
        (opened(O_WRONLY), file(2), Reason::NotOpenForThat),
        (opened(O_PATH), file(2), Reason::NotOpenForThat),
        (file(1), opened(O_RDONLY), Reason::NotOpenForThat),
        (file(1), opened(O_PATH | O_RDWR), Reason::NotOpenForThat),
        (file(1), opened(O_RDWR | O_APPEND), Reason::AppendOnly),
        (opened(O_RDONLY), opened(O_WRONLY | O_APPEND), Reason::AppendOnly),
        (opened(O_RDWR | O_APPEND), file(2), Reason::Unknown),
        (opened(O_RDONLY), opened(O_WRONLY), Reason::Unknown),
    ] {
        assert_eq!(clone(libc::EBADF, &src, &dst, whole()), reason, "{src:?} {dst:?}");
        assert_eq!(copy(libc::EBADF, &src, &dst), reason, "{src:?} {dst:?}");
    }
    assert_eq!(dedupe(libc::EBADF, &file(1), &closed(), whole()), Reason::BadDescriptor);
    assert_eq!(dedupe(libc::EBADF, &file(1), &opened(O_PATH), whole()), Reason::NotOpenForThat);
    // Nothing is known of it.
    assert_eq!(dedupe(libc::EBADF, &file(1), &unseen_by(libc::EPERM), whole()), Reason::Unknown);
}

#[test]
fn who_cannot_share() {
    for errno in [libc::EOPNOTSUPP, libc::ENOTTY, libc::ENOSYS] {
        for (kind, reason) in [
            (Kind::Xfs, Reason::MountCannot),
            (Kind::Btrfs, Reason::MountCannot),
            (Kind::Overlay, Reason::FilesystemCannot),
            (Kind::Network, Reason::FilesystemCannot),
            (Kind::Other, Reason::FilesystemCannot),
        ] {
            assert_eq!(clone(errno, &file(1), &on(kind), whole()), reason, "clone {errno} {kind:?}");
            assert_eq!(dedupe(errno, &file(1), &on(kind), whole()), reason, "dedupe {errno} {kind:?}");
        }
    }
    assert_eq!(copy(libc::EOPNOTSUPP, &file(1), &file(2)), Reason::FilesystemCannot);
    assert_eq!(copy(libc::ENOSYS, &file(1), &file(2)), Reason::FilesystemCannot);
}

#[test]
fn files_that_are_none_and_files_elsewhere() {
    for (src, dst) in [(pipe(), file(2)), (file(1), pipe())] {
        assert_eq!(clone(libc::EXDEV, &src, &dst, whole()), Reason::NotRegularFile);
        assert_eq!(clone(libc::EINVAL, &src, &dst, whole()), Reason::NotRegularFile);
        assert_eq!(dedupe(libc::EINVAL, &src, &dst, whole()), Reason::NotRegularFile);
        assert_eq!(copy(libc::EINVAL, &src, &dst), Reason::NotRegularFile);
    }
    assert_eq!(clone(libc::EXDEV, &file(1), &file(2), whole()), Reason::DifferentFilesystem);
    assert_eq!(dedupe(libc::EXDEV, &file(1), &pipe(), whole()), Reason::NotRegularFile);
    assert_eq!(dedupe(libc::EXDEV, &pipe(), &file(2), whole()), Reason::DifferentFilesystem);
}

#[test]
fn what_is_not_permitted() {
    let sealed = Facts { sealed: true, ..file(1) };
    for (dst, of_clone, of_dedupe, of_copy) in [
        (file(2), Reason::Permission, Reason::Permission, Reason::Permission),
        (with(IMMUTABLE), Reason::Immutable, Reason::Immutable, Reason::Immutable),
        (with(APPEND), Reason::Immutable, Reason::Permission, Reason::Immutable),
        (with(NOCOW), Reason::Permission, Reason::Permission, Reason::Permission),
        (sealed, Reason::Permission, Reason::Permission, Reason::Immutable),
        (closed(), Reason::Permission, Reason::Permission, Reason::Permission),
    ] {
        assert_eq!(clone(libc::EPERM, &file(1), &dst, whole()), of_clone, "{dst:?}");
        assert_eq!(dedupe(libc::EPERM, &file(1), &dst, whole()), of_dedupe, "{dst:?}");
        assert_eq!(copy(libc::EPERM, &file(1), &dst), of_copy, "{dst:?}");
    }
}

#[test]
fn the_geometry_of_a_clone() {
    let ragged = 3 * BLOCK + 100;
    for (src, dst, range, reason) in [
        (file(1), file(2), range(17 * BLOCK, 0, TO_END), Reason::PastEnd),
        (file(1), file(2), range(16 * BLOCK + 1, 0, TO_END), Reason::PastEnd),
        (file(1), file(2), range(16 * BLOCK, 0, TO_END), Reason::Unknown),
        (file(1), file(2), range(16 * BLOCK, 0, BLOCK), Reason::PastEnd),
        (file(1), file(2), range(15 * BLOCK, 0, 2 * BLOCK), Reason::PastEnd),
        (file(1), file(2), range(1, 0, BLOCK), Reason::Misaligned),
        (file(1), file(2), range(0, 1, BLOCK), Reason::Misaligned),
        (file(1), file(2), range(0, 0, 100), Reason::Misaligned),
        (sized(ragged), file(2), range(0, 0, ragged - 1), Reason::Misaligned),
        (sized(ragged), file(2), range(0, 0, ragged), Reason::PartialBlock),
        (sized(ragged), file(2), range(0, 0, TO_END), Reason::PartialBlock),
        (sized(ragged), file(2), range(0, 13 * BLOCK, ragged), Reason::Unknown),
        (sized(ragged), other(sized(ragged)), range(0, 0, ragged), Reason::Unknown),
        (sized(ragged), sized(ragged), range(0, BLOCK, TO_END), Reason::Overlap),
        (file(1), file(1), range(0, 4 * BLOCK, 5 * BLOCK), Reason::Overlap),
        (file(1), file(1), range(4 * BLOCK, 0, 5 * BLOCK), Reason::Overlap),
        (file(1), file(1), range(0, 5 * BLOCK, 5 * BLOCK), Reason::Unknown),
        (file(1), file(2), range(0, 4 * BLOCK, 5 * BLOCK), Reason::Unknown),
        (file(1), file(2), whole(), Reason::Unknown),
        (with(NOCOW), file(2), whole(), Reason::NocowMismatch),
        (file(1), other(with(NOCOW)), whole(), Reason::NocowMismatch),
        (with(NOCOW), Facts { attributes: None, ..file(2) }, whole(), Reason::Unknown),
        (Facts { inode: Err(Errno(libc::EIO)), ..file(1) }, file(2), range(1, 0, BLOCK), Reason::Unknown),
        // Nothing is known of the block size.
        (
            file(1),
            Facts { filesystem: Err(Errno(libc::EIO)), ..file(2) },
            range(1, 1, BLOCK),
            Reason::Unknown,
        ),
    ] {
        assert_eq!(clone(libc::EINVAL, &src, &dst, range), reason, "{range:?} {src:?} {dst:?}");
    }
}

#[test]
fn the_geometry_of_a_dedupe() {
    for (src, dst, range, reason) in [
        (file(1), file(2), range(16 * BLOCK, 0, BLOCK), Reason::PastEnd),
        (file(1), file(2), range(0, 16 * BLOCK, BLOCK), Reason::PastEnd),
        (file(1), file(2), range(1, 0, BLOCK), Reason::Misaligned),
        (file(1), file(2), range(0, 1, BLOCK), Reason::Misaligned),
        (file(1), file(1), range(0, 4 * BLOCK, 5 * BLOCK), Reason::Overlap),
        (file(1), file(1), range(0, 5 * BLOCK, 5 * BLOCK), Reason::Unknown),
        (file(1), file(2), range(0, 4 * BLOCK, 5 * BLOCK), Reason::Unknown),
        (file(1), other(on(Kind::Overlay)), whole(), Reason::FilesystemCannot),
        (file(1), other(with(NOCOW)), whole(), Reason::NocowMismatch),
        (file(1), file(2), whole(), Reason::Unknown),
        (opened(libc::O_WRONLY), file(2), whole(), Reason::NotOpenForThat),
        (file(1), Facts { inode: Err(Errno(libc::EIO)), ..file(2) }, range(1, 1, BLOCK), Reason::Unknown),
    ] {
        assert_eq!(dedupe(libc::EINVAL, &src, &dst, range), reason, "{range:?} {src:?} {dst:?}");
    }
}

#[test]
fn a_copy_that_takes_whole_blocks_only() {
    let direct = opened(libc::O_RDWR | libc::O_DIRECT);
    assert_eq!(copy(libc::EINVAL, &direct, &file(2)), Reason::Misaligned);
    assert_eq!(copy(libc::EINVAL, &file(1), &direct), Reason::Misaligned);
    assert_eq!(copy(libc::EINVAL, &file(1), &file(2)), Reason::Unknown);
    assert_eq!(copy(libc::EINVAL, &closed(), &file(2)), Reason::Unknown);
}
