//! What is done while calls fail, and what may come of it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;

use tempfile::TempDir;
use xtent::{
    Ability, Answer, Capabilities, CloneOptions, CopyOptions, DedupeOptions, DedupeResult, DedupeTarget,
    Extent, Report, Sparse, TO_END,
};
use xtent_tests::{Filesystem, pattern, scratch};

use crate::supervisor::Call;
use crate::{Trial, dedupe, may_come};

pub(crate) const K: usize = 1024;

/// Bytes; `None` is a hole.
pub(crate) type Pieces = &'static [(Option<u64>, usize)];

/// What a verb said.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Moved(xtent::Result<Report>),
    Deduped(xtent::Result<Vec<DedupeResult>>),
    Extents(xtent::Result<Vec<Extent>>),
    Shared(xtent::Result<u64>),
    Probed(xtent::Result<Capabilities>),
}

/// A range of the source and where it goes.
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) verb: fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Said,
    pub(crate) src: Pieces,
    pub(crate) dst: Pieces,
    /// Offsets and length of a verb that moves bytes.
    pub(crate) moves: (usize, usize, usize),
}

/// Three runs of data, so that calls come again, and a ragged end.
pub(crate) const SPARSE: Pieces =
    &[(Some(1), 8 * K), (None, 64 * K), (Some(2), 16 * K), (None, 32 * K), (Some(3), 8 * K + 1000)];
const SPARSE_SIZE: usize = 129 * K - 24;
const OLD: Pieces = &[(Some(9), 160 * K)];

pub(crate) const SCENES: &[Scene] = &[
    Scene {
        name: "copy over a file",
        verb: |src, dst| Said::Moved(xtent::copy_range(src, 0, dst, 100, TO_END, CopyOptions::new())),
        src: SPARSE,
        dst: OLD,
        moves: (0, 100, SPARSE_SIZE),
    },
    Scene {
        name: "copy to an empty file",
        verb: |src, dst| Said::Moved(xtent::copy_range(src, 0, dst, 0, TO_END, CopyOptions::new())),
        src: SPARSE,
        dst: &[],
        moves: (0, 0, SPARSE_SIZE),
    },
    Scene {
        name: "copy a file that ends in a hole",
        verb: |src, dst| Said::Moved(xtent::copy_range(src, 0, dst, 0, TO_END, CopyOptions::new())),
        src: &[(Some(1), 8 * K), (None, 56 * K)],
        dst: &[(Some(9), 16 * K)],
        moves: (0, 0, 64 * K),
    },
    Scene {
        name: "copy through a pipe, in steps",
        verb: |src, dst| Said::Moved(xtent::copy_range(src, 0, dst, 0, TO_END, CopyOptions::new())),
        src: &[(Some(1), 2100 * K + 100)],
        dst: &[(Some(9), 16 * K)],
        moves: (0, 0, 2100 * K + 100),
    },
    Scene {
        name: "copy through a pipe, with holes",
        verb: |src, dst| Said::Moved(xtent::copy_range(src, 100, dst, 5000, TO_END, CopyOptions::new())),
        src: &[(Some(1), 128 * K), (None, 64 * K), (Some(2), 96 * K)],
        dst: OLD,
        moves: (100, 5000, 288 * K - 100),
    },
    Scene {
        name: "copy that looks for zeros",
        verb: |src, dst| {
            let options = CopyOptions::new().sparse(Sparse::Detect);
            Said::Moved(xtent::copy_range(src, 0, dst, 0, TO_END, options))
        },
        src: &[(Some(1), 64 * K), (Some(ZEROS), 64 * K), (Some(2), 1000)],
        dst: OLD,
        moves: (0, 0, 128 * K + 1000),
    },
    Scene {
        name: "clone over a file",
        verb: |src, dst| Said::Moved(xtent::clone_range(src, 8192, dst, 4096, 65_536, CloneOptions::new())),
        src: SPARSE,
        dst: OLD,
        moves: (8 * K, 4 * K, 64 * K),
    },
    Scene {
        name: "clone to the end",
        verb: |src, dst| Said::Moved(xtent::clone_range(src, 0, dst, 0, TO_END, CloneOptions::new())),
        src: SPARSE,
        dst: &[(Some(9), 5000)],
        moves: (0, 0, SPARSE_SIZE),
    },
    Scene {
        name: "clone or copy, with ragged edges",
        verb: |src, dst| {
            Said::Moved(xtent::clone_or_copy_range(src, 100, dst, 100, 100_000, CopyOptions::new()))
        },
        src: SPARSE,
        dst: OLD,
        moves: (100, 100, 100_000),
    },
    Scene {
        name: "dedupe of equal files",
        verb: |src, dst| dedupe(src, &[(dst, 0)]),
        src: &[(Some(1), 64 * K + 100)],
        dst: &[(Some(1), 64 * K + 100)],
        moves: (0, 0, 0),
    },
    Scene {
        name: "dedupe of files that differ",
        verb: |src, dst| dedupe(src, &[(dst, 0), (dst, 65_536)]),
        src: &[(Some(1), 64 * K)],
        dst: &[(Some(1), 32 * K), (Some(9), 32 * K), (Some(1), 64 * K)],
        moves: (0, 0, 0),
    },
    Scene {
        name: "dedupe onto a hole",
        verb: |src, dst| dedupe(src, &[(dst, 0)]),
        src: &[(Some(1), 16 * K), (Some(ZEROS), 32 * K), (Some(2), 16 * K + 100)],
        dst: &[(Some(1), 16 * K), (None, 32 * K), (Some(2), 16 * K + 100), (Some(9), 8 * K)],
        moves: (0, 0, 0),
    },
    Scene {
        name: "extents",
        verb: |src, _| Said::Extents(xtent::extents(src, 0, TO_END)),
        src: SPARSE,
        dst: &[],
        moves: (0, 0, 0),
    },
    Scene {
        name: "shared bytes",
        verb: |src, dst| Said::Shared(xtent::shared_bytes(src, dst)),
        src: SPARSE,
        dst: OLD,
        moves: (0, 0, 0),
    },
    Scene {
        name: "probe",
        verb: |src, dst| Said::Probed(xtent::probe(src, dst)),
        src: SPARSE,
        dst: OLD,
        moves: (0, 0, 0),
    },
];

