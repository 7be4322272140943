//! Oversized, mislabelled and misdirected requests, and the headers of every class of answer.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::wire::{exchange, head};
use crate::app::{Reply, TestApp};

const KEYS: &str = "/v1/realms/default/keys";

fn padded(count: usize, value: usize) -> String {
    (0..count).fold(String::new(), |mut lines, number| {
        let _ = write!(lines, "X-Fill-{number}: {}\r\n", "a".repeat(value));
        lines
    })
}

#[tokio::test]
async fn ht_04_heads_have_a_limit() {
    let app = TestApp::new().await;
    let at = app.address;
    let ask = async |line: &str, more: &str| exchange(at, &head(line, at, more)).await.status;
    for path in ["GET /healthz", "GET /check/nginx", "GET /v1/realms"] {
        assert_eq!(ask(path, &padded(1, 64 << 10)).await, 431, "{path}: a header of 64 kB");
        assert_eq!(ask(path, &padded(1000, 3)).await, 431, "{path}: 1,000 headers");
        assert_eq!(
            ask(path, &format!("Cookie: {}\r\n", "a=b; ".repeat(10_000))).await,
            431,
            "{path}: 10,000 cookies of one line are 50 kB and more"
        );
    }
    assert!(
        matches!(ask(&format!("GET /{}", "a".repeat(100_000)), "").await, 414 | 431),
        "over what is read at all, or over the limit"
    );
    assert_eq!(ask(&format!("GET /{}", "a".repeat((16 << 10) - 1)), "").await, 404);
    assert_eq!(ask(&format!("GET /{}", "a".repeat(16 << 10)), "").await, 414);
    let fixed = "hostconnectioncloseX-Fill-0".len() + at.to_string().len();
    assert_eq!(ask("GET /healthz", &padded(1, (32 << 10) - fixed)).await, 200);
    assert_eq!(ask("GET /healthz", &padded(1, (32 << 10) - fixed + 1)).await, 431);
    // Host and Connection count: 98 more are the most.
    assert_eq!(ask("GET /healthz", &padded(98, 3)).await, 200);
    assert_eq!(ask("GET /healthz", &padded(99, 3)).await, 431);
    assert_eq!(app.send("GET", "/healthz", &[], None).await.status, 200, "and goes on");
}

#[tokio::test]
async fn ht_03_bodies_have_a_limit_whatever_they_say_of_themselves() {
    let app = TestApp::new().await;
    let at = app.address;
    let more = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", app.operator());
    let line = format!("POST {KEYS}");
    let sized = |length: usize, body: &[u8]| {
        [head(&line, at, &format!("{more}Content-Length: {length}\r\n")), body.to_vec()].concat()
    };

    let large = exchange(at, &sized(10 << 20, &vec![b' '; 10 << 20])).await;
    // The connection may be reset while the client still sends: then there is no answer to read.
    assert!(matches!(large.status, 413 | 0), "{}", large.text);
    let over = exchange(at, &sized((64 << 10) + 1, &vec![b' '; (64 << 10) + 1])).await;
    assert_eq!(over.status, 413, "{}", over.text);
    assert!(over.body().contains("body_too_large"), "{}", over.text);
    let full = [vec![b' '; (64 << 10) - 2], b"{}".to_vec()].concat();
    let full = exchange(at, &sized(64 << 10, &full)).await;
    assert_eq!(full.status, 400, "as long as may be, and no request for a key: {}", full.text);

    let mut endless = head(&line, at, &format!("{more}Transfer-Encoding: chunked\r\n"));
    for _ in 0..100 {
        endless.extend_from_slice(b"1000\r\n");
        endless.extend_from_slice(&[b' '; 4096]);
        endless.extend_from_slice(b"\r\n");
    }
    let endless = exchange(at, &endless).await;
    assert!(matches!(endless.status, 413 | 0), "{}", endless.text);
    let short = exchange(at, &sized(500, b"{\"name\":\"ci\"}")).await;
    assert!(matches!(short.status, 400 | 0), "the body breaks off: {}", short.text);
    let items = app.manage("GET", KEYS, Value::Null).await.expect(200);
    assert_eq!(items["items"], json!([]), "none of it made a key");
}

