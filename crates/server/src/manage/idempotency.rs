//! `Idempotency-Key`: a POST that is sent again is answered again, and done once.
//!
//! An answer is kept for 24 hours per caller, key, method and path, in the unit of work that it tells of: either both are
//! there or neither. The same key with another body is 422. Of an answer that carried a secret only the id is kept; its
//! replay is 409 `secret_already_shown`.

use admit_core::id::{ClientId, SecretId, UserId};
use admit_core::time::{Span, Time};
use admit_store::{Remembered, Tx};
use aws_lc_rs::digest;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, OriginalUri, Request};
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;

use super::guard::Access;
use super::work::Stop;
use crate::app::App;
use crate::http::json::{self, BODY_MAX, LARGE_BODY_MAX};
use crate::http::media;
use crate::http::problem::Problem;

/// How long an answer is kept.
pub const KEPT_FOR: Span = Span::hours(24);
/// The longest key, in bytes.
pub const KEY_MAX: usize = 255;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A JSON body (none is `{}`) with the attempt that it is; at most [`BODY_MAX`].
#[derive(Debug)]
pub struct Once<T> {
    /// The body.
    pub body: T,
    /// Which attempt at what.
    pub attempt: Attempt,
}

/// The same for bodies of at most [`LARGE_BODY_MAX`].
#[derive(Debug)]
pub struct OnceLarge<T>(pub Once<T>);

/// What a POST is recognised by; of itself the extractor of one without a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt(Option<Claim>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    key: String,
    method: String,
    path: String,
    digest: [u8; 32],
}

/// What is known of an attempt.
#[derive(Debug)]
pub enum Begun {
    /// It was answered before: like this.
    Earlier(Box<Response>),
    /// It is to be done, and its answer to be kept.
    New(Pledge),
}

/// Keeps the answer in the unit of work; nothing where the request had no `Idempotency-Key`.
#[derive(Debug, Clone)]
pub struct Pledge(Option<Remembered>);

impl Attempt {
    /// Looks for the answer that was given before.
    pub async fn begin(self, app: &App, access: &Access) -> Result<Begun, Problem> {
        let Some(claim) = self.0 else { return Ok(Begun::New(Pledge(None))) };
        let (caller, now) = (access.actor(), access.now);
        let (sought, by) = (claim.clone(), caller.clone());
        let find = move |tx: &mut Tx<'_>| tx.find_idempotent(&by, &sought.key, &sought.method, &sought.path, now);
        match app.store.read(find).await? {
            Some(earlier) => replay(earlier, &claim.digest).map(|response| Begun::Earlier(Box::new(response))),
            None => Ok(Begun::New(Pledge(Some(claim.blank(caller, now))))),
        }
    }
}

impl Pledge {
    /// Keeps an answer that carries a secret: only the id of what was made.
    pub fn keep_secret(&self, tx: &mut Tx<'_>, status: StatusCode, target: String) -> Result<(), Stop> {
        self.insert(tx, |blank| Remembered { status: status.as_u16(), target: Some(target.clone()), ..blank })
    }

    /// Keeps an answer as it is.
    pub fn keep(&self, tx: &mut Tx<'_>, status: StatusCode, body: String) -> Result<(), Stop> {
        self.insert(tx, |blank| Remembered { status: status.as_u16(), body: Some(body.clone()), ..blank })
    }

    fn insert(&self, tx: &mut Tx<'_>, fill: impl Fn(Remembered) -> Remembered) -> Result<(), Stop> {
        let Some(blank) = &self.0 else { return Ok(()) };
        let Some(earlier) = tx.insert_idempotent(&fill(blank.clone()))? else { return Ok(()) };
        replay(earlier, &blank.digest)?;
        let detail = "Another request with this Idempotency-Key was just carried out. Send it again to get its answer.";
        Err(Problem::new(409, "idempotency_key_in_use", detail).into())
    }
}

impl Claim {
    fn blank(self, caller: String, now: Time) -> Remembered {
        let Self { key, method, path, digest } = self;
        let expires_at = now + KEPT_FOR;
        Remembered {
            caller,
            key,
            method,
            path,
            digest,
            status: 0,
            body: None,
            target: None,
            created_at: now,
            expires_at,
        }
    }
}

