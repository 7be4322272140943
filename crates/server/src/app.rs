//! What every part of the server shares: store, caches, clock, randomness, configuration.
//!
//! The only file that reads the clock ([`App::now`]) and the only one that draws secrets ([`App::random`]).

use std::hash::{BuildHasher, RandomState};
use std::ops::Deref;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use admit_core::id::{Id, Kind, RealmId, RequestId};
use admit_core::master::Keys;
use admit_core::realm::Realm;
use admit_core::secret::{LookupKey, MasterKey, Secret, SecretHash, SecretKind};
use admit_core::time::{Span, Time};
use admit_store::Store;
use arc_swap::ArcSwap;

use crate::authn::activity::Activity;
use crate::authn::basic::Flights;
use crate::authn::cache::{Cache, Tagger};
use crate::authn::directory::Directory;
use crate::authn::epoch::Epochs;
use crate::authn::revoked::Revoked;
use crate::authn::shared::Shared;
use crate::authn::unknown::Unknown;
use crate::check::limiter::Limiter;
use crate::check::policies::Policies;
use crate::check::record::Ring;
use crate::check::upstream::Minted;
use crate::check::usage::Usage;
use crate::config::Config;
use crate::http::certificate;
use crate::jobs::notice::Notices;
use crate::jobs::refusal::Refusals;
use crate::jobs::sign_in::Failures;
use crate::jobs::token as token_refusal;
use crate::login::hashing::Hashing;
use crate::mail::Post;
use crate::manage::lane::Lanes;
use crate::master;
use crate::metrics::Metrics;
use crate::oauth::client::{Clients, KeySets};
use crate::oauth::cors::Origins;
use crate::oauth::lineages::Lineages;
use crate::oauth::mint::Signers;
use crate::oauth::own::Owns;
use crate::oauth::{jwks, metadata};
use crate::outbound::Outbound;
use crate::pages;
use crate::signing::Signing;

/// The server's state; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<State>);

/// What [`App`] points to.
pub struct State {
    /// The configuration of this moment.
    pub config: ArcSwap<Config>,
    /// Everything durable.
    pub store: Store,
    /// Up to which change each id is known.
    pub epochs: Arc<Epochs>,
    /// Which realms there are.
    pub directory: Arc<Directory>,
    /// Facts about known credentials.
    pub principals: Cache,
    /// Makes the tags under which they are found there.
    pub tagger: Tagger,
    /// Passwords that are being asked for with requests.
    pub basic: Flights,
    /// Credentials that are known to be unknown.
    pub unknown: Unknown,
    /// What many callers have, each of it once.
    pub shared: Shared,
    /// Facts about clients that show who they are.
    pub clients: Clients,
    /// Facts about what people let them do.
    pub lineages: Lineages,
    /// Keys that clients publish.
    pub client_keys: KeySets,
    /// Asks others over HTTP.
    pub outbound: Outbound,
    /// Access tokens that were taken back.
    pub revoked: Arc<Revoked>,
    /// Tokens for applications that were minted lately.
    pub minted: Minted,
    /// Rules and APIs of the realms in use.
    pub policies: Policies,
    /// Rate limits.
    pub limiter: Limiter,
    /// How many changes of one realm are under way.
    pub lanes: Lanes,
    /// Counters on their way to the store.
    pub usage: Usage,
    /// Last uses of sessions on their way there.
    pub activity: Activity,
    /// The latest refusals.
    pub records: Ring,
    /// Security notices on their way to the audit.
    pub notices: Notices,
    /// Refusals on their way there.
    pub refusals: Refusals,
    /// Mails on their way.
    pub mail: Post,
    /// Failed sign-ins on their way there.
    pub failures: Failures,
    /// Refused requests for tokens on their way there.
    pub token_refusals: token_refusal::Refusals,
    /// What clients have as themselves.
    pub owns: Owns,
    /// Where RSA signs.
    pub signers: Signers,
    /// Which origins of browsers the realms know.
    pub origins: Origins,
    /// Where passwords are hashed.
    pub hashing: Hashing,
    /// The TLS certificate in use.
    pub certificate: certificate::Live,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// Traces on their way.
    #[cfg(feature = "otel")]
    pub spans: crate::telemetry::Spans,
    /// The master keys: what hashes presented secrets, seals the audit and authenticates cursors.
    pub master: master::Live,
    /// The keys that sign for the realms in use.
    pub signing: Signing,
    /// What issuers say of themselves, as bytes.
    pub documents: metadata::Documents,
    /// Their public keys, as bytes.
    pub key_sets: jwks::Sets,
    /// The operator key of this start.
    pub operator: Operator,
    /// The realm of operators.
    pub operators: RealmId,
    /// The realm whose issuer is `public_url`.
    pub default_realm: RealmId,
    /// True with `--dev`.
    pub dev: bool,
    /// The application of the demo.
    pub demo: OnceLock<pages::demo::Demo>,
    /// The clock.
    pub clock: Clock,
    request_ids: RequestIds,
}

