//! `/oauth/userinfo`: what an application is told of a person.

use serde_json::{Value, json};

use super::{ALL, Apps, Client, REALM, SHOP, Tokens, decode, post};

const USERINFO: &str = "/oauth/userinfo";

#[tokio::test]
async fn oidc_core_5_3_it_tells_what_was_granted_of_the_same_person() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let reply = apps.userinfo(&tokens.access).await;
    assert_eq!(
        (reply.header("cache-control").as_str(), reply.header("content-type").as_str()),
        ("no-store", "application/json")
    );
    assert!(reply.headers.get("etag").is_none(), "tk_15");
    let told = reply.expect(200);
    let members: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["email", "email_verified", "name", "preferred_username", "sub", "updated_at"]);
    assert_eq!((&told["sub"], &told["email"]), (&decode(&tokens.id).1["sub"], &json!("alice@example.com")));
    assert_eq!((&told["email_verified"], &told["name"]), (&json!(false), &json!("alice")));
    let bare = apps.tokens(&apps.spa, &["openid"]).await;
    assert_eq!(apps.userinfo(&bare.access).await.expect(200), json!({"sub": apps.alice}));
    apps.change(&format!("users/{}", apps.alice), json!({"email": "alice@example.net"})).await;
    assert_eq!(apps.userinfo(&tokens.access).await.expect(200)["email"], "alice@example.net", "as it is now");
}

#[tokio::test]
async fn ir_06_a_token_comes_in_a_header_or_a_form_and_never_in_an_address() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let (app, bearer) = (&apps.app, format!("Bearer {}", tokens.access));
    let in_form = format!("access_token={}", tokens.access);
    let with = [("authorization", bearer.as_str())];
    assert_eq!(app.send("GET", USERINFO, &with, None).await.status, 200);
    assert_eq!(app.send("POST", USERINFO, &with, None).await.status, 200);
    assert_eq!(
        app.send("GET", USERINFO, &[("authorization", &bearer.replace("Bearer", "bearer"))], None).await.status,
        200
    );
    assert_eq!(post(app, USERINFO, &[], &in_form).await.status, 200);
    let refused =
        |reply: crate::app::Reply| (reply.status, reply.json()["error"].clone(), reply.header("www-authenticate"));
    let both = refused(post(app, USERINFO, &with, &in_form).await);
    assert_eq!((both.0, both.1), (400, json!("invalid_request")));
    let query = refused(app.send("GET", &format!("{USERINFO}?{in_form}"), &[], None).await);
    assert_eq!((query.0, query.1), (400, json!("invalid_request")));
    let nothing = refused(app.send("GET", USERINFO, &[], None).await);
    assert_eq!(
        nothing,
        (401, Value::Null, "Bearer realm=\"default\"".to_owned()),
        "rfc_6750_3_1: no error where nothing was sent"
    );
    let doubled = app.send("GET", USERINFO, &[with[0], with[0]], None).await;
    assert_eq!(doubled.status, 400);
    for other in ["DELETE", "PUT"] {
        let told = app.send(other, USERINFO, &with, None).await;
        assert!(told.status == 405 && told.text.contains("Ask with GET or POST"), "{other}: {}", told.text);
    }
}

#[tokio::test]
async fn ir_06_only_an_access_token_of_a_person_with_openid_opens_it() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let plain = apps.tokens(&apps.spa, &["orders:read", "email"]).await;
    let refused = apps.userinfo(&plain.access).await;
    assert_eq!((refused.status, &refused.json()["error"]), (403, &json!("insufficient_scope")));
    assert!(refused.header("www-authenticate").ends_with("scope=\"openid\""), "{}", refused.header("www-authenticate"));
    let service = Client::new(&apps.app, "batch", json!({SHOP: ["orders:read"]})).await;
    let of_service = service.token(&apps.app, "").await;
    let key = apps.app.shop_key("ci", &["orders:read"]).await;
    let invalid =
        [of_service, key, tokens.id.clone(), tokens.refresh.clone(), "x".to_owned(), format!("{}x", tokens.access)];
    for other in &invalid {
        let reply = apps.userinfo(other).await;
        assert_eq!((reply.status, &reply.json()["error"]), (401, &json!("invalid_token")), "{other}");
        assert!(reply.header("www-authenticate").starts_with("Bearer realm=\"default\", error=\"invalid_token\""));
    }
    assert_eq!(apps.reads(&tokens.id).await, 401, "jwt_13: an ID token is no access token");
    apps.change(&format!("users/{}", apps.alice), json!({"disabled": true})).await;
    assert_eq!(apps.userinfo(&tokens.access).await.status, 401);
    apps.change(&format!("users/{}", apps.alice), json!({"disabled": false})).await;
    assert_eq!(apps.userinfo(&tokens.access).await.status, 200);
    let gone = apps.app.manage("DELETE", &format!("{REALM}/grants/{}", tokens.grant()), Value::Null).await;
    assert_eq!((gone.status, apps.userinfo(&tokens.access).await.status), (204, 401));
}

