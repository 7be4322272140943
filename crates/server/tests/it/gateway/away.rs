//! FA-11: where Admit is away, slow, or not Admit, nothing is admitted.

use std::time::{Duration, Instant};

use super::fake::{Fake, Say, answer, yes};
use super::{Ask, Echo, Gateway, Kind};

/// Asks, and asserts that it was a refusal that nobody else had a word in.
async fn assert_refused(gateway: &Gateway, echo: &Echo, what: &str, expected: u16) {
    let seen = echo.seen();
    let (kind, got) = (gateway.kind, gateway.ask(&Ask::new("GET /orders/42").key("admit_x")).await);
    assert_eq!(got.status, expected, "{kind:?}, {what}\n{}", gateway.printed());
    for name in ["set-cookie", "location"] {
        assert!(got.all(name).is_empty(), "{kind:?}, {what}: {:?}", got.headers);
    }
    if expected == 503 {
        assert_eq!((got.code().as_str(), got.one("retry-after")), ("unavailable", "1"), "{kind:?}, {what}");
        assert_eq!(got.one("cache-control"), "no-store", "{kind:?}, {what}");
    }
    assert_eq!(echo.seen(), seen, "{kind:?}, {what}");
}

#[tokio::test]
async fn fa_11_what_is_not_admit_s_answer_admits_nobody() {
    let (echo, fake) = (Echo::new().await, Fake::new(Say::Answer(yes())).await);
    let gateways = Gateway::both(echo.address, fake.address);
    let cookie = ("Set-Cookie", "stolen=1");
    let location = ("Location", "https://evil.test/");
    let id = ("Admit-Request-Id", "req_1");
    let strays = [
        ("500", Say::Answer(answer("500 Internal Server Error", &[cookie]))),
        ("502", Say::Answer(answer("502 Bad Gateway", &[]))),
        ("404", Say::Answer(answer("404 Not Found", &[]))),
        ("201", Say::Answer(answer("201 Created", &[cookie]))),
        ("204", Say::Answer(answer("204 No Content", &[]))),
        ("302", Say::Answer(answer("302 Found", &[location, cookie]))),
        ("302 with an id", Say::Answer(answer("302 Found", &[location, id]))),
        ("204 with an id", Say::Answer(answer("204 No Content", &[id]))),
        ("200 without an id", Say::Answer(answer("200 OK", &[("Admit-Subject", "usr_1")]))),
        ("200 with an id of another kind", Say::Answer(yes().replace("req_", "id_"))),
        ("200 with an id in the wrong place", Say::Answer(answer("200 OK", &[("Admit-Subject", "req_1")]))),
        ("garbage", Say::Last("\0\u{1}\u{2} this is not HTTP\r\n\r\n".to_owned())),
        ("another protocol", Say::Last("SSH-2.0-OpenSSH_9.2\r\n".to_owned())),
        ("nothing", Say::Last(String::new())),
        ("half a header", Say::Last("HTTP/1.1 200 OK\r\nAdmit-Request-Id: req_1\r\nAdmit-Sub".to_owned())),
        (
            "a header without end",
            Say::Last(format!("HTTP/1.1 200 OK\r\nAdmit-Request-Id: req_1\r\nX: {}", "x".repeat(100_000))),
        ),
    ];
    for gateway in &gateways {
        for (what, say) in &strays {
            fake.say(say.clone());
            assert_refused(gateway, &echo, what, 503).await;
        }
        // As soon as it is Admit again, it counts again.
        fake.say(Say::Answer(yes()));
        let seen = echo.seen();
        assert_eq!(gateway.ask(&Ask::new("POST /orders")).await.status, 200, "{:?}", gateway.kind);
        assert_eq!(echo.seen(), seen + 1, "{:?}", gateway.kind);
    }
}

#[tokio::test]
async fn fa_11_a_refusal_brings_no_cookie() {
    let (echo, fake) = (Echo::new().await, Fake::new(Say::Answer(yes())).await);
    for gateway in Gateway::both(echo.address, fake.address) {
        let headers = [("Set-Cookie", "stolen=1"), ("Location", "https://evil.test/"), ("Admit-Request-Id", "req_1")];
        for status in ["401 Unauthorized", "403 Forbidden"] {
            fake.say(Say::Answer(answer(status, &headers)));
            let expected = status[..3].parse().unwrap();
            assert_refused(&gateway, &echo, status, expected).await;
        }
    }
}

#[tokio::test]
async fn fa_11_admit_is_down() {
    let (echo, mut fake) = (Echo::new().await, Fake::new(Say::Answer(yes())).await);
    let gateways = Gateway::both(echo.address, fake.address);
    fake.go_down().await;
    for gateway in &gateways {
        assert_refused(gateway, &echo, "down", 503).await;
    }
}

#[tokio::test]
async fn fa_11_admit_is_slow() {
    let (echo, fake) = (Echo::new().await, Fake::new(Say::Late(Duration::from_secs(8), yes())).await);
    let gateways = Gateway::both(echo.address, fake.address);
    let begun = Instant::now();
    let [nginx, caddy] = &gateways;
    tokio::join!(assert_refused(nginx, &echo, "slow", 503), assert_refused(caddy, &echo, "slow", 503));
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert_eq!([nginx.kind, caddy.kind], [Kind::Nginx, Kind::Caddy]);
}
