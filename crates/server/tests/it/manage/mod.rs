//! The management API.

mod clients;
mod grants;
mod keys;
mod leaked;
mod lists;
mod once;
mod repeat;
mod resources;
mod rules;
mod settings;
mod taken;

use admit_core::api::{Api, ApiSpec};
use admit_core::name::{ApiUri, ScopeName};
use admit_store::End;
use serde_json::{Value, json};

use crate::app::TestApp;

/// The keys of the realm `default`.
pub const KEYS: &str = "/v1/realms/default/keys";

/// A server with the API `https://api.shop.test`, its scopes `orders:read` and `orders:write`, and no rule.
pub async fn with_api() -> TestApp {
    let app = TestApp::new().await;
    let scopes = ["orders:read", "orders:write"].map(|name| (ScopeName::parse(name).unwrap(), String::new()));
    let spec = ApiSpec::new(ApiUri::parse("https://api.shop.test").unwrap(), scopes.into());
    let (now, realm) = (app.app.now(), app.app.default_realm);
    let api = Api { id: app.app.id(now), realm, spec, created_at: now, updated_at: now, version: 1 };
    app.app.store.write(move |tx| tx.insert_api(&api).map(End::Commit)).await.unwrap();
    app
}

/// The code with which a credential is judged by itself.
pub async fn judge(app: &TestApp, credential: &Value) -> String {
    let asked = app.manage("POST", "/v1/realms/default/check", json!({ "credential": credential })).await.expect(200);
    asked["code"].as_str().unwrap().to_owned()
}

/// The kinds of the latest events of the realm `default`, newest first.
pub async fn events(app: &TestApp, limit: u32) -> Vec<String> {
    let path = format!("/v1/realms/default/events?limit={limit}");
    let listed = app.manage("GET", &path, Value::Null).await.expect(200);
    listed["items"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}
