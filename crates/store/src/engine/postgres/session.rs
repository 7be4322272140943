//! One connection and the transaction on it: statements go out by number, rows come back.
//!
//! BEGIN travels with the first statement. Where that finds the line gone, nothing was done yet: the session connects anew
//! and sends both again. Later than that only the whole unit can be run again.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::dial::Line;
use super::exchange::Exchange;
use super::fault::{Trouble, translate};
use super::statement::number;
use super::wait::{begin_only, wait};
use crate::engine::tx::located;
use crate::error::{Error, Result};
use crate::value::{FromRow, Named, Row, Value};

/// How many statements may be under way at once.
const PIPELINE: usize = 500;

/// A connection that one thread at a time uses.
pub struct Session {
    exchange: Arc<Exchange>,
    line: Line,
    statements: HashMap<&'static str, Prepared>,
    patience: Duration,
    owed: Option<&'static str>,
    is_open: bool,
    trouble: Option<Trouble>,
}

#[derive(Clone)]
struct Prepared {
    statement: Statement,
    names: Arc<[&'static str]>,
}

/// How a COMMIT failed.
pub(super) enum NotCommitted {
    /// The server said no: nothing was changed.
    Refused(Error, Trouble),
    /// No answer: it may have been done or not.
    Unknown,
}

/// What stops a statement: something said elsewhere, or by us.
enum Stopped {
    Ours(Error),
    Theirs(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Stopped {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Theirs(error)
    }
}

type Parameters<'p> = Vec<&'p (dyn ToSql + Sync)>;

impl Session {
    pub(super) fn new(exchange: Arc<Exchange>, line: Line, patience: Duration) -> Self {
        Self { exchange, line, statements: HashMap::new(), patience, owed: None, is_open: false, trouble: None }
    }

    /// Begins a transaction at the next statement.
    pub(super) fn begin_write(&mut self) {
        self.begin("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
    }

    /// Begins a snapshot at the next statement.
    pub(super) fn begin_read(&mut self, patience: Duration) {
        self.patience = patience;
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    }

    fn begin(&mut self, text: &'static str) {
        self.leave();
        self.trouble = None;
        self.owed = Some(text);
    }

    /// What the first failure of the transaction was.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Makes what was done durable.
    pub(super) fn commit(&mut self) -> std::result::Result<(), NotCommitted> {
        self.owed = None;
        if !std::mem::take(&mut self.is_open) {
            return Ok(());
        }
        match wait(self.line.client.batch_execute("COMMIT"), self.patience) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => match translate(&error) {
                (error, trouble @ (Trouble::Refused | Trouble::Again)) => Err(NotCommitted::Refused(error, trouble)),
                _ => {
                    self.trouble = Some(Trouble::Lost);
                    Err(NotCommitted::Unknown)
                }
            },
            None => {
                self.trouble = Some(Trouble::Silent);
                Err(NotCommitted::Unknown)
            }
        }
    }

    /// Ends a transaction of which nothing shall stay. Does not wait: what comes next waits behind it.
    pub(super) fn leave(&mut self) {
        self.owed = None;
        if std::mem::take(&mut self.is_open) && self.is_usable() {
            begin_only(self.line.client.batch_execute("ROLLBACK"));
        }
    }

    /// False: to be thrown away.
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.trouble, Some(Trouble::Lost | Trouble::Silent)) && !self.line.client.is_closed()
    }

    /// Runs a statement that returns no rows, and says how many it touched.
    pub(crate) fn execute(&mut self, sql: &'static str, named: Named<'_>) -> Result<usize> {
        let touched = self.run(sql, 1, async |client, prepared| {
            let parameters = prepared.bind(named).map_err(Stopped::Ours)?;
            Ok(client.execute(&prepared.statement, &parameters).await?)
        })?;
        usize::try_from(touched).map_err(Error::unavailable)
    }

