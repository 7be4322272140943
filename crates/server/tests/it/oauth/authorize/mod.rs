//! `/oauth/authorize`, `/consent` and `/oauth/par`: from an application to a person and back.

mod browser;
mod consent;
mod flow;
mod hint;
mod pushed;
mod redirect;

use std::collections::BTreeMap;

use admit_core::form::Form;
use data_encoding::BASE64;
use serde_json::{Value, json};

use crate::app::{Reply, TestApp};
use crate::pages::person::{Person, encode};

const ALICE: &str = "alice@example.com";
const API: &str = "https://api.example.com";
const CALLBACK: &str = "https://wiki.test/cb";
/// RFC 7636, appendix B.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The demo with an application that people sign in to.
struct World {
    app: TestApp,
    password: String,
    client: String,
    secret: String,
}

impl World {
    async fn new() -> Self {
        Self::with(json!({})).await
    }

    async fn with(more: Value) -> Self {
        let (app, password) = TestApp::demo().await;
        let mut spec = json!({"name": "Wiki", "type": "web", "redirect_uris": [CALLBACK],
            "rights": {API: ["orders:read", "orders:write"]}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = app.manage("POST", "/v1/realms/default/clients", spec).await.expect(201);
        let text = |name: &str| made[name].as_str().unwrap_or_default().to_owned();
        Self { client: text("id"), secret: text("secret"), app, password }
    }

    /// Changes the application.
    async fn change(&self, more: Value) {
        self.app.manage("PATCH", &format!("/v1/realms/default/clients/{}", self.client), more).await.expect(200);
    }

    async fn alice(&self) -> Person<'_> {
        let mut alice = Person::new(&self.app);
        assert_eq!(alice.sign_in(ALICE, &self.password).await.status, 303);
        alice
    }

    /// The usual request with other parameters; an empty one is left out.
    fn query(&self, more: &[(&str, &str)]) -> String {
        let usual = [
            ("client_id", self.client.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid orders:read"),
            ("state", "s t&"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let mut all: BTreeMap<_, _> = usual.into_iter().collect();
        all.extend(more.iter().copied());
        encode(&all.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>())
    }

    fn address(&self, more: &[(&str, &str)]) -> String {
        format!("/oauth/authorize?{}", self.query(more))
    }

    fn basic(&self) -> String {
        format!("Basic {}", BASE64.encode(format!("{}:{}", self.client, self.secret).as_bytes()))
    }

    /// What the token endpoint says to a code.
    async fn redeem(&self, code: &str, verifier: &str) -> Reply {
        let (code, basic) = (code.to_owned(), self.basic());
        let form = encode(&[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", verifier),
        ]);
        super::post(&self.app, "/oauth/token", &[("authorization", &basic)], &form).await
    }
}

/// What an answer at the callback says.
#[track_caller]
fn told(reply: &Reply) -> BTreeMap<String, String> {
    let location = reply.header("location");
    assert_eq!(reply.status, 303, "az_30: {} {}", reply.status, reply.text);
    let query = location.strip_prefix(CALLBACK).and_then(|rest| rest.strip_prefix('?'));
    let query = query.unwrap_or_else(|| panic!("not back at the application: {location}"));
    let form = Form::parse(query.as_bytes()).unwrap();
    let names = ["code", "error", "error_description", "state", "iss"];
    names.iter().filter(|name| form.has(name)).map(|name| ((*name).to_owned(), form.text(name).to_owned())).collect()
}

/// The error at the callback.
#[track_caller]
fn error(reply: &Reply) -> String {
    told(reply).remove("error").unwrap_or_else(|| panic!("no error: {}", reply.header("location")))
}

/// A page of ours that says an error: nobody is sent anywhere.
#[track_caller]
fn is_page(reply: &Reply, title: &str) {
    assert_eq!(reply.status, 400, "{}", reply.header("location"));
    assert_eq!(reply.header("location"), "");
    assert!(reply.header("content-type").starts_with("text/html"), "{}", reply.text);
    assert!(reply.text.contains(title), "{}", reply.text);
    let policy = reply.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "se_06: {policy}");
}
