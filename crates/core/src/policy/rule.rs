//! One rule as it is judged by, resolved from what an operator wrote ([`RawRule`]).
//!
//! A rule is made by [`RawRule::resolve`]; its audience is settled by [`super::index::Policy`], which knows the APIs. A
//! guarded rule whose audience is not settled admits nobody. Knows nothing of requests: see [`super::judge`].

use std::fmt;

use crate::credential::Accept;
use crate::limit::{Limit, Per};
use crate::name::{ApiUri, Label, RoleName, ScopeName};
use crate::principal::{CredentialKind, SubjectKind};
use crate::time::Span;

use super::cors::Cors;
use super::host::HostPattern;
use super::method::Methods;
use super::pattern::PathPattern;

pub use super::raw::{RawAccept, RawLimit, RawMatch, RawRequire, RawRule, RawToken};

/// Where a rule stands unless it says so.
pub const DEFAULT_PRIORITY: u32 = 100;
/// The last place that a rule can ask for.
pub const MAX_PRIORITY: u32 = 1_000_000;
/// The longest that a rule may go on without the store.
pub const MAX_STALE_FOR: Span = Span::minutes(5);
/// The longest name of an application that reads tokens.
pub const AUDIENCE_MAX: usize = 200;
/// The most words of one list of a rule.
pub const MAX_WORDS: usize = 64;

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its identity within the realm.
    pub name: Label,
    /// Which hosts it is for.
    pub host: HostPattern,
    /// Which methods it is for.
    pub methods: Methods,
    /// Which paths it is for.
    pub path: PathPattern,
    /// Who is admitted.
    pub demand: Demand,
    /// For which API a caller must have been let in.
    pub audience: Audience,
    /// Which browser origins may read answers.
    pub cors: Option<Cors>,
    /// The query parameter that may carry an API key.
    pub accept_query: Option<Box<str>>,
    /// The `Authorization` header is the application's.
    pub authorization_upstream: bool,
    /// An encoded slash is a letter of its segment; else such a path is refused.
    pub keep_encoded_slash: bool,
    /// A person who is not known yet is sent to sign in.
    pub login: bool,
    /// Judge and record, admit anyway.
    pub observe: bool,
    /// For whom an `Admit-Token` is minted.
    pub token_audience: Option<Box<str>>,
    /// How fast.
    pub limit: Option<RuleLimit>,
    /// How old the knowledge of revocations may be while the store cannot be asked; nothing: older is refused.
    pub stale_for: Span,
    /// Lower is tried first.
    pub priority: u32,
}

/// Who is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// Everybody.
    Public,
    /// Nobody.
    Deny,
    /// Callers with all of this.
    Require(Require),
}

/// What a caller must be. An empty list demands nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Require {
    /// All of these scopes, sorted.
    pub scopes: Vec<ScopeName>,
    /// One of these roles, sorted.
    pub roles: Vec<RoleName>,
    /// One of these kinds of subject.
    pub subjects: Vec<SubjectKind>,
    /// One of these kinds of credential.
    pub credentials: Vec<CredentialKind>,
    /// `require.api` was said: who only says who he is does not pass.
    pub is_api_demanded: bool,
    /// The capture of the path that must name the caller.
    pub own: Option<Box<str>>,
}

/// For which API a caller must have been let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// This one.
    Api(ApiUri),
    /// Whichever.
    Any,
    /// Not settled: of `public` and `deny` rules, and of a rule that is not yet part of a policy.
    None,
}

/// How fast, and whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleLimit {
    /// Whose requests.
    pub per: Per,
    /// How fast.
    pub limit: Limit,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The key, such as `match.path`; with the rule before it where several rules are judged together.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl Rule {
    /// What it opts into of where credentials may stand.
    pub fn accept(&self) -> Accept<'_> {
        Accept {
            query: self.accept_query.as_deref(),
            authorization_upstream: self.authorization_upstream,
            basic: self.takes_basic(),
        }
    }

    /// Whether people may send name and password with each request.
    pub fn takes_basic(&self) -> bool {
        matches!(&self.demand, Demand::Require(require) if require.credentials.contains(&CredentialKind::Basic))
    }

    /// Whether that is all that may be sent.
    pub fn takes_only_basic(&self) -> bool {
        matches!(&self.demand, Demand::Require(require) if require.credentials == [CredentialKind::Basic])
    }

    /// True where every request that `other` matches is matched by this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.host.covers(&other.host) && self.methods.covers(&other.methods) && self.path.covers(&other.path)
    }

    /// True where some request is matched by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.host.overlaps(&other.host) && self.methods.overlaps(&other.methods) && self.path.overlaps(&other.path)
    }

    /// What a guarded rule demands.
    pub const fn require(&self) -> Option<&Require> {
        match &self.demand {
            Demand::Require(require) => Some(require),
            Demand::Public | Demand::Deny => None,
        }
    }

    /// `GET shop.test/orders/**`: what it matches, in one line.
    pub fn summary(&self) -> String {
        format!("{} {}{}", self.methods, self.host, self.path)
    }
}

impl Problem {
    /// A problem of this key.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }

    /// The same problem, told of one rule among several.
    pub fn of_rule(self, name: &str) -> Self {
        Self { path: format!("rule {name:?}: {}", self.path), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.message)
    }
}
