//! What a presented access token says, and what that is worth now (RFC 9068 §4, RFC 6750).
//!
//! A JWT says it in signed claims, an opaque token in its row: both come to one [`Said`], and both are worth what their
//! grant gives *now*, narrowed to the token's scopes. A token that asks for more than its grant gives any more is refused
//! whole, so that its client fetches a narrower one.
//!
//! Verifies no signature ([`crate::jose`]) and chooses no key. Knows neither the store nor what was taken back.

use std::sync::Arc;

use crate::check::code::Reason;
use crate::grant::{GrantKind, Lineage, Subject};
use crate::id::{ClientId, GrantId, SubjectId};
use crate::jose::Flaw;
use crate::jose::claims::{Claims, LEEWAY};
use crate::login::session::{LastUse, SignIn};
use crate::name::{ApiUri, ScopeName};
use crate::oauth::approved::ShownAt;
use crate::oauth::authorized::Authorized;
use crate::oauth::scope;
use crate::principal::{CredentialKind, Principal, Profile, Standing, Token};
use crate::secret;
use crate::signing_key::LONGEST;
use crate::time::Time;

/// The most kinds of `typ` that are looked at: RFC 9068 §2.1, and what an API may ask for instead.
const TYPES: [&str; 2] = ["at+jwt", "JWT"];

/// What is shown of a JWT.
pub const JWT_HINT: &str = "a JWT";

/// True for text that can only be a JWT: three parts, and nothing of ours has a dot.
pub fn is_jwt(text: &str) -> bool {
    text.bytes().filter(|octet| *octet == b'.').count() == 2
}

/// What may be shown of a presented credential.
pub fn hint(text: &str) -> String {
    if is_jwt(text) { JWT_HINT.to_owned() } else { secret::hint(text) }
}

/// Whether a `typ` may be that of an access token at all, looked at before anything is computed.
pub fn must_be_of_type(is_type: impl Fn(&str) -> bool) -> Result<(), Reason> {
    if TYPES.into_iter().any(is_type) { Ok(()) } else { Err(Reason::TokenType) }
}

/// What a token says, whichever form it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its name, grant, and dates.
    pub token: Token,
    /// What it lends.
    pub grant: GrantId,
    /// What of it, sorted.
    pub scopes: Vec<ScopeName>,
    /// Whom it names; of an opaque one only its grant does.
    pub parties: Option<Parties>,
}

/// Whom a JWT names. What signed it made it agree with the grant, and it must still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parties {
    /// `sub`
    pub subject: SubjectId,
    /// `client_id`
    pub client: ClientId,
    /// `aud`: one.
    pub audience: ApiUri,
}

/// Reads claims whose signature was verified. Everything that a token of ours has must be there; `exp` is read, and judged
/// when it is used.
pub fn read(claims: &Claims, issuer: &str, now: Time) -> Result<Said, Reason> {
    claims.must_be_issued_by(issuer).map_err(reason_of)?;
    let not_before = claims.time("nbf").map_err(reason_of)?;
    let said = said(claims)?;
    if said.token.issued_at.max(not_before.unwrap_or(said.token.issued_at)) > now + LEEWAY {
        return Err(Reason::NotYet);
    }
    Ok(said)
}

/// The same, whoever issued it and from whenever on it counts.
pub fn said(claims: &Claims) -> Result<Said, Reason> {
    let [audience] = claims.audiences().map_err(reason_of)?[..] else { return Err(Reason::OtherAudience) };
    let audience = ApiUri::parse(audience).map_err(|_| Reason::OtherAudience)?;
    // What it is bound to would have to be shown, and nothing is issued yet that is bound (RFC 7800 §3.1).
    if claims.members().contains_key("cnf") {
        return Err(Reason::TokenClaims);
    }
    let date = |name| claims.time(name).map_err(reason_of)?.ok_or(Reason::TokenClaims);
    let (issued_at, expires_at) = (date("iat")?, date("exp")?);
    if expires_at <= issued_at || expires_at > issued_at + LONGEST {
        return Err(Reason::TokenClaims);
    }
    let text = |name| claims.must_be_text(name).map_err(reason_of);
    let id = text("jti")?.parse().map_err(|_| Reason::TokenClaims)?;
    let grant = text("grant_id")?.parse().map_err(|_| Reason::TokenClaims)?;
    let parties = Parties {
        subject: text("sub")?.parse().map_err(|_| Reason::TokenClaims)?,
        client: text("client_id")?.parse().map_err(|_| Reason::TokenClaims)?,
        audience,
    };
    let scopes = claims.text("scope").map_err(reason_of)?.map(scope::parse).transpose();
    let scopes = scopes.map_err(|_| Reason::TokenClaims)?.unwrap_or_default();
    Ok(Said { token: Token { id, issued_at, expires_at }, grant, scopes, parties: Some(parties) })
}

