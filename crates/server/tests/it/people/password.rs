//! Passwords as operators set them, and how they are kept.

use std::sync::Arc;

use admit::login::password::{self, Chosen, NotSet};
use admit::login::session::{self, Entry, Seen};
use admit::login::verify::{self, Proved, Refused};
use admit::master::source;
use admit_core::login::session::Factor;
use admit_core::secret::Secret;
use admit_store::End;
use serde_json::{Value, json};

use super::{PASSWORD, USERS, events, realm, sign_in, stranger, with_alice};
use crate::app::TestApp;

const OTHER: &str = "kettle moss under tuesday";

async fn set(app: &TestApp, user: &str, body: Value) -> crate::app::Reply {
    app.manage("PUT", &format!("{USERS}/{user}/password"), body).await
}

#[tokio::test]
async fn an_operator_sets_a_password_and_the_old_one_ends() {
    let (app, alice) = with_alice().await;
    let told = set(&app, "alice@example.com", json!({ "password": OTHER })).await.expect(200);
    assert_eq!(told, json!({"sign_ins_ended": 0, "authorizations_ended": 0}));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::Wrong));
    assert_eq!(sign_in(&app, "alice", OTHER, stranger(&app)).await, Ok(Proved { user: alice }));
    let set = events(&app, "user.password_set").await;
    assert_eq!((set.len(), set[0]["target"].as_str()), (1, Some(alice.to_string().as_str())));
    assert!(!Value::from(set).to_string().contains("kettle"));
}

#[tokio::test]
async fn a_weak_password_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("breached");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, OTHER.as_bytes());
    std::fs::write(&list, format!("{}:12\n", data_encoding::HEXUPPER.encode(digest.as_ref()))).unwrap();
    let app = TestApp::with(&format!("[login]\nbreached_passwords = '{}'", list.display())).await;
    app.manage("POST", USERS, json!({"name": "alexandrina"})).await.expect(201);
    let long = "wandering tulip Zebra 98 kettle moss ".chars().cycle().take(129).collect::<String>();
    for (password, why) in [
        ("", "must not be empty"),
        ("short otter 98", "must have 15 letters or more"),
        (long.as_str(), "must have at most 128 letters"),
        ("aaaaaaaaaaaaaaaaaaa", "is among the first that anybody would try"),
        ("admitalexandrina", "is made of what is known of this user"),
        (OTHER, "is in a list of passwords that were stolen somewhere"),
    ] {
        let refused = set(&app, "alexandrina", json!({ "password": password })).await.expect(400);
        assert_eq!(refused["problems"][0], json!({"path": "password", "message": why}));
    }
    let large = set(&app, "alexandrina", json!({ "password": "x".repeat(1 << 20) })).await;
    assert_eq!((large.status, large.code().as_str()), (413, "body_too_large"), "pw_05");
    for body in [json!({}), json!({"password": PASSWORD, "password_hash": "$2b$"}), json!({"password_hash": "$1$x$y"})]
    {
        assert_eq!(set(&app, "alexandrina", body.clone()).await.status, 400, "{body}");
    }
    set(&app, "alexandrina", json!({ "password": PASSWORD })).await.expect(200);
}

#[tokio::test]
async fn pw_07_a_password_is_no_field_of_a_user() {
    let (app, alice) = with_alice().await;
    for patch in [
        json!({"password": OTHER}),
        json!({"password_hash": "x"}),
        json!({"email_verified_at": "2026-01-01T00:00:00Z"}),
    ] {
        let refused = app.manage("PATCH", &format!("{USERS}/Alice"), patch).await.expect(400);
        assert!(refused["detail"].as_str().unwrap().contains("unknown field"), "pw_13: {refused}");
    }
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }));
    let shown = app.manage("GET", &format!("{USERS}/Alice"), Value::Null).await.expect(200);
    assert!(!shown.to_string().contains("argon2"), "{shown}");
}

#[tokio::test]
async fn ak_01_nobody_sets_the_password_of_somebody_who_may_more() {
    let (app, _) = with_alice().await;
    app.manage("PATCH", &format!("{USERS}/Alice"), json!({"roles": ["operator"]})).await.expect(200);
    app.manage("POST", USERS, json!({"name": "bob"})).await.expect(201);
    let key = json!({"name": "clerk", "api": "urn:admit:realm:default", "scopes": ["users:read", "users:write"]});
    let clerk = app.key(key).await["key"].as_str().unwrap().to_owned();
    for (method, verb, body) in [
        ("PUT", "password", json!({ "password": OTHER })),
        ("POST", "unlock", Value::Null),
        ("POST", "verify-email", Value::Null),
        ("POST", "erase", Value::Null),
    ] {
        let refused = app.manage_as(&clerk, method, &format!("{USERS}/Alice/{verb}"), body).await;
        assert_eq!((refused.status, refused.code().as_str()), (403, "exceeds_own_rights"), "{verb}: {}", refused.text);
    }
    app.manage_as(&clerk, "PUT", &format!("{USERS}/bob/password"), json!({ "password": OTHER })).await.expect(200);
}

