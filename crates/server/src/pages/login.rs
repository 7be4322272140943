//! `/login`: the form, and its twin in JSON.
//!
//! One answer for everybody who fails, whoever he is and whatever was wrong. Whom a protected host sent here goes back there
//! once he is signed in; see `login::site`. Whom an application sent here goes on with what it asked for; see `oauth::authorize`.

use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::form::Form;
use admit_core::login::cookie::Cookie;
use admit_core::login::session::Factor;
use admit_core::login::site::Trip;
use admit_core::oauth::device::UserCode;
use admit_core::realm::OPERATORS;
use admit_core::secret::Secret;
use admit_core::time::Span;
use askama::Template;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::form::{KIND, Query, Sent};
use super::register;
use super::visit::{Visit, go, with_cookies};
use super::{Frame, Message, page, page_on_to};
use crate::console;
use crate::http::json::Json;
use crate::http::media;
use crate::http::problem::Problem;
use crate::login::session::{self, Begun, Entry, SignedIn};
use crate::login::verify::{self, Asker, Proved, Refused};
use crate::login::{device, site};
use crate::mail;
use crate::oauth::authorize::{self, Next, Stage};

/// What one signs in for, where it is a page of ours: closed, so that no address can be slipped in.
const PURPOSES: [(&str, &str); 6] = [
    ("key", "/account/keys/new"),
    ("everywhere", "/account/everywhere"),
    ("email", "/account/email"),
    ("account", "/account"),
    (DEVICE, "/device"),
    (DEVICE_AGAIN, "/device"),
];
/// The purpose for which any sign-in will do.
const DEVICE: &str = "device";
/// The same where a new one is needed.
const DEVICE_AGAIN: &str = "device-again";
/// The purpose of operators, whose screen is the server's and no realm's.
const CONSOLE: &str = "console";

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'p> {
    frame: Frame,
    base: &'p str,
    token: String,
    state: &'p str,
    purpose: &'p str,
    user_code: Option<String>,
    identifier: &'p str,
    error: String,
    is_again: bool,
    /// The application that one signs in for, and what it asks, sealed.
    app: Option<String>,
    flow: &'p str,
    has_mail: bool,
    lets_register: bool,
}

/// What the browser is here for.
struct Errand<'e> {
    state: &'e str,
    purpose: &'e str,
    /// Which device is looked at afterwards. It is typed there all the same.
    user_code: Option<UserCode>,
    trip: Option<Trip>,
    onward: Option<Onward<'e>>,
}

/// What an application asked for.
struct Onward<'e> {
    stage: Stage,
    sealed: &'e str,
}

impl<'e> Errand<'e> {
    /// What the address says, or the form that stood there.
    fn of(visit: &Visit, said: &'e Form) -> Self {
        let (state, purpose) = (said.text("state"), said.text("for"));
        let trip = site::arrive(&visit.app, &visit.realm, state, visit.now);
        let state = if trip.is_some() { state } else { "" };
        let is_console = purpose == CONSOLE && visit.row().name.as_str() == OPERATORS;
        let is_known = is_console || PURPOSES.iter().any(|(known, _)| *known == purpose);
        let is_device = matches!(purpose, DEVICE | DEVICE_AGAIN);
        let user_code = UserCode::parse(said.text("user_code")).filter(|_| is_device);
        Self { state, purpose: if is_known { purpose } else { "" }, user_code, trip, onward: None }
    }

    /// That of an application.
    const fn onward(stage: Stage, sealed: &'e str) -> Self {
        Self { state: "", purpose: "", user_code: None, trip: None, onward: Some(Onward { stage, sealed }) }
    }

    /// Where the form of the page may lead to in the end.
    fn source(&self) -> Option<String> {
        let onward = || self.onward.as_ref().map(|onward| onward.stage.way.redirect.source());
        self.trip.as_ref().map(Trip::origin).or_else(onward)
    }

    /// Whether a session as it is suffices.
    fn is_content(&self, visit: &Visit, signed_in: &SignedIn) -> bool {
        match self.purpose {
            "" | DEVICE => true,
            CONSOLE => visit.is_strict(),
            _ => signed_in.is_fresh,
        }
    }

