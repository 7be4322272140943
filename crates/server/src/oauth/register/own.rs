//! `/oauth/register/{client_id}` (RFC 7592): a client that registered itself reads, changes or ends what it said, with the
//! registration access token that it was given, in the header and nowhere else.
//!
//! Unknown, another client's, ended: one answer. A change is the whole of what the client says, and asks people for no more
//! than before; what operators added to it stays.

use admit_core::audit::Event;
use admit_core::check::address;
use admit_core::check::code::Reason;
use admit_core::client::secret::{SecretRequest, Shown};
use admit_core::client::{Client, ClientSpec};
use admit_core::credential::{self, Accept, Place};
use admit_core::limit::Rate;
use admit_core::name::ScopeName;
use admit_core::oauth::registration::Metadata;
use admit_core::oauth::{Error, ErrorCode};
use admit_core::scope::Rights;
use admit_core::secret::{self, Secret, SecretKind};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::{Arrived, Counted, information, named};
use crate::app::App;
use crate::manage::clients::Drawn;
use crate::manage::etag;
use crate::manage::work::{self, Stop};
use crate::master;
use crate::oauth::answer::{self, Unheard};
use crate::signing;

/// How often one client may ask in a minute.
const PER_CLIENT: Rate = Rate::per_minute(60);

/// Who asks: a client and what it showed.
struct Owner {
    arrived: Arrived,
    client: Client,
    token: Secret,
}

/// `GET /oauth/register/{client_id}`
pub async fn show(State(app): State<App>, Path(path): Path<Vec<(String, String)>>, request: Request) -> Response {
    match Owner::of(&app, &path, request).await {
        Ok((owner, _)) => answer::json(&information(&app, owner.arrived.row(), &owner.client, &owner.token, None)),
        Err(response) => response,
    }
}

/// `PUT /oauth/register/{client_id}`
pub async fn update(State(app): State<App>, Path(path): Path<Vec<(String, String)>>, request: Request) -> Response {
    let changed = match Owner::of(&app, &path, request).await {
        Ok((owner, body)) => owner.change(&app, body).await,
        Err(response) => Err(response),
    };
    match changed {
        Ok(response) | Err(response) => response,
    }
}

