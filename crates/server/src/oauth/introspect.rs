//! `POST /oauth/introspect` (RFC 7662): what a token is, to who may know; as JSON, or signed (RFC 9701).
//!
//! Who asks shows who he is, once: a client as at the token endpoint, or the holder of a key or token that may judge (`check`). What
//! he may see is settled in core; whatever he may not see, and whatever does not count, has one answer.

use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::check::request::Request;
use admit_core::client::AuthMethod;
use admit_core::credential::{self, Accept};
use admit_core::grant::Subject;
use admit_core::id::SubjectId;
use admit_core::jose::algorithm::Algorithm;
use admit_core::limit::{Limit, Verdict};
use admit_core::name::ScopeName;
use admit_core::oauth::client_auth;
use admit_core::oauth::introspection::{Active, Answer, Asker, JWT_MEDIA_TYPE, JWT_TYP, Signed, Token};
use admit_core::oauth::refresh::{Ruling, Shown, judge};
use admit_core::oauth::{Error, ErrorCode};
use admit_core::principal::{CredentialKind, Principal};
use admit_core::scope::CHECK;
use admit_core::text;
use axum::extract::State;
use axum::response::Response;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::answer::Unheard;
use super::call::Call;
use super::client::{self, Caller};
use super::grants::refresh;
use super::{answer, mint};
use crate::app::App;
use crate::authn::resolve::{self, Ask};
use crate::authn::token::{self, Inspected};
use crate::check::pipeline::of_key;

/// By what the signed answer is signed: what a reader takes for granted who registered nothing else (RFC 9701 §6).
const SIGNED_BY: Algorithm = Algorithm::Rs256;

/// By what a client proves in a form who it is.
const PROOFS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// One sentence for all that does not count.
const UNHEARD: &str = "What was shown does not count here.";

/// Says what a token is.
pub async fn post(State(app): State<App>, call: Call) -> Response {
    let who = match asker(&app, &call).await {
        Ok(who) => who,
        Err(refused) => return refused.told(&call),
    };
    match tell(&app, &call, &who).await {
        Ok(response) => response,
        Err(error) => answer::refused(&call.realm.realm, &error),
    }
}

/// Who asks.
enum Who {
    Client(Caller),
    Holder(Arc<Principal>),
}

impl Who {
    fn asker(&self) -> Asker<'_> {
        match self {
            Self::Client(caller) => {
                let known = &caller.client;
                Asker::Client(known.client.id, &known.client.spec.rights, &known.roles)
            }
            Self::Holder(holder) => Asker::Holder(&holder.standing),
        }
    }

    /// For whom a signed answer is.
    fn name(&self) -> String {
        match self {
            Self::Client(caller) => caller.client.client.id.to_string(),
            Self::Holder(holder) => holder.subject.to_string(),
        }
    }
}

/// Why nobody may ask.
enum Refused {
    /// As clients are refused.
    Client(Error),
    /// As who shows a credential is refused (RFC 6750 §3.1).
    Holder(Reason),
    /// What he shows may ask only so often.
    TooFast(Verdict),
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self::Holder(reason)
    }
}

impl Refused {
    fn told(self, call: &Call) -> Response {
        let realm = &call.realm.realm;
        let (status, error, told) = match self {
            Self::Client(error) => return answer::refused(realm, &error),
            Self::TooFast(verdict) => {
                let retry_after_s = u32::try_from(verdict.retry_after_s.max(1)).ok();
                let told = "What was shown may ask no more often. Wait before the next time.";
                let error = Error { retry_after_s, ..Error::new(ErrorCode::SlowDown, told) };
                return answer::refused(realm, &error);
            }
            Self::Holder(Reason::SubjectKind) => (StatusCode::UNAUTHORIZED, "invalid_token", UNHEARD),
            Self::Holder(reason) => match reason.code().status() {
                429 | 503 => return answer::refused(realm, &answer::cannot(reason)),
                403 if reason == Reason::ScopeMissing => {
                    (StatusCode::FORBIDDEN, "insufficient_scope", "What was shown may not judge tokens.")
                }
                403 => (StatusCode::FORBIDDEN, "access_denied", reason.code().sentence()),
                400 => (StatusCode::BAD_REQUEST, "invalid_request", "Show one credential, in one place."),
                _ => (StatusCode::UNAUTHORIZED, "invalid_token", UNHEARD),
            },
        };
        let scope = (error == "insufficient_scope").then_some(CHECK);
        Unheard { status, error: Some(error), told, scope }.told(realm)
    }
}

