//! Cookies as credentials. They come unasked, so they stand back: one that is refused counts as none, and on what changes
//! something one acts only with the browser's word that no other site sent the request.
//!
//! A protected host has a cookie of its own, good there and nowhere else; that of the issuer is good at the issuer's host.

use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::check::request::Request;
use admit_core::credential::Presented;
use admit_core::login::browser;
use admit_core::login::cookie::{self, Cookie};
use admit_core::login::session::SignIn;
use admit_core::policy::rule::{Audience, Demand, Rule};
use admit_core::principal::{Principal, Standing};
use admit_core::secret::SecretKind;
use admit_core::time::{Span, Time};
use http::header::COOKIE;

use super::pipeline::target_of;
use super::policies::RealmPolicy;
use crate::app::App;
use crate::authn::resolve::{self, Ask, Resolved};
use crate::login::cookie::{is_issuer_host, is_secure_issuer, is_secure_site};

/// What the cookies of a request come to.
pub enum Ambient<'r> {
    /// There is none of ours.
    None,
    /// One that counts as none.
    Passed(Reason),
    /// One that cannot be passed over: it cannot be judged now, or must not act here.
    Refused {
        /// What was sent.
        presented: Presented<'r>,
        /// Why.
        reason: Reason,
        /// Whose it is, as far as that is known.
        principal: Option<Arc<Principal>>,
    },
    /// One that may be used.
    Accepted {
        /// What was sent.
        presented: Presented<'r>,
        /// Whose it is.
        resolved: Resolved,
        /// What he may do here.
        standing: Arc<Standing>,
    },
}

/// Judges the cookies of a request that has no explicit credential.
pub fn authenticate<'r>(
    app: &App,
    realm: &RealmPolicy,
    request: &'r Request<'r>,
    rule: Option<&Rule>,
    now: Time,
) -> Ambient<'r> {
    if !request.headers.contains_key(COOKIE) {
        return Ambient::None;
    }
    let places = [(Cookie::Site, is_secure_site(request)), (Cookie::Session, is_secure_issuer(app, &realm.realm))];
    let mut outcome = Ambient::None;
    for (cookie, is_secure) in places {
        let name = &realm.realm.name;
        let Some(presented) = cookie::present(request.headers, cookie, name, is_secure, SecretKind::Session) else {
            continue;
        };
        outcome = judge(app, realm, request, rule, cookie, presented, now);
        if !matches!(outcome, Ambient::Passed(_)) {
            break;
        }
    }
    match outcome {
        // Who is nobody may come here too: what cannot be said of him now does not keep him out.
        Ambient::Refused { reason, .. } if rule.is_some_and(|rule| rule.demand == Demand::Public) => {
            Ambient::Passed(reason)
        }
        outcome => outcome,
    }
}

fn judge<'r>(
    app: &App,
    realm: &RealmPolicy,
    request: &'r Request<'r>,
    rule: Option<&Rule>,
    cookie: Cookie,
    presented: Presented<'r>,
    now: Time,
) -> Ambient<'r> {
    let stale_for = rule.map_or(Span::ZERO, |rule| rule.stale_for);
    let ask = Ask { stale_for, ..Ask::at(request.client_ip, now) };
    let resolved = match resolve::resolve(app, realm, &presented, &ask) {
        Ok(resolved) => resolved,
        Err(reason @ (Reason::StoreUnavailable | Reason::QueueFull | Reason::UnknownBudget)) => {
            return Ambient::Refused { presented, reason, principal: None };
        }
        Err(reason) => return Ambient::Passed(reason),
    };
    let principal = &resolved.principal;
    let Some(sign_in) = &principal.sign_in else { return Ambient::Passed(Reason::UnknownSecret) };
    if let Err(reason) = principal.usable(request.client_ip, now) {
        return Ambient::Passed(reason);
    }
    if !is_good_at(app, realm, request, cookie, sign_in) {
        return Ambient::Passed(Reason::OtherHost);
    }
    let must_not_act = match request.is_plain_http() {
        true => Err(Reason::PlainHttp),
        false => browser::judge(request, realm.policy.cors(rule, &target_of(request))),
    };
    if let Err(reason) = must_not_act {
        return Ambient::Refused { presented, reason, principal: Some(resolved.principal) };
    }
    let standing = standing(app, realm, request, rule, principal, sign_in);
    Ambient::Accepted { presented, resolved, standing }
}

fn is_good_at(app: &App, realm: &RealmPolicy, request: &Request<'_>, cookie: Cookie, sign_in: &SignIn) -> bool {
    match (&sign_in.host, cookie) {
        (Some(host), Cookie::Site) => **host == *request.host.as_str(),
        (None, Cookie::Session) => is_issuer_host(app, &realm.realm, &request.host),
        _ => false,
    }
}

/// What the person may do on the API of the rule, else on the one that owns the place.
pub(super) fn standing(
    app: &App,
    realm: &RealmPolicy,
    request: &Request<'_>,
    rule: Option<&Rule>,
    principal: &Principal,
    sign_in: &SignIn,
) -> Arc<Standing> {
    let api = match rule.map(|rule| &rule.audience) {
        Some(Audience::Api(api)) => Some(api),
        _ => realm.policy.owner_api(request.host.as_str(), request.path.as_str()),
    };
    let Some(api) = api else { return principal.standing.clone() };
    let bare = || Standing { api: Some(api.clone()), scopes: Vec::new(), roles: principal.standing.roles.clone() };
    sign_in.standing_on(api).cloned().unwrap_or_else(|| app.shared.standing(Arc::new(bare())))
}
