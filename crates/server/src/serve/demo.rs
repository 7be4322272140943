//! `--dev`: a demo that is real. An API, rules and a key in the realm `default`, and an echo at `/demo/orders` behind the
//! same pipeline as everything else. Applications that people sign in to are in [`applications`].

mod applications;

use std::collections::BTreeMap;

use admit_core::api::{Api, ApiSpec};
use admit_core::check::answer;
use admit_core::check::request::Request;
use admit_core::client::secret::ClientSecret;
use admit_core::client::{Client, ClientSpec};
use admit_core::grant::{Grant, GrantKind};
use admit_core::id::{ClientId, Id, SubjectId};
use admit_core::key::{Key, KeySecret};
use admit_core::name::{ApiUri, Label, ScopeName};
use admit_core::policy::rule::{RawMatch, RawRequire, RawRule};
use admit_core::scope::Rights;
use admit_core::secret::{self, Secret, SecretKind};
use admit_store::{End, StoredRule, Tx};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use http::request::Parts;
use http::{HeaderMap, Response};

use super::{DEMO_KEY_LIFE, Failure, person};
use crate::app::App;

use crate::check::{Door, QUESTIONS_MAX, conclude, pipeline, render};
use crate::http::Peer;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::pages;

const API: &str = "https://api.example.com";
/// The name of the demo's service client; its keys and secrets are made anew at each start.
const SERVICE: &str = "demo service";
/// The hosts that a development server answers to.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What a start of the demo has to tell.
pub struct Demo {
    key: Secret,
    client: ClientId,
    secret: Secret,
    password: Secret,
}

impl Demo {
    /// The commands to try, on stderr.
    #[expect(clippy::print_stderr, reason = "messages of a command go to stderr")]
    pub fn say(&self, url: &str) {
        eprintln!("try:");
        eprintln!("  curl -i -H 'Authorization: Bearer {}' {url}/demo/orders", self.key.expose());
        eprintln!("       → 200, and who you are");
        eprintln!("  curl -i {url}/demo/orders");
        eprintln!("       → 401; then: admit why --last");
        let basic = format!("{}:{}", self.client, self.secret.expose());
        eprintln!(
            "  TOKEN=$(curl -s -u {basic} -d grant_type=client_credentials {url}/oauth/token | cut -d '\"' -f 4); echo $TOKEN"
        );
        eprintln!("       → an access token for ten minutes; then: echo $TOKEN | admit token decode");
        eprintln!("  curl -i -H \"Authorization: Bearer $TOKEN\" {url}/demo/orders");
        eprintln!("       → 200, and who you are");
        eprintln!("  curl -i -u {basic} -d token=$TOKEN {url}/oauth/revoke");
        eprintln!("       → 200; and now the curl before answers 401");
        eprintln!("  {url}{}", pages::demo::PLACE);
        eprintln!("       → an application that you sign in to; what it may do is on {url}/account");
        eprintln!("  admit login test '{}'", applications::NATIVE);
        eprintln!("       → the same from this terminal, step by step");
        eprintln!("  {url}/login");
        eprintln!("       → {} with the password {}", person::EMAIL, self.password.expose());
        eprintln!("  {url}/dev/mail");
        eprintln!("       → what would have been mailed");
    }

    /// What Alice signs in with.
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// The demo's key.
    pub fn key(&self) -> &Secret {
        &self.key
    }
}

