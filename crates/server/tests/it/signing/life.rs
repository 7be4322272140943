//! One key after the other: who makes it, when it signs, how it ends.

use std::sync::Arc;

use admit::check::policies::RealmPolicy;
use admit::jobs;
use admit::signing;
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SIGNING;
use admit_core::signing_key::{KEYS_MAX, LEAD, LONGEST, PERIOD, Purpose, Term};
use admit_core::time::Span;
use admit_store::{End, SealedSigningKey};
use serde_json::{Value, json};

use super::KEYS;
use crate::app::TestApp;
use crate::token::Desk;

#[tokio::test]
async fn the_first_key_is_made_where_it_is_missed_and_lasts() {
    let app = TestApp::new().await;
    let (policy, now) = (app.policy(), app.app.now());
    let at_hand = || signing::at_hand(&app.app, &policy, Purpose::Issuer, Algorithm::Es256, now).unwrap();
    assert!(at_hand().is_none() && app.published().await.is_empty(), "nothing is made before it is needed");
    let token = app.signed().await;
    assert_eq!(at_hand().unwrap().kid(), app.signing(Algorithm::Es256).await.kid());
    assert!(app.is_own(&token));
    assert_eq!(app.states().await, ["signing"]);
    let upstream =
        signing::verifying(&app.app, &policy, Purpose::Upstream, app.signing(Algorithm::Es256).await.kid(), now);
    assert!(upstream.unwrap().is_none(), "a key of the issuer says nothing to applications");
    let events = app.manage("GET", "/v1/realms/default/events?kind=signing_key.", Value::Null).await.expect(200);
    let event = &events["items"][0];
    assert_eq!((&event["kind"], &event["detail"]["why"]), (&json!("signing_key.made"), &json!("missing")));

    let app = TestApp::in_folder(app.stop().await, "").await;
    assert!(app.is_own(&token), "after a restart too");
    assert_eq!(app.states().await, ["signing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_make_the_first_key_at_once_all_get_the_same() {
    let app = TestApp::new().await;
    for algorithm in SIGNING {
        let (a, b, c) = tokio::join!(app.signing(algorithm), app.signing(algorithm), app.signing(algorithm));
        assert!(a.kid() == b.kid() && b.kid() == c.kid(), "{algorithm}");
    }
    assert_eq!(app.states().await, ["signing"; 4]);
    let mut kids = app.published().await;
    kids.sort();
    kids.dedup();
    assert_eq!(kids.len(), 4);
}

#[tokio::test]
async fn st_09_a_rotation_is_seen_before_it_counts_and_the_old_key_stays_as_long_as_its_tokens() {
    let app = TestApp::new().await;
    app.shop().await;
    let first = app.signed().await;
    let next = app.manage("POST", KEYS, json!({})).await.expect(201);
    assert_eq!((&next["state"], &next["algorithm"]), (&json!("next"), &json!("ES256")));
    assert_eq!(app.manage("POST", KEYS, json!({})).await.expect(201)["id"], next["id"], "one waits already");
    assert_eq!(app.published().await.len(), 2);
    let kid = |token: &str| admit_core::jose::jws::Compact::parse(token).unwrap().header().kid.clone().unwrap();
    app.clock.advance(Span::seconds(599));
    let second = app.signed().await;
    assert_eq!(kid(&second), kid(&first), "it waits");
    app.clock.advance(Span::seconds(1));
    let third = app.signed().await;
    assert_eq!(json!(kid(&third)), next["kid"]);
    assert_eq!(app.states().await, ["old", "signing"]);
    app.clock.advance(Span::minutes(10));
    assert!(app.is_own(&second) && app.is_own(&third), "what the old one signed last may live");
    assert_eq!(app.published().await.len(), 2);
    app.clock.advance(Span::seconds(11));
    assert!(!app.is_own(&second) && app.is_own(&third));
    assert_eq!((app.published().await, app.states().await), (vec![kid(&third)], vec!["over".into(), "signing".into()]));
    app.clock.advance(LONGEST);
    jobs::sweep::run(&app.app).await;
    assert_eq!(app.states().await, ["signing"]);
}

#[tokio::test]
async fn a_key_that_is_asked_for_at_once_signs_at_once() {
    let app = TestApp::new().await;
    let first = app.signed().await;
    let made = app.manage("POST", KEYS, json!({"now": true})).await.expect(201);
    assert_eq!(made["state"], "signing");
    assert!(app.is_own(&first) && app.is_own(&app.signed().await));
    let waits = app.manage("POST", KEYS, json!({})).await.expect(201);
    let hastened = app.manage("POST", KEYS, json!({"now": true})).await.expect(201);
    assert_eq!(
        (&hastened["id"], &hastened["state"]),
        (&waits["id"], &json!("signing")),
        "the one that everybody knows"
    );
    assert_eq!(app.published().await.len(), 3);
    assert_eq!(json!(app.signing(Algorithm::Es256).await.kid()), waits["kid"]);
}

/// The first token makes a key too, and whoever asks for one waits for the others while the clock goes on.
#[tokio::test(flavor = "multi_thread")]
async fn of_keys_that_are_asked_for_at_once_by_many_each_signs_after_the_one_before() {
    let app = Arc::new(TestApp::new().await);
    app.shop().await;
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (app, signs) = (app.clone(), app.clone());
        asking.spawn(async move { app.manage("POST", KEYS, json!({"now": true})).await.expect(201) });
        asking.spawn(async move { signs.signed().await.into() });
    }
    let answers = asking.join_all().await;
    let made = || answers.iter().filter(|answer| answer.is_object());
    assert!(made().all(|key| key["state"] == "signing"), "{answers:#?}");
    let realm = app.app.default_realm;
    let mut kept = app.app.store.read(move |tx| tx.list_signing_keys(realm)).await.unwrap();
    kept.sort_by_key(|key| key.term.signs_from);
    assert!(
        kept.is_sorted_by(|key, next| key.term.signs_from < next.term.signs_from),
        "no two begin together: {kept:#?}"
    );
    let last = &kept.last().unwrap().term.kid;
    assert_eq!(last, app.signing(Algorithm::Es256).await.kid());
    assert!(made().count() == 20 && made().any(|key| key["kid"] == **last));
}

#[tokio::test]
async fn st_09_a_revoked_key_is_good_for_nothing_at_the_next_request_and_another_signs() {
    let app = TestApp::new().await;
    let token = app.signed().await;
    assert!(app.is_own(&token));
    let id = app.signing_keys().await[0].0.clone();
    app.manage("DELETE", &format!("{KEYS}/{id}"), Value::Null).await.expect(204);
    assert!(!app.is_own(&token));
    assert_eq!(app.states().await, ["revoked", "signing"], "made with it");
    let other = app.signed().await;
    assert!(app.is_own(&other));
    assert_eq!(app.published().await.len(), 1);
    app.manage("DELETE", &format!("{KEYS}/{id}"), Value::Null).await.expect(204);
    assert_eq!(app.states().await, ["revoked", "signing"], "again: nothing more");
    let events = app.manage("GET", "/v1/realms/default/events?kind=signing_key.revoked", Value::Null).await.expect(200);
    assert_eq!((events["items"].as_array().unwrap().len(), &events["items"][0]["target"]), (1, &json!(id)));

    // Where one waits, it steps in: everybody may know it already.
    let next = app.manage("POST", KEYS, json!({})).await.expect(201);
    let id = app.signing_keys().await[1].0.clone();
    app.manage("DELETE", &format!("{KEYS}/{id}"), Value::Null).await.expect(204);
    assert_eq!(app.states().await, ["revoked", "revoked", "signing"]);
    assert_eq!(json!(app.signing(Algorithm::Es256).await.kid()), next["kid"]);
    for unknown in ["sig_01hzzzzzzzzzzzzzzzzzzzzzzz", "x"] {
        let refused = app.manage("DELETE", &format!("{KEYS}/{unknown}"), Value::Null).await;
        assert_eq!((refused.status, refused.code().as_str()), (404, "not_found"));
        assert!(refused.text.contains("admit signing-key list"), "{}", refused.text);
    }
}

#[tokio::test]
async fn st_09_what_a_revoked_key_signed_is_refused_though_it_is_remembered() {
    let desk = Desk::new().await;
    let (first, read) = (desk.token().await, async |token: &str| desk.read(token).await.status);
    desk.app.manage("POST", KEYS, json!({"now": true})).await.expect(201);
    let second = desk.token().await;
    for _ in 0..2 {
        assert_eq!((read(&first).await, read(&second).await), (200, 200), "then from the cache");
    }
    let id = desk.app.signing_keys().await[0].0.clone();
    desk.app.manage("DELETE", &format!("{KEYS}/{id}"), Value::Null).await.expect(204);
    assert_eq!(desk.refused(&first).await, "unknown_signing_key");
    assert_eq!(read(&second).await, 200, "another key's");
}

#[tokio::test]
async fn no_key_is_drawn_where_none_is_needed() {
    let app = TestApp::new().await;
    app.signed().await;
    let drawn = || app.app.signing.workshop().drawn();
    assert_eq!(drawn(), 1);
    jobs::signing::run(&app.app).await;
    assert_eq!(drawn(), 1, "none is due");
    let next = app.manage("POST", KEYS, json!({})).await.expect(201);
    assert_eq!(app.manage("POST", KEYS, json!({"now": true})).await.expect(201)["id"], next["id"]);
    assert_eq!(drawn(), 2, "one waited");
    let next = app.manage("POST", KEYS, json!({})).await.expect(201);
    let revoke = async |key: &Value| {
        app.manage("DELETE", &format!("{KEYS}/{}", key["id"].as_str().unwrap()), Value::Null).await.expect(204)
    };
    assert_eq!(drawn(), 3);
    revoke(&next).await;
    assert_eq!(drawn(), 3, "another one signs");
    for _ in 0..KEYS_MAX {
        app.manage("POST", KEYS, json!({"now": true})).await;
    }
    let before = drawn();
    assert_eq!(app.manage("POST", KEYS, json!({"now": true})).await.code(), "too_many");
    assert_eq!(drawn(), before, "there are too many");
}

#[tokio::test(flavor = "multi_thread")]
async fn fl_a_realm_whose_keys_are_asked_for_without_end_makes_no_other_wait_for_all_of_them() {
    let app = TestApp::new().await;
    // One that does not stand in the same line by chance.
    let is_far = |realm: &Arc<RealmPolicy>| realm.realm.id.bytes()[15] % 64 != app.app.default_realm.bytes()[15] % 64;
    let mut acme = app.policy();
    while !is_far(&acme) {
        let name = format!("acme-{}", app.app.directory.count());
        app.manage("POST", "/v1/realms", json!({"name": name})).await.expect(201);
        acme = app.app.policies.named(&app.app, Some(&name)).unwrap().unwrap();
    }
    let workshop = app.app.signing.workshop();
    // Whoever draws for one realm has its turn: of all who wait, one stands in line for a place.
    let turn = workshop.turn(app.app.default_realm).await;
    let (app, now) = (&app, app.app.now());
    let storm =
        futures_util::future::join_all((0..50).map(|_| app.manage("POST", KEYS, json!({"algorithm": "RS256"}))));
    let other = async {
        let key = signing::key(&app.app, &acme, Purpose::Issuer, Algorithm::Rs256, now).await;
        drop(turn);
        key
    };
    let (all, key) = tokio::join!(storm, other);
    assert!(key.is_ok() && all.iter().all(|reply| [201, 503].contains(&reply.status)));
    assert_eq!(workshop.drawn(), 3, "one for the other; one that signs and one that waits, which all others found");
}

#[tokio::test]
async fn the_next_key_is_made_in_time_by_one_node_and_once() {
    let app = TestApp::new().await;
    app.signed().await;
    jobs::signing::run(&app.app).await;
    assert_eq!(app.states().await, ["signing"]);
    app.clock.advance(Span::ms(PERIOD.as_ms() - LEAD.as_ms()));
    jobs::signing::run(&app.app).await;
    assert_eq!(app.states().await, ["signing", "next"]);
    app.clock.advance(Span::minutes(1));
    jobs::signing::run(&app.app).await;
    assert_eq!(app.states().await, ["signing", "next"], "it waits");
    app.clock.advance(LEAD);
    assert_eq!(app.states().await, ["old", "signing"]);
}

#[tokio::test]
async fn only_what_signs_is_asked_for_and_only_so_often() {
    let app = TestApp::new().await;
    for (body, path) in [
        (json!({"algorithm": "HS256"}), "algorithm: must be one of ES256, RS256, PS256, EdDSA"),
        (json!({"algorithm": "none"}), "algorithm: must be one of"),
        (json!({"purpose": "mine"}), "purpose: must be issuer or upstream"),
        (json!({"private": "x"}), "unknown field"),
    ] {
        let refused = app.manage("POST", KEYS, body).await;
        assert!(refused.status == 400 && refused.text.contains(path), "{}", refused.text);
    }
    app.signing(Algorithm::EdDsa).await;
    assert_eq!(app.manage("POST", KEYS, json!({})).await.expect(201)["algorithm"], "EdDSA", "what the realm signs by");
    app.signed().await;
    let unclear = app.manage("POST", KEYS, json!({})).await;
    let told = "algorithm: is needed, for this realm signs by ES256 and by EdDSA. Next: admit signing-key rotate \
                --algorithm ES256, or admit signing-key rotate --algorithm EdDSA";
    assert_eq!((unclear.status, unclear.json()["detail"].as_str()), (400, Some(told)), "{}", unclear.text);
    let at_once = json!({"algorithm": "ES256", "now": true});
    for _ in 3..KEYS_MAX {
        app.manage("POST", KEYS, at_once.clone()).await.expect(201);
    }
    let refused = app.manage("POST", KEYS, at_once.clone()).await;
    assert_eq!((refused.status, refused.code().as_str()), (409, "too_many"), "{}", refused.text);
    app.manage("POST", KEYS, json!({"purpose": "upstream"})).await.expect(201);
    let id = app.signing_keys().await.into_iter().find(|(_, state)| state == "old").unwrap().0;
    app.manage("DELETE", &format!("{KEYS}/{id}"), Value::Null).await.expect(204);
    app.manage("POST", KEYS, at_once).await.expect(201);
}

/// Whoever can write the table has no key for the seal.
#[tokio::test]
async fn a_key_that_somebody_planted_signs_and_verifies_nothing() {
    let app = TestApp::new().await;
    app.signed().await;
    let (realm, now) = (app.app.default_realm, app.app.now());
    let kept = app.app.store.point(|tx| tx.list_signing_keys(realm)).unwrap().remove(0);
    let planted = |kid: &str, sealed: &[u8]| SealedSigningKey {
        id: app.app.id(now),
        term: Term { kid: kid.to_owned(), signs_from: now + Span::seconds(1), ..kept.term.clone() },
        sealed: sealed.to_vec(),
        ..kept.clone()
    };
    // One that was made elsewhere, and the real one under another id.
    for row in [planted("mine", b"a key of somebody else's"), planted("moved", &kept.sealed)] {
        app.app.store.write(move |tx| tx.insert_signing_key(&row).map(End::Commit)).await.unwrap();
    }
    app.clock.advance(Span::seconds(2));
    assert_eq!(app.published().await, std::slice::from_ref(&kept.term.kid));
    assert_eq!(app.signing(Algorithm::Es256).await.kid(), kept.term.kid);
}

#[tokio::test]
async fn no_private_half_is_ever_shown() {
    let app = TestApp::new().await;
    for algorithm in SIGNING {
        app.signing(algorithm).await;
    }
    let id = app.signing_keys().await[0].0.clone();
    for path in [KEYS.to_owned(), format!("{KEYS}/{id}"), "/.well-known/jwks.json".to_owned()] {
        let shown = app.manage("GET", &path, Value::Null).await;
        for member in ["\"d\"", "\"p\"", "\"q\"", "\"dp\"", "\"dq\"", "\"qi\"", "\"k\"", "sealed"] {
            assert!(!shown.text.contains(member), "{path}: {member}");
        }
    }
}
