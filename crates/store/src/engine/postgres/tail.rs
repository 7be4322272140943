//! Follows the change feed of all nodes: what the last snapshot did not see and this one does.
//!
//! Numbers are drawn before a commit and become visible in any order, so they are no cursor. A snapshot is one: whatever it
//! did not see has a transaction id at or above its upper bound, or is on its list of those under way. Asking for exactly
//! these tells every change once, needs no wait for long transactions, and reads only what is new. A poll every
//! [`EVERY`], earlier when some node says that there is something: by a NOTIFY of its own, never inside a write.
//!
//! A node's own changes reach its caches from the writer, before the acknowledgement; here they are told no second time.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Row, Statement};

use super::dial::{Dialer, Line, PATIENCE};
use super::exchange::{Breaker, Exchange};
use super::fault::translate;
use crate::change::Change;
use crate::engine::{Feed, News};
use crate::error::{Error, Result};
use crate::value::FromRow;

/// How often the feed is read while nobody says that there is something.
const EVERY: Duration = Duration::from_millis(25);
/// How long a poll may take before its line is given up.
const POLL_PATIENCE: Duration = Duration::from_secs(1);
/// How long it waits before it tries another line.
const PAUSE: Duration = Duration::from_millis(100);

/// A line of the tail listens, and its own NOTIFY waits for no disk: it carries nothing.
const PREPARE: &str = "SET synchronous_commit = off; LISTEN admit_change";
const NOTIFY: &str = "NOTIFY admit_change";
/// Which database this is, and of which history: another one after a failover or a restore.
const IDENTITY: &str = "SELECT CAST(s.system_identifier AS TEXT) || '/' ||
    SUBSTR(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) || '/' ||
    COALESCE((SELECT ENCODE(value, 'hex') FROM meta WHERE name = 'epoch'), ''),
    CAST(pg_current_snapshot() AS TEXT), COALESCE((SELECT MAX(number) FROM change), 0)
    FROM pg_control_system() AS s";
const POLL: &str = "SELECT CAST(pg_current_snapshot() AS TEXT), NULL, NULL, NULL, NULL
    UNION ALL SELECT NULL, number, realm_id, kind, id FROM change WHERE xid >= CAST(CAST($1 AS TEXT) AS xid8)
    UNION ALL SELECT NULL, number, realm_id, kind, id FROM change WHERE xid = ANY(CAST(CAST($2 AS TEXT) AS xid8[]))";

/// What is known of the feed.
pub(super) struct Tail {
    feed: Box<dyn Fn(News<'_>) + Send + Sync>,
    breaker: Arc<Breaker>,
    /// This node's own changes between their COMMIT and the poll that sees them, by number.
    own: Mutex<HashMap<i64, Own>>,
    /// Told when this node has changed something.
    changed: Notify,
    begun: Instant,
    /// When the last poll began that succeeded, in microseconds since `begun`.
    fresh_us: AtomicU64,
    highest: AtomicI64,
}

/// How far a change of this node has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Own {
    /// Nobody was told: its COMMIT is under way.
    Expected,
    /// A poll was faster than the writer.
    ToldByPoll,
    /// Told, and not yet seen by a poll.
    ToldByWriter,
}

/// What a snapshot had not seen, in the words of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    from: String,
    under_way: String,
}

impl Tail {
    /// Takes the first cursor and begins to follow.
    pub(super) fn start(exchange: &Exchange, feed: Arc<Feed>) -> Result<Arc<Self>> {
        let dialer = exchange.dialer();
        let opening = async move {
            let line = open(&dialer).await?;
            Ok((look(&line).await?, line))
        };
        let (seen, line) = exchange.run(opening, PATIENCE * 2)?;
        let tail = Arc::new(Self {
            feed: Box::new(move |news| feed(news)),
            breaker: exchange.breaker(),
            own: Mutex::default(),
            changed: Notify::new(),
            begun: Instant::now(),
            fresh_us: AtomicU64::new(0),
            highest: AtomicI64::new(seen.highest),
        });
        let cursor = Cursor::after(&seen.snapshot)?;
        let follower = Follower { tail: tail.clone(), dialer: exchange.dialer(), identity: seen.identity, cursor };
        exchange.spawn(follower.run(line));
        Ok(tail)
    }

