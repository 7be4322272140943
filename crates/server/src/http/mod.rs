//! HTTP itself: connections, dispatch, the shapes of errors and bodies.
//!
//! `/check/*` is dispatched before the router and passes no layer; everything else goes through axum. See ADR 0004.

mod body;
pub mod certificate;
pub mod headers;
pub mod host;
pub mod issuer;
pub mod json;
pub mod limits;
pub mod listen;
pub mod media;
pub mod problem;
mod pulse;
pub mod shares;
pub mod socket;
mod stream;
pub mod trace;

pub use pulse::Cut;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use admit_core::check::answer::REQUEST_ID;
use admit_core::secret;
use axum::Router;
use axum::body::Body;
use futures_util::future::{Either, ready};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use tower::ServiceExt;

use crate::app::App;
use crate::authn::basic::Asked;
use crate::check::{self, Called, Door, QUESTIONS_MAX, Question};
use crate::oauth::{Hot, well_known};
use crate::pages::error::Reader;
use body::Awaited;
use problem::Problem;
use pulse::Pulse;
use shares::Shares;

/// Where a connection comes from; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// True for a program of this machine with no proxy between: one on the same machine would make the whole world a
    /// local peer.
    pub fn is_direct(self, headers: &HeaderMap) -> bool {
        self.0.ip().to_canonical().is_loopback() && FORWARDING.iter().all(|name| !headers.contains_key(*name))
    }
}

/// Headers of which every proxy sends one.
pub const FORWARDING: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "via"];
/// What probes ask for, from anywhere and however busy the server is. It says nothing that is worth hiding.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// What the connections of a listener lead to.
pub struct Hall {
    app: App,
    router: Router,
    purpose: Purpose,
    requests: Arc<Shares<IpAddr>>,
    patience: Duration,
}

/// Whom a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Gateways, applications, people.
    Public,
    /// The command line of this machine. Behind a Unix socket who may open that is the proxy, so nobody is one here.
    Local,
    /// Machines that look after this one: its router is all there is, under any name.
    Ops,
}

impl Hall {
    /// The doors of `/check` and the router, which has at most so many requests at a time.
    pub fn new(app: App, router: Router, purpose: Purpose, limits: &limits::Limits) -> Arc<Self> {
        let requests = Shares::new(limits.requests, limits.address_requests);
        Arc::new(Self { app, router, purpose, requests, patience: limits.request })
    }
}

/// The connection that a request came on.
pub struct Link {
    peer: SocketAddr,
    /// Without TLS.
    is_clear: bool,
    pulse: Arc<Pulse>,
}

/// The longest path with query, in bytes. Over it: 414.
const TARGET_MAX: usize = 16 << 10;
/// The most bytes of all header names and values. Over it: 431. nginx takes as much by default.
const HEADERS_MAX_BYTES: usize = 32 << 10;

/// Answers one request. A check is answered at once, by reference: the hottest path shares no counter with anybody.
fn dispatch(
    hall: &Arc<Hall>,
    link: &Link,
    request: Request<Incoming>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let app = &hall.app;
    if let Err(problem) = judge_head(&request) {
        return Either::Left(ready(Ok(show(Reader::of(&request).as_ref(), problem.respond(app)))));
    }
    match Door::of_path(request.uri().path()) {
        Some((door, realm)) if hall.purpose == Purpose::Public => {
            return match check_door(app, door, realm, &request, link.peer, None) {
                Ok(response) => Either::Left(ready(Ok(response))),
                Err(question) => Either::Right(Either::Left(ask_first(app.clone(), *question, link.peer, request))),
            };
        }
        _ => {}
    }
    if let Some(response) = document(hall, link, &request) {
        return Either::Left(ready(Ok(response)));
    }
    let routed = route(hall.clone(), Peer(link.peer), link.is_clear, link.pulse.clone(), request);
    Either::Right(Either::Right(routed))
}

/// A document of an issuer, answered at once like a check, but to everybody and under our own names only.
fn document(hall: &Hall, link: &Link, request: &Request<Incoming>) -> Option<Response<Body>> {
    if hall.purpose == Purpose::Ops {
        return None;
    }
    let asked = well_known::Asked::of_path(request.uri().path())?;
    Some(match judge_way(hall, Peer(link.peer), link.is_clear, request) {
        Ok(()) => well_known::answer(&hall.app, asked, request, link.peer.ip()),
        Err(problem) => headers::harden(problem.respond(&hall.app)),
    })
}

async fn route(
    hall: Arc<Hall>,
    peer: Peer,
    is_clear: bool,
    pulse: Arc<Pulse>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let app = &hall.app;
    let reader = Reader::of(&request);
    let place = match enter(&hall, peer, is_clear, &request) {
        Ok(place) => place,
        Err(problem) => return Ok(show(reader.as_ref(), problem.respond(app))),
    };
    let wait = pulse.clone();
    let mut request = request.map(|body| match body.is_end_stream() {
        true => Body::empty(),
        false => Body::new(Awaited::new(body, wait)),
    });
    request.extensions_mut().insert(peer);
    let seen = Seen::of(&request);
    let mut answering = pin!(async {
        match Hot::of(&request).filter(|_| hall.purpose == Purpose::Public) {
            Some(hot) => hot.answer(app, request).await,
            None => match hall.router.clone().oneshot(request).await {
                Ok(response) => response,
            },
        }
    });
    let mut response = match tokio::time::timeout(hall.patience, answering.as_mut()).await {
        Ok(response) => response,
        Err(_) if pulse.wants_body() => {
            Problem::new(408, "request_timeout", "The body took too long to arrive.").respond(app)
        }
        Err(_) => Problem::unavailable("a request took too long").respond(app),
    };
    drop(place);
    if !response.headers().contains_key(REQUEST_ID) {
        let id = app.request_id(app.now()).to_string();
        response.headers_mut().insert(REQUEST_ID, HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("")));
    }
    if let Some(seen) = seen {
        seen.log(&response);
    }
    Ok(show(reader.as_ref(), response))
}

