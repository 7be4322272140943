//! `/consent`: asks a person what an application may, says who that is, and remembers the answer.
//!
//! What is asked, and whether at all, says `oauth::authorize`; here it is made readable. Nothing is decided by opening the page.

use admit_core::api::Api;
use admit_core::audit::Event;
use admit_core::name::ScopeName;
use admit_core::oauth::authorization::RedirectKind;
use admit_core::oauth::identity::IdentityScope;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::form::{Query, Sent};
use super::text::Words;
use super::visit::{Visit, go, with_cookies};
use super::{Frame, page_on_to};
use crate::http::problem::Problem;
use crate::oauth::authorize::{self, Answer, Granted, Next, Stage};

/// What stands before a scope in the name of its box.
const BOX: &str = "scope:";

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    flow: &'p str,
    app: String,
    /// What stands behind the way back: a host, a machine, a scheme.
    origin: &'p str,
    is_web: bool,
    person: String,
    /// Where somebody else signs in.
    another: String,
    /// Whether it learns who the person is.
    is_named: bool,
    groups: Vec<Group<'p>>,
    /// An API of which nothing is asked for but to know who comes.
    bare_api: String,
    links: Vec<(&'static str, &'p str)>,
}

/// What can be ticked, of identity or of an API.
struct Group<'p> {
    api: String,
    scopes: Vec<Choice<'p>>,
}

struct Choice<'p> {
    name: &'p ScopeName,
    text: String,
    /// What was declined before is not ticked for him.
    is_ticked: bool,
}

/// `GET /consent`
pub async fn get(mut visit: Visit, query: Query) -> Result<Response, Problem> {
    let sealed = query.text("flow");
    let stage = authorize::arrive(&mut visit, sealed)?;
    match stage.next(&visit)? {
        Next::Refuse(error) => stage.refuse_unasked(&visit, &error),
        Next::SignIn => Ok(go(&visit.path(&format!("/login?flow={sealed}")))),
        Next::Issue(granted) => stage.issue(&visit, granted, None).await,
        Next::Ask(granted) => Ok(show(&visit, &stage, &granted, sealed)),
    }
}

/// `POST /consent`
pub async fn post(mut visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let sealed = form.text("flow");
    let stage = authorize::arrive(&mut visit, sealed)?;
    let granted = match stage.next(&visit)? {
        Next::Refuse(error) => return Ok(stage.refuse(&visit, &error)),
        Next::SignIn => return Ok(go(&visit.path(&format!("/login?flow={sealed}")))),
        Next::Issue(granted) | Next::Ask(granted) => granted,
    };
    if form.text("decision") != "allow" {
        return stage.deny(&visit, "The person said no.").await;
    }
    let ticked: Vec<_> = form.ticked(BOX).collect();
    let is_given = |scope: &ScopeName| is_open_id(scope) || ticked.contains(&scope.as_str());
    let (scopes, declined): (Vec<_>, Vec<_>) = granted.scopes.iter().cloned().partition(is_given);
    if scopes.is_empty() {
        return stage.deny(&visit, "The person ticked nothing.").await;
    }
    let event = Event::new(visit.app.id(visit.now), visit.row().id, "consent.given", visit.now);
    let event = event.by(granted.person.user).on(stage.client.client.id).asked_by(visit.request_id);
    stage.issue(&visit, Granted { scopes, ..granted }, Some(Answer { declined, event })).await
}

fn show(visit: &Visit, stage: &Stage, granted: &Granted<'_>, sealed: &str) -> Response {
    let (ticket, client, words) = (visit.ticket(), &stage.client.client.spec, visit.words);
    let other = stage.flow.clone().by_another(visit.now);
    let other = authorize::seal(&visit.app, visit.row().id, &other).unwrap_or_default();
    let api = granted.request.asked.api;
    let groups = groups(words, api, granted);
    let has_boxes = groups.iter().any(|group| !group.api.is_empty());
    let links = [(words.say("consent.policy"), &client.policy_uri), (words.say("consent.tos"), &client.tos_uri)];
    let shown = ConsentPage {
        frame: visit.frame(),
        base: &visit.base,
        token: ticket.token,
        flow: sealed,
        app: stage.app_name(),
        origin: stage.way.redirect.place(),
        is_web: stage.way.redirect.kind() == RedirectKind::Web,
        person: granted.person.principal.name.to_string(),
        another: visit.path(&format!("/login?flow={other}")),
        is_named: granted.scopes.iter().any(is_open_id),
        groups,
        bare_api: api.filter(|_| !has_boxes).map(|api| api.spec.uri.to_string()).unwrap_or_default(),
        links: links.into_iter().filter_map(|(text, uri)| Some((text, uri.as_deref()?))).collect(),
    };
    let source = stage.way.redirect.source();
    with_cookies(page_on_to(StatusCode::OK, &shown, Some(&source)), ticket.cookie)
}

/// What can be ticked: everything but `openid`.
fn groups<'p>(words: &Words, api: Option<&Api>, granted: &'p Granted<'_>) -> Vec<Group<'p>> {
    let (mut about, mut there) = (Vec::new(), Vec::new());
    for name in &granted.scopes {
        let choice = |text: String| Choice { name, text, is_ticked: !granted.declined.contains(name) };
        let of_identity = |text: &str| choice(text.to_owned());
        match IdentityScope::of(name) {
            Some(IdentityScope::OpenId) => {}
            Some(IdentityScope::Profile) => about.push(of_identity(words.say("consent.profile"))),
            Some(IdentityScope::Email) => about.push(of_identity(words.say("consent.email"))),
            Some(IdentityScope::OfflineAccess) => about.push(of_identity(words.say("consent.offline"))),
            None => there.push(choice(described(api, name))),
        }
    }
    let api = api.map(|api| api.spec.uri.to_string()).unwrap_or_default();
    let groups = [Group { api: String::new(), scopes: about }, Group { api, scopes: there }];
    groups.into_iter().filter(|group| !group.scopes.is_empty()).collect()
}

/// What an operator says of a scope; its name where he says nothing.
fn described(api: Option<&Api>, name: &ScopeName) -> String {
    let text = api.and_then(|api| api.spec.scopes.get(name)).filter(|text| !text.is_empty());
    text.cloned().unwrap_or_else(|| name.to_string())
}

fn is_open_id(scope: &ScopeName) -> bool {
    IdentityScope::of(scope) == Some(IdentityScope::OpenId)
}
