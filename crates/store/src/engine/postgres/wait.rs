//! Waits on this thread for a future that others drive, with an end to its patience.
//!
//! A driver's futures need no runtime on the thread that polls them: the connection is driven elsewhere. So any thread may
//! wait, those of somebody else's runtime too.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

#[derive(Default)]
struct Signal {
    is_set: Mutex<bool>,
    changed: Condvar,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        *self.is_set.lock() = true;
        self.changed.notify_one();
    }
}

/// The outcome, or none where it took longer than that.
pub(super) fn wait<F: Future>(future: F, patience: Duration) -> Option<F::Output> {
    let deadline = Instant::now() + patience;
    let signal = Arc::<Signal>::default();
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(outcome) = future.as_mut().poll(&mut context) {
            return Some(outcome);
        }
        let mut is_set = signal.is_set.lock();
        while !*is_set {
            if signal.changed.wait_until(&mut is_set, deadline).timed_out() && !*is_set {
                return None;
            }
        }
        *is_set = false;
    }
}

/// Begins a future and does not ask what becomes of it.
pub(super) fn begin_only(future: impl Future) {
    let _ = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_waited_for_and_patience_has_an_end() {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let other = std::thread::spawn(move || reply.send(7));
        assert_eq!(wait(answer, Duration::from_secs(5)), Some(Ok(7)));
        other.join().unwrap().unwrap();
        assert_eq!(wait(std::future::pending::<()>(), Duration::from_millis(5)), None);
    }
}
