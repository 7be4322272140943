//! Switching a key off, changing it, and who wins when two change it.

use admit_core::check::code::Reason;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{KEYS, admitted, ask, manage_with, refused, secret, show};
use crate::app::TestApp;

#[tokio::test]
async fn a_key_can_be_switched_off_and_on() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    assert_eq!(ask(&app, &key).await, admitted());
    let off = app.manage("POST", &format!("{KEYS}/ci/disable"), json!({})).await.expect(200);
    assert_eq!(off["state"], "disabled");
    assert_eq!(ask(&app, &key).await, refused("revoked_credential"));
    assert_eq!(app.last_reason(), Some(Reason::KeyDisabled));
    app.manage("POST", &format!("{KEYS}/ci/enable"), json!({})).await.expect(200);
    assert_eq!(ask(&app, &key).await, admitted());
}

#[tokio::test]
async fn a_key_is_good_where_its_list_says() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = secret(
        &app.key(json!({"name": "ci", "scopes": ["orders:read"], "ip": ["203.0.113.0/28", "2001:db8::/32"]})).await,
    );
    let from = async |ip: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", ip),
            ("authorization", &bearer),
        ];
        let reply = app.send("GET", "/check/nginx", &headers, None).await;
        (reply.status, reply.code())
    };
    for good in ["203.0.113.0", "203.0.113.15", "::ffff:203.0.113.9", "2001:db8::1", "10.9.9.9, 203.0.113.9"] {
        assert_eq!(from(good).await, admitted(), "{good}");
    }
    for bad in ["203.0.113.16", "203.0.112.255", "2001:db9::1", "203.0.113.9, 198.51.100.1"] {
        assert_eq!(
            from(bad).await,
            (403, "wrong_ip".to_owned()),
            "{bad}: the last hop that is no proxy of ours counts"
        );
    }
    app.manage("PATCH", &format!("{KEYS}/ci"), json!({"ip": []})).await.expect(200);
    assert_eq!(from("198.51.100.1").await, admitted());
    let bad = app.manage("PATCH", &format!("{KEYS}/ci"), json!({"ip": ["everywhere"]})).await;
    assert_eq!((bad.status, bad.code().as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn what_a_patch_names_changes_and_the_rest_stays() {
    let app = TestApp::new().await;
    app.shop().await;
    let owner =
        json!({"name": "svc", "type": "service", "rights": {"https://api.shop.test": ["orders:read", "orders:write"]}});
    app.manage("POST", "/v1/realms/default/clients", owner).await.expect(201);
    let request = json!({"name": "ci", "owner": "svc", "scopes": ["orders:read"], "limit": "2/1h", "metadata": {"a": 1}, "external_id": "e1"});
    let key = secret(&app.key(request).await);
    let before = show(&app, "ci").await;
    assert_eq!([ask(&app, &key).await, ask(&app, &key).await], [admitted(), admitted()]);
    let over = app.ask("GET", "/orders/1", Some(&key)).await;
    assert_eq!((over.status, over.header("admit-status").as_str(), over.code().as_str()), (403, "429", "rate_limited"));
    assert!(!over.header("retry-after").is_empty() && over.header("ratelimit").contains("r=0"), "{:?}", over.headers);

    let after = app
        .manage(
            "PATCH",
            &format!("{KEYS}/ci"),
            json!({"limit": null, "name": "cd", "scopes": ["orders:write", "orders:read"]}),
        )
        .await
        .expect(200);
    assert_eq!(
        (&after["name"], &after["limit"], &after["scopes"]),
        (&json!("cd"), &Value::Null, &json!(["orders:read", "orders:write"]))
    );
    assert_eq!(
        (&after["metadata"], &after["external_id"], &after["expires_at"]),
        (&before["metadata"], &before["external_id"], &before["expires_at"])
    );
    assert_eq!(ask(&app, &key).await, admitted(), "the limit is gone with the next request");
    let cleared = app
        .manage("PATCH", &format!("{KEYS}/cd"), json!({"external_id": null, "metadata": null, "never_expires": true}))
        .await
        .expect(200);
    assert_eq!(
        (&cleared["external_id"], &cleared["metadata"], &cleared["expires_at"]),
        (&Value::Null, &json!({}), &Value::Null)
    );
    let more = app.manage("PATCH", &format!("{KEYS}/cd"), json!({"scopes": ["orders:fly"]})).await;
    assert_eq!((more.status, more.code().as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn a_narrower_scope_counts_for_the_next_request() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    assert_eq!(ask(&app, &key).await, admitted());
    app.manage("PATCH", &format!("{KEYS}/ci"), json!({"scopes": []})).await.expect(200);
    assert_eq!(ask(&app, &key).await, (403, "insufficient_scope".to_owned()));
    app.manage("PATCH", &format!("{KEYS}/ci"), json!({"scopes": ["orders:read"]})).await.expect(200);
    assert_eq!(ask(&app, &key).await, admitted(), "rights that come back, come back");
}

#[tokio::test]
async fn who_has_not_seen_the_latest_version_changes_nothing() {
    let app = TestApp::new().await;
    app.key(json!({"name": "ci"})).await;
    let path = format!("{KEYS}/ci");
    let seen = app.manage("GET", &path, Value::Null).await.header("etag");
    assert!(seen.starts_with("\"v"), "{seen}");
    let first = manage_with(&app, "PATCH", &path, ("if-match", &seen), json!({"metadata": {"a": 1}})).await;
    assert_eq!(first.status, 200, "{}", first.text);
    assert_ne!(first.header("etag"), seen);
    for (method, path, body) in [
        ("PATCH", path.clone(), json!({"metadata": {"a": 2}})),
        ("DELETE", path.clone(), Value::Null),
        ("POST", format!("{path}/roll"), json!({})),
        ("POST", format!("{path}/disable"), Value::Null),
        ("POST", format!("{path}/enable"), Value::Null),
        ("POST", "/v1/realms/default/clients/ci/revoke-all".to_owned(), Value::Null),
        ("POST", "/v1/realms/default/revoke-all".to_owned(), Value::Null),
    ] {
        let stale = manage_with(&app, method, &path, ("if-match", &seen), body).await;
        assert_eq!((stale.status, stale.code().as_str()), (412, "version_changed"), "{method} {path}: {}", stale.text);
    }
    assert_eq!(show(&app, "ci").await["metadata"], json!({"a": 1}));
    let any = manage_with(&app, "DELETE", &path, ("if-match", &first.header("etag")), Value::Null).await;
    assert_eq!(any.status, 204, "{}", any.text);
    let revoked = app.manage("GET", &path, Value::Null).await.header("etag");
    assert_ne!(revoked, first.header("etag"), "what is revoked is another thing than what was seen");

    let known = |tag: String| {
        let app = &app;
        let path = path.clone();
        async move { manage_with(app, "GET", &path, ("if-none-match", &tag), Value::Null).await }
    };
    let unread = known(revoked.clone()).await;
    assert_eq!((unread.status, unread.text.as_str(), unread.header("etag")), (304, "", revoked));
    assert_eq!(known(seen).await.status, 200);
    let client = app.manage("GET", "/v1/realms/default/clients/ci", Value::Null).await.header("etag");
    let unread =
        manage_with(&app, "GET", "/v1/realms/default/clients/ci", ("if-none-match", &client), Value::Null).await;
    assert_eq!(unread.status, 304);
    let grant = format!("/v1/realms/default/grants/{}", show(&app, "ci").await["grant"].as_str().unwrap());
    let refused = manage_with(&app, "DELETE", &grant, ("if-match", "\"v1\""), Value::Null).await;
    assert_eq!((refused.status, refused.code().as_str()), (412, "version_changed"));
    assert!(refused.text.contains("A grant has no ETag"), "{}", refused.text);
    let any = manage_with(&app, "DELETE", &grant, ("if-match", "*"), Value::Null).await;
    assert_eq!(any.status, 204, "{}", any.text);
}

#[tokio::test]
async fn a_key_can_be_given_another_end() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = secret(&app.key(json!({"name": "ci", "scopes": ["orders:read"], "expires_in_s": 60})).await);
    app.clock.advance(Span::seconds(59));
    assert_eq!(ask(&app, &key).await, admitted());
    app.clock.advance(Span::seconds(2));
    assert_eq!(ask(&app, &key).await, refused("expired_credential"));
    assert_eq!(app.last_reason(), Some(Reason::Expired));
    assert_eq!(show(&app, "ci").await["state"], "expired");
    app.manage("PATCH", &format!("{KEYS}/ci"), json!({"expires_in_s": 60})).await.expect(200);
    assert_eq!(ask(&app, &key).await, admitted());
}
