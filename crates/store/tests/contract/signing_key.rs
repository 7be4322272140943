//! Keys that sign: kept sealed, hastened, revoked, sealed anew, due, and forgotten.

use admit_core::id::RealmId;
use admit_core::jose::algorithm::Algorithm;
use admit_core::signing_key::{Purpose, Term};
use admit_core::time::{Span, Time};
use admit_store::{ChangeKind, DueSigningKey, Error, OfMasterKey, SealedSigningKey};

use crate::fixture::{NOW, TestStore, id, realm};

both!(
    a_key_is_kept_as_it_was_made_and_its_realm_s_cache_learns_of_it,
    a_name_is_there_once_for_a_purpose,
    a_key_that_waits_is_hastened_once,
    a_key_is_revoked_once_and_the_feed_says_which,
    all_keys_are_revoked_at_once,
    a_key_of_another_realm_is_neither_revoked_nor_sealed_anew,
    what_an_older_master_key_sealed_is_sealed_anew_once,
    a_key_is_due_where_no_newer_one_is_there,
    what_gave_way_long_ago_is_forgotten_and_nothing_else
);

fn key(realm: RealmId, kid: &str, made: Time, signs: Time) -> SealedSigningKey {
    SealedSigningKey {
        id: id(),
        realm,
        purpose: Purpose::Issuer,
        term: Term {
            kid: kid.to_owned(),
            algorithm: Algorithm::Es256,
            made_at: made,
            signs_from: signs,
            revoked_at: None,
        },
        sealed: kid.as_bytes().to_vec(),
        master_key: 1,
    }
}

/// A store with a realm.
fn acme() -> (TestStore, RealmId) {
    let (store, acme) = (TestStore::new(), realm("acme"));
    let made = acme.clone();
    store.put(move |tx| tx.insert_realm(&made));
    (store, acme.id)
}

fn put(store: &TestStore, key: &SealedSigningKey) {
    let key = key.clone();
    store.put(move |tx| tx.insert_signing_key(&key));
}

fn a_key_is_kept_as_it_was_made_and_its_realm_s_cache_learns_of_it() {
    let (store, acme) = acme();
    let issuer = key(acme, "a", NOW, NOW + Span::minutes(10));
    let upstream = SealedSigningKey { purpose: Purpose::Upstream, ..key(acme, "a", NOW, NOW) };
    put(&store, &issuer);
    put(&store, &upstream);
    assert_eq!(store.get(|tx| tx.list_signing_keys(acme)), [issuer.clone(), upstream]);
    assert_eq!(store.get(|tx| tx.list_signing_keys(realm("other").id)), []);
    let told = store.told().into_iter().find(|change| change.kind == ChangeKind::SigningKey).unwrap();
    assert_eq!((told.realm, told.id), (acme, *issuer.id.bytes()));
}

fn a_name_is_there_once_for_a_purpose() {
    let (store, acme) = acme();
    put(&store, &key(acme, "a", NOW, NOW));
    let twin = key(acme, "a", NOW, NOW);
    assert!(matches!(store.try_put(move |tx| tx.insert_signing_key(&twin)), Err(Error::Conflict { .. })));
}

fn a_key_that_waits_is_hastened_once() {
    let (store, acme) = acme();
    let waits = key(acme, "a", NOW, NOW + Span::minutes(10));
    put(&store, &waits);
    let (id, soon) = (waits.id, NOW + Span::minutes(1));
    assert!(store.put(move |tx| tx.hasten_signing_key(acme, id, soon)));
    assert!(!store.put(move |tx| tx.hasten_signing_key(acme, id, soon)), "it signs by now");
    assert_eq!(store.get(|tx| tx.list_signing_keys(acme))[0].term.signs_from, soon);
}

fn a_key_is_revoked_once_and_the_feed_says_which() {
    let (store, acme) = acme();
    let one = key(acme, "a", NOW, NOW);
    put(&store, &one);
    let before = store.told().len();
    let id = one.id;
    assert!(store.put(move |tx| tx.revoke_signing_key(acme, id, NOW)));
    assert!(!store.put(move |tx| tx.revoke_signing_key(acme, id, NOW + Span::ms(1))));
    assert!(!store.put(move |tx| tx.hasten_signing_key(acme, id, NOW - Span::ms(1))), "it is of no use");
    assert_eq!(store.get(|tx| tx.list_signing_keys(acme))[0].term.revoked_at, Some(NOW));
    let told = store.told();
    assert!(told.len() > before);
    assert!(told[before..].iter().all(|change| change.kind == ChangeKind::SigningKey && change.id == *id.bytes()));
}

