//! A storm of unknown keys in one realm leaves another realm's verdicts and latency alone (ADR of the unknown budget).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use admit::app::random;
use admit_core::check::code::Reason;
use admit_core::secret;
use admit_core::time::Span;
use data_encoding::BASE64;
use serde_json::json;
use tokio::task::JoinSet;

use crate::app::{Reply, TestApp};

/// How many tasks storm; the listener serves them on the same cores as everybody else.
const TASKS: u32 = 4;
const SAMPLES: usize = 200;

/// A server with the shop in the realms `default` and `acme`.
async fn two_shops() -> TestApp {
    let app = TestApp::new().await;
    app.shop().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    let api = json!({"uri": "https://api.shop.test", "hosts": ["shop.test"], "scopes": {"orders:read": "Read orders"}});
    app.manage("POST", "/v1/realms/acme/apis", api).await.expect(201);
    let rule = json!({"match": {"host": "shop.test", "methods": ["GET"], "path": "/orders/**"}, "require": {"scopes": ["orders:read"]}});
    app.manage("POST", "/v1/realms/acme/rules", rule).await.expect(201);
    app
}

async fn acme_key(app: &TestApp, name: &str) -> String {
    let request = json!({"name": name, "api": "https://api.shop.test", "scopes": ["orders:read"]});
    app.manage("POST", "/v1/realms/acme/keys", request).await.expect(201)["key"].as_str().unwrap().to_owned()
}

fn stranger() -> String {
    secret::write("acme", &random()).expose().to_owned()
}

/// A request for acme's shop, as nginx asks.
async fn ask_acme(app: &TestApp, ip: &str, key: &str) -> (String, Reply) {
    let bearer = format!("Bearer {key}");
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/1"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", ip),
        ("authorization", &bearer),
    ];
    let reply = app.send("GET", "/realms/acme/check/nginx", &headers, None).await;
    let status = if reply.status == 200 { "200".to_owned() } else { reply.header("admit-status") };
    let status = if status.is_empty() { reply.status.to_string() } else { status };
    (status, reply)
}

/// What the storm met: refused as unknown, refused by the budget, anything else.
#[derive(Default)]
struct Met {
    unknown: AtomicU64,
    budget: AtomicU64,
    other: AtomicU64,
}

