//! Signing out: what an application may ask for (OpenID Connect RP-Initiated Logout 1.0), what applications are told (OpenID
//! Connect Back-Channel Logout 1.0), and when they are told again.
//!
//! A hint shows who asks and which session is meant; it ends nothing by itself. A browser is sent to registered addresses only,
//! compared byte for byte. Verifies no signature, knows no session, and asks nobody.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};

use super::access_token::date;
use crate::client::Client;
use crate::id::{ClientId, GrantId, TokenId, UserId};
use crate::jose::Flaw;
use crate::jose::claims::Claims;
use crate::time::{Span, Time};

/// The `typ` of what applications are told.
pub const LOGOUT_TYP: &str = "logout+jwt";
/// How long that is good: they are to use it at once.
const TOKEN_LIFE: Span = Span::minutes(2);
/// The event of a logout token (§2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// For how long an application is told again.
pub const TOLD_FOR: Span = Span::hours(24);
/// How soon; each time three times as long, up to the most. Longer than being told may take, so that none is told twice at once.
const FIRST_PAUSE: Span = Span::seconds(10);
const LAST_PAUSE: Span = Span::hours(1);
/// The longest `state` that is handed back, in bytes.
const STATE_MAX: usize = 2 << 10;

/// What an ID token says of who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hint {
    /// `aud`: the application that it was made for.
    pub client: ClientId,
    /// `sub`
    pub user: UserId,
    /// `sid`
    pub session: GrantId,
}

impl Hint {
    /// Reads claims whose signature was verified. When they ended does not matter (RP-Initiated Logout §4).
    pub fn read(claims: &Claims, issuer: &str) -> Result<Self, Flaw> {
        claims.must_be_issued_by(issuer)?;
        let [client] = claims.audiences()?[..] else { return Err(Flaw::Audience) };
        let id = |name| claims.must_be_text(name);
        Ok(Self {
            client: client.parse().map_err(|_| Flaw::Audience)?,
            user: id("sub")?.parse().map_err(|_| Flaw::ClaimType("sub"))?,
            session: id("sid")?.parse().map_err(|_| Flaw::ClaimType("sid"))?,
        })
    }
}

/// What is asked for (§2).
#[derive(Debug, Clone, Copy, Default)]
pub struct LogoutRequest<'r> {
    /// `id_token_hint`: what it says, or that it says nothing.
    pub hint: Option<Result<Hint, Flaw>>,
    /// `client_id`
    pub client_id: Option<&'r str>,
    /// `post_logout_redirect_uri`
    pub uri: Option<&'r str>,
    /// `state`
    pub state: Option<&'r str>,
}

/// Why a request counts for nothing but a page of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// The hint is no ID token of ours.
    Hint,
    /// The hint is another application's.
    OtherClient,
    /// Nobody knows which application asks, or it is switched off.
    Client,
    /// The address is none of the application's.
    Address,
    /// `state` is too long to be handed back.
    State,
}

impl Wrong {
    /// The word in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::OtherClient => "other_client",
            Self::Client => "client",
            Self::Address => "address",
            Self::State => "state",
        }
    }
}

impl<'r> LogoutRequest<'r> {
    /// The application that asks, as far as it says so.
    pub fn client(&self) -> Option<ClientId> {
        match self.hint {
            Some(Ok(hint)) => Some(hint.client),
            Some(Err(_)) => None,
            None => self.client_id?.parse().ok(),
        }
    }

    /// Where the browser goes in the end; none is a page of ours. `client` is the one of [`Self::client`].
    pub fn judge(&self, client: Option<&Client>) -> Result<Option<String>, Wrong> {
        let hint = self.hint.transpose().map_err(|_| Wrong::Hint)?;
        if let (Some(hint), Some(named)) = (hint, self.client_id)
            && named.parse() != Ok(hint.client)
        {
            return Err(Wrong::OtherClient);
        }
        let client = client.filter(|client| client.disabled_at.is_none());
        if client.is_none() && (hint.is_some() || self.client_id.is_some() || self.uri.is_some()) {
            return Err(Wrong::Client);
        }
        let (Some(client), Some(uri)) = (client, self.uri) else { return Ok(None) };
        if !client.spec.post_logout_redirect_uris.iter().any(|known| known == uri) {
            return Err(Wrong::Address);
        }
        match self.state {
            None => Ok(Some(uri.to_owned())),
            Some(state) if state.len() > STATE_MAX => Err(Wrong::State),
            Some(state) => {
                let mark = if uri.contains('?') { '&' } else { '?' };
                Ok(Some(format!("{uri}{mark}state={}", utf8_percent_encode(state, NON_ALPHANUMERIC))))
            }
        }
    }
}

/// Where an address is, for a policy that lets a form lead there: its origin, or its scheme where that is the application's own.
pub fn source_of(uri: &str) -> &str {
    let Some((scheme, rest)) = uri.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")) else {
        return uri.split_inclusive(':').next().unwrap_or_default();
    };
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    &uri[..scheme.len() + 3 + authority]
}

/// What an application is told (Back-Channel Logout §2.4): that this session of this person is over.
#[derive(Debug, Clone, Serialize)]
pub struct LogoutToken<'t> {
    iss: &'t str,
    sub: UserId,
    aud: ClientId,
    #[serde(serialize_with = "date")]
    iat: Time,
    #[serde(serialize_with = "date")]
    exp: Time,
    jti: TokenId,
    sid: GrantId,
    events: Events,
}

#[derive(Debug, Clone, Copy)]
struct Events;

impl Serialize for Events {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([(EVENT, serde_json::Map::new())])
    }
}

impl<'t> LogoutToken<'t> {
    /// For one application.
    pub fn new(iss: &'t str, aud: ClientId, sub: UserId, sid: GrantId, jti: TokenId, now: Time) -> Self {
        Self { iss, sub, aud, iat: now, exp: now + TOKEN_LIFE, jti, sid, events: Events }
    }
}

/// How long after it was tried so often an application is told again.
pub fn pause(tries: u32) -> Span {
    let pause = FIRST_PAUSE.as_ms().saturating_mul(3_i64.saturating_pow(tries));
    Span::ms(pause.min(LAST_PAUSE.as_ms()))
}

#[cfg(test)]
#[path = "logout_tests.rs"]
mod tests;