fn all_keys_are_revoked_at_once() {
    let (store, acme) = acme();
    let (old, new) = (key(acme, "a", NOW, NOW), key(acme, "b", NOW, NOW));
    put(&store, &old);
    put(&store, &new);
    let (id, later) = (old.id, NOW + Span::minutes(1));
    store.put(move |tx| tx.revoke_signing_key(acme, id, NOW));
    assert_eq!(store.put(move |tx| tx.revoke_all_signing_keys(later)), 1);
    let keys = store.get(|tx| tx.list_signing_keys(acme));
    assert_eq!(keys.iter().map(|key| key.term.revoked_at).collect::<Vec<_>>(), [Some(NOW), Some(later)]);
}

fn a_key_of_another_realm_is_neither_revoked_nor_sealed_anew() {
    let (store, acme) = acme();
    let other = realm("other").id;
    let one = key(acme, "a", NOW, NOW + Span::minutes(10));
    put(&store, &one);
    let (id, theirs) = (one.id, SealedSigningKey { realm: other, ..one.clone() });
    assert!(!store.put(move |tx| tx.revoke_signing_key(other, id, NOW)));
    assert!(!store.put(move |tx| tx.hasten_signing_key(other, id, NOW)));
    assert!(!store.put(move |tx| tx.reseal_signing_key(&theirs, b"new", 2)));
    store.put(move |tx| tx.delete_signing_key(other, id));
    assert_eq!(store.get(|tx| tx.list_signing_keys(acme)), [one]);
}

fn what_an_older_master_key_sealed_is_sealed_anew_once() {
    let (store, acme) = acme();
    let old = key(acme, "old", NOW, NOW);
    put(&store, &old);
    put(&store, &SealedSigningKey { master_key: 2, ..key(acme, "new", NOW, NOW) });
    assert_eq!(store.get(|tx| tx.list_signing_keys_not_sealed_by(2, 100)), std::slice::from_ref(&old));
    let seen = old.clone();
    assert!(store.put(move |tx| tx.reseal_signing_key(&seen, b"anew", 2)));
    assert!(!store.put(move |tx| tx.reseal_signing_key(&old, b"late", 2)), "it is another value by now");
    assert_eq!(store.get(|tx| tx.list_signing_keys_not_sealed_by(2, 100)), []);
    assert_eq!(store.get(|tx| tx.list_signing_keys(acme))[0].sealed, b"anew");
    assert_eq!(store.get(|tx| tx.count_signing_keys()), [OfMasterKey { number: 2, count: 2 }]);
}

fn a_key_is_due_where_no_newer_one_is_there() {
    let (store, acme) = acme();
    let at = |minutes| NOW + Span::minutes(minutes);
    put(&store, &key(acme, "a", NOW, NOW));
    let due = |before, limit| store.get(|tx| tx.list_due_signing_keys(before, limit));
    let wanted = DueSigningKey { realm: acme, purpose: Purpose::Issuer, algorithm: Algorithm::Es256 };
    assert_eq!((due(NOW - Span::ms(1), 10), due(NOW, 10), due(NOW, 0)), (vec![], vec![wanted], vec![]));
    let next = key(acme, "b", at(1), at(10));
    put(&store, &next);
    assert_eq!(due(at(9), 10), [], "another one waits");
    let id = next.id;
    store.put(move |tx| tx.revoke_signing_key(acme, id, at(9)));
    assert_eq!(due(at(9), 10), [wanted], "that one never comes");
    let mut row = store.get(|tx| tx.find_realm(acme)).unwrap();
    row.disabled_at = Some(NOW);
    store.put(move |tx| tx.update_realm(&row, NOW));
    assert_eq!(due(at(9), 10), [], "nobody signs there");
}

fn what_gave_way_long_ago_is_forgotten_and_nothing_else() {
    let (store, acme) = acme();
    let at = |minutes| NOW + Span::minutes(minutes);
    let kids = || {
        let keys = store.get(|tx| tx.list_signing_keys(acme));
        keys.into_iter().map(|key| key.term.kid).collect::<Vec<_>>()
    };
    let revoked = key(acme, "revoked", at(5), at(5));
    for one in [&key(acme, "a", NOW, NOW), &revoked, &key(acme, "b", at(10), at(10))] {
        put(&store, one);
    }
    put(&store, &SealedSigningKey { purpose: Purpose::Upstream, ..key(acme, "alone", NOW, NOW) });
    let id = revoked.id;
    store.put(move |tx| tx.revoke_signing_key(acme, id, at(12)));
    assert_eq!(store.put(move |tx| tx.sweep_signing_keys(at(10) - Span::ms(1))), 0, "its follower had just begun");
    assert_eq!(store.put(move |tx| tx.sweep_signing_keys(at(10))), 1);
    assert_eq!(kids(), ["revoked", "b", "alone"]);
    assert_eq!(store.put(move |tx| tx.sweep_signing_keys(at(12))), 1);
    assert_eq!(kids(), ["b", "alone"], "one that signs stays, however old");
    assert_eq!(store.put(move |tx| tx.sweep_signing_keys(at(100_000))), 0);
}
