//! What a person approved for an application, on its way from the page to the token endpoint: what a code stands for
//! (RFC 6749 §4.1.2), and a device code that was confirmed (RFC 8628).
//!
//! Kept as JSON beside the hash of what it is exchanged for. Decides nothing: the pages judged it, the token endpoint judges
//! who exchanges it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{ApiId, ClientId, GrantId, UserId};
use crate::login::session::Factors;
use crate::name::ScopeName;
use crate::time::Time;

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// For which application.
    pub client: ClientId,
    /// By whom.
    pub user: UserId,
    /// In which session: the `sid` of ID tokens.
    pub session: GrantId,
    /// For which API; none where only identity was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ApiId>,
    /// What may be done, identity scopes among them; sorted.
    pub scopes: Vec<ScopeName>,
    /// Where the code was sent, as the request said it; none where it said nothing, or there is no code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<String>,
    /// `code_challenge` (RFC 7636), by S256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<String>,
    /// For the ID token, as it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// How and when the person showed who he is.
    pub sign_in: ShownAt,
    /// The parameter `claims` (OpenID Connect Core §5.5), checked.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub claims: Value,
}

/// A sign-in as tokens tell it: `auth_time`, `acr`, `amr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownAt {
    /// When.
    #[serde(with = "unix_ms")]
    pub at: Time,
    /// By what.
    #[serde(with = "words")]
    pub factors: Factors,
}

mod unix_ms {
    use super::Time;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(at: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(at.unix_ms())
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Time, D::Error> {
        i64::deserialize(deserializer).map(Time::from_unix_ms)
    }
}

mod words {
    use super::Factors;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(factors: &Factors, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(factors)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Factors, D::Error> {
        let text = String::deserialize(deserializer)?;
        Factors::parse(&text).ok_or_else(|| D::Error::custom("no factors"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::session::Factor;

    #[test]
    fn what_was_approved_is_read_as_it_was_written() {
        let approved = Approved {
            client: ClientId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            session: GrantId::from_bytes([3; 16]),
            api: Some(ApiId::from_bytes([4; 16])),
            scopes: ["openid", "orders:read"].map(|name| ScopeName::parse(name).unwrap()).into(),
            redirect_uri: Some("https://app.test/cb".to_owned()),
            challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".to_owned()),
            nonce: Some("n".to_owned()),
            sign_in: ShownAt { at: Time::from_unix_ms(7), factors: Factors::of(&[Factor::Password]) },
            claims: serde_json::json!({"userinfo": {"email": null}}),
        };
        let text = serde_json::to_string(&approved).unwrap();
        assert_eq!(serde_json::from_str::<Approved>(&text).unwrap(), approved);
        let least =
            Approved { api: None, redirect_uri: None, challenge: None, nonce: None, claims: Value::Null, ..approved };
        let text = serde_json::to_string(&least).unwrap();
        assert!(!text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<Approved>(&text).unwrap(), least);
    }
}
