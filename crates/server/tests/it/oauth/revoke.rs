//! `POST /oauth/revoke`: a client gives a token back.

use serde_json::{Value, json};

use super::{BILLS, Client, REALM, SHOP, decode, error, events, post, shop, shop_at};
use crate::app::{Reply, TestApp};

const REVOKE: &str = "/oauth/revoke";

async fn with_client() -> (TestApp, Client) {
    let app = shop().await;
    let client = Client::new(&app, "billing", json!({SHOP: ["orders:read"], BILLS: ["bills:read"]})).await;
    (app, client)
}

/// Status and code of `GET /orders/1` with a token.
async fn ask(app: &TestApp, token: &str) -> (u16, String) {
    let reply = app.ask("GET", "/orders/1", Some(token)).await;
    (reply.status, reply.code())
}

#[track_caller]
fn done(reply: &Reply) {
    assert_eq!((reply.status, reply.text.as_str()), (200, ""));
    assert_eq!(reply.header("cache-control"), "no-store", "tk_15");
}

#[tokio::test]
async fn rfc_7009_2_a_token_is_refused_at_the_next_request() {
    // The issuer's name stays while its port changes.
    let settings = "public_url = \"https://auth.example.com\"";
    let app = shop_at(TestApp::with(settings).await).await;
    let client = Client::new(&app, "billing", json!({SHOP: ["orders:read"]})).await;
    let [token, other] = [
        client.token(&app, &format!("&resource={SHOP}")).await,
        client.token(&app, &format!("&resource={SHOP}")).await,
    ];
    assert_eq!(ask(&app, &token).await, (200, String::new()));
    done(&client.post(&app, REVOKE, &format!("token={token}")).await);
    assert_eq!(ask(&app, &token).await, (401, "revoked_credential".to_owned()));
    assert_eq!(ask(&app, &other).await.0, 200, "this one, no other");
    let told = events(&app, "token.revoked").await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["actor"], &told[0]["target"]), (&json!(client.id), &decode(&token).1["jti"]));
    done(&client.post(&app, REVOKE, &format!("token={token}")).await);
    assert_eq!(events(&app, "token.revoked").await.len(), 1, "ir_05: again, and nothing more happens");

    let folder = app.stop().await;
    let app = TestApp::in_folder(folder, settings).await;
    assert_eq!(ask(&app, &token).await.1, "revoked_credential", "after a restart too");
    assert_eq!(ask(&app, &other).await.0, 200);
}

#[tokio::test]
async fn rfc_7009_2_1_what_is_unknown_is_done_and_a_hint_may_be_wrong() {
    let (app, client) = with_client().await;
    for unknown in ["x", "a.b.c", "admit_at_000000000000000000000000000000000000", "admit_rt_x"] {
        done(&client.post(&app, REVOKE, &format!("token={unknown}")).await);
    }
    let opaque = client.token(&app, &format!("&resource={BILLS}")).await;
    let judged = async || {
        app.manage("POST", &format!("{REALM}/check"), json!({ "credential": opaque })).await.json()["code"].clone()
    };
    assert_eq!(judged().await, "ok");
    done(&client.post(&app, REVOKE, &format!("token={opaque}&token_type_hint=refresh_token")).await);
    assert_eq!(judged().await, "revoked_credential");
    assert_eq!(error(&client.post(&app, REVOKE, "token_type_hint=access_token").await), "400 invalid_request");
    assert_eq!(error(&client.post(&app, REVOKE, "token=a&token=b").await), "400 invalid_request");
    for method in ["GET", "DELETE"] {
        let reply = app.send(method, &format!("{REVOKE}?token={opaque}"), &[], None).await;
        assert_eq!(reply.status, 405, "rfc_7009_2: {method}");
        assert!(reply.header("allow").contains("POST"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ir_05_rfc_7009_2_2_1_what_could_not_be_written_down_is_not_said_to_be_done() {
    let (app, client) = with_client().await;
    let token = client.token(&app, &format!("&resource={SHOP}")).await;
    assert_eq!(ask(&app, &token).await.0, 200, "known");
    let store = app.app.store.clone();
    tokio::task::spawn_blocking(move || store.close()).await.unwrap();
    let refused = client.post(&app, REVOKE, &format!("token={token}")).await;
    assert_eq!(error(&refused), "503 temporarily_unavailable");
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(app.app.metrics.tokens.revoked.get(), 0);
}

#[tokio::test]
async fn ir_05_another_client_s_token_stays_alive_and_nothing_is_learned() {
    let (app, client) = with_client().await;
    let token = client.token(&app, &format!("&resource={SHOP}")).await;
    let other = Client::new(&app, "other", json!({SHOP: ["orders:read", "check"]})).await;
    let known = other.post(&app, REVOKE, &format!("token={token}")).await;
    let unknown = other.post(&app, REVOKE, "token=a.b.c").await;
    done(&known);
    assert_eq!((known.status, &known.text), (unknown.status, &unknown.text), "told the same as of what is nothing");
    assert_eq!(ask(&app, &token).await.0, 200);
    assert_eq!(events(&app, "token.revoked").await, Vec::<Value>::new());
    let form = format!("token={token}");
    assert_eq!(error(&post(&app, REVOKE, &[], &form).await), "401 invalid_client", "rfc_7009_2_1");
    let wrong = Client { id: client.id.clone(), secret: "admit_cs_wrong".to_owned() };
    assert_eq!(error(&wrong.post(&app, REVOKE, &form).await), "401 invalid_client");
    let spa = json!({"name": "spa", "type": "spa", "redirect_uris": ["https://spa.test/cb"]});
    let spa = Client::of(&app, spa).await;
    done(&post(&app, REVOKE, &[], &format!("{form}&client_id={}", spa.id)).await);
    assert_eq!(ask(&app, &token).await.0, 200, "a public client may ask, for its own");
    let key = app.shop_key("ci", &["orders:read"]).await;
    done(&client.post(&app, REVOKE, &format!("token={key}")).await);
    assert_eq!(ask(&app, &key).await.0, 200, "a key is no token");
}