/// Stands for zeros that are written.
const ZEROS: u64 = u64::MAX;

fn dedupe(src: BorrowedFd<'_>, targets: &[(BorrowedFd<'_>, u64)]) -> Said {
    let targets: Vec<_> =
        targets.iter().map(|(fd, offset)| DedupeTarget { fd: *fd, offset: *offset }).collect();
    Said::Deduped(xtent::dedupe_range(src, 0, TO_END, &targets, DedupeOptions::new()))
}

/// The files of a scene.
pub(crate) struct Set {
    _dir: TempDir,
    scene: &'static Scene,
    src: File,
    dst: File,
    src_bytes: Vec<u8>,
    dst_bytes: Vec<u8>,
}

pub(crate) fn bytes(pieces: Pieces) -> Vec<u8> {
    let piece = |(seed, len): &(Option<u64>, usize)| match seed {
        None | Some(ZEROS) => vec![0; *len],
        Some(seed) => pattern(*seed, *len),
    };
    pieces.iter().flat_map(piece).collect()
}

pub(crate) fn write(file: &File, pieces: Pieces, bytes: &[u8]) {
    file.set_len(0).and_then(|()| file.set_len(bytes.len() as u64)).expect("ftruncate");
    let mut at = 0;
    for (seed, len) in pieces {
        if seed.is_some() {
            file.write_all_at(&bytes[at..at + len], at as u64).expect("pwrite");
        }
        at += len;
    }
}

pub(crate) fn content(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().expect("fstat").len() as usize];
    file.read_exact_at(&mut bytes, 0).expect("pread");
    bytes
}

pub(crate) fn difference(a: &[u8], b: &[u8]) -> Option<usize> {
    // Slices are compared quickly; where they differ interests only when they do.
    if a == b {
        return None;
    }
    let at = a.iter().zip(b).position(|(a, b)| a != b);
    at.or((a.len() != b.len()).then(|| a.len().min(b.len())))
}

impl Trial for Set {
    type Said = Said;

    fn name(&self) -> &'static str {
        self.scene.name
    }

    fn reset(&self) {
        write(&self.dst, self.scene.dst, &self.dst_bytes);
    }

    fn act(&self) -> Said {
        (self.scene.verb)(self.src.as_fd(), self.dst.as_fd())
    }

    fn judge(&self, said: &Said, calm: &Said, fault: Option<(Call, i32)>) -> Result<(), String> {
        self.is_wrong(said, calm, &may_come(fault))
    }
}

impl Set {
    pub(crate) fn new(fs: &Filesystem, scene: &'static Scene) -> Set {
        let dir = scratch(fs);
        let open = |name| {
            let path = dir.path().join(name);
            File::options().read(true).write(true).create_new(true).open(path).expect("a new file")
        };
        let (src, dst) = (open("src"), open("dst"));
        let src_bytes = bytes(scene.src);
        write(&src, scene.src, &src_bytes);
        Set { _dir: dir, scene, src, dst, src_bytes, dst_bytes: bytes(scene.dst) }
    }

