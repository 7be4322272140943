//! What is registered of a client, as far as signing in to it matters, and what does work where nobody can.

use admit_core::client::{AuthMethod, ClientType};
use admit_core::shell::{flag, operand, quote};
use reqwest::Url;
use serde_json::Value;

use crate::cli::failure::Failure;
use crate::cli::source::is_loopback;

/// A client that somebody can be signed in to from here.
#[derive(Debug)]
pub struct Registered {
    /// Its `client_id`.
    pub id: String,
    /// It has no secret.
    pub is_public: bool,
    /// Its requests must be pushed (RFC 9126).
    pub pushes: bool,
    /// Those that lead to this machine, the best first.
    pub redirect_uris: Vec<String>,
    kind: Option<ClientType>,
}

impl Registered {
    /// Reads what the management API says of a client; `name` is what it was called by, `issuer` whose it is.
    pub fn read(client: &Value, name: &str, issuer: &str) -> Result<Self, Failure> {
        let text = |member: &str| client[member].as_str().unwrap_or_default();
        let shown = quote(name);
        let no = |told: String| Err(Failure::failed(told));
        if !client["disabled_at"].is_null() {
            return no(format!("client {shown} is switched off. Next: admit client enable {}", operand(name)));
        }
        let kind: Option<ClientType> = serde_json::from_value(client["type"].clone()).ok();
        match kind {
            Some(ClientType::Service) => {
                let next = format!("admit token issue{}", flag("client", name));
                return no(format!(
                    "nobody signs in to client {shown}: a service acts as itself. Get its token: {next}"
                ));
            }
            Some(ClientType::Device) => {
                let told = "has no browser: it is given a code, which a person types in elsewhere (RFC 8628)";
                let next = format!(
                    "curl --data client_id={} {}",
                    text("id"),
                    quote(&format!("{}/oauth/device", issuer.trim_end_matches('/')))
                );
                return no(format!("client {shown} {told}. Begin as the device does: {next}"));
            }
            _ => {}
        }
        let method: Option<AuthMethod> = serde_json::from_value(client["token_endpoint_auth_method"].clone()).ok();
        let methods = kind.map(ClientType::usual_auth_methods).unwrap_or_default();
        let method = method.or_else(|| methods.first().copied());
        if method == Some(AuthMethod::PrivateKeyJwt) {
            let told = "signs to prove who it is, and its private key is not here";
            return no(format!("client {shown} {told}. Test one that has a secret: admit client list"));
        }
        let uris = client["redirect_uris"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let here = uris.filter(|uri| Url::parse(uri).is_ok_and(|uri| uri.scheme() == "http" && is_loopback(&uri)));
        let mut redirect_uris: Vec<_> = here.map(str::to_owned).collect();
        // An address before a name: it is what RFC 8252 §8.3 recommends.
        redirect_uris.sort_by_key(|uri| is_named(uri));
        if redirect_uris.is_empty() {
            let told = "has no redirect to this machine, where its answer could be heard";
            return no(format!("client {shown} {told}. Register one: {}", more_redirects(name, "8765")));
        }
        let pushes = client["require_pushed_authorization_requests"] == true;
        Ok(Self { id: text("id").to_owned(), is_public: method == Some(AuthMethod::None), pushes, redirect_uris, kind })
    }

    /// Whether a redirect may lead to any port: a native application's may (RFC 8252 §7.3).
    pub fn has_any_port(&self, redirect_uri: &str) -> bool {
        self.kind == Some(ClientType::Native) && !is_named(redirect_uri)
    }
}

/// The command that registers one more redirect to this machine.
pub fn more_redirects(name: &str, port: &str) -> String {
    let redirect = format!("http://127.0.0.1:{port}/callback");
    format!("admit client update{} {}", flag("redirect-uri", redirect), operand(name))
}

fn is_named(uri: &str) -> bool {
    uri.contains("//localhost")
}
