//! System calls of one thread, watched and refused: seccomp_unotify(2). No other thread notices.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;

use libc::{c_int, c_long};

/// A system call that the watched thread is about to make.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Its number: `libc::SYS_...`.
    pub number: c_long,
    /// Its arguments; pointers are of this process.
    pub arguments: [u64; 6],
}

impl Call {
    /// The argument as the descriptor that it is.
    pub fn descriptor(&self, argument: usize) -> c_int {
        self.arguments[argument] as c_int
    }

    /// Makes the call here, and gives what it returns: -1 with errno set, or else.
    pub fn make(&self) -> i64 {
        let [a, b, c, d, e, f] = self.arguments;
        // SAFETY: the arguments are those that the waiting thread handed to the kernel, valid for it and so for this
        // thread of the same process.
        unsafe { libc::syscall(self.number, a, b, c, d, e, f) }
    }

    /// The argument as the path that it points to.
    pub fn path(&self, argument: usize) -> String {
        // SAFETY: the caller names an argument that is a path, and the thread that made the call waits for the
        // answer: what it handed to the kernel is there, and ends with a zero.
        let path = unsafe { std::ffi::CStr::from_ptr(self.arguments[argument] as *const _) };
        path.to_string_lossy().into_owned()
    }
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as if nobody had looked.
    Allow,
    /// It is not made, and fails with this errno.
    Fail(c_int),
    /// It is not made, and returns this: whoever judges did it, or another kernel would say so.
    Return(i64),
}

/// Which calls are looked at, by their numbers.
#[derive(Debug, Clone, Copy)]
pub enum Calls<'a> {
    /// These alone.
    These(&'a [c_long]),
    /// All others.
    AllBut(&'a [c_long]),
}

/// Runs `watched` in a thread of its own; each of its `calls` waits until `judge`, in this thread, has
/// looked. An error where the kernel or a container does not allow that.
pub fn watch<T: Send>(
    calls: Calls<'_>,
    watched: impl FnOnce() -> T + Send,
    mut judge: impl FnMut(Call) -> Verdict,
) -> io::Result<T> {
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        let thread = scope.spawn(move || {
            let listener = install(calls);
            let installed = listener.is_ok();
            sender.send(listener).ok();
            drop(sender);
            installed.then(watched)
        });
        let listener = receiver.recv().map_err(io::Error::other)??;
        while let Some((id, call)) = next(&listener)? {
            answer(&listener, id, judge(call))?;
        }
        match thread.join() {
            Ok(done) => done.ok_or_else(|| io::Error::other("the filter was not installed")),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: c_int,
    arch: u32,
    instruction_pointer: u64,
    arguments: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

const CONTINUE: u32 = 1;
const RECEIVE: libc::Ioctl = libc::_IOWR::<Notification>(b'!' as u32, 0);
const SEND: libc::Ioctl = libc::_IOWR::<Response>(b'!' as u32, 1);

fn check(result: c_int) -> io::Result<c_int> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Puts the calling thread under a filter that asks about `calls`, and gives the descriptor to answer by.
fn install(calls: Calls<'_>) -> io::Result<OwnedFd> {
    let (numbers, for_these, for_others) = match calls {
        Calls::These(numbers) => (numbers, libc::SECCOMP_RET_USER_NOTIF, libc::SECCOMP_RET_ALLOW),
        Calls::AllBut(numbers) => (numbers, libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_USER_NOTIF),
    };
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    // The call's number is the first member of what a filter looks at.
    let mut program = vec![statement((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0)];
    for (i, number) in numbers.iter().enumerate() {
        let to_the_end = (numbers.len() - i) as u8;
        program.push(libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: to_the_end,
            jf: 0,
            k: *number as u32,
        });
    }
    program.push(statement((libc::BPF_RET | libc::BPF_K) as u16, for_others));
    program.push(statement((libc::BPF_RET | libc::BPF_K) as u16, for_these));
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: numbers only; it holds for this thread and what it starts.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    let (operation, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: seccomp reads the program, which lives until the call returns.
    let fd = check(unsafe { libc::syscall(libc::SYS_seccomp, operation, flags, &program) } as c_int)?;
    // SAFETY: seccomp just gave this descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The next call; `None` once the thread has ended.
fn next(listener: &OwnedFd) -> io::Result<Option<(u64, Call)>> {
    loop {
        let mut poll = libc::pollfd { fd: listener.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: poll reads and writes one pollfd.
        match check(unsafe { libc::poll(&mut poll, 1, -1) }) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            polled => polled?,
        };
        if poll.revents & libc::POLLIN == 0 {
            return Ok(None);
        }
        // It must be zero before.
        let mut notification = MaybeUninit::<Notification>::zeroed();
        // SAFETY: the ioctl writes one `seccomp_notif`; integers, of which zeros are values.
        let received = unsafe {
            check(libc::ioctl(listener.as_raw_fd(), RECEIVE, notification.as_mut_ptr()))
                .map(|_| notification.assume_init())
        };
        match received {
            Ok(told) => {
                let call = Call { number: told.number.into(), arguments: told.arguments };
                return Ok(Some((told.id, call)));
            }
            // A signal came to one of the two threads.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ENOENT)) => {}
            Err(error) => return Err(error),
        }
    }
}

fn answer(listener: &OwnedFd, id: u64, verdict: Verdict) -> io::Result<()> {
    let response = match verdict {
        Verdict::Allow => Response { id, value: 0, error: 0, flags: CONTINUE },
        Verdict::Fail(errno) => Response { id, value: 0, error: -errno, flags: 0 },
        Verdict::Return(value) => Response { id, value, error: 0, flags: 0 },
    };
    // SAFETY: the ioctl reads one `seccomp_notif_resp`.
    match check(unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &response) }) {
        // The call was interrupted meanwhile, and comes again.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        sent => sent.map(drop),
    }
}
