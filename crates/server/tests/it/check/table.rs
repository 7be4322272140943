//! One table of requests and verdicts (`cases.toml`), the same through every door.

use std::collections::BTreeMap;

use admit_core::secret;
use admit_core::time::Span;
use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::TestApp;

/// The table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    case: Vec<Case>,
}

/// One row.
#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub request: String,
    pub host: Option<String>,
    pub key: Option<String>,
    #[serde(default)]
    pub headers: Vec<String>,
    pub ip: Option<String>,
    pub proto: Option<String>,
    pub expect: String,
    pub reason: Option<String>,
    /// Why it cannot be sent through a real gateway.
    pub direct: Option<String>,
}

/// A row with its placeholders filled in.
pub struct Ready {
    pub method: String,
    pub target: String,
    pub host: String,
    pub headers: Vec<(String, String)>,
    pub ip: String,
    pub proto: String,
}

/// A server with the world of the table, and the secrets of its keys.
pub struct World {
    pub app: TestApp,
    secrets: BTreeMap<String, String>,
}

/// All rows.
pub fn cases() -> Vec<Case> {
    let table: Table = toml::from_str(include_str!("cases.toml")).unwrap();
    table.case
}

const SHOP: &str = "https://api.shop.test";

impl World {
    pub async fn new() -> Self {
        let app = TestApp::new().await;
        let world: toml::Table = include_str!("world.toml").parse().unwrap();
        app.manage("POST", "/v1/realms/default/apply", serde_json::to_value(world).unwrap()).await.expect(200);
        let mut world = Self { app, secrets: BTreeMap::new() };
        world.make_keys().await;
        world.set_passwords().await;
        world
    }

    /// Bob's is right and he is switched off.
    async fn set_passwords(&self) {
        for name in ["alice", "bob", "carol"] {
            let path = format!("/v1/realms/default/users/{name}");
            let password = json!({"password": "vivid otter: cancels tuesday"});
            self.app.manage("PUT", &format!("{path}/password"), password).await.expect(200);
        }
        let off = json!({"disabled": true});
        self.app.manage("PATCH", "/v1/realms/default/users/bob", off).await.expect(200);
    }

    async fn make_keys(&mut self) {
        let read = ["orders:read"];
        self.key("reader", json!({"api": SHOP, "scopes": read})).await;
        self.key("writer", json!({"api": SHOP, "scopes": ["orders:read", "orders:write"]})).await;
        self.key("plain", json!({})).await;
        self.key("other", json!({"api": "https://api.other.test", "scopes": ["read"]})).await;
        self.key("svc", json!({"owner": "svc", "api": SHOP, "scopes": ["orders:read", "orders:write"]})).await;
        self.key("svc-narrow", json!({"owner": "svc", "api": SHOP, "scopes": read})).await;
        self.key("at-home", json!({"api": SHOP, "scopes": read, "ip": ["198.51.100.0/24"]})).await;
        self.key("slow", json!({"api": SHOP, "scopes": read, "limit": "1/1h"})).await;
        self.key("gone", json!({"owner": "gone", "api": SHOP, "scopes": read})).await;
        self.key("expired", json!({"api": SHOP, "scopes": read, "expires_in_s": 60})).await;
        let revoked = self.key("revoked", json!({"api": SHOP, "scopes": read})).await;
        let disabled = self.key("disabled", json!({"api": SHOP, "scopes": read})).await;
        let rolled = self.key("rolled-old", json!({"api": SHOP, "scopes": read})).await;
        let app = &self.app;
        app.manage("DELETE", &format!("/v1/realms/default/keys/{revoked}"), Value::Null).await.expect(204);
        app.manage("POST", &format!("/v1/realms/default/keys/{disabled}/disable"), json!({})).await.expect(200);
        app.manage("PATCH", "/v1/realms/default/clients/gone", json!({"disabled": true})).await.expect(200);
        let path = format!("/v1/realms/default/keys/{rolled}/roll");
        let rolled = app.manage("POST", &path, json!({"overlap_s": 30})).await.expect(200);
        app.manage("POST", "/v1/realms", json!({"name": "acme"})).await.expect(201);
        let foreign = app.manage("POST", "/v1/realms/acme/keys", json!({"name": "foreign"})).await.expect(201);
        for (name, key) in [("rolled-new", rolled), ("foreign", foreign)] {
            self.secrets.insert(name.to_owned(), key["key"].as_str().unwrap().to_owned());
        }
        self.app.clock.advance(Span::minutes(2));
    }

    async fn key(&mut self, name: &str, mut request: Value) -> String {
        request["name"] = name.into();
        let key = self.app.key(request).await;
        self.secrets.insert(name.to_owned(), key["key"].as_str().unwrap().to_owned());
        key["id"].as_str().unwrap().to_owned()
    }

