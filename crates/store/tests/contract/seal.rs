//! Seals: what is not sealed yet, and what comes back of what is.

use admit_core::audit::Event;
use admit_core::audit::seal::{self, Entry, Keys, Seal};
use admit_core::id::RealmId;
use admit_core::secret::MasterKey;
use admit_store::{End, EventFilter};
use serde_json::json;

use crate::fixture::{Home, NOW, Population, TestStore, id};
use crate::hand::Hand;

both!(
    a_seal_takes_the_events_that_had_none,
    of_two_who_seal_the_same_one_does,
    many_events_at_once_come_back_as_they_were,
    a_row_that_cannot_be_read_is_listed_all_the_same,
    events_of_no_seal_are_strays,
    swept_seals_go_with_their_events_a_hundred_at_a_time,
    of_two_who_replace_a_value_one_does
);

pub fn keys() -> Keys {
    Keys::new(&MasterKey::new([7; 32]), 1)
}

fn event(realm: RealmId, target: &str) -> Event {
    Event {
        id: id(),
        number: 0,
        seal: None,
        realm: Some(realm),
        at: NOW,
        kind: "key.created".to_owned(),
        actor: "operator".to_owned(),
        target: target.to_owned(),
        reason: Some("unknown_secret".to_owned()),
        request_id: None,
        detail: json!({ "name": target }),
    }
}

/// A store with so many events.
fn with_events(count: usize) -> TestStore {
    let store = TestStore::new();
    let realm = Population::new(&store, "acme").realm.id;
    let events: Vec<_> = (0..count).map(|number| event(realm, &format!("t{number}"))).collect();
    store.put(move |tx| tx.insert_events(&events));
    store
}

fn numbers(entries: &[Entry]) -> Vec<(i64, Option<i64>)> {
    entries.iter().map(|entry| (entry.number, entry.seal)).collect()
}

/// Seals the first events that have no seal.
pub fn seal(store: &TestStore, limit: u32) -> Seal {
    let (last, events) = store.get(|tx| Ok((tx.last_seal()?, tx.list_unsealed(limit)?)));
    let seal = keys().seal(last.as_ref(), &events, NOW).unwrap();
    let made = seal.clone();
    assert!(store.put(move |tx| tx.insert_seal(&made)));
    seal
}

fn a_seal_takes_the_events_that_had_none() {
    let store = with_events(5);
    assert_eq!(store.get(|tx| tx.last_seal()), None);
    assert_eq!(store.get(|tx| tx.count_unsealed()), 5);
    assert_eq!(numbers(&store.get(|tx| tx.list_unsealed(2))), [(1, None), (2, None)]);
    let first = seal(&store, 2);
    assert_eq!(store.get(|tx| tx.find_seal(1)), Some(first.clone()));
    assert_eq!(store.get(|tx| tx.count_unsealed()), 3);
    let second = seal(&store, 2);
    assert_eq!((second.number, second.first_event, &second.previous_mac), (2, 3, &first.mac));
    assert_eq!(store.get(|tx| tx.list_seals(0, 9)), [first, second.clone()]);
    assert_eq!(store.get(|tx| tx.list_seals(1, 9)), std::slice::from_ref(&second));
    assert_eq!(store.get(|tx| tx.last_seal()), Some(second));
    let sealed = store.get(|tx| tx.list_sealed(1, 2, 9));
    assert_eq!(numbers(&sealed), [(1, Some(1)), (2, Some(1)), (3, Some(2)), (4, Some(2))]);
    assert_eq!(keys().tag(&sealed[0]), keys().tag(&store.get(|tx| tx.find_sealed(1)).unwrap()));
    assert_eq!(store.get(|tx| tx.list_sealed(2, 2, 1)).len(), 1);
    assert_eq!(store.get(|tx| tx.find_sealed(9)), None);
}

fn of_two_who_seal_the_same_one_does() {
    let store = with_events(3);
    let events = store.get(|tx| tx.list_unsealed(9));
    let one = keys().seal(None, &events, NOW).unwrap();
    let again = one.clone();
    assert!(store.put(move |tx| tx.insert_seal(&one)));
    let insert = move |seal: Seal| {
        let try_it = move |tx: &mut admit_store::Tx<'_>| tx.insert_seal(&seal).map(End::Rollback);
        store.write_blocking(try_it).unwrap()
    };
    assert!(!insert(again.clone()), "there is a seal of this number");
    assert!(!insert(Seal { number: 2, ..again }), "its events are sealed");
}

