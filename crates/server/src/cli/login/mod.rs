//! `admit login test CLIENT`: signs in to a client as an application would, step by step, and prints what comes of it.
//!
//! The management API says what is registered; everything else goes the way of every application: a browser, a redirect
//! to this machine ([`callback`]), the token endpoint, the keys that are published ([`crate::relying_party`]).

mod callback;
mod registered;

use std::path::PathBuf;
use std::time::Duration;

use admit_core::secret::Secret;
use admit_core::shell::operand;
use admit_core::time::Time;
use reqwest::Url;
use serde_json::{Map, Value, json};

use crate::app::{Clock, random};
use crate::cli::failure::Failure;
use crate::cli::source::is_loopback;
use crate::cli::{Context, input, noun};
use crate::relying_party::{self, Application, Asked, Attempt, Expected, Provider, Tokens, Trouble};
use callback::Listener;
use registered::{Registered, more_redirects};

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

    let name = asked.client.as_str();
    let registered = Registered::read(&client, name, issuer)?;
    let secret = if registered.is_public { None } else { Some(secret(context, &asked)?) };
    let listener = listen(&registered, name).await?;
    let redirect_uri = listener.redirect_uri().to_owned();
    let application = Application { id: registered.id.clone(), secret, redirect_uri };
    let refused = |place: &'static str| move |trouble: Trouble| failed(place, &trouble, name);

    let step = |text: &str| context.output.note(&format!("✓ {text}"));
    let provider = Provider::discover(http, issuer).await.map_err(refused("discovery"))?;
    step(&format!("{issuer} was found"));
    let attempt = Attempt::new([random(), random(), random()]);
    let what = Asked { scope: &asked.scope, resource: asked.api.as_deref() };
    let address = if registered.pushes {
        let pushed = provider.push(&application, &attempt, what).await.map_err(refused("the pushed request"))?;
        step(&format!("the request was pushed, and is good for {} s", pushed.expires_in));
        pushed.address(&provider.metadata, &application)
    } else {
        attempt.address(&provider.metadata, &application, what)
    };
    context.output.note("Open this in a browser and sign in:");
    context.output.note(&format!("  {address}"));
    let late = || {
        let next = format!("admit login test {}", operand(name));
        Failure::failed(format!("nobody signed in within five minutes. Begin anew: {next}"))
    };
    let query = listener.wait(PATIENCE).await.ok_or_else(late)?;
    let code = attempt.answered(&provider.metadata, &query).map_err(refused("the answer"))?;
    step("a code came back, with our state, from this issuer");
    let tokens = provider.redeem(&application, &attempt, &code).await.map_err(refused("the token endpoint"))?;
    step(&format!("tokens for {} s came, with the scopes: {}", tokens.expires_in, tokens.scope));
    let learned = learn(&provider, &application, &attempt, &tokens, Clock::default().now()).await;
    let learned = learned.map_err(|(place, trouble)| failed(place, &trouble, name))?;
    for text in &learned.steps {
        step(text);
    }
    print(context, &learned, &tokens);
    Ok(())
}

/// Listens where one of the redirects leads: at the first that nobody else listens at.
async fn listen(registered: &Registered, name: &str) -> Result<Listener, Failure> {
    let mut refused = Vec::new();
    for uri in &registered.redirect_uris {
        match Listener::bind(uri, registered.has_any_port(uri)).await {
            Ok(listener) => return Ok(listener),
            Err(failure) => refused.push(failure.message),
        }
    }
    let next = more_redirects(name, "PORT");
    Err(Failure::failed(format!("{}. Stop what listens there, or register another: {next}", refused.join("; "))))
}

fn secret(context: &Context, asked: &Test) -> Result<Secret, Failure> {
    let nothing = || {
        let next = format!("admit login test --secret-file FILE {}", operand(&asked.client));
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

/// What went wrong, what that means where it does not say so itself, and what comes next.
fn failed(place: &str, trouble: &Trouble, client: &str) -> Failure {
    let told = format!("{place}: {trouble}");
    let Trouble::Refused { error, .. } = trouble else { return Failure::failed(told) };
    let client = operand(client);
    let next = match error.as_str() {
        "invalid_client" => format!("Is the secret the right one? admit client secret list {client}"),
        "invalid_scope" | "unauthorized_client" => {
            format!("See what the client may ask for: admit client show {client}")
        }
        "invalid_target" => "The realm has no such API. See which there are: admit api list".to_owned(),
        "invalid_request" => format!("The client is registered for other requests: admit client show {client}"),
        "access_denied" => {
            format!("The client is well. Sign in as somebody who may, and allow it: admit login test {client}")
        }
        "invalid_grant" => "See why: admit events".to_owned(),
        _ => return Failure::failed(told),
    };
    // Descriptions are sentences.
    Failure::failed(format!("{}. {next}", told.trim_end_matches('.')))
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
) -> Result<Learned, (&'static str, Trouble)> {
    let at = |place: &'static str| move |trouble: Trouble| (place, trouble);
    let mut learned = Learned { steps: Vec::new(), id_token: Value::Null, userinfo: Value::Null, is_renewed: false };
    let (issuer, client_id) = (&provider.metadata.issuer, &application.id);
    if let Some(id_token) = &tokens.id_token {
        let nonce = Some(attempt.nonce.as_str());
        let expected = Expected { issuer, client_id, nonce, access_token: &tokens.access_token, now };
        let claims = provider.verify(id_token, &expected).await.map_err(at("the ID token"))?;
        learned.id_token = claims.into();
        learned.steps.push("the ID token is signed by a published key, for this client, from this sign-in".to_owned());
        let claims = provider.userinfo(&tokens.access_token).await.map_err(at("userinfo"))?;
        if claims.get("sub") != learned.id_token.get("sub") {
            return Err(("userinfo", Trouble::Untrue("it is about somebody else than the ID token".to_owned())));
        }
        learned.userinfo = claims.into();
        learned.steps.push("userinfo is about the same person".to_owned());
    }
    if let Some(refresh_token) = &tokens.refresh_token {
        let renewed = provider.refresh(application, refresh_token).await;
        renewed.map_err(at("the refresh"))?;
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
