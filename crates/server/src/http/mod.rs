//! HTTP itself: connections, dispatch, the shapes of errors and bodies.
//!
//! `/check/*` is dispatched before the router and passes no layer; everything else goes through axum. See ADR 0004.

pub mod headers;
pub mod host;
pub mod json;
pub mod listen;
pub mod problem;
pub mod trace;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use admit_core::check::answer::REQUEST_ID;
use admit_core::secret;
use axum::Router;
use axum::body::Body;
use futures_util::future::{Either, ready};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::app::App;
use crate::check::{self, Door};
use problem::Problem;

/// How long a request of the router may take, its body included.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a connection comes from; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The longest path with query, in bytes. Over it: 414.
const TARGET_MAX: usize = 16 << 10;
/// The most bytes of all header names and values. Over it: 431. nginx takes as much by default.
const HEADERS_MAX_BYTES: usize = 32 << 10;

/// Answers one request. A check is answered at once, by reference: the hottest path shares no counter with anybody.
pub fn dispatch(
    app: &App,
    router: &Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    if let Err(problem) = judge_head(&request) {
        return Either::Left(ready(Ok(headers::harden(problem.respond(app)))));
    }
    match Door::of_path(request.uri().path()) {
        Some((door, realm)) => Either::Left(ready(Ok(check_door(app, door, realm, &request, peer)))),
        None => Either::Right(route(app.clone(), router.clone(), peer, request)),
    }
}

async fn route(
    app: App,
    router: Router,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    if let Err(problem) = host::judge(&app, &request) {
        return Ok(headers::harden(problem.respond(&app)));
    }
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Peer(peer));
    let seen = Seen::of(&request);
    let mut response = match tokio::time::timeout(PATIENCE, router.oneshot(request)).await {
        Ok(Ok(response)) => response,
        Err(_) => {
            Problem::new(408, "request_timeout", "The request took too long to arrive or to answer.").respond(&app)
        }
    };
    if !response.headers().contains_key(REQUEST_ID) {
        let id = app.request_id(app.now()).to_string();
        response.headers_mut().insert(REQUEST_ID, HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("")));
    }
    if let Some(seen) = seen {
        seen.log(&response);
    }
    Ok(headers::harden(response))
}

/// What the log says of a request to Admit itself. Decisions are logged by the pipeline.
struct Seen {
    method: Method,
    path: String,
    trace_id: Option<String>,
}

impl Seen {
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let path = request.uri().path();
        let is_worth_it = path.starts_with("/v1/") && tracing::enabled!(tracing::Level::INFO);
        is_worth_it.then(|| Self {
            method: request.method().clone(),
            path: secret::redact(path).chars().take(200).collect(),
            trace_id: trace::trace_id(request.headers()).map(str::to_owned),
        })
    }

    fn log(self, response: &Response<Body>) {
        let request_id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
        tracing::info!(
            http.method = %self.method,
            url.path = self.path,
            http.status = response.status().as_u16(),
            request.id = request_id,
            trace.id = self.trace_id,
            "answered"
        );
    }
}

/// The listener reads up to its buffer, which is no exact figure; these are.
fn judge_head<B>(request: &Request<B>) -> Result<(), Problem> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target > TARGET_MAX {
        return Err(Problem::new(
            414,
            "target_too_long",
            format!("Path and query may have at most {TARGET_MAX} bytes."),
        ));
    }
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > HEADERS_MAX_BYTES {
        let detail = format!("The headers may have at most {HEADERS_MAX_BYTES} bytes in all.");
        return Err(Problem::new(431, "headers_too_large", detail));
    }
    Ok(())
}

/// Gateways ask with any method; a body is neither needed nor read.
fn check_door(
    app: &App,
    door: Door,
    realm: Option<&str>,
    request: &Request<Incoming>,
    peer: SocketAddr,
) -> Response<Body> {
    if request.method() == Method::CONNECT || request.method() == Method::TRACE {
        return Problem::new(405, "method_not_allowed", "Ask with GET; the original method goes into a header.")
            .respond(app);
    }
    let response = check::answer(app, door, realm, request.headers(), peer);
    debug_assert!(response.status() != StatusCode::NOT_FOUND, "a check is answered with a verdict");
    response
}
