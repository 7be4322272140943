//! What an owner learns of the use of his keys.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::{KEYS, ask, id, secret, show, warnings};
use crate::app::TestApp;

#[tokio::test]
async fn uses_are_counted_per_day_secret_and_outcome() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    let text = secret(&key);
    assert_eq!(show(&app, "ci").await["last_used_at"], Value::Null);
    for _ in 0..3 {
        ask(&app, &text).await;
    }
    app.ask("POST", "/orders/1", Some(&text)).await;
    app.clock.advance(Span::days(1));
    ask(&app, &text).await;
    let usage = app.manage("GET", &format!("{KEYS}/ci/usage"), Value::Null).await.expect(200);
    assert_eq!(usage["total"], 5, "{usage}");
    let mut counts: Vec<_> = usage["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["code"].as_str().unwrap(), item["count"].as_i64().unwrap(), item["secret"].clone()))
        .collect();
    counts.sort_by_key(|(code, count, _)| (*code, *count));
    assert_eq!(counts, [("no_rule", 1, json!(1)), ("ok", 1, json!(1)), ("ok", 3, json!(1))]);
    let today = app.manage("GET", &format!("{KEYS}/ci/usage?days=1"), Value::Null).await.expect(200);
    assert_eq!(today["total"], 1);
    for (days, status) in [("0", 400), ("1", 200), ("400", 200), ("401", 400), ("-1", 400)] {
        assert_eq!(
            app.manage("GET", &format!("{KEYS}/ci/usage?days={days}"), Value::Null).await.status,
            status,
            "{days}"
        );
    }
    let shown = show(&app, "ci").await;
    assert!(shown["last_used_at"].as_str() > key["created_at"].as_str(), "{shown}");
    assert_eq!((&shown["secrets"][0]["last_ip"], &shown["secrets"][0]["uses"]), (&json!("203.0.113.9"), &json!(5)));
}

#[tokio::test]
async fn keys_can_be_found_by_what_is_known_of_them() {
    let app = TestApp::new().await;
    app.shop().await;
    app.key(json!({"name": "short", "expires_in_s": 20 * 86_400, "external_id": "cus_1"})).await;
    app.key(json!({"name": "long", "external_id": "cus_2"})).await;
    app.key(json!({"name": "ever", "never_expires": true})).await;
    let owner =
        app.manage("POST", "/v1/realms/default/clients", json!({"name": "svc", "type": "service"})).await.expect(201);
    app.key(json!({"name": "owned", "owner": "svc"})).await;
    let names = async |query: &str| {
        let list = app.manage("GET", &format!("{KEYS}?{query}"), Value::Null).await.expect(200);
        let mut names: Vec<_> =
            list["items"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names("").await, ["ever", "long", "owned", "short"]);
    assert_eq!(names("expiring=30d").await, ["short"]);
    assert_eq!(names("expiring=19d").await, [""; 0]);
    assert_eq!(names("expiring=100d").await, ["long", "owned", "short"]);
    assert_eq!(names("external_id=cus_2").await, ["long"]);
    assert_eq!(names("name=ever").await, ["ever"]);
    assert_eq!(names("owner=svc").await, ["owned"]);
    assert_eq!(names(&format!("owner={}", id(&owner))).await, ["owned"]);
    app.clock.advance(Span::days(21));
    assert_eq!(names("").await, ["ever", "long", "owned"], "what is past its end is not live");
    assert_eq!(names("state=all").await, ["ever", "long", "owned", "short"]);
}

#[tokio::test]
async fn a_key_in_a_browser_is_said_to_its_owner() {
    let app = TestApp::new().await;
    app.shop().await;
    for (name, header) in [("fetch", ("sec-fetch-mode", "cors")), ("plain", ("user-agent", "Mozilla/5.0"))] {
        let key = app.shop_key(name, &["orders:read"]).await;
        let bearer = format!("Bearer {key}");
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
            ("authorization", bearer.as_str()),
            header,
        ];
        assert_eq!(app.send("GET", "/check/nginx", &headers, None).await.status, 200);
        let shown = show(&app, name).await;
        let is_seen = name == "fetch";
        assert_eq!(shown["seen_in_browser_at"].is_string(), is_seen, "{shown}");
        assert_eq!(warnings(&shown).contains("It came from a browser"), is_seen, "{shown}");
    }
}

#[tokio::test]
async fn a_key_over_plain_http_is_refused_and_noted() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    let text = secret(&key);
    let bearer = format!("Bearer {text}");
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/1"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-for", "203.0.113.9"),
        ("authorization", bearer.as_str()),
    ];
    let reply = app.send("GET", "/check/nginx", &headers, None).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "insecure_transport"));
    admit::jobs::notice::write(&app.app).await;
    let events = app.manage("GET", "/v1/realms/default/events?order=newest", Value::Null).await.expect(200);
    let exposed = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["kind"] == "credential.exposed")
        .cloned()
        .unwrap_or_default();
    assert_eq!((&exposed["target"], &exposed["reason"]), (&key["id"], &json!("plain_http")), "{events}");
    assert!(!events.to_string().contains(&text));
}
