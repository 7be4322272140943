//! `admit login test CLIENT`: signs in to a client as an application would, step by step, and prints what comes of it.
//!
//! The management API says what is registered; everything else goes the way of every application: a browser, a redirect
//! to this machine ([`callback`]), the token endpoint, the keys that are published ([`crate::relying_party`]).

mod callback;

use std::path::PathBuf;
use std::time::Duration;

use admit_core::client::{AuthMethod, ClientType};
use admit_core::secret::Secret;
use admit_core::shell::quote;
use admit_core::time::Time;
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::app::{Clock, random};
use crate::cli::failure::Failure;
use crate::cli::source::is_loopback;
use crate::cli::{Context, input, noun};
use crate::relying_party::{self, Application, Asked, Attempt, Expected, Provider, Tokens, Trouble};
use callback::Listener;

/// How long somebody may take to sign in.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Sign in to a client as an application would; stdout is what it learns
    #[command(before_help = "Examples:
  admit login test 'demo native'
  admit login test shop --api https://api.example.com --scope 'openid orders:read'
  admit login test shop --secret-file shop.secret --json")]
    Test(Test),
}

#[derive(Debug, clap::Args)]
pub struct Test {
    /// The client's id or name
    client: String,
    /// What is asked for, with spaces between
    #[arg(long, value_name = "SCOPES", default_value = "openid profile email")]
    scope: String,
    /// The API that the access token is to be for
    #[arg(long, value_name = "URI")]
    api: Option<String>,
    /// The file that holds the secret of a confidential client, - for stdin; without it stdin
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
}

/// Runs it.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let Command::Test(asked) = command;
    let server = context.server()?;
    let client = server.get(&server.path(&["clients", &asked.client])?).await?;
    let realm = server.get(&server.path(&[])?).await?;
    let issuer = realm.get("issuer").and_then(Value::as_str).unwrap_or_default();
    let url = Url::parse(issuer).map_err(|error| Failure::failed(format!("the issuer {issuer}: {error}")))?;
    let http = relying_party::client(is_loopback(&url)).map_err(|error| Failure::failed(error.to_string()))?;

    let registered = Registered::read(&client, &asked.client)?;
    let secret = if registered.is_public { None } else { Some(secret(context, &asked)?) };
    let listener = Listener::bind(&registered.redirect_uri, registered.has_any_port).await?;
    let redirect_uri = listener.redirect_uri().to_owned();
    let application = Application { id: registered.id, secret, redirect_uri };

    let step = |text: &str| context.output.note(&format!("✓ {text}"));
    let provider = Provider::discover(http, issuer).await.map_err(|trouble| failed("discovery", &trouble))?;
    step(&format!("{issuer} was found"));
    let attempt = Attempt::new([random(), random(), random()]);
    let what = Asked { scope: &asked.scope, resource: asked.api.as_deref() };
    context.output.note("Open this in a browser and sign in:");
    context.output.note(&format!("  {}", attempt.address(&provider.metadata, &application, what)));
    let query = listener.wait(PATIENCE).await?;
    let code = attempt.answered(&provider.metadata, &query).map_err(|trouble| failed("the answer", &trouble))?;
    step("a code came back, with our state, from this issuer");
    let tokens = provider.redeem(&application, &attempt, &code).await;
    let tokens = tokens.map_err(|trouble| failed("the token endpoint", &trouble))?;
    step(&format!("tokens for {} s came, with the scopes: {}", tokens.expires_in, tokens.scope));
    let learned = learn(&provider, &application, &attempt, &tokens, Clock::default().now()).await?;
    for text in &learned.steps {
        step(text);
    }
    print(context, &learned, &tokens);
    Ok(())
}

/// What is registered of the client, as far as it matters here.
struct Registered {
    id: String,
    is_public: bool,
    redirect_uri: String,
    /// A native application's may have any port (RFC 8252 §7.3).
    has_any_port: bool,
}

