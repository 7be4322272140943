//! Units of work of handlers: one closure loads, asks core, applies; a problem rolls everything back.
//!
//! The closure may run again, so that it borrows what it uses; ids and secrets are drawn outside.

use admit_core::id::RealmId;
use admit_core::time::{Span, Time};
use admit_store::{End, Tx};

use crate::app::App;
use crate::http::problem::Problem;

/// Why a unit of work did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// The caller is told so.
    Problem(Problem),
    /// The store failed.
    Store(admit_store::Error),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<admit_store::Error> for Stop {
    fn from(error: admit_store::Error) -> Self {
        Self::Store(error)
    }
}

/// Runs the work in one transaction and answers once it is durable.
pub async fn write<T: Send + 'static>(
    app: &App,
    work: impl Fn(&mut Tx<'_>) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Problem> {
    let settled = app.store.write(move |tx| match work(tx) {
        Ok(done) => Ok(End::Commit(Ok(done))),
        Err(Stop::Problem(problem)) => Ok(End::Rollback(Err(problem))),
        Err(Stop::Store(error)) => Err(error),
    });
    settled.await?
}

/// The same, one at a time in a realm: for work that judges several rows together and then changes some. Where there are
/// many writers, two such works would each judge what the other is about to change.
pub async fn write_alone<T: Send + 'static>(
    app: &App,
    realm: RealmId,
    work: impl Fn(&mut Tx<'_>) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Problem> {
    write(app, move |tx| {
        tx.lock_realm(realm)?;
        work(tx)
    })
    .await
}

/// How far the clock may be behind what is stored.
pub const BEHIND_MAX: Span = Span::seconds(5);

/// Refuses to issue anything by a clock that is behind: it would live longer than it should, or be dead at once.
pub fn must_be_on_time(tx: &mut Tx<'_>, now: Time) -> Result<(), Stop> {
    let Some(newest) = tx.newest_grant()?.filter(|newest| *newest > now + BEHIND_MAX) else { return Ok(()) };
    let detail =
        format!("The clock here says {now}, and the newest grant is of {newest}: nothing is issued until then.");
    Err(Problem::new(503, "unavailable", detail).with_next("set the clock of this machine, then: admit doctor").into())
}

/// Runs the work over one snapshot.
pub async fn read<T: Send + 'static>(
    app: &App,
    work: impl Fn(&mut Tx<'_>) -> Result<T, Stop> + Send + 'static,
) -> Result<T, Problem> {
    let settled = app.store.read(move |tx| match work(tx) {
        Ok(done) => Ok(Ok(done)),
        Err(Stop::Problem(problem)) => Ok(Err(problem)),
        Err(Stop::Store(error)) => Err(error),
    });
    settled.await?
}
