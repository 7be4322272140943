//! What a client signs to say who it is (RFC 7523 §3, as draft-ietf-oauth-rfc7523bis-07 narrows it).
//!
//! It is for this issuer alone, for a few minutes, and good once: whoever gets hold of one can do nothing with it elsewhere
//! or again. Keys are the client's registered ones; the header only names one. What was spent is kept by the store.

use std::fmt;

use aws_lc_rs::digest;

use crate::id::ClientId;
use crate::jose::claims::{Claims, LEEWAY};
use crate::jose::jwk::KeySet;
use crate::jose::jws::Compact;
use crate::jose::{self, Flaw};
use crate::time::{Span, Time};

/// The longest life, from now.
pub const LIFE_MAX: Span = Span::minutes(5);
/// The longest `jti`, in bytes.
pub const JTI_MAX: usize = 256;

/// What is proved, once it is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// Of its `jti`.
    pub digest: [u8; 32],
    /// Until when it must be remembered.
    pub expires_at: Time,
}

/// Why it proves nothing. For the audit and tests: the client is told `invalid_client`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unproved {
    /// It is no token, or not one of the client's for us.
    Flaw(Flaw),
    /// `iss` and `sub` are not both the client.
    Subject,
    /// It lives longer than [`LIFE_MAX`].
    Life,
    /// `jti` is not there, or empty, or longer than [`JTI_MAX`].
    Jti,
}

impl From<Flaw> for Unproved {
    fn from(flaw: Flaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl fmt::Display for Unproved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flaw(flaw) => flaw.fmt(f),
            Self::Subject => f.write_str("iss and sub are not both the client"),
            Self::Life => f.write_str("exp is more than five minutes away"),
            Self::Jti => write!(f, "jti is missing or has more than {JTI_MAX} bytes"),
        }
    }
}

/// Which client it says that it is of, where no `client_id` does. Believed by nobody before [`verify`].
pub fn claimed(text: &str) -> Option<ClientId> {
    let (_, rest) = text.split_once('.')?;
    let (payload, _) = rest.split_once('.')?;
    let claims = Claims::parse(&jose::decode(payload).ok()?).ok()?;
    claims.text("sub").ok()??.parse().ok()
}

