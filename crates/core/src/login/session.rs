//! Sessions: what a sign-in leads to, how long it lasts and what may be done with it.
//!
//! A session is a grant with facts beside it ([`Session`]). One of the issuer's pages is the root of its line; each
//! protected host has a child of its own, good there and nowhere else. Idle time is that of the root: whoever works on a
//! protected host works. While a factor is pending there is a grant and no session: [`principal`] halts it.
//!
//! Knows nothing of cookies ([`super::cookie`]), of who asks from where, or of how a factor is verified.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::api::Api;
use crate::check::code::Reason;
use crate::grant::{GrantKind, Lineage, Subject};
use crate::id::{GrantId, RealmId, UserId};
use crate::name::{ApiUri, RealmName};
use crate::principal::{CredentialKind, Principal, Profile, Standing};
use crate::realm::OPERATORS;
use crate::secret::SecretHash;
use crate::time::{Span, Time};

/// How long a sign-in counts as fresh: for what a session alone does not suffice for.
pub const FRESH: Span = Span::minutes(5);
/// How long the next factor may take.
pub const PENDING_LIFE: Span = Span::minutes(10);
/// How many live sessions, and how many known devices, one person has at most: one more ends the oldest.
pub const LIVE_MAX: u32 = 100;
/// The last use is written at most once in such a part of the idle time, and at most once in [`WRITE_MIN`].
const WRITES: i64 = 20;
const WRITE_MIN: Span = Span::minutes(1);

/// What somebody showed to prove who he is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Factor {
    /// A password.
    Password,
    /// A one-time code.
    Code,
}

impl Factor {
    const ALL: [Self; 2] = [Self::Password, Self::Code];

    /// The word of `amr` (RFC 8176) and of the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Code => "otp",
        }
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::Code => 2,
        }
    }
}

/// A set of factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Factors(u8);

impl Factors {
    /// Those of a list.
    pub const fn of(factors: &[Factor]) -> Self {
        let (mut bits, mut place) = (0, 0);
        while place < factors.len() {
            bits |= factors[place].bit();
            place += 1;
        }
        Self(bits)
    }

    /// Both together.
    #[must_use]
    pub const fn with(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }

    /// These but for those.
    #[must_use]
    pub const fn without(self, done: Self) -> Self {
        Self(self.0 & !done.0)
    }

    /// True where there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// One after the other, always in the same order.
    pub fn iter(self) -> impl Iterator<Item = Factor> {
        Factor::ALL.into_iter().filter(move |factor| self.0 & factor.bit() != 0)
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(' ').filter(|word| !word.is_empty()).try_fold(Self::default(), |set, word| {
            let factor = Factor::ALL.into_iter().find(|factor| factor.as_str() == word)?;
            Some(set.with(Self::of(&[factor])))
        })
    }

    /// The `amr` of a sign-in by these factors (RFC 8176).
    pub fn amr(self) -> Vec<&'static str> {
        self.iter().map(Factor::as_str).collect()
    }

    /// The `acr` of a sign-in by these factors: the assurance level that they reach together. None without any.
    pub const fn acr(self) -> Option<&'static str> {
        match self.0.count_ones() {
            0 => None,
            1 => Some("urn:admit:aal1"),
            _ => Some("urn:admit:aal2"),
        }
    }
}

impl fmt::Display for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, factor) in self.iter().enumerate() {
            f.write_str(if place > 0 { " " } else { "" })?;
            f.write_str(factor.as_str())?;
        }
        Ok(())
    }
}

/// How long sessions of a realm live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// Without being used.
    pub idle: Span,
    /// At all.
    pub absolute: Span,
}

impl Life {
    /// That of a realm that says nothing: short for those who manage everything.
    pub fn of(realm: &RealmName) -> Self {
        match realm.as_str() {
            OPERATORS => Self { idle: Span::hours(1), absolute: Span::hours(24) },
            _ => Self { idle: Span::days(7), absolute: Span::days(30) },
        }
    }
}

/// What a grant of the kinds `session`, `site` and `device` knows beside the grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The grant.
    pub grant: GrantId,
    /// Where it belongs.
    pub realm: RealmId,
    /// Who signed in.
    pub user: UserId,
    /// The protected host that it is good at; none at the issuer.
    pub host: Option<String>,
    /// What is still to be shown: until then it is no session.
    pub pending: Factors,
    /// What was shown.
    pub factors: Factors,
    /// When.
    pub signed_in_at: Time,
    /// How long it lives without being used; none is as long as its line.
    pub idle: Option<Span>,
    /// When it was last used, to within a part of the idle time.
    pub last_at: Time,
    /// From where.
    pub last_ip: Option<IpAddr>,
    /// By what.
    pub last_agent: Option<String>,
}

impl Session {
    /// What was shown in it once these were, too, and what is still to be shown.
    pub const fn after(&self, shown: Factors) -> (Factors, Factors) {
        (self.factors.with(shown), self.pending.without(shown))
    }
}

/// The secret of a session or device.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionSecret {
    /// What it is found by.
    pub hash: SecretHash,
    /// Which master key's hash that is.
    pub lookup_key: i64,
    /// What it proves.
    pub grant: GrantId,
    /// When it was made.
    pub created_at: Time,
}

