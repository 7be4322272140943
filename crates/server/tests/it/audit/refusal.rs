//! Refusals in the audit: which ones, what of them, and how many at most.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use admit::check::{self, Called, Door};
use admit::jobs::refusal;
use admit_core::audit::Event;
use admit_core::time::Span;
use admit_store::EventFilter;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::app::TestApp;

/// The events of refusals in the realm `default`, once they stand for so many.
async fn refusals(app: &TestApp, wanted: u64) -> Vec<Event> {
    let realm = app.app.default_realm;
    for _ in 0..200 {
        refusal::write_all(&app.app).await;
        let filter = EventFilter { kind: Some("access.refused".to_owned()), ..EventFilter::default() };
        let listed = app.app.store.read(move |tx| tx.list_latest_events(realm, &filter, None, 10_000)).await.unwrap();
        let events: Vec<_> = listed.into_iter().rev().collect();
        if events.iter().map(count).sum::<u64>() >= wanted {
            return events;
        }
        // The job that writes them may have taken them a moment ago.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("there are not {wanted} refusals in the audit");
}

/// Moves time into a minute that has just begun: what follows may fit into it.
fn begin_minute(app: &TestApp) {
    app.clock.advance(Span::ms(60_000 - app.app.now().unix_ms().rem_euclid(60_000)));
}

fn reasons(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.reason.as_deref().unwrap_or("-")).collect()
}

/// How many refusals an event stands for.
fn count(event: &Event) -> u64 {
    event.detail.get("count").map_or(1, |count| count.as_u64().unwrap())
}

#[tokio::test]
async fn a_refusal_says_who_was_refused_what_and_why_and_those_like_it_are_counted() {
    let app = TestApp::new().await;
    app.shop().await;
    let made = app.key(json!({"name": "ci", "api": "https://api.shop.test", "scopes": ["orders:read"]})).await;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    app.manage("DELETE", "/v1/realms/default/keys/ci", Value::Null).await.expect(204);
    begin_minute(&app);
    let first = app.ask("GET", "/orders/1?page=7&token=hush", Some(key)).await;
    for _ in 1..9 {
        assert_eq!(app.ask("GET", "/orders/1", Some(key)).await.code(), "revoked_credential");
    }
    let events = refusals(&app, 9).await;
    assert_eq!(reasons(&events), ["revoked"; 6]);
    assert_eq!(events.iter().map(count).collect::<Vec<_>>(), [1, 1, 1, 1, 1, 4]);
    assert_eq!(events[0].request_id.as_deref(), Some(first.header("admit-request-id").as_str()));
    assert!(events.iter().all(|event| event.target == id && event.actor.starts_with("cli_")), "{events:?}");
    let detail = &events[0].detail;
    let shown = json!({"door": "nginx", "method": "GET", "host": "shop.test", "path": "/orders/1",
        "query_names": ["page", "token"], "source": "203.0.113.0/24", "rule": detail["rule"], "api": "https://api.shop.test"});
    assert_eq!(detail, &shown);
    assert!(detail["rule"].as_str().unwrap().starts_with("rul_"), "{detail}");
    let sum = &events[5];
    assert_eq!((sum.request_id.as_deref(), &sum.detail["source"]), (None, &json!("203.0.113.0/24")));
    assert!(sum.at >= events[4].at && sum.detail["path"].is_null(), "{sum:?}");
    assert!(!format!("{events:?}").contains("hush"));
}

