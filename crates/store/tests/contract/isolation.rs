//! AD-01: what belongs to another realm is simply not there.

use admit_core::grant::Grant;
use admit_core::id::RealmId;
use admit_core::login::identifier::Identifier;
use admit_store::{EventFilter, GrantFilter, KeyFilter, Page, Result, RollEnds, SealedPassword, Tx};

use crate::fixture::{NOW, Population, TestStore, id, label, secret};

both!(
    ad_01_the_ids_of_another_realm_reach_nothing,
    ad_01_lists_show_one_realm,
    ad_01_a_grant_that_names_the_rows_of_another_realm_is_worth_nothing
);

/// A verb and whether, asked for this realm with the ids of that population, it finds or changes anything.
type Reach = (&'static str, fn(&mut Tx<'_>, RealmId, &Population) -> Result<bool>);

const READS: &[Reach] = &[
    ("find_api", |tx, realm, of| Ok(tx.find_api(realm, of.api.id)?.is_some())),
    ("find_client", |tx, realm, of| Ok(tx.find_client(realm, of.client.id)?.is_some())),
    ("find_user", |tx, realm, of| Ok(tx.find_user(realm, of.user.id)?.is_some())),
    ("find_subject", |tx, realm, of| Ok(tx.find_subject(realm, of.owner())?.is_some())),
    ("find_user_signing_in", |tx, realm, of| Ok(tx.find_user_signing_in(realm, &form(of))?.is_some())),
    ("find_namesake", |tx, realm, of| Ok(tx.find_namesake(realm, &form(of))?.is_some())),
    ("find_password", |tx, realm, of| Ok(tx.find_password(realm, of.user.id)?.is_some())),
    ("find_guesses", |tx, realm, of| Ok(tx.find_guesses(realm, of.user.id.into(), NOW)?.is_some())),
    ("find_role", |tx, realm, of| Ok(tx.find_role(realm, of.role.id)?.is_some())),
    ("is_role_of_somebody_signing_in", |tx, realm, of| tx.is_role_of_somebody_signing_in(realm, of.role.id)),
    ("list_roles_of", |tx, realm, of| Ok(!tx.list_roles_of(realm, of.owner())?.is_empty())),
    ("find_grant", |tx, realm, of| Ok(tx.find_grant(realm, of.grant.id)?.is_some())),
    ("find_lineage", |tx, realm, of| Ok(tx.find_lineage(realm, of.grant.id)?.is_some())),
    ("list_grants", |tx, realm, of| {
        let filter = GrantFilter { subject: Some(of.owner()), live_only: false };
        Ok(!tx.list_grants(realm, &filter, &Page::first(9), NOW)?.is_empty())
    }),
    ("find_key", |tx, realm, of| Ok(tx.find_key(realm, of.key.id)?.is_some())),
    ("list_keys", |tx, realm, of| {
        let filter = KeyFilter { owner: Some(of.owner()), ..KeyFilter::default() };
        Ok(!tx.list_keys(realm, &filter, &Page::first(9), NOW)?.is_empty())
    }),
    ("list_secrets", |tx, realm, of| Ok(!tx.list_secrets(realm, of.key.id)?.is_empty())),
    ("find_credential", |tx, realm, of| Ok(tx.find_credential(realm, &of.secret.hash)?.is_some())),
    ("count_live_keys", |tx, realm, of| Ok(tx.count_live_keys(realm, of.owner(), NOW)? > 0)),
    ("list_usage", |tx, realm, of| Ok(!tx.list_usage(realm, of.key.id, 0)?.is_empty())),
    ("last_use", |tx, realm, of| Ok(!tx.last_use(realm, of.key.id)?.is_empty())),
    ("find_rule", |tx, realm, of| Ok(tx.find_rule(realm, of.rule.id)?.is_some())),
];

const WRITES: &[Reach] = &[
    ("lock_subject", |tx, realm, of| tx.lock_subject(realm, of.owner())),
    ("update_api", |tx, realm, of| Ok(tx.update_api(realm, &of.api, NOW)?.is_some())),
    ("update_client", |tx, realm, of| Ok(tx.update_client(realm, &of.client, NOW)?.is_some())),
    ("update_user", |tx, realm, of| Ok(tx.update_user(realm, &of.user, NOW)?.is_some())),
    ("update_password", |tx, realm, of| tx.update_password(realm, of.user.id, &password())),
    ("renew_password", |tx, realm, of| tx.renew_password(realm, of.user.id, b"sealed", b"sealed", 1)),
    ("clear_guesses", |tx, realm, of| Ok(tx.clear_guesses(realm, of.user.id.into())?.is_some())),
    ("delete_password", |tx, realm, of| tx.delete_password(realm, of.user.id, NOW)),
    ("erase_user", |tx, realm, of| tx.erase_user(realm, of.user.id, NOW)),
    ("update_role", |tx, realm, of| Ok(tx.update_role(realm, &of.role, NOW)?.is_some())),
    ("update_key", |tx, realm, of| Ok(tx.update_key(realm, &of.key, NOW)?.is_some())),
    ("roll_key", |tx, realm, of| {
        let ends = RollEnds { old_secrets: NOW, grant: None };
        let key = tx.find_key(of.realm.id, of.key.id)?.unwrap().key;
        Ok(tx.roll_key(realm, &key, &secret(&key, 2), &ends, NOW)?.is_some())
    }),
    ("set_key_disabled", |tx, realm, of| tx.set_key_disabled(realm, of.key.id, Some(NOW), NOW)),
    ("mark_seen_in_browser", |tx, realm, of| tx.mark_seen_in_browser(realm, of.key.id, NOW)),
    ("update_rule", |tx, realm, of| Ok(tx.update_rule(realm, &of.rule, NOW)?.is_some())),
    ("revoke_grant", |tx, realm, of| tx.revoke_grant(realm, of.grant.id, NOW)),
    ("delete_rule", |tx, realm, of| tx.delete_rule(realm, of.rule.id, NOW)),
    ("delete_role", |tx, realm, of| tx.delete_role(realm, of.role.id, NOW)),
    ("delete_user", |tx, realm, of| tx.delete_user(realm, of.user.id, NOW)),
    ("delete_client", |tx, realm, of| tx.delete_client(realm, of.client.id, NOW)),
    ("delete_api", |tx, realm, of| tx.delete_api(realm, of.api.id, NOW)),
];

