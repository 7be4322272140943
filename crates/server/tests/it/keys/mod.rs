//! An API key from its creation to its end, as its owner sees it.

mod change;
mod end;
mod import;
mod life;
mod master;
mod owner;
mod usage;

use serde_json::Value;

use crate::app::{Reply, TestApp};

/// `/v1/realms/default/keys`
const KEYS: &str = "/v1/realms/default/keys";

fn secret(key: &Value) -> String {
    key["key"].as_str().unwrap().to_owned()
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

/// Status and code of `GET /orders/1` with this key.
async fn ask(app: &TestApp, key: &str) -> (u16, String) {
    let reply = app.ask("GET", "/orders/1", Some(key)).await;
    (reply.status, reply.code())
}

async fn show(app: &TestApp, key: &str) -> Value {
    app.manage("GET", &format!("{KEYS}/{key}"), Value::Null).await.expect(200)
}

fn admitted() -> (u16, String) {
    (200, String::new())
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

/// One call of the management API with one more header.
async fn manage_with(app: &TestApp, method: &str, path: &str, header: (&str, &str), body: Value) -> Reply {
    let bearer = format!("Bearer {}", app.operator());
    let mut headers = vec![("authorization", bearer.as_str()), header];
    let body = (!body.is_null()).then(|| body.to_string().into_bytes());
    if body.is_some() {
        headers.push(("content-type", "application/json"));
    }
    app.send(method, path, &headers, body).await
}

/// The warnings of a key in one text.
fn warnings(key: &Value) -> String {
    key["warnings"].to_string()
}
