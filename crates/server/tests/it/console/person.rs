//! Operators for tests: people of the realm of operators, with rights over the server or over one realm.

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::pages::person::Person;

pub const PASSWORD: &str = "a long walk along the northern coast";

/// Somebody who may do these things, and is signed in at the console.
pub async fn operator<'a>(app: &'a TestApp, name: &str, rights: Value) -> Person<'a> {
    enroll(app, name, rights).await;
    let mut person = Person::new(app);
    person.base = "/realms/operators";
    assert_eq!(person.sign_in(name, PASSWORD).await.status, 303);
    person.base = "";
    person
}

/// A person of the realm of operators with these rights, and a password.
pub async fn enroll(app: &TestApp, name: &str, rights: Value) {
    let role = format!("{name}-role");
    let at = |path: &str| format!("/v1/realms/operators/{path}");
    app.manage("POST", &at("roles"), json!({"name": role, "rights": rights})).await.expect(201);
    let user = json!({"name": name, "email": format!("{name}@operators.test"), "roles": [role], "password": PASSWORD});
    app.manage("POST", &at("users"), user).await.expect(201);
}

/// Everything.
pub fn all() -> Value {
    json!({"urn:admit:server": ["server:read", "server:write"]})
}
