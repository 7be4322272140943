//! `roles`: named sets of rights that users and clients hold.
//!
//! Nobody makes, changes or gives a role with rights over Admit that he does not hold himself. The ready roles of a realm
//! stay as they are.

use std::collections::HashMap;

use admit_core::audit::Event;
use admit_core::document;
use admit_core::id::{RealmId, RoleId};
use admit_core::name::RoleName;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::role::{self, Role, RoleSpec};
use admit_core::scope::{self, Rights};
use admit_core::time::Time;
use admit_store::{Page, Tx};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer;
use super::etag::{self, IfMatch, with_etag};
use super::event::event;
use super::filter::Whole;
use super::guard::{Permit, RolesRead, RolesWrite};
use super::idempotency::{Begun, Once};
use super::page::{List, Paging, Parameters};
use super::rules::resolved;
use super::search;
use super::work::{self, Stop};
use crate::app::App;
use crate::check::policies::all_rules;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The most roles of a realm.
pub const REALM_ROLES_MAX: usize = 1_000;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, delete))
}

/// A role as it is shown.
#[derive(Debug, Serialize)]
pub struct View {
    id: RoleId,
    name: RoleName,
    description: String,
    rights: Rights,
    created_at: Time,
    updated_at: Time,
}

impl From<Role> for View {
    fn from(role: Role) -> Self {
        let Role { id, spec, created_at, updated_at, .. } = role;
        let RoleSpec { name, description, rights } = spec;
        Self { id, name, description, rights, created_at, updated_at }
    }
}

/// Lists the roles of a realm, the ready ones too.
#[utoipa::path(get, path = "/v1/realms/{realm}/roles", tag = "roles",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("q" = Option<String>, Query, description = "an id, or a part of a name or an address; letters of ASCII case aside"), ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "a page of roles", body = ref("#/components/schemas/RoleList"))))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<RolesRead>,
    paging: Paging,
    Parameters(asked): Parameters<Whole>,
) -> Result<Json<List<View>>, Problem> {
    let (realm, search) = (permit.realm_id(), search::parse(asked.q.as_deref())?);
    let found = work::read(&app, move |tx| {
        let read = |after, limit| tx.list_roles(realm, &Page { after, limit });
        search::read(
            &paging,
            search.as_ref(),
            read,
            |role| *role.id.bytes(),
            |search, role| {
                let RoleSpec { name, description, .. } = &role.spec;
                search.is_in([role.id.to_string().as_str(), name.as_str(), description])
            },
        )
    });
    let found = found.await?;
    Ok(Json(paging.list_until(found.rows, found.until, |role| *role.id.bytes(), &app).map(View::from)))
}

/// Makes a role.
#[utoipa::path(post, path = "/v1/realms/{realm}/roles", tag = "roles", request_body(content = ref("#/components/schemas/RoleSpec")),
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the role", body = ref("#/components/schemas/Role")), (status = 403, description = "it has rights that the caller has not")))]
pub async fn create(
    State(app): State<App>,
    permit: Permit<RolesWrite>,
    once: Once<RoleSpec>,
) -> Result<Response, Problem> {
    let pledge = match once.attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let spec = once.body.resolve().map_err(Problem::invalid)?;
    permit.must_hold(&spec.rights)?;
    let (now, realm) = (permit.now, permit.realm_id());
    let role = Role { id: app.id(now), realm, spec, created_at: now, updated_at: now, version: 1 };
    let event = event(&permit, &app, "role.created", role.id);
    let made = work::write_alone(&app, permit.realm_id(), move |tx| {
        insert(tx, &role)?;
        tx.insert_event(&Event { detail: json!({ "name": role.spec.name }), ..event.clone() })?;
        answer::keep(&pledge, tx, &View::from(role.clone()))?;
        Ok(role.clone())
    });
    made.await.map(|role| answer::created(role.version, View::from(role)))
}

