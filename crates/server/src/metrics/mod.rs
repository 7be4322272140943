//! What `/metrics` shows. Labels come from closed lists only, so that no caller can make them grow.

pub mod busiest;
pub mod history;
pub mod latency;
mod logout;
mod mail;
mod process;
mod sign_in;
mod token;

use std::sync::Arc;
use std::time::Duration;

use admit_core::check::code::Code;
use admit_core::check::decision::Decision;
use admit_core::time::Time;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::app::App;
use crate::check::Door;
use crate::http::Cut;
use busiest::Busiest;
use history::{Counts, History, Levels};
use latency::Latency;
use logout::Logouts;
use mail::Mails;
use sign_in::SignIns;
use token::Tokens;

type Labels = [(&'static str, &'static str); 2];
type Label = [(&'static str, &'static str); 1];

/// Counters of this start.
pub struct Metrics {
    registry: Registry,
    decisions: Vec<Counter>,
    latency: Arc<Latency>,
    /// Decisions of rules that only observe and would have refused.
    pub observed: Counter,
    /// Look-ups in the store because the cache had no current entry.
    pub cache_misses: Counter,
    /// Uses of keys that could not be counted.
    pub usage_dropped: Counter,
    /// Security notices that could not be kept.
    pub notices_dropped: Counter,
    /// Refusals that the audit does not even count.
    pub refusals_dropped: Counter,
    /// Answers from knowledge that was older than it should be.
    pub stale_answers: Counter,
    /// Keys that end within a day, a week, a month.
    pub ending: [Gauge; ENDING_DAYS.len()],
    /// When the next key ends, in seconds since 1970; 0 where none does.
    pub next_end: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Connections that found no place.
    pub connections_refused: Counter,
    /// TLS handshakes that came to nothing.
    pub handshakes_failed: Counter,
    /// Requests that were refused because a queue or a share was full.
    pub overloaded: Counter,
    /// Mails.
    pub mail: Mails,
    /// What became of telling applications of sign-outs.
    pub logout: Logouts,
    /// Sign-ins.
    pub sign_ins: SignIns,
    /// Access tokens.
    pub tokens: Tokens,
    /// All of this over time.
    pub history: History,
    /// Which keys are used most.
    pub busiest: Busiest,
    /// Passwords that found no place to be hashed in.
    pub hash_refused: Counter,
    hash_time: Histogram,
    hash_waiting: Gauge,
    cuts: Vec<Counter>,
    certificate_end: Gauge,
    entries: Gauge,
    cache_bytes: Gauge,
    unknown_entries: Gauge,
    limits: Gauge,
    writer_queue: Gauge,
    changes: Gauge,
    feed_age: Gauge,
    pending_usage: Gauge,
    realms: Gauge,
}

