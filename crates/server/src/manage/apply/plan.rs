//! What a realm has, as far as a document speaks of it, and what the document changes.

use std::collections::HashSet;

use admit_core::client::{Client, ClientSpec};
use admit_core::document::{Action, Current, Document, ITEMS_MAX, Kind, Plan};
use admit_core::id::{RealmId, SubjectId};
use admit_core::name::RoleName;
use admit_core::role::RoleSpec;
use admit_core::scope::{self, Rights};
use admit_core::user::{User, UserSpec};
use admit_store::{Page, Tx};

use super::super::clients::live_grants;
use super::super::guard::Access;
use super::super::work::Stop;
use super::super::{roles, rules};
use crate::check::policies::{APIS_MAX, all_apis, all_rules};
use crate::http::problem::Problem;

/// The scopes that the caller must have, by the kinds that a document mentions.
pub fn writes(document: &Document) -> Vec<&'static str> {
    let mentioned = [
        ("apis:write", document.api.is_some()),
        ("roles:write", document.role.is_some()),
        ("clients:write", document.client.is_some()),
        ("users:write", document.user.is_some()),
        ("rules:write", document.rule.is_some()),
    ];
    mentioned.iter().filter(|(_, is)| *is).map(|(scope, _)| *scope).collect()
}

/// What the document changes; nothing that gives anybody rights over Admit that the caller has not.
pub fn of(tx: &mut Tx<'_>, access: &Access, document: Document, prune: bool) -> Result<Plan, Stop> {
    let current = current(tx, access, &document, prune)?;
    let plan = document.plan(&current, prune).map_err(Problem::invalid)?;
    must_hold_all(access, &current, &plan)?;
    let made = plan.changes.iter().filter(|change| change.kind == Kind::Api && change.action == Action::Create).count();
    if current.apis.len() + made > APIS_MAX {
        return Err(Problem::new(409, "too_many", format!("A realm has at most {APIS_MAX} APIs.")).into());
    }
    Ok(plan)
}

/// All APIs, roles and rules; those clients and users that are named or may be pruned.
fn current(tx: &mut Tx<'_>, access: &Access, document: &Document, prune: bool) -> Result<Current, Stop> {
    let realm = access.realm_id();
    let stored = all_rules(tx, realm)?;
    Ok(Current {
        apis: all_apis(tx, realm)?.into_iter().map(|api| api.spec).collect(),
        roles: roles::all(tx, realm)?.into_iter().map(|role| role.spec).collect(),
        clients: clients(tx, access, document.client.as_deref(), prune)?,
        users: users(tx, access, document.user.as_deref(), prune)?,
        rules: stored.iter().map(|stored| (named(stored), stored.place)).collect(),
    })
}

fn named(stored: &admit_store::StoredRule) -> admit_core::policy::rule::RawRule {
    admit_core::policy::rule::RawRule { name: Some(stored.name.clone()), ..rules::raw(stored) }
}

fn clients(
    tx: &mut Tx<'_>,
    access: &Access,
    wanted: Option<&[ClientSpec]>,
    prune: bool,
) -> Result<Vec<ClientSpec>, Stop> {
    let Some(wanted) = wanted else { return Ok(Vec::new()) };
    let realm = access.realm_id();
    let mut found = Vec::new();
    for spec in wanted.iter().take(ITEMS_MAX) {
        found.extend(
            tx.find_client_named(realm, spec.name.as_str())?
                .map(|client| in_order(client.spec, |spec| &mut spec.roles)),
        );
    }
    if !prune {
        return Ok(found);
    }
    let named: HashSet<&str> = wanted.iter().map(|spec| spec.name.as_str()).collect();
    for client in all_clients(tx, realm)?.into_iter().filter(|client| !named.contains(client.spec.name.as_str())) {
        if live_grants(tx, realm, SubjectId::Client(client.id), access.now)? == 0 {
            found.push(client.spec);
        }
    }
    Ok(found)
}

