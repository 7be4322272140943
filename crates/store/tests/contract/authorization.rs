//! What people let applications do, the tokens that renew it, and what is exchanged for it.

use std::collections::HashSet;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use admit_core::check::code::Reason;
use admit_core::client::{Client, ClientSpec, ClientType};
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{GrantId, SubjectId};
use admit_core::login::session::{Factor, Factors, Session, SessionSecret};
use admit_core::oauth::approved::ShownAt;
use admit_core::oauth::authorized::{Authorized, AuthorizedSpec};
use admit_core::oauth::refresh::RefreshToken;
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use admit_store::{AuthorizationUse, End, Error, ShortCredential, ShortKind};
use serde_json::json;

use crate::fixture::{NOW, Population, TestStore, client, grant, id, scopes};

both!(
    an_authorization_is_found_by_its_refresh_token_with_all_that_it_is_worth,
    ad_01_a_refresh_token_of_another_realm_is_not_there,
    tk_07_of_a_hundred_rotations_at_once_one_makes_the_successor,
    a_row_that_nobody_waits_for_fails_its_unit_all_the_same,
    a_unit_may_have_as_many_rows_as_it_likes,
    one_that_stays_is_touched_and_forgets_what_led_to_it,
    answers_are_found_when_their_moment_is_over_and_no_others,
    what_a_person_lets_applications_do_is_listed_and_taken_back,
    lg_06_of_a_sign_out_and_of_what_begins_at_that_moment_one_hears_of_the_other,
    az_13_a_code_is_spent_once_and_remembered,
    what_ended_long_ago_is_swept_before_the_session_that_it_grew_from,
    refresh_tokens_follow_the_master_key_until_they_are_spent
);

/// How often a hundred try at once.
const ROUNDS: usize = 200;

/// A sign-in of Alice.
fn sign_in(store: &TestStore, all: &Population) -> Grant {
    let own = grant(all.realm.id, SubjectId::User(all.user.id));
    let own = Grant { kind: GrantKind::Session, scopes: Vec::new(), expires_at: Some(NOW + Span::days(30)), ..own };
    let session = Session {
        grant: own.id,
        realm: all.realm.id,
        user: all.user.id,
        host: None,
        pending: Factors::default(),
        factors: Factors::of(&[Factor::Password]),
        signed_in_at: NOW,
        idle: Some(Span::days(7)),
        last_at: NOW,
        last_ip: None,
        last_agent: None,
    };
    let hash = hash_of(own.id, 9);
    let secret = SessionSecret { hash, lookup_key: 1, grant: own.id, created_at: NOW };
    let begun = own.clone();
    store.put(move |tx| tx.insert_session(&begun, &session, &secret));
    own
}

fn hash_of(grant: GrantId, number: u32) -> SecretHash {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(grant.bytes());
    hash[16..20].copy_from_slice(&number.to_be_bytes());
    hash.rotate_right(7);
    SecretHash(hash)
}

/// What Alice lets the client of the realm do, offline unless it grows from a session.
fn authorization(all: &Population, session: Option<&Grant>) -> (Grant, Authorized) {
    let own = grant(all.realm.id, SubjectId::User(all.user.id));
    let own = Grant {
        kind: GrantKind::Authorization,
        client: Some(all.client.id),
        api: Some(all.api.id),
        scopes: scopes(&["openid", "orders:read"]),
        parent: session.map(|session| session.id),
        root: session.map_or(own.id, |session| session.id),
        expires_at: Some(NOW + Span::days(if session.is_some() { 30 } else { 90 })),
        ..own
    };
    let spec = AuthorizedSpec {
        sign_in: ShownAt { at: NOW, factors: Factors::of(&[Factor::Password]) },
        claims: json!({"userinfo": {"email": null}}),
    };
    let authorized = Authorized {
        grant: own.id,
        realm: all.realm.id,
        user: all.user.id,
        client: all.client.id,
        session: session.map_or_else(id, |session| session.id),
        spec,
        last_at: NOW,
        last_ip: "203.0.113.9".parse().ok(),
        last_agent: Some("app/1".to_owned()),
    };
    (own, authorized)
}