    /// How long ago the last poll began that succeeded.
    pub(super) fn age(&self) -> Duration {
        if self.breaker.is_behind() {
            return Duration::MAX;
        }
        self.begun.elapsed().saturating_sub(Duration::from_micros(self.fresh_us.load(Ordering::Acquire)))
    }

    /// To be called before the COMMIT of changes.
    pub(super) fn expect(&self, changes: &[Change]) {
        if !changes.is_empty() {
            self.own.lock().extend(changes.iter().map(|change| (change.number, Own::Expected)));
        }
    }

    /// To be called after it: tells what no poll has told yet, and the other nodes that there is something.
    pub(super) fn settle(&self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let told = {
            // Held while it is told: who finds a change marked may rely on it.
            let mut own = self.own.lock();
            let is_new = |change: &&Change| own.get(&change.number) != Some(&Own::ToldByPoll);
            let news: Vec<Change> = changes.iter().filter(is_new).copied().collect();
            let told = self.tell(News::Changes(&news));
            for change in changes {
                match own.get(&change.number) {
                    Some(Own::ToldByPoll) => drop(own.remove(&change.number)),
                    _ => drop(own.insert(change.number, Own::ToldByWriter)),
                }
            }
            told
        };
        self.changed.notify_one();
        told
    }

    /// To be called where it was not done.
    pub(super) fn withdraw(&self, changes: &[Change]) {
        let mut own = self.own.lock();
        own.retain(|number, _| changes.iter().all(|change| change.number != *number));
    }

    /// Tells what a poll brought, but what the writer told.
    fn learn(&self, mut changes: Vec<Change>) -> Result<()> {
        let mut own = self.own.lock();
        changes.retain(|change| match own.get(&change.number) {
            None => true,
            Some(Own::Expected) => {
                own.insert(change.number, Own::ToldByPoll);
                true
            }
            Some(_) => {
                own.remove(&change.number);
                false
            }
        });
        changes.sort_unstable_by_key(|change| change.number);
        if changes.is_empty() { Ok(()) } else { self.tell(News::Changes(&changes)) }
    }

    fn tell(&self, news: News<'_>) -> Result<()> {
        let told = catch_unwind(AssertUnwindSafe(|| (self.feed)(news)));
        told.map_err(|_| Error::unavailable("the change feed panicked"))
    }
}

/// The task that follows.
struct Follower {
    tail: Arc<Tail>,
    dialer: Arc<Dialer>,
    identity: String,
    cursor: Cursor,
}

