//! The audit.

use admit_core::audit::Event;
use admit_core::id::RealmId;
use admit_store::{End, EventFilter};
use serde_json::json;

use crate::fixture::{Engine, NOW, Population, TestStore, engine, id};
use crate::seal::{keys, seal};

both!(
    events_are_numbered_in_commit_order_and_followed_or_looked_back_on,
    an_event_that_is_committed_late_is_not_missed,
    an_event_comes_back_as_it_was_and_not_at_all_if_its_unit_was_undone
);

fn event(realm: RealmId, kind: &str, target: &str) -> Event {
    Event {
        id: id(),
        number: 0,
        seal: None,
        realm: Some(realm),
        at: NOW,
        kind: kind.to_owned(),
        actor: "operator".to_owned(),
        target: target.to_owned(),
        reason: None,
        request_id: None,
        detail: serde_json::Value::Null,
    }
}

fn events_are_numbered_in_commit_order_and_followed_or_looked_back_on() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let kinds = ["key.created", "key.revoked", "rule.deleted", "keyring.x", "key.created"];
    for (place, kind) in kinds.into_iter().enumerate() {
        let made = event(home, kind, &format!("t{place}"));
        assert_eq!(store.put(move |tx| tx.insert_event(&made)), place as i64 + 1);
    }
    let numbers = |events: Vec<Event>| events.into_iter().map(|event| event.number).collect::<Vec<_>>();
    let any = EventFilter::default;
    let kind = |kind: &str| EventFilter { kind: Some(kind.to_owned()), ..any() };
    let follow = |filter: EventFilter, after| numbers(store.get(|tx| tx.list_events(home, &filter, after, 9)));
    let latest = |filter: EventFilter, before, limit| {
        numbers(store.get(|tx| tx.list_latest_events(home, &filter, before, limit)))
    };
    assert!(follow(any(), 0).is_empty() && follow(any(), 3).is_empty(), "without a seal nothing is to be followed");
    seal(&store, 3);
    assert_eq!(follow(any(), 0), [1, 2, 3]);
    assert!(follow(any(), 4).is_empty(), "nobody knows yet what comes after it");
    seal(&store, 9);
    assert_eq!(follow(any(), 3), [4, 5]);
    assert_eq!(follow(any(), 2), [3, 4, 5]);
    assert!(follow(any(), 5).is_empty() && follow(any(), 99).is_empty());
    assert_eq!(latest(any(), None, 2), [5, 4]);
    assert_eq!(latest(any(), Some(4), 9), [3, 2, 1]);
    assert_eq!(follow(kind("key."), 0), [1, 2, 5], "a beginning ends at its dot");
    assert_eq!(latest(kind("key.created"), None, 9), [5, 1]);
    assert_eq!(follow(EventFilter { target: Some("t2".to_owned()), ..any() }, 0), [3]);
    assert!(follow(EventFilter { actor: Some("nobody".to_owned()), ..any() }, 0).is_empty());
}

fn an_event_that_is_committed_late_is_not_missed() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    for target in ["late", "b", "c", "later"] {
        let made = event(home, "key.created", target);
        store.put(move |tx| tx.insert_event(&made));
    }
    let follow = |after, limit| {
        let events = store.get(|tx| tx.list_events(home, &EventFilter::default(), after, limit));
        events.iter().map(|event| (event.number, event.seal.unwrap())).collect::<Vec<_>>()
    };
    // As it is where the first and the last are committed after the others were sealed.
    let entries = store.get(|tx| tx.list_unsealed(9));
    let first = keys().seal(None, &entries[1..3], NOW).unwrap();
    store.put(move |tx| tx.insert_seal(&first));
    assert_eq!(follow(0, 9), [(2, 1), (3, 1)]);
    assert!(follow(3, 9).is_empty());
    seal(&store, 9);
    assert_eq!(follow(3, 9), [(1, 2), (4, 2)]);
    assert_eq!(follow(2, 2), [(3, 1), (1, 2)]);
    assert_eq!(follow(1, 9), [(4, 2)]);
    assert!(follow(4, 9).is_empty());
}

fn an_event_comes_back_as_it_was_and_not_at_all_if_its_unit_was_undone() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let undone = event(home, "key.created", "a");
    store.write_blocking(move |tx| tx.insert_event(&undone).map(End::Rollback)).unwrap();
    let whole = Event {
        reason: Some("owner_gone".to_owned()),
        request_id: Some("req_1".to_owned()),
        detail: json!({ "scopes": ["a"] }),
        ..event(home, "key.refused", "b")
    };
    let made = whole.clone();
    let number = store.put(move |tx| tx.insert_event(&made));
    if engine() == Engine::Sqlite {
        assert_eq!(number, 1, "no number was lost");
    }
    assert_eq!(
        store.get(|tx| tx.list_latest_events(home, &EventFilter::default(), None, 9)),
        [Event { number, ..whole }]
    );
}
