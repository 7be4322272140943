//! API keys and their secrets.

use std::str::FromStr;

use admit_core::check::code::Reason;
use admit_core::grant::Grant;
use admit_core::id::{RealmId, SubjectId};
use admit_core::key::{Key, KeySecret, principal};
use admit_core::name::ExternalId;
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use admit_store::{ChangeKind, Error, IssuedKey, KeyFilter, Page, RollEnds};
use serde_json::json;

use crate::fixture::{NOW, Population, TestStore, grant, key, label, secret};

both!(
    a_key_comes_back_as_it_was_with_what_a_list_shows,
    a_key_says_of_which_realm_it_is,
    a_presented_secret_finds_all_there_is_to_judge,
    a_secret_is_stored_once_whoever_it_is_said_to_be,
    keys_are_listed_by_each_filter_and_by_several,
    an_update_changes_what_people_may_change,
    a_rolled_key_has_two_secrets_until_the_old_one_ends,
    a_roll_lengthens_the_life_of_no_old_secret,
    a_revoked_key_is_not_rolled,
    a_key_is_switched_off_and_on_and_seen_in_a_browser_once,
    an_import_can_be_repeated,
    a_secret_moves_to_the_hash_of_another_master_key_once,
    secrets_that_open_something_are_counted_by_master_key,
    patterns_of_imported_keys_are_kept_by_realm
);

fn a_key_comes_back_as_it_was_with_what_a_list_shows() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let alice = SubjectId::User(all.user.id);
    let granted = Grant { api: None, ..grant(all.realm.id, alice) };
    let whole = Key {
        org: Some(crate::fixture::id()),
        ip: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        external_id: Some(ExternalId::from_str("crm/7").unwrap()),
        metadata: json!({ "team": "ünï", "n": [1, null] }),
        disabled_at: Some(NOW),
        seen_in_browser_at: Some(NOW),
        lifetime: None,
        rate: Some("100/1m".parse().unwrap()),
        ..key(&granted, "Räksmörgås ☃")
    };
    let proof = secret(&whole, 1);
    let made = (granted.clone(), whole.clone(), proof.clone());
    store.put(move |tx| tx.insert_key(&made.0, &made.1, &made.2));
    let found = store.get(|tx| tx.find_key(all.realm.id, whole.id)).unwrap();
    let owner = Some("alice".to_owned());
    let hint = Some(proof.hint.clone());
    let expected = IssuedKey { key: whole.clone(), grant: granted, api: None, owner, hint, last_used_at: None };
    assert_eq!(found, expected);
    assert_eq!(store.get(|tx| tx.list_secrets(all.realm.id, whole.id)), [proof]);
    let told = *store.told().last().unwrap();
    assert_eq!((told.kind, told.id), (ChangeKind::Credential, made_tag(&whole)));
}

fn made_tag(key: &Key) -> [u8; 16] {
    secret(key, 1).hash.tag()
}

fn a_key_says_of_which_realm_it_is() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    for all in [ours, theirs] {
        let place = store.get(|tx| tx.locate_key(all.key.id)).unwrap();
        assert_eq!((place.realm, place.name), (all.realm.name.to_string(), all.key.name.to_string()));
    }
    assert_eq!(store.get(|tx| tx.locate_key(crate::fixture::id())), None);
}

fn a_presented_secret_finds_all_there_is_to_judge() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let found = store.get(|tx| tx.find_credential(all.realm.id, &all.secret.hash)).unwrap();
    assert_eq!((&found.key, &found.secret), (&all.key, &all.secret));
    let caller = principal(&found.key, &found.secret, &found.lineage);
    assert_eq!((caller.halted, &*caller.name), (None, "robot"));
    let scopes: Vec<_> = caller.standing.scopes.iter().map(ToString::to_string).collect();
    assert_eq!(scopes, ["orders:read"]);
    assert!(store.get(|tx| tx.find_credential(all.realm.id, &SecretHash([9; 32]))).is_none());
}

fn a_secret_is_stored_once_whoever_it_is_said_to_be() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (granted, second, proof) = all.another_key("second");
    let stolen = KeySecret { hash: all.secret.hash, ..proof };
    let refused = store.try_put(move |tx| tx.insert_key(&granted, &second, &stolen));
    assert_eq!(refused, Err(Error::Conflict { what: "secret" }));
}

