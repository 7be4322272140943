//! `POST /v1/realms/{realm}/tokens`: an operator issues a token for a client.

use serde_json::json;

use super::{BILLS, Client, REALM, SHOP, decode, events, shop};

const TOKENS: &str = "/v1/realms/default/tokens";

#[tokio::test]
async fn an_operator_issues_what_the_client_could_have_itself() {
    let app = shop().await;
    let client =
        Client::new(&app, "billing", json!({SHOP: ["orders:read", "orders:write"], BILLS: ["bills:read"]})).await;
    let asked = json!({"client": "billing", "api": SHOP, "scopes": ["orders:read"]});
    let made = app.manage("POST", TOKENS, asked).await.expect(201);
    let token = made["access_token"].as_str().unwrap();
    let (_, claims) = decode(token);
    assert_eq!(
        (&claims["sub"], &claims["scope"], &claims["jti"]),
        (&json!(client.id), &json!("orders:read"), &made["id"])
    );
    assert_eq!((&made["format"], &made["expires_in_s"]), (&json!("jwt"), &json!(600)));
    assert_eq!(app.ask("GET", "/orders/1", Some(token)).await.status, 200);
    let own = decode(&client.token(&app, &format!("&resource={SHOP}")).await).1;
    assert_eq!(own["grant_id"], claims["grant_id"], "the client's own grant, that ends with all of them");
    let opaque = app.manage("POST", TOKENS, json!({"client": client.id, "api": BILLS})).await.expect(201);
    assert!(opaque["access_token"].as_str().unwrap().starts_with("admit_at_"));
    let told = events(&app, "token.issued").await;
    let targets: Vec<_> = told.iter().map(|event| event["target"].clone()).collect();
    assert_eq!(targets, [made["id"].clone(), opaque["id"].clone()]);
    assert_eq!((&told[0]["actor"], &told[0]["detail"]["client"]), (&json!("operator"), &json!(client.id)));
    assert!(!json!(told).to_string().contains(token));

    for (asked, code, next) in [
        (json!({"client": "billing"}), "token_refused", "admit token issue --client billing --api "),
        (json!({"client": "billing", "api": SHOP, "scopes": ["bills:read"]}), "token_refused", "admit client show"),
        (json!({"client": "nobody"}), "invalid_request", "admit client create"),
        (json!({"client": "billing", "aud": SHOP}), "invalid_request", "aud"),
    ] {
        let refused = app.manage("POST", TOKENS, asked.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (400, code), "{asked}");
        assert!(refused.text.contains(next), "{}", refused.text);
        assert!(!refused.text.contains("resource"), "that is a word of OAuth: {}", refused.text);
    }
}

#[tokio::test]
async fn ak_01_nobody_issues_what_exceeds_his_own_rights() {
    let app = shop().await;
    let admin = json!({"name": "admin", "type": "service", "rights": {"urn:admit:realm:default": ["rules:write"]}});
    Client::of(&app, admin).await;
    Client::new(&app, "judge", json!({SHOP: ["check"]})).await;
    let client = Client::new(&app, "billing", json!({SHOP: ["orders:read"]})).await;
    let key = json!({"name": "issuer", "api": "urn:admit:realm:default", "scopes": ["keys:write"]});
    let issuer = app.key(key).await["key"].as_str().unwrap().to_owned();
    let issue = async |name: &str| app.manage_as(&issuer, "POST", TOKENS, json!({"client": name})).await;
    assert_eq!(issue("billing").await.status, 201);
    for name in ["admin", "judge"] {
        let refused = issue(name).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "exceeds_own_rights"), "{name}");
    }
    let made = events(&app, "grant.created").await;
    assert_eq!(made.len(), 1, "what is refused leaves nothing behind: {made:?}");
    let reader = app.key(json!({"name": "reader", "api": "urn:admit:realm:default", "scopes": ["keys:read"]})).await;
    let refused = app.manage_as(reader["key"].as_str().unwrap(), "POST", TOKENS, json!({"client": "billing"})).await;
    assert_eq!(refused.status, 403);
    assert_eq!(
        app.manage("PATCH", &format!("{REALM}/clients/{}", client.id), json!({"disabled": true})).await.status,
        200
    );
    assert_eq!(issue("billing").await.status, 400, "the client itself would get none");
}
