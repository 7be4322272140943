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
use admit_core::oauth::approved::ShownAt;
use admit_core::oauth::{Error, ErrorCode};
use admit_core::secret::{self, Secret, SecretKind};
use admit_core::signing_key::Purpose;
use admit_core::time::{Span, Time};
use admit_store::{AccessToken, End, Tx};
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
    /// For which API; a token for none is opaque, and good for what its issuer says of its person.
    pub api: Option<&'f Api>,
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
    /// How a person signed in who acts.
    pub sign_in: Option<ShownAt>,
    /// What may be done, sorted.
    pub scopes: &'f [ScopeName],
    /// The roles that go along with that.
    pub roles: &'f [RoleName],
}

/// Which token it is, and from when until when.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// Its name.
    pub id: TokenId,
    /// When it is issued, in whole seconds.
    pub issued_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
}

impl Terms {
    /// Those of a new one.
    pub fn new(app: &App, facts: &Facts<'_>, now: Time) -> Self {
        let lifetime = facts.api.map_or(TokenFormat::Opaque.usual_lifetime(), |api| api.spec.token_lifetime);
        let (issued_at, expires_at) = term(now, lifetime, facts.grant_ends);
        Self { id: app.id(now), issued_at, expires_at }
    }
}

/// A token that nobody has yet.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The token itself.
    pub text: Secret,
    /// Its name.
    pub id: TokenId,
    /// Its form.
    pub format: TokenFormat,
    /// When it was issued.
    pub issued_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
    /// For how many seconds that is.
    pub expires_in_s: i64,
}

/// A token that is made and worth nothing until [`Self::write`] is durable.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The token.
    pub issued: Issued,
    row: Option<AccessToken>,
}

impl Drawn {
    /// Whether anything has to be durable before anybody has it.
    pub const fn is_kept(&self) -> bool {
        self.row.is_some()
    }

    /// Keeps what belongs to it, in the transaction of its caller.
    pub fn write(&self, tx: &mut Tx<'_>) -> admit_store::Result<()> {
        self.row.as_ref().map_or(Ok(()), |row| tx.insert_access_token(row))
    }

    /// The token, for the one answer.
    pub fn hand_out(self, app: &App) -> Issued {
        app.metrics.tokens.issued(self.issued.format);
        self.issued
    }
}

/// Makes a token. What is `noted` of it is in the audit before anybody has it, with the token as its target.
pub async fn access_token(
    app: &App,
    realm: &Arc<RealmPolicy>,
    facts: Facts<'_>,
    noted: Option<Event>,
    now: Time,
) -> Result<Issued, Error> {
    let terms = Terms::new(app, &facts, now);
    let drawn = draw(app, realm, &facts, terms, now).await?;
    let noted = noted.map(|event| event.on(terms.id));
    if drawn.is_kept() || noted.is_some() {
        let kept = drawn.clone();
        write(app, realm.realm.id, move |tx| {
            kept.write(tx)?;
            noted.as_ref().map_or(Ok(()), |event| tx.insert_event(event).map(drop))
        })
        .await?;
    }
    Ok(drawn.hand_out(app))
}

/// Makes a token that its caller keeps. A JWT is signed here: it is worth nothing before the grant is there that it names.
pub async fn draw(
    app: &App,
    realm: &Arc<RealmPolicy>,
    facts: &Facts<'_>,
    terms: Terms,
    now: Time,
) -> Result<Drawn, Error> {
    let (text, format, row) = match facts.api {
        Some(api) if api.spec.token_format == TokenFormat::Jwt => {
            let issuer = app.issuer(&realm.realm);
            let claims = facts.claims(app, &issuer, api, terms);
            let spec = &api.spec;
            let signed = jwt(app, realm, spec.token_alg.algorithm(), spec.token_typ.as_str(), &claims, now).await?;
            must_fit(&signed)?;
            (signed, TokenFormat::Jwt, None)
        }
        _ => {
            let text = secret::write("admit_at", &app.random());
            let row = facts.row(app, realm.realm.id, text.expose(), terms);
            (text, TokenFormat::Opaque, Some(row))
        }
    };
    Ok(Drawn { issued: Issued::new(text, format, terms, now), row })
}

impl Issued {
    fn new(text: Secret, format: TokenFormat, terms: Terms, now: Time) -> Self {
        let Terms { id, issued_at, expires_at } = terms;
        // Whole seconds like its dates; of one that is told again, what is left.
        let begun = term(now, Span::ZERO, None).0.max(issued_at);
        let expires_in_s = expires_at.since(begun).as_ms() / 1000;
        Self { text, id, format, issued_at, expires_at, expires_in_s }
    }

    /// An opaque one that was issued before, told again.
    pub fn again(text: Secret, terms: Terms, now: Time) -> Self {
        Self::new(text, TokenFormat::Opaque, terms, now)
    }
}

impl<'f> Facts<'f> {
    fn claims(&self, app: &App, issuer: &'f str, api: &'f Api, terms: Terms) -> Claims<'f> {
        let ended_by = [self.subject.bytes(), self.client.bytes()];
        let ended_by = ended_by.into_iter().chain(self.ancestors.iter().map(GrantId::bytes));
        let factors = self.sign_in.map(|sign_in| sign_in.factors).unwrap_or_default();
        Claims {
            iss: issuer,
            sub: self.subject,
            aud: &api.spec.uri,
            exp: terms.expires_at,
            iat: terms.issued_at,
            nbf: terms.issued_at,
            jti: terms.id,
            client_id: self.client,
            scope: self.scopes,
            roles: self.roles,
            org_id: self.org,
            auth_time: self.sign_in.map(|sign_in| sign_in.at),
            acr: factors.acr(),
            amr: factors.amr(),
            grant_id: self.grant,
            rvk: handles(&app.master.keys().active().handle, &api.spec.uri, ended_by),
        }
    }

    fn row(&self, app: &App, realm: RealmId, text: &str, terms: Terms) -> AccessToken {
        let keys = app.master.keys();
        AccessToken {
            hash: keys.active().lookup.hash(realm, SecretKind::AccessToken, text),
            lookup_key: keys.active().number,
            realm,
            id: terms.id,
            grant: self.grant,
            scopes: self.scopes.to_vec(),
            created_at: terms.issued_at,
            expires_at: terms.expires_at,
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
pub async fn write(
    app: &App,
    realm: RealmId,
    work: impl Fn(&mut Tx<'_>) -> admit_store::Result<()> + Send + 'static,
) -> Result<(), Error> {
    let Some(_place) = app.lanes.enter(realm).await else {
        app.metrics.overloaded.inc();
        return Err(Error::unavailable());
    };
    let written = app.store.write(move |tx| work(tx).map(End::Commit));
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