impl Follower {
    async fn run(mut self, line: Line) {
        let mut line = Some(line);
        let mut failures = 0;
        loop {
            let ended = match line.take() {
                Some(line) => {
                    let ended = self.follow(&line).await;
                    line.cut();
                    // A line that was lost says little; one that is silent says that the others will be.
                    if ended.as_ref().is_err_and(|error| *error == late()) {
                        self.doubt("the change feed was not answered in time");
                    }
                    ended
                }
                None => match self.find_again().await {
                    Ok(found) => {
                        (line, failures) = (Some(found), 0);
                        continue;
                    }
                    Err(error) => {
                        failures += 1;
                        if failures > 1 {
                            self.doubt(&error);
                        }
                        Err(error)
                    }
                },
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "the change feed is interrupted");
            }
            if self.tail.breaker.is_behind() {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    fn doubt(&self, cause: impl std::fmt::Display) {
        if !self.tail.breaker.is_behind() {
            self.tail.breaker.doubt(&self.dialer, &Handle::current(), cause);
        }
    }

    /// Polls until the line is lost.
    async fn follow(&mut self, line: &Line) -> Result<()> {
        let poll = line.client.prepare(POLL).await.map_err(|error| translate(&error).0)?;
        loop {
            self.poll(line, &poll).await?;
            let mut has_changed = false;
            tokio::select! {
                () = sleep(EVERY) => {}
                () = line.woken.notified() => {}
                () = self.tail.changed.notified() => has_changed = true,
            }
            if has_changed {
                line.client.batch_execute(NOTIFY).await.map_err(|error| translate(&error).0)?;
            }
        }
    }

    async fn poll(&mut self, line: &Line, poll: &Statement) -> Result<()> {
        let begun = self.tail.begun.elapsed();
        let Cursor { from, under_way } = &self.cursor;
        let rows = timeout(POLL_PATIENCE, line.client.query(poll, &[from, under_way]))
            .await
            .map_err(|_| late())?
            .map_err(|error| translate(&error).0)?;
        let mut snapshot = None;
        let mut changes = Vec::with_capacity(rows.len().saturating_sub(1));
        for row in &rows {
            match row.try_get::<_, Option<String>>(0).map_err(Error::corrupt)? {
                Some(text) => snapshot = Some(text),
                None => changes.push(change(row)?),
            }
        }
        let snapshot = snapshot.ok_or_else(|| Error::corrupt("a poll without a snapshot"))?;
        let highest = changes.iter().map(|change| change.number).max().unwrap_or_default();
        self.tail.learn(changes)?;
        self.cursor = Cursor::after(&snapshot)?;
        self.tail.highest.fetch_max(highest, Ordering::AcqRel);
        self.tail.fresh_us.store(begun.as_micros() as u64, Ordering::Release);
        Ok(())
    }

    /// Another line, perhaps to another server: is it the same history, and as far along?
    async fn find_again(&mut self) -> Result<Line> {
        let line = open(&self.dialer).await?;
        let seen = look(&line).await?;
        if seen.highest < self.tail.highest.load(Ordering::Acquire) {
            tracing::error!(
                "the database is behind what this node has seen of it; nothing is answered from it any more"
            );
            self.tail.breaker.fall_behind();
            return Err(Error::unavailable("the database is behind"));
        }
        if seen.identity != self.identity {
            tracing::warn!("the database has another history than before; everything that was kept of it is forgotten");
            self.cursor = Cursor::after(&seen.snapshot)?;
            self.identity = seen.identity;
            self.tail.tell(News::Reset)?;
        }
        self.tail.breaker.mend();
        Ok(line)
    }
}

/// What a new line shows.
struct Seen {
    identity: String,
    snapshot: String,
    highest: i64,
}

async fn open(dialer: &Dialer) -> Result<Line> {
    let line = dialer.dial().await?;
    timeout(PATIENCE, line.client.batch_execute(PREPARE))
        .await
        .map_err(|_| late())?
        .map_err(|error| translate(&error).0)?;
    Ok(line)
}

async fn look(line: &Line) -> Result<Seen> {
    let row = timeout(PATIENCE, line.client.query_one(IDENTITY, &[])).await.map_err(|_| late())?;
    let row = row.map_err(|error| translate(&error).0)?;
    let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
    let (identity, snapshot, highest) = read().map_err(|error: tokio_postgres::Error| Error::corrupt(error))?;
    Ok(Seen { identity, snapshot, highest })
}

fn change(row: &Row) -> Result<Change> {
    Change::from_row(&crate::value::Row::postgres(row).from(1))
}

fn late() -> Error {
    Error::unavailable("the database does not answer in time")
}

impl Cursor {
    /// From `xmin:xmax:xip,…`.
    fn after(snapshot: &str) -> Result<Self> {
        let mut parts = snapshot.split(':').skip(1);
        let (Some(from), Some(under_way)) = (parts.next(), parts.next()) else {
            return Err(Error::corrupt("a snapshot that cannot be read"));
        };
        Ok(Self { from: from.to_owned(), under_way: format!("{{{under_way}}}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_names_what_a_snapshot_did_not_see() {
        let cursor = |from: &str, under_way: &str| Cursor { from: from.to_owned(), under_way: under_way.to_owned() };
        assert_eq!(Cursor::after("10:20:10,14"), Ok(cursor("20", "{10,14}")));
        assert_eq!(Cursor::after("10:10:"), Ok(cursor("10", "{}")));
        assert!(Cursor::after("10").is_err());
    }
}