/// How near an end is looked for.
pub const ENDING_DAYS: [i64; 3] = [1, 7, 30];

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Self {
        let mut root = Registry::default();
        root.register_collector(Box::new(process::Process));
        let registry = root.sub_registry_with_prefix("admit");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The version that runs", build);
        let latency = Arc::new(Latency::default());
        registry.register_collector(Box::new(latency.clone()));
        let family = Family::<Labels, Counter>::default();
        let mut decisions = Vec::with_capacity(Door::ALL.len() * Code::ALL.len());
        for door in Door::ALL {
            for code in Code::ALL {
                decisions.push(family.get_or_create(&[("door", door.as_str()), ("code", code.as_str())]).clone());
            }
        }
        registry.register("decisions", "Judged requests by door and code", family);
        let cut = Family::<Label, Counter>::default();
        let cuts = Cut::ALL.map(|why| cut.get_or_create(&[("why", why.as_str())]).clone()).to_vec();
        registry.register("connections_cut", "Connections ended because a time ran out", cut);
        let mail = Mails::register(registry);
        let logout = Logouts::register(registry);
        let sign_ins = SignIns::register(registry);
        let tokens = Tokens::register(registry);
        let mut counter = |name, help| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let observed = counter("observed_refusals", "Requests that a rule in observe mode would have refused");
        let cache_misses = counter("cache_misses", "Credentials looked up in the store");
        let usage_dropped = counter("usage_dropped", "Uses of keys that could not be counted");
        let notices_dropped = counter("notices_dropped", "Security notices that could not be kept");
        let refusals_dropped = counter("refusals_dropped", "Refusals that are missing in the audit");
        let stale_answers = counter("stale_answers", "Answers of rules with stale_for while the store was away");
        let connections_refused = counter("connections_refused", "Connections that found no place");
        let handshakes_failed = counter("tls_handshakes_failed", "TLS handshakes that came to nothing");
        let overloaded = counter("overloaded", "Requests refused because a queue or a share was full");
        let hash_refused = counter("hash_refused", "Passwords that found no place to be hashed in");
        let mut gauge = |name, help| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        let next_end = gauge("key_next_end_timestamp_seconds", "When the next key ends; 0 where none does");
        let connections = gauge("connections", "Open connections");
        let certificate_end =
            gauge("tls_certificate_end_timestamp_seconds", "When the TLS certificate ends (Unix time); 0 without one");
        let entries = gauge("cache_entries", "Known credentials in the cache");
        let cache_bytes = gauge("cache_bytes", "Bytes that the cache of known credentials takes");
        let unknown_entries = gauge("unknown_entries", "Unknown credentials that are remembered");
        let limits = gauge("limiter_entries", "Counts that the limiter keeps");
        let writer_queue = gauge("writer_queue", "Writes that wait for the store");
        let feed_age = gauge("feed_age_milliseconds", "How long ago all changes of other nodes were known");
        let changes = gauge("changes_learned", "Changes that this node has learned of since its start");
        let pending_usage = gauge("usage_pending", "Counters of use that wait for their next write");
        let realms = gauge("realms", "Realms");
        let hash_waiting = gauge("hash_waiting", "Passwords that wait to be hashed or are being hashed");
        let hash_time = Histogram::new(exponential_buckets(0.005, 2.0, 10));
        registry.register("hash_seconds", "How long hashing a password took, without waiting", hash_time.clone());
        let within = Family::<[(&'static str, &'static str); 1], Gauge>::default();
        registry.register("keys_ending", "Keys that end within so many days", within.clone());
        let ending = ["1", "7", "30"].map(|days| within.get_or_create(&[("days", days)]).clone());
        Self {
            registry: root,
            mail,
            logout,
            sign_ins,
            tokens,
            history: History::default(),
            busiest: Busiest::default(),
            latency,
            ending,
            next_end,
            decisions,
            observed,
            cache_misses,
            usage_dropped,
            notices_dropped,
            refusals_dropped,
            stale_answers,
            feed_age,
            connections,
            connections_refused,
            handshakes_failed,
            overloaded,
            hash_refused,
            hash_time,
            hash_waiting,
            cuts,
            certificate_end,
            entries,
            cache_bytes,
            unknown_entries,
            limits,
            writer_queue,
            changes,
            pending_usage,
            realms,
        }
    }

    /// Counts a decision.
    pub fn decided(&self, door: Door, decision: &Decision) {
        let place = door as usize * Code::ALL.len() + decision.code() as usize;
        if let Some(counter) = self.decisions.get(place) {
            counter.inc();
        }
        if decision.observed.is_some() {
            self.observed.inc();
        }
    }

    /// Keeps in the history where the counters stand.
    pub fn remember(&self, app: &App, now: Time) {
        let levels = Levels {
            feed_age_ms: u64::try_from(app.store.feed_age().as_millis()).unwrap_or(u64::MAX),
            hashing: app.hashing.taken() as u64,
        };
        self.history.keep(&self.counts(), levels, now);
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts { took: self.latency.counts(|door| door != Door::Manage), ..Counts::default() };
        for door in Door::ALL {
            for code in Code::ALL {
                let count = self.decisions_of(door, *code);
                counts.judged += count;
                if door != Door::Manage {
                    counts.requests[*code as usize] += count;
                }
            }
        }
        let sign_ins = self.sign_ins.counts();
        counts.looked_up = self.cache_misses.get();
        counts.signed_in = sign_ins.right;
        counts.sign_ins_wrong = sign_ins.wrong;
        counts.sign_ins_refused = sign_ins.refused;
        counts.sessions = sign_ins.begun;
        counts.locked = sign_ins.locked;
        counts.overloaded = self.overloaded.get();
        counts
    }

    /// How many decisions of a door had this answer.
    pub fn decisions_of(&self, door: Door, code: Code) -> u64 {
        self.decisions.get(door as usize * Code::ALL.len() + code as usize).map_or(0, Counter::get)
    }

    /// Counts how long a decision took.
    pub fn took(&self, door: Door, time: Duration) {
        self.latency.observe(door, time);
    }

    /// Counts a password that was hashed.
    pub fn hash_took(&self, time: Duration) {
        self.hash_time.observe(time.as_secs_f64());
    }

    /// Counts a connection that is ended.
    pub fn cut(&self, why: Cut) {
        if let Some(counter) = self.cuts.get(why as usize) {
            counter.inc();
        }
    }

    /// The page, in the OpenMetrics text format.
    pub fn page(&self, app: &App) -> String {
        let size = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.entries.set(size(app.principals.count()));
        self.cache_bytes.set(size(app.principals.bytes()));
        self.unknown_entries.set(size(app.unknown.count()));
        self.limits.set(size(app.limiter.count()));
        self.feed_age.set(i64::try_from(app.store.feed_age().as_millis()).unwrap_or(i64::MAX));
        self.writer_queue.set(size(app.store.queued()));
        self.changes.set(app.epochs.position());
        self.pending_usage.set(size(app.usage.pending()));
        self.mail.waiting.set(size(app.mail.count()));
        self.realms.set(size(app.directory.count()));
        self.hash_waiting.set(size(app.hashing.taken()));
        self.certificate_end.set(app.certificate.get().map_or(0, |pair| pair.ends_at().unix_ms() / 1000));
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
