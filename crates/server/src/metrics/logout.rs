//! What became of telling applications that somebody signed out.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of what applications are told.
pub struct Logouts {
    /// Taken by the application.
    pub told: Counter,
    /// Tried in vain, and to be tried again.
    pub retried: Counter,
    /// Given up.
    pub failed: Counter,
}

impl Logouts {
    /// All at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
        registry.register("logout_notices", "What became of telling applications of sign-outs", family.clone());
        let of = |outcome| family.get_or_create(&[("outcome", outcome)]).clone();
        Self { told: of("told"), retried: of("retried"), failed: of("failed") }
    }
}