fn keys_are_listed_by_each_filter_and_by_several() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let soon = NOW + Span::days(7);
    let (granted, mut outside, proof) = all.another_key("deploy");
    outside.external_id = Some(ExternalId::from_str("x-1").unwrap());
    let (mut ending, short, short_proof) = all.another_key("short");
    ending.expires_at = Some(soon);
    let (mut dead, ended, ended_proof) = all.another_key("ended");
    dead.revoked_at = Some(NOW);
    let of_alice = Grant { expires_at: None, ..grant(home, SubjectId::User(all.user.id)) };
    let hers = key(&of_alice, "hers");
    let rows = [
        (granted, outside.clone(), proof),
        (ending, short.clone(), short_proof),
        (dead, ended.clone(), ended_proof),
        (of_alice, hers.clone(), secret(&hers, 1)),
    ];
    store.put(move |tx| rows.iter().try_for_each(|(grant, key, secret)| tx.insert_key(grant, key, secret)));
    let list = |filter: KeyFilter| {
        let keys = store.get(|tx| tx.list_keys(home, &filter, &Page::first(9), NOW));
        keys.into_iter().map(|issued| issued.key.id).collect::<Vec<_>>()
    };
    let any = KeyFilter::default;
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(list(any()), [all.key.id, outside.id, short.id, ended.id, hers.id]);
    assert_eq!(list(KeyFilter { live_only: true, ..any() }), [all.key.id, outside.id, short.id, hers.id]);
    assert_eq!(list(KeyFilter { owner: Some(SubjectId::User(all.user.id)), ..any() }), [hers.id]);
    assert_eq!(list(KeyFilter { name: name("deploy"), ..any() }), [all.key.id, outside.id]);
    assert_eq!(list(KeyFilter { external_id: name("x-1"), ..any() }), [outside.id]);
    assert_eq!(list(KeyFilter { expiring_before: Some(soon), ..any() }), [], "at that moment is not before it");
    let later = Some(soon + Span::ms(1));
    assert_eq!(list(KeyFilter { expiring_before: later, live_only: true, ..any() }), [short.id]);
    assert_eq!(
        list(KeyFilter { name: name("short"), owner: Some(all.owner()), expiring_before: later, ..any() }),
        [short.id]
    );
    assert_eq!(list(KeyFilter { name: name("hers"), owner: Some(all.owner()), ..any() }), []);
    let after = Page { limit: 2, after: Some(*all.key.id.bytes()) };
    let page = store.get(|tx| tx.list_keys(home, &any(), &after, NOW));
    assert_eq!(page.iter().map(|issued| issued.key.id).collect::<Vec<_>>(), [outside.id, short.id]);
    assert_eq!(store.get(|tx| tx.list_keys_named(home, "deploy", 1)).len(), 1);
    assert_eq!(store.get(|tx| tx.count_live_keys(home, all.owner(), NOW)), 3);
    assert_eq!(store.get(|tx| tx.count_live_keys(home, all.owner(), soon)), 2, "at its end a key is dead");
}

fn an_update_changes_what_people_may_change() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, later) = (all.realm.id, NOW + Span::seconds(1));
    let wanted = Key {
        name: label("renamed"),
        ip: vec!["192.0.2.1/32".parse().unwrap()],
        metadata: json!({ "a": true }),
        lifetime: Some(Span::days(1)),
        ..all.key.clone()
    };
    let (asked, stale) = (wanted.clone(), wanted.clone());
    let updated = store.put(move |tx| tx.update_key(home, &asked, later));
    assert_eq!(updated, Some(Key { version: 2, updated_at: later, ..wanted }));
    assert_eq!(store.put(move |tx| tx.update_key(home, &stale, later)), None);
    let told = *store.told().last().unwrap();
    assert_eq!((told.kind, told.id), (ChangeKind::Key, *all.key.id.bytes()));
}

fn ends(store: &TestStore, all: &Population) -> Vec<(u32, Option<Time>)> {
    let secrets = store.get(|tx| tx.list_secrets(all.realm.id, all.key.id));
    secrets.iter().map(|secret| (secret.number, secret.expires_at)).collect()
}

