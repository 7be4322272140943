//! O16: any row of the audit that is changed, deleted, added or moved is found and named.

use admit::jobs::{self, checkpoint};
use serde_json::{Value, json};

use super::{findings, hand, make, seal, verify};
use crate::app::TestApp;
use crate::hand::{EVENT, Hand, SEAL};

/// A server with three seals of at least three events, kept to be put back; the seal in the middle with its first event.
async fn sealed() -> (TestApp, Hand, i64, i64) {
    let app = TestApp::new().await;
    let hand = hand(&app);
    for name in ["a", "b", "c"] {
        make(&app, name, 3).await;
    }
    let last = verify(&app, "").await["last"].as_i64().unwrap();
    assert!(last >= 3, "{last}");
    hand.keep();
    let (middle, event) = (last - 1, hand.first_event(last - 1));
    assert_eq!(findings(&app).await, Vec::<String>::new());
    (app, hand, middle, event)
}

#[tokio::test]
async fn o16_one_octet_of_any_column_of_an_event_is_found_and_named() {
    let (app, hand, seal, event) = sealed().await;
    for column in EVENT {
        hand.flip("event", column, event);
        let found = findings(&app).await;
        let wanted = match column {
            "seal_number" => format!("event {event} was moved from seal {seal} to seal"),
            _ => format!("event {event} (seal {seal}) was changed"),
        };
        assert!(found.iter().any(|found| found.starts_with(&wanted)), "{column}: {found:?}");
        let others = found.iter().filter(|found| !found.contains(&format!("event {event} ")));
        assert_eq!(others.count(), 0, "{column}: nobody else is accused: {found:?}");
        hand.put_back();
    }
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn o16_one_octet_of_any_column_of_a_seal_is_found_and_named() {
    let (app, hand, seal, event) = sealed().await;
    for column in SEAL {
        hand.flip("event_seal", column, seal);
        let found = findings(&app).await;
        let wanted = match column {
            "key_number" => format!("seal {seal} says to be made with master key"),
            _ => format!("seal {seal} was changed"),
        };
        assert!(found[0].starts_with(&wanted), "{column}: {found:?}");
        let of_seal =
            |found: &&String| found.contains(&format!("seal {seal}")) || found.contains(&format!("event {event} "));
        assert!(found.iter().all(|found| of_seal(&found)), "{column}: nobody else is accused: {found:?}");
        hand.put_back();
    }
    hand.renumber_seal(seal, 7000);
    let found = findings(&app).await;
    assert!(found.contains(&"seal 7000 was changed".to_owned()), "{found:?}");
    assert!(found.contains(&format!("seal {seal} was deleted")), "{found:?}");
    hand.put_back();
}

#[tokio::test]
async fn o16_rows_that_are_gone_new_or_swapped_are_found_and_named() {
    let (app, hand, seal, event) = sealed().await;
    let other = event + 1;
    hand.delete_event(event);
    assert_eq!(findings(&app).await, [format!("event {event} (seal {seal}) was deleted")]);
    hand.put_back();

    hand.swap(event, other);
    let says = |event: i64, from: i64| format!("event {event} (seal {seal}) shows what was sealed as event {from}");
    assert_eq!(findings(&app).await, [says(event, other), says(other, event)]);
    hand.put_back();
    // With one of another seal, seals and all.
    let earlier = event - 1;
    hand.swap(event, earlier);
    let found = findings(&app).await;
    for event in [event, earlier] {
        assert!(found.iter().any(|found| found.contains(&format!("event {event} "))), "{found:?}");
    }
    hand.put_back();

    for (number, of) in [(9000, seal), (9001, 7000), (9002, 0), (-5, -3)] {
        hand.insert(number, of);
        assert_eq!(findings(&app).await, [format!("event {number} was added to seal {of} after it was made")]);
        hand.put_back();
    }
    assert_eq!(findings(&app).await, Vec::<String>::new());
}

#[tokio::test]
async fn o16_seals_that_are_gone_are_found_and_so_is_a_chain_that_begins_anew() {
    let (app, hand, seal, _) = sealed().await;
    hand.delete_seals(seal..=seal);
    assert_eq!(findings(&app).await, [format!("seal {seal} was deleted")]);
    hand.delete_events_of(seal..=seal);
    assert_eq!(findings(&app).await, [format!("seal {seal} was deleted")]);
    hand.delete_seals(0..=seal);
    hand.delete_events_of(0..=seal);
    assert_eq!(findings(&app).await, [format!("seals 1 to {seal} were deleted")]);
    // Who says that this is where the old ones were swept cannot prove it.
    hand.set_meta("audit_anchor", "nonsense");
    assert_eq!(findings(&app).await, ["the beginning that the sweep of old seals left was changed"]);
}

#[tokio::test]
async fn o16_an_end_that_was_cut_off_is_found_by_what_was_noted_down() {
    let (app, hand, _, _) = sealed().await;
    let last = verify(&app, "").await["last"].as_i64().unwrap();
    // With the seal itself: what is sealed and not noted could be cut off unseen.
    let file = app.folder.path().join("audit-checkpoint");
    let noted = std::fs::read_to_string(&file).unwrap();
    assert!(noted.starts_with(&format!("{last} ")), "{noted}");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    hand.delete_events_of(last..=last);
    hand.delete_seals(last..=last);
    let says = format!("the audit ends with seal {}, but seal {last} was noted down: the end was cut off", last - 1);
    assert_eq!(findings(&app).await, [says]);
    checkpoint::note(&app.app).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), noted, "the note never goes back");

    make(&app, "d", 1).await;
    assert!(verify(&app, "").await["last"].as_i64().unwrap() >= last, "the chain grew over the cut");
    assert_eq!(findings(&app).await, [format!("seal {last} is not the one that was noted down")]);
    make(&app, "e", 1).await;
    checkpoint::note(&app.app).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), noted, "nor on along another chain");
    hand.put_back();
    assert_eq!(findings(&app).await, Vec::<String>::new());
    make(&app, "f", 1).await;
    checkpoint::note(&app.app).await;
    assert_ne!(std::fs::read_to_string(&file).unwrap(), noted, "and goes on where all is well");
}

