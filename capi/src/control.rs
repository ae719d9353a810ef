//! How C watches and ends what takes long.

use std::ffi::{CString, c_char, c_int, c_void};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicI32, Ordering};

use xtent::{Control, TreeFailure};

use crate::ffi::{Failure, Result};

/// In C `volatile sig_atomic_t`, which is an `int` on Linux (cbindgen.toml).
///
/// cbindgen:ignore
pub(crate) type xtent_flag = c_int;

/// What is called between steps.
pub(crate) type Progress = unsafe extern "C" fn(user: *mut c_void, done: u64, total: u64) -> c_int;

/// The three members by which C watches and ends a call.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    cancel: Option<&'a AtomicI32>,
    progress: Option<Progress>,
    user: *mut c_void,
}

impl Watch<'_> {
    // SAFETY: `cancel` is NULL or can be read, and `progress` may be called with `user`, until the C
    // function that got them returns.
    pub(crate) unsafe fn new(
        cancel: *const xtent_flag,
        progress: Option<Progress>,
        user: *mut c_void,
    ) -> Result<Self> {
        if !cancel.is_aligned() {
            return Err(Failure::invalid());
        }
        // SAFETY: aligned, and as the caller says. A signal handler, or another thread, stores to it
        // meanwhile, so that it is only ever read as an atomic; reading one of this width writes nothing.
        let cancel = (!cancel.is_null()).then(|| unsafe { AtomicI32::from_ptr(cancel.cast_mut()) });
        Ok(Watch { cancel, progress, user })
    }

    /// Calls a verb that is watched so.
    pub(crate) fn over<T>(self, verb: impl FnOnce(Control<'_>) -> T) -> T {
        let cancelled = || self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed) != 0);
        let mut tell = |done, total| match self.progress {
            // SAFETY: as the caller of `new` says.
            Some(progress) if unsafe { progress(self.user, done, total) } != 0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        };
        verb(Control::new().cancel(&cancelled).progress(&mut tell))
    }
}

/// What is called for what failed.
pub(crate) type Failed =
    unsafe extern "C" fn(user: *mut c_void, path: *const c_char, error: c_int, reason: c_int);

/// Tells of each file that failed.
// SAFETY: `failed` may be called with `user`.
pub(crate) unsafe fn tell(failed: Option<Failed>, user: *mut c_void, failures: &[TreeFailure]) {
    let Some(failed) = failed else { return };
    for TreeFailure { path, error, .. } in failures {
        // No path has a zero in it.
        if let Ok(path) = CString::new(path.as_os_str().as_bytes()) {
            // SAFETY: as the caller says; the path lives until the call returns.
            unsafe { failed(user, path.as_ptr(), error.errno, error.reason.code()) };
        }
    }
}
