//! What is known of tokens that were taken back is kept true: all are read anew where the feed lost its place, and of those
//! that it told when they end.

use crate::app::App;

/// Reads what is missing.
pub async fn follow(app: &App) {
    let read = async || {
        if !app.revoked.is_whole() {
            app.revoked.load(&app.store, app.now()).await?;
        }
        app.revoked.settle(&app.store, app.now()).await
    };
    if let Err(error) = read().await {
        tracing::debug!(%error, "the tokens that were taken back cannot be read");
    }
}