    /// Where it goes on for who is signed in. Back to a host by this page once more: it sees the new cookie.
    fn next(&self, visit: &Visit, browser: [u8; 16]) -> String {
        if let Some(Onward { stage, .. }) = &self.onward {
            // The browser is told by another cookie from now on.
            let flow = authorize::seal(&visit.app, visit.row().id, &stage.flow.clone().bound_to(browser));
            return visit.path(&format!("/consent?flow={}", flow.unwrap_or_default()));
        }
        if !self.state.is_empty() {
            return visit.path(&format!("/login?state={}", self.state));
        }
        if self.purpose == CONSOLE {
            return console::PATH.to_owned();
        }
        let path = PURPOSES.iter().find(|(known, _)| *known == self.purpose).map_or("/account", |(_, path)| path);
        let code = self.user_code.as_ref().map(|code| format!("?user_code={code}")).unwrap_or_default();
        visit.path(&format!("{path}{code}"))
    }
}

/// `GET /login`
pub async fn get(mut visit: Visit, query: Query) -> Result<Response, Problem> {
    let sealed = query.text("flow");
    if !sealed.is_empty() {
        let stage = authorize::arrive(&mut visit, sealed)?;
        if !matches!(stage.next(&visit)?, Next::SignIn) {
            return Ok(go(&visit.path(&format!("/consent?flow={sealed}"))));
        }
        let hint = stage.login_hint().to_owned();
        return Ok(show(&visit, &Errand::onward(stage, sealed), &hint, String::new(), StatusCode::OK));
    }
    let errand = Errand::of(&visit, &query.0);
    if errand.trip.as_ref().is_some_and(Trip::is_loop) {
        return Ok(show_loop(&visit));
    }
    if let Some(signed_in) = visit.signed_in()? {
        if let Some(trip) = &errand.trip {
            return Ok(go(&site::hand_off(&visit.app, &visit.realm, &signed_in, trip, visit.now).await?));
        }
        if errand.is_content(&visit, &signed_in) {
            return Ok(go(&errand.next(&visit, visit.ticket().browser)));
        }
    }
    Ok(show(&visit, &errand, "", String::new(), StatusCode::OK))
}

/// `POST /login`, with a form or with JSON.
pub async fn post(visit: Visit, request: Request) -> Result<Response, Problem> {
    if media::says(request.headers(), KIND) {
        let Sent(form) = Sent::from_request(request, &()).await?;
        return by_form(visit, form).await;
    }
    visit.judge_origin()?;
    let Json(shown) = Json::<Shown>::from_request(request, &()).await?;
    match prove(&visit, &shown.identifier, &Secret::new(shown.password)).await {
        Ok((begun, cookies, _)) => {
            let told = json!({ "session": begun.grant, "ends_at": begun.ends_at, "account": visit.path("/account") });
            Ok(with_cookies(Json(told).into_response(), cookies))
        }
        Err(Failed::Refused(refused)) => Err(told(refused)),
        Err(Failed::Problem(problem)) => Err(problem),
    }
}

/// The body of the twin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    identifier: String,
    password: String,
}

