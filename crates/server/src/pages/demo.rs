//! `/demo/app`: an application that people sign in to with Admit. There only with `--dev`.
//!
//! It is a real one: it asks this server over HTTP ([`crate::relying_party`]), keeps its tokens where no browser sees them,
//! and believes nothing that it has not verified. Nothing of the server's state is looked at here but its own.

use std::collections::HashMap;
use std::sync::Arc;

use admit_core::name::is_unprintable;
use admit_core::secret::Secret;
use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use data_encoding::BASE64URL_NOPAD;
use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::form::Sent;
use super::text::Words;
use super::visit::{Visit, go, with_cookies};
use super::{Frame, page};
use crate::app::{App, random};
use crate::config::public_authority;
use crate::http::problem::Problem;
use crate::relying_party::{Application, Asked, Attempt, Expected, Provider, Tokens, Trouble};

/// Where it is, below `public_url`.
pub const PLACE: &str = "/demo/app";
/// Where browsers come back with an answer.
pub const CALLBACK: &str = "/demo/app/callback";
/// What it asks for.
const SCOPE: &str = "openid profile email orders:read";
/// Tells one browser from another: an id, and nothing else.
const NAME: &str = "demo-app";
/// The most browsers that it remembers.
const BROWSERS_MAX: usize = 100;

/// The application.
pub struct Demo {
    application: Application,
    api: String,
    http: reqwest::Client,
    browsers: Mutex<HashMap<String, Arc<Known>>>,
}

/// What it knows of a browser.
enum Known {
    /// Sent away to sign in.
    Away(Attempt),
    /// Signed in.
    In(Arc<SignedIn>),
    /// It did not work.
    Failed(Trouble),
}

struct SignedIn {
    tokens: Tokens,
    claims: Map<String, Value>,
    /// What came of the last button.
    told: Told,
}

#[derive(Clone)]
enum Told {
    Nothing,
    Refreshed,
    Called(u16, String),
    TakenBack,
    Failed(Trouble),
}

impl Demo {
    /// The application, with what proves it until the next start.
    pub fn new(public_url: &str, id: String, secret: Secret, api: String, http: reqwest::Client) -> Self {
        let application = Application { id, secret: Some(secret), redirect_uri: format!("{public_url}{CALLBACK}") };
        Self { application, api, http, browsers: Mutex::default() }
    }

    async fn provider(&self, app: &App) -> Result<Provider, Trouble> {
        Provider::discover(self.http.clone(), &app.config.load().public_url).await
    }

    fn keep(&self, browser: &str, known: Known) {
        let mut browsers = self.browsers.lock();
        if browsers.len() >= BROWSERS_MAX
            && let Some(any) = browsers.keys().next().cloned()
        {
            browsers.remove(&any);
        }
        browsers.insert(browser.to_owned(), Arc::new(known));
    }

    fn of(&self, headers: &HeaderMap) -> Option<(String, Arc<Known>)> {
        let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = lines.flat_map(|line| line.split("; ")).filter_map(|pair| pair.split_once('='));
        let browser = pairs.find(|(name, _)| *name == NAME)?.1;
        let known = self.browsers.lock().get(browser)?.clone();
        Some((browser.to_owned(), known))
    }

    fn signed_in(&self, headers: &HeaderMap) -> Option<(String, Arc<SignedIn>)> {
        match self.of(headers) {
            Some((browser, known)) => match &*known {
                Known::In(signed_in) => Some((browser, signed_in.clone())),
                Known::Away(_) | Known::Failed(_) => None,
            },
            None => None,
        }
    }

    /// Exchanges the code that came back, and verifies what it gives.
    async fn arrive(&self, app: &App, attempt: &Attempt, query: &str) -> Result<SignedIn, Trouble> {
        let provider = self.provider(app).await?;
        let code = attempt.answered(&provider.metadata, query)?;
        let tokens = provider.redeem(&self.application, attempt, &code).await?;
        let claims = self.claims(app, &provider, &tokens, Some(&attempt.nonce)).await?;
        Ok(SignedIn { tokens, claims, told: Told::Nothing })
    }

