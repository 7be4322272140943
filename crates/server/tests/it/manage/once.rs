//! `Idempotency-Key` at every POST that makes or ends something.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::with_api;
use crate::app::{Reply, TestApp};

/// What changes nothing, or nothing more when it is sent again.
const HARMLESS: [&str; 7] = [
    "/v1/check",
    "/v1/leaked",
    "/v1/master-keys/rotate",
    "/v1/realms/{realm}/check",
    "/v1/realms/{realm}/rules/test",
    "/v1/realms/{realm}/keys/{key}/enable",
    "/v1/realms/{realm}/keys/{key}/disable",
];

/// The others, each with a body.
fn doing() -> Vec<(&'static str, Value)> {
    let sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    vec![
        ("/v1/realms", json!({"name": "acme-live"})),
        ("/v1/realms/{realm}/apis", json!({"uri": "urn:x:1"})),
        ("/v1/realms/{realm}/roles", json!({"name": "clerk"})),
        (
            "/v1/realms/{realm}/clients",
            json!({"name": "shop", "type": "service", "rights": {"https://api.shop.test": ["orders:read"]}}),
        ),
        ("/v1/realms/{realm}/clients/{client}/secrets", json!({})),
        ("/v1/realms/{realm}/tokens", json!({"client": "shop"})),
        ("/v1/realms/{realm}/users", json!({"name": "alice", "email": "alice@example.com"})),
        ("/v1/realms/{realm}/rules", json!({"name": "no", "deny": true, "match": {"path": "/no"}})),
        ("/v1/realms/{realm}/signing-keys", json!({})),
        ("/v1/realms/{realm}/keys", json!({"name": "ci"})),
        ("/v1/realms/{realm}/keys/{key}/roll", json!({})),
        (
            "/v1/realms/{realm}/keys/import",
            json!({"pattern": "sk_*", "never_expires": true, "keys": [{"sha256": sha256}]}),
        ),
        ("/v1/realms/{realm}/apply", json!({"user": [{"name": "bob"}]})),
        ("/v1/realms/{realm}/clients/{client}/revoke-all", json!({})),
        ("/v1/realms/{realm}/users/{user}/invite", json!({})),
        ("/v1/realms/{realm}/users/{user}/revoke-all", json!({})),
        ("/v1/realms/{realm}/users/{user}/unlock", json!({})),
        ("/v1/realms/{realm}/users/{user}/verify-email", json!({})),
        ("/v1/realms/{realm}/users/{user}/erase", json!({})),
        ("/v1/realms/{realm}/revoke-all", json!({})),
    ]
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Reply {
    let bearer = format!("Bearer {}", app.operator());
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("idempotency-key", "k1")];
    app.send("POST", path, &headers, Some(body.to_string().into_bytes())).await
}

async fn events(app: &TestApp) -> usize {
    let listed = app.manage("GET", "/v1/realms/default/events?limit=200", Value::Null).await.expect(200);
    listed["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn every_post_that_does_something_does_it_once() {
    let app = with_api().await;
    let described = app.send("GET", "/v1/openapi.json", &[], None).await.expect(200);
    let posts = described["paths"].as_object().unwrap().iter().filter(|(_, methods)| methods["post"].is_object());
    let posts: BTreeSet<&str> = posts.map(|(path, _)| path.as_str()).collect();
    let doing = doing();
    let known: BTreeSet<&str> = doing.iter().map(|(path, _)| *path).chain(HARMLESS).collect();
    assert_eq!(posts, known, "a POST that nobody has told of here");

    for (template, body) in doing {
        let parameters = described["paths"][template]["post"]["parameters"].as_array().unwrap();
        assert!(parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key"), "{template}");
        let path = template.replace("{realm}", "default").replace("{key}", "ci").replace("{client}", "shop");
        let path = path.replace("{user}", "alice");
        let first = post(&app, &path, &body).await;
        assert!([200, 201].contains(&first.status), "{path}: {}", first.text);
        let before = events(&app).await;
        app.clock.advance(admit_core::time::Span::seconds(1));
        let again = post(&app, &path, &body).await;
        if ["/clients", "/secrets", "/tokens", "/keys", "/roll", "/invite"].iter().any(|end| template.ends_with(end)) {
            assert_eq!((again.status, again.code().as_str()), (409, "secret_already_shown"), "{path}");
        } else {
            let replayed = again.header("idempotency-replayed");
            assert_eq!((again.status, replayed.as_str()), (first.status, "true"), "{path}: {}", again.text);
            assert_eq!(again.json(), first.json(), "{path}");
        }
        assert_eq!(events(&app).await, before, "{path}: done once");
    }
}