fn token(grant: &Grant, number: u32) -> RefreshToken {
    RefreshToken {
        hash: hash_of(grant.id, number),
        lookup_key: 1,
        realm: grant.realm,
        grant: grant.id,
        created_at: NOW,
        expires_at: NOW + Span::days(14),
        last_at: NOW,
        spent_at: None,
        successor: None,
        reply: None,
        reply_ends: None,
    }
}

fn put(store: &TestStore, made: &(Grant, Authorized), token: &RefreshToken) {
    let ((grant, authorized), token) = (made.clone(), token.clone());
    store.put(move |tx| {
        tx.insert_authorization(&grant, &authorized)?;
        tx.insert_refresh_token(&token)
    });
}

fn an_authorization_is_found_by_its_refresh_token_with_all_that_it_is_worth() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, root) = (all.realm.id, sign_in(&store, &all));
    let [online, offline] = [authorization(&all, Some(&root)), authorization(&all, None)];
    let told = store.told().len();
    for made in [&online, &offline] {
        put(&store, made, &token(&made.0, 1));
    }
    assert_eq!(store.told().len(), told, "nobody can have heard of them");
    let find = |made: &(Grant, Authorized)| {
        let hashes = [SecretHash([8; 32]), hash_of(made.0.id, 1)];
        let found = store.get(|tx| tx.find_refresh_token(home, &hashes)).unwrap();
        assert_eq!((&found.token, found.successor), (&token(&made.0, 1), None));
        store.get(|tx| tx.find_authorization(home, found.token.grant)).unwrap()
    };
    let lineage = find(&online);
    assert_eq!(
        store.get(|tx| tx.find_lineage(home, online.0.id)).map(|other| format!("{other:?}")),
        Some(format!("{lineage:?}")),
        "read otherwise"
    );
    assert_eq!((&lineage.grant, &lineage.ancestors), (&online.0, &vec![root.clone()]));
    assert_eq!(lineage.authorized.as_ref(), Some(&online.1));
    assert_eq!(lineage.delegate.as_ref().map(|client| client.id), Some(all.client.id));
    assert_eq!(lineage.session.as_ref().map(|session| session.grant), Some(root.id));
    assert_eq!(lineage.halted(), None);
    let found = find(&offline);
    assert_eq!((found.halted(), found.ancestors.len(), found.session), (None, 0, None));

    let session = root.id;
    store.put(move |tx| tx.revoke_grant(home, session, NOW));
    assert_eq!(find(&online).halted(), Some(Reason::ParentEnded));
    assert_eq!(find(&offline).halted(), None);
    let (client, user) = (all.client.id, all.user.id);
    store.put(move |tx| tx.delete_client(home, client, NOW));
    assert_eq!(find(&offline).halted(), Some(Reason::ClientGone));
    assert!(store.put(move |tx| tx.erase_user(home, user, NOW)));
    let erased = find(&offline).authorized.unwrap();
    assert_eq!((erased.last_ip, erased.last_agent), (None, None), "nothing personal is left");
}

fn ad_01_a_refresh_token_of_another_realm_is_not_there() {
    let store = TestStore::new();
    let (all, other) = (Population::new(&store, "acme"), Population::new(&store, "other"));
    let made = authorization(&all, None);
    put(&store, &made, &token(&made.0, 1));
    let (home, elsewhere, hash) = (all.realm.id, other.realm.id, hash_of(made.0.id, 1));
    assert!(store.get(|tx| tx.find_refresh_token(elsewhere, &[hash])).is_none());
    let foreign = RefreshToken { realm: elsewhere, ..token(&made.0, 2) };
    assert!(!store.put(move |tx| tx.rotate_refresh_token(&hash, &foreign, NOW)));
    assert!(!store.put(move |tx| tx.touch_refresh_token(elsewhere, &hash, NOW + Span::hours(1))));
    assert_eq!(store.put(move |tx| tx.revoke_authorizations(elsewhere, all.user.id, all.client.id, NOW)), 0);
    assert!(store.get(|tx| tx.find_refresh_token(home, &[hash])).unwrap().token.spent_at.is_none());
}

