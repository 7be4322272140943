//! Sessions, their secrets, and what is left of them.

use admit_core::check::code::Reason;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{GrantId, SubjectId, UserId};
use admit_core::login::session::{Factor, Factors, Session, SessionSecret, principal};
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use admit_store::{ChangeKind, IssuedSession, Page, SessionUse};

use crate::fixture::{NOW, Population, TestStore, grant};

both!(
    a_session_is_found_by_its_secret_with_all_that_it_is_worth,
    a_session_is_no_key_and_a_key_no_session,
    a_raised_session_goes_on_with_one_secret_only,
    a_use_is_written_and_never_an_older_one,
    sessions_are_listed_by_person_and_by_life,
    ad_01_the_sessions_of_another_realm_are_not_there,
    what_ended_long_ago_is_swept_with_its_grant
);

const PASSWORD: Factors = Factors::of(&[Factor::Password]);

/// A sign-in of Alice.
fn sign_in(all: &Population, kind: GrantKind) -> (Grant, Session, SessionSecret) {
    let own = grant(all.realm.id, SubjectId::User(all.user.id));
    let own = Grant { kind, scopes: Vec::new(), expires_at: Some(NOW + Span::days(30)), ..own };
    let session = Session {
        grant: own.id,
        realm: all.realm.id,
        user: all.user.id,
        host: None,
        pending: Factors::default(),
        factors: PASSWORD,
        signed_in_at: NOW,
        idle: Some(Span::days(7)),
        last_at: NOW,
        last_ip: "203.0.113.9".parse().ok(),
        last_agent: Some("Mozilla/5.0".to_owned()),
    };
    let secret = secret_of(&own, 0);
    (own, session, secret)
}

fn secret_of(own: &Grant, number: u8) -> SessionSecret {
    let mut hash = [number; 32];
    hash[..16].copy_from_slice(own.id.bytes());
    hash.rotate_right(8);
    SessionSecret { hash: SecretHash(hash), lookup_key: 1, grant: own.id, created_at: NOW }
}

/// The same person on one protected host.
fn on_host(all: &Population, root: &Grant) -> (Grant, Session, SessionSecret) {
    let (own, session, secret) = sign_in(all, GrantKind::Site);
    let own = Grant { parent: Some(root.id), root: root.id, ..own };
    (own, Session { host: Some("shop.test".to_owned()), idle: None, ..session }, secret)
}

fn put(store: &TestStore, signed_in: &(Grant, Session, SessionSecret)) {
    let (grant, session, secret) = signed_in.clone();
    store.put(move |tx| tx.insert_session(&grant, &session, &secret));
}

fn a_session_is_found_by_its_secret_with_all_that_it_is_worth() {
    let store = TestStore::new();
    let mut all = Population::new(&store, "acme");
    let (home, alice, role) = (all.realm.id, all.user.clone(), all.role.spec.name.clone());
    let mut promoted = alice.clone();
    promoted.spec.roles = vec![role];
    all.user = store.put(move |tx| tx.update_user(home, &promoted, NOW)).unwrap();
    let root = sign_in(&all, GrantKind::Session);
    let site = on_host(&all, &root.0);
    put(&store, &root);
    assert_eq!(store.told().last().map(|told| (told.kind, told.id)), Some((ChangeKind::Credential, root.2.hash.tag())));
    put(&store, &site);
    let find = |secret: &SessionSecret| {
        let hashes = [SecretHash([9; 32]), secret.hash];
        store.get(|tx| tx.find_session_among(home, GrantKind::Session, &hashes)).unwrap()
    };
    let found = find(&root.2);
    assert_eq!((found.hash, &found.line.session, &found.line.root), (root.2.hash, &root.1, &root.1));
    assert_eq!(found.line.lineage.grant, root.0);
    assert_eq!(found.line.apis, [all.api.clone()]);
    let standings = principal(&found.line, NOW).sign_in.unwrap().standings;
    assert_eq!(standings.iter().map(|standing| standing.scopes.len()).collect::<Vec<_>>(), [1]);

    let found = find(&site.2);
    assert_eq!((&found.line.session, &found.line.root), (&site.1, &root.1));
    assert_eq!(found.line.lineage.ancestors, std::slice::from_ref(&root.0));
    let id = root.0.id;
    store.put(move |tx| tx.revoke_grant(home, id, NOW));
    assert_eq!(find(&site.2).line.lineage.halted(), Some(Reason::ParentEnded));
}

