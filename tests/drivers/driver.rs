//! The Rust face of the table: opens what it is told, calls the crate, says what came of it.
//!
//! The drivers are alike in all languages and decide nothing. One line in, one line out:
//!
//! ```text
//! open FLAGS:PATH ... | =NUMBER ...      closes what was open; a word for each file, flags of open(2) as a number
//!                                        and the path percent-escaped, or the number of an inherited descriptor
//! opened FD ...                          or -errno
//! call verb=NAME src=SLOT src_off=N len=N to=SLOT,OFFSET ... [sparse=WORD] [cache=WORD] [server=WORD]
//!      [measure=no] [blocks=yes]
//!      [cancel=before | cancel=after,BYTES] [alarms=1] [uid=N]
//!      [undo=WORD] [atomic=WORD] [scratch=SLOT] [keep=1]
//! file verb=NAME src=PATH to=PATH ... [replace=1] [durable=1] [follow=1] preserve=BITS [cancel=...]
//!      [stable=WORD] [scratch=PATH] [by=directory | by=open]
//!                                        a verb that opens its files itself, by paths from the root; by=directory: by
//!                                        names in their directories, which are open; by=open: the source is open
//! done errno=N reason=N ...              what the verb says; then for each slot the file position (set to 3
//!                                        before the call) and whether a POSIX lock was taken before the call
//! ```
//!
//! Files stay open until the next line, so that the locks can be looked at from outside.

use std::cell::Cell;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, Write as _};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use xtent::{
    Ability, Answer, At, Atomic, Cache, CloneOptions, Control, CopyOptions, DedupeOptions, DedupeResult,
    DedupeStatus, DedupeTarget, Destination, Error, FileOptions, Preserve, Protection, Reason, Report,
    Server, Sparse, Stable, TreeOptions, TreeReport, TreeResult, Undo,
};

enum Slot {
    Opened(OwnedFd),
    Given(RawFd),
    Failed(i32),
}

impl Slot {
    fn number(&self) -> RawFd {
        match self {
            Slot::Opened(fd) => fd.as_raw_fd(),
            Slot::Given(number) => *number,
            Slot::Failed(errno) => -errno,
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: not -1. That a given number is open is not known, and may be the point of the case; the library
        // hands it to system calls only.
        unsafe { BorrowedFd::borrow_raw(self.number()) }
    }
}

pub(crate) fn main() {
    let mut slots = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("stdin");
        let mut words = line.split(' ');
        let answer = match words.next() {
            Some("open") => {
                slots.clear();
                slots.extend(words.map(open));
                let numbers: Vec<String> = slots.iter().map(|slot| slot.number().to_string()).collect();
                format!("opened {}", numbers.join(" "))
            }
            Some("file") => format!("done{}", file(words)),
            Some("call") => format!("done{}", call(&Call::parse(words), &slots)),
            _ => panic!("not a line of the protocol: {line}"),
        };
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{answer}").and_then(|()| stdout.flush()).expect("stdout");
    }
}

fn open(word: &str) -> Slot {
    if let Some(number) = word.strip_prefix('=') {
        return Slot::Given(number.parse().expect("a number"));
    }
    let (flags, path) = word.split_once(':').expect("flags and a path");
    let flags: i32 = flags.parse().expect("flags");
    let path = std::ffi::CString::new(unescape(path)).expect("a path");
    // SAFETY: a string that ends with NUL; the number is a new descriptor, owned by nobody yet.
    unsafe {
        match libc::open(path.as_ptr(), flags | libc::O_CLOEXEC) {
            -1 => Slot::Failed(std::io::Error::last_os_error().raw_os_error().expect("an errno")),
            fd => Slot::Opened(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn unescape(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = vec![rest.next().expect("a digit"), rest.next().expect("a digit")];
                let digits = std::ffi::OsString::from_vec(digits).into_string().expect("digits");
                u8::from_str_radix(&digits, 16).expect("digits")
            }
            byte => byte,
        });
    }
    bytes
}

#[derive(Default)]
struct Call {
    verb: String,
    src: usize,
    src_off: u64,
    len: u64,
    to: Vec<(usize, u64)>,
    sparse: Sparse,
    cache: Cache,
    server: Server,
    unmeasured: bool,
    blocks: bool,
    cancelled_before: bool,
    cancel_after: Option<u64>,
    alarms: bool,
    uid: Option<u32>,
    undo: Option<String>,
    atomic: Option<String>,
    scratch: Option<usize>,
    keep: bool,
}

