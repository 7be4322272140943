//! `POST /v1/leaked`: whoever finds a key, a token or a client's secret hands it in, and it is revoked.
//!
//! Needs no credential: holding the thing is enough to end it. Of an access token only itself ends, not its grant; of a
//! refresh token all that it renews. The answer is the same whatever was sent. Each look takes a unit of the budget of
//! unknown credentials of its source, so that nobody guesses here faster than elsewhere: what does not say whose it is takes
//! one for each realm that it is looked for in. Imported keys carry no prefix that says whose they are and are not found here.

use admit_core::audit::Event;
use admit_core::check::address;
use admit_core::check::request::Request as Judged;
use admit_core::client::secret::ClientSecret;
use admit_core::id::{GrantId, Id, RealmId};
use admit_core::jose::claims::LEEWAY;
use admit_core::secret::{self, Secret, SecretHash, SecretKind};
use admit_core::time::Time;
use admit_core::token as core_token;
use admit_store::{AccessToken, Found, RevokedToken, Tx};
use axum::extract::{FromRequestParts, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use ipnet::IpNet;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::work;
use crate::app::App;
use crate::authn::token;
use crate::http::Peer;
use crate::http::json::Json;
use crate::http::problem::Problem;

/// In how many realms a secret that names none is looked for at a time.
const BATCH: usize = 50;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(post))
}

/// What was found somewhere.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    credential: String,
    /// The realm that an opaque token or a client's secret is of, where that is known.
    realm: Option<String>,
}

/// Has paid for one look-up, and may for more.
pub struct Paid {
    source: Option<IpNet>,
}

impl Paid {
    fn take(app: &App, source: Option<IpNet>) -> bool {
        app.limiter.take_unknown(&app.config.load().unknown, app.operators, source, app.clock.monotonic_us())
    }

    /// After how many seconds one more look may be taken.
    fn wait_s(&self, app: &App) -> u32 {
        let (budget, now_us) = (app.config.load().unknown, app.clock.monotonic_us());
        app.limiter.wait_unknown(&budget, app.operators, self.source, now_us)
    }
}

impl FromRequestParts<App> for Paid {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Some(Peer(peer)) = parts.extensions.get::<Peer>().copied() else {
            return Err(Problem::unavailable("the peer of a connection is not known"));
        };
        let config = app.config.load();
        let own = Judged::own(parts.method.clone(), &parts.uri, &parts.headers, peer.ip(), &config.trusted_proxies);
        let source = own.ok().and_then(|own| own.client_ip).map(address::network);
        let paid = Self { source };
        if Self::take(app, source) {
            return Ok(paid);
        }
        let told = "Too many from this network; try again in a minute.";
        Err(Problem::new(429, "rate_limited", told).with_retry_after(paid.wait_s(app)))
    }
}

/// Revokes what is handed in. The answer says nothing of it. A JWT and a key say which realm they are of; an opaque token and
/// a client's secret do not: say it (`realm`), or they are looked for in as many realms as this network may ask in now.
#[utoipa::path(post, path = "/v1/leaked", tag = "leaked",
    request_body(content = serde_json::Value, example = json!({"credential": "admit_…", "realm": "default"})),
    responses((status = 202, description = "whatever was sent"),
              (status = 429, description = "too many from this network, or more realms than it may ask in: name one")))]
pub async fn post(State(app): State<App>, paid: Paid, Json(leak): Json<Leak>) -> Result<Response, Problem> {
    let (leaked, now) = (Secret::new(leak.credential), app.now());
    match locate(&app, &paid, leaked.expose().trim(), leak.realm.as_deref(), now).await? {
        Some(Leaked::Key(realm, hashes)) => revoke_key(&app, realm, hashes, now).await?,
        Some(Leaked::Token(token, grant)) => revoke_token(&app, token, grant, now).await?,
        Some(Leaked::Renewal(realm, grant)) => end_authorization(&app, realm, grant, now).await?,
        Some(Leaked::Secret(secret)) => delete_secret(&app, *secret, now).await?,
        None => {}
    }
    Ok(Json(json!({})).with_status(StatusCode::ACCEPTED))
}

/// What can be ended by whoever holds it.
enum Leaked {
    /// Where a key would be, if it were one.
    Key(RealmId, Vec<SecretHash>),
    /// An access token that is real.
    Token(RevokedToken, GrantId),
    /// A refresh token that is real, used or not: what it renews.
    Renewal(RealmId, GrantId),
    /// A client's secret that is real.
    Secret(Box<ClientSecret>),
}

async fn locate(app: &App, paid: &Paid, text: &str, realm: Option<&str>, now: Time) -> Result<Option<Leaked>, Problem> {
    if core_token::is_jwt(text) {
        return signed(app, paid, text, now);
    }
    let Ok(opaque) = secret::read(text) else { return Ok(None) };
    match opaque.kind {
        SecretKind::ApiKey => {
            let realm = app.directory.of_prefix(opaque.prefix, &app.store)?;
            Ok(realm.map(|realm| Leaked::Key(realm, app.master.keys().hashes(realm, SecretKind::ApiKey, text))))
        }
        kind @ (SecretKind::AccessToken | SecretKind::RefreshToken | SecretKind::ClientSecret) => match realm {
            Some(name) => match app.directory.named(name, &app.store)? {
                Some(realm) => stored(app, kind, text, &[realm]).await,
                None => Ok(None),
            },
            None => anywhere(app, paid, kind, text).await,
        },
        _ => Ok(None),
    }
}

