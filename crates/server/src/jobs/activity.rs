//! Writes last uses of sessions.

use admit_store::End;

use crate::app::App;

/// The most uses of one write: a long one would hold up everybody else's.
const BATCH: usize = 100;

/// Writes what waits; what cannot be written waits on.
pub async fn write(app: &App) {
    let waiting = app.activity.drain();
    for (place, uses) in waiting.chunks(BATCH).enumerate() {
        let batch = uses.to_vec();
        if let Err(error) = app.store.write(move |tx| tx.touch_sessions(&batch).map(End::Commit)).await {
            tracing::debug!(error = %error, "last uses of sessions cannot be written yet");
            return app.activity.put_back(&waiting[place * BATCH..]);
        }
    }
}
