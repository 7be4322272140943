//! Applications that act for a person: what they get for a code, and what renews it.

mod check;
mod code;
mod end;
mod introspect;
mod refresh;
mod userinfo;

use admit::login::session::{self, Entry, Seen};
use admit_core::id::{ApiId, ClientId, GrantId, UserId};
use admit_core::login::session::{Factor, Factors};
use admit_core::name::ScopeName;
use admit_core::oauth::approved::{Approved, ShownAt};
use admit_core::secret::{self, SecretKind};
use admit_core::time::{Span, Time};
use admit_store::{End, ShortCredential, ShortKind};
use serde_json::{Value, json};

use super::{Client, REALM, SHOP, TOKEN, decode, error, events, post, shop_at};
use crate::app::{Reply, TestApp};

/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "https://app.test/cb";
const ALL: &[&str] = &["email", "openid", "orders:read", "profile"];
const OFFLINE: &[&str] = &["offline_access", "openid", "orders:read", "orders:write"];

/// A shop in which alice is signed in, with two applications: one in her browser, one on a server.
struct Apps {
    app: TestApp,
    alice: UserId,
    session: GrantId,
    api: ApiId,
    spa: Client,
    web: Client,
}

impl Apps {
    async fn new() -> Self {
        Self::at(TestApp::new().await).await
    }

    async fn at(app: TestApp) -> Self {
        let app = shop_at(app).await;
        let role = json!({"name": "buyer", "rights": {SHOP: ["orders:read", "orders:write"]}});
        app.manage("POST", &format!("{REALM}/roles"), role).await.expect(201);
        let user = json!({"name": "alice", "email": "alice@example.com", "roles": ["buyer"]});
        let made = app.manage("POST", &format!("{REALM}/users"), user).await.expect(201);
        let alice: UserId = made["id"].as_str().unwrap().parse().unwrap();
        let rights = json!({SHOP: ["orders:read", "orders:write"], super::BILLS: ["bills:read"]});
        let client = |name: &str, kind: &str| json!({"name": name, "type": kind, "redirect_uris": [BACK], "rights": rights.clone()});
        let mut browser = client("shop in a browser", "spa");
        browser["origins"] = json!(["https://app.test"]);
        let spa = Client::of(&app, browser).await;
        let web = Client::of(&app, client("shop on a server", "web")).await;
        let realm = app.app.policies.named(&app.app, None).unwrap().unwrap();
        let api = realm.apis.iter().find(|api| api.spec.uri.as_str() == SHOP).unwrap().id;
        let session = sign_in(&app, alice).await;
        Self { app, alice, session, api, spa, web }
    }

    /// What alice approved for an application, before it is exchanged.
    fn approved(&self, client: &Client, scopes: &[&str]) -> Approved {
        let mut scopes: Vec<_> = scopes.iter().map(|name| ScopeName::parse(name).unwrap()).collect();
        scopes.sort();
        Approved {
            client: client.id.parse().unwrap(),
            user: self.alice,
            session: self.session,
            api: Some(self.api),
            scopes,
            redirect_uri: Some(BACK.to_owned()),
            challenge: Some(CHALLENGE.to_owned()),
            nonce: Some("n-0S6".to_owned()),
            sign_in: ShownAt { at: self.app.app.now(), factors: Factors::of(&[Factor::Password]) },
            claims: Value::Null,
        }
    }

    async fn code_of(&self, approved: &Approved) -> String {
        code(&self.app, approved).await
    }

    async fn code(&self, client: &Client, scopes: &[&str]) -> String {
        self.code_of(&self.approved(client, scopes)).await
    }

    /// What an application that has everything gets for a code.
    async fn redeem(&self, client: &Client, code: &str) -> Reply {
        self.post(
            client,
            &format!("grant_type=authorization_code&code={code}&redirect_uri={BACK}&code_verifier={VERIFIER}"),
        )
        .await
    }

    async fn post(&self, client: &Client, form: &str) -> Reply {
        self.post_to(client, TOKEN, form).await
    }

    /// A form of a client: with its secret where it has one, else with its name.
    async fn post_to(&self, client: &Client, path: &str, form: &str) -> Reply {
        match client.secret.is_empty() {
            true => post(&self.app, path, &[], &format!("{form}&client_id={}", client.id)).await,
            false => client.post(&self.app, path, form).await,
        }
    }

