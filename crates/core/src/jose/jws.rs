//! Signed text in the compact serialization (RFC 7515 §7.1): read strictly, then verified by a key.
//!
//! Reading proves nothing: [`Compact::verify`] is the only way to the payload.

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::jwk::VerifyingKey;
use super::{Flaw, decode};
use crate::json;

/// The longest text, in bytes. It fits a header line of every gateway.
pub const TEXT_MAX: usize = 16 << 10;
/// The longest header, in base64url letters.
const HEADER_MAX: usize = 2 << 10;
/// The longest name of a key.
pub const KID_MAX: usize = 256;

/// What a header says, as far as it is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// `alg`
    pub algorithm: Algorithm,
    /// `kid`
    pub kid: Option<String>,
    /// `typ`
    pub typ: Option<String>,
}

/// Signed text that was read. What it says is worth nothing yet.
#[derive(Debug, Clone)]
pub struct Compact<'t> {
    header: Header,
    signed: &'t str,
    payload: &'t str,
    signature: Vec<u8>,
}

impl<'t> Compact<'t> {
    /// Reads it.
    pub fn parse(text: &'t str) -> Result<Self, Flaw> {
        if text.len() > TEXT_MAX {
            return Err(Flaw::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Flaw::NotCompact)?;
        let (header, payload) = signed.split_once('.').ok_or(Flaw::NotCompact)?;
        if payload.contains('.') {
            return Err(Flaw::NotCompact);
        }
        Ok(Self { header: Header::parse(header)?, signed, payload, signature: decode(signature)? })
    }

    /// What the header says: to choose among keys, not to believe.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The payload, if this key signed it. The key says by which algorithm; the header has to agree.
    pub fn verify(&self, key: &VerifyingKey) -> Result<Vec<u8>, Flaw> {
        let is_other = |named: &String| key.kid().is_some_and(|kid| kid != named);
        if self.header.kid.as_ref().is_some_and(is_other) {
            return Err(Flaw::OtherKey);
        }
        key.verify(self.header.algorithm, self.signed.as_bytes(), &self.signature)?;
        decode(self.payload)
    }
}

impl Header {
    fn parse(text: &str) -> Result<Self, Flaw> {
        if text.len() > HEADER_MAX {
            return Err(Flaw::TooLong);
        }
        let Ok(Value::Object(members)) = json::parse(&decode(text)?) else { return Err(Flaw::Json) };
        // No extension is known here, so whatever must be understood is not (§4.1.11); `b64` must be (RFC 7797 §6).
        if members.contains_key("crit") || members.contains_key("b64") {
            return Err(Flaw::Critical);
        }
        let algorithm = text_of(&members, "alg")?.ok_or(Flaw::Algorithm)?;
        let header = Self {
            algorithm: Algorithm::parse(algorithm).ok_or(Flaw::Algorithm)?,
            kid: text_of(&members, "kid")?.map(str::to_owned),
            typ: text_of(&members, "typ")?.map(str::to_owned),
        };
        match header.kid.as_ref().is_some_and(|kid| kid.len() > KID_MAX) {
            true => Err(Flaw::TooLong),
            false => Ok(header),
        }
    }

