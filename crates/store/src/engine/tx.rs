//! One unit of work inside a transaction: statements go in, rows come out, changes are noted for the feed.
//!
//! After the first error nothing more is done: what a statement that failed left behind is known to no engine alike.

use admit_core::id::RealmId;
use admit_core::time::Time;
use rusqlite::{Connection, ffi};

use crate::change::{self, Change, ChangeKind};
use crate::error::{Error, Result};
use crate::value::{FromRow, Named, Row, Value};

/// A transaction, as the verbs of this crate see it.
pub struct Tx<'c> {
    connection: &'c Connection,
    changes: Vec<Change>,
    failure: Option<Error>,
}

impl<'c> Tx<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, changes: Vec::new(), failure: None }
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
        self.guarded(|connection| query(connection, sql, named, 1).map(|mut rows| rows.pop()))
    }

    /// Every row; the statement has the limit.
    pub(crate) fn list<T: FromRow>(&mut self, sql: &'static str, named: Named<'_>) -> Result<Vec<T>> {
        self.guarded(|connection| query(connection, sql, named, usize::MAX))
    }

    /// Runs a statement that returns no rows, and says how many it touched.
    pub(crate) fn execute(&mut self, sql: &'static str, named: Named<'_>) -> Result<usize> {
        self.guarded(|connection| {
            let mut statement = connection.prepare_cached(sql).map_err(translate)?;
            bind(&mut statement, named)?;
            statement.raw_execute().map_err(translate)
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
        self.guarded(|connection| super::connection::limit_pages(connection, pages))
    }

    /// Ends the unit with an error that no statement made.
    pub(crate) fn refuse<T>(&mut self, error: Error) -> Result<T> {
        self.guarded(|_| Err(error))
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        if let Some(failure) = &self.failure {
            return Err(Error::Unavailable(format!("a statement before failed: {failure}")));
        }
        work(self.connection).inspect_err(|error| self.failure = Some(error.clone()))
    }
}

fn query<T: FromRow>(connection: &Connection, sql: &'static str, named: Named<'_>, most: usize) -> Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql).map_err(translate)?;
    bind(&mut statement, named)?;
    let mut rows = statement.raw_query();
    let mut list = Vec::new();
    while list.len() < most {
        let Some(row) = rows.next().map_err(translate)? else { break };
        list.push(T::from_row(&Row::new(row)).map_err(|error| located(error, sql))?);
    }
    Ok(list)
}

/// Every parameter of the statement gets the value of its name; a name too few or too many is an error, not a NULL.
fn bind(statement: &mut rusqlite::Statement<'_>, named: Named<'_>) -> Result<()> {
    if statement.parameter_count() != named.len() {
        return Err(Error::unavailable("a statement and its parameters do not fit"));
    }
    for (name, value) in named {
        if matches!(value, Value::Text(text) if text.contains('\0')) {
            return Err(Error::NulInText);
        }
        let index = statement.parameter_index(name).map_err(translate)?;
        let index = index.ok_or_else(|| Error::Unavailable(format!("a statement has no parameter {name}")))?;
        statement.raw_bind_parameter(index, value).map_err(translate)?;
    }
    Ok(())
}

/// Says in which statement a column could not be read.
fn located(error: Error, sql: &'static str) -> Error {
    match error {
        Error::Corrupt { what } => Error::Corrupt { what: format!("{what} in {:.60}…", sql) },
        other => other,
    }
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
