//! `grant_type=client_credentials`: what a client gets as itself, and for how long that counts.

use admit_core::check::code::Reason;
use admit_core::jose::jwk::KeySet;
use admit_core::jose::jws::Compact;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{ASKED, BILLS, Client, REALM, SHOP, TOKEN, decode, error, events, post, shop};
use crate::app::TestApp;

async fn with_client(rights: Value) -> (TestApp, Client) {
    let app = shop().await;
    let client = Client::new(&app, "billing", rights).await;
    (app, client)
}

#[tokio::test]
async fn rfc_9068_2_a_token_is_typed_signed_by_a_published_key_and_says_what_it_must() {
    let (app, client) = with_client(json!({SHOP: ["orders:read", "orders:write"]})).await;
    let told = client.ask(&app, "").await;
    assert_eq!(told.header("cache-control"), "no-store", "tk_15");
    assert!(told.headers.get("etag").is_none(), "tk_15");
    let told = told.expect(200);
    assert_eq!((&told["token_type"], &told["expires_in"]), (&json!("Bearer"), &json!(600)));
    assert_eq!(told["scope"], "orders:read orders:write");
    let members: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["access_token", "expires_in", "scope", "token_type"], "tk_05: no refresh token, no ID token");

    let token = told["access_token"].as_str().unwrap();
    let (header, claims) = decode(token);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("ES256"), &json!("at+jwt")));
    let set = app.send("GET", "/.well-known/jwks.json", &[], None).await.expect(200);
    let set = KeySet::of(&set).unwrap();
    Compact::parse(token).unwrap().verify(set.find(header["kid"].as_str()).unwrap()).unwrap();

    assert_eq!(claims["iss"], app.url);
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!(client.id), &json!(client.id)), "rfc_9068_2_2");
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(SHOP), &json!("orders:read orders:write")));
    let date = |name: &str| claims[name].as_i64().unwrap();
    assert_eq!((date("exp") - date("iat"), date("nbf")), (600, date("iat")));
    assert!(
        claims["jti"].as_str().unwrap().starts_with("tok_") && claims["grant_id"].as_str().unwrap().starts_with("grt_")
    );
    assert_eq!(claims["rvk"].as_array().unwrap().len(), 1, "subject and client are one");
}

#[tokio::test]
async fn jwt_25_nothing_that_anybody_writes_becomes_a_claim() {
    let app = shop().await;
    let metadata = json!({"sub": "usr_evil", "aud": "https://evil.test", "scope": "orders:write", "roles": ["operator"],
        "exp": 9_999_999_999_i64, "azp": "evil", "cnf": {"jkt": "x"}, "iss": "https://evil.test", "act": {"sub": "x"}});
    let client = json!({"name": "sub", "type": "service", "rights": {SHOP: ["orders:read"]}, "metadata": metadata,
        "external_id": "aud"});
    let client = Client::of(&app, client).await;
    let token = client.token(&app, "&sub=evil&aud=evil&roles=operator&exp=1&cnf=x&claims=%7B%7D").await;
    let (header, claims) = decode(&token);
    let members: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = ["aud", "client_id", "exp", "grant_id", "iat", "iss", "jti", "nbf", "rvk", "scope", "sub"];
    assert_eq!(members, expected);
    assert_eq!(
        (&claims["sub"], &claims["aud"], &claims["scope"]),
        (&json!(client.id), &json!(SHOP), &json!("orders:read"))
    );
    assert_eq!(claims["iss"], app.url);
    let members: Vec<_> = header.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "kid", "typ"]);
}

#[tokio::test]
async fn rfc_8707_2_the_resource_is_the_audience_and_the_only_one() {
    let (app, client) = with_client(json!({SHOP: ["orders:read"], BILLS: ["bills:read"]})).await;
    let needed = client.ask(&app, "").await;
    assert_eq!(error(&needed), "400 invalid_target");
    let description = needed.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.contains(SHOP) && description.contains(BILLS), "{description}");
    let token = client.token(&app, &format!("&resource={SHOP}")).await;
    assert_eq!(decode(&token).1["aud"], SHOP);
    assert_eq!(decode(&client.token(&app, &format!("&resource={SHOP}&resource={SHOP}")).await).1["aud"], SHOP);
    for other in [
        format!("&resource={SHOP}&resource={BILLS}"),
        "&resource=https://other.test".to_owned(),
        format!("&resource={SHOP}/"),
        format!("&resource={SHOP}%23a"),
        "&resource=orders".to_owned(),
        "&resource=urn:admit:realm:default".to_owned(),
    ] {
        assert_eq!(client.refused(&app, &other).await, "400 invalid_target", "{other}");
    }
    let asked_twice = client.refused(&app, "").await;
    assert_eq!(asked_twice, "400 invalid_target", "what was found for one API is not given for none");
}

