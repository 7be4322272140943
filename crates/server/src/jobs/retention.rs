//! Forgets what is old in the audit: whole seals with their events, from the beginning of the chain.
//!
//! First the anchor moves behind some old seals, and these are deleted with it in one write: from then on verification
//! begins there. Then their events go, a hundred at a time. Only seals that are as they were made are forgotten, so that
//! nobody who can write to the store makes the server delete young events by calling them old. The newest seal stays,
//! however old: the next one has to follow it. What has no seal is not touched.

use admit_core::audit::seal::{Anchor, Seal, read_anchor};
use admit_core::audit::verify;
use admit_core::time::{Span, Time};
use admit_store::{End, Result};

use crate::app::App;

/// Where the store keeps the last of the seals that were forgotten.
pub const ANCHOR: &str = "audit_anchor";
/// A year and some weeks, as for usage: what happened a year ago can be looked up once the year is over.
const KEPT_FOR: Span = Span::days(400);
/// The most seals or events of one write.
const BATCH: u32 = 100;
/// The most writes of one run; the next one goes on.
const BATCHES_MAX: usize = 1000;

/// Forgets what is old.
pub async fn run(app: &App) {
    if let Err(error) = forget(app, app.now()).await {
        tracing::warn!(error = %error, "old events cannot be swept");
    }
}

async fn forget(app: &App, now: Time) -> Result<()> {
    for _ in 0..BATCHES_MAX {
        if !forget_seals(app, now).await? {
            break;
        }
    }
    let Some(anchor) = app.store.read(|tx| tx.find_meta(ANCHOR)).await?.and_then(|octets| read(app, &octets)) else {
        return Ok(());
    };
    for _ in 0..BATCHES_MAX {
        if app.store.write(move |tx| tx.sweep_events(&anchor).map(End::Commit)).await? < BATCH as usize {
            break;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Moves the anchor behind some old seals and deletes them. True where there may be more.
async fn forget_seals(app: &App, now: Time) -> Result<bool> {
    let keys = app.master.keys().audit();
    let found = app.store.read(move |tx| {
        let was = tx.find_meta(ANCHOR)?;
        let anchor = was.as_deref().map(|octets| read_anchor(&keys, octets));
        let after = anchor.flatten().map_or(0, |anchor| anchor.number);
        Ok((was, anchor, tx.list_seals(after, BATCH + 1)?))
    });
    let (was, anchor, seals) = found.await?;
    let anchor = match anchor {
        Some(None) => {
            say_changed("its beginning was changed");
            return Ok(false);
        }
        known => known.flatten(),
    };
    let Some(last) = old(app, anchor.as_ref(), &seals, now).last() else { return Ok(false) };
    let (number, anchor) = (last.number, app.master.keys().active().audit.anchor(last));
    let forgotten = app.store.write(move |tx| {
        let is_moved = match &was {
            Some(was) => tx.replace_meta(ANCHOR, was, &anchor)?,
            None => tx.insert_meta(ANCHOR, &anchor)?,
        };
        // Another node was faster.
        if !is_moved {
            return Ok(End::Rollback(0));
        }
        tx.sweep_seals(number).map(End::Commit)
    });
    Ok(forgotten.await? > 0)
}

/// The seals at the beginning that are old and as they were made, but never the newest one.
fn old<'s>(app: &App, anchor: Option<&Anchor>, seals: &'s [Seal], now: Time) -> &'s [Seal] {
    let Some((_, seals)) = seals.split_last() else { return &[] };
    let count = seals.iter().take_while(|seal| seal.sealed_at + KEPT_FOR < now).count();
    let true_count = verify::count_true(&app.master.keys().audit(), anchor, &seals[..count]);
    if let Some(seal) = seals[..count].get(true_count) {
        say_changed(&format!("seal {} is not as it was made, or not where it was", seal.number));
    }
    &seals[..true_count]
}

fn read(app: &App, octets: &[u8]) -> Option<Anchor> {
    read_anchor(&app.master.keys().audit(), octets)
}

fn say_changed(what: &str) {
    tracing::error!(target: "audit", "old events are not swept, for the audit was changed ({what}): see `admit audit verify`");
}
