//! One connection and the transaction on it: statements go out by number, rows come back.
//!
//! BEGIN travels with the first statement. Where that finds the line gone, nothing was done yet: the session connects anew
//! and sends both again. Later than that only the whole unit can be run again. A statement of which only a failure matters
//! travels with the one behind it, the last with COMMIT.

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
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
use crate::value::{FromRow, Named, OwnedValue, Row, ToValue, Value};

/// How many statements of one kind may be under way at once.
const PIPELINE: usize = 500;
/// How many statements may wait for what comes next.
const WAITING_MAX: usize = 100;

/// A connection that one thread at a time uses.
pub struct Session {
    exchange: Arc<Exchange>,
    line: Line,
    statements: HashMap<&'static str, Prepared>,
    patience: Duration,
    owed: Option<&'static str>,
    waiting: Vec<Waiting>,
    is_reading: bool,
    is_open: bool,
    trouble: Option<Trouble>,
}

/// A statement that goes out with what comes next.
struct Waiting {
    sql: &'static str,
    named: Vec<(&'static str, OwnedValue)>,
}

impl Waiting {
    fn named(&self) -> Vec<(&'static str, Value<'_>)> {
        self.named.iter().map(|(name, value)| (*name, value.value())).collect()
    }
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

/// What stops a statement: something said elsewhere, or by us. After the first two nothing more of what was to be sent with it
/// has gone out.
enum Stopped {
    Ours(Error),
    Unsent(tokio_postgres::Error),
    Theirs(tokio_postgres::Error),
}

impl Stopped {
    fn told(self) -> (Error, Trouble) {
        match self {
            Self::Ours(error) => (error, Trouble::Refused),
            Self::Unsent(error) | Self::Theirs(error) => translate(&error),
        }
    }
}

impl From<tokio_postgres::Error> for Stopped {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Theirs(error)
    }
}

type Parameters<'p> = Vec<&'p (dyn ToSql + Sync)>;

impl Session {
    pub(super) fn new(exchange: Arc<Exchange>, line: Line, patience: Duration) -> Self {
        let (statements, waiting) = (HashMap::new(), Vec::new());
        Self {
            exchange,
            line,
            statements,
            patience,
            owed: None,
            waiting,
            is_reading: false,
            is_open: false,
            trouble: None,
        }
    }

    /// Begins a transaction at the next statement.
    pub(super) fn begin_write(&mut self) {
        self.begin("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE");
        self.is_reading = false;
    }

    /// Begins a snapshot at the next statement.
    pub(super) fn begin_read(&mut self, patience: Duration) {
        self.patience = patience;
        self.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        self.is_reading = true;
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
        if self.owed.is_some()
            && let Some(last) = self.waiting.pop()
        {
            // Nothing has gone out yet: a line that is gone may still be made anew.
            let done = self.execute(last.sql, &last.named());
            done.map_err(|error| NotCommitted::Refused(error, self.trouble.unwrap_or(Trouble::Refused)))?;
        }
        self.owed = None;
        if !self.is_open {
            return Ok(());
        }
        let waiting = std::mem::take(&mut self.waiting);
        let ready = self.ready_for(&waiting)?;
        let client = &self.line.client;
        let commit = async { Ok(client.batch_execute("COMMIT").await) };
        let times_patience = if waiting.is_empty() { 1 } else { 4 };
        let unknown = match wait(after(client, &waiting, &ready, commit), self.patience * times_patience) {
            Some(Ok(Ok(()))) => {
                self.is_open = false;
                return Ok(());
            }
            Some(Ok(Err(error))) => match translate(&error) {
                (error, trouble @ (Trouble::Refused | Trouble::Again)) => {
                    self.is_open = false;
                    return Err(NotCommitted::Refused(error, trouble));
                }
                _ => Trouble::Lost,
            },
            // Nobody knows whether the COMMIT behind it was heard.
            Some(Err(Stopped::Theirs(error))) if error.as_db_error().is_none() => Trouble::Lost,
            // The COMMIT did not go out, or undid what was refused before it.
            Some(Err(stopped)) => return Err(self.refuse(stopped)),
            None => Trouble::Silent,
        };
        self.trouble = Some(unknown);
        Err(NotCommitted::Unknown)
    }

    /// The statements of what waits, before any of it goes out.
    fn ready_for(&mut self, waiting: &[Waiting]) -> std::result::Result<Vec<(&'static str, Prepared)>, NotCommitted> {
        if self.line.client.is_closed() {
            self.trouble = Some(Trouble::Lost);
            return Err(NotCommitted::Refused(Error::unavailable("the line is gone"), Trouble::Lost));
        }
        let texts = waiting.iter().map(|waiting| waiting.sql);
        match wait(ready(&self.line.client, &self.statements, texts), self.patience) {
            Some(Ok(ready)) => {
                self.statements.extend(ready.iter().cloned());
                Ok(ready)
            }
            Some(Err(stopped)) => Err(self.refuse(stopped)),
            None => {
                self.trouble = Some(Trouble::Silent);
                let late = Error::unavailable("the database does not answer in time");
                Err(NotCommitted::Refused(late, Trouble::Silent))
            }
        }
    }

