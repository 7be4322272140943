//! `decisions`: why requests were refused, from this node's ring of refusals.

use admit_core::check::answer;
use admit_core::check::trace::{self, Case};
use admit_core::id::RequestId;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{DecisionsRead, Permit};
use super::page::Parameters;
use super::{keys, work};
use crate::app::App;
use crate::check::json::place_word;
use crate::check::record::Record;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get))
}

/// Which refusals.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(default)]
    last: bool,
    key: Option<String>,
    limit: Option<usize>,
}

/// The latest refusals, the newest first.
#[utoipa::path(get, path = "/v1/realms/{realm}/decisions", tag = "decisions",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("last" = Option<bool>, Query, description = "the newest one only"),
           ("key" = Option<String>, Query, description = "those of this key only"),
           ("limit" = Option<usize>, Query, description = "1 to 200, 50 where absent")),
    responses((status = 200, description = "refusals with their steps")))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<DecisionsRead>,
    Parameters(filter): Parameters<Filter>,
) -> Result<Json<serde_json::Value>, Problem> {
    let limit = if filter.last { 1 } else { filter.limit.unwrap_or(50).clamp(1, 200) };
    let (realm, now) = (permit.realm_id(), permit.now);
    let key = match filter.key {
        Some(text) => Some(work::read(&app, move |tx| Ok(keys::find(tx, realm, &text, now)?.key.id)).await?),
        None => None,
    };
    let records = app.records.latest(realm, key, limit);
    let items: Vec<_> = records.iter().map(|record| trace_json(&app, record)).collect();
    Ok(Json(serde_json::json!({ "items": items, "next": null })))
}

/// One refusal with its steps and the commands that would change it.
#[utoipa::path(get, path = "/v1/realms/{realm}/decisions/{request_id}", tag = "decisions",
    params(("realm" = String, Path, description = "the name of the realm"), ("request_id" = String, Path, description = "req_…")),
    responses((status = 200, description = "the refusal"), (status = 404, description = "not among the latest refusals of this node")))]
pub async fn get(
    State(app): State<App>,
    permit: Permit<DecisionsRead>,
    Path(path): Path<(String, String)>,
) -> Result<Json<serde_json::Value>, Problem> {
    let found = path.1.parse::<RequestId>().ok().and_then(|id| app.records.find(permit.realm_id(), id));
    let record = found.ok_or_else(|| {
        let detail = "This request is not among the latest refusals of this node. Admitted requests are not kept.";
        Problem::new(404, "not_found", detail).with_next("admit why --last")
    })?;
    Ok(Json(trace_json(&app, &record)))
}

/// A record as it is shown.
pub fn trace_json(app: &App, record: &Record) -> serde_json::Value {
    let policy = record.policy();
    let policy = policy.as_ref();
    let rule = record.rule.as_ref().and_then(|(_, _, place)| policy?.rule(*place));
    let case = Case {
        realm: policy.map(|policy| &policy.realm.name),
        method: &record.method,
        host: &record.host,
        path: &record.path,
        client_ip: record.client_ip,
        credential: record.credential.as_ref().map(|(place, hint)| (*place, hint.as_str())),
        decision: &record.decision,
        rule,
        policy: policy.map(|policy| &policy.policy),
    };
    let story = trace::explain(&case);
    let decision = &record.decision;
    let principal = decision.principal.as_ref().zip(policy);
    serde_json::json!({
        "request_id": decision.request_id,
        "at": record.at,
        "door": record.door.as_str(),
        "admitted": decision.status() < 300,
        "observed": decision.observed.map(|reason| reason.code()),
        "status": decision.status(),
        "code": decision.code(),
        "reason": decision.reason().or(decision.observed),
        "method": record.method,
        "host": record.host,
        "path": record.path,
        "query_names": record.query_names,
        "client_ip": record.client_ip,
        "credential": record.credential.as_ref().map(|(place, hint)| serde_json::json!({"place": place_word(*place), "hint": hint})),
        "principal": principal.map(|(principal, policy)| {
            let standing = record.decision.standing().unwrap_or(&principal.standing);
            answer::principal_json(principal, standing, &policy.realm.name, &app.issuer(&policy.realm))
        }),
        "rule": record.rule.as_ref().map(|(id, name, _)| serde_json::json!({"id": id, "name": name})),
        "steps": story.steps,
        "advice": story.advice,
    })
}
