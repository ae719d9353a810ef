//! `clone_range` where ranges can be exchanged: each shape of a destination by the way that there is for it, and what an
//! exchange cannot do. To be run with the filesystem `xfs-exchange`.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;

use xtent::{Atomic, CloneOptions, Destination, Protection, Reason, Report, TO_END, clone_range};
use xtent_tests::{pattern, shared_with, write_file};

const K: usize = 1 << 10;
const BLOCK: usize = 4 * K;

fn scratch() -> tempfile::TempDir {
    xtent_tests::scratch(xtent_tests::fs("xfs-exchange").expect("the runner makes it when it is named"))
}

/// A source of 100,000 bytes and a destination of `old`, and what a clone of the range makes of that.
struct Files {
    src: File,
    dst: File,
    new: Vec<u8>,
    old: Vec<u8>,
}

impl Files {
    fn make(dir: &Path, old: usize) -> Files {
        let (new, old) = (pattern(1, 100_000), pattern(2, old));
        let src = write_file(&dir.join("src"), &new).expect("a file");
        let dst = write_file(&dir.join("dst"), &old).expect("a file");
        Files { src, dst, new, old }
    }

    fn clone(&self, src: usize, dst: usize, len: u64, atomic: Atomic) -> xtent::Result<Report> {
        let options = CloneOptions::new().atomic(atomic);
        clone_range(self.src.as_fd(), src as u64, self.dst.as_fd(), dst as u64, len, options)
    }

    fn wanted(&self, src: usize, dst: usize, len: u64) -> Vec<u8> {
        let len = (self.new.len() - src).min(usize::try_from(len).unwrap_or(usize::MAX));
        let mut wanted = self.old.clone();
        wanted.resize(wanted.len().max(dst + len), 0);
        wanted[dst..dst + len].copy_from_slice(&self.new[src..src + len]);
        wanted
    }
}

#[test]
fn every_shape_of_a_destination() {
    let dir = scratch();
    let read = || fs::read(dir.path().join("dst")).expect("the destination");
    use Protection::{Exchange, Size};
    let shapes = [
        // The destination's size, offset in the source, in the destination, length.
        ("inside", 200 * K, 8 * K, 16 * K, 32 * K as u64, Exchange),
        ("to the end of both", 100_000, 0, 0, TO_END, Exchange),
        ("of the whole source, into a longer file", 200 * K, 0, 4 * K, 96 * K as u64, Exchange),
        ("growing", 64 * K, 0, 32 * K, TO_END, Exchange),
        ("growing, from a ragged end", 50_000, 0, 4 * K, TO_END, Exchange),
        ("growing in the last block", 99_000, 0, 0, TO_END, Exchange),
        ("at the end", 64 * K, 0, 64 * K, TO_END, Size),
        ("behind a ragged end", 50_000, 0, 64 * K, TO_END, Size),
    ];
    for (name, size, src, dst, len, way) in shapes {
        let files = Files::make(dir.path(), size);
        let report = files.clone(src, dst, len, Atomic::Best).expect(name);
        let wanted = files.wanted(src, dst, len);
        assert!(read() == wanted, "{name}");
        let cloned = len.min((files.new.len() - src) as u64);
        assert_eq!((report.protection, report.bytes_cloned), (way, cloned), "{name}");
        let shared = shared_with(&dir.path().join("src"), &dir.path().join("dst")).expect("maps");
        assert!(shared >= cloned, "{name}: {shared} of {cloned} bytes are shared");
        assert!(fs::read(dir.path().join("src")).expect("the source") == files.new, "{name}");

        // The same by an exchange only, which needs no old bytes to lose.
        let files = Files::make(dir.path(), size);
        match files.clone(src, dst, len, Atomic::Required) {
            Ok(report) => assert_eq!(report.protection, Exchange, "{name}"),
            Err(error) => {
                assert!(size % BLOCK != 0 && dst > size, "{name}: {error}");
                assert_eq!((error.errno, error.reason), (libc::EOPNOTSUPP, Reason::CannotExchange), "{name}");
                assert_eq!(error.report.destination, Some(Destination::Untouched), "{name}");
                assert!(read() == files.old, "{name}");
                continue;
            }
        }
        assert!(read() == wanted, "{name}, required");
    }
}

#[test]
fn to_the_end_from_the_end() {
    let dir = scratch();
    for atomic in [Atomic::Best, Atomic::Required] {
        let files = Files::make(dir.path(), 64 * K);
        let report = files.clone(100_000, 4 * K, TO_END, atomic).expect("nothing to do");
        assert_eq!(report.bytes_cloned, 0);
        assert_eq!(fs::read(dir.path().join("dst")).expect("the destination"), files.old);
    }
}

#[test]
fn a_destination_that_cannot_be_read_is_not_exchanged() {
    let dir = scratch();
    let mut files = Files::make(dir.path(), 64 * K);
    files.dst = File::options().write(true).open(dir.path().join("dst")).expect("the destination");
    let best = files.clone(0, 0, BLOCK as u64, Atomic::Best).expect_err("the old bytes cannot be kept");
    assert_eq!((best.errno, best.reason), (libc::EBADF, Reason::DestinationNotReadable));
    let required = files.clone(0, 0, BLOCK as u64, Atomic::Required).expect_err("no exchange");
    assert_eq!((required.errno, required.reason), (libc::EBADF, Reason::CannotExchange));
    for error in [best, required] {
        assert_eq!(error.report.destination, Some(Destination::Untouched));
    }
    assert_eq!(fs::read(dir.path().join("dst")).expect("the destination"), files.old);
}

#[test]
fn a_tail_is_not_exchanged_into_the_middle() {
    let dir = scratch();
    for atomic in [Atomic::Best, Atomic::Required] {
        let files = Files::make(dir.path(), 64 * K);
        let refused = files.clone(96 * K, 0, TO_END, atomic).expect_err("a partial block");
        assert_eq!((refused.errno, refused.reason), (libc::EINVAL, Reason::PartialBlock));
        assert!(fs::read(dir.path().join("dst")).expect("the destination") == files.old);
    }
}

#[test]
fn an_unlinked_destination() {
    let dir = scratch();
    let files = Files::make(dir.path(), 64 * K);
    fs::remove_file(dir.path().join("dst")).expect("unlinked");
    files.clone(0, 0, 64 * K as u64, Atomic::Required).expect("a clone");
    let mut now = vec![0; 64 * K];
    files.dst.read_exact_at(&mut now, 0).expect("the destination");
    assert!(now == files.new[..64 * K]);
}
