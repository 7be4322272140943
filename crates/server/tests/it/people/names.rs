//! PW-06: by what people sign in.

use admit::login::naming;
use admit_store::End;
use serde_json::{Value, json};

use super::{PASSWORD, USERS, sign_in, stranger, with_alice};
use crate::app::TestApp;

#[tokio::test]
async fn pw_06_a_name_or_address_in_another_spelling_is_taken() {
    let (app, alice) = with_alice().await;
    for (body, what) in [
        (json!({"name": "ALICE"}), "name \"ALICE\""),
        (json!({"name": "Ａlice"}), "name \"Ａlice\""),
        (json!({"name": "bob", "email": "Ａlice@example.com"}), "e-mail address \"Ａlice@example.com\""),
    ] {
        let refused = app.manage("POST", USERS, body).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "already_exists"), "{}", refused.text);
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(what) && detail.ends_with(&format!("Next: admit user show {alice}")), "{detail}");
    }
    // Only alike to the eye: another person.
    app.manage("POST", USERS, json!({"name": "аlice", "password": "kettle moss under tuesday"})).await.expect(201);
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await.map(|proved| proved.user), Ok(alice));
    let moved = app.manage("PATCH", &format!("{USERS}/аlice"), json!({"name": "alicE"})).await;
    assert_eq!((moved.status, moved.code().as_str()), (409, "already_exists"), "{}", moved.text);
    let own = app.manage("PATCH", &format!("{USERS}/Alice"), json!({"name": "ALICE"})).await;
    assert_eq!(own.expect(200)["name"], "ALICE", "one may spell oneself as one likes");
}

#[tokio::test]
async fn pw_06_a_name_that_can_be_told_from_no_other_is_refused() {
    let (app, _) = with_alice().await;
    for (body, field) in
        [(json!({"name": "two  spaces"}), "name"), (json!({"name": "bob", "email": "ᴮ@example.com"}), "email")]
    {
        let refused = app.manage("POST", USERS, body).await.expect(400);
        assert_eq!(refused["problems"][0]["path"], field, "{refused}");
    }
}

#[tokio::test]
async fn users_of_before_get_their_names_after_a_start() {
    let (app, alice) = with_alice().await;
    let (now, realm) = (app.app.now(), app.app.default_realm);
    // As it may stand in a store that knew no forms.
    let twin = |name: &str| {
        let spec = serde_json::from_value(json!({ "name": name })).unwrap();
        admit::manage::users::new(app.app.id(now), realm, spec, now)
    };
    let (second, odd) = (twin("ALICE"), twin("two  spaces"));
    let id = second.id;
    let work = move |tx: &mut admit_store::Tx<'_>| {
        tx.insert_user(&second)?;
        tx.insert_user(&odd)?;
        tx.delete_user(realm, alice, now)?;
        tx.delete_meta("sign_in_names_made")?;
        Ok(End::Commit(()))
    };
    app.app.store.write(work).await.unwrap();
    let set = json!({ "password": PASSWORD });
    app.manage("PUT", &format!("{USERS}/{id}/password"), set).await.expect(200);
    assert!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await.is_err());
    naming::complete(&app.app).await;
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await.map(|proved| proved.user), Ok(id));
    let path = format!("{USERS}/two%20%20spaces");
    app.manage("PATCH", &path, json!({"disabled": true})).await.expect(200);
    let mended = app.manage("PATCH", &path, json!({"name": "no space"})).await.expect(200);
    assert_ne!(mended["disabled_at"], Value::Null, "he can be changed, and mended");
}

/// A rule with `self` takes either: what is one of somebody must not be the other of another.
#[tokio::test]
async fn ad_02_a_name_is_no_id_of_another() {
    let app = TestApp::new().await;
    let post = async |body: Value| app.manage("POST", USERS, body).await;
    post(json!({"name": "gina", "external_id": "corp-77"})).await.expect(201);
    post(json!({"name": "eve"})).await.expect(201);
    for taken in [json!({"name": "corp-77"}), json!({"name": "hank", "external_id": "eve"})] {
        let refused = post(taken.clone()).await;
        assert_eq!((refused.status, refused.code().as_str()), (409, "already_exists"), "{taken}");
        assert!(refused.text.contains("that of another user"), "{}", refused.text);
    }
    let renamed = app.manage("PATCH", &format!("{USERS}/eve"), json!({"name": "corp-77"})).await;
    assert_eq!(renamed.status, 409, "{}", renamed.text);
    post(json!({"name": "corp-78", "external_id": "corp-78"})).await.expect(201);
}