/// What [`App::new`] needs and cannot make itself.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// The opened store.
    pub store: Store,
    /// What its feed moves.
    pub epochs: Arc<Epochs>,
    /// What its feed marks.
    pub directory: Arc<Directory>,
    /// What its feed tells of tokens.
    pub revoked: Arc<Revoked>,
    /// The keys behind all hashes.
    pub master: Keys,
    /// Where passwords are hashed.
    pub hashing: Hashing,
    /// The operator key of this start.
    pub operator_key: Secret,
    /// The realm of operators.
    pub operators: RealmId,
    /// The realm `default`.
    pub default_realm: RealmId,
    /// True with `--dev`.
    pub dev: bool,
    /// The clock.
    pub clock: Clock,
}

impl Deref for App {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let operator = Operator::new(parts.operators, &parts.operator_key);
        Self(Arc::new(State {
            #[cfg(feature = "otel")]
            spans: crate::telemetry::Spans::new(parts.config.telemetry.as_ref()),
            master: master::Live::new(parts.master, &parts.config.master_key),
            tagger: Tagger::new(std::array::from_fn(|_| u64::from_ne_bytes(random()))),
            principals: Cache::new(parts.config.cache_max_bytes),
            basic: Flights::default(),
            unknown: Unknown::new(parts.config.cache_max_bytes / 32),
            store: parts.store,
            epochs: parts.epochs,
            directory: parts.directory,
            shared: Shared::default(),
            clients: Clients::new(parts.config.cache_max_bytes / 2),
            lineages: Lineages::new(parts.config.cache_max_bytes / 4),
            client_keys: KeySets::default(),
            outbound: Outbound::default(),
            revoked: parts.revoked,
            minted: Minted::default(),
            policies: Policies::default(),
            limiter: Limiter::default(),
            lanes: Lanes::default(),
            usage: Usage::default(),
            activity: Activity::default(),
            records: Ring::default(),
            notices: Notices::default(),
            refusals: Refusals::default(),
            mail: Post::default(),
            failures: Failures::default(),
            token_refusals: token_refusal::Refusals::default(),
            owns: Owns::new(parts.config.cache_max_bytes / 4),
            config: ArcSwap::from_pointee(parts.config),
            signers: Signers::default(),
            origins: Origins::default(),
            hashing: parts.hashing,
            certificate: certificate::Live::default(),
            metrics: Metrics::new(),
            signing: Signing::default(),
            documents: metadata::Documents::default(),
            key_sets: jwks::Sets::default(),
            operator,
            operators: parts.operators,
            default_realm: parts.default_realm,
            dev: parts.dev,
            demo: OnceLock::new(),
            clock: parts.clock,
            request_ids: RequestIds::default(),
        }))
    }

    /// The moment; read once per request, at the edge.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// The issuer of a realm: its own host, or its place below `public_url`.
    pub fn issuer(&self, realm: &Realm) -> String {
        match &realm.host {
            Some(host) => format!("https://{host}"),
            None => self.config.load().issuer(realm.name.as_str()),
        }
    }

    /// Random octets from the operating system's generator, for secrets and ids.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        random()
    }

    /// A new id of any kind.
    pub fn id<K: Kind>(&self, now: Time) -> Id<K> {
        Id::new(now, self.random())
    }

    /// The id of a request: unique, and no secret, so that it need not cost a system call.
    pub fn request_id(&self, now: Time) -> RequestId {
        self.request_ids.next(now)
    }
}

/// The operator key of this start: only its hash is kept, under a key that is drawn with it.
pub struct Operator {
    lookup: LookupKey,
    hash: SecretHash,
    realm: RealmId,
}

impl Operator {
    fn new(realm: RealmId, key: &Secret) -> Self {
        let lookup = MasterKey::new(random()).lookup_key();
        let hash = lookup.hash(realm, SecretKind::OperatorKey, key.expose());
        Self { lookup, hash, realm }
    }

    /// True for the key itself.
    pub fn is(&self, text: &str) -> bool {
        let shown = self.lookup.hash(self.realm, SecretKind::OperatorKey, text);
        aws_lc_rs::constant_time::verify_slices_are_equal(&shown.0, &self.hash.0).is_ok()
    }
}