#[tokio::test]
async fn a_token_for_no_api_is_opaque_and_good_for_this_only() {
    let apps = Apps::new().await;
    let approved =
        admit_core::oauth::approved::Approved { api: None, ..apps.approved(&apps.spa, &["openid", "email"]) };
    let code = apps.code_of(&approved).await;
    let tokens = Tokens::of(apps.redeem(&apps.spa, &code).await);
    assert!(tokens.access.starts_with("admit_at_"));
    assert_eq!(apps.userinfo(&tokens.access).await.expect(200)["email"], "alice@example.com");
    let authenticated = json!({"name": "anybody", "match": {"host": "shop.test", "path": "/any/**"}, "require": {"authenticated": true}});
    apps.app.rule(authenticated).await;
    for path in ["/orders/1", "/any/1"] {
        let reply = apps.app.ask("GET", path, Some(&tokens.access)).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "wrong_audience"), "{path}");
    }
    let renewed = Tokens::of(apps.refresh(&apps.spa, &tokens.refresh).await);
    assert_eq!(apps.userinfo(&renewed.access).await.status, 200);
    let resource = apps.refresh_with(&apps.spa, &renewed.refresh, &format!("&resource={SHOP}")).await;
    assert_eq!(super::error(&resource), "400 invalid_target");
}

#[tokio::test]
async fn oidc_core_5_5_claims_are_told_where_they_were_asked_for() {
    let apps = Apps::new().await;
    let claims = json!({"userinfo": {"email": {"essential": true}}, "id_token": {"preferred_username": null, "phone_number": null}});
    let approved =
        admit_core::oauth::approved::Approved { claims, ..apps.approved(&apps.spa, &["openid", "orders:read"]) };
    let code = apps.code_of(&approved).await;
    let tokens = Tokens::of(apps.redeem(&apps.spa, &code).await);
    let id = decode(&tokens.id).1;
    assert_eq!((&id["preferred_username"], id.get("email"), id.get("phone_number")), (&json!("alice"), None, None));
    let told = apps.userinfo(&tokens.access).await.expect(200);
    assert_eq!(told, json!({"sub": apps.alice, "email": "alice@example.com"}));
}

#[tokio::test]
async fn po_04_a_token_is_good_in_the_scheme_that_it_was_given_for_and_in_no_other() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    for scheme in ["DPoP", "dpop", "PoP", "Token"] {
        let shown = format!("{scheme} {}", tokens.access);
        let headers = [("authorization", shown.as_str()), ("dpop", "e30.e30.AA")];
        let reply = apps.app.send("GET", USERINFO, &headers, None).await;
        assert_eq!(reply.status, 401, "{scheme}: {}", reply.text);
        assert!(reply.header("www-authenticate").starts_with("Bearer "), "{scheme}");
    }
    assert_eq!(apps.userinfo(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn scripts_of_registered_origins_may_read_it() {
    let apps = Apps::new().await;
    let tokens = apps.tokens(&apps.spa, ALL).await;
    let bearer = format!("Bearer {}", tokens.access);
    let ask = async |method: &str, origin: &str| {
        apps.app.send(method, USERINFO, &[("authorization", &bearer), ("origin", origin)], None).await
    };
    let known = ask("GET", "https://app.test").await;
    assert_eq!((known.status, known.header("access-control-allow-origin").as_str()), (200, "https://app.test"));
    let before = ask("OPTIONS", "https://app.test").await;
    assert_eq!(before.header("access-control-allow-methods"), "GET, POST");
    assert!(before.header("access-control-allow-credentials").is_empty(), "tk_15");
    let other = ask("GET", "https://evil.test").await;
    assert_eq!((other.status, other.header("access-control-allow-origin").as_str()), (200, ""));
}
