//! One run over all groups of files: its threads, and what they tell.

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::CStr;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Thread};
use std::time::Duration;

use crate::cache::Cache;
use crate::control::Control;
use crate::error::Error;
use crate::reason::Reason;
use crate::roots::Roots;
use crate::sys::signal::Deferred;
use crate::tree::TreeFailure;

use super::OP;
use super::catalogue::{Catalogue, Record};
use super::index::Index;
use super::report::DedupeTreeReport;
use super::worker::Worker;

pub(super) struct Rules {
    pub(super) dry_run: bool,
    pub(super) blocks: bool,
    pub(super) cache: Cache,
    pub(super) threads: usize,
}

/// So many files are held open by each thread, while their bytes are on the way.
pub(super) const HELD: usize = 64;

/// So many bytes of several groups are taken on at once: what is read ahead stays in the page cache until it is compared.
const BATCH: u64 = 32 << 20;

/// How long the caller's thread waits for the others before it looks at the cancel flag.
const PATIENCE: Duration = Duration::from_millis(20);

/// What all threads share.
pub(super) struct Job<'a> {
    pub(super) roots: &'a Roots,
    pub(super) catalogue: &'a Catalogue,
    pub(super) rules: &'a Rules,
    pub(super) index: Option<&'a Index>,
    groups: &'a [Range<u32>],
    /// The first group that nobody has taken.
    next: Mutex<usize>,
    is_stopped: AtomicBool,
    is_cancelled: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    told: Mutex<DedupeTreeReport>,
    /// Filesystems that turned out not to share.
    cannot: Mutex<HashSet<u16>>,
}

/// The caller's way of watching, for its own thread only.
pub(super) type Caller<'a, 'c> = RefCell<&'a mut Control<'c>>;

/// Does everything; says whether it came to the end.
pub(super) fn run(
    roots: &Roots,
    catalogue: &Catalogue,
    groups: &[Range<u32>],
    rules: &Rules,
    index: Option<&Index>,
    control: &mut Control<'_>,
    report: DedupeTreeReport,
) -> (DedupeTreeReport, bool) {
    let job = Job {
        roots,
        catalogue,
        rules,
        index,
        groups,
        next: Mutex::new(0),
        is_stopped: AtomicBool::new(false),
        is_cancelled: AtomicBool::new(false),
        files: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        told: Mutex::new(report),
        cannot: Mutex::default(),
    };
    let caller = RefCell::new(control);
    let running = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        // Also when this thread panics: the others must come to an end.
        let _stopping = Stopping(&job.is_stopped);
        let mut threads = Vec::new();
        {
            // Signals are for the host's own threads; a new thread has the mask of the one that makes it.
            let _deferred = Deferred::new();
            for _ in 1..rules.threads.min(groups.len()) {
                running.fetch_add(1, Ordering::Relaxed);
                let ended = Ended(&running, std::thread::current());
                let work = || {
                    let _ended = ended;
                    Worker::new(&job, None).work();
                };
                match Builder::new().spawn_scoped(scope, work) {
                    Ok(thread) => threads.push(thread),
                    // As many as the system gives.
                    Err(_) => break,
                }
            }
        }
        Worker::new(&job, Some(&caller)).work();
        while running.load(Ordering::Acquire) > 0 {
            std::thread::park_timeout(PATIENCE);
            job.look(&caller);
        }
        // The scope only waits until each has done its work: a thread may still be about to end then, without its
        // stack taken back.
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    job.look(&caller);
    let whole = !job.is_cancelled.load(Ordering::Relaxed);
    (job.told.into_inner().unwrap_or_else(PoisonError::into_inner), whole)
}

struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A thread that runs, and the one that waits for it.
struct Ended<'a>(&'a AtomicUsize, Thread);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
        self.1.unpark();
    }
}

impl Job<'_> {
    /// Groups that nobody has taken.
    pub(super) fn take(&self) -> Option<&[Range<u32>]> {
        let mut next = lock(&self.next);
        let from = *next;
        let (mut files, mut bytes) = (0, 0);
        while let Some(group) = self.groups.get(*next) {
            let more = (group.end - group.start) as usize;
            let size = self.catalogue.record(group.start).size.saturating_mul(more as u64);
            if *next > from && (files + more > HELD || bytes + size > BATCH) {
                break;
            }
            (files, bytes) = (files + more, bytes + size);
            *next += 1;
        }
        (from < *next && !self.is_stopped()).then(|| &self.groups[from..*next])
    }

    pub(super) fn told(&self) -> MutexGuard<'_, DedupeTreeReport> {
        lock(&self.told)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// Asks and tells the caller.
    pub(super) fn look(&self, caller: &Caller<'_, '_>) {
        let (files, bytes) = (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let mut control = caller.borrow_mut();
        if !self.is_stopped() && (control.is_cancelled() || control.step(files, bytes).is_break()) {
            self.is_cancelled.store(true, Ordering::Relaxed);
            self.is_stopped.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn done(&self, files: usize, size: u64) {
        self.files.fetch_add(files as u64, Ordering::Relaxed);
        self.bytes.fetch_add(size.saturating_mul(files as u64), Ordering::Relaxed);
    }

    pub(super) fn fail(&self, record: &Record, errno: i32, reason: Reason) {
        let name: &CStr = self.catalogue.name(record);
        let path = self.roots.path(record.directory, name);
        self.told().failures.push(TreeFailure { path, error: Error::new(OP, errno, reason) });
    }

    /// That a filesystem cannot is said once, and none of its files is asked any more.
    pub(super) fn cannot(&self, record: &Record, errno: i32, reason: Reason) {
        if lock(&self.cannot).insert(self.catalogue.filesystem(record)) {
            self.fail(record, errno, reason);
        }
    }

    pub(super) fn can(&self, record: &Record) -> bool {
        let cannot = lock(&self.cannot);
        cannot.is_empty() || !cannot.contains(&self.catalogue.filesystem(record))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
