//! The ring of refusals outlives the rules that refused, and does not keep them all.

use serde_json::json;

use crate::app::TestApp;

#[tokio::test]
async fn a_refusal_is_told_after_its_rules_are_gone() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.shop_key("ci", &[]).await;
    let refused = app.ask("GET", "/orders/1", Some(&key)).await;
    assert_eq!(refused.code(), "insufficient_scope", "{}", refused.text);
    let path = format!("/v1/realms/default/decisions/{}", refused.header("admit-request-id"));
    let first = app.manage("GET", &path, json!(null)).await.expect(200);
    let old =
        app.app.policies.of(&app.app, app.app.default_realm).unwrap().map(|policy| std::sync::Arc::downgrade(&policy));
    for number in 0..12 {
        app.rule(json!({"name": format!("r{number}"), "match": {"path": format!("/r{number}")}, "deny": true})).await;
        assert_eq!(app.ask("GET", "/orders/1", Some(&key)).await.code(), "insufficient_scope");
    }
    let later = app.manage("GET", &path, json!(null)).await.expect(200);
    for member in ["code", "reason", "rule", "credential", "path"] {
        assert_eq!(later[member], first[member], "{member}");
    }
    assert!(old.unwrap().upgrade().is_none(), "twelve versions later the old rules are not in memory any more");
}
