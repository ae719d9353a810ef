//! How a caller watches and ends what takes long.

use std::ops::ControlFlow;

/// Progress and cancellation, looked at between steps of at most 4 MiB.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use xtent::{Control, CopyOptions};
///
/// let flag = AtomicBool::new(false); // which a signal handler, or another thread, may set
/// let cancelled = || flag.load(Ordering::Relaxed);
/// let options = CopyOptions::new().control(Control::new().cancel(&cancelled));
/// ```
#[derive(Default)]
pub struct Control<'a> {
    cancel: Option<&'a dyn Fn() -> bool>,
    progress: Option<&'a mut dyn FnMut(u64, u64) -> ControlFlow<()>>,
    /// What a verb had done, and has to do in all, around the part that counts its own steps.
    around: Option<(u64, u64)>,
    /// What else ends it, beside the caller's wish.
    stop: Option<&'a dyn Fn() -> bool>,
}

impl<'a> Control<'a> {
    /// Neither watched nor ended.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asked before each step: true ends the call. At most one step is done after it became true.
    #[must_use]
    pub fn cancel(mut self, cancel: &'a dyn Fn() -> bool) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Told after each step how many bytes are done, and how many there are in all
    /// ([`TO_END`](crate::TO_END) where the source does not say). Breaking ends the call.
    #[must_use]
    pub fn progress(mut self, progress: &'a mut dyn FnMut(u64, u64) -> ControlFlow<()>) -> Self {
        self.progress = Some(progress);
        self
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|cancel| cancel()) || self.stop.is_some_and(|stop| stop())
    }

    /// The steps from here on belong to a part, before which `done` bytes of `total` were done.
    pub(crate) fn part(&mut self, done: u64, total: u64) -> &mut Self {
        self.around = Some((done, total));
        self
    }

    /// The same for a call of another verb, which takes a control for itself.
    #[must_use]
    pub fn lend(&mut self) -> Control<'_> {
        let progress = self
            .progress
            .as_mut()
            .map(|progress| &mut **progress as &mut dyn FnMut(u64, u64) -> ControlFlow<()>);
        Control { cancel: self.cancel, progress, around: self.around, stop: self.stop }
    }

    /// The same, ended also when `stop` says so.
    pub(crate) fn lend_until<'b>(&'b mut self, stop: &'b dyn Fn() -> bool) -> Control<'b> {
        Control { stop: Some(stop), ..self.lend() }
    }

    /// Tells of the step just done; breaks if the caller wants no more.
    pub(crate) fn step(&mut self, done: u64, total: u64) -> ControlFlow<()> {
        let (done, total) = self.around.map_or((done, total), |(before, all)| (before + done, all));
        match &mut self.progress {
            Some(progress) => progress(done, total),
            None => ControlFlow::Continue(()),
        }
    }
}

impl std::fmt::Debug for Control<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control")
            .field("cancel", &self.cancel.is_some())
            .field("progress", &self.progress.is_some())
            .finish()
    }
}
