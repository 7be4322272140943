//! `grants`, and who calls.

use serde_json::{Value, json};

use super::{events, judge, with_api};

const GRANTS: &str = "/v1/realms/default/grants";

#[tokio::test]
async fn an_ended_grant_ends_its_key() {
    let app = with_api().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    let listed = app.manage("GET", &format!("{GRANTS}?subject=ci"), Value::Null).await.expect(200);
    let grant = &listed["items"][0];
    assert_eq!(
        (&grant["id"], &grant["api"], &grant["kind"]),
        (&key["grant"], &json!("https://api.shop.test"), &json!("key"))
    );
    let path = format!("{GRANTS}/{}", grant["id"].as_str().unwrap());
    app.manage("DELETE", &path, Value::Null).await.expect(204);
    app.manage("DELETE", &path, Value::Null).await.expect(204);
    assert_eq!(judge(&app, &key["key"]).await, "revoked_credential");
    assert!(app.manage("GET", &path, Value::Null).await.expect(200)["revoked_at"].is_string());
    assert_eq!(events(&app, 2).await, ["grant.revoked", "key.created"]);
    app.manage("GET", &format!("{GRANTS}/grt_nonsense"), Value::Null).await.expect(404);
}

#[tokio::test]
async fn events_are_looked_back_at_or_followed() {
    let app = with_api().await;
    app.key(json!({"name": "ci"})).await;
    let events = async |query: &str| {
        app.manage("GET", &format!("/v1/realms/default/events?{query}"), Value::Null).await.expect(200)
    };
    let newest = events("limit=1").await;
    assert_eq!(newest["items"][0]["kind"], "key.created");
    let older = events(&format!("limit=1&cursor={}", newest["next"].as_str().unwrap())).await;
    assert_eq!(older["items"][0]["kind"], "client.created");
    let number = older["items"][0]["number"].as_i64().unwrap();
    crate::audit::seal(&app).await;
    let newest = events("limit=1").await;
    let followed = events(&format!("after={number}")).await;
    assert_eq!(followed["items"], newest["items"]);
    assert_eq!(events(&format!("after={}", number + 1)).await["items"], json!([]));
}

#[tokio::test]
async fn anybody_with_a_credential_may_ask_who_he_is() {
    let app = with_api().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    let me = app.manage_as(key["key"].as_str().unwrap(), "GET", "/v1/whoami", Value::Null).await.expect(200);
    assert_eq!(
        (&me["subject"], &me["realm"], &me["scopes"]),
        (&key["owner"], &json!("default"), &json!(["orders:read"]))
    );
    assert_eq!(app.manage("GET", "/v1/whoami", Value::Null).await.expect(200)["kind"], "operator");
    assert_eq!(app.send("GET", "/v1/whoami", &[], None).await.expect(401)["code"], "missing_credential");
}
