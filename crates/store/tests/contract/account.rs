//! By what and with what people sign in: names, passwords, counted failures, links that are good once.

use std::thread;

use admit_core::id::{GrantId, RealmId, SubjectId, UserId};
use admit_core::login::guard::{Account, FAILURES_MAX, FORGOTTEN_AFTER};
use admit_core::login::identifier::Identifier;
use admit_core::secret::SecretHash;
use admit_core::time::Span;
use admit_store::{ChangeKind, KeptConsent, OfMasterKey, Page, SealedPassword, ShortCredential, ShortKind};

use crate::fixture::{NOW, Population, TestStore, grant, label, user};

both!(
    pw_06_whoever_is_named_is_one_person_whatever_the_letters,
    pw_06_a_form_that_is_anothers_stays_his,
    users_of_before_are_listed_until_they_can_be_named,
    a_password_is_one_and_is_renewed_only_where_it_is_still_the_same,
    pw_02_of_many_guesses_at_once_no_more_than_the_bound_are_tried,
    pw_03_a_lock_ends_by_itself_and_refused_guesses_do_not_prolong_it,
    pw_09_a_link_is_good_once_and_until_its_end,
    ad_03_all_links_of_a_kind_end_at_once_and_only_passwords_sign_in,
    pw_09_a_link_of_one_kind_is_none_of_another,
    az_22_a_pushed_request_is_used_once_and_kept_for_who_began_with_it,
    what_a_person_decided_is_one_row_for_each_application,
    pw_13_another_address_is_not_verified,
    pw_13_a_new_person_has_the_proof_that_he_comes_with,
    ad_02_an_id_elsewhere_is_known_in_its_realm,
    sign_ins_end_without_the_keys,
    a_person_is_found_with_all_that_his_rights_depend_on,
    lo_04_an_erased_person_leaves_an_id
);

fn form(text: &str) -> Identifier {
    Identifier::parse(text).unwrap()
}

fn named(store: &TestStore, realm: RealmId, text: &str) -> Option<UserId> {
    let found = store.get(|tx| tx.find_user_signing_in(realm, &form(text)));
    assert_eq!(store.get(|tx| tx.find_namesake(realm, &form(text))), found.as_ref().map(|user| user.id));
    found.map(|user| user.id)
}

fn pw_06_whoever_is_named_is_one_person_whatever_the_letters() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    for text in ["alice", "ALICE", "Ａlice", "Alice@EXAMPLE.com"] {
        assert_eq!(named(&store, home, text), Some(alice), "{text}");
    }
    assert_eq!(named(&store, home, "аlice"), None, "a Cyrillic letter");
    let mut renamed = all.user;
    renamed.spec.name = label("Ally");
    renamed.spec.email = None;
    store.put(move |tx| tx.update_user(home, &renamed, NOW)).unwrap();
    assert_eq!(["alice", "alice@example.com", "ally"].map(|text| named(&store, home, text)), [None, None, Some(alice)]);
    assert!(store.put(move |tx| tx.delete_user(home, alice, NOW)));
    assert_eq!(named(&store, home, "ally"), None);
}

fn pw_06_a_form_that_is_anothers_stays_his() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    let mut twin = user(home, "ALICE");
    twin.spec.email = None;
    let (made, again) = (twin.clone(), twin.clone());
    store.put(move |tx| tx.insert_user(&made));
    assert_eq!(named(&store, home, "ALICE"), Some(alice));
    let keep = move || {
        let again = again.clone();
        store.put(move |tx| tx.keep_sign_in_names(&again))
    };
    assert_eq!(keep(), ["name"]);
}

fn users_of_before_are_listed_until_they_can_be_named() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let list = |after| {
        let users = store.get(|tx| tx.list_nameless_users(after, 9));
        users.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    let mut nameless = user(home, "two  spaces");
    nameless.spec.email = None;
    let made = nameless.clone();
    store.put(move |tx| tx.insert_user(&made));
    assert_eq!(list(UserId::from_bytes([0; 16])), [nameless.id]);
    assert_eq!(list(nameless.id), [], "a page goes on behind the last");
    let asked = nameless.clone();
    assert_eq!(store.put(move |tx| tx.keep_sign_in_names(&asked)), ["name"]);
    nameless.spec.name = label("one space");
    let mended = nameless.clone();
    store.put(move |tx| tx.update_user(home, &mended, NOW)).unwrap();
    assert_eq!(list(UserId::from_bytes([0; 16])), []);
}

