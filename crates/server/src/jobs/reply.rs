//! Forgets what refresh tokens were answered once the moment is over in which it is told again.
//!
//! Those whose successor was used are forgotten with that. The others are found by when they were made, from where the last
//! look ended on: nothing that changes with a rotation is in an index. What was made before a start of the server, or was
//! written late, is found by a longer look now and then.

use std::sync::atomic::{AtomicI64, Ordering};

use admit_core::oauth::refresh::WINDOW;
use admit_core::time::{Span, Time};
use admit_store::{End, Result};

use crate::app::App;

/// What was made before this but is written only now is seen by the next look.
const LATE: Span = Span::seconds(10);
/// The most batches of one look; the next one goes on.
const BATCHES_MAX: usize = 1000;

/// Up to when all is looked through, in milliseconds since 1970.
#[derive(Default)]
pub struct Looked(AtomicI64);

/// Looks from there on.
pub async fn run(app: &App, looked: &Looked) {
    let now = app.now();
    let after = Time::from_unix_ms(looked.0.load(Ordering::Relaxed));
    match erase(app, after - LATE, now).await {
        Ok(until) => looked.0.store(until.unix_ms(), Ordering::Relaxed),
        Err(error) => tracing::warn!(error = %error, "answers to refresh tokens cannot be forgotten"),
    }
}

/// Forgets those that were made after a moment. Says up to when it is done.
async fn erase(app: &App, after: Time, now: Time) -> Result<Time> {
    let until = now - WINDOW;
    for _ in 0..BATCHES_MAX {
        let ended = app.store.read(move |tx| tx.list_ended_replies(after, until, now)).await?;
        if ended.is_empty() {
            return Ok(until);
        }
        app.store.write(move |tx| tx.erase_replies(&ended).map(End::Commit)).await?;
    }
    Ok(after)
}

/// Looks through all of them.
pub async fn run_long(app: &App) {
    if let Err(error) = erase(app, Time::default(), app.now()).await {
        tracing::warn!(error = %error, "answers to refresh tokens cannot be forgotten");
    }
}