#[tokio::test]
async fn a_hash_from_elsewhere_is_verified_once_and_then_it_is_ours() {
    let (app, _) = with_alice().await;
    let hash = "$2b$04$abcdefghijklmnopqrstuuKAbCf0FrEMqP6uxscx2X5vbhwe2ssIi";
    let body = json!({"name": "bob", "password_hash": hash});
    let bob = app.manage("POST", USERS, body).await.expect(201)["id"].as_str().unwrap().parse().unwrap();
    let kept = || app.app.store.point(|tx| tx.find_password(app.app.default_realm, bob)).unwrap().unwrap();
    let imported = kept();
    assert!(!imported.sealed.windows(4).any(|octets| octets == b"$2b$"), "sealed");
    assert_eq!(sign_in(&app, "bob", "another password", stranger(&app)).await, Err(Refused::Wrong));
    assert_eq!(kept(), imported);
    for _ in 0..2 {
        let proved = sign_in(&app, "bob", "correct horse battery staple é", stranger(&app)).await;
        assert_eq!(proved, Ok(Proved { user: bob }));
        let renewed = kept();
        assert!(renewed.sealed != imported.sealed && renewed.changed_at == imported.changed_at);
    }
    let once = kept();
    sign_in(&app, "bob", "correct horse battery staple é", stranger(&app)).await.unwrap();
    assert_eq!(kept(), once, "only once");
}

#[tokio::test]
async fn a_password_follows_the_master_key_when_it_is_used() {
    let (app, alice) = with_alice().await;
    let count = async |number: i64| {
        let status = app.manage("GET", "/v1/master-keys", Value::Null).await.expect(200);
        let keys = status["keys"].as_array().unwrap().clone();
        keys.iter().find(|key| key["number"] == number).map(|key| key["passwords"].clone())
    };
    assert_eq!(count(1).await, Some(json!(1)));
    source::add(&app.folder.path().join("master.key"), 2, &[2; 32]).unwrap();
    app.manage("POST", "/v1/master-keys/rotate", Value::Null).await.expect(200);
    assert_eq!((count(1).await, count(2).await), (Some(json!(1)), Some(json!(0))));
    app.clock.advance(admit_core::time::Span::seconds(61));
    let refused = app.manage("DELETE", "/v1/master-keys/1", Value::Null).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "master_key_needed"));
    assert!(refused.text.contains("1 passwords"), "{}", refused.text);
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }));
    assert_eq!((count(1).await, count(2).await), (Some(json!(0)), Some(json!(1))));
    app.manage("DELETE", "/v1/master-keys/1?accept=true", Value::Null).await.expect(200);
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }));
}

#[tokio::test]
async fn whoever_writes_rows_cannot_give_anybody_a_password() {
    let (app, alice) = with_alice().await;
    let bob = json!({"name": "bob", "password": OTHER});
    let bob = app.manage("POST", USERS, bob).await.expect(201)["id"].as_str().unwrap().parse().unwrap();
    let realm = app.app.default_realm;
    let work = move |tx: &mut admit_store::Tx<'_>| {
        let bobs = tx.find_password(realm, bob)?.unwrap();
        tx.update_password(realm, alice, &bobs)?;
        Ok(End::Commit(()))
    };
    app.app.store.write(work).await.unwrap();
    for password in [OTHER, PASSWORD] {
        assert_eq!(sign_in(&app, "alice", password, stranger(&app)).await, Err(Refused::Wrong));
    }
    assert_eq!(sign_in(&app, "bob", OTHER, stranger(&app)).await, Ok(Proved { user: bob }));
}

/// Whoever had the old password and shows it while another one is being set gets in by neither.
#[tokio::test]
async fn pw_07_a_password_that_is_another_one_since_proves_nothing() {
    let (app, alice) = with_alice().await;
    let (realm, now) = (realm(&app), app.app.now());
    let (was, new) = (Secret::new(PASSWORD), "a quieter harbour, two lamps");
    let proved = verify::prove(&app.app, &realm.realm, "alice", &was, stranger(&app)).await;
    let (Proved { user }, settlement) = proved.unwrap();
    assert_eq!(user, alice);
    let set = json!({ "password": new });
    app.manage("PUT", &format!("{USERS}/{alice}/password"), set).await.expect(200);
    let entry = Entry {
        settlement: Some(Arc::new(settlement)),
        is_device: true,
        ..Entry::new(alice, &[Factor::Password], Seen::default(), None)
    };
    let refused = session::begin(&app.app, &realm.realm, entry, now).await.unwrap_err();
    assert_eq!((refused.status(), refused.code()), (401, session::DISPROVED));
    let sessions =
        app.manage("GET", "/v1/realms/default/sessions?user=alice@example.com", Value::Null).await.expect(200);
    assert_eq!(sessions["items"], json!([]));

    let entry = Entry::new(alice, &[Factor::Password], Seen::default(), None);
    let over = session::begin(&app.app, &realm.realm, entry, now).await.unwrap().grant;
    assert!(session::end(&app.app, realm.realm.id, alice, over, session::Why::Revoked, now).await.unwrap());
    let chosen = Secret::new("another harbour with lamps");
    let current = Secret::new(new);
    let changed =
        password::change(&app.app, &realm.realm, alice, &current, Chosen::alone(&chosen), Some(over), stranger(&app))
            .await;
    assert_eq!(changed, Err(NotSet::Current(Refused::Wrong)), "the session that asked for it is over");
    assert_eq!(sign_in(&app, "alice", new, stranger(&app)).await, Ok(Proved { user: alice }));
}
