//! `Admit-Token`: what an application is told, signed.

use admit_core::jose::claims::Claims;
use admit_core::jose::jwk::VerifyingKey;
use admit_core::jose::jws::Compact;
use admit_core::signing_key::Purpose;
use admit_core::time::Span;
use serde_json::{Value, json};

use super::Desk;

const AUDIENCE: &str = "https://shop.internal";

async fn desk() -> Desk {
    let desk = Desk::new().await;
    desk.app
        .rule(
            json!({"name": "told", "match": {"host": "shop.test", "path": "/told"}, "require": {"authenticated": true},
            "token": {"audience": AUDIENCE}}),
        )
        .await;
    desk
}

#[tokio::test]
async fn an_application_is_told_who_calls_by_a_token_that_only_it_takes() {
    let desk = desk().await;
    let bearer = desk.token().await;
    let first = desk.app.ask("GET", "/told", Some(&bearer)).await;
    assert_eq!(first.status, 200, "{}", first.text);
    let minted = first.header("admit-token");
    let key = desk.key(Purpose::Upstream).await;
    let compact = Compact::parse(&minted).unwrap();
    assert!(compact.header().is_type("admit+jwt"));
    let claims = Claims::parse(&compact.verify(&VerifyingKey::parse(key.public_jwk()).unwrap()).unwrap()).unwrap();
    let issuer = format!("{}/upstream", desk.claims()["iss"].as_str().unwrap());
    assert_eq!(claims.must_be_issued_by(&issuer), Ok(()));
    assert_eq!(claims.must_be_for(AUDIENCE), Ok(()));
    let said = Value::Object(claims.members().clone());
    assert_eq!((&said["sub"], &said["scope"]), (&json!(desk.client), &json!("orders:read")));
    let life = said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap();
    assert_eq!(life, 60);

    // No door of ours takes it, under whatever typ.
    assert_eq!(desk.refused(&minted).await, "token_type");
    let renamed = key.sign("at+jwt", &said).unwrap();
    assert_eq!(desk.refused(&renamed).await, "other_issuer");
    let managed = desk.app.manage_as(&minted, "GET", "/v1/realms/default/keys", Value::Null).await;
    assert_eq!(managed.status, 401);
    assert!(
        desk.app.ask("GET", "/orders/1", Some(&bearer)).await.header("admit-token").is_empty(),
        "no rule asks for it"
    );
}

#[tokio::test]
async fn the_same_caller_is_told_of_by_the_same_token_for_a_while_and_another_by_another() {
    let desk = desk().await;
    let told = async |token: &str| desk.app.ask("GET", "/told", Some(token)).await.header("admit-token");
    let (one, two) = (desk.token().await, desk.token().await);
    let first = told(&one).await;
    assert!(!first.is_empty());
    assert_eq!((told(&one).await, told(&two).await), (first.clone(), first.clone()), "one grant, one standing");
    let narrow = desk.token_with("scope", Value::Null).await;
    assert_ne!(told(&narrow).await, first, "who may do less is another");
    desk.app.clock.advance(Span::seconds(31));
    assert_ne!(told(&one).await, first, "half of its life is over");
}

#[tokio::test]
async fn what_is_minted_is_for_no_api() {
    let desk = Desk::new().await;
    let rule = json!({"name": "told", "match": {"host": "shop.test", "path": "/told"}, "require": {"authenticated": true},
        "token": {"audience": super::API}});
    let refused = desk.app.manage("POST", "/v1/realms/default/rules", rule).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert!(refused.text.contains("token.audience") && refused.text.contains("which is an API"), "{}", refused.text);
    // Nor can an API of that name be made beside the rule.
    let ok = json!({"name": "told", "match": {"host": "shop.test", "path": "/told"}, "require": {"authenticated": true},
        "token": {"audience": AUDIENCE}});
    desk.app.rule(ok).await;
    let token = desk.token().await;
    let made = desk.app.manage("POST", "/v1/realms/default/apis", json!({"uri": AUDIENCE, "scopes": {}})).await;
    assert!(made.status == 400 && made.text.contains("which is an API"), "{}", made.text);
    assert_eq!(desk.app.ask("GET", "/told", Some(&token)).await.status, 200);
}
