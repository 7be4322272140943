//! What was presented, before anything is looked up (RFC 6750 §2, RFC 7617).
//!
//! Explicit credentials stand in `Authorization` and `X-API-Key`, and in a query parameter where the rule opts in. Two
//! of them, or two values of one, are refused: two programs could believe different ones. Which kind may stand in which
//! place is [`judge_place`]'s; what must not reach the application is [`strip_credentials`]'s.
//!
//! What is ambient, sent by a browser whoever made it ask, stands back behind an explicit credential: cookies are read by
//! [`crate::login::cookie`]. Knows no certificates, and never says what a text is worth.

use std::borrow::Cow;
use std::fmt;

use data_encoding::BASE64;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName};
use percent_encoding::percent_decode_str;

use crate::check::code::Reason;
use crate::form;
use crate::id::ClientId;
use crate::login::cookie;
use crate::secret::{self, NotOpaque, Secret, SecretKind};

/// The longest credential as sent, in bytes.
pub const CREDENTIAL_MAX: usize = 4 * 1024;
/// The most that is read of all `Cookie` lines together, in bytes.
pub const COOKIES_MAX: usize = 16 * 1024;

static X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// Where a credential stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// `Authorization: Bearer …`
    Bearer,
    /// `Authorization: ApiKey …`
    ApiKey,
    /// `X-API-Key: …`
    XApiKey,
    /// `Authorization: Basic …`
    Basic,
    /// The query parameter that the rule names.
    Query,
    /// A cookie: ambient.
    Cookie,
}

/// A credential as it was presented. Printing it shows only the place.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented<'a> {
    /// Where it stood.
    pub place: Place,
    /// The text, never empty.
    pub text: Cow<'a, str>,
    /// What it may be instead of a key, where the rule takes that: a person's name and password, or a client's id and secret.
    pub person: Option<Box<NamePassword>>,
}

/// A name and a password as they were typed, or the id and the secret of a client. Printing it shows neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePassword {
    /// By what somebody signs in, in any spelling of it.
    pub name: Secret,
    /// What he knows.
    pub password: Secret,
}

impl NamePassword {
    /// The client that shows its secret, where that is what it is.
    pub fn client(&self) -> Option<ClientId> {
        let is_secret =
            secret::read(self.password.expose()).is_ok_and(|opaque| opaque.kind == SecretKind::ClientSecret);
        self.name.expose().parse().ok().filter(|_| is_secret)
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").field("place", &self.place).finish_non_exhaustive()
    }
}

/// What the matched rule opts into.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accept<'r> {
    /// The query parameter in which a key may stand.
    pub query: Option<&'r str>,
    /// `authorization = "upstream"`: the header is the application's, and is neither read nor counted.
    pub authorization_upstream: bool,
    /// `require.credentials` takes `basic`: a person's name and password, or a client's id and secret, may stand in
    /// `Authorization`.
    pub basic: bool,
}

/// Finds the one explicit credential. None where there is none; empty values count as absent.
pub fn present<'a>(
    headers: &'a HeaderMap,
    query: Option<&'a str>,
    accept: &Accept<'_>,
) -> Result<Option<Presented<'a>>, Reason> {
    let authorization = if accept.authorization_upstream { None } else { only_value(headers, &AUTHORIZATION)? };
    let x_api_key = only_value(headers, &X_API_KEY)?;
    let parameter = match accept.query {
        Some(name) => only_parameter(query.unwrap_or_default(), name)?,
        None => None,
    };
    match (authorization, x_api_key, parameter) {
        (None, None, None) => Ok(None),
        (Some(value), None, None) => read_authorization(value, accept.basic).map(Some),
        (None, Some(value), None) => whole(Place::XApiKey, value).map(Some),
        (None, None, Some(raw)) => read_parameter(raw).map(Some),
        _ => Err(Reason::TwoCredentials),
    }
}

