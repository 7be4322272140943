//! What machines ask: `/healthz`, `/readyz`, and `/metrics` on a listener of its own.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use crate::app::App;
use crate::http::problem::Problem;
use crate::master;

/// Liveness and readiness.
pub fn health() -> Router<App> {
    let refused =
        async |State(app): State<App>| Problem::new(405, "method_not_allowed", "Ask with GET or HEAD.").respond(&app);
    let router = Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready));
    router.method_not_allowed_fallback(refused)
}

/// Ready while the store answers and this node can judge every credential in it.
async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    let keys = app.master.keys();
    match app.store.point(|tx| Ok(master::must_judge(tx, &keys).is_ok())) {
        Ok(true) => (StatusCode::OK, "ready\n"),
        Ok(false) => (StatusCode::SERVICE_UNAVAILABLE, "a master key is missing: admit master-key status\n"),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the store does not answer\n"),
    }
}

/// The metrics, for a listener of their own. Off unless `[ops] listen` is set.
pub fn router(app: &App) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(app.clone())
}

async fn metrics(State(app): State<App>) -> ([(http::HeaderName, HeaderValue); 1], String) {
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    ([(CONTENT_TYPE, content_type)], app.metrics.page(&app))
}