    /// Those of the ID token, and what userinfo says of the same person.
    async fn claims(
        &self,
        app: &App,
        provider: &Provider,
        tokens: &Tokens,
        nonce: Option<&str>,
    ) -> Result<Map<String, Value>, Trouble> {
        let (issuer, client_id) = (&provider.metadata.issuer, &self.application.id);
        let expected = Expected { issuer, client_id, nonce, access_token: &tokens.access_token, now: app.now() };
        let id_token = tokens.id_token.as_deref();
        let id_token = id_token.ok_or_else(|| Trouble::Untrue("no ID token came".to_owned()))?;
        let mut claims = provider.verify(id_token, &expected).await?;
        let more = provider.userinfo(&tokens.access_token).await?;
        if more.get("sub") != claims.get("sub") {
            return Err(Trouble::Untrue("userinfo is about somebody else".to_owned()));
        }
        claims.extend(more);
        Ok(claims)
    }

    async fn renew(&self, app: &App, signed_in: &SignedIn) -> Result<SignedIn, Trouble> {
        let provider = self.provider(app).await?;
        let no_token = || Trouble::Untrue("no refresh token came".to_owned());
        let refresh_token = signed_in.tokens.refresh_token.as_deref().ok_or_else(no_token)?;
        let mut tokens = provider.refresh(&self.application, refresh_token).await?;
        // Where none comes along the old one goes on (RFC 6749 §6).
        tokens.refresh_token = tokens.refresh_token.or_else(|| signed_in.tokens.refresh_token.clone());
        let claims = self.claims(app, &provider, &tokens, None).await?;
        Ok(SignedIn { tokens, claims, told: Told::Refreshed })
    }
}

/// Its pages.
pub fn router() -> Router<App> {
    Router::new()
        .route(PLACE, get(show))
        .route(CALLBACK, get(callback))
        .route("/demo/app/sign-in", post(sign_in))
        .route("/demo/app/refresh", post(refresh))
        .route("/demo/app/call", post(call))
        .route("/demo/app/sign-out", post(sign_out))
}

#[derive(Template)]
#[template(path = "demo.html")]
struct DemoPage {
    frame: Frame,
    token: String,
    is_signed_in: bool,
    claims: Vec<(String, String)>,
    scope: String,
    notice: String,
    is_bad: bool,
    answer: String,
}

fn application(app: &App) -> Result<&Demo, Problem> {
    app.demo.get().ok_or_else(|| Problem::unavailable("the demo is not ready"))
}

async fn show(State(app): State<App>, visit: Visit) -> Result<Response, Problem> {
    let demo = application(&app)?;
    // Its cookie is of one host, and the browser comes back to that of `public_url`.
    let config = app.config.load();
    if visit.headers.get(HOST).and_then(|host| host.to_str().ok()) != Some(public_authority(&config.public_url)) {
        return Ok(go(&format!("{}{PLACE}", config.public_url)));
    }
    let (words, ticket) = (visit.words, visit.ticket());
    let mut shown = DemoPage {
        frame: visit.frame().widened(),
        token: ticket.token,
        is_signed_in: false,
        claims: Vec::new(),
        scope: String::new(),
        notice: String::new(),
        is_bad: false,
        answer: String::new(),
    };
    let known = demo.of(&visit.headers).map(|(_, known)| known);
    match known.as_deref() {
        Some(Known::In(signed_in)) => shown.fill(words, signed_in),
        Some(Known::Failed(trouble)) => shown.tell(words, &Told::Failed(trouble.clone())),
        Some(Known::Away(_)) | None => {}
    }
    Ok(with_cookies(page(StatusCode::OK, &shown), ticket.cookie))
}

impl DemoPage {
    fn fill(&mut self, words: &Words, signed_in: &SignedIn) {
        self.is_signed_in = true;
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.claims = signed_in.claims.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        self.scope.clone_from(&signed_in.tokens.scope);
        self.tell(words, &signed_in.told);
    }

    fn tell(&mut self, words: &Words, told: &Told) {
        self.notice = match told {
            Told::Nothing => String::new(),
            Told::Refreshed => words.say("demo.refreshed").to_owned(),
            Told::Called(status, _) if *status == 200 => words.with("demo.called", "status", status.to_string()),
            Told::Called(status, _) => words.with("demo.refused", "status", status.to_string()),
            Told::TakenBack => words.say("demo.taken_back").to_owned(),
            Told::Failed(trouble) => words.with("demo.failed", "why", trouble.to_string().replace(is_unprintable, " ")),
        };
        self.is_bad = match told {
            Told::Called(status, body) => {
                self.answer.clone_from(body);
                *status != 200
            }
            Told::TakenBack | Told::Failed(_) => true,
            Told::Nothing | Told::Refreshed => false,
        };
    }
}

