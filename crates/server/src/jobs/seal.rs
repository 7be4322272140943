//! Seals what was written to the audit, in the order in which it is found to be committed.
//!
//! Tags are computed before the write and outside of it; an event never changes, so nothing can have changed meanwhile that
//! verification would not find. Several nodes may do this at once: of two seals with one number the store keeps one. An
//! event whose transaction commits late has a lower number than some that are sealed already and lands in a later seal.

use admit_core::audit::seal::EVENTS_MAX;
use admit_store::{End, Result};

use super::checkpoint;
use crate::app::App;

/// The most seals of one run; the next one goes on.
const BATCHES_MAX: usize = 20;

/// Seals what is not sealed yet, and notes it down at once: what is sealed and not noted can be cut off unseen.
pub async fn run(app: &App) {
    let mut sealed = 0;
    for _ in 0..BATCHES_MAX {
        match batch(app).await {
            Ok(count) => {
                sealed += count;
                if count < EVENTS_MAX as usize {
                    break;
                }
            }
            Err(error) => {
                tracing::debug!(error = %error, "the audit cannot be sealed yet");
                break;
            }
        }
    }
    if sealed > 0 {
        checkpoint::note(app).await;
    }
}

/// Makes one seal and says of how many events; 0 where there was nothing to do or somebody else did it.
async fn batch(app: &App) -> Result<usize> {
    let found = app.store.read(|tx| {
        let events = tx.list_unsealed(EVENTS_MAX)?;
        let last = if events.is_empty() { None } else { tx.last_seal()? };
        Ok((events, last))
    });
    let (events, last) = found.await?;
    let (keys, now, count) = (app.master.keys(), app.now(), events.len());
    // Milliseconds where much was written, during which no request could be answered here.
    let made = tokio::task::spawn_blocking(move || keys.active().audit.seal(last.as_ref(), &events, now));
    let Some(seal) = made.await.ok().flatten() else { return Ok(0) };
    let is_kept = app.store.write(move |tx| {
        let is_kept = tx.insert_seal(&seal)?;
        Ok(if is_kept { End::Commit(true) } else { End::Rollback(false) })
    });
    Ok(if is_kept.await? { count } else { 0 })
}
