//! Batches of files that wait for a thread, no more than a few.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    room: usize,
    /// How many serve and have nothing to do.
    idle: AtomicUsize,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// How many are being worked at.
    taken: usize,
    is_closed: bool,
}

impl<T> Queue<T> {
    /// One in which at most `room` wait.
    pub(super) fn new(room: usize) -> Self {
        let state = State { waiting: VecDeque::new(), taken: 0, is_closed: false };
        Queue { state: Mutex::new(state), changed: Condvar::new(), room, idle: AtomicUsize::new(0) }
    }

    /// Lets it wait; gives it back where there is no room.
    pub(super) fn offer(&self, batch: T) -> Option<T> {
        let mut state = self.lock();
        if state.waiting.len() >= self.room {
            return Some(batch);
        }
        state.waiting.push_back(batch);
        self.changed.notify_one();
        None
    }

    /// Works at each in turn, until it is closed and empty.
    pub(super) fn serve(&self, mut work: impl FnMut(T)) {
        loop {
            let mut state = self.lock();
            let batch = loop {
                if let Some(batch) = state.waiting.pop_front() {
                    break batch;
                }
                if state.is_closed {
                    return;
                }
                self.idle.fetch_add(1, Ordering::Relaxed);
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                self.idle.fetch_sub(1, Ordering::Relaxed);
            };
            state.taken += 1;
            drop(state);
            let _done = Taken(self);
            work(batch);
        }
    }

    /// Whether somebody serves and has nothing to do: whoever has much may share it.
    pub(super) fn is_hungry(&self) -> bool {
        self.idle.load(Ordering::Relaxed) > 0
    }

    /// One that waits, for whoever is not serving.
    pub(super) fn take(&self) -> Option<T> {
        self.lock().waiting.pop_front()
    }

    /// Waits until nothing waits and nothing is worked at; says after `at_most` whether that is so.
    pub(super) fn is_done(&self, at_most: Duration) -> bool {
        let busy = |state: &mut State<T>| state.taken > 0 || !state.waiting.is_empty();
        let (mut state, _) = self
            .changed
            .wait_timeout_while(self.lock(), at_most, busy)
            .unwrap_or_else(PoisonError::into_inner);
        !busy(&mut state)
    }

    /// No more will come.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Also when the work panics: whoever waits must not wait for ever.
struct Taken<'a, T>(&'a Queue<T>);

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        self.0.lock().taken -= 1;
        self.0.changed.notify_all();
    }
}

/// Closes it when dropped.
pub(super) struct Closing<'a, T>(pub(super) &'a Queue<T>);

impl<T> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn everything_is_served_once() {
        let queue = Queue::new(2);
        let served = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let closing = Closing(&queue);
            for _ in 0..3 {
                scope.spawn(|| queue.serve(|n: usize| _ = served.fetch_add(n, Ordering::Relaxed)));
            }
            for n in 0..1000 {
                if let Some(n) = queue.offer(n) {
                    served.fetch_add(n, Ordering::Relaxed);
                }
            }
            while !queue.is_done(Duration::from_millis(10)) {}
            assert_eq!(served.load(Ordering::Relaxed), 999 * 1000 / 2);
            drop(closing);
        });
    }

    #[test]
    fn who_has_nothing_to_do_is_seen() {
        let queue = Queue::<u32>::new(1);
        assert!(!queue.is_hungry());
        std::thread::scope(|scope| {
            let closing = Closing(&queue);
            scope.spawn(|| queue.serve(|_| {}));
            while !queue.is_hungry() {
                std::thread::yield_now();
            }
            drop(closing);
        });
        assert!(!queue.is_hungry());
    }

    #[test]
    fn without_room_everything_comes_back() {
        let queue = Queue::new(0);
        assert_eq!(queue.offer(7), Some(7));
        assert!(queue.is_done(Duration::ZERO));
        assert_eq!(queue.take(), None);
    }
}
