//! HT-01: clients that take up places and bring nothing. Everybody else is answered meanwhile.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use admit::http::limits::Limits;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::wire::head;
use crate::app::TestApp;

/// How long a cut may take to be noticed before the test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Everything in a hurry but what a test is not about.
fn hasty() -> Limits {
    Limits { look_every: ms(20), ..Limits::default() }
}

/// Sends a byte now and then until the server closes; what it answered, and how long that took.
async fn drip(at: SocketAddr, begin: &[u8], byte: &[u8]) -> (String, Duration) {
    let begun = Instant::now();
    let stream = TcpStream::connect(at).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let _ = write.write_all(begin).await;
    let (begin, byte) = (begin.is_empty(), byte.to_vec());
    let dripping = tokio::spawn(async move {
        while !byte.is_empty() && write.write_all(&byte).await.is_ok() {
            tokio::time::sleep(ms(30)).await;
        }
        // An end that nobody sent would be another story.
        std::future::pending::<()>().await;
        drop(write);
    });
    let mut answer = Vec::new();
    let closed = tokio::time::timeout(PATIENCE, read.read_to_end(&mut answer)).await;
    dripping.abort();
    assert!(closed.is_ok(), "never closed; silent from the beginning: {begin}");
    (String::from_utf8_lossy(&answer).into_owned(), begun.elapsed())
}

