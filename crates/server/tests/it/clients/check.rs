//! HTTP Basic with a client's id and secret at the doors of gateways, where a rule takes it (RFC 7617).

use admit_core::check::code::Reason;
use admit_core::secret::hint;
use admit_core::time::Span;
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{CLIENTS, made};
use crate::app::{Reply, TestApp};

const API: &str = "https://api.shop.test";

/// A client that may read orders, and a rule for it: its id and its secret.
async fn with_rule(app: &TestApp) -> (String, String) {
    app.shop().await;
    app.rule(json!({"name": "machines", "match": {"host": "shop.test", "methods": ["GET"], "path": "/feed/**"},
        "require": {"scopes": ["orders:read"], "credentials": ["basic"]}}))
        .await;
    let client =
        json!({"name": "billing", "type": "service", "rights": {API: ["orders:read"]}, "external_id": "cus_42"});
    let client = made(app, client).await;
    let text = |name: &str| client[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

async fn ask(app: &TestApp, path: &str, id: &str, secret: &str) -> Reply {
    let basic = format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()));
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", path),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "203.0.113.9"),
        ("authorization", &basic),
    ];
    app.send("GET", "/check/nginx", &headers, None).await
}

#[tokio::test]
async fn rfc_7617_a_client_is_known_where_the_rule_takes_it() {
    let app = TestApp::new().await;
    let (id, secret) = with_rule(&app).await;
    let reply = ask(&app, "/feed/1", &id, &secret).await;
    let told = |name| reply.header(name);
    assert_eq!((reply.status, told("admit-subject"), told("admit-kind")), (200, id.clone(), "client".to_owned()));
    assert_eq!((told("admit-name"), told("admit-scope")), ("billing".to_owned(), "orders:read".to_owned()));
    assert_eq!((told("admit-external-id"), told("admit-acr")), ("cus_42".to_owned(), String::new()));
    let encoded = ask(&app, "/feed/1", &id.replace('_', "%5F"), &secret.replace('_', "%5f")).await;
    assert_eq!(encoded.status, 200, "rfc_7617_2: encoded like a form");

    assert_eq!(ask(&app, "/orders/1", &id, &secret).await.status, 401, "a rule that does not name it");
    assert_eq!(app.last_reason(), Some(Reason::SecretInWrongPlace));
    let bearer = app.ask("GET", "/feed/1", Some(&secret)).await;
    assert_eq!((bearer.status, app.last_reason()), (401, Some(Reason::SecretInWrongPlace)), "never as Bearer");
}

#[tokio::test]
async fn tk_18_whoever_does_not_prove_it_is_told_alike() {
    let app = TestApp::new().await;
    let (id, secret) = with_rule(&app).await;
    let other = made(&app, json!({"name": "other", "type": "service"})).await;
    let other = other["secret"].as_str().unwrap();
    let mut told = Vec::new();
    for (id, secret) in [(id.as_str(), other), ("cli_01hzzzzzzzzzzzzzzzzzzzzzzz", &secret)] {
        let reply = ask(&app, "/feed/1", id, secret).await;
        assert_eq!((reply.status, app.last_reason()), (401, Some(Reason::WrongPassword)), "{id}");
        assert!(reply.header("www-authenticate").contains("Basic realm=\"default\", charset=\"UTF-8\""));
        let mut body = reply.json();
        body["request_id"] = Value::Null;
        told.push(body);
    }
    app.manage("PATCH", &format!("{CLIENTS}/billing"), json!({"disabled": true})).await.expect(200);
    let mut body = ask(&app, "/feed/1", &id, &secret).await.json();
    body["request_id"] = Value::Null;
    assert!(told.iter().all(|other| *other == body), "{told:?} {body}");
}

