//! Refresh tokens (RFC 6749 §6, RFC 9700 §4.14): whether one that is presented is good, and what becomes of it.
//!
//! Those of public clients are good once: each use makes a successor. An answer may be lost, so that for a moment, and only
//! until the successor was used, the one before gets the same answer again ([`Ruling::Repeat`]). After that somebody has
//! two of them who should have one, and everything that came of the authorization ends ([`Ruling::Revoke`]). Clients that
//! prove who they are keep theirs, unless they were told to change them; then the moment is as long as the successor is not
//! used. Knows neither HTTP nor the store, and mints nothing.

pub mod reply;

use std::fmt;
use std::sync::Arc;

use crate::check::code::Reason;
use crate::client::{Client, ClientSpec};
use crate::grant::{GrantKind, Lineage};
use crate::id::{GrantId, RealmId};
use crate::login::session::Session;
use crate::name::ScopeName;
use crate::principal::Standing;
use crate::realm::Realm;
use crate::scope::SCOPES_MAX;
use crate::secret::SecretHash;
use crate::time::{Span, Time};

use super::scope::{self, BadScope};
use super::{Error, ErrorCode};

/// For how long the same answer is given again to a client that proves nothing.
pub const WINDOW: Span = Span::seconds(10);
/// The last use of one that stays is written at most once in such a part of its idle time, and at most once in
/// [`WRITE_MIN`].
const WRITES: i64 = 20;
const WRITE_MIN: Span = Span::minutes(1);

/// How long refresh tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Without being used.
    pub idle: Span,
    /// At all, with all their successors.
    pub absolute: Span,
}

impl Life {
    /// Those of a client in a realm.
    pub fn of(realm: &Realm, client: &ClientSpec) -> Self {
        Self { idle: realm.refresh_idle(), absolute: realm.refresh_absolute(client.kind.is_confidential()) }
    }
}

/// Whether a client's refresh tokens are good once. Nothing but that binds those of a public client.
pub fn rotates(client: &ClientSpec) -> bool {
    !client.kind.is_confidential() || client.rotate_refresh_tokens == Some(true)
}

/// When the answer that leads to a successor is forgotten, whether that was used or not; none where only its use ends it.
pub fn reply_ends(client: &ClientSpec, now: Time) -> Option<Time> {
    (!client.kind.is_confidential()).then_some(now + WINDOW)
}

/// One refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// What it is found by.
    pub hash: SecretHash,
    /// The number of the master key behind the hash.
    pub lookup_key: i64,
    /// Where.
    pub realm: RealmId,
    /// The authorization that it renews.
    pub grant: GrantId,
    /// When it was made.
    pub created_at: Time,
    /// Until when it is good.
    pub expires_at: Time,
    /// When it was last used, to within a part of its idle time.
    pub last_at: Time,
    /// When its successor took its place.
    pub spent_at: Option<Time>,
    /// What that is found by.
    pub successor: Option<SecretHash>,
    /// What the one before it was answered, sealed under that one's text; nothing once it is used.
    pub reply: Option<Vec<u8>>,
    /// When that is forgotten; none is with the first use.
    pub reply_ends: Option<Time>,
}

impl RefreshToken {
    /// True once somebody presented it.
    pub fn is_used(&self) -> bool {
        self.spent_at.is_some() || self.last_at > self.created_at
    }

    fn may_be_told_again(&self, now: Time) -> bool {
        self.reply.is_some() && !self.is_used() && self.reply_ends.is_none_or(|end| now < end)
    }
}

/// True once a use after this one is worth being written.
pub fn is_due(last_at: Time, life: Life, now: Time) -> bool {
    now >= last_at + Span::ms(life.idle.as_ms() / WRITES).max(WRITE_MIN)
}

/// One that was presented, with everything that its worth depends on.
#[derive(Debug, Clone)]
pub struct Shown {
    /// It.
    pub token: RefreshToken,
    /// What took its place.
    pub successor: Option<RefreshToken>,
    /// What it renews.
    pub lineage: Arc<Lineage>,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// It is good, and another takes its place.
    Rotate,
    /// It is good and stays; `is_due`: that it was used is to be written.
    Keep {
        /// Whether to write.
        is_due: bool,
    },
    /// It was used a moment ago, and its client did not get the answer: the same again.
    Repeat,
    /// It was used, and so was what took its place: somebody has it who should not. Its authorization ends.
    Revoke,
    /// Nothing is given, and nothing happens.
    Refuse(Why),
}

/// Why nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing like it is kept.
    Unknown,
    /// Another client's.
    OfOtherClient,
    /// What it renews has ended.
    Ended(Reason),
    /// Past its end.
    Expired,
    /// It was not used for too long, or its session was not.
    Idle,
    /// Used, and the moment for asking again is over.
    Spent,
    /// Used, and so was its successor.
    Reused,
}

