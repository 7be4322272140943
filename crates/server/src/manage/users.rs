//! `users`: people. What they sign in with is in [`password`] and [`invite`], what is said of them beside in
//! [`standing`].
//!
//! Nobody gives a user a role with rights over Admit that he does not hold himself; nor does he change one who has it.

mod body;
mod invite;
mod password;
mod standing;

use admit_core::audit::Event;
use admit_core::id::{RealmId, SubjectId, UserId};
use admit_core::name::{ExternalId, Label, RoleName};
use admit_core::policy::rule::Problem as Flaw;
use admit_core::time::Time;
use admit_core::user::{Naming, User, UserSpec};
use admit_store::{Filter, Searched, ShortKind, Tx};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::NewUser;
use super::answer;
use super::clients::live_grants;
use super::etag::{self, IfMatch, with_etag};
use super::event::event;
use super::filter::{Elsewhere, WithMetadata};
use super::guard::{Access, Permit, UsersRead, UsersWrite};
use super::idempotency::{Begun, Once};
use super::page::{List, Paging};
use super::roles;
use super::search;
use super::subject;
use super::work::{self, Stop};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(standing::revoke_all))
        .routes(routes!(password::put))
        .routes(routes!(invite::post))
        .routes(routes!(standing::unlock))
        .routes(routes!(standing::verify_email))
        .routes(routes!(standing::erase))
}

/// A user as it is shown.
#[derive(Debug, Serialize)]
pub struct View {
    id: UserId,
    name: Label,
    email: Option<Label>,
    email_verified_at: Option<Time>,
    roles: Vec<RoleName>,
    external_id: Option<ExternalId>,
    metadata: Value,
    disabled_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
    erased_at: Option<Time>,
}

impl From<User> for View {
    fn from(user: User) -> Self {
        let User { id, spec, disabled_at, created_at, updated_at, email_verified_at, erased_at, .. } = user;
        let UserSpec { name, email, roles, external_id, metadata } = spec;
        let metadata = answer::shown(metadata);
        Self {
            id,
            name,
            email,
            email_verified_at,
            roles,
            external_id,
            metadata,
            disabled_at,
            created_at,
            updated_at,
            erased_at,
        }
    }
}

/// Lists the users of a realm.
#[utoipa::path(get, path = "/v1/realms/{realm}/users", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("external_id" = Option<String>, Query), ("metadata.<name>" = Option<String>, Query, description = "a member of the metadata; of several all"),
           ("q" = Option<String>, Query, description = "an id, or a part of a name or an address; letters of ASCII case aside"), ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "a page of users", body = ref("#/components/schemas/UserList"))))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<UsersRead>,
    paging: Paging,
    asked: WithMetadata<Elsewhere>,
) -> Result<Json<List<View>>, Problem> {
    let (realm, page, search) = (permit.realm_id(), paging.page(), search::parse(asked.parameters.q.as_deref())?);
    let id = search.as_ref().and_then(|search| search.text().parse().ok());
    let filter = Filter::from(asked);
    let users = work::read(&app, move |tx| {
        if let Some(id) = id {
            return Ok((tx.find_user(realm, id)?.into_iter().collect(), None));
        }
        let sought = search::reach(tx, Searched::Users, realm, search.clone(), &page)?;
        let until = sought.as_ref().and_then(|sought| sought.until);
        Ok((tx.list_users_of(realm, &Filter { sought, ..filter.clone() }, &page)?, until))
    });
    let (users, until) = users.await?;
    Ok(Json(paging.list_until(users, until, |user| *user.id.bytes(), &app).map(View::from)))
}

/// Makes a user, with a password or without.
#[utoipa::path(post, path = "/v1/realms/{realm}/users", tag = "users", request_body(content = ref("#/components/schemas/NewUser")),
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the user", body = ref("#/components/schemas/User")), (status = 403, description = "the user would have rights that the caller has not")))]
pub async fn create(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    once: Once<NewUser>,
) -> Result<Response, Problem> {
    let pledge = match once.attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let (spec, chosen) = once.body.resolve()?;
    let user = new(app.id(permit.now), permit.realm_id(), spec, permit.now);
    let password = match &chosen {
        Some(chosen) => Some(password::accept(&app, &permit, &user.spec, chosen).await?.seal(&app, &user, permit.now)),
        None => None,
    };
    let event = event(&permit, &app, "user.created", user.id);
    let made = work::write_alone(&app, permit.realm_id(), move |tx| {
        insert(tx, &permit, &user)?;
        if let Some(password) = &password {
            tx.update_password(user.realm, user.id, password)?;
        }
        let detail = json!({ "name": user.spec.name, "password": password.is_some() });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        answer::keep(&pledge, tx, &View::from(user.clone()))?;
        Ok(user.clone())
    });
    made.await.map(|user| answer::created(user.version, View::from(user)))
}