fn sealed(text: &str, master_key: i64) -> SealedPassword {
    SealedPassword { sealed: text.as_bytes().to_vec(), master_key, changed_at: NOW }
}

fn a_password_is_one_and_is_renewed_only_where_it_is_still_the_same() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    let find = || store.get(|tx| tx.find_password(home, alice));
    assert_eq!(find(), None);
    for text in ["one", "two"] {
        store.put(move |tx| tx.update_password(home, alice, &sealed(text, 1)));
        assert_eq!(
            store.told().last().map(|change| (change.kind, change.id)),
            Some((ChangeKind::User, *alice.bytes()))
        );
    }
    assert_eq!(find(), Some(sealed("two", 1)));
    let told = store.told().len();
    assert!(!store.put(move |tx| tx.renew_password(home, alice, b"one", b"three", 2)));
    assert!(store.put(move |tx| tx.renew_password(home, alice, b"two", b"three", 2)));
    assert_eq!((find(), store.told().len()), (Some(sealed("three", 2)), told), "it is the same password");
    assert_eq!(store.get(|tx| tx.count_passwords()), [OfMasterKey { number: 2, count: 1 }]);
    assert!(store.put(move |tx| tx.delete_password(home, alice, NOW)));
    assert!(!store.put(move |tx| tx.delete_password(home, alice, NOW)));
    assert_eq!(find(), None);
}

fn pw_02_of_many_guesses_at_once_no_more_than_the_bound_are_tried() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let (account, other) = (Account([7; 16]), Account([8; 16]));
    let tried: usize = thread::scope(|scope| {
        let guess = || {
            let take =
                |_| store.write_blocking(move |tx| tx.take_guess(home, account, NOW).map(admit_store::End::Commit));
            (0..25).map(take).filter(|taken| matches!(taken, Ok(Some(_)))).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(guess)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(tried, FAILURES_MAX as usize);
    assert_eq!(store.put(move |tx| tx.take_guess(home, other, NOW)), Some(1), "another account has its own count");
    assert!(store.put(move |tx| tx.lock_account(home, account, NOW)));
    assert!(!store.put(move |tx| tx.lock_account(home, account, NOW)), "that is noted once");
    assert!(!store.put(move |tx| tx.lock_account(home, other, NOW)));
    let cleared = store.put(move |tx| tx.clear_guesses(home, account)).unwrap();
    assert_eq!((cleared.failures, cleared.locked_at), (FAILURES_MAX, Some(NOW)));
    assert_eq!(store.put(move |tx| tx.take_guess(home, account, NOW)), Some(1), "success gives them all back");
}

fn pw_03_a_lock_ends_by_itself_and_refused_guesses_do_not_prolong_it() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let account = Account([7; 16]);
    let guess =
        move |at| store.put(move |tx| Ok((tx.take_guess(home, account, at)?, tx.find_guesses(home, account, at)?)));
    for number in 1..=FAILURES_MAX {
        assert_eq!(guess(NOW).0, Some(number));
    }
    let (end, before) = (NOW + FORGOTTEN_AFTER, NOW + FORGOTTEN_AFTER - Span::ms(1));
    assert_eq!(
        guess(before),
        (None, Some(admit_store::Guesses { failures: FAILURES_MAX, last_at: NOW, locked_at: None }))
    );
    let (first, found) = guess(end);
    assert_eq!((first, found.map(|found| found.failures)), (Some(1), Some(1)));
}

fn link(realm: RealmId, user: UserId, number: u8) -> ShortCredential {
    ShortCredential {
        hash: SecretHash([number; 32]),
        lookup_key: 1,
        kind: ShortKind::PasswordReset,
        realm,
        user: Some(user),
        grant: None,
        bound_to: None,
        detail: Some("alice@example.com".to_owned()),
        created_at: NOW,
        expires_at: NOW + Span::minutes(15),
        used_at: None,
    }
}

fn pw_09_a_link_is_good_once_and_until_its_end() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    let (home, alice, kind) = (ours.realm.id, ours.user.id, ShortKind::PasswordReset);
    let [first, second] = [1, 2].map(|number| link(home, alice, number));
    let (one, two) = (first.clone(), second.clone());
    store.put(move |tx| tx.insert_short(&one).and_then(|()| tx.insert_short(&two)));
    let hashes = [SecretHash([9; 32]), first.hash];
    assert_eq!(store.get(|tx| tx.find_short(home, kind, &hashes, NOW)), Some(first.clone()), "looking uses nothing up");
    let take = |realm, number, at| store.put(move |tx| tx.take_short(realm, kind, &SecretHash([number; 32]), at));
    assert_eq!(take(theirs.realm.id, 1, NOW), None, "ad_01");
    assert_eq!(take(home, 1, NOW + Span::minutes(15)), None, "it is over");
    assert_eq!(take(home, 1, NOW), Some(ShortCredential { used_at: Some(NOW), ..first }));
    assert_eq!(take(home, 1, NOW), None);
    assert_eq!(store.put(move |tx| tx.delete_shorts_of(home, kind, alice)), 2);
    assert_eq!(take(home, 2, NOW), None);
    let third = link(home, alice, 3);
    store.put(move |tx| tx.insert_short(&third));
    assert_eq!(store.put(|tx| tx.sweep_shorts(NOW)), 0);
    assert_eq!(store.put(|tx| tx.sweep_shorts(NOW + Span::minutes(15))), 1);
}