fn a_rolled_key_has_two_secrets_until_the_old_one_ends() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, key, next) = (all.realm.id, all.key.clone(), secret(&all.key, 2));
    let (overlap, fresh_end) = (NOW + Span::hours(24), Some(NOW + Span::days(180)));
    let rolled =
        store.put(move |tx| tx.roll_key(home, &key, &next, &RollEnds { old_secrets: overlap, grant: fresh_end }, NOW));
    assert_eq!(rolled.unwrap().version, 2);
    assert_eq!(ends(&store, &all), [(1, Some(overlap)), (2, None)]);
    let old = store.get(|tx| tx.find_credential(home, &all.secret.hash)).unwrap();
    assert_eq!(old.lineage.grant.expires_at, fresh_end);
    let caller = principal(&old.key, &old.secret, &old.lineage);
    assert_eq!(
        (caller.usable(None, overlap - Span::ms(1)), caller.usable(None, overlap)),
        (Ok(()), Err(Reason::RolledOver))
    );
    let told: Vec<_> = store.told().iter().rev().take(2).map(|change| (change.kind, change.id)).collect();
    assert_eq!(
        told,
        [(ChangeKind::Key, *all.key.id.bytes()), (ChangeKind::Credential, secret(&all.key, 2).hash.tag())]
    );
}

fn a_roll_lengthens_the_life_of_no_old_secret() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let (grant_end, far) = (all.grant.expires_at.unwrap(), NOW + Span::days(3650));
    let roll = |version: i64, number: u32, old_secrets: Time| {
        let (key, next) = (Key { version, ..all.key.clone() }, secret(&all.key, number));
        store.put(move |tx| tx.roll_key(home, &key, &next, &RollEnds { old_secrets, grant: Some(far) }, NOW)).is_some()
    };
    assert!(roll(1, 2, far));
    assert_eq!(ends(&store, &all), [(1, Some(grant_end)), (2, None)], "the end that its grant had before");
    assert!(roll(2, 3, NOW));
    assert_eq!(ends(&store, &all), [(1, Some(NOW)), (2, Some(NOW)), (3, None)], "compromised: all of them at once");
    assert!(roll(3, 4, far));
    assert_eq!(ends(&store, &all)[..2], [(1, Some(NOW)), (2, Some(NOW))], "what ended stays ended");
    assert!(!roll(1, 5, far), "of a version that is past");
}

fn a_revoked_key_is_not_rolled() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, granted, key, next) = (all.realm.id, all.grant.id, all.key.clone(), secret(&all.key, 2));
    store.put(move |tx| tx.revoke_grant(home, granted, NOW));
    let rolled = store.put(move |tx| tx.roll_key(home, &key, &next, &RollEnds { old_secrets: NOW, grant: None }, NOW));
    assert_eq!(rolled, None);
    assert_eq!(ends(&store, &all).len(), 1);
}

fn a_key_is_switched_off_and_on_and_seen_in_a_browser_once() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, id, later) = (all.realm.id, all.key.id, NOW + Span::seconds(1));
    let now_is = || store.get(|tx| tx.find_key(home, id)).unwrap().key;
    assert!(store.put(move |tx| tx.set_key_disabled(home, id, Some(NOW), NOW)));
    assert_eq!((now_is().disabled_at, now_is().version), (Some(NOW), 2));
    assert!(store.put(move |tx| tx.set_key_disabled(home, id, None, later)));
    assert_eq!((now_is().disabled_at, now_is().version), (None, 3));
    let told = store.told().len();
    assert!(store.put(move |tx| tx.mark_seen_in_browser(home, id, NOW)));
    assert!(!store.put(move |tx| tx.mark_seen_in_browser(home, id, later)));
    assert_eq!((now_is().seen_in_browser_at, now_is().version), (Some(NOW), 3));
    assert_eq!(store.told().len(), told, "no decision rests on it");
}

