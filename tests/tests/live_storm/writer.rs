//! A program that stamps numbered records into a file, in one order, and what a copy of that file tells.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use xtent_tests::Random;

pub(crate) const SIZE: usize = 64 << 20;
/// A record is a page and a block.
const RECORD: usize = 4096;
const SLOTS: u64 = (SIZE / RECORD) as u64;
/// Record number n lies in slot n * STRIDE modulo SLOTS, so that the writer goes through all slots, again and again, and
/// never along with who reads from the beginning to the end. Number 0 is never written.
const STRIDE: u64 = 7919;
/// Leads back: STRIDE * BACK is 1 modulo SLOTS.
const BACK: u64 = inverse(STRIDE);

/// Of an odd number modulo a power of two, by Newton's iteration.
const fn inverse(number: u64) -> u64 {
    let (mut inverse, mut round) = (1u64, 0);
    while round < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(number.wrapping_mul(inverse)));
        round += 1;
    }
    inverse % SLOTS
}
/// Records that a cooperating writer writes between taking and giving back its lock.
pub(crate) const CHANGE: u64 = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Means {
    Write,
    /// Only the first word of a record is stored: longer ones are no single store.
    Mapping,
    Direct,
}

/// What the writer does beside writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Never pauses for long.
    Always,
    /// Some records, then a pause, some of them longer than `detect` waits for.
    Bursts,
    /// The same, and the file is open only for the burst.
    OpensForBursts,
    /// Each burst is CHANGE records, under the locks of docs/lock-protocol.md.
    Locks,
}

/// How the writer fared.
#[derive(Debug, Default)]
pub(crate) struct Fared {
    pub(crate) records: u64,
    pub(crate) time: Duration,
    /// In records that took more than a millisecond.
    pub(crate) waited: Duration,
    /// The longest that a record, or opening the file, took.
    pub(crate) longest: Duration,
}

impl std::fmt::Display for Fared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Fared { time, waited, longest, .. } = self;
        let share = 100.0 * waited.as_secs_f64() / time.as_secs_f64().max(1e-9);
        let (waited, time, longest) = (waited.as_millis(), time.as_secs_f64(), longest.as_millis());
        write!(f, "writer waited {waited} ms of {time:.1} s ({share:.2}%), {longest} ms at most")
    }
}

impl Fared {
    fn took(&mut self, time: Duration) {
        self.longest = self.longest.max(time);
        if time > Duration::from_millis(1) {
            self.waited += time;
        }
    }
}

/// The file, with all its blocks.
pub(crate) fn prepare(path: &Path) {
    let file = File::create(path).unwrap();
    file.write_all_at(&vec![0; SIZE], 0).unwrap();
    file.sync_all().unwrap();
}

/// When to stop, which the writer is told, and that it has begun, which it tells.
#[derive(Default)]
pub(crate) struct Signs {
    pub(crate) begun: AtomicBool,
    pub(crate) stop: AtomicBool,
}

/// Writes until told to stop.
pub(crate) fn write(path: &Path, means: Means, manner: Manner, seed: u64, signs: &Signs) -> Fared {
    let mut random = Random(seed);
    let mut fared = Fared::default();
    let begin = Instant::now();
    let mut next = 1;
    let mut stamp = Stamp::open(path, means);
    while !signs.stop.load(Ordering::Relaxed) {
        if manner == Manner::OpensForBursts {
            let opening = Instant::now();
            stamp = Stamp::open(path, means);
            fared.took(opening.elapsed());
        }
        let (records, pause) = match manner {
            Manner::Always => (64, 200),
            Manner::Locks => (CHANGE, random.below(20_000)),
            Manner::Bursts | Manner::OpensForBursts => (1 + random.below(500), random.below(500_000)),
        };
        if manner == Manner::Locks {
            stamp.lock(libc::F_WRLCK);
        }
        for _ in 0..records {
            let record = Instant::now();
            stamp.record(next);
            fared.took(record.elapsed());
            next += 1;
        }
        if manner == Manner::Locks {
            stamp.lock(libc::F_UNLCK);
        }
        fared.records += records;
        if manner == Manner::OpensForBursts {
            // Closes before the pause.
            stamp = Stamp::Closed;
        }
        signs.begun.store(true, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(pause));
    }
    fared.time = begin.elapsed();
    fared
}

