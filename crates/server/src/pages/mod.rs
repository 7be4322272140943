//! Pages for people: rendered here, readable without a script, in the language that the browser asks for.
//!
//! Every page is a template on one layout (`templates/layout.html`); every word is in a catalogue ([`text`]). A page may
//! load the style sheet and pictures of this server and nothing else, and is never kept by a cache. Knows nothing of who
//! may see what: handlers do.

pub mod account;
mod agent;
pub mod asset;
pub mod confirm;
pub mod consent;
pub mod csrf;
pub mod demo;
pub mod device;
pub mod error;
pub mod form;
pub mod graph;
pub mod invite;
pub mod login;
pub mod logout;
pub mod mailbox;
pub mod password;
pub mod register;
pub mod text;
pub mod visit;

use admit_core::secret;
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64;
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::app::App;
use crate::console;
use crate::http::problem::{self, Problem};
use crate::oauth;
use text::Words;
use visit::Visit;

/// What stands around the content of every page.
pub struct Frame {
    /// The texts in the language of the page.
    pub words: &'static Words,
    /// Where one is: the name that stands at the top.
    pub place: String,
    /// Who is signed in, where somebody is.
    pub person: Option<String>,
    /// Lists and tables want more room than a form.
    pub is_wide: bool,
    /// Lists with many columns want all of it.
    pub is_full: bool,
    /// Its colour: each place keeps its own, so that one is told from another at a glance.
    pub hue: usize,
}

impl Frame {
    /// A page of the server itself.
    pub fn new(words: &'static Words) -> Self {
        Self { words, place: words.say("brand").to_owned(), person: None, is_wide: false, is_full: false, hue: 0 }
    }

    /// A page of a place that has a name of its own.
    pub fn at(words: &'static Words, place: String) -> Self {
        let sum = place.bytes().fold(0_usize, |sum, octet| sum.wrapping_mul(31).wrapping_add(octet.into()));
        Self { hue: sum % HUES, place, ..Self::new(words) }
    }

    /// The same with more room.
    pub fn widened(self) -> Self {
        Self { is_wide: true, ..self }
    }

    /// The same with all the room that there is.
    pub fn filled(self) -> Self {
        Self { is_full: true, ..self }
    }

    /// The same for somebody who is signed in.
    pub fn of_person(self, name: String) -> Self {
        Self { person: Some(name), ..self }
    }

    /// Where the style sheet is.
    pub fn style(&self) -> &'static str {
        asset::path(asset::STYLE)
    }

    /// Where the little picture of the tab is.
    pub fn icon(&self) -> &'static str {
        asset::path(asset::ICON)
    }
}

/// How many colours the style sheet has.
const HUES: usize = 6;
/// What a form may lead to stands last, so that an origin can be added.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// A few words and where to go from here.
#[derive(Template)]
#[template(path = "message.html")]
pub struct Message {
    /// What stands around it.
    pub frame: Frame,
    /// In a few words.
    pub title: &'static str,
    /// In a sentence.
    pub text: String,
    /// What the button says, and where it leads.
    pub next: Option<(&'static str, String)>,
}

/// Renders a page.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    page_on_to(status, template, None)
}

/// The same where what comes of its form may lead to another origin: browsers follow a form nowhere else.
pub fn page_on_to(status: StatusCode, template: &impl Template, origin: Option<&str>) -> Response {
    page_with(status, template, POLICY, origin)
}

/// A page whose form leads to an origin at once, by the one script that there is: this text and no other.
pub fn page_that_sends(template: &impl Template, script: &str, origin: &str) -> Response {
    let hash = BASE64.encode(&secret::digest(script));
    page_with(StatusCode::OK, template, &format!("script-src 'sha256-{hash}'; {POLICY}"), Some(origin))
}

fn page_with(status: StatusCode, template: &impl Template, policy: &str, origin: Option<&str>) -> Response {
    let text = match template.render() {
        Ok(text) => text,
        Err(error) => return Problem::unavailable(error).into_response(),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    let wider = origin.and_then(|origin| HeaderValue::try_from(format!("{policy} {origin}")).ok());
    headers.insert(CONTENT_SECURITY_POLICY, wider.unwrap_or(HeaderValue::from_static(POLICY)));
    response
}

/// Every page, and what pages load.
pub fn router(app: &App) -> Router<App> {
    let mut router = asset::routes();
    for base in ["", "/realms/{realm}"] {
        let account = account::routes(base).layer(middleware::from_fn_with_state(app.clone(), strictly));
        router = router.merge(of_issuer(base)).merge(account);
    }
    let router = router.merge(console::router(app));
    let router = if app.dev { router.merge(mailbox::router()).merge(demo::router()) } else { router };
    router
        .method_not_allowed_fallback(async || Problem::new(405, "method_not_allowed", "This method is not known here."))
        .layer(middleware::from_fn_with_state(app.clone(), complete))
}

/// The pages where people sign in and out.
fn of_issuer(base: &str) -> Router<App> {
    let at = |path: &str| format!("{base}{path}");
    Router::new()
        .route(&at("/login"), get(login::get).post(login::post))
        .route(&at("/logout"), get(logout::get).post(logout::post))
        .route(
            &at("/oauth/authorize"),
            get(oauth::authorize::get).head(oauth::authorize::head).post(oauth::authorize::post),
        )
        .route(&at("/consent"), get(consent::get).post(consent::post))
        .route(&at("/oauth/logout"), get(oauth::logout::get).post(oauth::logout::post))
        .route(&at("/device"), get(device::get).post(device::post))
        .route(&at("/invite"), get(invite::get).post(invite::post))
        .route(&at("/confirm"), get(confirm::get).post(confirm::post))
        .route(&at("/register"), get(register::get).post(register::post))
        .route(&at("/register/password"), get(register::get_password).post(register::post_password))
        .route(&at("/password/forgot"), get(password::forgot::get).post(password::forgot::post))
        .route(&at("/password/reset"), get(password::reset::get).post(password::reset::post))
}

/// Whoever is signed in changes something of his account only where the browser shows the strict cookie, too. Of a session
/// that is over or none the handler knows what to do.
async fn strictly(visit: Visit, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let judged = visit.judge_origin().and_then(|()| match visit.signed_in()? {
        Some(_) => visit.judge_strict(),
        None => Ok(()),
    });
    match judged {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Fills in request id and type of the problems that handlers return. The methods that the router knows (405) stay.
async fn complete(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let methods = response.headers().get(ALLOW).cloned();
    let mut response = problem::complete(&app, response);
    if let Some(methods) = methods {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