/// Shows a role.
#[utoipa::path(get, path = "/v1/realms/{realm}/roles/{role}", tag = "roles",
    params(("realm" = String, Path, description = "the name of the realm"), ("role" = String, Path, description = "id or name")),
    responses((status = 200, description = "the role", body = ref("#/components/schemas/Role")), (status = 404, description = "there is no such role")))]
pub async fn show(
    State(app): State<App>,
    permit: Permit<RolesRead>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Problem> {
    let realm = permit.realm_id();
    let role = work::read(&app, move |tx| find(tx, realm, &path.1)).await?;
    Ok(with_etag(role.version, Json(View::from(role))))
}

/// Changes a role by a merge patch (RFC 7396).
#[utoipa::path(patch, path = "/v1/realms/{realm}/roles/{role}", tag = "roles", request_body(content = ref("#/components/schemas/RolePatch")),
    params(("realm" = String, Path, description = "the name of the realm"), ("role" = String, Path, description = "id or name"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 200, description = "the role", body = ref("#/components/schemas/Role")), (status = 412, description = "it has changed meanwhile")))]
pub async fn update(
    State(app): State<App>,
    permit: Permit<RolesWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
    Json(patch): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "role.updated", "");
    let changed = work::write_alone(&app, permit.realm_id(), move |tx| {
        let role = find(tx, realm, &path.1)?;
        seen.judge(role.version)?;
        let spec = answer::patched(&role.spec, &patch)?;
        permit.must_hold(&spec.rights)?;
        // Who empties a role has power over those who held it.
        permit.must_hold(&role.spec.rights)?;
        if spec.name != role.spec.name {
            must_not_be_asked_for(tx, &role)?;
        }
        let changed = replace(tx, &role, spec, now)?;
        let detail = json!({ "name": changed.spec.name, "fields": patch.keys().collect::<Vec<_>>() });
        tx.insert_event(&Event { target: changed.id.to_string(), detail, ..event.clone() })?;
        Ok(changed)
    });
    changed.await.map(|role| with_etag(role.version, Json(View::from(role))))
}

/// Removes a role; whoever held it holds it no more. Rules that ask for it stand against it.
#[utoipa::path(delete, path = "/v1/realms/{realm}/roles/{role}", tag = "roles",
    params(("realm" = String, Path, description = "the name of the realm"), ("role" = String, Path, description = "id or name"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 204, description = "it is gone"), (status = 400, description = "rules ask for it"), (status = 409, description = "it is a ready role")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<RolesWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "role.deleted", "");
    let gone = work::write_alone(&app, permit.realm_id(), move |tx| {
        let role = find(tx, realm, &path.1)?;
        seen.judge(role.version)?;
        permit.must_hold(&role.spec.rights)?;
        must_not_be_asked_for(tx, &role)?;
        let detail = json!({ "name": role.spec.name, "held_by": holders(tx, &role)? });
        remove(tx, &role, now)?;
        Ok(tx.insert_event(&Event { target: role.id.to_string(), detail, ..event.clone() })?)
    });
    gone.await.map(|_| StatusCode::NO_CONTENT)
}

/// The role of this id or name.
pub fn find(tx: &mut Tx<'_>, realm: RealmId, role: &str) -> Result<Role, Stop> {
    let found = match role.parse() {
        Ok(id) => tx.find_role(realm, id)?,
        Err(_) => tx.find_role_named(realm, role)?,
    };
    found.ok_or_else(|| Problem::not_found("role", role).with_next("admit role list").into())
}

/// Stores a new role.
pub fn insert(tx: &mut Tx<'_>, role: &Role) -> Result<(), Stop> {
    if role::is_ready(&role.spec.name) {
        return Err(answer::built_in(&format!("The role {}", role.spec.name)).into());
    }
    if all(tx, role.realm)?.len() >= REALM_ROLES_MAX {
        return Err(Problem::new(409, "too_many", format!("A realm has at most {REALM_ROLES_MAX} roles.")).into());
    }
    must_be_defined(tx, role.realm, &role.spec.rights)?;
    must_be_free(tx, role.realm, &role.spec.name)?;
    Ok(tx.insert_role(role)?)
}

