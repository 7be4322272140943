//! The making of a realm: the row, its management API and its ready roles, in one transaction.
//!
//! Used by `POST /v1/realms` and by the first start. Knows nothing of HTTP and of who asks.

use admit_core::api::{Api, ApiSpec};
use admit_core::id::{Id, RealmId};
use admit_core::name::{self, ApiUri, ScopeName};
use admit_core::realm::Realm;
use admit_core::role::{self, Role};
use admit_core::scope;
use admit_core::time::Time;
use admit_store::{Result, Tx};
use std::collections::BTreeMap;

/// Stores a realm with what every realm has.
///
/// `operators` is the realm of operators, in which the management API is known too, so that an operator can hold rights
/// over one realm only; none says that this realm is the realm of operators itself, and then it knows the server's API.
pub fn insert_realm(tx: &mut Tx<'_>, realm: &Realm, operators: Option<RealmId>, now: Time, ids: &mut dyn FnMut() -> [u8; 10]) -> Result<()> {
    tx.insert_realm(realm)?;
    let mut insert_api = |tx: &mut Tx<'_>, owner: RealmId, uri: ApiUri, scopes: BTreeMap<ScopeName, String>| {
        let spec = ApiSpec::new(uri, scopes);
        tx.insert_api(&Api { id: Id::new(now, ids()), realm: owner, spec, created_at: now, updated_at: now, version: 1 })
    };
    let management = name::management_api(&realm.name);
    insert_api(tx, realm.id, management.clone(), scope::management_scopes())?;
    match operators {
        Some(operators) => insert_api(tx, operators, management, scope::management_scopes())?,
        None => insert_api(tx, realm.id, name::server_api(), scope::server_scopes())?,
    }
    for spec in role::ready_roles(&realm.name) {
        tx.insert_role(&Role { id: Id::new(now, ids()), realm: realm.id, spec, created_at: now, updated_at: now, version: 1 })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::realm::{OPERATORS, default_prefix};
    use admit_store::{End, Options, Page, Store};

    fn realm(name: &str, number: u8) -> Realm {
        let name = name.parse().unwrap();
        let (now, prefix) = (Time::from_unix_ms(1_000), default_prefix(&name).unwrap());
        Realm { id: RealmId::from_bytes([number; 16]), name, prefix, host: None, disabled_at: None, valid_after: None, metadata: serde_json::Value::Null, created_at: now, updated_at: now, version: 1 }
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
}