async fn by_form(mut visit: Visit, mut form: Form) -> Result<Response, Problem> {
    let password = form.take("password");
    visit.judge(&form)?;
    let errand = match form.text("flow") {
        "" => Errand::of(&visit, &form),
        sealed => Errand::onward(authorize::arrive(&mut visit, sealed)?, sealed),
    };
    let identifier = form.text("identifier");
    match prove(&visit, identifier, &password).await {
        Ok((_, cookies, browser)) => Ok(with_cookies(go(&errand.next(&visit, browser)), cookies)),
        Err(Failed::Problem(problem)) => Err(problem),
        Err(Failed::Refused(refused)) => {
            let (status, error, retry_after_s) = said(&visit, refused);
            let mut response = show(&visit, &errand, identifier, error, status);
            if let Some(seconds) = retry_after_s {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Ok(response)
        }
    }
}

enum Failed {
    Refused(Refused),
    Problem(Problem),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Judges what was typed and begins a session, or goes on with his own. The cookies take the place of all that the browser had,
/// and its name is another.
async fn prove(
    visit: &Visit,
    identifier: &str,
    password: &Secret,
) -> Result<(Begun, Vec<HeaderValue>, [u8; 16]), Failed> {
    let (app, realm) = (&visit.app, visit.row());
    let known = match device::of_request(app, realm, &visit.headers, visit.ip, visit.now) {
        Ok(known) => known.map(|device| device.user),
        // Others of the network tried too many: the device is a stranger's until they stop.
        Err(Reason::UnknownBudget | Reason::QueueFull) => None,
        Err(_) => return Err(Problem::unavailable("a device cannot be read").into()),
    };
    let asker = Asker { source: visit.source(), known, request_id: visit.request_id };
    let proved = verify::prove(app, realm, identifier, password, asker).await.map_err(Failed::Refused)?;
    let (Proved { user }, settlement) = proved;
    let before = visit.signed_in()?;
    let entry = Entry {
        settlement: Some(Arc::new(settlement)),
        is_device: known != Some(user),
        ..Entry::new(user, &[Factor::Password], visit.seen(), None)
    };
    let begun = session::enter(app, realm, entry, before.as_ref(), visit.now).await.map_err(|problem| match problem
        .code()
    {
        session::DISPROVED => Failed::Refused(Refused::Wrong),
        _ => Failed::Problem(problem),
    })?;
    let mut cookies = visit.set_session(&begun).to_vec();
    let ticket = visit.new_ticket();
    cookies.extend(ticket.cookie);
    cookies.extend(begun.device.iter().map(|secret| visit.set(Cookie::Device, secret, realm.device_life())));
    Ok((begun, cookies, ticket.browser))
}

fn show(visit: &Visit, errand: &Errand<'_>, identifier: &str, error: String, status: StatusCode) -> Response {
    let ticket = visit.ticket();
    let shown = LoginPage {
        frame: visit.frame(),
        base: &visit.base,
        token: ticket.token,
        state: errand.state,
        purpose: errand.purpose,
        user_code: errand.user_code.as_ref().map(UserCode::to_string),
        identifier,
        error,
        is_again: !matches!(errand.purpose, "" | CONSOLE | DEVICE),
        app: errand.onward.as_ref().map(|onward| onward.stage.app_name()),
        flow: errand.onward.as_ref().map_or("", |onward| onward.sealed),
        has_mail: mail::is_there(&visit.app),
        lets_register: register::is_open(visit),
    };
    with_cookies(page_on_to(status, &shown, errand.source().as_deref()), ticket.cookie)
}

/// The browser came round once too often: it keeps no cookie there, and going on would never end.
fn show_loop(visit: &Visit) -> Response {
    let words = visit.words;
    let next = Some((words.say("login.loop_next"), visit.path("/account")));
    let (title, text) = (words.say("login.loop_title"), words.say("login.loop").to_owned());
    page(StatusCode::BAD_REQUEST, &Message { frame: visit.frame(), title, text, next })
}

/// What the page says of a refusal: its status, the sentence, and when to come back.
fn said(visit: &Visit, refused: Refused) -> (StatusCode, String, Option<u32>) {
    let words = visit.words;
    match refused {
        Refused::Wrong => (StatusCode::UNAUTHORIZED, words.say("login.wrong").to_owned(), None),
        Refused::NeedsLink => (StatusCode::UNAUTHORIZED, words.say("login.needs_link").to_owned(), None),
        Refused::Later { retry_after_s } => {
            let span = words.span(Span::seconds(i64::from(retry_after_s) + 59));
            (StatusCode::TOO_MANY_REQUESTS, words.with("login.later", "span", span), Some(retry_after_s))
        }
        Refused::Full => (StatusCode::SERVICE_UNAVAILABLE, words.say("login.busy").to_owned(), Some(1)),
        Refused::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, words.say("login.unavailable").to_owned(), Some(1)),
    }
}

/// What a program is told of a refusal.
fn told(refused: Refused) -> Problem {
    match refused {
        Refused::Wrong => Problem::new(401, "invalid_credential", "The name and the password do not go together."),
        Refused::NeedsLink => Problem::new(
            401,
            "link_needed",
            "Too many failures in a row: set a new password by mail, at /password/forgot.",
        ),
        Refused::Later { retry_after_s } => {
            Problem::new(429, "rate_limited", "Too many attempts.").with_retry_after(retry_after_s)
        }
        Refused::Full => Problem::overloaded(),
        Refused::Unavailable => Problem::unavailable("a sign-in cannot be judged"),
    }
}
