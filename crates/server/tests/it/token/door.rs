//! Where a token may stand, what is said of one that is refused, and what `admit why` tells.

use admit_core::check::code::Reason;
use admit_core::secret;
use serde_json::{Value, json};

use super::{API, Desk, grant_of};

const ORDER: [(&str, &str); 4] = [
    ("x-forwarded-method", "GET"),
    ("x-forwarded-uri", "/orders/1"),
    ("x-forwarded-host", "shop.test"),
    ("x-forwarded-proto", "https"),
];

#[tokio::test]
async fn rfc_6750_3_1_the_challenge_says_what_is_wrong_and_nothing_where_nothing_was_sent() {
    let desk = Desk::new().await;
    let nothing = desk.app.send("GET", "/check/forward", &ORDER, None).await;
    let challenge = nothing.header("www-authenticate");
    assert_eq!(nothing.status, 401);
    assert!(challenge.starts_with("Bearer realm=\"default\"") && !challenge.contains("error"), "{challenge}");

    let token = desk.token().await;
    desk.app.clock.advance(super::OVER);
    let expired = desk.read(&token).await;
    let challenge = expired.header("www-authenticate");
    assert!(
        challenge.contains("error=\"invalid_token\", error_description=\"The credential has expired.\""),
        "{challenge}"
    );
    assert_eq!((expired.code().as_str(), desk.reason(&expired).as_str()), ("expired_credential", "expired"));

    let narrow = desk.token_with("scope", json!("orders:write")).await;
    let lacking = desk.app.ask("GET", "/orders/1", Some(&narrow)).await;
    assert_eq!((lacking.status, lacking.code().as_str()), (403, "insufficient_scope"));
    let challenge = lacking.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\", scope=\"orders:read\""), "{challenge}");
}

#[tokio::test]
async fn rfc_6750_2_a_token_stands_in_one_place_and_the_scheme_in_any_case() {
    let desk = Desk::new().await;
    let token = desk.token().await;
    let ask = async |more: &[(&str, &str)]| {
        let headers = [&ORDER[..], more].concat();
        desk.app.send("GET", "/check/forward", &headers, None).await
    };
    for scheme in ["Bearer", "bearer", "BEARER"] {
        assert_eq!(ask(&[("authorization", &format!("{scheme} {token}"))]).await.status, 200, "{scheme}");
    }
    for (name, value) in [("x-api-key", token.clone()), ("authorization", format!("ApiKey {token}"))] {
        let reply = ask(&[(name, &value)]).await;
        assert_eq!((reply.status, desk.app.last_reason()), (401, Some(Reason::SecretInWrongPlace)), "{name}");
    }
    let bearer = format!("Bearer {token}");
    let two = ask(&[("authorization", &bearer), ("x-api-key", &token)]).await;
    assert_eq!((two.status, desk.app.last_reason()), (400, Some(Reason::TwoCredentials)));
}

#[tokio::test]
async fn ir_07_one_credential_and_never_in_the_query() {
    let desk = Desk::new().await;
    let (token, other) = (desk.token().await, desk.token().await);
    let bearer = format!("Bearer {token}");
    let ask = async |headers: &[(&str, &str)]| desk.app.send("GET", "/check/forward", headers, None).await;
    let cases: [(Vec<(&str, String)>, u16); 5] = [
        (vec![("authorization", bearer.clone()), ("authorization", bearer.clone())], 400),
        (vec![("authorization", format!("Bearer {token}, Bearer {other}"))], 400),
        (vec![("authorization", format!("Bearer {token},{other}"))], 400),
        (vec![("authorization", format!("Bearer Bearer {token}"))], 401),
        (vec![("authorization", format!("  Bearer   {token}  "))], 200),
    ];
    for (more, status) in cases {
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(ask(&[&ORDER[..], &more].concat()).await.status, status, "{more:?}");
    }
    let uri = format!("/orders/1?access_token={token}");
    let mut in_query = ORDER;
    in_query[1].1 = &uri;
    let reply = ask(&in_query).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "missing_credential"), "never read");
    assert_eq!(
        ask(&[&ORDER[..], &[("authorization", &format!("Bearer {}", "a".repeat(40 << 10)))]].concat()).await.status,
        431
    );
}

#[tokio::test]
async fn what_never_belongs_there_is_told_to_the_audit() {
    let desk = Desk::new().await;
    for prefix in ["admit_rt", "admit_ac", "admit_dc", "admit_cs", "admit_ss"] {
        let text = secret::write(prefix, &desk.app.app.random());
        assert_eq!(desk.refused(text.expose()).await, "secret_in_wrong_place", "{prefix}");
    }
    admit::jobs::notice::write(&desk.app.app).await;
    let events = desk.app.manage("GET", "/v1/realms/default/events?kind=credential.", Value::Null).await.expect(200);
    assert!(events["items"].as_array().is_some_and(|items| !items.is_empty()), "{events}");
    assert!(!events.to_string().contains("\"a\"") && events.to_string().contains("admit_rt_…"), "{events}");
}

