//! An operator in front of the console: who is signed in in the realm of operators, in a browser that no other site sent here.
//!
//! Who is not signed in does that first; whom a link on another site brought is asked to go on by one of ours. Every handler
//! of the console holds an [`Operator`], and what it asks of the server it asks in his name.

use admit_core::form::Form;
use admit_core::name::RealmName;
use admit_core::realm::OPERATORS;
use axum::extract::{Extension, FromRequestParts};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use super::PATH;
use crate::app::App;
use crate::http::problem::Problem;
use crate::http::{Peer, host};
use crate::login::session::SignedIn;
use crate::manage::guard;
use crate::manage::inside::{Answer, Ask, From, Inside, Insider};
use crate::pages::visit::{Visit, go};
use crate::pages::{Message, page};

/// One operator's request for a page of the console.
pub struct Operator {
    /// The visit, to the pages of the realm of operators.
    pub visit: Visit,
    /// Who.
    pub signed_in: SignedIn,
    /// The path that was asked for.
    pub path: String,
    inside: Inside,
    insider: Insider,
    from: From,
}

impl Operator {
    /// Asks the management API in his name.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, Problem> {
        self.inside.call(&self.insider, &self.from, ask).await
    }

    /// Whether he may do what needs this scope, in a realm or, with none, on the whole server. A realm that there is not is
    /// one where he may do nothing.
    pub fn may(&self, realm: Option<&str>, scope: &'static str) -> bool {
        let app = &self.visit.app;
        let found = realm.map(|name| app.policies.named(app, Some(name)));
        let target = match &found {
            None => None,
            Some(Ok(Some(realm))) => Some(&realm.realm),
            Some(_) => return false,
        };
        guard::judge(app, &self.signed_in.principal, self.visit.row(), target, scope).is_ok()
    }

    /// The realms that he has rights over by name, where he is none for the whole server.
    pub fn own_realms(&self) -> Vec<RealmName> {
        let sign_in = self.signed_in.principal.sign_in.iter();
        let apis = sign_in.flat_map(|sign_in| sign_in.standings.iter()).filter_map(|standing| standing.api.as_ref());
        let names = apis.filter_map(|api| api.as_str().strip_prefix("urn:admit:realm:"));
        names.filter_map(|name| RealmName::parse(name).ok()).collect()
    }

    /// Whether a form was sent by a page of the console, in this browser.
    pub fn judge(&self, form: &Form) -> Result<(), Problem> {
        self.visit.judge(form)
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let visit = Visit::at(app, Some(OPERATORS.to_owned()), parts).map_err(IntoResponse::into_response)?;
        if !parts.method.is_safe() {
            visit.judge_origin().map_err(IntoResponse::into_response)?;
        }
        let signed_in = visit.signed_in().map_err(IntoResponse::into_response)?;
        let Some(signed_in) = signed_in else { return Err(to_sign_in(&visit)) };
        if !visit.is_strict() {
            return Err(not_strict(&visit, parts));
        }
        let missing = || Problem::unavailable("a request for the console lacks a part").into_response();
        let Extension(inside) = Extension::<Inside>::from_request_parts(parts, app).await.map_err(|_| missing())?;
        let peer = parts.extensions.get::<Peer>().copied().ok_or_else(missing)?;
        let insider = Insider::of(app, &visit.realm, &signed_in).ok_or_else(missing)?;
        let authority = host::authority(&parts.uri, &parts.headers).unwrap_or_default();
        let from = From::of(peer, authority, &parts.headers);
        let path = parts.uri.path().to_owned();
        Ok(Self { visit, signed_in, path, inside, insider, from })
    }
}

/// A visit to a page of the console that needs no sign-in.
pub struct OfOperators(pub Visit);

impl FromRequestParts<App> for OfOperators {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Visit::at(app, Some(OPERATORS.to_owned()), parts).map(Self)
    }
}

fn to_sign_in(visit: &Visit) -> Response {
    go(&sign_in_path(visit))
}

fn sign_in_path(visit: &Visit) -> String {
    visit.path("/login?for=console")
}

/// A session without what stands beside it: from another site a step of one's own is asked for, from nowhere a sign-in.
fn not_strict(visit: &Visit, parts: &Parts) -> Response {
    if !parts.method.is_safe() {
        return visit.judge_strict().map_or_else(IntoResponse::into_response, |()| to_sign_in(visit));
    }
    if visit.is_same_origin() {
        return to_sign_in(visit);
    }
    let words = visit.words;
    let path = parts.uri.path_and_query().map_or(PATH, |asked| asked.as_str());
    let next = Some((words.say("console.crossing.next"), path.to_owned()));
    let (title, text) = (words.say("console.crossing.title"), words.say("console.crossing.text").to_owned());
    page(StatusCode::OK, &Message { frame: visit.frame(), title, text, next })
}
