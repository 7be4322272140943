//! What was judged is what arrives: method, target and body, over connections that are kept.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::echo::sha256;
use super::fake::{self, Fake, Say};
use super::raw::Connection;
use super::{Ask, Echo, Gateway, Kind, Shop};

fn asked_with(kind: Kind, head: &str) -> (String, String) {
    let (method, uri) = match kind {
        Kind::Nginx => ("x-original-method", "x-original-uri"),
        Kind::Caddy => ("x-forwarded-method", "x-forwarded-uri"),
    };
    (fake::header(head, method).join("|"), fake::header(head, uri).join("|"))
}

#[tokio::test]
async fn fa_06_fa_07_every_method_is_asked_about_by_its_name() {
    let (echo, fake) = (Echo::new().await, Fake::new(Say::Answer(fake::yes())).await);
    for gateway in Gateway::both(echo.address, fake.address) {
        let kind = gateway.kind;
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GETX", "PROPFIND"] {
            let mut ask = Ask::new(&format!("{method} /orders/42"));
            if ["POST", "PUT", "PATCH"].contains(&method) {
                ask = ask.body(b"{\"order\": 42}".to_vec());
            }
            let seen = echo.seen();
            let answer = gateway.ask(&ask).await;
            assert_eq!(answer.status, 200, "{kind:?} {method}\n{}", gateway.printed());
            let heads = fake.asked();
            assert_eq!(heads.len(), 1, "{kind:?} {method}");
            assert!(heads[0].starts_with("GET /check/"), "{kind:?} {}", heads[0]);
            assert_eq!(asked_with(kind, &heads[0]), (method.to_owned(), "/orders/42".to_owned()), "{kind:?}");
            assert_eq!(echo.seen(), seen + 1, "{kind:?} {method}");
            if method != "HEAD" {
                assert_eq!(answer.json()["method"], method, "{kind:?}");
            }
        }
    }
}

#[tokio::test]
async fn fa_06_a_health_checker_s_name_opens_nothing() {
    let shop = Shop::open().await;
    for gateway in &shop.gateways {
        for (line, agent) in
            [("GET /orders/ping", "GoogleHC/1.0"), ("HEAD /orders/42", "kube-probe/1.30"), ("OPTIONS /orders/42", "")]
        {
            let answer = gateway.ask(&Ask::new(line).with("User-Agent", agent)).await;
            let expected = if line.starts_with("OPTIONS") { 403 } else { 401 };
            assert_eq!(answer.status, expected, "{:?} {line}", gateway.kind);
        }
        for line in ["TRACE /orders/42", "CONNECT shop.test:443"] {
            let answer = gateway.ask(&Ask::new(line).key(&shop.reader)).await;
            assert!((400..500).contains(&answer.status), "{:?} {line}: {}", gateway.kind, answer.status);
        }
    }
    assert_eq!(shop.echo.seen(), 0);
}

#[tokio::test]
async fn fa_04_a_target_is_judged_and_arrives_byte_for_byte() {
    let (echo, fake) = (Echo::new().await, Fake::new(Say::Answer(fake::yes())).await);
    for gateway in Gateway::both(echo.address, fake.address) {
        let kind = gateway.kind;
        for target in [
            "/a%2Fb",
            "/a%2fb",
            "/%6frders/42",
            "/a/../b",
            "/a/./b",
            "/a//b",
            "/a%20b",
            "/a;x=1/b",
            "/a%5Cb",
            "/a%252e%252e/b",
            "/a%23b",
            "/a%3Fb?c=%26&d=e+f",
            "/a?b=c&d",
            "/a?x=/b/../c%2Fd",
            "/%C3%BC",
            "/a:b@c,d!e'f(g)*h~i",
        ] {
            let answer = gateway.ask(&Ask::new(&format!("GET {target}"))).await;
            assert_eq!(answer.status, 200, "{kind:?} {target}\n{}", gateway.printed());
            assert_eq!(answer.json()["target"], target, "{kind:?}: at the application");
            let asked = asked_with(kind, &fake.asked()[0]);
            assert_eq!(asked, ("GET".to_owned(), target.to_owned()), "{kind:?}: at Admit");
        }
    }
}

#[tokio::test]
async fn a_large_body_arrives_whole() {
    let shop = Shop::open().await;
    let rule = json!({"match": {"host": "shop.test", "methods": ["PUT"], "path": "/files/**"}, "require": {"authenticated": true}});
    shop.app.rule(rule).await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for gateway in &shop.gateways {
        let (kind, ask) = (gateway.kind, Ask::new("PUT /files/1"));
        let answer = gateway.ask(&ask.clone().key(&shop.reader).body(body.clone())).await;
        assert_eq!(answer.status, 200, "{kind:?}\n{}", gateway.printed());
        assert_eq!(answer.json()["body"], json!({"bytes": body.len(), "sha256": sha256(&body)}), "{kind:?}");
        let seen = shop.echo.seen();
        let refused = gateway.ask(&ask.body(body.clone())).await;
        assert_eq!((refused.status, shop.echo.seen()), (401, seen), "{kind:?}");
    }
}

#[tokio::test]
async fn fa_06_a_websocket_opens_for_who_is_admitted() {
    let shop = Shop::open().await;
    let upgrade =
        |ask: Ask| ask.with("Connection", "Upgrade").with("Upgrade", "websocket").with("Sec-WebSocket-Version", "13");
    for gateway in &shop.gateways {
        let (kind, seen) = (gateway.kind, shop.echo.seen());
        let refused = gateway.ask(&upgrade(Ask::new("GET /orders/live"))).await;
        assert_eq!((refused.status, shop.echo.seen()), (401, seen), "{kind:?}");
        let mut connection = Connection::to(gateway.address).await;
        let ask = upgrade(Ask::new("GET /orders/live").key(&shop.reader))
            .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(connection.ask(&ask).await.status, 101, "{kind:?}\n{}", gateway.printed());
        let mut stream = connection.into_stream();
        stream.write_all(b"there and back").await.unwrap();
        let mut back = [0; 14];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"there and back", "{kind:?}");
    }
}

#[tokio::test]
async fn connections_to_admit_are_kept() {
    let (echo, fake) = (Echo::new().await, Fake::new(Say::Answer(fake::yes())).await);
    for gateway in Gateway::both(echo.address, fake.address) {
        let before = fake.connections();
        let mut connection = Connection::to(gateway.address).await;
        for _ in 0..6 {
            assert_eq!(connection.ask(&Ask::new("GET /orders/42")).await.status, 200, "{:?}", gateway.kind);
        }
        assert_eq!(fake.asked().len(), 6, "{:?}", gateway.kind);
        let made = fake.connections() - before;
        assert!(made <= 2, "{:?}: {made} connections for six requests", gateway.kind);
    }
}
