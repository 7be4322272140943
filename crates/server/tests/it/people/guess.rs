//! Guessing at passwords: what is told, what is counted, and who goes on.

use std::time::{Duration, Instant};

use admit::login::hashing::{self, Lane};
use admit::login::verify::{Asker, Proved, Refused};
use admit_core::id::RealmId;
use admit_core::login::guard::{Account, FAILURES_MAX};
use admit_core::time::Span;
use admit_store::End;
use serde_json::{Value, json};

use super::{PASSWORD, USERS, elsewhere, events, from, realm, reasons, sign_in, stranger, with_alice};
use crate::app::TestApp;

/// Counts so many failures, as if they had been.
async fn fail(app: &TestApp, account: Account, count: i64) {
    let (realm, now) = (app.app.default_realm, app.app.now());
    let work = move |tx: &mut admit_store::Tx<'_>| {
        for _ in 0..count {
            assert!(tx.take_guess(realm, account, now)?.is_some());
        }
        Ok(End::Commit(()))
    };
    app.app.store.write(work).await.unwrap();
}

#[tokio::test]
async fn pw_01_every_failure_is_told_alike_and_only_the_audit_knows_why() {
    let (app, alice) = with_alice().await;
    for body in [json!({"name": "bob", "password": PASSWORD}), json!({"name": "carol"})] {
        app.manage("POST", USERS, body).await.expect(201);
    }
    app.manage("PATCH", &format!("{USERS}/bob"), json!({"disabled": true})).await.expect(200);
    let typed = [
        ("alice", "another password"),
        ("bob", PASSWORD),
        ("carol", PASSWORD),
        ("nobody", PASSWORD),
        ("\u{200B}", PASSWORD),
    ];
    for (name, password) in typed {
        assert_eq!(sign_in(&app, name, password, stranger(&app)).await, Err(Refused::Wrong), "{name}");
    }
    let why = ["wrong_password", "subject_disabled", "no_password", "unknown_name", "unknown_name"];
    assert_eq!(reasons(&app).await, why);
    let failed = events(&app, "sign_in.failed").await;
    assert_eq!(
        (failed[0]["target"].as_str(), failed[3]["target"].as_str()),
        (Some(alice.to_string().as_str()), Some(""))
    );
    let told = Value::from(failed).to_string();
    assert!(
        !told.contains("nobody") && !told.contains(PASSWORD) && !told.contains("another password"),
        "lo_02: {told}"
    );
    assert_eq!(sign_in(&app, "ALICE", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pw_02_of_200_guesses_at_once_under_all_names_100_are_tried() {
    let (app, alice) = with_alice().await;
    let mut guesses = tokio::task::JoinSet::new();
    for number in 0..200 {
        let name = ["alice", "alice@example.com", "ALICE", "Ａlice"][number % 4];
        let (own, realm, asker) = (app.app.clone(), realm(&app), stranger(&app));
        guesses.spawn(async move {
            loop {
                let password = admit_core::secret::Secret::new(format!("guess {number}"));
                match admit::login::verify::password(&own, &realm.realm, name, &password, asker).await {
                    Err(Refused::Full) => tokio::time::sleep(Duration::from_millis(20)).await,
                    other => return other,
                }
            }
        });
    }
    let answers = guesses.join_all().await;
    let count = |wanted| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!((count(Err(Refused::Wrong)), count(Err(Refused::NeedsLink))), (100, 100));
    assert_eq!(
        sign_in(&app, "alice", PASSWORD, stranger(&app)).await,
        Err(Refused::NeedsLink),
        "not even the right one"
    );
    let locked = events(&app, "sign_in.locked").await;
    assert_eq!((locked.len(), locked[0]["target"].as_str()), (1, Some(alice.to_string().as_str())));
    let failed = events(&app, "sign_in.failed").await;
    let sum: i64 = failed.iter().map(|event| event["detail"]["count"].as_i64().unwrap_or(1)).sum();
    assert_eq!(sum, 201, "each is counted, and they are few rows: {}", failed.len());
}

#[tokio::test]
async fn pw_02_success_gives_back_what_was_counted() {
    let (app, alice) = with_alice().await;
    fail(&app, alice.into(), FAILURES_MAX - 1).await;
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }), "the hundredth");
    fail(&app, alice.into(), FAILURES_MAX - 1).await;
    assert_eq!(sign_in(&app, "alice", "another password", stranger(&app)).await, Err(Refused::Wrong));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::NeedsLink));
    assert!(events(&app, "sign_in.unlocked").await.is_empty(), "there was no lock before");
}

#[tokio::test]
async fn pw_01_a_name_that_is_nobodys_is_locked_like_any_other() {
    let (app, _) = with_alice().await;
    let nobody = app.app.master.keys().active().nobody.account(app.app.default_realm, "nobody");
    fail(&app, nobody, FAILURES_MAX - 1).await;
    assert_eq!(sign_in(&app, "NOBODY", PASSWORD, stranger(&app)).await, Err(Refused::Wrong));
    assert_eq!(sign_in(&app, "nobody", PASSWORD, stranger(&app)).await, Err(Refused::NeedsLink));
    assert!(events(&app, "sign_in.locked").await.is_empty(), "there is nobody to tell of");
}

