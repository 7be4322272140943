//! What the endpoints of OAuth answer: JSON that no cache keeps (RFC 6749 §5).

use admit_core::check::code::Reason;
use admit_core::oauth::{Error, ErrorCode};
use admit_core::realm::Realm;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
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

/// Why the holder of a token is refused (RFC 6750 §3.1).
pub struct Unheard<'t> {
    /// 400, 401 or 403.
    pub status: StatusCode,
    /// None where nothing was shown.
    pub error: Option<&'t str>,
    /// One sentence without `"`.
    pub told: &'t str,
    /// Which scope is needed, where one is missing.
    pub scope: Option<&'t str>,
}

impl Unheard<'_> {
    /// The answer, with the challenge of a realm.
    pub fn told(&self, realm: &Realm) -> Response {
        let body = match self.error {
            Some(error) => serde_json::json!({ "error": error, "error_description": self.told }),
            None => serde_json::json!({ "error_description": self.told }),
        };
        let mut response = json(&body);
        *response.status_mut() = self.status;
        // A realm's name has no letter that would have to be escaped.
        let mut challenge = format!("Bearer realm=\"{}\"", realm.name);
        if let Some(error) = self.error {
            challenge.push_str(&format!(", error=\"{error}\", error_description=\"{}\"", self.told));
        }
        if let Some(scope) = self.scope {
            challenge.push_str(&format!(", scope=\"{scope}\""));
        }
        response.headers_mut().extend(HeaderValue::try_from(challenge).ok().map(|value| (WWW_AUTHENTICATE, value)));
        response
    }
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
pub async fn not_asked_so(uri: Uri) -> Response {
    other_method(if uri.path().ends_with("/oauth/userinfo") {
        "Ask with GET or POST, and the access token in a header."
    } else {
        "Ask with POST, and everything in the body."
    })
}

/// 405, with what to do instead.
pub fn other_method(told: &'static str) -> Response {
    let mut response = problem::oauth(&Error::request(told), "admit");
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}
