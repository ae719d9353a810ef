//! Building a tree: the caller's thread walks and makes directories, and all threads make files. Hard links and what
//! directories have from the source come last.

use std::cell::RefCell;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::ffi::CStr;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::beneath;
use crate::control::Control;
use crate::error::Error;
use crate::facts::{Facts, Kind};
use crate::file::{Begun, Original, begin, finish, path_refusal};
use crate::listing::{Listed, Listing};
use crate::reason::Reason;
use crate::sys::signal::Deferred;
use crate::sys::{self, Errno};

use super::TreeResult;
use super::file::{self, KEPT, Opened, Way};
use super::frame::Frame;
use super::queue::{Closing, Queue};
use super::report::{TreeFailure, TreeReport};
use super::special;

pub(super) struct Rules {
    pub(super) threads: usize,
    pub(super) cross_mounts: bool,
    pub(super) keep_going: bool,
}

/// So many files are handed to a thread at once: most directories whole, because threads that make files in one directory wait for
/// each other. Who has many left when another has nothing to do shares them.
const BATCH: usize = 128;

/// How long the caller's thread waits for the others before it looks at the cancel flag.
const PATIENCE: Duration = Duration::from_millis(20);

/// Builds the whole tree in the frame's hidden directory.
pub(super) fn build(frame: &Frame, way: Way, rules: &Rules, control: &mut Control<'_>) -> TreeResult {
    let job = Job::new(frame, way, rules.keep_going);
    let caller = Caller(RefCell::new(control.lend()));
    let mut directories = Vec::new();
    let queue = Queue::new(if rules.threads > 1 { rules.threads } else { 0 });
    std::thread::scope(|scope| {
        let closing = Closing(&queue);
        let mut threads = Vec::new();
        {
            // Signals are for the host's own threads; a new thread has the mask of the one that makes it.
            let _deferred = Deferred::new();
            for _ in 1..rules.threads {
                let serve = || queue.serve(|batch: Batch| job.files(batch, &queue, None));
                match std::thread::Builder::new().spawn_scoped(scope, serve) {
                    Ok(thread) => threads.push(thread),
                    // As many as the system gives.
                    Err(_) => break,
                }
            }
        }
        let mut walk = Walk { job: &job, queue: &queue, caller: &caller, rules, directories: Vec::new() };
        walk.everything();
        while let Some(batch) = queue.take() {
            job.files(batch, &queue, Some(&caller));
        }
        while !queue.is_done(PATIENCE) {
            job.look(&caller);
        }
        directories = walk.directories;
        drop(closing);
        // The scope only waits until each has done its work: a thread may still be about to end then, without its
        // stack taken back.
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    job.link();
    job.finish(directories);
    job.look(&caller);
    job.end()
}

/// Files of one directory.
struct Batch {
    /// In the source, and in the new tree.
    src: Arc<OwnedFd>,
    dst: Arc<OwnedFd>,
    path: Arc<Path>,
    files: VecDeque<Listed>,
}

impl Batch {
    /// Takes away half of the files.
    fn split(&mut self) -> Batch {
        let files = self.files.split_off(self.files.len() / 2);
        Batch { files, src: self.src.clone(), dst: self.dst.clone(), path: self.path.clone() }
    }
}

/// A directory whose contents are there, and that still lacks what would be in the way of making them.
struct Unfinished {
    path: PathBuf,
    stat: libc::stat64,
    begun: Begun,
}

/// What one of several names of a file is linked to.
struct Link {
    first: PathBuf,
    path: PathBuf,
}

/// The caller's way of watching, for its own thread only.
struct Caller<'a>(RefCell<Control<'a>>);

/// What all threads share.
struct Job<'a> {
    way: Way,
    keep_going: bool,
    src: BorrowedFd<'a>,
    dst: BorrowedFd<'a>,
    /// The new tree's filesystem.
    kind: Kind,
    alone: bool,
    stat: &'a libc::stat64,
    is_stopped: AtomicBool,
    is_cancelled: AtomicBool,
    files: AtomicU64,
    bytes: AtomicU64,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    report: TreeReport,
    /// The first name of each file that has several, by device and inode.
    named: HashMap<(u64, u64), PathBuf>,
    links: Vec<Link>,
}

