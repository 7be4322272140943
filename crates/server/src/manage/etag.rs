//! Versions of resources as entity tags: `ETag: "v3"`, and `If-Match` against lost updates (RFC 9110 §8.8.3, §13.1.1).

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{ETAG, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use crate::http::json::Json;
use crate::http::problem::Problem;

/// What `If-Match` demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfMatch {
    /// Nothing: there is no such header, or it is `*`.
    Any,
    /// This version.
    Version(i64),
    /// Something that no version is: a weak tag, a list, another program's tag.
    Never,
}

impl IfMatch {
    /// Refuses with 412 where the resource has another version than the caller saw.
    pub fn judge(self, version: i64) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::Version(seen) if seen == version => Ok(()),
            Self::Version(_) | Self::Never => Err(changed()),
        }
    }
}

/// 412: somebody else was first.
pub fn changed() -> Problem {
    Problem::new(412, "version_changed", "This has changed since you read it. Read it again and repeat your change.")
}

/// An answer with its entity tag.
pub fn with_etag<T: Serialize>(version: i64, body: Json<T>) -> Response {
    let mut response = body.into_response();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"v{version}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
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
    let digits = text.strip_prefix("\"v").and_then(|rest| rest.strip_suffix('"'));
    let well_formed = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
    well_formed.and_then(|digits| digits.parse().ok()).map_or(IfMatch::Never, IfMatch::Version)
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
        assert_eq!(read_one("\"v7\""), IfMatch::Version(7));
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
            prop_assert_eq!(read_one(&field), IfMatch::Version(version));
        }
    }
}