/// What a flaw of a JWT is called in decisions.
pub const fn reason_of(flaw: Flaw) -> Reason {
    match flaw {
        Flaw::TooLong | Flaw::NotCompact | Flaw::Encoding | Flaw::Json | Flaw::Member | Flaw::Critical => {
            Reason::TokenForm
        }
        Flaw::Algorithm => Reason::TokenAlgorithm,
        Flaw::OtherKey
        | Flaw::UnknownKey
        | Flaw::KeyKind
        | Flaw::KeyUse
        | Flaw::KeyWeak
        | Flaw::KeyPrivate
        | Flaw::KeyTwice
        | Flaw::TooManyKeys => Reason::UnknownSigningKey,
        Flaw::Signature => Reason::TokenSignature,
        Flaw::Type => Reason::TokenType,
        Flaw::ClaimMissing(_) | Flaw::ClaimType(_) => Reason::TokenClaims,
        Flaw::Issuer => Reason::OtherIssuer,
        Flaw::Audience => Reason::OtherAudience,
        Flaw::Expired => Reason::Expired,
        Flaw::NotYet => Reason::NotYet,
    }
}

/// What every token of this grant with these scopes is worth: facts that do not depend on which token it is.
pub fn share(lineage: &Lineage, scopes: &[ScopeName]) -> Principal {
    let gives = lineage.standing();
    let is_less = scopes.iter().any(|scope| !gives.has_scope(scope));
    let is_for_none = lineage.api.is_none();
    let is_astray = is_for_none && lineage.grant.kind != GrantKind::Authorization;
    let halted =
        lineage.halted().or(is_astray.then_some(Reason::ParentEnded)).or(is_less.then_some(Reason::RightsShrunk));
    let roles = if is_for_none { gives.roles } else { lineage.roles_of(lineage.api.as_ref(), scopes) };
    let standing = Standing { roles, api: gives.api, scopes: scopes.to_vec() };
    Principal {
        subject: lineage.grant.subject,
        client: lineage.grant.client,
        grant: Some(lineage.grant.id),
        key: None,
        secret_number: 1,
        credential: CredentialKind::AccessToken,
        name: lineage.subject.as_ref().map_or("", Subject::name).into(),
        standing: Arc::new(standing),
        expires_at: lineage.expires_at(),
        rolled: false,
        halted,
        profile: profile(lineage),
        sign_in: lineage.authorized.as_ref().map(|authorized| Box::new(sign_in(authorized))),
        token: None,
    }
}

/// The sign-in behind what a person let an application do. A token lends what it says: nothing besides on any API.
fn sign_in(authorized: &Authorized) -> SignIn {
    let ShownAt { at, factors } = authorized.spec.sign_in;
    let last_use = LastUse::new(at);
    SignIn { root: None, host: None, at, factors, idle: None, last_use, read_at: at, standings: Arc::default() }
}

fn profile(lineage: &Lineage) -> Option<Arc<Profile>> {
    let (email, external_id, metadata, org) = match lineage.subject.as_ref()? {
        Subject::User(user) => (user.spec.email.as_ref(), &user.spec.external_id, &user.spec.metadata, user.org),
        Subject::Client(client) => (None, &client.spec.external_id, &client.spec.metadata, client.org),
    };
    let profile = Profile {
        email: email.map(ToString::to_string),
        external_id: external_id.as_ref().map(ToString::to_string),
        org: lineage.grant.org.or(org),
        metadata: metadata.clone(),
        ..Profile::default()
    };
    (profile != Profile::default()).then(|| Arc::new(profile))
}

/// What this one token is worth: its share, until its own end. `is_revoked`: it was taken back itself.
pub fn principal(share: &Principal, said: &Said, is_revoked: bool) -> Result<Principal, Reason> {
    if let Some(parties) = &said.parties {
        agree(share, parties)?;
    }
    let ends = said.token.expires_at;
    Ok(Principal {
        expires_at: Some(share.expires_at.map_or(ends, |end| end.min(ends))),
        halted: share.halted.or(is_revoked.then_some(Reason::Revoked)),
        token: Some(Box::new(said.token)),
        ..share.clone()
    })
}

/// A JWT names whom its grant names. A grant whose API is gone says so itself.
fn agree(share: &Principal, parties: &Parties) -> Result<(), Reason> {
    let client = share.client.or(match share.subject {
        SubjectId::Client(client) => Some(client),
        SubjectId::User(_) => None,
    });
    if parties.subject != share.subject || Some(parties.client) != client {
        return Err(Reason::TokenClaims);
    }
    match &share.standing.api {
        Some(api) if *api != parties.audience => Err(Reason::OtherAudience),
        None if share.halted.is_none() => Err(Reason::OtherAudience),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
