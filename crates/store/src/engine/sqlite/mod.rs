//! SQLite in WAL mode with `synchronous=FULL`: one writer, many readers.

mod connection;
mod copy;
mod reader;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use admit_core::time::Time;
use parking_lot::Mutex;
use rusqlite::{Connection, ffi};

pub(super) use self::connection::limit_pages;
pub use self::copy::{Copied, MADE_AT, back_up, inspect, put_back};
use self::reader::Query;
use self::writer::Writer;
use super::queue::{QUEUE, Queue, closed, spawn};
use super::tx::{Tx, located};
use super::unit::Unit;
use super::{Feed, Options};
use crate::error::{Error, Result};
use crate::migrate;
use crate::value::{FromRow, Named, Row};

/// An open file with its threads.
pub(super) struct Sqlite {
    path: PathBuf,
    /// Tells the connections of different stores on one thread apart.
    number: u64,
    queued: Arc<AtomicUsize>,
    writer: Queue<Box<dyn Unit>>,
    readers: Queue<Query>,
    queries: Arc<Mutex<Receiver<Query>>>,
    /// How many reads wait or run.
    reading: Arc<AtomicUsize>,
    /// Readers that are started when those there are have too much to do: an idle thread costs two megabytes.
    spare_readers: AtomicUsize,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Sqlite {
    /// Locks the file, brings its tables up to date and starts its threads.
    pub(super) fn open(path: &Path, options: &Options, feed: Box<Feed>, now: Time) -> Result<Self> {
        static STORES: AtomicU64 = AtomicU64::new(0);
        let lock = connection::Lock::take(path)?;
        let connection = connection::writer(path, options.max_pages)?;
        migrate::run(&connection, migrate::FILES, now)?;
        let queued = Arc::new(AtomicUsize::new(0));
        let (writer_queue, units) = sync_channel(QUEUE);
        let writer = Writer { connection, queue: units, queued: queued.clone(), feed, _lock: lock };
        let mut threads = vec![spawn("store-writer", move || writer.run())?];
        let (reader_queue, queries) = sync_channel::<Query>(QUEUE);
        let queries = Arc::new(Mutex::new(queries));
        threads.push(start_reader(path, &queries)?);
        Ok(Self {
            path: path.to_owned(),
            number: STORES.fetch_add(1, Ordering::Relaxed),
            queued,
            writer: Queue::new(writer_queue),
            readers: Queue::new(reader_queue),
            queries,
            reading: Arc::default(),
            spare_readers: AtomicUsize::new(options.reader_threads.saturating_sub(1)),
            threads: Mutex::new(threads),
        })
    }

    /// Queues a unit for the writer.
    pub(super) fn submit(&self, unit: Box<dyn Unit>) -> Result<()> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let sent = self.writer.send(unit);
        if sent.is_err() {
            self.queued.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }

    /// Queues a read.
    pub(super) fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static,
        reply: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<()> {
        let reading = self.reading.clone();
        let is_busy = reading.fetch_add(1, Ordering::Relaxed) > 0;
        let sent = self.readers.send(Box::new(move |connection: &Connection| {
            reply(reader::snapshot_or_panic(connection, |tx| work(tx)));
            reading.fetch_sub(1, Ordering::Relaxed);
        }));
        match sent {
            Ok(()) if is_busy => self.add_reader(),
            Ok(()) => {}
            Err(_) => {
                self.reading.fetch_sub(1, Ordering::Relaxed);
            }
        }
        sent
    }

    fn add_reader(&self) {
        let spare = |left: usize| left.checked_sub(1);
        if self.spare_readers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spare).is_err() {
            return;
        }
        match start_reader(&self.path, &self.queries) {
            Ok(thread) => self.threads.lock().push(thread),
            Err(error) => {
                tracing::warn!(%error, "another reader cannot be started; those there are go on");
                self.spare_readers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Reads here and now.
    pub(super) fn point<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        if self.writer.is_closed() {
            return Err(closed());
        }
        reader::point(&self.path, self.number, work)
    }

    /// How many units wait.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Finishes what waits, and takes nothing more in.
    pub(super) fn close(&self) {
        self.writer.close();
        self.readers.close();
        super::queue::join(std::mem::take(&mut *self.threads.lock()));
    }
}

fn start_reader(path: &Path, queries: &Arc<Mutex<Receiver<Query>>>) -> Result<JoinHandle<()>> {
    let connection = connection::reader(path)?;
    let queries = queries.clone();
    spawn("store-reader", move || reader::run(&connection, &queries))
}

/// Every row up to a number of them.
pub(super) fn query<T: FromRow>(
    connection: &Connection,
    sql: &'static str,
    named: Named<'_>,
    most: usize,
) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    bind(&mut statement, named)?;
    let mut rows = statement.raw_query();
    let mut list = Vec::new();
    while list.len() < most {
        let Some(row) = rows.next().map_err(translate)? else { break };
        list.push(T::from_row(&Row::sqlite(row)).map_err(|error| located(error, sql))?);
    }
    Ok(list)
}

/// Every parameter of the statement gets the value of its name; a name too few or too many is an error, not a NULL.
fn bind(statement: &mut rusqlite::Statement<'_>, named: Named<'_>) -> Result<()> {
    if statement.parameter_count() != named.len() {
        return Err(Error::unavailable("a statement and its parameters do not fit"));
    }
    for (name, value) in named {
        value.check()?;
        let index = statement.parameter_index(name).map_err(translate)?;
        let index = index.ok_or_else(|| Error::Unavailable(format!("a statement has no parameter {name}")))?;
        statement.raw_bind_parameter(index, value).map_err(translate)?;
    }
    Ok(())
}

/// Runs a statement that returns no rows, and says how many it touched.
pub(super) fn execute(connection: &Connection, sql: &'static str, named: Named<'_>) -> Result<usize> {
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    bind(&mut statement, named)?;
    statement.raw_execute().map_err(translate)
}

fn run_statement(connection: &Connection, sql: &'static str) -> Result<()> {
    let run = connection.prepare_cached(sql).and_then(|mut statement| statement.raw_execute());
    run.map(|_| ()).map_err(translate)
}

/// What the engine said, in our words. Its own words name tables and columns, never values.
pub(crate) fn translate(error: rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(failure, text) = &error else { return Error::unavailable(error) };
    match failure.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            Error::Conflict { what: doubled(text.as_deref().unwrap_or_default()) }
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Error::Conflict { what: "reference" },
        _ if matches!(failure.code, rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
            Error::corrupt(&error)
        }
        _ => Error::unavailable(&error),
    }
}

/// What there would be two of: "UNIQUE constraint failed: client.realm_id, client.name" speaks of a name.
fn doubled(text: &str) -> &'static str {
    const WORDS: &[(&str, &str)] = &[
        (".name", "name"),
        (".prefix", "prefix"),
        (".host", "host"),
        (".uri", "uri"),
        (".email_folded", "email"),
        (".hash", "secret"),
        (".number", "number"),
    ];
    WORDS.iter().find(|(column, _)| text.ends_with(column)).map_or("id", |(_, word)| word)
}

#[cfg(test)]
pub(super) fn migrated_for_tests() -> Connection {
    let folder = tempfile::tempdir().unwrap();
    let connection = connection::writer(&folder.path().join("admit.db"), None).unwrap();
    migrate::run(&connection, migrate::FILES, Time::default()).unwrap();
    connection
}
