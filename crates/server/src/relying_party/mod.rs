//! A relying party (OpenID Connect Core §1): what the demo's application and `admit login test` are, so that both are real.
//!
//! The code flow with PKCE, the answer with its issuer (RFC 9207), the ID token verified by the keys that are published,
//! userinfo, refresh. Asks a server over HTTP like every other application: knows nothing of its store, and believes nothing
//! that it cannot verify. Draws nothing: what is random is an argument.

mod attempt;
mod id_token;

use std::fmt;
use std::sync::Once;
use std::time::Duration;

use admit_core::secret::Secret;
use data_encoding::BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, RequestBuilder, Response, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use attempt::{Asked, Attempt};
pub use id_token::{Expected, verify};

/// How long a connection and a whole answer may take.
const CONNECT: Duration = Duration::from_secs(10);
const WHOLE: Duration = Duration::from_secs(60);
/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 256 << 10;
/// What stands as it is in forms and addresses (RFC 3986 §2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The server was not reached, or answered with nothing that can be read.
    Server(String),
    /// It refused (RFC 6749 §4.1.2.1, §5.2).
    Refused {
        /// The code.
        error: String,
        /// What it says besides.
        description: String,
    },
    /// What came is not what was asked for: nothing of it may be believed.
    Untrue(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(why) | Self::Untrue(why) => f.write_str(why),
            Self::Refused { error, description } if description.is_empty() => f.write_str(error),
            Self::Refused { error, description } => write!(f, "{error}: {description}"),
        }
    }
}

/// The application.
pub struct Application {
    /// Its `client_id`.
    pub id: String,
    /// What proves it; none where it is public.
    pub secret: Option<Secret>,
    /// Where browsers come back.
    pub redirect_uri: String,
}

/// What an issuer says of itself (OpenID Connect Discovery §3).
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// Its name.
    pub issuer: String,
    /// Where people are sent.
    pub authorization_endpoint: String,
    /// Where codes and refresh tokens are exchanged.
    pub token_endpoint: String,
    /// Where its public keys are.
    pub jwks_uri: String,
    /// Where requests are pushed before somebody is sent with them (RFC 9126).
    pub pushed_authorization_request_endpoint: Option<String>,
    /// Where it says who somebody is.
    pub userinfo_endpoint: Option<String>,
    /// Where people sign out.
    pub end_session_endpoint: Option<String>,
}

/// An issuer that was found, and how it is asked.
pub struct Provider {
    http: Client,
    /// What it says of itself.
    pub metadata: Metadata,
}

/// What the token endpoint gave (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Clone, Deserialize)]
pub struct Tokens {
    /// For APIs and userinfo.
    pub access_token: String,
    /// For how many seconds.
    #[serde(default)]
    pub expires_in: i64,
    /// What may be done.
    #[serde(default)]
    pub scope: String,
    /// For the next ones.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// Who signed in.
    #[serde(default)]
    pub id_token: Option<String>,
}

/// A request that was pushed (RFC 9126 §2.2).
#[derive(Debug, Deserialize)]
pub struct PushedRequest {
    request_uri: String,
    /// For how many seconds somebody may begin with it.
    pub expires_in: i64,
}

impl PushedRequest {
    /// Where the browser is sent.
    pub fn address(&self, metadata: &Metadata, application: &Application) -> String {
        let fields = [("client_id", application.id.as_str()), ("request_uri", &self.request_uri)];
        with_query(&metadata.authorization_endpoint, &fields)
    }
}

/// What asks: it follows nothing and waits for nobody long. On loopback neither proxies nor the system's certificates count.
pub fn client(is_loopback: bool) -> Result<Client, reqwest::Error> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| drop(rustls::crypto::aws_lc_rs::default_provider().install_default()));
    let builder = Client::builder().connect_timeout(CONNECT).timeout(WHOLE).redirect(redirect::Policy::none());
    let builder = builder.user_agent(concat!("admit/", env!("CARGO_PKG_VERSION")));
    let builder = if is_loopback { builder.no_proxy().tls_certs_only([]) } else { builder };
    builder.build()
}

impl Provider {
    /// Finds what an issuer says of itself; it must be the one that was asked.
    pub async fn discover(http: Client, issuer: &str) -> Result<Self, Trouble> {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = read(http.get(&address)).await?;
        if metadata.issuer != issuer {
            return Err(Trouble::Untrue(format!("{address} is of the issuer {}", metadata.issuer)));
        }
        Ok(Self { http, metadata })
    }

