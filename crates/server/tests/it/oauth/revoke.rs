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

/// What does not count at the moment would count again.
#[tokio::test]
async fn ir_05_a_token_that_does_not_count_just_now_is_taken_back_for_good() {
    let (app, client) = with_client().await;
    let apis = app.manage("GET", &format!("{REALM}/apis"), Value::Null).await.expect(200);
    let api = apis["items"].as_array().unwrap().iter().find(|api| api["uri"] == SHOP).unwrap()["id"].clone();
    let typ = async |typ: &str| {
        let path = format!("{REALM}/apis/{}", api.as_str().unwrap());
        app.manage("PATCH", &path, json!({"token_typ": typ})).await.expect(200);
    };
    typ("JWT").await;
    let mut given = Vec::new();
    for _ in 0..3 {
        given.push(client.token(&app, &format!("&resource={SHOP}")).await);
    }
    let [revoked, leaked, kept] = &given[..] else { unreachable!() };
    typ("at+jwt").await;
    for token in &given {
        assert_eq!(ask(&app, token).await.1, "invalid_credential");
    }
    done(&client.post(&app, REVOKE, &format!("token={revoked}")).await);
    let body = json!({ "credential": leaked }).to_string().into_bytes();
    app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await.expect(202);
    typ("JWT").await;
    assert_eq!(ask(&app, kept).await.0, 200);
    assert_eq!(ask(&app, revoked).await.1, "revoked_credential");
    assert_eq!(ask(&app, leaked).await.1, "revoked_credential");
}

#[tokio::test]
async fn ir_05_a_leaked_token_is_found_though_its_issuer_has_another_name() {
    let app = TestApp::with("public_url = \"https://auth.example.com\"").await;
    app.manage("POST", "/v1/realms", json!({"name": "acme", "host": "auth.acme.test"})).await.expect(201);
    let realm = "/v1/realms/acme";
    app.manage("POST", &format!("{realm}/apis"), json!({"uri": SHOP, "scopes": {"orders:read": ""}})).await.expect(201);
    let wanted = json!({"name": "billing", "type": "service", "rights": {SHOP: ["orders:read"]}});
    let made = app.manage("POST", &format!("{realm}/clients"), wanted).await.expect(201);
    let issued = json!({"client": made["id"], "api": SHOP});
    let token = app.manage("POST", &format!("{realm}/tokens"), issued).await.expect(201)["access_token"].clone();
    let judged = async || {
        let asked = json!({"credential": token, "require": {"api": SHOP}});
        app.manage("POST", &format!("{realm}/check"), asked).await.expect(200)["code"].clone()
    };
    assert_eq!(judged().await, "ok");
    app.manage("PATCH", realm, json!({"host": "id.acme.test"})).await.expect(200);
    assert_eq!(judged().await, "invalid_credential", "it names an issuer that is none now");
    let body = json!({ "credential": token }).to_string().into_bytes();
    app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(body)).await.expect(202);
    app.manage("PATCH", realm, json!({"host": "auth.acme.test"})).await.expect(200);
    assert_eq!(judged().await, "revoked_credential");
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