/// Makes what is missing of the demo, and a new key and a new secret that live for a week.
pub async fn prepare(app: &App) -> Result<Demo, Failure> {
    let now = app.now();
    let realm = app.default_realm;
    let row = app.store.point(|tx| tx.find_realm(realm))?;
    let row = row.ok_or_else(|| Failure("the realm default is gone".to_owned()))?;
    let prefix = &row.prefix;
    let key = secret::write(prefix.as_str(), &app.random());
    let master = app.master.keys();
    let hash = master.active().lookup.hash(realm, SecretKind::ApiKey, key.expose());
    let (hint, lookup_key) = (secret::hint(key.expose()), master.active().number);
    let proof = secret::write("admit_cs", &app.random());
    let proved_by = master.active().lookup.hash(realm, SecretKind::ClientSecret, proof.expose());
    let proof_hint = secret::hint(proof.expose());
    let names = Names::read()?;
    let (uri, scopes) = (names.uri.clone(), names.scopes.clone());
    let shared = app.clone();
    let client = app
        .store
        .write(move |tx| {
            let api = names.api(tx, &shared)?;
            names.rules(tx, &shared)?;
            let client = names.client(tx, &shared)?;
            let id = shared.id(now);
            let grant = Grant {
                id,
                realm,
                org: None,
                kind: GrantKind::Key,
                subject: SubjectId::Client(client.id),
                client: None,
                parent: None,
                root: id,
                api: Some(api.id),
                scopes: names.scopes.clone(),
                created_at: now,
                expires_at: Some(now + DEMO_KEY_LIFE),
                revoked_at: None,
            };
            let made = Key {
                id: shared.id(now),
                realm,
                org: None,
                grant: id,
                name: names.service.clone(),
                lifetime: Some(DEMO_KEY_LIFE),
                rate: None,
                ip: Vec::new(),
                external_id: None,
                metadata: serde_json::Value::Null,
                disabled_at: None,
                seen_in_browser_at: None,
                created_by: "demo".to_owned(),
                created_at: now,
                updated_at: now,
                version: 1,
            };
            let secret = KeySecret {
                hash,
                lookup_key,
                key: made.id,
                number: 1,
                hint: hint.clone(),
                created_at: now,
                expires_at: None,
            };
            for earlier in
                tx.list_keys_named(realm, SERVICE, 100)?.iter().filter(|issued| issued.key.created_by == "demo")
            {
                tx.revoke_grant(realm, earlier.key.grant, now)?;
            }
            tx.insert_key(&grant, &made, &secret)?;
            tx.delete_client_secrets(realm, client.id, now)?;
            tx.insert_client_secret(&ClientSecret {
                id: shared.id(now),
                hash: proved_by,
                lookup_key,
                realm,
                client: client.id,
                hint: proof_hint.clone(),
                created_at: now,
                expires_at: Some(now + DEMO_KEY_LIFE),
                last_used_at: None,
            })?;
            Ok(End::Commit(client.id))
        })
        .await?;
    applications::prepare(app, &uri, &scopes).await?;
    let password = person::prepare(app, &row, &uri, &scopes).await?;
    Ok(Demo { key, client, secret: proof, password })
}

/// The names that the demo is made of, read once.
struct Names {
    uri: ApiUri,
    service: Label,
    scopes: Vec<ScopeName>,
}

impl Names {
    fn read() -> Result<Self, Failure> {
        let bad = |error: admit_core::name::BadName| Failure(format!("the demo's names are bad: {error}"));
        let scopes = ["orders:read", "orders:write"].map(ScopeName::parse).into_iter().collect::<Result<_, _>>();
        Ok(Self {
            uri: ApiUri::parse(API).map_err(bad)?,
            service: Label::parse(SERVICE).map_err(bad)?,
            scopes: scopes.map_err(bad)?,
        })
    }

    fn api(&self, tx: &mut Tx<'_>, app: &App) -> admit_store::Result<Api> {
        if let Some(known) = tx.find_api_by_uri(app.default_realm, API)? {
            return Ok(known);
        }
        let now = app.now();
        let describe = |scope: &ScopeName| {
            (scope.clone(), if scope.as_str() == "orders:read" { "Read orders" } else { "Change orders" }.to_owned())
        };
        let mut spec = ApiSpec::new(self.uri.clone(), self.scopes.iter().map(describe).collect::<BTreeMap<_, _>>());
        spec.hosts = HOSTS.map(str::to_owned).to_vec();
        let api = Api { id: app.id(now), realm: app.default_realm, spec, created_at: now, updated_at: now, version: 1 };
        tx.insert_api(&api)?;
        Ok(api)
    }

    fn rules(&self, tx: &mut Tx<'_>, app: &App) -> admit_store::Result<()> {
        for (name, methods, scope) in [
            ("demo: read orders", ["GET"].as_slice(), "orders:read"),
            ("demo: change orders", &["POST", "PUT", "DELETE"], "orders:write"),
        ] {
            if tx.find_rule_named(app.default_realm, name)?.is_some() {
                continue;
            }
            let now = app.now();
            let raw = RawRule {
                name: Some(name.to_owned()),
                matching: Some(RawMatch {
                    host: None,
                    methods: Some(methods.iter().map(|method| (*method).to_owned()).collect()),
                    path: Some("/demo/orders/**".to_owned()),
                }),
                require: Some(RawRequire {
                    api: Some(API.to_owned()),
                    scopes: Some(vec![scope.to_owned()]),
                    ..RawRequire::default()
                }),
                ..RawRule::default()
            };
            let spec =
                serde_json::to_value(&raw).map_err(|error| admit_store::Error::Corrupt { what: error.to_string() })?;
            let place = tx.last_rule_place(app.default_realm)?.unwrap_or(0) + 1;
            let rule = StoredRule {
                id: app.id(now),
                realm: app.default_realm,
                name: name.to_owned(),
                priority: 100,
                place,
                spec,
                created_at: now,
                updated_at: now,
                version: 1,
            };
            tx.insert_rule(&rule)?;
        }
        Ok(())
    }