fn az_22_a_pushed_request_is_used_once_and_kept_for_who_began_with_it() {
    let store = TestStore::new();
    let (home, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    let (home, kind, until) = (home.realm.id, ShortKind::PushedRequest, NOW + Span::minutes(40));
    let pushed = ShortCredential { kind, user: None, ..link(home, UserId::from_bytes([1; 16]), 1) };
    let made = pushed.clone();
    store.put(move |tx| tx.insert_short(&made));
    let keep = |realm, hash, at| store.put(move |tx| tx.keep_short(realm, kind, &hash, until, at));
    assert_eq!(keep(theirs.realm.id, pushed.hash, NOW), None, "ad_01");
    assert_eq!(keep(home, SecretHash([8; 32]), NOW), None);
    assert_eq!(keep(home, pushed.hash, pushed.expires_at), None, "it is over");
    let kept = ShortCredential { used_at: Some(NOW), expires_at: until, ..pushed.clone() };
    assert_eq!(keep(home, pushed.hash, NOW), Some(kept.clone()));
    assert_eq!(keep(home, pushed.hash, NOW), None, "used");
    assert_eq!(store.get(|tx| tx.find_used_short(home, kind, &[pushed.hash])), Some(kept));
    let delete = || store.put(move |tx| tx.delete_short(home, kind, &pushed.hash));
    assert_eq!((delete(), delete()), (true, false));
}

fn what_a_person_decided_is_one_row_for_each_application() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    let (home, alice, client) = (ours.realm.id, ours.user.id, ours.client.id);
    let mut consent = admit_core::consent::Consent::default();
    consent.decide(None, &["openid".parse().unwrap()], &["email".parse().unwrap()]);
    let (first, later) = (consent.clone(), NOW + Span::minutes(1));
    store.put(move |tx| tx.update_consent(home, alice, client, &first, NOW));
    consent.decide(Some(&ours.api.spec.uri), &["orders:read".parse().unwrap()], &[]);
    let second = consent.clone();
    store.put(move |tx| tx.update_consent(home, alice, client, &second, later));
    let kept = KeptConsent { client, consent, created_at: NOW, updated_at: later };
    assert_eq!(store.get(|tx| tx.find_consent(home, alice, client)), Some(kept.clone()));
    assert_eq!(store.get(|tx| tx.list_consents(home, alice, &Page::first(10))), [kept]);
    assert_eq!(store.get(|tx| tx.find_consent(theirs.realm.id, alice, client)), None, "ad_01");
    assert_eq!(store.get(|tx| tx.find_consent(home, theirs.user.id, client)), None);
    assert!(!store.put(move |tx| tx.delete_consent(home, theirs.user.id, client)));
    assert!(store.put(move |tx| tx.delete_consent(home, alice, client)));
    let none = admit_core::consent::Consent::default();
    store.put(move |tx| tx.update_consent(home, alice, client, &none, NOW));
    assert!(store.put(move |tx| tx.erase_user(home, alice, NOW)));
    assert_eq!(store.get(|tx| tx.find_consent(home, alice, client)), None, "lo_04");
}

