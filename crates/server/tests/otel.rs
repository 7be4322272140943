//! Traces, as a collector receives them. Built and run with `--features otel`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "it/app.rs"]
#[expect(dead_code, reason = "the other tests use all of it")]
mod app;
#[path = "../../store/tests/contract/cluster.rs"]
#[expect(dead_code, reason = "the contract tests of the store use all of it")]
mod cluster;
#[path = "it/store.rs"]
mod store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use admit::config::{Config, Overrides};
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use serde_json::json;

use crate::app::TestApp;

/// What a collector was sent.
type Received = Arc<Mutex<Vec<Vec<u8>>>>;

/// A collector that keeps what it receives.
async fn collector() -> (String, Received) {
    let received = Received::default();
    let keep = async |State(received): State<Received>, body: Bytes| received.lock().unwrap().push(body.to_vec());
    let router = axum::Router::new().route("/v1/traces", post(keep)).with_state(received.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(router.clone());
            let io = hyper_util::rt::TokioIo::new(stream);
            tokio::spawn(async move { hyper::server::conn::http1::Builder::new().serve_connection(io, service).await });
        }
    });
    (url, received)
}

/// The fields of a message (protobuf): number and octets of those that have a length.
fn fields(mut message: &[u8]) -> Vec<(u64, &[u8])> {
    fn number(message: &mut &[u8]) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (octet, rest) = message.split_first().unwrap();
            *message = rest;
            value |= u64::from(octet & 0x7F) << shift;
            if octet & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let tag = number(&mut message);
        let length = match tag & 7 {
            0 => {
                number(&mut message);
                continue;
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(number(&mut message)).unwrap(),
            other => panic!("wire type {other}"),
        };
        let (octets, rest) = message.split_at(length);
        found.push((tag >> 3, octets));
        message = rest;
    }
    found
}

fn all(message: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    fields(message).into_iter().filter(move |(number, _)| *number == wanted).map(|(_, octets)| octets)
}

