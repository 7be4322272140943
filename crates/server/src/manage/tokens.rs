//! `tokens`: an operator issues an access token for a client, as the client would get it itself.
//!
//! Nobody issues what exceeds his own rights over Admit. Each one is in the audit, before anybody has it.

use admit_core::api::TokenFormat;
use admit_core::client::Client;
use admit_core::grant::Subject;
use admit_core::id::{ClientId, TokenId};
use admit_core::name::{ApiUri, ScopeName};
use admit_core::oauth::client_credentials::{self, CHOICES_MAX, Refusal};
use admit_core::oauth::{Error, ErrorCode, scope};
use admit_core::policy::rule::Problem as Flaw;
use admit_core::role::Role;
use admit_core::scope::Rights;
use admit_core::shell::{flag, operand};
use admit_core::time::Time;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::event::event;
use super::guard::{Access, KeysWrite, Permit};
use super::idempotency::{Begun, Once};
use super::subject;
use super::work;
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::oauth::grants::client_credentials as grant;
use crate::oauth::own::{self, Asked};
use crate::oauth::token::Refused;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// What is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TokenRequest)]
pub struct Wanted {
    /// For whom: a client's id or name.
    client: String,
    /// For which API; where absent as at the token endpoint.
    #[schema(value_type = Option<String>)]
    api: Option<ApiUri>,
    /// For what; where absent all that the client may do there.
    #[schema(value_type = Option<Vec<String>>)]
    scopes: Option<Vec<ScopeName>>,
}

/// A new token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NewToken)]
pub struct NewToken {
    #[schema(value_type = String)]
    id: TokenId,
    /// The token itself, shown this once.
    access_token: String,
    token_type: &'static str,
    /// `jwt` or `opaque`.
    #[schema(value_type = String)]
    format: TokenFormat,
    #[schema(value_type = String)]
    client: ClientId,
    #[schema(value_type = String)]
    api: ApiUri,
    #[schema(value_type = Vec<String>)]
    scopes: Vec<ScopeName>,
    #[schema(value_type = String)]
    expires_at: Time,
    expires_in_s: i64,
}

/// Issues an access token for a client.
#[utoipa::path(post, path = "/v1/realms/{realm}/tokens", tag = "tokens", request_body = Wanted,
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "made; it is shown this once", body = NewToken),
              (status = 400, description = "the client may not have it"), (status = 403, description = "it would exceed the caller's own rights")))]
pub async fn post(State(app): State<App>, permit: Permit<KeysWrite>, once: Once<Wanted>) -> Result<Response, Problem> {
    let Once { body: wanted, attempt } = once;
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let position = app.epochs.settled();
    let access = &permit.without_lane();
    // The permit's is from before the body was read: what is remembered of it must not be older than the position.
    let read =
        app.policies.of(&app, access.realm_id()).map_err(|_| Problem::unavailable("the realm cannot be read"))?;
    let realm = read.ok_or_else(|| Problem::new(404, "not_found", "There is no such realm any more."))?;
    let (client, roles) = find(&app, access, &wanted.client).await?;
    let asked = Asked {
        realm: &realm,
        client: &client,
        roles: &roles,
        resources: wanted.api.iter().map(ApiUri::as_str).collect(),
        position,
        now: access.now,
    };
    let line = wanted.scopes.as_deref().map(scope::join);
    let told = |refused: Refused| problem(refused.error, &client);
    // Judged before anything is written.
    let held = asked.hold().map_err(|refusal| refused(refusal, &client))?;
    let narrowed = client_credentials::narrow(&held.whole, &roles, line.as_deref());
    let standing = narrowed.map_err(|refusal| refused(refusal, &client))?.unwrap_or(held.whole);
    let api = held.api.spec.uri.clone();
    access.must_hold(&Rights::from([(api.clone(), standing.scopes.iter().cloned().collect())]))?;
    let own = own::of(&app, &asked).await.map_err(|nothing| told(nothing.into()))?;
    let mut noted = event(access, &app, "token.issued", "");
    noted.detail = json!({ "client": client.id, "name": client.spec.name, "api": api, "scopes": standing.scopes });
    let given = grant::issue(&app, &asked, &own, line.as_deref(), Some(noted)).await.map_err(told)?;
    let id = given.token.id.to_string();
    work::write(&app, move |tx| pledge.keep_secret(tx, StatusCode::CREATED, id.clone())).await?;
    let made = NewToken {
        id: given.token.id,
        access_token: given.token.text.expose().to_owned(),
        token_type: "Bearer",
        format: given.token.format,
        client: client.id,
        api,
        scopes: standing.scopes,
        expires_at: given.token.expires_at,
        expires_in_s: given.token.expires_in_s,
    };
    Ok(Json(made).with_status(StatusCode::CREATED))
}

/// The client of this id or name with its roles.
async fn find(app: &App, access: &Access, text: &str) -> Result<(Client, Vec<Role>), Problem> {
    let (realm, text) = (access.realm_id(), text.to_owned());
    let found = work::read(app, move |tx| {
        let Subject::Client(client) = subject::find(tx, realm, &text, "client")? else {
            let message = "is a person: tokens are issued for clients";
            return Err(Problem::invalid(vec![Flaw::new("client", message)]).with_next("admit client list").into());
        };
        let roles = tx.list_roles_of(realm, admit_core::id::SubjectId::Client(client.id))?;
        Ok((client, roles))
    });
    found.await
}

/// The same in the words of this API, which calls the resource of OAuth an API.
fn refused(refusal: Refusal, client: &Client) -> Problem {
    let Refusal::ResourceNeeded(apis) = &refusal else { return problem(refusal.into(), client) };
    let Some(first) = apis.first() else { return problem(refusal.into(), client) };
    let names: Vec<_> = apis.iter().take(CHOICES_MAX).map(ApiUri::as_str).collect();
    let others = if apis.len() > CHOICES_MAX { " or another" } else { "" };
    let detail = format!("api: is needed, for it does not follow: {}{others}.", names.join(" or "));
    let next = format!("admit token issue{}{}", flag("client", client.spec.name.as_str()), flag("api", first.as_str()));
    Problem::new(400, "token_refused", detail).with_next(next)
}

/// The refusal that the client itself would get, and what would change it.
fn problem(error: Error, client: &Client) -> Problem {
    let text = error.description.into_owned();
    let name = client.spec.name.as_str();
    let next = match error.code {
        ErrorCode::TemporarilyUnavailable => return Problem::overloaded(),
        ErrorCode::ServerError => return Problem::unavailable(text),
        ErrorCode::InvalidScope | ErrorCode::InvalidTarget => {
            format!("admit client show {}", operand(name))
        }
        ErrorCode::UnauthorizedClient => format!("admit client create{} --type service", flag("name", "NAME")),
        _ => format!("admit client enable {}", operand(name)),
    };
    Problem::new(400, "token_refused", text).with_next(next)
}
