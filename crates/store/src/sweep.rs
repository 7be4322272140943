//! What may be forgotten. Each verb deletes at most 100 rows, because a long unit of work holds up all writers; ask again
//! while it answers 100. Events go with their seals: see `seal.rs`.

use admit_core::time::{Span, Time};

use crate::engine::Tx;
use crate::error::Result;

/// How long the change feed is kept, and how many of its rows at least.
const CHANGES_FOR: Span = Span::hours(24);
const CHANGES_KEPT: i64 = 10_000;
/// How many days of usage are kept.
const USAGE_DAYS: i64 = 400;

statements! {
    CHANGES = "DELETE FROM change WHERE number IN (SELECT number FROM change ORDER BY number LIMIT 100)
        AND at < $before AND number <= (SELECT MAX(number) FROM change) - $kept";
    USAGE = "DELETE FROM key_usage WHERE (key_id, number, day, code) IN (SELECT key_id, number, day, code FROM key_usage
        WHERE day < $day ORDER BY day LIMIT 100)";
    IDEMPOTENCY = "DELETE FROM idempotency WHERE (caller, key, method, path) IN (SELECT caller, key, method, path
        FROM idempotency WHERE expires_at <= $now ORDER BY expires_at LIMIT 100)";
}

impl Tx<'_> {
    /// Changes older than a day, never the last 10,000.
    pub fn sweep_changes(&mut self, now: Time) -> Result<usize> {
        self.execute(CHANGES, named! { before: now - CHANGES_FOR, kept: CHANGES_KEPT })
    }

    /// Usage of days that are over for more than 400 days.
    pub fn sweep_usage(&mut self, now: Time) -> Result<usize> {
        self.execute(USAGE, named! { day: now.day() - USAGE_DAYS })
    }

    /// Answers that need not be repeated any more.
    pub fn sweep_idempotency(&mut self, now: Time) -> Result<usize> {
        self.execute(IDEMPOTENCY, named! { now })
    }
}
