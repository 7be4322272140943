//! Which key signs, which are published, and when the next one is due.
//!
//! A key is three dates: made, signs from, revoked. Everything else follows from them and from its successor's, so that no
//! two nodes can disagree. The key that signs is the newest whose time has come; the others were it, or will be. A key is
//! published before it signs, so that whoever keeps a set of keys for [`PUBLISHED_FOR`] has it in time, and until the last
//! token that it signed has ended (OpenID Connect Core §10.1.1).
//!
//! Knows neither the keys themselves nor how they are kept.

use crate::jose::algorithm::Algorithm;
use crate::jose::claims::LEEWAY;
use crate::time::{Span, Time};

/// For how long others may keep a set of keys: the `max-age` of `/.well-known/jwks.json`.
pub const PUBLISHED_FOR: Span = Span::minutes(5);
/// How long before it signs a key is published at least: twice what others may keep.
pub const LEAD: Span = Span::minutes(10);
/// How long a key signs, unless a realm says otherwise.
pub const PERIOD: Span = Span::days(90);

/// One key of a realm, as far as its time goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The name that it has by itself (RFC 7638).
    pub kid: String,
    /// What it signs by.
    pub algorithm: Algorithm,
    /// When it was made, and published.
    pub made_at: Time,
    /// From when it signs.
    pub signs_from: Time,
    /// From when it is good for nothing.
    pub revoked_at: Option<Time>,
}

impl Term {
    /// Whether it counts now.
    fn is_alive(&self, now: Time) -> bool {
        self.made_at <= now && self.revoked_at.is_none_or(|revoked| revoked > now)
    }

    /// Whether it signed at some time. What was revoked before its turn never took anybody's place.
    fn has_had_its_turn(&self, now: Time) -> bool {
        let begins = self.signs_from.max(self.made_at);
        begins <= now && self.revoked_at.is_none_or(|revoked| revoked > begins)
    }

    fn order(&self) -> (Time, Time, &str) {
        (self.signs_from, self.made_at, &self.kid)
    }
}

/// The keys of one realm for one algorithm.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t>(pub &'t [Term]);

