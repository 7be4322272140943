//! A realm as a whole: its row, its management API and its ready roles, made in one transaction; and what a new version adds
//! to realms that are there already.

use std::collections::BTreeSet;

use admit_core::api::{Api, ApiSpec};
use admit_core::audit::Event;
use admit_core::id::{Id, RealmId};
use admit_core::name;
use admit_core::realm::Realm;
use admit_core::role::{Role, ready_roles};
use admit_core::scope;
use admit_core::time::Time;
use admit_store::{End, Page, Result, Store, Tx};
use serde_json::json;

/// Draws the random part of one id.
pub type Draw<'d> = &'d mut dyn FnMut() -> [u8; 10];

/// Inserts a realm with its management API and ready roles. The realm of operators (`None` while that is the one being
/// made) gets the same API, so that an operator can hold rights over this realm alone; it has the server's API besides.
pub fn insert_realm(
    tx: &mut Tx<'_>,
    realm: &Realm,
    operators: Option<RealmId>,
    now: Time,
    draw: Draw<'_>,
) -> Result<()> {
    tx.insert_realm(realm)?;
    let management = ApiSpec::new(name::management_api(&realm.name), scope::management_scopes());
    tx.insert_api(&api(realm.id, management.clone(), now, draw))?;
    match operators {
        Some(operators) => tx.insert_api(&api(operators, management, now, draw))?,
        None => tx.insert_api(&api(realm.id, ApiSpec::new(name::server_api(), scope::server_scopes()), now, draw))?,
    }
    for spec in ready_roles(&realm.name) {
        tx.insert_role(&Role {
            id: Id::new(now, draw()),
            realm: realm.id,
            spec,
            created_at: now,
            updated_at: now,
            version: 1,
        })?;
    }
    Ok(())
}

/// Where the store keeps up to which version of themselves its realms were brought.
const BROUGHT_TO: &str = "management_scopes";
/// How many realms are looked at together.
const BATCH: u32 = 100;

/// Adds to every realm's management API and ready roles what this version knows and they lack. Nobody changes these but
/// Admit, so that nothing comes back that somebody took away; and nothing is taken away, for another node may be older.
/// One transaction for each realm, and none where the store was brought there before.
pub fn bring_up(store: &Store, operators: RealmId, now: Time, draw: Draw<'_>) -> Result<()> {
    let newest = newest();
    if store.point(|tx| tx.find_meta(BROUGHT_TO))?.as_deref() == Some(&newest) {
        return Ok(());
    }
    let mut after = None;
    loop {
        let realms = store.point(|tx| tx.list_realms(&Page { limit: BATCH, after }))?;
        let Some(last) = realms.last() else { break };
        after = Some(*last.id.bytes());
        for realm in realms {
            let event = Event::new(Id::new(now, draw()), realm.id, "realm.brought_up", now).on(realm.id);
            store.write_blocking(move |tx| {
                let added = bring_one_up(tx, &realm, operators, now)?;
                if !added.is_empty() {
                    tx.insert_event(&Event { detail: json!({ "added_to": added }), ..event.clone() })?;
                }
                Ok(End::Commit(()))
            })?;
        }
    }
    store.write_blocking(move |tx| tx.update_meta(BROUGHT_TO, &newest).map(End::Commit))
}

/// What tells whether a store was brought up to this version: all scopes there are, as ready roles have them.
fn newest() -> Vec<u8> {
    let known: Vec<_> = scope::management_scopes().into_keys().map(|scope| scope.to_string()).collect();
    known.join(" ").into_bytes()
}

/// What something was added to, in one realm.
fn bring_one_up(tx: &mut Tx<'_>, realm: &Realm, operators: RealmId, now: Time) -> Result<Vec<String>> {
    tx.lock_realm(realm.id)?;
    let management = name::management_api(&realm.name);
    let mut added = Vec::new();
    for place in [realm.id, operators].into_iter().collect::<BTreeSet<_>>() {
        let Some(api) = tx.find_api_by_uri(place, management.as_str())? else { continue };
        let mut spec = api.spec.clone();
        for (scope, text) in scope::management_scopes() {
            spec.scopes.entry(scope).or_insert(text);
        }
        if spec != api.spec && tx.update_api(place, &Api { spec, ..api }, now)?.is_some() && place == realm.id {
            added.push(management.to_string());
        }
    }
    for wanted in ready_roles(&realm.name) {
        let Some(role) = tx.find_role_named(realm.id, wanted.name.as_str())? else { continue };
        let mut spec = role.spec.clone();
        scope::unite(&mut spec.rights, &wanted.rights);
        if spec != role.spec && tx.update_role(realm.id, &Role { spec, ..role }, now)?.is_some() {
            added.push(wanted.name.to_string());
        }
    }
    Ok(added)
}

