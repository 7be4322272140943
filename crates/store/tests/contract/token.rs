//! Opaque access tokens, and tokens of any form that were taken back.

use admit_core::check::code::Reason;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::TokenId;
use admit_core::secret::SecretHash;
use admit_core::time::{Span, Time};
use admit_store::{AccessToken, ChangeKind, Page, RevokedToken};

use crate::fixture::{NOW, Population, TestStore, grant, id, scopes};

both!(
    a_token_is_found_by_its_secret_with_all_that_it_is_worth,
    ad_01_a_token_of_another_realm_is_not_there,
    a_token_is_taken_back_once_and_every_cache_hears_of_it,
    what_a_client_has_as_itself_is_found_until_it_ends,
    tokens_are_swept_when_they_are_over
);

const LATER: Time = Time::from_unix_ms(NOW.unix_ms() + 3_600_000);

/// What the owner of the key has as itself.
fn own(all: &Population) -> Grant {
    let own = grant(all.realm.id, all.owner());
    Grant { kind: GrantKind::Client, api: Some(all.api.id), scopes: Vec::new(), ..own }
}

fn token(grant: &Grant, expires_at: Time) -> AccessToken {
    let id: TokenId = id();
    let mut hash = [3; 32];
    hash[..16].copy_from_slice(id.bytes());
    AccessToken {
        hash: SecretHash(hash),
        lookup_key: 1,
        realm: grant.realm,
        id,
        grant: grant.id,
        scopes: scopes(&["orders:read"]),
        created_at: NOW,
        expires_at,
    }
}

fn put(store: &TestStore, grant: &Grant, token: &AccessToken) {
    let (grant, token) = (grant.clone(), token.clone());
    store.put(move |tx| {
        tx.insert_grant(&grant)?;
        tx.insert_access_token(&token)
    });
}

fn a_token_is_found_by_its_secret_with_all_that_it_is_worth() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (grant, home) = (own(&all), all.realm.id);
    let token = token(&grant, LATER);
    put(&store, &grant, &token);
    let find = || store.get(|tx| tx.find_access_token(home, &[SecretHash([9; 32]), token.hash])).unwrap();
    let found = find();
    assert_eq!((&found.token, found.is_revoked, &found.lineage.grant), (&token, false, &grant));
    assert_eq!(found.lineage.halted(), None);
    let standing = found.lineage.standing();
    assert_eq!(standing.api.as_ref(), Some(&all.api.spec.uri));
    assert_eq!(
        standing.scopes,
        scopes(&["orders:read", "orders:write"]),
        "all that the client may do on the API, nothing was written down"
    );
    let revoked = RevokedToken { id: token.id, realm: home, expires_at: LATER };
    assert!(store.put(move |tx| tx.revoke_token(&revoked, NOW)));
    assert!(find().is_revoked);
    let id = grant.id;
    store.put(move |tx| tx.revoke_grant(home, id, NOW));
    assert_eq!(find().lineage.halted(), Some(Reason::Revoked));
    assert_eq!(store.get(|tx| tx.count_live_access_tokens(NOW))[0].count, 1);
}

fn ad_01_a_token_of_another_realm_is_not_there() {
    let store = TestStore::new();
    let (all, other) = (Population::new(&store, "acme"), Population::new(&store, "other"));
    let grant = own(&all);
    let token = token(&grant, LATER);
    put(&store, &grant, &token);
    assert!(store.get(|tx| tx.find_access_token(other.realm.id, &[token.hash])).is_none());
    let elsewhere = store.get(|tx| tx.find_credential(all.realm.id, &token.hash));
    assert!(elsewhere.is_none(), "a token is no key");
}

fn a_token_is_taken_back_once_and_every_cache_hears_of_it() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let [first, second] =
        [LATER, LATER + Span::minutes(1)].map(|expires_at| RevokedToken { id: id(), realm: all.realm.id, expires_at });
    assert!(!store.get(|tx| tx.is_token_revoked(first.id)));
    assert!(store.put(move |tx| tx.revoke_token(&first, NOW)));
    assert_eq!(store.told().last().map(|told| (told.kind, told.id)), Some((ChangeKind::Token, *first.id.bytes())));
    let told = store.told().len();
    assert!(!store.put(move |tx| tx.revoke_token(&first, NOW)), "once");
    assert_eq!(store.told().len(), told);
    assert!(store.put(move |tx| tx.revoke_token(&second, NOW)));
    assert!(store.get(|tx| tx.is_token_revoked(first.id)));
    assert_eq!(store.get(|tx| tx.find_revoked_token(second.id)), Some(second));
    let list = |after, now| store.get(|tx| tx.list_revoked_tokens(&Page { limit: 10, after }, now));
    assert_eq!(list(None, NOW), [first, second]);
    assert_eq!(list(Some(*first.id.bytes()), NOW), [second]);
    assert_eq!(list(None, LATER), [second], "the first ended by itself");
}

fn what_a_client_has_as_itself_is_found_until_it_ends() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, api, owner) = (all.realm.id, all.api.id, all.client.id);
    let find = |since| store.get(|tx| tx.find_grant_of_client(home, owner, api, since));
    assert_eq!(find(NOW), None, "its key is something else");
    let grant = own(&all);
    let again = grant.clone();
    store.put(move |tx| tx.insert_grant(&again));
    assert_eq!(find(NOW).as_ref(), Some(&grant));
    assert_eq!(find(NOW + Span::ms(1)), None, "everything before that was ended");
    let id = grant.id;
    store.put(move |tx| tx.revoke_grant(home, id, NOW));
    assert_eq!(find(NOW), None);
}

fn tokens_are_swept_when_they_are_over() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let grant = own(&all);
    let (brief, long) = (token(&grant, NOW + Span::minutes(1)), token(&grant, LATER));
    put(&store, &grant, &brief);
    let again = long.clone();
    store.put(move |tx| tx.insert_access_token(&again));
    for (token, expires_at) in [(&brief, brief.expires_at), (&long, LATER)] {
        let revoked = RevokedToken { id: token.id, realm: token.realm, expires_at };
        store.put(move |tx| tx.revoke_token(&revoked, NOW));
    }
    let then = brief.expires_at;
    assert_eq!(store.put(move |tx| Ok((tx.sweep_access_tokens(then)?, tx.sweep_revoked_tokens(then)?))), (1, 1));
    let left = |token: &AccessToken| {
        store
            .get(|tx| Ok((tx.find_access_token(token.realm, &[token.hash])?.is_some(), tx.is_token_revoked(token.id)?)))
    };
    assert_eq!((left(&brief), left(&long)), ((false, false), (true, true)));
}
