//! `/oauth/register` (RFC 7591): an application registers itself, where the realm lets applications and somebody gave it an
//! initial access token: any credential of the pipeline with `clients:register` on the realm's management API.
//!
//! What it may say of itself and what becomes of that is `admit_core::oauth::registration`'s; changing it later is [`own`]'s.
//! Whoever shows no such credential learns nothing: he is refused like at every door of the management API, in OAuth's words.

pub mod own;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use admit_core::audit::Event;
use admit_core::check::answer::REQUEST_ID;
use admit_core::check::code::Code;
use admit_core::check::request::Request as Seen;
use admit_core::client::secret::SecretRequest;
use admit_core::client::{Client, ClientSpec};
use admit_core::id::ClientId;
use admit_core::limit::{Limit, Rate};
use admit_core::oauth::registration::{self, Metadata};
use admit_core::oauth::{Error, ErrorCode};
use admit_core::realm::Realm;
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::time::Time;
use admit_store::{ClientRegistration, Tx};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::RETRY_AFTER;
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::answer::{self, Unheard};
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::check::render::CODE;
use crate::http::json::{self, BODY_MAX};
use crate::http::problem::Problem;
use crate::http::{Peer, issuer, media};
use crate::manage::clients::{self, Drawn};
use crate::manage::guard::{self, ClientsRegister, Demand};
use crate::manage::work::{self, Stop};
use crate::signing;

/// How many are registered with one credential in a minute, and how many in a realm.
const PER_CALLER: Rate = Rate::per_minute(20);
const PER_REALM: Rate = Rate::per_minute(60);
/// The most that a realm has of them.
const REGISTERED_MAX: i64 = 10_000;

#[derive(Hash)]
enum Counted {
    Caller(String),
    Realm,
    /// Changes of one client.
    Client(ClientId),
}

/// The endpoints of every issuer, with what they say of other methods.
pub fn routes(base: &str) -> Router<App> {
    let at = |path: &str| format!("{base}{path}");
    let one = get(own::show).put(own::update).delete(own::delete);
    Router::new()
        .route(&at("/oauth/register"), post(register))
        .route(&at("/oauth/register/{client}"), one)
        .method_not_allowed_fallback(async || {
            answer::other_method("This method is not known here: Allow names those that are.")
        })
}

/// A request that arrived, but for its body.
struct Arrived {
    realm: Arc<RealmPolicy>,
    parts: Parts,
    now: Time,
}

impl Arrived {
    async fn of(app: &App, request: Request) -> Result<(Self, Body), Response> {
        let (mut parts, body) = request.into_parts();
        let named = issuer::named(&mut parts, app).await.map_err(IntoResponse::into_response)?;
        let settled = issuer::settle(app, named.as_deref(), &parts.uri, &parts.headers);
        let realm = settled.map_err(IntoResponse::into_response)?;
        Ok((Self { realm, parts, now: app.now() }, body))
    }

    fn row(&self) -> &Realm {
        &self.realm.realm
    }

    fn refused(&self, error: &Error) -> Response {
        answer::refused(self.row(), error)
    }

    /// 403: it is who it says, and may not.
    fn forbidden(&self, told: impl Into<Cow<'static, str>>) -> Response {
        let mut response = self.refused(&Error::new(ErrorCode::AccessDenied, told));
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    }

    /// Why nothing was written, in OAuth's words.
    fn undone(&self, problem: &Problem) -> Response {
        let told = problem.detail().to_owned();
        match problem.status() {
            409 => self.forbidden(told),
            412 => self.refused(&Error::request(told)),
            _ => self.refused(&Error::unavailable()),
        }
    }

    /// A refusal of the pipeline, as endpoints of OAuth tell it and in the name of this realm, whosever the credential is.
    fn retold(&self, refused: &Response) -> Response {
        let code = refused.headers().get(CODE).and_then(|told| Code::ALL.iter().find(|code| told == code.as_str()));
        let status = refused.status();
        let Some(code) = code.filter(|_| matches!(status.as_u16(), 400 | 401 | 403)) else {
            return self.refused(&later(refused));
        };
        let (error, scope) = match (code, status) {
            (Code::MissingCredential, _) => (None, None),
            (Code::InsufficientScope, _) => (Some("insufficient_scope"), Some(ClientsRegister::SCOPE)),
            (_, StatusCode::UNAUTHORIZED) => (Some("invalid_token"), None),
            (_, StatusCode::FORBIDDEN) => (Some("access_denied"), None),
            _ => (Some("invalid_request"), None),
        };
        let mut response = Unheard { status, error, told: code.sentence(), scope }.told(self.row());
        for name in [&CODE, &REQUEST_ID] {
            response.headers_mut().extend(refused.headers().get(name).map(|value| (name.clone(), value.clone())));
        }
        response
    }

    /// Counts one more, or says that it is too soon.
    fn count(&self, app: &App, counted: &Counted, rate: Rate) -> Result<(), Response> {
        let taken = app.limiter.take(self.row().id, counted, &Limit::from(rate), app.clock.monotonic_us());
        if taken.admitted {
            return Ok(());
        }
        let retry_after_s = u32::try_from(taken.retry_after_s.max(1)).ok();
        let told = "Too many registrations at once. Wait before the next one.";
        Err(self.refused(&Error { retry_after_s, ..Error::new(ErrorCode::SlowDown, told) }))
    }

    /// What the application says of itself.
    async fn metadata(&self, body: Body) -> Result<Metadata, Response> {
        self.read(body).await.map_err(|error| self.refused(&error))
    }

