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
pub fn insert_realm(tx: &mut Tx<'_>, realm: &Realm, operators: Option<RealmId>, now: Time, draw: Draw<'_>) -> Result<()> {
    tx.insert_realm(realm)?;
    let management = ApiSpec::new(name::management_api(&realm.name), scope::management_scopes());
    tx.insert_api(&api(realm.id, management.clone(), now, draw))?;
    match operators {
        Some(operators) => tx.insert_api(&api(operators, management, now, draw))?,
        None => tx.insert_api(&api(realm.id, ApiSpec::new(name::server_api(), scope::server_scopes()), now, draw))?,
    }
    for spec in ready_roles(&realm.name) {
        tx.insert_role(&Role { id: Id::new(now, draw()), realm: realm.id, spec, created_at: now, updated_at: now, version: 1 })?;
    }
    Ok(())
}

fn api(realm: RealmId, spec: ApiSpec, now: Time, draw: Draw<'_>) -> Api {
    Api { id: Id::new(now, draw()), realm, spec, created_at: now, updated_at: now, version: 1 }
}
