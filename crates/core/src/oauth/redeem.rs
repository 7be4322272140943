//! Whether an authorization code is good for who presents it (RFC 6749 §4.1.3, RFC 7636 §4.6).
//!
//! A code is its client's, goes with the redirect URI it was sent to and with one verifier, and is good once. Who has all of
//! that and comes a second time shows that two have the code: what it led to ends. Who lacks any of it uses nothing up, so
//! that a code that leaked hurts nobody. Knows neither HTTP nor the store, and mints nothing.

use std::fmt;

use crate::client::Client;
use crate::id::GrantId;
use crate::time::Time;

use super::approved::Approved;
use super::pkce;

/// A code that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Code {
    /// What it stands for.
    pub approved: Approved,
    /// When it was made.
    pub created_at: Time,
    /// Until when it is good; of one that was used, until when it is remembered.
    pub expires_at: Time,
    /// What it led to, once it was used.
    pub led_to: Option<GrantId>,
    /// When it was used.
    pub used_at: Option<Time>,
}

/// What is presented along with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof<'r> {
    /// `redirect_uri`
    pub redirect_uri: Option<&'r str>,
    /// `code_verifier`
    pub verifier: Option<&'r str>,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It is good.
    Begin,
    /// It was used before: what it led to ends.
    Revoke(GrantId),
    /// Nothing is given, and nothing is used up.
    Refuse(Why),
}

/// Why nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing like it is kept.
    Unknown,
    /// Another client's.
    OfOtherClient,
    /// Past its end.
    Expired,
    /// Made before everything of its client was ended.
    BeforeCutoff,
    /// Another redirect URI than the one it was sent to, or none.
    RedirectUri,
    /// The verifier is missing.
    VerifierMissing,
    /// It is not the one.
    VerifierWrong,
    /// There is one where no challenge was: somebody took that away (RFC 9700 §4.8.2).
    VerifierUnasked,
    /// Used before.
    Replayed,
    /// The person, his sign-in or what was approved is not there any more.
    Ended,
}

impl Why {
    /// The word of the audit, of metrics and of tests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "code_unknown",
            Self::OfOtherClient => "code_of_other_client",
            Self::Expired => "code_expired",
            Self::BeforeCutoff => "issued_before_cutoff",
            Self::RedirectUri => "redirect_uri_changed",
            Self::VerifierMissing => "verifier_missing",
            Self::VerifierWrong => "verifier_wrong",
            Self::VerifierUnasked => "verifier_unasked",
            Self::Replayed => "code_replayed",
            Self::Ended => "approval_ended",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // Whose it is, is nobody else's business.
            Self::Unknown | Self::OfOtherClient => "The code is not known here, or not this client's.",
            Self::Expired | Self::BeforeCutoff => "The code has expired. Begin anew at the authorization endpoint.",
            Self::RedirectUri => "The redirect_uri is not the one that the code was asked for with.",
            Self::VerifierMissing => "The code_verifier is missing.",
            Self::VerifierWrong => "The code_verifier does not go with the code_challenge.",
            Self::VerifierUnasked => "There is a code_verifier, and the request had no code_challenge.",
            Self::Replayed => "The code was used before: what it led to has ended.",
            Self::Ended => "The sign-in behind it has ended. Begin anew at the authorization endpoint.",
        })
    }
}

/// What becomes of a code that this client presents.
pub fn judge(code: &Code, proof: Proof<'_>, client: &Client, now: Time) -> Ruling {
    let approved = &code.approved;
    if approved.client != client.id {
        return Ruling::Refuse(Why::OfOtherClient);
    }
    if approved.redirect_uri.as_deref() != proof.redirect_uri {
        return Ruling::Refuse(Why::RedirectUri);
    }
    if let Err(why) = verify(approved.challenge.as_deref(), proof.verifier) {
        return Ruling::Refuse(why);
    }
    match (code.used_at, code.led_to) {
        (Some(_), Some(led_to)) => Ruling::Revoke(led_to),
        (Some(_), None) => Ruling::Refuse(Why::Replayed),
        (None, _) if code.expires_at <= now => Ruling::Refuse(Why::Expired),
        (None, _) if client.valid_after.is_some_and(|cutoff| code.created_at < cutoff) => {
            Ruling::Refuse(Why::BeforeCutoff)
        }
        (None, _) => Ruling::Begin,
    }
}

