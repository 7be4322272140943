//! A server for one test: its own store, port and clock, and the words that tests speak.

use std::net::SocketAddr;

use admit::app::{App, Clock};
use admit::config::{Config, Overrides};
use admit::http::limits::Limits;
use admit::serve::{self, Listeners, Places, Running, Server};
use admit_core::check::code::Reason;
use admit_core::secret::Secret;
use admit_store::End;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::store;

/// A running server. Stops when it is dropped; [`TestApp::stop`] stops it gracefully.
pub struct TestApp {
    /// Its state, for what cannot be asked from outside.
    pub app: App,
    /// Moves time ahead.
    pub clock: Clock,
    /// `http://127.0.0.1:<port>`
    pub url: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Every listener.
    pub places: Places,
    /// Its data folder.
    pub folder: TempDir,
    operator: Secret,
    http: reqwest::Client,
    running: Option<Running>,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub text: String,
}

impl Reply {
    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// The `code` of the body.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A header as text; empty where it is absent.
    pub fn header(&self, name: &str) -> String {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
    }

    /// The body, after asserting the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()
    }
}

impl TestApp {
    /// A server with an empty store.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// A server with lines of configuration.
    pub async fn with(configuration: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, configuration).await
    }

    /// A server with other bounds for its clients.
    pub async fn with_limits(configuration: &str, limits: Limits) -> Self {
        Self::begin(tempfile::tempdir().unwrap(), configuration, limits, false).await
    }

    /// A server with `--dev`, before the demo is made.
    pub async fn dev() -> Self {
        Self::begin(tempfile::tempdir().unwrap(), "", Limits::default(), true).await
    }

    /// A server on a folder that may hold a store already.
    pub async fn in_folder(folder: TempDir, configuration: &str) -> Self {
        Self::begin(folder, configuration, Limits::default(), false).await
    }

    async fn begin(folder: TempDir, configuration: &str, limits: Limits, dev: bool) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let overrides = Overrides { data: Some(folder.path().to_owned()), listen: Some(address.into()), dev };
        let config = Config::parse(configuration, &overrides, store::variables_of(folder.path())).unwrap();
        let clock = Clock::default();
        let server = serve::prepare(config, dev, clock.clone()).unwrap();
        let listeners = Listeners::around(listener.into(), &server.app.config.load()).await.unwrap();
        let running = serve::start(&server, listeners, limits).await.unwrap();
        let Server { app, operator_key, .. } = server;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self {
            app,
            clock,
            url: format!("http://{address}"),
            address,
            places: running.places.clone(),
            folder,
            operator: operator_key,
            http,
            running: Some(running),
        }
    }

    /// Stops the server; the folder goes on.
    pub async fn stop(mut self) -> TempDir {
        let Self { app, running, folder, .. } = &mut self;
        let running = running.take().unwrap();
        let folder = std::mem::replace(folder, tempfile::tempdir().unwrap());
        let _ = app;
        drop(self);
        running.stop().await;
        folder
    }

    /// A server with `--dev` and its demo, and Alice's password.
    pub async fn demo() -> (Self, String) {
        let app = Self::dev().await;
        let demo = serve::demo::prepare(&app.app).await.unwrap();
        (app, demo.password().expose().to_owned())
    }

    /// Any request.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<Vec<u8>>) -> Reply {
        let mut request =
            self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap_or_default() }
    }

    /// A call of the management API with the operator key.
    pub async fn manage(&self, method: &str, path: &str, body: Value) -> Reply {
        let operator = self.operator.expose().to_owned();
        self.manage_as(&operator, method, path, body).await
    }

    /// A call of the management API with a key.
    pub async fn manage_as(&self, key: &str, method: &str, path: &str, body: Value) -> Reply {
        let bearer = format!("Bearer {key}");
        let mut headers = vec![("authorization", bearer.as_str())];
        let body = (!body.is_null()).then(|| body.to_string().into_bytes());
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.send(method, path, &headers, body).await
    }

    /// Makes a client one that registered itself, in the realm `default`.
    pub async fn registered_itself(&self, client: &str) {
        let (realm, id, now) = (self.app.default_realm, client.parse().unwrap(), self.app.now());
        let changed = self.app.store.write(move |tx| {
            let mut client = tx.find_client(realm, id)?.unwrap();
            client.spec.dynamic = true;
            Ok(End::Commit(tx.update_client(realm, &client, now)?.is_some()))
        });
        assert!(changed.await.unwrap());
    }

    /// The operator key.
    pub fn operator(&self) -> &str {
        self.operator.expose()
    }

    /// API `https://api.shop.test` on `shop.test` with `orders:read` and `orders:write`, the rule "read orders"
    /// (GET /orders/** with orders:read), and nothing else.
    pub async fn shop(&self) {
        let api = json!({"uri": "https://api.shop.test", "hosts": ["shop.test"],
            "scopes": {"orders:read": "Read orders", "orders:write": "Change orders"}});
        self.manage("POST", "/v1/realms/default/apis", api).await.expect(201);
        self.rule(
            json!({"name": "read orders", "match": {"host": "shop.test", "methods": ["GET"], "path": "/orders/**"},
            "require": {"scopes": ["orders:read"]}}),
        )
        .await;
    }

    /// Adds a rule to the realm `default`.
    pub async fn rule(&self, rule: Value) -> Value {
        self.manage("POST", "/v1/realms/default/rules", rule).await.expect(201)
    }

    /// Makes a key in the realm `default`; its JSON has the secret as `key`.
    pub async fn key(&self, request: Value) -> Value {
        self.manage("POST", "/v1/realms/default/keys", request).await.expect(201)
    }

    /// The secret of a new key for the shop with these scopes.
    pub async fn shop_key(&self, name: &str, scopes: &[&str]) -> String {
        let key = self.key(json!({"name": name, "api": "https://api.shop.test", "scopes": scopes})).await;
        key["key"].as_str().unwrap().to_owned()
    }

    /// Asks as nginx does, for `GET https://shop.test<path>` from 203.0.113.9.
    pub async fn ask(&self, method: &str, path: &str, key: Option<&str>) -> Reply {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let mut headers = vec![
            ("x-original-method", method),
            ("x-original-uri", path),
            ("x-forwarded-host", "shop.test"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "203.0.113.9"),
        ];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        self.send("GET", "/check/nginx", &headers, None).await
    }

    /// Why the latest refusal of the realm `default` was one.
    pub fn last_reason(&self) -> Option<Reason> {
        let record = self.app.records.latest(self.app.default_realm, None, 1).pop()?;
        record.decision.reason().or(record.decision.observed)
    }
}

impl TestApp {
    /// The latest request that was recorded.
    pub fn last_request(&self) -> Option<admit_core::id::RequestId> {
        self.app.records.latest(self.app.default_realm, None, 1).pop().map(|record| record.decision.request_id)
    }
}
