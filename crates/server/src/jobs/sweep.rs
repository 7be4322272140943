//! Deletes what nobody needs any more, a hundred rows at a time, so that no sweep holds up a write.

use admit_core::jose::claims::LEEWAY;
use admit_core::signing_key::LONGEST;
use admit_core::time::{Span, Time};
use admit_store::{End, Result, Tx};

use crate::app::App;

/// The most batches of one kind in one sweep; the next one goes on.
const BATCHES_MAX: usize = 1000;

const KINDS: [fn(&mut Tx<'_>, Time) -> Result<usize>; 13] = [
    |tx, now| tx.sweep_changes(now),
    |tx, now| tx.sweep_usage(now),
    |tx, now| tx.sweep_idempotency(now),
    |tx, now| tx.sweep_guesses(now),
    |tx, now| tx.sweep_shorts(now),
    // A device that comes late is told that it does, and one that comes twice ends what it got.
    |tx, now| tx.sweep_device_codes(now - Span::hours(1)),
    |tx, now| tx.sweep_refresh_tokens(now),
    // Before the sessions that they grew from.
    |tx, now| tx.sweep_authorizations(now),
    |tx, now| tx.sweep_sessions(now),
    |tx, now| tx.sweep_access_tokens(now),
    // A node whose clock is behind still takes them as good for a while.
    |tx, now| tx.sweep_revoked_tokens(now - Span::hours(1)),
    |tx, now| tx.sweep_spent_assertions(now - Span::hours(1)),
    |tx, now| tx.sweep_signing_keys(now - LONGEST - LEEWAY),
];

/// Sweeps once.
pub async fn run(app: &App) {
    let now = app.now();
    for sweep in KINDS {
        for _ in 0..BATCHES_MAX {
            match app.store.write(move |tx| sweep(tx, now).map(End::Commit)).await {
                Ok(100..) => tokio::task::yield_now().await,
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(error = %error, "old rows cannot be swept");
                    break;
                }
            }
        }
    }
}
