//! Whether what this node remembers is recent enough to be believed: the one judgement, for principals, policies and
//! credentials that are known to be unknown.
//!
//! With one process it always is: every change reaches the caches before it is acknowledged. With several, what others
//! changed is known as of the last successful look at the feed, or as of the moment at which the thing itself was read,
//! whichever is later. Past `[cache] max_staleness` it is read again; where it cannot be, only a rule may say for how long
//! older knowledge still serves (`stale_for`), counted from the same moment.

use admit_core::time::Span;

use crate::app::App;

/// How old knowledge is that is older than it may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Overdue(Span);

impl Overdue {
    /// Its age where a rule lets it serve all the same.
    pub fn within(self, stale_for: Span) -> Option<Span> {
        (self.0 <= stale_for).then_some(self.0)
    }
}

/// The moment before a snapshot: up to where what it sees is known.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// Up to which change.
    pub position: i64,
    /// When, by the monotonic clock.
    pub read_at_us: i64,
}

impl Before {
    /// To be taken before the snapshot begins.
    pub fn now(app: &App) -> Self {
        Self { position: app.epochs.position(), read_at_us: app.clock.monotonic_us() }
    }

    /// Whether it is later in anything.
    pub fn is_after(self, other: Self) -> bool {
        other.position < self.position || other.read_at_us < self.read_at_us
    }

    /// How old what was read then is, where that is older than it may be.
    pub fn overdue(self, app: &App) -> Option<Overdue> {
        overdue_since(app, self.read_at_us)
    }
}

/// None while what was read at any time and not changed since may be believed.
pub fn overdue(app: &App) -> Option<Overdue> {
    let age = app.store.feed_age();
    if age.is_zero() { None } else { judge(span(age), Span::ms(i64::MAX), app.config.load().max_staleness) }
}

/// The same for what was read at a moment of the monotonic clock.
pub fn overdue_since(app: &App, read_at_us: i64) -> Option<Overdue> {
    let age = app.store.feed_age();
    if age.is_zero() {
        return None;
    }
    let own = Span::ms((app.clock.monotonic_us() - read_at_us) / 1000);
    judge(span(age), own, app.config.load().max_staleness)
}

/// Logs that something cannot be read; hardly, while it is known that the store is away: that was said once.
pub fn log_unread(app: &App, error: &admit_store::Error, what: &'static str) {
    if overdue(app).is_some() {
        tracing::debug!(%error, "{what} cannot be read");
    } else {
        tracing::error!(%error, "{what} cannot be read");
    }
}

fn span(age: std::time::Duration) -> Span {
    Span::ms(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

fn judge(feed: Span, own: Span, max: Span) -> Option<Overdue> {
    let age = feed.min(own);
    (age > max).then_some(Overdue(age))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Span = Span::seconds(1);

    #[test]
    fn st_07_knowledge_is_believed_up_to_the_bound_and_no_longer() {
        assert_eq!(judge(Span::ms(999), Span::hours(9), MAX), None);
        assert_eq!(judge(Span::ms(1_000), Span::hours(9), MAX), None, "at the bound");
        assert_eq!(judge(Span::ms(1_001), Span::hours(9), MAX), Some(Overdue(Span::ms(1_001))));
    }

    #[test]
    fn what_was_read_after_the_feed_was_cut_is_as_fresh_as_its_own_reading() {
        assert_eq!(judge(Span::minutes(9), Span::ms(400), MAX), None);
        assert_eq!(judge(Span::minutes(9), Span::ms(1_400), MAX), Some(Overdue(Span::ms(1_400))));
    }

    #[test]
    fn a_rule_lets_older_knowledge_serve_as_long_as_it_says() {
        let overdue = Overdue(Span::seconds(30));
        assert_eq!(overdue.within(Span::ZERO), None, "not unless it says so");
        assert_eq!(overdue.within(Span::ms(29_999)), None);
        assert_eq!(overdue.within(Span::seconds(30)), Some(Span::seconds(30)));
    }
}
