//! What became of requests for tokens, and of tokens.

use admit_core::api::TokenFormat;
use admit_core::oauth::ErrorCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Counters of the endpoints of OAuth.
pub struct Tokens {
    jwt: Counter,
    opaque: Counter,
    refused: Vec<Counter>,
    active: Counter,
    inactive: Counter,
    /// Tokens that their clients gave back.
    pub revoked: Counter,
}

impl Tokens {
    /// All at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        type One = [(&'static str, &'static str); 1];
        let issued = Family::<One, Counter>::default();
        registry.register("tokens_issued", "Access tokens issued, by their form", issued.clone());
        let refused = Family::<One, Counter>::default();
        registry.register("token_requests_refused", "Requests for tokens refused, by error", refused.clone());
        let asked = Family::<One, Counter>::default();
        registry.register("tokens_introspected", "Questions about tokens, by answer", asked.clone());
        let revoked = Counter::default();
        registry.register("tokens_revoked", "Tokens that their clients gave back", revoked.clone());
        // What a family gives is a lock: it must be gone before the next is taken.
        let of_form = |form| issued.get_or_create(&[("format", form)]).clone();
        let of_error = |code: &ErrorCode| refused.get_or_create(&[("error", code.as_str())]).clone();
        let of_answer = |answer| asked.get_or_create(&[("answer", answer)]).clone();
        Self {
            jwt: of_form("jwt"),
            opaque: of_form("opaque"),
            refused: ErrorCode::ALL.iter().map(of_error).collect(),
            active: of_answer("active"),
            inactive: of_answer("inactive"),
            revoked,
        }
    }

    /// Counts a token.
    pub fn issued(&self, format: TokenFormat) {
        match format {
            TokenFormat::Jwt => self.jwt.inc(),
            TokenFormat::Opaque => self.opaque.inc(),
        };
    }

    /// Counts a request that was refused.
    pub fn refused(&self, code: ErrorCode) {
        if let Some(counter) = self.refused.get(code as usize) {
            counter.inc();
        }
    }

    /// Counts a question.
    pub fn introspected(&self, is_active: bool) {
        let counter = if is_active { &self.active } else { &self.inactive };
        counter.inc();
    }
}
