//! `apply`: the declared state of a realm, made so in one transaction or only compared.
//!
//! What has to change is [`admit_core::document`]'s to say; what is there is read by [`plan`], and written here. Clients
//! and users that own something alive are not pruned.

mod plan;

use std::collections::HashMap;
use std::sync::Arc;

use admit_core::api::Api;
use admit_core::audit::Event;
use admit_core::document::{Action, Change, Document, Kind, Plan};
use admit_core::id::SubjectId;
use admit_core::policy::rule::RawRule;
use admit_core::role::Role;
use admit_store::Tx;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use plan::{all_clients, all_users};

use super::etag;
use super::event::event;
use super::guard::{Access, Permit, RealmWrite};
use super::idempotency::{Begun, Once, OnceLarge};
use super::page::Parameters;
use super::rules::standing;
use super::work::{self, Stop};
use super::{answer, apis, clients, roles, rules, users};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::signing;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// How it is applied.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct How {
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    prune: bool,
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
pub struct Applied {
    applied: bool,
    changes: Vec<Change>,
}

/// Makes a realm what a document says; with `dry_run` only tells what that would change and loosen.
#[utoipa::path(post, path = "/v1/realms/{realm}/apply", tag = "apply", request_body(content = ref("#/components/schemas/Document")),
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless"),
           ("dry_run" = Option<bool>, Query, description = "tell only"), ("prune" = Option<bool>, Query, description = "remove what the document does not name, of the kinds that it mentions")),
    responses((status = 200, description = "the changes", body = ref("#/components/schemas/Applied")), (status = 400, description = "everything that stands against it")))]
pub async fn post(
    State(app): State<App>,
    permit: Permit<RealmWrite>,
    Parameters(how): Parameters<How>,
    OnceLarge(once): OnceLarge<Document>,
) -> Result<Response, Problem> {
    let Once { body: document, attempt } = once;
    answer::must_also_have(&permit, &plan::writes(&document))?;
    let prune = how.prune;
    if how.dry_run {
        let look = move |tx: &mut Tx<'_>| plan::of(tx, &permit, document.clone(), prune);
        let plan = work::read(&app, look).await?;
        return Ok(Json(Applied { applied: false, changes: plan.changes }).into_response());
    }
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let (own, realm, permit) = (app.clone(), permit.realm_id(), Arc::new(permit));
    let (caller, now) = (permit.clone(), permit.now);
    let clients = document.client.clone().unwrap_or_default();
    let judge = move |tx: &mut Tx<'_>| plan::of(tx, &caller, document.clone(), prune);
    let applied = standing::change(&app, realm, judge, move |tx, plan: &Plan| {
        carry_out(tx, &own, &permit, plan)?;
        let answer = Applied { applied: true, changes: plan.changes.clone() };
        pledge.keep(tx, StatusCode::OK, serde_json::to_string(&answer).map_err(Problem::unavailable)?)?;
        Ok(answer)
    });
    let answer = applied.await?;
    for client in &clients {
        signing::prepare(&app, realm, client, now).await;
    }
    Ok(Json(answer).into_response())
}

/// Makes the changes, each with its event.
fn carry_out(tx: &mut Tx<'_>, app: &App, access: &Access, plan: &Plan) -> Result<(), Stop> {
    let rules = Rules::of(plan);
    for change in &plan.changes {
        let target = match change.kind {
            Kind::Api => carry_api(tx, app, access, plan, change)?,
            Kind::Role => carry_role(tx, app, access, plan, change)?,
            Kind::Client => carry_client(tx, app, access, plan, change)?,
            Kind::User => carry_user(tx, app, access, plan, change)?,
            Kind::Rule => carry_rule(tx, app, access, &rules, change)?,
        };
        let detail = json!({ "name": change.name, "fields": change.fields, "loosens": change.loosens, "by": "apply" });
        tx.insert_event(&Event { detail, ..event(access, app, &super::rules::kind_of(change), target) })?;
    }
    if plan.wanted.rule.is_some() { place_rules(tx, access, &rules) } else { Ok(()) }
}

fn carry_api(tx: &mut Tx<'_>, app: &App, access: &Access, plan: &Plan, change: &Change) -> Result<String, Stop> {
    let (realm, now) = (access.realm_id(), access.now);
    if change.action == Action::Create {
        let spec = wanted(&plan.wanted.api, |spec| spec.uri.as_str() == change.name)?.clone();
        let api = Api { id: app.id(now), realm, spec, created_at: now, updated_at: now, version: 1 };
        tx.insert_api(&api)?;
        return Ok(api.id.to_string());
    }
    let api = apis::find(tx, realm, &change.name)?;
    if change.action == Action::Delete {
        tx.delete_api(realm, api.id, now)?;
    } else {
        let spec = wanted(&plan.wanted.api, |spec| spec.uri.as_str() == change.name)?.clone();
        tx.update_api(realm, &Api { spec, ..api.clone() }, now)?;
    }
    Ok(api.id.to_string())
}

