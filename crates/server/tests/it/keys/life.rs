//! Creation with its defaults, repetition, and how a key is rolled.

use admit_core::check::code::Reason;
use admit_core::time::{Span, Time};
use serde_json::{Value, json};

use super::{KEYS, admitted, ask, id, manage_with, refused, secret, show, warnings};
use crate::app::TestApp;

const SHOP: &str = "https://api.shop.test";

#[tokio::test]
async fn a_key_is_made_with_an_end_an_owner_and_a_hint() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app
        .key(json!({"name": "ci", "scopes": ["orders:read"], "external_id": "cus_42", "metadata": {"plan": "pro"}}))
        .await;
    let text = secret(&key);
    assert!(text.starts_with("admit_") && text.len() == "admit_".len() + 36, "{text}");
    assert_eq!(key["api"], SHOP, "the only API of the realm");
    assert_eq!(
        (&key["owner_name"], &key["owner_kind"], &key["state"]),
        (&json!("ci"), &json!("client"), &json!("active"))
    );
    assert_eq!(key["hint"], admit_core::secret::hint(&text));
    assert_eq!((&key["created_by"], &key["effective_scopes"]), (&json!("operator"), &json!(["orders:read"])));
    assert_eq!(key["warnings"], json!([]));
    let time = |name: &str| serde_json::from_value::<Time>(key[name].clone()).unwrap();
    assert_eq!(time("expires_at"), time("created_at") + Span::days(90), "unless said otherwise");

    let shown = show(&app, "ci").await;
    assert_eq!(shown["key"], Value::Null, "shown that once");
    let list = app.manage("GET", KEYS, Value::Null).await.expect(200).to_string();
    assert!(!list.contains(&text) && !shown.to_string().contains(&text));
    let owner = app
        .manage("GET", &format!("/v1/realms/default/clients/{}", key["owner"].as_str().unwrap()), Value::Null)
        .await
        .expect(200);
    assert_eq!(
        (&owner["type"], &owner["rights"]),
        (&json!("service"), &json!({SHOP: ["orders:read"]})),
        "it may what its key may, and no more"
    );
    let reply = app.ask("GET", "/orders/1", Some(&text)).await;
    assert_eq!(
        (reply.status, reply.header("admit-external-id").as_str(), reply.header("admit-kind").as_str()),
        (200, "cus_42", "client")
    );
}

