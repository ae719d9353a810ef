//! btrfs, mounted without checksums: files made then share no blocks with those made before, nor do these with them, and
//! nothing but the kernel's refusal tells which is which.

#[allow(dead_code, reason = "the storm of clones makes others too")]
#[path = "clone_storm/image.rs"]
mod image;

use std::fs;
use std::os::fd::AsFd;

use image::{Image, Kind, tool, workshop};
use xtent::{
    CloneOptions, CopyOptions, DedupeOptions, DedupeStatus, DedupeTarget, Destination, Reason, TO_END,
    clone_or_copy_range, clone_range, dedupe_range,
};
use xtent_tests::{fs, pattern, shared_with, skip, write_file};

const LEN: usize = 256 << 10;

#[test]
fn files_with_checksums_and_without() {
    const TEST: &str = "files_with_checksums_and_without";
    if fs("btrfs").is_none() {
        return skip(TEST, "there is no btrfs");
    }
    let place = workshop().expect("a directory");
    let made = Image::make(Kind::Btrfs, place.path(), "image", 256);
    let image = match made {
        Ok(image) => image,
        Err(error) => return skip(TEST, &error.to_string()),
    };
    let file = |name: &str, seed| write_file(&image.dir.join(name), &pattern(seed, LEN)).expect("a file");
    let summed = [file("summed", 1), file("summed too", 2)];
    let dir = image.dir.to_str().expect("UTF-8");
    tool("mount", &["-n", "-o", "remount,nodatasum", dir]).expect("mounted without checksums");
    let plain = [file("plain", 1), file("plain too", 2)];

    // What would be put aside of the second is put into a file without checksums, and so cannot.
    for (src, dst, name, why) in [
        (&summed[0], &plain[1], "plain too", Reason::Unknown),
        (&plain[0], &summed[1], "summed too", Reason::UndoImpossible),
    ] {
        let (src, dst) = (src.as_fd(), dst.as_fd());
        let error =
            clone_range(src, 0, dst, 0, TO_END, CloneOptions::new()).expect_err("one has no checksums");
        assert_eq!((error.errno, error.reason), (libc::EINVAL, why), "{name}");
        assert_eq!(error.report.destination, Some(Destination::Untouched), "{name}");
        let read = || fs::read(image.dir.join(name)).expect("a file");
        assert!(read() == pattern(2, LEN), "{name}: another file");

        let report = clone_or_copy_range(src, 0, dst, 0, TO_END, CopyOptions::new()).expect("a copy");
        assert_eq!((report.bytes_cloned, report.bytes_copied), (0, LEN as u64), "{name}");
        assert_eq!(report.fallback, Reason::Unknown, "{name}");
        assert!(read() == pattern(1, LEN), "{name}: not copied whole");

        // They are equal now.
        let targets = [DedupeTarget { fd: dst, offset: 0 }];
        let results = dedupe_range(src, 0, TO_END, &targets, DedupeOptions::new()).expect("results");
        let said = (results[0].status, results[0].errno, results[0].shared);
        assert_eq!(said, (DedupeStatus::Failed, libc::EINVAL, Some(0)), "{name}");
    }

    let [a, b] = &plain;
    clone_range(a.as_fd(), 0, b.as_fd(), 0, TO_END, CloneOptions::new()).expect("neither has checksums");
    b.sync_all().expect("fsync");
    let shared = shared_with(&image.dir.join("plain"), &image.dir.join("plain too"));
    assert_eq!(shared.expect("maps"), LEN as u64);
}
