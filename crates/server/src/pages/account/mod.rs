//! `/account`: everything that can act as whoever is signed in, each with one button that ends it.
//!
//! What is shown and ended is his alone: every verb takes the person of the session, never one that a form names.

mod app;
mod email;
mod everywhere;
mod key;
mod line;
mod name;
mod password;
mod roll;

use admit_core::grant::GrantKind;
use admit_core::id::{GrantId, SubjectId, UserId};
use admit_core::user::User;
use admit_store::{KeyFilter, Page};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use http::StatusCode;

use super::form::{Query, Sent};
use super::visit::{Visit, go, with_cookies};
use super::{Frame, page};
use crate::app::App;
use crate::http::problem::Problem;
use crate::login::device;
use crate::login::session::{self, Why};
use crate::mail::{self, Mail, To};
use crate::manage::keys::Owner;
pub use app::{AppLine, apps};
pub use line::KeyLine;
use line::{SessionLine, key_line};

/// The most of each kind that the page shows.
const SHOWN_MAX: u32 = 100;
/// What was just done, by the word in the address: closed, so that nobody's words are put on the page.
pub(super) const DONE: [(&str, &str); 7] = [
    ("app", "account.app_revoked"),
    ("ended", "account.ended"),
    ("email", "email.sent"),
    ("name", "name.done"),
    ("revoked", "account.revoked"),
    ("password", "password.done"),
    ("everywhere", "account.everywhere_done"),
];

/// The routes below `/account`, at an issuer.
pub fn routes(base: &str) -> Router<App> {
    let at = |path: &str| format!("{base}/account{path}");
    Router::new()
        .route(&at(""), get(show))
        .route(&at("/end"), post(end))
        .route(&at("/password"), get(password::get).post(password::post))
        .route(&at("/everywhere"), get(everywhere::get).post(everywhere::post))
        .route(&at("/apps/revoke"), post(app::post))
        .route(&at("/keys/new"), get(key::get).post(key::post))
        .route(&at("/keys/revoke"), post(key::revoke))
        .route(&at("/keys/roll"), get(roll::get).post(roll::post))
        .route(&at("/email"), get(email::get).post(email::post))
        .route(&at("/email/confirm"), post(email::confirm))
        .route(&at("/name"), get(name::get).post(name::post))
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    done: &'static str,
    name: String,
    lets_rename: bool,
    email: String,
    is_verified: bool,
    has_mail: bool,
    roles: String,
    sessions: Vec<SessionLine>,
    devices: Vec<SessionLine>,
    apps: Vec<AppLine>,
    keys: Vec<KeyLine>,
    has_more: bool,
}

/// `GET /account`
async fn show(visit: Visit, query: Query) -> Result<Response, Problem> {
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let Some(user) = user(&visit, signed_in.user)? else { return Ok(to_sign_in(&visit)) };
    let (realm, now) = (visit.row().id, visit.now);
    let page_of = Page::first(SHOWN_MAX + 1);
    let issued = visit.app.store.point(|tx| tx.list_sessions(realm, Some(user.id), true, &page_of, now))?;
    let (mut keys, has_more_keys) = keys(&visit, user.id)?;
    line::add_graphs(&visit, user.id, &mut keys)?;
    let has_more = has_more_keys || issued.len() > SHOWN_MAX as usize;
    let (devices, sessions): (Vec<_>, Vec<_>) =
        issued.into_iter().take(SHOWN_MAX as usize).partition(|issued| issued.grant.kind == GrantKind::Device);
    // A browser whose cookie cannot be looked up now bears no mark.
    let device = device::of_request(&visit.app, visit.row(), &visit.headers, visit.ip, now).ok().flatten();
    let (ticket, words) = (visit.ticket(), visit.words);
    let done = DONE.iter().find(|(word, _)| *word == query.text("done")).map_or("", |(_, key)| words.say(key));
    let shown = AccountPage {
        frame: visit.frame().of_person(user.spec.name.to_string()).widened(),
        base: &visit.base,
        token: ticket.token,
        done,
        name: user.spec.name.to_string(),
        lets_rename: visit.row().lets_rename(),
        is_verified: user.email_verified_at.is_some(),
        has_mail: mail::is_there(&visit.app),
        email: user.spec.email.as_ref().map(ToString::to_string).unwrap_or_default(),
        roles: user.spec.roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        sessions: line::of_sessions(&visit, sessions, signed_in.grant),
        devices: line::of_devices(&visit, devices, device.map(|device| device.grant)),
        apps: apps(&visit, user.id)?,
        keys,
        has_more,
    };
    Ok(with_cookies(page(StatusCode::OK, &shown), ticket.cookie))
}

/// `POST /account/end`: a session, the session of a host, or a device.
async fn end(visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let Some(signed_in) = visit.signed_in()? else { return Ok(to_sign_in(&visit)) };
    let grant: GrantId = form.text("grant").parse().map_err(|_| Problem::not_found("session", form.text("grant")))?;
    if !session::end(&visit.app, visit.row().id, signed_in.user, grant, Why::Revoked, visit.now).await? {
        return Err(Problem::not_found("session", form.text("grant")));
    }
    Ok(go(&visit.path("/account?done=ended")))
}

/// Who is not signed in does that first.
fn to_sign_in(visit: &Visit) -> Response {
    go(&visit.path("/login"))
}

fn user(visit: &Visit, id: UserId) -> Result<Option<User>, Problem> {
    Ok(visit.app.store.point(|tx| tx.find_user(visit.row().id, id))?)
}

/// The keys of a person that may come to life, and whether there are more than are shown.
pub(super) fn keys(visit: &Visit, user: UserId) -> Result<(Vec<KeyLine>, bool), Problem> {
    let filter = KeyFilter { owner: Some(SubjectId::User(user)), live_only: true, ..KeyFilter::default() };
    let (realm, page) = (visit.row().id, Page::first(SHOWN_MAX + 1));
    let issued = visit.app.store.point(|tx| tx.list_keys(realm, &filter, &page, visit.now))?;
    let has_more = issued.len() > SHOWN_MAX as usize;
    Ok((issued.iter().take(SHOWN_MAX as usize).map(|issued| key_line(visit, issued)).collect(), has_more))
}

fn owner(visit: &Visit, user: UserId) -> Owner {
    Owner { realm: visit.row().id, user, request_id: visit.request_id, now: visit.now }
}

/// Tells a person by mail that his password is another one.
pub(super) fn tell_password_changed(visit: &Visit, id: UserId) -> Result<(), Problem> {
    tell(visit, id, &Mail::PasswordChanged)
}

fn tell(visit: &Visit, id: UserId, mail: &Mail<'_>) -> Result<(), Problem> {
    let user = user(visit, id)?;
    if let Some(address) = user.as_ref().and_then(|user| user.spec.email.as_ref())
        && mail::is_there(&visit.app)
    {
        let to = To { address: address.as_str(), user: Some(id), language: visit.words.language() };
        mail::send(&visit.app, visit.row(), to, mail, visit.now);
    }
    Ok(())
}