impl Registered {
    fn read(client: &Value, name: &str) -> Result<Self, Failure> {
        let text = |member: &str| client.get(member).and_then(Value::as_str).unwrap_or_default();
        let kind: Option<ClientType> = serde_json::from_value(client["type"].clone()).ok();
        let method: Option<AuthMethod> = serde_json::from_value(client["token_endpoint_auth_method"].clone()).ok();
        let methods = kind.map(ClientType::usual_auth_methods).unwrap_or_default();
        let method = method.or_else(|| methods.first().copied());
        if method == Some(AuthMethod::PrivateKeyJwt) {
            let told = "this client signs to prove who it is, and its private key is not here";
            return Err(Failure::failed(format!("{told}. Test one that has a secret: admit client list")));
        }
        let uris = client["redirect_uris"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let here = uris.filter(|uri| Url::parse(uri).is_ok_and(|uri| uri.scheme() == "http" && is_loopback(&uri)));
        // An address before a name: it is what RFC 8252 §8.3 recommends.
        let here = here.min_by_key(|uri| uri.contains("//localhost"));
        let Some(redirect_uri) = here else {
            let (name, redirect) = (quote(name), "http://127.0.0.1:8765/callback");
            let told = "has no redirect to this machine, where its answer could be heard";
            let next = format!("admit client update {name} --redirect-uri {redirect}");
            return Err(Failure::failed(format!("client {name} {told}. Register one: {next}")));
        };
        let has_any_port = kind == Some(ClientType::Native) && !redirect_uri.contains("//localhost");
        let is_public = method == Some(AuthMethod::None);
        Ok(Self { id: text("id").to_owned(), is_public, redirect_uri: redirect_uri.to_owned(), has_any_port })
    }
}

fn secret(context: &Context, asked: &Test) -> Result<Secret, Failure> {
    let nothing = || {
        let next = format!("admit login test {} --secret-file FILE", quote(&asked.client));
        Failure::usage(format!("this client proves itself by a secret, which comes from a file or stdin. Next: {next}"))
    };
    let text = match &asked.secret_file {
        None => input::credential(context)?.ok_or_else(nothing)?,
        Some(file) => {
            let text = input::read_text(input::open(context, file)?, input::CREDENTIAL_MAX);
            text.map_err(|why| Failure::failed(format!("{}: {why}", file.display())))?
        }
    };
    let text = text.trim();
    if text.is_empty() { Err(nothing()) } else { Ok(Secret::new(text)) }
}

fn failed(place: &str, trouble: &Trouble) -> Failure {
    let next = match trouble {
        Trouble::Refused { error, .. } => match error.as_str() {
            "invalid_client" => ". Is the secret the right one? admit client secret list",
            "invalid_scope" => ". See what the client may ask for: admit client show",
            _ => ". See why: admit events",
        },
        Trouble::Server(_) | Trouble::Untrue(_) => "",
    };
    Failure::failed(format!("{place}: {trouble}{next}"))
}

/// What was learned.
struct Learned {
    steps: Vec<String>,
    id_token: Value,
    userinfo: Value,
    is_renewed: bool,
}

async fn learn(
    provider: &Provider,
    application: &Application,
    attempt: &Attempt,
    tokens: &Tokens,
    now: Time,
) -> Result<Learned, Failure> {
    let mut learned = Learned { steps: Vec::new(), id_token: Value::Null, userinfo: Value::Null, is_renewed: false };
    let (issuer, client_id) = (&provider.metadata.issuer, &application.id);
    if let Some(id_token) = &tokens.id_token {
        let nonce = Some(attempt.nonce.as_str());
        let expected = Expected { issuer, client_id, nonce, access_token: &tokens.access_token, now };
        let claims = provider.verify(id_token, &expected).await.map_err(|trouble| failed("the ID token", &trouble))?;
        learned.id_token = claims.into();
        learned.steps.push("the ID token is signed by a published key, for this client, from this sign-in".to_owned());
        let claims = provider.userinfo(&tokens.access_token).await.map_err(|trouble| failed("userinfo", &trouble))?;
        if claims.get("sub") != learned.id_token.get("sub") {
            return Err(Failure::failed("userinfo is about somebody else than the ID token"));
        }
        learned.userinfo = claims.into();
        learned.steps.push("userinfo is about the same person".to_owned());
    }
    if let Some(refresh_token) = &tokens.refresh_token {
        let renewed = provider.refresh(application, refresh_token).await;
        renewed.map_err(|trouble| failed("the refresh", &trouble))?;
        learned.is_renewed = true;
        learned.steps.push("the refresh token gave new tokens".to_owned());
    }
    Ok(learned)
}

fn print(context: &Context, learned: &Learned, tokens: &Tokens) {
    let all = json!({ "id_token": learned.id_token, "userinfo": learned.userinfo, "scope": tokens.scope,
        "expires_in": tokens.expires_in, "refreshed": learned.is_renewed });
    if context.output.json {
        return context.output.json(&all);
    }
    let mut claims = learned.id_token.as_object().cloned().unwrap_or_default();
    claims.extend(learned.userinfo.as_object().cloned().unwrap_or_default());
    if claims.is_empty() {
        claims = Map::from_iter([("scope".to_owned(), tokens.scope.clone().into())]);
    }
    noun::print(context, &claims.into());
}

#[cfg(test)]
mod tests;
