//! Grants and their lineage.

use admit_core::check::code::Reason;
use admit_core::grant::{DEPTH_MAX, Grant, Lineage};
use admit_core::id::SubjectId;
use admit_core::time::Span;
use admit_store::{ChangeKind, Error, GrantFilter, Page};

use crate::fixture::{NOW, Population, TestStore, grant};

both!(
    a_grant_comes_back_as_it_was,
    a_grant_is_revoked_once_and_the_feed_says_so,
    the_scopes_and_the_end_of_a_live_grant_change_and_those_of_a_revoked_one_do_not,
    grants_are_listed_by_subject_and_by_life,
    a_lineage_has_everything_that_a_judge_asks_for,
    what_is_gone_is_missing_in_a_lineage_and_halts_it,
    ancestors_come_nearest_first_and_at_most_eight_deep
);

/// A line of grants, each grown from the one before.
fn line(all: &Population, length: usize) -> Vec<Grant> {
    let mut line: Vec<Grant> = Vec::new();
    for _ in 0..length {
        let parent = line.last();
        let own = grant(all.realm.id, all.owner());
        let root = line.first().map_or(own.root, |first| first.id);
        line.push(Grant { parent: parent.map(|parent| parent.id), root, api: Some(all.api.id), ..own });
    }
    line
}

fn a_grant_comes_back_as_it_was() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let whole = Grant {
        org: Some(crate::fixture::id()),
        client: Some(all.client.id),
        revoked_at: Some(NOW),
        ..grant(all.realm.id, SubjectId::User(all.user.id))
    };
    let bare = Grant { scopes: vec![], expires_at: None, ..grant(all.realm.id, all.owner()) };
    for wanted in [whole, bare] {
        let made = wanted.clone();
        store.put(move |tx| tx.insert_grant(&made));
        assert_eq!(store.get(|tx| tx.find_grant(all.realm.id, wanted.id)), Some(wanted));
    }
}

fn a_grant_is_revoked_once_and_the_feed_says_so() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, id, later) = (all.realm.id, all.grant.id, NOW + Span::seconds(5));
    assert!(store.put(move |tx| tx.revoke_grant(home, id, NOW)));
    let told = store.told();
    assert_eq!((told.last().unwrap().kind, told.last().unwrap().id), (ChangeKind::Grant, *id.bytes()));
    assert!(!store.put(move |tx| tx.revoke_grant(home, id, later)));
    assert_eq!(store.get(|tx| tx.find_grant(home, id)).unwrap().revoked_at, Some(NOW), "the first moment counts");
    assert_eq!(store.told().len(), told.len());
}

fn the_scopes_and_the_end_of_a_live_grant_change_and_those_of_a_revoked_one_do_not() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, id) = (all.realm.id, all.grant.id);
    let wanted = Grant { scopes: vec![], expires_at: None, ..all.grant.clone() };
    let (asked, back) = (wanted.clone(), all.grant.clone());
    assert!(store.put(move |tx| tx.update_grant(&asked, NOW)));
    assert_eq!(store.get(|tx| tx.find_grant(home, id)), Some(wanted.clone()));
    assert_eq!(store.told().last().unwrap().kind, ChangeKind::Grant);
    store.put(move |tx| tx.revoke_grant(home, id, NOW));
    assert!(!store.put(move |tx| tx.update_grant(&back, NOW)));
    assert_eq!(store.get(|tx| tx.find_grant(home, id)).unwrap().expires_at, None);
}

fn grants_are_listed_by_subject_and_by_life() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let of_alice = grant(home, SubjectId::User(all.user.id));
    let ended = Grant { expires_at: Some(NOW), ..grant(home, all.owner()) };
    let revoked = Grant { revoked_at: Some(NOW), ..grant(home, all.owner()) };
    let endless = Grant { expires_at: None, ..grant(home, all.owner()) };
    let made = [of_alice.clone(), ended, revoked, endless.clone()];
    store.put(move |tx| made.iter().try_for_each(|grant| tx.insert_grant(grant)));
    let list = |filter: GrantFilter| {
        let grants = store.get(|tx| tx.list_grants(home, &filter, &Page::first(9), NOW));
        grants.into_iter().map(|grant| grant.id).collect::<Vec<_>>()
    };
    assert_eq!(list(GrantFilter::default()).len(), 5);
    assert_eq!(list(GrantFilter { live_only: true, subject: None }), [all.grant.id, of_alice.id, endless.id]);
    assert_eq!(list(GrantFilter { live_only: true, subject: Some(all.owner()) }), [all.grant.id, endless.id]);
    assert_eq!(list(GrantFilter { live_only: false, subject: Some(of_alice.subject) }), [of_alice.id]);
    let after = Page { limit: 1, after: Some(*of_alice.id.bytes()) };
    assert_eq!(store.get(|tx| tx.list_grants(home, &GrantFilter::default(), &after, NOW)).len(), 1);
}

fn a_lineage_has_everything_that_a_judge_asks_for() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let lineage = store.get(|tx| tx.find_lineage(all.realm.id, all.grant.id)).unwrap();
    let Lineage { realm, grant, ancestors, subject, roles, api, delegate, authorized, session } = lineage;
    assert_eq!((realm, grant, ancestors), (all.realm, all.grant, vec![]));
    assert_eq!((delegate, authorized, session), (None, None, None), "a key is nobody's but its owner's");
    assert_eq!(subject, Some(admit_core::grant::Subject::Client(all.client)));
    assert_eq!((roles, api), (vec![all.role], Some(all.api)));
}

fn what_is_gone_is_missing_in_a_lineage_and_halts_it() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, id, api, client) = (all.realm.id, all.grant.id, all.api.id, all.client.id);
    let halted = || store.get(|tx| tx.find_lineage(home, id)).unwrap().halted();
    assert_eq!(halted(), None);
    store.put(move |tx| tx.delete_api(home, api, NOW));
    assert_eq!(halted(), Some(Reason::ParentEnded));
    store.put(move |tx| tx.delete_client(home, client, NOW));
    assert_eq!(halted(), Some(Reason::OwnerGone));
}

fn ancestors_come_nearest_first_and_at_most_eight_deep() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, line) = (all.realm.id, line(&all, DEPTH_MAX + 2));
    let made = line.clone();
    store.put(move |tx| made.iter().try_for_each(|grant| tx.insert_grant(grant)));
    let deepest = store.get(|tx| tx.find_lineage(home, line[DEPTH_MAX].id)).unwrap();
    let expected: Vec<_> = line[..DEPTH_MAX].iter().rev().cloned().collect();
    assert_eq!(deepest.ancestors, expected);
    assert_eq!(deepest.halted(), None);
    let too_deep = store.point(|tx| tx.find_lineage(home, line[DEPTH_MAX + 1].id));
    assert!(matches!(too_deep, Err(Error::Corrupt { .. })), "never a guess");

    let first = line[0].id;
    store.put(move |tx| tx.revoke_grant(home, first, NOW));
    let orphaned = store.get(|tx| tx.find_lineage(home, line[DEPTH_MAX].id)).unwrap();
    assert_eq!(orphaned.halted(), Some(Reason::ParentEnded), "by evaluation: its own row is as it was");
}