fn carry_role(tx: &mut Tx<'_>, app: &App, access: &Access, plan: &Plan, change: &Change) -> Result<String, Stop> {
    let (realm, now) = (access.realm_id(), access.now);
    if change.action == Action::Create {
        let spec = wanted(&plan.wanted.role, |spec| spec.name.as_str() == change.name)?.clone();
        let role = Role { id: app.id(now), realm, spec, created_at: now, updated_at: now, version: 1 };
        roles::insert(tx, &role)?;
        return Ok(role.id.to_string());
    }
    let role = roles::find(tx, realm, &change.name)?;
    if change.action == Action::Delete {
        roles::remove(tx, &role, now)?;
    } else {
        let spec = wanted(&plan.wanted.role, |spec| spec.name.as_str() == change.name)?.clone();
        roles::replace(tx, &role, spec, now)?;
    }
    Ok(role.id.to_string())
}

fn carry_client(tx: &mut Tx<'_>, app: &App, access: &Access, plan: &Plan, change: &Change) -> Result<String, Stop> {
    let (realm, now) = (access.realm_id(), access.now);
    if change.action == Action::Create {
        let spec = wanted(&plan.wanted.client, |spec| spec.name.as_str() == change.name)?.clone();
        let client = clients::new(app.id(now), realm, spec, now);
        clients::insert(tx, access, &client)?;
        return Ok(client.id.to_string());
    }
    let client = clients::find(tx, realm, &change.name)?;
    if change.action == Action::Delete {
        must_own_nothing(tx, access, SubjectId::Client(client.id))?;
        tx.delete_client(realm, client.id, now)?;
    } else {
        let spec = wanted(&plan.wanted.client, |spec| spec.name.as_str() == change.name)?.clone();
        clients::replace(tx, access, &client, spec)?;
    }
    Ok(client.id.to_string())
}

fn carry_user(tx: &mut Tx<'_>, app: &App, access: &Access, plan: &Plan, change: &Change) -> Result<String, Stop> {
    let (realm, now) = (access.realm_id(), access.now);
    if change.action == Action::Create {
        let spec = wanted(&plan.wanted.user, |spec| spec.name.as_str() == change.name)?.clone();
        let user = users::new(app.id(now), realm, spec, now);
        users::insert(tx, access, &user)?;
        return Ok(user.id.to_string());
    }
    let user = users::find(tx, realm, &change.name)?;
    if change.action == Action::Delete {
        must_own_nothing(tx, access, SubjectId::User(user.id))?;
        tx.delete_user(realm, user.id, now)?;
    } else {
        let spec = wanted(&plan.wanted.user, |spec| spec.name.as_str() == change.name)?.clone();
        users::replace(tx, access, &user, spec)?;
    }
    Ok(user.id.to_string())
}

/// Whoever was given something since the plan was made stays.
fn must_own_nothing(tx: &mut Tx<'_>, access: &Access, subject: SubjectId) -> Result<(), Stop> {
    if clients::live_grants(tx, access.realm_id(), subject, access.now)? == 0 {
        Ok(())
    } else {
        Err(etag::changed().into())
    }
}

/// The rules of a plan by name: there may be thousands.
struct Rules<'p> {
    wanted: HashMap<&'p str, &'p RawRule>,
    places: HashMap<&'p str, i64>,
}

impl<'p> Rules<'p> {
    fn of(plan: &'p Plan) -> Self {
        let named = plan.wanted.rule.iter().flatten().filter_map(|raw| Some((raw.name.as_deref()?, raw)));
        let places = plan.places.iter().map(|(name, place)| (name.as_str(), *place));
        Self { wanted: named.collect(), places: places.collect() }
    }
}

/// All rules were judged together before: each is stored as it is.
fn carry_rule(tx: &mut Tx<'_>, app: &App, access: &Access, rules: &Rules<'_>, change: &Change) -> Result<String, Stop> {
    let (realm, now) = (access.realm_id(), access.now);
    let raw = || rules.wanted.get(change.name.as_str()).copied();
    let place = rules.places.get(change.name.as_str()).copied().unwrap_or(0);
    if change.action == Action::Create {
        let (raw, id) = (raw().ok_or_else(absent)?, app.id(now));
        let rule = raw.resolve().map_err(Problem::invalid)?;
        tx.insert_rule(&rules::stored(id, realm, raw, &rule, place, now)?)?;
        return Ok(id.to_string());
    }
    let old = rules::find(tx, realm, &change.name)?;
    // A rule that only moves stands in no document: it is moved with the others.
    if change.action == Action::Delete {
        tx.delete_rule(realm, old.id, now)?;
    } else if let Some(raw) = raw() {
        let rule = raw.resolve().map_err(Problem::invalid)?;
        let new = rules::stored(old.id, realm, raw, &rule, place, now)?;
        tx.update_rule(
            realm,
            &admit_store::StoredRule { created_at: old.created_at, version: old.version, ..new },
            now,
        )?;
    }
    Ok(old.id.to_string())
}

/// Puts every rule where it belongs.
fn place_rules(tx: &mut Tx<'_>, access: &Access, rules: &Rules<'_>) -> Result<(), Stop> {
    for rule in crate::check::policies::all_rules(tx, access.realm_id())? {
        let place = rules.places.get(rule.name.as_str()).copied().unwrap_or(rule.place);
        if place != rule.place {
            tx.update_rule(access.realm_id(), &admit_store::StoredRule { place, ..rule }, access.now)?;
        }
    }
    Ok(())
}

fn wanted<T>(items: &Option<Vec<T>>, is_it: impl Fn(&T) -> bool) -> Result<&T, Stop> {
    let found = items.iter().flatten().find(|item| is_it(item));
    found.ok_or_else(absent)
}

fn absent() -> Stop {
    Problem::unavailable("a change names what is not in the document").into()
}
