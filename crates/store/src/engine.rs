//! The engine behind the facade: SQLite in WAL mode with `synchronous=FULL`, one writer, many readers.
//!
//! Nothing is answered before it is durable and before the change feed has been told. Only this folder and `value` know
//! which database this is.

mod connection;
mod reader;
mod tx;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use admit_core::time::Time;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use self::reader::Query;
pub use self::tx::Tx;
pub(crate) use self::tx::translate;
use self::writer::{Unit, Work, Writer};
use crate::change::Change;
use crate::error::{Error, Result};
use crate::migrate;

/// How many units of work, and how many reads, may wait.
const QUEUE: usize = 4096;

/// Where a store is and how it is to be opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file; its folder must be there.
    pub path: PathBuf,
    /// How many threads serve [`Store::read`].
    pub reader_threads: usize,
    /// The most pages that the file may have; none is as many as the disk takes.
    pub max_pages: Option<u32>,
}

impl Options {
    /// This file, two readers, no bound.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), reader_threads: 2, max_pages: None }
    }
}

/// What a unit of work comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End<T> {
    /// What it did shall stay.
    Commit(T),
    /// What it did shall be undone; the answer is one all the same.
    Rollback(T),
}

/// Who is told of changes after they are durable and before anybody is answered.
type Feed = dyn Fn(&[Change]) + Send + Sync;

/// An open store; clones are the same one.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    /// Tells the connections of different stores on one thread apart.
    number: u64,
    queued: Arc<AtomicUsize>,
    queues: Mutex<Option<Queues>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Queues {
    writer: SyncSender<Box<dyn Unit>>,
    readers: SyncSender<Query>,
}

impl Store {
    /// Locks the store, brings its tables up to date and starts its threads.
    pub fn open(options: &Options, feed: impl Fn(&[Change]) + Send + Sync + 'static, now: Time) -> Result<Self> {
        static STORES: AtomicU64 = AtomicU64::new(0);
        let lock = connection::lock(&options.path)?;
        let connection = connection::writer(&options.path, options.max_pages)?;
        migrate::run(&connection, migrate::FILES, now)?;
        let queued = Arc::new(AtomicUsize::new(0));
        let (writer_queue, units) = sync_channel(QUEUE);
        let writer = Writer { connection, queue: units, queued: queued.clone(), feed: Box::new(feed), _lock: lock };
        let mut threads = vec![spawn("store-writer", move || writer.run())?];
        let (reader_queue, queries) = sync_channel::<Query>(QUEUE);
        let queries = Arc::new(Mutex::new(queries));
        for _ in 0..options.reader_threads.max(1) {
            let connection = connection::reader(&options.path)?;
            let queries = queries.clone();
            threads.push(spawn("store-reader", move || reader::run(&connection, &queries))?);
        }
        let shared = Shared {
            path: options.path.clone(),
            number: STORES.fetch_add(1, Ordering::Relaxed),
            queued,
            queues: Mutex::new(Some(Queues { writer: writer_queue, readers: reader_queue })),
            threads: Mutex::new(threads),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Runs a unit of work and answers when it is durable. It may be run more than once on other engines: draw secrets
    /// before.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<End<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.submit(work, move |outcome| drop(reply.send(outcome)))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The same for callers that are not async: start-up and tools.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<End<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = sync_channel(1);
        self.submit(work, move |outcome| drop(reply.send(outcome)))?;
        answer.recv().unwrap_or_else(|_| Err(closed()))
    }

    /// Reads on one snapshot, on a thread of the store: for lists.
    pub async fn read<T: Send + 'static>(&self, work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let query: Query =
            Box::new(move |connection| drop(reply.send(reader::snapshot_or_panic(connection, |tx| work(tx)))));
        send(&self.queues()?.readers, query)?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Reads on one snapshot, here and now, on this thread's own connection: for a row that the cache misses.
    pub fn point<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        if self.shared.queues.lock().is_none() {
            return Err(closed());
        }
        reader::point(&self.shared.path, self.shared.number, work)
    }

    /// How many units of work wait for the writer.
    pub fn queued(&self) -> usize {
        self.shared.queued.load(Ordering::Relaxed)
    }

    /// Takes nothing more in, finishes what waits, checkpoints. What is asked of clones afterwards is unavailable.
    pub fn close(self) {
        drop(self.shared.queues.lock().take());
        let threads = std::mem::take(&mut *self.shared.threads.lock());
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the store had panicked");
            }
        }
    }

    fn submit<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<End<T>> + Send + 'static,
        reply: impl FnOnce(Result<T>) + Send + 'static,
    ) -> Result<()> {
        let queues = self.queues()?;
        self.shared.queued.fetch_add(1, Ordering::Relaxed);
        let sent = send(&queues.writer, Box::new(Work { work, reply, outcome: None }) as Box<dyn Unit>);
        if sent.is_err() {
            self.shared.queued.fetch_sub(1, Ordering::Relaxed);
        }
        sent
    }

    fn queues(&self) -> Result<Queues> {
        self.shared.queues.lock().clone().ok_or_else(closed)
    }
}

fn send<T>(queue: &SyncSender<T>, item: T) -> Result<()> {
    queue.try_send(item).map_err(|refused| match refused {
        TrySendError::Full(_) => Error::Overloaded,
        TrySendError::Disconnected(_) => closed(),
    })
}

fn closed() -> Error {
    Error::unavailable("the store is closed")
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(Error::unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_statement_of_this_crate_can_be_prepared() {
        let folder = tempfile::tempdir().unwrap();
        let connection = connection::writer(&folder.path().join("admit.db"), None).unwrap();
        migrate::run(&connection, migrate::FILES, Time::default()).unwrap();
        let files: &[(&str, &[(&str, &str)])] = &[
            ("api", crate::api::SQL),
            ("change", crate::change::SQL),
            ("client", crate::client::SQL),
            ("credential", crate::credential::SQL),
            ("event", crate::event::SQL),
            ("grant", crate::grant::SQL),
            ("idempotency", crate::idempotency::SQL),
            ("key", crate::key::SQL),
            ("meta", crate::meta::SQL),
            ("realm", crate::realm::SQL),
            ("role", crate::role::SQL),
            ("rule", crate::rule::SQL),
            ("sweep", crate::sweep::SQL),
            ("usage", crate::usage::SQL),
            ("user", crate::user::SQL),
        ];
        for (file, statements) in files {
            for (name, text) in *statements {
                assert!(!text.contains('*'), "{file}::{name} names its columns");
                connection.prepare(text).unwrap_or_else(|error| panic!("{file}::{name}: {error}"));
            }
        }
    }
}