#[derive(Debug, Clone)]
struct Span {
    trace: String,
    parent: String,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// `ExportTraceServiceRequest` down to its spans (opentelemetry-proto, `trace.proto`).
fn spans(received: &Received) -> Vec<Span> {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let hex = |octets: Option<&[u8]>| octets.map(|octets| data_encoding::HEXLOWER.encode(octets)).unwrap_or_default();
    let attribute = |pair: &[u8]| {
        let value = all(pair, 2).next().unwrap();
        (text(all(pair, 1).next().unwrap()), text(all(value, 1).next().unwrap()))
    };
    let read = |span: &[u8]| Span {
        trace: hex(all(span, 1).next()),
        parent: hex(all(span, 4).next()),
        name: text(all(span, 5).next().unwrap()),
        attributes: all(span, 9).map(attribute).collect(),
    };
    let messages = received.lock().unwrap().clone();
    let of_message = |message: &Vec<u8>| -> Vec<Span> {
        let scopes: Vec<Vec<u8>> =
            all(message, 1).flat_map(|resource| all(resource, 2).map(<[u8]>::to_vec).collect::<Vec<_>>()).collect();
        scopes.iter().flat_map(|scope| all(scope, 2).map(read).collect::<Vec<_>>()).collect()
    };
    messages.iter().flat_map(of_message).collect()
}

async fn wait_for(received: &Received, count: usize) -> Vec<Span> {
    let since = Instant::now();
    loop {
        let found = spans(received);
        if found.len() >= count {
            return found;
        }
        assert!(since.elapsed() < Duration::from_secs(10), "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

async fn ask(app: &TestApp, path: &str, key: &str, traceparent: Option<&str>) -> u16 {
    let bearer = format!("Bearer {key}");
    let mut headers = vec![
        ("x-original-method", "GET"),
        ("x-original-uri", path),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "203.0.113.9"),
        ("authorization", bearer.as_str()),
    ];
    headers.extend(traceparent.map(|value| ("traceparent", value)));
    app.send("GET", "/check/nginx", &headers, None).await.status
}

#[test]
fn a_collector_is_a_url_and_nothing_more() {
    let load = |text: &str| Config::parse(text, &Overrides::default(), []);
    let read = load("[telemetry]\notlp = 'http://127.0.0.1:4318/'\none_in = 10").unwrap().telemetry.unwrap();
    assert_eq!((read.otlp.as_str(), read.one_in), ("http://127.0.0.1:4318", 10));
    for bad in ["ftp://a", "nowhere", "http://u:p@a", "http://a/?x", "http://a/#x"] {
        let problems = load(&format!("[telemetry]\notlp = '{bad}'")).unwrap_err();
        assert!(
            problems[0].path == "telemetry.otlp" && problems[0].message.starts_with("must be"),
            "{bad}: {problems:?}"
        );
    }
}

#[tokio::test]
async fn a_decision_is_a_span_below_that_of_the_caller_and_tells_no_secret() {
    let (url, received) = collector().await;
    let app = TestApp::with(&format!("[telemetry]\notlp = \"{url}\"")).await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    assert_eq!(ask(&app, "/orders/secret-path", &key, Some(&parent)).await, 200);
    assert_eq!(ask(&app, "/elsewhere", &key, None).await, 403);
    let not_kept = format!("00-{}-00f067aa0ba902b7-00", TRACE.replace('4', "5"));
    assert_eq!(ask(&app, "/orders/1", &key, Some(&not_kept)).await, 200);
    let found = wait_for(&received, 2).await;
    let [admitted, refused] = &found[..] else { panic!("{found:?}") };
    let said = |span: &Span, name: &str| span.attributes.get(&format!("admit.{name}")).cloned().unwrap_or_default();
    assert_eq!(
        (admitted.name.as_str(), admitted.trace.as_str(), admitted.parent.as_str()),
        ("admit check", TRACE, "00f067aa0ba902b7")
    );
    let words = ["door", "realm", "verdict", "code", "rule", "reason"];
    assert_eq!(words.map(|name| said(admitted, name)), ["nginx", "default", "admitted", "ok", "read orders", ""]);
    assert_eq!(
        words.map(|name| said(refused, name)),
        ["nginx", "default", "refused", "no_rule", "", "nothing_matched"]
    );
    assert!(refused.parent.is_empty() && refused.trace.len() == 32 && refused.trace != TRACE);
    assert!(said(admitted, "request_id").starts_with("req_"));
    app.stop().await;
    let sent: Vec<u8> = received.lock().unwrap().concat();
    assert_eq!(spans(&received).len(), 2, "who is not traced by his caller is not traced here");
    for absent in [key.as_str(), &key[key.len() - 12..], "secret-path", "elsewhere", "203.0.113.9", "shop.test"] {
        assert!(!sent.windows(absent.len()).any(|part| part == absent.as_bytes()), "{absent}");
    }
}

#[tokio::test]
async fn one_in_so_many_is_kept_and_the_last_ones_are_sent_at_the_end() {
    let (url, received) = collector().await;
    let app = TestApp::with(&format!("[telemetry]\notlp = \"{url}\"\none_in = 10")).await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    for _ in 0..30 {
        ask(&app, "/orders/1", &key, None).await;
    }
    app.stop().await;
    assert_eq!(spans(&received).len(), 3);
}

#[tokio::test]
async fn a_collector_that_is_away_or_silent_holds_up_no_decision() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    for url in ["http://127.0.0.1:1".to_owned(), format!("http://{}", silent.local_addr().unwrap())] {
        let app = TestApp::with(&format!("[telemetry]\notlp = \"{url}\"")).await;
        app.shop().await;
        let key = app.shop_key("ci", &["orders:read"]).await;
        let body = json!({"credential": key, "method": "GET", "url": "https://shop.test/orders/1"});
        let begun = Instant::now();
        for _ in 0..500 {
            app.manage("POST", "/v1/realms/default/check", body.clone()).await.expect(200);
        }
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
}
