//! JSON bodies: bounded, UTF-8, and strict as [`json`] is.

use admit_core::json;
use admit_core::policy::rule::Problem as Flaw;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::media;
use super::problem::Problem;

/// The largest body, in bytes.
pub const BODY_MAX: usize = 64 << 10;
/// Of how many members of a body that cannot be read it is asked whether they are why.
const MEMBERS_TRIED: usize = 64;
/// The largest body of `apply` and `import`, in bytes.
pub const LARGE_BODY_MAX: usize = 4 << 20;

/// A JSON body of at most [`BODY_MAX`], and a JSON answer.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON body of at most [`LARGE_BODY_MAX`].
#[derive(Debug)]
pub struct Large<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                let mut response = Response::new(Body::from(body));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => Problem::unavailable(error).into_response(),
        }
    }
}

impl<T: Serialize> Json<T> {
    /// The answer with another status than 200.
    pub fn with_status(self, status: StatusCode) -> Response {
        (status, self).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, BODY_MAX).await.map(Json)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Large<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read(request, LARGE_BODY_MAX).await.map(Large)
    }
}

async fn read<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, Problem> {
    media::judge(request.headers(), "application/json")?;
    let body = to_bytes(request.into_body(), limit).await.map_err(|error| too_large_or_broken(&error, limit))?;
    parse(&body)
}

/// Why a body cannot be had.
pub fn too_large_or_broken(error: &axum::Error, limit: usize) -> Problem {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(inner) = cause {
        if inner.is::<http_body_util::LengthLimitError>() {
            return Problem::new(413, "body_too_large", format!("The body may have at most {limit} bytes."));
        }
        cause = inner.source();
    }
    Problem::new(400, "invalid_request", "The body broke off.")
}

/// Reads a JSON text.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let invalid = |error: serde_json::Error| {
        Problem::new(400, "invalid_request", format!("The body is not as it should be: {error}"))
    };
    let value = json::parse(body).map_err(invalid)?;
    serde_json::from_slice(body).map_err(|_| Problem::invalid(vec![flaw::<T>(value)]))
}

/// What keeps a well-formed text from being what is asked for, and which of its members it is.
pub fn flaw<T: DeserializeOwned>(mut value: Value) -> Flaw {
    let complaint = |value: &Value| T::deserialize(value).err().map(|error| error.to_string());
    let Some(message) = complaint(&value) else { return Flaw::new("body", "is not as it should be") };
    let names: Vec<String> =
        value.as_object().into_iter().flat_map(|members| members.keys().take(MEMBERS_TRIED)).cloned().collect();
    let culprit = names.into_iter().find(|name| {
        let Some(taken) = value.as_object_mut().and_then(|members| members.remove(name)) else { return false };
        let is_other = complaint(&value).as_ref() != Some(&message);
        value[name.as_str()] = taken;
        is_other
    });
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let path = culprit.as_deref().or(missing).unwrap_or("body").to_owned();
    Flaw::new(path, in_words(&message))
}

/// Without the names of our own types.
fn in_words(message: &str) -> String {
    let Some((before, rest)) = message.split_once("expected struct ") else { return message.to_owned() };
    let rest = rest.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
    let rest = rest
        .strip_prefix(" with ")
        .and_then(|rest| rest.split_once(" element"))
        .map_or(rest, |(_, rest)| rest.strip_prefix('s').unwrap_or(rest));
    format!("{before}expected an object{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::key::KeyRequest;

    #[test]
    fn what_cannot_be_read_is_named_by_its_member_and_not_by_our_types() {
        let told = |text: &str| parse::<KeyRequest>(text.as_bytes()).unwrap_err().detail().to_owned();
        assert_eq!(
            told(r#"{"name":"","scopes":[]}"#),
            "name: must be one line of 1 to 200 letters, without control characters"
        );
        let scopes = told(r#"{"name":"a","scopes":["b c"]}"#);
        assert!(scopes.starts_with("scopes: must be 1 to 128 of "), "{scopes}");
        assert!(told(r#"{"name":"a","nome":1}"#).starts_with("nome: unknown field `nome`, expected one of"));
        assert_eq!(told("{}"), "name: missing field `name`");
        assert_eq!(told("7"), "body: invalid type: integer `7`, expected an object");
    }

    #[test]
    fn ht_05_json_that_could_be_read_in_two_ways_is_refused() {
        let refused = |text: &[u8]| parse::<serde_json::Value>(text).unwrap_err();
        assert!(refused(br#"{"a":1,"b":{"c":1,"c":2}}"#).detail().contains("\"c\" stands there twice"));
        let deep = "[".repeat(100_000);
        for bad in [
            &br#"{"a":NaN}"#[..],
            br#"{"a":1e999999}"#,
            br#"{"a":"\ud800"}"#,
            b"\xef\xbb\xbf{}",
            br"{} x",
            br"/* c */ {}",
            b"\xff\xfe{\0}\0",
            deep.as_bytes(),
        ] {
            assert_eq!(refused(bad).status(), 400, "{}", String::from_utf8_lossy(&bad[..bad.len().min(30)]));
        }
        assert!(parse::<serde_json::Value>(br#"{"a":{"x":1},"b":{"x":1}}"#).is_ok());
    }
}
