//! What there is once: a second one is told what is taken, and the next command.

use serde_json::{Value, json};

use crate::app::TestApp;

const REALM: &str = "/v1/realms/default";

#[tokio::test]
async fn a_second_one_is_told_what_is_taken_and_what_to_do() {
    let app = TestApp::new().await;
    let rows = [
        ("/apis", json!({"uri": "https://a.test"}), "URI", "admit api show https://a.test"),
        ("/clients", json!({"name": "shop", "type": "service"}), "name", "admit client show shop"),
        ("/users", json!({"name": "alice", "email": "alice@example.com"}), "name", "admit user show alice"),
        ("/roles", json!({"name": "clerk"}), "name", "admit role show clerk"),
        ("/rules", json!({"name": "no", "deny": true, "match": {"path": "/a"}}), "name", "admit rule show no"),
    ];
    for (path, body, what, next) in rows {
        let path = format!("{REALM}{path}");
        app.manage("POST", &path, body.clone()).await.expect(201);
        assert_taken(&app.manage("POST", &path, body).await, what, next);
    }
    let bob = json!({"name": "bob", "email": "Alice@Example.com"});
    let refused = app.manage("POST", &format!("{REALM}/users"), bob).await;
    assert_taken(&refused, "e-mail address", "admit user show Alice@Example.com");

    let made = [("/clients", json!({"name": "second", "type": "service"})), ("/users", json!({"name": "carol"}))];
    for ((path, body), taken) in made.into_iter().zip(["shop", "alice"]) {
        let name = body["name"].as_str().unwrap().to_owned();
        app.manage("POST", &format!("{REALM}{path}"), body).await.expect(201);
        let refused = app.manage("PATCH", &format!("{REALM}{path}/{name}"), json!({"name": taken})).await;
        assert_taken(&refused, "name", taken);
        app.manage("PATCH", &format!("{REALM}{path}/{name}"), json!({"name": name})).await.expect(200);
    }
}

#[tokio::test]
async fn a_second_realm_is_told_of_its_name_first() {
    let app = TestApp::new().await;
    let acme = json!({"name": "acme-live", "host": "auth.acme.test"});
    app.manage("POST", "/v1/realms", acme.clone()).await.expect(201);
    let rows = [
        (acme, "name"),
        (json!({"name": "other", "prefix": "acme_live"}), "prefix"),
        (json!({"name": "other", "host": "auth.acme.test"}), "host"),
    ];
    for (body, what) in rows {
        assert_taken(&app.manage("POST", "/v1/realms", body).await, what, "admit realm show acme-live");
    }
    app.manage("POST", "/v1/realms", json!({"name": "third"})).await.expect(201);
    let moved = app.manage("PATCH", "/v1/realms/third", json!({"host": "auth.acme.test"})).await;
    assert_taken(&moved, "host", "admit realm show acme-live");
    assert_eq!(app.manage("GET", "/v1/realms/third", Value::Null).await.expect(200)["host"], Value::Null);
}

#[track_caller]
fn assert_taken(refused: &crate::app::Reply, what: &str, next: &str) {
    assert_eq!((refused.status, refused.code().as_str()), (409, "already_exists"), "{}", refused.text);
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&format!("the {what} \"")) && detail.contains(next), "{detail}");
}
