//! The mailed link for who has lost his password, as the pages will use it; and the change by the person himself.

use admit::login::device;
use admit::login::password::{self, Chosen, Letter, NotSet, Way};
use admit::login::session::{self, Entry, Seen};
use admit::login::verify::{Asker, Proved, Refused};
use admit_core::id::{GrantId, UserId};
use admit_core::login::guard::FAILURES_MAX;
use admit_core::login::password::Weakness;
use admit_core::login::session::Factor;
use admit_core::secret::Secret;
use admit_core::time::Span;
use admit_store::End;
use http::HeaderMap;
use serde_json::{Value, json};

use super::{PASSWORD, USERS, events, realm, sign_in, stranger, with_alice};
use crate::app::TestApp;

const NEW: &str = "kettle moss under tuesday";

async fn begin(app: &TestApp, name: &str) -> Option<Letter> {
    let request = app.app.request_id(app.app.now());
    password::begin_reset(&app.app, &realm(app).realm, name, None, request).await.unwrap()
}

async fn finish(app: &TestApp, link: &Secret, chosen: &str) -> Result<(), NotSet> {
    let asker = Asker { source: None, known: None, request_id: app.app.request_id(app.app.now()) };
    let set = password::set_by_link(
        &app.app,
        &realm(app).realm,
        Way::Reset,
        link,
        Chosen::alone(&Secret::new(chosen)),
        asker,
    )
    .await;
    set.map(drop)
}

#[tokio::test]
async fn pw_09_a_link_is_good_once_for_the_newest_only_and_not_for_long() {
    let (app, alice) = with_alice().await;
    let older = begin(&app, "alice").await.unwrap();
    let letter = begin(&app, "ALICE@example.com").await.unwrap();
    assert_eq!((letter.user, letter.to.as_str()), (alice, "alice@example.com"), "pw_06: to the address that is stored");
    assert_eq!(finish(&app, &older.secret, NEW).await, Err(NotSet::NoLink), "the older of two");
    let now = app.app.now();
    for _ in 0..3 {
        let found = password::find_by_link(&app.app, app.app.default_realm, Way::Reset, &letter.secret, now).unwrap();
        assert_eq!(found.map(|user| user.id), Some(alice), "looking uses nothing up");
    }
    assert_eq!(finish(&app, &letter.secret, "short").await, Err(NotSet::Weak(Weakness::Short(15))));
    assert_eq!(finish(&app, &letter.secret, NEW).await, Ok(()), "a weak password did not cost the link");
    assert_eq!(finish(&app, &letter.secret, PASSWORD).await, Err(NotSet::NoLink), "once");
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::Wrong));
    assert_eq!(sign_in(&app, "alice", NEW, stranger(&app)).await, Ok(Proved { user: alice }));
    let late = begin(&app, "alice").await.unwrap();
    app.clock.advance(Span::minutes(15));
    assert_eq!(finish(&app, &late.secret, PASSWORD).await, Err(NotSet::NoLink), "over");
    assert_eq!(events(&app, "user.password_reset").await.len(), 1);
}

#[tokio::test]
async fn pw_09_a_link_dies_with_the_address_and_with_a_new_password() {
    let (app, _) = with_alice().await;
    let letter = begin(&app, "alice").await.unwrap();
    app.manage("PATCH", &format!("{USERS}/Alice"), json!({"email": "other@example.com"})).await.expect(200);
    assert_eq!(finish(&app, &letter.secret, NEW).await, Err(NotSet::NoLink), "another address");
    let letter = begin(&app, "alice").await.unwrap();
    app.manage("PUT", &format!("{USERS}/Alice/password"), json!({ "password": NEW })).await.expect(200);
    assert_eq!(finish(&app, &letter.secret, PASSWORD).await, Err(NotSet::NoLink), "another password since");
    let letter = begin(&app, "alice").await.unwrap();
    app.manage("PATCH", &format!("{USERS}/Alice"), json!({"disabled": true})).await.expect(200);
    assert_eq!(finish(&app, &letter.secret, PASSWORD).await, Err(NotSet::NoLink), "switched off since");
}

#[tokio::test]
async fn pw_12_nobody_is_buried_in_letters_and_only_who_can_have_one_gets_it() {
    let (app, _) = with_alice().await;
    app.manage("POST", USERS, json!({"name": "carol", "password": NEW})).await.expect(201);
    for name in ["nobody", "carol", "\u{200B}", ""] {
        assert!(begin(&app, name).await.is_none(), "{name}");
    }
    let mut letters = 0;
    for _ in 0..20 {
        letters += usize::from(begin(&app, "alice").await.is_some());
    }
    assert_eq!(letters, 5);
    app.clock.advance(Span::hours(1));
    assert!(begin(&app, "alice").await.is_some());
}