fn tk_07_of_a_hundred_rotations_at_once_one_makes_the_successor() {
    const RIVALS: u32 = 100;
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let made = authorization(&all, None);
    put(&store, &made, &token(&made.0, 0));
    let (grant, start) = (made.0.clone(), Arc::new(Barrier::new(RIVALS as usize)));
    let newest = Arc::new(Mutex::new(hash_of(grant.id, 0)));
    let threads: Vec<_> = (0..RIVALS)
        .map(|rival| {
            let (store, grant, start, newest) = (store.store.clone(), grant.clone(), start.clone(), newest.clone());
            thread::spawn(move || {
                let mut won = Vec::new();
                for round in 0..ROUNDS as u32 {
                    // All begin at what the winner of the round before left.
                    start.wait();
                    let current = *newest.lock().unwrap();
                    start.wait();
                    let next = token(&grant, 1 + round * RIVALS + rival);
                    let made = next.hash;
                    let end = store.write_blocking(move |tx| {
                        let is_first = tx.rotate_refresh_token(&current, &next, NOW)?;
                        Ok(if is_first { End::Commit(true) } else { End::Rollback(false) })
                    });
                    if end.unwrap() {
                        *newest.lock().unwrap() = made;
                        won.push(round);
                    }
                }
                won
            })
        })
        .collect();
    let won: Vec<u32> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(won.len(), ROUNDS, "one for each round");
    assert_eq!(won.iter().collect::<HashSet<_>>().len(), ROUNDS, "no two lineages");
}

fn a_row_that_nobody_waits_for_fails_its_unit_all_the_same() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let made = authorization(&all, None);
    put(&store, &made, &token(&made.0, 0));
    let (home, [first, second]) = (all.realm.id, [1, 2].map(|number| token(&made.0, number)));
    let kept = |hash| store.get(|tx| tx.find_refresh_token(home, &[hash])).is_some();
    let (one, again) = (first.clone(), first.clone());
    let twice = store.store.write_blocking(move |tx| {
        tx.insert_refresh_token(&one)?;
        tx.insert_refresh_token(&again)?;
        Ok(End::Commit(()))
    });
    assert!(matches!(twice, Err(Error::Conflict { .. })), "{twice:?}");
    assert!(!kept(first.hash), "of the unit nothing is kept");
    let (one, again) = (first.clone(), first.clone());
    let shown = store.store.write_blocking(move |tx| {
        tx.insert_refresh_token(&one)?;
        tx.insert_refresh_token(&again)?;
        tx.find_refresh_token(home, &[one.hash]).map(|found| End::Commit(found.is_some()))
    });
    assert!(matches!(shown, Err(Error::Conflict { .. })), "at what comes next: {shown:?}");
    let one = first.clone();
    let undone = store.store.write_blocking(move |tx| {
        tx.insert_refresh_token(&one)?;
        Ok(End::Rollback(()))
    });
    assert_eq!((undone, kept(first.hash)), (Ok(()), false));
    let read = store.store.point(|tx| tx.insert_refresh_token(&first));
    assert!(matches!(&read, Err(Error::Unavailable(why)) if why.contains("readonly")), "{read:?}");
    let hash = second.hash;
    store.put(move |tx| tx.insert_refresh_token(&second));
    assert!(kept(hash) && !kept(first.hash), "what waited for a unit that failed does not come with the next");
}