#[tokio::test]
async fn pw_03_the_victim_goes_on_where_he_is_known_and_the_lock_ends() {
    let (app, alice) = with_alice().await;
    fail(&app, alice.into(), FAILURES_MAX).await;
    let known = Asker { known: Some(alice), ..stranger(&app) };
    assert_eq!(sign_in(&app, "alice", PASSWORD, known).await, Ok(Proved { user: alice }));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::NeedsLink), "strangers stay out");
    let bobs = Asker { known: Some(admit_core::id::UserId::from_bytes([7; 16])), ..stranger(&app) };
    assert_eq!(
        sign_in(&app, "alice", PASSWORD, bobs).await,
        Err(Refused::NeedsLink),
        "another's device is a stranger's"
    );
    let unlocked = app.manage("POST", &format!("{USERS}/alice/unlock"), Value::Null).await.expect(404);
    assert_eq!(unlocked["code"], "not_found", "names of the management API are as they are written");
    let unlock = format!("{USERS}/Alice/unlock");
    assert_eq!(app.manage("POST", &unlock, Value::Null).await.expect(200), json!({"was_locked": true}));
    assert_eq!(app.manage("POST", &unlock, Value::Null).await.expect(200), json!({"was_locked": false}));
    let events = events(&app, "sign_in.unlocked").await;
    assert_eq!((events.len(), events[0]["actor"].as_str()), (1, Some("operator")));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }));

    fail(&app, alice.into(), FAILURES_MAX).await;
    app.clock.advance(Span::ms(Span::hours(24).as_ms() - Span::minutes(5).as_ms()));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Err(Refused::NeedsLink));
    app.clock.advance(Span::minutes(5));
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }), "never for ever");
}

#[tokio::test]
async fn pw_02_one_network_slows_down_and_another_does_not_notice() {
    let (app, alice) = with_alice().await;
    let home = elsewhere();
    let (mut tried, mut waits) = (0, None);
    while waits.is_none() && tried < 30 {
        match sign_in(&app, "alice", "another password", from(&app, home)).await {
            Err(Refused::Later { retry_after_s }) => waits = Some(retry_after_s),
            other => assert_eq!(other, Err(Refused::Wrong)),
        }
        tried += 1;
    }
    // A slow machine may get one or two back meanwhile.
    assert!((11..=20).contains(&tried), "{tried}");
    let retry_after_s = waits.unwrap();
    assert!((1..=6).contains(&retry_after_s), "{retry_after_s}");
    assert!(reasons(&app).await.contains(&"too_fast".to_owned()));
    let known = Asker { known: Some(alice), ..from(&app, home) };
    assert_eq!(sign_in(&app, "alice", PASSWORD, known).await, Ok(Proved { user: alice }), "the neighbour's storm");
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }));
    app.clock.advance(Span::seconds(i64::from(retry_after_s)));
    assert_eq!(sign_in(&app, "alice", PASSWORD, from(&app, home)).await, Ok(Proved { user: alice }));
}

#[tokio::test]
async fn pw_02_a_network_has_one_budget_for_all_accounts() {
    let app = TestApp::with("[login]\nnetwork = '3/1h'").await;
    let home = elsewhere();
    for name in ["a", "b", "c"] {
        assert_eq!(sign_in(&app, name, PASSWORD, from(&app, home)).await, Err(Refused::Wrong));
    }
    assert!(matches!(sign_in(&app, "d", PASSWORD, from(&app, home)).await, Err(Refused::Later { .. })));
    assert_eq!(sign_in(&app, "d", PASSWORD, stranger(&app)).await, Err(Refused::Wrong));
}

#[tokio::test]
async fn pw_04_who_finds_no_place_is_told_at_once_and_nothing_is_counted() {
    let (app, alice) = with_alice().await;
    // Hers is given back a moment after she was made.
    while app.app.hashing.taken() > 0 {
        tokio::task::yield_now().await;
    }
    let mut places = Vec::new();
    while let Ok(place) =
        app.app.hashing.enter(hashing::Asker { lane: Lane::Unknown, realm: app.app.default_realm, source: None })
    {
        places.push(place);
    }
    let since = Instant::now();
    for _ in 0..FAILURES_MAX + 10 {
        assert_eq!(sign_in(&app, "alice", "another password", stranger(&app)).await, Err(Refused::Full));
    }
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
    assert!(app.app.metrics.page(&app.app).contains("admit_hash_refused_total 110"));
    let other = hashing::Asker { lane: Lane::Unknown, realm: RealmId::from_bytes([7; 16]), source: None };
    assert!(app.app.hashing.enter(other).is_ok(), "another realm has places");
    drop(places);
    assert_eq!(sign_in(&app, "alice", PASSWORD, stranger(&app)).await, Ok(Proved { user: alice }));
}

#[tokio::test]
async fn pw_05_what_is_too_long_is_not_hashed() {
    let (app, _) = with_alice().await;
    let since = Instant::now();
    for password in [String::new(), "x".repeat(129), "x".repeat(1 << 20)] {
        for _ in 0..50 {
            assert_eq!(sign_in(&app, "alice", &password, stranger(&app)).await, Err(Refused::Wrong));
        }
    }
    assert!(app.app.metrics.page(&app.app).contains("admit_hash_seconds_count 1"), "only hers, when she was made");
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
}
