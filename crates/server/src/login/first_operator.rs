//! The first operator: the link that `serve` prints, and the person who follows it.
//!
//! There is one only while nobody can manage the server by signing in. It is good once, for ten minutes, and its hash alone is
//! kept. Whoever is first settles it: of several links and several requests one makes an operator, and then all are worth
//! nothing (AD-03). Prints nothing and shows no page.

use admit_core::audit::Event;
use admit_core::id::{RealmId, RequestId, RoleId, UserId};
use admit_core::name::{self, Label, RoleName};
use admit_core::policy::rule::Problem as Flaw;
use admit_core::realm::Realm;
use admit_core::role::{Role, RoleSpec};
use admit_core::scope::{self, Rights};
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::time::{Span, Time};
use admit_core::user::{User, UserSpec};
use admit_store::{End, Page, ShortCredential, ShortKind, Tx};
use ipnet::IpNet;
use serde_json::json;

use super::password::{self, Beside, NotSet};
use crate::app::App;
use crate::manage::roles::REALM_ROLES_MAX;
use crate::manage::users;

/// How long a link is good.
pub const LIFE: Span = Span::minutes(10);
const PREFIX: &str = "admit_ln";
/// The role that the first operator gets where none manages the server yet; where the name is taken, one with a number.
const ROLE: &str = "server-operator";
const NAMES_MAX: u32 = 20;
/// Who the audit says did it: there was nobody yet.
const ACTOR: &str = "first_operator";

/// What is typed into the form.
pub struct Applicant {
    /// The user name.
    pub name: Label,
    /// The address.
    pub email: Label,
    /// The password.
    pub password: Secret,
}

/// Why nobody became an operator.
#[derive(Debug)]
pub enum NotEnrolled {
    /// The link is none, or not any more.
    NoLink,
    /// Name or address cannot be had.
    Bad(Flaw),
    /// The password cannot.
    Password(NotSet),
    /// The store cannot be used.
    Store(admit_store::Error),
}

impl From<admit_store::Error> for NotEnrolled {
    fn from(error: admit_store::Error) -> Self {
        Self::Store(error)
    }
}

/// A new link; none where somebody can manage the server by signing in.
pub async fn make(app: &App) -> admit_store::Result<Option<Secret>> {
    let (realm, now) = (app.operators, app.now());
    let secret = secret::write(PREFIX, &app.random());
    let keys = app.master.keys();
    let active = keys.active();
    let link = ShortCredential {
        hash: active.lookup.hash(realm, SecretKind::Link, secret.expose()),
        lookup_key: active.number,
        kind: ShortKind::FirstOperator,
        realm,
        user: None,
        grant: None,
        bound_to: None,
        detail: None,
        created_at: now,
        expires_at: now + LIFE,
        used_at: None,
    };
    let told = event(app, "operator.link_made", realm, now);
    let made = app.store.write(move |tx| {
        if is_somebody_there(tx, realm)? {
            return Ok(End::Rollback(false));
        }
        tx.insert_short(&link)?;
        tx.insert_event(&told)?;
        Ok(End::Commit(true))
    });
    Ok(made.await?.then_some(secret))
}

/// Whether a link is good. Uses nothing up.
pub fn is_good(app: &App, link: &Secret, now: Time) -> admit_store::Result<bool> {
    let realm = app.operators;
    let hashes = app.master.keys().hashes(realm, SecretKind::Link, link.expose());
    app.store.point(|tx| {
        let found = tx.find_short(realm, ShortKind::FirstOperator, &hashes, now)?;
        Ok(found.is_some() && !is_somebody_there(tx, realm)?)
    })
}

