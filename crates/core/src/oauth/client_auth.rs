//! How a client says who it is at the endpoints (RFC 6749 §2.3, RFC 7523 §2.2), read before anything is looked up.
//!
//! One way only: two are refused, because two programs could believe different ones. What stands in the query is not read.
//! Never says whether anything is right: the server looks the client up and compares.

use data_encoding::BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::client::AuthMethod;
use crate::credential::CREDENTIAL_MAX;
use crate::form::{self, Form};
use crate::secret::Secret;

/// The one `client_assertion_type` that is known here.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a client shows. Ids are as they were sent.
#[derive(Debug)]
pub enum Shown {
    /// A name and nothing else: what a public client has.
    Name(String),
    /// A name and a secret.
    Secret {
        /// The name.
        id: String,
        /// The secret.
        secret: Secret,
        /// Where they stood.
        method: AuthMethod,
    },
    /// What it signed; the name may stand beside it.
    Assertion {
        /// The name.
        id: Option<String>,
        /// The signed text.
        text: Secret,
    },
}

/// Why that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclear {
    /// `invalid_request`: it could be read in two ways. To complete "the request …".
    Request(&'static str),
    /// `invalid_client`: nothing that names a client, or nothing that can be read.
    Client,
}

/// Whether a client tries to say who it is in `Authorization`: then a refusal answers in kind (RFC 6749 §5.2).
pub fn is_in_header(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// What is shown.
pub fn read(headers: &HeaderMap, form: &Form) -> Result<Shown, Unclear> {
    let basic = from_header(headers)?;
    let text = |name: &str| Some(form.text(name)).filter(|text| !text.is_empty());
    let (id, secret) = (text("client_id"), text("client_secret"));
    let (assertion, kind) = (text("client_assertion"), text("client_assertion_type"));
    let ways = [basic.is_some(), secret.is_some(), assertion.is_some() || kind.is_some()];
    if ways.into_iter().filter(|is_there| *is_there).count() > 1 {
        return Err(Unclear::Request("shows in two ways who the client is; one is enough"));
    }
    if let Some((named, secret)) = basic {
        return match id {
            Some(id) if id != named => Err(Unclear::Request("names two clients: client_id is another one")),
            _ => Ok(Shown::Secret { id: named, secret, method: AuthMethod::ClientSecretBasic }),
        };
    }
    match (assertion, kind) {
        (None, None) => {}
        (Some(text), Some(JWT_BEARER)) => {
            return Ok(Shown::Assertion { id: id.map(str::to_owned), text: Secret::new(text) });
        }
        _ => return Err(Unclear::Client),
    }
    let id = id.ok_or(Unclear::Client)?.to_owned();
    Ok(match secret {
        Some(secret) => Shown::Secret { id, secret: Secret::new(secret), method: AuthMethod::ClientSecretPost },
        None => Shown::Name(id),
    })
}

/// Name and secret from `Authorization`, each encoded like a value of a form (RFC 6749 §2.3.1) and so without a colon of its
/// own: the first one parts them (RFC 7617 §2).
fn from_header(headers: &HeaderMap) -> Result<Option<(String, Secret)>, Unclear> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Unclear::Request("has two Authorization headers"));
    }
    let value = value.to_str().map_err(|_| Unclear::Client)?.trim_ascii();
    let (scheme, encoded) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Basic") || encoded.len() > CREDENTIAL_MAX {
        return Err(Unclear::Client);
    }
    read_basic(encoded.trim_start_matches(' ')).map(Some).ok_or(Unclear::Client)
}