/// Which kind may stand in which place. A kind in a place where it never belongs is leaked by somebody: it is refused
/// without a look-up and recorded.
pub fn judge_place(place: Place, kind: SecretKind) -> Result<(), Reason> {
    match (kind, place) {
        (SecretKind::Session, Place::Cookie) => Ok(()),
        (SecretKind::ApiKey, place) if place != Place::Cookie => Ok(()),
        (SecretKind::OperatorKey | SecretKind::AccessToken, Place::Bearer) => Ok(()),
        _ => Err(Reason::SecretInWrongPlace),
    }
}

/// What goes on to the application in place of the request's own headers.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Upstream<'a> {
    /// `Admit-Upstream-Authorization`: only where the rule leaves the header to the application.
    pub authorization: Option<&'a str>,
    /// `Admit-Upstream-Cookie`: the request's cookies without ours; empty where none is left.
    pub cookie: Cow<'a, str>,
}

impl fmt::Debug for Upstream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upstream(…)")
    }
}

/// Takes Admit's credentials out of what the application will see. An `Authorization` that stands there twice or cannot
/// be read goes nowhere.
pub fn strip_credentials<'a>(headers: &'a HeaderMap, accept: &Accept<'_>) -> Result<Upstream<'a>, Reason> {
    let authorization = match accept.authorization_upstream {
        true => only_value(headers, &AUTHORIZATION).ok().flatten(),
        false => None,
    };
    Ok(Upstream { authorization, cookie: foreign_cookies(headers)? })
}

/// The value of a header that may have one, trimmed.
fn only_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Reason> {
    let mut values = headers.get_all(name).iter().filter(|value| !value.as_bytes().trim_ascii().is_empty());
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Reason::DoubledCredential);
    }
    value.to_str().map(|text| Some(text.trim_ascii())).map_err(|_| Reason::CredentialForm)
}

/// The raw value of the parameter that may stand once in the query.
fn only_parameter<'a>(query: &'a str, name: &str) -> Result<Option<&'a str>, Reason> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(raw, value)| !value.is_empty() && percent_decode_str(raw).eq(name.bytes()));
    let Some((_, value)) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Reason::DoubledCredential);
    }
    Ok(Some(value))
}

/// `scheme 1*SP credential` (RFC 9110 §11.4).
fn read_authorization(value: &str, takes_people: bool) -> Result<Presented<'_>, Reason> {
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    let is = |known: &str| scheme.eq_ignore_ascii_case(known);
    let rest = rest.trim_start_matches(' ');
    if is("Bearer") {
        return whole(Place::Bearer, rest);
    }
    if is("ApiKey") {
        return whole(Place::ApiKey, rest);
    }
    if is("Basic") {
        return read_basic(rest, takes_people);
    }
    Err(Reason::UnknownScheme)
}

/// A credential that is all of the text.
fn whole(place: Place, text: &str) -> Result<Presented<'_>, Reason> {
    judge_text(text)?;
    Ok(Presented { place, text: Cow::Borrowed(text), person: None })
}

/// Visible ASCII without a comma: a comma is where a proxy has joined two lines to one (RFC 9110 §5.3).
fn judge_text(text: &str) -> Result<(), Reason> {
    if text.is_empty() || text.len() > CREDENTIAL_MAX {
        return Err(Reason::CredentialForm);
    }
    if text.contains(',') {
        return Err(Reason::DoubledCredential);
    }
    match text.bytes().all(|octet| octet.is_ascii_graphic()) {
        true => Ok(()),
        false => Err(Reason::CredentialForm),
    }
}

/// `+` is the letter: a key has no spaces.
fn read_parameter(raw: &str) -> Result<Presented<'_>, Reason> {
    if raw.len() > CREDENTIAL_MAX {
        return Err(Reason::CredentialForm);
    }
    let text = percent_decode_str(raw).decode_utf8().map_err(|_| Reason::CredentialForm)?;
    judge_text(&text)?;
    Ok(Presented { place: Place::Query, text, person: None })
}