/// Shows a user.
#[utoipa::path(get, path = "/v1/realms/{realm}/users/{user}", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address")),
    responses((status = 200, description = "the user", body = ref("#/components/schemas/User")), (status = 404, description = "there is no such user")))]
pub async fn show(
    State(app): State<App>,
    permit: Permit<UsersRead>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Problem> {
    let realm = permit.realm_id();
    let user = work::read(&app, move |tx| find_even_erased(tx, realm, &path.1)).await?;
    Ok(with_etag(user.version, Json(View::from(user))))
}

/// Changes a user by a merge patch (RFC 7396); `disabled` switches the user off and on.
#[utoipa::path(patch, path = "/v1/realms/{realm}/users/{user}", tag = "users", request_body(content = ref("#/components/schemas/UserPatch")),
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 200, description = "the user", body = ref("#/components/schemas/User")), (status = 412, description = "it has changed meanwhile")))]
pub async fn update(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
    Json(mut patch): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let fields: Vec<String> = patch.keys().cloned().collect();
    let switch = answer::take_switch(&mut patch)?;
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "user.updated", "");
    let changed = work::write_alone(&app, permit.realm_id(), move |tx| {
        let mut user = find(tx, realm, &path.1)?;
        seen.judge(user.version)?;
        if let Some(disabled) = switch {
            if disabled && user.disabled_at.is_none() {
                tx.insert_logout_notices_of(realm, user.id, now)?;
            }
            user.disabled_at = disabled.then(|| user.disabled_at.unwrap_or(now));
        }
        let spec = answer::patched(&user.spec, &patch)?;
        let changed = replace(tx, &permit, &user, spec)?;
        let detail = json!({ "name": changed.spec.name, "fields": fields, "disabled": switch });
        tx.insert_event(&Event { target: changed.id.to_string(), detail, ..event.clone() })?;
        Ok(changed)
    });
    changed.await.map(|user| with_etag(user.version, Json(View::from(user))))
}

/// Removes a user; everything that the user owns ends too.
#[utoipa::path(delete, path = "/v1/realms/{realm}/users/{user}", tag = "users",
    params(("realm" = String, Path, description = "the name of the realm"), ("user" = String, Path, description = "id, name or e-mail address"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 204, description = "it is gone"), (status = 404, description = "there is no such user")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<UsersWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "user.deleted", "");
    let gone = work::write_alone(&app, permit.realm_id(), move |tx| {
        let user = find(tx, realm, &path.1)?;
        seen.judge(user.version)?;
        may_have(tx, &permit, realm, &user.spec)?;
        let detail =
            json!({ "name": user.spec.name, "grants": live_grants(tx, realm, SubjectId::User(user.id), now)? });
        tx.delete_user(realm, user.id, now)?;
        Ok(tx.insert_event(&Event { target: user.id.to_string(), detail, ..event.clone() })?)
    });
    gone.await.map(|_| StatusCode::NO_CONTENT)
}

/// The user of this id, e-mail address or name. Who was erased is nobody.
pub fn find(tx: &mut Tx<'_>, realm: RealmId, user: &str) -> Result<User, Stop> {
    let found = find_even_erased(tx, realm, user)?;
    if found.erased_at.is_some() { Err(unknown(user)) } else { Ok(found) }
}

fn find_even_erased(tx: &mut Tx<'_>, realm: RealmId, user: &str) -> Result<User, Stop> {
    let found = match user.parse() {
        Ok(id) => tx.find_user(realm, id)?,
        Err(_) => subject::find_user_called(tx, realm, user)?,
    };
    found.ok_or_else(|| unknown(user))
}

fn unknown(user: &str) -> Stop {
    Problem::not_found("user", user).with_next("admit user list").into()
}

/// A user that is not stored yet.
pub fn new(id: UserId, realm: RealmId, spec: UserSpec, now: Time) -> User {
    User {
        id,
        realm,
        org: None,
        spec,
        disabled_at: None,
        valid_after: None,
        created_at: now,
        updated_at: now,
        version: 1,
        email_verified_at: None,
        erased_at: None,
    }
}

