//! The management API: one file per resource, every handler behind a permit.

pub mod answer;
pub mod apis;
pub mod apply;
pub mod audit;
pub mod clients;
pub mod decisions;
pub mod docs;
pub mod doctor;
pub mod etag;
pub mod event;
pub mod events;
pub mod export;
pub mod filter;
pub mod grants;
pub mod guard;
pub mod idempotency;
pub mod inside;
pub mod keys;
pub mod lane;
pub mod leaked;
pub mod master_keys;
pub mod overview;
pub mod page;
pub mod realms;
pub mod roles;
pub mod rules;
pub mod rules_test;
pub mod search;
pub mod sessions;
pub mod signing_keys;
pub mod subject;
pub mod tokens;
pub mod users;
pub mod whoami;
pub mod work;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use http::Method;
use http::header::{ALLOW, IF_NONE_MATCH};
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;
use crate::check;
use crate::http::problem::{self, Problem};

/// Everything below `/v1`, with its description.
pub fn open_api() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(whoami::routes())
        .merge(check::json::routes())
        .merge(realms::routes())
        .merge(apis::routes())
        .merge(clients::routes())
        .merge(users::routes())
        .merge(roles::routes())
        .merge(rules::routes())
        .merge(rules_test::routes())
        .merge(keys::routes())
        .merge(grants::routes())
        .merge(tokens::routes())
        .merge(sessions::routes())
        .merge(signing_keys::routes())
        .merge(events::routes())
        .merge(audit::routes())
        .merge(decisions::routes())
        .merge(apply::routes())
        .merge(export::routes())
        .merge(leaked::routes())
        .merge(doctor::routes())
        .merge(overview::routes())
        .merge(master_keys::routes())
}

/// The routes.
pub fn router(app: &App) -> Router<App> {
    let (router, _) = open_api().split_for_parts();
    router
        .merge(docs::routes())
        .method_not_allowed_fallback(async || Problem::new(405, "method_not_allowed", "This method is not known here."))
        .fallback(async || Problem::new(404, "not_found", "There is nothing at this path.").with_next("see /v1/docs"))
        .layer(middleware::from_fn_with_state(app.clone(), complete))
}

/// Fills in request id and type of the problems that handlers return. The methods that the router knows (405) stay.
async fn complete(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get(IF_NONE_MATCH).filter(|_| is_read).cloned();
    let response = etag::unless_known(known.as_ref(), next.run(request).await);
    let methods = response.headers().get(ALLOW).cloned();
    let mut response = problem::complete(&app, response);
    if let Some(methods) = methods {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
