//! Secrets of clients, and what clients have signed and shown.

use std::sync::{Arc, Barrier};
use std::thread;

use admit_core::client::Client;
use admit_core::client::secret::ClientSecret;
use admit_core::id::ClientId;
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use admit_store::{ChangeKind, ClientSecretUse, End, Error, OfMasterKey};

use crate::fixture::{NOW, Population, TestStore, client, id};

both!(
    a_secret_comes_back_as_it_was_and_is_news_of_its_client,
    an_ended_secret_makes_room_and_one_of_another_client_stays,
    a_secret_is_ended_by_its_own_client_only,
    a_deleted_client_takes_its_secrets_along,
    ad_02_a_secret_of_another_realm_is_not_seen,
    a_secret_moves_to_another_master_key_once,
    a_last_use_is_written_without_news,
    tk_02_an_assertion_is_spent_once_by_however_many_at_once,
    what_is_spent_is_forgotten_when_it_would_be_over
);

fn secret(of: &Client, octet: u8) -> ClientSecret {
    ClientSecret {
        id: id(),
        hash: SecretHash([octet; 32]),
        lookup_key: 1,
        realm: of.realm,
        client: of.id,
        hint: format!("admit_cs_…{octet:04}"),
        created_at: NOW,
        expires_at: None,
        last_used_at: None,
    }
}

fn insert(store: &TestStore, secret: &ClientSecret) {
    let secret = secret.clone();
    store.put(move |tx| tx.insert_client_secret(&secret));
}

fn listed(store: &TestStore, of: &Client) -> Vec<ClientSecret> {
    store.get(|tx| tx.list_client_secrets(of.realm, of.id))
}

/// How many changes of a client were told.
fn news(store: &TestStore, client: ClientId) -> usize {
    store.told().iter().filter(|change| change.kind == ChangeKind::Client && change.id == *client.bytes()).count()
}

fn a_secret_comes_back_as_it_was_and_is_news_of_its_client() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let before = news(&store, all.client.id);
    let first = secret(&all.client, 1);
    let second = ClientSecret { expires_at: Some(NOW + Span::days(1)), ..secret(&all.client, 2) };
    insert(&store, &first);
    insert(&store, &second);
    assert_eq!(listed(&store, &all.client), [first.clone(), second]);
    assert_eq!(news(&store, all.client.id), before + 2);
    let (home, known) = (all.realm.id, [SecretHash([9; 32]), first.hash]);
    assert_eq!(store.get(|tx| tx.find_client_secret(home, &known)), Some(first.clone()));
    assert_eq!(store.get(|tx| tx.find_client_secret(home, &known[..1])), None);
    assert_eq!(store.get(|tx| tx.find_client_secret(id(), &known)), None, "ad_02: of another realm");
    let twin = ClientSecret { id: id(), ..first };
    let refused = store.try_put(move |tx| tx.insert_client_secret(&twin));
    assert!(matches!(refused, Err(Error::Conflict { .. })), "{refused:?}");
}

fn an_ended_secret_makes_room_and_one_of_another_client_stays() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let other = client(all.realm.id, "other");
    let made = other.clone();
    store.put(move |tx| tx.insert_client(&made));
    let ended = |of: &Client, octet| ClientSecret { expires_at: Some(NOW + Span::seconds(1)), ..secret(of, octet) };
    insert(&store, &ended(&all.client, 1));
    insert(&store, &ended(&other, 2));
    let later = ClientSecret { created_at: NOW + Span::seconds(1), ..secret(&all.client, 3) };
    insert(&store, &later);
    assert_eq!(listed(&store, &all.client), [later]);
    assert_eq!(listed(&store, &other).len(), 1);
}

fn a_secret_is_ended_by_its_own_client_only() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (realm, own, secret) = (all.realm.id, all.client.id, secret(&all.client, 1));
    insert(&store, &secret);
    let other = id();
    let hashes = [SecretHash([0xEE; 32]), secret.hash];
    assert_eq!(store.get(move |tx| tx.find_client_secret(realm, &hashes)), Some(secret.clone()));
    let hash = secret.hash;
    assert_eq!(store.get(move |tx| tx.find_client_secret(id(), &[hash])), None);
    assert!(!store.put(move |tx| tx.delete_client_secret(realm, other, secret.id, NOW)));
    let before = news(&store, own);
    assert!(store.put(move |tx| tx.delete_client_secret(realm, own, secret.id, NOW)));
    assert!(!store.put(move |tx| tx.delete_client_secret(realm, own, secret.id, NOW)), "it is gone");
    assert_eq!((news(&store, own), listed(&store, &all.client).len()), (before + 1, 0));
}

fn a_deleted_client_takes_its_secrets_along() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (realm, own) = (all.realm.id, all.client.id);
    insert(&store, &secret(&all.client, 1));
    insert(&store, &secret(&all.client, 2));
    assert!(store.put(move |tx| tx.delete_client(realm, own, NOW)));
    assert_eq!(listed(&store, &all.client), []);
    assert_eq!(store.get(|tx| tx.count_client_secrets(NOW)), []);
}