    fn is_wrong(&self, said: &Said, calm: &Said, errno: &[i32]) -> Result<(), String> {
        if let Some(at) = difference(&content(&self.src), &self.src_bytes) {
            return Err(format!("the source is another at {at}"));
        }
        match (said, calm) {
            (Said::Moved(said), Said::Moved(calm)) => self.moved(said, calm, errno),
            (Said::Deduped(said), Said::Deduped(calm)) => self.deduped(said, calm, errno),
            (Said::Extents(said), Said::Extents(calm)) => self.looked(said, calm, errno),
            (Said::Shared(said), Said::Shared(calm)) => self.looked(said, calm, errno),
            (Said::Probed(said), Said::Probed(calm)) => self.probed(said, calm, errno),
            _ => unreachable!("one verb"),
        }
    }

    /// So many bytes arrived, and everything else is as it was.
    fn arrived(&self, len: usize) -> Result<(), String> {
        let (src_off, dst_off, _) = self.scene.moves;
        let mut wanted = self.dst_bytes.clone();
        if len > 0 {
            wanted.resize(wanted.len().max(dst_off + len), 0);
            wanted[dst_off..dst_off + len].copy_from_slice(&self.src_bytes[src_off..src_off + len]);
        }
        match difference(&content(&self.dst), &wanted) {
            Some(at) => Err(format!("of {len} bytes told, the destination is another at {at}")),
            None => Ok(()),
        }
    }

    fn moved(
        &self,
        said: &xtent::Result<Report>,
        calm: &xtent::Result<Report>,
        errno: &[i32],
    ) -> Result<(), String> {
        let (.., len) = self.scene.moves;
        match said {
            Ok(report) => {
                let bytes = report.bytes() as usize;
                self.arrived(bytes)?;
                if bytes == len && report.errno == 0 {
                    Ok(())
                } else if bytes < len && report.errno == 0 {
                    Err(format!("{bytes} of {len} bytes told as all"))
                } else if !errno.contains(&report.errno) {
                    Err(format!("ended by errno {}", report.errno))
                } else {
                    Ok(())
                }
            }
            Err(error) => {
                self.arrived(0)?;
                let as_ever = calm.as_ref().is_err_and(|calm| calm.errno == error.errno);
                if errno.contains(&error.errno) || as_ever { Ok(()) } else { Err("another errno".into()) }
            }
        }
    }

    fn deduped(
        &self,
        said: &xtent::Result<Vec<DedupeResult>>,
        calm: &xtent::Result<Vec<DedupeResult>>,
        errno: &[i32],
    ) -> Result<(), String> {
        self.arrived(0)?;
        let results = dedupe::results(said, calm, errno)?;
        for (number, result) in results.iter().enumerate() {
            let offset = number * 65_536;
            let target = &self.dst_bytes[offset..][..self.src_bytes.len()];
            dedupe::is_true(result, (&self.src, &self.src_bytes), (&self.dst, offset, target), errno)
                .map_err(|what| format!("target {number}: {what}"))?;
        }
        Ok(())
    }

    fn looked<T: PartialEq + std::fmt::Debug>(
        &self,
        said: &xtent::Result<T>,
        calm: &xtent::Result<T>,
        errno: &[i32],
    ) -> Result<(), String> {
        self.arrived(0)?;
        match (said, calm) {
            (Ok(said), Ok(calm)) if said == calm => Ok(()),
            (Err(said), _) if errno.contains(&said.errno) => Ok(()),
            (Err(said), Err(calm)) if said.errno == calm.errno => Ok(()),
            _ => Err("neither the answer nor the error".into()),
        }
    }

    /// A yes is one without faults too; a no has the errno of the fault, or is one anyway.
    fn probed(
        &self,
        said: &xtent::Result<Capabilities>,
        calm: &xtent::Result<Capabilities>,
        errno: &[i32],
    ) -> Result<(), String> {
        self.arrived(0)?;
        let (said, calm) = match (said, calm) {
            (Ok(said), Ok(calm)) => (said, calm),
            (Err(said), _) if errno.contains(&said.errno) => return Ok(()),
            _ => return Err("another errno".into()),
        };
        let true_of = |said: &Ability, calm: &Ability| match said.answer {
            // A probe asks with a range that is none: by these the kernel says that it came to look at it.
            Answer::Yes => {
                calm.answer == Answer::Yes
                    || errno.iter().any(|errno| [libc::EINVAL, libc::EFBIG].contains(errno))
            }
            Answer::No => {
                errno.contains(&said.errno) || calm.answer == Answer::No && said.errno == calm.errno
            }
            Answer::Unknown => true,
        };
        let all = true_of(&said.copy, &calm.copy)
            && true_of(&said.clone, &calm.clone)
            && true_of(&said.dedupe, &calm.dedupe);
        if all { Ok(()) } else { Err(format!("not as without faults: {calm:?}")) }
    }
}
