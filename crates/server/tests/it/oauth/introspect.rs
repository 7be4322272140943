//! `POST /oauth/introspect`: what is told of a token, and to whom.

use admit::signing;
use admit_core::id::TokenId;
use admit_core::jose;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::jwk::KeySet;
use admit_core::jose::jws::Compact;
use admit_core::oauth::client_auth::JWT_BEARER;
use admit_core::signing_key::Purpose;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::{BILLS, Client, FORM, REALM, SHOP, decode, error, post, shop};
use crate::app::{Reply, TestApp};

const INTROSPECT: &str = "/oauth/introspect";

/// A client with tokens for both APIs (a JWT and an opaque one), and the service behind the shop.
struct World {
    app: TestApp,
    client: Client,
    service: Client,
    jwt: String,
    opaque: String,
}

impl World {
    async fn new() -> Self {
        let app = shop().await;
        let client = Client::new(&app, "billing", json!({SHOP: ["orders:read"], BILLS: ["bills:read"]})).await;
        let service = Client::new(&app, "shop", json!({SHOP: ["check"]})).await;
        let jwt = client.token(&app, &format!("&resource={SHOP}")).await;
        let opaque = client.token(&app, &format!("&resource={BILLS}")).await;
        Self { app, client, service, jwt, opaque }
    }

    async fn ask(&self, asker: &Client, token: &str, more: &str) -> Reply {
        asker.post(&self.app, INTROSPECT, &format!("token={token}{more}")).await
    }
}

