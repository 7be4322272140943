//! The engines behind the facade: SQLite for one process, PostgreSQL for many.
//!
//! Nothing is answered before it is durable and before the change feed has been told. Only this folder, `migrate` and
//! `value` know which database it is; the verbs beside it have one text for both.

mod postgres;
mod queue;
mod sqlite;
mod tx;
mod unit;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use admit_core::time::Time;
use tokio::sync::oneshot;

use self::postgres::Postgres;
pub use self::postgres::{BadUrl, PostgresUrl};
use self::queue::closed;
use self::sqlite::Sqlite;
pub(crate) use self::sqlite::translate;
pub use self::sqlite::{Copied, MADE_AT, back_up, inspect, put_back};
pub use self::tx::Tx;
use self::unit::{Unit, Work};
use crate::change::Change;
use crate::error::Result;

/// Where a store is.
#[derive(Debug, Clone, PartialEq)]
pub enum Location {
    /// A file; its folder must be there.
    Sqlite(PathBuf),
    /// A database that several processes may share.
    Postgres(PostgresUrl),
}

impl fmt::Display for Location {
    /// As in a configuration, without a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

/// Where a store is and how it is to be opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is.
    pub location: Location,
    /// How many threads serve [`Store::read`].
    pub reader_threads: usize,
    /// How many connections write at a time, where there can be several.
    pub writer_threads: usize,
    /// How many reads of [`Store::point`] may be under way over a network.
    pub points_max: usize,
    /// The most pages that a file may have; none is as many as the disk takes.
    pub max_pages: Option<u32>,
}

impl Options {
    /// This file, two readers, no bound.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::at(Location::Sqlite(path.into()))
    }

    /// The same anywhere.
    pub const fn at(location: Location) -> Self {
        Self { location, reader_threads: 2, writer_threads: 6, points_max: 4, max_pages: None }
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

/// What the change feed tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News<'n> {
    /// Committed changes, each at least once.
    Changes(&'n [Change]),
    /// Changes may have been missed, or undone: nothing that was read before is to be believed.
    Reset,
}

/// Who is told of changes after they are durable and before anybody is answered.
type Feed = dyn Fn(News<'_>) + Send + Sync;

/// An open store; clones are the same one.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sqlite(Arc<Sqlite>),
    Postgres(Arc<Postgres>),
}

impl Store {
    /// Opens the store, brings its tables up to date and starts its threads.
    pub fn open(options: &Options, feed: impl Fn(News<'_>) + Send + Sync + 'static, now: Time) -> Result<Self> {
        let engine = match &options.location {
            Location::Sqlite(path) => Engine::Sqlite(Arc::new(Sqlite::open(path, options, Box::new(feed), now)?)),
            Location::Postgres(url) => Engine::Postgres(Arc::new(Postgres::open(url, options, Arc::new(feed), now)?)),
        };
        Ok(Self { engine })
    }

    /// Runs a unit of work and answers when it is durable. It may be run more than once: draw secrets before.
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<End<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.submit(Box::new(Work { work, reply: move |outcome| drop(reply.send(outcome)), outcome: None }))?;
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// The same for callers that are not async: start-up and tools.
    pub fn write_blocking<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Tx<'_>) -> Result<End<T>> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = sync_channel(1);
        self.submit(Box::new(Work { work, reply: move |outcome| drop(reply.send(outcome)), outcome: None }))?;
        answer.recv().unwrap_or_else(|_| Err(closed()))
    }

    /// Reads on one snapshot, on a thread of the store: for lists.
    pub async fn read<T: Send + 'static>(&self, work: impl Fn(&mut Tx<'_>) -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        let reply = move |outcome| drop(reply.send(outcome));
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.read(work, reply)?,
            Engine::Postgres(postgres) => postgres.read(work, reply)?,
        }
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Reads on one snapshot, here and now: for a row that the cache misses. Over a network it is bounded in time and in
    /// number, and gives way to other tasks of the runtime while it waits.
    pub fn point<T>(&self, work: impl FnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.point(work),
            Engine::Postgres(postgres) => postgres.point(work),
        }
    }

    /// How many units of work wait for the writer.
    pub fn queued(&self) -> usize {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.queued(),
            Engine::Postgres(postgres) => postgres.queued(),
        }
    }

    /// How long ago all changes of other processes were known here. Nothing where there can be no other process.
    pub fn feed_age(&self) -> Duration {
        match &self.engine {
            Engine::Sqlite(_) => Duration::ZERO,
            Engine::Postgres(postgres) => postgres.feed_age(),
        }
    }

    /// Takes nothing more in, finishes what waits, checkpoints. What is asked of clones afterwards is unavailable.
    pub fn close(self) {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.close(),
            Engine::Postgres(postgres) => postgres.close(),
        }
    }

    fn submit(&self, unit: Box<dyn Unit>) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.submit(unit),
            Engine::Postgres(postgres) => postgres.submit(unit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Cluster;

    type Statements = &'static [(&'static str, &'static str)];

    const FILES: &[(&str, Statements)] = &[
        ("access_token", crate::access_token::SQL),
        ("api", crate::api::SQL),
        ("change", crate::change::SQL),
        ("client", crate::client::SQL),
        ("client_authorization", crate::client_authorization::SQL),
        ("client_registration", crate::client_registration::SQL),
        ("client_secret", crate::client_secret::SQL),
        ("consent", crate::consent::SQL),
        ("credential", crate::credential::SQL),
        ("device_code", crate::device_code::SQL),
        ("event", crate::event::SQL),
        ("filter", crate::filter::SQL),
        ("grant", crate::grant::SQL),
        ("guard", crate::guard::SQL),
        ("idempotency", crate::idempotency::SQL),
        ("key", crate::key::SQL),
        ("logout_notice", crate::logout_notice::SQL),
        ("meta", crate::meta::SQL),
        ("origin", crate::origin::SQL),
        ("password", crate::password::SQL),
        ("realm", crate::realm::SQL),
        ("refresh_token", crate::refresh_token::SQL),
        ("revoked_token", crate::revoked_token::SQL),
        ("role", crate::role::SQL),
        ("rule", crate::rule::SQL),
        ("seal", crate::seal::SQL),
        ("session", crate::session::SQL),
        ("short_credential", crate::short_credential::SQL),
        ("sign_in_name", crate::sign_in_name::SQL),
        ("signing_key", crate::signing_key::SQL),
        ("spent_assertion", crate::spent_assertion::SQL),
        ("sweep", crate::sweep::SQL),
        ("usage", crate::usage::SQL),
        ("user", crate::user::SQL),
    ];

    fn for_each_statement(mut prepare: impl FnMut(&'static str) -> Result<()>) {
        for (file, statements) in FILES {
            for (name, text) in *statements {
                assert!(!text.contains('*'), "{file}::{name} names its columns");
                prepare(text).unwrap_or_else(|error| panic!("{file}::{name}: {error}"));
            }
        }
    }

    #[test]
    fn every_statement_of_this_crate_can_be_prepared_on_sqlite() {
        let connection = sqlite::migrated_for_tests();
        for_each_statement(|text| connection.prepare(text).map(drop).map_err(translate));
    }

    #[test]
    fn every_statement_of_this_crate_can_be_prepared_on_postgresql() {
        let database = Cluster::shared().database(None);
        let options = Options::at(Location::Postgres(PostgresUrl::parse(&database.url()).unwrap()));
        let Engine::Postgres(open) = Store::open(&options, |_| {}, Time::default()).unwrap().engine else {
            panic!("another engine was opened")
        };
        for_each_statement(|text| open.prepare_for_tests(text));
    }
}
