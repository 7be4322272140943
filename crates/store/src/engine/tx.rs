//! One unit of work inside a transaction: statements go in, rows come out, changes are noted for the feed.
//!
//! After the first error nothing more is done: what a statement that failed left behind is known to no engine alike.

use admit_core::id::RealmId;
use admit_core::time::Time;
use rusqlite::Connection;

use super::postgres::Session;
use super::{postgres, sqlite};
use crate::change::{self, Change, ChangeKind};
use crate::error::{Error, Result};
use crate::value::{FromRow, Named, Value};

/// A transaction, as the verbs of this crate see it.
pub struct Tx<'c> {
    engine: Engine<'c>,
    changes: Vec<Change>,
    failure: Option<Error>,
}

/// Where the statements go.
enum Engine<'c> {
    Sqlite(&'c Connection),
    Postgres(&'c mut Session),
}

impl<'c> Tx<'c> {
    pub(super) fn sqlite(connection: &'c Connection) -> Self {
        Self { engine: Engine::Sqlite(connection), changes: Vec::new(), failure: None }
    }

    pub(super) fn postgres(session: &'c mut Session) -> Self {
        Self { engine: Engine::Postgres(session), changes: Vec::new(), failure: None }
    }

    /// What this unit changed.
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// The first failure, for units that went on as if there had been none.
    pub(super) fn check(&self) -> Result<()> {
        self.failure.clone().map_or(Ok(()), Err)
    }

    /// The first row.
    pub(crate) fn find<T: FromRow>(&mut self, sql: &'static str, named: Named<'_>) -> Result<Option<T>> {
        let rows = self.guarded(|engine| match engine {
            Engine::Sqlite(connection) => sqlite::query(connection, sql, named, 1),
            Engine::Postgres(session) => postgres::query(session, sql, named, 1),
        });
        rows.map(|mut rows| rows.pop())
    }

    /// Every row; the statement has the limit.
    pub(crate) fn list<T: FromRow>(&mut self, sql: &'static str, named: Named<'_>) -> Result<Vec<T>> {
        self.guarded(|engine| match engine {
            Engine::Sqlite(connection) => sqlite::query(connection, sql, named, usize::MAX),
            Engine::Postgres(session) => postgres::query(session, sql, named, usize::MAX),
        })
    }

    /// Runs a statement that returns no rows, and says how many it touched.
    pub(crate) fn execute(&mut self, sql: &'static str, named: Named<'_>) -> Result<usize> {
        self.guarded(|engine| match engine {
            Engine::Sqlite(connection) => sqlite::execute(connection, sql, named),
            Engine::Postgres(session) => session.execute(sql, named),
        })
    }

    /// Runs a statement that returns no rows and of which only a failure matters; over a network it goes out with what comes
    /// next, and a failure shows there, or when the unit is committed. Of a unit that is undone it may never have been run.
    pub(crate) fn execute_later(&mut self, sql: &'static str, named: Named<'_>) -> Result<()> {
        self.guarded(|engine| match engine {
            Engine::Sqlite(connection) => sqlite::execute(connection, sql, named).map(drop),
            Engine::Postgres(session) => session.execute_later(sql, named),
        })
    }

    /// Runs a statement that returns no rows once for each set of parameters, in their order; over a network without
    /// waiting in between. Says how many rows were touched in all.
    pub(crate) fn each<'v, P>(&mut self, sql: &'static str, sets: &[P]) -> Result<usize>
    where
        P: AsRef<[(&'static str, Value<'v>)]>,
    {
        self.guarded(|engine| match engine {
            Engine::Sqlite(connection) => {
                sets.iter().try_fold(0, |sum, named| Ok(sum + sqlite::execute(connection, sql, named.as_ref())?))
            }
            Engine::Postgres(session) => session.execute_each(sql, sets),
        })
    }

    /// Notes that a row is not what a cache may believe it to be. The verbs of this crate do it themselves.
    pub fn change(&mut self, kind: ChangeKind, realm: RealmId, id: &[u8; 16], now: Time) -> Result<()> {
        let number = self.find(change::INSERT, named! { realm, kind: kind.as_str(), id, now })?;
        let number = number.ok_or_else(|| Error::unavailable("a change got no number"))?;
        self.changes.push(Change { number, realm, kind, id: *id });
        Ok(())
    }

    /// Keeps the file from growing over so many pages: the disk that is full, for tests.
    #[doc(hidden)]
    pub fn limit_pages(&mut self, pages: u32) -> Result<()> {
        self.guarded(|engine| match engine {
            Engine::Sqlite(connection) => sqlite::limit_pages(connection, pages),
            Engine::Postgres(_) => Err(Error::unavailable("only a file has pages")),
        })
    }

    /// Ends the unit with an error that no statement made.
    pub(crate) fn refuse<T>(&mut self, error: Error) -> Result<T> {
        self.guarded(|_| Err(error))
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Engine<'c>) -> Result<T>) -> Result<T> {
        if let Some(failure) = &self.failure {
            return Err(Error::Unavailable(format!("a statement before failed: {failure}")));
        }
        work(&mut self.engine).inspect_err(|error| self.failure = Some(error.clone()))
    }
}

/// Says in which statement a column could not be read.
pub(super) fn located(error: Error, sql: &'static str) -> Error {
    match error {
        Error::Corrupt { what } => Error::Corrupt { what: format!("{what} in {:.60}…", sql) },
        other => other,
    }
}
