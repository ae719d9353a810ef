//! Runs a piece of code on a thread whose system calls are decided on here: seccomp_unotify(2). Nothing is mocked: what is
//! not made to fail goes on into the kernel.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::mpsc::{Sender, channel};

/// A system call, and of ioctl(2) and fcntl(2) what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    number: libc::c_long,
    request: u32,
}

impl Call {
    /// fstat(2), fstatfs(2), and F_GETFL of fcntl(2).
    pub(crate) fn looks(self) -> bool {
        let stats = [libc::SYS_fstat, libc::SYS_newfstatat, libc::SYS_statx, libc::SYS_fstatfs];
        stats.contains(&self.number) || self.number == libc::SYS_fcntl && self.request == libc::F_GETFL as u32
    }

    /// In the words of strace(1), as far as the library goes.
    pub(crate) fn name(self) -> String {
        macro_rules! names {
            ($($call:ident)*) => {
                match self.number {
                    $(libc::$call => stringify!($call).trim_start_matches("SYS_").to_owned(),)*
                    number => format!("system call {number}"),
                }
            };
        }
        let name = names! {
            SYS_ioctl SYS_fcntl SYS_pread64 SYS_pwrite64 SYS_fallocate SYS_fstat SYS_newfstatat SYS_statx SYS_fstatfs
            SYS_prlimit64 SYS_copy_file_range SYS_openat SYS_openat2 SYS_linkat SYS_unlinkat SYS_renameat2 SYS_ftruncate
            SYS_fsync SYS_fdatasync SYS_syncfs SYS_sync_file_range SYS_fadvise64 SYS_readahead SYS_fchmod SYS_fchown
            SYS_utimensat SYS_fgetxattr SYS_fsetxattr SYS_flistxattr SYS_fremovexattr SYS_readlinkat SYS_lseek
            SYS_sendfile SYS_splice SYS_mincore SYS_flock SYS_getdents64 SYS_mkdirat SYS_fchmodat SYS_fchownat
            SYS_preadv2 SYS_pwritev2 SYS_read SYS_geteuid SYS_umask SYS_faccessat2
        };
        if self.request == 0 { name } else { format!("{name} {:#x}", self.request) }
    }
}

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// The first that fails, counted from 0.
    pub(crate) at: usize,
    pub(crate) errno: i32,
    /// And all of its kind behind it.
    pub(crate) for_good: bool,
}

/// What the code came to, and the calls that it made.
pub(crate) struct Run<T> {
    pub(crate) result: T,
    pub(crate) calls: Vec<Call>,
    pub(crate) failed: usize,
}

/// Calls that are never made to fail, and not even looked at: memory, locks, threads, signals, clocks, closing; a write
/// to a descriptor's position is a panic's message.
const LEFT_ALONE: &[libc::c_long] = &[
    libc::SYS_futex,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_write,
    libc::SYS_exit,
];

/// The beginning and the end of what counts is marked by this call, which nobody else makes.
const MARK: libc::c_long = libc::SYS_getppid;

/// Runs `code`, with a fault or without. `Err`: this machine does not let a thread be supervised.
pub(crate) fn run<T: Send>(fault: Option<Fault>, code: impl FnOnce() -> T + Send) -> io::Result<Run<T>> {
    std::thread::scope(|scope| {
        let (send, listener) = channel();
        let thread = scope.spawn(move || {
            if !supervise_this_thread(&send) {
                return None;
            }
            mark();
            let result = code();
            mark();
            Some(result)
        });
        let listener = listener.recv().expect("the thread says something")?;
        let (calls, failed) = decide(&listener, fault)?;
        let result = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(Run { result: result.expect("it is supervised"), calls, failed })
    })
}

fn mark() {
    // SAFETY: no arguments.
    unsafe { libc::syscall(MARK) };
}

/// Installs the filter and sends its descriptor.
fn supervise_this_thread(send: &Sender<io::Result<OwnedFd>>) -> bool {
    let statement = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    // The number of the call stands first in struct seccomp_data.
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0)];
    for number in LEFT_ALONE {
        let skip = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        filter.push(libc::sock_filter { code: skip as u16, jt: 0, jf: 1, k: *number as u32 });
        filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW));
    }
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: numbers; of this thread alone, which ends soon. Without it only root may install a filter.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // SAFETY: the program outlives the call, and the kernel copies it.
    let fd = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    let listener = match fd {
        -1 => Err(io::Error::last_os_error()),
        // SAFETY: a new descriptor, owned by nobody yet.
        fd => Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) }),
    };
    let is_supervised = listener.is_ok();
    send.send(listener).expect("somebody waits for it");
    is_supervised
}

/// Answers call after call until the thread ended.
fn decide(listener: &OwnedFd, fault: Option<Fault>) -> io::Result<(Vec<Call>, usize)> {
    let (mut calls, mut failed): (Vec<Call>, usize) = (Vec::new(), 0);
    let mut marks = 0;
    while let Some((id, call)) = next(listener)? {
        if call.number == MARK {
            marks += 1;
            answer(listener, id, None)?;
            continue;
        }
        let counts = marks == 1;
        let errno = fault.filter(|_| counts).and_then(|fault| {
            let is_it = match calls.len().cmp(&fault.at) {
                std::cmp::Ordering::Less => false,
                std::cmp::Ordering::Equal => true,
                std::cmp::Ordering::Greater => fault.for_good && calls[fault.at] == call,
            };
            is_it.then_some(fault.errno)
        });
        if counts {
            calls.push(call);
            failed += usize::from(errno.is_some());
        }
        answer(listener, id, errno)?;
    }
    Ok((calls, failed))
}

/// `None` when the thread ended.
fn next(listener: &OwnedFd) -> io::Result<Option<(u64, Call)>> {
    let mut ready = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one pollfd, valid during the call.
    if unsafe { libc::poll(&raw mut ready, 1, -1) } == -1 {
        return Err(io::Error::last_os_error());
    }
    if ready.revents & libc::POLLIN == 0 {
        return Ok(None);
    }
    // SAFETY: plain numbers, and the kernel wants them to be zeros.
    let mut notice: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the ioctl writes one struct of this type.
    if unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut notice) } == -1 {
        return Err(io::Error::last_os_error());
    }
    let number = libc::c_long::from(notice.data.nr);
    let asks = matches!(number, libc::SYS_ioctl | libc::SYS_fcntl);
    let request = if asks { notice.data.args[1] as u32 } else { 0 };
    Ok(Some((notice.id, Call { number, request })))
}

/// With an errno, or the call itself.
fn answer(listener: &OwnedFd, id: u64, errno: Option<i32>) -> io::Result<()> {
    let go_on = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut response = libc::seccomp_notif_resp {
        id,
        val: 0,
        error: errno.map_or(0, |errno| -errno),
        flags: if errno.is_some() { 0 } else { go_on },
    };
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // SAFETY: the ioctl reads one struct of this type.
    match unsafe { libc::ioctl(listener.as_raw_fd(), request, &raw mut response) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}
