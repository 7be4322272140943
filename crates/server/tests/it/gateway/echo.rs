//! An application that tells what reached it.
//!
//! It answers 200 with `{"method", "target", "headers", "body"}`: headers as a map of lists, the body as its length and
//! SHA-256. `X-Answer: Name: value` makes it answer with that header; a WebSocket is opened and its octets sent back.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::{Body, to_bytes};
use data_encoding::HEXLOWER;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The application; gone when dropped.
pub struct Echo {
    pub address: SocketAddr,
    seen: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Echo {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, seen) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let task = tokio::spawn(serve(listener, seen.clone()));
        Self { address, seen, task }
    }

    /// How many requests reached it.
    pub fn seen(&self) -> usize {
        self.seen.load(Ordering::Relaxed)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, seen: Arc<AtomicUsize>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let seen = seen.clone();
        let service = service_fn(move |request| {
            seen.fetch_add(1, Ordering::Relaxed);
            answer(request)
        });
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::spawn(connection);
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.headers().contains_key(UPGRADE) {
        tokio::spawn(send_back(hyper::upgrade::on(&mut request)));
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return Ok(response);
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), 16 << 20).await.unwrap_or_default();
    let mut headers: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (name, value) in &parts.headers {
        headers.entry(name.as_str()).or_default().push(String::from_utf8_lossy(value.as_bytes()).into());
    }
    let told = json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": headers,
        "body": {"bytes": body.len(), "sha256": sha256(&body)},
    });
    let mut response = Response::new(Body::from(told.to_string()));
    for wanted in parts.headers.get_all("x-answer") {
        let (name, value) = wanted.to_str().unwrap().split_once(": ").unwrap();
        let value = HeaderValue::from_str(value).unwrap();
        response.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    Ok(response)
}

async fn send_back(upgrade: hyper::upgrade::OnUpgrade) {
    let Ok(upgraded) = upgrade.await else { return };
    let (mut read, mut write) = tokio::io::split(TokioIo::new(upgraded));
    let _ = tokio::io::copy(&mut read, &mut write).await;
}

/// The digest that the echo tells of a body.
pub fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest(&SHA256, bytes).as_ref())
}
