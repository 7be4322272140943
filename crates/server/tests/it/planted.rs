//! What somebody lets an application do, written into a store as the pages would have done: for servers that are processes of
//! their own.

use std::path::Path;

use admit::app::Clock;
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ApiId, ClientId, GrantId, Id, SubjectId, UserId};
use admit_core::login::session::{Factor, Factors};
use admit_core::master::Ring;
use admit_core::name::ScopeName;
use admit_core::oauth::approved::ShownAt;
use admit_core::oauth::authorized::{Authorized, AuthorizedSpec};
use admit_core::oauth::refresh::RefreshToken;
use admit_core::secret::{self, SecretKind};
use admit_core::time::{Span, Time};
use admit_store::{End, Location, Options, PostgresUrl, Store};
use serde_json::{Value, json};

use crate::fault::program::Program;

const REALM: &str = "/v1/realms/default";
const SHOP: &str = "https://api.shop.test";

/// Alice, who may read orders, and an application in her browser that may ask for that.
pub struct Planted {
    pub user: UserId,
    pub client: ClientId,
    api: ApiId,
}

impl Planted {
    /// In a server that has the shop.
    pub async fn new(program: &Program) -> Self {
        let made =
            async |path: &str, body: Value| program.manage("POST", &format!("{REALM}/{path}"), body).await.expect(201);
        let rights = json!({SHOP: ["orders:read"]});
        made("roles", json!({"name": "buyer", "rights": rights})).await;
        let user = made("users", json!({"name": "alice", "roles": ["buyer"]})).await;
        let client = json!({"name": "app", "type": "spa", "redirect_uris": ["https://app.test/cb"], "rights": rights});
        let client = made("clients", client).await;
        let apis = program.manage("GET", &format!("{REALM}/apis"), Value::Null).await.expect(200);
        let api = apis["items"].as_array().unwrap().iter().find(|api| api["uri"] == SHOP).unwrap();
        let text = |value: &Value| value["id"].as_str().unwrap().to_owned();
        Self {
            user: text(&user).parse().unwrap(),
            client: text(&client).parse().unwrap(),
            api: text(api).parse().unwrap(),
        }
    }

    /// A refresh token of an authorization that does not depend on a session, in a store made with these master keys.
    pub fn authorization(&self, store: &Store, master_keys: &str) -> String {
        let now = Clock::default().now();
        let keys = Ring::parse(master_keys).unwrap().derive();
        let active = keys.iter().max_by_key(|key| key.number).unwrap();
        let realm = store.point(|tx| tx.find_realm_named("default")).unwrap().unwrap().id;
        let id: GrantId = Id::new(now, admit::app::random());
        let text = secret::write("admit_rt", &admit::app::random());
        let grant = Grant {
            id,
            realm,
            org: None,
            kind: GrantKind::Authorization,
            subject: SubjectId::User(self.user),
            client: Some(self.client),
            parent: None,
            root: id,
            api: Some(self.api),
            scopes: ["offline_access", "openid", "orders:read"].map(|name| ScopeName::parse(name).unwrap()).into(),
            created_at: now,
            expires_at: Some(now + Span::days(30)),
            revoked_at: None,
        };
        let sign_in = ShownAt { at: now, factors: Factors::of(&[Factor::Password]) };
        let authorized = Authorized {
            grant: id,
            realm,
            user: self.user,
            client: self.client,
            session: id,
            spec: AuthorizedSpec { sign_in, claims: Value::Null },
            last_at: now,
            last_ip: None,
            last_agent: None,
        };
        let token = RefreshToken {
            hash: active.lookup.hash(realm, SecretKind::RefreshToken, text.expose()),
            lookup_key: active.number,
            realm,
            grant: id,
            created_at: now,
            expires_at: now + Span::days(14),
            last_at: now,
            spent_at: None,
            successor: None,
            reply: None,
            reply_ends: None,
        };
        let planted = store.write_blocking(move |tx| {
            tx.insert_authorization(&grant, &authorized)?;
            tx.insert_refresh_token(&token)?;
            Ok(End::Commit(()))
        });
        planted.unwrap();
        text.expose().to_owned()
    }

    /// Asks for tokens with a refresh token. None: no whole answer came.
    pub async fn refresh(&self, http: &reqwest::Client, url: &str, token: &str) -> Option<(u16, Value)> {
        let form = format!("grant_type=refresh_token&refresh_token={token}&client_id={}", self.client);
        let request =
            http.post(format!("{url}/oauth/token")).header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(form).send().await.ok()?;
        let status = response.status().as_u16();
        Some((status, serde_json::from_str(&response.text().await.ok()?).ok()?))
    }
}

/// The store of a folder, or of a database.
pub fn store_of(folder: &Path, url: Option<&str>) -> Store {
    let options = match url {
        Some(url) => Options::at(Location::Postgres(PostgresUrl::parse(url).unwrap())),
        None => Options::new(folder.join("admit.db")),
    };
    Store::open(&options, |_| {}, Time::default()).unwrap()
}
