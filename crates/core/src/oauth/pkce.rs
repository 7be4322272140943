//! Proof Key for Code Exchange (RFC 7636): who fetches a code's tokens is who asked for the code.
//!
//! `S256` only: a challenge by `plain` is the secret itself. A challenge is looked at when it is sent, so that one that no
//! verifier could meet is refused there and not after somebody has signed in.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use data_encoding::BASE64URL_NOPAD;

use crate::secret;

/// The one `code_challenge_method`.
pub const METHOD: &str = "S256";
/// How long a verifier is, in letters (§4.1).
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// A `code_challenge` that a verifier can meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge(String);

/// Why there is none. To complete "code_challenge …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadChallenge {
    /// By another method, or by none, which means `plain` (§4.3).
    Method,
    /// Not the SHA-256 of anything.
    Form,
    /// A method, and nothing that was made by it.
    Missing,
}

impl fmt::Display for BadChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "code_challenge_method must be S256",
            Self::Form => "code_challenge must be the SHA-256 of the verifier in 43 letters of base64url",
            Self::Missing => "code_challenge is missing beside code_challenge_method",
        })
    }
}

impl Challenge {
    /// Reads both parameters; none where neither is there.
    pub fn read(challenge: Option<&str>, method: Option<&str>) -> Result<Option<Self>, BadChallenge> {
        let Some(challenge) = challenge else {
            return if method.is_none() { Ok(None) } else { Err(BadChallenge::Missing) };
        };
        if method != Some(METHOD) {
            return Err(BadChallenge::Method);
        }
        let octets = BASE64URL_NOPAD.decode(challenge.as_bytes()).map_err(|_| BadChallenge::Form)?;
        if octets.len() != 32 {
            return Err(BadChallenge::Form);
        }
        Ok(Some(Self(challenge.to_owned())))
    }

    /// As it was sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a challenge was made of this verifier (§4.6), in time that does not depend on where they differ.
pub fn verify(challenge: &str, verifier: &str) -> bool {
    let is_letter = |letter: u8| letter.is_ascii_alphanumeric() || b"-._~".contains(&letter);
    if !VERIFIER.contains(&verifier.len()) || !verifier.bytes().all(is_letter) {
        return false;
    }
    let made = BASE64URL_NOPAD.encode(&secret::digest(verifier));
    verify_slices_are_equal(made.as_bytes(), challenge.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 7636, appendix B.
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const OF_APPENDIX_B: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    #[test]
    fn rfc_7636_5_the_vector_of_appendix_b() {
        assert!(verify(CHALLENGE, OF_APPENDIX_B));
        let read = Challenge::read(Some(CHALLENGE), Some("S256")).unwrap().unwrap();
        assert_eq!(read.as_str(), CHALLENGE);
    }

    #[test]
    fn az_17_c_a_challenge_by_another_method_is_refused() {
        for method in [None, Some("plain"), Some("s256"), Some("S512"), Some("")] {
            assert_eq!(Challenge::read(Some(CHALLENGE), method), Err(BadChallenge::Method), "{method:?}");
        }
        assert_eq!(Challenge::read(None, Some("S256")), Err(BadChallenge::Missing));
        assert_eq!(Challenge::read(None, None), Ok(None));
    }

    #[test]
    fn az_17_d_a_challenge_is_a_digest_in_43_letters() {
        let long = "a".repeat(129);
        let padded = format!("{CHALLENGE}=");
        let trailing = format!("{}N", &CHALLENGE[..42]);
        let classic = CHALLENGE.replace('-', "+");
        for bad in ["", "a", &CHALLENGE[..42], &long, &padded, &trailing, &classic, "ä"] {
            assert_eq!(Challenge::read(Some(bad), Some("S256")), Err(BadChallenge::Form), "{bad}");
        }
    }

    #[test]
    fn az_17_e_and_f_another_verifier_is_none() {
        for bad in ["", CHALLENGE, &OF_APPENDIX_B[..42], "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"] {
            assert!(!verify(CHALLENGE, bad), "{bad}");
        }
    }

    #[test]
    fn rfc_7636_4_a_verifier_has_43_to_128_unreserved_letters() {
        let of = |verifier: &str| verify(&BASE64URL_NOPAD.encode(&secret::digest(verifier)), verifier);
        assert!(of(&"~".repeat(43)) && of(&"a".repeat(128)));
        assert!(!of(&"a".repeat(42)) && !of(&"a".repeat(129)));
        assert!(!of(&format!("{}+", "a".repeat(43))) && !of(&format!("{} ", "a".repeat(43))));
    }

    proptest! {
        #[test]
        fn any_text_is_a_challenge_or_refused(challenge in ".{0,60}", method in ".{0,8}", verifier in ".{0,140}") {
            let _ = Challenge::read(Some(&challenge), Some(&method));
            prop_assert!(!verify(&challenge, &verifier) || challenge.len() == 43);
        }
    }
}
