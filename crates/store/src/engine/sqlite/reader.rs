//! Snapshots for those who only read: threads with a queue for lists, each thread's own connection for points.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::{connection, run_statement};
use crate::engine::tx::Tx;
use crate::error::{Error, Result};

/// A read with the way back to who asked for it.
pub(super) type Query = Box<dyn FnOnce(&Connection) + Send>;

/// Works until nobody can ask any more.
pub(super) fn run(connection: &Connection, queue: &Arc<Mutex<Receiver<Query>>>) {
    loop {
        // The lock is let go before the query runs.
        let next = queue.lock().recv();
        let Ok(query) = next else { return };
        query(connection);
    }
}

/// Runs `work` on one snapshot; a panic in it is an error.
pub(super) fn snapshot_or_panic<T>(connection: &Connection, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
    let caught = catch_unwind(AssertUnwindSafe(|| snapshot(connection, work)));
    caught.unwrap_or_else(|_| {
        tracing::error!("a read panicked");
        run_statement(connection, "ROLLBACK")?;
        Err(Error::unavailable("the read panicked"))
    })
}

/// Runs `work` on one snapshot.
fn snapshot<T>(connection: &Connection, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
    if !connection.is_autocommit() {
        run_statement(connection, "ROLLBACK")?;
    }
    run_statement(connection, "BEGIN")?;
    let mut tx = Tx::sqlite(connection);
    let read = work(&mut tx).and_then(|value| tx.check().map(|()| value));
    run_statement(connection, "COMMIT")?;
    read
}

thread_local! {
    /// The connection of this thread with the number of its store.
    static OWN: Cell<Option<(u64, Connection)>> = const { Cell::new(None) };
}

/// Runs `work` on a snapshot of this thread's own connection, which is opened at the first call.
pub(super) fn point<T>(path: &Path, store: u64, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
    let connection = match OWN.take() {
        Some((number, connection)) if number == store => connection,
        _ => connection::reader(path)?,
    };
    let read = snapshot(&connection, work);
    OWN.set(Some((store, connection)));
    read
}