fn a_unit_may_have_as_many_rows_as_it_likes() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (made, home) = (authorization(&all, None), all.realm.id);
    put(&store, &made, &token(&made.0, 0));
    let mut first = 1;
    // So many may wait on one of the engines, and one less and more.
    for count in [99, 100, 101, 1_000] {
        let tokens: Vec<_> = (first..first + count).map(|number| token(&made.0, number)).collect();
        let hashes: Vec<_> = tokens.iter().map(|token| token.hash).collect();
        store.put(move |tx| tokens.iter().try_for_each(|token| tx.insert_refresh_token(token)));
        for hash in hashes {
            assert!(store.get(|tx| tx.find_refresh_token(home, &[hash])).is_some(), "of {count}");
        }
        first += count;
    }
}

fn one_that_stays_is_touched_and_forgets_what_led_to_it() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let made = authorization(&all, None);
    let first = RefreshToken { reply: Some(vec![1, 2, 3]), ..token(&made.0, 1) };
    put(&store, &made, &first);
    let (home, grant, hash) = (all.realm.id, made.0.id, first.hash);
    let find = |hash| store.get(|tx| tx.find_refresh_token(home, &[hash])).unwrap();
    assert_eq!(find(hash).token.reply, Some(vec![1, 2, 3]));
    let later = NOW + Span::hours(1);
    assert!(store.put(move |tx| tx.touch_refresh_token(home, &hash, later)));
    assert!(!store.put(move |tx| tx.touch_refresh_token(home, &hash, NOW)), "never an older use");
    let touched = find(hash);
    assert_eq!((touched.token.last_at, touched.token.reply), (later, None));
    let used = AuthorizationUse { realm: home, grant, at: later, ip: None, agent: Some("app/2".to_owned()) };
    store.put(move |tx| tx.touch_authorization(&used));
    let authorized = store.get(|tx| tx.find_authorization(home, grant)).and_then(|lineage| lineage.authorized).unwrap();
    assert_eq!((authorized.last_at, authorized.last_agent.as_deref()), (later, Some("app/2")));

    let next = RefreshToken { reply: Some(vec![4]), created_at: later, ..token(&made.0, 2) };
    let again = next.clone();
    assert!(store.put(move |tx| tx.rotate_refresh_token(&hash, &again, later)));
    let rotated = find(hash);
    assert_eq!((rotated.token.spent_at, rotated.token.successor), (Some(later), Some(next.hash)));
    assert_eq!(rotated.successor, Some(next.clone()));
    assert!(!store.put(move |tx| tx.touch_refresh_token(home, &hash, later + Span::hours(1))), "it did not stay");
    let (second, third) = (next.hash, token(&made.0, 3));
    assert!(store.put(move |tx| tx.rotate_refresh_token(&second, &third, later)));
    assert_eq!(find(second).token.reply, None, "once it is used nobody is told again");
}

fn answers_are_found_when_their_moment_is_over_and_no_others() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let made = authorization(&all, None);
    let with = |number, reply_ends| RefreshToken { reply: Some(vec![1]), reply_ends, ..token(&made.0, number) };
    let over = with(1, Some(NOW + Span::seconds(10)));
    put(&store, &made, &over);
    for other in [with(2, Some(NOW + Span::seconds(11))), with(3, None), token(&made.0, 4)] {
        store.put(move |tx| tx.insert_refresh_token(&other));
    }
    let list = |after, until, now| store.get(|tx| tx.list_ended_replies(after, until, now));
    let now = NOW + Span::seconds(10);
    assert_eq!(list(Time::default(), NOW, now), [over.hash]);
    assert_eq!(list(NOW, now, now), [], "looked at before");
    assert_eq!(list(Time::default(), NOW - Span::ms(1), now), []);
    let erased = list(Time::default(), NOW, now);
    store.put(move |tx| tx.erase_replies(&erased));
    assert_eq!(list(Time::default(), NOW, now), []);
    assert_eq!(list(Time::default(), NOW, NOW + Span::days(9)).len(), 1, "one waits for its use");
}

