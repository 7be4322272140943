//! AK-01: nobody creates, rolls, changes or hands out what exceeds his own rights.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};

const API: &str = "urn:admit:realm:default";
const KEYS: &str = "/v1/realms/default/keys";

/// A key for the management API with these scopes; its JSON.
async fn manager(app: &TestApp, name: &str, scopes: &[&str]) -> Value {
    app.key(json!({"name": name, "api": API, "scopes": scopes})).await
}

fn secret(key: &Value) -> &str {
    key["key"].as_str().unwrap()
}

#[track_caller]
fn exceeds(reply: &Reply) {
    assert_eq!((reply.status, reply.code().as_str()), (403, "exceeds_own_rights"), "{}", reply.text);
}

#[tokio::test]
async fn ak_01_a_key_issuer_issues_no_more_than_he_holds() {
    let app = TestApp::new().await;
    app.shop().await;
    let issuer = manager(&app, "issuer", &["keys:read", "keys:write"]).await;
    let issuer = secret(&issuer);
    let post = async |body: Value| app.manage_as(issuer, "POST", KEYS, body).await;

    for scopes in [json!(["rules:write"]), json!(["keys:write", "apis:read"]), json!(["check"])] {
        exceeds(&post(json!({"name": "more", "api": API, "scopes": scopes})).await);
    }
    post(json!({"name": "same", "api": API, "scopes": ["keys:read"]})).await.expect(201);
    post(json!({"name": "shop", "api": "https://api.shop.test", "scopes": ["orders:read"]})).await.expect(201);
    let keys = app.manage("GET", KEYS, Value::Null).await.expect(200);
    assert_eq!(keys["items"].as_array().unwrap().len(), 3, "the refused ones were not made");
}

#[tokio::test]
async fn ak_01_an_owner_with_more_rights_is_out_of_reach() {
    let app = TestApp::new().await;
    app.shop().await;
    let boss = json!({"name": "boss", "type": "service", "rights": {API: ["rules:write", "keys:write"]}});
    app.manage("POST", "/v1/realms/default/clients", boss).await.expect(201);
    let chief = json!({"name": "chief", "roles": ["operator"]});
    app.manage("POST", "/v1/realms/default/users", chief).await.expect(201);
    let strong = app.key(json!({"name": "strong", "owner": "boss", "api": API, "scopes": ["rules:write"]})).await;
    let off = app.key(json!({"name": "off", "owner": "boss", "api": API, "scopes": ["rules:write"]})).await;
    app.manage("POST", &format!("{KEYS}/off/disable"), json!({})).await.expect(200);
    let issuer = manager(&app, "issuer", &["keys:read", "keys:write"]).await;
    let issuer = secret(&issuer);
    let before = app.manage("GET", &format!("{KEYS}/strong"), Value::Null).await.expect(200);

    for owner in ["boss", "chief"] {
        exceeds(&app.manage_as(issuer, "POST", KEYS, json!({"name": "as boss", "owner": owner})).await);
    }
    exceeds(&app.manage_as(issuer, "POST", &format!("{KEYS}/strong/roll"), json!({})).await);
    exceeds(&app.manage_as(issuer, "POST", &format!("{KEYS}/strong/roll"), json!({"compromised": true})).await);
    exceeds(&app.manage_as(issuer, "PATCH", &format!("{KEYS}/strong"), json!({"ip": []})).await);
    exceeds(&app.manage_as(issuer, "POST", &format!("{KEYS}/off/enable"), json!({})).await);
    let after = app.manage("GET", &format!("{KEYS}/strong"), Value::Null).await.expect(200);
    assert_eq!(before, after);
    let reply = app.manage_as(secret(&strong), "GET", "/v1/whoami", Value::Null).await.expect(200);
    assert_eq!(reply["scopes"], json!(["rules:write"]), "it still works");
    let reply = app.manage_as(secret(&off), "GET", "/v1/whoami", Value::Null).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "revoked_credential"));
}