fn read_basic(encoded: &str) -> Option<(String, Secret)> {
    let octets = BASE64.decode(encoded.as_bytes()).ok()?;
    let text = Secret::new(String::from_utf8(octets).ok()?);
    let (id, secret) = text.expose().split_once(':')?;
    let (id, secret) = (form::decode(id).ok()?, Secret::new(form::decode(secret).ok()?));
    let is_well = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    (is_well(&id) && is_well(secret.expose())).then_some((id, secret))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn basic(pair: &[u8]) -> HeaderValue {
        HeaderValue::from_str(&format!("Basic {}", BASE64.encode(pair))).unwrap()
    }

    fn headers(values: &[HeaderValue]) -> HeaderMap {
        values.iter().map(|value| (AUTHORIZATION, value.clone())).collect()
    }

    /// What is shown, in one line.
    fn told(values: &[HeaderValue], body: &str) -> String {
        match read(&headers(values), &Form::parse(body.as_bytes()).unwrap()) {
            Ok(Shown::Name(id)) => format!("name {id}"),
            Ok(Shown::Secret { id, secret, method }) => format!("{method} {id} {}", secret.expose()),
            Ok(Shown::Assertion { id, text }) => format!("assertion {id:?} {}", text.expose()),
            Err(unclear) => format!("{unclear:?}"),
        }
    }

    #[test]
    fn tk_01_one_way_is_read_and_two_are_refused() {
        let jwt = "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let own = || [basic(b"cli_1:s")];
        assert_eq!(told(&own(), "grant_type=x"), "client_secret_basic cli_1 s");
        assert_eq!(told(&own(), "client_id=cli_1"), "client_secret_basic cli_1 s");
        assert_eq!(told(&[], "client_id=cli_1&client_secret=s"), "client_secret_post cli_1 s");
        assert_eq!(told(&[], "client_id=cli_1"), "name cli_1");
        assert_eq!(told(&[], "client_id=cli_1&client_secret="), "name cli_1", "rfc_6749_3: empty is not there");
        assert_eq!(told(&[], &format!("{jwt}&client_assertion=a.b.c")), "assertion None a.b.c");
        assert_eq!(told(&[], &format!("{jwt}&client_assertion=a&client_id=c")), "assertion Some(\"c\") a");
        for (values, body) in [
            (&own()[..], "client_secret=s"),
            (&own()[..], "client_id=cli_1&client_secret=s"),
            (&own()[..], &format!("{jwt}&client_assertion=a")),
            (&own()[..], jwt),
            (&[], &format!("{jwt}&client_assertion=a&client_id=c&client_secret=s")),
        ] {
            assert!(told(values, body).starts_with("Request(\"shows in two ways"), "{body}: {}", told(values, body));
        }
        assert!(told(&own(), "client_id=cli_2").starts_with("Request(\"names two clients"));
        assert_eq!(told(&[], ""), "Client");
        assert_eq!(told(&[], "client_secret=s"), "Client");
    }

    #[test]
    fn rfc_7523_6_the_type_of_an_assertion_is_said() {
        for body in [
            "client_assertion=a.b.c",
            "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Asaml2-bearer&client_assertion=a",
            "client_assertion_type=jwt-bearer&client_assertion=a",
            "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer",
        ] {
            assert_eq!(told(&[], body), "Client", "{body}");
        }
    }

    #[test]
    fn tk_20_both_halves_are_encoded_like_a_form() {
        let shown = |pair: &[u8]| told(&[basic(pair)], "");
        assert_eq!(shown(b"cli%5F1:a%3Ab%2Bc+d"), "client_secret_basic cli_1 a:b+c d");
        assert_eq!(shown(b"cli:1:s"), "client_secret_basic cli 1:s", "rfc_7617_1: cut at the first colon");
        let lower = HeaderValue::from_str(&format!("basic   {}", BASE64.encode(b"a:b"))).unwrap();
        assert_eq!(told(&[lower], ""), "client_secret_basic a b");
        for bad in
            [&b"a"[..], b":", b"a:", b":b", b"a:b%", b"a:%zz", b"a:%ff", b"a:b\n", b"a:%00", b"\xff:b", b"a:\xff"]
        {
            assert_eq!(shown(bad), "Client", "rfc_7617_4: {bad:?}");
        }
        let twice = told(&[basic(b"a:b"), basic(b"a:b")], "");
        assert_eq!(twice, "Request(\"has two Authorization headers\")");
        for bad in ["Basic", "Basic !", "Basic YTpi, Basic YTpi", "Bearer admit_at_x", "Digest a", ""] {
            assert_eq!(told(&[HeaderValue::from_str(bad).unwrap()], "client_id=a"), "Client", "{bad}");
        }
        assert_eq!(told(&[HeaderValue::from_bytes(b"Basic \xff").unwrap()], ""), "Client");
        let long = |length: usize| told(&[basic(format!("a:{}", "b".repeat(length - 2)).as_bytes())], "");
        assert_eq!((long(3072).len(), long(3073).as_str()), ("client_secret_basic a ".len() + 3070, "Client"));
    }

    #[test]
    fn lo_02_what_is_shown_is_not_printed() {
        let shown = read(&headers(&[basic(b"cli_1:hunter2")]), &Form::parse(b"").unwrap()).unwrap();
        assert!(!format!("{shown:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn what_a_library_encodes_is_read(id in "[ -~é]{1,20}", secret in "[ -~é]{1,20}") {
            let encode = |text: &str| text.bytes().map(|octet| format!("%{octet:02X}")).collect::<String>();
            let pair = format!("{}:{}", encode(&id), encode(&secret));
            prop_assert_eq!(told(&[basic(pair.as_bytes())], ""), format!("client_secret_basic {id} {secret}"));
        }

        #[test]
        fn any_header_is_read_or_refused(pair: Vec<u8>) {
            let _ = told(&[basic(&pair)], "");
        }
    }
}