fn ad_03_all_links_of_a_kind_end_at_once_and_only_passwords_sign_in() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, role, alice) = (all.realm.id, all.role.id, all.user.clone());
    let links = [1, 2, 3].map(|number| link(home, alice.id, number));
    let [mut one, mut two, other] = links.clone();
    for link in [&mut one, &mut two] {
        (link.kind, link.user) = (ShortKind::FirstOperator, None);
    }
    store.put(move |tx| [&one, &two, &other].into_iter().try_for_each(|link| tx.insert_short(link)));
    assert_eq!(store.put(move |tx| tx.delete_shorts(home, ShortKind::FirstOperator)), 2);
    let left = store.get(|tx| tx.find_short(home, ShortKind::PasswordReset, &[links[2].hash], NOW));
    assert!(left.is_some(), "of another kind");

    let signs_in = || store.get(|tx| tx.is_role_of_somebody_signing_in(home, role));
    let mut holder = alice.clone();
    holder.spec.roles = vec![all.role.spec.name.clone()];
    let holder = store.put(move |tx| tx.update_user(home, &holder, NOW)).unwrap();
    assert!(!signs_in(), "without a password");
    let password = SealedPassword { sealed: b"sealed".to_vec(), master_key: 1, changed_at: NOW };
    let id = holder.id;
    store.put(move |tx| tx.update_password(home, id, &password));
    assert!(signs_in());
    let mut off = holder.clone();
    off.disabled_at = Some(NOW);
    store.put(move |tx| tx.update_user(home, &off, NOW)).unwrap();
    assert!(!signs_in(), "switched off");
}

fn pw_09_a_link_of_one_kind_is_none_of_another() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    let kinds = [ShortKind::PasswordReset, ShortKind::Invitation, ShortKind::Registration, ShortKind::AddressProof];
    let links: Vec<_> = kinds
        .into_iter()
        .zip(1..)
        .map(|(kind, number)| {
            let user = (kind != ShortKind::Registration).then_some(alice);
            ShortCredential { kind, user, ..link(home, alice, number) }
        })
        .collect();
    let made = links.clone();
    store.put(move |tx| made.iter().try_for_each(|link| tx.insert_short(link)));
    let hashes: Vec<_> = links.iter().map(|link| link.hash).collect();
    for link in &links {
        assert_eq!(store.get(|tx| tx.find_short(home, link.kind, &hashes, NOW)), Some(link.clone()), "{:?}", link.kind);
    }
    assert_eq!(store.put(move |tx| tx.delete_shorts_of(home, ShortKind::AddressProof, alice)), 1);
    let (kind, hash) = (ShortKind::Invitation, links[0].hash);
    assert_eq!(store.put(move |tx| tx.take_short(home, kind, &hash, NOW)), None);
    assert!(store.put(move |tx| tx.take_short(home, ShortKind::PasswordReset, &hash, NOW)).is_some());
}

fn pw_13_a_new_person_has_the_proof_that_he_comes_with() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let dora = admit_core::user::User { email_verified_at: Some(NOW), ..crate::fixture::user(home, "dora") };
    let made = dora.clone();
    store.put(move |tx| tx.insert_user(&made));
    assert_eq!(store.get(|tx| tx.find_user(home, dora.id)), Some(dora));
}

