//! A thousand targets in one call, with every kind of outcome.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use xtent::{DedupeOptions, DedupeResult, DedupeStatus, DedupeTarget, Reason, TO_END};
use xtent_tests::{Filesystem, fs, pattern, scratch, skip, write_file};

use super::{everywhere, shared};

const LEN: usize = 3 * 4096 + 500;
const COUNT: usize = 1000;
const NOBODY: libc::uid_t = 65534;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Same,
    First,
    Middle,
    Last,
    Closed,
    Foreign,
    Immutable,
    Overlapping,
    ReadOnly,
    Short,
}

const KINDS: [Kind; 10] = [
    Kind::Same,
    Kind::First,
    Kind::Middle,
    Kind::Last,
    Kind::Closed,
    Kind::Foreign,
    Kind::Immutable,
    Kind::Overlapping,
    Kind::ReadOnly,
    Kind::Short,
];

#[test]
fn each_has_its_own_result() {
    // SAFETY: takes nothing.
    if unsafe { libc::geteuid() } != 0 {
        return skip(
            "each_has_its_own_result",
            "only root makes files immutable, and can become somebody else",
        );
    }
    let Some(elsewhere) = fs("xfs2") else { return skip("each_has_its_own_result", "there is no xfs2") };
    everywhere("each_has_its_own_result", |fs| check(fs, elsewhere));
}

fn check(fs: &Filesystem, elsewhere: &Filesystem) {
    let (dir, foreign) = (scratch(fs), scratch(elsewhere));
    let bytes = pattern(1, LEN);
    let src = write_file(&dir.path().join("src"), &bytes).unwrap();
    let with = |at: usize| {
        let mut other = bytes.clone();
        other[at] ^= 1;
        other
    };
    let mut files = Vec::new();
    for i in 0..COUNT {
        let path = dir.path().join(i.to_string());
        let contents = match KINDS[i % KINDS.len()] {
            Kind::First => with(0),
            Kind::Middle => with(LEN / 2),
            Kind::Last => with(LEN - 1),
            Kind::Short => bytes[..LEN - 1].to_vec(),
            _ => bytes.clone(),
        };
        files.push(match KINDS[i % KINDS.len()] {
            // The source itself, or nothing at all.
            Kind::Closed | Kind::Overlapping => None,
            Kind::Foreign => Some(write_file(&foreign.path().join(i.to_string()), &contents).unwrap()),
            Kind::ReadOnly => {
                let file = write_file(&path, &contents).unwrap();
                file.set_permissions(PermissionsExt::from_mode(0o444)).unwrap();
                Some(File::open(&path).unwrap())
            }
            _ => Some(write_file(&path, &contents).unwrap()),
        });
    }
    let immutable: Vec<_> = (0..COUNT)
        .filter(|i| KINDS[i % KINDS.len()] == Kind::Immutable)
        .map(|i| dir.path().join(i.to_string()))
        .collect();
    chattr("+i", &immutable);
    let targets: Vec<_> = files
        .iter()
        .enumerate()
        .map(|(i, file)| {
            let fd = match file {
                Some(file) => file.as_fd(),
                None if KINDS[i % KINDS.len()] == Kind::Overlapping => src.as_fd(),
                // SAFETY: not -1, and used for system calls only, which say that it is not open.
                None => unsafe { BorrowedFd::borrow_raw(1_000_000) },
            };
            DedupeTarget { fd, offset: 0 }
        })
        .collect();
    let results = as_nobody(|| xtent::dedupe_range(src.as_fd(), 0, TO_END, &targets, DedupeOptions::new()));
    chattr("-i", &immutable);
    let results = results.unwrap();
    for (i, (result, target)) in results.iter().zip(&targets).enumerate() {
        let kind = KINDS[i % KINDS.len()];
        let what = format!("{} {i} {kind:?}: {result:?}", fs.name);
        expect(&what, kind, result);
        if let (Some(file), Some(told), Some(already)) = (&files[i], result.shared, result.already_shared) {
            assert_eq!(already, 0, "{what}");
            assert_eq!(shared((&src, 0), (file, 0), LEN as u64), told, "{what}");
        }
        assert_eq!(target.offset, 0);
    }
}

fn expect(what: &str, kind: Kind, result: &DedupeResult) {
    let len = LEN as u64;
    let differs = |at: u64| (DedupeStatus::Differs, 0, Reason::None, at, Some(at - at % 4096), Some(at));
    let failed = |errno, reason, shared| (DedupeStatus::Failed, errno, reason, 0, shared, None);
    let wanted = match kind {
        Kind::Same => (DedupeStatus::Same, 0, Reason::None, len, Some(len), None),
        Kind::First => differs(0),
        Kind::Middle => differs(len / 2),
        Kind::Last => differs(len - 1),
        Kind::Closed => failed(libc::EBADF, Reason::BadDescriptor, None),
        Kind::Foreign => failed(libc::EXDEV, Reason::DifferentFilesystem, None),
        Kind::Immutable => failed(libc::EPERM, Reason::Immutable, Some(0)),
        Kind::Overlapping => failed(libc::EINVAL, Reason::Overlap, Some(0)),
        Kind::ReadOnly => failed(libc::EPERM, Reason::Permission, Some(0)),
        Kind::Short => failed(libc::EINVAL, Reason::PastEnd, Some(0)),
    };
    let DedupeResult { status, errno, reason, compared, shared, differs_at, .. } = *result;
    assert_eq!((status, errno, reason, compared, shared, differs_at), wanted, "{what}");
}

/// Calls it as somebody who may do nothing, in a thread of its own: the raw system call changes that thread alone, where
/// seteuid(3) changes all.
fn as_nobody<T: Send>(call: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let (keep, nobody) = (-1 as libc::c_long, libc::c_long::from(NOBODY));
            // SAFETY: takes numbers only.
            let result = unsafe { libc::syscall(libc::SYS_setresuid, keep, nobody, keep) };
            assert_eq!(result, 0, "setresuid");
            call()
        });
        thread.join().expect("the call came back")
    })
}

fn chattr(change: &str, files: &[std::path::PathBuf]) {
    let done = Command::new("chattr").arg(change).args(files).status();
    assert!(done.is_ok_and(|status| status.success()), "chattr {change}");
}
