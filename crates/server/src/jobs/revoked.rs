//! Reads anew which access tokens were taken back, where the feed lost its place: until then the store is asked for each.

use crate::app::App;

/// Reads them where that is needed.
pub fn follow(app: &App) {
    if app.revoked.is_whole() {
        return;
    }
    if let Err(error) = app.revoked.load(&app.store, app.now()) {
        tracing::debug!(%error, "the tokens that were taken back cannot be read");
    }
}