async fn asker(app: &App, call: &Call) -> Result<Who, Refused> {
    if shows_two(call) {
        return Err(Reason::TwoCredentials.into());
    }
    if shows_a_credential(&call.headers) {
        return holder(app, call).map(Who::Holder);
    }
    let caller = client::authenticate(app, &call.realm, &call.headers, &call.form, call.ip, call.now).await;
    let caller = caller.map_err(Refused::Client)?;
    // Whoever knows its id can say that he is a public client.
    if caller.method == AuthMethod::None {
        return Err(Refused::Client(Error::client(false)));
    }
    Ok(Who::Client(caller))
}

/// True where a key or token stands in a header; a client's id and secret do as Basic.
fn shows_a_credential(headers: &HeaderMap) -> bool {
    let scheme = |value: &HeaderValue| value.to_str().ok().and_then(|value| value.split(' ').next()).map(str::to_owned);
    let is_other = |scheme: String| !scheme.eq_ignore_ascii_case("basic");
    headers.contains_key("x-api-key") || headers.get(AUTHORIZATION).and_then(scheme).is_some_and(is_other)
}

/// True where something in the body shows who asks, too (RFC 6749 §2.3, RFC 6750 §2): a client's proof beside a key or token, or
/// a token beside whatever else. Two proofs of clients are told from one another where they are read.
fn shows_two(call: &Call) -> bool {
    let is_there = |name: &&str| call.form.value(name).is_some();
    let (has_proof, has_token) = (PROOFS.iter().any(is_there), is_there(&"access_token"));
    let has_header = shows_a_credential(&call.headers) || client_auth::is_in_header(&call.headers);
    (shows_a_credential(&call.headers) && has_proof) || (has_token && (has_proof || has_header))
}

/// The holder of a credential of this realm that may judge others: never a person's token, which is for something else.
fn holder(app: &App, call: &Call) -> Result<Arc<Principal>, Refused> {
    let config = app.config.load();
    let Call { headers, uri, method, peer, .. } = call;
    let request = Request::own(method.clone(), uri, headers, peer.0.ip(), &config.trusted_proxies)?;
    let presented = credential::present(headers, None, &Accept::default())?.ok_or(Reason::NoCredential)?;
    let holder = resolve::resolve(app, &call.realm, &presented, &Ask::at(call.ip, call.now))?.principal;
    holder.usable(call.ip, call.now)?;
    if request.is_plain_http() {
        return Err(Reason::PlainHttp.into());
    }
    if let Some(rate) = holder.profile.as_ref().and_then(|profile| profile.rate) {
        let taken =
            app.limiter.take(call.realm.realm.id, &of_key(&holder), &Limit::from(rate), app.clock.monotonic_us());
        if !taken.admitted {
            return Err(Refused::TooFast(taken));
        }
    }
    if holder.credential == CredentialKind::AccessToken && matches!(holder.subject, SubjectId::User(_)) {
        return Err(Reason::SubjectKind.into());
    }
    let is_check = |scope: &ScopeName| scope.as_str() == CHECK;
    if holder.standing.scopes.iter().any(is_check) { Ok(holder) } else { Err(Reason::ScopeMissing.into()) }
}

async fn tell(app: &App, call: &Call, who: &Who) -> Result<Response, Error> {
    let text = call.form.value("token").ok_or_else(|| Error::request("token is missing."))?;
    let issuer = app.issuer(&call.realm.realm);
    if refresh::looks_like(text) {
        let shown = renewing(app, call, who, text)?;
        let told = shown.as_ref().map_or(Answer::Inactive, |shown| active_renewal(shown, &issuer));
        return write(app, call, who, &issuer, &told).await;
    }
    let found = match token::inspect(app, &call.realm, text, call.now) {
        // Doors bear with clocks that differ; who asks here is told what this one says.
        Ok(found) => Some(found).filter(|found| found.live.is_ok() && found.expires_at > call.now),
        Err(reason) if matches!(reason.code().status(), 429 | 503) => return Err(answer::cannot(reason)),
        Err(_) => None,
    };
    let found = found.filter(|found| who.asker().may_see(&token_of(found), &call.realm.realm.name));
    let told = found.as_ref().map_or(Answer::Inactive, |found| active(found, &issuer));
    write(app, call, who, &issuer, &told).await
}

