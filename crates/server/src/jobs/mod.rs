//! What goes on beside requests: flushing counters and notices, sweeping old rows, announcing the end of keys.

pub mod expiry;
pub mod flush;
pub mod notice;
pub mod sweep;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;

/// How often counters are written.
const FLUSH_EVERY: Duration = Duration::from_secs(30);
/// How often security notices are written.
const NOTICE_EVERY: Duration = Duration::from_secs(1);
/// How often old rows are swept and ends of keys announced.
const SWEEP_EVERY: Duration = Duration::from_secs(3600);

/// Starts all jobs. They end when `stop` turns true, the last counters written.
pub fn start(app: &App, stop: &watch::Receiver<bool>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    jobs.spawn(every(FLUSH_EVERY, app.clone(), stop.clone(), async |app| flush::now(app).await));
    jobs.spawn(every(NOTICE_EVERY, app.clone(), stop.clone(), async |app| notice::write(app).await));
    jobs.spawn(every(SWEEP_EVERY, app.clone(), stop.clone(), async |app| {
        sweep::run(app).await;
        expiry::announce(app).await;
    }));
    jobs
}

async fn every(period: Duration, app: App, mut stop: watch::Receiver<bool>, work: impl AsyncFn(&App)) {
    loop {
        let stopped = tokio::select! {
            () = tokio::time::sleep(period) => false,
            _ = stop.wait_for(|stop| *stop) => true,
        };
        work(&app).await;
        if stopped {
            return;
        }
    }
}
