//! Writes usage counters and last uses of clients' secrets in batches, sorted by key, so that neighbours share a page.

use crate::app::App;
use admit_store::End;

/// The most rows of one write: a long one would hold up everybody else's.
const BATCH: usize = 500;

/// Writes what is pending. What cannot be written is dropped and logged: counters never hold up a decision.
pub async fn now(app: &App) {
    for uses in app.clients.drain_uses().chunks(BATCH) {
        let uses = uses.to_vec();
        if let Err(error) = app.store.write(move |tx| tx.touch_client_secrets(&uses).map(End::Commit)).await {
            tracing::warn!(error = %error, "last uses of clients' secrets cannot be written");
            break;
        }
    }
    let pending = app.usage.drain();
    app.metrics.busiest.count(&pending.rows, app.now());
    for rows in pending.rows.chunks(BATCH) {
        let rows = rows.to_vec();
        let written = app.store.write(move |tx| tx.add_usage(&rows).map(End::Commit)).await;
        if let Err(error) = written {
            app.metrics.usage_dropped.inc_by(BATCH as u64);
            tracing::warn!(error = %error, "usage counters cannot be written");
            return;
        }
    }
    let now = app.now();
    for (realm, key) in pending.in_browser {
        let noted = app.store.write(move |tx| tx.mark_seen_in_browser(realm, key, now).map(End::Commit)).await;
        if let Err(error) = noted {
            tracing::warn!(error = %error, "a key that was seen in a browser cannot be marked");
        }
    }
}
