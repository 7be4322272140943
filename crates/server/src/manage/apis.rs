//! `apis`: protected resources with their scopes and hosts.
//!
//! A change that would break a rule of the realm is refused with everything that it breaks. A URI never changes: it is
//! in tokens, in keys and in other people's configurations.

mod body;

use admit_core::api::{Api, ApiSpec};
use admit_core::audit::Event;
use admit_core::id::{ApiId, RealmId};
use admit_core::name;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::search::Search;
use admit_core::time::Time;
use admit_store::{Page, Tx};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::body::Body;
use super::answer;
use super::etag::{self, IfMatch, with_etag};
use super::event::event;
use super::filter::{Elsewhere, WithMetadata};
use super::guard::{ApisRead, ApisWrite, Permit};
use super::idempotency::{Begun, Once};
use super::page::{List, Paging};
use super::rules::standing::{self, Standing};
use super::search;
use super::work::{self, Stop};
use crate::app::App;
use crate::check::policies::APIS_MAX;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, delete))
}

/// An API as it is shown.
#[derive(Debug, Serialize)]
pub struct View {
    id: ApiId,
    #[serde(flatten)]
    body: Body,
    created_at: Time,
    updated_at: Time,
}

impl From<Api> for View {
    fn from(api: Api) -> Self {
        Self { id: api.id, body: api.spec.into(), created_at: api.created_at, updated_at: api.updated_at }
    }
}

/// Lists the APIs of a realm, the built-in ones too.
#[utoipa::path(get, path = "/v1/realms/{realm}/apis", tag = "apis",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("external_id" = Option<String>, Query), ("metadata.<name>" = Option<String>, Query, description = "a member of the metadata; of several all"),
           ("q" = Option<String>, Query, description = "an id, or a part of a name or an address; letters of ASCII case aside"), ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "a page of APIs", body = ref("#/components/schemas/ApiList"))))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<ApisRead>,
    paging: Paging,
    asked: WithMetadata<Elsewhere>,
) -> Result<Json<List<View>>, Problem> {
    let (realm, search) = (permit.realm_id(), search::parse(asked.parameters.q.as_deref())?);
    let filter = asked.into();
    let found = work::read(&app, move |tx| {
        let read = |after, limit| tx.list_apis_of(realm, &filter, &Page { after, limit });
        search::read(&paging, search.as_ref(), read, |api| *api.id.bytes(), is_sought)
    });
    let found = found.await?;
    Ok(Json(paging.list_until(found.rows, found.until, |api| *api.id.bytes(), &app).map(View::from)))
}

/// Makes an API.
#[utoipa::path(post, path = "/v1/realms/{realm}/apis", tag = "apis", request_body(content = ref("#/components/schemas/NewApi")),
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the API", body = ref("#/components/schemas/Api")), (status = 409, description = "there is one with this URI")))]
pub async fn create(State(app): State<App>, permit: Permit<ApisWrite>, once: Once<Body>) -> Result<Response, Problem> {
    let pledge = match once.attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let spec = once.body.resolve()?;
    if name::is_built_in(&spec.uri) {
        return Err(answer::built_in("Every API whose URI begins with urn:admit:"));
    }
    let (now, realm) = (permit.now, permit.realm_id());
    let api = Api { id: app.id(now), realm, spec, created_at: now, updated_at: now, version: 1 };
    let event = event(&permit, &app, "api.created", api.id);
    let new = api.clone();
    let judge = move |tx: &mut Tx<'_>| {
        let standing = Standing::read(tx, realm)?;
        if standing.apis.len() >= APIS_MAX {
            return Err(Problem::new(409, "too_many", format!("A realm has at most {APIS_MAX} APIs.")).into());
        }
        let uri = &new.spec.uri;
        answer::must_be_free(tx.find_api_by_uri(realm, uri.as_str())?, "api", "URI", uri)?;
        Ok(standing.with_api(&new).must_stay_whole(&standing.policy())?)
    };
    let made = standing::change(&app, realm, judge, move |tx, ()| {
        tx.insert_api(&api)?;
        tx.insert_event(&Event { detail: json!({ "uri": api.spec.uri }), ..event.clone() })?;
        answer::keep(&pledge, tx, &View::from(api.clone()))?;
        Ok(api.clone())
    });
    made.await.map(|api| answer::created(api.version, View::from(api)))
}

/// Shows an API.
#[utoipa::path(get, path = "/v1/realms/{realm}/apis/{api}", tag = "apis",
    params(("realm" = String, Path, description = "the name of the realm"), ("api" = String, Path, description = "id or URI")),
    responses((status = 200, description = "the API", body = ref("#/components/schemas/Api")), (status = 404, description = "there is no such API")))]
