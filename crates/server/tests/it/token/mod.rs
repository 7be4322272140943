//! Access tokens at the doors: `/check/*`, `/v1/check` and the management API itself.
//!
//! Tokens are signed here by the realm's own key, so that each can say what no token of Admit would.

mod door;
mod end;
mod jose;
mod upstream;

use std::sync::Arc;

use admit::check::policies::RealmPolicy;
use admit::signing;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ClientId, GrantId, RealmId, SubjectId, TokenId};
use admit_core::jose::algorithm::Algorithm;
use admit_core::jose::sign::SigningKey;
use admit_core::name::ScopeName;
use admit_core::secret::{self, SecretKind};
use admit_core::signing_key::Purpose;
use admit_core::time::Span;
use admit_store::{AccessToken, End, RevokedToken};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::{Reply, TestApp};

pub const API: &str = "https://api.shop.test";
pub const LIFE: Span = Span::minutes(10);
/// When one is over, whatever the clocks say.
const OVER: Span = Span::seconds(610);

/// The shop, a client that may read and write orders there, and its own grant.
pub struct Desk {
    pub app: TestApp,
    pub client: ClientId,
    pub grant: GrantId,
}

impl Desk {
    pub async fn new() -> Self {
        let app = TestApp::new().await;
        app.shop().await;
        let wanted = json!({"name": "till", "type": "service", "rights": {API: ["orders:read", "orders:write"]}});
        let made = app.manage("POST", "/v1/realms/default/clients", wanted).await.expect(201);
        let client = made["id"].as_str().unwrap().parse().unwrap();
        let grant = grant_of(&app, app.app.default_realm, client, API).await;
        Self { app, client, grant }
    }

    pub fn realm(&self) -> Arc<RealmPolicy> {
        self.app.app.policies.of(&self.app.app, self.app.app.default_realm).unwrap().unwrap()
    }

    pub fn seconds(&self) -> i64 {
        self.app.app.now().unix_ms() / 1000
    }

    /// The claims of a good token, each with a `jti` of its own.
    pub fn claims(&self) -> Value {
        let (now, client) = (self.seconds(), self.client);
        let id: TokenId = self.app.app.id(self.app.app.now());
        json!({
            "iss": self.app.app.issuer(&self.realm().realm), "sub": client, "aud": API, "client_id": client,
            "iat": now, "nbf": now, "exp": now + LIFE.as_ms() / 1000, "jti": id, "grant_id": self.grant,
            "scope": "orders:read",
        })
    }

    pub async fn key(&self, purpose: Purpose) -> Arc<SigningKey> {
        let app = &self.app.app;
        signing::key(app, &self.realm(), purpose, Algorithm::Es256, app.now()).await.unwrap()
    }

    /// Signed by the realm's own key.
    pub async fn sign(&self, typ: &str, claims: &impl Serialize) -> String {
        self.key(Purpose::Issuer).await.sign(typ, claims).unwrap()
    }

    /// A good token.
    pub async fn token(&self) -> String {
        self.sign("at+jwt", &self.claims()).await
    }

    /// A good token but for one claim; `null` leaves it out.
    pub async fn token_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        self.sign("at+jwt", &claims).await
    }

    /// An opaque token of the same grant.
    pub async fn opaque(&self, scopes: &[&str]) -> (String, TokenId) {
        let app = &self.app.app;
        let (now, realm) = (app.now(), app.default_realm);
        let text = secret::write("admit_at", &app.random());
        let keys = app.master.keys();
        let token = AccessToken {
            hash: keys.hashes(realm, SecretKind::AccessToken, text.expose())[0],
            lookup_key: keys.active().number,
            realm,
            id: app.id(now),
            grant: self.grant,
            scopes: scopes.iter().map(|scope| ScopeName::parse(scope).unwrap()).collect(),
            created_at: now,
            expires_at: now + LIFE,
        };
        let id = token.id;
        app.store.write(move |tx| tx.insert_access_token(&token).map(End::Commit)).await.unwrap();
        (text.expose().to_owned(), id)
    }

    /// Takes a token back.
    pub async fn revoke(&self, id: TokenId) {
        let (app, now) = (&self.app.app, self.app.app.now());
        let token = RevokedToken { id, realm: app.default_realm, expires_at: now + LIFE };
        app.store.write(move |tx| tx.revoke_token(&token, now).map(End::Commit)).await.unwrap();
    }

    /// Asks as nginx does, to read an order.
    pub async fn read(&self, token: &str) -> Reply {
        self.app.ask("GET", "/orders/1", Some(token)).await
    }

    /// What becomes of a token that is no good: the reason. It is refused with 401 and called an invalid token.
    #[track_caller]
    pub fn reason(&self, reply: &Reply) -> String {
        assert_eq!(reply.status, 401, "{}", reply.text);
        assert!(reply.header("www-authenticate").contains("error=\"invalid_token\""), "{:?}", reply.headers);
        self.app.last_reason().unwrap().to_string()
    }

    pub async fn refused(&self, token: &str) -> String {
        let reply = self.read(token).await;
        self.reason(&reply)
    }
}

/// A client's own grant on an API.
pub async fn grant_of(app: &TestApp, realm: RealmId, client: ClientId, uri: &'static str) -> GrantId {
    let now = app.app.now();
    let id: GrantId = app.app.id(now);
    let make = move |tx: &mut admit_store::Tx<'_>| {
        let api = tx.find_api_by_uri(realm, uri)?.unwrap();
        tx.insert_grant(&Grant {
            id,
            realm,
            org: None,
            kind: GrantKind::Client,
            subject: SubjectId::Client(client),
            client: None,
            parent: None,
            root: id,
            api: Some(api.id),
            scopes: Vec::new(),
            created_at: now,
            expires_at: None,
            revoked_at: None,
        })?;
        Ok(End::Commit(()))
    };
    app.app.store.write(make).await.unwrap();
    id
}
