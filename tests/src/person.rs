//! Being somebody else, or having another umask, in one thread.

use std::io;

use libc::c_int;

fn check(result: c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Runs `body` in a thread of its own.
fn apart<T: Send>(
    before: impl FnOnce() -> io::Result<()> + Send,
    body: impl FnOnce() -> T + Send,
) -> io::Result<T> {
    let done = std::thread::scope(|scope| scope.spawn(|| before().map(|()| body())).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Runs `body` as this user and group, without any capability. Only root can.
pub fn as_user<T: Send>(id: u32, body: impl FnOnce() -> T + Send) -> io::Result<T> {
    let become_user = move || {
        // The system calls themselves: those of the C library change every thread of the process.
        // SAFETY: numbers, and a list of no groups.
        unsafe {
            check(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) as c_int)?;
            check(libc::syscall(libc::SYS_setresgid, id, id, id) as c_int)?;
            check(libc::syscall(libc::SYS_setresuid, id, id, id) as c_int)
        }
    };
    apart(become_user, body)
}

/// Runs `body` with this umask.
pub fn with_umask<T: Send>(umask: u32, body: impl FnOnce() -> T + Send) -> io::Result<T> {
    let set = move || {
        // SAFETY: numbers only. The thread no longer has its umask in common with the others.
        unsafe {
            check(libc::unshare(libc::CLONE_FS))?;
            libc::umask(umask);
        }
        Ok(())
    };
    apart(set, body)
}