/// The whole answer to who may not know.
#[track_caller]
fn nothing(reply: &Reply) {
    assert_eq!((reply.status, reply.text.as_str()), (200, r#"{"active":false}"#), "rfc_7662_2_2");
    assert_eq!(reply.header("cache-control"), "no-store", "tk_15");
}

#[tokio::test]
async fn ir_01_a_token_is_told_to_its_client_and_to_the_service_of_its_api() {
    let world = World::new().await;
    let told = world.ask(&world.service, &world.jwt, "").await;
    assert_eq!(told.header("cache-control"), "no-store");
    let told = told.expect(200);
    let (_, claims) = decode(&world.jwt);
    for name in ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope"] {
        assert_eq!(told[name], claims[name], "rfc_7662_2_2 {name}");
    }
    assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("Bearer")));
    assert_eq!(world.ask(&world.client, &world.jwt, "").await.json()["active"], true, "its own");
    let opaque = world.ask(&world.client, &world.opaque, "").await.expect(200);
    assert_eq!(
        (&opaque["aud"], &opaque["scope"], &opaque["sub"]),
        (&json!(BILLS), &json!("bills:read"), &json!(world.client.id))
    );
    assert_eq!(opaque["exp"].as_i64().unwrap() - opaque["iat"].as_i64().unwrap(), 3600);

    nothing(&world.ask(&world.service, &world.opaque, "").await);
    let other = Client::new(&world.app, "other", json!({SHOP: ["orders:read"]})).await;
    nothing(&world.ask(&other, &world.jwt, "").await);
    let gateway = json!({"name": "gateway", "type": "service", "roles": ["gateway"]});
    let gateway = Client::of(&world.app, gateway).await;
    for token in [&world.jwt, &world.opaque] {
        assert_eq!(
            world.ask(&gateway, token, "").await.json()["active"],
            true,
            "check on the realm's own API is for all"
        );
    }
    let page = world.app.app.metrics.page(&world.app.app);
    assert!(page.contains(r#"admit_tokens_introspected_total{answer="inactive"} 2"#), "{page}");
}

#[tokio::test]
async fn ir_02_whoever_asks_shows_who_he_is() {
    let world = World::new().await;
    let app = &world.app;
    let form = format!("token={}", world.jwt);
    assert_eq!(error(&post(app, INTROSPECT, &[], &form).await), "401 invalid_client");
    let spa = json!({"name": "spa", "type": "spa", "redirect_uris": ["https://spa.test/cb"]});
    let spa = Client::of(app, spa).await;
    let public = post(app, INTROSPECT, &[], &format!("{form}&client_id={}", spa.id)).await;
    assert_eq!(error(&public), "401 invalid_client", "a name is no proof");
    let wrong = Client { id: world.service.id.clone(), secret: "admit_cs_wrong".to_owned() };
    assert_eq!(error(&world.ask(&wrong, &world.jwt, "").await), "401 invalid_client");
    for method in ["GET", "PUT", "DELETE"] {
        let basic = world.service.basic();
        let reply = app.send(method, &format!("{INTROSPECT}?{form}"), &[("authorization", &basic)], None).await;
        assert_eq!((reply.status, reply.header("allow").as_str()), (405, "POST"), "{method}");
    }
    assert_eq!(error(&world.service.post(app, INTROSPECT, "x=y").await), "400 invalid_request");

    let as_holder = async |credential: &str| {
        let bearer = format!("Bearer {credential}");
        post(app, INTROSPECT, &[("authorization", &bearer)], &form).await
    };
    let judge = app.shop_key("judge", &["check"]).await;
    assert_eq!(as_holder(&judge).await.expect(200)["active"], true, "a key of the API that may judge");
    let reader = app.shop_key("reader", &["orders:read"]).await;
    let refused = as_holder(&reader).await;
    assert_eq!(error(&refused), "403 insufficient_scope");
    assert!(refused.header("www-authenticate").contains("scope=\"check\""));
    for bad in ["admit_nonsense", world.jwt.as_str(), "a.b.c"] {
        let reply = as_holder(bad).await;
        let expected = if bad == world.jwt { "403 insufficient_scope" } else { "401 invalid_token" };
        assert_eq!(error(&reply), expected, "{bad}");
        assert!(reply.header("www-authenticate").starts_with("Bearer realm=\"default\", error="));
        assert!(reply.json()["error_description"].is_string(), "{}", reply.text);
    }
    let told = world.service.token(app, "").await;
    assert_eq!(as_holder(&told).await.expect(200)["active"], true, "a token of the service itself");
    app.manage("PATCH", &format!("{REALM}/clients/{}", world.service.id), json!({"disabled": true})).await.expect(200);
    assert_eq!(error(&world.ask(&world.service, &world.jwt, "").await), "401 invalid_client");
    assert_eq!(error(&as_holder(&told).await), "401 invalid_token");
}

#[tokio::test]
async fn tk_01_ir_07_who_asks_shows_who_he_is_once() {
    let world = World::new().await;
    let app = &world.app;
    let key = app.shop_key("judge", &["check"]).await;
    let (bearer, basic) = (format!("Bearer {key}"), world.service.basic());
    let assertion = format!("client_assertion_type={}&client_assertion=a.b.c", JWT_BEARER.replace(':', "%3A"));
    let secret = format!("client_id={}&client_secret={}", world.service.id, world.service.secret);
    let token = format!("access_token={key}");
    let ask = async |headers: &[(&str, &str)], second: &str| {
        post(app, INTROSPECT, headers, &format!("token={}&{second}", world.jwt)).await
    };
    let holders = [("authorization", bearer.as_str()), ("x-api-key", key.as_str())];
    for holder in holders {
        for second in [&secret, "client_secret=x", &assertion, "client_assertion=a.b.c", &token] {
            let refused = ask(&[holder], second).await;
            assert_eq!(error(&refused), "400 invalid_request", "{holder:?} {second}");
            assert!(refused.text.contains("Show one credential, in one place."), "{}", refused.text);
        }
        assert_eq!(ask(&[holder], "client_secret=&x=y").await.expect(200)["active"], true, "rfc_6749_3");
    }
    assert_eq!(error(&ask(&holders, "").await), "400 invalid_request");
    assert_eq!(error(&ask(&[("authorization", &basic), holders[1]], "").await), "400 invalid_request");
    assert_eq!(error(&ask(&[("authorization", &basic)], &token).await), "400 invalid_request");
    assert_eq!(error(&ask(&[], &format!("{secret}&{token}")).await), "400 invalid_request");
    assert_eq!(error(&ask(&[], &token).await), "401 invalid_client", "none of ours, and nothing beside it");
    assert_eq!(ask(&[], &secret).await.expect(200)["active"], true);
}

#[tokio::test]
async fn a_key_that_may_ask_is_told_what_keeps_it_from_asking() {
    let world = World::new().await;
    let app = &world.app;
    let ask = async |key: &Value| {
        let bearer = format!("Bearer {}", key["key"].as_str().unwrap());
        post(app, INTROSPECT, &[("authorization", &bearer)], &format!("token={}", world.jwt)).await
    };
    let slow = app.key(json!({"name": "slow", "api": SHOP, "scopes": ["check"], "limit": "2/1m"})).await;
    assert_eq!((ask(&slow).await.status, ask(&slow).await.status), (200, 200));
    let refused = ask(&slow).await;
    assert_eq!(error(&refused), "429 slow_down");
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    assert!((2..=30).contains(&wait), "two in a minute: {wait}");
    app.clock.advance(Span::seconds(wait));
    assert_eq!(ask(&slow).await.status, 200, "who waits so long is heard");

    let bound = app.key(json!({"name": "bound", "api": SHOP, "scopes": ["check"], "ip": ["203.0.113.0/24"]})).await;
    let refused = ask(&bound).await;
    assert_eq!(error(&refused), "403 access_denied");
    assert_eq!(refused.json()["error_description"], "The credential may not be used from this address.");
    assert!(!refused.header("www-authenticate").contains("scope="), "it has check");
}

#[tokio::test]
async fn ir_03_a_token_ends_when_it_says_so_though_doors_bear_with_other_clocks() {
    let world = World::new().await;
    let app = &world.app;
    for (client, token) in [(&world.service, &world.jwt), (&world.client, &world.opaque)] {
        let told = world.ask(client, token, "").await.expect(200);
        let left = told["exp"].as_i64().unwrap() - app.app.now().unix_ms() / 1_000;
        app.clock.advance(Span::seconds(left - 5));
        assert_eq!(world.ask(client, token, "").await.json()["active"], true);
        app.clock.advance(Span::seconds(6));
        nothing(&world.ask(client, token, "").await);
        if token == &world.jwt {
            assert_eq!(app.ask("GET", "/orders/1", Some(token)).await.status, 200, "a door");
        }
    }
}

#[tokio::test]
async fn ir_03_what_is_to_begin_is_not_active_yet() {
    let world = World::new().await;
    let app = &world.app.app;
    let realm = app.policies.of(app, app.default_realm).unwrap().unwrap();
    let key = signing::key(app, &realm, Purpose::Issuer, Algorithm::Es256, app.now()).await.unwrap();
    let (_, mut claims) = decode(&world.jwt);
    let now = claims["nbf"].as_i64().unwrap();
    let active = async |from: i64, claims: &mut Value| {
        claims["nbf"] = from.into();
        let id: TokenId = app.id(app.now());
        claims["jti"] = id.to_string().into();
        let token = key.sign("at+jwt", claims).unwrap();
        world.ask(&world.service, &token, "").await
    };
    assert_eq!(active(now, &mut claims).await.json()["active"], true, "signed as the realm does");
    nothing(&active(now + 120, &mut claims).await);
}

#[tokio::test]
async fn ir_03_what_does_not_count_is_not_active_and_a_wrong_hint_hinders_nothing() {
    let world = World::new().await;
    let app = &world.app;
    let key = app.shop_key("ci", &["orders:read"]).await;
    let (header, payload, signature) = {
        let parts: Vec<_> = world.jwt.split('.').collect();
        (parts[0].to_owned(), parts[1].to_owned(), parts[2].to_owned())
    };
    let (_, mut claims) = decode(&world.jwt);
    claims["scope"] = "orders:read orders:write".into();
    let forged = format!("{header}.{}.{signature}", jose::encode(claims.to_string().as_bytes()));
    let unsigned = format!("{}.{payload}.", jose::encode(br#"{"alg":"none","typ":"at+jwt"}"#));
    for bad in [
        "x",
        "a.b.c",
        "admit_at_000000000000000000000000000000000000",
        key.as_str(),
        &forged,
        &unsigned,
        &world.service.secret,
    ] {
        nothing(&world.ask(&world.client, bad, "").await);
    }
    for hint in ["refresh_token", "access_token", "nonsense"] {
        let told = world.ask(&world.client, &world.jwt, &format!("&token_type_hint={hint}")).await;
        assert_eq!(told.json()["active"], true, "{hint}");
    }
    world.client.post(app, "/oauth/revoke", &format!("token={}", world.opaque)).await;
    nothing(&world.ask(&world.client, &world.opaque, "").await);
    assert_eq!(world.ask(&world.client, &world.jwt, "").await.json()["active"], true);
    let grant = decode(&world.jwt).1["grant_id"].as_str().unwrap().to_owned();
    app.manage("DELETE", &format!("{REALM}/grants/{grant}"), Value::Null).await;
    nothing(&world.ask(&world.client, &world.jwt, "").await);
    let fresh = world.client.token(app, &format!("&resource={SHOP}")).await;
    assert_eq!(world.ask(&world.service, &fresh, "").await.json()["active"], true);
    app.clock.advance(Span::minutes(11));
    nothing(&world.ask(&world.service, &fresh, "").await);
    let fresh = world.client.token(app, &format!("&resource={SHOP}")).await;
    app.manage("PATCH", &format!("{REALM}/clients/{}", world.client.id), json!({"disabled": true})).await.expect(200);
    nothing(&world.ask(&world.service, &fresh, "").await);
}

#[tokio::test]
async fn rfc_9701_the_answer_is_signed_for_who_asks_and_is_no_token() {
    let world = World::new().await;
    let ask = async |asker: &Client, token: &str| {
        let basic = asker.basic();
        let headers = [
            ("authorization", basic.as_str()),
            ("content-type", FORM),
            ("accept", "application/token-introspection+jwt, application/json"),
        ];
        world.app.send("POST", INTROSPECT, &headers, Some(format!("token={token}").into_bytes())).await
    };
    let reply = ask(&world.service, &world.jwt).await;
    assert_eq!((reply.status, reply.header("content-type").as_str()), (200, "application/token-introspection+jwt"));
    assert_eq!(reply.header("cache-control"), "no-store");
    let (header, claims) = decode(&reply.text);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("token-introspection+jwt"), &json!("RS256")));
    let set = KeySet::of(&world.app.send("GET", "/.well-known/jwks.json", &[], None).await.expect(200)).unwrap();
    Compact::parse(&reply.text).unwrap().verify(set.find(header["kid"].as_str()).unwrap()).unwrap();
    let members: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["aud", "iat", "iss", "token_introspection"], "neither sub nor exp");
    assert_eq!((&claims["aud"], &claims["iss"]), (&json!(world.service.id), &json!(world.app.url)));
    let plain = world.ask(&world.service, &world.jwt, "").await.json();
    assert_eq!(claims["token_introspection"], plain);
    let (_, other) = decode(&ask(&world.service, &world.opaque).await.text);
    assert_eq!(other["token_introspection"], json!({"active": false}), "ir_01");
    nothing(&world.ask(&world.service, &reply.text, "").await);
    let asked = world.app.ask("GET", "/orders/1", Some(&reply.text)).await;
    assert_eq!((asked.status, asked.code().as_str()), (401, "invalid_credential"), "jwt_13");
}
