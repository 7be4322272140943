//! What is told of an application's tokens, and how it gives them back.

use serde_json::{Value, json};

use super::{ALL, Apps, Client, OFFLINE, SHOP, Tokens, error, events};

const INTROSPECT: &str = "/oauth/introspect";
const REVOKE: &str = "/oauth/revoke";

impl Apps {
    async fn known(&self, client: &Client, token: &str, more: &str) -> Value {
        self.post_to(client, INTROSPECT, &format!("token={token}{more}")).await.expect(200)
    }
}

#[tokio::test]
async fn ir_03_a_refresh_token_is_shown_to_its_client_and_to_nobody_else() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.web, OFFLINE).await;
    let told = apps.known(&apps.web, &tokens.refresh, "&token_type_hint=access_token").await;
    let members: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["active", "client_id", "exp", "iat", "iss", "nbf", "scope", "sub", "token_type", "username"]);
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("refresh_token")));
    assert_eq!((&told["sub"], &told["client_id"]), (&json!(apps.alice), &json!(apps.web.id)));
    assert_eq!(told["scope"], "offline_access openid orders:read orders:write");
    let judge = Client::new(&apps.app, "gateway", json!({SHOP: ["check"], "urn:admit:realm:default": ["check"]})).await;
    assert_eq!(
        apps.known(&judge, &tokens.refresh, "").await,
        json!({"active": false}),
        "who judges APIs has nothing to do with it"
    );
    let access = apps.known(&judge, &tokens.access, "").await;
    assert_eq!((&access["active"], &access["username"]), (&json!(true), &json!("alice")));
    assert_eq!(apps.known(&apps.web, &tokens.access, "").await["client_id"], json!(apps.web.id));

    let of_spa = apps.tokens(&apps.spa, OFFLINE).await;
    assert_eq!(apps.known(&apps.web, &of_spa.refresh, "").await, json!({"active": false}));
    apps.change(&format!("users/{}", apps.alice), json!({"disabled": true})).await;
    for token in [&tokens.refresh, &tokens.access] {
        assert_eq!(apps.known(&apps.web, token, "").await, json!({"active": false}));
    }
}

#[tokio::test]
async fn ir_05_a_refresh_token_that_is_given_back_takes_its_family_along() {
    let apps = Apps::new().await;
    for client in [&apps.spa, &apps.web] {
        let tokens = apps.tokens(client, OFFLINE).await;
        let stranger = if client.id == apps.spa.id { &apps.web } else { &apps.spa };
        let reply = apps.post_to(stranger, REVOKE, &format!("token={}", tokens.refresh)).await;
        assert_eq!(reply.status, 200, "nothing is learned");
        assert_eq!(apps.reads(&tokens.access).await, 200, "another client's token stays");
        let form = format!("token={}&token_type_hint=access_token", tokens.refresh);
        for _ in 0..2 {
            assert_eq!(apps.post_to(client, REVOKE, &form).await.status, 200);
        }
        assert_eq!((apps.reads(&tokens.access).await, apps.userinfo(&tokens.access).await.status), (401, 401));
        assert_eq!(error(&apps.refresh(client, &tokens.refresh).await), "400 invalid_grant");
        assert_eq!(apps.last_why().await, "revoked");
    }
    let told = events(&apps.app, "grant.revoked").await;
    assert_eq!((told.len(), &told[0]["actor"]), (2, &json!(apps.spa.id)));
    let access = apps.tokens(&apps.spa, OFFLINE).await;
    assert_eq!(apps.post_to(&apps.spa, REVOKE, &format!("token={}", access.access)).await.status, 200);
    assert_eq!(apps.reads(&access.access).await, 401);
    Tokens::of(apps.refresh(&apps.spa, &access.refresh).await);
}

#[tokio::test]
async fn whoever_finds_a_refresh_token_ends_what_it_renews() {
    let apps = Apps::new().await;
    let [first, other] = [apps.tokens(&apps.web, ALL).await, apps.tokens(&apps.web, ALL).await];
    for text in [first.refresh.as_str(), "admit_rt_x"] {
        let leak = json!({"credential": text}).to_string().into_bytes();
        let reply = apps.app.send("POST", "/v1/leaked", &[("content-type", "application/json")], Some(leak)).await;
        assert_eq!((reply.status, reply.text.as_str()), (202, "{}"));
    }
    assert_eq!((apps.reads(&first.access).await, apps.reads(&other.access).await), (401, 200));
    assert_eq!(error(&apps.refresh(&apps.web, &first.refresh).await), "400 invalid_grant");
    assert_eq!(events(&apps.app, "refresh_token.leaked").await.len(), 1);
}
