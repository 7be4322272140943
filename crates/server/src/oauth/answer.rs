//! What the endpoints of OAuth answer: JSON that no cache keeps (RFC 6749 §5).

use admit_core::check::code::Reason;
use admit_core::oauth::{Error, ErrorCode};
use admit_core::realm::Realm;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode, Uri};
use serde::Serialize;

use crate::http::problem;

/// 200 with this.
pub fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(body) => text("application/json", body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            problem::oauth(&Error::new(ErrorCode::ServerError, "The answer cannot be written."), "admit")
        }
    }
}

/// 200 with this text.
pub fn text(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 200 without a word (RFC 7009 §2.2).
pub fn nothing() -> Response {
    let mut response = Response::new(Body::empty());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The refusal of a realm.
pub fn refused(realm: &Realm, error: &Error) -> Response {
    problem::oauth(error, realm.name.as_str())
}

/// What is told where the reason is not the client's: a store that is away, a queue that is full.
pub fn cannot(reason: Reason) -> Error {
    match reason {
        Reason::UnknownBudget => {
            let told = "Too many unknown tokens were sent from there. Wait before the next one.";
            Error { retry_after_s: Some(1), ..Error::new(ErrorCode::SlowDown, told) }
        }
        _ => Error::unavailable(),
    }
}

/// What is told of an error of the store.
pub fn unread(error: &admit_store::Error) -> Error {
    match error {
        admit_store::Error::Overloaded => tracing::debug!(%error, "a token waits for nobody"),
        error => tracing::error!(%error, "an endpoint of OAuth cannot answer"),
    }
    Error::unavailable()
}

/// 405: what stands in an address is read by others, so hardly anything is asked with another method than POST.
pub async fn other_method(uri: Uri) -> Response {
    let told = if uri.path().ends_with("/oauth/userinfo") {
        "Ask with GET or POST, and the access token in a header."
    } else {
        "Ask with POST, and everything in the body."
    };
    let mut response = problem::oauth(&Error::request(told), "admit");
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
