//! Failure and recovery: what is acknowledged is durable, and nothing else is.

use std::sync::{Arc, Barrier};
use std::thread;

use admit_core::id::RealmId;
use admit_core::realm::Realm;
use admit_core::secret::Prefix;
use admit_store::{End, Error, Store};

use crate::fixture::{Engine, TestStore, engine, open, realm};

both!(
    every_writer_of_a_batch_is_durable_and_the_feed_hears_of_it_before_he_does,
    what_is_rolled_back_leaves_nothing_and_answers_all_the_same,
    after_a_failed_statement_nothing_of_the_unit_is_kept_even_if_it_goes_on,
    who_reads_cannot_write,
    a_snapshot_does_not_move,
    a_panic_while_reading_is_an_error_and_the_next_read_works,
    a_closed_store_is_unavailable_and_what_was_asked_before_is_done,
    an_id_is_not_part_of_a_message
);

pub fn put_meta(store: &Store, name: &str) -> admit_store::Result<bool> {
    let name = name.to_owned();
    store.write_blocking(move |tx| tx.insert_meta(&name, b"x").map(End::Commit))
}

fn every_writer_of_a_batch_is_durable_and_the_feed_hears_of_it_before_he_does() {
    let store = TestStore::new();
    let told = store.told.clone();
    let start = Arc::new(Barrier::new(64));
    let writers: Vec<_> = (0..64)
        .map(|number| {
            let (store, told, start) = (store.store.clone(), told.clone(), start.clone());
            thread::spawn(move || {
                let realm = realm(&format!("realm-{number}"));
                let id = realm.id;
                start.wait();
                store.write_blocking(move |tx| tx.insert_realm(&realm).map(End::Commit)).unwrap();
                assert!(told.lock().unwrap().iter().any(|change| change.realm == id), "told before acknowledged");
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());

    let mut numbers: Vec<_> = store.told().iter().map(|change| change.number).collect();
    if engine() == Engine::Postgres {
        // Who commits first need not have the lower number.
        numbers.sort_unstable();
    }
    assert_eq!(numbers, (1..=64).collect::<Vec<_>>(), "ascending, without a gap");
    let TestStore { store, told, home } = store;
    store.close();
    let again = open(&home, &told).unwrap();
    assert_eq!(again.point(|tx| tx.position()), Ok(64));
    let kept = again.point(|tx| tx.list_changes(0, 100)).unwrap();
    let mut told = told.lock().unwrap().clone();
    told.sort_by_key(|change| change.number);
    assert_eq!(kept, told, "the feed said what the table says");
}

fn what_is_rolled_back_leaves_nothing_and_answers_all_the_same() {
    let store = TestStore::new();
    let refused = store.write_blocking(|tx| {
        tx.insert_realm(&realm("gone"))?;
        Ok(End::Rollback("refused"))
    });
    assert_eq!(refused, Ok("refused"));
    assert_eq!(store.get(|tx| tx.find_realm_named("gone")), None);
    assert_eq!((store.told(), store.get(|tx| tx.position())), (vec![], 0));
    store.put(|tx| tx.insert_realm(&realm("kept")));
    if engine() == Engine::Sqlite {
        assert_eq!(store.told()[0].number, 1, "no number was lost");
    }
}

fn after_a_failed_statement_nothing_of_the_unit_is_kept_even_if_it_goes_on() {
    let store = TestStore::new();
    let first = realm("acme");
    store.put(move |tx| tx.insert_realm(&first));
    let swallowed = store.write_blocking(|tx| {
        tx.insert_meta("before", b"x")?;
        let second = Realm { prefix: Prefix::parse("other").unwrap(), ..realm("acme") };
        assert_eq!(tx.insert_realm(&second), Err(Error::Conflict { what: "name" }));
        let after = tx.find_meta("before");
        assert!(matches!(after, Err(Error::Unavailable(why)) if why.contains("a statement before failed")));
        Ok(End::Commit(()))
    });
    assert_eq!(swallowed, Err(Error::Conflict { what: "name" }));
    assert_eq!(store.get(|tx| tx.find_meta("before")), None);
    assert_eq!(store.told().len(), 1);
}

fn who_reads_cannot_write() {
    let store = TestStore::new();
    let written = store.point(|tx| tx.insert_meta("a", b"b"));
    assert!(matches!(written, Err(Error::Unavailable(why)) if why.contains("readonly")));
    assert_eq!(store.get(|tx| tx.find_meta("a")), None, "and can go on reading");
}

fn a_snapshot_does_not_move() {
    let store = TestStore::new();
    let writer = store.store.clone();
    store.get(|tx| {
        assert_eq!(tx.position()?, 0);
        writer.write_blocking(|tx| tx.insert_realm(&realm("acme")).map(End::Commit))?;
        assert_eq!((tx.position()?, tx.find_realm_named("acme")?), (0, None));
        Ok(())
    });
    assert_eq!(store.get(|tx| tx.position()), 1);
}

fn a_panic_while_reading_is_an_error_and_the_next_read_works() {
    let store = TestStore::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let panicked = store.read(|_| -> admit_store::Result<()> { panic!("on purpose") }).await;
        assert_eq!(panicked, Err(Error::Unavailable("the read panicked".to_owned())));
        for _ in 0..4 {
            assert_eq!(store.read(|tx| tx.position()).await, Ok(0));
        }
        assert_eq!(store.write(|tx| tx.insert_meta("a", b"b").map(End::Commit)).await, Ok(true));
    });
}

fn a_closed_store_is_unavailable_and_what_was_asked_before_is_done() {
    let store = TestStore::new();
    let clone = store.store.clone();
    store.put(|tx| tx.insert_realm(&realm("acme")));
    let TestStore { store, told, home } = store;
    store.close();
    assert!(matches!(clone.point(|tx| tx.position()), Err(Error::Unavailable(_))));
    assert!(matches!(put_meta(&clone, "late"), Err(Error::Unavailable(_))));
    let again = open(&home, &told).unwrap();
    assert_eq!(again.point(|tx| tx.position()), Ok(1), "the tables were there and were not made anew");
}

fn an_id_is_not_part_of_a_message() {
    let store = TestStore::new();
    let orphan = admit_core::api::Api {
        realm: RealmId::from_bytes([9; 16]),
        ..crate::fixture::api(RealmId::from_bytes([9; 16]), "https://a.test")
    };
    let refused = store.try_put(move |tx| tx.insert_api(&orphan));
    assert_eq!(refused, Err(Error::Conflict { what: "reference" }), "a realm that is not there");
}
