//! How a key ends: revoked, handed in as leaked, or with the API or the owner that it was for.

use admit_core::check::code::Reason;
use serde_json::{Value, json};

use super::{KEYS, admitted, ask, id, refused, secret, show};
use crate::app::TestApp;

#[tokio::test]
async fn a_revoked_key_is_refused_from_the_answer_on() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    assert_eq!(ask(&app, &key).await, admitted());
    app.manage("DELETE", &format!("{KEYS}/ci"), Value::Null).await.expect(204);
    assert_eq!(ask(&app, &key).await, refused("revoked_credential"));
    assert_eq!(app.last_reason(), Some(Reason::Revoked));
    app.manage("DELETE", &format!("{KEYS}/ci"), Value::Null).await.expect(204);
    assert_eq!(show(&app, "ci").await["state"], "revoked");
    let live = app.manage("GET", KEYS, Value::Null).await.expect(200);
    assert_eq!(live["items"], json!([]), "live ones unless asked");
    let all = app.manage("GET", &format!("{KEYS}?state=all"), Value::Null).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    for verb in ["enable", "disable", "roll"] {
        let reply = app.manage("POST", &format!("{KEYS}/ci/{verb}"), json!({})).await;
        assert_eq!((reply.status, reply.code().as_str()), (409, "key_revoked"), "{verb}");
    }
    let events = app.manage("GET", "/v1/realms/default/events?order=newest", Value::Null).await.expect(200);
    let revoked: Vec<_> =
        events["items"].as_array().unwrap().iter().filter(|event| event["kind"] == "key.revoked").collect();
    assert_eq!(revoked.len(), 1, "the second time nothing happened");
    assert_eq!(revoked[0]["actor"], "operator");
}

#[tokio::test]
async fn what_ended_with_all_of_its_owner_or_realm_is_revoked_like_any_other() {
    for path in ["clients/ci/revoke-all", "revoke-all"] {
        let app = TestApp::new().await;
        app.shop().await;
        let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
        assert_eq!(ask(&app, &secret(&key)).await, admitted());
        let seen = app.manage("GET", &format!("{KEYS}/ci"), Value::Null).await.header("etag");
        app.clock.advance(admit_core::time::Span::seconds(1));
        app.manage("POST", &format!("/v1/realms/default/{path}"), Value::Null).await.expect(200);
        assert_eq!(ask(&app, &secret(&key)).await, refused("revoked_credential"));
        assert_eq!(app.last_reason(), Some(Reason::IssuedBeforeCutoff), "{path}");

        assert_eq!(show(&app, "ci").await["state"], "revoked", "{path}");
        assert_ne!(app.manage("GET", &format!("{KEYS}/ci"), Value::Null).await.header("etag"), seen);
        let live = app.manage("GET", KEYS, Value::Null).await.expect(200);
        assert_eq!(live["items"], json!([]), "{path}: not among the live ones");
        let all = app.manage("GET", &format!("{KEYS}?state=all"), Value::Null).await.expect(200);
        assert_eq!(all["items"][0]["state"], "revoked");
        let grants = app.manage("GET", "/v1/realms/default/grants", Value::Null).await.expect(200);
        assert_eq!(grants["items"][0]["state"], "revoked", "{path}");
        for (method, rest) in [("POST", "/enable"), ("POST", "/disable"), ("POST", "/roll"), ("PATCH", "")] {
            let reply = app.manage(method, &format!("{KEYS}/ci{rest}"), json!({})).await;
            assert_eq!((reply.status, reply.code().as_str()), (409, "key_revoked"), "{path} {rest}");
            assert!(reply.text.contains("is revoked, which cannot be undone"), "{}", reply.text);
        }
        let fresh = app.shop_key("ci", &["orders:read"]).await;
        assert_eq!(ask(&app, &fresh).await, admitted(), "{path}: what is made later lives");
        assert_eq!(show(&app, "ci").await["state"], "active", "the name means the live one");
    }
}

#[tokio::test]
async fn a_revoked_grant_ends_its_key() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    assert_eq!(ask(&app, &secret(&key)).await, admitted());
    app.manage("DELETE", &format!("/v1/realms/default/grants/{}", key["grant"].as_str().unwrap()), Value::Null)
        .await
        .expect(204);
    assert_eq!(ask(&app, &secret(&key)).await, refused("revoked_credential"));
}

#[tokio::test]
async fn whoever_finds_a_key_may_end_it_and_learns_nothing() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    let leaked = async |credential: &str| {
        let body = json!({"credential": credential}).to_string().into_bytes();
        let reply = app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await;
        (reply.status, reply.text)
    };
    let never = admit_core::secret::write("admit", &[9; 32]);
    let expected = (202, "{}".to_owned());
    for nothing in ["", "x", never.expose(), app.operator(), "\u{0}", &"a".repeat(10_000)] {
        assert_eq!(leaked(nothing).await, expected, "{nothing:.40}");
    }
    assert_eq!(ask(&app, &secret(&key)).await, admitted());
    assert_eq!(
        app.manage("GET", "/v1/realms", Value::Null).await.status,
        200,
        "the operator key is not ended from outside"
    );
    assert_eq!(leaked(&secret(&key)).await, expected);
    assert_eq!(ask(&app, &secret(&key)).await, refused("revoked_credential"));
    assert_eq!(leaked(&secret(&key)).await, expected, "again");
    let events = app.manage("GET", "/v1/realms/default/events?order=newest", Value::Null).await.expect(200);
    let found: Vec<_> =
        events["items"].as_array().unwrap().iter().filter(|event| event["kind"] == "key.leaked").collect();
    assert_eq!((found.len(), &found[0]["target"]), (1, &key["id"]));
}

#[tokio::test]
async fn keys_of_a_deleted_api_open_nothing_not_even_a_new_one_of_its_name() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &["orders:read"]).await;
    assert_eq!(ask(&app, &key).await, admitted());
    let path = "/v1/realms/default/apis/https%3A%2F%2Fapi.shop.test";
    let needed = app.manage("DELETE", path, Value::Null).await;
    assert_eq!(needed.status, 400, "the rule needs it: {}", needed.text);
    app.manage("DELETE", "/v1/realms/default/rules/read%20orders", Value::Null).await.expect(204);
    app.manage("DELETE", path, Value::Null).await.expect(204);
    assert_ne!(app.ask("GET", "/orders/1", Some(&key)).await.status, 200);
    app.shop().await;
    let reply = app.ask("GET", "/orders/1", Some(&key)).await;
    assert_eq!(reply.status, 401, "ad_08: what comes back under the name is not what went: {}", reply.text);
    assert_eq!(ask(&app, &app.shop_key("new", &["orders:read"]).await).await, admitted());
}

#[tokio::test]
async fn ad_08_a_new_client_of_an_old_name_inherits_nothing() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    assert_eq!(ask(&app, &secret(&key)).await, admitted());
    app.manage("DELETE", "/v1/realms/default/clients/ci", Value::Null).await.expect(204);
    assert_eq!(app.ask("GET", "/orders/1", Some(&secret(&key))).await.status, 401);
    let body = json!({"name": "ci", "type": "service", "rights": {"https://api.shop.test": ["orders:read"]}});
    let client = app.manage("POST", "/v1/realms/default/clients", body).await.expect(201);
    assert_ne!(client["id"], key["owner"], "ids are never used again");
    assert_eq!(app.ask("GET", "/orders/1", Some(&secret(&key))).await.status, 401);
    let grants =
        app.manage("GET", &format!("/v1/realms/default/grants?subject={}", id(&client)), Value::Null).await.expect(200);
    assert_eq!(grants["items"], json!([]));
}