enum Stamp {
    Closed,
    Write(File),
    Mapping(File, *mut libc::c_void),
    Direct(File, Box<Aligned>),
}

#[repr(align(4096))]
struct Aligned([u8; RECORD]);

impl Stamp {
    fn open(path: &Path, means: Means) -> Stamp {
        let flags = if means == Means::Direct { libc::O_DIRECT } else { 0 };
        let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).unwrap();
        match means {
            Means::Write => Stamp::Write(file),
            Means::Direct => Stamp::Direct(file, Box::new(Aligned([0; RECORD]))),
            Means::Mapping => {
                let access = libc::PROT_READ | libc::PROT_WRITE;
                // SAFETY: a new mapping of an open file of SIZE bytes; the result is checked.
                let at =
                    unsafe { libc::mmap(null_mut(), SIZE, access, libc::MAP_SHARED, file.as_raw_fd(), 0) };
                assert_ne!(at, libc::MAP_FAILED);
                Stamp::Mapping(file, at)
            }
        }
    }

    fn file(&self) -> &File {
        match self {
            Stamp::Write(file) | Stamp::Mapping(file, _) | Stamp::Direct(file, _) => file,
            Stamp::Closed => unreachable!("nothing is written between bursts"),
        }
    }

    fn record(&mut self, number: u64) {
        let at = (number * STRIDE % SLOTS) * RECORD as u64;
        match self {
            Stamp::Write(file) => file.write_all_at(&number.to_le_bytes().repeat(RECORD / 8), at).unwrap(),
            Stamp::Direct(file, memory) => {
                memory.0.copy_from_slice(&number.to_le_bytes().repeat(RECORD / 8));
                file.write_all_at(&memory.0, at).unwrap();
            }
            Stamp::Mapping(_, map) => {
                // SAFETY: inside the mapping of SIZE bytes, aligned, and only ever used as atomics.
                let word = unsafe { AtomicU64::from_ptr(map.cast::<u8>().add(at as usize).cast()) };
                // In the order of the program for everybody.
                word.store(number.to_le(), Ordering::SeqCst);
            }
            Stamp::Closed => unreachable!("nothing is written between bursts"),
        }
    }

    fn lock(&self, kind: libc::c_int) {
        const CONTENTS: (i64, i64) = (0, i64::MAX);
        const GATE: (i64, i64) = (i64::MAX, 1);
        let set = |kind: libc::c_int, (start, len)| {
            let lock = libc::flock64 {
                l_type: kind as libc::c_short,
                l_whence: libc::SEEK_SET as libc::c_short,
                l_start: start,
                l_len: len,
                l_pid: 0,
            };
            // SAFETY: F_OFD_SETLKW reads one `flock64`, which lives until the call returns.
            let done = unsafe { libc::fcntl(self.file().as_raw_fd(), libc::F_OFD_SETLKW, &lock) };
            assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
        };
        if kind == libc::F_UNLCK {
            return set(kind, CONTENTS);
        }
        set(kind, GATE);
        set(kind, CONTENTS);
        set(libc::F_UNLCK, GATE);
    }
}

impl Drop for Stamp {
    fn drop(&mut self) {
        if let Stamp::Mapping(_, at) = self {
            // SAFETY: the mapping of `open`; no reference into it is left.
            unsafe { libc::munmap(*at, SIZE) };
        }
    }
}

/// The number of the last record, where the copy is what the file was at one moment: no record is missing, none is
/// younger than the others allow, none is torn.
pub(crate) fn moment(copy: &[u8], means: Means) -> Option<u64> {
    if copy.len() != SIZE {
        return None;
    }
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
    let last = copy.chunks_exact(RECORD).map(word).max()?;
    let fits = |(slot, record): (usize, &[u8])| {
        let number = word(record);
        // The youngest of this slot that is not younger than the last of all.
        let behind = (last % SLOTS + SLOTS - slot as u64 * BACK % SLOTS) % SLOTS;
        let expected = last.checked_sub(behind).unwrap_or(0);
        let whole = means == Means::Mapping || record[..RECORD - 8] == record[8..];
        number == expected && whole
    };
    copy.chunks_exact(RECORD).enumerate().all(fits).then_some(last)
}
