//! What a JWT says (RFC 7519 §4.1), read by type: a date that is a text is an error, never a date that is missing.

use serde_json::{Map, Value};

use super::Flaw;
use crate::json;
use crate::time::{Span, Time};

/// How far clocks may differ.
pub const LEEWAY: Span = Span::seconds(10);
/// The last second of the year 9999.
const SECONDS_MAX: f64 = 253_402_300_799.0;

/// The claims of one token.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Reads the payload of signed text.
    pub fn parse(payload: &[u8]) -> Result<Self, Flaw> {
        match json::parse(payload) {
            Ok(Value::Object(members)) => Ok(Self(members)),
            _ => Err(Flaw::Json),
        }
    }

    /// All of them, registered or not.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A claim that is a text, where it is there.
    pub fn text(&self, name: &'static str) -> Result<Option<&str>, Flaw> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Flaw::ClaimType(name)),
        }
    }

    /// A claim that must be there and a text.
    pub fn must_be_text(&self, name: &'static str) -> Result<&str, Flaw> {
        self.text(name)?.ok_or(Flaw::ClaimMissing(name))
    }

    /// A date in seconds since 1970 (§2, NumericDate), where it is there; parts of a second are heard.
    pub fn time(&self, name: &'static str) -> Result<Option<Time>, Flaw> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
        let seconds = seconds.ok_or(Flaw::ClaimType(name))?;
        #[expect(clippy::cast_possible_truncation, reason = "its range was looked at")]
        Ok(Some(Time::from_unix_ms((seconds * 1_000.0) as i64)))
    }

    /// `aud`: one text, or a list of them (§4.1.3).
    pub fn audiences(&self) -> Result<Vec<&str>, Flaw> {
        let texts = match self.0.get("aud") {
            None => return Err(Flaw::ClaimMissing("aud")),
            Some(Value::String(one)) => Some(vec![one.as_str()]),
            Some(Value::Array(several)) => several.iter().map(Value::as_str).collect(),
            Some(_) => None,
        };
        texts.ok_or(Flaw::ClaimType("aud"))
    }

    /// `iss` is this one, letter by letter.
    pub fn must_be_issued_by(&self, issuer: &str) -> Result<(), Flaw> {
        if self.must_be_text("iss")? == issuer { Ok(()) } else { Err(Flaw::Issuer) }
    }

    /// `aud` names this one, letter by letter.
    pub fn must_be_for(&self, audience: &str) -> Result<(), Flaw> {
        if self.audiences()?.contains(&audience) { Ok(()) } else { Err(Flaw::Audience) }
    }

    /// `exp` is there and to come, `nbf` and `iat` are not. Gives `exp`.
    pub fn must_be_timely(&self, now: Time) -> Result<Time, Flaw> {
        let expires_at = self.time("exp")?.ok_or(Flaw::ClaimMissing("exp"))?;
        let (not_before, issued_at) = (self.time("nbf")?, self.time("iat")?);
        if expires_at + LEEWAY <= now {
            return Err(Flaw::Expired);
        }
        if [not_before, issued_at].into_iter().flatten().any(|begins| begins > now + LEEWAY) {
            return Err(Flaw::NotYet);
        }
        Ok(expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Time = Time::from_unix_ms(1_700_000_000_000);

    fn claims(text: &str) -> Claims {
        Claims::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn jwt_11_a_date_is_a_number_in_range_or_an_error() {
        for (exp, flaw) in [
            ("\"9999999999\"", Flaw::ClaimType("exp")),
            ("{}", Flaw::ClaimType("exp")),
            ("null", Flaw::ClaimType("exp")),
            ("true", Flaw::ClaimType("exp")),
            ("-1", Flaw::ClaimType("exp")),
            ("9223372036854775808", Flaw::ClaimType("exp")),
            ("1e300", Flaw::ClaimType("exp")),
        ] {
            let told = claims(&format!(r#"{{"exp":{exp}}}"#)).must_be_timely(NOW);
            assert_eq!(told, Err(flaw), "{exp}");
        }
        assert_eq!(Claims::parse(br#"{"exp":1e400}"#), Err(Flaw::Json));
        assert_eq!(claims("{}").must_be_timely(NOW), Err(Flaw::ClaimMissing("exp")));
        let fraction = claims(r#"{"exp":1700000000.5}"#).must_be_timely(NOW).unwrap();
        assert_eq!(fraction, NOW + Span::ms(500));
        for (name, value) in [("nbf", "\"x\""), ("iat", "{}"), ("iat", "[]")] {
            let told = claims(&format!(r#"{{"exp":1700000060,"{name}":{value}}}"#)).must_be_timely(NOW);
            assert_eq!(told, Err(Flaw::ClaimType(if name == "nbf" { "nbf" } else { "iat" })), "{name}");
        }
    }

    #[test]
    fn jwt_12_clocks_may_differ_by_ten_seconds() {
        let at = |exp: i64, more: &str| {
            let exp = NOW.unix_ms() / 1_000 + exp;
            claims(&format!(r#"{{"exp":{exp}{more}}}"#)).must_be_timely(NOW).map(drop)
        };
        assert_eq!(at(-9, ""), Ok(()));
        assert_eq!(at(-10, ""), Err(Flaw::Expired));
        let begins = |name: &str, after: i64| at(60, &format!(r#","{name}":{}"#, NOW.unix_ms() / 1_000 + after));
        for name in ["nbf", "iat"] {
            assert_eq!(begins(name, 10), Ok(()), "{name}");
            assert_eq!(begins(name, 11), Err(Flaw::NotYet), "{name}");
            assert_eq!(begins(name, 86_400), Err(Flaw::NotYet), "{name}");
        }
    }

    #[test]
    fn jwt_14_an_audience_is_ours_letter_by_letter() {
        const OURS: &str = "https://api.example.com";
        for good in [r#""https://api.example.com""#, r#"["https://other.test","https://api.example.com"]"#] {
            assert_eq!(claims(&format!(r#"{{"aud":{good}}}"#)).must_be_for(OURS), Ok(()), "{good}");
        }
        for (other, flaw) in [
            (r#""https://api.example.com.evil.test""#, Flaw::Audience),
            (r#""https://api.example.com/""#, Flaw::Audience),
            (r#""HTTPS://api.example.com""#, Flaw::Audience),
            ("[]", Flaw::Audience),
            (r#"["https://api.example.com",1]"#, Flaw::ClaimType("aud")),
            ("{}", Flaw::ClaimType("aud")),
        ] {
            assert_eq!(claims(&format!(r#"{{"aud":{other}}}"#)).must_be_for(OURS), Err(flaw), "{other}");
        }
        assert_eq!(claims("{}").must_be_for(OURS), Err(Flaw::ClaimMissing("aud")));
    }

    #[test]
    fn jwt_24_an_issuer_is_compared_letter_by_letter() {
        const OURS: &str = "https://auth.example.com";
        let by = |issuer: &str| claims(&format!(r#"{{"iss":"{issuer}"}}"#)).must_be_issued_by(OURS);
        assert_eq!(by(OURS), Ok(()));
        for other in ["https://auth.example.com/", "https://AUTH.example.com", "https://auth.example.com.evil.test"] {
            assert_eq!(by(other), Err(Flaw::Issuer), "{other}");
        }
        assert_eq!(
            claims(r#"{"iss":["https://auth.example.com"]}"#).must_be_issued_by(OURS),
            Err(Flaw::ClaimType("iss"))
        );
    }

    #[test]
    fn jwt_08_no_claim_stands_there_twice() {
        assert_eq!(Claims::parse(br#"{"sub":"alice","sub":"bob"}"#), Err(Flaw::Json));
        assert_eq!(Claims::parse(b"[]"), Err(Flaw::Json));
    }

    proptest! {
        #[test]
        fn any_claims_are_read_or_refused(text in "\\{\"(exp|aud|nbf)\":[0-9.e+\\[\\]\"a,-]{0,20}\\}") {
            if let Ok(claims) = Claims::parse(text.as_bytes()) {
                let _ = (claims.must_be_timely(NOW), claims.audiences());
            }
        }
    }
}