fn ad_02_a_secret_of_another_realm_is_not_seen() {
    let store = TestStore::new();
    let (acme, other) = (Population::new(&store, "acme"), Population::new(&store, "other"));
    let kept = secret(&acme.client, 1);
    insert(&store, &kept);
    let (elsewhere, client, hash) = (other.realm.id, acme.client.id, kept.hash);
    assert_eq!(store.get(|tx| tx.list_client_secrets(elsewhere, client)), []);
    assert!(!store.put(move |tx| tx.delete_client_secret(elsewhere, client, kept.id, NOW)));
    store.put(move |tx| tx.delete_client_secrets(elsewhere, client, NOW));
    let new = SecretHash([9; 32]);
    assert!(!store.put(move |tx| tx.update_client_secret_hash(elsewhere, &hash, &new, 2, NOW)));
    let used = ClientSecretUse { realm: elsewhere, id: kept.id, at: NOW };
    store.put(move |tx| tx.touch_client_secrets(&[used]));
    assert_eq!(listed(&store, &acme.client), [secret_as(&acme.client, &listed(&store, &acme.client)[0])]);
}

/// What was inserted, under the id that it got.
fn secret_as(of: &Client, found: &ClientSecret) -> ClientSecret {
    ClientSecret { id: found.id, ..secret(of, 1) }
}

fn a_secret_moves_to_another_master_key_once() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let realm = all.realm.id;
    let (old, new) = (SecretHash([1; 32]), SecretHash([2; 32]));
    insert(&store, &secret(&all.client, 1));
    let of = |number, count| OfMasterKey { number, count };
    assert_eq!(store.get(|tx| tx.count_client_secrets(NOW)), [of(1, 1)]);
    let before = news(&store, all.client.id);
    let mv = move |store: &TestStore| store.put(move |tx| tx.update_client_secret_hash(realm, &old, &new, 2, NOW));
    assert_eq!((mv(&store), mv(&store)), (true, false));
    assert_eq!(news(&store, all.client.id), before + 1);
    assert_eq!(store.get(|tx| tx.count_client_secrets(NOW)), [of(2, 1)]);
    let kept = &listed(&store, &all.client)[0];
    assert_eq!((kept.hash, kept.lookup_key), (new, 2));
    let ended = ClientSecret { expires_at: Some(NOW), ..secret(&all.client, 3) };
    insert(&store, &ended);
    assert_eq!(store.get(|tx| tx.count_client_secrets(NOW)), [of(2, 1)], "one that has ended needs no key");
}

fn a_last_use_is_written_without_news() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (realm, kept) = (all.realm.id, secret(&all.client, 1));
    insert(&store, &kept);
    let before = store.told().len();
    let touch = |at: Time| {
        let used = ClientSecretUse { realm, id: kept.id, at };
        store.put(move |tx| tx.touch_client_secrets(&[used]));
        listed(&store, &all.client)[0].last_used_at
    };
    let later = NOW + Span::minutes(1);
    assert_eq!(touch(later), Some(later));
    assert_eq!(touch(NOW), Some(later), "another node was later");
    assert_eq!(store.told().len(), before);
}

fn tk_02_an_assertion_is_spent_once_by_however_many_at_once() {
    const MANY: usize = 20;
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (realm, own, ends) = (all.realm.id, all.client.id, NOW + Span::minutes(5));
    let start = Arc::new(Barrier::new(MANY));
    let threads: Vec<_> = (0..MANY)
        .map(|_| {
            let (start, store) = (start.clone(), store.store.clone());
            thread::spawn(move || {
                start.wait();
                store.write_blocking(move |tx| tx.spend_assertion(realm, own, &[7; 32], ends).map(End::Commit)).unwrap()
            })
        })
        .collect();
    assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).filter(|first| *first).count(), 1);
    let (elsewhere, other) = (id(), id());
    assert!(store.put(move |tx| tx.spend_assertion(realm, other, &[7; 32], ends)), "another client's");
    assert!(store.put(move |tx| tx.spend_assertion(elsewhere, own, &[7; 32], ends)), "another realm's");
    assert!(store.put(move |tx| tx.spend_assertion(realm, own, &[8; 32], ends)), "another one");
}

fn what_is_spent_is_forgotten_when_it_would_be_over() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (realm, own) = (all.realm.id, all.client.id);
    store.put(move |tx| {
        (0..150_u8).try_for_each(|octet| tx.spend_assertion(realm, own, &[octet; 32], NOW).map(drop))?;
        tx.spend_assertion(realm, own, &[200; 32], NOW + Span::ms(1))
    });
    let sweep = || store.put(|tx| tx.sweep_spent_assertions(NOW));
    assert_eq!((sweep(), sweep(), sweep()), (100, 50, 0));
    assert!(!store.put(move |tx| tx.spend_assertion(realm, own, &[200; 32], NOW)), "one that is not over");
    assert!(store.put(move |tx| tx.spend_assertion(realm, own, &[1; 32], NOW)));
}