/// Makes whoever has the link the first operator.
pub async fn enroll(
    app: &App,
    realm: &Realm,
    link: &Secret,
    applicant: Applicant,
    source: Option<IpNet>,
    request_id: RequestId,
) -> Result<UserId, NotEnrolled> {
    if !is_good(app, link, app.now())? {
        return Err(NotEnrolled::NoLink);
    }
    let Applicant { name, email, password } = applicant;
    let (external_id, metadata) = (None, serde_json::Value::Null);
    let spec = UserSpec { name, email: Some(email), roles: Vec::new(), external_id, metadata };
    let bad = |flaws: Vec<Flaw>| flaws.into_iter().next().map_or(NotEnrolled::NoLink, NotEnrolled::Bad);
    let spec = spec.resolve().map_err(bad)?;
    let flaw = |field: &str, bad: String| NotEnrolled::Bad(Flaw::new(field, bad));
    for naming in spec.namings() {
        naming.form.map_err(|bad| flaw(naming.field, bad.to_string()))?;
    }
    // A password that is not taken does not cost the link.
    let accepted = password::accept(app, realm, &spec, &password, Beside::Nothing, source).await;
    let accepted = accepted.map_err(NotEnrolled::Password)?;
    let (now, id) = (app.now(), realm.id);
    let user = users::new(app.id(now), id, spec, now);
    let (sealed, role) = (accepted.seal(app, &user, now), app.id(now));
    let hashes = app.master.keys().hashes(id, SecretKind::Link, link.expose());
    let told = Event { request_id: Some(request_id.to_string()), ..event(app, "user.created", user.id, now) };
    let made = user.id;
    let done = app.store.write(move |tx| {
        // Two with different links would each find that nobody is there.
        tx.lock_realm(id)?;
        let mut is_taken = false;
        for hash in &hashes {
            is_taken = is_taken || tx.take_short(id, ShortKind::FirstOperator, hash, now)?.is_some();
        }
        if !is_taken || is_somebody_there(tx, id)? {
            return Ok(End::Rollback(false));
        }
        let role = managing_role(tx, id, role, now)?;
        let user = User { spec: UserSpec { roles: vec![role], ..user.spec.clone() }, ..user.clone() };
        tx.insert_user(&user)?;
        tx.update_password(id, user.id, &sealed)?;
        tx.delete_shorts(id, ShortKind::FirstOperator)?;
        let detail = json!({ "name": user.spec.name, "roles": user.spec.roles, "first_operator": true });
        tx.insert_event(&Event { detail, ..told.clone() })?;
        Ok(End::Commit(true))
    });
    match done.await {
        Ok(true) => Ok(made),
        Ok(false) => Err(NotEnrolled::NoLink),
        Err(admit_store::Error::Conflict { what }) => {
            let field = if what.contains("mail") { "email" } else { "name" };
            Err(flaw(field, "is another's already".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether somebody can manage the server by signing in.
fn is_somebody_there(tx: &mut Tx<'_>, realm: RealmId) -> admit_store::Result<bool> {
    for role in managing_roles(tx, realm)? {
        if tx.is_role_of_somebody_signing_in(realm, role.id)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The roles that manage the whole server.
fn managing_roles(tx: &mut Tx<'_>, realm: RealmId) -> admit_store::Result<Vec<Role>> {
    let roles_max = u32::try_from(REALM_ROLES_MAX).unwrap_or(u32::MAX);
    let roles = tx.list_roles(realm, &Page::first(roles_max))?;
    let manages = |rights: &Rights| {
        rights.get(&name::server_api()).is_some_and(|scopes| scopes.iter().any(|held| held.as_str() == "server:write"))
    };
    Ok(roles.into_iter().filter(|role| manages(&role.spec.rights)).collect())
}

/// The name of a role that manages the server: one that is there, else a new one.
fn managing_role(tx: &mut Tx<'_>, realm: RealmId, id: RoleId, now: Time) -> admit_store::Result<RoleName> {
    let known = managing_roles(tx, realm)?.into_iter().map(|role| role.spec.name);
    if let Some(known) = known.min_by_key(|name| (name.as_str() != ROLE, name.clone())) {
        return Ok(known);
    }
    let numbered = (2..=NAMES_MAX).map(|number| format!("{ROLE}-{number}"));
    for name in std::iter::once(ROLE.to_owned()).chain(numbered) {
        let Ok(called) = RoleName::parse(&name) else { continue };
        if tx.find_role_named(realm, called.as_str())?.is_none() {
            let rights = Rights::from([(name::server_api(), scope::server_scopes().into_keys().collect())]);
            let description = "Manages the whole server".to_owned();
            let spec = RoleSpec { name: called.clone(), description, rights };
            tx.insert_role(&Role { id, realm, spec, created_at: now, updated_at: now, version: 1 })?;
            return Ok(called);
        }
    }
    Err(admit_store::Error::Conflict { what: "role" })
}

fn event(app: &App, kind: &str, target: impl std::fmt::Display, now: Time) -> Event {
    Event {
        id: app.id(now),
        number: 0,
        seal: None,
        realm: Some(app.operators),
        at: now,
        kind: kind.to_owned(),
        actor: ACTOR.to_owned(),
        target: target.to_string(),
        reason: None,
        request_id: None,
        detail: serde_json::Value::Null,
    }
}
