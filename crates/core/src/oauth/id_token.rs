//! What an ID token says (OpenID Connect Core §2): who signed in, when and how, to one application and nobody else.
//!
//! What else is known of a person is asked for at userinfo; here stands of it only what the parameter `claims` wanted here.
//! Knows no key: whoever signs says by which algorithm, because `at_hash` depends on it.

use aws_lc_rs::digest;
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::access_token::date;
use crate::id::{ClientId, GrantId, UserId};
use crate::jose::algorithm::Algorithm;
use crate::time::{Span, Time};

/// The `typ` in its header: no access token's.
pub const TYP: &str = "JWT";
/// How long it is good: for being read once.
pub const LIFE: Span = Span::minutes(10);

/// The claims of one.
#[derive(Debug, Clone, Serialize)]
pub struct Claims<'t> {
    /// Who says so.
    pub iss: &'t str,
    /// Who signed in.
    pub sub: UserId,
    /// To which application.
    pub aud: ClientId,
    /// When it ends.
    #[serde(serialize_with = "date")]
    pub exp: Time,
    /// When it was issued.
    #[serde(serialize_with = "date")]
    pub iat: Time,
    /// When he signed in.
    #[serde(serialize_with = "date")]
    pub auth_time: Time,
    /// What the application sent, so that it knows its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<&'t str>,
    /// How much that is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'static str>,
    /// What he showed.
    pub amr: Vec<&'static str>,
    /// What the access token beside it begins with, hashed.
    pub at_hash: String,
    /// The session at the issuer.
    pub sid: GrantId,
    /// What `claims` asked for; never one of those above.
    #[serde(flatten)]
    pub asked: Map<String, Value>,
}

/// The half of the hash of an access token that goes into the token beside it (OpenID Connect Core §3.1.3.6): by the hash of
/// the algorithm that signs.
pub fn at_hash(access_token: &str, algorithm: Algorithm) -> String {
    let hash = match algorithm {
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 | Algorithm::EdDsa => &digest::SHA512,
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => &digest::SHA384,
        _ => &digest::SHA256,
    };
    let hashed = digest::digest(hash, access_token.as_bytes());
    let octets = hashed.as_ref();
    BASE64URL_NOPAD.encode(&octets[..octets.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn oidc_core_3_1_3_6_at_hash_is_the_left_half() {
        // The example of OpenID Connect Core §A.3.
        assert_eq!(at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", Algorithm::Rs256), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash("x", Algorithm::EdDsa).len(), 43, "half of 64 octets");
    }

    #[test]
    fn oidc_core_2_an_id_token_says_what_it_must_and_nothing_empty() {
        let (user, client, session) =
            (UserId::from_bytes([1; 16]), ClientId::from_bytes([2; 16]), GrantId::from_bytes([3; 16]));
        let at = Time::from_unix_ms(1_700_000_000_999);
        let claims = Claims {
            iss: "https://auth.example.com",
            sub: user,
            aud: client,
            exp: at + LIFE,
            iat: at,
            auth_time: at,
            nonce: None,
            acr: Some("urn:admit:aal1"),
            amr: vec!["pwd"],
            at_hash: "x".to_owned(),
            sid: session,
            asked: Map::from_iter([("email".to_owned(), json!("a@b"))]),
        };
        assert_eq!(
            serde_json::to_value(&claims).unwrap(),
            json!({"iss": "https://auth.example.com", "sub": user, "aud": client, "exp": 1_700_000_600, "iat": 1_700_000_000,
                "auth_time": 1_700_000_000, "acr": "urn:admit:aal1", "amr": ["pwd"], "at_hash": "x", "sid": session, "email": "a@b"})
        );
        assert!(claims.sub.to_string().len() <= 255 && claims.sub.to_string().is_ascii());
    }
}
