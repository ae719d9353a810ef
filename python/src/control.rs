//! Progress and signals while a verb runs without the GIL.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use xtent::{Control, TO_END};

/// So long a signal may wait to be seen. Python threads that compute hold the GIL for 5 ms each time it is
/// asked for: taking it between any two steps would make a copy beside them several times slower.
const LOOK: Duration = Duration::from_millis(20);

/// Calls `verb` without the GIL. An exception from `progress` or from a signal's handler (Ctrl-C:
/// KeyboardInterrupt) ends it before its next step, and is the result instead of the verb's own.
pub(crate) fn watched<T: Send>(
    py: Python<'_>,
    progress: Option<Bound<'_, PyAny>>,
    verb: impl FnOnce(Control<'_>) -> T + Send,
) -> PyResult<T> {
    if progress.as_ref().is_some_and(|progress| !progress.is_callable()) {
        return Err(PyTypeError::new_err("progress must be callable, or None"));
    }
    let progress = progress.map(Bound::unbind);
    let (result, raised) = py.detach(|| {
        let watch = Watch { raised: RefCell::new(None), looked: Cell::new(Instant::now()) };
        let stop = || watch.look_for_signals();
        let control = Control::new().cancel(&stop);
        let result = match &progress {
            Some(progress) => verb(control.progress(&mut |done, total| watch.tell(progress, done, total))),
            None => verb(control),
        };
        (result, watch.raised.into_inner())
    });
    raised.map_or(Ok(result), Err)
}

struct Watch {
    /// What ended the call.
    raised: RefCell<Option<PyErr>>,
    looked: Cell<Instant>,
}

impl Watch {
    /// Whether to end. Python runs the handlers of its signals only in its main thread, and only where
    /// it is asked to.
    fn look_for_signals(&self) -> bool {
        if self.raised.borrow().is_some() {
            return true;
        }
        if self.looked.get().elapsed() < LOOK {
            return false;
        }
        let ended = self.attached(|py| py.check_signals());
        self.looked.set(Instant::now());
        ended
    }

    fn tell(&self, progress: &Py<PyAny>, done: u64, total: u64) -> ControlFlow<()> {
        let total = (total != TO_END).then_some(total);
        if self.attached(|py| progress.call1(py, (done, total)).map(drop)) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Runs a bit of Python; whether the verb is to end after it. It is too when the interpreter is
    /// going away under a thread of its own.
    fn attached(&self, bit: impl FnOnce(Python<'_>) -> PyResult<()>) -> bool {
        match Python::try_attach(bit) {
            Some(Ok(())) => false,
            Some(Err(raised)) => {
                self.raised.replace(Some(raised));
                true
            }
            None => true,
        }
    }
}