#[tokio::test]
async fn ak_01_changing_scopes_is_no_way_up() {
    let app = TestApp::new().await;
    app.shop().await;
    let boss = json!({"name": "boss", "type": "service", "rights": {API: ["rules:write", "keys:write", "keys:read"]}});
    app.manage("POST", "/v1/realms/default/clients", boss).await.expect(201);
    let own = app.key(json!({"name": "own", "owner": "boss", "api": API, "scopes": ["keys:read", "keys:write"]})).await;
    let own = secret(&own);
    exceeds(
        &app.manage_as(
            own,
            "PATCH",
            &format!("{KEYS}/own"),
            json!({"scopes": ["keys:read", "keys:write", "rules:write"]}),
        )
        .await,
    );
    let narrower =
        app.manage_as(own, "PATCH", &format!("{KEYS}/own"), json!({"scopes": ["keys:read"]})).await.expect(200);
    assert_eq!(narrower["scopes"], json!(["keys:read"]));
    let back =
        app.manage_as(own, "PATCH", &format!("{KEYS}/own"), json!({"scopes": ["keys:read", "keys:write"]})).await;
    assert_eq!((back.status, back.code().as_str()), (403, "insufficient_scope"), "at once");
}

#[tokio::test]
async fn ak_01_roles_clients_users_and_apply_are_no_way_up() {
    let app = TestApp::new().await;
    app.shop().await;
    app.manage("POST", "/v1/realms/default/roles", json!({"name": "strong", "rights": {API: ["rules:write"]}}))
        .await
        .expect(201);
    app.manage("POST", "/v1/realms/default/roles", json!({"name": "weak"})).await.expect(201);
    app.manage("POST", "/v1/realms/default/clients", json!({"name": "tool", "type": "service"})).await.expect(201);
    app.manage("POST", "/v1/realms/default/users", json!({"name": "alice"})).await.expect(201);
    let scopes = [
        "clients:read",
        "clients:write",
        "roles:read",
        "roles:write",
        "users:read",
        "users:write",
        "apis:write",
        "apis:read",
        "keys:write",
    ];
    let clerk = manager(&app, "clerk", &scopes).await;
    let clerk = secret(&clerk);
    let send = async |method: &str, path: &str, body: Value| {
        app.manage_as(clerk, method, &format!("/v1/realms/default/{path}"), body).await
    };
    exceeds(&send("POST", "clients", json!({"name": "c", "type": "service", "rights": {API: ["rules:write"]}})).await);
    exceeds(&send("POST", "clients", json!({"name": "c", "type": "service", "roles": ["strong"]})).await);
    exceeds(&send("POST", "clients", json!({"name": "c", "type": "service", "roles": ["operator"]})).await);
    exceeds(&send("PATCH", "clients/tool", json!({"rights": {API: ["rules:write"]}})).await);
    exceeds(&send("PATCH", "clients/tool", json!({"roles": ["strong"]})).await);
    exceeds(&send("POST", "users", json!({"name": "mallory", "roles": ["strong"]})).await);
    exceeds(&send("PATCH", "users/alice", json!({"roles": ["operator"]})).await);
    exceeds(&send("POST", "roles", json!({"name": "mine", "rights": {API: ["rules:write"]}})).await);
    exceeds(&send("PATCH", "roles/weak", json!({"rights": {API: ["rules:write"]}})).await);
    send("PATCH", "clients/tool", json!({"rights": {API: ["roles:read"]}})).await.expect(200);
    for (path, body) in [
        ("apply", json!({"role": [{"name": "mine", "rights": {API: ["rules:write"]}}]})),
        ("apply", json!({"client": [{"name": "tool", "type": "service", "roles": ["strong"]}]})),
        ("apply", json!({"user": [{"name": "alice", "roles": ["operator"]}]})),
    ] {
        let reply = send("POST", path, body.clone()).await;
        assert_eq!(reply.status, 403, "{body}: {}", reply.text);
    }
    let alice = app.manage("GET", "/v1/realms/default/users/alice", Value::Null).await.expect(200);
    assert_eq!(alice["roles"].as_array().map_or(0, Vec::len), 0, "{alice}");
}