    /// The tokens of an application from the beginning.
    async fn tokens(&self, client: &Client, scopes: &[&str]) -> Tokens {
        let code = self.code(client, scopes).await;
        Tokens::of(self.redeem(client, &code).await)
    }

    async fn refresh(&self, client: &Client, token: &str) -> Reply {
        self.refresh_with(client, token, "").await
    }

    async fn refresh_with(&self, client: &Client, token: &str, more: &str) -> Reply {
        self.post(client, &format!("grant_type=refresh_token&refresh_token={token}{more}")).await
    }

    async fn userinfo(&self, token: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        self.app.send("GET", "/oauth/userinfo", &[("authorization", &bearer)], None).await
    }

    /// Status of what an access token opens in the shop.
    async fn reads(&self, token: &str) -> u16 {
        self.app.ask("GET", "/orders/1", Some(token)).await.status
    }

    async fn change(&self, path: &str, change: Value) {
        self.app.manage("PATCH", &format!("{REALM}/{path}"), change).await.expect(200);
    }

    /// The grants of alice of the kind `authorization` with their state.
    async fn authorizations(&self) -> Vec<(String, String)> {
        let path = format!("{REALM}/grants?subject={}&limit=200", self.alice);
        let grants = self.app.manage("GET", &path, Value::Null).await.expect(200);
        let items = grants["items"].as_array().unwrap().iter().filter(|grant| grant["kind"] == "authorization");
        let text = |grant: &Value, name: &str| grant[name].as_str().unwrap().to_owned();
        items.map(|grant| (text(grant, "id"), text(grant, "state"))).collect()
    }

    async fn last_why(&self) -> String {
        let refused = events(&self.app, "token.refused").await;
        refused.last().map_or_else(String::new, |event| event["reason"].as_str().unwrap_or_default().to_owned())
    }
}

/// Somebody signs in by password.
async fn sign_in(app: &TestApp, user: UserId) -> GrantId {
    let realm = app.app.policies.named(&app.app, None).unwrap().unwrap().realm.clone();
    let entry = Entry::new(user, &[Factor::Password], Seen::default(), None);
    session::begin(&app.app, &realm, entry, app.app.now()).await.unwrap().grant
}

/// A code as the authorization endpoint makes one.
async fn code(app: &TestApp, approved: &Approved) -> String {
    let now = app.app.now();
    let text = secret::write("admit_ac", &app.app.random());
    let (keys, realm) = (app.app.master.keys(), app.app.default_realm);
    let row = ShortCredential {
        hash: keys.active().lookup.hash(realm, SecretKind::Code, text.expose()),
        lookup_key: keys.active().number,
        kind: ShortKind::Code,
        realm,
        user: Some(approved.user),
        grant: None,
        bound_to: None,
        detail: Some(serde_json::to_string(approved).unwrap()),
        created_at: now,
        expires_at: now + Span::seconds(60),
        used_at: None,
    };
    app.app.store.write(move |tx| tx.insert_short(&row).map(End::Commit)).await.unwrap();
    text.expose().to_owned()
}

/// What the token endpoint gave.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tokens {
    access: String,
    refresh: String,
    id: String,
    scope: String,
}

impl Tokens {
    #[track_caller]
    fn of(reply: Reply) -> Self {
        assert_eq!(reply.header("cache-control"), "no-store", "tk_15");
        assert!(reply.headers.get("etag").is_none(), "tk_15");
        let told = reply.expect(200);
        let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        assert_eq!(told["token_type"], "Bearer");
        Self {
            access: text("access_token"),
            refresh: text("refresh_token"),
            id: text("id_token"),
            scope: text("scope"),
        }
    }

    fn jti(&self) -> String {
        decode(&self.access).1["jti"].as_str().unwrap().to_owned()
    }

    fn grant(&self) -> String {
        decode(&self.access).1["grant_id"].as_str().unwrap().to_owned()
    }
}

fn client_id(client: &Client) -> ClientId {
    client.id.parse().unwrap()
}

fn now_of(app: &TestApp) -> Time {
    app.app.now()
}