#[tokio::test]
async fn tk_05_a_scope_is_what_the_client_may_have_and_is_always_told() {
    let (app, client) = with_client(json!({SHOP: ["orders:read", "orders:write"]})).await;
    let told = client.ask(&app, "&scope=orders:read").await.expect(200);
    assert_eq!(told["scope"], "orders:read");
    assert_eq!(decode(told["access_token"].as_str().unwrap()).1["scope"], "orders:read");
    let both = client.ask(&app, "&scope=orders:write+orders:read+orders:write").await.expect(200);
    assert_eq!(both["scope"], "orders:read orders:write");
    for bad in [
        "orders:delete",
        "orders:read+bills:read",
        "openid",
        "orders:read+offline_access",
        "check",
        "orders:read%09orders:write",
        "orders:read%0Aorders:write",
        "%22orders:read%22",
        "+orders:read",
    ] {
        assert_eq!(client.refused(&app, &format!("&scope={bad}")).await, "400 invalid_scope", "{bad}");
    }
    let reasons: Vec<_> = events(&app, "token.refused").await.iter().map(|event| event["reason"].clone()).collect();
    assert!(reasons.contains(&json!("scope_of_people")) && reasons.contains(&json!("scope_malformed")), "{reasons:?}");
}

#[tokio::test]
async fn an_api_chooses_form_life_algorithm_and_type_of_its_tokens() {
    let (app, client) = with_client(json!({SHOP: ["orders:read"]})).await;
    let api = format!("{REALM}/apis/https%3A%2F%2Fapi.shop.test");
    for (alg, typ) in [("RS256", "JWT"), ("PS256", "at+jwt"), ("EdDSA", "at+jwt"), ("ES256", "JWT")] {
        let change = json!({"token_alg": alg, "token_typ": typ, "token_lifetime_s": 60});
        let changed = app.manage("PATCH", &api, change).await.expect(200);
        assert_eq!((&changed["token_alg"], &changed["token_typ"]), (&json!(alg), &json!(typ)));
        let told = client.ask(&app, "").await.expect(200);
        assert_eq!(told["expires_in"], 60);
        let token = told["access_token"].as_str().unwrap();
        let (header, _) = decode(token);
        assert_eq!((&header["alg"], &header["typ"]), (&json!(alg), &json!(typ)));
        let set = KeySet::of(&app.send("GET", "/.well-known/jwks.json", &[], None).await.expect(200)).unwrap();
        Compact::parse(token).unwrap().verify(set.find(header["kid"].as_str()).unwrap()).unwrap();
    }
    app.manage("PATCH", &api, json!({"token_format": "opaque"})).await.expect(200);
    let told = client.ask(&app, "").await.expect(200);
    assert!(told["access_token"].as_str().unwrap().starts_with("admit_at_"));
    assert_eq!((&told["scope"], &told["expires_in"]), (&json!("orders:read"), &json!(60)));
}

#[tokio::test]
async fn a_client_has_one_grant_for_an_api_however_many_tokens_it_gets() {
    let (app, client) = with_client(json!({SHOP: ["orders:read"], BILLS: ["bills:read"]})).await;
    let grant = async |app: &TestApp| {
        decode(&client.token(app, &format!("&resource={SHOP}")).await).1["grant_id"].as_str().unwrap().to_owned()
    };
    let first = grant(&app).await;
    assert_eq!(grant(&app).await, first);
    client.token(&app, &format!("&resource={BILLS}")).await;
    let made = events(&app, "grant.created").await;
    assert_eq!(made.len(), 2, "one for each API");
    assert_eq!((&made[0]["actor"], &made[0]["detail"]["api"]), (&json!(client.id), &json!(SHOP)));
    let shown = app.manage("GET", &format!("{REALM}/grants/{first}"), Value::Null).await.expect(200);
    assert_eq!((&shown["kind"], &shown["subject"], &shown["api"]), (&json!("client"), &json!(client.id), &json!(SHOP)));

    let folder = app.stop().await;
    let app = TestApp::in_folder(folder, "").await;
    assert_eq!(grant(&app).await, first, "after a restart too");
    assert_eq!(app.manage("DELETE", &format!("{REALM}/grants/{first}"), Value::Null).await.status, 204);
    let second = grant(&app).await;
    assert_ne!(second, first, "what was ended is not used again");
    app.clock.advance(Span::seconds(1));
    app.manage("POST", &format!("{REALM}/clients/{}/revoke-all", client.id), json!({})).await.expect(200);
    app.clock.advance(Span::seconds(1));
    assert_ne!(grant(&app).await, second, "nor what was made before everything of the client was ended");
}