/// A problem becomes a page where a person reads it; the headers of every answer are set.
fn show(reader: Option<&Reader>, response: Response<Body>) -> Response<Body> {
    headers::harden(match reader {
        Some(reader) => reader.read(response),
        None => response,
    })
}

/// A place for the request, where it may come this way at all.
fn enter<B>(
    hall: &Hall,
    peer: Peer,
    is_clear: bool,
    request: &Request<B>,
) -> Result<Option<shares::Place<IpAddr>>, Problem> {
    if PROBES.contains(&request.uri().path()) || hall.purpose == Purpose::Ops {
        return Ok(None);
    }
    judge_way(hall, peer, is_clear, request)?;
    let ip = peer.0.ip().to_canonical();
    let is_proxy = hall.app.config.load().trusted_proxies.trusts(ip);
    let holder = (!is_proxy).then(|| shares::source(ip));
    match hall.requests.take(holder) {
        Some(place) => Ok(Some(place)),
        None => {
            hall.app.metrics.overloaded.inc();
            Err(Problem::overloaded())
        }
    }
}

/// Whether the request may come this way at all.
fn judge_way<B>(hall: &Hall, peer: Peer, is_clear: bool, request: &Request<B>) -> Result<(), Problem> {
    if hall.purpose == Purpose::Local && !peer.is_direct(request.headers()) {
        let detail = "This address is for the command line of this machine; gateways ask where `listen` says.";
        return Err(Problem::new(403, "untrusted_proxy", detail));
    }
    let ip = peer.0.ip().to_canonical();
    let is_proxy = hall.app.config.load().trusted_proxies.trusts(ip);
    judge_transport(is_clear, ip, is_proxy)?;
    host::judge(&hall.app, peer, request)
}

/// In the clear only this machine and trusted proxies are answered: what others send crossed a network where everybody
/// could read it.
fn judge_transport(is_clear: bool, ip: IpAddr, is_proxy: bool) -> Result<(), Problem> {
    if !is_clear || is_proxy || ip.is_loopback() {
        return Ok(());
    }
    let detail = format!(
        "Plain HTTP is answered to this machine and to trusted proxies only. Use https://, or if {ip} is your proxy, \
         add it: trusted_proxies = [\"{ip}\"]"
    );
    Err(Problem::new(403, "insecure_transport", detail))
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
    asked: Option<&Asked>,
) -> Result<Response<Body>, Box<Question>> {
    if request.method() == Method::CONNECT || request.method() == Method::TRACE {
        let problem = Problem::new(405, "method_not_allowed", "Ask with GET; the original method goes into a header.");
        return Ok(problem.respond(app));
    }
    let called = Called { realm, authority: host::authority(request.uri(), request.headers()) };
    let answer = check::answer(app, door, called, request.headers(), peer, asked);
    debug_assert!(
        answer.as_ref().is_ok_and(|response| response.status() != StatusCode::NOT_FOUND) || answer.is_err(),
        "a check is answered with a verdict"
    );
    answer
}

/// A check that waits for a password to be hashed, or a key to be made. Apart, so that those that do not wait pay nothing for it.
fn ask_first(
    app: App,
    question: Question,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>> {
    Box::pin(async move {
        let (mut question, mut asked) = (question, None);
        for _ in 0..QUESTIONS_MAX {
            asked = question.settle(&app, asked).await;
            let Some((door, realm)) = Door::of_path(request.uri().path()) else { break };
            match check_door(&app, door, realm, &request, peer, asked.as_ref()) {
                Ok(response) => return Ok(response),
                Err(next) => question = *next,
            }
        }
        // What could not be found out is not asked for ever.
        Ok(Problem::overloaded().respond(&app))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_in_the_clear_is_refused() {
        let judge = |is_clear, ip: &str, is_proxy| judge_transport(is_clear, ip.parse().unwrap(), is_proxy);
        for (ip, is_proxy) in [("127.0.0.1", false), ("::1", false), ("10.0.0.5", true), ("127.0.0.1", true)] {
            assert!(judge(true, ip, is_proxy).is_ok(), "{ip}");
        }
        assert!(judge(false, "203.0.113.9", false).is_ok(), "under TLS anybody may come");
        for ip in ["203.0.113.9", "10.0.0.5", "2001:db8::1"] {
            let refused = judge(true, ip, false).unwrap_err();
            assert_eq!((refused.status(), refused.code()), (403, "insecure_transport"));
            assert!(refused.detail().contains(&format!("trusted_proxies = [\"{ip}\"]")), "{}", refused.detail());
        }
    }

    #[test]
    fn only_without_a_proxy_between_a_peer_is_direct() {
        let peer = |text: &str| Peer(text.parse().unwrap());
        let with = |name: &'static str| {
            HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static("x"))])
        };
        assert!(peer("127.0.0.1:1").is_direct(&HeaderMap::new()) && peer("[::1]:1").is_direct(&with("accept")));
        assert!(!peer("203.0.113.9:1").is_direct(&HeaderMap::new()));
        for name in FORWARDING {
            assert!(!peer("127.0.0.1:1").is_direct(&with(name)), "{name}");
        }
    }
}