/// By what the user of a population signs in that no other's does.
fn form(of: &Population) -> Identifier {
    Identifier::parse(&format!("{}-alice", of.realm.name)).unwrap()
}

fn password() -> SealedPassword {
    SealedPassword { sealed: b"sealed".to_vec(), master_key: 1, changed_at: NOW }
}

/// A name of his own, a role, a password, and a failed sign-in.
fn with_sign_in(store: &TestStore, of: &mut Population) {
    let (realm, id) = (of.realm.id, of.user.id);
    of.user.spec.name = label(&format!("{}-alice", of.realm.name));
    of.user.spec.roles = vec![of.role.spec.name.clone()];
    let user = of.user.clone();
    of.user = store
        .put(move |tx| {
            tx.update_password(realm, id, &password())?;
            tx.take_guess(realm, id.into(), NOW)?;
            tx.update_user(realm, &user, NOW)
        })
        .unwrap();
}

fn with_usage(store: &TestStore, of: &Population) {
    let row = admit_store::UsageRow {
        key: of.key.id,
        number: 1,
        day: NOW.day(),
        code: admit_core::check::code::Code::Ok,
        count: 1,
        last_at: NOW,
        last_ip: None,
        last_agent: None,
    };
    store.put(move |tx| tx.add_usage(std::slice::from_ref(&row)));
}

fn ad_01_the_ids_of_another_realm_reach_nothing() {
    let store = TestStore::new();
    let (ours, mut theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    with_sign_in(&store, &mut theirs);
    with_usage(&store, &theirs);
    let told = store.told().len();
    for (verb, reaches) in READS.iter().chain(WRITES) {
        let (home, of) = (ours.realm.id, theirs.clone());
        let reached = store.put(move |tx| reaches(tx, home, &of));
        assert!(!reached, "{verb}");
    }
    assert_eq!(store.told().len(), told, "nothing changed");
    for (verb, reaches) in READS.iter().chain(WRITES) {
        let (home, of) = (theirs.realm.id, theirs.clone());
        let reached = store.put(move |tx| reaches(tx, home, &of));
        assert!(reached, "{verb} does find what is its own");
    }
}

fn ad_01_lists_show_one_realm() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    let (home, page, event) = (ours.realm.id, Page::first(99), theirs.realm.id);
    store.put(move |tx| {
        tx.insert_event(&admit_core::audit::Event {
            id: id(),
            number: 0,
            seal: None,
            realm: Some(event),
            at: NOW,
            kind: "key.created".to_owned(),
            actor: "operator".to_owned(),
            target: "x".to_owned(),
            reason: None,
            request_id: None,
            detail: serde_json::Value::Null,
        })
    });
    store.get(|tx| {
        assert_eq!(tx.list_apis(home, &page)?, [ours.api]);
        assert_eq!(tx.list_clients(home, &page)?, [ours.client]);
        assert_eq!(tx.list_users(home, &page)?, [ours.user]);
        assert_eq!(tx.list_roles(home, &page)?, [ours.role]);
        assert_eq!(tx.list_rules(home, None, 99)?, [ours.rule]);
        assert_eq!(tx.list_grants(home, &GrantFilter::default(), &page, NOW)?, [ours.grant]);
        assert_eq!(tx.list_keys_named(home, "deploy", 99)?.len(), 1);
        assert_eq!(tx.list_keys(home, &KeyFilter::default(), &page, NOW)?.len(), 1);
        assert!(tx.list_latest_events(home, &EventFilter::default(), None, 99)?.is_empty());
        Ok(())
    });
}

fn ad_01_a_grant_that_names_the_rows_of_another_realm_is_worth_nothing() {
    let store = TestStore::new();
    let (ours, theirs) = (Population::new(&store, "ours"), Population::new(&store, "theirs"));
    let (mut foreign, key, proof) = ours.another_key("foreign");
    foreign = Grant { subject: theirs.owner(), api: Some(theirs.api.id), ..foreign };
    let hash = proof.hash;
    store.put(move |tx| tx.insert_key(&foreign, &key, &proof));
    let found = store.get(|tx| tx.find_credential(ours.realm.id, &hash)).unwrap();
    let listed = store.get(|tx| tx.find_key(ours.realm.id, found.key.id)).unwrap();
    assert_eq!((listed.owner, listed.api), (None, None));
    assert_eq!((found.lineage.subject, found.lineage.api, found.lineage.roles), (None, None, vec![]));
}
