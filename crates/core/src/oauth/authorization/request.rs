//! A request that is well-formed, and asks for no more than its client may.

use super::claims::Claims;
use super::raw::{Hinted, RawRequest};
use super::scopes::{self, Asked};
use super::way::{Mode, STATE_MAX};
use crate::api::Api;
use crate::client::Client;
use crate::id::UserId;
use crate::name::ScopeName;
use crate::oauth::identity::IdentityScope;
use crate::oauth::pkce::Challenge;
use crate::oauth::{AUTHORIZATION_DETAILS, Error, ErrorCode};
use crate::principal::Standing;
use crate::text::Language;
use crate::time::Span;

/// The longest `nonce`, in bytes.
const NONCE_MAX: usize = 512;
/// The longest `login_hint`, in bytes.
const LOGIN_HINT_MAX: usize = 256;

/// One of them. What it asks for is judged; whether anybody gives it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// API and scopes.
    pub asked: Asked<'a>,
    /// For the ID token.
    pub nonce: Option<String>,
    /// For who fetches the tokens (RFC 7636).
    pub challenge: Option<Challenge>,
    /// What people are to be asked, or not.
    pub prompt: Prompt,
    /// How old a sign-in may be.
    pub max_age: Option<Span>,
    /// `claims`
    pub claims: Claims,
    /// Who it must be.
    pub subject: Option<Subject>,
}

/// Who a request must be answered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One of these people.
    Among(Vec<UserId>),
    /// One of whom nobody can say any more who it is.
    Unknown,
}

/// What people are to be asked (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prompt {
    /// Nothing at all.
    pub none: bool,
    /// To sign in, whoever is signed in.
    pub login: bool,
    /// Whether they agree, even if they did before.
    pub consent: bool,
}

impl Prompt {
    /// Reads the parameter. Choosing an account is signing in. What is not known is refused, as its specifications say.
    pub fn parse(text: &str) -> Option<Self> {
        let mut prompt = Self::default();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            match word {
                "none" => prompt.none = true,
                "login" | "select_account" => prompt.login = true,
                "consent" => prompt.consent = true,
                _ => return None,
            }
        }
        (!prompt.none || prompt == Self { none: true, ..Self::default() }).then_some(prompt)
    }
}

impl<'a> Request<'a> {
    /// Reads a request whose way back is known. An error is for the application.
    pub fn read(raw: &RawRequest, client: &Client, apis: &'a [Api]) -> Result<Self, Error> {
        if let Some(name) = raw.twice.first() {
            return Err(Error::request(format!("{name} stands there twice.")));
        }
        must_be_plain(raw)?;
        let asked = scopes::judge(client, apis, &raw.resources(), raw.text("scope"))?;
        let challenge = Challenge::read(raw.text("code_challenge"), raw.text("code_challenge_method"));
        let challenge = challenge.map_err(|bad| Error::request(format!("The {bad}.")))?;
        let nonce = bounded(raw, "nonce", NONCE_MAX)?;
        bounded(raw, "login_hint", LOGIN_HINT_MAX)?;
        bounded(raw, "state", STATE_MAX)?;
        let is_openid = IdentityScope::OpenId.is_in(&asked.scopes);
        must_be_bound(client, challenge.is_some(), nonce.is_some() && is_openid)?;
        let prompt = raw.text("prompt").map_or(Some(Prompt::default()), Prompt::parse);
        let prompt =
            prompt.ok_or_else(|| Error::request("The prompt must be none, or of login, consent, select_account."))?;
        let claims = raw.text("claims").map_or(Some(Claims::default()), Claims::parse);
        let claims =
            claims.ok_or_else(|| Error::request("The claims are no JSON as OpenID Connect Core, 5.5, has it."))?;
        let subject = subject(&claims, raw.hinted)?;
        Ok(Self { asked, nonce, challenge, prompt, max_age: max_age(raw, client)?, claims, subject })
    }
}

impl Request<'_> {
    /// What a person is to give who may do this much on the API: scopes, and those that stand for claims.
    pub fn wanted(&self, standing: Option<&Standing>) -> Vec<ScopeName> {
        let mut scopes = self.asked.of_person(standing);
        // Without it nobody is told who it is, whatever is wanted by name.
        if IdentityScope::OpenId.is_in(&scopes) {
            scopes.extend(self.claims.scopes().filter_map(|scope| ScopeName::parse(scope.as_str()).ok()));
        }
        scopes.sort();
        scopes.dedup();
        scopes
    }
}