/// A JWT names its realm, and its signature says whether it is real. Where the issuer has another name by now, its key says
/// of which realm it is.
fn signed(app: &App, paid: &Paid, text: &str, now: Time) -> Result<Option<Leaked>, Problem> {
    let cannot = |_| Problem::unavailable("a token cannot be judged");
    let realms = match token::realm_of_text(app, text).map_err(cannot)? {
        Some(realm) => vec![realm],
        None => all_realms(app),
    };
    for (place, realm) in realms.into_iter().enumerate() {
        if place > 0 && !Paid::take(app, paid.source) {
            let told = "It does not say of which realm it is; try again in a minute.";
            return Err(Problem::new(429, "rate_limited", told).with_retry_after(paid.wait_s(app)));
        }
        let Some(policy) = app.policies.of(app, realm).map_err(cannot)? else { continue };
        if let Some(said) = token::signed_here(app, &policy, text).map_err(cannot)? {
            let token = RevokedToken { id: said.token.id, realm, expires_at: said.token.expires_at };
            return Ok((token.expires_at + LEEWAY > now).then_some(Leaked::Token(token, said.grant)));
        }
    }
    Ok(None)
}

/// All of them, the usual one first.
fn all_realms(app: &App) -> Vec<RealmId> {
    let others = app.directory.all().into_iter().filter(|realm| *realm != app.default_realm);
    std::iter::once(app.default_realm).chain(others).collect()
}

/// What does not say whose it is: looked for in one realm after the other, the usual one first, while that is paid for.
async fn anywhere(app: &App, paid: &Paid, kind: SecretKind, text: &str) -> Result<Option<Leaked>, Problem> {
    let realms = all_realms(app);
    let mut looked = 0;
    while looked < realms.len() {
        let batch = &realms[looked..realms.len().min(looked + BATCH)];
        // The first look was paid for by the call.
        let is_paid = |place: usize| place == 0 || Paid::take(app, paid.source);
        let count = (looked..looked + batch.len()).take_while(|place| is_paid(*place)).count();
        let found = stored(app, kind, text, &batch[..count]).await?;
        if found.is_some() {
            return Ok(found);
        }
        if count < batch.len() {
            let told = "It does not say which realm it is of, and this network may not ask in all of them at once.";
            let refused = Problem::new(429, "rate_limited", told).with_next("say it, as \"realm\", in a minute");
            return Err(refused.with_retry_after(paid.wait_s(app)));
        }
        looked += count;
    }
    Ok(None)
}

async fn stored(app: &App, kind: SecretKind, text: &str, realms: &[RealmId]) -> Result<Option<Leaked>, Problem> {
    let keys = app.master.keys();
    let places: Vec<_> = realms.iter().map(|realm| (*realm, keys.hashes(*realm, kind, text))).collect();
    let find = move |tx: &mut Tx<'_>| {
        for (realm, hashes) in &places {
            let found = match kind {
                SecretKind::AccessToken => tx.find_access_token(*realm, hashes)?.map(|found| token_of(&found.token)),
                SecretKind::RefreshToken => {
                    let found = tx.find_refresh_token(*realm, hashes)?;
                    found.map(|found| Leaked::Renewal(*realm, found.token.grant))
                }
                _ => tx.find_client_secret(*realm, hashes)?.map(|secret| Leaked::Secret(Box::new(secret))),
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    };
    Ok(app.store.read(find).await?)
}

fn token_of(token: &AccessToken) -> Leaked {
    let AccessToken { id, realm, expires_at, grant, .. } = token;
    Leaked::Token(RevokedToken { id: *id, realm: *realm, expires_at: *expires_at }, *grant)
}

async fn delete_secret(app: &App, secret: ClientSecret, now: Time) -> Result<(), Problem> {
    let ClientSecret { id, realm, client, hint, .. } = secret;
    let told = json!({ "secret": id, "hint": hint });
    let event = event(app, realm, "client.secret_leaked", client.to_string(), told, now);
    work::write(app, move |tx| {
        if tx.delete_client_secret(realm, client, id, now)? {
            tx.insert_event(&event)?;
        }
        Ok(())
    })
    .await
}

async fn revoke_token(app: &App, token: RevokedToken, grant: GrantId, now: Time) -> Result<(), Problem> {
    let event = event(app, token.realm, "token.leaked", token.id.to_string(), json!({ "grant": grant }), now);
    work::write(app, move |tx| {
        if tx.revoke_token(&token, now)? {
            tx.insert_event(&event)?;
        }
        Ok(())
    })
    .await
}

async fn end_authorization(app: &App, realm: RealmId, grant: GrantId, now: Time) -> Result<(), Problem> {
    let event = event(app, realm, "refresh_token.leaked", grant.to_string(), json!({}), now);
    work::write(app, move |tx| {
        if tx.revoke_grant(realm, grant, now)? {
            tx.insert_event(&event)?;
        }
        Ok(())
    })
    .await
}

async fn revoke_key(app: &App, realm: RealmId, hashes: Vec<SecretHash>, now: Time) -> Result<(), Problem> {
    let told = event(app, realm, "key.leaked", String::new(), json!({}), now);
    work::write(app, move |tx| {
        let Some(Found { key, secret, lineage }) = tx.find_credential_among(realm, &hashes)? else { return Ok(()) };
        if !tx.revoke_grant(realm, lineage.grant.id, now)? {
            return Ok(());
        }
        tx.insert_event(&Event {
            target: key.id.to_string(),
            detail: json!({ "name": key.name, "secret": secret.number, "hint": secret.hint }),
            ..told.clone()
        })?;
        Ok(())
    })
    .await
}

fn event(app: &App, realm: RealmId, kind: &str, target: String, detail: Value, now: Time) -> Event {
    Event {
        id: Id::new(now, app.random()),
        number: 0,
        seal: None,
        realm: Some(realm),
        at: now,
        kind: kind.to_owned(),
        actor: "anyone".to_owned(),
        target,
        reason: None,
        request_id: Some(app.request_id(now).to_string()),
        detail,
    }
}
