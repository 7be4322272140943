//! `/device`: where somebody types the code that a device shows him (RFC 8628 §3.3), sees whose device it is and what it may
//! do then, and says yes or no.
//!
//! An address with the code in it fills in nothing: who follows a link that somebody else made has to read the code off a
//! device of his own, which he has not (RFC 8628 §5.4). Yes is said for this once and never remembered. Guesses are counted
//! by person, network and realm; a code that is unknown, over or decided about is told alike.

use std::net::IpAddr;

use admit_core::audit::Event;
use admit_core::id::{ApiId, ClientId, UserId};
use admit_core::limit::{Limit, Rate};
use admit_core::name::ScopeName;
use admit_core::oauth::approved::{Approved, ShownAt};
use admit_core::oauth::device::{DeviceCode, UserCode};
use admit_core::oauth::identity::IdentityScope;
use admit_core::secret::SecretKind;
use admit_core::time::Span;
use askama::Template;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::form::{Query, Sent};
use super::visit::{Visit, go, with_cookies};
use super::{Frame, Message, page};
use crate::http::problem::Problem;
use crate::login::session::SignedIn;
use crate::manage::work;
use crate::master;

/// What one signs in for first; and once more, where a device is to go on when he has signed out.
const SIGN_IN: &str = "device";
const AGAIN: &str = "device-again";

#[derive(Template)]
#[template(path = "device.html")]
struct CodePage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    error: String,
}

#[derive(Template)]
#[template(path = "device_confirm.html")]
struct ConfirmPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    client: &'p str,
    /// A page of the application's own, where it said one.
    site: Option<String>,
    scopes: Vec<String>,
    ip: Option<IpAddr>,
    begun: String,
    /// The code that was typed; none where it has to be typed still.
    code: Option<String>,
    /// Which device is shown here: the answer is about this one.
    seen: String,
    error: String,
}

/// Whose guesses are counted together.
#[derive(Hash)]
enum Guessed {
    Person(UserId),
    Network(IpNet),
    Realm,
}

/// So many at once, and so many a minute beside them: some 600 of a realm in the life of a code.
const PER_PERSON: (u32, u16) = (10, 1);
const PER_NETWORK: (u32, u16) = (30, 3);
const PER_REALM: (u32, u16) = (100, 50);

/// A device that waits, and what the person who looks at it can give it.
struct Waiting {
    code: DeviceCode,
    client: admit_core::client::Client,
    api: Option<ApiId>,
    scopes: Vec<ScopeName>,
}

/// `GET /device`, and the same with the code in the address.
pub async fn get(visit: Visit, query: Query) -> Result<Response, Problem> {
    let written = query.text("user_code");
    let Some(signed_in) = visit.signed_in()? else { return Ok(sign_in(&visit, SIGN_IN, written)) };
    if written.is_empty() {
        return Ok(ask(&visit, &signed_in, "", StatusCode::OK));
    }
    match find(&visit, &signed_in, written)? {
        Found::Waiting(waiting) => Ok(confirm(&visit, &signed_in, &waiting, None, "")),
        Found::Nothing => Ok(unknown(&visit, &signed_in)),
        Found::TooMany(seconds) => Ok(too_many(&visit, &signed_in, seconds)),
    }
}

/// `POST /device`: the code, and then the answer.
pub async fn post(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(sign_in(&visit, SIGN_IN, form.text("code"))) };
    let words = visit.words;
    if form.text("answer") == "deny" && form.text("code").is_empty() {
        // Who followed a link and has no code to type has said no to it: the device waits in vain.
        return Ok(done(&visit, &signed_in, words.say("device.denied_title"), words.say("device.denied")));
    }
    let waiting = match find(&visit, &signed_in, form.text("code"))? {
        Found::Waiting(waiting) => waiting,
        Found::Nothing => return Ok(unknown(&visit, &signed_in)),
        Found::TooMany(seconds) => return Ok(too_many(&visit, &signed_in, seconds)),
    };
    let answer = form.text("answer");
    // What was shown is what is answered, whatever code was typed into it.
    if !matches!(answer, "allow" | "deny") || form.text("seen") != name(&waiting.code) {
        return Ok(confirm(&visit, &signed_in, &waiting, UserCode::parse(form.text("code")), ""));
    }
    if answer == "deny" {
        return deny(&visit, &signed_in, *waiting).await;
    }
    let is_offline = IdentityScope::OfflineAccess.is_in(&waiting.scopes);
    if is_offline && !signed_in.is_fresh {
        return Ok(sign_in(&visit, AGAIN, form.text("code")));
    }
    if waiting.scopes.is_empty() {
        let error = words.say("device.nothing");
        return Ok(confirm(&visit, &signed_in, &waiting, UserCode::parse(form.text("code")), error));
    }
    allow(&visit, &signed_in, *waiting).await
}