async fn sign_in(State(app): State<App>, visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let demo = application(&app)?;
    let browser = BASE64URL_NOPAD.encode(&random::<24>());
    let attempt = Attempt::new([random(), random(), random()]);
    let to = match demo.provider(&app).await {
        Ok(provider) => {
            let asked = Asked { scope: SCOPE, resource: Some(&demo.api) };
            let to = attempt.address(&provider.metadata, &demo.application, asked);
            demo.keep(&browser, Known::Away(attempt));
            to
        }
        Err(trouble) => {
            demo.keep(&browser, Known::Failed(trouble));
            PLACE.to_owned()
        }
    };
    let cookie = HeaderValue::try_from(format!("{NAME}={browser}; Path={PLACE}; HttpOnly; SameSite=Lax"));
    Ok(with_cookies(go(&to), cookie.ok()))
}

async fn callback(State(app): State<App>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let demo = application(&app)?;
    let Some((browser, known)) = demo.of(&headers) else { return Ok(go(PLACE)) };
    // An answer is heard once.
    if let Known::Away(attempt) = &*known {
        let arrived = demo.arrive(&app, attempt, uri.query().unwrap_or_default()).await;
        demo.keep(&browser, arrived.map_or_else(Known::Failed, |signed_in| Known::In(Arc::new(signed_in))));
    }
    Ok(go(PLACE))
}

async fn refresh(State(app): State<App>, visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let demo = application(&app)?;
    let Some((browser, signed_in)) = demo.signed_in(&visit.headers) else { return Ok(go(PLACE)) };
    let renewed = demo.renew(&app, &signed_in).await.unwrap_or_else(|trouble| {
        signed_in.telling(match trouble {
            Trouble::Refused { error, .. } if error == "invalid_grant" => Told::TakenBack,
            trouble => Told::Failed(trouble),
        })
    });
    demo.keep(&browser, Known::In(Arc::new(renewed)));
    Ok(go(PLACE))
}

impl SignedIn {
    fn telling(&self, told: Told) -> Self {
        Self { tokens: self.tokens.clone(), claims: self.claims.clone(), told }
    }
}

async fn call(State(app): State<App>, visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let demo = application(&app)?;
    let Some((browser, signed_in)) = demo.signed_in(&visit.headers) else { return Ok(go(PLACE)) };
    let address = format!("{}/demo/orders", app.config.load().public_url);
    let asked = match demo.provider(&app).await {
        Ok(provider) => provider.ask(&address, &signed_in.tokens.access_token).await,
        Err(trouble) => Err(trouble),
    };
    let told = asked.map_or_else(Told::Failed, |(status, body)| Told::Called(status, body));
    demo.keep(&browser, Known::In(Arc::new(signed_in.telling(told))));
    Ok(go(PLACE))
}

/// Here and at the issuer (OpenID Connect RP-Initiated Logout §2).
async fn sign_out(State(app): State<App>, visit: Visit, Sent(form): Sent) -> Result<Response, Problem> {
    visit.judge(&form)?;
    let demo = application(&app)?;
    let Some((browser, signed_in)) = demo.signed_in(&visit.headers) else { return Ok(go(PLACE)) };
    demo.browsers.lock().remove(&browser);
    let back = format!("{}{PLACE}", app.config.load().public_url);
    let to = match (demo.provider(&app).await, &signed_in.tokens.id_token) {
        (Ok(provider), Some(id_token)) => provider.sign_out(&demo.application, id_token, &back),
        _ => None,
    };
    let mut response = go(&to.unwrap_or(back));
    let gone = format!("{NAME}=; Path={PLACE}; HttpOnly; SameSite=Lax; Max-Age=0");
    response.headers_mut().extend(HeaderValue::try_from(gone).ok().map(|gone| (SET_COOKIE, gone)));
    Ok(response)
}