#[tokio::test]
async fn warm_it_reads_no_store_and_ends_at_once_with_whatever_it_depends_on() {
    let app = TestApp::new().await;
    let (id, secret) = with_rule(&app).await;
    let judge = async || ask(&app, "/feed/1", &id, &secret).await.status;
    assert_eq!(judge().await, 200);
    let before = app.app.metrics.cache_misses.get();
    for _ in 0..20 {
        assert_eq!(judge().await, 200);
    }
    assert_eq!(app.app.metrics.cache_misses.get(), before);
    let patch = async |body: Value| app.manage("PATCH", &format!("{CLIENTS}/billing"), body).await.expect(200);
    patch(json!({"rights": {API: null}})).await;
    assert_eq!(judge().await, 403, "the right is gone");
    patch(json!({"rights": {API: ["orders:read"]}})).await;
    assert_eq!(judge().await, 200);
    let second =
        app.manage("POST", &format!("{CLIENTS}/billing/secrets"), json!({"expires_in_s": 60})).await.expect(201);
    let short = second["secret"].as_str().unwrap();
    assert_eq!(ask(&app, "/feed/1", &id, short).await.status, 200);
    app.clock.advance(Span::seconds(60));
    assert_eq!((ask(&app, "/feed/1", &id, short).await.status, judge().await), (401, 200), "its own end");
    app.manage("POST", &format!("{CLIENTS}/billing/revoke-all"), json!({})).await.expect(200);
    assert_eq!(judge().await, 200, "nothing was issued to it: the secret is its own");
    let shown = app.manage("GET", &format!("{CLIENTS}/billing"), Value::Null).await.expect(200);
    for listed in shown["secrets"].as_array().unwrap() {
        let path = format!("{CLIENTS}/billing/secrets/{}", listed["id"].as_str().unwrap());
        app.manage("DELETE", &path, Value::Null).await.expect(204);
    }
    assert_eq!(judge().await, 401, "revoked");
}

#[tokio::test]
async fn tk_17_guesses_at_a_gateway_wait_like_those_at_the_endpoints() {
    let app = TestApp::new().await;
    let (id, secret) = with_rule(&app).await;
    let wrong = format!("{}A", &secret[..secret.len() - 1]);
    // A typing error is refused by the checksum, without a guess.
    assert_eq!(ask(&app, "/feed/1", &id, &wrong).await.status, 401);
    let other = made(&app, json!({"name": "other", "type": "service"})).await;
    let other = other["secret"].as_str().unwrap();
    let mut waits = 0;
    for _ in 0..60 {
        ask(&app, "/feed/1", &id, other).await;
        waits += usize::from(app.last_reason() == Some(Reason::GuessRate));
    }
    assert!((20..=30).contains(&waits), "{waits}");
    assert_eq!(ask(&app, "/feed/1", &id, &secret).await.status, 200);
}

#[tokio::test]
async fn ak_01_nobody_asks_about_the_secret_of_another() {
    let app = TestApp::new().await;
    let (id, secret) = with_rule(&app).await;
    let asker = app.shop_key("asker", &["check"]).await;
    let basic = format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()));
    let asked = json!({"method": "GET", "url": "https://shop.test/feed/1", "headers": {"authorization": basic}});
    let told = app.manage_as(&asker, "POST", "/v1/check", asked).await.expect(200);
    assert_eq!((&told["admitted"], &told["code"]), (&json!(false), &json!("invalid_credential")), "{told}");
    assert_eq!(told.get("principal").filter(|principal| !principal.is_null()), None, "{told}");
    let bare = app.manage_as(&asker, "POST", "/v1/check", json!({"credential": secret})).await.expect(200);
    assert_eq!(bare["admitted"], false);
}

#[tokio::test]
async fn ak_01_tk_17_a_right_secret_is_told_like_a_wrong_one_however_often_and_with_every_step() {
    let app = TestApp::new().await;
    let (id, secret) = with_rule(&app).await;
    let other = made(&app, json!({"name": "other", "type": "service"})).await["secret"].as_str().unwrap().to_owned();
    let told = async |shown: &str| {
        let basic = format!("Basic {}", BASE64.encode(format!("{id}:{shown}").as_bytes()));
        let asked = json!({"method": "GET", "url": "https://shop.test/feed/1", "headers": {"authorization": basic}});
        let mut told = Vec::new();
        for path in ["/v1/realms/default/check", "/v1/realms/default/check?trace=true"] {
            let mut body = app.manage("POST", path, asked.clone()).await.expect(200);
            body["request_id"] = Value::Null;
            body["trace"]["request_id"] = Value::Null;
            body["trace"]["at"] = Value::Null;
            told.push(body.to_string().replace(&hint(shown), "a hint"));
        }
        told
    };
    let right = told(&secret).await;
    assert!(right[1].contains("a secret of this kind never belongs in this place"), "{}", right[1]);
    for _ in 0..40 {
        assert_eq!(told(&other).await, right);
    }
    assert_eq!(ask(&app, "/feed/1", &id, &secret).await.status, 200, "and nothing was counted against it");
}
