//! A key has at most what its owner has at this moment.

use admit_core::check::code::Reason;
use serde_json::{Value, json};

use super::{KEYS, admitted, ask, refused, secret, show};
use crate::app::TestApp;

const SHOP: &str = "https://api.shop.test";

#[tokio::test]
async fn rights_that_the_owner_loses_the_key_loses_with_the_next_request() {
    let app = TestApp::new().await;
    app.shop().await;
    let owner = json!({"name": "svc", "type": "service", "rights": {SHOP: ["orders:read"]}});
    app.manage("POST", "/v1/realms/default/clients", owner).await.expect(201);
    let key = secret(&app.key(json!({"name": "ci", "owner": "svc", "api": SHOP, "scopes": ["orders:read"]})).await);
    let more =
        app.manage("POST", KEYS, json!({"name": "x", "owner": "svc", "api": SHOP, "scopes": ["orders:write"]})).await;
    assert_eq!((more.status, &more.json()["problems"][0]["path"]), (400, &json!("owner")), "ak_01: {}", more.text);
    assert_eq!(ask(&app, &key).await, admitted());

    app.manage("PATCH", "/v1/realms/default/clients/svc", json!({"rights": {SHOP: ["orders:write"]}}))
        .await
        .expect(200);
    assert_eq!(ask(&app, &key).await, (403, "insufficient_scope".to_owned()));
    assert_eq!(app.last_reason(), Some(Reason::ScopeMissing));
    let shown = show(&app, "ci").await;
    assert_eq!((&shown["scopes"], &shown["effective_scopes"]), (&json!(["orders:read"]), &json!([])));
    app.manage("PATCH", "/v1/realms/default/clients/svc", json!({"rights": {SHOP: ["orders:read"]}})).await.expect(200);
    assert_eq!(ask(&app, &key).await, admitted());
}

#[tokio::test]
async fn a_role_that_is_taken_away_or_narrowed_counts_with_the_next_request() {
    let app = TestApp::new().await;
    app.shop().await;
    app.manage("POST", "/v1/realms/default/roles", json!({"name": "reader", "rights": {SHOP: ["orders:read"]}}))
        .await
        .expect(201);
    let owner = json!({"name": "svc", "type": "service", "roles": ["reader"]});
    app.manage("POST", "/v1/realms/default/clients", owner).await.expect(201);
    app.manage(
        "POST",
        "/v1/realms/default/users",
        json!({"name": "alice", "email": "alice@example.com", "roles": ["reader"]}),
    )
    .await
    .expect(201);
    let machine = secret(&app.key(json!({"name": "machine", "owner": "svc", "scopes": ["orders:read"]})).await);
    let person =
        secret(&app.key(json!({"name": "person", "owner": "alice@example.com", "scopes": ["orders:read"]})).await);
    let reply = app.ask("GET", "/orders/1", Some(&person)).await;
    assert_eq!(
        (reply.status, reply.header("admit-kind").as_str(), reply.header("admit-roles").as_str()),
        (200, "user", "reader")
    );
    assert_eq!(ask(&app, &machine).await, admitted());

    app.manage("PATCH", "/v1/realms/default/clients/svc", json!({"roles": []})).await.expect(200);
    assert_eq!(ask(&app, &machine).await, (403, "insufficient_scope".to_owned()));
    assert_eq!(ask(&app, &person).await, admitted());
    app.manage("PATCH", "/v1/realms/default/roles/reader", json!({"rights": {SHOP: ["orders:write"]}}))
        .await
        .expect(200);
    assert_eq!(ask(&app, &person).await, (403, "insufficient_scope".to_owned()), "the role itself");
}

#[tokio::test]
async fn an_owner_who_is_switched_off_or_cut_off_takes_his_keys_along() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let client = "/v1/realms/default/clients/ci";
    assert_eq!(ask(&app, &key).await, admitted());
    app.manage("PATCH", client, json!({"disabled": true})).await.expect(200);
    assert_eq!(ask(&app, &key).await, refused("subject_disabled"));
    app.manage("PATCH", client, json!({"disabled": false})).await.expect(200);
    assert_eq!(ask(&app, &key).await, admitted());
    app.manage("POST", &format!("{client}/revoke-all"), Value::Null).await.expect(200);
    assert_eq!(ask(&app, &key).await, refused("revoked_credential"));
    assert_eq!(app.last_reason(), Some(Reason::IssuedBeforeCutoff));
}

#[tokio::test]
async fn a_scope_that_the_api_no_longer_defines_is_nobodys() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read", "orders:write"]).await;
    app.rule(json!({"name": "me", "match": {"host": "shop.test", "methods": ["POST"], "path": "/orders"}, "require": {"scopes": ["orders:write"]}})).await;
    assert_eq!(app.ask("POST", "/orders", Some(&key)).await.status, 200);
    let path = "/v1/realms/default/apis/https%3A%2F%2Fapi.shop.test";
    let needed = app.manage("PATCH", path, json!({"scopes": {"orders:write": null}})).await;
    assert_eq!(needed.status, 400, "a rule needs it: {}", needed.text);
    app.manage("DELETE", "/v1/realms/default/rules/me", Value::Null).await.expect(204);
    app.manage("PATCH", path, json!({"scopes": {"orders:write": null}})).await.expect(200);
    assert_eq!(ask(&app, &key).await, admitted());
    assert_eq!(show(&app, "ci").await["effective_scopes"], json!(["orders:read"]));
}