#[tokio::test]
async fn only_what_was_refused_for_want_of_proof_or_right_is_told() {
    let app = TestApp::with("[limits.default]\nper = 'ip'\nrate = '5/1h'").await;
    app.shop().await;
    app.rule(json!({"name": "slow", "match": {"host": "shop.test", "path": "/slow"}, "public": true,
        "limit": {"rate": "1/1h", "burst": 1}}))
        .await;
    app.rule(json!({"name": "watched", "match": {"host": "shop.test", "path": "/watched"}, "mode": "observe",
        "require": {"scopes": ["orders:read"]}}))
        .await;
    app.rule(json!({"name": "shut", "match": {"host": "shop.test", "path": "/shut"}, "deny": true})).await;
    let key = app.shop_key("ci", &[]).await;
    let refused = async |path: &str, key: Option<&str>| app.ask("GET", path, key).await.code();

    assert_eq!(refused("/slow", None).await, "");
    assert_eq!(refused("/slow", None).await, "rate_limited");
    assert_eq!(refused("/watched", Some(&key)).await, "");
    assert_eq!(refused("/orders//1", None).await, "malformed_request");
    assert_eq!(refused("/nowhere", None).await, "no_rule");
    let misplaced = admit_core::secret::write("admit_rt", &[3; 32]).expose().to_owned();
    assert_eq!(refused("/orders/1", Some(&misplaced)).await, "invalid_credential");
    let trial = json!({"credential": key, "method": "GET", "url": "https://shop.test/orders/1"});
    let told = app.manage("POST", "/v1/realms/default/check?trace=true", trial.clone()).await.expect(200);
    assert_eq!(told["code"], "insufficient_scope");
    assert_eq!(reasons(&refusals(&app, 0).await), [""; 0]);

    assert_eq!(refused("/nowhere", Some(&key)).await, "no_rule");
    assert_eq!(refused("/shut", None).await, "denied");
    assert_eq!(refused("/orders/1", None).await, "missing_credential");
    assert_eq!(refused("/orders/1", Some("nonsense")).await, "invalid_credential");
    app.manage("POST", "/v1/realms/default/check", trial).await.expect(200);
    app.manage_as(&key, "GET", "/v1/realms/default/keys", Value::Null).await.expect(401);
    let events = refusals(&app, 6).await;
    let told = ["nothing_matched", "deny_rule", "no_credential", "unknown_shape", "scope_missing", "other_audience"];
    assert_eq!(reasons(&events), told);
    let doors: Vec<_> = events.iter().map(|event| event.detail["door"].as_str().unwrap()).collect();
    assert_eq!(doors, ["nginx", "nginx", "nginx", "nginx", "check", "manage"]);
    assert_eq!(events[3].target, "…", "nothing is shown of what is not known to be a credential");
}

#[tokio::test]
async fn what_waits_is_written_when_the_server_stops() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &[]).await;
    for _ in 0..9 {
        assert_eq!(app.ask("GET", "/orders/1", Some(&key)).await.code(), "insufficient_scope");
    }
    let app = TestApp::in_folder(app.stop().await, "").await;
    assert_eq!(refusals(&app, 9).await.iter().map(count).sum::<u64>(), 9);
}

#[tokio::test]
async fn lo_05_a_storm_of_refusals_leaves_few_rows_and_the_first_are_single() {
    const STORM: u32 = 100_000;
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("known", &[]).await;
    begin_minute(&app);
    let begun = app.app.now();
    for _ in 0..20 {
        app.ask("GET", "/orders/1", Some(&key)).await;
    }
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    for number in 0..STORM {
        let ip = Ipv4Addr::from(0x1400_0009 + number * 256).to_string();
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", ip.as_str()),
            ("authorization", "Bearer nonsense"),
        ];
        let headers =
            headers.map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let answer = check::answer(
            &app.app,
            Door::Nginx,
            Called { realm: None, authority: None },
            &HeaderMap::from_iter(headers),
            peer,
            None,
        );
        assert_eq!(answer.unwrap().status(), 401);
    }
    let minutes = app.app.now().unix_ms() / 60_000 - begun.unix_ms() / 60_000 + 1;
    let events = refusals(&app, u64::from(STORM) + 20).await;
    let bound = usize::try_from(minutes * 200).unwrap();
    assert!(events.len() > 150 && events.len() <= bound, "{} rows in {minutes} minutes", events.len());
    assert_eq!(app.app.metrics.refusals_dropped.get(), 0);
    assert_eq!(events.iter().map(count).sum::<u64>(), u64::from(STORM) + 20, "every refusal is in one of them");

    let (first, others) = events.split_at(150);
    assert!(first.iter().all(|event| event.request_id.is_some() && event.detail["path"] == "/orders/1"), "{first:?}");
    assert_eq!(reasons(&first[..5]), ["scope_missing"; 5]);
    assert_eq!(reasons(&first[5..]), ["unknown_shape"; 145]);
    let own = others.iter().find(|event| event.reason.as_deref() == Some("scope_missing"));
    assert_eq!(own.map(count), Some(15), "who is known has a row of his own that counts");
    let rest: u64 = others.iter().filter(|event| event.reason.is_none() && event.target.is_empty()).map(count).sum();
    assert!(rest > 90_000, "{rest}");
}
