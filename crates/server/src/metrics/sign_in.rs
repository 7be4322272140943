//! What became of sign-ins.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::login::verify::Refused;

/// Counters of sign-ins, and of what they lead to.
pub struct SignIns {
    right: Counter,
    wrong: Counter,
    limited: Counter,
    full: Counter,
    unavailable: Counter,
    /// Sessions that began.
    pub begun: Counter,
    /// Accounts that were locked.
    pub locked: Counter,
}

/// Where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignInCounts {
    pub right: u64,
    pub wrong: u64,
    /// Turned away before anything was compared.
    pub refused: u64,
    pub begun: u64,
    pub locked: u64,
}

impl SignIns {
    /// All at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        registry.register("sign_ins", "What became of names and passwords that were shown", family.clone());
        let of = |outcome| family.get_or_create(&[("outcome", outcome)]).clone();
        let (begun, locked) = (Counter::default(), Counter::default());
        registry.register("sessions_begun", "Sessions that began at an issuer", begun.clone());
        registry.register("accounts_locked", "Accounts that take no more guesses from unknown devices", locked.clone());
        Self {
            right: of("right"),
            wrong: of("wrong"),
            limited: of("limited"),
            full: of("full"),
            unavailable: of("unavailable"),
            begun,
            locked,
        }
    }

    /// Counts what became of one.
    pub fn count<T>(&self, outcome: &Result<T, Refused>) {
        let counter = match outcome {
            Ok(_) => &self.right,
            Err(Refused::Wrong) => &self.wrong,
            Err(Refused::Later { .. } | Refused::NeedsLink) => &self.limited,
            Err(Refused::Full) => &self.full,
            Err(Refused::Unavailable) => &self.unavailable,
        };
        counter.inc();
    }

    pub(super) fn counts(&self) -> SignInCounts {
        SignInCounts {
            right: self.right.get(),
            wrong: self.wrong.get(),
            refused: self.limited.get() + self.full.get() + self.unavailable.get(),
            begun: self.begun.get(),
            locked: self.locked.get(),
        }
    }
}
