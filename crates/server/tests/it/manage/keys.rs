//! `keys`: from creation to the end.

use admit_core::secret;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{KEYS, events, judge, with_api};
use crate::app::TestApp;

fn path(key: &Value, rest: &str) -> String {
    format!("{KEYS}/{}{rest}", key["id"].as_str().unwrap())
}

/// A key that may manage keys (`key-issuer`), and its text.
async fn issuer(app: &TestApp) -> String {
    let request = json!({"name": "issuer", "api": "urn:admit:realm:default", "scopes": ["keys:read", "keys:write"]});
    app.key(request).await["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_at_once() {
    let app = with_api().await;
    let made =
        app.key(json!({"name": "ci", "scopes": ["orders:read"], "metadata": {"plan": "pro"}, "limit": "100/1m"})).await;
    assert!(secret::read(made["key"].as_str().unwrap()).is_ok());
    assert_eq!(
        (&made["api"], &made["owner_name"], &made["state"]),
        (&json!("https://api.shop.test"), &json!("ci"), &json!("active"))
    );
    assert_eq!(made["effective_scopes"], json!(["orders:read"]));
    assert_eq!(made["limit"], "100/1m");
    assert_eq!(judge(&app, &made["key"]).await, "ok");
    let shown = app.manage("GET", &format!("{KEYS}/ci"), Value::Null).await;
    assert!(shown.header("etag").starts_with("\"v1-active-"), "{shown:?}");
    let shown = shown.expect(200);
    assert_eq!((shown.get("key"), &shown["metadata"]), (None, &json!({"plan": "pro"})));
    assert_eq!(shown["secrets"][0]["uses"], 1);
    assert_eq!(events(&app, 2).await, ["key.created", "client.created"]);
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_with_the_next_command() {
    let app = with_api().await;
    let request = json!({"name": "ci", "scopes": ["orders:eat"], "expires_in_s": 0, "metadata": []});
    let refused = app.manage("POST", KEYS, request).await.expect(400);
    let paths: Vec<_> =
        refused["problems"].as_array().unwrap().iter().map(|problem| problem["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["expires_in_s", "scopes", "metadata"]);
    assert!(
        refused["problems"][1]["message"]
            .as_str()
            .unwrap()
            .contains("admit api update https://api.shop.test --scope orders:eat")
    );
    let refused = app.manage("POST", KEYS, json!({"name": "ci", "owner": "nobody"})).await.expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("admit client create --name nobody"), "{refused}");
}

#[tokio::test]
async fn a_name_may_be_taken_twice_and_then_wants_an_id() {
    let app = with_api().await;
    let (first, second) = (app.key(json!({"name": "ci"})).await, app.key(json!({"name": "ci"})).await);
    assert_eq!(second["owner_name"], "ci-2");
    let refused = app.manage("GET", &format!("{KEYS}/ci"), Value::Null).await.expect(409);
    assert_eq!(refused["code"], "ambiguous_name");
    assert!(refused["detail"].as_str().unwrap().contains(first["id"].as_str().unwrap()));
    app.manage("DELETE", &path(&first, ""), Value::Null).await.expect(204);
    assert_eq!(
        app.manage("GET", &format!("{KEYS}/ci"), Value::Null).await.expect(200)["id"],
        second["id"],
        "the other is over"
    );
    app.manage("GET", &format!("{KEYS}/nobody"), Value::Null).await.expect(404);
}

#[tokio::test]
async fn ak_01_nobody_issues_more_than_he_has() {
    let app = with_api().await;
    let issuer = issuer(&app).await;
    let ask = async |body: Value| app.manage_as(&issuer, "POST", KEYS, body).await;
    ask(json!({"name": "a", "api": "https://api.shop.test", "scopes": ["orders:write"]})).await.expect(201);
    ask(json!({"name": "b", "api": "urn:admit:realm:default", "scopes": ["keys:read"]})).await.expect(201);
    let strong = json!({"name": "c", "api": "urn:admit:realm:default", "scopes": ["keys:read", "rules:write"]});
    assert_eq!(ask(strong.clone()).await.expect(403)["code"], "exceeds_own_rights");
    let strong = app.key(strong).await;
    let owned = json!({"name": "d", "owner": strong["owner"]});
    assert_eq!(ask(owned).await.expect(403)["code"], "exceeds_own_rights", "the owner has more");
    for (method, rest, body) in
        [("POST", "/roll", json!({})), ("PATCH", "", json!({"ip": []})), ("POST", "/enable", Value::Null)]
    {
        let refused = app.manage_as(&issuer, method, &path(&strong, rest), body).await.expect(403);
        assert_eq!(refused["code"], "exceeds_own_rights", "{method} {rest}");
    }
    app.manage_as(&issuer, "POST", &path(&strong, "/disable"), Value::Null).await.expect(200);
    app.manage_as(&issuer, "DELETE", &path(&strong, ""), Value::Null).await.expect(204);
}

#[tokio::test]
async fn a_change_names_what_changes_and_an_old_version_changes_nothing() {
    let app = with_api().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    let changed = app
        .manage("PATCH", &path(&key, ""), json!({"name": "cd", "never_expires": true, "limit": "1/1s"}))
        .await
        .expect(200);
    assert_eq!(
        (&changed["name"], &changed["expires_at"], &changed["limit"]),
        (&json!("cd"), &Value::Null, &json!("1/1s"))
    );
    assert!(changed["warnings"][0].as_str().unwrap().contains("never expires"));
    let bearer = format!("Bearer {}", app.operator());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("if-match", "\"v1\"")];
    let late = app.send("PATCH", &path(&key, ""), &headers, Some(br#"{"limit":null}"#.to_vec())).await;
    assert_eq!(late.expect(412)["code"], "version_changed");
    let wider = app.manage("PATCH", &path(&key, ""), json!({"scopes": ["orders:write"]})).await.expect(400);
    assert!(
        wider["detail"]
            .as_str()
            .unwrap()
            .contains("admit client update --api https://api.shop.test --scope orders:write ci"),
        "{wider}"
    );
    app.manage("PATCH", &path(&key, ""), json!({"scopes": []})).await.expect(200);
    let events = app.manage("GET", "/v1/realms/default/events?kind=key.updated", Value::Null).await.expect(200);
    assert_eq!(events["items"][0]["detail"]["fields"], json!(["scopes"]));
    assert_eq!(events["items"][1]["detail"]["fields"], json!(["name", "limit", "expires_at"]));
}

#[tokio::test]
async fn a_key_is_switched_off_and_on_and_ended_for_ever() {
    let app = with_api().await;
    let key = app.key(json!({"name": "ci"})).await;
    assert_eq!(app.manage("POST", &path(&key, "/disable"), Value::Null).await.expect(200)["state"], "disabled");
    assert_eq!(judge(&app, &key["key"]).await, "revoked_credential");
    app.manage("POST", &path(&key, "/enable"), Value::Null).await.expect(200);
    assert_eq!(judge(&app, &key["key"]).await, "ok");
    app.manage("DELETE", &path(&key, ""), Value::Null).await.expect(204);
    app.manage("DELETE", &path(&key, ""), Value::Null).await.expect(204);
    assert_eq!(judge(&app, &key["key"]).await, "revoked_credential");
    for rest in ["/roll", "/enable"] {
        assert_eq!(app.manage("POST", &path(&key, rest), Value::Null).await.expect(409)["code"], "key_revoked");
    }
    assert_eq!(events(&app, 3).await, ["key.revoked", "key.enabled", "key.disabled"], "once");
    assert_eq!(app.manage("GET", KEYS, Value::Null).await.expect(200)["items"], json!([]));
    assert_eq!(
        app.manage("GET", &format!("{KEYS}?state=all"), Value::Null).await.expect(200)["items"][0]["state"],
        "revoked"
    );
}

#[tokio::test]
async fn ak_06_a_rolled_key_has_two_secrets_until_the_overlap_ends() {
    let app = with_api().await;
    let old = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    app.clock.advance(Span::days(1));
    let new = app.manage("POST", &path(&old, "/roll"), json!({"overlap_s": 3600})).await.expect(200);
    assert_ne!(old["key"], new["key"]);
    app.clock.advance(Span::minutes(59));
    assert_eq!((judge(&app, &old["key"]).await, judge(&app, &new["key"]).await), ("ok".to_owned(), "ok".to_owned()));
    let shown = app.manage("GET", &path(&old, ""), Value::Null).await.expect(200);
    assert!(shown["warnings"].to_string().contains("Secret 1, from before the roll, is still in use"), "{shown}");
    app.clock.advance(Span::minutes(1));
    assert_eq!(judge(&app, &old["key"]).await, "expired_credential");
    assert_eq!(judge(&app, &new["key"]).await, "ok");
    let last = app.manage("POST", &path(&old, "/roll"), json!({"compromised": true})).await.expect(200);
    assert_eq!(judge(&app, &new["key"]).await, "expired_credential", "at once");
    assert_eq!(judge(&app, &last["key"]).await, "ok");
    assert_eq!(last["secrets"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn lists_come_in_pages_and_by_filter() {
    let app = with_api().await;
    for name in ["a", "b", "c"] {
        app.key(json!({"name": name, "external_id": name, "expires_in_s": 3600 * 24 * 20})).await;
    }
    let list = async |query: &str| app.manage("GET", &format!("{KEYS}?{query}"), Value::Null).await.expect(200);
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = list("limit=2").await;
    assert_eq!(names(&first), ["a", "b"]);
    let second = list(&format!("limit=2&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((names(&second), &second["next"]), (vec!["c".to_owned()], &Value::Null));
    assert_eq!(list("limit=3").await["next"], Value::Null, "the last page is known to be it");
    assert_eq!(names(&list("owner=b").await), ["b"]);
    assert_eq!(names(&list("external_id=c").await), ["c"]);
    assert_eq!(names(&list("expiring=19d").await), Vec::<String>::new());
    assert_eq!(names(&list("expiring=21d").await).len(), 3);
    let refused = app.manage("GET", &format!("{KEYS}?ownr=b"), Value::Null).await;
    assert_eq!(refused.expect(400)["code"], "invalid_request", "a misspelt filter does not list everything");
}

#[tokio::test]
async fn keys_of_another_system_go_on_working() {
    let app = with_api().await;
    let (plain, hash) =
        ("sk_live_4242424242424242", |text: &str| data_encoding::HEXLOWER.encode(&secret::digest(text)));
    let import = json!({"pattern": "sk_*", "scopes": ["orders:read"], "never_expires": true,
        "keys": [{"sha256": hash(plain), "external_id": "cus_1"}, {"sha256": hash(plain)}, {"sha256": plain}]});
    let answer = app.manage("POST", &format!("{KEYS}/import"), import.clone()).await.expect(200);
    assert_eq!((&answer["imported"], &answer["known"]), (&json!(1), &json!(1)));
    assert_eq!(answer["problems"][0]["path"], "keys[2].sha256");
    assert!(!answer.to_string().contains(plain));
    assert_eq!(judge(&app, &json!(plain)).await, "ok");
    assert_eq!(judge(&app, &json!("sk_live_4242424242424243")).await, "invalid_credential");
    assert_eq!(app.manage("POST", &format!("{KEYS}/import"), import).await.expect(200)["imported"], 0);
    let shown = app.manage("GET", &format!("{KEYS}/cus_1"), Value::Null).await.expect(200);
    assert_eq!((&shown["hint"], &shown["owner_name"]), (&json!("sk_…"), &json!("imported sk_*")));
    let ours = json!({"pattern": "admit_*", "never_expires": true, "keys": []});
    assert_eq!(app.manage("POST", &format!("{KEYS}/import"), ours).await.expect(400)["problems"][0]["path"], "pattern");
    let many: Vec<_> = (0..1001).map(|_| json!({"sha256": hash(plain)})).collect();
    let many = json!({"pattern": "sk_*", "never_expires": true, "keys": many});
    assert_eq!(app.manage("POST", &format!("{KEYS}/import"), many).await.expect(400)["problems"][0]["path"], "keys");
}

#[tokio::test]
async fn usage_is_counted_per_day_secret_and_outcome() {
    let app = with_api().await;
    let key = app.key(json!({"name": "ci"})).await;
    for _ in 0..3 {
        judge(&app, &key["key"]).await;
    }
    let usage = app.manage("GET", &path(&key, "/usage?days=1"), Value::Null).await.expect(200);
    assert_eq!(usage["total"], 3);
    assert_eq!(usage["items"][0]["code"], "ok");
    assert_eq!(usage["items"][0]["day"].as_str().unwrap().len(), 10);
    for bad in ["0", "401"] {
        app.manage("GET", &path(&key, &format!("/usage?days={bad}")), Value::Null).await.expect(400);
    }
}
