//! `/check/nginx`: the first conversation, whole.

use admit_core::check::code::Reason;

use crate::app::TestApp;

#[tokio::test]
async fn a_key_is_admitted_refused_and_revoked_for_reasons() {
    let app = TestApp::new().await;
    app.shop().await;
    let key =
        app.key(serde_json::json!({"name": "ci", "api": "https://api.shop.test", "scopes": ["orders:read"]})).await;
    let secret = key["key"].as_str().unwrap();

    let admitted = app.ask("GET", "/orders/42", Some(secret)).await;
    assert_eq!(admitted.status, 200, "{:?}", app.last_reason());
    assert_eq!(admitted.header("admit-scope"), "orders:read");
    assert_eq!(admitted.header("admit-key"), key["id"].as_str().unwrap());

    let refused = app.ask("POST", "/orders", Some(secret)).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "no_rule"));
    assert_eq!(app.last_reason(), Some(Reason::NothingMatched));

    let nobody = app.ask("GET", "/orders/42", None).await;
    assert_eq!((nobody.status, nobody.code().as_str()), (401, "missing_credential"));
    let challenge = nobody.header("www-authenticate");
    assert!(challenge.starts_with("Bearer realm=\"default\", resource_metadata=\""), "{challenge}");

    app.manage("DELETE", &format!("/v1/realms/default/keys/{}", key["id"].as_str().unwrap()), serde_json::Value::Null)
        .await
        .expect(204);
    let revoked = app.ask("GET", "/orders/42", Some(secret)).await;
    assert_eq!((revoked.status, revoked.code().as_str()), (401, "revoked_credential"));
}
