//! What is older than 400 days goes, and verification begins where it ended.

use admit::jobs::retention::{self, ANCHOR};
use admit_core::audit::seal::{Keys, Seal};
use admit_core::secret::MasterKey;
use admit_core::time::Span;

use super::{findings, hand, make, verify};
use crate::app::TestApp;
use crate::hand::Hand;

/// A server with old seals and a young one; the number of the last old one.
async fn aged() -> (TestApp, Hand, i64) {
    let app = TestApp::new().await;
    make(&app, "a", 3).await;
    make(&app, "b", 120).await;
    let last = verify(&app, "").await["last"].as_i64().unwrap();
    app.clock.advance(Span::days(401));
    make(&app, "young", 2).await;
    let hand = hand(&app);
    assert_eq!(findings(&app).await, Vec::<String>::new());
    (app, hand, last)
}

async fn anchor(app: &TestApp) -> Option<Vec<u8>> {
    app.app.store.read(|tx| tx.find_meta(ANCHOR)).await.unwrap()
}

async fn set_anchor(app: &TestApp, anchor: Vec<u8>) {
    let write = move |tx: &mut admit_store::Tx<'_>| tx.update_meta(ANCHOR, &anchor).map(admit_store::End::Commit);
    app.app.store.write(write).await.unwrap();
}

async fn seals(app: &TestApp) -> Vec<Seal> {
    app.app.store.read(|tx| tx.list_seals(0, 1000)).await.unwrap()
}

#[tokio::test]
async fn old_seals_go_with_their_events_and_what_is_left_verifies() {
    let (app, hand, last) = aged().await;
    let before = hand.count("event");
    assert!(before > 123, "{before}");
    retention::run(&app.app).await;
    assert!(seals(&app).await.iter().all(|seal| seal.number > last));
    let left = hand.count("event");
    assert!((2..before - 120).contains(&left), "{left} of {before}");
    assert_eq!(findings(&app).await, Vec::<String>::new());
    let moved = anchor(&app).await.unwrap();
    retention::run(&app.app).await;
    assert_eq!((anchor(&app).await, hand.count("event")), (Some(moved), left), "what is young stays");

    // However old it is, the newest seal is what the next one follows.
    app.clock.advance(Span::days(401));
    let newest = seals(&app).await.pop().unwrap();
    retention::run(&app.app).await;
    assert_eq!(seals(&app).await, std::slice::from_ref(&newest));
    make(&app, "c", 1).await;
    assert_eq!(seals(&app).await[1].previous_mac, newest.mac);
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn o16_a_forged_beginning_is_found_and_nothing_is_swept_behind_it() {
    let (app, hand, last) = aged().await;
    let first = seals(&app).await.remove(0);
    let older = app.app.master.keys().active().audit.anchor(&first);
    retention::run(&app.app).await;
    let honest = anchor(&app).await.unwrap();
    assert_ne!(honest, older);
    let young = seals(&app).await.remove(0);
    app.clock.advance(Span::days(401));
    make(&app, "c", 1).await;

    let changed = "the beginning that the sweep of old seals left was changed".to_owned();
    let forger = Keys::new(&MasterKey::new([8; 32]), 1);
    let flipped: Vec<_> = (0..honest.len())
        .step_by(9)
        .map(|at| {
            let mut octets = honest.clone();
            octets[at] ^= 1;
            octets
        })
        .collect();
    let events = hand.count("event");
    for forged in flipped.into_iter().chain([forger.anchor(&young), Vec::new()]) {
        set_anchor(&app, forged.clone()).await;
        assert_eq!(findings(&app).await, std::slice::from_ref(&changed));
        retention::run(&app.app).await;
        assert_eq!((anchor(&app).await, hand.count("event")), (Some(forged), events));
    }
    // A true one of an earlier time.
    set_anchor(&app, older).await;
    let gone = if last == 2 { "seal 2 was deleted".to_owned() } else { format!("seals 2 to {last} were deleted") };
    assert_eq!(findings(&app).await, [gone]);
    retention::run(&app.app).await;
    assert_eq!(hand.count("event"), events);
    set_anchor(&app, honest).await;
    assert_eq!(findings(&app).await, Vec::<String>::new());
    retention::run(&app.app).await;
    assert!(hand.count("event") < events, "where all is well again it goes on");
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn o16_a_young_seal_that_is_called_old_stays_and_is_found() {
    let app = TestApp::new().await;
    make(&app, "a", 3).await;
    make(&app, "b", 3).await;
    let (hand, first) = (hand(&app), seals(&app).await[0].number);
    let events = hand.count("event");
    hand.age_seal(first);
    retention::run(&app.app).await;
    assert_eq!((anchor(&app).await, hand.count("event")), (None, events));
    assert_eq!(findings(&app).await, [format!("seal {first} was changed")]);
}
