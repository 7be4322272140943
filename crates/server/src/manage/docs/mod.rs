//! `openapi.json` and `docs`: the management API described for programs and for people.
//!
//! Both are made once, when somebody first asks, from what the handlers say of themselves and from `shapes.json`. The page is one file
//! without scripts, and asks no other host for anything.

mod code;
mod html;

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use data_encoding::BASE64;
use http::HeaderValue;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::app::App;

pub use code::{MEANINGS, Meaning};

const STYLE: &str = include_str!("style.css");
const SHAPES: &str = include_str!("../shapes.json");

/// Both documents: a server that nobody asks for them neither waits for them nor keeps them.
struct Made {
    document: Bytes,
    page: Bytes,
    policy: Option<HeaderValue>,
}

static MADE: LazyLock<Made> = LazyLock::new(|| {
    let description = describe(super::open_api().into_openapi());
    let page = Bytes::from(html::page(&description, STYLE));
    Made { document: Bytes::from(description.to_string()), page, policy: content_security_policy() }
});

/// The two routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/openapi.json", get(async || answer(MADE.document.clone(), "application/json", None)))
        .route("/v1/docs", get(async || answer(MADE.page.clone(), "text/html; charset=utf-8", MADE.policy.clone())))
}

/// Completes what the handlers say: shapes, credentials, errors and an id for each operation.
pub fn describe(description: OpenApi) -> Value {
    let mut whole = serde_json::to_value(description).unwrap_or_default();
    whole["info"] = json!({
        "title": "Admit management API",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Names stand wherever ids do. Times are RFC 3339 in UTC. Errors are RFC 9457.",
    });
    whole["security"] = json!([{ "key": [] }]);
    let shapes: Map<String, Value> = serde_json::from_str(SHAPES).unwrap_or_default();
    if let Some(known) = member(&mut whole, &["components", "schemas"]) {
        for (name, shape) in shapes {
            known.entry(name).or_insert(shape);
        }
    }
    let scheme = json!({ "type": "http", "scheme": "bearer", "description": "An API key for the realm's management API, or the operator key" });
    whole["components"]["securitySchemes"] = json!({ "key": scheme });
    for (path, methods) in member(&mut whole, &["paths"]).into_iter().flatten() {
        let is_open = path == "/v1/leaked";
        for (method, operation) in methods.as_object_mut().into_iter().flatten() {
            operation["operationId"] = operation_id(method, path).into();
            complete(operation, is_open);
        }
    }
    whole
}

/// `post_realm_keys_key_roll`: unique, for a path and a method are.
fn operation_id(method: &str, path: &str) -> String {
    let place = path.strip_prefix("/v1/").unwrap_or(path);
    let words = place.strip_prefix("realms/{realm}/").map_or_else(|| place.to_owned(), |rest| format!("realm/{rest}"));
    format!("{method}/{words}").replace(['{', '}'], "").replace(['/', '-', '.'], "_")
}

/// What every operation may answer.
fn complete(operation: &mut Value, is_open: bool) {
    if is_open {
        operation["security"] = json!([]);
    }
    let problem = json!({ "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } });
    let Some(responses) = member(operation, &["responses"]) else { return };
    for (_, response) in responses.iter_mut().filter(|(status, _)| status.starts_with('4')) {
        response["content"] = problem.clone();
    }
    responses.insert("default".to_owned(), json!({ "description": "an error", "content": problem }));
}

/// The object at a path.
fn member<'v>(value: &'v mut Value, path: &[&str]) -> Option<&'v mut Map<String, Value>> {
    let mut place = value;
    for name in path {
        place = &mut place[*name];
    }
    if place.is_null() {
        *place = json!({});
    }
    place.as_object_mut()
}

/// The style in the page, and nothing else, by its hash.
fn content_security_policy() -> Option<HeaderValue> {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, STYLE.as_bytes());
    let style = BASE64.encode(hash.as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    );
    HeaderValue::from_str(&policy).ok()
}

fn answer(body: Bytes, kind: &'static str, policy: Option<HeaderValue>) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Some(policy) = policy {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests;
