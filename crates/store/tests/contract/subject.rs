//! Clients, users and the roles that they hold.

use admit_core::grant::Subject;
use admit_core::id::SubjectId;
use admit_core::name::RoleName;
use admit_core::time::Span;
use admit_store::{ChangeKind, Error, Page};

use crate::fixture::{NOW, Population, TestStore, client, label, role, user};

both!(
    a_subject_comes_back_as_it_was_with_its_roles,
    lists_bring_each_subject_his_own_roles,
    names_and_addresses_are_taken_once,
    a_role_that_there_is_not_cannot_be_held,
    an_update_replaces_roles_and_standing,
    a_renamed_role_is_held_under_its_new_name_and_an_ended_one_by_nobody,
    an_ended_subject_is_gone_with_its_name_free_again
);

fn names(roles: &[&str]) -> Vec<RoleName> {
    roles.iter().map(|role| RoleName::parse(role).unwrap()).collect()
}

fn a_subject_comes_back_as_it_was_with_its_roles() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, robot, alice) = (all.realm.id, all.client.clone(), all.user.clone());
    assert_eq!(robot.spec.roles, names(&["editor"]));
    assert_eq!(store.get(|tx| tx.find_client(home, robot.id)), Some(robot.clone()));
    assert_eq!(store.get(|tx| tx.find_client_named(home, "robot")), Some(robot.clone()));
    assert_eq!(store.get(|tx| tx.find_user(home, alice.id)), Some(alice.clone()));
    assert_eq!(store.get(|tx| tx.find_user_named(home, "alice")), Some(alice.clone()));
    assert_eq!(store.get(|tx| tx.find_user_by_email(home, "ALICE@example.COM")), Some(alice.clone()));
    assert_eq!(store.get(|tx| tx.find_subject(home, all.owner())), Some(Subject::Client(robot)));
    assert_eq!(store.get(|tx| tx.find_subject(home, SubjectId::User(alice.id))), Some(Subject::User(alice)));
    assert_eq!(store.get(|tx| tx.list_roles_of(home, all.owner())), [all.role]);
}

fn lists_bring_each_subject_his_own_roles() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let home = all.realm.id;
    let (mut bob, mut carol) = (user(home, "bob"), user(home, "carol"));
    bob.spec.roles = names(&["editor", "viewer"]);
    carol.spec.roles = names(&["viewer"]);
    let (viewer, second) = (role(home, "viewer"), client(home, "second"));
    let (made, listed) = ((bob.clone(), carol.clone(), second.clone()), vec![all.user.clone(), bob.clone(), carol]);
    store.put(move |tx| {
        tx.insert_role(&viewer)?;
        tx.insert_user(&made.0)?;
        tx.insert_user(&made.1)?;
        tx.insert_client(&made.2)
    });
    assert_eq!(store.get(|tx| tx.list_users(home, &Page::first(9))), listed);
    let after = Page { limit: 1, after: Some(*all.user.id.bytes()) };
    assert_eq!(store.get(|tx| tx.list_users(home, &after)), [bob]);
    assert_eq!(store.get(|tx| tx.list_clients(home, &Page::first(9))), [all.client, second]);
    assert_eq!(store.get(|tx| tx.list_roles(home, &Page::first(9))).len(), 2);
}

fn names_and_addresses_are_taken_once() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let robot = client(home, "robot");
    assert_eq!(store.try_put(move |tx| tx.insert_client(&robot)), Err(Error::Conflict { what: "name" }));
    let mut alice = user(home, "alice");
    alice.spec.email = None;
    assert_eq!(store.try_put(move |tx| tx.insert_user(&alice)), Err(Error::Conflict { what: "name" }));
    let mut other = user(home, "other");
    other.spec.email = Some(label("Alice@Example.com"));
    assert_eq!(store.try_put(move |tx| tx.insert_user(&other)), Err(Error::Conflict { what: "email" }));
    let editor = role(home, "editor");
    assert_eq!(store.try_put(move |tx| tx.insert_role(&editor)), Err(Error::Conflict { what: "name" }));
}