impl Call {
    fn parse<'w>(words: impl Iterator<Item = &'w str>) -> Call {
        let mut call = Call::default();
        for word in words {
            let (key, value) = word.split_once('=').expect("key=value");
            let number = || value.parse().expect("a number");
            match key {
                "verb" => call.verb = value.into(),
                "src" => call.src = number() as usize,
                "src_off" => call.src_off = number(),
                "len" => call.len = number(),
                "to" => {
                    let (slot, offset) = value.split_once(',').expect("slot,offset");
                    call.to.push((slot.parse().expect("a slot"), offset.parse().expect("an offset")));
                }
                "sparse" => {
                    call.sparse = match value {
                        "fill" => Sparse::Fill,
                        "detect" => Sparse::Detect,
                        _ => panic!("unknown choice {value}"),
                    }
                }
                "cache" if value == "neutral" => call.cache = Cache::Neutral,
                "server" if value == "allow" => call.server = Server::Allow,
                "measure" if value == "no" => call.unmeasured = true,
                "blocks" if value == "yes" => call.blocks = true,
                "cancel" => match value.strip_prefix("after,") {
                    Some(bytes) => call.cancel_after = Some(bytes.parse().expect("bytes")),
                    None => call.cancelled_before = true,
                },
                "alarms" => call.alarms = true,
                "uid" => call.uid = Some(number() as u32),
                "undo" => call.undo = Some(value.into()),
                "atomic" => call.atomic = Some(value.into()),
                "scratch" => call.scratch = Some(number() as usize),
                "keep" => call.keep = true,
                _ => panic!("unknown key {key}"),
            }
        }
        call
    }
}

fn call(call: &Call, slots: &[Slot]) -> String {
    let locks: Vec<&str> =
        slots.iter().enumerate().map(|(byte, slot)| prepare(slot.number(), byte)).collect();
    if let Some(uid) = call.uid {
        become_user(uid);
    }
    set_alarms(call.alarms);
    let mut answer = verb(call, slots);
    set_alarms(false);
    if call.uid.is_some() {
        become_user(0);
    }
    // SAFETY: numbers only.
    let position = |slot: &Slot| unsafe { libc::lseek(slot.number(), 0, libc::SEEK_CUR) };
    let positions: Vec<String> = slots.iter().map(|slot| position(slot).to_string()).collect();
    write!(answer, " pos={} locks={}", positions.join(","), locks.join(",")).expect("a string");
    answer
}

/// Sets the position, and takes a lock on one byte: which kind, or "-".
fn prepare(fd: RawFd, byte: usize) -> &'static str {
    // SAFETY: numbers only.
    unsafe { libc::lseek(fd, 3, libc::SEEK_SET) };
    // SAFETY: numbers only; a negative answer, for what is not open, has no access mode.
    let write = unsafe { libc::fcntl(fd, libc::F_GETFL) } & libc::O_ACCMODE != libc::O_RDONLY;
    let kind = if write { libc::F_WRLCK } else { libc::F_RDLCK };
    // SAFETY: the struct is plain numbers, of which zeros are valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_start = byte as i64;
    lock.l_len = 1;
    // SAFETY: the call reads one struct.
    match unsafe { libc::fcntl(fd, libc::F_SETLK, &lock) } {
        0 if write => "w",
        0 => "r",
        _ => "-",
    }
}

extern "C" fn caught(_: libc::c_int) {}

/// A signal every millisecond, to a handler that does nothing; system calls that it interrupts are not restarted.
fn set_alarms(on: bool) {
    let every = libc::timeval { tv_sec: 0, tv_usec: if on { 1000 } else { 0 } };
    let timer = libc::itimerval { it_interval: every, it_value: every };
    // SAFETY: the struct is plain numbers and a function, of which zeros are valid; the handler touches nothing.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = caught as *const () as usize;
        assert_eq!(libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()), 0);
        assert_eq!(libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()), 0);
    }
}

fn become_user(uid: u32) {
    // SAFETY: a number; changes the effective user of all threads (seteuid(2)).
    assert_eq!(unsafe { libc::seteuid(uid) }, 0, "seteuid");
}

fn options<'c>(call: &Call, control: Control<'c>) -> CopyOptions<'c> {
    CopyOptions::new().control(control).sparse(call.sparse).cache(call.cache).server(call.server)
}

