//! What an operator may not do is not offered, and is refused anyway.

use serde_json::{Value, json};

use super::person::{all, operator};
use crate::app::TestApp;

const LISTS: [&str; 9] = ["apis", "rules", "keys", "clients", "users", "roles", "sessions", "grants", "signing-keys"];

fn of_default(scopes: &[&str]) -> Value {
    json!({ "urn:admit:realm:default": scopes })
}

#[tokio::test]
async fn ad_02_a_viewer_sees_everything_and_is_offered_nothing() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "ci", "api": "https://api.shop.test", "scopes": ["orders:read"]})).await;
    let mut vera = operator(&app, "vera", json!({"urn:admit:server": ["server:read"]})).await;
    for list in LISTS {
        let page = vera.get(&format!("/console/realms/default/{list}")).await;
        assert_eq!(page.status, 200, "{list}: {}", page.text);
        assert!(!page.text.contains("id=\"new\""), "{list}");
        if !["sessions", "grants"].contains(&list) {
            let form = vera.get(&format!("/console/realms/default/{list}/new")).await;
            assert_eq!(form.status, 403, "{list}");
        }
    }
    let path = format!("/console/realms/default/keys/{}", key["id"].as_str().unwrap());
    let shown = vera.get(&path).await;
    assert!(
        shown.status == 200 && !shown.text.contains("id=\"do-") && !shown.text.contains("id=\"edit\""),
        "{}",
        shown.text
    );
    vera.get("/console/realms/default/rules/test").await;
    let refused = vera.submit(&format!("{path}/do/revoke"), &[]).await;
    assert!(refused.status == 403 && refused.text.contains("id=\"error\""), "{} {}", refused.status, refused.text);
    let refused = vera.submit("/console/realms/default/apis/new", &[("uri", "https://b.test")]).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    app.manage("GET", &format!("/v1/realms/default/keys/{}", key["id"].as_str().unwrap()), Value::Null)
        .await
        .expect(200);
}

#[tokio::test]
async fn ad_02_a_key_issuer_issues_keys_of_his_realm_and_nothing_beyond_his_rights() {
    let app = TestApp::new().await;
    app.shop().await;
    app.manage("POST", "/v1/realms", json!({"name": "other"})).await.expect(201);
    let mut kim = operator(&app, "kim", of_default(&["keys:read", "keys:write"])).await;
    let home = kim.get("/console/realms/default/keys").await;
    assert!(home.status == 200 && home.text.contains("id=\"new\""), "{}", home.text);
    assert!(!home.text.contains("/default/users\"") && !home.text.contains("/console/realms\""), "{}", home.text);
    assert!(!home.text.contains("realms/other"), "what he may not see is not named: {}", home.text);
    let form = kim.get("/console/realms/default/keys/new").await;
    assert!(form.status == 200 && form.text.contains("name=\"granted\""), "typed, for he sees no APIs: {}", form.text);
    let typed = [("name", "ci"), ("granted", "https://api.shop.test orders:read"), ("life", "7"), ("attempt", "one")];
    let made = kim.submit("/console/realms/default/keys/new", &typed).await;
    assert!(made.status == 201 && made.text.contains("id=\"key\""), "{}", made.text);
    kim.get("/console/realms/default/keys/new").await;
    let beyond = [("name", "evil"), ("granted", "urn:admit:realm:default users:write"), ("life", "7")];
    let refused = kim.submit("/console/realms/default/keys/new", &beyond).await;
    assert_eq!(refused.status, 403, "{}", refused.text);
    assert!(
        refused.text.contains("which you do not hold yourself") && refused.text.contains("value=\"evil\""),
        "{}",
        refused.text
    );
    for (path, status) in [
        ("/console/realms/default/users", 403),
        ("/console/realms/other/keys", 403),
        ("/console/realms/nowhere/keys", 403),
        ("/console/realms/operators/keys", 403),
        ("/console/realms", 403),
        ("/console/realms/default/nothing", 404),
        ("/console/realms/default/keys/key_x", 404),
    ] {
        assert_eq!(kim.get(path).await.status, status, "{path}");
    }
    let mut olga = operator(&app, "olga", all()).await;
    assert_eq!(olga.get("/console/realms/nowhere/keys").await.status, 404);
}
