//! APIs, roles, clients, users, rules and realms: made, patched, guarded, removed.

use serde_json::{Value, json};

use crate::app::TestApp;

const REALM: &str = "/v1/realms/default";
const SHOP: &str = "/v1/realms/default/apis/https%3A%2F%2Fapi.shop.test";

async fn shop() -> TestApp {
    let app = TestApp::new().await;
    let api = json!({"uri": "https://api.shop.test", "hosts": ["Shop.test"], "scopes": {"orders:read": "Read orders"}});
    app.manage("POST", &format!("{REALM}/apis"), api).await.expect(201);
    let rule = json!({"match": {"host": "shop.test", "methods": ["GET"], "path": "/orders/**"}, "require": {"scopes": ["orders:read"]}});
    app.manage("POST", &format!("{REALM}/rules"), rule).await.expect(201);
    app
}

#[tokio::test]
async fn an_api_lives_by_its_uri_and_cannot_break_rules() {
    let app = shop().await;
    let shown = app.manage("GET", SHOP, Value::Null).await;
    assert_eq!(shown.header("etag"), "\"v1\"");
    assert_eq!(shown.expect(200)["hosts"], json!(["shop.test"]));

    let refused = app.manage("PATCH", SHOP, json!({"scopes": null})).await;
    assert!(
        refused.expect(400)["detail"]
            .as_str()
            .unwrap()
            .contains("admit api update https://api.shop.test --scope orders:read")
    );
    assert_eq!(app.manage("DELETE", SHOP, Value::Null).await.code(), "invalid_request");
    assert_eq!(app.manage("PATCH", SHOP, json!({"uri": "https://b"})).await.expect(400)["problems"][0]["path"], "uri");
    assert_eq!(app.manage("PATCH", SHOP, json!({"colour": 1})).await.code(), "invalid_request");
    let changed =
        app.manage("PATCH", SHOP, json!({"name": "Shop", "scopes": {"orders:write": "Write"}})).await.expect(200);
    assert_eq!(changed["scopes"], json!({"orders:read": "Read orders", "orders:write": "Write"}));

    let rule = format!("{REALM}/rules/GET%20shop.test%2Forders%2F**");
    assert_eq!(app.manage("DELETE", &rule, Value::Null).await.status, 204);
    assert_eq!(app.manage("DELETE", SHOP, Value::Null).await.status, 204);
    assert_eq!(app.manage("GET", SHOP, Value::Null).await.code(), "not_found");
}