/// To the sign-in, and from there to the device of this code, where it is one.
fn sign_in(visit: &Visit, purpose: &str, code: &str) -> Response {
    let code = UserCode::parse(code).map(|code| format!("&user_code={code}")).unwrap_or_default();
    go(&visit.path(&format!("/login?for={purpose}{code}")))
}

enum Found {
    Waiting(Box<Waiting>),
    Nothing,
    TooMany(u32),
}

/// The device that shows this code. Each look counts as a guess, until it was right.
fn find(visit: &Visit, signed_in: &SignedIn, typed: &str) -> Result<Found, Problem> {
    let taken = match take(visit, signed_in) {
        Ok(taken) => taken,
        Err(seconds) => return Ok(Found::TooMany(seconds)),
    };
    let Some(code) = UserCode::parse(typed) else { return Ok(Found::Nothing) };
    let (app, realm, now) = (&visit.app, visit.row().id, visit.now);
    let keys = app.master.keys();
    let hashes = keys.hashes(realm, SecretKind::UserCode, code.letters());
    let found = app.store.point(|tx| {
        let Some(code) = tx.find_open_device_code(realm, &hashes, now)? else {
            master::must_judge(tx, &keys)?;
            return Ok(None);
        };
        let client = tx.find_client(realm, code.client)?;
        Ok(client.filter(|client| client.disabled_at.is_none()).map(|client| (code, client)))
    })?;
    let Some((code, client)) = found else { return Ok(Found::Nothing) };
    give_back(visit, &taken);
    let (api, scopes) = within_rights(visit, signed_in, &code);
    Ok(Found::Waiting(Box::new(Waiting { code, client, api, scopes })))
}

/// What of that which is asked for the person may do himself.
fn within_rights(visit: &Visit, signed_in: &SignedIn, code: &DeviceCode) -> (Option<ApiId>, Vec<ScopeName>) {
    let api = code.asked.api.and_then(|id| visit.realm.apis.iter().find(|api| api.id == id));
    let own = api.and_then(|api| signed_in.principal.sign_in.as_ref()?.standing_on(&api.spec.uri));
    let has = |scope: &&ScopeName| IdentityScope::of(scope).is_some() || own.is_some_and(|own| own.has_scope(scope));
    let scopes: Vec<_> = code.asked.scopes.iter().filter(has).cloned().collect();
    let is_of_api = scopes.iter().any(|scope| IdentityScope::of(scope).is_none());
    (api.filter(|_| is_of_api).map(|api| api.id), scopes)
}

fn guessed(visit: &Visit, signed_in: &SignedIn) -> Vec<(Guessed, Limit)> {
    let limit = |(burst, rate): (u32, u16)| {
        let rate = Rate::per_minute(rate);
        Limit::new(rate, Some(burst)).unwrap_or(Limit::from(rate))
    };
    let network = visit.source().map(|source| (Guessed::Network(source), limit(PER_NETWORK)));
    let own = (Guessed::Person(signed_in.user), limit(PER_PERSON));
    [own].into_iter().chain(network).chain([(Guessed::Realm, limit(PER_REALM))]).collect()
}

/// Counts a guess, or says after how many seconds it may be.
fn take(visit: &Visit, signed_in: &SignedIn) -> Result<Vec<(Guessed, Limit)>, u32> {
    let (all, now_us) = (guessed(visit, signed_in), visit.app.clock.monotonic_us());
    for (place, (guessed, limit)) in all.iter().enumerate() {
        let taken = visit.app.limiter.take(visit.row().id, guessed, limit, now_us);
        if !taken.admitted {
            give_back(visit, &all[..place]);
            return Err(u32::try_from(taken.retry_after_s.max(1)).unwrap_or(u32::MAX));
        }
    }
    Ok(all)
}

fn give_back(visit: &Visit, taken: &[(Guessed, Limit)]) {
    let now_us = visit.app.clock.monotonic_us();
    taken.iter().for_each(|(guessed, limit)| visit.app.limiter.give_back(visit.row().id, guessed, limit, now_us));
}

/// What tells one device from another on a page.
fn name(code: &DeviceCode) -> String {
    BASE64URL_NOPAD.encode(&code.user_hash.tag())
}