async fn write(app: &App, call: &Call, who: &Who, issuer: &str, told: &Answer<'_>) -> Result<Response, Error> {
    app.metrics.tokens.introspected(matches!(told, Answer::Active(_)));
    if !wants_jwt(&call.headers) {
        return Ok(answer::json(told));
    }
    let name = who.name();
    let signed = Signed { iss: issuer, aud: &name, iat: call.now, token_introspection: told };
    let signed = mint::jwt(app, &call.realm, SIGNED_BY, JWT_TYP, &signed, call.now).await?;
    Ok(answer::text(JWT_MEDIA_TYPE, signed.expose().to_owned()))
}

/// Whose an inspected token is and for which API.
pub fn token_of(found: &Inspected) -> Token<'_> {
    let Principal { subject, client, standing, .. } = &*found.principal;
    Token { subject: *subject, client: *client, api: standing.api.as_ref() }
}

fn active<'t>(found: &'t Inspected, issuer: &'t str) -> Answer<'t> {
    let principal = &found.principal;
    let own = match principal.subject {
        SubjectId::Client(client) => Some(client),
        SubjectId::User(_) => None,
    };
    Answer::Active(Box::new(Active {
        scope: &principal.standing.scopes,
        client_id: principal.client.or(own),
        username: own.is_none().then_some(&*principal.name),
        token_type: "Bearer",
        exp: found.expires_at,
        iat: found.issued_at,
        nbf: found.issued_at,
        sub: principal.subject,
        aud: principal.standing.api.as_ref(),
        iss: issuer,
        jti: Some(found.id),
        roles: &principal.standing.roles,
    }))
}

/// A refresh token that would be taken: its client's to know, and nobody else's.
fn renewing(app: &App, call: &Call, who: &Who, text: &str) -> Result<Option<Shown>, Error> {
    let Who::Client(caller) = who else { return Ok(None) };
    let shown = refresh::look_up(app, call, caller, text)?;
    let is_live =
        |shown: &Shown| matches!(judge(shown, &caller.client.client, call.now), Ruling::Rotate | Ruling::Keep { .. });
    Ok(shown.filter(is_live))
}

fn active_renewal<'t>(shown: &'t Shown, issuer: &'t str) -> Answer<'t> {
    let Shown { token, lineage, .. } = shown;
    Answer::Active(Box::new(Active {
        scope: &lineage.grant.scopes,
        client_id: lineage.grant.client,
        username: lineage.subject.as_ref().map(Subject::name),
        token_type: "refresh_token",
        exp: token.expires_at,
        iat: token.created_at,
        nbf: token.created_at,
        sub: lineage.grant.subject,
        aud: None,
        iss: issuer,
        jti: None,
        roles: &[],
    }))
}

/// True where the answer is wanted as a JWT (RFC 9701 §4), and not refused in the same breath.
fn wants_jwt(headers: &HeaderMap) -> bool {
    let ranges =
        headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).flat_map(|text| text.split(','));
    ranges.into_iter().any(|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case(JWT_MEDIA_TYPE) && text::weight(range).is_some_and(|weight| weight > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9701_4_a_signed_answer_is_given_to_who_asks_for_one() {
        let wants =
            |accept: &'static str| wants_jwt(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]));
        for yes in [
            JWT_MEDIA_TYPE,
            "application/json, application/token-introspection+jwt;q=0.5",
            "Application/Token-Introspection+JWT",
            "application/token-introspection+jwt ; Q=0.001",
            "application/token-introspection+jwt;q=1.000",
            "application/token-introspection+jwt;charset=utf-8",
        ] {
            assert!(wants(yes), "{yes}");
        }
        for no in [
            "",
            "*/*",
            "application/jwt",
            "application/json",
            "application/token-introspection+jwt; q=0",
            "application/token-introspection+jwt ;Q=0",
            "application/token-introspection+jwt\t;\tq=0.000",
            "application/token-introspection+jwt;charset=utf-8;Q=0.0",
            "application/token-introspection+jwt;q=nonsense",
        ] {
            assert!(!wants(no), "{no}");
        }
        assert!(!wants_jwt(&HeaderMap::new()));
    }
}
