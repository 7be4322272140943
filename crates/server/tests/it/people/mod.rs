//! People: by what and with what they sign in, and who else may guess.

mod basic;
mod erase;
mod guess;
mod invite;
mod names;
mod password;
mod reset;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use admit::check::policies::RealmPolicy;
use admit::jobs;
use admit::login::verify::{self, Asker, Proved, Refused};
use admit_core::id::UserId;
use admit_core::secret::Secret;
use ipnet::IpNet;
use serde_json::{Value, json};

use crate::app::TestApp;

/// The users of the realm `default`.
pub const USERS: &str = "/v1/realms/default/users";
/// What alice signs in with.
pub const PASSWORD: &str = "vivid otter cancels tuesday";

/// A server with alice, and her id.
pub async fn with_alice() -> (TestApp, UserId) {
    let app = TestApp::new().await;
    let alice = json!({"name": "Alice", "email": "alice@example.com", "password": PASSWORD});
    let alice = app.manage("POST", USERS, alice).await.expect(201);
    let id = alice["id"].as_str().unwrap().parse().unwrap();
    (app, id)
}

/// The realm `default`.
pub fn realm(app: &TestApp) -> Arc<RealmPolicy> {
    app.app.policies.of(&app.app, app.app.default_realm).unwrap().unwrap()
}

/// A network that nobody came from before.
pub fn elsewhere() -> IpNet {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("10.{}.{}.0/24", number / 256, number % 256).parse().unwrap()
}

/// Somebody from somewhere, on a device that nobody knows.
pub fn stranger(app: &TestApp) -> Asker {
    from(app, elsewhere())
}

/// Somebody from this network.
pub fn from(app: &TestApp, source: IpNet) -> Asker {
    Asker { source: Some(source), known: None, request_id: app.app.request_id(app.app.now()) }
}

/// Tries a name and a password.
pub async fn sign_in(app: &TestApp, name: &str, password: &str, asker: Asker) -> Result<Proved, Refused> {
    verify::password(&app.app, &realm(app).realm, name, &Secret::new(password), asker).await
}

/// Kind, reason and target of the events of a kind, oldest first.
pub async fn events(app: &TestApp, kind: &str) -> Vec<Value> {
    jobs::sign_in::write_all(&app.app).await;
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/realms/default/events?kind={kind}&limit=200{cursor}");
        let page = app.manage("GET", &path, Value::Null).await.expect(200);
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    items.sort_by_key(|event| event["number"].as_i64());
    items
}

/// Their reasons.
pub async fn reasons(app: &TestApp) -> Vec<String> {
    let failed = events(app, "sign_in.failed").await;
    failed.iter().map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
}