#[tokio::test]
async fn the_audit_is_verified_in_parts_by_operators() {
    let (app, hand, _, event) = sealed().await;
    let mut sum = 0;
    let mut after = 0;
    loop {
        let part = verify(&app, &format!("?after={after}&limit=1")).await;
        sum += part["events"].as_i64().unwrap();
        let is_end = part["next"].is_null();
        assert_eq!(part["unsealed"].is_null(), !is_end, "{part}");
        if is_end {
            break;
        }
        after = part["next"].as_i64().unwrap();
    }
    assert_eq!(sum, hand.count("event"));
    hand.flip("event", "actor", event);
    let found = verify(&app, "").await;
    assert_eq!(found["findings"][0]["kind"], "event_changed");
    assert_eq!(found["findings"][0]["event"], json!(event));
    for bad in ["?limit=0", "?limit=1001", "?after=x", "?seal=1"] {
        let reply = app.manage("GET", &format!("/v1/audit/verify{bad}"), Value::Null).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "invalid_request"), "{bad}");
    }
    let api = "urn:admit:realm:default";
    let of_realm = app.key(json!({"name": "r", "api": api, "scopes": ["events:read"]})).await;
    let reply = app.manage_as(of_realm["key"].as_str().unwrap(), "GET", "/v1/audit/verify", Value::Null).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (401, "invalid_credential"),
        "the whole server's audit is no realm's"
    );
}

#[tokio::test]
async fn an_erased_detail_still_verifies() {
    let app = TestApp::new().await;
    make(&app, "a", 2).await;
    let hand = hand(&app);
    let sealed = app.app.store.read(|tx| tx.list_sealed(1, 9, 100)).await.unwrap();
    let (number, id, detail) = sealed
        .iter()
        .find_map(|entry| {
            entry.columns.as_ref().and_then(|columns| Some((entry.number, columns.id, columns.detail.clone()?)))
        })
        .unwrap();
    let erased = app.app.master.keys().active().audit.erase(id, &detail);
    hand.set_detail(number, &erased);
    assert_eq!(findings(&app).await, Vec::<String>::new());
    hand.set_detail(number, &erased.replace(['1', 'a'], "0"));
    assert_eq!(findings(&app).await.len(), 1);
}

#[tokio::test]
async fn what_many_write_at_once_is_sealed_whole() {
    let app = TestApp::new().await;
    let mut tasks = Vec::new();
    for task in 0..8 {
        let app = app.app.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0..100_u32 {
                let now = app.now();
                let event = admit_core::audit::Event {
                    id: app.id(now),
                    number: 0,
                    seal: None,
                    realm: Some(app.default_realm),
                    at: now,
                    kind: "test.made".to_owned(),
                    actor: format!("task {task}"),
                    target: number.to_string(),
                    reason: None,
                    request_id: None,
                    detail: Value::Null,
                };
                let insert = move |tx: &mut admit_store::Tx<'_>| tx.insert_event(&event).map(admit_store::End::Commit);
                app.store.write(insert).await.unwrap();
                if number % 10 == 0 {
                    jobs::seal::run(&app).await;
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    seal(&app).await;
    assert_eq!(findings(&app).await, Vec::<String>::new());
    let hand = hand(&app);
    assert!(hand.count("event") >= 800);
    assert_eq!(hand.sealed_events(), hand.count("event"));
}