/// A challenge once sent is always enforced, and none is never met.
fn verify(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), Why> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(Why::VerifierUnasked),
        (Some(_), None) => Err(Why::VerifierMissing),
        (Some(challenge), Some(verifier)) => {
            if pkce::verify(challenge, verifier) {
                Ok(())
            } else {
                Err(Why::VerifierWrong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{Client, ClientSpec};
    use crate::id::{ClientId, RealmId, UserId};
    use crate::login::session::{Factor, Factors};
    use crate::name::Label;
    use crate::oauth::approved::ShownAt;
    use crate::scope::Rights;
    use crate::time::Span;
    use serde_json::Value;

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const PROOF: Proof<'_> = Proof { redirect_uri: Some("https://app.test/cb"), verifier: Some(VERIFIER) };

    fn client(number: u8) -> Client {
        Client {
            id: ClientId::from_bytes([number; 16]),
            realm: RealmId::from_bytes([1; 16]),
            org: None,
            spec: ClientSpec::service(Label::parse("app").unwrap(), Rights::new()),
            disabled_at: None,
            valid_after: None,
            created_at: NOW,
            updated_at: NOW,
            version: 1,
        }
    }

    fn code() -> Code {
        let approved = Approved {
            client: client(1).id,
            user: UserId::from_bytes([2; 16]),
            session: GrantId::from_bytes([3; 16]),
            api: None,
            scopes: Vec::new(),
            redirect_uri: Some("https://app.test/cb".to_owned()),
            challenge: Some(CHALLENGE.to_owned()),
            nonce: None,
            sign_in: ShownAt { at: NOW, factors: Factors::of(&[Factor::Password]) },
            claims: Value::Null,
        };
        Code { approved, created_at: NOW, expires_at: NOW + Span::seconds(60), led_to: None, used_at: None }
    }

    fn used() -> Code {
        let led_to = Some(GrantId::from_bytes([4; 16]));
        Code { led_to, used_at: Some(NOW), expires_at: NOW + Span::minutes(10), ..code() }
    }

    fn refused(code: &Code, proof: Proof<'_>) -> Why {
        match judge(code, proof, &client(1), NOW) {
            Ruling::Refuse(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn az_16_a_code_is_its_client_s_its_redirect_s_and_good_for_a_minute() {
        let judged = |now| judge(&code(), PROOF, &client(1), now);
        assert_eq!(judged(NOW + Span::ms(59_999)), Ruling::Begin);
        assert_eq!(judged(NOW + Span::seconds(60)), Ruling::Refuse(Why::Expired));
        for redirect_uri in [None, Some("https://app.test/cb/"), Some("https://app.test/CB"), Some("")] {
            assert_eq!(refused(&code(), Proof { redirect_uri, ..PROOF }), Why::RedirectUri, "{redirect_uri:?}");
        }
        assert_eq!(judge(&code(), PROOF, &client(2), NOW), Ruling::Refuse(Why::OfOtherClient));
        let cut = Client { valid_after: Some(NOW + Span::ms(1)), ..client(1) };
        assert_eq!(judge(&code(), PROOF, &cut, NOW), Ruling::Refuse(Why::BeforeCutoff));
    }

    #[test]
    fn az_17_a_challenge_is_met_by_its_verifier_and_no_challenge_by_none() {
        let wrong = "a".repeat(43);
        let long = "a".repeat(129);
        for (verifier, why) in [
            (None, Why::VerifierMissing),
            (Some(wrong.as_str()), Why::VerifierWrong),
            (Some(CHALLENGE), Why::VerifierWrong),
            (Some(""), Why::VerifierWrong),
            (Some(long.as_str()), Why::VerifierWrong),
            (Some("dBjftJeZ4CVP+mB92K27uhbUJU1p1r/wW1gFWFOEjXk"), Why::VerifierWrong),
        ] {
            assert_eq!(refused(&code(), Proof { verifier, ..PROOF }), why, "{verifier:?}");
        }
        let mut plain = code();
        plain.approved.challenge = None;
        assert_eq!(refused(&plain, PROOF), Why::VerifierUnasked, "rfc_7636_3: a challenge that was taken away");
        assert_eq!(judge(&plain, Proof { verifier: None, ..PROOF }, &client(1), NOW), Ruling::Begin);
    }

    #[test]
    fn az_13_who_has_everything_and_comes_twice_ends_what_the_first_time_led_to() {
        assert_eq!(
            judge(&used(), PROOF, &client(1), NOW + Span::minutes(5)),
            Ruling::Revoke(GrantId::from_bytes([4; 16]))
        );
        let without = Proof { verifier: None, ..PROOF };
        assert_eq!(refused(&used(), without), Why::VerifierMissing, "az_12: a used code that leaked hurts nobody");
        assert_eq!(judge(&used(), PROOF, &client(2), NOW), Ruling::Refuse(Why::OfOtherClient));
        assert_eq!(refused(&Code { led_to: None, ..used() }, PROOF), Why::Replayed);
    }
}
