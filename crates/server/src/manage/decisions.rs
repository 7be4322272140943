//! `decisions`: why requests were refused, from this node's ring of refusals.

use std::sync::Arc;

use admit_core::check::answer;
use admit_core::check::code::Code;
use admit_core::check::trace::{self, Case, Mark};
use admit_core::id::{KeyId, RequestId};
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::{DecisionsRead, Permit};
use super::page::{Ignored, List, Paging, Parameters};
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

/// The longest text that is looked for.
const SEARCH_MAX: usize = 200;

/// Which refusals.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    #[serde(default)]
    last: bool,
    key: Option<String>,
    code: Option<String>,
    q: Option<String>,
    // Read by `Paging`.
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

/// The latest refusals, the newest first.
#[utoipa::path(get, path = "/v1/realms/{realm}/decisions", tag = "decisions",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("last" = Option<bool>, Query, description = "the newest one only"),
           ("key" = Option<String>, Query, description = "those of this key only"),
           ("code" = Option<String>, Query, description = "those with this code only"),
           ("q" = Option<String>, Query, description = "those with this text in request, address, rule, caller, key or reason"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "refusals with their steps")))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<DecisionsRead>,
    paging: Paging,
    Parameters(filter): Parameters<Filter>,
) -> Result<Json<List<serde_json::Value>>, Problem> {
    let (realm, now) = (permit.realm_id(), permit.now);
    let wanted = Wanted {
        code: filter.code.as_deref().map(read_code).transpose()?,
        text: filter.q.as_deref().map(read_text).transpose()?,
        key: match filter.key {
            Some(text) => Some(work::read(&app, move |tx| Ok(keys::find(tx, realm, &text, now)?.key.id)).await?),
            None => None,
        },
    };
    let older = beyond(app.records.of_realm(realm), paging.after());
    let rows = if filter.last { 1 } else { paging.rows() as usize };
    let records: Vec<_> = older.filter(|record| wanted.is(record)).take(rows).collect();
    Ok(Json(
        paging
            .list(records, |record| *record.decision.request_id.bytes(), &app)
            .map(|record| trace_json(&app, &record)),
    ))
}

/// What comes after the record that the last page ended with. Where that has been pushed out, so has what came after it.
fn beyond(records: Vec<Arc<Record>>, after: Option<[u8; 16]>) -> impl Iterator<Item = Arc<Record>> {
    let is_last = move |record: &Arc<Record>| Some(*record.decision.request_id.bytes()) == after;
    let begin = match after {
        None => 0,
        Some(_) => records.iter().position(is_last).map_or(records.len(), |place| place + 1),
    };
    records.into_iter().skip(begin)
}

/// Which refusals are asked for; all of it must be so.
struct Wanted {
    code: Option<Code>,
    /// In small letters.
    text: Option<String>,
    key: Option<KeyId>,
}

impl Wanted {
    fn is(&self, record: &Record) -> bool {
        self.code.is_none_or(|code| record.code() == code)
            && self.key.is_none_or(|key| record.key() == Some(key))
            && self.text.as_deref().is_none_or(|text| is_said(record, text))
    }
}

/// Whether a text stands anywhere in what is known of a request.
fn is_said(record: &Record, text: &str) -> bool {
    let decision = &record.decision;
    let principal = decision.principal.as_ref();
    let parts = [
        format!("{} {}{}", record.method, record.host, record.path),
        decision.request_id.to_string(),
        record.code().to_string(),
        decision.reason().or(decision.observed).map(|reason| reason.to_string()).unwrap_or_default(),
        record.client_ip.map(|ip| ip.to_string()).unwrap_or_default(),
        record.credential.as_ref().map(|(_, hint)| hint.clone()).unwrap_or_default(),
        record.rule.as_ref().map(|(_, name, _)| name.to_string()).unwrap_or_default(),
        principal.map(|principal| format!("{} {}", principal.name, principal.subject)).unwrap_or_default(),
        record.key().map(|key| key.to_string()).unwrap_or_default(),
    ];
    parts.iter().any(|part| part.to_lowercase().contains(text))
}

fn read_code(text: &str) -> Result<Code, Problem> {
    let known = Code::ALL.iter().find(|code| code.as_str() == text);
    known.copied().ok_or_else(|| {
        Problem::new(400, "invalid_request", "code must be one of the codes of decisions.").with_next("see /v1/docs")
    })
}

fn read_text(text: &str) -> Result<String, Problem> {
    if text.chars().count() > SEARCH_MAX {
        return Err(Problem::new(400, "invalid_request", format!("q may have at most {SEARCH_MAX} letters.")));
    }
    Ok(text.to_lowercase())
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
        let detail = "This request is not among the latest refusals of this node's doors. Admitted requests are not kept, nor \
                      are those to /oauth, whose answers say why themselves.";
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
    let why = story.steps.iter().rev().find(|step| step.mark == Mark::Failed).map(|step| step.text.clone());
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
        "why": why,
        "steps": story.steps,
        "advice": story.advice,
    })
}