    fn refuse(&mut self, stopped: Stopped) -> NotCommitted {
        let (error, trouble) = stopped.told();
        self.trouble = Some(trouble);
        NotCommitted::Refused(error, trouble)
    }

    /// Ends a transaction of which nothing shall stay. Does not wait: what comes next waits behind it.
    pub(super) fn leave(&mut self) {
        self.owed = None;
        self.waiting.clear();
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

    /// Runs a statement of which only a failure matters, along with what comes next.
    pub(crate) fn execute_later(&mut self, sql: &'static str, named: Named<'_>) -> Result<()> {
        named.iter().try_for_each(|(_, value)| value.check())?;
        // Who reads has no COMMIT to wait for.
        if self.is_reading || self.waiting.len() == WAITING_MAX {
            return self.execute(sql, named).map(drop);
        }
        let named = named.iter().map(|(name, value)| (*name, value.kept())).collect();
        self.waiting.push(Waiting { sql, named });
        Ok(())
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

    /// Runs `work` with the prepared statement, together with what is owed and what waits before it.
    fn run<T>(
        &mut self,
        sql: &'static str,
        times_patience: u32,
        work: impl AsyncFn(&Client, &Prepared) -> std::result::Result<T, Stopped>,
    ) -> Result<T> {
        let (opening, waiting) = (self.owed.take(), std::mem::take(&mut self.waiting));
        let mut may_connect_anew = opening.is_some();
        loop {
            self.is_open = true;
            let (client, known) = (&self.line.client, &self.statements);
            let all = async {
                let texts = waiting.iter().map(|waiting| waiting.sql).chain([sql]);
                let ready = ready(client, known, texts).await?;
                let (_, prepared) = &ready[waiting.len()];
                Ok((after(client, &waiting, &ready, work(client, prepared)).await?, ready))
            };
            let stopped = match wait(together(client, opening, all), self.patience * times_patience) {
                Some(Ok((value, ready))) => {
                    self.statements.extend(ready);
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
            let (error, trouble) = stopped.told();
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

/// These texts with their prepared statements, in their order: those that are known, and others made now.
async fn ready(
    client: &Client,
    known: &HashMap<&'static str, Prepared>,
    texts: impl IntoIterator<Item = &'static str>,
) -> std::result::Result<Vec<(&'static str, Prepared)>, Stopped> {
    let mut ready = Vec::new();
    for sql in texts {
        let prepared = match known.get(sql) {
            Some(known) => known.clone(),
            None => Prepared::new(client, sql).await?,
        };
        ready.push((sql, prepared));
    }
    Ok(ready)
}

/// Sends what opens the transaction, if anything, and right behind it the work.
async fn together<T>(
    client: &Client,
    opening: Option<&'static str>,
    work: impl Future<Output = std::result::Result<T, Stopped>>,
) -> std::result::Result<T, Stopped> {
    let Some(opening) = opening else { return work.await };
    let begun = Begun::new(client.batch_execute(opening)).await;
    let worked = Begun::new(work).await;
    begun.end().await?;
    worked.end().await
}

/// Sends what waits, and right behind it the work.
async fn after<T>(
    client: &Client,
    waiting: &[Waiting],
    ready: &[(&'static str, Prepared)],
    work: impl Future<Output = std::result::Result<T, Stopped>>,
) -> std::result::Result<T, Stopped> {
    let named: Vec<_> = waiting.iter().map(Waiting::named).collect();
    let sets = ready.iter().zip(&named).map(|((_, prepared), named)| prepared.bind(named));
    let sets = sets.collect::<Result<Vec<_>>>().map_err(Stopped::Ours)?;
    let mut begun = Vec::with_capacity(sets.len());
    for ((_, prepared), set) in ready.iter().zip(&sets) {
        match Begun::new(client.execute(&prepared.statement, set)).await {
            Begun::Ended(Err(error)) => return Err(Stopped::Unsent(error)),
            one => begun.push(one),
        }
    }
    let worked = Begun::new(work).await;
    for one in begun {
        one.end().await?;
    }
    worked.end().await
}

/// Sends every set before it waits for the first answer.
async fn pipeline(
    client: &Client,
    statement: &Statement,
    sets: &[Parameters<'_>],
) -> std::result::Result<u64, Stopped> {
    let mut begun = Vec::with_capacity(sets.len());
    for set in sets {
        begun.push(Begun::new(client.execute(statement, set)).await);
    }
    let mut touched = 0;
    for one in begun {
        touched += one.end().await?;
    }
    Ok(touched)
}

/// A future that was polled once: what it sends has gone out.
enum Begun<F: Future> {
    Ended(F::Output),
    Running(Pin<Box<F>>),
}

impl<F: Future> Begun<F> {
    async fn new(future: F) -> Self {
        let mut running = Box::pin(future);
        match poll_fn(|context| Poll::Ready(running.as_mut().poll(context))).await {
            Poll::Ready(outcome) => Self::Ended(outcome),
            Poll::Pending => Self::Running(running),
        }
    }

    async fn end(self) -> F::Output {
        match self {
            Self::Ended(outcome) => outcome,
            Self::Running(running) => running.await,
        }
    }
}
