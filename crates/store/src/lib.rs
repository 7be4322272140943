//! The only SQL of Admit: entities of core in tables, and a feed of what changed.
//!
//! A unit of work is a synchronous closure over a [`Tx`]: [`Store::write`] makes it durable before it answers,
//! [`Store::read`] and [`Store::point`] show it one snapshot. Each file beside `engine` is one feature; its verbs are
//! methods of `Tx`, and each is one statement or one small named group. One SQL text serves every engine.
//!
//! Decides nothing beyond a `WHERE` guard, knows no clock and draws no randomness. Of the engines nothing shows outside
//! [`engine`]. An error is never "not found": that is a `None`, an empty list or `false`.

#[macro_use]
mod value;

mod access_token;
mod api;
mod change;
mod client;
mod client_authorization;
mod client_registration;
mod client_secret;
mod consent;
mod credential;
mod device_code;
mod engine;
mod error;
mod event;
mod filter;
mod grant;
mod guard;
mod idempotency;
mod key;
mod logout_notice;
mod meta;
mod migrate;
mod origin;
mod password;
mod person;
mod realm;
mod refresh_token;
mod revoked_token;
mod role;
mod rule;
mod seal;
mod session;
mod short_credential;
mod sign_in_name;
mod signing_key;
mod spent_assertion;
mod sweep;
mod usage;
mod user;

#[cfg(test)]
#[path = "../tests/contract/cluster.rs"]
#[expect(dead_code, reason = "the contract tests use all of it")]
mod cluster;

pub use access_token::{AccessToken, FoundToken};
pub use change::{Change, ChangeKind};
pub use client_authorization::{AuthorizationUse, IssuedAuthorization, LIVE_MAX as AUTHORIZATIONS_MAX};
pub use client_registration::ClientRegistration;
pub use client_secret::ClientSecretUse;
pub use consent::KeptConsent;
pub use credential::{Found, OfMasterKey};
pub use engine::{
    BadUrl, Copied, End, Location, MADE_AT, News, Options, PostgresUrl, Store, Tx, back_up, inspect, put_back,
};
pub use error::{Error, Result};
pub use event::EventFilter;
pub use filter::{Filter, SEARCHED_MAX, Searched, Sought};
pub use grant::GrantFilter;
pub use guard::Guesses;
pub use idempotency::Remembered;
pub use key::{IssuedKey, KeyFilter, KeyPlace, RollEnds};
pub use logout_notice::{LogoutNotice, SessionApp};
pub use password::SealedPassword;
pub use refresh_token::FoundRefreshToken;
pub use revoked_token::RevokedToken;
pub use rule::{RuleCursor, RuleVersion, StoredRule};
pub use session::{IssuedSession, SessionUse, ShownSession};
pub use short_credential::{ShortCredential, ShortKind};
pub use signing_key::{DueSigningKey, SealedSigningKey};
pub use usage::{DayUse, LastUse, UsageRow};

/// A part of a list that is ordered by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many rows at most.
    pub limit: u32,
    /// The id of the last row that was seen; none begins at the beginning.
    pub after: Option<[u8; 16]>,
}

impl Page {
    /// The beginning of a list.
    pub const fn first(limit: u32) -> Self {
        Self { limit, after: None }
    }

    /// The id after which the page begins, below every real one where it is the first.
    const fn floor(&self) -> [u8; 16] {
        match self.after {
            Some(id) => id,
            None => [0; 16],
        }
    }
}