impl Why {
    /// The word of the audit, of metrics and of tests.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "refresh_token_unknown",
            Self::OfOtherClient => "refresh_token_of_other_client",
            Self::Ended(reason) => reason.as_str(),
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Spent => "refresh_token_spent",
            Self::Reused => "refresh_token_reused",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            // Whose it is, is nobody else's business.
            Self::Unknown | Self::OfOtherClient => "The refresh token is not known here, or not this client's.",
            Self::Ended(_) => "What the refresh token was for has ended. Ask the person again.",
            Self::Expired | Self::Idle => "The refresh token has expired. Ask the person again.",
            Self::Spent => "The refresh token was used before, and its successor is the one to use.",
            Self::Reused => "The refresh token was used twice: what it was for has ended. Ask the person again.",
        })
    }
}

/// What becomes of a refresh token that this client presents.
pub fn judge(shown: &Shown, client: &Client, now: Time) -> Ruling {
    let Shown { token, successor, lineage } = shown;
    if lineage.grant.client != Some(client.id) || lineage.grant.kind != GrantKind::Authorization {
        return Ruling::Refuse(Why::OfOtherClient);
    }
    if let Some(why) = ended(lineage, now) {
        return Ruling::Refuse(why);
    }
    if token.spent_at.is_some() {
        return match successor {
            Some(next) if next.may_be_told_again(now) => Ruling::Repeat,
            Some(next) if !next.is_used() => Ruling::Refuse(Why::Spent),
            _ => Ruling::Revoke,
        };
    }
    let life = Life::of(&lineage.realm, &client.spec);
    if token.expires_at <= now {
        return Ruling::Refuse(Why::Expired);
    }
    if token.last_at + life.idle <= now {
        return Ruling::Refuse(Why::Idle);
    }
    match rotates(&client.spec) {
        true => Ruling::Rotate,
        // What led to it is forgotten once it is used.
        false => Ruling::Keep { is_due: token.reply.is_some() || is_due(token.last_at, life, now) },
    }
}

/// Why an authorization gives nothing more.
pub fn ended(lineage: &Lineage, now: Time) -> Option<Why> {
    if let Some(reason) = lineage.halted() {
        return Some(Why::Ended(reason));
    }
    if lineage.expires_at().is_some_and(|end| end <= now) {
        return Some(Why::Expired);
    }
    let is_idle = |session: &Session| session.idle.is_some_and(|idle| session.last_at + idle <= now);
    lineage.session.as_ref().is_some_and(is_idle).then_some(Why::Idle)
}

/// Until when a token that is made now is good: one that stays, as long as what it renews.
pub fn ends_at(lineage: &Lineage, client: &ClientSpec, now: Time) -> Time {
    let life = Life::of(&lineage.realm, client);
    let whole = lineage.expires_at().unwrap_or(now + life.absolute);
    if rotates(client) { whole.min(now + life.idle) } else { whole }
}

/// Why what was asked for is not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TooMuch {
    /// `scope` is not names with one space between them.
    ScopeMalformed,
    /// `scope` has more names than a token may have.
    ScopeTooLong,
    /// A scope that was never granted.
    Scope(ScopeName),
    /// A `resource` that is not the one that was granted (RFC 8707 §2.2).
    Resource,
}

impl TooMuch {
    /// The word of the audit, of metrics and of tests.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ScopeMalformed => "scope_malformed",
            Self::ScopeTooLong => "scope_too_long",
            Self::Scope(_) => "scope_not_granted",
            Self::Resource => "resource_not_granted",
        }
    }
}

impl From<TooMuch> for Error {
    fn from(much: TooMuch) -> Self {
        match much {
            TooMuch::ScopeMalformed => {
                let told = "The scope must be names of scopes with one space between them.";
                Self::new(ErrorCode::InvalidScope, told)
            }
            TooMuch::ScopeTooLong => {
                Self::new(ErrorCode::InvalidScope, format!("The scope may name at most {SCOPES_MAX} scopes."))
            }
            TooMuch::Scope(scope) => {
                Self::new(ErrorCode::InvalidScope, format!("{scope} was not granted: ask the person for it."))
            }
            TooMuch::Resource => {
                Self::new(ErrorCode::InvalidTarget, "The resource must be the one that was granted, or be left out.")
            }
        }
    }
}

/// What a token of an authorization may do: all that it gives now, or what was asked for of what was granted.
pub fn narrow<'r>(
    lineage: &Lineage,
    scope: Option<&str>,
    mut resources: impl Iterator<Item = &'r str>,
) -> Result<Standing, TooMuch> {
    let api = lineage.api.as_ref().map(|api| api.spec.uri.as_str());
    if resources.any(|resource| Some(resource) != api) {
        return Err(TooMuch::Resource);
    }
    let whole = lineage.standing();
    let Some(scope) = scope else { return Ok(whole) };
    let asked = scope::parse(scope).map_err(|bad| match bad {
        BadScope::Malformed => TooMuch::ScopeMalformed,
        BadScope::TooMany => TooMuch::ScopeTooLong,
    })?;
    if let Some(never) = asked.iter().find(|scope| !lineage.grant.scopes.contains(scope)) {
        return Err(TooMuch::Scope(never.clone()));
    }
    let scopes: Vec<_> = whole.scopes.iter().filter(|scope| asked.contains(scope)).cloned().collect();
    let roles = match &lineage.api {
        Some(api) => lineage.roles_of(Some(api), &scopes),
        None => Vec::new(),
    };
    Ok(Standing { roles, scopes, ..whole })
}

#[cfg(test)]
mod tests;
