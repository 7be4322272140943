//! What is to be done about a request, with who is signed in and what he decided before (OpenID Connect Core §3.1.2.3 to
//! §3.1.2.6).

use super::flow::Flow;
use super::redirect::{RedirectKind, RedirectUri};
use super::request::{Request, Subject};
use crate::client::ClientSpec;
use crate::consent::Consent;
use crate::id::UserId;
use crate::login::session::{FRESH, Factors};
use crate::name::ScopeName;
use crate::oauth::identity::IdentityScope;
use crate::oauth::{Error, ErrorCode};
use crate::principal::Standing;
use crate::time::Time;

/// Who is signed in.
#[derive(Debug, Clone, Copy)]
pub struct Person<'p> {
    /// Who.
    pub user: UserId,
    /// When he signed in.
    pub signed_in_at: Time,
    /// By what.
    pub factors: Factors,
    /// What he may do on the API.
    pub standing: Option<&'p Standing>,
    /// What he decided about the application before.
    pub consent: Option<&'p Consent>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The application is told an error.
    Refuse(Error),
    /// Somebody has to sign in, or to sign in anew.
    SignIn,
    /// The person has to be asked about these: scopes, and those that stand for claims.
    Ask(Vec<ScopeName>),
    /// It has these.
    Issue(Vec<ScopeName>),
}

/// Judges a request. Where no page may be shown, what would need one is an error.
pub fn judge(
    request: &Request<'_>,
    redirect: &RedirectUri,
    client: &ClientSpec,
    flow: &Flow,
    person: Option<&Person<'_>>,
    now: Time,
) -> Verdict {
    let silent = request.prompt.none;
    let sign_in = || match silent {
        true => refuse(ErrorCode::LoginRequired, "Somebody has to sign in."),
        false => Verdict::SignIn,
    };
    let Some(person) = person else { return sign_in() };
    let by_age = request.max_age.map(|age| flow.started_at() - age);
    if [flow.login_after(), by_age].into_iter().flatten().any(|bound| person.signed_in_at < bound) {
        return sign_in();
    }
    let is_new = person.signed_in_at >= flow.started_at();
    match &request.subject {
        Some(Subject::Among(users)) if !users.contains(&person.user) => {
            return if is_new { refuse(ErrorCode::LoginRequired, "Another person signed in.") } else { sign_in() };
        }
        // Whoever is signed in may be another: somebody says who he is, and the application sees whether it is the one.
        Some(Subject::Unknown) if silent || !is_new => return sign_in(),
        _ => {}
    }
    let acr = person.factors.acr();
    if request.claims.essential_acr().is_some_and(|wanted| !acr.is_some_and(|acr| wanted.contains(&acr))) {
        return refuse(ErrorCode::UnmetAuthenticationRequirements, "The sign-in is not of an acr that is essential.");
    }
    let (mut scopes, is_old) = (request.wanted(person.standing), person.signed_in_at + FRESH <= now);
    if is_old && silent {
        scopes.retain(|scope| IdentityScope::of(scope) != Some(IdentityScope::OfflineAccess));
    }
    if scopes.is_empty() {
        return refuse(ErrorCode::AccessDenied, "The person may do nothing of what is asked for.");
    }
    let api = request.asked.api_uri();
    let is_known = person.consent.is_some_and(|consent| consent.covers(api, &scopes));
    let is_declined = |scope: &ScopeName| person.consent.is_some_and(|consent| consent.declines(api, scope));
    let left: Vec<_> = scopes.iter().filter(|scope| !is_declined(scope)).cloned().collect();
    // Any program of a machine can stand behind an address that is no host's: there the person is always asked (RFC 8252 §8.6).
    let may_skip = redirect.kind() == RedirectKind::Web && (client.first_party || is_known);
    // What he declined is not given, and not asked for again unless nothing else is.
    let skips = may_skip && !request.prompt.consent && !left.is_empty();
    let scopes = if skips { left } else { scopes };
    if is_old && IdentityScope::OfflineAccess.is_in(&scopes) {
        return Verdict::SignIn;
    }
    match (skips, silent) {
        (true, _) => Verdict::Issue(scopes),
        (false, true) => refuse(ErrorCode::ConsentRequired, "The person has to be asked."),
        (false, false) => Verdict::Ask(scopes),
    }
}

fn refuse(code: ErrorCode, told: &'static str) -> Verdict {
    Verdict::Refuse(Error::new(code, told))
}
