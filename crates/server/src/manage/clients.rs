//! `clients`: applications. A service client acts only as itself; keys belong to clients or users.
//!
//! Nobody gives a client rights over Admit, by its own row or by roles, that he does not hold himself; nor does he change
//! one that has them.

mod body;
mod secret;
mod view;

use admit_core::audit::Event;
use admit_core::client::secret::SecretRequest;
use admit_core::client::{Client, ClientSpec};
use admit_core::id::{ClientId, RealmId, SubjectId, UserId};
use admit_core::name::Label;
use admit_core::policy::rule::Problem as Flaw;
use admit_core::scope;
use admit_core::time::{Span, Time};
use admit_store::{Filter, GrantFilter, Page, Searched, Tx};
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use self::secret::Drawn;
pub use self::view::View;

use self::body::NewClient;
use self::view::{SecretView, Shown};
use super::answer;
use super::etag::{self, IfMatch, with_etag};
use super::event::event;
use super::filter::{Elsewhere, WithMetadata};
use super::guard::{Access, ClientsRead, ClientsWrite, Permit};
use super::idempotency::{Attempt, Begun, Once};
use super::page::{List, Paging};
use super::roles;
use super::search;
use super::work::{self, Stop};
use crate::app::App;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::jobs::flush;
use crate::signing;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(revoke_all))
        .routes(routes!(secret::list, secret::add))
        .routes(routes!(secret::revoke))
}

/// Lists the clients of a realm.
#[utoipa::path(get, path = "/v1/realms/{realm}/clients", tag = "clients",
    params(("realm" = String, Path, description = "the name of the realm"),
           ("external_id" = Option<String>, Query), ("metadata.<name>" = Option<String>, Query, description = "a member of the metadata; of several all"),
           ("q" = Option<String>, Query, description = "an id, or a part of a name or an address; letters of ASCII case aside"), ("limit" = Option<u32>, Query, description = "1 to 200, 50 where absent"), ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, description = "a page of clients", body = ref("#/components/schemas/ClientList"))))]
pub async fn list(
    State(app): State<App>,
    permit: Permit<ClientsRead>,
    paging: Paging,
    asked: WithMetadata<Elsewhere>,
) -> Result<Json<List<View>>, Problem> {
    let (realm, page, search) = (permit.realm_id(), paging.page(), search::parse(asked.parameters.q.as_deref())?);
    let id = search.as_ref().and_then(|search| search.text().parse().ok());
    let filter = Filter::from(asked);
    let clients = work::read(&app, move |tx| {
        if let Some(id) = id {
            return Ok((tx.find_client(realm, id)?.into_iter().collect(), None));
        }
        let sought = search::reach(tx, Searched::Clients, realm, search.clone(), &page)?;
        let until = sought.as_ref().and_then(|sought| sought.until);
        Ok((tx.list_clients_of(realm, &Filter { sought, ..filter.clone() }, &page)?, until))
    });
    let (clients, until) = clients.await?;
    Ok(Json(paging.list_until(clients, until, |client| *client.id.bytes(), &app).map(View::from)))
}

/// Makes a client, and where a secret proves who it is, its first one.
#[utoipa::path(post, path = "/v1/realms/{realm}/clients", tag = "clients", request_body(content = ref("#/components/schemas/NewClient")),
    params(("realm" = String, Path, description = "the name of the realm"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 201, description = "the client; its secret is shown this once", body = ref("#/components/schemas/MadeClient")), (status = 403, description = "it would have rights that the caller has not"), (status = 409, description = "name or id is another's, or the answer was given before")))]
pub async fn create(
    State(app): State<App>,
    permit: Permit<ClientsWrite>,
    once: Once<NewClient>,
) -> Result<Response, Problem> {
    let pledge = match once.attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let chosen = once.body.id;
    let spec = once.body.resolve()?;
    let client = new(chosen.unwrap_or_else(|| app.id(permit.now)), permit.realm_id(), spec, permit.now);
    // Grants of a client that had this id before stay dead.
    let client = Client { valid_after: chosen.map(|_| permit.now), ..client };
    let event = event(&permit, &app, "client.created", client.id);
    let wanted = client.spec.clone();
    let drawn = client.spec.has_secrets().then(|| Drawn::draw(&app, permit.realm_id(), permit.now));
    let text = drawn.as_ref().map(|drawn| drawn.text.expose().to_owned());
    let (now, realm) = (permit.now, permit.realm_id());
    let made = work::write_alone(&app, realm, move |tx| {
        if chosen.is_some() {
            must_be_nobodys(tx, &client)?;
        }
        insert(tx, &permit, &client)?;
        let secret = match &drawn {
            Some(drawn) => {
                pledge.keep_secret(tx, StatusCode::CREATED, client.id.to_string())?;
                Some(drawn.insert(tx, &client, &SecretRequest::default())?)
            }
            None => {
                answer::keep(&pledge, tx, &Shown::of(client.clone(), &[], permit.now))?;
                None
            }
        };
        let hint = secret.as_ref().map(|secret| &secret.hint);
        let detail = json!({ "name": client.spec.name, "hint": hint });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        let secrets: Vec<_> = secret.into_iter().collect();
        Ok((client.version, Shown::of(client.clone(), &secrets, permit.now)))
    });
    let (version, client) = made.await?;
    signing::prepare(&app, realm, &wanted, now).await;
    Ok(answer::created(version, client.with(text)))
}