fn a_session_is_no_key_and_a_key_no_session() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let other = Population::new(&store, "other");
    let (home, root, device) = (all.realm.id, sign_in(&all, GrantKind::Session), sign_in(&all, GrantKind::Device));
    put(&store, &root);
    put(&store, &device);
    let session = |realm, kind, hash| store.get(|tx| tx.find_session_among(realm, kind, &[hash])).is_some();
    assert!(session(home, GrantKind::Session, root.2.hash) && session(home, GrantKind::Device, device.2.hash));
    assert!(!session(home, GrantKind::Device, root.2.hash), "a session is no device");
    assert!(!session(home, GrantKind::Session, device.2.hash), "a device is no session");
    assert!(!session(home, GrantKind::Session, all.secret.hash), "a key is neither");
    assert!(!session(other.realm.id, GrantKind::Session, root.2.hash), "nor is that of another realm");
    for hash in [root.2.hash, device.2.hash] {
        assert!(store.get(|tx| tx.find_credential(home, &hash)).is_none());
    }
    assert_eq!(store.get(|tx| tx.count_live_secrets(NOW))[0].count, 4, "all of them need their master key");
}

fn a_raised_session_goes_on_with_one_secret_only() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let code = Factors::of(&[Factor::Code]);
    let mut root = sign_in(&all, GrantKind::Session);
    root.1.pending = code;
    put(&store, &root);
    let (home, id, next, later) = (all.realm.id, root.0.id, secret_of(&root.0, 1), NOW + Span::minutes(1));
    let both = PASSWORD.with(code);
    let raise = move |secret: SessionSecret| {
        move |tx: &mut admit_store::Tx<'_>| tx.raise_session(home, both, Factors::default(), &secret, later)
    };
    assert!(store.put(raise(next.clone())));
    let found = |hash: SecretHash| store.get(|tx| tx.find_session_among(home, GrantKind::Session, &[hash]));
    assert!(found(root.2.hash).is_none(), "the older secret is gone");
    let raised = found(next.hash).unwrap().line.session;
    assert_eq!((raised.factors, raised.pending, raised.signed_in_at), (both, Factors::default(), later));
    let told: Vec<_> = store.told().iter().rev().take(3).map(|change| (change.kind, change.id)).collect();
    let expected = [
        (ChangeKind::Grant, *id.bytes()),
        (ChangeKind::Credential, next.hash.tag()),
        (ChangeKind::Credential, root.2.hash.tag()),
    ];
    assert_eq!(told, expected, "every cache hears of the older secret");
    store.put(move |tx| tx.revoke_grant(home, id, NOW));
    assert!(!store.put(raise(secret_of(&root.0, 2))), "what is over is not raised");
}

fn a_use_is_written_and_never_an_older_one() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let root = sign_in(&all, GrantKind::Session);
    put(&store, &root);
    let (realm, grant) = (all.realm.id, root.0.id);
    let touch = |at: Time, agent: &str| {
        let used = SessionUse { realm, grant, at, ip: None, agent: Some(agent.to_owned()) };
        store.put(move |tx| tx.touch_sessions(std::slice::from_ref(&used)));
        let known = store.get(|tx| tx.find_session(realm, grant, NOW)).unwrap().session;
        (known.last_at, known.last_agent)
    };
    let (newer, older, told) = (NOW + Span::hours(2), NOW + Span::hours(1), store.told().len());
    assert_eq!(touch(newer, "new"), (newer, Some("new".to_owned())));
    assert_eq!(touch(older, "old"), (newer, Some("new".to_owned())));
    assert_eq!(store.told().len(), told, "no cache has to hear of it");
}

