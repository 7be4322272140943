//! Lists: what narrows them, and what they do not know.

use serde_json::{Value, json};

use crate::app::TestApp;

const REALM: &str = "/v1/realms/default";

async fn names(app: &TestApp, list: &str) -> Vec<String> {
    let (mut names, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = app.manage("GET", &format!("{REALM}/{list}{cursor}"), Value::Null).await.expect(200);
        let name = |item: &Value| item["name"].as_str().or(item["uri"].as_str()).unwrap().to_owned();
        names.extend(page["items"].as_array().unwrap().iter().map(name));
        let Some(next) = page["next"].as_str() else { return names };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn what_a_list_does_not_know_is_refused_and_named() {
    let app = TestApp::new().await;
    for (list, known) in [
        ("clients", "`external_id`"),
        ("users", "`external_id`"),
        ("apis", "`external_id`"),
        ("keys", "`external_id`"),
        ("roles", "`q`, `limit`, `cursor`"),
        ("rules", "`q`, `limit`, `cursor`"),
    ] {
        let refused = app.manage("GET", &format!("{REALM}/{list}?externalid=x"), Value::Null).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_request"), "{list}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("`externalid`") && detail.contains(known), "{list}: {detail}");
    }
    assert_eq!(app.manage("GET", "/v1/realms?external_id=x", Value::Null).await.code(), "invalid_request");
    let many: String = (0..9).map(|number| format!("&metadata.m{number}=x")).collect();
    let refused = app.manage("GET", &format!("{REALM}/clients?limit=1{many}"), Value::Null).await.expect(400);
    assert!(refused["detail"].as_str().unwrap().contains("at most 8"));
}

#[tokio::test]
async fn lists_are_narrowed_by_external_id_and_metadata() {
    let app = TestApp::new().await;
    for (name, external_id, metadata) in [
        ("a", "cus_1", json!({"plan": "pro", "seats": 5})),
        ("b", "cus_2", json!({"deep": {"plan": "pro"}})),
        ("c", "cus_2", json!({"plan": "pro", "note": "with \"quotes\" & more"})),
        ("d", "cus_3", json!({"plan": "free"})),
    ] {
        let extras = |mut body: Value| {
            body["external_id"] = json!(external_id);
            body["metadata"] = metadata.clone();
            body
        };
        let client = extras(json!({"name": name, "type": "service"}));
        app.manage("POST", &format!("{REALM}/clients"), client).await.expect(201);
        app.manage("POST", &format!("{REALM}/users"), extras(json!({"name": name}))).await.expect(201);
        app.manage("POST", &format!("{REALM}/apis"), extras(json!({"uri": format!("urn:x:{name}")}))).await.expect(201);
        app.manage(
            "POST",
            &format!("{REALM}/keys"),
            extras(json!({"name": name, "owner": client_of(&app, name).await})),
        )
        .await
        .expect(201);
    }
    for kind in ["clients", "users", "apis", "keys"] {
        let found = async |query: &str| {
            let names = names(&app, &format!("{kind}?limit=1{query}")).await;
            names.into_iter().map(|name| name.replace("urn:x:", "")).collect::<Vec<_>>()
        };
        assert_eq!(found("&external_id=cus_2").await, ["b", "c"], "{kind}");
        assert_eq!(found("&metadata.plan=pro").await, ["a", "c"], "{kind}: a member deeper inside does not count");
        assert_eq!(found("&metadata.plan=pro&metadata.seats=5").await, ["a"], "{kind}");
        assert_eq!(found("&metadata.note=with%20%22quotes%22%20%26%20more").await, ["c"], "{kind}");
        assert_eq!(found("&metadata.plan=pro&external_id=cus_2").await, ["c"], "{kind}");
        assert_eq!(found("&metadata.plan=p").await, [""; 0], "{kind}");
        assert_eq!(found("&metadata.plan=").await, [""; 0], "{kind}");
    }
}

async fn client_of(app: &TestApp, name: &str) -> String {
    let client = app.manage("GET", &format!("{REALM}/clients/{name}"), Value::Null).await.expect(200);
    client["id"].as_str().unwrap().to_owned()
}