fn api(realm: RealmId, spec: ApiSpec, now: Time, draw: Draw<'_>) -> Api {
    Api { id: Id::new(now, draw()), realm, spec, created_at: now, updated_at: now, version: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::name::ScopeName;
    use admit_core::realm::{OPERATORS, default_prefix};
    use admit_store::{EventFilter, Options};

    fn realm(name: &str, number: u8) -> Realm {
        let name = name.parse().unwrap();
        let (now, prefix) = (Time::from_unix_ms(1_000), default_prefix(&name).unwrap());
        Realm::new(RealmId::from_bytes([number; 16]), name, prefix, now)
    }

    #[test]
    fn a_realm_begins_with_its_api_and_roles() {
        let folder = tempfile::tempdir().unwrap();
        let now = Time::from_unix_ms(1_000);
        let store = Store::open(&Options::new(folder.path().join("admit.db")), |_| {}, now).unwrap();
        let (operators, default) = (realm(OPERATORS, 1), realm("default", 2));
        let (first, second) = (operators.clone(), default.clone());
        store
            .write_blocking(move |tx| {
                let mut count = 0_u8;
                let mut ids = || {
                    count += 1;
                    [count; 10]
                };
                insert_realm(tx, &first, None, now, &mut ids)?;
                insert_realm(tx, &second, Some(first.id), now, &mut ids)?;
                Ok(End::Commit(()))
            })
            .unwrap();
        let apis = |realm: RealmId| {
            let apis = store.point(|tx| tx.list_apis(realm, &Page::first(10))).unwrap();
            apis.into_iter().map(|api| api.spec.uri.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(apis(default.id), ["urn:admit:realm:default"]);
        assert_eq!(apis(operators.id), ["urn:admit:realm:operators", "urn:admit:server", "urn:admit:realm:default"]);
        let roles = store.point(|tx| tx.list_roles(default.id, &Page::first(10))).unwrap();
        assert_eq!(roles.len(), 4);
    }

    /// As a version before sessions left it.
    fn age(store: &Store, realm: RealmId, now: Time) {
        let gone = |scope: &ScopeName| scope.as_str().starts_with("sessions:");
        store
            .write_blocking(move |tx| {
                for mut api in tx.list_apis(realm, &Page::first(10))? {
                    api.spec.scopes.retain(|scope, _| !gone(scope));
                    tx.update_api(realm, &api, now)?;
                }
                for mut role in tx.list_roles(realm, &Page::first(10))? {
                    role.spec.rights.values_mut().for_each(|scopes| scopes.retain(|scope| !gone(scope)));
                    tx.update_role(realm, &role, now)?;
                }
                Ok(End::Commit(()))
            })
            .unwrap();
    }

    type Specs = (Vec<ApiSpec>, Vec<admit_core::role::RoleSpec>);

    /// APIs and ready roles of both realms, and how often all of them were changed.
    fn state(store: &Store, realms: [RealmId; 2]) -> (Specs, i64) {
        let (mut specs, mut versions) = (Specs::default(), 0);
        for realm in realms {
            for api in store.point(|tx| tx.list_apis(realm, &Page::first(10))).unwrap() {
                versions += api.version;
                specs.0.push(api.spec);
            }
            for role in store.point(|tx| tx.list_roles(realm, &Page::first(10))).unwrap() {
                versions += role.version;
                specs.1.push(role.spec);
            }
        }
        (specs, versions)
    }

    #[test]
    fn a_realm_of_an_older_version_gets_what_is_new_once() {
        let folder = tempfile::tempdir().unwrap();
        let now = Time::from_unix_ms(1_000);
        let store = Store::open(&Options::new(folder.path().join("admit.db")), |_| {}, now).unwrap();
        let (operators, default) = (realm(OPERATORS, 1), realm("default", 2));
        let (control, both) = (operators.id, [operators.id, default.id]);
        let drawing = |mut number: u8| {
            move || {
                number += 1;
                [number; 10]
            }
        };
        store
            .write_blocking(move |tx| {
                let mut ids = drawing(100);
                insert_realm(tx, &operators, None, now, &mut ids)?;
                insert_realm(tx, &default, Some(operators.id), now, &mut ids)?;
                Ok(End::Commit(()))
            })
            .unwrap();
        let mut ids = drawing(0);
        let events = || {
            let of = |realm| store.point(|tx| tx.list_latest_events(realm, &EventFilter::default(), None, 10)).unwrap();
            both.map(|realm| of(realm).len())
        };
        let forget = || store.write_blocking(|tx| tx.update_meta(BROUGHT_TO, b"apis:read").map(End::Commit)).unwrap();
        let whole = state(&store, both);
        bring_up(&store, control, now, &mut ids).unwrap();
        assert_eq!((state(&store, both), events()), (whole.clone(), [0, 0]), "nothing to do in a new store");
        both.into_iter().for_each(|realm| age(&store, realm, now));
        bring_up(&store, control, now, &mut ids).unwrap();
        assert_ne!(state(&store, both).0, whole.0, "it was brought there before");
        forget();
        bring_up(&store, control, now, &mut ids).unwrap();
        let done = state(&store, both);
        assert_eq!((&done.0, events()), (&whole.0, [1, 1]));
        forget();
        bring_up(&store, control, now, &mut ids).unwrap();
        assert_eq!((state(&store, both), events()), (done, [1, 1]), "a second node finds nothing to do");
    }
}
