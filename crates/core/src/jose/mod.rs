//! JSON Object Signing: what signed text must look like, and who may have signed it (RFC 7515, 7517, 7518, 7519, 7638, 8037).
//!
//! Only what Admit needs, each thing in one form: the compact serialization, asymmetric keys and long secrets, algorithms
//! that are bound to their key. [`jwk`] reads keys, [`jws`] reads signed text and verifies it, [`claims`] reads what a JWT
//! says, [`sign`] writes. A header is never asked which key or which algorithm is good; it only has to agree.
//!
//! Knows no encryption (JWE), no JSON serialization, no `none`, and fetches nothing that a header points at.

pub mod algorithm;
pub mod claims;
pub mod jwk;
pub mod jws;
pub mod sign;

use std::fmt;

/// Why signed text, a key or a claim is refused. For logs, traces and tests: strangers are told `invalid_token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Longer than [`jws::TEXT_MAX`].
    TooLong,
    /// Not three parts between two dots.
    NotCompact,
    /// A part is not base64url without padding, spelled in the one way it has (RFC 7515 §2).
    Encoding,
    /// A part is not JSON without duplicate members, or not an object.
    Json,
    /// A member of the header or of a key is not of its type.
    Member,
    /// `crit`: nothing that may stand there is known here.
    Critical,
    /// No algorithm that is known here, or not one of the key's.
    Algorithm,
    /// The header names another key.
    OtherKey,
    /// No key, or no longer, of that name.
    UnknownKey,
    /// The signature is not the key's over this text.
    Signature,
    /// `typ` is another one: a token of another kind.
    Type,
    /// A claim is missing that must be there.
    ClaimMissing(&'static str),
    /// A claim is not of its type, or out of range.
    ClaimType(&'static str),
    /// `iss` is somebody else.
    Issuer,
    /// `aud` names somebody else.
    Audience,
    /// `exp` is over.
    Expired,
    /// `nbf` or `iat` is to come.
    NotYet,
    /// A key of a kind that is not known here.
    KeyKind,
    /// A key for something else than verifying signatures.
    KeyUse,
    /// A key that is too short, off its curve, or otherwise none.
    KeyWeak,
    /// A private or secret key where a public one must stand.
    KeyPrivate,
    /// Two keys of one name.
    KeyTwice,
    /// More keys than [`jwk::KEYS_MAX`].
    TooManyKeys,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::TooLong => "it is too long",
            Self::NotCompact => "it is not three parts between two dots",
            Self::Encoding => "a part is not base64url without padding",
            Self::Json => "a part is not a JSON object without duplicate members",
            Self::Member => "a member is not of its type",
            Self::Critical => "it has critical members, and none is known here",
            Self::Algorithm => "the algorithm is not one of the key's",
            Self::OtherKey => "it names another key",
            Self::UnknownKey => "its key is not known",
            Self::Signature => "the signature does not match",
            Self::Type => "it is a token of another kind",
            Self::ClaimMissing(name) => return write!(f, "{name} is missing"),
            Self::ClaimType(name) => return write!(f, "{name} is not of its type"),
            Self::Issuer => "iss is another issuer",
            Self::Audience => "aud is somebody else",
            Self::Expired => "exp is over",
            Self::NotYet => "nbf or iat is to come",
            Self::KeyKind => "the key is of a kind that is not known here",
            Self::KeyUse => "the key is for something else",
            Self::KeyWeak => "the key is too weak or malformed",
            Self::KeyPrivate => "a private key stands where a public one must",
            Self::KeyTwice => "two keys have one name",
            Self::TooManyKeys => "there are too many keys",
        };
        f.write_str(text)
    }
}

impl std::error::Error for Flaw {}

/// The one spelling of these bytes.
pub fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

/// The bytes of this text, if it is their one spelling: no padding, no white space, no bits left over.
pub fn decode(text: &str) -> Result<Vec<u8>, Flaw> {
    data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| Flaw::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn jwt_09_a_text_has_one_spelling() {
        assert_eq!(decode("Zm8").unwrap(), b"fo");
        for other in ["Zm8=", "Zm9", "Zm8\n", "Z m8", "Zm+8", "Zm/8", "Z", "Zm8Z="] {
            assert_eq!(decode(other), Err(Flaw::Encoding), "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(text in "[A-Za-z0-9_=+/ -]{0,20}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }
    }
}