/// A key in one half of `user:password`, cut at the first colon (RFC 7617 §2). Where neither half is one of ours and both
/// are there, it may be a person.
fn read_basic(encoded: &str, takes_people: bool) -> Result<Presented<'_>, Reason> {
    judge_text(encoded)?;
    let octets = BASE64.decode(encoded.as_bytes()).map_err(|_| Reason::BasicForm)?;
    let text = String::from_utf8(octets).map_err(|_| Reason::BasicForm)?;
    let (user, password) = text.split_once(':').ok_or(Reason::BasicForm)?;
    if text.chars().any(char::is_control) {
        return Err(Reason::BasicForm);
    }
    let (is_key, is_secret) = (has_our_form(user), has_our_form(password));
    let half = match (is_key, is_secret) {
        (true, true) => return Err(Reason::DoubledCredential),
        (true, false) => user,
        (false, true) => password,
        // A key from elsewhere: `curl -u KEY:` and `KEY:x` put it before the colon.
        (false, false) if matches!(password, "" | "x") && !user.is_empty() => user,
        (false, false) => password,
    };
    if half.is_empty() {
        return Err(Reason::CredentialForm);
    }
    if takes_people && let Some(client) = read_client(user, password) {
        return Ok(Presented {
            place: Place::Basic,
            text: Cow::Owned(half.to_owned()),
            person: Some(Box::new(client)),
        });
    }
    let may_be_person = takes_people && !(is_key || is_secret || user.is_empty() || password.is_empty());
    let person = may_be_person.then(|| NamePassword { name: Secret::new(user), password: Secret::new(password) });
    Ok(Presented { place: Place::Basic, text: Cow::Owned(half.to_owned()), person: person.map(Box::new) })
}

/// A client's id and secret; both may be encoded like values of a form, as OAuth has it (RFC 6749 §2.3.1).
fn read_client(user: &str, password: &str) -> Option<NamePassword> {
    let (user, password) = (form::decode(user).ok()?, form::decode(password).ok()?);
    let shown = NamePassword { name: Secret::new(user), password: Secret::new(password) };
    shown.client().is_some().then_some(shown)
}

/// Reads as an opaque secret, or would but for a typing error.
fn has_our_form(text: &str) -> bool {
    !matches!(secret::read(text), Err(NotOpaque::Form))
}

/// The cookies that are not ours. Byte for byte one line where nothing is taken out; else pair by pair. What is not
/// visible ASCII or space is dropped, because an answer's header cannot carry it.
fn foreign_cookies(headers: &HeaderMap) -> Result<Cow<'_, str>, Reason> {
    let lines = || headers.get_all(COOKIE).iter().map(|value| value.as_bytes());
    let Some(first) = lines().next() else { return Ok(Cow::Borrowed("")) };
    if lines().map(<[u8]>::len).sum::<usize>() > COOKIES_MAX {
        return Err(Reason::UnreadableHeader);
    }
    if lines().nth(1).is_none() && first.split(|octet| *octet == b';').all(may_pass) {
        return std::str::from_utf8(first).map(Cow::Borrowed).map_err(|_| Reason::UnreadableHeader);
    }
    let mut kept = String::new();
    for pair in lines().flat_map(|line| line.split(|octet| *octet == b';')).filter(|pair| may_pass(pair)) {
        // `may_pass` let only ASCII through.
        let Ok(pair) = std::str::from_utf8(pair.trim_ascii()) else { continue };
        if pair.is_empty() {
            continue;
        }
        if !kept.is_empty() {
            kept.push_str("; ");
        }
        kept.push_str(pair);
    }
    Ok(Cow::Owned(kept))
}

fn may_pass(pair: &[u8]) -> bool {
    pair.iter().all(|octet| matches!(octet, b' '..=b'~')) && !cookie::is_ours(pair.trim_ascii())
}

#[cfg(test)]
#[path = "credential_tests.rs"]
mod tests;
