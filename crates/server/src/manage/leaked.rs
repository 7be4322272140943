//! `POST /v1/leaked`: whoever finds a key hands it in, and it is revoked.
//!
//! Needs no credential: holding the key is enough to end it. The answer is the same whatever was sent; each call takes a
//! unit of the budget of unknown credentials of its source, so that nobody guesses here faster than elsewhere. Imported
//! keys carry no prefix that says whose they are and are not found here.

use admit_core::audit::Event;
use admit_core::check::address;
use admit_core::check::request::Request as Judged;
use admit_core::id::{Id, RealmId};
use admit_core::secret::{self, Secret, SecretHash, SecretKind};
use admit_core::time::Time;
use admit_store::Found;
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::work;
use crate::app::App;
use crate::http::Peer;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// What was found somewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    credential: String,
}

/// Has paid for one look-up.
pub struct Paid(());

impl FromRequestParts<App> for Paid {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Some(Peer(peer)) = parts.extensions.get::<Peer>().copied() else {
            return Err(Problem::unavailable("the peer of a connection is not known"));
        };
        let config = app.config.load();
        let own = Judged::own(parts.method.clone(), &parts.uri, &parts.headers, peer.ip(), &config.trusted_proxies);
        let source = own.ok().and_then(|own| own.client_ip).map(address::network);
        if app.limiter.take_unknown(&config.unknown, app.operators, source, app.clock.monotonic_us()) {
            return Ok(Self(()));
        }
        Err(Problem::new(429, "rate_limited", "Too many from this network; try again in a minute."))
    }
}

/// Revokes the key that is handed in. The answer says nothing of it.
#[utoipa::path(post, path = "/v1/leaked", tag = "leaked",
    request_body(content = serde_json::Value, example = json!({"credential": "admit_…"})),
    responses((status = 202, description = "whatever was sent"), (status = 429, description = "too many from this network")))]
pub async fn post(State(app): State<App>, _: Paid, Json(leak): Json<Leak>) -> Result<Response, Problem> {
    let leaked = Secret::new(leak.credential);
    if let Some((realm, hashes)) = locate(&app, &leaked)? {
        revoke(&app, realm, hashes, app.now()).await?;
    }
    Ok(Json(json!({})).with_status(StatusCode::ACCEPTED))
}

/// Where the key would be, if it were one.
fn locate(app: &App, leaked: &Secret) -> Result<Option<(RealmId, Vec<SecretHash>)>, Problem> {
    let text = leaked.expose().trim();
    let Some(opaque) = secret::read(text).ok().filter(|opaque| opaque.kind == SecretKind::ApiKey) else {
        return Ok(None);
    };
    let realm = app.directory.of_prefix(opaque.prefix, &app.store)?;
    Ok(realm.map(|realm| (realm, app.master.keys().hashes(realm, SecretKind::ApiKey, text))))
}

async fn revoke(app: &App, realm: RealmId, hashes: Vec<SecretHash>, now: Time) -> Result<(), Problem> {
    let (id, request_id) = (Id::new(now, app.random()), app.request_id(now).to_string());
    work::write(app, move |tx| {
        let Some(Found { key, secret, lineage }) = tx.find_credential_among(realm, &hashes)? else { return Ok(()) };
        if !tx.revoke_grant(realm, lineage.grant.id, now)? {
            return Ok(());
        }
        tx.insert_event(&Event {
            id,
            number: 0,
            seal: None,
            realm: Some(realm),
            at: now,
            kind: "key.leaked".to_owned(),
            actor: "anyone".to_owned(),
            target: key.id.to_string(),
            reason: None,
            request_id: Some(request_id.clone()),
            detail: json!({ "name": key.name, "secret": secret.number, "hint": secret.hint }),
        })?;
        Ok(())
    })
    .await
}