/// A session with everything that its worth depends on, as one snapshot of the store saw it.
#[derive(Debug, Clone)]
pub struct Line {
    /// The session.
    pub session: Session,
    /// The one that it grew from; itself where that is none.
    pub root: Session,
    /// Its grant, and what that depends on.
    pub lineage: Lineage,
    /// The APIs on which the person may have rights.
    pub apis: Vec<Api>,
}

/// What is known of a caller who signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct SignIn {
    /// The session at the issuer that it all grew from; none where each request carries the proof itself.
    pub root: Option<GrantId>,
    /// The only host that it is good at; none is the issuer's.
    pub host: Option<Arc<str>>,
    /// When he signed in.
    pub at: Time,
    /// By what.
    pub factors: Factors,
    /// How long the root lives without being used.
    pub idle: Option<Span>,
    /// When the root was last used, as far as that is known here.
    pub last_use: LastUse,
    /// When that was read.
    pub read_at: Time,
    /// What may be done where: one for each API on which he may do anything.
    pub standings: Arc<[Arc<Standing>]>,
}

/// When something was last used: what was read, moved on by the uses that are noted here. Those of others are in the store.
#[derive(Debug)]
pub struct LastUse(AtomicI64);

impl LastUse {
    /// As it was read.
    pub const fn new(at: Time) -> Self {
        Self(AtomicI64::new(at.unix_ms()))
    }

    /// When.
    pub fn at(&self) -> Time {
        Time::from_unix_ms(self.0.load(Ordering::Relaxed))
    }

    /// It is used now.
    pub fn note(&self, now: Time) {
        self.0.fetch_max(now.unix_ms(), Ordering::Relaxed);
    }
}

impl Clone for LastUse {
    fn clone(&self) -> Self {
        Self::new(self.at())
    }
}

impl PartialEq for LastUse {
    fn eq(&self, other: &Self) -> bool {
        self.at() == other.at()
    }
}

impl SignIn {
    /// True where nothing was done with it for too long.
    pub fn is_idle(&self, now: Time) -> bool {
        self.idle.is_some_and(|idle| self.last_use.at() + idle <= now)
    }

    /// True where it has become idle since it was read: another node may know of a later use.
    pub fn is_to_be_read_again(&self, now: Time) -> bool {
        self.is_idle(now) && !self.is_idle(self.read_at)
    }

    /// True once a use is worth being written: not each, and often enough that a loss of what is not written yet ends
    /// nothing early by more than a small part of the idle time.
    pub fn is_due(&self, now: Time) -> bool {
        self.idle.is_some_and(|idle| now >= self.last_use.at() + Span::ms(idle.as_ms() / WRITES).max(WRITE_MIN))
    }

    /// True while nothing more needs to be proved even for what a session alone does not suffice for.
    pub fn is_fresh(&self, now: Time) -> bool {
        now < self.at + FRESH
    }

    /// What may be done on this API; none where that is nothing.
    pub fn standing_on(&self, api: &ApiUri) -> Option<&Arc<Standing>> {
        self.standings.iter().find(|standing| standing.api.as_ref() == Some(api))
    }
}

/// What a presented session resolves to: facts only.
pub fn principal(line: &Line, now: Time) -> Principal {
    let Line { session, root, lineage, apis } = line;
    let is_pending = !(session.pending.is_empty() && root.pending.is_empty());
    let is_session = matches!(lineage.grant.kind, GrantKind::Session | GrantKind::Site);
    let halted = lineage.halted().or((!is_session).then_some(Reason::UnknownSecret));
    let halted = halted.or(is_pending.then_some(Reason::FactorsPending));
    let (base, standings) = standings(lineage, apis);
    let profile = profile(lineage.subject.as_ref());
    Principal {
        subject: lineage.grant.subject,
        client: None,
        grant: Some(session.grant),
        key: None,
        secret_number: 1,
        credential: CredentialKind::Session,
        name: lineage.subject.as_ref().map_or("", Subject::name).into(),
        standing: Arc::new(base),
        expires_at: lineage.expires_at(),
        rolled: false,
        halted,
        profile,
        sign_in: Some(Box::new(SignIn {
            root: Some(root.grant),
            host: session.host.as_deref().map(Into::into),
            at: session.signed_in_at,
            factors: session.factors,
            idle: root.idle,
            last_use: LastUse::new(root.last_at),
            read_at: now,
            standings,
        })),
        token: None,
    }
}

/// What a person is on no API, and on each on which he may do anything.
pub(super) fn standings(lineage: &Lineage, apis: &[Api]) -> (Standing, Arc<[Arc<Standing>]>) {
    let base = Standing { roles: lineage.roles_of(None, &[]), ..Standing::default() };
    let on_each = apis.iter().map(|api| lineage.standing_on(api));
    let on_each = on_each.filter(|on| !on.scopes.is_empty() || on.roles != base.roles).map(Arc::new).collect();
    (base, on_each)
}

/// What is told of a person beside his name; none where that is nothing.
pub(super) fn profile(subject: Option<&Subject>) -> Option<Arc<Profile>> {
    let Some(Subject::User(user)) = subject else { return None };
    let profile = Profile {
        email: user.spec.email.as_ref().map(ToString::to_string),
        external_id: user.spec.external_id.as_ref().map(ToString::to_string),
        org: user.org,
        metadata: user.spec.metadata.clone(),
        ..Profile::default()
    };
    (profile != Profile::default()).then(|| Arc::new(profile))
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