    fn client(&self, tx: &mut Tx<'_>, app: &App) -> admit_store::Result<Client> {
        if let Some(known) = tx.find_client_named(app.default_realm, SERVICE)? {
            return Ok(known);
        }
        let now = app.now();
        let rights = Rights::from([(self.uri.clone(), self.scopes.iter().cloned().collect())]);
        let spec = ClientSpec::service(self.service.clone(), rights);
        let client = Client {
            id: Id::new(now, app.random()),
            realm: app.default_realm,
            org: None,
            spec,
            disabled_at: None,
            valid_after: None,
            created_at: now,
            updated_at: now,
            version: 1,
        };
        tx.insert_client(&client)?;
        Ok(client)
    }
}

/// The echo.
pub fn router() -> Router<App> {
    Router::new().route("/demo/orders", any(echo)).route("/demo/orders/{*rest}", any(echo))
}

/// Judges the request like a gateway would, and answers what an application behind it would see.
async fn echo(State(app): State<App>, parts: Parts) -> Response<Body> {
    use axum::response::IntoResponse;
    let Some(peer) = parts.extensions.get::<Peer>() else {
        return Problem::unavailable("the peer of a connection is not known").into_response();
    };
    let config = app.config.load();
    let realm = match app.policies.of(&app, app.default_realm) {
        Ok(Some(realm)) => realm,
        _ => return Problem::unavailable("the realm default cannot be read").into_response(),
    };
    let request =
        match Request::own(parts.method.clone(), &parts.uri, &parts.headers, peer.0.ip(), &config.trusted_proxies) {
            Ok(request) => request,
            Err(reason) => {
                let judged = conclude::refuse(&app, Some(&realm), reason, Door::Demo, app.now());
                return render::refused(&app, realm.realm.name.as_str(), &judged.decision);
            }
        };
    let mut judged = pipeline::run(&app, &realm, &request, Door::Demo, None, app.now());
    let mut asked = None;
    for _ in 0..QUESTIONS_MAX {
        let Some(question) = judged.question.take() else { break };
        asked = question.settle(&app, asked).await;
        judged = pipeline::run(&app, &realm, &request, Door::Demo, asked.as_ref(), app.now());
    }
    if judged.question.is_some() {
        return Problem::overloaded().into_response();
    }
    let rule = judged.rule.as_ref().map(|found| found.rule);
    if !judged.decision.is_admitted() {
        return render::refused_by(&app, &realm, rule, &judged.decision);
    }
    let admitted = render::admitted(&realm, rule, &request, &judged.decision);
    let body = serde_json::json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "headers": upstream_headers(&parts.headers, admitted.headers()),
    });
    let mut response = Json(body).into_response();
    for name in ["admit-request-id", "ratelimit", "ratelimit-policy"] {
        if let Some(value) = admitted.headers().get(name) {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// The headers as the shipped configurations would pass them on: identity from Admit, no credential of ours.
fn upstream_headers(request: &HeaderMap, admitted: &HeaderMap) -> BTreeMap<String, String> {
    let is_ours = |name: &str| name.starts_with("admit-") || ["authorization", "x-api-key", "cookie"].contains(&name);
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: BTreeMap<_, _> = request
        .iter()
        .filter(|(name, _)| !is_ours(name.as_str()))
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect();
    for name in answer::IDENTITY {
        let value = admitted.get(&name).map(text).unwrap_or_default();
        match name.as_str() {
            "admit-upstream-authorization" | "admit-upstream-cookie" => {
                let name = name.as_str().trim_start_matches("admit-upstream-").to_owned();
                if !value.is_empty() {
                    headers.insert(name, value);
                }
            }
            name => {
                headers.insert(name.to_owned(), value);
            }
        }
    }
    headers
}
