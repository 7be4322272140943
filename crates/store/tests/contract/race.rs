//! Races are settled by the store, not by luck.

use std::sync::{Arc, Barrier};
use std::thread;

use admit_core::time::{Span, Time};
use admit_store::{End, Page, Store};

use crate::fixture::{NOW, Population, TestStore, id, label, role};

both!(
    ak_09_a_hundred_at_once_never_pass_the_quota,
    who_judges_rows_of_a_realm_together_does_so_alone,
    a_job_is_claimed_by_one_at_a_time,
    of_updates_of_one_version_one_wins,
    of_many_who_revoke_one_did
);

/// Runs the same on so many threads at once and counts those that say yes.
fn at_once(count: usize, store: &TestStore, work: impl Fn(&Store, usize) -> bool + Send + Sync + 'static) -> usize {
    let (work, start) = (Arc::new(work), Arc::new(Barrier::new(count)));
    let threads: Vec<_> = (0..count)
        .map(|number| {
            let (work, start, store) = (work.clone(), start.clone(), store.store.clone());
            thread::spawn(move || {
                start.wait();
                work(&store, number)
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).filter(|yes| *yes).count()
}

fn ak_09_a_hundred_at_once_never_pass_the_quota() {
    const QUOTA: i64 = 17;
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, owner, shared) = (all.realm.id, all.owner(), all.clone());
    let made = at_once(100, &store, move |store, number| {
        let (grant, key, secret) = shared.another_key(&format!("k{number}"));
        let ended = store.write_blocking(move |tx| {
            assert!(tx.lock_subject(home, owner)?);
            if tx.count_live_keys(home, owner, NOW)? >= QUOTA {
                return Ok(End::Rollback(false));
            }
            tx.insert_key(&grant, &key, &secret)?;
            Ok(End::Commit(true))
        });
        ended.unwrap()
    });
    assert_eq!(made as i64, QUOTA - 1, "one was there before");
    assert_eq!(store.get(|tx| tx.count_live_keys(home, owner, NOW)), QUOTA);
}

fn who_judges_rows_of_a_realm_together_does_so_alone() {
    const MOST: usize = 5;
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let made = at_once(40, &store, move |store, number| {
        let one = role(home, &format!("r{number}"));
        let ended = store.write_blocking(move |tx| {
            assert!(tx.lock_realm(home)?);
            if tx.list_roles(home, &Page::first(100))?.len() >= MOST {
                return Ok(End::Rollback(false));
            }
            tx.insert_role(&one)?;
            Ok(End::Commit(true))
        });
        ended.unwrap()
    });
    assert_eq!(made, MOST - 1, "one was there before");
    assert_eq!(store.put(|tx| Ok((tx.lock_realm(id())?, tx.lock_meta("nothing")?))), (false, false));
}

fn a_job_is_claimed_by_one_at_a_time() {
    let store = TestStore::new();
    let claim = |store: &Store, at: Time| {
        store.write_blocking(move |tx| tx.claim("job", Span::hours(1), at).map(End::Commit)).unwrap()
    };
    assert_eq!(at_once(16, &store, move |store, _| claim(store, NOW)), 1);
    assert!(!claim(&store, NOW + Span::minutes(59)));
    assert_eq!(at_once(16, &store, move |store, _| claim(store, NOW + Span::hours(1))), 1);
}

fn of_updates_of_one_version_one_wins() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, key, rule, client) = (all.realm.id, all.key.clone(), all.rule.clone(), all.client.clone());
    let won = at_once(16, &store, move |store, number| {
        let mut key = key.clone();
        key.name = label(&format!("by {number}"));
        store.write_blocking(move |tx| tx.update_key(home, &key, NOW).map(End::Commit)).unwrap().is_some()
    });
    assert_eq!(won, 1);
    let won = at_once(16, &store, move |store, _| {
        let rule = rule.clone();
        store.write_blocking(move |tx| tx.update_rule(home, &rule, NOW).map(End::Commit)).unwrap().is_some()
    });
    assert_eq!(won, 1);
    let won = at_once(16, &store, move |store, _| {
        let client = client.clone();
        store.write_blocking(move |tx| tx.update_client(home, &client, NOW).map(End::Commit)).unwrap().is_some()
    });
    assert_eq!(won, 1);
}

fn of_many_who_revoke_one_did() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, id) = (all.realm.id, all.grant.id);
    let revoked = at_once(16, &store, move |store, _| {
        store.write_blocking(move |tx| tx.revoke_grant(home, id, NOW).map(End::Commit)).unwrap()
    });
    assert_eq!(revoked, 1);
}