    /// Exchanges a code.
    pub async fn redeem(&self, application: &Application, attempt: &Attempt, code: &Secret) -> Result<Tokens, Trouble> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.expose()),
            ("redirect_uri", &application.redirect_uri),
            ("code_verifier", attempt.verifier()),
        ];
        self.token(application, &fields).await
    }

    /// Gets new tokens without anybody at a browser.
    pub async fn refresh(&self, application: &Application, refresh_token: &str) -> Result<Tokens, Trouble> {
        self.token(application, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    /// Says what is going to be asked, so that no browser carries it.
    pub async fn push(
        &self,
        application: &Application,
        attempt: &Attempt,
        asked: Asked<'_>,
    ) -> Result<PushedRequest, Trouble> {
        let address = self.metadata.pushed_authorization_request_endpoint.as_deref();
        let address = address.ok_or_else(|| Trouble::Untrue("the issuer takes no pushed requests".to_owned()))?;
        read(self.proven(address, application, form(&attempt.request(application, asked)))).await
    }

    async fn token(&self, application: &Application, fields: &[(&str, &str)]) -> Result<Tokens, Trouble> {
        let named = [("client_id", application.id.as_str())];
        let named = if application.secret.is_some() { &[][..] } else { &named };
        read(self.proven(&self.metadata.token_endpoint, application, form(&[fields, named].concat()))).await
    }

    /// A form with what proves whose it is.
    fn proven(&self, address: &str, application: &Application, form: String) -> RequestBuilder {
        let mut request = self.http.post(address).body(form);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if let Some(secret) = &application.secret {
            // RFC 6749 §2.3.1: both are encoded like a form first.
            let basic = format!("{}:{}", encoded(&application.id), encoded(secret.expose()));
            request = request.header("authorization", format!("Basic {}", BASE64.encode(basic.as_bytes())));
        }
        request
    }

    /// Asks who an access token is about.
    pub async fn userinfo(&self, access_token: &str) -> Result<Map<String, Value>, Trouble> {
        let address = self.metadata.userinfo_endpoint.as_deref();
        let address = address.ok_or_else(|| Trouble::Untrue("the issuer names no userinfo endpoint".to_owned()))?;
        read(self.http.get(address).bearer_auth(access_token)).await
    }

    /// Asks an API: status and body.
    pub async fn ask(&self, address: &str, access_token: &str) -> Result<(u16, String), Trouble> {
        let response = sent(self.http.get(address).bearer_auth(access_token)).await?;
        let status = response.status().as_u16();
        Ok((status, String::from_utf8_lossy(&body(response).await?).into_owned()))
    }

    /// What an ID token says, once it is true.
    pub async fn verify(&self, id_token: &str, expected: &Expected<'_>) -> Result<Map<String, Value>, Trouble> {
        let keys: Value = read(self.http.get(&self.metadata.jwks_uri)).await?;
        verify(id_token, &keys, expected)
    }

    /// Where a person signs out, who comes back to the application then.
    pub fn sign_out(&self, application: &Application, id_token: &str, back: &str) -> Option<String> {
        let fields =
            [("client_id", application.id.as_str()), ("id_token_hint", id_token), ("post_logout_redirect_uri", back)];
        Some(with_query(self.metadata.end_session_endpoint.as_deref()?, &fields))
    }
}

async fn sent(request: RequestBuilder) -> Result<Response, Trouble> {
    request.send().await.map_err(|error| Trouble::Server(format!("the server does not answer: {error}")))
}

async fn body(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let broken = |error: reqwest::Error| Trouble::Server(format!("the answer broke off: {error}"));
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if bytes.len() + chunk.len() > ANSWER_MAX {
            return Err(Trouble::Server(format!("the answer is longer than {ANSWER_MAX} bytes")));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// A good answer, or why it is none.
async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, Trouble> {
    let response = sent(request).await?;
    let (status, address) = (response.status(), response.url().path().to_owned());
    let challenge = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let bytes = body(response).await?;
    if status.is_success() {
        let bad = |error| Trouble::Server(format!("the answer of {address} cannot be read: {error}"));
        return serde_json::from_slice(&bytes).map_err(bad);
    }
    let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    match (text("error"), challenge) {
        (error, _) if !error.is_empty() => Err(Trouble::Refused { error, description: text("error_description") }),
        // RFC 6750 §3: a resource says it in a header.
        (_, Some(challenge)) => Err(Trouble::Refused { error: status.as_u16().to_string(), description: challenge }),
        _ => Err(Trouble::Server(format!("{address} answers {status}"))),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

fn form(fields: &[(&str, impl AsRef<str>)]) -> String {
    let pair = |(name, value): &(&str, _)| format!("{}={}", encoded(name), encoded(AsRef::as_ref(value)));
    let pairs: Vec<_> = fields.iter().map(pair).collect();
    pairs.join("&")
}

/// An address with more parameters; those that it has stay (RFC 6749 §3.1).
fn with_query(address: &str, fields: &[(&str, impl AsRef<str>)]) -> String {
    let mark = if address.contains('?') { '&' } else { '?' };
    format!("{address}{mark}{}", form(fields))
}