fn what_a_person_lets_applications_do_is_listed_and_taken_back() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice, client, root) = (all.realm.id, all.user.id, all.client.id, sign_in(&store, &all));
    let [online, offline] = [authorization(&all, Some(&root)), authorization(&all, None)];
    put(&store, &online, &token(&online.0, 1));
    let used = RefreshToken { last_at: NOW + Span::hours(2), ..token(&offline.0, 1) };
    put(&store, &offline, &used);
    let list = |now| {
        let listed = store.get(|tx| tx.list_authorizations_of(home, alice, now));
        listed.into_iter().map(|one| (one.grant.id, one.authorized.last_at)).collect::<Vec<_>>()
    };
    let [of_online, of_offline] = [(online.0.id, NOW), (offline.0.id, NOW + Span::hours(2))];
    assert_eq!(list(NOW), [of_offline, of_online], "the newest first, by its last use");
    assert_eq!(list(NOW + Span::days(7)), [of_offline], "the session was not used");
    assert_eq!(list(NOW + Span::days(90)), []);
    let session = root.id;
    store.put(move |tx| tx.revoke_grant(home, session, NOW));
    assert_eq!(list(NOW), [of_offline]);
    let live = store.get(|tx| tx.list_authorizations_of_client(home, alice, client, NOW));
    assert_eq!(live, [online.0.id, offline.0.id], "by their own rows, the oldest first");
    let told = store.told().len();
    assert_eq!(store.put(move |tx| tx.revoke_authorizations(home, alice, client, NOW)), 2);
    assert_eq!(store.told().len(), told + 2, "every cache hears of it");
    assert_eq!((list(NOW), store.put(move |tx| tx.revoke_authorizations(home, alice, client, NOW))), (vec![], 0));
}

fn lg_06_of_a_sign_out_and_of_what_begins_at_that_moment_one_hears_of_the_other() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, alice) = (all.realm.id, all.user.id);
    let plain = client(home, "hears");
    let backchannel_logout_uri = Some("https://app.test/out".to_owned());
    let hears = Client { spec: ClientSpec { kind: ClientType::Web, backchannel_logout_uri, ..plain.spec }, ..plain };
    let app = hears.id;
    store.put(move |tx| tx.insert_client(&hears));
    for _ in 0..ROUNDS / 4 {
        let session = sign_in(&store, &all).id;
        let (grant, authorized) = authorization(&all, None);
        let grant = Grant { client: Some(app), ..grant };
        let authorized = Authorized { client: app, session, ..authorized };
        let (start, other) = (Arc::new(Barrier::new(2)), store.store.clone());
        let begins = thread::spawn({
            let start = start.clone();
            move || {
                start.wait();
                let begun = other.write_blocking(move |tx| {
                    assert!(tx.lock_subject(home, SubjectId::User(alice))?);
                    if tx.hold_session(home, session, NOW)?.is_none() {
                        return Ok(End::Rollback(false));
                    }
                    tx.insert_authorization(&grant, &authorized)?;
                    Ok(End::Commit(true))
                });
                begun.unwrap()
            }
        });
        start.wait();
        assert!(store.put(move |tx| tx.revoke_grant(home, session, NOW)));
        let has_begun = begins.join().unwrap();
        let notices = store.get(|tx| tx.list_due_logout_notices(1_000, NOW));
        let is_told = notices.iter().any(|notice| notice.session == session);
        assert_eq!(has_begun, is_told, "who was let in is told, and who is not told was not let in");
        assert!(store.put(move |tx| tx.hold_session(home, session, NOW)).is_none(), "it is over");
    }
    let session = sign_in(&store, &all).id;
    let hold = |now| store.put(move |tx| tx.hold_session(home, session, now)).is_some();
    assert_eq!((hold(NOW), hold(NOW + Span::days(7))), (true, false), "while it is used");
}