impl RawRequest {
    /// The language that it wants its pages in: the first of `ui_locales` that there is.
    pub fn language(&self) -> Option<Language> {
        self.text("ui_locales").and_then(Language::first_of)
    }
}

/// Asked for is a code, in a way that there is, with parameters that stand there themselves.
fn must_be_plain(raw: &RawRequest) -> Result<(), Error> {
    let unsupported = [
        ("request", ErrorCode::RequestNotSupported, "Requests in a signed object are not read here."),
        ("request_uri", ErrorCode::RequestUriNotSupported, "Requests are fetched from nowhere: push them (RFC 9126)."),
        ("registration", ErrorCode::RegistrationNotSupported, "Clients register before they ask."),
    ];
    for (name, code, told) in unsupported {
        if raw.text(name).is_some() {
            return Err(Error::new(code, told));
        }
    }
    if raw.text(AUTHORIZATION_DETAILS).is_some() {
        return Err(Error::details());
    }
    // Whoever could verify it has taken it away, and says whom it names.
    if raw.text("id_token_hint").is_some() {
        return Err(Error::request("The id_token_hint is no ID token of this issuer for this client."));
    }
    match raw.text("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(Error::new(ErrorCode::UnsupportedResponseType, "Only response_type=code is known here."));
        }
        None => return Err(Error::request("response_type is missing.")),
    }
    if raw.text("response_mode").is_some_and(|mode| Mode::parse(mode).is_none()) {
        return Err(Error::request("The response_mode must be query, fragment or form_post."));
    }
    Ok(())
}

/// The code must be worth nothing to who steals it (RFC 9700 §2.1.1): always for a public client, and for the others unless
/// they are let off, which costs them a nonce.
fn must_be_bound(client: &Client, has_challenge: bool, has_nonce: bool) -> Result<(), Error> {
    let must = client.spec.require_pkce || !client.spec.kind.is_confidential();
    match (has_challenge, must) {
        (true, _) => Ok(()),
        (false, true) => Err(Error::request("code_challenge is missing (PKCE, by S256).")),
        (false, false) if has_nonce => Ok(()),
        (false, false) => Err(Error::request("Without PKCE a nonce and the scope openid are needed.")),
    }
}

/// Who it must be: whom `claims` names, and whom the hint does (OpenID Connect Core §5.5.1). An id that is nobody's is no hint
/// that can be left out: nobody who signs in is that one.
fn subject(claims: &Claims, hinted: Option<Hinted>) -> Result<Option<Subject>, Error> {
    let among = match (claims.subjects(), hinted) {
        (None, None) => return Ok(None),
        (None, Some(Hinted::Unknown)) => return Ok(Some(Subject::Unknown)),
        (None, Some(Hinted::Of(user))) => vec![user],
        (Some(named), Some(Hinted::Of(user))) => named.into_iter().filter(|named| *named == user).collect(),
        (Some(named), _) => named,
    };
    if among.is_empty() {
        return Err(Error::new(ErrorCode::LoginRequired, "Nobody can sign in as the one who is asked for."));
    }
    Ok(Some(Subject::Among(among)))
}

fn bounded(raw: &RawRequest, name: &'static str, most: usize) -> Result<Option<String>, Error> {
    let value = raw.text(name);
    if value.is_some_and(|value| value.len() > most) {
        return Err(Error::request(format!("The {name} has more than {most} bytes.")));
    }
    Ok(value.map(str::to_owned))
}

/// In seconds, and not below nothing; more than can be counted is as much as can be. One that a request does not say is the
/// client's.
fn max_age(raw: &RawRequest, client: &Client) -> Result<Option<Span>, Error> {
    let Some(text) = raw.text("max_age") else {
        return Ok(client.spec.default_max_age.map(|seconds| Span::seconds(i64::from(seconds))));
    };
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Error::request("The max_age must be a number of seconds."));
    }
    let seconds = text.parse().unwrap_or(u32::MAX);
    Ok(Some(Span::seconds(i64::from(seconds))))
}
