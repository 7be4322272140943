//! Sealed keys follow the master key: what an older one sealed is sealed anew with the active one, a batch at a time, until
//! nothing needs the older one any more. A key stays the same key.

use admit_store::{End, Result};

use super::ring::place;
use crate::app::App;
use crate::master;

/// How many keys are sealed anew at once.
const BATCH: u32 = 100;

/// Seals the next ones anew. What fails is tried again.
pub async fn run(app: &App) {
    if let Err(error) = batch(app).await {
        tracing::warn!(%error, "signing keys cannot be sealed with the active master key");
    }
}

async fn batch(app: &App) -> Result<()> {
    let keys = app.master.keys();
    let active = keys.active().number;
    let rows = app.store.read(move |tx| tx.list_signing_keys_not_sealed_by(active, BATCH)).await?;
    let anew = |row: &admit_store::SealedSigningKey| {
        let place = place(row.id.bytes(), row.realm);
        // What cannot be opened was said where it was needed.
        let private = keys.open(&place, &row.sealed).ok()?;
        Some(keys.active().seal.seal(&place, app.random(), &private))
    };
    let sealed: Vec<_> = rows.into_iter().filter_map(|row| anew(&row).map(|anew| (row, anew))).collect();
    if sealed.is_empty() {
        return Ok(());
    }
    let write = move |tx: &mut admit_store::Tx<'_>| {
        // Locked: no key is taken away between this look and the end of this work.
        let is_active = master::lock_known(tx)?.is_some_and(|known| known.active() == active);
        for (row, anew) in sealed.iter().filter(|_| is_active) {
            tx.reseal_signing_key(row, anew, active)?;
        }
        Ok(End::Commit(()))
    };
    app.store.write(write).await
}
