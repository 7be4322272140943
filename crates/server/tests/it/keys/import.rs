//! Keys of another system, taken over by their SHA-256.

use admit_core::check::code::Reason;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{KEYS, admitted, ask, refused, show};
use crate::app::{Reply, TestApp};

const SHOP: &str = "https://api.shop.test";

fn sha256(text: &str) -> String {
    HEXLOWER.encode(&admit_core::secret::digest(text))
}

async fn import(app: &TestApp, pattern: &str, keys: Value) -> Reply {
    let body = json!({"pattern": pattern, "api": SHOP, "scopes": ["orders:read"], "keys": keys});
    app.manage("POST", &format!("{KEYS}/import"), body).await
}

#[tokio::test]
async fn an_imported_key_is_admitted_as_it_always_was() {
    let app = TestApp::new().await;
    app.shop().await;
    let (old, other) = ("sk_live_4f9a1c7e0b2d", "sk_live_ffffffffffff");
    assert_eq!(ask(&app, old).await, refused("invalid_credential"));
    let keys = json!([{"sha256": sha256(old), "name": "legacy", "external_id": "cus_7"}]);
    let done = import(&app, "sk_*", keys.clone()).await.expect(200);
    assert_eq!(done, json!({"imported": 1, "known": 0, "problems": []}));
    assert_eq!(ask(&app, old).await, admitted(), "{:?}", app.last_reason());
    assert_eq!(ask(&app, other).await, refused("invalid_credential"));
    assert_eq!(app.last_reason(), Some(Reason::UnknownSecret), "it has the shape, so it was looked up");
    let shown = show(&app, "legacy").await;
    assert_eq!((&shown["hint"], &shown["external_id"]), (&json!("sk_…"), &json!("cus_7")));
    assert!(!shown.to_string().contains(old));
    let again = import(&app, "sk_*", keys).await.expect(200);
    assert_eq!(again, json!({"imported": 0, "known": 1, "problems": []}));

    let rolled = app.manage("POST", &format!("{KEYS}/legacy/roll"), json!({"compromised": true})).await.expect(200);
    assert_eq!(ask(&app, old).await, refused("expired_credential"));
    let new = rolled["key"].as_str().unwrap();
    assert!(new.starts_with("admit_"), "a new secret is one of ours");
    assert_eq!(ask(&app, new).await, admitted());
    app.manage("DELETE", &format!("{KEYS}/legacy"), Value::Null).await.expect(204);
    assert_eq!(ask(&app, new).await, refused("revoked_credential"));
}

#[tokio::test]
async fn secrets_themselves_and_slow_hashes_are_refused_with_what_to_do() {
    let app = TestApp::new().await;
    app.shop().await;
    let plain = "sk_live_4f9a1c7e0b2d";
    let bcrypt = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";
    let keys = json!([{"sha256": plain}, {"sha256": bcrypt}, {"sha256": "AB".repeat(31)}, {"sha256": sha256("sk_good"), "name": "good"}]);
    let done = import(&app, "sk_*", keys).await.expect(200);
    assert_eq!(done["imported"], 1, "{done}");
    let problems = done["problems"].as_array().unwrap();
    assert_eq!(
        problems.iter().map(|problem| problem["path"].as_str().unwrap()).collect::<Vec<_>>(),
        ["keys[0].sha256", "keys[1].sha256", "keys[2].sha256"]
    );
    assert!(problems[1]["message"].as_str().unwrap().contains("slow"), "{done}");
    assert!(
        !done.to_string().contains(plain) && !done.to_string().contains(bcrypt),
        "what was sent is not said back: {done}"
    );
    assert_eq!(ask(&app, "sk_good").await, admitted());
}

#[tokio::test]
async fn a_shape_that_would_cover_our_own_keys_is_refused() {
    let app = TestApp::new().await;
    app.shop().await;
    app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
    for bad in ["*", "a*", "ad*", "admit_*", "admit_x*", "acme_*", "ac*", "sk_", "sk_**", "s k*", "sk_*x", ""] {
        let reply = import(&app, bad, json!([{"sha256": sha256("x")}])).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{bad}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_thousand_keys_are_taken_over_at_a_time() {
    let app = TestApp::new().await;
    app.shop().await;
    let keys =
        |count: usize| (0..count).map(|number| json!({"sha256": sha256(&format!("sk_{number}"))})).collect::<Vec<_>>();
    let over = import(&app, "sk_*", json!(keys(1001))).await;
    assert_eq!((over.status, over.code().as_str()), (400, "invalid_request"), "{}", over.text);
    let full = import(&app, "sk_*", json!(keys(1000))).await.expect(200);
    assert_eq!(full["imported"], 1000);
    assert_eq!(ask(&app, "sk_999").await, admitted());
    assert_eq!(ask(&app, "sk_1000").await, refused("invalid_credential"));
}
