//! `nanosleep(2)`.

use std::time::Duration;

/// Sleeps at most so long; a caught signal ends it early.
pub(crate) fn sleep(time: Duration) {
    let request = libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        // Below a thousand million: it fits.
        tv_nsec: time.subsec_nanos() as libc::c_long,
    };
    // SAFETY: reads one `timespec`; nothing is written without a second one.
    unsafe { libc::nanosleep(&request, std::ptr::null_mut()) };
}
