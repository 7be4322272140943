//! Pages for people: rendered here, readable without a script, in the language that the browser asks for.
//!
//! Every page is a template on one layout (`templates/layout.html`); every word is in a catalogue ([`text`]). A page may
//! load the style sheet and pictures of this server and nothing else, and is never kept by a cache. Knows nothing of who
//! may see what: handlers do.

pub mod asset;
pub mod csrf;
pub mod error;
pub mod form;
pub mod mailbox;
pub mod text;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use crate::app::App;
use crate::http::problem::{self, Problem};
use text::Words;

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
    /// Its colour: each place keeps its own, so that one is told from another at a glance.
    pub hue: usize,
}

impl Frame {
    /// A page of the server itself.
    pub fn new(words: &'static Words) -> Self {
        Self { words, place: words.say("brand").to_owned(), person: None, is_wide: false, hue: 0 }
    }

    /// The same with more room.
    pub fn wide(words: &'static Words) -> Self {
        Self { is_wide: true, ..Self::new(words) }
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

const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Renders a page.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    let text = match template.render() {
        Ok(text) => text,
        Err(error) => return Problem::unavailable(error).into_response(),
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// Every page, and what pages load.
pub fn router(app: &App) -> Router<App> {
    let router = asset::routes();
    let router = if app.dev { router.merge(mailbox::router()) } else { router };
    router
        .method_not_allowed_fallback(async || Problem::new(405, "method_not_allowed", "This method is not known here."))
        .layer(middleware::from_fn_with_state(app.clone(), complete))
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
