//! The authorization server of each realm, seen from outside: where applications get tokens, ask about them and give them
//! back.
//!
//! Its endpoints stand at the root for the realm `default`, below `/realms/<name>` for the others, and on a realm's own host.
//! [`call`] reads a request, [`client`] settles who sent it, [`token`] answers for tokens by grant type ([`grants`]); [`mint`] is
//! the only place that makes one, and [`authorization`] where all of a person's begins. [`authorize`] is where he is sent to
//! approve it, [`par`] where an application says before what for, and [`code`] what he is sent back with. Nothing here asks who
//! a person is: that is `pages`' and `login`'s. What was read is remembered, in bounds, until it changes: [`recent`], of which
//! [`client`], [`own`] and [`lineages`] have a table each.
//!
//! What the server says of itself is public and the same for everybody: [`well_known`] answers with ready bytes, before the
//! router. [`metadata`], [`jwks`] and [`resource`] write them.

pub mod answer;
pub mod authorization;
pub mod authorize;
pub mod budget;
pub mod call;
pub mod client;
pub mod code;
pub mod cors;
pub mod device;
pub mod grants;
pub mod introspect;
pub mod jwks;
pub mod lineages;
pub mod logout;
pub mod metadata;
pub mod mint;
pub mod own;
pub mod par;
pub mod recent;
pub mod register;
pub mod resource;
pub mod revoke;
pub mod token;
pub mod userinfo;
pub mod well_known;

use axum::Router;
use axum::extract::{FromRequest, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use http::Method;
use http::header::ALLOW;

use crate::app::App;
use crate::http::problem;
use call::Call;

/// The endpoints of every issuer.
pub fn router(app: &App) -> Router<App> {
    let bases = ["", "/realms/{realm}"];
    let endpoints = bases.map(of_issuer).into_iter().fold(Router::new(), Router::merge);
    let endpoints = endpoints.method_not_allowed_fallback(answer::not_asked_so);
    bases
        .map(register::routes)
        .into_iter()
        .fold(endpoints, Router::merge)
        .layer(middleware::from_fn_with_state(app.clone(), complete))
}

fn of_issuer(base: &str) -> Router<App> {
    let at = |path: &str| format!("{base}{path}");
    Router::new()
        .route(&at("/oauth/token"), post(token::post).options(cors::preflight))
        .route(&at("/oauth/revoke"), post(revoke::post).options(cors::preflight))
        .route(&at("/oauth/device"), post(device::post).options(cors::preflight))
        .route(&at("/oauth/introspect"), post(introspect::post))
        .route(&at("/oauth/par"), post(par::post))
        .route(&at("/oauth/userinfo"), get(userinfo::get).post(userinfo::post).options(cors::preflight))
}

/// What applications ask most, at an issuer without a path: dispatched before the router, whose layers cost as much as a
/// small answer.
#[derive(Debug, Clone, Copy)]
pub enum Hot {
    /// `POST /oauth/token`
    Token,
    /// `POST /oauth/introspect`
    Introspect,
}

impl Hot {
    /// The endpoint that a request is for, where it is one of these.
    pub fn of<B>(request: &http::Request<B>) -> Option<Self> {
        match request.uri().path() {
            "/oauth/token" if request.method() == Method::POST => Some(Self::Token),
            "/oauth/introspect" if request.method() == Method::POST => Some(Self::Introspect),
            _ => None,
        }
    }

    /// What the router would have answered.
    pub async fn answer(self, app: &App, request: Request) -> Response {
        let response = match (Call::from_request(request, app).await, self) {
            (Err(refused), _) => refused,
            (Ok(call), Self::Token) => token::post(State(app.clone()), call).await,
            (Ok(call), Self::Introspect) => introspect::post(State(app.clone()), call).await,
        };
        problem::complete(app, response)
    }
}

/// Fills in the problems that are not OAuth's: that there is no such realm, that the body broke off. The methods that the
/// router knows (405) stay.
async fn complete(State(app): State<App>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let methods = response.headers().get(ALLOW).cloned();
    let mut response = problem::complete(&app, response);
    if let Some(methods) = methods {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}
