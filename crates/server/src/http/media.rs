//! What a body says that it is (RFC 9110 §8.3, §8.4): one thing, once. Where two words stand for it, two programs could believe
//! different ones.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};

use super::problem::Problem;

/// Why a body is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It does not say that it is of this kind, or not that alone.
    Kind(&'static str),
    /// Something lies around it.
    Encoded,
}

impl From<Unfit> for Problem {
    fn from(unfit: Unfit) -> Self {
        let told = match unfit {
            Unfit::Kind(kind) => format!("Send the body as Content-Type: {kind}."),
            Unfit::Encoded => "Send the body as it is, without Content-Encoding.".to_owned(),
        };
        Self::new(415, "unsupported_media_type", told)
    }
}

/// Whether a body can be read as being of this kind.
pub fn judge(headers: &HeaderMap, kind: &'static str) -> Result<(), Unfit> {
    let mut said = headers.get_all(CONTENT_TYPE).iter();
    if !said.next().is_some_and(|value| is_of(value, kind)) || said.next().is_some() {
        return Err(Unfit::Kind(kind));
    }
    let is_bare = |value: &HeaderValue| {
        value.to_str().is_ok_and(|value| value.split(',').all(|word| word.trim().eq_ignore_ascii_case("identity")))
    };
    if headers.get_all(CONTENT_ENCODING).iter().all(is_bare) { Ok(()) } else { Err(Unfit::Encoded) }
}

/// Whether a body says that it is of this kind, whatever else it says.
pub fn says(headers: &HeaderMap, kind: &str) -> bool {
    headers.get_all(CONTENT_TYPE).iter().any(|value| is_of(value, kind))
}

fn is_of(value: &HeaderValue, kind: &str) -> bool {
    let essence = value.to_str().ok().and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const JSON: &str = "application/json";

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn a_body_is_of_the_kind_that_it_names_once() {
        let judged = |kinds: &[&'static str]| {
            judge(&headers(&kinds.iter().map(|kind| (CONTENT_TYPE, *kind)).collect::<Vec<_>>()), JSON)
        };
        for good in ["application/json", "Application/JSON", "application/json ; charset=utf-8"] {
            assert_eq!(judged(&[good]), Ok(()), "{good}");
        }
        for bad in [&[][..], &[""], &["text/plain"], &[JSON, JSON], &[JSON, "text/plain"], &["text/plain", JSON]] {
            assert_eq!(judged(bad), Err(Unfit::Kind(JSON)), "{bad:?}");
        }
        let both = headers(&[(CONTENT_TYPE, "text/plain"), (CONTENT_TYPE, JSON)]);
        assert!(says(&both, JSON) && !says(&both, "text/html") && !says(&HeaderMap::new(), JSON));
    }

    #[test]
    fn ht_03_nothing_lies_around_a_body() {
        let judged = |encodings: &[&'static str]| {
            let lines = encodings.iter().map(|encoding| (CONTENT_ENCODING, *encoding));
            judge(&headers(&lines.chain([(CONTENT_TYPE, JSON)]).collect::<Vec<_>>()), JSON)
        };
        for good in [&[][..], &["identity"], &["Identity"], &["identity, identity"]] {
            assert_eq!(judged(good), Ok(()), "{good:?}");
        }
        for bad in [&["gzip"][..], &["x-gzip"], &["br"], &["identity, gzip"], &["identity", "deflate"], &[""]] {
            assert_eq!(judged(bad), Err(Unfit::Encoded), "{bad:?}");
        }
    }
}