async fn allow(visit: &Visit, signed_in: &SignedIn, waiting: Waiting) -> Result<Response, Problem> {
    let Some(sign_in) = &signed_in.principal.sign_in else { return Ok(sign_in(visit, SIGN_IN, "")) };
    let Waiting { code, client, api, scopes } = waiting;
    let approved = Approved {
        client: client.id,
        user: signed_in.user,
        session: signed_in.grant,
        api,
        scopes,
        redirect_uri: None,
        challenge: None,
        nonce: None,
        sign_in: ShownAt { at: sign_in.at, factors: sign_in.factors },
        claims: Value::Null,
    };
    let detail = json!({ "client": client.spec.name, "scopes": approved.scopes, "ip": code.asked.ip });
    let event = event(visit, signed_in, "device.approved", client.id, detail);
    let now = visit.now;
    let is_done = work::write(&visit.app, move |tx| {
        let is_done = tx.approve_device_code(&code, &approved, now)?;
        if is_done {
            tx.insert_event(&event)?;
        }
        Ok(is_done)
    });
    if !is_done.await? {
        return Ok(unknown(visit, signed_in));
    }
    let words = visit.words;
    Ok(done(visit, signed_in, words.say("device.allowed_title"), words.say("device.allowed")))
}

async fn deny(visit: &Visit, signed_in: &SignedIn, waiting: Waiting) -> Result<Response, Problem> {
    let Waiting { code, client, .. } = waiting;
    let detail = json!({ "client": client.spec.name, "ip": code.asked.ip });
    let event = event(visit, signed_in, "device.denied", client.id, detail);
    let now = visit.now;
    let is_done = work::write(&visit.app, move |tx| {
        let is_done = tx.deny_device_code(&code, now)?;
        if is_done {
            tx.insert_event(&event)?;
        }
        Ok(is_done)
    });
    if !is_done.await? {
        return Ok(unknown(visit, signed_in));
    }
    let words = visit.words;
    Ok(done(visit, signed_in, words.say("device.denied_title"), words.say("device.denied")))
}

fn event(visit: &Visit, signed_in: &SignedIn, kind: &str, client: ClientId, detail: Value) -> Event {
    let event = Event::new(visit.app.id(visit.now), visit.row().id, kind, visit.now).by(signed_in.user).on(client);
    Event { detail, ..event.asked_by(visit.request_id) }
}

fn frame(visit: &Visit, signed_in: &SignedIn) -> Frame {
    visit.frame().of_person(signed_in.principal.name.to_string())
}

fn done(visit: &Visit, signed_in: &SignedIn, title: &'static str, text: &str) -> Response {
    let next = Some((visit.words.say("device.next"), visit.path("/account")));
    page(StatusCode::OK, &Message { frame: frame(visit, signed_in), title, text: text.to_owned(), next })
}

fn ask(visit: &Visit, signed_in: &SignedIn, error: &str, status: StatusCode) -> Response {
    let ticket = visit.ticket();
    let frame = frame(visit, signed_in);
    let shown = CodePage { frame, base: &visit.base, token: ticket.token, error: error.to_owned() };
    with_cookies(page(status, &shown), ticket.cookie)
}

fn unknown(visit: &Visit, signed_in: &SignedIn) -> Response {
    ask(visit, signed_in, visit.words.say("device.unknown"), StatusCode::UNPROCESSABLE_ENTITY)
}

fn too_many(visit: &Visit, signed_in: &SignedIn, seconds: u32) -> Response {
    let span = visit.words.span(Span::seconds(i64::from(seconds) + 59));
    let error = visit.words.with("login.later", "span", span);
    let mut response = ask(visit, signed_in, &error, StatusCode::TOO_MANY_REQUESTS);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn confirm(visit: &Visit, signed_in: &SignedIn, waiting: &Waiting, code: Option<UserCode>, error: &str) -> Response {
    let (ticket, words) = (visit.ticket(), visit.words);
    let Waiting { code: device, client, api, scopes } = waiting;
    let shown = ConfirmPage {
        frame: frame(visit, signed_in),
        base: &visit.base,
        token: ticket.token,
        client: client.spec.name.as_str(),
        site: client.spec.client_uri.clone(),
        scopes: scopes.iter().map(|scope| readable(visit, *api, scope)).collect(),
        ip: device.asked.ip,
        begun: words.ago(device.created_at, visit.now),
        code: code.map(|code| code.to_string()),
        seen: name(device),
        error: error.to_owned(),
    };
    with_cookies(page(StatusCode::OK, &shown), ticket.cookie)
}

/// What a scope means to a person.
fn readable(visit: &Visit, api: Option<ApiId>, scope: &ScopeName) -> String {
    let words = visit.words;
    match IdentityScope::of(scope) {
        Some(IdentityScope::OpenId) => words.say("device.openid").to_owned(),
        Some(IdentityScope::Profile) => words.say("device.profile").to_owned(),
        Some(IdentityScope::Email) => words.say("device.email").to_owned(),
        Some(IdentityScope::OfflineAccess) => words.say("device.offline").to_owned(),
        None => {
            let api = visit.realm.apis.iter().find(|known| Some(known.id) == api);
            let said = api.and_then(|api| api.spec.scopes.get(scope)).filter(|text| !text.is_empty());
            said.map_or_else(|| scope.to_string(), |text| format!("{text} ({scope})"))
        }
    }
}