    /// Runs a statement once for each set, all of them under way at once, in their order.
    pub(crate) fn execute_each<'v, P>(&mut self, sql: &'static str, sets: &[P]) -> Result<usize>
    where
        P: AsRef<[(&'static str, Value<'v>)]>,
    {
        let mut touched = 0;
        for some in sets.chunks(PIPELINE) {
            touched += self.run(sql, 4, async |client, prepared| {
                let sets = some.iter().map(|set| prepared.bind(set.as_ref()));
                let sets = sets.collect::<Result<Vec<_>>>().map_err(Stopped::Ours)?;
                pipeline(client, &prepared.statement, &sets).await
            })?;
        }
        usize::try_from(touched).map_err(Error::unavailable)
    }

    fn rows(&mut self, sql: &'static str, named: Named<'_>) -> Result<Vec<tokio_postgres::Row>> {
        self.run(sql, 1, async |client, prepared| {
            let parameters = prepared.bind(named).map_err(Stopped::Ours)?;
            Ok(client.query(&prepared.statement, &parameters).await?)
        })
    }

    /// Runs `work` with the prepared statement, together with what is owed before it.
    fn run<T>(
        &mut self,
        sql: &'static str,
        times_patience: u32,
        work: impl AsyncFn(&Client, &Prepared) -> std::result::Result<T, Stopped>,
    ) -> Result<T> {
        let opening = self.owed.take();
        let mut may_connect_anew = opening.is_some();
        loop {
            self.is_open = true;
            let (client, known) = (&self.line.client, self.statements.get(sql).cloned());
            let both = async {
                let prepared = match known {
                    Some(known) => known,
                    None => Prepared::new(client, sql).await?,
                };
                let value = work(client, &prepared).await?;
                Ok((value, prepared))
            };
            let stopped = match wait(together(client, opening, both), self.patience * times_patience) {
                Some(Ok((value, prepared))) => {
                    self.statements.entry(sql).or_insert(prepared);
                    return Ok(value);
                }
                Some(Err(stopped)) => stopped,
                None => {
                    self.trouble = Some(Trouble::Silent);
                    self.line.cut();
                    self.exchange.doubt("a statement was not answered in time");
                    return Err(Error::unavailable("the database does not answer in time"));
                }
            };
            let (error, trouble) = match stopped {
                Stopped::Ours(error) => (error, Trouble::Refused),
                Stopped::Theirs(error) => translate(&error),
            };
            // Only what opened the transaction was lost: it can be sent again.
            if trouble == Trouble::Lost && std::mem::take(&mut may_connect_anew) {
                match self.exchange.connect() {
                    Ok(line) => {
                        self.line = line;
                        self.statements.clear();
                        continue;
                    }
                    Err(error) => {
                        self.trouble = Some(trouble);
                        return Err(error);
                    }
                }
            }
            self.trouble.get_or_insert(trouble);
            return Err(error);
        }
    }
}

/// Rows as what they are to be read as, up to a number of them.
pub(crate) fn query<T: FromRow>(
    session: &mut Session,
    sql: &'static str,
    named: Named<'_>,
    most: usize,
) -> Result<Vec<T>> {
    let rows = session.rows(sql, named)?;
    let read = rows.iter().take(most).map(|row| T::from_row(&Row::postgres(row)));
    read.collect::<Result<_>>().map_err(|error| located(error, sql))
}

impl Prepared {
    async fn new(client: &Client, sql: &'static str) -> std::result::Result<Self, Stopped> {
        let (text, names) = number(sql);
        let statement = client.prepare(&text).await?;
        Ok(Self { statement, names: names.into() })
    }

    /// Every parameter of the statement gets the value of its name; a name too few or too many is an error, not a NULL.
    fn bind<'p>(&self, named: &'p [(&'static str, Value<'_>)]) -> Result<Parameters<'p>> {
        if self.names.len() != named.len() {
            return Err(Error::unavailable("a statement and its parameters do not fit"));
        }
        let of_name = |name: &&'static str| {
            let (_, value) = named
                .iter()
                .find(|(known, _)| known == name)
                .ok_or_else(|| Error::Unavailable(format!("a statement has a parameter {name} that was not given")))?;
            value.check()?;
            Ok(value as &(dyn ToSql + Sync))
        };
        self.names.iter().map(of_name).collect()
    }
}

/// Sends what opens the transaction, if anything, and right behind it the work.
async fn together<T>(
    client: &Client,
    opening: Option<&'static str>,
    work: impl Future<Output = std::result::Result<T, Stopped>>,
) -> std::result::Result<T, Stopped> {
    let Some(opening) = opening else { return work.await };
    let (mut begin, mut work) = (pin!(client.batch_execute(opening)), pin!(work));
    let (mut begun, mut worked) = (None, None);
    poll_fn(|context| {
        if begun.is_none()
            && let Poll::Ready(outcome) = begin.as_mut().poll(context)
        {
            begun = Some(outcome);
        }
        if worked.is_none()
            && let Poll::Ready(outcome) = work.as_mut().poll(context)
        {
            worked = Some(outcome);
        }
        match (begun.take(), worked.take()) {
            (Some(Err(error)), _) => Poll::Ready(Err(error.into())),
            (Some(Ok(())), Some(outcome)) => Poll::Ready(outcome),
            (other, outcome) => {
                (begun, worked) = (other, outcome);
                Poll::Pending
            }
        }
    })
    .await
}

/// Sends every set before it waits for the first answer.
async fn pipeline(
    client: &Client,
    statement: &Statement,
    sets: &[Parameters<'_>],
) -> std::result::Result<u64, Stopped> {
    let mut running: Vec<_> = sets.iter().map(|set| Box::pin(client.execute(statement, set))).collect();
    let mut early: Vec<_> = Vec::with_capacity(running.len());
    poll_fn(|context| {
        early.extend(running.iter_mut().map(|one| one.as_mut().poll(context)));
        Poll::Ready(())
    })
    .await;
    let mut touched = 0;
    for (one, early) in running.into_iter().zip(early) {
        touched += match early {
            Poll::Ready(outcome) => outcome?,
            Poll::Pending => one.await?,
        };
    }
    Ok(touched)
}
