//! HTTP Basic with a person's password (RFC 7617): when it is hashed, what is remembered, and what ends that.

use admit::login::hashing::{Asker, Lane};
use admit::login::verify::Refused;
use admit_core::check::code::Reason;
use admit_core::login::basic::BELIEVED_FOR;
use admit_core::login::guard::FAILURES_MAX;
use admit_core::time::Span;
use data_encoding::BASE64;
use serde_json::{Value, json};

use super::{PASSWORD, elsewhere, events, reasons, sign_in, stranger, with_alice};
use crate::app::{Reply, TestApp};

const OTHER: &str = "kettle moss under tuesday";
const ALICE: &str = "/v1/realms/default/users/Alice";
const API: &str = "https://api.shop.test";

/// Alice, who may read orders, and a rule that takes her password.
async fn with_rule(credentials: &[&str]) -> TestApp {
    let (app, _) = with_alice().await;
    app.shop().await;
    let role = json!({"name": "reader", "rights": {API: ["orders:read"]}});
    app.manage("POST", "/v1/realms/default/roles", role).await.expect(201);
    app.manage("PATCH", ALICE, json!({"roles": ["reader"]})).await.expect(200);
    app.rule(json!({"name": "mail", "match": {"host": "shop.test", "methods": ["GET"], "path": "/mail/**"},
        "require": {"scopes": ["orders:read"], "credentials": credentials}}))
        .await;
    app
}

fn basic(name: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{name}:{password}").as_bytes()))
}

/// Asks as nginx does, from this address.
async fn ask_from(app: &TestApp, ip: &str, name: &str, password: &str) -> Reply {
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/mail/1"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", ip),
        ("authorization", &basic(name, password)),
    ];
    app.send("GET", "/check/nginx", &headers, None).await
}

async fn ask(app: &TestApp, password: &str) -> Reply {
    ask_from(app, "203.0.113.9", "alice", password).await
}

/// How many passwords were hashed to be compared.
fn hashed(app: &TestApp) -> u64 {
    let page = app.app.metrics.page(&app.app);
    let line = page.lines().find_map(|line| line.strip_prefix("admit_hash_seconds_count "));
    line.and_then(|count| count.parse().ok()).expect("the metric is there")
}

#[tokio::test]
async fn rfc_7617_3_the_challenge_says_realm_and_charset() {
    let app = with_rule(&["basic"]).await;
    let only = "Basic realm=\"default\", charset=\"UTF-8\"";
    assert_eq!(app.ask("GET", "/mail/1", None).await.header("www-authenticate"), only);
    assert_eq!(ask(&app, "wrong").await.header("www-authenticate"), only);
    let document = format!("{}/.well-known/oauth-protected-resource/api.shop.test", app.url);
    let bearer = format!("Bearer realm=\"default\", resource_metadata=\"{document}\"");
    assert_eq!(app.ask("GET", "/orders/1", None).await.header("www-authenticate"), bearer);

    let app = with_rule(&["api_key", "basic"]).await;
    let both = app.ask("GET", "/mail/1", None).await.header("www-authenticate");
    assert!(both.starts_with("Bearer realm=\"default\"") && both.ends_with(&format!(", {only}")), "{both}");
    app.manage("PATCH", ALICE, json!({"roles": []})).await.expect(200);
    let forbidden = ask(&app, PASSWORD).await.header("www-authenticate");
    assert!(forbidden.contains("insufficient_scope") && !forbidden.contains("Basic"), "403: {forbidden}");
}

