//! A realm as a whole: its row, its management API and its ready roles, made in one transaction.

use admit_core::api::{Api, ApiSpec};
use admit_core::id::{Id, RealmId};
use admit_core::name;
use admit_core::realm::Realm;
use admit_core::role::{Role, ready_roles};
use admit_core::scope;
use admit_core::time::Time;
use admit_store::{Result, Tx};

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

fn api(realm: RealmId, spec: ApiSpec, now: Time, draw: Draw<'_>) -> Api {
    Api { id: Id::new(now, draw()), realm, spec, created_at: now, updated_at: now, version: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use admit_core::realm::{OPERATORS, default_prefix};
    use admit_store::{End, Options, Page, Store};

    fn realm(name: &str, number: u8) -> Realm {
        let name = name.parse().unwrap();
        let (now, prefix) = (Time::from_unix_ms(1_000), default_prefix(&name).unwrap());
        Realm {
            id: RealmId::from_bytes([number; 16]),
            name,
            prefix,
            host: None,
            disabled_at: None,
            valid_after: None,
            metadata: serde_json::Value::Null,
            created_at: now,
            updated_at: now,
            version: 1,
        }
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
