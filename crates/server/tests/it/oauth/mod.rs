//! The endpoints of OAuth, as an application sees them.

mod app;
mod authorize;
mod client_credentials;
mod cors;
mod device;
mod introspect;
mod issue;
mod register;
mod revoke;
mod token;

use admit_core::jose;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::app::{Reply, TestApp};

const TOKEN: &str = "/oauth/token";
const FORM: &str = "application/x-www-form-urlencoded";
const SHOP: &str = "https://api.shop.test";
const BILLS: &str = "https://bills.shop.test";
const REALM: &str = "/v1/realms/default";
/// What is asked for by default.
const ASKED: &str = "grant_type=client_credentials";

/// The shop with a second API, whose tokens are opaque.
async fn shop() -> TestApp {
    shop_at(TestApp::new().await).await
}

async fn shop_at(app: TestApp) -> TestApp {
    app.shop().await;
    let bills = json!({"uri": BILLS, "scopes": {"bills:read": ""}, "token_format": "opaque", "token_lifetime_s": 3600});
    app.manage("POST", &format!("{REALM}/apis"), bills).await.expect(201);
    app
}

/// A client that shows who it is by a secret.
struct Client {
    id: String,
    secret: String,
}

impl Client {
    /// A service with these rights.
    async fn new(app: &TestApp, name: &str, rights: Value) -> Self {
        Self::of(app, json!({"name": name, "type": "service", "rights": rights})).await
    }

    async fn of(app: &TestApp, client: Value) -> Self {
        let made = app.manage("POST", &format!("{REALM}/clients"), client).await.expect(201);
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        Self { id: text("id"), secret: text("secret") }
    }

    fn basic(&self) -> String {
        format!("Basic {}", BASE64.encode(format!("{}:{}", self.id, self.secret).as_bytes()))
    }

    /// Sends a form with its secret.
    async fn post(&self, app: &TestApp, path: &str, form: &str) -> Reply {
        let basic = self.basic();
        post(app, path, &[("authorization", &basic)], form).await
    }

    /// Asks for a token.
    async fn ask(&self, app: &TestApp, more: &str) -> Reply {
        self.post(app, TOKEN, &format!("{ASKED}{more}")).await
    }

    /// A token.
    async fn token(&self, app: &TestApp, more: &str) -> String {
        self.ask(app, more).await.expect(200)["access_token"].as_str().unwrap().to_owned()
    }

    /// The error and its description.
    async fn refused(&self, app: &TestApp, more: &str) -> String {
        error(&self.ask(app, more).await)
    }
}

/// Sends a form.
async fn post(app: &TestApp, path: &str, headers: &[(&str, &str)], form: &str) -> Reply {
    let headers: Vec<_> = [("content-type", FORM)].into_iter().chain(headers.iter().copied()).collect();
    app.send("POST", path, &headers, Some(form.as_bytes().to_vec())).await
}

/// Status and error of a refusal.
#[track_caller]
fn error(reply: &Reply) -> String {
    assert_eq!(reply.header("cache-control"), "no-store", "tk_15");
    assert_eq!(reply.header("content-type"), "application/json");
    assert!(reply.headers.get("etag").is_none(), "tk_15");
    format!("{} {}", reply.status, reply.json()["error"].as_str().unwrap_or(&reply.text))
}

/// Header and claims of a JWT.
fn decode(token: &str) -> (Value, Value) {
    let part = |place: usize| {
        let part = token.split('.').nth(place).unwrap();
        serde_json::from_slice(&jose::decode(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

/// Events of a kind of the realm `default`, oldest first.
async fn events(app: &TestApp, kind: &str) -> Vec<Value> {
    admit::jobs::token::write_all(&app.app).await;
    let path = format!("{REALM}/events?kind={kind}&limit=200");
    let mut items = app.manage("GET", &path, Value::Null).await.expect(200)["items"].as_array().unwrap().clone();
    items.sort_by_key(|event| event["number"].as_i64());
    items
}