    /// Whether `typ` is this media type; `application/` may be left out, and letters of either case are one (§4.1.9).
    pub fn is_type(&self, wanted: &str) -> bool {
        let Some(typ) = self.typ.as_deref() else { return false };
        let bare = typ.get(..12).filter(|start| start.eq_ignore_ascii_case("application/")).map_or(typ, |_| &typ[12..]);
        bare.eq_ignore_ascii_case(wanted)
    }
}

/// A member that is a text, where it is there.
pub(super) fn text_of<'m>(members: &'m Map<String, Value>, name: &str) -> Result<Option<&'m str>, Flaw> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Flaw::Member),
    }
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;
    use proptest::prelude::*;

    fn key() -> VerifyingKey {
        VerifyingKey::secret(Algorithm::Hs256, &[7; 32], None).unwrap()
    }

    fn signed(header: &str, payload: &str) -> String {
        let text = format!("{}.{}", encode(header.as_bytes()), encode(payload.as_bytes()));
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &[7; 32]);
        format!("{text}.{}", encode(aws_lc_rs::hmac::sign(&key, text.as_bytes()).as_ref()))
    }

    fn refused(header: &str) -> Flaw {
        let text = signed(header, "{}");
        match Compact::parse(&text) {
            Ok(compact) => compact.verify(&key()).unwrap_err(),
            Err(flaw) => flaw,
        }
    }

    #[test]
    fn what_the_key_signed_is_read() {
        let text = signed(r#"{"alg":"HS256","typ":"application/AT+jwt","kid":"a","x":[1]}"#, "hello");
        let compact = Compact::parse(&text).unwrap();
        assert!(compact.header().is_type("at+jwt") && !compact.header().is_type("jwt"));
        assert_eq!(compact.verify(&key()).unwrap(), b"hello");
        let named = VerifyingKey::secret(Algorithm::Hs256, &[7; 32], Some("b".into())).unwrap();
        assert_eq!(compact.verify(&named), Err(Flaw::OtherKey));
        let other = VerifyingKey::secret(Algorithm::Hs256, &[8; 32], None).unwrap();
        assert_eq!(compact.verify(&other), Err(Flaw::Signature));
    }

    #[test]
    fn jwt_01_the_header_does_not_choose_the_algorithm() {
        for name in ["none", "None", "NONE", "nOnE", "RS257", ""] {
            assert_eq!(refused(&format!(r#"{{"alg":"{name}"}}"#)), Flaw::Algorithm, "{name}");
        }
        assert_eq!(refused(r#"{"alg":"HS512"}"#), Flaw::Algorithm, "known, but not the key's");
        assert_eq!(refused("{}"), Flaw::Algorithm);
        let unsigned = format!("{}.{}.", encode(br#"{"alg":"none"}"#), encode(b"{}"));
        assert_eq!(Compact::parse(&unsigned).unwrap_err(), Flaw::Algorithm);
    }

    #[test]
    fn jwt_06_nothing_critical_is_known_here() {
        for crit in [r#"["exp"]"#, "[]", r#"["b64"]"#, r#"["x"]"#, "null"] {
            assert_eq!(refused(&format!(r#"{{"alg":"HS256","crit":{crit},"exp":1,"b64":true}}"#)), Flaw::Critical);
        }
        assert_eq!(refused(r#"{"alg":"HS256","crit":["x"],"crit":["x"]}"#), Flaw::Json);
    }

    #[test]
    fn jwt_08_no_member_stands_there_twice() {
        for header in [r#"{"alg":"HS256","alg":"HS256"}"#, r#"{"alg":"HS256","x":{"a":1,"a":2}}"#] {
            assert_eq!(refused(header), Flaw::Json, "{header}");
        }
    }

    #[test]
    fn jwt_05_a_kid_is_a_short_text_and_nothing_else() {
        for kid in ["[1]", "7", "null", "{}", "true"] {
            assert_eq!(refused(&format!(r#"{{"alg":"HS256","kid":{kid}}}"#)), Flaw::Member, "{kid}");
        }
        assert_eq!(refused(&format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "x".repeat(KID_MAX + 1))), Flaw::TooLong);
    }

    #[test]
    fn jwt_16_what_is_too_long_or_in_too_many_parts_is_refused_before_any_work() {
        let good = signed(r#"{"alg":"HS256"}"#, "{}");
        assert_eq!(Compact::parse(&"a".repeat(TEXT_MAX + 1)).unwrap_err(), Flaw::TooLong);
        assert_eq!(Compact::parse(&".".repeat(TEXT_MAX)).unwrap_err(), Flaw::NotCompact);
        for bad in [&format!("{good}.x.y"), "", "a", "a.b", &good.replacen('.', "", 1)] {
            assert_eq!(Compact::parse(bad).unwrap_err(), Flaw::NotCompact, "{bad}");
        }
        let deep = encode(format!(r#"{{"alg":"HS256","x":{}}}"#, "[".repeat(1_000)).as_bytes());
        assert_eq!(Compact::parse(&format!("{deep}.e30.AA")).unwrap_err(), Flaw::Json);
    }

    #[test]
    fn jwt_19_only_the_compact_serialization_is_read() {
        let general = r#"{"payload":"e30","signatures":[{"protected":"e30","signature":"AA"}]}"#;
        assert_eq!(Compact::parse(general).unwrap_err(), Flaw::NotCompact);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9_.=-]{0,200}") {
            let _ = Compact::parse(&text);
        }

        #[test]
        fn a_changed_letter_is_noticed(at in 0_usize..70, letter in "[A-Za-z0-9_-]") {
            let good = signed(r#"{"alg":"HS256"}"#, r#"{"sub":"alice"}"#);
            let mut bad = good.clone();
            bad.replace_range(at..at + 1, &letter);
            if bad != good {
                prop_assert!(Compact::parse(&bad).and_then(|compact| compact.verify(&key())).is_err());
            }
        }
    }
}
