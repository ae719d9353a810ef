//! Signals of the calling thread: `pthread_sigmask(3)`, `sigpending(2)`, `sigtimedwait(2)`.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// While it lives, SIGXFSZ does not reach the calling thread; when dropped, one that came meanwhile
/// is taken away and the old mask stands again.
///
/// A write at the file-size limit sends SIGXFSZ to the writing thread beside its EFBIG (write(2)), and
/// the default action ends the process. A library must not end its host for an error that it reports.
pub(crate) struct NoSigxfsz(Blocked);

impl NoSigxfsz {
    pub(crate) fn new() -> Self {
        NoSigxfsz(Blocked::new(&only(libc::SIGXFSZ), libc::SIGXFSZ))
    }
}

impl Drop for NoSigxfsz {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// The same for SIGIO: see [`super::lease`].
pub(crate) struct NoSigio(Blocked);

impl NoSigio {
    pub(crate) fn new() -> Self {
        NoSigio(Blocked::new(&only(libc::SIGIO), libc::SIGIO))
    }
}

impl Drop for NoSigio {
    fn drop(&mut self) {
        self.0.take();
    }
}

/// While it lives, signals that would end the process, or run a handler, wait for the calling thread.
///
/// Not those that the thread brings upon itself by a wrong access or instruction (signal(7)): blocked, they
/// end the process without the handler that the host may have for them. Nor what a debugger or seccomp(2)
/// sends.
pub(crate) struct Deferred(Blocked);

impl Deferred {
    pub(crate) fn new() -> Self {
        DEFERRABLE.with(|set| Deferred(Blocked::new(set, libc::SIGXFSZ)))
    }

    /// After an error: takes away the SIGXFSZ that may have come with it.
    pub(crate) fn take_sigxfsz(&self) {
        self.0.take();
    }
}

/// A set of signals is blocked until it is dropped, and one of them may be taken away.
struct Blocked {
    old: libc::sigset_t,
    taken: libc::c_int,
    /// One of those was waiting before us: it is the host's and stays.
    was_pending: bool,
    /// A signal mask belongs to a thread, and so does this guard.
    thread: PhantomData<*const ()>,
}

impl Blocked {
    fn new(set: &libc::sigset_t, taken: libc::c_int) -> Self {
        let mut old = MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call; pthread_sigmask with SIG_BLOCK cannot fail and
        // fills `old`.
        let old = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, set, old.as_mut_ptr());
            old.assume_init()
        };
        // It can only be waiting where it was blocked before.
        let was_pending = contains(&old, taken) && contains(&pending(), taken);
        Blocked { old, taken, was_pending, thread: PhantomData }
    }

    fn take(&self) {
        if !self.was_pending && contains(&pending(), self.taken) {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: the set and the time are valid for the call; no information is asked for. With a
            // time of zero it does not wait.
            unsafe { libc::sigtimedwait(&only(self.taken), null_mut(), &now) };
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: `old` was filled by pthread_sigmask in `new`, on this same thread.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.old, null_mut()) };
    }
}

thread_local! {
    /// Made once: to make it takes a sixth of the instructions of a whole clone. In each thread, so that no child of a
    /// fork finds it half made by a thread that it does not have.
    static DEFERRABLE: libc::sigset_t = deferrable();
}

/// What [`Deferred`] blocks. The C library keeps the signals of its own out of it.
fn deferrable() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigfillset fills the set; the numbers are valid signals for sigdelset.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        let own = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS];
        for signal in own {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        set.assume_init()
    }
}

fn only(signal: libc::c_int) -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set; every caller's signal is valid for sigaddset.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        set.assume_init()
    }
}

fn pending() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set, so that it is whole even if sigpending failed.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigpending(set.as_mut_ptr());
        set.assume_init()
    }
}

fn contains(set: &libc::sigset_t, signal: libc::c_int) -> bool {
    // SAFETY: the set is filled and every caller's signal is valid.
    unsafe { libc::sigismember(set, signal) == 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends SIGXFSZ to the calling thread, as the kernel does at the limit.
    fn raise() {
        // SAFETY: raise takes a number; the guard of the caller blocks this signal.
        unsafe { libc::raise(libc::SIGXFSZ) };
    }

    #[test]
    fn ours_is_consumed_and_the_mask_comes_back() {
        let guard = NoSigxfsz::new();
        raise();
        drop(guard);
        // Still alive: it was taken away. And the mask is open again.
        assert!(!contains(&pending(), libc::SIGXFSZ));
        let guard = NoSigxfsz::new();
        assert!(!contains(&guard.0.old, libc::SIGXFSZ));
    }

    #[test]
    fn one_of_the_host_stays_pending() {
        let host = NoSigxfsz::new();
        raise();
        drop(NoSigxfsz::new());
        assert!(contains(&pending(), libc::SIGXFSZ), "the inner guard must leave the host's signal alone");
        drop(host);
    }

    fn blocks(signal: libc::c_int) -> bool {
        let mut now = MaybeUninit::uninit();
        // SAFETY: a null set changes nothing; `now` is filled.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), now.as_mut_ptr());
            libc::sigismember(&now.assume_init(), signal) == 1
        }
    }

    #[test]
    fn only_what_comes_from_outside_waits() {
        let guard = Deferred::new();
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGALRM, libc::SIGXFSZ, libc::SIGRTMIN()] {
            assert!(blocks(signal), "{signal}");
        }
        for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL] {
            assert!(!blocks(signal), "{signal}");
        }
        raise();
        guard.take_sigxfsz();
        assert!(!contains(&pending(), libc::SIGXFSZ));
        drop(guard);
        assert!(!blocks(libc::SIGTERM));
    }
}