impl<'t> Terms<'t> {
    /// The key that signs now. None where the newest was revoked: the one before it is not published any more.
    pub fn signing(&self, now: Time) -> Option<&'t Term> {
        let had_its_turn = self.0.iter().filter(|term| term.has_had_its_turn(now));
        had_its_turn.max_by_key(|term| term.order()).filter(|newest| newest.is_alive(now))
    }

    /// Those that are published now: whatever signs, will sign, or signed something that may still live for `longest`.
    pub fn published(&self, now: Time, longest: Span) -> impl Iterator<Item = &'t Term> {
        let terms = *self;
        terms.0.iter().filter(move |term| {
            let is_over = terms.stopped_at(term, now).is_some_and(|stopped| stopped + longest + LEEWAY <= now);
            term.is_alive(now) && !is_over
        })
    }

    /// When a key that signed gave way to the next; none while it signs or waits for its turn.
    fn stopped_at(&self, term: &Term, now: Time) -> Option<Time> {
        let later = |other: &&Term| other.order() > term.order() && other.has_had_its_turn(now);
        self.0.iter().filter(later).map(|other| other.signs_from.max(other.made_at)).min()
    }

    /// When the key that is made now would have to sign, where one is due: at once where none can, else after [`LEAD`]
    /// and not before `period` is over. None while a key is there that will sign in time.
    pub fn due(&self, now: Time, period: Span) -> Option<Time> {
        let Some(signing) = self.signing(now) else { return Some(now) };
        let waits = self.0.iter().any(|term| term.is_alive(now) && term.signs_from > now);
        let ends = signing.signs_from + period;
        (!waits && now + LEAD >= ends).then(|| ends.max(now + LEAD))
    }

    /// When a key signs that somebody asks for now: as soon as everybody has had the time to see it.
    pub fn asked(&self, now: Time) -> Time {
        if self.signing(now).is_some() { now + LEAD } else { now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Time = Time::from_unix_ms(1_700_000_000_000);
    const LIFE: Span = Span::minutes(10);

    fn term(kid: &str, made_s: i64, signs_s: i64) -> Term {
        let at = |seconds| START + Span::seconds(seconds);
        Term {
            kid: kid.to_owned(),
            algorithm: Algorithm::Es256,
            made_at: at(made_s),
            signs_from: at(signs_s),
            revoked_at: None,
        }
    }

    fn kids<'t>(terms: impl Iterator<Item = &'t Term>) -> Vec<&'t str> {
        terms.map(|term| term.kid.as_str()).collect()
    }

    fn signing(terms: &[Term], seconds: i64) -> Option<&str> {
        Terms(terms).signing(START + Span::seconds(seconds)).map(|term| term.kid.as_str())
    }

    #[test]
    fn the_first_key_signs_at_once_and_the_next_is_seen_before_it_signs() {
        assert_eq!(Terms(&[]).due(START, PERIOD), Some(START));
        let mut terms = vec![term("a", 0, 0)];
        assert_eq!(signing(&terms, 0), Some("a"));
        assert_eq!(Terms(&terms).due(START, PERIOD), None);
        let nearly = START + PERIOD - LEAD;
        assert_eq!(Terms(&terms).due(nearly - Span::ms(1), PERIOD), None);
        assert_eq!(Terms(&terms).due(nearly, PERIOD), Some(START + PERIOD));
        let late = START + PERIOD + Span::days(30);
        assert_eq!(Terms(&terms).due(late, PERIOD), Some(late + LEAD), "a server that was off for long");
        terms.push(Term { made_at: nearly, signs_from: START + PERIOD, ..term("b", 0, 0) });
        assert_eq!(Terms(&terms).due(nearly, PERIOD), None, "it waits");
        assert_eq!(kids(Terms(&terms).published(nearly, LIFE)), ["a", "b"]);
        assert_eq!(Terms(&terms).signing(nearly).unwrap().kid, "a");
        let turn = START + PERIOD;
        assert_eq!(Terms(&terms).signing(turn).unwrap().kid, "b");
        assert_eq!(kids(Terms(&terms).published(turn + LIFE, LIFE)), ["a", "b"], "its tokens may live");
        assert_eq!(kids(Terms(&terms).published(turn + LIFE + LEEWAY, LIFE)), ["b"]);
    }

    #[test]
    fn a_revoked_key_is_good_for_nothing_and_another_is_due_at_once() {
        let mut terms = [term("a", 0, 0), term("b", 100, 1_000)];
        terms[1].revoked_at = Some(START + Span::seconds(2_000));
        assert_eq!((signing(&terms, 1_999), signing(&terms, 2_000)), (Some("b"), None));
        let now = START + Span::seconds(2_000);
        assert_eq!(kids(Terms(&terms).published(now, LIFE)), Vec::<&str>::new(), "a's time was over");
        assert_eq!((Terms(&terms).due(now, PERIOD), Terms(&terms).asked(now)), (Some(now), now));
        terms[1].revoked_at = Some(START + Span::seconds(500));
        assert_eq!(signing(&terms, 2_000), Some("a"), "b never had its turn");
        assert_eq!(kids(Terms(&terms).published(now, LIFE)), ["a"]);
    }

    proptest! {
        /// ST-09: whenever it was signed, whoever fetched the keys as seldom as he may can verify it until it ends.
        #[test]
        fn st_09_what_is_signed_can_be_verified_until_it_ends(
            steps in prop::collection::vec(1_i64..2_000, 1..60),
            period_s in 700_i64..5_000,
            asks in prop::collection::vec(any::<bool>(), 60),
            fetched_before_s in 0_i64..=300,
            after_s in 0_i64..=610,
        ) {
            let (period, mut now, mut terms) = (Span::seconds(period_s), START, Vec::new());
            let mut signed = Vec::new();
            for (step, asked) in steps.iter().zip(asks) {
                let due = Terms(&terms).due(now, period).or_else(|| asked.then(|| Terms(&terms).asked(now)));
                if let Some(signs_from) = due {
                    let kid = format!("key {}", terms.len());
                    terms.push(Term { kid, algorithm: Algorithm::Es256, made_at: now, signs_from, revoked_at: None });
                }
                signed.push((now, Terms(&terms).signing(now).unwrap().kid.clone()));
                now = now + Span::seconds(*step);
            }
            for (at, kid) in signed {
                // Who verifies it at some time of its life with keys that he fetched a while ago.
                let verified = at + Span::seconds(after_s.min(LIFE.as_seconds_up()));
                let fetched = verified - Span::seconds(fetched_before_s);
                let is_first = terms[0].made_at > fetched;
                let known = Terms(&terms).published(fetched, LIFE).any(|term| term.kid == kid);
                prop_assert!(known || is_first, "{kid} signed at {at}, keys of {fetched}");
            }
        }
    }
}