fn ad_02_an_id_elsewhere_is_known_in_its_realm() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours").realm.id, Population::new(&store, "theirs").realm.id);
    let id: admit_core::name::ExternalId = "cus_42".parse().unwrap();
    let mut dora = crate::fixture::user(ours, "dora");
    dora.spec.external_id = Some(id.clone());
    store.put(move |tx| tx.insert_user(&dora));
    let known = |realm| store.get(|tx| tx.has_user_known_as(realm, &id));
    assert_eq!((known(ours), known(theirs)), (true, false));
}

fn pw_13_another_address_is_not_verified() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let update = |user: admit_core::user::User| store.put(move |tx| tx.update_user(home, &user, NOW)).unwrap();
    let mut alice = all.user;
    alice.email_verified_at = Some(NOW);
    let mut alice = update(alice);
    assert_eq!(alice.email_verified_at, Some(NOW));
    alice.spec.name = label("ally");
    let mut alice = update(alice);
    assert_eq!(alice.email_verified_at, Some(NOW), "another name is the same address");
    alice.spec.email = Some(label("mallory@example.com"));
    let mut alice = update(alice);
    assert_eq!(alice.email_verified_at, None);
    alice.email_verified_at = Some(NOW);
    alice.spec.email = None;
    assert_eq!(update(alice).email_verified_at, None);
}

fn sign_ins_end_without_the_keys() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    let key = grant(home, SubjectId::User(alice));
    let kept = key.clone();
    store.put(move |tx| tx.insert_grant(&kept));
    assert_eq!(store.put(move |tx| tx.revoke_sign_ins(home, alice, None, NOW)), Vec::<GrantId>::new());
    assert_eq!(store.get(|tx| tx.find_grant(home, key.id)).unwrap().revoked_at, None);
}

fn a_person_is_found_with_all_that_his_rights_depend_on() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    let mut user = all.user.clone();
    user.spec.roles = vec![all.role.spec.name.clone()];
    store.put(move |tx| tx.update_user(home, &user, NOW)).unwrap();
    let person = store.get(|tx| tx.find_person(home, alice, NOW)).unwrap();
    assert_eq!(person.lineage.roles, store.get(|tx| tx.list_roles_of(home, SubjectId::User(alice))));
    assert_eq!(person.lineage.halted(), None);
    let named: Vec<_> = person.lineage.rights_on().collect();
    let found: Vec<_> = person.apis.iter().map(|api| api.spec.uri.clone()).collect();
    assert!(named.contains(&all.api.spec.uri) && found == named, "{found:?} of {named:?}");
    let elsewhere = Population::new(&store, "other").realm.id;
    assert!(store.get(|tx| tx.find_person(elsewhere, alice, NOW)).is_none(), "ad_01");
    assert!(store.put(move |tx| tx.delete_user(home, alice, NOW)));
    assert!(store.get(|tx| tx.find_person(home, alice, NOW)).is_none());
}

fn lo_04_an_erased_person_leaves_an_id() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    let second = link(home, alice, 1);
    store.put(move |tx| {
        tx.update_password(home, alice, &sealed("hash", 1))?;
        tx.insert_short(&second)?;
        tx.take_guess(home, alice.into(), NOW).map(drop)
    });
    assert!(store.put(move |tx| tx.erase_user(home, alice, NOW)));
    assert!(!store.put(move |tx| tx.erase_user(home, alice, NOW)));
    let left = store.get(|tx| tx.find_user(home, alice)).unwrap();
    assert_eq!(
        (left.spec.name.to_string(), left.spec.email, left.spec.metadata),
        (alice.to_string(), None, serde_json::Value::Null)
    );
    assert_eq!((left.erased_at, left.disabled_at, left.valid_after), (Some(NOW), Some(NOW), Some(NOW)));
    assert_eq!((named(&store, home, "alice"), store.get(|tx| tx.find_password(home, alice))), (None, None));
    assert_eq!(store.get(|tx| tx.find_guesses(home, alice.into(), NOW)), None);
    assert_eq!(store.get(|tx| tx.list_users(home, &admit_store::Page::first(9))), []);
    let again = user(home, "alice");
    let new = again.id;
    store.put(move |tx| tx.insert_user(&again));
    assert_eq!(named(&store, home, "alice"), Some(new), "the name is free");
}