fn storm(app: &TestApp, over: &Arc<AtomicBool>, met: &Arc<Met>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (over, met, url) = (over.clone(), met.clone(), format!("{}/realms/acme/check/nginx", app.url));
        tasks.spawn(async move {
            let http = reqwest::Client::new();
            for turn in 0_u32.. {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let ip = format!("{}.{}.{}.9", 20 + task, turn % 250, turn / 250 % 250);
                let request = http.get(&url).header("x-original-method", "GET").header("x-original-uri", "/orders/1");
                let request = request.header("x-forwarded-host", "shop.test").header("x-forwarded-proto", "https");
                let request = request.header("x-forwarded-for", ip).bearer_auth(stranger());
                let response = request.send().await.unwrap();
                let shown = response.headers().get("admit-code").map(|code| code.to_str().unwrap().to_owned());
                let count = match shown.as_deref() {
                    Some("invalid_credential") => &met.unknown,
                    Some("rate_limited") => &met.budget,
                    _ => &met.other,
                };
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks
}

async fn median(app: &TestApp, key: &str) -> Duration {
    let mut taken = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let begun = Instant::now();
        let reply = app.ask("GET", "/orders/1", Some(key)).await;
        taken.push(begun.elapsed());
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    taken.sort();
    taken[SAMPLES / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_unknown_keys_leaves_another_realm_alone() {
    let app = two_shops().await;
    let neighbour = app.shop_key("neighbour", &["orders:read"]).await;
    let mut neighbours = Vec::new();
    for number in 0..40 {
        neighbours.push(app.shop_key(&format!("cold{number}"), &["orders:read"]).await);
    }
    let own = acme_key(&app, "own").await;
    let own_cold = acme_key(&app, "own cold").await;
    assert_eq!(ask_acme(&app, "203.0.113.9", &own).await.0, "200");
    let alone = median(&app, &neighbour).await;

    let (over, met) = (Arc::<AtomicBool>::default(), Arc::<Met>::default());
    let tasks = storm(&app, &over, &met);
    let until = Instant::now() + Duration::from_secs(30);
    while met.budget.load(Ordering::Relaxed) == 0 && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let under_storm = median(&app, &neighbour).await;
    for (number, key) in neighbours.iter().enumerate() {
        let reply = app.ask("GET", "/orders/1", Some(key)).await;
        assert_eq!(reply.status, 200, "cold key {number}: {:?}", app.last_reason());
    }
    for _ in 0..50 {
        let (status, reply) = ask_acme(&app, "203.0.113.9", &own).await;
        assert_eq!(status, "200", "a key that is known here is not throttled by strangers: {}", reply.text);
    }
    let (status, reply) = ask_acme(&app, "203.0.113.9", &own_cold).await;
    assert!(
        matches!((status.as_str(), reply.code().as_str()), ("200", _) | ("429", "rate_limited")),
        "{status} {}",
        reply.text
    );
    over.store(true, Ordering::Relaxed);
    tasks.join_all().await;

    let [unknown, budget, other] = [&met.unknown, &met.budget, &met.other].map(|count| count.load(Ordering::Relaxed));
    assert!(unknown > 1000 && budget > 100 && other == 0, "unknown {unknown}, budget {budget}, other {other}");
    let bound = alone * 5 + Duration::from_millis(5);
    assert!(under_storm <= bound, "{under_storm:?} under the storm, {alone:?} alone");
    assert!(app.app.unknown.count() as u64 <= unknown, "only what was looked up is remembered");

    app.clock.advance(Span::minutes(2));
    let (status, _) = ask_acme(&app, "198.51.100.7", &stranger()).await;
    assert_eq!(status, "401", "the budget comes back with time");
    assert_eq!(ask_acme(&app, "203.0.113.9", &own_cold).await.0, "200");
}

/// What it costs is the same look-up by a keyed hash, or none: nothing that is stored is compared with what was sent.
#[tokio::test]
async fn ak_03_a_stranger_is_told_the_same_of_every_secret_that_is_nobodys() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let (half, letter) = (key.len() / 2, if key.ends_with('x') { 'y' } else { 'x' });
    let nobodys = [
        secret::write("admit", &random()).expose().to_owned(),
        format!("{}{letter}", &key[..key.len() - 1]),
        format!("{}{}", &key[..half], &secret::write("admit", &random()).expose()[half..]),
        secret::write("nobody_live", &random()).expose().to_owned(),
        key.to_uppercase(),
        "x".repeat(key.len()),
    ];
    let mut told = Vec::new();
    for text in nobodys.iter().chain(&nobodys) {
        let reply = app.ask("GET", "/orders/1", Some(text)).await;
        let (mut body, mut headers) = (reply.json(), reply.headers.clone());
        body.as_object_mut().unwrap().remove("request_id");
        ["admit-request-id", "date"].iter().for_each(|name| drop(headers.remove(*name)));
        told.push((reply.status, body.to_string(), format!("{headers:?}")));
    }
    assert!(told[0].0 == 401 && told[0].1.contains("invalid_credential"), "{:?}", told[0]);
    for (text, answer) in nobodys.iter().chain(&nobodys).zip(&told) {
        assert_eq!(answer, &told[0], "{text}");
    }
}

#[tokio::test]
async fn one_network_spends_its_own_budget_only() {
    let app = TestApp::with("[limits.unknown]\nnetwork = '3/1h'\nrealm = '5/1h'").await;
    app.shop().await;
    let key = app.shop_key("known", &["orders:read"]).await;
    let ask = async |ip: &str, secret: &str| {
        let bearer = format!("Bearer {secret}");
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", ip),
            ("authorization", &bearer),
        ];
        let reply = app.send("GET", "/check/nginx", &headers, None).await;
        (reply.code(), reply.header("retry-after"))
    };
    let unknown = || secret::write("admit", &random()).expose().to_owned();
    let same = unknown();
    for _ in 0..20 {
        assert_eq!(
            ask("203.0.113.1", &same).await.0,
            "invalid_credential",
            "what is known to be unknown costs nothing"
        );
    }
    assert_eq!(ask("203.0.113.2", &unknown()).await.0, "invalid_credential");
    assert_eq!(ask("203.0.113.254", &unknown()).await.0, "invalid_credential");
    let (code, retry) = ask("203.0.113.77", &unknown()).await;
    assert_eq!((code.as_str(), app.last_reason()), ("rate_limited", Some(Reason::UnknownBudget)));
    assert!(retry.parse::<u32>().is_ok_and(|seconds| seconds >= 1), "Retry-After: {retry:?}");
    assert_eq!(ask("2001:db8::1", &unknown()).await.0, "invalid_credential");
    assert_eq!(ask("2001:db8:0:0:ffff::1", &unknown()).await.0, "invalid_credential");
    assert_eq!(ask("198.51.100.1", &unknown()).await.0, "rate_limited", "the realm has spent its five");
    let other = if key.ends_with('x') { 'y' } else { 'x' };
    let typo = format!("{}{other}", &key[..key.len() - 1]);
    assert_eq!(ask("203.0.113.9", &typo).await.0, "invalid_credential", "a typo costs nothing");
    app.clock.advance(Span::hours(2));
    for _ in 0..20 {
        assert_eq!(ask("203.0.113.9", &key).await.0, "", "a known key gives its unit back");
    }
}

/// Whatever changes makes everybody be read again whom it concerns, and nobody a stranger.
#[tokio::test]
async fn who_was_known_pays_nothing_when_something_changed_while_his_neighbours_guess() {
    let app = TestApp::with("[limits.unknown]\nnetwork = '3/1h'\nrealm = '5/1h'").await;
    app.shop().await;
    let key = app.shop_key("known", &["orders:read"]).await;
    let wanted = json!({"name": "till", "type": "service", "rights": {"https://api.shop.test": ["orders:read"]}});
    let client = app.manage("POST", "/v1/realms/default/clients", wanted).await.expect(201);
    let basic =
        BASE64.encode(format!("{}:{}", client["id"].as_str().unwrap(), client["secret"].as_str().unwrap()).as_bytes());
    let headers =
        [("authorization", format!("Basic {basic}")), ("content-type", "application/x-www-form-urlencoded".to_owned())];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
    let form = b"grant_type=client_credentials&resource=https://api.shop.test".to_vec();
    let given = app.send("POST", "/oauth/token", &headers, Some(form)).await.expect(200);
    let token = given["access_token"].as_str().unwrap();
    let codes = async || {
        let mut codes = Vec::new();
        for known in [&*key, token] {
            codes.push(app.ask("GET", "/orders/1", Some(known)).await.code());
        }
        codes
    };
    assert_eq!(codes().await, ["", ""]);
    let stranger = || secret::write("admit", &random()).expose().to_owned();
    for _ in 0..6 {
        app.ask("GET", "/orders/1", Some(&stranger())).await;
    }
    assert_eq!(app.last_reason(), Some(Reason::UnknownBudget), "nothing is left for strangers");
    app.manage("POST", "/v1/realms/default/roles", json!({"name": "clerk"})).await.expect(201);
    assert_eq!(codes().await, ["", ""]);
    let path = format!("/v1/realms/default/clients/{}", client["id"].as_str().unwrap());
    app.manage("PATCH", &path, json!({"name": "the till"})).await.expect(200);
    assert_eq!(codes().await, ["", ""]);
    app.manage("PATCH", &path, json!({"disabled": true})).await.expect(200);
    assert_eq!(codes().await, ["", "subject_disabled"], "what changed counts all the same");
}

#[tokio::test]
async fn ak_08_counters_of_strangers_stay_bounded() {
    let app = TestApp::with("[cache]\nmax_bytes = '1MiB'").await;
    app.shop().await;
    let bound = (1 << 20) / 32 / 64;
    for number in 0..2000_u32 {
        let ip = format!("20.{}.{}.9", number / 250, number % 250);
        let bearer = format!("Bearer {}", secret::write("admit", &random()).expose());
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", ip.as_str()),
            ("authorization", &bearer),
        ];
        assert_eq!(app.send("GET", "/check/nginx", &headers, None).await.code(), "invalid_credential");
    }
    let kept = app.app.unknown.count();
    assert!(kept <= bound.max(16 * 16) && kept > 100, "{kept} of at most {bound}");
    assert_eq!(app.app.principals.count(), 0, "strangers take no place of the known");
}
