//! What became of mails.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::mail::Outcome;

/// Counters of mails, and how many wait.
pub struct Mails {
    /// Taken by the mail server.
    pub sent: Counter,
    /// Given up.
    pub failed: Counter,
    /// Tried in vain, and to be tried again.
    pub retried: Counter,
    limited: Counter,
    full: Counter,
    no_way: Counter,
    /// How many wait.
    pub waiting: Gauge,
}

impl Mails {
    /// All at zero.
    pub fn register(registry: &mut Registry) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        registry.register("mails", "What became of mails", family.clone());
        let waiting = Gauge::default();
        registry.register("mail_queue", "Mails that wait to be sent", waiting.clone());
        let of = |outcome| family.get_or_create(&[("outcome", outcome)]).clone();
        Self {
            sent: of("sent"),
            failed: of("failed"),
            retried: of("retried"),
            limited: of("limited"),
            full: of("full"),
            no_way: of("no_way"),
            waiting,
        }
    }

    /// Counts a mail that is not even queued.
    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Queued => {}
            Outcome::Limited => drop(self.limited.inc()),
            Outcome::Full => drop(self.full.inc()),
            Outcome::NoWay => drop(self.no_way.inc()),
        }
    }
}
