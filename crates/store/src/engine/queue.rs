//! Bounded queues of work for the threads of an engine, and the ends of both.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

use parking_lot::Mutex;

use crate::error::{Error, Result};

/// How many units of work, and how many reads, may wait.
pub(super) const QUEUE: usize = 4096;

/// The sending end; closed once for all who hold it.
pub(super) struct Queue<T>(Mutex<Option<SyncSender<T>>>);

impl<T> Queue<T> {
    pub(super) fn new(sender: SyncSender<T>) -> Self {
        Self(Mutex::new(Some(sender)))
    }

    /// Never waits: what does not fit is refused.
    pub(super) fn send(&self, item: T) -> Result<()> {
        let sender = self.0.lock().clone().ok_or_else(closed)?;
        sender.try_send(item).map_err(|refused| match refused {
            TrySendError::Full(_) => Error::Overloaded,
            TrySendError::Disconnected(_) => closed(),
        })
    }

    pub(super) fn close(&self) {
        drop(self.0.lock().take());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.lock().is_none()
    }
}

pub(super) fn closed() -> Error {
    Error::unavailable("the store is closed")
}

/// Starts a thread of an engine. What it does takes its time anyway, so those who answer requests go first.
pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let begin = || {
        step_back();
        work();
    };
    thread::Builder::new().name(name.to_owned()).spawn(begin).map_err(Error::unavailable)
}

/// How much less this thread matters to the system than others.
#[cfg(target_os = "linux")]
const NICE: i32 = 5;

#[cfg(target_os = "linux")]
fn step_back() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "a thread of the store has the priority of everything else");
    }
}

#[cfg(not(target_os = "linux"))]
const fn step_back() {}

pub(super) fn join(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        if thread.join().is_err() {
            tracing::error!("a thread of the store had panicked");
        }
    }
}
