//! Makes the next signing key of a realm before its turn comes, and seals keys anew after a rotation of the master key.
//!
//! One node of all looks, once a minute: a key is published ten minutes before it signs, so that there is time for the next
//! look. Old keys go with the other old rows: see [`super::sweep`].

use admit_core::signing_key::{LEAD, PERIOD};
use admit_core::time::Span;
use admit_store::{End, Result};

use crate::app::App;
use crate::signing::make::{self, Sort};

/// Under which name one of several nodes takes the job on.
const JOB: &str = "job_signing";
/// How seldom it is taken on: a little less than the job runs.
const EVERY: Span = Span::seconds(55);
/// The most keys that are made at one look; the next one goes on.
const BATCH: u32 = 20;

/// Makes those that are due.
pub async fn run(app: &App) {
    match rotate(app).await {
        Ok(0) => {}
        Ok(made) => tracing::info!(made, "the next signing keys are made and published"),
        Err(error) => tracing::warn!(%error, "the next signing keys cannot be made"),
    }
}

async fn rotate(app: &App) -> Result<usize> {
    let now = app.now();
    if !app.store.write(move |tx| tx.claim(JOB, EVERY, now).map(End::Commit)).await? {
        return Ok(0);
    }
    let due = app.store.read(move |tx| tx.list_due_signing_keys(now + LEAD - PERIOD, BATCH)).await?;
    let mut made = 0;
    for due in due {
        let sort = Sort { realm: due.realm, purpose: due.purpose, algorithm: due.algorithm };
        made += usize::from(make::next(app, sort, app.now()).await?);
    }
    Ok(made)
}