#[tokio::test]
async fn what_an_operator_changes_counts_for_the_next_token() {
    let (app, client) = with_client(json!({SHOP: ["orders:read"]})).await;
    let path = format!("{REALM}/clients/{}", client.id);
    client.token(&app, "").await;
    app.manage("PATCH", &path, json!({"rights": {SHOP: ["orders:write"]}})).await.expect(200);
    assert_eq!(client.ask(&app, "").await.expect(200)["scope"], "orders:write");
    assert_eq!(client.refused(&app, "&scope=orders:read").await, "400 invalid_scope");
    let role = json!({"name": "reader", "rights": {SHOP: ["orders:read"]}});
    app.manage("POST", &format!("{REALM}/roles"), role).await.expect(201);
    app.manage("PATCH", &path, json!({"roles": ["reader"]})).await.expect(200);
    let told = client.ask(&app, "").await.expect(200);
    assert_eq!(told["scope"], "orders:read orders:write");
    assert_eq!(decode(told["access_token"].as_str().unwrap()).1["roles"], json!(["reader"]));
    let narrow = client.token(&app, "&scope=orders:write").await;
    assert_eq!(decode(&narrow).1.get("roles"), None, "not with the weight of a role that it does not use");
    app.manage("PATCH", &format!("{REALM}/roles/reader"), json!({"rights": {SHOP: null}})).await.expect(200);
    assert_eq!(client.ask(&app, "").await.expect(200)["scope"], "orders:write");
    app.manage("PATCH", &path, json!({"rights": {SHOP: null}, "roles": []})).await.expect(200);
    assert_eq!(client.refused(&app, "").await, "400 invalid_target");
    app.manage("PATCH", &path, json!({"disabled": true})).await.expect(200);
    assert_eq!(client.refused(&app, "").await, "401 invalid_client");
}

#[tokio::test]
async fn a_token_that_would_not_fit_into_a_header_is_refused_with_the_reason() {
    let app = shop().await;
    let scopes: Vec<String> = (0..60).map(|number| format!("{}{number:02}", "s".repeat(60))).collect();
    let defined: serde_json::Map<_, _> = scopes.iter().map(|scope| (scope.clone(), json!(""))).collect();
    let api = json!({"uri": "https://wide.test", "scopes": defined});
    app.manage("POST", &format!("{REALM}/apis"), api).await.expect(201);
    let client = Client::new(&app, "wide", json!({"https://wide.test": scopes})).await;
    let refused = client.ask(&app, "").await;
    assert_eq!(error(&refused), "400 invalid_scope");
    assert!(refused.text.contains("at most 4096") && refused.text.contains("fewer scopes"), "{}", refused.text);
    let fits = client.token(&app, &format!("&scope={}", scopes[..30].join("+"))).await;
    assert!(fits.len() <= 4096, "{}", fits.len());
}

#[tokio::test]
async fn refusals_of_known_clients_reach_the_audit_and_are_bounded() {
    let (app, client) = with_client(json!({SHOP: ["orders:read"]})).await;
    for _ in 0..12 {
        client.refused(&app, "&scope=bills:read").await;
    }
    post(&app, TOKEN, &[], ASKED).await;
    let told = events(&app, "token.refused").await;
    assert_eq!(told.len(), 6, "five, and one that counts the rest: {told:?}");
    let counted = told.iter().filter_map(|event| event["detail"]["count"].as_u64()).collect::<Vec<_>>();
    assert_eq!(counted, [7]);
    assert_eq!((&told[0]["actor"], &told[0]["reason"]), (&json!(client.id), &json!("scope_not_held")));
    assert_eq!(told[0]["detail"]["error"], "invalid_scope");
    assert!(!json!(told).to_string().contains("bills:read"), "nothing that was sent is repeated");
    let page = app.app.metrics.page(&app.app);
    assert!(page.contains(r#"admit_token_requests_refused_total{error="invalid_scope"} 12"#), "{page}");
    assert!(page.contains(r#"admit_token_requests_refused_total{error="invalid_client"} 1"#));
    client.token(&app, "").await;
    let page = app.app.metrics.page(&app.app);
    assert!(page.contains(r#"admit_tokens_issued_total{format="jwt"} 1"#));
    assert_eq!(app.last_reason(), None::<Reason>, "these are no decisions of the pipeline");
}