#[tokio::test]
async fn a_reset_unlocks_proves_the_address_and_leaves_keys() {
    let (app, alice) = with_alice().await;
    app.shop().await;
    app.manage(
        "POST",
        "/v1/realms/default/roles",
        json!({"name": "r", "rights": {"https://api.shop.test": ["orders:read"]}}),
    )
    .await
    .expect(201);
    app.manage("PATCH", &format!("{USERS}/Alice"), json!({"roles": ["r"]})).await.expect(200);
    let key = app
        .key(json!({"name": "k", "owner": "Alice", "api": "https://api.shop.test", "scopes": ["orders:read"]}))
        .await;
    let (realm, now) = (app.app.default_realm, app.app.now());
    let lock = move |tx: &mut admit_store::Tx<'_>| {
        for _ in 0..FAILURES_MAX {
            tx.take_guess(realm, alice.into(), now)?;
        }
        Ok(End::Commit(()))
    };
    app.app.store.write(lock).await.unwrap();
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::NeedsLink));
    let letter = begin(&app, "alice").await.unwrap();
    finish(&app, &letter.secret, NEW).await.unwrap();
    assert_eq!(sign_in(&app, "alice", NEW, stranger(&app)).await, Ok(Proved { user: alice }));
    assert_eq!(events(&app, "sign_in.unlocked").await.len(), 1);
    let shown = app.manage("GET", &format!("{USERS}/Alice"), Value::Null).await.expect(200);
    assert_ne!(shown["email_verified_at"], Value::Null, "pw_13: a mail proved it");
    assert_eq!(app.ask("GET", "/orders/1", key["key"].as_str()).await.status, 200, "keys are asked about, not ended");
}

/// Signs alice in on a browser that is known from then on.
async fn browser(app: &TestApp, alice: UserId) -> (GrantId, HeaderMap) {
    let (realm, now) = (realm(app), app.app.now());
    let entry = Entry::new(alice, &[Factor::Password], Seen::default(), None);
    let begun = session::begin(&app.app, &realm.realm, entry, now).await.unwrap();
    let device = device::remember(&app.app, &realm.realm, alice, Seen::default(), now).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("cookie", format!("admit-device.default={}", device.expose()).parse().unwrap());
    (begun.grant, headers)
}

/// Whether the session lives, and whether the device is known.
fn lives(app: &TestApp, (session, headers): &(GrantId, HeaderMap)) -> (bool, bool) {
    let now = app.app.now();
    let found = app.app.store.point(|tx| tx.find_session(app.app.default_realm, *session, now)).unwrap().unwrap();
    let known = device::of_request(&app.app, &realm(app).realm, headers, None, now).unwrap();
    (found.is_live, known.is_some())
}

#[tokio::test]
async fn se_14_pw_14_a_new_password_ends_every_sign_in_but_the_one_that_chose_it() {
    let (app, alice) = with_alice().await;
    let (own, other) = (browser(&app, alice).await, browser(&app, alice).await);
    assert_eq!((lives(&app, &own), lives(&app, &other)), ((true, true), (true, true)));
    let (current, chosen) = (Secret::new(PASSWORD), Secret::new(NEW));
    let changed = password::change(
        &app.app,
        &realm(&app).realm,
        alice,
        &current,
        Chosen::alone(&chosen),
        Some(own.0),
        stranger(&app),
    )
    .await;
    assert_eq!(changed, Ok(()));
    assert_eq!((lives(&app, &own), lives(&app, &other)), ((true, false), (false, false)));

    let letter = begin(&app, "alice").await.unwrap();
    finish(&app, &letter.secret, PASSWORD).await.unwrap();
    assert_eq!(lives(&app, &own), (false, false), "a reset ends all of them");

    let third = browser(&app, alice).await;
    let told = app.manage("PUT", &format!("{USERS}/Alice/password"), json!({ "password": NEW })).await.expect(200);
    assert_eq!((told, lives(&app, &third)), (json!({"sign_ins_ended": 2, "authorizations_ended": 0}), (false, false)));
}

#[tokio::test]
async fn pw_07_who_changes_his_password_shows_the_one_he_has() {
    let (app, alice) = with_alice().await;
    let change = async |current: &str, chosen: &str| {
        let (current, chosen) = (Secret::new(current), Secret::new(chosen));
        password::change(&app.app, &realm(&app).realm, alice, &current, Chosen::alone(&chosen), None, stranger(&app))
            .await
    };
    assert_eq!(change("another password", NEW).await, Err(NotSet::Current(Refused::Wrong)));
    assert_eq!(change(PASSWORD, "aaaaaaaaaaaaaaaaaaaaa").await, Err(NotSet::Weak(Weakness::Guessable)));
    assert_eq!(change(PASSWORD, NEW).await, Ok(()));
    assert_eq!(sign_in(&app, "alice", NEW, stranger(&app)).await, Ok(Proved { user: alice }));
    assert_eq!(events(&app, "user.password_changed").await.len(), 1);
}
