//! Realms, APIs and what the store knows of itself.

use admit_core::api::ApiSpec;
use admit_core::realm::Realm;
use admit_core::realm::settings::Settings;
use admit_core::secret::Prefix;
use admit_core::time::Span;
use admit_store::{ChangeKind, Error, Page};
use serde_json::json;

use crate::fixture::{NOW, Population, TestStore, api, realm};

both!(
    a_realm_is_found_by_each_of_its_names,
    two_realms_share_neither_name_nor_prefix_nor_host,
    an_update_counts_and_a_stale_one_changes_nothing,
    realms_are_listed_in_pages,
    an_api_is_made_changed_and_ended,
    what_the_store_knows_of_itself_is_set_once_or_again
);

fn a_realm_is_found_by_each_of_its_names() {
    let store = TestStore::new();
    let acme = Realm { host: Some("id.acme.test".to_owned()), metadata: json!({ "plan": "free" }), ..realm("acme") };
    let (made, plain) = (acme.clone(), realm("plain"));
    store.put(move |tx| tx.insert_realm(&made).and_then(|()| tx.insert_realm(&plain)));
    let found = store.get(|tx| {
        Ok([
            tx.find_realm(acme.id)?,
            tx.find_realm_named("acme")?,
            tx.find_realm_by_prefix("acme")?,
            tx.find_realm_by_host("id.acme.test")?,
        ])
    });
    assert!(found.into_iter().all(|realm| realm == Some(acme.clone())));
    assert_eq!(store.get(|tx| tx.find_realm_named("other")), None);
}

fn two_realms_share_neither_name_nor_prefix_nor_host() {
    let store = TestStore::new();
    let acme = Realm { host: Some("a.test".to_owned()), ..realm("acme") };
    let taken = [
        ("name", Realm { prefix: Prefix::parse("b").unwrap(), ..realm("acme") }),
        ("prefix", Realm { prefix: acme.prefix.clone(), ..realm("other") }),
        ("host", Realm { host: Some("a.test".to_owned()), ..realm("third") }),
        ("id", Realm { id: acme.id, ..realm("fourth") }),
    ];
    store.put(move |tx| tx.insert_realm(&acme));
    for (what, second) in taken {
        assert_eq!(store.try_put(move |tx| tx.insert_realm(&second)), Err(Error::Conflict { what }));
    }
}

fn an_update_counts_and_a_stale_one_changes_nothing() {
    let store = TestStore::new();
    let acme = realm("acme");
    let (made, later) = (acme.clone(), NOW + Span::seconds(1));
    store.put(move |tx| tx.insert_realm(&made));
    let settings = Settings { self_registration: Some(true), reset_life_s: Some(600), ..Settings::default() };
    let wanted =
        Realm { disabled_at: Some(NOW), valid_after: Some(NOW), host: Some("h.test".to_owned()), settings, ..acme };
    let asked = wanted.clone();
    let updated = store.put(move |tx| tx.update_realm(&asked, later)).unwrap();
    assert_eq!(updated, Realm { version: 2, updated_at: later, ..wanted.clone() });
    assert_eq!(store.put(move |tx| tx.update_realm(&wanted, later)), None, "of version 1");
    let told: Vec<_> = store.told().into_iter().map(|change| (change.number, change.kind, change.id)).collect();
    let id = *updated.id.bytes();
    assert_eq!(told, [(1, ChangeKind::Realm, id), (2, ChangeKind::Realm, id)]);
}

fn realms_are_listed_in_pages() {
    let store = TestStore::new();
    let all: Vec<_> = (0..5).map(|number| realm(&format!("r{number}"))).collect();
    let made = all.clone();
    store.put(move |tx| made.iter().try_for_each(|realm| tx.insert_realm(realm)));
    let first = store.get(|tx| tx.list_realms(&Page::first(2)));
    assert_eq!(first, all[..2]);
    let rest = store.get(|tx| tx.list_realms(&Page { limit: 9, after: Some(*first[1].id.bytes()) }));
    assert_eq!(rest, all[2..]);
}

fn an_api_is_made_changed_and_ended() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let mut orders = api(home, "https://orders.test");
    orders.spec = ApiSpec { hosts: vec!["orders.test/v1".to_owned()], metadata: json!({ "a": 1 }), ..orders.spec };
    let (made, twin) = (orders.clone(), api(home, "https://orders.test"));
    store.put(move |tx| tx.insert_api(&made));
    assert_eq!(store.try_put(move |tx| tx.insert_api(&twin)), Err(Error::Conflict { what: "uri" }));
    assert_eq!(store.get(|tx| tx.find_api(home, orders.id)), Some(orders.clone()));
    assert_eq!(store.get(|tx| tx.find_api_by_uri(home, "https://orders.test")), Some(orders.clone()));
    assert_eq!(store.get(|tx| tx.list_apis(home, &Page::first(9))).len(), 2);

    let mut wanted = orders.clone();
    wanted.spec.hosts.clear();
    let (asked, stale) = (wanted.clone(), wanted.clone());
    let updated = store.put(move |tx| tx.update_api(home, &asked, NOW)).unwrap();
    assert_eq!((updated.version, updated.spec), (2, wanted.spec));
    assert_eq!(store.put(move |tx| tx.update_api(home, &stale, NOW)), None);

    assert!(store.put(move |tx| tx.delete_api(home, orders.id, NOW)));
    assert!(!store.put(move |tx| tx.delete_api(home, orders.id, NOW)));
    let kinds: Vec<_> = store.told().iter().rev().take(3).map(|change| (change.kind, change.id)).collect();
    assert_eq!(kinds, [(ChangeKind::Api, *orders.id.bytes()); 3]);
}

fn what_the_store_knows_of_itself_is_set_once_or_again() {
    let store = TestStore::new();
    assert!(store.put(|tx| tx.insert_meta("check", b"one")));
    assert!(!store.put(|tx| tx.insert_meta("check", b"two")));
    assert_eq!(store.get(|tx| tx.find_meta("check")).as_deref(), Some(&b"one"[..]));
    store.put(|tx| tx.update_meta("check", b"three"));
    assert_eq!(store.get(|tx| tx.find_meta("check")).as_deref(), Some(&b"three"[..]));
    assert_eq!(store.get(|tx| tx.find_meta("other")), None);
}