#[tokio::test]
async fn who_it_is_and_how_that_was_proved_is_told() {
    let app = with_rule(&["basic"]).await;
    let reply = ask(&app, PASSWORD).await;
    let told = |name| reply.header(name);
    assert_eq!((reply.status, told("admit-kind"), told("admit-name")), (200, "user".to_owned(), "Alice".to_owned()));
    assert_eq!((told("admit-scope"), told("admit-roles")), ("orders:read".to_owned(), "reader".to_owned()));
    assert_eq!((told("admit-acr"), told("admit-grant")), ("urn:admit:aal1".to_owned(), String::new()));
    assert_eq!(told("admit-upstream-authorization"), "", "the application never sees it");

    let body = json!({"headers": {"authorization": basic("alice", PASSWORD)}, "url": "https://shop.test/mail/1"});
    let answer = app.manage("POST", "/v1/realms/default/check", body).await.expect(200);
    let principal = &answer["principal"];
    assert_eq!((&principal["credential"], &principal["amr"]), (&json!("basic"), &json!(["pwd"])));
    assert_eq!((&answer["admitted"], &principal["email"]), (&json!(true), &json!("alice@example.com")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_at_once_hash_once_and_so_do_those_after_them() {
    let app = with_rule(&["basic"]).await;
    let before = hashed(&app);
    let replies = futures_util::future::join_all((0..100).map(|_| ask(&app, PASSWORD))).await;
    assert!(replies.iter().all(|reply| reply.status == 200));
    for name in ["ALICE", "Ａlice", "alice@example.com"] {
        assert_eq!(ask_from(&app, "198.51.100.7", name, PASSWORD).await.status, 200, "{name}");
    }
    // An address is another name, and has its own memory.
    assert_eq!(hashed(&app) - before, 2);
}

#[tokio::test]
async fn a_right_password_is_believed_for_a_while_and_then_hashed_again() {
    let app = with_rule(&["basic"]).await;
    let before = hashed(&app);
    assert_eq!(ask(&app, PASSWORD).await.status, 200);
    app.clock.advance(Span::ms(BELIEVED_FOR.as_ms() - 1_000));
    assert_eq!((ask(&app, PASSWORD).await.status, hashed(&app) - before), (200, 1));
    app.clock.advance(Span::seconds(1));
    assert_eq!((ask(&app, PASSWORD).await.status, hashed(&app) - before), (200, 2));
}

#[tokio::test]
async fn a_wrong_password_is_remembered_by_nobody() {
    let app = with_rule(&["basic"]).await;
    let before = hashed(&app);
    for count in 1..4 {
        let reply = ask(&app, "another password").await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_credential"));
        assert_eq!((app.last_reason(), hashed(&app) - before), (Some(Reason::WrongPassword), count));
    }
    assert_eq!(reasons(&app).await, ["wrong_password"; 3]);
    let told = Value::from(events(&app, "sign_in.failed").await).to_string();
    assert!(!told.contains("another password"), "rfc_7617_5: {told}");
}

#[tokio::test]
async fn se_14_what_ends_a_person_ends_what_was_remembered_at_once() {
    let app = with_rule(&["basic"]).await;
    let status = async |password: &str| ask(&app, password).await.status;
    let put = async |password: &str| {
        app.manage("PUT", &format!("{ALICE}/password"), json!({ "password": password })).await.expect(200);
    };
    assert_eq!(status(PASSWORD).await, 200);
    put(OTHER).await;
    assert_eq!((status(PASSWORD).await, status(OTHER).await), (401, 200), "another password");

    app.manage("PATCH", ALICE, json!({"disabled": true})).await.expect(200);
    assert_eq!((status(OTHER).await, app.last_reason()), (401, Some(Reason::WrongPassword)), "switched off");
    app.manage("PATCH", ALICE, json!({"disabled": false})).await.expect(200);
    assert_eq!(status(OTHER).await, 200);

    app.manage("PATCH", ALICE, json!({"roles": []})).await.expect(200);
    assert_eq!((status(OTHER).await, app.last_reason()), (403, Some(Reason::ScopeMissing)), "a role less");
    app.manage("PATCH", ALICE, json!({"roles": ["reader"]})).await.expect(200);
    assert_eq!(status(OTHER).await, 200);
    app.manage("PATCH", "/v1/realms/default/roles/reader", json!({"rights": {API: null}})).await.expect(200);
    assert_eq!((status(OTHER).await, app.last_reason()), (403, Some(Reason::ScopeMissing)), "a role that gives less");
    app.manage("PATCH", "/v1/realms/default/roles/reader", json!({"rights": {API: ["orders:read"]}})).await.expect(200);
    assert_eq!(status(OTHER).await, 200);

    let before = hashed(&app);
    app.manage("POST", &format!("{ALICE}/revoke-all"), json!({})).await.expect(200);
    assert_eq!((status(OTHER).await, hashed(&app) - before), (200, 1), "asked for anew: a password is no grant");

    app.manage("POST", &format!("{ALICE}/erase"), json!({})).await.expect(200);
    assert_eq!((status(OTHER).await, app.last_reason()), (401, Some(Reason::WrongPassword)), "forgotten");
}

#[tokio::test]
async fn pw_02_guesses_count_with_those_at_other_doors() {
    let app = with_rule(&["basic"]).await;
    for number in 0..10 {
        assert_eq!(ask(&app, &format!("guess {number}")).await.status, 401);
    }
    let paced = ask(&app, "guess 10").await;
    assert_eq!((paced.header("admit-status"), paced.code().as_str()), ("429".to_owned(), "rate_limited"));
    assert!(paced.header("retry-after").parse::<u32>().unwrap() >= 5, "{}", paced.header("retry-after"));
    assert_eq!(app.last_reason(), Some(Reason::GuessRate));
    for number in 10..FAILURES_MAX {
        let ip = format!("10.{}.{}.9", number / 256, number % 256);
        assert_eq!(ask_from(&app, &ip, "ALICE@example.com", &format!("guess {number}")).await.status, 401);
    }
    let locked = ask_from(&app, "192.0.2.7", "alice", PASSWORD).await;
    assert_eq!((locked.status, locked.code().as_str()), (401, "invalid_credential"), "the right one, too");
    assert_eq!(app.last_reason(), Some(Reason::LinkNeeded));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::NeedsLink), "at /login, too");
}

#[tokio::test]
async fn pw_04_without_a_place_to_hash_it_is_told_at_once_and_what_is_remembered_goes_on() {
    let app = with_rule(&["basic"]).await;
    assert_eq!(ask(&app, PASSWORD).await.status, 200);
    let fill = |_| {
        app.app.hashing.enter(Asker { lane: Lane::Unknown, realm: app.app.default_realm, source: Some(elsewhere()) })
    };
    let places: Vec<_> = (0..1_000).map(fill).take_while(Result::is_ok).collect();
    assert!(!places.is_empty());
    let full = ask(&app, "another password").await;
    assert_eq!((full.header("admit-status"), full.code().as_str()), ("503".to_owned(), "overloaded"));
    assert_eq!((full.header("retry-after").as_str(), app.last_reason()), ("1", Some(Reason::QueueFull)));
    assert_eq!(ask(&app, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_password_is_good_for_no_door_of_our_own() {
    let app = with_rule(&["basic"]).await;
    app.manage("PATCH", ALICE, json!({"roles": ["operator", "reader"]})).await.expect(200);
    let authorization = basic("alice", PASSWORD);
    let headers = [("authorization", authorization.as_str())];
    let before = hashed(&app);
    for path in ["/v1/whoami", "/v1/realms/default/keys"] {
        let refused = app.send("GET", path, &headers, None).await;
        assert_eq!((refused.status, refused.code().as_str()), (401, "invalid_credential"), "{path}");
    }
    let account = app.send("GET", "/account", &headers, None).await;
    assert_eq!((account.status, account.header("location")), (303, "/login".to_owned()));
    assert_eq!(hashed(&app), before, "nor hashed there");
}

#[tokio::test]
async fn a_check_tells_why_and_a_rehearsal_is_no_way_to_guess() {
    let app = with_rule(&["basic"]).await;
    let body = json!({"headers": {"authorization": basic("alice", "another")}, "url": "https://shop.test/mail/1"});
    let answer = app.manage("POST", "/v1/realms/default/check?trace=true", body).await.expect(200);
    let told = answer["trace"].to_string();
    assert!(told.contains("name and password do not go together") && told.contains("sign_in.failed"), "{told}");
    assert!(!told.contains("another") && !told.contains(&BASE64.encode(b"alice:another")), "lo_02: {told}");
    assert_eq!(reasons(&app).await, ["wrong_password"], "it counts");
    let upstream = json!({"name": "x", "match": {"host": "shop.test", "path": "/x"}, "authorization": "upstream",
        "require": {"authenticated": true, "credentials": ["api_key", "basic"]}});
    let refused = app.manage("POST", "/v1/realms/default/rules", upstream).await.expect(400);
    assert_eq!(refused["problems"][0]["path"], "authorization");
}
