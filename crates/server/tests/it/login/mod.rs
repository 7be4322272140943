//! People who are signed in: what their sessions open, and how these end.

mod command;
mod cookie;
mod life;
mod manage;
mod site;

use admit::login::session::{self, Begun, Entry, Seen};
use admit_core::check::code::Reason;
use admit_core::id::{GrantId, UserId};
use admit_core::login::session::Factor;
use admit_core::realm::Realm;
use serde_json::{Value, json};

use crate::app::{Reply, TestApp};

/// `/v1/realms/default`
const REALM: &str = "/v1/realms/default";

/// A shop at the issuer's own host, so that its cookie is good there, with alice who may read orders.
struct Shop {
    app: TestApp,
    alice: UserId,
}

impl Shop {
    async fn new() -> Self {
        let app = TestApp::new().await;
        Self::at(app).await
    }

    async fn at(app: TestApp) -> Self {
        let api = json!({"uri": "https://api.shop.test", "hosts": ["127.0.0.1", "shop.test", "other.test"],
            "scopes": {"orders:read": "Read orders", "orders:write": "Change orders"}});
        app.manage("POST", &format!("{REALM}/apis"), api).await.expect(201);
        let role = json!({"name": "buyer", "rights": {"https://api.shop.test": ["orders:read"]}});
        app.manage("POST", &format!("{REALM}/roles"), role).await.expect(201);
        let rule = |name: &str, methods: Value, path: &str, scope: &str| json!({"name": name, "match": {"host": "127.0.0.1", "methods": methods, "path": path}, "require": {"scopes": [scope]}});
        app.rule(rule("read orders", json!(["GET"]), "/orders/**", "orders:read")).await;
        app.rule(rule("do something", json!(["POST"]), "/orders/**", "orders:read")).await;
        app.rule(rule("change orders", json!(["PUT"]), "/orders/**", "orders:write")).await;
        let alice = Self::person(&app, "alice").await;
        Self { app, alice }
    }

    async fn person(app: &TestApp, name: &str) -> UserId {
        let user = json!({"name": name, "email": format!("{name}@example.com"), "roles": ["buyer"]});
        let made = app.manage("POST", &format!("{REALM}/users"), user).await.expect(201);
        made["id"].as_str().unwrap().parse().unwrap()
    }

    fn realm(&self) -> Realm {
        self.app.app.policies.named(&self.app.app, None).unwrap().unwrap().realm.clone()
    }

    async fn begin(&self, replaces: Option<GrantId>) -> Begun {
        self.enter(Entry::new(self.alice, &[Factor::Password], Seen::default(), replaces)).await
    }

    async fn enter(&self, entry: Entry) -> Begun {
        session::begin(&self.app.app, &self.realm(), entry, self.app.app.now()).await.unwrap()
    }

    /// Asks as nginx on this machine does for a browser with these cookies, by a fetch of the same origin.
    async fn ask(&self, method: &str, cookie: &str) -> Reply {
        self.ask_with(method, "/orders/1", &[("cookie", cookie), ("sec-fetch-site", "same-origin")]).await
    }

    async fn ask_with(&self, method: &str, path: &str, more: &[(&str, &str)]) -> Reply {
        let mut headers = vec![
            ("x-original-method", method),
            ("x-original-uri", path),
            ("x-forwarded-host", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "127.0.0.1"),
        ];
        headers.extend(more);
        self.app.send("GET", "/check/nginx", &headers, None).await
    }

    /// Status and code of a request with the cookie of a session.
    async fn opens(&self, begun: &Begun) -> (u16, String) {
        let reply = self.ask("GET", &cookie_of(begun)).await;
        (reply.status, reply.code())
    }

    /// Why the cookie of the latest refusal counted as none.
    fn passed(&self) -> Option<Reason> {
        self.app.app.records.latest(self.app.app.default_realm, None, 1).pop()?.decision.ambient
    }

    /// What the pages of the issuer know of who shows this cookie.
    fn of_request(&self, cookie: &str) -> Option<session::SignedIn> {
        let headers = http::HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())]);
        let app = &self.app.app;
        let realm = app.policies.named(app, None).unwrap().unwrap();
        session::of_request(app, &realm, &headers, None, app.now()).unwrap()
    }
}

fn cookie_of(begun: &Begun) -> String {
    format!("admit.default={}", begun.secret.expose())
}

fn admitted() -> (u16, String) {
    (200, String::new())
}

/// As who sends nothing: a cookie that counts as none says nothing of itself.
fn nobody() -> (u16, String) {
    (401, "missing_credential".to_owned())
}
