//! Snapshots for those who only read: threads with a queue for lists, a few shared connections for points.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::exchange::Exchange;
use super::fault::Trouble;
use super::session::Session;
use crate::engine::tx::Tx;
use crate::error::{Error, Result};

/// How long a statement of a list may take.
const LIST_PATIENCE: Duration = Duration::from_secs(5);
/// How long a point may take, its wait for a connection included.
const POINT_PATIENCE: Duration = Duration::from_secs(1);
/// How many may wait for a connection; each holds up a thread.
const WAITING_MAX: usize = 128;

/// A read with the way back to who asked for it.
pub(super) type Query = Box<dyn FnOnce(Result<&mut Session>) + Send>;

/// Works until nobody can ask any more.
pub(super) fn run(exchange: &Arc<Exchange>, queue: &Arc<Mutex<Receiver<Query>>>) {
    let mut kept: Option<Session> = None;
    loop {
        // The lock is let go before the query runs.
        let next = queue.lock().recv();
        let Ok(query) = next else { return };
        let session = match kept.take().filter(Session::is_usable) {
            Some(session) => exchange.check().map(|()| session),
            None => exchange.connect().map(|line| Session::new(exchange.clone(), line, LIST_PATIENCE)),
        };
        match session {
            Ok(mut session) => {
                query(Ok(&mut session));
                kept = Some(session);
            }
            Err(error) => query(Err(error)),
        }
    }
}

/// Runs `work` on one snapshot; a panic in it is an error.
pub(super) fn list<T>(session: Result<&mut Session>, work: impl Fn(&mut Tx<'_>) -> Result<T>) -> Result<T> {
    let session = session?;
    let caught = catch_unwind(AssertUnwindSafe(|| snapshot(session, LIST_PATIENCE, work)));
    caught.unwrap_or_else(|_| {
        tracing::error!("a read panicked");
        session.leave();
        Err(Error::unavailable("the read panicked"))
    })
}

fn snapshot<T>(session: &mut Session, patience: Duration, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
    session.begin_read(patience);
    let mut tx = Tx::postgres(session);
    let read = work(&mut tx);
    let read = read.and_then(|value| tx.check().map(|()| value));
    session.leave();
    read
}

/// The connections of points.
pub(super) struct Points {
    exchange: Arc<Exchange>,
    state: Mutex<State>,
    freed: Condvar,
    connections_max: usize,
}

#[derive(Default)]
struct State {
    idle: Vec<Session>,
    in_use: usize,
    waiting: usize,
    is_closed: bool,
}

impl Points {
    pub(super) fn new(exchange: Arc<Exchange>, connections_max: usize) -> Self {
        Self { exchange, state: Mutex::default(), freed: Condvar::new(), connections_max: connections_max.max(1) }
    }

    /// Runs `work` on one snapshot, on this thread. Other tasks of a runtime go on meanwhile where it has other threads.
    pub(super) fn read<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        // Said before anybody waits: while the server is gone a point costs nothing.
        self.exchange.check()?;
        let may_step_aside =
            Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        if may_step_aside { tokio::task::block_in_place(|| self.read_here(work)) } else { self.read_here(work) }
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.idle.clear();
        self.freed.notify_all();
    }

    fn read_here<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let deadline = Instant::now() + POINT_PATIENCE;
        let mut place = self.take_place(deadline)?;
        let mut session = match place.idle.take() {
            Some(session) => session,
            None => Session::new(self.exchange.clone(), self.exchange.connect()?, POINT_PATIENCE),
        };
        let patience = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(20));
        let read = snapshot(&mut session, patience, work);
        if session.trouble() == Some(Trouble::Lost) {
            // A pool that outlived its server is of no use to anybody.
            self.state.lock().idle.clear();
        } else if session.is_usable() {
            self.state.lock().idle.push(session);
        }
        read
    }

    fn take_place(&self, deadline: Instant) -> Result<Place<'_>> {
        let mut state = self.state.lock();
        if state.in_use >= self.connections_max && state.waiting >= WAITING_MAX {
            return Err(Error::Overloaded);
        }
        state.waiting += 1;
        let mut is_late = false;
        while state.in_use >= self.connections_max && !is_late && !state.is_closed {
            is_late = self.freed.wait_until(&mut state, deadline).timed_out();
        }
        state.waiting -= 1;
        if state.is_closed {
            return Err(crate::engine::queue::closed());
        }
        if state.in_use >= self.connections_max {
            return Err(Error::Overloaded);
        }
        state.in_use += 1;
        let idle = state.idle.pop().filter(Session::is_usable);
        Ok(Place { points: self, idle })
    }
}

/// The right to use a connection; given back when it is dropped, also by a panic.
struct Place<'p> {
    points: &'p Points,
    idle: Option<Session>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.points.state.lock().in_use -= 1;
        self.points.freed.notify_one();
    }
}