fn cuts(app: &TestApp, why: &str) -> u64 {
    let page = app.app.metrics.page(&app.app);
    let start = format!("admit_connections_cut_total{{why=\"{why}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&start)).and_then(|count| count.parse().ok()).unwrap_or_default()
}

async fn answers(app: &TestApp) {
    assert_eq!(app.send("GET", "/healthz", &[], None).await.status, 200);
}

#[tokio::test]
async fn ht_01_a_head_that_drips_is_cut() {
    let app = TestApp::with_limits("", Limits { head: ms(300), ..hasty() }).await;
    let at = app.address;
    let begin = format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\nX-Slow: ");
    let (answer, took) = drip(at, begin.as_bytes(), b"a").await;
    assert!(answer.is_empty() && took >= ms(300), "{took:?}: {answer}");
    assert_eq!(cuts(&app, "head"), 1);
    let (answer, _) = drip(at, b"", b"\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "empty lines before a head are no head: {answer}");
    // After a whole request the same holds.
    let after = format!("GET /healthz HTTP/1.1\r\nHost: {at}\r\n\r\nGET / HT");
    let (answer, _) = drip(at, after.as_bytes(), b"x").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answers(&app).await;
}

#[tokio::test]
async fn ht_01_a_body_that_drips_is_cut() {
    let limits = Limits { body_grace: ms(300), request: PATIENCE, ..hasty() };
    let app = TestApp::with_limits("", limits).await;
    let at = app.address;
    let more = format!(
        "Authorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n",
        app.operator()
    );
    let (answer, took) = drip(at, &head("POST /v1/realms/default/keys", at, &more), b" ").await;
    assert!(answer.is_empty() && took >= ms(300), "{took:?}: {answer}");
    assert_eq!(cuts(&app, "body"), 1);
    let (answer, _) =
        drip(at, &head("POST /v1/leaked", at, "Content-Type: application/json\r\nContent-Length: 90\r\n"), b" ").await;
    assert_eq!((answer.as_str(), cuts(&app, "body")), ("", 2), "strangers, too");
    let items = app.manage("GET", "/v1/realms/default/keys", Value::Null).await.expect(200);
    assert_eq!(items["items"], serde_json::json!([]));
}

#[tokio::test]
async fn ht_01_a_body_that_stops_is_answered_where_the_request_has_an_end() {
    let limits = Limits { request: ms(300), ..hasty() };
    let app = TestApp::with_limits("", limits).await;
    let more = "Content-Type: application/json\r\nContent-Length: 90\r\n";
    let (answer, _) = drip(app.address, &head("POST /v1/leaked", app.address, more), b"").await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("request_timeout"), "{answer}");
}

#[tokio::test]
async fn ht_01_an_answer_that_nobody_reads_is_cut() {
    let limits = Limits { answer: ms(300), rate: 1_000_000, ..hasty() };
    let app = TestApp::with_limits("", limits).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(app.address).await.unwrap();
    let one = format!("GET /v1/openapi.json HTTP/1.1\r\nHost: {}\r\n\r\n", app.address);
    // More than the buffers of both sides hold; some of it is never taken in.
    let _ = tokio::time::timeout(ms(500), stream.write_all(one.repeat(400).as_bytes())).await;
    let until = Instant::now() + PATIENCE;
    while cuts(&app, "answer") == 0 && Instant::now() < until {
        answers(&app).await;
        tokio::time::sleep(ms(20)).await;
    }
    assert_eq!(cuts(&app, "answer"), 1);
}

#[tokio::test]
async fn ht_01_five_hundred_idle_connections_hurt_nobody_and_end() {
    admit::serve::open_files();
    let app = TestApp::with_limits("", Limits { idle: ms(1500), ..hasty() }).await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let mut idle = Vec::new();
    for number in 0..500 {
        let mut stream = TcpStream::connect(app.address).await.unwrap();
        if number % 2 == 0 {
            stream
                .write_all(format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", app.address).as_bytes())
                .await
                .unwrap();
        }
        idle.push(stream);
    }
    for _ in 0..50 {
        let begun = Instant::now();
        assert_eq!(app.ask("GET", "/orders/1", Some(&key)).await.status, 200);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }
    let mut ended = 0;
    for mut stream in idle {
        let mut answer = Vec::new();
        let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        ended += usize::from(closed.is_ok());
    }
    assert_eq!(ended, 500);
    assert!(cuts(&app, "idle") >= 500);
    assert_eq!(app.ask("GET", "/orders/1", Some(&key)).await.status, 200);
}

#[tokio::test]
async fn ht_01_a_busy_connection_is_not_idle() {
    let app = TestApp::with_limits("", Limits { idle: ms(400), head: ms(400), ..hasty() }).await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", app.address);
    for turn in 0..30 {
        let (first, rest) = request.split_at(20);
        stream.write_all(first.as_bytes()).await.unwrap();
        tokio::time::sleep(ms(50)).await;
        stream.write_all(rest.as_bytes()).await.unwrap();
        let mut answer = [0; 2048];
        let count = stream.read(&mut answer).await.unwrap();
        assert!(answer[..count].starts_with(b"HTTP/1.1 200"), "turn {turn}");
    }
    assert_eq!(cuts(&app, "idle") + cuts(&app, "head"), 0);
}

/// A connection from another address of this machine.
async fn from(ip: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(format!("{ip}:0").parse().unwrap()).unwrap();
    socket.connect(to).await.unwrap()
}

/// True where it is answered, and stays open.
async fn is_served(stream: &mut TcpStream, to: SocketAddr) -> bool {
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {to}\r\n\r\n");
    let mut answer = [0; 2048];
    stream.write_all(request.as_bytes()).await.is_ok()
        && matches!(stream.read(&mut answer).await, Ok(count) if answer[..count].starts_with(b"HTTP/1.1 200"))
}

#[tokio::test]
async fn ht_01_one_address_does_not_take_all_places() {
    let limits = Limits { connections: 12, stranger_connections: 8, address_connections: 4, ..hasty() };
    let app = TestApp::with_limits("trusted_proxies = ['127.0.0.7']", limits).await;
    let at = app.address;
    let mut held = Vec::new();
    for (ip, share) in [("127.0.0.2", 4), ("127.0.0.3", 4), ("127.0.0.4", 0)] {
        for number in 0..6 {
            let mut stream = from(ip, at).await;
            assert_eq!(is_served(&mut stream, at).await, number < share, "{ip}, connection {number}");
            held.push(stream);
        }
    }
    for number in 0..4 {
        let mut stream = from("127.0.0.7", at).await;
        assert!(is_served(&mut stream, at).await, "the rest is for the gateway: {number}");
        held.push(stream);
    }
    let refused = app.app.metrics.page(&app.app);
    assert!(refused.contains("admit_connections_refused_total 10\n"), "{refused}");
    held.clear();
    let until = Instant::now() + PATIENCE;
    while !is_served(&mut from("127.0.0.4", at).await, at).await {
        assert!(Instant::now() < until, "places come back");
    }
}
