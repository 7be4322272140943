//! `GET /v1/whoami`: who the caller is, whatever he may do.

use admit_core::name::{ApiUri, RealmName, ScopeName};
use admit_core::principal::CredentialKind;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::guard::authenticate;
use crate::app::App;
use crate::http::json::Json;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(get))
}

/// The caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct Caller {
    /// The realm that he belongs to.
    #[schema(value_type = String)]
    realm: RealmName,
    /// His id; `operator` for the operator key.
    subject: String,
    /// `user`, `client` or `operator`.
    kind: &'static str,
    name: String,
    /// The API that his credential is for.
    #[schema(value_type = Option<String>)]
    api: Option<ApiUri>,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<ScopeName>,
    /// `api_key` or `operator_key`.
    credential: &'static str,
}

/// Says who calls.
#[utoipa::path(get, path = "/v1/whoami", tag = "whoami",
    responses((status = 200, description = "the caller", body = Caller), (status = 401, description = "the credential is not good")))]
pub async fn get(State(app): State<App>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (caller, realm) = match authenticate(&parts, &app) {
        Ok(authenticated) => authenticated,
        Err(refused) => return refused,
    };
    let is_operator = caller.credential == CredentialKind::OperatorKey;
    Json(Caller {
        realm: realm.realm.name.clone(),
        subject: if is_operator { "operator".to_owned() } else { caller.subject.to_string() },
        kind: if is_operator { "operator" } else { caller.subject_kind().as_str() },
        name: caller.name.to_string(),
        api: caller.standing.api.clone(),
        scopes: caller.standing.scopes.clone(),
        credential: caller.credential.as_str(),
    })
    .into_response()
}
