//! PostgreSQL: a bounded number of connections, each used by one thread at a time, READ COMMITTED.
//!
//! What several rows say together is not guarded by the engine as it is with one writer: verbs that read and then write
//! lock the row that owns the others first (`Tx::lock_…`). What one statement guards is safe: of two who update a row, the
//! second looks again at the row that the first left.

mod dial;
mod exchange;
mod fault;
mod reader;
mod session;
mod statement;
mod tail;
mod tls;
mod url;
mod wait;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;
use std::time::Duration;

use admit_core::time::Time;
use parking_lot::Mutex;

use self::exchange::Exchange;
use self::reader::{Points, Query};
pub(super) use self::session::{Session, query};
use self::tail::Tail;
pub use self::url::{BadUrl, PostgresUrl};
use self::writer::Writer;
use super::queue::{QUEUE, Queue, spawn};
use super::tx::Tx;
use super::unit::Unit;
use super::{Feed, Options};
use crate::error::{Error, Result};
use crate::migrate;

/// How long two nodes that start at once may wait for one another, and a migration may take.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(300);

/// An open database with its threads.
pub(super) struct Postgres {
    exchange: Arc<Exchange>,
    tail: Arc<Tail>,
    queued: Arc<AtomicUsize>,
    writers: Queue<Box<dyn Unit>>,
    readers: Queue<Query>,
    points: Points,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Postgres {
    /// Connects, brings the tables up to date and starts the threads.
    pub(super) fn open(url: &PostgresUrl, options: &Options, feed: Arc<Feed>, now: Time) -> Result<Self> {
        let exchange = Arc::new(Exchange::new(url)?);
        let dialer = exchange.dialer();
        let migrated = async move {
            let line = dialer.dial().await?;
            migrate::run_on_postgres(&line.client, migrate::FILES, now).await.map_err(|error| match error {
                migrate::Stopped::Ours(error) => error,
                migrate::Stopped::Theirs(file, error) => {
                    Error::Unavailable(format!("migrations/{file}: {}", fault::describe(&error)))
                }
            })
        };
        exchange.run(migrated, MIGRATION_PATIENCE)?;
        // Before anybody can fill a cache: what is committed from now on is told.
        let tail = Tail::start(&exchange, feed)?;
        let queued = Arc::new(AtomicUsize::new(0));
        let (writer_queue, units) = sync_channel(QUEUE);
        let units = Arc::new(Mutex::new(units));
        let mut threads = Vec::new();
        for number in 0..options.writer_threads.max(1) {
            let writer = Writer {
                exchange: exchange.clone(),
                queue: units.clone(),
                queued: queued.clone(),
                tail: tail.clone(),
                number: u32::try_from(number).unwrap_or_default(),
            };
            threads.push(spawn("store-writer", move || writer.run())?);
        }
        let (reader_queue, queries) = sync_channel::<Query>(QUEUE);
        let queries = Arc::new(Mutex::new(queries));
        for _ in 0..options.reader_threads.max(1) {
            let (exchange, queries) = (exchange.clone(), queries.clone());
            threads.push(spawn("store-reader", move || reader::run(&exchange, &queries))?);
        }
        Ok(Self {
            points: Points::new(exchange.clone(), options.points_max),
            exchange,
            tail,
            queued,
            writers: Queue::new(writer_queue),
            readers: Queue::new(reader_queue),
            threads: Mutex::new(threads),
        })
    }

    /// Queues a unit for whichever connection is free next.
    pub(super) fn submit(&self, unit: Box<dyn Unit>) -> Result<()> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        let sent = self.writers.send(unit);
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
        self.readers.send(Box::new(move |session| reply(reader::list(session, work))))
    }

    /// Reads here and now.
    pub(super) fn point<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        self.points.read(work)
    }

    /// How many units wait.
    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// How long ago the last look at the feed began that succeeded.
    pub(super) fn feed_age(&self) -> Duration {
        self.tail.age()
    }

    #[cfg(test)]
    pub(super) fn prepare_for_tests(&self, sql: &'static str) -> Result<()> {
        let dialer = self.exchange.dialer();
        let prepared = async move {
            let (line, (text, _)) = (dialer.dial().await?, statement::number(sql));
            line.client.prepare(&text).await.map(drop).map_err(|error| fault::translate(&error).0)
        };
        self.exchange.run(prepared, dial::PATIENCE)
    }

    /// Finishes what waits, and takes nothing more in.
    pub(super) fn close(&self) {
        self.writers.close();
        self.readers.close();
        super::queue::join(std::mem::take(&mut *self.threads.lock()));
        self.points.close();
        self.exchange.close();
    }
}