/// Stores another form of a role.
pub fn replace(tx: &mut Tx<'_>, role: &Role, spec: RoleSpec, now: Time) -> Result<Role, Stop> {
    let spec = spec.resolve().map_err(Problem::invalid)?;
    if role::is_ready(&role.spec.name) || role::is_ready(&spec.name) {
        return Err(answer::built_in(&format!("The role {}", role.spec.name)).into());
    }
    if spec.rights != role.spec.rights {
        must_be_defined(tx, role.realm, &spec.rights)?;
    }
    if spec.name != role.spec.name {
        must_be_free(tx, role.realm, &spec.name)?;
    }
    let changed = tx.update_role(role.realm, &Role { spec, ..role.clone() }, now)?;
    changed.ok_or_else(|| etag::changed().into())
}

fn must_be_free(tx: &mut Tx<'_>, realm: RealmId, name: &RoleName) -> Result<(), Stop> {
    Ok(answer::must_be_free(tx.find_role_named(realm, name.as_str())?, "role", "name", name)?)
}

/// Refuses to take a name away that rules ask for: they would admit nobody any more.
fn must_not_be_asked_for(tx: &mut Tx<'_>, role: &Role) -> Result<(), Stop> {
    let rules = all_rules(tx, role.realm)?;
    let asked = rules.iter().flat_map(|rule| document::asked_for(&resolved(rule), |name| *name == role.spec.name));
    let problems: Vec<_> = asked.collect();
    if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(problems).with_next("admit rule list").into()) }
}

/// Removes a role that is not a ready one.
pub fn remove(tx: &mut Tx<'_>, role: &Role, now: Time) -> Result<(), Stop> {
    if role::is_ready(&role.spec.name) {
        return Err(answer::built_in(&format!("The role {}", role.spec.name)).into());
    }
    tx.delete_role(role.realm, role.id, now)?;
    Ok(())
}

/// All roles of a realm.
pub fn all(tx: &mut Tx<'_>, realm: RealmId) -> Result<Vec<Role>, Stop> {
    // A few above the most that are made by hand: the ready ones are not counted.
    Ok(tx.list_roles(realm, &Page::first(REALM_ROLES_MAX as u32 + 100))?)
}

/// What these roles give together; each of them must be there.
pub fn rights_of(tx: &mut Tx<'_>, realm: RealmId, roles: &[RoleName]) -> Result<Rights, Stop> {
    let (mut rights, mut missing) = (Rights::new(), Vec::new());
    for name in roles {
        match tx.find_role_named(realm, name.as_str())? {
            Some(role) => scope::unite(&mut rights, &role.spec.rights),
            None => missing.push(Flaw::new("roles", document::no_role(name))),
        }
    }
    if missing.is_empty() { Ok(rights) } else { Err(Problem::invalid(missing).into()) }
}

/// Refuses rights that no API of the realm defines.
pub fn must_be_defined(tx: &mut Tx<'_>, realm: RealmId, rights: &Rights) -> Result<(), Stop> {
    let mut known = HashMap::new();
    for uri in rights.keys() {
        if let Some(api) = tx.find_api_by_uri(realm, uri.as_str())? {
            known.insert(uri.clone(), api.spec.scopes);
        }
    }
    let problems = scope::undefined(rights, |uri| known.get(uri));
    if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(problems).into()) }
}

/// The first who hold a role, as far as they are found among the first of the realm.
fn holders(tx: &mut Tx<'_>, role: &Role) -> Result<Vec<String>, Stop> {
    let holds = |roles: &[RoleName]| roles.contains(&role.spec.name);
    let users = tx.list_users(role.realm, &Page::first(1_000))?.into_iter().filter(|user| holds(&user.spec.roles));
    let users: Vec<_> = users.map(|user| user.id.to_string()).collect();
    let clients =
        tx.list_clients(role.realm, &Page::first(1_000))?.into_iter().filter(|client| holds(&client.spec.roles));
    Ok(users.into_iter().chain(clients.map(|client| client.id.to_string())).take(20).collect())
}