fn sessions_are_listed_by_person_and_by_life() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let [live, revoked, mut idle, mut pending] = [(); 4].map(|()| sign_in(&all, GrantKind::Session));
    idle.1.last_at = NOW - Span::days(7);
    pending.1.pending = PASSWORD;
    let (site, orphan) = (on_host(&all, &live.0), on_host(&all, &revoked.0));
    let device = sign_in(&all, GrantKind::Device);
    for one in [&live, &revoked, &idle, &pending, &site, &orphan, &device] {
        put(&store, one);
    }
    let id = revoked.0.id;
    store.put(move |tx| tx.revoke_grant(home, id, NOW));
    let ids = |found: Vec<IssuedSession>| found.iter().map(|found| found.grant.id).collect::<Vec<_>>();
    let list = |user: Option<UserId>, live_only, page: &Page| {
        ids(store.get(|tx| tx.list_sessions(home, user, live_only, page, NOW)))
    };
    let alice = Some(all.user.id);
    let lives = [live.0.id, site.0.id, device.0.id];
    assert_eq!(list(alice, true, &Page::first(9)), lives);
    assert_eq!(list(None, true, &Page::first(9)), lives);
    assert_eq!(list(alice, false, &Page::first(9)).len(), 7);
    assert_eq!(list(Some(UserId::from_bytes([7; 16])), false, &Page::first(9)), []);
    assert_eq!(list(alice, true, &Page { limit: 1, after: Some(*live.0.id.bytes()) }), [site.0.id]);
    let found = store.get(|tx| tx.find_session(home, live.0.id, NOW)).unwrap();
    assert_eq!((found.user.as_deref(), found.is_live, &found.session), (Some("alice"), true, &live.1));
    assert!(!store.get(|tx| tx.find_session(home, live.0.id, NOW + Span::days(7))).unwrap().is_live);

    let roots =
        |but: Option<GrantId>| store.get(|tx| tx.list_live_grants(home, all.user.id, GrantKind::Session, but, NOW));
    assert_eq!(roots(None), [live.0.id, idle.0.id, pending.0.id], "whatever is to be ended");
    assert_eq!(roots(Some(live.0.id)), [idle.0.id, pending.0.id]);
    let (mut alice, later) = (all.user.clone(), NOW + Span::seconds(1));
    alice.valid_after = Some(later);
    store.put(move |tx| tx.update_user(home, &alice, later));
    assert_eq!(list(Some(all.user.id), true, &Page::first(9)), [], "ended with all of its person");
}

fn ad_01_the_sessions_of_another_realm_are_not_there() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    let root = sign_in(&theirs, GrantKind::Session);
    put(&store, &root);
    let (id, user, told) = (root.0.id, theirs.user.id, store.told().len());
    let reaches = |home: admit_core::id::RealmId| {
        let (next, hash) = (secret_of(&root.0, 1), root.2.hash);
        let used = SessionUse { realm: home, grant: id, at: NOW + Span::hours(1), ip: None, agent: None };
        let read = store.get(|tx| {
            Ok([
                tx.find_session(home, id, NOW)?.is_some(),
                tx.find_session_among(home, GrantKind::Session, &[hash])?.is_some(),
                !tx.list_sessions(home, Some(user), false, &Page::first(9), NOW)?.is_empty(),
                !tx.list_live_grants(home, user, GrantKind::Session, None, NOW)?.is_empty(),
            ])
        });
        store.put(move |tx| tx.touch_sessions(std::slice::from_ref(&used)));
        let raised = store.put(move |tx| tx.raise_session(home, PASSWORD, Factors::default(), &next, NOW));
        (read, raised)
    };
    assert_eq!(reaches(ours.realm.id), ([false; 4], false));
    assert_eq!(store.told().len(), told, "nothing changed");
    assert_eq!(reaches(theirs.realm.id), ([true; 4], true));
}

fn what_ended_long_ago_is_swept_with_its_grant() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let root = sign_in(&all, GrantKind::Session);
    let mut site = on_host(&all, &root.0);
    site.0.expires_at = Some(NOW + Span::days(31));
    let device = sign_in(&all, GrantKind::Device);
    let device = (Grant { expires_at: Some(NOW + Span::days(90)), ..device.0 }, device.1, device.2);
    for one in [&root, &site, &device] {
        put(&store, one);
    }
    let sweep = |days: i64| store.put(move |tx| tx.sweep_sessions(NOW + Span::days(days)));
    assert_eq!(sweep(37), 0, "kept for a week");
    assert_eq!(sweep(38), 0, "something grew from it that is kept");
    assert_eq!(sweep(39), 1);
    assert_eq!(sweep(39), 1);
    let home = all.realm.id;
    assert!(store.get(|tx| tx.find_session(home, root.0.id, NOW)).is_none());
    assert_eq!(store.get(|tx| tx.find_grant(home, root.0.id)), None);
    assert!(store.get(|tx| tx.find_session_among(home, GrantKind::Session, &[root.2.hash])).is_none());
    assert!(store.get(|tx| tx.find_session(home, device.0.id, NOW)).is_some());
    assert!(store.get(|tx| tx.find_grant(home, all.grant.id)).is_some(), "a key is no session");
}