#[tokio::test]
async fn every_door_judges_a_token_alike() {
    let desk = Desk::new().await;
    let (jwt, opaque) = (desk.token().await, desk.opaque(&["orders:read"]).await.0);
    for token in [&jwt, &opaque] {
        assert_eq!(desk.read(token).await.status, 200);
        let bearer = format!("Bearer {token}");
        let forward =
            desk.app.send("GET", "/check/forward", &[&ORDER[..], &[("authorization", &bearer)]].concat(), None).await;
        assert_eq!((forward.status, forward.header("admit-scope").as_str()), (200, "orders:read"));
        assert_eq!(forward.header("admit-subject"), desk.client.to_string());
        assert_eq!(forward.header("admit-client"), desk.client.to_string());
        assert_eq!(forward.header("admit-grant"), desk.grant.to_string());
        assert_eq!(forward.header("admit-key"), "");
        for asked in [json!({"credential": token}), json!({"headers": {"Authorization": bearer}})] {
            let told = desk.app.manage("POST", "/v1/realms/default/check", asked).await.expect(200);
            assert_eq!(
                (&told["code"], &told["principal"]["credential"]),
                (&json!("ok"), &json!("access_token")),
                "{told}"
            );
            assert!(told["principal"]["token"].as_str().unwrap().starts_with("tok_"));
            assert_eq!(
                (&told["principal"]["api"], &told["principal"]["scopes"]),
                (&json!(API), &json!(["orders:read"]))
            );
            assert!(told["principal"]["expires_at"].is_string());
        }
    }
    desk.app
        .rule(json!({"name": "tokens", "match": {"host": "shop.test", "path": "/tokens"}, "require": {"credentials": ["access_token"]}}))
        .await;
    let key = desk.app.shop_key("k", &["orders:read"]).await;
    for (credential, status) in [(&jwt, 200), (&opaque, 200), (&key, 403)] {
        assert_eq!(desk.app.ask("GET", "/tokens", Some(credential)).await.status, status);
    }
    assert_eq!(desk.app.last_reason(), Some(Reason::CredentialKind));
}

#[tokio::test]
async fn a_limit_counts_a_grant_whatever_token_it_shows() {
    let desk = Desk::new().await;
    desk.app
        .rule(json!({"name": "slow", "priority": 1, "match": {"host": "shop.test", "path": "/orders/slow"},
            "require": {"scopes": ["orders:read"]}, "limit": {"per": "grant", "rate": "2/1h"}}))
        .await;
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(desk.app.ask("GET", "/orders/slow", Some(&desk.token().await)).await.header("admit-status"));
    }
    assert_eq!(answers, ["", "", "429"]);
}

#[tokio::test]
async fn the_management_api_takes_a_token_for_itself() {
    let desk = Desk::new().await;
    let uri = "urn:admit:realm:default";
    let wanted = json!({"name": "robot", "type": "service", "rights": {uri: ["keys:read"]}});
    let made = desk.app.manage("POST", "/v1/realms/default/clients", wanted).await.expect(201);
    let client = made["id"].as_str().unwrap().parse().unwrap();
    let grant = grant_of(&desk.app, desk.app.app.default_realm, client, uri).await;
    let robot = Desk { client, grant, ..desk };
    let mut claims = robot.claims();
    (claims["aud"], claims["scope"]) = (json!(uri), json!("keys:read"));
    let token = robot.sign("at+jwt", &claims).await;
    assert_eq!(robot.app.manage_as(&token, "GET", "/v1/realms/default/keys", Value::Null).await.status, 200);
    let lacking = robot.app.manage_as(&token, "GET", "/v1/realms/default/users", Value::Null).await;
    assert_eq!((lacking.status, lacking.code().as_str()), (403, "insufficient_scope"));
    let of_shop = robot
        .app
        .manage_as(&robot.token_with("aud", json!(API)).await, "GET", "/v1/realms/default/keys", Value::Null)
        .await;
    assert_eq!((of_shop.status, of_shop.code().as_str()), (401, "wrong_audience"));
    robot.revoke(claims["jti"].as_str().unwrap().parse().unwrap()).await;
    let revoked = robot.app.manage_as(&token, "GET", "/v1/realms/default/keys", Value::Null).await;
    assert_eq!((revoked.status, revoked.code().as_str()), (401, "revoked_credential"));
}

#[tokio::test]
async fn why_a_token_was_refused_is_told_with_what_would_change_it() {
    let desk = Desk::new().await;
    let claims = desk.claims();
    let token = desk.sign("at+jwt", &claims).await;
    desk.revoke(claims["jti"].as_str().unwrap().parse().unwrap()).await;
    desk.read(&token).await;
    let story = async || {
        let id = desk.app.last_request().unwrap();
        let path = format!("/v1/realms/default/decisions/{id}");
        desk.app.manage("GET", &path, Value::Null).await.expect(200).to_string()
    };
    let told = story().await;
    for part in [
        "Authorization: Bearer, a JWT",
        claims["jti"].as_str().unwrap(),
        "it was revoked",
        "admit token issue --client",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains(token.rsplit_once('.').unwrap().1), "nothing of the token itself");
    desk.read(&format!("{token}A")).await;
    let told = story().await;
    assert!(told.contains("admit token decode"), "{told}");
}
