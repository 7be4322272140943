//! `sessions`: where people are signed in, and the browsers that they are known by.

use std::net::IpAddr;

use admit_core::id::{GrantId, UserId};
use admit_core::time::Time;
use admit_store::IssuedSession;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::etag::IfMatch;
use super::event::event;
use super::guard::{Permit, SessionsRead, SessionsWrite};
use super::page::{Ignored, List, Paging, Parameters};
use super::{users, work};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::login::session;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(get, delete))
}

/// Which sessions.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    user: Option<String>,
    state: Option<Wanted>,
    #[serde(rename = "limit")]
    _limit: Ignored,
    #[serde(rename = "cursor")]
    _cursor: Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Wanted {
    Active,
    All,
}

/// One session, or one known device.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// The grant.
    #[schema(value_type = String)]
    id: GrantId,
    /// `session` at the issuer, `site` on a protected host, `device` for a browser that is known and signed in nowhere.
    kind: &'static str,
    /// Who signed in.
    #[schema(value_type = String)]
    user: UserId,
    /// His name; null where he is gone.
    name: Option<String>,
    /// The protected host that it is good at.
    host: Option<String>,
    /// The session that it grew from.
    #[schema(value_type = Option<String>)]
    parent: Option<GrantId>,
    /// The assurance level of the sign-in.
    acr: Option<&'static str>,
    /// What was shown (RFC 8176).
    amr: Vec<&'static str>,
    #[schema(value_type = String)]
    signed_in_at: Time,
    /// To within a part of the idle time.
    #[schema(value_type = String)]
    last_used_at: Time,
    #[schema(value_type = Option<String>)]
    last_ip: Option<IpAddr>,
    last_user_agent: Option<String>,
    #[schema(value_type = Option<String>)]
    expires_at: Option<Time>,
    #[schema(value_type = Option<String>)]
    revoked_at: Option<Time>,
    /// `active`, `pending` while a factor is still to be shown, or `ended`.
    state: &'static str,
}

/// Sessions by age: active ones, or with `state=all` those that ended in the last days too.
#[utoipa::path(get, path = "/v1/realms/{realm}/sessions", tag = "sessions",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("user" = Option<String>, Query, description = "id, name or e-mail address"),
           ("state" = Option<String>, Query, description = "active (where absent) or all"),
           ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query)),
    responses((status = 200, description = "a page of sessions", body = List<SessionView>)))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<SessionsRead>,
    paging: Paging,
    Parameters(filter): Parameters<Filter>,
) -> Result<Json<List<SessionView>>, Problem> {
    let rows = work::read(&app, move |tx| {
        let realm = permit.realm_id();
        let user = match &filter.user {
            Some(text) => Some(users::find(tx, realm, text)?.id),
            None => None,
        };
        let live_only = filter.state != Some(Wanted::All);
        Ok(tx.list_sessions(realm, user, live_only, &paging.page(), permit.now)?)
    });
    Ok(Json(paging.list(rows.await?, |issued| *issued.session.grant.bytes(), &app).map(SessionView::from)))
}

/// One session.
#[utoipa::path(get, path = "/v1/realms/{realm}/sessions/{session}", tag = "sessions",
    params(("realm" = String, Path, description = "the name of the realm"), ("session" = String, Path, description = "grt_…")),
    responses((status = 200, description = "the session", body = SessionView), (status = 404, description = "there is none")))]
pub async fn get(
    State(app): State<App>,
    permit: Permit<SessionsRead>,
    Path((_realm, session)): Path<(String, String)>,
) -> Result<Json<SessionView>, Problem> {
    let id = read_id(&session)?;
    let found = work::read(&app, move |tx| {
        let found = tx.find_session(permit.realm_id(), id, permit.now)?;
        Ok(found.ok_or_else(|| Problem::not_found("session", &session).with_next("admit session list"))?)
    });
    found.await.map(|found| Json(SessionView::from(found)))
}

/// Ends a session, and with it those of the hosts that grew from it. Again: nothing more happens.
#[utoipa::path(delete, path = "/v1/realms/{realm}/sessions/{session}", tag = "sessions",
    params(("realm" = String, Path, description = "the name of the realm"), ("session" = String, Path, description = "grt_…")),
    responses((status = 204, description = "it is ended"), (status = 404, description = "there is none")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<SessionsWrite>,
    Path((_realm, session)): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let id = read_id(&session)?;
    seen.judge_unversioned("session")?;
    let drawn = event(&permit, &app, "session.ended", id);
    let ended = work::write(&app, move |tx| {
        let found = tx.find_session(permit.realm_id(), id, permit.now)?;
        let found = found.ok_or_else(|| Problem::not_found("session", &session).with_next("admit session list"))?;
        session::revoke(tx, &found, session::Why::ByOperator, &drawn, permit.now)
    });
    ended.await.map(|_| StatusCode::NO_CONTENT)
}

fn read_id(text: &str) -> Result<GrantId, Problem> {
    text.parse().map_err(|_| Problem::not_found("session", text).with_next("admit session list"))
}

impl From<IssuedSession> for SessionView {
    fn from(issued: IssuedSession) -> Self {
        let IssuedSession { session, grant, user, is_live } = issued;
        Self {
            id: session.grant,
            kind: grant.kind.as_str(),
            user: session.user,
            name: user,
            host: session.host,
            parent: grant.parent,
            acr: session.factors.acr(),
            amr: session.factors.iter().map(|factor| factor.as_str()).collect(),
            signed_in_at: session.signed_in_at,
            last_used_at: session.last_at,
            last_ip: session.last_ip,
            last_user_agent: session.last_agent,
            expires_at: grant.expires_at,
            revoked_at: grant.revoked_at,
            state: match (is_live, session.pending.is_empty()) {
                (false, _) => "ended",
                (true, false) => "pending",
                (true, true) => "active",
            },
        }
    }
}