#[tokio::test]
async fn a_key_without_end_or_scopes_is_made_with_a_warning() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "bot", "never_expires": true})).await;
    assert_eq!((&key["expires_at"], &key["api"], &key["scopes"]), (&Value::Null, &Value::Null, &json!([])));
    assert!(warnings(&key).contains("never expires") && warnings(&key).contains("no scopes"), "{key}");
    let soon = app.key(json!({"name": "soon", "scopes": ["orders:read"], "expires_in_s": 86_400})).await;
    assert!(warnings(&soon).contains("expires within 14 days"), "{soon}");

    let both = app.manage("POST", KEYS, json!({"name": "x", "never_expires": true, "expires_in_s": 60})).await;
    assert_eq!((both.status, both.code().as_str()), (400, "invalid_request"));
    assert_eq!(both.json()["problems"][0]["path"], "expires_in_s");
    app.clock.advance(Span::days(4000));
    let reply = app.ask("GET", "/orders/1", Some(&secret(&key))).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (403, "insufficient_scope"),
        "after eleven years it still says who, not what: {}",
        reply.text
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_with_the_next_command() {
    let app = TestApp::new().await;
    let detail = async |body: Value| {
        let reply = app.manage("POST", KEYS, body).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{}", reply.text);
        reply.json()["detail"].as_str().unwrap().to_owned()
    };
    assert!(detail(json!({"name": "ci", "scopes": ["orders:read"]})).await.contains("Create it: admit api create"));
    app.shop().await;
    assert!(
        detail(json!({"name": "ci", "scopes": ["orders:fly"]}))
            .await
            .contains("admit api update https://api.shop.test --scope orders:fly")
    );
    let api = json!({"uri": "https://api.two.test", "scopes": {"read": "Read"}});
    app.manage("POST", "/v1/realms/default/apis", api).await.expect(201);
    let several = detail(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    assert!(
        several.contains("--api") && several.contains(SHOP) && several.contains("https://api.two.test"),
        "{several}"
    );
    let owner = app.manage("POST", KEYS, json!({"name": "ci", "owner": "nobody"})).await;
    assert!(matches!(owner.status, 400 | 404) && owner.text.contains("nobody"), "{}", owner.text);
}

#[tokio::test]
async fn a_repeated_post_makes_one_key_and_shows_its_secret_once() {
    let app = TestApp::new().await;
    let body = json!({"name": "ci"});
    let once = ("idempotency-key", "try-1");
    let first = manage_with(&app, "POST", KEYS, once, body.clone()).await.expect(201);
    let again = manage_with(&app, "POST", KEYS, once, body.clone()).await;
    assert_eq!((again.status, again.code().as_str()), (409, "secret_already_shown"));
    assert!(again.text.contains(&id(&first)) && !again.text.contains(&secret(&first)), "{}", again.text);
    let other = manage_with(&app, "POST", KEYS, once, json!({"name": "cd"})).await;
    assert_eq!((other.status, other.code().as_str()), (422, "idempotency_key_reused"));
    manage_with(&app, "POST", KEYS, ("idempotency-key", "try-2"), body.clone()).await.expect(201);
    let path = format!("{KEYS}/{}/roll", id(&first));
    manage_with(&app, "POST", &path, ("idempotency-key", "roll-1"), json!({})).await.expect(200);
    let rolled = manage_with(&app, "POST", &path, ("idempotency-key", "roll-1"), json!({})).await;
    assert_eq!((rolled.status, rolled.code().as_str()), (409, "secret_already_shown"));
    assert_eq!(show(&app, &id(&first)).await["secrets"].as_array().unwrap().len(), 2);
    app.clock.advance(Span::hours(25));
    manage_with(&app, "POST", KEYS, once, body).await.expect(201);
}

#[tokio::test]
async fn a_name_that_several_have_is_an_error_with_their_ids() {
    let app = TestApp::new().await;
    let (one, two) = (app.key(json!({"name": "ci"})).await, app.key(json!({"name": "ci"})).await);
    assert_eq!(
        (&one["owner_name"], &two["owner_name"]),
        (&json!("ci"), &json!("ci-2")),
        "clients have names of their own"
    );
    for (method, path) in
        [("GET", format!("{KEYS}/ci")), ("DELETE", format!("{KEYS}/ci")), ("POST", format!("{KEYS}/ci/roll"))]
    {
        let reply = app.manage(method, &path, Value::Null).await;
        assert_eq!((reply.status, reply.code().as_str()), (409, "ambiguous_name"), "{method}: {}", reply.text);
        assert!(reply.text.contains(&id(&one)) && reply.text.contains(&id(&two)), "{}", reply.text);
    }
    app.manage("DELETE", &format!("{KEYS}/{}", id(&two)), Value::Null).await.expect(204);
    assert_eq!(show(&app, &id(&one)).await["state"], "active");
}

#[tokio::test]
async fn ak_06_a_rolled_key_has_two_secrets_until_the_overlap_ends() {
    let app = TestApp::new().await;
    app.shop().await;
    let key = app.key(json!({"name": "ci", "scopes": ["orders:read"]})).await;
    let old = secret(&key);
    app.clock.advance(Span::days(10));
    assert_eq!(ask(&app, &old).await, admitted());
    let rolled = app.manage("POST", &format!("{KEYS}/ci/roll"), json!({"overlap_s": 3600})).await.expect(200);
    let new = secret(&rolled);
    assert_eq!(rolled["id"], key["id"]);
    assert_ne!(rolled["expires_at"], key["expires_at"], "the whole life anew");
    assert_eq!((ask(&app, &old).await, ask(&app, &new).await), (admitted(), admitted()));

    // Where from is kept once per batch of counters; a look at the key ends a batch.
    show(&app, "ci").await;
    app.clock.advance(Span::minutes(10));
    let headers = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/orders/1"),
        ("x-forwarded-host", "shop.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "198.51.100.77"),
        ("user-agent", "old-cron/1.0"),
        ("x-api-key", old.as_str()),
    ];
    assert_eq!(app.send("GET", "/check/nginx", &headers, None).await.status, 200);
    let shown = show(&app, "ci").await;
    let secrets = shown["secrets"].as_array().unwrap();
    assert_eq!((secrets.len(), &secrets[0]["number"], &secrets[1]["number"]), (2, &json!(1), &json!(2)));
    assert_eq!(
        (&secrets[0]["uses"], &secrets[0]["last_ip"], &secrets[0]["last_user_agent"]),
        (&json!(3), &json!("198.51.100.77"), &json!("old-cron/1.0")),
        "{shown}"
    );
    assert_eq!(secrets[0]["expires_at"], rolled["old_secret_ends_at"]);
    assert!(warnings(&shown).contains("Secret 1, from before the roll, is still in use"), "{shown}");

    app.clock.advance(Span::minutes(49));
    assert_eq!(ask(&app, &old).await, admitted());
    app.clock.advance(Span::minutes(2));
    assert_eq!(ask(&app, &old).await, refused("expired_credential"));
    assert_eq!(app.last_reason(), Some(Reason::RolledOver));
    assert_eq!(ask(&app, &new).await, admitted());
    assert_eq!(show(&app, "ci").await["secrets"][0]["live"], false);
}

#[tokio::test]
async fn a_compromised_secret_ends_at_once() {
    let app = TestApp::new().await;
    app.shop().await;
    let old = app.shop_key("ci", &["orders:read"]).await;
    assert_eq!(ask(&app, &old).await, admitted());
    let both = app.manage("POST", &format!("{KEYS}/ci/roll"), json!({"compromised": true, "overlap_s": 60})).await;
    assert_eq!((both.status, both.code().as_str()), (400, "invalid_request"));
    let long = app.manage("POST", &format!("{KEYS}/ci/roll"), json!({"overlap_s": 30 * 86_400 + 1})).await;
    assert_eq!(long.status, 400);
    let rolled = app.manage("POST", &format!("{KEYS}/ci/roll"), json!({"compromised": true})).await.expect(200);
    assert_eq!(ask(&app, &old).await, refused("expired_credential"));
    assert_eq!(ask(&app, &secret(&rolled)).await, admitted());
    app.manage("DELETE", &format!("{KEYS}/ci"), Value::Null).await.expect(204);
    let dead = app.manage("POST", &format!("{KEYS}/ci/roll"), json!({})).await;
    assert_eq!((dead.status, dead.code().as_str()), (409, "key_revoked"), "a roll revives nothing: {}", dead.text);
}
