//! `rules`: who may do what, in the order in which they are tried.
//!
//! A change is judged with all rules, APIs and roles of the realm, and refused with everything that it breaks: what is
//! stored can always be loaded. What was broken before may stay until it is mended. See [`standing`] for when.

pub mod standing;

use admit_core::audit::Event;
use admit_core::document::{self, Change, Kind};
use admit_core::id::{RealmId, RuleId};
use admit_core::policy::index::Policy;
use admit_core::policy::loosen;
use admit_core::policy::rule::{Problem as Flaw, RawMatch, RawRule, Rule};
use admit_core::search::Search;
use admit_core::time::Time;
use admit_store::{StoredRule, Tx};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::standing::Standing;
use super::answer;
use super::etag::{self, IfMatch, with_etag};
use super::event::event;
use super::filter::Whole;
use super::guard::{Permit, RulesRead, RulesWrite};
use super::idempotency::{Begun, Once};
use super::page::{List, Paging, Parameters};
use super::search;
use super::work::{self, Stop};
use crate::app::App;
use crate::check::policies::RULES_MAX;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, replace, delete))
}

/// A rule as it is shown.
#[derive(Debug, Serialize)]
pub struct View {
    id: RuleId,
    #[serde(flatten)]
    rule: RawRule,
    created_at: Time,
    updated_at: Time,
}

impl From<StoredRule> for View {
    fn from(stored: StoredRule) -> Self {
        let rule = RawRule { name: Some(stored.name.clone()), ..raw(&stored) };
        Self { id: stored.id, rule, created_at: stored.created_at, updated_at: stored.updated_at }
    }
}

/// Lists the rules of a realm in the order in which they are tried.
#[utoipa::path(get, path = "/v1/realms/{realm}/rules", tag = "rules",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("q" = Option<String>, Query, description = "an id, or a part of a name or an address; letters of ASCII case aside"), ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "a page of rules", body = ref("#/components/schemas/RuleList"))))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<RulesRead>,
    paging: Paging<32>,
    Parameters(asked): Parameters<Whole>,
) -> Result<Json<List<View>>, Problem> {
    let (realm, search) = (permit.realm_id(), search::parse(asked.q.as_deref())?);
    let found = work::read(&app, move |tx| {
        let read = |after: Option<[u8; 32]>, limit| tx.list_rules(realm, after.map(|place| read_place(&place)), limit);
        search::read(&paging, search.as_ref(), read, place, is_sought)
    });
    let found = found.await?;
    Ok(Json(paging.list_until(found.rows, found.until, place, &app).map(View::from)))
}

/// Makes a rule, behind all others of its priority.
#[utoipa::path(post, path = "/v1/realms/{realm}/rules", tag = "rules", request_body(content = ref("#/components/schemas/Rule")),
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the rule", body = ref("#/components/schemas/StoredRule")), (status = 400, description = "what is wrong with it or what it breaks")))]
pub async fn create(
    State(app): State<App>,
    permit: Permit<RulesWrite>,
    once: Once<RawRule>,
) -> Result<Response, Problem> {
    let pledge = match once.attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let rule = once.body.resolve().map_err(Problem::invalid)?;
    let (id, realm, now) = (app.id(permit.now), permit.realm_id(), permit.now);
    let event = event(&permit, &app, "rule.created", id);
    let new = stored(id, realm, &once.body, &rule, 0, now)?;
    let detail = json!({ "name": rule.name, "rule": new.spec, "loosens": loosen::loosens(None, Some(&rule)) });
    let judge = move |tx: &mut Tx<'_>| {
        let standing = Standing::read(tx, realm)?;
        if standing.rules.len() >= RULES_MAX {
            return Err(Problem::new(409, "too_many", format!("A realm has at most {RULES_MAX} rules.")).into());
        }
        let place = standing.rules.iter().map(|rule| rule.place).max().unwrap_or(0) + 1;
        let new = StoredRule { place, ..new.clone() };
        must_be_free(tx, realm, &new.name)?;
        standing.must_know_roles_of(&rule)?;
        standing.with(&new).must_stay_whole(&standing.policy())?;
        Ok(new)
    };
    let made = standing::change(&app, realm, judge, move |tx, new| {
        tx.insert_rule(new)?;
        tx.insert_event(&Event { detail: detail.clone(), ..event.clone() })?;
        answer::keep(&pledge, tx, &View::from(new.clone()))?;
        Ok(new.clone())
    });
    made.await.map(|stored| answer::created(stored.version, View::from(stored)))
}