/// Shows a client.
#[utoipa::path(get, path = "/v1/realms/{realm}/clients/{client}", tag = "clients",
    params(("realm" = String, Path, description = "the name of the realm"), ("client" = String, Path, description = "id or name")),
    responses((status = 200, description = "the client", body = ref("#/components/schemas/ShownClient")), (status = 404, description = "there is no such client")))]
pub async fn show(
    State(app): State<App>,
    permit: Permit<ClientsRead>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Problem> {
    let realm = permit.realm_id();
    flush::now(&app).await;
    let now = permit.now;
    let found = work::read(&app, move |tx| {
        let client = find(tx, realm, &path.1)?;
        let secrets = tx.list_client_secrets(realm, client.id)?;
        Ok((client.version, Shown::of(client, &secrets, now)))
    });
    let (version, view) = found.await?;
    Ok(with_etag(version, Json(view)))
}

/// Changes a client by a merge patch (RFC 7396); `disabled` switches it off and on.
#[utoipa::path(patch, path = "/v1/realms/{realm}/clients/{client}", tag = "clients", request_body(content = ref("#/components/schemas/ClientPatch")),
    params(("realm" = String, Path, description = "the name of the realm"), ("client" = String, Path, description = "id or name"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 200, description = "the client", body = ref("#/components/schemas/Client")), (status = 412, description = "it has changed meanwhile")))]
pub async fn update(
    State(app): State<App>,
    permit: Permit<ClientsWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
    Json(mut patch): Json<Map<String, Value>>,
) -> Result<Response, Problem> {
    let fields: Vec<String> = patch.keys().cloned().collect();
    let switch = answer::take_switch(&mut patch)?;
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "client.updated", "");
    let changed = work::write_alone(&app, permit.realm_id(), move |tx| {
        let mut client = find(tx, realm, &path.1)?;
        seen.judge(client.version)?;
        if let Some(disabled) = switch {
            client.disabled_at = disabled.then(|| client.disabled_at.unwrap_or(now));
        }
        let spec = answer::patched(&client.spec, &patch)?;
        let changed = replace(tx, &permit, &client, spec)?;
        let detail = json!({ "name": changed.spec.name, "fields": fields, "disabled": switch });
        tx.insert_event(&Event { target: changed.id.to_string(), detail, ..event.clone() })?;
        Ok(changed)
    });
    let client = changed.await?;
    signing::prepare(&app, realm, &client.spec, now).await;
    Ok(with_etag(client.version, Json(View::from(client))))
}

/// Removes a client; its secrets and everything that it owns end with it.
#[utoipa::path(delete, path = "/v1/realms/{realm}/clients/{client}", tag = "clients",
    params(("realm" = String, Path, description = "the name of the realm"), ("client" = String, Path, description = "id or name"),
           ("If-Match" = Option<String>, Header, description = "the ETag that was seen")),
    responses((status = 204, description = "it is gone"), (status = 404, description = "there is no such client")))]
pub async fn delete(
    State(app): State<App>,
    permit: Permit<ClientsWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
) -> Result<StatusCode, Problem> {
    let (now, realm) = (permit.now, permit.realm_id());
    let event = event(&permit, &app, "client.deleted", "");
    let gone = work::write_alone(&app, permit.realm_id(), move |tx| {
        let client = find(tx, realm, &path.1)?;
        seen.judge(client.version)?;
        may_have(tx, &permit, realm, &client.spec)?;
        let detail =
            json!({ "name": client.spec.name, "grants": live_grants(tx, realm, SubjectId::Client(client.id), now)? });
        tx.delete_client(realm, client.id, now)?;
        Ok(tx.insert_event(&Event { target: client.id.to_string(), detail, ..event.clone() })?)
    });
    gone.await.map(|_| StatusCode::NO_CONTENT)
}

/// Ends everything that a client was given before this moment.
#[utoipa::path(post, path = "/v1/realms/{realm}/clients/{client}/revoke-all", tag = "clients",
    params(("realm" = String, Path, description = "the name of the realm"), ("client" = String, Path, description = "id or name"), ("Idempotency-Key" = Option<String>, Header, description = "makes a repetition harmless")),
    responses((status = 200, description = "from when on", body = ref("#/components/schemas/Revoked")), (status = 404, description = "there is no such client")))]
