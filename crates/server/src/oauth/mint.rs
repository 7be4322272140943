//! The only place that makes access tokens: JWTs (RFC 9068), signed and written nowhere, or opaque ones, whose hash is durable
//! before anybody has them.
//!
//! What a token may do was settled before. Elliptic keys sign here and now: that takes less than handing it over. RSA takes
//! twenty times as long and is handed to as many threads as there are processors, with a bounded queue before them.

use std::sync::Arc;

use admit_core::api::{Api, TokenFormat};
use admit_core::audit::Event;
use admit_core::id::{ClientId, GrantId, OrgId, RealmId, SubjectId, TokenId};
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SigningKey;
use admit_core::name::{RoleName, ScopeName};
use admit_core::oauth::access_token::{Claims, TOKEN_MAX, handles, term};
use admit_core::oauth::{Error, ErrorCode};
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::signing_key::Purpose;
use admit_core::time::Time;
use admit_store::{AccessToken, End};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::answer;
use crate::app::App;
use crate::check::policies::RealmPolicy;
use crate::signing;

/// How many signatures may wait for a processor.
const WAITING_MAX: usize = 512;

/// What a token is to say.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// For which API.
    pub api: &'f Api,
    /// What it lends.
    pub grant: GrantId,
    /// What that grew from, nearest first.
    pub ancestors: &'f [GrantId],
    /// When that ends by itself.
    pub grant_ends: Option<Time>,
    /// Who acts.
    pub subject: SubjectId,
    /// Which application holds it.
    pub client: ClientId,
    /// The customer that owns it.
    pub org: Option<OrgId>,
    /// What may be done, sorted.
    pub scopes: &'f [ScopeName],
    /// The roles that go along with that.
    pub roles: &'f [RoleName],
}

/// A token that nobody has yet.
#[derive(Debug)]
pub struct Issued {
    /// The token itself.
    pub text: Secret,
    /// Its name.
    pub id: TokenId,
    /// Its form.
    pub format: TokenFormat,
    /// Until when it is good.
    pub expires_at: Time,
    /// For how many seconds that is.
    pub expires_in_s: i64,
}

/// Makes a token. What is `noted` of it is in the audit before anybody has it, with the token as its target.
pub async fn access_token(
    app: &App,
    realm: &Arc<RealmPolicy>,
    facts: Facts<'_>,
    noted: Option<Event>,
    now: Time,
) -> Result<Issued, Error> {
    let spec = &facts.api.spec;
    let (id, format) = (app.id(now), spec.token_format);
    let (issued_at, expires_at) = term(now, spec.token_lifetime, facts.grant_ends);
    let noted = noted.map(|event| event.on(id));
    let text = match format {
        TokenFormat::Jwt => {
            let issuer = app.issuer(&realm.realm);
            let claims = facts.claims(app, &issuer, id, (issued_at, expires_at));
            let signed = jwt(app, realm, spec.token_alg.algorithm(), spec.token_typ.as_str(), &claims, now).await?;
            must_fit(&signed)?;
            if noted.is_some() {
                write(app, realm.realm.id, None, noted).await?;
            }
            signed
        }
        TokenFormat::Opaque => {
            let text = secret::write("admit_at", &app.random());
            let keys = app.master.keys();
            let token = AccessToken {
                hash: keys.active().lookup.hash(realm.realm.id, SecretKind::AccessToken, text.expose()),
                lookup_key: keys.active().number,
                realm: realm.realm.id,
                id,
                grant: facts.grant,
                scopes: facts.scopes.to_vec(),
                created_at: issued_at,
                expires_at,
            };
            write(app, realm.realm.id, Some(token), noted).await?;
            text
        }
    };
    app.metrics.tokens.issued(format);
    let expires_in_s = expires_at.since(issued_at).as_ms() / 1000;
    Ok(Issued { text, id, format, expires_at, expires_in_s })
}

impl<'f> Facts<'f> {
    fn claims(&self, app: &App, issuer: &'f str, id: TokenId, (issued_at, expires_at): (Time, Time)) -> Claims<'f> {
        let ended_by = [self.subject.bytes(), self.client.bytes()];
        let ended_by = ended_by.into_iter().chain(self.ancestors.iter().map(GrantId::bytes));
        Claims {
            iss: issuer,
            sub: self.subject,
            aud: &self.api.spec.uri,
            exp: expires_at,
            iat: issued_at,
            nbf: issued_at,
            jti: id,
            client_id: self.client,
            scope: self.scopes,
            roles: self.roles,
            org_id: self.org,
            grant_id: self.grant,
            rvk: handles(&app.master.keys().active().handle, &self.api.spec.uri, ended_by),
        }
    }
}

/// A signed text of the realm.
pub async fn jwt(
    app: &App,
    realm: &Arc<RealmPolicy>,
    algorithm: Algorithm,
    typ: &'static str,
    claims: &impl Serialize,
    now: Time,
) -> Result<Secret, Error> {
    let key = signing::key(app, realm, Purpose::Issuer, algorithm, now).await.map_err(answer::cannot)?;
    let signed = if Algorithm::RSA.contains(&algorithm) {
        let claims = serde_json::to_value(claims).map_err(|error| failed(&error))?;
        app.signers.sign(key, typ, claims).await?
    } else {
        key.sign(typ, claims).map_err(|flaw| failed(&flaw))?
    };
    Ok(Secret::new(signed))
}

fn must_fit(signed: &Secret) -> Result<(), Error> {
    let size = signed.expose().len();
    if size <= TOKEN_MAX {
        return Ok(());
    }
    let told =
        format!("The token would have {size} bytes, and at most {TOKEN_MAX} fit into a header: ask for fewer scopes.");
    Err(Error::new(ErrorCode::InvalidScope, told))
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    tracing::error!(%error, "a token cannot be signed");
    Error::new(ErrorCode::ServerError, "The token cannot be signed.")
}

/// What is durable before a token is anybody's.
async fn write(app: &App, realm: RealmId, token: Option<AccessToken>, noted: Option<Event>) -> Result<(), Error> {
    let Some(_place) = app.lanes.enter(realm).await else {
        app.metrics.overloaded.inc();
        return Err(Error::unavailable());
    };
    let written = app.store.write(move |tx| {
        if let Some(token) = &token {
            tx.insert_access_token(token)?;
        }
        if let Some(event) = &noted {
            tx.insert_event(event)?;
        }
        Ok(End::Commit(()))
    });
    written.await.map_err(|error| answer::unread(&error))
}

/// The threads on which RSA signs.
pub struct Signers {
    processors: Arc<Semaphore>,
    places: Semaphore,
}

impl Default for Signers {
    fn default() -> Self {
        let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { processors: Arc::new(Semaphore::new(count)), places: Semaphore::new(count + WAITING_MAX) }
    }
}

impl Signers {
    async fn sign(&self, key: Arc<SigningKey>, typ: &'static str, claims: serde_json::Value) -> Result<String, Error> {
        let Ok(_place) = self.places.try_acquire() else { return Err(Error::unavailable()) };
        let Ok(processor) = self.processors.clone().acquire_owned().await else { return Err(Error::unavailable()) };
        let signed = tokio::task::spawn_blocking(move || {
            let _processor = processor;
            key.sign(typ, &claims)
        });
        match signed.await {
            Ok(Ok(signed)) => Ok(signed),
            Ok(Err(flaw)) => Err(failed(&flaw)),
            Err(error) => Err(failed(&error)),
        }
    }
}
