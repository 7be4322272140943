//! The realm of a request is settled once: by the path that the gateway calls, or by a host that a realm has.

use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::input::wire;

/// The shop in `default` and in `acme`, with a key of each, and `bravo` on a host of its own.
async fn realms() -> (TestApp, String, String) {
    let app = TestApp::new().await;
    app.shop().await;
    let own = app.shop_key("own", &["orders:read"]).await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    app.manage("POST", "/v1/realms", json!({"name": "bravo", "host": "auth.bravo.test"})).await.expect(201);
    let api = json!({"uri": "https://api.acme.test", "hosts": ["shop.test"], "scopes": {"read": "Read"}});
    app.manage("POST", "/v1/realms/acme/apis", api).await.expect(201);
    let rule =
        json!({"name": "all of acme", "match": {"host": "shop.test", "path": "/**"}, "require": {"scopes": ["read"]}});
    app.manage("POST", "/v1/realms/acme/rules", rule).await.expect(201);
    let key = json!({"name": "ci", "api": "https://api.acme.test", "scopes": ["read"]});
    let key = app.manage("POST", "/v1/realms/acme/keys", key).await.expect(201);
    (app, own, key["key"].as_str().unwrap().to_owned())
}

async fn ask(app: &TestApp, door: &str, key: &str) -> Reply {
    let bearer = format!("Bearer {key}");
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/1"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "203.0.113.9"),
        ("authorization", &bearer),
    ];
    app.send("GET", door, &headers, None).await
}

#[tokio::test]
async fn the_path_that_the_gateway_calls_selects_the_realm() {
    let (app, own, acme) = realms().await;
    let admitted = ask(&app, "/realms/acme/check/nginx", &acme).await;
    assert_eq!(
        (admitted.status, admitted.header("admit-realm").as_str(), admitted.header("admit-scope").as_str()),
        (200, "acme", "read")
    );
    let admitted = ask(&app, "/check/nginx", &own).await;
    assert_eq!((admitted.status, admitted.header("admit-realm").as_str()), (200, "default"));
    let admitted = ask(&app, "/realms/default/check/nginx", &own).await;
    assert_eq!((admitted.status, admitted.header("admit-realm").as_str()), (200, "default"));

    let strange = ask(&app, "/realms/acme/check/nginx", &own).await;
    assert_eq!((strange.status, strange.code().as_str()), (401, "invalid_credential"));
    assert_eq!(strange.header("www-authenticate").split(',').next(), Some("Bearer realm=\"acme\""));
    assert_eq!(ask(&app, "/check/nginx", &acme).await.code(), "invalid_credential");
    assert_eq!(
        app.last_reason().map(|reason| reason.as_str()),
        Some("other_realm"),
        "the record keeps what the stranger is not told"
    );
    let nowhere = ask(&app, "/realms/nowhere/check/nginx", &own).await;
    assert_eq!((nowhere.status, nowhere.code().as_str()), (403, "no_rule"));
    assert!(nowhere.text.contains("There is no realm of the name"), "{}", nowhere.text);
    for door in ["/realms/ACME/check/nginx", "/realms/acme%2f/check/nginx", "/realms//check/nginx"] {
        assert_ne!(ask(&app, door, &acme).await.status, 200, "{door}");
    }
}

#[tokio::test]
async fn forwarded_hosts_select_no_realm() {
    let (app, _, acme) = realms().await;
    let bearer = format!("Bearer {acme}");
    for host in ["acme", "auth.bravo.test", "acme.localhost"] {
        let headers = [
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-host", host),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
            ("authorization", bearer.as_str()),
            ("host", host),
        ];
        let reply = app.send("GET", "/check/nginx", &headers, None).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "invalid_credential"),
            "{host}: judged in the realm default"
        );
    }
}