/// Stores a new user.
pub fn insert(tx: &mut Tx<'_>, access: &Access, user: &User) -> Result<(), Stop> {
    may_have(tx, access, user.realm, &user.spec)?;
    must_be_free(tx, user.realm, None, &user.spec)?;
    Ok(tx.insert_user(user)?)
}

/// Stores another form of a user.
pub fn replace(tx: &mut Tx<'_>, access: &Access, user: &User, spec: UserSpec) -> Result<User, Stop> {
    let spec = spec.resolve().map_err(Problem::invalid)?;
    may_have(tx, access, user.realm, &user.spec)?;
    may_have(tx, access, user.realm, &spec)?;
    must_be_free(tx, user.realm, Some(user), &spec)?;
    if spec.roles != user.spec.roles {
        // Whoever holds the link may have been good enough for the old ones only.
        tx.delete_shorts_of(user.realm, ShortKind::Invitation, user.id)?;
    }
    let changed = tx.update_user(user.realm, &User { spec, ..user.clone() }, access.now)?;
    changed.ok_or_else(|| etag::changed().into())
}

/// Refuses a name or an address that anybody but `himself` has, in whatever spelling, or that can be told from no other.
pub fn must_be_free(tx: &mut Tx<'_>, realm: RealmId, himself: Option<&User>, spec: &UserSpec) -> Result<(), Stop> {
    let own = himself.map(|user| user.id);
    let other = |found: Option<User>| found.filter(|user| Some(user.id) != own);
    let named = other(tx.find_user_named(realm, spec.name.as_str())?);
    answer::must_be_free(named, "user", "name", &spec.name)?;
    if let Some(email) = &spec.email {
        let addressed = other(tx.find_user_by_email(realm, email.as_str())?);
        answer::must_be_free(addressed, "user", "e-mail address", email)?;
    }
    must_be_nobody_elses_id(tx, realm, himself, spec)?;
    let before = himself.map(|user| user.spec.namings()).unwrap_or_default();
    // Who has a name from before there were forms keeps it.
    for naming in spec.namings().into_iter().filter(|naming| !before.contains(naming)) {
        let Naming { field, text, form } = naming;
        let form = form.map_err(|bad| Problem::invalid(vec![Flaw::new(field, bad.to_string())]))?;
        let namesake = tx.find_namesake(realm, &form)?.filter(|found| Some(*found) != own);
        namesake.map_or(Ok(()), |namesake| Err(called_alike(field, &text, namesake)))?;
    }
    Ok(())
}

/// A rule with `self` takes a name or an id from elsewhere: what is one of somebody must not be the other of another.
fn must_be_nobody_elses_id(
    tx: &mut Tx<'_>,
    realm: RealmId,
    himself: Option<&User>,
    spec: &UserSpec,
) -> Result<(), Stop> {
    let taken = |what: &str, text: &str| {
        let detail = format!("The {what} \"{text}\" would be that of another user: choose another {what}.");
        Stop::from(Problem::new(409, "already_exists", detail).with_next("admit user list"))
    };
    let is_new_name = himself.is_none_or(|user| user.spec.name != spec.name);
    if let (true, Ok(id)) = (is_new_name, ExternalId::parse(spec.name.as_str())) {
        let is_own = himself.and_then(|user| user.spec.external_id.as_ref()) == Some(&id);
        if !is_own && tx.has_user_known_as(realm, &id)? {
            return Err(taken("name", spec.name.as_str()));
        }
    }
    let is_new_id = himself.is_none_or(|user| user.spec.external_id != spec.external_id);
    if let (true, Some(id)) = (is_new_id, &spec.external_id) {
        let namesake = tx.find_user_named(realm, id.as_str())?;
        if namesake.is_some_and(|found| himself.is_none_or(|user| user.id != found.id)) {
            return Err(taken("external_id", id.as_str()));
        }
    }
    Ok(())
}

fn called_alike(field: &str, text: &Label, namesake: UserId) -> Problem {
    let what = if field == "email" { "e-mail address" } else { "name" };
    let detail = format!("Another user has the {what} \"{text}\" already, in another spelling. Choose another {what}.");
    Problem::new(409, "already_exists", detail).with_next(format!("admit user show {namesake}"))
}

/// Refuses rights over Admit that the caller has not.
fn may_have(tx: &mut Tx<'_>, access: &Access, realm: RealmId, spec: &UserSpec) -> Result<(), Stop> {
    let rights = roles::rights_of(tx, realm, &spec.roles)?;
    Ok(access.must_hold(&rights)?)
}