#[tokio::test]
async fn ht_03_only_json_is_read() {
    let app = TestApp::new().await;
    let bearer = format!("Bearer {}", app.operator());
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab, 0xae, 5, 0, 0x43, 0xbf, 0xa6, 0xa3, 2, 0, 0, 0];
    for (content_type, body) in [
        ("text/plain", br#"{"name":"ci"}"#.to_vec()),
        ("application/x-www-form-urlencoded", b"name=ci&".repeat(1000)),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=name\r\n\r\nci\r\n--x--".to_vec(),
        ),
        ("application/jsonp", br#"{"name":"ci"}"#.to_vec()),
        ("", br#"{"name":"ci"}"#.to_vec()),
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        let reply = app.send("POST", KEYS, &headers, Some(body)).await;
        assert_eq!((reply.status, reply.code().as_str()), (415, "unsupported_media_type"), "{content_type}");
    }
    let headers =
        [("authorization", bearer.as_str()), ("content-type", "application/json"), ("content-encoding", "gzip")];
    let reply = app.send("POST", KEYS, &headers, Some(gzip.to_vec())).await;
    assert!(matches!(reply.status, 400 | 415), "nothing is unpacked: {}", reply.text);
}

/// One answer of each class.
async fn classes(app: &TestApp) -> Vec<(u16, Reply)> {
    let operator = format!("Bearer {}", app.operator());
    let ours = ("authorization", operator.as_str());
    let mut replies = Vec::new();
    for (status, method, path, headers) in [
        (200, "GET", "/v1/realms", vec![ours]),
        (200, "GET", "/healthz", vec![]),
        (200, "GET", "/v1/docs", vec![]),
        (200, "GET", "/v1/openapi.json", vec![]),
        (401, "GET", "/v1/realms", vec![]),
        (404, "GET", "/nowhere", vec![]),
        (404, "GET", "/v1/nowhere", vec![ours]),
        (404, "GET", "/v1/realms/nowhere", vec![ours]),
        (405, "DELETE", "/v1/realms", vec![ours]),
        (415, "POST", KEYS, vec![ours, ("content-type", "text/plain")]),
        (421, "GET", "/v1/realms", vec![ours, ("host", "elsewhere.test")]),
    ] {
        let body = (status == 415).then(|| b"x".to_vec());
        replies.push((status, app.send(method, path, &headers, body).await));
    }
    let large = [ours, ("content-type", "application/json")];
    replies.push((413, app.send("POST", KEYS, &large, Some(vec![b' '; (64 << 10) + 1])).await));
    replies
}

#[tokio::test]
async fn ht_12_every_class_of_answer_is_hardened() {
    let app = TestApp::new().await;
    for (status, reply) in classes(&app).await {
        assert_eq!(reply.status, status, "{}", reply.text);
        let has = |name: &str, part: &str| {
            assert!(reply.header(name).contains(part), "{status}: {name}: {:?}", reply.header(name));
        };
        has("x-content-type-options", "nosniff");
        has("x-frame-options", "DENY");
        has("content-security-policy", "default-src 'none'");
        has("content-security-policy", "frame-ancestors 'none'");
        has("referrer-policy", "no-referrer");
        has("strict-transport-security", "max-age=");
        has("cross-origin-opener-policy", "same-origin");
        has("cross-origin-resource-policy", "same-origin");
        has("permissions-policy", "camera=()");
        assert!(!reply.header("cache-control").is_empty());
        if status >= 400 {
            has("cache-control", "no-store");
            has("content-type", "application/problem+json");
            has("admit-request-id", "req_");
            assert_eq!(reply.json()["status"], status);
            assert!(reply.json()["type"].as_str().unwrap().ends_with(&format!("/v1/docs#{}", reply.code())));
        }
        assert_eq!(reply.header("server"), "", "{status}");
        assert_eq!(reply.header("set-cookie"), "", "{status}");
    }
}

#[tokio::test]
async fn other_hosts_are_misdirected_and_two_are_none() {
    let app = TestApp::new().await;
    let at = app.address;
    let ask = async |lines: &str| {
        exchange(at, format!("GET /v1/docs HTTP/1.1\r\n{lines}Connection: close\r\n\r\n").as_bytes()).await.status
    };
    for good in ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost:1"] {
        assert_eq!(ask(&format!("Host: {good}\r\n")).await, 200, "{good}");
    }
    for bad in [
        "elsewhere.test",
        "localhost.elsewhere.test",
        "127.0.0.1.nip.test",
        "127.0.0.2.",
        "",
        "a b",
        "localhost@elsewhere.test",
    ] {
        assert_eq!(ask(&format!("Host: {bad}\r\n")).await, 421, "{bad:?}");
    }
    assert_eq!(ask("Host: localhost\r\nHost: elsewhere.test\r\n").await, 421);
    assert!(matches!(ask("").await, 400 | 421), "HTTP/1.1 without a Host");
    let absolute = format!("GET http://elsewhere.test/v1/docs HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
    assert_eq!(exchange(at, absolute.as_bytes()).await.status, 421);
    assert_eq!(
        ask("Host: elsewhere.test\r\nX-Forwarded-Host: localhost\r\n").await,
        421,
        "a header of the client decides nothing"
    );
}

#[tokio::test]
async fn a_method_that_is_not_known_names_those_that_are() {
    let app = TestApp::new().await;
    let allowed = async |method: &str, path: &str| {
        let reply = app.manage(method, path, Value::Null).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (405, "method_not_allowed"),
            "{method} {path}: {}",
            reply.text
        );
        reply.header("allow")
    };
    assert_eq!(allowed("DELETE", "/v1/realms").await, "GET,HEAD,POST");
    assert_eq!(allowed("PUT", KEYS).await, "GET,HEAD,POST");
    assert_eq!(allowed("GETX", KEYS).await, "GET,HEAD,POST");
    assert_eq!(allowed("POST", "/v1/realms/default/keys/ci").await, "GET,HEAD,PATCH,DELETE");
    assert_eq!(allowed("POST", "/healthz").await, "GET,HEAD");
    let over = [("x-http-method-override", "DELETE")];
    assert_eq!(
        app.send("GET", "/healthz?_method=DELETE", &over, None).await.status,
        200,
        "fa_07: the real method only"
    );
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let app = TestApp::new().await;
    let bearer = format!("Bearer {}", app.operator());
    for path in ["/v1/realms", "/v1/realms/default", "/healthz", "/v1/docs"] {
        let headers = [("authorization", bearer.as_str())];
        let get = app.send("GET", path, &headers, None).await;
        let head = app.send("HEAD", path, &headers, None).await;
        assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{path}");
        for (name, value) in &get.headers {
            if !matches!(name.as_str(), "date" | "admit-request-id") {
                assert_eq!(head.headers.get(name), Some(value), "{path}: {name}");
            }
        }
    }
}
