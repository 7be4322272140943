//! The one thread that writes: group commit.
//!
//! Whatever waits is run as savepoints of one transaction, at most [`BATCH`] units or [`WINDOW`], and answered after one
//! COMMIT and after the feed has heard of it: refusals too, for they were judged by rows that only then are durable.
//! A unit that fails or panics undoes itself alone. Where the engine itself ended the transaction, nothing of the batch is
//! to be believed, and all of it is answered as unavailable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{connection, run_statement};
use crate::change::Change;
use crate::engine::tx::Tx;
use crate::engine::unit::Unit;
use crate::engine::{Feed, News};
use crate::error::{Error, Result};

/// The most units in one transaction.
const BATCH: usize = 256;
/// The longest that a transaction takes in new units.
const WINDOW: Duration = Duration::from_millis(5);

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) queue: Receiver<Box<dyn Unit>>,
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) feed: Box<Feed>,
    /// Held until the last unit is done.
    pub(super) _lock: connection::Lock,
}

impl Writer {
    /// Works until nobody can ask any more.
    pub(super) fn run(self) {
        while let Ok(first) = self.queue.recv() {
            self.batch(first);
        }
        let cut = self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        if let Err(error) = cut {
            tracing::warn!(%error, "the log of the store could not be checkpointed; the next start does it");
        }
    }

    fn batch(&self, first: Box<dyn Unit>) {
        let mut done = Vec::new();
        let outcome = self.begin().and_then(|()| self.collect(&mut done, Some(first)));
        let outcome = outcome.and_then(|changes| self.commit().and_then(|()| self.announce(&changes)));
        if let Err(error) = outcome {
            tracing::error!(%error, units = done.len(), "a batch of writes was not committed");
            self.undo();
            done.iter_mut().for_each(|unit| unit.fail(error.clone()));
        }
        done.into_iter().for_each(Unit::answer);
    }

    fn begin(&self) -> Result<()> {
        self.undo();
        self.statement("BEGIN IMMEDIATE")
    }

    /// Runs `first` and what waits behind it. An error ends the batch.
    fn collect(&self, done: &mut Vec<Box<dyn Unit>>, first: Option<Box<dyn Unit>>) -> Result<Vec<Change>> {
        let started = Instant::now();
        let mut changes = Vec::new();
        let mut next = first;
        while let Some(mut unit) = next.take() {
            self.queued.fetch_sub(1, Ordering::Relaxed);
            let ran = self.unit(unit.as_mut());
            done.push(unit);
            changes.extend(ran?);
            if done.len() < BATCH && started.elapsed() < WINDOW {
                next = self.queue.try_recv().ok();
            }
        }
        Ok(changes)
    }

    /// Runs one unit in its own savepoint. An error is the transaction's, not the unit's.
    fn unit(&self, unit: &mut dyn Unit) -> Result<Vec<Change>> {
        self.statement("SAVEPOINT unit")?;
        let mut tx = Tx::sqlite(&self.connection);
        let ran = catch_unwind(AssertUnwindSafe(|| unit.run(&mut tx)));
        if self.connection.is_autocommit() {
            let cause = tx.check().err().map_or_else(|| "for no known cause".to_owned(), |error| error.to_string());
            return Err(Error::Unavailable(format!("the engine ended the transaction: {cause}")));
        }
        let changes = tx.into_changes();
        let stays = ran.unwrap_or_else(|_| {
            tracing::error!("a unit of work panicked and was undone");
            unit.fail(Error::unavailable("the unit of work panicked"));
            false
        });
        if !stays {
            self.statement("ROLLBACK TO unit")?;
        }
        self.statement("RELEASE unit")?;
        Ok(if stays { changes } else { Vec::new() })
    }

    fn commit(&self) -> Result<()> {
        self.statement("COMMIT")
    }

    /// Tells this node's cache, which must know before anybody is told that it is done.
    fn announce(&self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let told = catch_unwind(AssertUnwindSafe(|| (self.feed)(News::Changes(changes))));
        told.map_err(|_| Error::unavailable("the change feed panicked"))
    }

    fn undo(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.statement("ROLLBACK") {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }

    fn statement(&self, sql: &'static str) -> Result<()> {
        run_statement(&self.connection, sql)
    }
}
