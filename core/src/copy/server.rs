//! By the server: the bytes do not come here. Only on network filesystems, and only when the caller allows it: the
//! server may share the blocks instead of copying them.

use crate::range::Pair;
use crate::sys::{self, Errno};

use super::step::{Files, Moved};

/// One call, after which the cancel flag is looked at. Linux 6.12 ends each after so many bytes anyway; 6.1 and 7.3
/// would copy the whole range in one, which no flag ends, and which begins again when a signal comes.
pub(crate) const STEP: u64 = 4 << 20;

/// Whether servers of these filesystems, by their `st_dev`, are asked. Not where NFS is older than 4.2: there the client's
/// kernel reads and writes for copy_file_range(2), and the bytes would be told as the server's. Where /proc does not
/// tell, they are.
pub(crate) fn are_asked(devices: [u64; 2]) -> bool {
    let mounts = sys::proc::mounts().unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts);
    !devices.iter().any(|device| is_old_nfs(&mounts, *device))
}

/// `36 35 0:59 / /mnt rw,noatime - nfs4 server:/export rw,vers=4.2,rsize=...`
fn is_old_nfs(mounts: &str, device: u64) -> bool {
    let number = format!("{}:{}", libc::major(device), libc::minor(device));
    let here = mounts.lines().filter(|line| line.split(' ').nth(2) == Some(&number));
    here.filter_map(|line| line.split_once(" - ")).any(|(_, about)| {
        let mut words = about.split(' ');
        let is_nfs = matches!(words.next(), Some("nfs" | "nfs4"));
        let options = words.nth(1).unwrap_or_default();
        is_nfs && options.split(',').any(|it| matches!(it, "vers=2" | "vers=3" | "vers=4.0" | "vers=4.1"))
    })
}

/// Has at most [`STEP`] bytes copied. When the server copies nothing, only reading tells whether the source ends:
/// that is a failure of this way, ENODATA.
pub(crate) fn step(files: Files<'_>, range: Pair) -> Moved {
    let range = range.first(STEP);
    match sys::copy::copy_file_range(files.src, range.src, files.dst, range.dst, range.len as usize) {
        Ok(0) => Moved::nothing_but(Errno(libc::ENODATA)),
        Ok(n) => Moved { bytes: n as u64, failed: None },
        Err(errno) => Moved::nothing_but(errno),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;
    use crate::control::Control;
    use crate::copy::holes::Segments;
    use crate::copy::ladder::Situation;
    use crate::copy::options::Sparse;
    use crate::copy::transfer::Transfer;
    use crate::error::{Error, Operation};
    use crate::facts::Inode;
    use crate::reason::Reason;
    use crate::report::Report;

    const BYTES: u64 = 3 * STEP + 100;

    #[test]
    fn nfs_before_4_2_has_no_copies() {
        let mounts = "22 1 8:1 / / rw - ext4 /dev/sda1 rw,vers=3\n\
            36 22 0:59 / /a rw,noatime shared:1 - nfs4 server:/a rw,vers=4.1,rsize=1048576\n\
            37 22 0:60 / /b rw - nfs4 server:/b rw,vers=4.2,rsize=1048576\n\
            38 22 0:61 /c /c\\040c rw master:2 - nfs server:/c rw,vers=3\n\
            39 22 0:62 / /d rw - cifs //server/d rw,vers=3.1.1\n";
        let table =
            [(8, 1, false), (0, 59, true), (0, 60, false), (0, 61, true), (0, 62, false), (0, 63, false)];
        for (major, minor, is_old) in table {
            assert_eq!(is_old_nfs(mounts, libc::makedev(major, minor)), is_old, "{major}:{minor}");
        }
    }

    /// No server is at hand; the kernel of this machine takes its place, to which the call is the same.
    fn copy(src: &std::fs::File, dst: &std::fs::File, control: &mut Control<'_>) -> Report {
        let files = Files { src: src.as_fd(), dst: dst.as_fd() };
        let inode = Inode::from(&sys::stat::fstat(files.src).unwrap());
        let range = Pair { src: 0, dst: 0, len: BYTES };
        let situation = Situation { len: BYTES, server: true, sizeless: false, direct: false };
        let segments = Segments::new(files.src, &inode, range, Sparse::Keep);
        let transfer = Transfer::new(files, segments, 0, range, BYTES, situation, control);
        let unknown = |errno: Errno| Error::new(Operation::CopyRange, errno.0, Reason::Unknown);
        transfer.run(unknown).expect("some bytes")
    }

    fn source() -> (std::fs::File, Vec<u8>) {
        let bytes: Vec<u8> = (0..BYTES).map(|at| (at / 4096 + at) as u8).collect();
        let mut src = tempfile::tempfile().unwrap();
        src.write_all(&bytes).unwrap();
        (src, bytes)
    }

    fn contents(file: &std::fs::File) -> Vec<u8> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    #[test]
    fn the_flag_is_looked_at_between_steps() {
        let (src, bytes) = source();
        let dst = tempfile::tempfile().unwrap();
        let looks = Cell::new(0);
        let after_two = || {
            looks.set(looks.get() + 1);
            looks.get() > 2
        };
        let report = copy(&src, &dst, &mut Control::new().cancel(&after_two));
        assert_eq!((report.bytes_server, report.bytes_copied), (2 * STEP, 0));
        assert_eq!(report.reason, Reason::Cancelled);
        assert_eq!(contents(&dst), bytes[..2 * STEP as usize]);
    }

    #[test]
    fn it_goes_to_the_end_in_steps_and_says_whose_bytes_they_are() {
        let (src, bytes) = source();
        let dst = tempfile::tempfile().unwrap();
        let mut told = Vec::new();
        let mut tell = |done, total| {
            told.push((done, total));
            std::ops::ControlFlow::Continue(())
        };
        let report = copy(&src, &dst, &mut Control::new().progress(&mut tell));
        assert_eq!(report, Report { bytes_server: BYTES, ..Report::default() });
        assert_eq!(contents(&dst), bytes);
        assert!(told.windows(2).all(|pair| pair[1].0 - pair[0].0 <= STEP), "{told:?}");
        assert_eq!(told.last(), Some(&(BYTES, BYTES)));
    }

    #[test]
    fn where_the_source_ends_early_only_reading_says_so() {
        let (src, bytes) = source();
        src.set_len(STEP + 5000).unwrap();
        let dst = tempfile::tempfile().unwrap();
        // The range was cut at the old size: the call says 0, and the next way meets the end.
        let report = copy(&src, &dst, &mut Control::new());
        assert_eq!(report, Report { bytes_server: STEP + 5000, ..Report::default() });
        assert_eq!(contents(&dst), bytes[..STEP as usize + 5000]);
    }
}
