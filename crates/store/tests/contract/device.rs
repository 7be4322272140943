//! Devices that wait for somebody, and clients that registered themselves.

use admit_core::id::GrantId;
use admit_core::login::session::{Factor, Factors};
use admit_core::oauth::approved::{Approved, ShownAt};
use admit_core::oauth::device::{Asked, DeviceCode, INTERVAL, LIFE};
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use admit_store::ClientRegistration;

use crate::fixture::{NOW, Population, TestStore, id, scopes};

both!(
    a_device_code_is_found_by_both_of_its_codes_in_its_realm,
    two_devices_never_show_the_same_code,
    dv_02_who_asks_too_soon_waits_longer,
    somebody_decides_once_and_it_is_spent_once,
    tk_11_what_a_person_confirmed_goes_with_what_he_let_its_client_do,
    device_codes_are_swept_when_they_are_over,
    a_registration_is_found_by_its_token_and_ends_with_its_client
);

fn code(all: &Population, number: u8) -> DeviceCode {
    DeviceCode {
        hash: SecretHash([number; 32]),
        user_hash: SecretHash([number ^ 0x80; 32]),
        lookup_key: 1,
        realm: all.realm.id,
        client: all.client.id,
        asked: Asked { api: Some(all.api.id), scopes: scopes(&["orders:read"]), ip: "203.0.113.9".parse().ok() },
        interval: INTERVAL,
        polled_at: None,
        approved: None,
        denied_at: None,
        used_at: None,
        grant: None,
        created_at: NOW,
        expires_at: NOW + LIFE,
    }
}

fn approved(code: &DeviceCode) -> Approved {
    Approved {
        client: code.client,
        user: id(),
        session: id(),
        api: code.asked.api,
        scopes: code.asked.scopes.clone(),
        redirect_uri: None,
        challenge: None,
        nonce: None,
        sign_in: ShownAt { at: NOW, factors: Factors::of(&[Factor::Password]) },
        claims: serde_json::Value::Null,
    }
}

fn put(store: &TestStore, code: &DeviceCode) -> bool {
    let code = code.clone();
    store.put(move |tx| tx.insert_device_code(&code))
}

fn tk_11_what_a_person_confirmed_goes_with_what_he_let_its_client_do() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice, client) = (all.realm.id, all.user.id, all.client.id);
    let [waiting, of_alice, of_another, of_other_client] = [1, 2, 3, 4].map(|number| code(&all, number));
    let of_other_client = DeviceCode { client: admit_core::id::ClientId::from_bytes([8; 16]), ..of_other_client };
    for code in [&waiting, &of_alice, &of_another, &of_other_client] {
        assert!(put(&store, code));
    }
    for (code, user) in [(&of_alice, alice), (&of_another, id()), (&of_other_client, alice)] {
        let (code, approved) = (code.clone(), Approved { user, ..approved(code) });
        assert!(store.put(move |tx| tx.approve_device_code(&code, &approved, NOW)));
    }
    assert_eq!(store.put(move |tx| tx.revoke_authorizations(home, alice, client, NOW)), 0, "there was none yet");
    let is_there = |code: &DeviceCode| store.get(|tx| tx.find_device_code(home, &[code.hash])).is_some();
    let left = [&waiting, &of_alice, &of_another, &of_other_client].map(is_there);
    assert_eq!(left, [true, false, true, true]);
}

fn a_device_code_is_found_by_both_of_its_codes_in_its_realm() {
    let store = TestStore::new();
    let (all, other) = (Population::new(&store, "acme"), Population::new(&store, "other"));
    let code = code(&all, 1);
    assert!(put(&store, &code));
    let unknown = SecretHash([9; 32]);
    let find = |realm, hash| store.get(move |tx| tx.find_device_code(realm, &[unknown, hash]));
    let open = |realm, hash, now: Time| store.get(move |tx| tx.find_open_device_code(realm, &[unknown, hash], now));
    assert_eq!(find(all.realm.id, code.hash).as_ref(), Some(&code));
    assert_eq!(open(all.realm.id, code.user_hash, NOW).as_ref(), Some(&code));
    assert_eq!(open(all.realm.id, code.user_hash, code.expires_at), None);
    assert_eq!((find(other.realm.id, code.hash), open(other.realm.id, code.user_hash, NOW)), (None, None), "ad_01");
    assert_eq!((find(all.realm.id, code.user_hash), open(all.realm.id, code.hash, NOW)), (None, None));
}

fn two_devices_never_show_the_same_code() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let first = code(&all, 1);
    let second = DeviceCode { user_hash: first.user_hash, ..code(&all, 2) };
    assert_eq!((put(&store, &first), put(&store, &second), put(&store, &code(&all, 2))), (true, false, true));
}

