//! Clients that show who they are: by secrets, by what they sign, by nothing.

mod check;
pub mod publisher;
mod secret;
mod show;
mod signed;

use std::net::IpAddr;

use admit::oauth::client::{Caller, authenticate};
use admit_core::form::Form;
use admit_core::oauth::Error;
use data_encoding::BASE64;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use crate::app::TestApp;

const CLIENTS: &str = "/v1/realms/default/clients";
const HOME: &str = "203.0.113.9";
const AWAY: &str = "198.51.100.7";

/// Makes a client; its JSON.
async fn made(app: &TestApp, client: Value) -> Value {
    app.manage("POST", CLIENTS, client).await.expect(201)
}

/// A service client of this name: its id and its secret.
async fn service(app: &TestApp, name: &str) -> (String, String) {
    let made = made(app, json!({"name": name, "type": "service"})).await;
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("secret"))
}

fn basic(id: &str, secret: &str) -> HeaderMap {
    let value = format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()));
    [(AUTHORIZATION, value.parse().unwrap())].into_iter().collect()
}

/// What comes of headers and a form at an endpoint of the realm `default`.
async fn shown(app: &TestApp, headers: &HeaderMap, form: &str, ip: &str) -> Result<Caller, Error> {
    let realm = app.app.policies.of(&app.app, app.app.default_realm).unwrap().unwrap();
    let (form, ip) = (Form::parse(form.as_bytes()).unwrap(), ip.parse::<IpAddr>().ok());
    authenticate(&app.app, &realm, headers, &form, ip, app.app.now()).await
}

/// The same by Basic: the code of the refusal, or the name of the client.
async fn by_basic(app: &TestApp, id: &str, secret: &str) -> String {
    told(shown(app, &basic(id, secret), "", HOME).await)
}

/// The same by the form alone.
async fn by_form(app: &TestApp, form: &str) -> String {
    told(shown(app, &HeaderMap::new(), form, HOME).await)
}

fn told(shown: Result<Caller, Error>) -> String {
    match shown {
        Ok(caller) => caller.client.client.spec.name.to_string(),
        Err(error) => error.code.to_string(),
    }
}