impl<'a> Job<'a> {
    fn new(frame: &'a Frame, way: Way, keep_going: bool) -> Self {
        let dst = frame.dst.as_fd();
        Job {
            way,
            keep_going,
            src: frame.src.as_fd(),
            dst,
            kind: Facts::of(dst).kind(),
            alone: frame.alone,
            stat: &frame.stat,
            is_stopped: AtomicBool::new(false),
            is_cancelled: AtomicBool::new(false),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Asks and tells the caller.
    fn look(&self, caller: &Caller<'_>) {
        let mut control = caller.0.borrow_mut();
        let (files, bytes) = (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        if control.is_cancelled() || control.step(files, bytes).is_break() {
            self.cancel();
        }
    }

    fn fail(&self, path: PathBuf, error: Error) {
        if error.reason == Reason::Cancelled {
            return self.cancel();
        }
        self.told().report.failures.push(TreeFailure { path, error });
        if !self.keep_going {
            self.is_stopped.store(true, Ordering::Relaxed);
        }
    }

    fn refuse(&self, path: PathBuf, errno: Errno) {
        self.fail(path, path_refusal(errno).of(self.way.operation()));
    }

    /// Makes the files of a batch.
    fn files(&self, mut batch: Batch, queue: &Queue<Batch>, caller: Option<&Caller<'_>>) {
        while let Some(listed) = batch.files.pop_front() {
            if let Some(caller) = caller {
                self.look(caller);
            }
            if self.is_stopped() {
                return;
            }
            if queue.is_hungry() && batch.files.len() > 1 {
                let half = batch.split();
                if let Some(mut half) = queue.offer(half) {
                    batch.files.append(&mut half.files);
                }
            }
            let path = || beneath::join(&batch.path, &listed.name);
            let (src, dst) = (batch.src.as_fd(), batch.dst.as_fd());
            match self.entry((src, dst), &listed, path, caller) {
                Ok(()) => {}
                Err(Errno(libc::ENOENT)) => self.told().report.vanished += 1,
                Err(errno) => self.refuse(path(), errno),
            }
        }
    }

    /// Makes one of anything but a directory.
    fn entry(
        &self,
        (src, dst): (BorrowedFd<'_>, BorrowedFd<'_>),
        listed: &Listed,
        path: impl Fn() -> PathBuf,
        caller: Option<&Caller<'_>>,
    ) -> sys::Result<()> {
        let name = &listed.name;
        if listed.kind == libc::DT_REG
            && let Opened::Regular(file, stat) = file::open(src, name)?
        {
            if self.is_link(&stat, &path) {
                return Ok(());
            }
            self.regular((file, stat), dst, name, &path, caller);
            return Ok(());
        }
        let stat = sys::stat::fstatat(src, name, libc::AT_SYMLINK_NOFOLLOW)?;
        match stat.st_mode & libc::S_IFMT {
            // Another took its name since it was listed: that one is gone.
            libc::S_IFDIR | libc::S_IFREG => return Err(Errno(libc::ENOENT)),
            _ => {}
        }
        if self.is_link(&stat, &path) {
            return Ok(());
        }
        let unkept = special::make((src, &stat), dst, name)?;
        let mut told = self.told();
        told.report.specials += 1;
        told.report.total.unkept |= unkept;
        Ok(())
    }

    /// Whether it is a further name of a file that is made under its first; that is done at the end.
    fn is_link(&self, stat: &libc::stat64, path: impl Fn() -> PathBuf) -> bool {
        if stat.st_nlink <= 1 {
            return false;
        }
        let mut told = self.told();
        let told = &mut *told;
        match told.named.entry((stat.st_dev, stat.st_ino)) {
            Entry::Vacant(first) => {
                first.insert(path());
                false
            }
            Entry::Occupied(first) => {
                told.links.push(Link { first: first.get().clone(), path: path() });
                true
            }
        }
    }

    fn regular(
        &self,
        opened: (OwnedFd, libc::stat64),
        dst: BorrowedFd<'_>,
        name: &CStr,
        path: impl Fn() -> PathBuf,
        caller: Option<&Caller<'_>>,
    ) {
        let mut before = 0;
        let mut step = |done: u64, _total: u64| {
            self.bytes.fetch_add(done - std::mem::replace(&mut before, done), Ordering::Relaxed);
            if let Some(caller) = caller {
                self.look(caller);
            }
            if self.is_stopped() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let is_stopped = || self.is_stopped();
        let control = Control::new().cancel(&is_stopped).progress(&mut step);
        match file::make(self.way, (self.kind, self.alone), opened, dst, name, control) {
            Ok(report) => {
                self.files.fetch_add(1, Ordering::Relaxed);
                let mut told = self.told();
                told.report.files += 1;
                let total = &mut told.report.total;
                total.append(&report);
                total.unkept |= report.unkept;
                if total.fallback == Reason::None {
                    total.fallback = report.fallback;
                }
            }
            // Stopped because another failed.
            Err(error) if error.reason == Reason::Cancelled => {}
            Err(error) => {
                // What is there of it is no file of the tree.
                sys::names::unlink(dst, name).ok();
                self.fail(path(), error);
            }
        }
    }

    /// Gives files their further names.
    fn link(&self) {
        let links = std::mem::take(&mut self.told().links);
        for Link { first, path } in links {
            if self.is_stopped() {
                return;
            }
            let link = || {
                let (old_dir, old) = beneath::parent(self.dst, &first)?;
                let (new_dir, new) = beneath::parent(self.dst, &path)?;
                sys::names::link_across(old_dir.as_fd(), &old, new_dir.as_fd(), &new)
            };
            match link() {
                Ok(()) => self.told().report.links += 1,
                Err(errno) => self.refuse(path, errno),
            }
        }
    }

    /// Gives directories what they have in the source; those inside of others first, because that changes the others' times.
    fn finish(&self, directories: Vec<Unfinished>) {
        for Unfinished { path, stat, begun } in directories.into_iter().rev() {
            if self.is_stopped() {
                return;
            }
            let original = Original { stat: &stat, file: None, without_privileges: false, alone: false };
            let done = beneath::directory(self.dst, &path)
                .and_then(|dir| finish(dir.as_fd(), &original, KEPT, begun, 0));
            match done {
                Ok(unkept) => self.told().report.total.unkept |= unkept,
                Err(errno) => self.refuse(path, errno),
            }
        }
    }

    fn end(self) -> TreeResult {
        let is_cancelled = self.is_cancelled.load(Ordering::Relaxed);
        let op = self.way.operation();
        let mut report = self.told.into_inner().unwrap_or_else(PoisonError::into_inner).report;
        if is_cancelled {
            let error = Error::new(op, libc::ECANCELED, Reason::Cancelled);
            return Err(TreeFailure { path: PathBuf::new(), error });
        }
        if self.keep_going || report.failures.is_empty() {
            return Ok(report);
        }
        Err(report.failures.swap_remove(0))
    }
}

/// The caller's thread on its way through the source.
struct Walk<'a, 'c> {
    job: &'a Job<'a>,
    queue: &'a Queue<Batch>,
    caller: &'a Caller<'c>,
    rules: &'a Rules,
    directories: Vec<Unfinished>,
}

impl Walk<'_, '_> {
    /// Directories are remembered by their paths, so that few are open, however deep they lie.
    fn everything(&mut self) {
        let mount = sys::stat::mount(self.job.src).ok().flatten();
        let mut left = vec![PathBuf::new()];
        while let Some(path) = left.pop() {
            self.job.look(self.caller);
            if self.job.is_stopped() {
                return;
            }
            match self.directory(&path, mount, &mut left) {
                Ok(()) => {}
                Err(errno) => self.job.refuse(path, errno),
            }
        }
    }

    fn directory(&mut self, path: &Path, mount: Option<u64>, left: &mut Vec<PathBuf>) -> sys::Result<()> {
        let job = self.job;
        let src = match beneath::directory(job.src, path) {
            // It is gone since it was listed, or something else has its name.
            Err(Errno(libc::ENOENT | libc::ELOOP | libc::ENOTDIR)) if !path.as_os_str().is_empty() => {
                job.told().report.vanished += 1;
                return Ok(());
            }
            opened => opened?,
        };
        let stat = sys::stat::fstat(src.as_fd())?;
        if !path.as_os_str().is_empty() {
            let (parent, name) = beneath::parent(job.dst, path)?;
            sys::dir::make(parent.as_fd(), &name, 0o700)?;
        }
        let dst = beneath::directory(job.dst, path)?;
        let original =
            Original { stat: &stat, file: Some(src.as_fd()), without_privileges: false, alone: false };
        let begun = begin(dst.as_fd(), &original, KEPT)?;
        self.directories.push(Unfinished { path: path.to_owned(), stat, begun });
        job.told().report.directories += 1;
        if !self.rules.cross_mounts && self.is_elsewhere(src.as_fd(), &stat, mount) {
            return Ok(());
        }
        self.contents(Arc::new(src), Arc::new(dst), path, left)
    }

    /// Whether a directory is reached through another mount than the tree itself. By the device where the kernel does not
    /// tell mounts (before Linux 5.8): there a btrfs subvolume looks like one.
    fn is_elsewhere(&self, dir: BorrowedFd<'_>, stat: &libc::stat64, mount: Option<u64>) -> bool {
        match (mount, sys::stat::mount(dir)) {
            (Some(ours), Ok(Some(its))) => ours != its,
            _ => stat.st_dev != self.job.stat.st_dev,
        }
    }

    fn contents(
        &mut self,
        src: Arc<OwnedFd>,
        dst: Arc<OwnedFd>,
        path: &Path,
        left: &mut Vec<PathBuf>,
    ) -> sys::Result<()> {
        let shared: Arc<Path> = path.into();
        let mut listing = Listing::new(src.as_fd());
        let mut files = VecDeque::new();
        while let Some(some) = listing.some()? {
            for mut listed in some {
                if listed.kind == libc::DT_UNKNOWN {
                    listed.kind = kind(src.as_fd(), &listed.name);
                }
                if listed.kind == libc::DT_DIR {
                    left.push(beneath::join(path, &listed.name));
                    continue;
                }
                files.push_back(listed);
                if files.len() == BATCH {
                    self.hand_out(&src, &dst, &shared, std::mem::take(&mut files));
                }
            }
        }
        self.hand_out(&src, &dst, &shared, files);
        Ok(())
    }

    fn hand_out(
        &mut self,
        src: &Arc<OwnedFd>,
        dst: &Arc<OwnedFd>,
        path: &Arc<Path>,
        files: VecDeque<Listed>,
    ) {
        if files.is_empty() {
            return;
        }
        let batch = Batch { src: src.clone(), dst: dst.clone(), path: path.clone(), files };
        if let Some(batch) = self.queue.offer(batch) {
            self.job.files(batch, self.queue, Some(self.caller));
        }
    }
}

/// What a name names where the listing does not say; one that is gone is as good as a file that is gone.
fn kind(dir: BorrowedFd<'_>, name: &CStr) -> u8 {
    let stat = sys::stat::fstatat(dir, name, libc::AT_SYMLINK_NOFOLLOW);
    match stat.map(|stat| stat.st_mode & libc::S_IFMT) {
        Ok(libc::S_IFDIR) => libc::DT_DIR,
        Ok(libc::S_IFREG) | Err(_) => libc::DT_REG,
        Ok(_) => libc::DT_UNKNOWN,
    }
}