fn users(tx: &mut Tx<'_>, access: &Access, wanted: Option<&[UserSpec]>, prune: bool) -> Result<Vec<UserSpec>, Stop> {
    let Some(wanted) = wanted else { return Ok(Vec::new()) };
    let realm = access.realm_id();
    let mut found = Vec::new();
    for spec in wanted.iter().take(ITEMS_MAX) {
        found.extend(
            tx.find_user_named(realm, spec.name.as_str())?.map(|user| in_order(user.spec, |spec| &mut spec.roles)),
        );
    }
    if !prune {
        return Ok(found);
    }
    let named: HashSet<&str> = wanted.iter().map(|spec| spec.name.as_str()).collect();
    for user in all_users(tx, realm)?.into_iter().filter(|user| !named.contains(user.spec.name.as_str())) {
        if live_grants(tx, realm, SubjectId::User(user.id), access.now)? == 0 {
            found.push(user.spec);
        }
    }
    Ok(found)
}

/// All clients of a realm, if they are not too many for one document.
pub fn all_clients(tx: &mut Tx<'_>, realm: RealmId) -> Result<Vec<Client>, Stop> {
    let mut all: Vec<Client> = Vec::new();
    while all.len() <= ITEMS_MAX {
        let after = all.last().map(|client| *client.id.bytes());
        let more = tx.list_clients(realm, &Page { limit: 500, after })?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
    Err(too_many("clients"))
}

/// All users of a realm, if they are not too many for one document.
pub fn all_users(tx: &mut Tx<'_>, realm: RealmId) -> Result<Vec<User>, Stop> {
    let mut all: Vec<User> = Vec::new();
    while all.len() <= ITEMS_MAX {
        let after = all.last().map(|user| *user.id.bytes());
        let more = tx.list_users(realm, &Page { limit: 500, after })?;
        if more.is_empty() {
            return Ok(all);
        }
        all.extend(more);
    }
    Err(too_many("users"))
}

fn too_many(what: &str) -> Stop {
    let detail = format!(
        "This realm has more than {ITEMS_MAX} {what}, too many for one document. Leave {what} out, or page through /{what}."
    );
    Problem::new(409, "too_many", detail).into()
}

/// Roles are a set; the store gives them in whatever order.
fn in_order<T>(mut spec: T, roles: impl Fn(&mut T) -> &mut Vec<RoleName>) -> T {
    roles(&mut spec).sort();
    spec
}

/// Nobody hands out rights over Admit that he has not, by roles, by clients or to users; nor does he take them away.
fn must_hold_all(access: &Access, current: &Current, plan: &Plan) -> Result<(), Problem> {
    let Current { roles: old_roles, clients: old_clients, users: old_users, .. } = current;
    let wanted = &plan.wanted;
    let touched: HashSet<(Kind, &str)> =
        plan.changes.iter().map(|change| (change.kind, change.name.as_str())).collect();
    let is_touched = |kind: Kind, name: &str| touched.contains(&(kind, name));
    let of = |list: &Option<Vec<RoleSpec>>| list.iter().flatten().cloned().collect::<Vec<_>>();
    let new_roles = of(&wanted.role);
    let mut rights = Rights::new();
    for role in old_roles.iter().chain(&new_roles).filter(|role| is_touched(Kind::Role, role.name.as_str())) {
        scope::unite(&mut rights, &role.rights);
    }
    // A role may stand in both, with other rights: both count.
    let mut held = |names: &[RoleName]| {
        let roles = old_roles.iter().chain(&new_roles).filter(|role| names.contains(&role.name));
        roles.for_each(|role| scope::unite(&mut rights, &role.rights));
    };
    let clients = || old_clients.iter().chain(wanted.client.iter().flatten());
    for client in clients().filter(|client| is_touched(Kind::Client, client.name.as_str())) {
        held(&client.roles);
    }
    for user in old_users.iter().chain(wanted.user.iter().flatten()) {
        if is_touched(Kind::User, user.name.as_str()) {
            held(&user.roles);
        }
    }
    for client in clients().filter(|client| is_touched(Kind::Client, client.name.as_str())) {
        scope::unite(&mut rights, &client.rights);
    }
    access.must_hold(&rights)
}
