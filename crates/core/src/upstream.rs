//! What an application behind a gateway is told of its caller, signed: `Admit-Token`.
//!
//! It has an issuer of its own and a `typ` of its own, and names an audience that is no API: nothing of it is good at any
//! door of Admit. Knows neither keys nor when one is minted.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::check::answer;
use crate::id::{GrantId, KeyId, OrgId};
use crate::login::session::Factor;
use crate::name::{RoleName, ScopeName};
use crate::principal::{Principal, Standing, SubjectKind};
use crate::time::{Span, Time};

/// The `typ` in its header: no kind of token that anything else takes.
pub const TYP: &str = "admit+jwt";
/// How long it is good.
pub const LIFE: Span = Span::seconds(60);
/// How long the same one is handed out: at least half of its life is left then.
pub const MINTED_FOR: Span = Span::seconds(30);

/// The issuer, from that of the realm.
pub fn issuer(of_realm: &str) -> String {
    format!("{of_realm}/upstream")
}

/// A token as it goes to the application. Printing it shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct UpstreamToken(Arc<str>);

impl UpstreamToken {
    /// From what was signed.
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one header that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UpstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UpstreamToken(…)")
    }
}

/// Who calls, as far as it does not depend on when: two requests of which this is the same may have the same token.
#[derive(Debug, Clone, Serialize)]
pub struct Caller<'p> {
    iss: &'p str,
    aud: &'p str,
    sub: String,
    kind: SubjectKind,
    name: &'p str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_id: Option<OrgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<KeyId>,
    credential: &'static str,
    scope: String,
    roles: &'p [RoleName],
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
}

/// The claims of one token.
#[derive(Debug, Clone, Serialize)]
pub struct Claims<'p> {
    #[serde(flatten)]
    caller: &'p Caller<'p>,
    iat: i64,
    exp: i64,
}

impl<'p> Caller<'p> {
    /// What is known of who calls, and what he may do here.
    pub fn of(principal: &'p Principal, standing: &'p Standing, issuer: &'p str, audience: &'p str) -> Self {
        let profile = principal.profile.as_deref();
        let sign_in = principal.sign_in.as_deref();
        let scopes: Vec<_> = standing.scopes.iter().map(ScopeName::as_str).collect();
        Self {
            iss: issuer,
            aud: audience,
            sub: principal.subject.to_string(),
            kind: principal.subject_kind(),
            name: &principal.name,
            email: profile.and_then(|profile| profile.email.as_deref()),
            client_id: answer::acting_client(principal).map(|client| client.to_string()),
            org_id: profile.and_then(|profile| profile.org),
            external_id: profile.and_then(|profile| profile.external_id.as_deref()),
            grant_id: principal.grant,
            key_id: principal.key,
            credential: principal.credential.as_str(),
            scope: scopes.join(" "),
            roles: &standing.roles,
            acr: sign_in.and_then(|sign_in| sign_in.factors.acr()),
            amr: sign_in.into_iter().flat_map(|sign_in| sign_in.factors.iter()).map(Factor::as_str).collect(),
            auth_time: sign_in.map(|sign_in| sign_in.at.unix_ms().div_euclid(1000)),
        }
    }

    /// What is signed at this moment.
    pub fn claims(&'p self, now: Time) -> Claims<'p> {
        let iat = now.unix_ms().div_euclid(1000);
        Claims { caller: self, iat, exp: iat + LIFE.as_ms() / 1000 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::id::{ClientId, SubjectId};
    use crate::principal::CredentialKind;

    #[test]
    fn an_application_is_told_who_calls_and_what_he_may_do_there() {
        let client = ClientId::from_bytes([3; 16]);
        let standing = Standing { api: None, scopes: vec!["orders:read".parse().unwrap()], roles: Vec::new() };
        let principal = Principal {
            subject: SubjectId::Client(client),
            client: None,
            grant: Some(GrantId::from_bytes([4; 16])),
            key: None,
            secret_number: 1,
            credential: CredentialKind::AccessToken,
            name: "shop".into(),
            standing: Arc::new(Standing::default()),
            expires_at: None,
            rolled: false,
            halted: None,
            profile: None,
            sign_in: None,
            token: None,
        };
        let issuer = issuer("https://auth.example.com");
        let caller = Caller::of(&principal, &standing, &issuer, "https://shop.internal");
        let claims = serde_json::to_value(caller.claims(Time::from_unix_ms(1_700_000_000_999))).unwrap();
        let expected = json!({
            "iss": "https://auth.example.com/upstream", "aud": "https://shop.internal", "sub": client, "kind": "client",
            "name": "shop", "client_id": client, "grant_id": GrantId::from_bytes([4; 16]), "credential": "access_token",
            "scope": "orders:read", "roles": [], "iat": 1_700_000_000, "exp": 1_700_000_060,
        });
        assert_eq!(claims, expected);
    }
}
