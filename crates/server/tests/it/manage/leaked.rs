//! `POST /v1/leaked`.

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
}
