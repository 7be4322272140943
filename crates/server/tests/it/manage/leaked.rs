//! `POST /v1/leaked`.

use admit_core::time::Span;
use serde_json::{Value, json};

use super::{events, judge, with_api};
use crate::app::TestApp;

async fn hand_in(app: &TestApp, credential: &Value) -> (u16, String) {
    let body = json!({ "credential": credential }).to_string().into_bytes();
    let reply = app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await;
    (reply.status, reply.text)
}

#[tokio::test]
async fn a_key_that_is_handed_in_is_revoked_and_the_answer_says_nothing() {
    let app = with_api().await;
    let key = app.key(json!({"name": "ci"})).await;
    let mut unknown = key["key"].as_str().unwrap().to_owned();
    unknown.replace_range(8..9, "_");
    let answers =
        [hand_in(&app, &json!(unknown)).await, hand_in(&app, &json!("")).await, hand_in(&app, &key["key"]).await];
    assert!(answers.iter().all(|answer| *answer == (202, "{}".to_owned())), "{answers:?}");
    assert_eq!(judge(&app, &key["key"]).await, "revoked_credential");
    assert_eq!(hand_in(&app, &key["key"]).await.0, 202);
    assert_eq!(events(&app, 2).await, ["key.leaked", "key.created"], "once");
}

#[tokio::test]
async fn what_names_no_realm_costs_as_much_as_it_makes_the_server_look() {
    let app = TestApp::with("[limits.unknown]\nnetwork = '20/1m'").await;
    for number in 0..30 {
        app.manage("POST", "/v1/realms", json!({"name": format!("realm-{number}")})).await.expect(201);
    }
    let body = json!({"name": "billing", "type": "service"});
    let client = app.manage("POST", "/v1/realms/realm-7/clients", body).await.expect(201);
    let leak = async |body: Value| {
        let body = body.to_string().into_bytes();
        app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await
    };
    let secrets = async || {
        let shown = app.manage("GET", "/v1/realms/realm-7/clients/billing", Value::Null).await.expect(200);
        shown["secrets"].as_array().unwrap().len()
    };
    let nobodys = "admit_cs_0000000000000000000000000000000000000";
    assert_eq!(leak(json!({"credential": nobodys})).await.status, 202, "no secret at all costs one look");
    let other = app.manage("POST", "/v1/realms/realm-7/clients/billing/secrets", json!({})).await.expect(201);
    app.manage(
        "DELETE",
        &format!("/v1/realms/realm-7/clients/billing/secrets/{}", other["id"].as_str().unwrap()),
        Value::Null,
    )
    .await
    .expect(204);
    let gone = leak(json!({"credential": other["secret"]})).await;
    assert_eq!((gone.status, gone.code().as_str()), (429, "rate_limited"), "{}", gone.text);
    assert!(gone.json()["detail"].as_str().unwrap().contains("say it, as \"realm\""), "{}", gone.text);
    assert!(
        matches!(gone.header("retry-after").as_str(), "1" | "2" | "3"),
        "20 a minute: {:?}",
        gone.header("retry-after")
    );
    assert_eq!(leak(json!({"credential": "x"})).await.status, 429, "the looks were paid for");
    app.clock.advance(Span::minutes(1));
    assert_eq!(leak(json!({"credential": client["secret"], "realm": "nobody"})).await.status, 202);
    assert_eq!(secrets().await, 1);
    assert_eq!(leak(json!({"credential": client["secret"], "realm": "realm-7"})).await.status, 202);
    assert_eq!(secrets().await, 0, "one look where it is said");
}

#[tokio::test]
async fn nobody_guesses_here_faster_than_elsewhere() {
    let app = with_api().await;
    let mut refused = 0;
    for _ in 0..2000 {
        refused = hand_in(&app, &json!("x")).await.0;
        if refused != 202 {
            break;
        }
    }
    assert_eq!(refused, 429);
    let body = json!({"credential": "x"}).to_string().into_bytes();
    let reply = app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await;
    assert_eq!((reply.status, reply.code().as_str()), (429, "rate_limited"));
    let wait = reply.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    app.clock.advance(Span::seconds(wait));
    assert_eq!(hand_in(&app, &json!("x")).await.0, 202, "who waits so long is heard");
}
