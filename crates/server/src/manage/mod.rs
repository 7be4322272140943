//! The management API: one file per resource, every handler behind a permit.

pub mod decisions;
pub mod etag;
pub mod event;
pub mod events;
pub mod grants;
pub mod guard;
pub mod idempotency;
pub mod keys;
pub mod leaked;
pub mod page;
pub mod subject;
pub mod whoami;
pub mod work;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::check;
use crate::http::problem::{self, Problem};

/// Everything below `/v1`, with its description.
pub fn open_api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(decisions::routes())
        .merge(check::json::routes())
        .merge(keys::routes())
        .merge(grants::routes())
        .merge(events::routes())
        .merge(leaked::routes())
        .merge(whoami::routes())
}

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let (router, _) = open_api().split_for_parts();
    router
        .method_not_allowed_fallback(async || Problem::new(405, "method_not_allowed", "This method is not known here."))
        .fallback(async || Problem::new(404, "not_found", "There is nothing at this path.").with_next("see /v1/docs"))
        .layer(middleware::from_fn_with_state(app.clone(), complete))
}

/// Fills in request id and type of the problems that handlers return.
async fn complete(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    problem::complete(&app, response)
}
