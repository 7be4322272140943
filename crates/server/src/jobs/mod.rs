//! What goes on beside requests: sending mails, telling applications of sign-outs, flushing counters, last uses, notices, refusals
//! of all kinds, sealing the audit, sweeping old rows, forgetting answers, announcing the end of keys, making the next signing
//! keys, reading the counters now and then.

pub mod activity;
pub mod checkpoint;
pub mod expiry;
pub mod flush;
pub mod forget;
pub mod history;
pub mod logout;
pub mod minute;
pub mod notice;
pub mod refusal;
pub mod reply;
pub mod retention;
pub mod revoked;
pub mod seal;
pub mod sign_in;
pub mod signing;
pub mod sweep;
pub mod token;

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::login::naming;
use crate::mail;
use crate::master;
use crate::serve::restore;
use crate::signing::reseal;

/// How often counters are written. Rarely, because a counter of a key that is used now and then costs as much to write as
/// one of a key that is used all the time; who looks at a key sees fresh ones all the same.
const FLUSH_EVERY: Duration = Duration::from_secs(300);
/// How often security notices, refusals and last uses of sessions are written.
const NOTICE_EVERY: Duration = Duration::from_secs(1);
/// How often new events are sealed, and how far that went is noted down.
const SEAL_EVERY: Duration = Duration::from_secs(1);
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);
/// How often answers to refresh tokens are forgotten.
const REPLY_EVERY: Duration = Duration::from_secs(5);
/// How soon it is written down how far the feed was seen.
const SEEN_EVERY: Duration = Duration::from_millis(250);
/// How often the store and the source are asked which master keys count, and secrets follow the active one.
const MASTER_EVERY: Duration = Duration::from_secs(2);
/// How often the next signing keys are made.
const SIGNING_EVERY: Duration = Duration::from_secs(60);
/// How soon the tokens that were taken back are read anew where some may have been missed.
const REVOKED_EVERY: Duration = Duration::from_secs(1);
/// How often old rows are swept and ends of keys announced.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Starts all jobs. They end when `stop` turns true.
pub fn start(app: &App, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    jobs.spawn(flush(app.clone(), stop.clone()));
    jobs.spawn(mail::run(app.clone(), stop.clone()));
    jobs.spawn(history::run(app.clone(), stop.clone()));
    #[cfg(feature = "otel")]
    jobs.spawn({
        let (app, stop) = (app.clone(), stop.clone());
        async move { crate::telemetry::send(&app.spans, stop).await }
    });
    jobs.spawn(every(REVOKED_EVERY, app.clone(), stop.clone(), async |app| revoked::follow(app).await));
    jobs.spawn(every(MASTER_EVERY, app.clone(), stop.clone(), async |app| {
        master::follow(app).await;
        master::write_moves(app).await;
        reseal::run(app).await;
    }));
    jobs.spawn(every(NOTICE_EVERY, app.clone(), stop.clone(), async |app| {
        notice::write(app).await;
        refusal::write(app).await;
        activity::write(app).await;
        sign_in::write(app).await;
        token::write(app).await;
    }));
    jobs.spawn(every(NOTICE_EVERY, app.clone(), stop.clone(), async |app| logout::run(app).await));
    jobs.spawn(every(SIGNING_EVERY, app.clone(), stop.clone(), async |app| signing::run(app).await));
    jobs.spawn(every(SEAL_EVERY, app.clone(), stop.clone(), async |app| seal::run(app).await));
    let looked = reply::Looked::default();
    jobs.spawn(every(REPLY_EVERY, app.clone(), stop.clone(), async move |app| reply::run(app, &looked).await));
    let told = AtomicI64::new(0);
    // Other nodes seal too: each of them notes what all of them did.
    jobs.spawn(every(CHECKPOINT_EVERY, app.clone(), stop.clone(), async move |app| {
        checkpoint::note(app).await;
        told.store(checkpoint::tell(app, told.load(Ordering::Relaxed)), Ordering::Relaxed);
    }));
    let noted = AtomicI64::new(-1);
    jobs.spawn(every(SEEN_EVERY, app.clone(), stop.clone(), async move |app| {
        let learned = app.epochs.position();
        if noted.swap(learned, Ordering::Relaxed) != learned {
            restore::note(app).await;
        }
    }));
    jobs.spawn({
        let app = app.clone();
        async move {
            expiry::count(&app).await;
            naming::complete(&app).await;
        }
    });
    jobs.spawn(every(SWEEP_EVERY, app.clone(), stop.clone(), async |app| {
        sweep::run(app).await;
        reply::run_long(app).await;
        app.revoked.sweep(app.now());
        retention::run(app).await;
        expiry::announce(app).await;
        expiry::count(app).await;
    }));
    jobs
}

/// Writes what the last requests left: to be called when there are no more.
pub async fn finish(app: &App) {
    flush::now(app).await;
    activity::write(app).await;
    notice::write(app).await;
    refusal::write_all(app).await;
    sign_in::write_all(app).await;
    token::write_all(app).await;
    seal::run(app).await;
    checkpoint::note(app).await;
    restore::note(app).await;
}

/// Writes counters every few minutes, earlier where they grow many.
async fn flush(app: App, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(FLUSH_EVERY) => {}
            () = app.usage.nearly_full.notified() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        flush::now(&app).await;
    }
}

async fn every(period: Duration, app: App, mut stop: watch::Receiver<bool>, work: impl AsyncFn(&App)) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        work(&app).await;
    }
}
