//! The management API from within: the console asks it in this process, through the very router that the network asks.
//!
//! So permits, limits, events, entity tags, idempotency and errors are the same, and no rule is written twice. Who asks is an
//! [`Insider`]: an operator who is signed in, put beside the request where no network can put anything. Knows nothing of
//! pages.

use std::sync::Arc;

use admit_core::principal::Principal;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::header::{CONTENT_TYPE, ETAG, HOST, IF_MATCH, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower::ServiceExt;

use super::router;
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::http::problem::Problem;
use crate::http::{FORWARDING, Peer};
use crate::login::session::SignedIn;

/// The largest answer that is read.
const ANSWER_MAX: usize = 16 << 20;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// What stands in a segment or in a value as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An operator who is signed in. Only [`Insider::of`] makes one.
#[derive(Clone)]
pub struct Insider {
    principal: Arc<Principal>,
    realm: Arc<RealmPolicy>,
}

impl Insider {
    /// Who is signed in in the realm of operators; of every other realm nobody is one.
    pub fn of(app: &App, realm: &Arc<RealmPolicy>, signed_in: &SignedIn) -> Option<Self> {
        let is_operator = realm.realm.id == app.operators;
        is_operator.then(|| Self { principal: signed_in.principal.clone(), realm: realm.clone() })
    }

    pub(super) fn caller(&self) -> (Arc<Principal>, Arc<RealmPolicy>) {
        (self.principal.clone(), self.realm.clone())
    }
}

/// One question.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    path: String,
    body: Option<Value>,
    if_match: Option<String>,
    attempt: Option<String>,
}

impl Ask {
    /// Of a path whose segments are written as they are meant: `["realms", "default", "keys"]`.
    pub fn new(method: Method, segments: &[&str]) -> Self {
        let mut path = "/v1".to_owned();
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment, PLAIN));
        }
        Self { method, path, body: None, if_match: None, attempt: None }
    }

    /// To read.
    pub fn get(segments: &[&str]) -> Self {
        Self::new(Method::GET, segments)
    }

    /// With a parameter; an empty one is none.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.path.push(if self.path.contains('?') { '&' } else { '?' });
            self.path.push_str(name);
            self.path.push('=');
            self.path.extend(utf8_percent_encode(value, PLAIN));
        }
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(self, body: Value) -> Self {
        Self { body: Some(body), ..self }
    }

    /// For what has this entity tag only.
    #[must_use]
    pub fn if_match(self, tag: &str) -> Self {
        Self { if_match: Some(tag.to_owned()).filter(|tag| !tag.is_empty()), ..self }
    }

    /// Once, however often it is asked.
    #[must_use]
    pub fn once(self, attempt: &str) -> Self {
        Self { attempt: Some(attempt.to_owned()).filter(|attempt| !attempt.is_empty()), ..self }
    }
}

/// What the management API says.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; null where there is none.
    pub json: Value,
    /// The entity tag; empty where there is none.
    pub etag: String,
}

impl Answer {
    /// The body, or the problem as it was told.
    pub fn ok(self) -> Result<Self, Self> {
        if self.status.is_success() { Ok(self) } else { Err(self) }
    }

    /// The code of a problem.
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// The items of a list.
    pub fn items(&self) -> &[Value] {
        self.json["items"].as_array().map_or(&[], Vec::as_slice)
    }
}

/// From where an insider asks: what the audit of a refusal tells.
#[derive(Debug, Clone)]
pub struct From {
    peer: Peer,
    headers: HeaderMap,
}

impl From {
    /// That of a request for a page. Its credentials and conditions are left behind.
    pub fn of(peer: Peer, authority: &str, headers: &HeaderMap) -> Self {
        let mut kept = HeaderMap::new();
        let names = FORWARDING.into_iter().map(HeaderName::from_static).chain([USER_AGENT]);
        for name in names {
            for value in headers.get_all(&name) {
                kept.append(name.clone(), value.clone());
            }
        }
        if let Ok(host) = HeaderValue::try_from(authority) {
            kept.insert(HOST, host);
        }
        Self { peer, headers: kept }
    }
}

/// The management API, built once.
#[derive(Clone)]
pub struct Inside(Router);

impl Inside {
    /// For this server.
    pub fn new(app: &App) -> Self {
        Self(router(app).with_state(app.clone()))
    }

    /// Asks in the name of an operator.
    pub async fn call(&self, insider: &Insider, from: &From, ask: Ask) -> Result<Answer, Problem> {
        let mut request = Request::builder().method(ask.method).uri(&ask.path);
        if let Some(headers) = request.headers_mut() {
            headers.clone_from(&from.headers);
            let given = [(IF_MATCH, ask.if_match), (IDEMPOTENCY_KEY, ask.attempt)];
            for (name, value) in given.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                let value = HeaderValue::try_from(value);
                headers.insert(name, value.map_err(|_| Problem::new(400, "invalid_request", "The form is damaged."))?);
            }
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = ask.body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let request = request.extension(insider.clone()).extension(from.peer).body(body);
        let request = request.map_err(|_| Problem::new(404, "not_found", "There is nothing at this path."))?;
        let Ok(response) = self.0.clone().oneshot(request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, ANSWER_MAX).await.map_err(Problem::unavailable)?;
        let json = serde_json::from_slice(&body).unwrap_or_default();
        let etag = parts.headers.get(ETAG).and_then(|tag| tag.to_str().ok()).unwrap_or_default().to_owned();
        Ok(Answer { status: parts.status, json, etag })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_typed_stays_one_segment_and_one_value() {
        let ask = Ask::get(&["realms", "a/../b", "keys"]).param("q", "x&state=all#").param("cursor", "");
        assert_eq!(ask.path, "/v1/realms/a%2F..%2Fb/keys?q=x%26state%3Dall%23");
        assert_eq!(Ask::get(&["realms"]).param("limit", "2").param("q", "é").path, "/v1/realms?limit=2&q=%C3%A9");
    }
}
