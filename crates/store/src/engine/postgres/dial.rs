//! How a connection is made: the line itself, the look at whether this server keeps what it is told, the bounds of a session.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, SimpleQueryMessage, Socket};

use super::fault::describe;
use super::tls::{Tls, TlsLine};
use super::url::PostgresUrl;
use crate::error::{Error, Result};

/// How long a connection may take to be made and looked at.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// What fails sooner may be tried again at once.
const SOON: Duration = Duration::from_millis(250);

/// What is asked of every server at every connection: behind one name there may be another server each time.
const LOOK: &str = "SELECT current_setting('server_version_num'), current_setting('server_encoding'),
    CAST(pg_is_in_recovery() AS TEXT), current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('synchronous_commit')";

/// The server gives up before we do, so that nothing goes on there that nobody waits for.
const BOUNDS: &str =
    "SET statement_timeout = '5s'; SET lock_timeout = '1500ms'; SET idle_in_transaction_session_timeout = '10s';
    SET jit = off; SET standard_conforming_strings = on; SET bytea_output = 'hex'";

/// Makes connections.
pub(super) struct Dialer {
    config: Config,
    tls: Option<Tls>,
}

/// An open connection. It is driven by a task of its own, until it is cut or nobody holds its client any more.
pub(super) struct Line {
    pub(super) client: Client,
    /// Told of each NOTIFY that the connection listens for.
    pub(super) woken: Arc<Notify>,
    driver: AbortHandle,
}

impl Line {
    /// Ends it without a word: the other side does not listen.
    pub(super) fn cut(&self) {
        self.driver.abort();
    }
}

impl Dialer {
    pub(super) fn new(url: &PostgresUrl) -> Result<Self> {
        Ok(Self { config: url.config().clone(), tls: url.tls().map(Tls::new).transpose()? })
    }

    /// A connection to a server that was looked at. One that was ended while it was made says nothing of the next.
    pub(super) async fn dial(&self) -> Result<Line> {
        let begun = Instant::now();
        match self.dial_once().await {
            Err(Error::Unavailable(_)) if begun.elapsed() < SOON => self.dial_once().await,
            dialled => dialled,
        }
    }

    async fn dial_once(&self) -> Result<Line> {
        let dialled = tokio::time::timeout(PATIENCE, async {
            let line = self.connect().await?;
            judge(&line.client).await?;
            line.client.batch_execute(BOUNDS).await.map_err(|error| cannot(&error))?;
            Ok(line)
        });
        dialled.await.unwrap_or_else(|_| Err(Error::unavailable("the database does not answer in time")))
    }

    async fn connect(&self) -> Result<Line> {
        match &self.tls {
            None => {
                let (client, connection) = self.config.connect(NoTls).await.map_err(|error| cannot(&error))?;
                Ok(drive::<NoTlsStream>(client, connection))
            }
            Some(tls) => {
                let (client, connection) = self.config.connect(tls.clone()).await.map_err(|error| cannot(&error))?;
                Ok(drive::<TlsLine<Socket>>(client, connection))
            }
        }
    }
}

fn cannot(error: &tokio_postgres::Error) -> Error {
    Error::Unavailable(format!("the database cannot be reached: {}", describe(error)))
}

fn drive<S>(client: Client, mut connection: tokio_postgres::Connection<Socket, S>) -> Line
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let woken = Arc::<Notify>::default();
    let wake = woken.clone();
    let driver = tokio::spawn(async move {
        loop {
            match poll_fn(|context| connection.poll_message(context)).await {
                Some(Ok(AsyncMessage::Notification(_))) => wake.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::debug!(error = describe(&error), "a connection to the database ended");
                    return;
                }
                None => return,
            }
        }
    });
    Line { client, woken, driver: driver.abort_handle() }
}

/// Refuses a server that would lose what it acknowledged, or that cannot be written to.
async fn judge(client: &Client) -> Result<()> {
    let messages = client.simple_query(LOOK).await.map_err(|error| cannot(&error))?;
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let told = |column: usize| row.and_then(|row| row.get(column)).unwrap_or_default();
    judge_settings([told(0), told(1), told(2), told(3), told(4), told(5)])
}

fn judge_settings([version, encoding, is_standby, fsync, pages, commit]: [&str; 6]) -> Result<()> {
    let unfit = |why: String, next| Err(Error::Unfit { why, next });
    if version.parse().is_ok_and(|version: u32| version < 130_000) {
        let why = format!("the server is PostgreSQL {}.x", &version[..2.min(version.len())]);
        return unfit(why, "install PostgreSQL 13 or newer");
    }
    if encoding != "UTF8" {
        let why = format!("the database has the encoding {encoding}");
        return unfit(why, "CREATE DATABASE admit TEMPLATE template0 ENCODING 'UTF8'");
    }
    if is_standby != "false" {
        return unfit(
            "the server is a standby, which cannot be written to".to_owned(),
            "name the primary in store.url",
        );
    }
    if fsync != "on" {
        return unfit(
            "fsync is off: a crash would lose or spoil what was acknowledged".to_owned(),
            "ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();",
        );
    }
    if pages != "on" {
        return unfit(
            "full_page_writes is off: a crash would spoil what was acknowledged".to_owned(),
            "ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();",
        );
    }
    if commit == "off" {
        return unfit(
            "synchronous_commit is off: a crash would lose what was acknowledged".to_owned(),
            "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf(); and look for a setting of the role or database",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 6] = ["150004", "UTF8", "false", "on", "on", "on"];

    #[test]
    fn a_server_that_would_lose_what_it_acknowledged_is_refused_with_what_to_do() {
        assert_eq!(judge_settings(GOOD), Ok(()));
        let (local, remote) = (["remote_apply", "local"], "remote_write");
        for commit in local.into_iter().chain([remote]) {
            assert_eq!(judge_settings(["150004", "UTF8", "false", "on", "on", commit]), Ok(()), "durable here");
        }
        for (place, value, why, next) in [
            (0, "120017", "PostgreSQL 12", "13 or newer"),
            (1, "SQL_ASCII", "SQL_ASCII", "ENCODING 'UTF8'"),
            (2, "true", "standby", "primary"),
            (3, "off", "fsync", "SET fsync = on"),
            (4, "off", "full_page_writes", "SET full_page_writes = on"),
            (5, "off", "synchronous_commit", "SET synchronous_commit = on"),
        ] {
            let mut told = GOOD;
            told[place] = value;
            let error = judge_settings(told).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(next), "{error}");
        }
    }
}