/// A verb that takes paths.
fn file<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let (mut verb, mut src, mut to) = ("", PathBuf::new(), Vec::new());
    let (mut options, mut preserve) = (FileOptions::new(), 0);
    let (mut cancelled_before, mut cancel_after) = (false, None);
    let (mut scratch, mut by) = (None, "");
    let path = |word: &str| PathBuf::from(OsString::from_vec(unescape(word)));
    for word in words {
        let (key, value) = word.split_once('=').expect("key=value");
        match key {
            "verb" => verb = value,
            "src" => src = path(value),
            "to" => to.push(path(value)),
            "replace" => options.replace = true,
            "durable" => options.durable = true,
            "follow" => options.follow = true,
            "stable" => options.stable = *Stable::ALL.iter().find(|way| way.name() == value).expect("a way"),
            "scratch" => scratch = Some(File::open(path(value)).expect("a directory")),
            "by" => by = value,
            "preserve" => preserve = value.parse().expect("bits"),
            "cancel" => match value.strip_prefix("after,") {
                Some(bytes) => cancel_after = Some(bytes.parse::<u64>().expect("bytes")),
                None => cancelled_before = true,
            },
            _ => panic!("unknown key {key}"),
        }
    }
    let cancelled = || cancelled_before;
    let mut tell = |done, _total| match cancel_after {
        Some(bytes) if done >= bytes => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let control = Control::new().cancel(&cancelled).progress(&mut tell);
    let mut options = options.preserve(Preserve::from_bits(preserve).expect("known bits"));
    options.scratch_dir = scratch.as_ref().map(AsFd::as_fd);
    let open = |path: &Path| File::open(path).expect("it is there");
    let name = |path: &PathBuf| PathBuf::from(path.file_name().expect("a name"));
    let parent = |path: &PathBuf| open(path.parent().expect("a directory"));
    let given: Vec<(Option<File>, PathBuf)> = match by {
        "directory" => [&src, &to[0]].map(|path| (Some(parent(path)), name(path))).into(),
        "open" => vec![(Some(open(&src)), PathBuf::new()), (None, to[0].clone())],
        _ => std::iter::once(&src).chain(&to).map(|path| (None, path.clone())).collect(),
    };
    let at = |i: usize| At { dir: given[i].0.as_ref().map(AsFd::as_fd), path: &given[i].1 };
    let made = |result: xtent::Result<Report>| {
        let report = result.as_ref().map_or_else(|error| error.report, |report| *report);
        copied(result, |_| 0) + &format!(" unkept={} stable={}", report.unkept.bits(), report.stable.name())
    };
    let trees = TreeOptions::new().replace(options.replace).durable(options.durable);
    match verb {
        "copy_file" => made(xtent::copy_file(at(0), at(1), options.control(control))),
        "clone_file" => made(xtent::clone_file(at(0), at(1), options.control(control))),
        "clone_or_copy_file" => made(xtent::clone_or_copy_file(at(0), at(1), options.control(control))),
        "copy_tree" => tree(xtent::copy_tree(at(0), at(1), trees.control(control))),
        "clone_tree" => tree(xtent::clone_tree(at(0), at(1), trees.control(control))),
        "clone_or_copy_tree" => tree(xtent::clone_or_copy_tree(at(0), at(1), trees.control(control))),
        "dedupe_files" => {
            let targets: Vec<At<'_>> = (1..given.len()).map(at).collect();
            let options = DedupeOptions::new().control(control);
            said(xtent::dedupe_files(at(0), &targets, options), |results| {
                results.iter().map(target).collect()
            })
        }
        verb => panic!("unknown verb {verb}"),
    }
}

fn tree(result: TreeResult) -> String {
    match result {
        Err(failure) => {
            let at = failure.path.to_str().expect("names of the table").to_owned();
            status(Some(failure.error)) + &format!(" at={at}")
        }
        Ok(TreeReport { total, files, directories, links, specials, vanished, failures, .. }) => {
            status(None)
                + &format!(
                    " files={files} directories={directories} links={links} specials={specials} bytes={} copied={} \
                     cloned={} hole={} fallback={} vanished={vanished} failures={} lost={}",
                    total.bytes(),
                    total.bytes_copied,
                    total.bytes_cloned,
                    total.bytes_hole,
                    total.fallback.code(),
                    failures.len(),
                    total.unkept.bits()
                )
        }
    }
}

