//! What an access token that is a JWT says (RFC 9068 §2.2): these claims and no others, each from one source.
//!
//! There is no way for anybody to add a claim: what operators and people may write (metadata, names) is not among them.
//! `rvk` names, in handles that mean nothing elsewhere, what ends the token besides its own grant.

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use serde::{Serialize, Serializer};

use super::scope;
use crate::id::{ClientId, GrantId, OrgId, SubjectId, TokenId};
use crate::name::{ApiUri, RoleName, ScopeName};
use crate::time::{Span, Time};

/// The longest token, in bytes: it stands in a header of every request, and proxies take no more.
pub const TOKEN_MAX: usize = 4 << 10;
/// How much of an HMAC a handle is.
const HANDLE_BYTES: usize = 8;

/// The claims of one token.
#[derive(Debug, Clone, Serialize)]
pub struct Claims<'t> {
    /// Whose token it is.
    pub iss: &'t str,
    /// Who acts. A client and a person never have the same: their ids begin differently.
    #[serde(serialize_with = "text")]
    pub sub: SubjectId,
    /// The one API that it is for.
    pub aud: &'t ApiUri,
    /// When it ends.
    #[serde(serialize_with = "date")]
    pub exp: Time,
    /// When it was issued.
    #[serde(serialize_with = "date")]
    pub iat: Time,
    /// From when it counts.
    #[serde(serialize_with = "date")]
    pub nbf: Time,
    /// Its name.
    pub jti: TokenId,
    /// The application that holds it.
    pub client_id: ClientId,
    /// What may be done with it.
    #[serde(serialize_with = "line", skip_serializing_if = "<[ScopeName]>::is_empty")]
    pub scope: &'t [ScopeName],
    /// The roles that go along with that.
    #[serde(skip_serializing_if = "<[RoleName]>::is_empty")]
    pub roles: &'t [RoleName],
    /// The customer that owns it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub org_id: Option<OrgId>,
    /// When the person signed in who acts (RFC 9068 §2.2.1).
    #[serde(serialize_with = "optional_date", skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<Time>,
    /// How much that is worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acr: Option<&'static str>,
    /// What he showed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<&'static str>,
    /// What it lends.
    pub grant_id: GrantId,
    /// Handles of whatever else ends it.
    pub rvk: Vec<String>,
}

/// An id.
pub(super) fn text<S: Serializer>(subject: &SubjectId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(subject)
}

/// A whole number of seconds (RFC 7519 §2, NumericDate).
pub(super) fn date<S: Serializer>(at: &Time, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(at.unix_ms().div_euclid(1000))
}

fn optional_date<S: Serializer>(at: &Option<Time>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => date(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// Scopes as one text.
pub(super) fn line<S: Serializer>(scopes: &&[ScopeName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&scope::join(scopes))
}

/// From when until when a token is good: whole seconds, as its dates are written, and never beyond the end of its grant.
pub fn term(now: Time, lifetime: Span, grant_ends: Option<Time>) -> (Time, Time) {
    let whole = |at: Time| Time::from_unix_ms(at.unix_ms().div_euclid(1000) * 1000);
    let issued_at = whole(now);
    let ends = issued_at + lifetime;
    (issued_at, whole(grant_ends.map_or(ends, |end| end.min(ends))))
}

/// The name of an id for one audience: two audiences that compare what they have find nothing alike.
pub fn handle(key: &hmac::Key, id: &[u8; 16], audience: &ApiUri) -> String {
    let mut context = hmac::Context::with_key(key);
    context.update(id);
    context.update(audience.as_str().as_bytes());
    BASE64URL_NOPAD.encode(&context.sign().as_ref()[..HANDLE_BYTES])
}

/// The handles of everything that ends a token besides its own grant: subject, client, and what its grant grew from.
pub fn handles<'i>(key: &hmac::Key, audience: &ApiUri, ids: impl IntoIterator<Item = &'i [u8; 16]>) -> Vec<String> {
    let mut named: Vec<&[u8; 16]> = Vec::new();
    for id in ids {
        if !named.contains(&id) {
            named.push(id);
        }
    }
    named.into_iter().map(|id| handle(key, id, audience)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::MasterKey;
    use serde_json::{Value, json};

    const NOW: Time = Time::from_unix_ms(1_700_000_000_999);

    fn uri(text: &str) -> ApiUri {
        ApiUri::parse(text).unwrap()
    }

    fn written(scope: &[ScopeName], roles: &[RoleName], org_id: Option<OrgId>) -> Value {
        let client = ClientId::from_bytes([3; 16]);
        let (iat, exp) = term(NOW, Span::minutes(10), None);
        let claims = Claims {
            iss: "https://auth.example.com",
            sub: SubjectId::Client(client),
            aud: &uri("https://api.example.com"),
            exp,
            iat,
            nbf: iat,
            jti: TokenId::from_bytes([5; 16]),
            client_id: client,
            scope,
            roles,
            org_id,
            auth_time: None,
            acr: None,
            amr: Vec::new(),
            grant_id: GrantId::from_bytes([6; 16]),
            rvk: vec!["a".to_owned()],
        };
        serde_json::to_value(claims).unwrap()
    }

    #[test]
    fn rfc_9068_2_2_a_token_says_what_it_must_and_nothing_empty() {
        let (client, grant) = (ClientId::from_bytes([3; 16]), GrantId::from_bytes([6; 16]));
        let expected = json!({
            "iss": "https://auth.example.com", "sub": client, "aud": "https://api.example.com",
            "exp": 1_700_000_600, "iat": 1_700_000_000, "nbf": 1_700_000_000, "jti": TokenId::from_bytes([5; 16]),
            "client_id": client, "grant_id": grant, "rvk": ["a"],
        });
        assert_eq!(written(&[], &[], None), expected);
        let scopes = ["a", "b"].map(|name| ScopeName::parse(name).unwrap());
        let roles = [RoleName::parse("r").unwrap()];
        let full = written(&scopes, &roles, Some(OrgId::from_bytes([7; 16])));
        assert_eq!((&full["scope"], &full["roles"]), (&json!("a b"), &json!(["r"])));
        assert_eq!(full["org_id"], json!(OrgId::from_bytes([7; 16])));
    }

    #[test]
    fn a_token_ends_with_its_grant_and_in_whole_seconds() {
        let start = Time::from_unix_ms(1_700_000_000_000);
        assert_eq!(term(NOW, Span::minutes(10), None), (start, start + Span::minutes(10)));
        let early = start + Span::ms(90_500);
        assert_eq!(term(NOW, Span::minutes(10), Some(early)), (start, start + Span::seconds(90)));
        assert_eq!(term(NOW, Span::minutes(1), Some(early)).1, start + Span::minutes(1));
    }

    #[test]
    fn a_handle_is_one_audience_s_and_names_each_thing_once() {
        let key = MasterKey::new([1; 32]).handle_key();
        let (a, b) = (uri("https://a.test"), uri("https://b.test"));
        let [one, two] = [[1; 16], [2; 16]];
        assert_eq!(handles(&key, &a, [&one, &one, &two]), [handle(&key, &one, &a), handle(&key, &two, &a)]);
        assert_ne!(handle(&key, &one, &a), handle(&key, &one, &b));
        assert_ne!(handle(&key, &one, &a), handle(&MasterKey::new([2; 32]).handle_key(), &one, &a));
        assert_eq!(handle(&key, &one, &a).len(), 11);
    }
}
