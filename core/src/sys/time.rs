//! `clock_gettime(2)`.

use std::mem::MaybeUninit;
use std::time::Duration;

/// The time of the clock that files are stamped with, since 1970.
pub(crate) fn now() -> Duration {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: clock_gettime fills one `timespec`; CLOCK_REALTIME is there on every Linux.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, now.as_mut_ptr());
        now.assume_init()
    };
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