/// Whether one of these keys signed it for this client and this issuer, and it is in time.
pub fn verify(
    text: &Compact<'_>,
    keys: &KeySet,
    client: ClientId,
    issuer: &str,
    now: Time,
) -> Result<Proved, Unproved> {
    let header = text.header();
    let is_type = header.typ.is_none() || header.is_type("JWT") || header.is_type("client-authentication+jwt");
    if !is_type {
        return Err(Flaw::Type.into());
    }
    let key = keys.find(header.kid.as_deref()).ok_or(Flaw::UnknownKey)?;
    let claims = Claims::parse(&text.verify(key)?)?;
    let id = client.to_string();
    if claims.must_be_text("iss")? != id || claims.must_be_text("sub")? != id {
        return Err(Unproved::Subject);
    }
    // The sole audience: whatever else it is for could show it here.
    if claims.audiences()? != [issuer] {
        return Err(Flaw::Audience.into());
    }
    let expires_at = claims.must_be_timely(now)?;
    if expires_at > now + LIFE_MAX + LEEWAY {
        return Err(Unproved::Life);
    }
    let jti = claims.text("jti")?.filter(|jti| (1..=JTI_MAX).contains(&jti.len())).ok_or(Unproved::Jti)?;
    let mut digest = [0; 32];
    digest.copy_from_slice(digest::digest(&digest::SHA256, jti.as_bytes()).as_ref());
    Ok(Proved { digest, expires_at: expires_at + LEEWAY })
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::jose::algorithm::Algorithm;
    use crate::jose::sign::{SigningKey, generate};

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
    const ISSUER: &str = "https://auth.example.com";
    const CLIENT: ClientId = ClientId::from_bytes([3; 16]);

    static KEY: LazyLock<SigningKey> =
        LazyLock::new(|| SigningKey::parse(Algorithm::Es256, &generate(Algorithm::Es256).unwrap()).unwrap());

    fn keys() -> KeySet {
        KeySet::of(&json!({ "keys": [KEY.public_jwk()] })).unwrap()
    }

    fn at(seconds: i64) -> i64 {
        NOW.unix_ms() / 1_000 + seconds
    }

    fn claims() -> Value {
        let id = CLIENT.to_string();
        json!({ "iss": id, "sub": id, "aud": ISSUER, "exp": at(60), "iat": at(0), "jti": "j" })
    }

    fn judge(typ: &str, claims: &Value) -> Result<Proved, Unproved> {
        let text = KEY.sign(typ, claims).unwrap();
        verify(&Compact::parse(&text)?, &keys(), CLIENT, ISSUER, NOW)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims
    }

    #[test]
    fn what_the_client_signed_for_us_proves_it() {
        let proved = judge("JWT", &claims()).unwrap();
        assert_eq!(proved.expires_at, NOW + Span::seconds(60) + LEEWAY);
        assert_ne!(proved.digest, judge("JWT", &with("jti", json!("k"))).unwrap().digest);
        assert_eq!(claimed(&KEY.sign("JWT", &claims()).unwrap()), Some(CLIENT));
        for bad in ["", "a", "a.b", "a.b.c", "a.e30.c", "a.W10.c"] {
            assert_eq!(claimed(bad), None, "{bad}");
        }
    }

    #[test]
    fn rfc_7523_1_issuer_and_subject_are_the_client() {
        let other = ClientId::from_bytes([4; 16]).to_string();
        for name in ["iss", "sub"] {
            assert_eq!(judge("JWT", &with(name, json!(other))), Err(Unproved::Subject), "{name}");
            assert_eq!(judge("JWT", &with(name, json!(ISSUER))), Err(Unproved::Subject), "{name}");
            assert!(matches!(judge("JWT", &with(name, Value::Null)), Err(Unproved::Flaw(Flaw::ClaimMissing(_)))));
        }
    }

    #[test]
    fn rfc_7523_2_tk_02_the_audience_is_this_issuer_and_nobody_else() {
        assert!(judge("JWT", &with("aud", json!([ISSUER]))).is_ok());
        for other in [
            json!("https://auth.example.com/oauth/token"),
            json!("https://auth.example.com/"),
            json!("https://AUTH.example.com"),
            json!([ISSUER, "https://evil.test"]),
            json!([ISSUER, ISSUER]),
            json!([]),
        ] {
            assert_eq!(judge("JWT", &with("aud", other.clone())), Err(Flaw::Audience.into()), "{other}");
        }
        assert_eq!(judge("JWT", &with("aud", Value::Null)), Err(Flaw::ClaimMissing("aud").into()));
    }

    #[test]
    fn rfc_7523_3_tk_02_it_ends_within_minutes() {
        assert_eq!(judge("JWT", &with("exp", Value::Null)), Err(Flaw::ClaimMissing("exp").into()));
        assert_eq!(judge("JWT", &with("exp", json!("9999999999"))), Err(Flaw::ClaimType("exp").into()));
        assert!(judge("JWT", &with("exp", json!(at(310)))).is_ok(), "five minutes, and clocks may differ");
        for far in [311, 3_600, 86_400] {
            assert_eq!(judge("JWT", &with("exp", json!(at(far)))), Err(Unproved::Life), "{far}");
        }
        assert!(judge("JWT", &with("exp", json!(at(-9)))).is_ok());
        assert_eq!(judge("JWT", &with("exp", json!(at(-10)))), Err(Flaw::Expired.into()));
        assert_eq!(judge("JWT", &with("nbf", json!(at(11)))), Err(Flaw::NotYet.into()));
    }

    #[test]
    fn rfc_7523_4_tk_02_it_has_a_name_by_which_it_is_spent() {
        for bad in [Value::Null, json!(""), json!("x".repeat(JTI_MAX + 1))] {
            assert_eq!(judge("JWT", &with("jti", bad.clone())), Err(Unproved::Jti), "{bad}");
        }
        assert!(judge("JWT", &with("jti", json!("x".repeat(JTI_MAX)))).is_ok());
        assert_eq!(judge("JWT", &with("jti", json!(7))), Err(Flaw::ClaimType("jti").into()));
    }

    #[test]
    fn rfc_7523_5_jwt_01_only_the_client_s_keys_count_by_their_own_algorithm() {
        let other = SigningKey::parse(Algorithm::Es256, &generate(Algorithm::Es256).unwrap()).unwrap();
        let text = other.sign("JWT", &claims()).unwrap();
        let judged = verify(&Compact::parse(&text).unwrap(), &keys(), CLIENT, ISSUER, NOW);
        assert_eq!(judged, Err(Flaw::UnknownKey.into()));
        // HS256 under the public key's JSON, its name in the header.
        let head = jose::encode(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, KEY.kid()).as_bytes());
        let signed = format!("{head}.{}", jose::encode(claims().to_string().as_bytes()));
        let secret = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, KEY.public_jwk().to_string().as_bytes());
        let forged = format!("{signed}.{}", jose::encode(aws_lc_rs::hmac::sign(&secret, signed.as_bytes()).as_ref()));
        let judged = verify(&Compact::parse(&forged).unwrap(), &keys(), CLIENT, ISSUER, NOW);
        assert_eq!(judged, Err(Flaw::Algorithm.into()));
        let mut changed = KEY.sign("JWT", &claims()).unwrap();
        let last = changed.pop().unwrap();
        changed.push(if last == 'A' { 'Q' } else { 'A' });
        let judged = Compact::parse(&changed)
            .map_err(Unproved::from)
            .and_then(|text| verify(&text, &keys(), CLIENT, ISSUER, NOW));
        assert!(matches!(judged, Err(Unproved::Flaw(Flaw::Signature | Flaw::Encoding))), "{judged:?}");
    }

    #[test]
    fn rfc_7523_7_jwt_13_a_token_of_another_kind_is_refused() {
        for good in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
            assert!(judge(good, &claims()).is_ok(), "{good}");
        }
        for other in ["at+jwt", "dpop+jwt", "logout+jwt", "secevent+jwt", "oauth-authz-req+jwt", ""] {
            assert_eq!(judge(other, &claims()), Err(Flaw::Type.into()), "{other}");
        }
    }

    proptest! {
        #[test]
        fn any_text_claims_something_or_nothing(text in "[A-Za-z0-9_.-]{0,120}") {
            let _ = claimed(&text);
        }
    }
}
