//! AD-01: an id of another realm is the id of nothing.

use admit::login::session::{self, Entry, Seen};
use admit_core::id::UserId;
use admit_core::login::session::Factor;
use serde_json::{Value, json};

use crate::app::TestApp;

/// Realms `acme` and `bravo`, each with one of everything.
struct Two {
    app: TestApp,
    /// Kind and id of what acme has.
    acme: Vec<(&'static str, String)>,
    acme_secret: String,
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

/// A sign-in of a person of `acme`.
async fn session_of(app: &TestApp, user: UserId) -> String {
    let app = &app.app;
    let realm = app.policies.named(app, Some("acme")).unwrap().unwrap();
    let entry = Entry::new(user, &[Factor::Password], Seen::default(), None);
    session::begin(app, &realm.realm, entry, app.now()).await.unwrap().grant.to_string()
}

impl Two {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let mut acme = Vec::new();
        let mut acme_secret = String::new();
        for realm in ["acme", "bravo"] {
            app.manage("POST", "/v1/realms", json!({"name": realm})).await.expect(201);
            let make = async |kind: &'static str, body: Value| {
                app.manage("POST", &format!("/v1/realms/{realm}/{kind}"), body).await.expect(201)
            };
            let api = json!({"uri": "https://api.shop.test", "hosts": ["shop.test"], "scopes": {"orders:read": "Read orders"}});
            let api = make("apis", api).await;
            let rule = make("rules", json!({"name": "r", "match": {"host": "shop.test", "path": "/**"}, "require": {"scopes": ["orders:read"]}})).await;
            let role = make("roles", json!({"name": "clerk"})).await;
            let client = make("clients", json!({"name": format!("{realm}-svc"), "type": "service"})).await;
            let user = make("users", json!({"name": format!("{realm}-alice")})).await;
            let key = make(
                "keys",
                json!({"name": format!("{realm}-ci"), "api": "https://api.shop.test", "scopes": ["orders:read"]}),
            )
            .await;
            let signing_key = make("signing-keys", json!({"now": true})).await;
            if realm == "acme" {
                acme_secret = key["key"].as_str().unwrap().to_owned();
                let grant = key["grant"].as_str().unwrap().to_owned();
                acme = vec![
                    ("apis", id(&api)),
                    ("rules", id(&rule)),
                    ("roles", id(&role)),
                    ("clients", id(&client)),
                    ("users", id(&user)),
                    ("keys", id(&key)),
                    ("grants", grant),
                    ("signing-keys", id(&signing_key)),
                    ("sessions", session_of(&app, id(&user).parse().unwrap()).await),
                ];
            }
        }
        Self { app, acme, acme_secret }
    }

    /// A key of the realm `operators` that may do everything in one realm.
    async fn operator_of(&self, realm: &str) -> String {
        let scopes = self
            .app
            .manage("GET", &format!("/v1/realms/operators/apis/urn:admit:realm:{realm}"), Value::Null)
            .await
            .expect(200);
        let scopes: Vec<_> = scopes["scopes"].as_object().unwrap().keys().cloned().collect();
        let api = format!("urn:admit:realm:{realm}");
        let body = json!({"name": format!("operator of {realm}"), "api": api, "scopes": scopes});
        let key = self.app.manage("POST", "/v1/realms/operators/keys", body).await.expect(201);
        key["key"].as_str().unwrap().to_owned()
    }

    /// A key of a realm that may do everything there.
    async fn manager_in(&self, realm: &str) -> String {
        let api = format!("urn:admit:realm:{realm}");
        let scopes = self.app.manage("GET", &format!("/v1/realms/{realm}/apis/{api}"), Value::Null).await.expect(200);
        let scopes: Vec<_> = scopes["scopes"].as_object().unwrap().keys().cloned().collect();
        let body = json!({"name": "manager", "api": api, "scopes": scopes});
        let key = self.app.manage("POST", &format!("/v1/realms/{realm}/keys"), body).await.expect(201);
        key["key"].as_str().unwrap().to_owned()
    }

    async fn snapshot(&self) -> Value {
        let mut all = json!({});
        for (kind, _) in &self.acme {
            all[*kind] =
                self.app.manage("GET", &format!("/v1/realms/acme/{kind}?limit=200"), Value::Null).await.expect(200);
        }
        all
    }
}

/// Everything that can be said of one resource.
fn calls(kind: &str, id: &str) -> Vec<(&'static str, String, Value)> {
    let path = format!("/v1/realms/bravo/{kind}/{id}");
    let mut calls = vec![("GET", path.clone(), Value::Null), ("DELETE", path.clone(), Value::Null)];
    match kind {
        "keys" => {
            calls.push(("PATCH", path.clone(), json!({"name": "stolen"})));
            for verb in ["roll", "disable", "enable"] {
                calls.push(("POST", format!("{path}/{verb}"), json!({})));
            }
            calls.push(("GET", format!("{path}/usage"), Value::Null));
        }
        "rules" => calls.push(("PUT", path, json!({"name": "stolen", "match": {"host": "shop.test"}, "deny": true}))),
        "clients" | "users" => {
            calls.push(("PATCH", path.clone(), json!({"disabled": true})));
            calls.push(("POST", format!("{path}/revoke-all"), Value::Null));
            if kind == "users" {
                let stolen = json!({"password": "vivid otter cancels tuesday"});
                calls.push(("PUT", format!("{path}/password"), stolen));
                for verb in ["unlock", "verify-email", "erase"] {
                    calls.push(("POST", format!("{path}/{verb}"), Value::Null));
                }
            }
        }
        "roles" => calls.push(("PATCH", path, json!({"description": "stolen"}))),
        "apis" => calls.push(("PATCH", path, json!({"scopes": {}}))),
        _ => {}
    }
    calls
}