#[tokio::test]
async fn a_realm_is_served_on_its_own_host_and_names_its_issuer() {
    let (app, _, _) = realms().await;
    let issuer = async |realm: &str| {
        app.manage("GET", &format!("/v1/realms/{realm}"), Value::Null).await.expect(200)["issuer"].clone()
    };
    assert_eq!(issuer("default").await, app.url.as_str());
    assert_eq!(issuer("acme").await, format!("{}/realms/acme", app.url));
    assert_eq!(issuer("bravo").await, "https://auth.bravo.test");

    let docs = async |host: &str| {
        let request = format!("GET /v1/docs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        wire::exchange(app.address, request.as_bytes()).await.status
    };
    assert_eq!(docs("auth.bravo.test").await, 200);
    assert_eq!(docs("AUTH.bravo.test:443").await, 200);
    assert_eq!(docs("auth.acme.test").await, 421);
    app.manage("PATCH", "/v1/realms/bravo", json!({"host": "id.bravo.test"})).await.expect(200);
    assert_eq!(docs("auth.bravo.test").await, 421, "the old host is nobody's");
    assert_eq!(docs("id.bravo.test").await, 200);
    let taken = app.manage("PATCH", "/v1/realms/acme", json!({"host": "id.bravo.test"})).await;
    assert_eq!((taken.status, taken.code().as_str()), (409, "already_exists"), "{}", taken.text);
}

/// Contract §3: an issuer, its `/check` included, may live on a host of its own.
#[tokio::test]
async fn a_gateway_that_calls_a_realm_s_own_host_is_judged_in_that_realm() {
    let (app, own, acme) = realms().await;
    app.manage("PATCH", "/v1/realms/acme", json!({"host": "auth.acme.test"})).await.expect(200);
    let ask = async |door: &str, key: &str, host: &str, forwarded: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("host", host),
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/orders/1"),
            ("x-forwarded-host", forwarded),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
            ("authorization", bearer.as_str()),
        ];
        let reply = app.send("GET", door, &headers, None).await;
        (reply.status, reply.header("admit-realm"), reply.header("www-authenticate"))
    };
    for door in ["/check/nginx", "/check/forward", "/check/caddy"] {
        for host in ["auth.acme.test", "AUTH.acme.test:8443"] {
            let (status, realm, _) = ask(door, &acme, host, "shop.test").await;
            assert_eq!((status, realm.as_str()), (200, "acme"), "{door} {host}");
            let (status, _, challenge) = ask(door, &own, host, "shop.test").await;
            assert_eq!(status, 401, "{door} {host}: a key of default is nothing here");
            assert!(challenge.starts_with("Bearer realm=\"acme\""), "{challenge}");
        }
        let (status, realm, _) = ask(door, &own, "admit.internal", "shop.test").await;
        assert_eq!((status, realm.as_str()), (200, "default"), "a host of nobody is whatever the gateway calls us");
        let (status, _, challenge) = ask(door, &acme, "auth.acme.test", "AUTH.acme.test:443").await;
        assert_eq!(status, 401, "{door}: a host that the client chose selects nothing");
        assert!(challenge.starts_with("Bearer realm=\"default\""), "{challenge}");
    }
    let (status, realm, _) = ask("/realms/default/check/nginx", &own, "auth.acme.test", "shop.test").await;
    assert_eq!((status, realm.as_str()), (200, "default"), "a path that names a realm goes first");
    app.manage("PATCH", "/v1/realms/acme", json!({"host": null})).await.expect(200);
    let (status, _, _) = ask("/check/nginx", &acme, "auth.acme.test", "shop.test").await;
    assert_eq!(status, 401, "given up");
}

#[tokio::test]
async fn a_peer_that_is_no_proxy_of_ours_is_not_answered() {
    let app = TestApp::with("trusted_proxies = ['10.1.2.3/32']").await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let reply = app.ask("GET", "/orders/1", Some(&key)).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "untrusted_proxy"), "{}", reply.text);
    let forward = app.send("GET", "/check/forward", &[("x-forwarded-uri", "/")], None).await;
    assert_eq!((forward.status, forward.code().as_str()), (403, "untrusted_proxy"));
    for answer in [reply, forward] {
        let line = "Add the gateway to admit.toml: trusted_proxies = [\"127.0.0.1/32\"]";
        assert_eq!(answer.json()["detail"], line, "the line to add, with the address that asked");
    }
}

#[tokio::test]
async fn a_disabled_realm_admits_nobody() {
    let (app, own, acme) = realms().await;
    app.manage("PATCH", "/v1/realms/acme", json!({"disabled": true})).await.expect(200);
    let reply = ask(&app, "/realms/acme/check/nginx", &acme).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "subject_disabled"), "{}", reply.text);
    assert_eq!(ask(&app, "/check/nginx", &own).await.status, 200);
    app.manage("PATCH", "/v1/realms/acme", json!({"disabled": false})).await.expect(200);
    assert_eq!(ask(&app, "/realms/acme/check/nginx", &acme).await.status, 200);
    app.manage("POST", "/v1/realms/acme/revoke-all", Value::Null).await.expect(200);
    assert_eq!(ask(&app, "/realms/acme/check/nginx", &acme).await.code(), "revoked_credential");
}