    async fn read(&self, body: Body) -> Result<Metadata, Error> {
        media::judge(&self.parts.headers, "application/json")
            .map_err(|unfit| Error::request(Problem::from(unfit).detail().to_owned()))?;
        let body = to_bytes(body, BODY_MAX).await;
        let body =
            body.map_err(|_| Error::request(format!("The body may have at most {BODY_MAX} bytes, and all of it.")))?;
        let invalid = |problem: Problem| Error::new(ErrorCode::InvalidClientMetadata, problem.detail().to_owned());
        // First as an object: what is none could be read into one otherwise.
        json::parse::<Map<String, Value>>(&body).map_err(invalid)?;
        json::parse(&body).map_err(invalid)
    }
}

/// `POST /oauth/register`
async fn register(State(app): State<App>, request: Request) -> Response {
    match begin(&app, request).await {
        Ok(response) | Err(response) => response,
    }
}

async fn begin(app: &App, request: Request) -> Result<Response, Response> {
    let (arrived, body) = Arrived::of(app, request).await?;
    let access = guard::access::<ClientsRegister>(&arrived.parts, app, &arrived.realm);
    let access = access.map_err(|refused| arrived.retold(&refused))?;
    if !arrived.row().lets_clients_register() {
        return Err(arrived.forbidden(
            "Applications do not register themselves here. An operator can change that: admit realm update NAME --setting \
             client_registration=true",
        ));
    }
    arrived.count(app, &Counted::Caller(access.actor()), PER_CALLER)?;
    arrived.count(app, &Counted::Realm, PER_REALM)?;
    let metadata = arrived.metadata(body).await?;
    let spec = metadata.resolve(&arrived.realm.apis).map_err(|error| arrived.refused(&error))?;
    let (realm, now) = (arrived.row().id, arrived.now);
    let client = clients::new(app.id(now), realm, spec, now);
    let (token, registration) = draw(app, &client, access.actor(), now);
    let secret = client.spec.has_secrets().then(|| Drawn::draw(app, realm, now));
    let text = secret.as_ref().map(|secret| secret.text.clone());
    let event = Event::new(app.id(now), realm, "client.registered", now).by(access.actor()).on(client.id);
    let event = event.asked_by(access.request_id);
    let made = work::write_alone(app, realm, move |tx| {
        work::must_be_on_time(tx, now)?;
        if tx.count_client_registrations(realm)? >= REGISTERED_MAX {
            return Err(full().into());
        }
        let client = named(tx, client.clone())?;
        tx.insert_client(&client)?;
        tx.insert_client_registration(&registration)?;
        if let Some(secret) = &secret {
            secret.insert(tx, &client, &SecretRequest::default())?;
        }
        let detail =
            json!({ "name": client.spec.name, "type": client.spec.kind, "redirect_uris": client.spec.redirect_uris });
        tx.insert_event(&Event { detail, ..event.clone() })?;
        Ok(client)
    });
    let client = made.await.map_err(|problem| arrived.undone(&problem))?;
    signing::prepare(app, realm, &client.spec, now).await;
    let mut response = answer::json(&information(app, arrived.row(), &client, &token, text.as_ref()));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// What lets the client change what it said, and what is kept of that.
fn draw(app: &App, client: &Client, registered_by: String, now: Time) -> (Secret, ClientRegistration) {
    let token = secret::write("admit_ra", &app.random());
    let keys = app.master.keys();
    let active = keys.active();
    let registration = ClientRegistration {
        client: client.id,
        realm: client.realm,
        hash: active.lookup.hash(client.realm, SecretKind::RegistrationToken, token.expose()),
        lookup_key: active.number,
        registered_by,
        created_at: now,
    };
    (token, registration)
}

/// The client under a name that nobody else has: many applications are called alike, and each copy of one registers itself.
fn named(tx: &mut Tx<'_>, client: Client) -> Result<Client, Stop> {
    let taken = tx.find_client_named(client.realm, client.spec.name.as_str())?;
    if taken.is_none_or(|known| known.id == client.id) {
        return Ok(client);
    }
    let name = registration::told_apart(&client.spec.name, &client);
    Ok(Client { spec: ClientSpec { name, ..client.spec.clone() }, ..client })
}

fn full() -> Problem {
    let detail = format!("This realm has {REGISTERED_MAX} clients that registered themselves, as many as it may have.");
    Problem::new(409, "too_many", detail).with_next("admit client list, then admit client delete CLIENT")
}

/// RFC 7591 §3.2.1, RFC 7592 §3.
fn information(
    app: &App,
    realm: &Realm,
    client: &Client,
    token: &Secret,
    secret: Option<&Secret>,
) -> Map<String, Value> {
    let mut whole = registration::tell(client);
    let at = format!("{}/oauth/register/{}", app.issuer(realm), client.id);
    whole.insert("registration_access_token".to_owned(), token.expose().into());
    whole.insert("registration_client_uri".to_owned(), at.into());
    if let Some(secret) = secret {
        whole.insert("client_secret".to_owned(), secret.expose().into());
        // It goes on until it is revoked.
        whole.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    whole
}

/// A refusal of the pipeline that is not for good.
fn later(refused: &Response) -> Error {
    if refused.status() != StatusCode::TOO_MANY_REQUESTS {
        return Error::unavailable();
    }
    let retry_after_s = refused.headers().get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
    Error { retry_after_s, ..Error::new(ErrorCode::SlowDown, "Too many requests at once. Wait before the next one.") }
}

/// Where an address is needed to tell sources apart.
fn source(app: &App, parts: &Parts) -> Option<IpAddr> {
    let peer = parts.extensions.get::<Peer>()?;
    let config = app.config.load();
    let (uri, headers) = (&parts.uri, &parts.headers);
    Seen::own(parts.method.clone(), uri, headers, peer.0.ip(), &config.trusted_proxies).ok()?.client_ip
}