fn many_events_at_once_come_back_as_they_were() {
    let store = TestStore::new();
    let realm = Population::new(&store, "acme").realm.id;
    let events: Vec<_> = (0..3).map(|number| event(realm, &format!("t{number}"))).collect();
    let made = events.clone();
    store.put(move |tx| tx.insert_events(&made));
    let mut found = store.get(|tx| tx.list_latest_events(realm, &EventFilter::default(), None, 9));
    found.reverse();
    let wanted: Vec<_> = (1..).zip(events).map(|(number, event)| Event { number, ..event }).collect();
    assert_eq!(found, wanted);
}

fn hand(store: &TestStore) -> Hand {
    match &store.home {
        Home::Folder(folder) => Hand::on(folder.path(), None),
        Home::Database(database) => Hand::Database(database.name.clone()),
    }
}

fn a_row_that_cannot_be_read_is_listed_all_the_same() {
    let store = with_events(2);
    seal(&store, 2);
    let short = match hand(&store) {
        Hand::File(_) => "x'0102'",
        Hand::Database(_) => "'\\x0102'",
    };
    hand(&store).write(&format!("UPDATE event SET id = {short} WHERE number = 2"));
    let sealed = store.get(|tx| tx.list_sealed(1, 1, 9));
    assert_eq!(numbers(&sealed), [(1, Some(1)), (2, Some(1))]);
    assert!(sealed[0].columns.is_some() && sealed[1].columns.is_none());
    if let Hand::File(_) = hand(&store) {
        hand(&store).write("UPDATE event SET kind = CAST(x'ff' AS TEXT) WHERE number = 1");
        assert_eq!(store.get(|tx| tx.find_sealed(1)).unwrap().columns, None);
    }
}

fn events_of_no_seal_are_strays() {
    let store = with_events(4);
    let first = seal(&store, 2);
    let anchor = seal::read_anchor(&[keys()], &keys().anchor(&first)).unwrap();
    let strays = |last, swept| numbers(&store.get(|tx| tx.list_strays(last, swept, 9)));
    assert!(strays(1, None).is_empty(), "what has no seal yet is none");
    assert_eq!(strays(0, None), [(1, Some(1)), (2, Some(1))]);
    assert!(strays(1, Some(&anchor)).is_empty(), "about to be swept");
    hand(&store).write("UPDATE event SET at = at + 3600001 WHERE number = 2");
    assert_eq!(strays(1, Some(&anchor)), [(2, Some(1))]);
}

fn swept_seals_go_with_their_events_a_hundred_at_a_time() {
    let store = with_events(160);
    let first = seal(&store, 120);
    let last = seal(&store, 30);
    let anchor = seal::read_anchor(&[keys()], &keys().anchor(&first)).unwrap();
    hand(&store).write("UPDATE event SET at = at + 3600001 WHERE number = 7");
    assert_eq!(store.put(|tx| tx.sweep_seals(1)), 1);
    assert_eq!(store.get(|tx| tx.list_seals(0, 9)), [last]);
    assert_eq!(store.put(move |tx| tx.sweep_events(&anchor)), 100);
    assert_eq!(store.put(move |tx| tx.sweep_events(&anchor)), 19);
    assert_eq!(store.put(move |tx| tx.sweep_events(&anchor)), 0);
    assert_eq!(
        numbers(&store.get(|tx| tx.list_sealed(1, 1, 9))),
        [(7, Some(1))],
        "too young to have been in that seal"
    );
    assert_eq!(store.get(|tx| tx.list_sealed(2, 2, 99)).len(), 30);
    assert_eq!(store.get(|tx| tx.count_unsealed()), 10, "what has no seal stays");
}

fn of_two_who_replace_a_value_one_does() {
    let store = TestStore::new();
    assert!(!store.put(|tx| tx.replace_meta("x", b"a", b"b")), "there is none");
    store.put(|tx| tx.insert_meta("x", b"a"));
    assert!(store.put(|tx| tx.replace_meta("x", b"a", b"b")));
    assert!(!store.put(|tx| tx.replace_meta("x", b"a", b"c")));
    assert_eq!(store.get(|tx| tx.find_meta("x")), Some(b"b".to_vec()));
}