#[tokio::test]
async fn a_lost_update_is_refused() {
    let app = shop().await;
    let made =
        app.manage("POST", &format!("{REALM}/users"), json!({"name": "alice", "email": "alice@example.com"})).await;
    assert_eq!(made.header("etag"), "\"v1\"");
    let alice = format!("{REALM}/users/Alice@Example.com");
    assert!(app.manage("PATCH", &alice, json!({"disabled": true})).await.expect(200)["disabled_at"].is_string());
    let bearer = format!("Bearer {}", app.operator());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("if-match", "\"v1\"")];
    let late = app.send("PATCH", &alice, &headers, Some(br#"{"disabled":false}"#.to_vec())).await;
    assert_eq!((late.status, late.code().as_str()), (412, "version_changed"));
    let late = app.send("DELETE", &alice, &headers, None).await;
    assert_eq!(late.status, 412);
}

#[tokio::test]
async fn what_admit_is_stays_as_it_is() {
    let app = TestApp::new().await;
    let rows = [
        ("DELETE", "/roles/operator", Value::Null),
        ("PATCH", "/roles/viewer", json!({"description": "x"})),
        ("POST", "/roles", json!({"name": "gateway"})),
        ("POST", "/apis", json!({"uri": "urn:admit:server"})),
        ("PATCH", "/apis/urn%3Aadmit%3Arealm%3Adefault", json!({"scopes": {"x": "y"}})),
        ("DELETE", "/apis/urn%3Aadmit%3Arealm%3Adefault", Value::Null),
    ];
    for (method, path, body) in rows {
        let answer = app.manage(method, &format!("{REALM}{path}"), body).await;
        assert_eq!((answer.status, answer.code().as_str()), (409, "built_in"), "{method} {path}: {}", answer.text);
    }
    assert_eq!(app.manage("PATCH", "/v1/realms/operators", json!({"metadata": {}})).await.code(), "built_in");
}

/// A key of a client with these scopes of the management API.
async fn manager(app: &TestApp, scopes: &[&str]) -> String {
    let api = "urn:admit:realm:default";
    let client = json!({"name": "manager", "type": "service", "rights": {api: scopes}});
    app.manage("POST", &format!("{REALM}/clients"), client).await.expect(201);
    let key = json!({"name": "manager", "owner": "manager", "api": api, "scopes": scopes});
    app.manage("POST", &format!("{REALM}/keys"), key).await.expect(201)["key"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn ad_02_nobody_hands_out_rights_over_admit_that_he_has_not() {
    let app = TestApp::new().await;
    let key = manager(&app, &["roles:write", "users:write", "clients:write", "rules:write", "realm:write"]).await;
    app.manage("POST", &format!("{REALM}/users"), json!({"name": "root", "roles": ["operator"]})).await.expect(201);
    let api = "urn:admit:realm:default";
    let exceeding = [
        ("POST", "/roles", json!({"name": "big", "rights": {api: ["keys:write"]}})),
        ("POST", "/users", json!({"name": "eve", "roles": ["operator"]})),
        ("POST", "/clients", json!({"name": "eve", "type": "service", "roles": ["key-issuer"]})),
        ("POST", "/clients", json!({"name": "eve", "type": "service", "rights": {api: ["keys:write"]}})),
        ("PATCH", "/clients/manager", json!({"roles": ["operator"]})),
        ("PATCH", "/users/root", json!({"roles": []})),
        ("PATCH", "/users/root", json!({"email": "eve@example.com"})),
        ("POST", "/apply", json!({"user": [{"name": "eve", "roles": ["operator"]}]})),
        ("POST", "/apply?dry_run=true", json!({"role": [{"name": "big", "rights": {api: ["keys:write"]}}]})),
        (
            "POST",
            "/apply",
            json!({"role": [{"name": "a", "rights": {api: ["keys:write"]}}], "user": [{"name": "eve", "roles": ["a"]}]}),
        ),
    ];
    for (method, path, body) in exceeding {
        let answer = app.manage_as(&key, method, &format!("{REALM}{path}"), body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "exceeds_own_rights"),
            "{method} {path}: {}",
            answer.text
        );
    }
    let lacking = [
        ("POST", "/apply", json!({"api": []})),
        ("PATCH", "", json!({"disabled": true})),
        ("PATCH", "", json!({"host": "eve.test"})),
    ];
    for (method, path, body) in lacking {
        let answer = app.manage_as(&key, method, &format!("{REALM}{path}"), body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "insufficient_scope"),
            "{method} {path}: {}",
            answer.text
        );
    }
    let own = json!({"name": "own", "rights": {api: ["users:write"]}});
    app.manage_as(&key, "POST", &format!("{REALM}/roles"), own).await.expect(201);
    app.manage_as(&key, "POST", &format!("{REALM}/users"), json!({"name": "bob", "roles": ["own"]})).await.expect(201);
}

#[tokio::test]
async fn ad_01_another_realms_things_are_not_there() {
    let app = shop().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme-live"})).await.expect(201);
    let id = |reply: Value| reply["items"][0]["id"].as_str().unwrap().to_owned();
    app.manage("POST", &format!("{REALM}/users"), json!({"name": "alice"})).await.expect(201);
    app.manage("POST", &format!("{REALM}/clients"), json!({"name": "shop", "type": "service"})).await.expect(201);
    for kind in ["apis", "roles", "clients", "users", "rules"] {
        let id = id(app.manage("GET", &format!("{REALM}/{kind}"), Value::Null).await.expect(200));
        app.manage("GET", &format!("{REALM}/{kind}/{id}"), Value::Null).await.expect(200);
        for (method, body) in [("GET", Value::Null), ("DELETE", Value::Null)] {
            let answer = app.manage(method, &format!("/v1/realms/acme-live/{kind}/{id}"), body).await;
            assert_eq!((answer.status, answer.code().as_str()), (404, "not_found"), "{method} {kind}");
        }
    }
}

#[tokio::test]
async fn rules_are_listed_in_the_order_of_judgement_page_by_page() {
    let app = TestApp::new().await;
    for (name, priority) in [("c", 300), ("a", 100), ("b", 200), ("a2", 100)] {
        let rule = json!({"name": name, "priority": priority, "deny": true, "match": {"path": format!("/{name}")}});
        app.manage("POST", &format!("{REALM}/rules"), rule).await.expect(201);
    }
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.manage("GET", &format!("{REALM}/rules?limit=1{cursor}"), Value::Null).await.expect(200);
        names.extend(page["items"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(names, ["a", "a2", "b", "c"]);
}

#[tokio::test]
async fn a_rule_is_put_whole_and_keeps_its_name() {
    let app = shop().await;
    let path = format!("{REALM}/rules/GET%20shop.test%2Forders%2F**");
    let open = json!({"match": {"host": "shop.test"}, "public": true});
    let changed = app.manage("PUT", &path, open).await.expect(200);
    assert_eq!((changed["name"].as_str(), changed["require"].is_null()), (Some("GET shop.test/orders/**"), true));
    let events = app.manage("GET", &format!("{REALM}/events?limit=1"), Value::Null).await.expect(200);
    assert_eq!(events["items"][0]["kind"], "rule.updated");
    assert_eq!(events["items"][0]["detail"]["loosens"], "opens to the public");
}

#[tokio::test]
async fn a_document_is_applied_once_and_exported_as_it_is() {
    let app = TestApp::new().await;
    let document = json!({
        "api": [{"uri": "https://api.shop.test", "hosts": ["shop.test"], "scopes": {"orders:read": "Read"}}],
        "role": [{"name": "reader", "rights": {"https://api.shop.test": ["orders:read"]}}],
        "client": [{"name": "gw", "type": "service", "roles": ["gateway", "reader"]}],
        "user": [{"name": "alice", "roles": ["viewer"]}],
        "rule": [{"name": "read", "match": {"host": "shop.test", "path": "/orders/**"}, "require": {"scopes": ["orders:read"]}}, {"name": "rest", "deny": true}],
    });
    let apply = |query: &str| format!("{REALM}/apply{query}");
    let told = app.manage("POST", &apply("?dry_run=true"), document.clone()).await.expect(200);
    assert_eq!((told["applied"].as_bool(), told["changes"].as_array().unwrap().len()), (Some(false), 6));
    let done = app.manage("POST", &apply("?prune=true"), document.clone()).await.expect(200);
    assert_eq!((&done["applied"], &done["changes"]), (&json!(true), &told["changes"]));
    let again = app.manage("POST", &apply("?prune=true"), document).await.expect(200);
    assert_eq!(again["changes"], json!([]));
    let exported = app.manage("GET", &format!("{REALM}/export"), Value::Null).await.expect(200);
    let again = app.manage("POST", &apply("?prune=true"), exported.clone()).await.expect(200);
    assert_eq!(again["changes"], json!([]));
    assert_eq!(exported["client"][0]["roles"], json!(["gateway", "reader"]));
}

#[tokio::test]
async fn one_problem_applies_nothing() {
    let app = TestApp::new().await;
    let document = json!({"role": [{"name": "reader"}], "user": [{"name": "alice", "roles": ["writer"]}]});
    let refused = app.manage("POST", &format!("{REALM}/apply"), document).await.expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("admit role create --name writer"));
    assert_eq!(app.manage("GET", &format!("{REALM}/roles/reader"), Value::Null).await.status, 404);
}

#[tokio::test]
async fn pruning_leaves_owners_of_live_keys() {
    let app = TestApp::new().await;
    app.manage("POST", &format!("{REALM}/keys"), json!({"name": "job"})).await.expect(201);
    app.manage("POST", &format!("{REALM}/clients"), json!({"name": "idle", "type": "service"})).await.expect(201);
    let done = app.manage("POST", &format!("{REALM}/apply?prune=true"), json!({"client": []})).await.expect(200);
    let names: Vec<_> =
        done["changes"].as_array().unwrap().iter().map(|change| change["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["idle"]);
}

#[tokio::test]
async fn rules_are_tried_before_they_are_stored() {
    let app = shop().await;
    let case = |request: &str, caller: Value, expect: &str| json!({"request": request, "as": caller, "expect": expect});
    let body = json!({"case": [
        {"request": "GET https://shop.test/orders", "expect": "missing_credential"},
        case("GET https://shop.test/orders", json!({"scopes": ["orders:read"]}), "ok"),
        case("POST https://shop.test/orders", json!({"scopes": ["orders:read"]}), "ok"),
    ]});
    let path = format!("{REALM}/rules/test");
    let tried = app.manage("POST", &path, body).await.expect(200);
    assert_eq!((tried["passed"].as_u64(), tried["failed"].as_u64()), (Some(2), Some(1)));
    assert_eq!(tried["items"][2]["got"], "no_rule");
    let other = json!({"rule": [{"match": {"host": "shop.test"}, "public": true}], "case": [{"request": "PUT https://shop.test/x", "expect": "ok"}]});
    assert_eq!(app.manage("POST", &path, other).await.expect(200)["passed"], 1);
    let broken = json!({"rule": [{"match": {"host": "gone.test"}, "require": {"authenticated": true}}], "case": []});
    assert_eq!(app.manage("POST", &path, broken).await.code(), "invalid_request");
    assert_eq!(
        app.manage("GET", &format!("{REALM}/rules"), Value::Null).await.expect(200)["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn ad_08_revoke_all_ends_what_was_issued_before() {
    let app = TestApp::new().await;
    let key = manager(&app, &["roles:read"]).await;
    let roles = format!("{REALM}/roles");
    app.manage_as(&key, "GET", &roles, Value::Null).await.expect(200);
    app.manage("POST", &format!("{REALM}/clients/manager/revoke-all"), Value::Null).await.expect(200);
    assert_eq!(app.manage_as(&key, "GET", &roles, Value::Null).await.code(), "revoked_credential");
    app.manage("DELETE", &format!("{REALM}/clients/manager"), Value::Null).await;
    assert_eq!(app.manage_as(&key, "GET", &roles, Value::Null).await.code(), "subject_disabled");
    let again = json!({"name": "manager", "type": "service", "rights": {"urn:admit:realm:default": ["roles:read"]}});
    app.manage("POST", &format!("{REALM}/clients"), again).await.expect(201);
    assert_eq!(
        app.manage_as(&key, "GET", &roles, Value::Null).await.status,
        401,
        "a new client of the same name inherits nothing"
    );
}

#[tokio::test]
async fn the_page_and_the_description_are_open_to_all() {
    let app = TestApp::new().await;
    let page = app.send("GET", "/v1/docs", &[], None).await;
    assert_eq!((page.status, page.header("content-type").as_str()), (200, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
    let described = app.send("GET", "/v1/openapi.json", &[], None).await.expect(200);
    assert_eq!(described["openapi"], "3.1.0");
    let refused = app.manage("PUT", &format!("{REALM}/apis"), json!({})).await;
    assert_eq!((refused.status, refused.code().as_str()), (405, "method_not_allowed"));
    assert!(refused.header("allow").contains("POST"));
    assert_eq!(app.manage("GET", "/v1/nothing", Value::Null).await.code(), "not_found");
}

#[tokio::test]
async fn the_doctor_tells_what_to_look_at() {
    let app = shop().await;
    app.manage("POST", &format!("{REALM}/keys"), json!({"name": "job", "never_expires": true})).await.expect(201);
    let observe = json!({"name": "watch", "match": {"host": "shop.test", "path": "/new"}, "require": {"authenticated": true}, "mode": "observe", "stale_for": "30s"});
    app.manage("POST", &format!("{REALM}/rules"), observe).await.expect(201);
    let found = app.manage("GET", "/v1/doctor", Value::Null).await.expect(200);
    let said: Vec<_> = found["items"].as_array().unwrap().iter().map(|item| item["what"].as_str().unwrap()).collect();
    for part in [
        "master key",
        "rule \"watch\" observes",
        "\"watch\" admits by knowledge up to 30 s old",
        "1 key without an end",
    ] {
        assert!(said.iter().any(|what| what.contains(part)), "{part}: {said:?}");
    }
}