#[tokio::test]
async fn ak_01_privileged_fields_are_nobodys_to_send() {
    let app = TestApp::new().await;
    for field in [
        "id",
        "realm",
        "grant",
        "owner_kind",
        "created_by",
        "user_id",
        "subject",
        "expires_at",
        "disabled_at",
        "org",
        "org_id",
        "version",
        "secrets",
        "key",
    ] {
        let reply = app.manage("POST", KEYS, json!({"name": "x", field: "usr_1"})).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{field}: {}", reply.text);
        assert!(reply.text.contains(field), "the answer names it: {}", reply.text);
    }
    app.key(json!({"name": "x"})).await;
    for field in ["owner", "api", "grant", "id", "revoked_at", "created_by"] {
        let reply = app.manage("PATCH", &format!("{KEYS}/x"), json!({field: "boss"})).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{field}: {}", reply.text);
    }
}

#[tokio::test]
async fn the_operator_key_is_for_direct_loopback_peers() {
    let app = TestApp::new().await;
    let bearer = format!("Bearer {}", app.operator());
    for name in ["x-forwarded-for", "x-forwarded-host", "forwarded", "via", "x-real-ip"] {
        let reply = app.send("GET", "/v1/realms", &[("authorization", &bearer), (name, "203.0.113.9")], None).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "invalid_credential"),
            "through a proxy ({name}): {}",
            reply.text
        );
    }
    for headers in [[("x-api-key", app.operator())], [("cookie", app.operator())]] {
        let reply = app.send("GET", "/v1/realms", &headers, None).await;
        assert_eq!(reply.status, 401, "as Bearer only: {}", reply.text);
    }
    assert_eq!(app.ask("GET", "/orders/1", Some(app.operator())).await.status, 401, "it opens no application");
}

/// Whoever could empty or remove a role would have power over those who held it.
#[tokio::test]
async fn ad_02_what_exceeds_one_s_own_rights_is_not_taken_away_either() {
    let app = TestApp::new().await;
    app.shop().await;
    let role = json!({"name": "chief", "rights": {API: ["rules:write"]}});
    app.manage("POST", "/v1/realms/default/roles", role).await.expect(201);
    app.manage("POST", "/v1/realms/default/users", json!({"name": "carla", "roles": ["chief"]})).await.expect(201);
    let boss = json!({"name": "boss", "type": "service", "rights": {API: ["rules:write"]}});
    app.manage("POST", "/v1/realms/default/clients", boss).await.expect(201);
    let scopes = ["roles:read", "roles:write", "users:write", "clients:write", "realm:write"];
    let helper = app.key(json!({"name": "helper", "api": API, "scopes": scopes})).await;
    let helper = secret(&helper);
    let at = |path: &str| format!("/v1/realms/default/{path}");
    exceeds(&app.manage_as(helper, "PATCH", &at("roles/chief"), json!({"rights": {}})).await);
    for gone in ["roles/chief", "users/carla", "clients/boss"] {
        exceeds(&app.manage_as(helper, "DELETE", &at(gone), Value::Null).await);
    }
    for document in [
        json!({"role": [{"name": "chief", "rights": {}}]}),
        json!({"user": [{"name": "carla", "roles": []}]}),
        json!({"client": [{"name": "boss", "type": "service", "rights": {}}]}),
    ] {
        exceeds(&app.manage_as(helper, "POST", &at("apply"), document).await);
    }
    let chief = app.manage("GET", &at("roles/chief"), Value::Null).await.expect(200);
    assert_eq!(chief["rights"], json!({API: ["rules:write"]}));
    app.manage("DELETE", &at("users/carla"), Value::Null).await.expect(204);
}
