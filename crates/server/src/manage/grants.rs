//! `grants`: everything that can act. Ending one ends all that grew out of it.

use admit_core::audit::Event;
use admit_core::grant::Grant;
use admit_core::id::GrantId;
use admit_core::key::state::{self, State as GrantState};
use admit_core::name::{ApiUri, ScopeName};
use admit_core::time::Time;
use admit_store::{GrantFilter, Tx};
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::IfMatch;
use super::event::event;
use super::guard::{GrantsRead, GrantsWrite, Permit};
use super::page::{Ignored, List, Paging, Parameters};
use super::subject;
use super::work::{self, Stop};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, delete))
}

/// Which grants.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    subject: Option<String>,
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

/// One grant.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Grant)]
pub struct GrantView {
    #[schema(value_type = String)]
    id: GrantId,
    /// What made it: `key`, `session`, `site` (a session of one protected host), `device`, or `client` (what a client does as itself).
    kind: &'static str,
    /// Whose rights it lends.
    subject: String,
    /// The application that holds it, where it is another than the subject.
    client: Option<String>,
    /// The API that it is for; null also where that is gone.
    #[schema(value_type = Option<String>)]
    api: Option<ApiUri>,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<ScopeName>,
    /// What it grew from.
    #[schema(value_type = Option<String>)]
    parent: Option<GrantId>,
    #[schema(value_type = String)]
    created_at: Time,
    #[schema(value_type = Option<String>)]
    expires_at: Option<Time>,
    #[schema(value_type = Option<String>)]
    revoked_at: Option<Time>,
    /// `active`, `disabled`, `revoked` (alone, or with all of its subject or realm) or `expired`.
    #[schema(value_type = String)]
    state: GrantState,
}

/// Grants by age, ended ones too.
#[utoipa::path(get, path = "/v1/realms/{realm}/grants", tag = "grants",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("subject" = Option<String>, Query, description = "id, name or e-mail address"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "a page of grants", body = List<GrantView>)))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<GrantsRead>,
    paging: Paging,
    Parameters(filter): Parameters<Filter>,
) -> Result<Json<List<GrantView>>, Problem> {
    let rows = work::read(&app, move |tx| {
        let subject = match &filter.subject {
            Some(text) => Some(subject::find(tx, permit.realm_id(), text, "subject")?.id()),
            None => None,
        };
        let wanted = GrantFilter { subject, live_only: false };
        let grants = tx.list_grants(permit.realm_id(), &wanted, &paging.page(), permit.now)?;
        grants.into_iter().map(|grant| view(tx, grant, permit.now)).collect::<Result<Vec<_>, _>>()
    });
    Ok(Json(paging.list(rows.await?, |grant| *grant.id.bytes(), &app)))
}

/// One grant.
#[utoipa::path(get, path = "/v1/realms/{realm}/grants/{grant}", tag = "grants",
    params(("realm" = String, Path, description = "the name of the realm"), ("grant" = String, Path, description = "grt_…")),
    responses((status = 200, description = "the grant", body = GrantView), (status = 404, description = "there is none")))]
pub async fn get(
    State(app): State<App>,
    permit: Permit<GrantsRead>,
    Path((_realm, grant)): Path<(String, String)>,
) -> Result<Json<GrantView>, Problem> {
    let id = read_id(&grant)?;
    let found = work::read(&app, move |tx| {
        let found = tx.find_grant(permit.realm_id(), id)?.ok_or_else(|| Problem::not_found("grant", &grant))?;
        view(tx, found, permit.now)
    });
    found.await.map(Json)
}

/// Ends a grant, and with it what grew out of it. Again: nothing more happens.
#[utoipa::path(delete, path = "/v1/realms/{realm}/grants/{grant}", tag = "grants",
    params(("realm" = String, Path, description = "the name of the realm"), ("grant" = String, Path, description = "grt_…")),
    responses((status = 204, description = "it is ended"), (status = 404, description = "there is none")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<GrantsWrite>,
    Path((_realm, grant)): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let id = read_id(&grant)?;
    seen.judge_unversioned("grant")?;
    let drawn = event(&permit, &app, "grant.revoked", id);
    let ended = work::write(&app, move |tx| {
        let realm = permit.realm_id();
        let found = tx.find_grant(realm, id)?.ok_or_else(|| Problem::not_found("grant", &grant))?;
        if tx.revoke_grant(realm, id, permit.now)? {
            let detail = json!({ "kind": found.kind.as_str(), "subject": found.subject.to_string() });
            tx.insert_event(&Event { detail, ..drawn.clone() })?;
        }
        Ok(())
    });
    ended.await.map(|()| StatusCode::NO_CONTENT)
}

fn read_id(text: &str) -> Result<GrantId, Problem> {
    text.parse().map_err(|_| Problem::not_found("grant", text).with_next("admit grant list"))
}

fn view(tx: &mut Tx<'_>, grant: Grant, now: Time) -> Result<GrantView, Stop> {
    let lineage = tx.find_lineage(grant.realm, grant.id)?;
    let api = lineage.as_ref().and_then(|lineage| lineage.api.as_ref());
    Ok(GrantView {
        id: grant.id,
        kind: grant.kind.as_str(),
        subject: grant.subject.to_string(),
        client: grant.client.map(|client| client.to_string()),
        api: api.map(|api| api.spec.uri.clone()),
        scopes: grant.scopes,
        parent: grant.parent,
        created_at: grant.created_at,
        expires_at: grant.expires_at,
        revoked_at: grant.revoked_at,
        state: lineage.map_or(GrantState::Revoked, |lineage| state::of_grant(&lineage, now)),
    })
}
