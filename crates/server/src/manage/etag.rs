//! Versions of resources as entity tags: `ETag: "v3"`, `If-Match` against lost updates, `If-None-Match` against reading what
//! is known (RFC 9110 §8.8.3, §13.1.1, §13.1.2).
//!
//! More of a key is shown than its row holds. Its tag is `"v3-active-<digest of what is shown>"`; `If-Match` looks at the
//! version and the state alone, for a key that is in use would never be the one that was seen.

use std::convert::Infallible;

use admit_core::key::state::State;
use aws_lc_rs::digest;
use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use crate::http::json::Json;
use crate::http::problem::Problem;

/// What `If-Match` demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing: there is no such header, or it is `*`.
    Any,
    /// This version, where one was seen in this state.
    Version(i64, Option<State>),
    /// Something that no version is: a weak tag, a list, another program's tag.
    Never,
}

impl IfMatch {
    /// Refuses with 412 where the resource has another version than the caller saw.
    pub fn judge(self, version: i64) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::Version(seen, None) if seen == version => Ok(()),
            Self::Version(..) | Self::Never => Err(changed()),
        }
    }

    /// The same of a key, whose state changes with more than its row.
    pub fn judge_in(self, version: i64, state: State) -> Result<(), Problem> {
        match self {
            Self::Version(seen, Some(was)) if seen == version && was == state => Ok(()),
            Self::Version(_, Some(_)) => Err(changed()),
            Self::Any | Self::Version(_, None) | Self::Never => self.judge(version),
        }
    }

    /// The same of what has no version: nothing that was seen can be named.
    pub fn judge_unversioned(self, what: &str) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::Version(..) | Self::Never => {
                let detail = format!("A {what} has no ETag. Leave out If-Match, or send If-Match: *");
                Err(Problem::new(412, "version_changed", detail))
            }
        }
    }
}

/// 412: somebody else was first.
pub fn changed() -> Problem {
    Problem::new(412, "version_changed", "This has changed since you read it. Read it again and repeat your change.")
}

/// An answer with its entity tag.
pub fn with_etag<T: Serialize>(version: i64, body: Json<T>) -> Response {
    tagged(&format!("\"v{version}\""), body)
}

/// An answer that shows a key, and perhaps its secret, which is no part of the tag.
pub fn with_key_etag<T: Serialize>(version: i64, state: State, shown: &impl Serialize, body: Json<T>) -> Response {
    let shown = serde_json::to_vec(shown).unwrap_or_default();
    let digest = digest::digest(&digest::SHA256, &shown);
    let digest: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    tagged(&format!("\"v{version}-{}-{digest}\"", state.as_str()), body)
}

fn tagged<T: Serialize>(tag: &str, body: Json<T>) -> Response {
    let mut response = body.into_response();
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// 304 in place of what the caller has already.
pub fn unless_known(asked: Option<&HeaderValue>, response: Response) -> Response {
    let known = asked.and_then(|tags| tags.to_str().ok());
    let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    let (Some(known), Some(tag)) = (known, tag) else { return response };
    if response.status() != StatusCode::OK || !is_known(known, tag) {
        return response;
    }
    let (mut parts, _) = response.into_parts();
    parts.status = StatusCode::NOT_MODIFIED;
    parts.headers.remove(CONTENT_TYPE);
    Response::from_parts(parts, Body::empty())
}

/// Whether `If-None-Match` names this tag; whether it is a weak one does not count (RFC 9110 §13.1.2).
pub fn is_known(asked: &str, tag: &str) -> bool {
    asked.trim() == "*" || asked.split(',').any(|one| one.trim().trim_start_matches("W/") == tag)
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(read(&parts.headers))
    }
}

fn read(headers: &HeaderMap) -> IfMatch {
    let mut fields = headers.get_all(IF_MATCH).iter();
    let Some(field) = fields.next() else { return IfMatch::Any };
    let text = field.to_str().unwrap_or_default().trim();
    if fields.next().is_some() {
        return IfMatch::Never;
    }
    if text == "*" {
        return IfMatch::Any;
    }
    text.strip_prefix("\"v").and_then(|rest| rest.strip_suffix('"')).and_then(read_tag).unwrap_or(IfMatch::Never)
}