/// Shows a rule.
#[utoipa::path(get, path = "/v1/realms/{realm}/rules/{rule}", tag = "rules",
    params(("realm" = String, Path, description = "the name of the realm"), ("rule" = String, Path, description = "id or name")),
    responses((status = 200, description = "the rule", body = ref("#/components/schemas/StoredRule")), (status = 404, description = "there is no such rule")))]
pub async fn show(
    State(app): State<App>,
    permit: Permit<RulesRead>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Problem> {
    let realm = permit.realm_id();
    let stored = work::read(&app, move |tx| find(tx, realm, &path.1)).await?;
    Ok(with_etag(stored.version, Json(View::from(stored))))
}

/// Puts another rule in the place of one; it keeps its id and, unless it says otherwise, its name.
#[utoipa::path(put, path = "/v1/realms/{realm}/rules/{rule}", tag = "rules", request_body(content = ref("#/components/schemas/Rule")),
    params(("realm" = String, Path, description = "the name of the realm"), ("rule" = String, Path, description = "id or name"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 200, description = "the rule", body = ref("#/components/schemas/StoredRule")), (status = 412, description = "it has changed meanwhile")))]
pub async fn replace(
    State(app): State<App>,
    permit: Permit<RulesWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
    Json(raw): Json<RawRule>,
) -> Result<Response, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "rule.updated", "");
    let judge = move |tx: &mut Tx<'_>| {
        let old = find(tx, realm, &path.1)?;
        seen.judge(old.version)?;
        let raw = RawRule { name: raw.name.clone().or_else(|| Some(old.name.clone())), ..raw.clone() };
        let rule = raw.resolve().map_err(Problem::invalid)?;
        let new = stored(old.id, realm, &raw, &rule, old.place, now)?;
        let new = StoredRule { created_at: old.created_at, version: old.version, ..new };
        if new.name != old.name {
            must_be_free(tx, realm, &new.name)?;
        }
        let standing = Standing::read(tx, realm)?;
        standing.must_know_roles_of(&rule)?;
        standing.with(&new).must_stay_whole(&standing.policy())?;
        Ok((old, new))
    };
    let changed = standing::change(&app, realm, judge, move |tx, (old, new)| {
        let changed = tx.update_rule(realm, new, now)?.ok_or_else(etag::changed)?;
        let loosens = loosen::loosens(Some(&resolved(old)), Some(&resolved(&changed)));
        let detail = json!({ "name": changed.name, "before": old.spec, "after": changed.spec, "loosens": loosens });
        tx.insert_event(&Event { target: changed.id.to_string(), detail, ..event.clone() })?;
        Ok(changed)
    });
    changed.await.map(|stored| with_etag(stored.version, Json(View::from(stored))))
}

/// Removes a rule.
#[utoipa::path(delete, path = "/v1/realms/{realm}/rules/{rule}", tag = "rules",
    params(("realm" = String, Path, description = "the name of the realm"), ("rule" = String, Path, description = "id or name"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 204, description = "it is gone"), (status = 404, description = "there is no such rule")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<RulesWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "rule.deleted", "");
    let judge = move |tx: &mut Tx<'_>| {
        let stored = find(tx, realm, &path.1)?;
        seen.judge(stored.version)?;
        let standing = Standing::read(tx, realm)?;
        let loosenings = loosen::loosenings(&standing.policy(), &standing.without(&stored).policy());
        let loosens = loosenings.into_iter().next().map(|told| told.what);
        Ok((stored, loosens))
    };
    let gone = standing::change(&app, realm, judge, move |tx, (stored, loosens)| {
        tx.delete_rule(realm, stored.id, now)?;
        let detail = json!({ "name": stored.name, "rule": stored.spec, "loosens": loosens });
        Ok(tx.insert_event(&Event { target: stored.id.to_string(), detail, ..event.clone() })?)
    });
    gone.await.map(|_| StatusCode::NO_CONTENT)
}

/// The rule of this id or name.
pub fn find(tx: &mut Tx<'_>, realm: RealmId, rule: &str) -> Result<StoredRule, Stop> {
    let found = match rule.parse() {
        Ok(id) => tx.find_rule(realm, id)?,
        Err(_) => tx.find_rule_named(realm, rule)?,
    };
    found.ok_or_else(|| Problem::not_found("rule", rule).with_next("admit rule list").into())
}