pub async fn revoke_all(
    State(app): State<App>,
    permit: Permit<ClientsWrite>,
    Path(path): Path<(String, String)>,
    seen: IfMatch,
    attempt: Attempt,
) -> Result<Response, Problem> {
    let pledge = match attempt.begin(&app, &permit).await? {
        Begun::Earlier(response) => return Ok(*response),
        Begun::New(pledge) => pledge,
    };
    let (now, realm) = (permit.now, permit.realm_id());
    let cutoff = cutoff(now);
    let event = event(&permit, &app, "client.revoked_all", "");
    let done = work::write_alone(&app, permit.realm_id(), move |tx| {
        let client = find(tx, realm, &path.1)?;
        seen.judge(client.version)?;
        tx.update_client(realm, &Client { valid_after: Some(cutoff), ..client.clone() }, now)?
            .ok_or_else(etag::changed)?;
        tx.insert_event(&Event {
            target: client.id.to_string(),
            detail: json!({ "name": client.spec.name }),
            ..event.clone()
        })?;
        answer::revoked(&pledge, tx, cutoff)
    });
    done.await
}

/// What was issued in this very millisecond ends too.
pub fn cutoff(now: Time) -> Time {
    now + Span::ms(1)
}

/// The client of this id or name.
pub fn find(tx: &mut Tx<'_>, realm: RealmId, client: &str) -> Result<Client, Stop> {
    let found = match client.parse() {
        Ok(id) => tx.find_client(realm, id)?,
        Err(_) => tx.find_client_named(realm, client)?,
    };
    found.ok_or_else(|| Problem::not_found("client", client).with_next("admit client list").into())
}

/// A client that is not stored yet.
pub fn new(id: ClientId, realm: RealmId, spec: ClientSpec, now: Time) -> Client {
    Client {
        id,
        realm,
        org: None,
        spec,
        disabled_at: None,
        valid_after: None,
        created_at: now,
        updated_at: now,
        version: 1,
    }
}

/// Stores a new client.
pub fn insert(tx: &mut Tx<'_>, access: &Access, client: &Client) -> Result<(), Stop> {
    must_not_say_how_it_came(&client.spec, false)?;
    roles::must_be_defined(tx, client.realm, &client.spec.rights)?;
    may_have(tx, access, client.realm, &client.spec)?;
    must_be_free(tx, client.realm, &client.spec.name)?;
    Ok(tx.insert_client(client)?)
}

/// Stores another form of a client.
pub fn replace(tx: &mut Tx<'_>, access: &Access, client: &Client, spec: ClientSpec) -> Result<Client, Stop> {
    must_not_say_how_it_came(&spec, client.spec.dynamic)?;
    let spec = spec.resolve().map_err(Problem::invalid)?;
    if spec.rights != client.spec.rights {
        roles::must_be_defined(tx, client.realm, &spec.rights)?;
    }
    may_have(tx, access, client.realm, &client.spec)?;
    may_have(tx, access, client.realm, &spec)?;
    if spec.name != client.spec.name {
        must_be_free(tx, client.realm, &spec.name)?;
    }
    let loses_secrets = client.spec.has_secrets() && !spec.has_secrets();
    let changed = tx.update_client(client.realm, &Client { spec, ..client.clone() }, access.now)?;
    let changed = changed.ok_or_else(etag::changed)?;
    if loses_secrets {
        // What proves nothing now must not come back to life with another change.
        tx.delete_client_secrets(client.realm, client.id, access.now)?;
    }
    Ok(changed)
}

fn must_be_free(tx: &mut Tx<'_>, realm: RealmId, name: &Label) -> Result<(), Stop> {
    Ok(answer::must_be_free(tx.find_client_named(realm, name.as_str())?, "client", "name", name)?)
}

/// Refuses the id of another client, and that of a user too: roles and grants of subjects are found by what follows the
/// prefix.
fn must_be_nobodys(tx: &mut Tx<'_>, client: &Client) -> Result<(), Stop> {
    answer::must_be_free(tx.find_client(client.realm, client.id)?, "client", "id", client.id)?;
    let user = UserId::from_bytes(*client.id.bytes());
    Ok(answer::must_be_free(tx.find_user(client.realm, user)?, "user", "id", user)?)
}

/// Whether a client registered itself is no matter of opinion.
fn must_not_say_how_it_came(spec: &ClientSpec, is_dynamic: bool) -> Result<(), Problem> {
    if spec.dynamic == is_dynamic {
        return Ok(());
    }
    let message = format!("must be {is_dynamic}: it says whether the client registered itself");
    Err(Problem::invalid(vec![Flaw::new("dynamic", message)]))
}

/// How many grants of a subject live, counted up to 200.
pub fn live_grants(tx: &mut Tx<'_>, realm: RealmId, subject: SubjectId, now: Time) -> Result<usize, Stop> {
    let filter = GrantFilter { subject: Some(subject), live_only: true };
    Ok(tx.list_grants(realm, &filter, &Page::first(200), now)?.len())
}

/// Refuses rights over Admit that the caller has not.
fn may_have(tx: &mut Tx<'_>, access: &Access, realm: RealmId, spec: &ClientSpec) -> Result<(), Stop> {
    let mut rights = roles::rights_of(tx, realm, &spec.roles)?;
    scope::unite(&mut rights, &spec.rights);
    Ok(access.must_hold(&rights)?)
}