pub async fn show(
    State(app): State<App>,
    permit: Permit<ApisRead>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Problem> {
    let realm = permit.realm_id();
    let api = work::read(&app, move |tx| find(tx, realm, &path.1)).await?;
    Ok(with_etag(api.version, Json(View::from(api))))
}

/// Changes an API by a merge patch (RFC 7396).
#[utoipa::path(patch, path = "/v1/realms/{realm}/apis/{api}", tag = "apis", request_body(content = ref("#/components/schemas/ApiPatch")),
    params(("realm" = String, Path, description = "the name of the realm"), ("api" = String, Path, description = "id or URI"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 200, description = "the API", body = ref("#/components/schemas/Api")), (status = 412, description = "it has changed meanwhile")))]
pub async fn update(
    State(app): State<App>,
    permit: Permit<ApisWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
    Json(patch): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "api.updated", "");
    let fields: Vec<String> = patch.keys().cloned().collect();
    let judge = move |tx: &mut Tx<'_>| {
        let api = find(tx, realm, &path.1)?;
        seen.judge(api.version)?;
        let spec = answer::patched(&Body::from(api.spec.clone()), &patch)?.resolve()?;
        let new = Api { spec: successor(&api, spec)?, ..api };
        let standing = Standing::read(tx, realm)?;
        standing.with_api(&new).must_stay_whole(&standing.policy())?;
        Ok(new)
    };
    let changed = standing::change(&app, realm, judge, move |tx, new| {
        let changed = tx.update_api(realm, new, now)?.ok_or_else(etag::changed)?;
        let detail = json!({ "uri": changed.spec.uri, "fields": fields });
        tx.insert_event(&Event { target: changed.id.to_string(), detail, ..event.clone() })?;
        Ok(changed)
    });
    changed.await.map(|api| with_etag(api.version, Json(View::from(api))))
}

/// Removes an API. Keys and grants for it end with it; rules that need it stand against it.
#[utoipa::path(delete, path = "/v1/realms/{realm}/apis/{api}", tag = "apis",
    params(("realm" = String, Path, description = "the name of the realm"), ("api" = String, Path, description = "id or URI"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 204, description = "it is gone"), (status = 400, description = "rules need it")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<ApisWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "api.deleted", "");
    let judge = move |tx: &mut Tx<'_>| {
        let api = find(tx, realm, &path.1)?;
        seen.judge(api.version)?;
        if name::is_built_in(&api.spec.uri) {
            return Err(answer::built_in(api.spec.uri.as_str()).into());
        }
        let standing = Standing::read(tx, realm)?;
        standing.without_api(&api).must_stay_whole(&standing.policy())?;
        let roles = roles_on(tx, &api)?;
        Ok((api, roles))
    };
    let gone = standing::change(&app, realm, judge, move |tx, (api, roles)| {
        tx.delete_api(realm, api.id, now)?;
        let detail = json!({ "uri": api.spec.uri, "roles": roles });
        Ok(tx.insert_event(&Event { target: api.id.to_string(), detail, ..event.clone() })?)
    });
    gone.await.map(|_| StatusCode::NO_CONTENT)
}

/// The API of this id or URI.
pub fn find(tx: &mut Tx<'_>, realm: RealmId, api: &str) -> Result<Api, Stop> {
    let found = match api.parse() {
        Ok(id) => tx.find_api(realm, id)?,
        Err(_) => tx.find_api_by_uri(realm, api)?,
    };
    found.ok_or_else(|| Problem::not_found("API", api).with_next("admit api list").into())
}

/// By id, URI, name or host.
fn is_sought(search: &Search, api: &Api) -> bool {
    let ApiSpec { uri, name, hosts, .. } = &api.spec;
    let id = api.id.to_string();
    let texts = [id.as_str(), uri.as_str()].into_iter().chain(name.as_ref().map(|name| name.as_str()));
    search.is_in(texts.chain(hosts.iter().map(String::as_str)))
}

/// What an API may become.
fn successor(api: &Api, spec: ApiSpec) -> Result<ApiSpec, Problem> {
    if name::is_built_in(&api.spec.uri) {
        return Err(answer::built_in(api.spec.uri.as_str()));
    }
    if spec.uri != api.spec.uri {
        let message = "never changes: tokens, keys and services know it. Create another API, and remove this one later";
        return Err(Problem::invalid(vec![Flaw::new("uri", message)]));
    }
    Ok(spec)
}

/// The first roles that give rights on an API.
fn roles_on(tx: &mut Tx<'_>, api: &Api) -> Result<Vec<String>, Stop> {
    let roles = tx.list_roles(api.realm, &Page::first(1_000))?;
    let on = roles.into_iter().filter(|role| role.spec.rights.contains_key(&api.spec.uri));
    Ok(on.map(|role| role.spec.name.to_string()).take(20).collect())
}
