//! Namespaces, and the processes in them. The only unsafe of the runner beside geteuid(2).

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::tools::{run, tool};

/// How long the command may take to end by itself after a signal.
const PATIENCE: Duration = Duration::from_secs(30);
/// And how long process 1 then may take, which unmounts: everything that was written goes to the images first.
const PATIENCE_WITH_INIT: Duration = Duration::from_secs(300);

/// Whether this process may make namespaces. In a container root may not: the capability or seccomp(2) is in the way.
pub(crate) fn allowed() -> Result<(), String> {
    run(tool("unshare").args(["--mount", "--pid", "--fork", "true"]))
}

/// The next child gets pid 1 of a new pid namespace, pid_namespaces(7). After this no thread can be started.
pub(crate) fn unshare_pids() -> Result<(), String> {
    unshare(libc::CLONE_NEWPID)
}

/// A mount namespace whose mounts nobody else sees, nor we those of others, mount_namespaces(7).
pub(crate) fn unshare_mounts() -> Result<(), String> {
    unshare(libc::CLONE_NEWNS)?;
    run(tool("mount").args(["-n", "--make-rprivate", "/"]))
}

fn unshare(what: libc::c_int) -> Result<(), String> {
    // SAFETY: changes namespaces of this process and touches no memory.
    match unsafe { libc::unshare(what) } {
        0 => Ok(()),
        _ => Err(format!("unshare: {}", io::Error::last_os_error())),
    }
}

/// Runs `init` as process 1 of the new pid namespace and gives its exit status.
pub(crate) fn contain(init: impl FnOnce() -> u8) -> io::Result<u8> {
    let (ours, theirs) = io::pipe()?;
    take_signals();
    // SAFETY: the runner has one thread, so the child has whatever locks and memory it needs.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(theirs);
            die_with_parent(&ours);
            std::process::exit(init().into())
        }
        child => {
            drop(ours);
            let status = supervise(child, child, PATIENCE_WITH_INIT);
            drop(theirs);
            Ok(status)
        }
    }
}

/// SIGKILL when the runner dies, and with process 1 the kernel kills every process of the namespace.
fn die_with_parent(parent: &io::PipeReader) {
    // SAFETY: prctl(2) with a number.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
    // It may have died before that call. getppid(2) cannot tell, it is 0 across pid namespaces; but the other end of
    // the pipe is closed then.
    let mut end = libc::pollfd { fd: parent.as_raw_fd(), events: 0, revents: 0 };
    // SAFETY: one pollfd, valid during the call.
    unsafe { libc::poll(&raw mut end, 1, 0) };
    if end.revents & libc::POLLHUP != 0 {
        std::process::exit(crate::FAILED.into());
    }
}

/// As process 1: waits for the command and gives its exit status. A signal to end goes to every process here.
pub(crate) fn supervise_command(command: Child) -> u8 {
    supervise(command.id() as libc::pid_t, -1, PATIENCE)
}

/// Reaps children until `child` ended. Signals are passed on to `target`, and after some patience SIGKILL.
fn supervise(child: libc::pid_t, target: libc::pid_t, patience: Duration) -> u8 {
    let mut deadline: Option<Instant> = None;
    loop {
        if let Some(status) = reap(child) {
            return status;
        }
        match next_signal(deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))) {
            Some(libc::SIGCHLD) => {}
            Some(signal) => {
                send(target, signal);
                deadline.get_or_insert_with(|| Instant::now() + patience);
            }
            None => {
                send(target, libc::SIGKILL);
                deadline = None;
            }
        }
    }
}

/// As process 1: ends what the command left running, so that nothing holds the mounts.
pub(crate) fn kill_all() {
    send(-1, libc::SIGKILL);
    // SAFETY: no status is asked for. Returns -1 with ECHILD when no child is left; orphans become children of ours.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {}
}

fn send(target: libc::pid_t, signal: libc::c_int) {
    // SAFETY: kill(2) with numbers. -1 stands for every process of the pid namespace but the caller, which is its
    // process 1; ESRCH: there is none.
    unsafe { libc::kill(target, signal) };
}

/// The exit status of `child` in the shell's manner, if it ended. Everything else that ended is buried too.
fn reap(child: libc::pid_t) -> Option<u8> {
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid during the call.
        let ended = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        if ended == child {
            return Some(match libc::WIFSIGNALED(status) {
                true => 128 + libc::WTERMSIG(status) as u8,
                false => libc::WEXITSTATUS(status) as u8,
            });
        }
        if ended <= 0 {
            return None;
        }
    }
}

const ENDING: [libc::c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Blocks the signals that [`next_signal`] then takes. Blocked ones reach also process 1 of a pid namespace, which
/// otherwise gets only those that it has handlers for. Children inherit the mask: see [`give_signals`].
fn take_signals() {
    // SAFETY: an ignored SIGCHLD, inherited from a parent that wants no zombies, would lose every exit status.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let set = signal_set();
    // SAFETY: `set` is initialised, the old mask is not asked for.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
}

/// Gives the command its signals back, which a mask would keep from it also across execve(2).
pub(crate) fn give_signals(command: &mut Command) {
    let unblock = || {
        let set = signal_set();
        // SAFETY: `set` is initialised, the old mask is not asked for.
        match unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure calls only functions that are async-signal-safe, signal-safety(7).
    unsafe { command.pre_exec(unblock) };
}

/// Waits for a signal; `None` when the time is over.
fn next_signal(patience: Option<Duration>) -> Option<libc::c_int> {
    let set = signal_set();
    let time = patience
        .map(|time| libc::timespec { tv_sec: time.as_secs() as _, tv_nsec: time.subsec_nanos().into() });
    let time = time.as_ref().map_or(std::ptr::null(), |time| time as *const libc::timespec);
    loop {
        // SAFETY: `set` and `time` outlive the call, the siginfo is not asked for.
        let signal = unsafe { libc::sigtimedwait(&raw const set, std::ptr::null_mut(), time) };
        if signal > 0 {
            return Some(signal);
        }
        if io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN) {
            return None;
        }
    }
}

fn signal_set() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set, the numbers are signals.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in ENDING.into_iter().chain([libc::SIGCHLD]) {
            libc::sigaddset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}