/// Random octets for what is made before there is an [`App`].
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let drawn = getrandom::fill(&mut bytes);
    assert!(drawn.is_ok(), "the operating system gives no randomness; nothing secret can be made");
    bytes
}

/// How far the wall clock may be set back and be followed all the same.
const LEEWAY: Span = Span::seconds(10);

/// Wall time for dates and a monotonic count for limits and deadlines; tests move it ahead.
///
/// What has ended does not come back to life because somebody sets the clock back: a jump back is not followed while the
/// process lives, dates go on by the monotonic count. A jump ahead is: it can only end things early.
#[derive(Clone)]
pub struct Clock {
    started: Instant,
    ahead_ms: Arc<AtomicI64>,
    /// What the wall clock said at the start, as far as it was followed since.
    start_ms: Arc<AtomicI64>,
    behind_ms: Arc<AtomicI64>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            ahead_ms: Arc::default(),
            start_ms: Arc::new(AtomicI64::new(wall_ms())),
            behind_ms: Arc::default(),
        }
    }
}

impl Clock {
    /// The moment by the wall clock.
    pub fn now(&self) -> Time {
        let ticks = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        let (known, seen) = (self.start_ms.load(Ordering::Relaxed), wall_ms().saturating_sub(ticks));
        let start = follow(known, seen);
        // The two clocks are not read at the same instant: what differs by a little is not worth a write that all threads see.
        if start.abs_diff(known) > 100 {
            self.start_ms.store(start, Ordering::Relaxed);
        }
        let behind = start - seen;
        if (behind > 0) != (self.behind_ms.load(Ordering::Relaxed) > 0) {
            self.note(behind);
        }
        Time::from_unix_ms(start.saturating_add(ticks).saturating_add(self.ahead_ms.load(Ordering::Relaxed)))
    }

    /// By how much the wall clock was set back, where that is not followed.
    pub fn behind(&self) -> Option<Span> {
        let behind = self.behind_ms.load(Ordering::Relaxed);
        (behind > 0).then_some(Span::ms(behind))
    }

    fn note(&self, behind: i64) {
        if self.behind_ms.swap(behind, Ordering::Relaxed) > 0 {
            tracing::info!("the clock is where it was going to be");
        } else {
            let by_s = behind / 1000;
            tracing::error!(
                by_s,
                "the clock was set back; dates go on from before. If it is right now, restart this server"
            );
        }
    }

    /// Microseconds since the start, never running back.
    pub fn monotonic_us(&self) -> i64 {
        let us = i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX);
        us.saturating_add(self.ahead_ms.load(Ordering::Relaxed).saturating_mul(1000))
    }

    /// Moves the clock ahead, for tests.
    pub fn advance(&self, span: Span) {
        self.ahead_ms.fetch_add(span.as_ms(), Ordering::Relaxed);
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn wall_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Which of two beginnings counts: the one that is seen, unless it is a jump back from the one that is known.
fn follow(known: i64, seen: i64) -> i64 {
    if seen < known.saturating_sub(LEEWAY.as_ms()) { known } else { seen }
}

/// Request ids from a counter through a keyed hash with two random keys of this start.
#[derive(Default)]
struct RequestIds {
    first: RandomState,
    second: RandomState,
    count: AtomicU64,
}

impl RequestIds {
    fn next(&self, now: Time) -> RequestId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.first.hash_one(count).to_ne_bytes());
        random[8..].copy_from_slice(&self.second.hash_one(count).to_ne_bytes()[..2]);
        RequestId::new(now, random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn st_05_a_clock_is_followed_ahead_and_back_by_a_little_and_not_by_a_jump() {
        for (seen, counts) in [(1_000_000, 1_000_000), (4_600_000, 4_600_000), (990_000, 990_000), (989_999, 1_000_000)]
        {
            assert_eq!(follow(1_000_000, seen), counts, "{seen}");
        }
    }

    #[test]
    fn st_05_a_clock_that_was_set_back_goes_on_and_says_so() {
        let clock = Clock::default();
        let before = clock.now();
        assert_eq!(clock.behind(), None);
        // As if the wall clock had said one hour more until now.
        clock.start_ms.fetch_add(Span::hours(1).as_ms(), Ordering::Relaxed);
        let after = clock.now();
        assert!(after >= before + Span::minutes(59), "{before} {after}");
        assert!(clock.behind().is_some_and(|behind| behind > Span::minutes(59) && behind < Span::minutes(61)));
        clock.start_ms.fetch_sub(Span::hours(1).as_ms(), Ordering::Relaxed);
        clock.now();
        assert_eq!(clock.behind(), None);
    }
}