fn replay(earlier: Remembered, digest: &[u8; 32]) -> Result<Response, Problem> {
    if earlier.digest != *digest {
        let detail = "This Idempotency-Key was used for another request. Take a new one for each.";
        return Err(Problem::new(422, "idempotency_key_reused", detail));
    }
    let Some(body) = earlier.body else {
        let target = earlier.target.unwrap_or_default();
        let (done, again) = if UserId::looks_like(&target) {
            ("invited", format!("admit user invite {target}"))
        } else if ClientId::looks_like(&target) {
            ("made", format!("admit client secret add {target}"))
        } else if SecretId::looks_like(&target) {
            ("made", "admit client secret add CLIENT, after admit client secret revoke".to_owned())
        } else {
            ("made", format!("admit key roll {target} --compromised"))
        };
        let detail =
            format!("This was done before and {done} {target}; its secret was shown that once. If it is lost: {again}");
        return Err(Problem::new(409, "secret_already_shown", detail));
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(earlier.status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn read_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut fields = headers.get_all(HEADER).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    let text = field.to_str().unwrap_or_default();
    let is_well = (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|letter| letter.is_ascii_graphic());
    if !is_well || fields.next().is_some() {
        let detail = format!("Idempotency-Key must be one value of 1 to {KEY_MAX} visible ASCII letters.");
        return Err(Problem::new(400, "invalid_request", detail));
    }
    Ok(Some(text.to_owned()))
}

fn claim(parts: &Parts, body: &[u8]) -> Result<Attempt, Problem> {
    let Some(key) = read_key(&parts.headers)? else { return Ok(Attempt(None)) };
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(uri.query().unwrap_or_default().as_bytes());
    context.update(&[0]);
    context.update(body);
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    Ok(Attempt(Some(Claim { key, method: parts.method.to_string(), path: uri.path().to_owned(), digest })))
}

async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<Once<T>, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, limit).await.map_err(|error| json::too_large_or_broken(&error, limit))?;
    let attempt = claim(&parts, &body)?;
    if body.is_empty() {
        return Ok(Once { body: json::parse(b"{}")?, attempt });
    }
    media::judge(&parts.headers, "application/json")?;
    Ok(Once { body: json::parse(&body)?, attempt })
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Once<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, BODY_MAX).await
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OnceLarge<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, LARGE_BODY_MAX).await.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Attempt {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        claim(parts, b"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attempt(key: &str, uri: &str, body: &str) -> Result<Attempt, Problem> {
        let request = http::Request::post(uri).header(HEADER, HeaderValue::from_str(key).unwrap()).body(()).unwrap();
        claim(&request.into_parts().0, body.as_bytes())
    }

    fn remembered(attempt: Attempt, body: Option<&str>) -> Remembered {
        let blank = attempt.0.unwrap().blank("key_1".to_owned(), Time::from_unix_ms(1_000));
        Remembered { status: 201, body: body.map(str::to_owned), target: Some("key_7".to_owned()), ..blank }
    }

    #[test]
    fn a_key_has_1_to_255_visible_letters() {
        assert!(attempt(&"k".repeat(255), "/", "").is_ok());
        for bad in ["", "a b", "é", &"k".repeat(256)] {
            assert!(attempt(bad, "/", "").unwrap_err().detail().contains("1 to 255"), "{bad:?}");
        }
    }

    #[test]
    fn two_keys_are_none() {
        let request = http::Request::post("/").header(HEADER, "a").header(HEADER, "b").body(()).unwrap();
        assert_eq!(claim(&request.into_parts().0, b"").unwrap_err().status(), 400);
    }

    #[test]
    fn the_same_request_gets_the_same_answer() {
        let first = attempt("k", "/v1/x?dry_run=true", "{}").unwrap();
        let earlier = remembered(first.clone(), Some("{\"id\":1}"));
        assert_eq!(earlier.expires_at, Time::from_unix_ms(1_000) + Span::hours(24));
        let response = replay(earlier, &first.0.unwrap().digest).unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()[REPLAYED], "true");
    }

    #[test]
    fn another_body_or_query_with_the_same_key_is_refused() {
        let first = attempt("k", "/v1/x", "{}").unwrap();
        for other in
            [attempt("k", "/v1/x", "{ }"), attempt("k", "/v1/x?dry_run=true", "{}"), attempt("k", "/v1/x?", "\0{}")]
        {
            let digest = other.unwrap().0.unwrap().digest;
            let refused = replay(remembered(first.clone(), Some("{}")), &digest).unwrap_err();
            assert_eq!((refused.status(), refused.code()), (422, "idempotency_key_reused"));
        }
    }

    #[test]
    fn a_secret_is_not_shown_again() {
        let first = attempt("k", "/v1/x", "{}").unwrap();
        let refused = replay(remembered(first.clone(), None), &first.0.unwrap().digest).unwrap_err();
        assert_eq!((refused.status(), refused.code()), (409, "secret_already_shown"));
        assert!(refused.detail().contains("key_7"));
    }

    #[tokio::test]
    async fn a_body_is_json_or_nothing() {
        let read_body = async |content_type: &str, body: String| {
            let request = Request::post("/").header(CONTENT_TYPE, content_type).body(Body::from(body)).unwrap();
            Once::<serde_json::Value>::from_request(request, &()).await.map(|once| once.body)
        };
        assert_eq!(read_body("text/plain", String::new()).await.unwrap(), serde_json::json!({}));
        assert_eq!(read_body("text/plain", "{}".to_owned()).await.unwrap_err().status(), 415);
        let full = format!("\"{}\"", "a".repeat(BODY_MAX - 2));
        assert!(read_body("application/json", full.clone()).await.is_ok());
        assert_eq!(read_body("application/json", format!("{full} ")).await.unwrap_err().code(), "body_too_large");
    }

    proptest! {
        #[test]
        fn any_key_is_taken_or_refused(key in "[ -~]{0,300}") {
            let _ = attempt(&key, "/", "");
        }
    }
}
