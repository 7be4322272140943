//! Threads that write, each on a connection of its own: one unit of work is one transaction.
//!
//! A unit that others were in the way of is run again; so is one whose line was lost before COMMIT was sent. After that
//! nobody knows what became of it: it is answered as unavailable, never as done, and never run again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::exchange::Exchange;
use super::fault::Trouble;
use super::session::{NotCommitted, Session};
use super::tail::Tail;
use crate::engine::tx::Tx;
use crate::engine::unit::Unit;
use crate::error::{Error, Result};

/// How long a statement may take before its line is given up.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a unit is begun at most.
const ATTEMPTS: u32 = 12;
/// How often because of a lost line.
const LINES: u32 = 3;

pub(super) struct Writer {
    pub(super) exchange: Arc<Exchange>,
    pub(super) queue: Arc<Mutex<Receiver<Box<dyn Unit>>>>,
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) tail: Arc<Tail>,
    /// Tells the pauses of different threads apart.
    pub(super) number: u32,
}

/// What became of one attempt.
enum Ran {
    /// There is an answer.
    Answered,
    /// To be begun anew: others were in the way.
    Again,
    /// To be begun anew on another line.
    Lost(Error),
}

impl Writer {
    /// Works until nobody can ask any more.
    pub(super) fn run(self) {
        let mut session = None;
        loop {
            // The lock is let go before the unit runs.
            let next = self.queue.lock().recv();
            let Ok(mut unit) = next else { return };
            self.queued.fetch_sub(1, Ordering::Relaxed);
            self.unit(&mut session, unit.as_mut());
            unit.answer();
        }
    }

    fn unit(&self, session: &mut Option<Session>, unit: &mut dyn Unit) {
        let mut lines = 0;
        for attempt in 0..ATTEMPTS {
            let open = match self.session(session) {
                Ok(open) => open,
                Err(error) => return unit.fail(error),
            };
            let ran = self.attempt(open, unit);
            if !open.is_usable() {
                *session = None;
            }
            match ran {
                Ran::Answered => return,
                Ran::Again => thread::sleep(self.pause(attempt)),
                Ran::Lost(error) => {
                    lines += 1;
                    if lines == LINES {
                        return unit.fail(error);
                    }
                }
            }
        }
        tracing::warn!("a unit of work gave way {ATTEMPTS} times and was given up");
        unit.fail(Error::Overloaded);
    }

    fn session<'s>(&self, kept: &'s mut Option<Session>) -> Result<&'s mut Session> {
        self.exchange.check()?;
        match kept.take().filter(Session::is_usable) {
            Some(session) => Ok(kept.insert(session)),
            None => Ok(kept.insert(Session::new(self.exchange.clone(), self.exchange.connect()?, PATIENCE))),
        }
    }

    fn attempt(&self, session: &mut Session, unit: &mut dyn Unit) -> Ran {
        session.begin_write();
        let mut tx = Tx::postgres(session);
        let ran = catch_unwind(AssertUnwindSafe(|| unit.run(&mut tx)));
        let failed = tx.check();
        let changes = tx.into_changes();
        match (session.trouble(), failed) {
            (Some(Trouble::Again), _) => {
                session.leave();
                return Ran::Again;
            }
            (Some(Trouble::Lost), Err(error)) => return Ran::Lost(error),
            _ => {}
        }
        let stays = ran.unwrap_or_else(|_| {
            tracing::error!("a unit of work panicked and was undone");
            unit.fail(Error::unavailable("the unit of work panicked"));
            false
        });
        if !stays {
            session.leave();
            return Ran::Answered;
        }
        self.tail.expect(&changes);
        match session.commit() {
            Ok(()) => {
                // This node's caches must know before anybody is told that it is done.
                if let Err(error) = self.tail.settle(&changes) {
                    unit.fail(error);
                }
            }
            Err(NotCommitted::Refused(error, trouble)) => {
                self.tail.withdraw(&changes);
                session.leave();
                match trouble {
                    Trouble::Again => return Ran::Again,
                    Trouble::Lost => return Ran::Lost(error),
                    Trouble::Refused | Trouble::Silent => unit.fail(error),
                }
            }
            Err(NotCommitted::Unknown) => {
                tracing::error!("a COMMIT was not answered; whether it was done is not known");
                // Where it was done, this node must not go on as if it was not.
                let _ = self.tail.settle(&changes);
                self.tail.withdraw(&changes);
                unit.fail(Error::unavailable(
                    "the database did not say whether it was done; look before you try again",
                ));
            }
        }
        Ran::Answered
    }

    /// Longer each time, and not the same for all who are in each other's way.
    fn pause(&self, attempt: u32) -> Duration {
        Duration::from_micros(u64::from((1 << attempt.min(6)) * (400 + 150 * self.number)))
    }
}