fn verb(call: &Call, slots: &[Slot]) -> String {
    let src = slots[call.src].fd();
    let to = |i: usize| (slots[call.to[i].0].fd(), call.to[i].1);
    let flag = Cell::new(call.cancelled_before);
    let cancelled = || flag.get();
    let mut tell = |done, _total| match call.cancel_after {
        Some(bytes) if done >= bytes => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    let control = Control::new().cancel(&cancelled).progress(&mut tell);
    match call.verb.as_str() {
        "copy_range" => {
            let (dst, dst_off) = to(0);
            let options = options(call, control);
            copied(xtent::copy_range(src, call.src_off, dst, dst_off, call.len, options), Report::bytes)
        }
        "clone_range" => {
            let (dst, dst_off) = to(0);
            let mut kept = None;
            let options = clone_options(call, slots, &mut kept);
            let answer =
                copied(xtent::clone_range(src, call.src_off, dst, dst_off, call.len, options), |_| 0);
            let size =
                |file: OwnedFd| std::fs::File::from(file).metadata().expect("a file").len().to_string();
            format!("{answer} kept={}", kept.map_or("-".into(), size))
        }
        "clone_or_copy_range" => {
            let (dst, dst_off) = to(0);
            let options = options(call, control);
            copied(
                xtent::clone_or_copy_range(src, call.src_off, dst, dst_off, call.len, options),
                Report::bytes,
            )
        }
        "dedupe_range" => {
            let targets: Vec<DedupeTarget<'_>> =
                (0..call.to.len()).map(to).map(|(fd, offset)| DedupeTarget { fd, offset }).collect();
            let options = DedupeOptions::new().control(control).cache(call.cache);
            let options = options.measure(!call.unmeasured).blocks(call.blocks);
            said(xtent::dedupe_range(src, call.src_off, call.len, &targets, options), |results| {
                results.iter().map(target).collect()
            })
        }
        "extents" => said(xtent::extents(src, call.src_off, call.len), |extents| {
            let word = |e: &xtent::Extent| {
                format!(" x={},{},{},{}", e.logical, e.physical, e.length, e.flags.bits())
            };
            extents.iter().map(word).collect()
        }),
        "shared_bytes" => said(xtent::shared_bytes(src, to(0).0), |bytes| format!(" value={bytes}")),
        "probe" => said(xtent::probe(src, to(0).0), |found| {
            format!(
                " copy={} clone={} dedupe={} alignment={}",
                ability(&found.copy),
                ability(&found.clone),
                ability(&found.dedupe),
                found.alignment
            )
        }),
        verb => panic!("unknown verb {verb}"),
    }
}

fn clone_options<'a>(call: &Call, slots: &'a [Slot], kept: &'a mut Option<OwnedFd>) -> CloneOptions<'a> {
    let mut options = CloneOptions::new();
    options.undo = match call.undo.as_deref() {
        None => options.undo,
        Some("auto") => Undo::Auto,
        Some("best") => Undo::Best,
        Some("off") => Undo::Off,
        Some(other) => panic!("unknown undo {other}"),
    };
    options.atomic = match call.atomic.as_deref() {
        None => options.atomic,
        Some("best") => Atomic::Best,
        Some("required") => Atomic::Required,
        Some(other) => panic!("unknown atomic {other}"),
    };
    options.scratch_dir = call.scratch.map(|slot| slots[slot].fd());
    options.keep_undo = call.keep.then_some(kept);
    options
}

/// What C returns on success is the `value`.
fn copied(result: xtent::Result<Report>, value: impl Fn(&Report) -> u64) -> String {
    let (report, value) = match &result {
        Ok(report) => (*report, value(report).to_string()),
        Err(error) => (error.report, "-".into()),
    };
    let words = format!(
        " value={value} bytes={} copied={} cloned={} hole={} server={} fallback={} alignment={} end={},{} dest={} prot={}",
        report.bytes(),
        report.bytes_copied,
        report.bytes_cloned,
        report.bytes_hole,
        report.bytes_server,
        report.fallback.code(),
        report.alignment,
        report.errno,
        report.reason.code(),
        match report.destination {
            None => "0,0,0".into(),
            Some(Destination::Untouched) => "1,0,0".into(),
            Some(Destination::Restored) => "2,0,0".into(),
            Some(Destination::Changed { from, to }) => format!("3,{from},{to}"),
        },
        match report.protection {
            Protection::None => 0,
            Protection::Size => 1,
            Protection::Exchange => 2,
            Protection::Undo => 3,
        }
    );
    status(result.err()) + &words
}

fn said<T>(result: xtent::Result<T>, words: impl Fn(&T) -> String) -> String {
    match result {
        Ok(told) => status(None) + &words(&told),
        Err(error) => status(Some(error)),
    }
}

fn status(error: Option<Error>) -> String {
    let (errno, reason) = error.map_or((0, Reason::None), |error| (error.errno, error.reason));
    format!(" errno={errno} reason={}", reason.code())
}

fn target(result: &DedupeResult) -> String {
    let status = match result.status {
        DedupeStatus::NotReached => 0,
        DedupeStatus::Same => 1,
        DedupeStatus::Differs => 2,
        DedupeStatus::Failed => 3,
    };
    let known = |number: Option<u64>| number.map_or("-".into(), |number| number.to_string());
    format!(
        " t={status},{},{},{},{},{},{}",
        result.errno,
        result.reason.code(),
        result.compared,
        known(result.shared),
        known(result.already_shared),
        known(result.differs_at)
    )
}

fn ability(ability: &Ability) -> String {
    let answer = match ability.answer {
        Answer::Unknown => 0,
        Answer::Yes => 1,
        Answer::No => 2,
    };
    format!("{answer},{},{}", ability.errno, ability.reason.code())
}
