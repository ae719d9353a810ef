//! Which system call of a piece of code fails. Nothing is mocked: what is not made to fail goes on into the kernel.

use std::cmp::Ordering;
use std::io;

use xtent_tests::syscalls::{self, Calls, Verdict, watch};

/// A system call, and of ioctl(2) and fcntl(2) what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    number: libc::c_long,
    request: u32,
}

impl Call {
    fn of(call: &syscalls::Call) -> Call {
        let asks = matches!(call.number, libc::SYS_ioctl | libc::SYS_fcntl);
        Call { number: call.number, request: if asks { call.arguments[1] as u32 } else { 0 } }
    }

    /// Before it closes a descriptor the standard library asks whether it is open, in debug builds, and aborts if not.
    fn is_a_debug_assertion(self) -> bool {
        self.number == libc::SYS_fcntl && self.request == libc::F_GETFD as u32
    }

    pub(crate) fn is(self, number: libc::c_long) -> bool {
        self.number == number
    }

    /// Whether it asks for a lock on a range.
    pub(crate) fn is_a_lock(self) -> bool {
        self.number == libc::SYS_fcntl && self.request == libc::F_OFD_SETLK as u32
    }

    /// Whether it asks for a lease, or to whom the signal of one goes.
    pub(crate) fn is_a_lease(self) -> bool {
        const F_SETOWN_EX: i32 = 15;
        self.number == libc::SYS_fcntl && [F_SETOWN_EX, libc::F_SETLEASE].contains(&(self.request as i32))
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
            SYS_symlinkat SYS_mknodat SYS_preadv2 SYS_pwritev2 SYS_read SYS_geteuid SYS_umask SYS_faccessat2
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

/// Runs `code`, with a fault or without. What fails anyway, as on another filesystem than this, `pretended` says.
/// `Err`: this machine does not let a thread be watched.
pub(crate) fn run<T: Send>(
    fault: Option<Fault>,
    pretended: impl Fn(&syscalls::Call) -> Option<i32>,
    code: impl FnOnce() -> T + Send,
) -> io::Result<Run<T>> {
    let (mut calls, mut failed): (Vec<Call>, usize) = (Vec::new(), 0);
    let mut marks = 0;
    let marked = || {
        mark();
        let result = code();
        mark();
        result
    };
    let result = watch(Calls::AllBut(LEFT_ALONE), marked, |call| {
        if let Some(errno) = pretended(&call) {
            return Verdict::Fail(errno);
        }
        let call = Call::of(&call);
        if call.number == MARK {
            marks += 1;
        } else if marks == 1 && !call.is_a_debug_assertion() {
            let fails = fault.filter(|fault| match calls.len().cmp(&fault.at) {
                Ordering::Less => false,
                Ordering::Equal => true,
                Ordering::Greater => fault.for_good && calls[fault.at] == call,
            });
            calls.push(call);
            if let Some(fault) = fails {
                failed += 1;
                return Verdict::Fail(fault.errno);
            }
        }
        Verdict::Allow
    })?;
    Ok(Run { result, calls, failed })
}

fn mark() {
    // SAFETY: no arguments.
    unsafe { libc::syscall(MARK) };
}
