//! The way back to an application: where, how, and what an answer says (RFC 6749 §4.1.2, RFC 9207).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::raw::RawRequest;
use super::redirect::RedirectUri;
use crate::client::ClientSpec;
use crate::oauth::Error;
use crate::oauth::identity::IdentityScope;
use crate::secret::Secret;

/// The longest `state`, in bytes.
pub const STATE_MAX: usize = 2 << 10;
/// What stands in a query without an escape (RFC 3986 §2.3).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A proven way back: all that an error needs to be told to the application and not to the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// Where to.
    pub redirect: RedirectUri,
    /// Whether the request said so, and the token endpoint has to hear it again (RFC 6749 §4.1.3).
    pub is_said: bool,
    /// How.
    pub mode: Mode,
    /// What comes back as it was sent.
    pub state: Option<String>,
}

/// How an answer gets there (OAuth 2.0 Multiple Response Type Encoding Practices §2.1, OAuth 2.0 Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// In the query.
    Query,
    /// In the fragment.
    Fragment,
    /// By a form that the browser sends.
    FormPost,
}

impl Mode {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Query, Self::Fragment, Self::FormPost];

    /// The word of `response_mode`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Fragment => "fragment",
            Self::FormPost => "form_post",
        }
    }

    /// The mode of this word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// Why nobody is sent back, and the person sees a page instead. For operators a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoWay {
    /// `redirect_uri` is none that was registered, byte for byte.
    Unregistered,
    /// None was said, and it does not follow, or OpenID Connect demands it.
    Missing,
    /// Several were said.
    Twice,
    /// It stands where `request_uri` points, and that is nothing that was pushed here.
    Elsewhere,
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unregistered => f.write_str("redirect_uri is none of the client's, letter by letter"),
            Self::Missing => f.write_str("redirect_uri is missing"),
            Self::Twice => f.write_str("client_id or redirect_uri stands there twice"),
            Self::Elsewhere => f.write_str("request_uri is none that was given here, or stands there twice"),
        }
    }
}

impl Way {
    /// The way back of a client's request.
    pub fn of(raw: &RawRequest, client: &ClientSpec) -> Result<Self, NoWay> {
        if raw.twice.contains("client_id") || raw.twice.contains("redirect_uri") {
            return Err(NoWay::Twice);
        }
        let said = raw.text("redirect_uri");
        let is_elsewhere = raw.text("request_uri").is_some() || raw.twice.contains("request_uri");
        let is_openid = raw.text("scope").is_some_and(|scope| scope.split(' ').any(is_open_id));
        if said.is_none() && (is_openid || client.redirect_uris.len() != 1) {
            return Err(if is_elsewhere { NoWay::Elsewhere } else { NoWay::Missing });
        }
        let redirect = RedirectUri::admit(client.kind, &client.redirect_uris, said).ok_or(NoWay::Unregistered)?;
        // One that is too long is an error, and told without it.
        let state = raw.text("state").filter(|state| state.len() <= STATE_MAX).map(str::to_owned);
        // A mode that is none is an error, and told in the one that everybody understands.
        let mode = raw.text("response_mode").and_then(Mode::parse).unwrap_or(Mode::Query);
        Ok(Self { redirect, is_said: said.is_some(), mode, state })
    }

    /// What a code is told with.
    pub fn granted(&self, issuer: &str, code: &Secret) -> Vec<(&'static str, String)> {
        self.answer(issuer, vec![("code", code.expose().to_owned())])
    }

    /// What an error is told with (RFC 6749 §4.1.2.1).
    pub fn refused(&self, issuer: &str, error: &Error) -> Vec<(&'static str, String)> {
        let told = vec![("error", error.code.to_string()), ("error_description", error.description.to_string())];
        self.answer(issuer, told)
    }

    /// `iss` always: who asked several servers has to know which one answers (RFC 9207 §2).
    fn answer(&self, issuer: &str, mut fields: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        fields.extend(self.state.clone().map(|state| ("state", state)));
        fields.push(("iss", issuer.to_owned()));
        fields
    }

    /// The whole address, where the answer stands in it.
    pub fn address(&self, fields: &[(&'static str, String)]) -> String {
        let uri = self.redirect.as_str();
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, PLAIN))).collect();
        let joint = match self.mode {
            Mode::Fragment => "#",
            _ if uri.ends_with(['?', '&']) => "",
            _ if uri.contains('?') => "&",
            _ => "?",
        };
        format!("{uri}{joint}{}", pairs.join("&"))
    }
}

fn is_open_id(name: &str) -> bool {
    name == IdentityScope::OpenId.as_str()
}