fn dv_02_who_asks_too_soon_waits_longer() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let code = code(&all, 1);
    put(&store, &code);
    let poll = |at: Time, or_wait: i64| {
        let code = code.clone();
        store.put(move |tx| tx.poll_device_code(&code, at - INTERVAL, Span::seconds(or_wait), at))
    };
    let row = || store.get(|tx| tx.find_device_code(code.realm, &[code.hash])).unwrap();
    assert!(poll(NOW, 10));
    assert_eq!((row().polled_at, row().interval), (Some(NOW), INTERVAL));
    assert!(!poll(NOW + Span::seconds(4), 10), "too soon");
    assert_eq!((row().polled_at, row().interval), (Some(NOW), Span::seconds(10)));
    assert!(poll(NOW + Span::seconds(5), 10));
    assert!(!poll(NOW + Span::seconds(6), 7), "it never waits less than before");
    assert_eq!(row().interval, Span::seconds(10));
}

fn somebody_decides_once_and_it_is_spent_once() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let [yes, no, late] = [1, 2, 3].map(|number| code(&all, number));
    assert!([&yes, &no, &late].into_iter().all(|code| put(&store, code)));
    let approve = |code: &DeviceCode, at: Time| {
        let (code, approved) = (code.clone(), approved(code));
        store.put(move |tx| tx.approve_device_code(&code, &approved, at))
    };
    let deny = |code: &DeviceCode| {
        let code = code.clone();
        store.put(move |tx| tx.deny_device_code(&code, NOW))
    };
    let spend = |code: &DeviceCode, client, grant: GrantId, at: Time| {
        let (realm, hash) = (code.realm, code.hash);
        store.put(move |tx| tx.spend_device_code(realm, &hash, client, grant, at))
    };
    let grant = id();
    assert!(!spend(&yes, yes.client, grant, NOW), "nobody has said yes");
    assert_eq!((approve(&yes, NOW), approve(&yes, NOW), deny(&yes)), (true, false, false));
    assert_eq!((deny(&no), deny(&no), approve(&no, NOW)), (true, false, false));
    assert!(!approve(&late, late.expires_at));
    assert!(store.get(|tx| tx.find_open_device_code(yes.realm, &[yes.user_hash], NOW)).is_none(), "decided");
    assert!(!spend(&yes, id(), grant, NOW), "dv_05: another client");
    assert!(!spend(&yes, yes.client, grant, yes.expires_at), "over");
    assert!(!spend(&no, no.client, grant, NOW));
    assert_eq!((spend(&yes, yes.client, grant, NOW), spend(&yes, yes.client, id(), NOW)), (true, false));
    let row = store.get(|tx| tx.find_device_code(yes.realm, &[yes.hash])).unwrap();
    assert_eq!((row.used_at, row.grant), (Some(NOW), Some(grant)));
}

fn device_codes_are_swept_when_they_are_over() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    put(&store, &code(&all, 1));
    put(&store, &DeviceCode { expires_at: NOW + Span::hours(1), ..code(&all, 2) });
    assert_eq!(store.put(|tx| tx.sweep_device_codes(NOW + LIFE - Span::ms(1))), 0);
    assert_eq!(store.put(|tx| tx.sweep_device_codes(NOW + LIFE)), 1);
}

fn a_registration_is_found_by_its_token_and_ends_with_its_client() {
    let store = TestStore::new();
    let (all, other) = (Population::new(&store, "acme"), Population::new(&store, "other"));
    let (home, client) = (all.realm.id, all.client.id);
    let registration = ClientRegistration {
        client,
        realm: home,
        hash: SecretHash([1; 32]),
        lookup_key: 1,
        registered_by: "key_x".to_owned(),
        created_at: NOW,
    };
    let kept = registration.clone();
    store.put(move |tx| tx.insert_client_registration(&kept));
    let find = |realm, hash| store.get(move |tx| tx.find_client_registration(realm, &[SecretHash([9; 32]), hash]));
    assert_eq!(find(home, registration.hash).as_ref(), Some(&registration));
    assert_eq!(find(other.realm.id, registration.hash), None, "ad_01");
    assert_eq!(
        store.get(|tx| Ok((tx.count_client_registrations(home)?, tx.count_client_registrations(other.realm.id)?))),
        (1, 0)
    );
    assert_eq!(store.get(|tx| tx.count_registration_tokens())[0].count, 1);
    let (old, new) = (registration.hash, SecretHash([2; 32]));
    assert!(store.put(move |tx| tx.update_registration_hash(home, &old, &new, 2)));
    assert!(!store.put(move |tx| tx.update_registration_hash(home, &old, &new, 2)), "once");
    assert_eq!(find(home, new).map(|found| found.lookup_key), Some(2));
    assert!(store.put(move |tx| tx.delete_client(home, client, NOW)));
    assert_eq!(find(home, new), None);
}