fn an_import_can_be_repeated() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let rows: Vec<_> = (0..500).map(|number| all.another_key(&format!("k{number}"))).collect();
    let before = store.told().len();
    let first = rows[..300].to_vec();
    assert_eq!(store.put(move |tx| tx.insert_imported_keys(&first)), vec![true; 300]);
    let again = rows.clone();
    let inserted = store.put(move |tx| tx.insert_imported_keys(&again));
    assert_eq!(inserted.iter().filter(|is_new| **is_new).count(), 200);
    assert!(inserted[..300].iter().all(|is_new| !is_new));
    assert_eq!(store.get(|tx| tx.count_live_keys(home, all.owner(), NOW)), 501);
    let told = store.told()[before..].iter().all(|change| change.kind == ChangeKind::Credential);
    assert!(told && store.told().len() == before + 500, "one for each key");
    assert!(store.get(|tx| tx.find_credential(home, &rows[499].2.hash)).is_some());
}

fn patterns_of_imported_keys_are_kept_by_realm() {
    let store = TestStore::new();
    let (a, b) = (Population::new(&store, "a").realm.id, Population::new(&store, "b").realm.id);
    assert!(store.put(move |tx| tx.insert_key_pattern(a, "sk_*", NOW)));
    assert_eq!(store.told().last().unwrap().kind, ChangeKind::Realm);
    assert!(!store.put(move |tx| tx.insert_key_pattern(a, "sk_*", NOW)));
    assert!(store.put(move |tx| tx.insert_key_pattern(a, "live_*", NOW)));
    assert_eq!(store.get(|tx| tx.list_key_patterns(a)), ["live_*", "sk_*"]);
    assert!(store.get(|tx| tx.list_key_patterns(b)).is_empty());
}

fn a_secret_moves_to_the_hash_of_another_master_key_once() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (granted, made, proof) = all.another_key("ci");
    let (realm, old, new) = (all.realm.id, proof.hash, SecretHash([0xEE; 32]));
    store.put(move |tx| tx.insert_key(&granted, &made, &proof));
    let before = store.get(|tx| tx.find_credential(realm, &old)).unwrap();
    let other_realm = RealmId::from_bytes([9; 16]);
    assert!(!store.put(move |tx| tx.update_secret_hash(other_realm, &old, &new, 2, NOW)), "of another realm");
    assert!(store.put(move |tx| tx.update_secret_hash(realm, &old, &new, 2, NOW)));
    assert!(!store.put(move |tx| tx.update_secret_hash(realm, &old, &new, 2, NOW)), "only once");
    let told = *store.told().last().unwrap();
    assert_eq!((told.kind, told.id), (ChangeKind::Credential, new.tag()), "who knew it to be unknown looks again");
    let found = store.get(|tx| tx.find_credential_among(realm, &[old, new])).unwrap();
    assert_eq!(found.secret, KeySecret { hash: new, lookup_key: 2, ..before.secret });
    assert_eq!(found.key, before.key);
    assert!(store.get(|tx| tx.find_credential_among(realm, &[old])).is_none());
    let (granted, twin, proof) = all.another_key("twin");
    let of_twin = proof.hash;
    store.put(move |tx| tx.insert_key(&granted, &twin, &proof));
    assert!(!store.put(move |tx| tx.update_secret_hash(realm, &of_twin, &new, 2, NOW)), "that place is taken");
}

fn secrets_that_open_something_are_counted_by_master_key() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let counts =
        || store.get(|tx| tx.count_live_secrets(NOW)).iter().map(|of| (of.number, of.count)).collect::<Vec<_>>();
    let before = counts();
    for (name, lookup_key, secret_end, is_revoked) in [
        ("old", 7, None, false),
        ("new", 8, Some(NOW + Span::hours(1)), false),
        ("new too", 8, None, false),
        ("rolled", 7, Some(NOW), false),
        ("revoked", 7, None, true),
    ] {
        let (granted, made, proof) = all.another_key(name);
        let granted = Grant { revoked_at: is_revoked.then_some(NOW), ..granted };
        let proof = KeySecret { lookup_key, expires_at: secret_end, ..proof };
        store.put(move |tx| tx.insert_key(&granted, &made, &proof));
    }
    assert_eq!(counts(), [before, vec![(7, 1), (8, 2)]].concat());
}