    /// Fills in `{reader}`, `{typo:reader}`, `{made:admit_rt}` and `base64(…)`.
    fn fill(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, secret) in &self.secrets {
            let mut typo = secret.clone();
            let last = if typo.pop() == Some('x') { 'y' } else { 'x' };
            typo.push(last);
            text = text.replace(&format!("{{{name}}}"), secret).replace(&format!("{{typo:{name}}}"), &typo);
        }
        while let Some((before, rest)) =
            text.split_once("{made:").map(|(before, rest)| (before.to_owned(), rest.to_owned()))
        {
            let (prefix, after) = rest.split_once('}').unwrap();
            text = format!("{before}{}{after}", secret::write(prefix, &[7; 32]).expose());
        }
        match text.split_once("base64(") {
            Some((before, rest)) => format!("{before}{}", BASE64.encode(rest.trim_end_matches(')').as_bytes())),
            None => text,
        }
    }

    pub fn ready(&self, case: &Case) -> Ready {
        let request = self.fill(&case.request);
        let (method, target) = request.split_once(' ').unwrap();
        let split = |line: &String| {
            let (name, value) = line.split_once(':').unwrap();
            (name.trim().to_owned(), self.fill(value.trim()))
        };
        let mut headers: Vec<_> = case.headers.iter().map(split).collect();
        headers
            .extend(case.key.as_ref().map(|key| ("Authorization".to_owned(), format!("Bearer {}", self.secrets[key]))));
        Ready {
            method: method.to_owned(),
            target: target.to_owned(),
            host: case.host.clone().unwrap_or_else(|| "shop.test".to_owned()),
            headers,
            ip: case.ip.clone().unwrap_or_else(|| "203.0.113.9".to_owned()),
            proto: case.proto.clone().unwrap_or_else(|| "https".to_owned()),
        }
    }
}

/// A door: sends a row and says which status and code came back.
trait Door {
    async fn send(&self, app: &TestApp, ready: &Ready) -> (u16, String);
}

struct Gateway {
    path: &'static str,
    method: &'static str,
    uri: &'static str,
}

impl Door for Gateway {
    async fn send(&self, app: &TestApp, ready: &Ready) -> (u16, String) {
        let mut headers = vec![
            (self.method, ready.method.as_str()),
            (self.uri, ready.target.as_str()),
            ("x-forwarded-host", ready.host.as_str()),
            ("x-forwarded-proto", ready.proto.as_str()),
            ("x-forwarded-for", ready.ip.as_str()),
        ];
        headers.extend(ready.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let reply = app.send("GET", self.path, &headers, None).await;
        let true_status = reply.header("admit-status").parse().unwrap_or(reply.status);
        if self.path.ends_with("nginx") {
            let shown = if matches!(true_status, 200 | 401) { true_status } else { 403 };
            assert_eq!(reply.status, shown, "nginx knows 200, 401 and 403 only");
        }
        let code = if true_status < 300 { "ok".to_owned() } else { reply.code() };
        (true_status, code)
    }
}

struct ByHeaders;

impl Door for ByHeaders {
    async fn send(&self, app: &TestApp, ready: &Ready) -> (u16, String) {
        let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &ready.headers {
            headers.entry(name).or_default().push(value);
        }
        let url = format!("{}://{}{}", ready.proto, ready.host, ready.target);
        let body = json!({"headers": headers, "method": ready.method, "url": url, "ip": ready.ip});
        let answer = app.manage("POST", "/v1/realms/default/check", body).await.expect(200);
        (answer["status"].as_u64().unwrap() as u16, answer["code"].as_str().unwrap().to_owned())
    }
}

async fn run(door: impl Door) {
    let world = World::new().await;
    let mut wrong = Vec::new();
    for case in cases() {
        let before = world.app.last_request();
        let (status, code) = door.send(&world.app, &world.ready(&case)).await;
        let after = world.app.last_request();
        let reason =
            (before != after).then(|| world.app.last_reason()).flatten().map(|reason| reason.as_str().to_owned());
        let got = format!("{status} {code}");
        if got != case.expect || reason != case.reason {
            wrong.push(format!("{}: {} {reason:?} instead of {} {:?}", case.name, got, case.expect, case.reason));
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_is_long_enough_and_names_no_row_twice() {
    let mut names: Vec<_> = cases().into_iter().map(|case| case.name).collect();
    assert!(names.len() >= 80, "{}", names.len());
    names.sort();
    names.dedup();
    assert_eq!(names.len(), cases().len());
}

#[tokio::test]
async fn through_check_nginx() {
    run(Gateway { path: "/check/nginx", method: "x-original-method", uri: "x-original-uri" }).await;
}

#[tokio::test]
async fn through_check_forward() {
    run(Gateway { path: "/check/forward", method: "x-forwarded-method", uri: "x-forwarded-uri" }).await;
}

#[tokio::test]
async fn through_v1_check_by_headers() {
    run(ByHeaders).await;
}
