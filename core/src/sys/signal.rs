//! Signals of the calling thread: `pthread_sigmask(3)`, `sigpending(2)`, `sigtimedwait(2)`.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::null_mut;

/// While it lives, SIGXFSZ does not reach the calling thread; when dropped, one that came meanwhile
/// is taken away and the old mask stands again.
///
/// A write at the file-size limit sends SIGXFSZ to the writing thread beside its EFBIG (write(2)), and
/// the default action ends the process. A library must not end its host for an error that it reports.
pub(crate) struct NoSigxfsz {
    old: libc::sigset_t,
    /// One was waiting before us: it is the host's and stays.
    was_pending: bool,
    /// A signal mask belongs to a thread, and so does this guard.
    thread: PhantomData<*const ()>,
}

impl NoSigxfsz {
    pub(crate) fn new() -> Self {
        let mut old = MaybeUninit::uninit();
        // SAFETY: both sets are valid for the call; pthread_sigmask with SIG_BLOCK cannot fail and
        // fills `old`.
        let old = unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, &sigxfsz(), old.as_mut_ptr());
            old.assume_init()
        };
        // It can only be waiting where it was blocked before.
        let was_pending = contains(&old) && contains(&pending());
        NoSigxfsz { old, was_pending, thread: PhantomData }
    }
}

impl Drop for NoSigxfsz {
    fn drop(&mut self) {
        if !self.was_pending && contains(&pending()) {
            let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // SAFETY: the set and the time are valid for the call; no information is asked for. With a
            // time of zero it does not wait.
            unsafe { libc::sigtimedwait(&sigxfsz(), null_mut(), &now) };
        }
        // SAFETY: `old` was filled by pthread_sigmask in `new`, on this same thread.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.old, null_mut()) };
    }
}

fn sigxfsz() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigemptyset fills the set; SIGXFSZ is a valid signal for sigaddset.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGXFSZ);
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

fn contains(set: &libc::sigset_t) -> bool {
    // SAFETY: the set is filled and SIGXFSZ is a valid signal.
    unsafe { libc::sigismember(set, libc::SIGXFSZ) == 1 }
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
        assert!(!contains(&pending()));
        let guard = NoSigxfsz::new();
        assert!(!contains(&guard.old));
    }

    #[test]
    fn one_of_the_host_stays_pending() {
        let host = NoSigxfsz::new();
        raise();
        drop(NoSigxfsz::new());
        assert!(contains(&pending()), "the inner guard must leave the host's signal alone");
        drop(host);
    }
}
