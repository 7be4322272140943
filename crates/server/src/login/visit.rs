//! `/.admit/callback` and `/.admit/logout`: the pages that Admit has on every protected host, passed on by its gateway.
//!
//! Which host that is says the gateway, a trusted proxy; which realm says the path, or the host that the gateway called.
//! What happens there is [`super::site`]'s.

use std::sync::Arc;

use admit_core::check::code::Reason;
use admit_core::check::host::Host;
use admit_core::check::request::Request;
use admit_core::login::browser;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::get;
use http::header::{LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use super::site::{self, CALLBACK, Finish};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::http::problem::Problem;
use crate::http::{Peer, host};

const LOGOUT: &str = "/.admit/logout";

/// The routes of this file.
pub fn routes() -> Router<App> {
    let of_realm = |path: &str| format!("/realms/{{realm}}{path}");
    Router::new()
        .route(CALLBACK, get(callback))
        .route(LOGOUT, get(logout).post(logout))
        .route(&of_realm(CALLBACK), get(callback_of))
        .route(&of_realm(LOGOUT), get(logout_of).post(logout_of))
}

async fn callback(State(app): State<App>, request: axum::extract::Request) -> Response<Body> {
    answer(&app, None, request, What::Callback).await
}

async fn callback_of(
    State(app): State<App>,
    Path(realm): Path<String>,
    request: axum::extract::Request,
) -> Response<Body> {
    answer(&app, Some(&realm), request, What::Callback).await
}

async fn logout(State(app): State<App>, request: axum::extract::Request) -> Response<Body> {
    answer(&app, None, request, What::Logout).await
}

async fn logout_of(
    State(app): State<App>,
    Path(realm): Path<String>,
    request: axum::extract::Request,
) -> Response<Body> {
    answer(&app, Some(&realm), request, What::Logout).await
}

#[derive(Debug, Clone, Copy)]
enum What {
    Callback,
    Logout,
}

async fn answer(app: &App, realm: Option<&str>, request: axum::extract::Request, what: What) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let answered = match what {
        What::Callback => finish(app, realm, &parts).await,
        What::Logout => leave(app, realm, &parts).await,
    };
    answered.unwrap_or_else(|problem| problem.respond(app))
}

/// Sets the cookie of this host from what was handed on, and goes on to where the browser wanted to go.
async fn finish(app: &App, realm: Option<&str>, parts: &Parts) -> Result<Response<Body>, Problem> {
    let visit = Visit::of(app, realm, parts)?;
    let request = visit.request(app, parts)?;
    let code = parameter(parts.uri.query().unwrap_or_default(), "code").unwrap_or_default();
    match site::finish(app, &visit.realm, &request, code, app.now()).await? {
        Finish::Done { path, cookies } | Finish::Again { path, cookies } => Ok(redirect(&path, cookies)),
        Finish::Lost => Err(lost()),
    }
}

/// Ends the session of this host and goes on to the issuer, where the one that it grew from can be ended. Only on the word
/// of the browser that the person came from this host: a link elsewhere signs nobody out.
async fn leave(app: &App, realm: Option<&str>, parts: &Parts) -> Result<Response<Body>, Problem> {
    let visit = Visit::of(app, realm, parts)?;
    let request = visit.request(app, parts)?;
    if !browser::is_same_origin(&request) {
        let detail = "Another site sent this request. Sign out by a link or a form on this host.";
        return Err(Problem::new(403, "cross_site", detail));
    }
    let cookie = site::leave(app, &visit.realm, &request, app.now()).await?;
    Ok(redirect(&format!("{}/logout", app.issuer(&visit.realm.realm)), vec![cookie]))
}

/// Who comes, and to which realm.
struct Visit {
    realm: Arc<RealmPolicy>,
    peer: Peer,
}

impl Visit {
    fn of(app: &App, realm: Option<&str>, parts: &Parts) -> Result<Self, Problem> {
        let peer = parts.extensions.get::<Peer>().copied();
        let peer = peer.ok_or_else(|| Problem::unavailable("the peer of a connection is not known"))?;
        let called = host::authority(&parts.uri, &parts.headers).and_then(|called| Host::parse(called).ok());
        let found = match (realm, called.filter(|_| app.directory.has_hosts() && !app.dev)) {
            (None, Some(called)) => match app.directory.of_host(called.as_str(), &app.store)? {
                Some(id) => app.policies.of(app, id),
                None => app.policies.named(app, None),
            },
            (realm, _) => app.policies.named(app, realm),
        };
        let found = found.map_err(|_| Problem::unavailable("the realm cannot be read"))?;
        let realm = found.ok_or_else(|| Problem::new(404, "not_found", "There is nothing at this path."))?;
        Ok(Self { realm, peer })
    }

    /// The request as the browser sent it to the protected host.
    fn request<'p>(&self, app: &App, parts: &'p Parts) -> Result<Request<'p>, Problem> {
        let config = app.config.load();
        let (peer, trusted) = (self.peer.0.ip(), &config.trusted_proxies);
        Request::passed_on(parts.method.clone(), &parts.uri, &parts.headers, peer, trusted).map_err(|reason| {
            match reason {
                Reason::PeerNotTrusted => {
                    let detail =
                        "Only a gateway asks for this page, with the host that it protects in X-Forwarded-Host.";
                    Problem::new(403, "untrusted_proxy", detail).with_next("admit gateway-config nginx --host HOST")
                }
                _ => Problem::new(400, "malformed_request", "The gateway did not pass this request on as it should."),
            }
        })
    }
}

/// The value of a parameter that stands there once; its letters need no escape.
fn parameter<'q>(query: &'q str, name: &str) -> Option<&'q str> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(known, _)| *known == name).map(|(_, value)| value);
    values.next().filter(|_| values.next().is_none())
}

fn redirect(to: &str, cookies: Vec<HeaderValue>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/")));
    for cookie in cookies {
        headers.append(SET_COOKIE, cookie);
    }
    response
}

fn lost() -> Problem {
    let detail =
        "This sign-in was begun elsewhere, took too long, or this browser keeps no cookies. Open the page again.";
    Problem::new(400, "invalid_request", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_stands_there_twice_is_none() {
        assert_eq!(parameter("a=1&code=x&b", "code"), Some("x"));
        for none in ["", "code", "code=x&code=x", "xcode=x", "a=code"] {
            assert_eq!(parameter(none, "code"), None, "{none}");
        }
    }
}