fn must_be_free(tx: &mut Tx<'_>, realm: RealmId, name: &str) -> Result<(), Stop> {
    Ok(answer::must_be_free(tx.find_rule_named(realm, name)?, "rule", "name", name)?)
}

/// A rule that is not stored yet; the name that it goes by is written into it.
pub fn stored(
    id: RuleId,
    realm: RealmId,
    raw: &RawRule,
    rule: &Rule,
    place: i64,
    now: Time,
) -> Result<StoredRule, Problem> {
    let name = rule.name.to_string();
    if RuleId::looks_like(&name) {
        return Err(Problem::invalid(vec![Flaw::new("name", "must not look like an id")]));
    }
    let raw = RawRule { name: Some(name.clone()), ..raw.clone() };
    let spec = serde_json::to_value(raw).map_err(Problem::unavailable)?;
    let priority = i64::from(rule.priority);
    Ok(StoredRule { id, realm, name, priority, place, spec, created_at: now, updated_at: now, version: 1 })
}

/// All rules of a realm as this transaction sees them.
pub fn policy(tx: &mut Tx<'_>, realm: RealmId) -> Result<Policy, Stop> {
    Ok(Standing::read(tx, realm)?.policy())
}

/// A stored rule as it was written.
pub fn raw(stored: &StoredRule) -> RawRule {
    serde_json::from_value(stored.spec.clone()).unwrap_or_default()
}

/// A stored rule as it is judged by.
pub fn resolved(stored: &StoredRule) -> Rule {
    let named = RawRule { name: Some(stored.name.clone()), ..raw(stored) };
    named.resolve_or_deny().0
}

/// The name of the event of a change: `rule.created`.
pub fn kind_of(change: &Change) -> String {
    let done = match change.action {
        document::Action::Create => "created",
        document::Action::Update => "updated",
        document::Action::Delete => "deleted",
    };
    format!("{}.{done}", Kind::as_str(change.kind))
}

/// By id, name, host or path.
fn is_sought(search: &Search, stored: &StoredRule) -> bool {
    let RawRule { matching, .. } = raw(stored);
    let RawMatch { host, path, .. } = matching.unwrap_or_default();
    let id = stored.id.to_string();
    search.is_in([id.as_str(), &stored.name].into_iter().chain(host.as_deref()).chain(path.as_deref()))
}

/// Where a rule stands in the order of judgement, as a cursor keeps it.
fn place(stored: &StoredRule) -> [u8; 32] {
    let mut place = [0; 32];
    place[..8].copy_from_slice(&stored.priority.to_be_bytes());
    place[8..16].copy_from_slice(&stored.place.to_be_bytes());
    place[16..].copy_from_slice(stored.id.bytes());
    place
}

fn read_place(place: &[u8; 32]) -> (i64, i64, RuleId) {
    let number =
        |from: usize| place[from..from + 8].iter().fold(0_i64, |number, octet| number << 8 | i64::from(*octet));
    let mut id = [0; 16];
    id.copy_from_slice(&place[16..]);
    (number(0), number(8), RuleId::from_bytes(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_says_where_a_rule_stands(priority: i64, at: i64, id: [u8; 16]) {
            let (now, realm) = (Time::default(), RealmId::from_bytes([0; 16]));
            let stored = StoredRule { id: RuleId::from_bytes(id), realm, name: String::new(), priority, place: at, spec: json!({}), created_at: now, updated_at: now, version: 1 };
            prop_assert_eq!(read_place(&place(&stored)), (priority, at, stored.id));
        }
    }

    #[test]
    fn a_rule_keeps_the_name_that_it_goes_by() {
        let (now, realm) = (Time::default(), RealmId::from_bytes([0; 16]));
        let raw: RawRule =
            serde_json::from_value(json!({"match": {"host": "a.test", "methods": ["GET"]}, "deny": true})).unwrap();
        let stored = stored(RuleId::from_bytes([1; 16]), realm, &raw, &raw.resolve().unwrap(), 7, now).unwrap();
        assert_eq!((stored.name.as_str(), stored.priority, stored.place), ("GET a.test/**", 100, 7));
        assert_eq!(stored.spec["name"], "GET a.test/**");
        assert_eq!(resolved(&stored).name.as_str(), "GET a.test/**");
        let view = serde_json::to_value(View::from(stored)).unwrap();
        assert_eq!((view["id"].as_str().unwrap().len(), view["deny"].as_bool()), (30, Some(true)));
    }
}
