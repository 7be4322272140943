//! What a realm sets for itself, and that it holds.

use admit_core::time::Span;
use serde_json::{Value, json};

use crate::app::TestApp;
use crate::pages::person::Person;

const REALM: &str = "/v1/realms/default";
const PASSWORD: &str = "quiet harbours keep their lamps";

async fn set(app: &TestApp, settings: Value) -> Value {
    app.manage("PATCH", REALM, json!({ "settings": settings })).await.expect(200)["settings"].clone()
}

async fn alice(app: &TestApp) -> Person<'_> {
    let mut alice = Person::new(app);
    assert_eq!(alice.sign_in("alice", PASSWORD).await.status, 303);
    alice
}

async fn with_alice() -> TestApp {
    let app = TestApp::new().await;
    app.manage("POST", &format!("{REALM}/users"), json!({"name": "alice", "password": PASSWORD})).await.expect(201);
    app
}

#[tokio::test]
async fn what_is_set_is_shown_and_null_is_as_by_default() {
    let app = TestApp::new().await;
    let before = app.manage("GET", REALM, Value::Null).await.expect(200)["settings"].clone();
    assert_eq!((&before["session_idle_s"], &before["hash_memory_kib"]), (&json!(604_800), &json!(19_456)));
    let after = set(&app, json!({"session_idle_s": 3600, "self_rename": true})).await;
    assert_eq!((&after["session_idle_s"], &after["self_rename"]), (&json!(3600), &json!(true)));
    let after = set(&app, json!({"self_rename": null})).await;
    assert_eq!((&after["session_idle_s"], &after["self_rename"]), (&json!(3600), &json!(false)), "a merge patch");
    assert_eq!(set(&app, Value::Null).await, before);
    for (settings, said) in [
        (json!({"session_idle_s": 299}), "settings.session_idle_s"),
        (json!({"session_idle_s": "1h"}), "invalid type"),
        (json!({"sesion_idle_s": 3600}), "unknown field"),
        (json!({"hash_passes": 3}), "settings.hash_memory_kib"),
    ] {
        let refused = app.manage("PATCH", REALM, json!({ "settings": settings })).await;
        assert!(refused.status == 400 && refused.text.contains(said), "{settings}: {}", refused.text);
    }
}

#[tokio::test]
async fn se_08_sessions_live_as_long_as_the_realm_says() {
    let app = with_alice().await;
    set(&app, json!({"session_idle_s": 3600, "session_absolute_s": 7200})).await;
    let (mut idle, mut busy) = (alice(&app).await, alice(&app).await);
    for _ in 0..3 {
        app.clock.advance(Span::minutes(30));
        assert_eq!(busy.get("/account").await.status, 200);
        admit::jobs::activity::write(&app.app).await;
    }
    assert_eq!(idle.get("/account").await.status, 303, "an hour without being used");
    app.clock.advance(Span::minutes(30));
    assert_eq!(busy.get("/account").await.status, 303, "two hours at all");
}

#[tokio::test]
async fn a_hash_costs_what_the_realm_says_and_is_renewed() {
    let app = with_alice().await;
    alice(&app).await;
    set(&app, json!({"hash_memory_kib": 8192, "hash_passes": 5})).await;
    let kept = || {
        let (realm, store) = (app.app.default_realm, &app.app.store);
        let user = store.point(|tx| tx.find_user_named(realm, "alice")).unwrap().unwrap();
        let row = store.point(|tx| tx.find_password(realm, user.id)).unwrap().unwrap();
        let place = admit::login::verify::place(&user);
        let text = app.app.master.keys().open(&place, &row.sealed).unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    };
    assert!(kept().contains("m=19456,t=2,"), "{}", kept());
    alice(&app).await;
    assert!(kept().contains("m=8192,t=5,"), "{}", kept());
}

#[tokio::test]
async fn operators_stay_signed_in_as_long_as_they_say_within_narrower_limits() {
    let app = TestApp::new().await;
    let patch = async |body: Value| app.manage("PATCH", "/v1/realms/operators", body).await;
    assert_eq!(patch(json!({"metadata": {"a": 1}})).await.code(), "built_in");
    let set = patch(json!({"settings": {"session_idle_s": 1800}})).await.expect(200);
    assert_eq!(set["settings"]["session_idle_s"], 1800);
    let refused = patch(json!({"settings": {"session_absolute_s": 90_000}})).await;
    assert!(refused.status == 400 && refused.text.contains("must be 300 to 86400"), "{}", refused.text);
    let viewer = json!({"name": "v", "api": "urn:admit:realm:operators", "scopes": ["realm:read", "realm:write"]});
    let key = app.manage("POST", "/v1/realms/operators/keys", viewer).await.expect(201);
    let body = json!({"settings": {"session_idle_s": 3000}});
    let narrow = app.manage_as(key["key"].as_str().unwrap(), "PATCH", "/v1/realms/operators", body).await;
    assert_eq!((narrow.status, narrow.code().as_str()), (403, "insufficient_scope"), "{}", narrow.text);
}

#[tokio::test]
async fn doctor_tells_who_may_register_and_what_is_beyond_its_limits() {
    let app = TestApp::new().await;
    let (realm, now) = (app.app.default_realm, app.app.now());
    let told = async || app.manage("GET", "/v1/doctor", Value::Null).await.expect(200).to_string();
    assert!(!told().await.contains("self_registration"));
    let open = move |tx: &mut admit_store::Tx<'_>| {
        let mut row = tx.find_realm(realm)?.unwrap();
        row.settings.self_registration = Some(true);
        row.settings.reset_life_s = Some(86_400);
        tx.update_realm(&row, now)?;
        Ok(admit_store::End::Commit(()))
    };
    app.app.store.write(open).await.unwrap();
    let told = told().await;
    assert!(told.contains("self_registration is on, but no mail is sent from here"), "{told}");
    assert!(told.contains("reset_life_s must be 300 to 3600") && told.contains("reset_life_s=default"), "{told}");
}