/// What stands between `"v` and `"`.
fn read_tag(tag: &str) -> Option<IfMatch> {
    let (digits, rest) = tag.split_once('-').map_or((tag, None), |(digits, rest)| (digits, Some(rest)));
    let state = match rest {
        Some(rest) => Some(State::parse(rest.split_once('-')?.0)?),
        None => None,
    };
    let version = Some(digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?.parse().ok()?;
    Some(IfMatch::Version(version, state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_one(field: &str) -> IfMatch {
        let mut headers = HeaderMap::new();
        headers.insert(IF_MATCH, HeaderValue::from_str(field).unwrap());
        read(&headers)
    }

    #[test]
    fn a_version_that_was_seen_is_demanded() {
        assert_eq!(read(&HeaderMap::new()), IfMatch::Any);
        assert_eq!(read_one("*"), IfMatch::Any);
        assert_eq!(read_one("\"v7\""), IfMatch::Version(7, None));
        assert!(read_one("\"v7\"").judge(7).is_ok());
        assert_eq!(read_one("\"v7\"").judge(8).unwrap_err().code(), "version_changed");
    }

    #[test]
    fn what_no_version_is_matches_none() {
        for field in [
            "W/\"v7\"",
            "\"v7\", \"v8\"",
            "v7",
            "\"7\"",
            "\"v\"",
            "\"v-1\"",
            "\"v+1\"",
            "",
            "\"v99999999999999999999\"",
        ] {
            assert_eq!(read_one(field), IfMatch::Never, "{field}");
        }
        assert_eq!(IfMatch::Never.judge(1).unwrap_err().status(), 412);
    }

    #[test]
    fn a_key_is_matched_by_version_and_state_and_known_by_all_that_is_shown() {
        let tag = |state, shown: &str| {
            with_key_etag(7, state, &shown, Json(shown)).headers()[ETAG].to_str().unwrap().to_owned()
        };
        let (unused, used) = (tag(State::Active, "unused"), tag(State::Active, "used"));
        assert_ne!(unused, used);
        for seen in [&unused, &used] {
            assert!(read_one(seen).judge_in(7, State::Active).is_ok());
            assert_eq!(read_one(seen).judge_in(8, State::Active).unwrap_err().status(), 412);
            assert_eq!(read_one(seen).judge_in(7, State::Revoked).unwrap_err().status(), 412);
            assert_eq!(read_one(seen).judge(7).unwrap_err().status(), 412, "no tag of anything but a key");
        }
        assert_eq!(read_one("\"v7-gone-1\""), IfMatch::Never);
        let status = |asked: &str| {
            let asked = HeaderValue::from_str(asked).unwrap();
            unless_known(Some(&asked), with_key_etag(7, State::Active, &"used", Json("used"))).status().as_u16()
        };
        assert_eq!(
            [status(&used), status(&format!("\"x\", W/{used}")), status("*"), status(&unused)],
            [304, 304, 304, 200]
        );
    }

    #[test]
    fn two_fields_match_nothing() {
        let mut headers = HeaderMap::new();
        headers.append(IF_MATCH, HeaderValue::from_static("\"v1\""));
        headers.append(IF_MATCH, HeaderValue::from_static("\"v1\""));
        assert_eq!(read(&headers), IfMatch::Never);
    }

    proptest! {
        #[test]
        fn any_field_is_read(field in "[ -~]{0,40}", version: i64) {
            let _ = read_one(&field).judge(version);
        }

        #[test]
        fn what_is_sent_comes_back(version in 0_i64..) {
            let response = with_etag(version, Json(()));
            let field = response.headers()[ETAG].to_str().unwrap().to_owned();
            prop_assert_eq!(read_one(&field), IfMatch::Version(version, None));
        }
    }
}