fn az_13_a_code_is_spent_once_and_remembered() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let code = ShortCredential {
        hash: SecretHash([7; 32]),
        lookup_key: 1,
        kind: ShortKind::Code,
        realm: home,
        user: Some(all.user.id),
        grant: None,
        bound_to: None,
        detail: Some("{}".to_owned()),
        created_at: NOW,
        expires_at: NOW + Span::seconds(60),
        used_at: None,
    };
    let made = code.clone();
    store.put(move |tx| tx.insert_short(&made));
    let find = || store.get(|tx| tx.find_used_short(home, ShortKind::Code, &[SecretHash([1; 32]), code.hash])).unwrap();
    assert_eq!(find(), code);
    let until = NOW + Span::minutes(10);
    let spend = |led_to: GrantId, now: Time| {
        let code = code.clone();
        store.put(move |tx| tx.spend_short(&code, led_to, until, now))
    };
    assert!(!spend(id(), code.expires_at), "past its end");
    let led_to = id();
    assert!(spend(led_to, NOW));
    assert!(!spend(id(), NOW), "once");
    assert_eq!(find(), ShortCredential { grant: Some(led_to), used_at: Some(NOW), expires_at: until, ..code.clone() });
    let usual = store.get(|tx| tx.find_short(home, ShortKind::Code, &[code.hash], NOW));
    assert!(usual.is_none(), "used up for all others");
    assert_eq!(store.put(move |tx| tx.sweep_shorts(until - Span::ms(1))), 0);
    assert_eq!(store.put(move |tx| tx.sweep_shorts(until)), 1);
}

fn what_ended_long_ago_is_swept_before_the_session_that_it_grew_from() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, root) = (all.realm.id, sign_in(&store, &all));
    let [online, offline] = [authorization(&all, Some(&root)), authorization(&all, None)];
    for made in [&online, &offline] {
        put(&store, made, &RefreshToken { expires_at: NOW + Span::days(400), ..token(&made.0, 1) });
    }
    let brief = RefreshToken { expires_at: NOW + Span::days(14), ..token(&online.0, 2) };
    store.put(move |tx| tx.insert_refresh_token(&brief));
    assert_eq!(store.put(|tx| tx.sweep_refresh_tokens(NOW + Span::days(14))), 1);
    let ended = NOW + Span::days(37);
    assert_eq!(store.put(move |tx| tx.sweep_authorizations(ended)), 0, "a week after its end");
    let then = ended + Span::ms(1);
    assert_eq!(store.put(move |tx| tx.sweep_sessions(then)), 0, "something grew from it");
    assert_eq!(store.put(move |tx| tx.sweep_authorizations(then)), 1);
    assert_eq!(store.put(move |tx| tx.sweep_sessions(then)), 1);
    let left = |made: &(Grant, Authorized)| {
        let (grant, hash) = (made.0.id, hash_of(made.0.id, 1));
        store.get(|tx| Ok((tx.find_grant(home, grant)?.is_some(), tx.find_refresh_token(home, &[hash])?.is_some())))
    };
    assert_eq!((left(&online), left(&offline)), ((false, false), (true, true)));
}

fn refresh_tokens_follow_the_master_key_until_they_are_spent() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, made) = (all.realm.id, authorization(&all, None));
    let first = token(&made.0, 1);
    put(&store, &made, &first);
    let count = || {
        let counts = store.get(|tx| tx.count_live_refresh_tokens(NOW));
        counts.into_iter().map(|of| (of.number, of.count)).collect::<Vec<_>>()
    };
    assert_eq!(count(), [(1, 1)]);
    let (old, new) = (first.hash, hash_of(made.0.id, 7));
    assert!(store.put(move |tx| tx.update_refresh_token_hash(home, &old, &new, 2)));
    assert!(!store.put(move |tx| tx.update_refresh_token_hash(home, &old, &new, 2)));
    assert_eq!(count(), [(2, 1)]);
    let next = RefreshToken { lookup_key: 2, ..token(&made.0, 8) };
    assert!(store.put(move |tx| tx.rotate_refresh_token(&new, &next, NOW)));
    assert!(!store.put(move |tx| tx.update_refresh_token_hash(home, &new, &old, 3)), "what is spent stays");
    assert_eq!(count(), [(2, 1)]);
    let grant = made.0.id;
    store.put(move |tx| tx.revoke_grant(home, grant, NOW));
    assert_eq!(count(), []);
}
