//! The servers that Admit is compared with: the least that an HTTP server on hyper and one on axum can do.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write as _;

use axum::routing::{get, post};
use axum::{Form, Json, Router};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::Result;

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answers 200.
    Hello,
    /// Reads what Admit reads and writes what Admit writes, and decides nothing.
    Headers,
    /// Answers 200 and one header where a credential is there, else 401; routed by axum. Greets at `/hello`, and answers what is
    /// posted to `/token` as if a token had been made.
    Axum,
}

/// Serves until it is killed. The first line on stdout is the address.
pub fn serve(kind: Kind) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    runtime.block_on(accept(kind)).map_err(|error| format!("cannot serve: {error}"))
}

async fn accept(kind: Kind) -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{}", listener.local_addr()?)?;
    stdout.flush()?;
    let router = Router::new().route("/check/{*door}", get(stub)).route("/hello", get(async || "hello"));
    let router = router.route("/token", post(token));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        if kind == Kind::Axum {
            let service = TowerToHyperService::new(router.clone());
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            continue;
        }
        let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(kind, &request)) });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// What Admit's place is taken by behind a gateway: it lets in whoever shows anything.
async fn stub(headers: HeaderMap) -> std::result::Result<[(HeaderName, HeaderValue); 1], StatusCode> {
    if headers.contains_key(AUTHORIZATION) { Ok([REQUEST_ID]) } else { Err(StatusCode::UNAUTHORIZED) }
}

/// What Admit's place is taken by at the token endpoint: it reads the form and makes nothing of it.
async fn token(headers: HeaderMap, Form(form): Form<HashMap<String, String>>) -> (StatusCode, Json<Value>) {
    if !headers.contains_key(AUTHORIZATION) || form.get("grant_type").is_none_or(|kind| kind != "client_credentials") {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_request" })));
    }
    let answer =
        json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 600, "scope": form.get("scope") });
    (StatusCode::OK, Json(answer))
}

const TOKEN: &str = "admit_at_000000000000000000000000000000000000";

/// Without it the gateways do not believe that it was Admit who answered.
const REQUEST_ID: (HeaderName, HeaderValue) =
    (HeaderName::from_static("admit-request-id"), HeaderValue::from_static("req_0000000000000000000000"));

fn answer(kind: Kind, request: &Request<Incoming>) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    if kind == Kind::Headers {
        identify(request.headers(), response.headers_mut());
    }
    response
}

/// The headers that are read, each into one that is written.
const READ: [(HeaderName, HeaderName); 6] = [
    (AUTHORIZATION, HeaderName::from_static("admit-subject")),
    (HeaderName::from_static("x-original-method"), HeaderName::from_static("admit-kind")),
    (HeaderName::from_static("x-original-uri"), HeaderName::from_static("admit-name")),
    (HeaderName::from_static("x-forwarded-host"), HeaderName::from_static("admit-client")),
    (HeaderName::from_static("x-forwarded-proto"), HeaderName::from_static("admit-realm")),
    (HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("admit-key")),
];

/// The rest of the list that an admitted answer carries.
const EMPTY: [HeaderName; 10] = [
    HeaderName::from_static("admit-email"),
    HeaderName::from_static("admit-org"),
    HeaderName::from_static("admit-external-id"),
    HeaderName::from_static("admit-grant"),
    HeaderName::from_static("admit-scope"),
    HeaderName::from_static("admit-roles"),
    HeaderName::from_static("admit-acr"),
    HeaderName::from_static("admit-token"),
    HeaderName::from_static("admit-upstream-authorization"),
    HeaderName::from_static("admit-upstream-cookie"),
];

fn identify(request: &HeaderMap, response: &mut HeaderMap) {
    response.reserve(24);
    for (from, to) in READ {
        let value = request.get(from).map(HeaderValue::as_bytes).unwrap_or_default();
        let shown = &value[value.len().saturating_sub(30)..];
        response.insert(to, HeaderValue::from_bytes(shown).unwrap_or(HeaderValue::from_static("")));
    }
    for name in EMPTY {
        response.insert(name, HeaderValue::from_static(""));
    }
    response.insert(REQUEST_ID.0, REQUEST_ID.1);
    response.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.insert(HeaderName::from_static("ratelimit-policy"), HeaderValue::from_static("\"orders\";q=100000;w=1"));
    response.insert(HeaderName::from_static("ratelimit"), HeaderValue::from_static("\"orders\";r=99999;t=1"));
}