#[tokio::test]
async fn ad_01_ids_of_another_realm_are_not_found_and_nothing_changes() {
    let two = Two::new().await;
    let operator = two.operator_of("bravo").await;
    let manager = two.manager_in("bravo").await;
    let before = two.snapshot().await;
    for (kind, id) in &two.acme {
        for (method, path, body) in calls(kind, id) {
            for who in [operator.as_str(), manager.as_str(), two.app.operator()] {
                let reply = two.app.manage_as(who, method, &path, body.clone()).await;
                assert_eq!(
                    (reply.status, reply.code().as_str()),
                    (404, "not_found"),
                    "{method} {path}: {}",
                    reply.text
                );
            }
        }
    }
    let grant = &two.acme.iter().find(|(kind, _)| *kind == "clients").unwrap().1;
    let body = json!({"name": "theft", "owner": grant});
    let reply = two.app.manage_as(&manager, "POST", "/v1/realms/bravo/keys", body).await;
    assert!(matches!(reply.status, 400 | 404), "another realm's client cannot own a key here: {}", reply.text);
    assert_eq!(two.snapshot().await, before, "nothing of acme changed");
}

#[tokio::test]
async fn ad_01_one_realms_managers_do_not_reach_another() {
    let two = Two::new().await;
    let before = two.snapshot().await;
    for (who, code) in [
        (two.operator_of("bravo").await, (401, "wrong_audience")),
        (two.manager_in("bravo").await, (401, "invalid_credential")),
    ] {
        for (kind, id) in &two.acme {
            for (method, path) in
                [("GET", format!("/v1/realms/acme/{kind}")), ("DELETE", format!("/v1/realms/acme/{kind}/{id}"))]
            {
                let reply = two.app.manage_as(&who, method, &path, Value::Null).await;
                assert_eq!((reply.status, reply.code().as_str()), code, "{method} {path}: {}", reply.text);
            }
        }
        for (method, path, body) in [
            ("POST", "/v1/realms/acme/keys", json!({"name": "x"})),
            ("POST", "/v1/realms/acme/apply", json!({"rule": []})),
            ("POST", "/v1/realms/acme/check", json!({"credential": two.acme_secret})),
            ("GET", "/v1/realms/acme/export", Value::Null),
            ("GET", "/v1/realms/acme/events", Value::Null),
            ("GET", "/v1/realms/acme/decisions", Value::Null),
            ("PATCH", "/v1/realms/acme", json!({"disabled": true})),
        ] {
            let reply = two.app.manage_as(&who, method, path, body).await;
            assert!(matches!(reply.status, 401 | 403), "{method} {path}: {} {}", reply.status, reply.text);
        }
        for (method, path, body) in
            [("GET", "/v1/realms", Value::Null), ("POST", "/v1/realms", json!({"name": "mine"}))]
        {
            let reply = two.app.manage_as(&who, method, path, body).await;
            assert!(
                matches!(reply.status, 401 | 403),
                "the server is not theirs: {method} {path}: {} {}",
                reply.status,
                reply.text
            );
        }
    }
    assert_eq!(two.snapshot().await, before);
}

#[tokio::test]
async fn ad_01_whether_a_realm_exists_is_not_told_to_strangers() {
    let two = Two::new().await;
    let manager = two.manager_in("bravo").await;
    let operator = two.operator_of("bravo").await;
    for who in [&manager, &operator] {
        let there = two.app.manage_as(who, "GET", "/v1/realms/acme/keys", Value::Null).await;
        let nowhere = two.app.manage_as(who, "GET", "/v1/realms/nowhere/keys", Value::Null).await;
        assert_eq!((there.status, there.code()), (nowhere.status, nowhere.code()), "{}\n{}", there.text, nowhere.text);
    }
}

#[tokio::test]
async fn an_ordinary_key_manages_nothing() {
    let two = Two::new().await;
    let reply = two.app.manage_as(&two.acme_secret, "GET", "/v1/realms", Value::Null).await;
    assert_eq!((reply.status, reply.code().as_str()), (401, "invalid_credential"), "{}", reply.text);
    for path in ["/v1/realms/acme/keys", "/v1/realms/acme", "/v1/realms/acme/events"] {
        let reply = two.app.manage_as(&two.acme_secret, "GET", path, Value::Null).await;
        assert_eq!((reply.status, reply.code().as_str()), (401, "wrong_audience"), "{path}: {}", reply.text);
    }
}