fn a_role_that_there_is_not_cannot_be_held() {
    let store = TestStore::new();
    let home = Population::new(&store, "acme").realm.id;
    let mut bob = user(home, "bob");
    bob.spec.roles = names(&["editor", "king"]);
    let refused = store.write_blocking(move |tx| {
        assert_eq!(tx.insert_user(&bob), Err(Error::Conflict { what: "role" }));
        Ok(admit_store::End::Commit(()))
    });
    assert_eq!(refused, Err(Error::Conflict { what: "role" }), "also if the unit goes on");
    assert_eq!(store.get(|tx| tx.find_user_named(home, "bob")), None);
}

fn an_update_replaces_roles_and_standing() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, later) = (all.realm.id, NOW + Span::seconds(1));
    let mut wanted = all.client.clone();
    wanted.spec.roles.clear();
    wanted.spec.name = label("renamed");
    wanted.disabled_at = Some(NOW);
    let (asked, stale) = (wanted.clone(), wanted.clone());
    let updated = store.put(move |tx| tx.update_client(home, &asked, later)).unwrap();
    wanted.version = 2;
    wanted.updated_at = later;
    assert_eq!(updated, wanted);
    assert_eq!(store.put(move |tx| tx.update_client(home, &stale, later)), None);
    assert!(store.get(|tx| tx.list_roles_of(home, all.owner())).is_empty());

    let mut wanted = all.user.clone();
    wanted.spec.roles = names(&["editor"]);
    wanted.valid_after = Some(NOW);
    let (asked, stale) = (wanted.clone(), wanted.clone());
    let updated = store.put(move |tx| tx.update_user(home, &asked, later)).unwrap();
    assert_eq!((updated.spec, updated.valid_after, updated.version), (wanted.spec, Some(NOW), 2));
    assert_eq!(store.put(move |tx| tx.update_user(home, &stale, later)), None);
    let kinds: Vec<_> = store.told().iter().rev().take(2).map(|change| change.kind).collect();
    assert_eq!(kinds, [ChangeKind::User, ChangeKind::Client]);
}

fn a_renamed_role_is_held_under_its_new_name_and_an_ended_one_by_nobody() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, client_id, role_id) = (all.realm.id, all.client.id, all.role.id);
    let roles_of_robot = || store.get(|tx| tx.find_client(home, client_id)).unwrap().spec.roles;
    let mut wanted = all.role;
    wanted.spec.name = names(&["author"])[0].clone();
    let (asked, stale) = (wanted.clone(), wanted);
    assert_eq!(store.put(move |tx| tx.update_role(home, &asked, NOW)).unwrap().version, 2);
    assert_eq!(store.put(move |tx| tx.update_role(home, &stale, NOW)), None);
    assert_eq!(roles_of_robot(), names(&["author"]));
    assert!(store.get(|tx| tx.find_role_named(home, "author")).is_some());
    assert!(store.put(move |tx| tx.delete_role(home, role_id, NOW)));
    assert!(!store.put(move |tx| tx.delete_role(home, role_id, NOW)));
    assert_eq!(roles_of_robot(), []);
    let last = *store.told().last().unwrap();
    assert_eq!((last.kind, last.id), (ChangeKind::Role, *role_id.bytes()));
}

fn an_ended_subject_is_gone_with_its_name_free_again() {
    let store = TestStore::new();
    let all = Population::new(&store, "acme");
    let (home, client_id, user_id) = (all.realm.id, all.client.id, all.user.id);
    assert!(store.put(move |tx| Ok(tx.delete_client(home, client_id, NOW)? && tx.delete_user(home, user_id, NOW)?)));
    assert!(!store.put(move |tx| Ok(tx.delete_client(home, client_id, NOW)? || tx.delete_user(home, user_id, NOW)?)));
    assert!(store.get(|tx| tx.list_roles_of(home, all.owner())).is_empty());
    assert!(!store.put(move |tx| tx.lock_subject(home, SubjectId::Client(client_id))));
    let (robot, alice) = (client(home, "robot"), user(home, "alice"));
    store.put(move |tx| tx.insert_client(&robot).and_then(|()| tx.insert_user(&alice)));
}