/// `DELETE /oauth/register/{client_id}`: all that it was given ends with it.
pub async fn delete(State(app): State<App>, Path(path): Path<Vec<(String, String)>>, request: Request) -> Response {
    let owner = match Owner::of(&app, &path, request).await {
        Ok((owner, _)) => owner,
        Err(response) => return response,
    };
    let Owner { arrived, client, .. } = owner;
    let now = arrived.now;
    let event = Event::new(app.id(now), client.realm, "client.deleted", now).by(client.id).on(client.id);
    let event = Event { detail: json!({ "name": client.spec.name, "by_itself": true }), ..event };
    let gone = work::write_alone(&app, client.realm, move |tx| {
        if tx.delete_client(client.realm, client.id, now)? {
            tx.insert_event(&event)?;
        }
        Ok(())
    });
    if let Err(problem) = gone.await {
        return arrived.undone(&problem);
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl Owner {
    async fn of(app: &App, path: &[(String, String)], request: Request) -> Result<(Self, Body), Response> {
        let (arrived, body) = Arrived::of(app, request).await?;
        let named = path.iter().find(|(name, _)| name == "client").and_then(|(_, id)| id.parse().ok());
        let (client, token) = match find(app, &arrived) {
            Ok(found) => found.filter(|(client, _)| Some(client.id) == named).ok_or_else(|| unproved(&arrived))?,
            Err(reason) => return Err(arrived.refused(&answer::cannot(reason))),
        };
        arrived.count(app, &Counted::Client(client.id), PER_CLIENT)?;
        if client.disabled_at.is_some() || arrived.row().disabled_at.is_some() {
            return Err(arrived.forbidden("The client or its realm is switched off."));
        }
        Ok((Self { arrived, client, token }, body))
    }

    async fn change(self, app: &App, body: Body) -> Result<Response, Response> {
        if !self.arrived.row().lets_clients_register() {
            return Err(self.arrived.forbidden("Applications do not register themselves here any more."));
        }
        let metadata = self.arrived.metadata(body).await?;
        let judged = self.judge(app, metadata);
        let spec = judged.map_err(|refused| match refused {
            Stop::Problem(problem) => self.arrived.undone(&problem),
            Stop::Store(error) => self.arrived.refused(&answer::unread(&error)),
        })?;
        let spec = spec.map_err(|error| self.arrived.refused(&error))?;
        let (client, now) = (self.client.clone(), self.arrived.now);
        let gains_secret = spec.has_secrets() && !client.spec.has_secrets();
        let secret = gains_secret.then(|| Drawn::draw(app, client.realm, now));
        let text = secret.as_ref().map(|secret| secret.text.clone());
        let event = Event::new(app.id(now), client.realm, "client.updated", now).by(client.id).on(client.id);
        let changed = work::write_alone(app, client.realm, move |tx| {
            let wanted = named(tx, Client { spec: spec.clone(), ..client.clone() })?;
            let changed = tx.update_client(client.realm, &wanted, now)?.ok_or_else(etag::changed)?;
            if client.spec.has_secrets() && !changed.spec.has_secrets() {
                tx.delete_client_secrets(client.realm, client.id, now)?;
            }
            if let Some(secret) = &secret {
                secret.insert(tx, &changed, &SecretRequest::default())?;
            }
            let detail = json!({ "name": changed.spec.name, "by_itself": true });
            tx.insert_event(&Event { detail, ..event.clone() })?;
            Ok(changed)
        });
        let client = changed.await.map_err(|problem| self.arrived.undone(&problem))?;
        signing::prepare(app, client.realm, &client.spec, now).await;
        Ok(answer::json(&information(app, self.arrived.row(), &client, &self.token, text.as_ref())))
    }

    /// The client that it is to become.
    fn judge(&self, app: &App, metadata: Metadata) -> Result<Result<ClientSpec, Error>, Stop> {
        let (before, realm) = (&self.client.spec, self.client.realm);
        if let Err(error) = metadata.judge_change(&self.client) {
            return Ok(Err(error));
        }
        if let Some(shown) = metadata.client_secret() {
            let shown = Shown::new(&app.master.keys(), realm, shown.as_str().unwrap_or_default());
            let secrets = app.store.point(|tx| tx.list_client_secrets(realm, self.client.id))?;
            if shown.find(&secrets, self.arrived.now).is_none() {
                let told = "client_secret: is not the one that this client has";
                return Ok(Err(Error::new(ErrorCode::InvalidClientMetadata, told)));
            }
        }
        let spec = metadata.resolve(&self.arrived.realm.apis);
        Ok(spec.and_then(|spec| {
            let rights = within(&spec.rights, &before.rights)?;
            Ok(ClientSpec {
                rights,
                roles: before.roles.clone(),
                require_pushed_authorization_requests: before.require_pushed_authorization_requests
                    || spec.require_pushed_authorization_requests,
                require_pkce: before.require_pkce || !spec.kind.is_confidential(),
                rotate_refresh_tokens: before.rotate_refresh_tokens.filter(|_| spec.kind.is_confidential()),
                external_id: before.external_id.clone(),
                metadata: before.metadata.clone(),
                ..spec
            })
        }))
    }
}

/// What is asked for, as far as it was there before: more needs an initial access token, or an operator.
fn within(wanted: &Rights, before: &Rights) -> Result<Rights, Error> {
    let had = |scope: &ScopeName| before.values().any(|scopes| scopes.contains(scope));
    if let Some(more) = wanted.values().flatten().find(|scope| !had(scope)) {
        let told =
            format!("scope: has {more}, which it was not registered with. An operator can add it: admit client update");
        return Err(Error::new(ErrorCode::InvalidClientMetadata, told));
    }
    let both = wanted.iter().filter_map(|(api, scopes)| {
        let held = before.get(api)?;
        Some((api.clone(), scopes.intersection(held).cloned().collect()))
    });
    Ok(both.collect())
}

/// Whose registration access token is shown, with its text. None where it is nobody's.
fn find(app: &App, arrived: &Arrived) -> Result<Option<(Client, Secret)>, Reason> {
    let Ok(Some(presented)) = credential::present(&arrived.parts.headers, None, &Accept::default()) else {
        return Ok(None);
    };
    let is_one = secret::read(&presented.text).is_ok_and(|opaque| opaque.kind == SecretKind::RegistrationToken);
    if presented.place != Place::Bearer || !is_one {
        return Ok(None);
    }
    let (keys, realm) = (app.master.keys(), arrived.row().id);
    let hashes = keys.hashes(realm, SecretKind::RegistrationToken, &presented.text);
    let (budget, source) = (app.config.load().unknown, super::source(app, &arrived.parts).map(address::network));
    if !app.limiter.take_unknown(&budget, realm, source, app.clock.monotonic_us()) {
        return Err(Reason::UnknownBudget);
    }
    let found = app.store.point(|tx| {
        let Some(found) = tx.find_client_registration(realm, &hashes)? else {
            master::must_judge(tx, &keys)?;
            return Ok(None);
        };
        Ok(tx.find_client(realm, found.client)?.map(|client| (found, client)))
    });
    if !matches!(found, Ok(None)) {
        app.limiter.give_back_unknown(&budget, realm, source);
    }
    let found = found.map_err(|error| {
        answer::unread(&error);
        Reason::StoreUnavailable
    })?;
    let Some((registration, client)) = found else { return Ok(None) };
    if let Some(active) = hashes.first().filter(|active| **active != registration.hash) {
        app.master.note_move(&keys, realm, registration.hash, *active);
    }
    Ok(Some((client, Secret::new(presented.text.into_owned()))))
}

/// RFC 7592 §2: whatever it was; without an error where nothing stands in the header (RFC 6750 §3.1).
fn unproved(arrived: &Arrived) -> Response {
    let (error, told) = match arrived.parts.headers.contains_key(AUTHORIZATION) {
        true => (Some("invalid_token"), "The registration access token is not of this client, or not any more."),
        false => (None, "The registration access token of this client is needed here, in the header."),
    };
    Unheard { status: StatusCode::UNAUTHORIZED, error, told, scope: None }.told(arrived.row())
}
