//! The person of the demo: Alice, who may do at the demo's API what its key may, and gets another password at each start.

use admit_core::id::RealmId;
use admit_core::name::{ApiUri, Label, RoleName, ScopeName};
use admit_core::realm::Realm;
use admit_core::role::{Role, RoleSpec};
use admit_core::scope::Rights;
use admit_core::secret::Secret;
use admit_core::user::{User, UserSpec};
use admit_store::{End, Tx};
use data_encoding::BASE32_NOPAD;

use super::Failure;
use crate::app::App;
use crate::login::password::{self, Beside};
use crate::manage::users;

/// What Alice signs in by.
pub const EMAIL: &str = "alice@example.com";
const NAME: &str = "alice";
const ROLE: &str = "demo-customer";

/// Finds Alice or makes her, and gives her a new password. She stays signed in where she is.
pub async fn prepare(app: &App, realm: &Realm, api: &ApiUri, scopes: &[ScopeName]) -> Result<Secret, Failure> {
    let bad = |error: admit_core::name::BadName| Failure(format!("the demo's names are bad: {error}"));
    let role = RoleSpec {
        name: RoleName::parse(ROLE).map_err(bad)?,
        description: "Reads and changes orders of the demo".to_owned(),
        rights: Rights::from([(api.clone(), scopes.iter().cloned().collect())]),
    };
    let spec = UserSpec {
        name: Label::parse(NAME).map_err(bad)?,
        email: Some(Label::parse(EMAIL).map_err(bad)?),
        roles: vec![role.name.clone()],
        external_id: None,
        metadata: serde_json::Value::Null,
    };
    let chosen = draw(app);
    let accepted = password::accept(app, realm, &spec, &chosen, Beside::Nothing, None).await;
    let accepted = accepted.map_err(|why| Failure(format!("the demo's password is not taken: {why:?}")))?;
    let (now, shared, realm) = (app.now(), app.clone(), realm.id);
    app.store
        .write(move |tx| {
            if tx.find_role_named(realm, ROLE)?.is_none() {
                tx.insert_role(&Role {
                    id: shared.id(now),
                    realm,
                    spec: role.clone(),
                    created_at: now,
                    updated_at: now,
                    version: 1,
                })?;
            }
            let alice = find_or_make(tx, &shared, realm, &spec)?;
            tx.update_password(realm, alice.id, &accepted.seal(&shared, &alice, now))?;
            Ok(End::Commit(()))
        })
        .await?;
    Ok(chosen)
}

fn find_or_make(tx: &mut Tx<'_>, app: &App, realm: RealmId, spec: &UserSpec) -> admit_store::Result<User> {
    // She may have another address by now, or another name.
    let known = [tx.find_user_by_email(realm, EMAIL)?, tx.find_user_named(realm, NAME)?];
    if let Some(known) = known.into_iter().flatten().next() {
        return Ok(known);
    }
    let now = app.now();
    let alice = User { email_verified_at: Some(now), ..users::new(app.id(now), realm, spec.clone(), now) };
    tx.insert_user(&alice)?;
    Ok(alice)
}

/// Twenty letters and digits in groups, easy to copy by hand.
fn draw(app: &App) -> Secret {
    let letters = BASE32_NOPAD.encode(&app.random::<13>()).to_lowercase();
    let groups: Vec<_> = letters.as_bytes()[..20].chunks(5).map(String::from_utf8_lossy).collect();
    Secret::new(groups.join("-"))
}
