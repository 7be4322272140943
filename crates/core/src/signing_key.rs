//! Which key signs, which are published, and when the next one is due.
//!
//! A key is three dates: made, signs from, revoked. Everything else follows from them and from its successor's, so that no
//! two nodes can disagree. The key that signs is the newest whose time has come; the others were it, or will be. A key is
//! published before it signs, so that whoever keeps a set of keys for [`PUBLISHED_FOR`] has it in time, and until the last
//! token that it signed has ended (OpenID Connect Core §10.1.1).
//!
//! Knows neither the keys themselves nor how they are kept.

use std::str::FromStr;

use crate::api::Api;
use crate::jose::algorithm::Algorithm;
use crate::jose::claims::LEEWAY;
use crate::oauth::id_token;
use crate::time::{Span, Time};

/// For how long others may keep a set of keys: the `max-age` of `/.well-known/jwks.json`.
pub const PUBLISHED_FOR: Span = Span::minutes(5);
/// How long before it signs a key is published at least: twice what others may keep.
pub const LEAD: Span = Span::minutes(10);
/// How long a key signs, unless a realm says otherwise.
pub const PERIOD: Span = Span::days(90);

/// The least by which one key can follow another.
pub const TICK: Span = Span::ms(1);

/// The most keys of a realm that are there for one purpose: others read no longer sets than this.
pub const KEYS_MAX: usize = 100;
/// The longest life that an access token may have.
pub const LONGEST: Span = Span::hours(24);

/// What a key is for. Nothing that one signs is good where the other is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// What the realm issues: access tokens.
    Issuer,
    /// What applications behind a gateway are told of their caller.
    Upstream,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Issuer, Self::Upstream];

    /// The word in the store and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Upstream => "upstream",
        }
    }
}

impl FromStr for Purpose {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word).ok_or(())
    }
}

/// For how long something may live that was signed in a realm with these APIs until now: an ID token, or the longest life that
/// an API gives. One that was changed lately may have given the longest there is.
pub fn longest_life<'a>(apis: impl IntoIterator<Item = &'a Api>, now: Time) -> Span {
    let life = |api: &Api| {
        let may_have_changed = api.version > 1 && api.updated_at + LONGEST > now;
        if may_have_changed { LONGEST } else { api.spec.token_lifetime }
    };
    apis.into_iter().map(life).fold(id_token::LIFE, Span::max)
}

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
    /// Since when it is good for nothing.
    pub revoked_at: Option<Time>,
}

impl Term {
    /// Whether it counts. What is revoked does not, whatever a node's clock says.
    pub const fn is_alive(&self) -> bool {
        self.revoked_at.is_none()
    }

    /// When its turn comes.
    fn begins(&self) -> Time {
        self.signs_from.max(self.made_at)
    }

    /// Whether its turn comes at all. What was revoked before never took anybody's place.
    fn has_a_turn(&self) -> bool {
        self.revoked_at.is_none_or(|revoked| revoked > self.begins())
    }

    fn order(&self) -> (Time, Time, &str) {
        (self.signs_from, self.made_at, &self.kid)
    }
}

/// What a key is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It signs.
    Signing,
    /// It is published, and signs later.
    Next,
    /// It is published for what it signed.
    Old,
    /// Nothing lives that it signed.
    Over,
    /// It is good for nothing.
    Revoked,
}

impl State {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Next => "next",
            Self::Old => "old",
            Self::Over => "over",
            Self::Revoked => "revoked",
        }
    }

    /// Whether others can verify by it.
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Signing | Self::Next | Self::Old)
    }
}

/// The keys of one realm for one purpose and algorithm.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'t>(pub &'t [Term]);

impl<'t> Terms<'t> {
    /// The key that signs now: the newest whose turn has come. Where that is revoked, or none has had its turn, the next one that
    /// waits steps in: those before are not published any more, and clocks of nodes differ. None where none waits.
    pub fn signing(&self, now: Time) -> Option<&'t Term> {
        let had_its_turn = self.0.iter().filter(|term| term.has_a_turn() && term.begins() <= now);
        had_its_turn.max_by_key(|term| term.order()).filter(|newest| newest.is_alive()).or_else(|| self.waiting(now))
    }

    /// The first of those whose turn is to come.
    fn waiting(&self, now: Time) -> Option<&'t Term> {
        let waits = self.0.iter().filter(|term| term.is_alive() && term.begins() > now);
        waits.min_by_key(|term| term.order())
    }

    /// The key that takes the place of the one that signs.
    pub fn next(&self, now: Time) -> Option<&'t Term> {
        let signing = self.signing(now)?;
        let waits =
            self.0.iter().filter(|term| term.is_alive() && term.begins() > now && term.order() > signing.order());
        waits.min_by_key(|term| term.order())
    }

    /// Whether a key is published now: whatever signs, will sign, or signed something that may still live for `longest`.
    pub fn is_published(&self, term: &Term, now: Time, longest: Span) -> bool {
        term.is_alive() && self.published_until(term, longest).is_none_or(|until| until > now)
    }

    /// Until when a key is published that is not revoked; none while it has no successor.
    pub fn published_until(&self, term: &Term, longest: Span) -> Option<Time> {
        self.stops_at(term).map(|stops| stops + longest + LEEWAY)
    }

    /// What a key is now, in a word.
    pub fn state(&self, term: &Term, now: Time, longest: Span) -> State {
        match term {
            _ if !term.is_alive() => State::Revoked,
            _ if self.signing(now).is_some_and(|signing| signing.kid == term.kid) => State::Signing,
            _ if term.begins() > now => State::Next,
            _ if self.is_published(term, now, longest) => State::Old,
            _ => State::Over,
        }
    }

    /// All that are published now.
    pub fn published(&self, now: Time, longest: Span) -> impl Iterator<Item = &'t Term> {
        let terms = *self;
        terms.0.iter().filter(move |term| terms.is_published(term, now, longest))
    }

    /// When a key gives way to the next, or did; none while it has no successor.
    pub fn stops_at(&self, term: &Term) -> Option<Time> {
        let later = self.0.iter().filter(|other| other.order() > term.order() && other.has_a_turn());
        later.map(Term::begins).min()
    }

    /// When the key that is made now would have to sign, where one is due: at once where none can, else after [`LEAD`]
    /// and not before `period` is over. None while a key is there that will sign in time.
    pub fn due(&self, now: Time, period: Span) -> Option<Time> {
        let Some(signing) = self.signing(now) else { return Some(now) };
        let ends = signing.signs_from + period;
        (self.waiting(now).is_none() && now + LEAD >= ends).then(|| ends.max(now + LEAD))
    }

    /// When a key signs that somebody asks for now: as soon as everybody has had the time to see it.
    pub fn asked(&self, now: Time) -> Time {
        if self.signing(now).is_some() { now + LEAD } else { now }
    }

    /// From when a key signs that is to sign at once: now, but after whatever signs now, were it made in the same millisecond or
    /// by a node whose clock is ahead. Of two that begin together, chance would say which one signs.
    pub fn at_once(&self, now: Time) -> Time {
        self.signing(now).map_or(now, |signing| now.max(signing.begins() + TICK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ApiSpec;
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
        assert_eq!(signing(&terms, 1_999), Some("b"));
        terms[1].revoked_at = Some(START + Span::seconds(2_000));
        assert_eq!(signing(&terms, 2_000), None);
        assert_eq!(signing(&terms, 1_990), None, "on a node whose clock is behind, too");
        let now = START + Span::seconds(2_000);
        assert_eq!(kids(Terms(&terms).published(now, LIFE)), Vec::<&str>::new(), "a's time was over");
        assert_eq!((Terms(&terms).due(now, PERIOD), Terms(&terms).asked(now)), (Some(now), now));
        terms[1].revoked_at = Some(START + Span::seconds(500));
        assert_eq!(signing(&terms, 2_000), Some("a"), "b never had its turn");
        assert_eq!(kids(Terms(&terms).published(now, LIFE)), ["a"]);
    }

    #[test]
    fn a_key_that_waits_steps_in_for_one_that_is_revoked_and_for_one_of_a_node_whose_clock_is_ahead() {
        let mut terms = [term("a", 0, 0), term("b", 100, 700), term("c", 200, 800)];
        terms[0].revoked_at = Some(START + Span::seconds(300));
        assert_eq!(
            (signing(&terms, 300), signing(&terms, 750), signing(&terms, 800)),
            (Some("b"), Some("b"), Some("c"))
        );
        assert_eq!(Terms(&terms).due(START + Span::seconds(300), PERIOD), None, "there is one, and another waits");
        assert_eq!(signing(&[term("a", 5, 5)], 4), Some("a"));
    }

    #[test]
    fn a_key_is_kept_as_long_as_what_it_signed_may_live() {
        let api = |lifetime, version, changed_ago: Span| Api {
            id: crate::id::ApiId::from_bytes([1; 16]),
            realm: crate::id::RealmId::from_bytes([1; 16]),
            spec: ApiSpec {
                token_lifetime: lifetime,
                ..ApiSpec::new("https://api.example.com".parse().unwrap(), Default::default())
            },
            created_at: START,
            updated_at: START - changed_ago,
            version,
        };
        let short = api(Span::minutes(10), 1, Span::ZERO);
        let longer = api(Span::hours(1), 7, Span::hours(24));
        assert_eq!(longest_life([], START), id_token::LIFE, "people sign in where there is no API");
        assert_eq!(longest_life([&short, &longer], START), Span::hours(1));
        assert_eq!(longest_life([&short, &longer], START - Span::ms(1)), LONGEST, "it may have been a day before");
    }

    #[test]
    fn a_key_is_in_one_state_at_a_time() {
        let mut terms = [term("a", 0, 0), term("b", 100, 700), term("c", 100, 900)];
        terms[2].revoked_at = Some(START + Span::seconds(200));
        let states = |seconds| {
            let now = START + Span::seconds(seconds);
            terms.each_ref().map(|term| Terms(&terms).state(term, now, LIFE))
        };
        assert_eq!(states(699), [State::Signing, State::Next, State::Revoked]);
        assert_eq!(states(700), [State::Old, State::Signing, State::Revoked]);
        assert_eq!(states(1_310), [State::Over, State::Signing, State::Revoked]);
        assert_eq!(Terms(&terms).next(START + Span::seconds(100)).unwrap().kid, "b");
        assert_eq!(Terms(&terms).next(START + Span::seconds(700)), None);
    }

    #[test]
    fn what_is_to_sign_at_once_signs_after_what_was_made_in_the_same_moment_or_by_a_clock_that_is_ahead() {
        assert_eq!(Terms(&[]).at_once(START), START);
        for ahead_ms in [0, 1, 60_000] {
            let made = START + Span::ms(ahead_ms);
            // The name that would win where both begin together.
            let there = Term { made_at: made, signs_from: made, ..term("z", 0, 0) };
            let signs_from = Terms(std::slice::from_ref(&there)).at_once(START);
            assert_eq!(signs_from, made + TICK);
            let terms = [there, Term { made_at: START, signs_from, ..term("a", 0, 0) }];
            assert_eq!(Terms(&terms).signing(START).unwrap().kid, "z");
            assert_eq!(Terms(&terms).signing(made + TICK).unwrap().kid, "a");
        }
        let later = START + Span::seconds(5);
        assert_eq!(Terms(&[term("a", 0, 0)]).at_once(later), later);
    }

    #[test]
    fn a_purpose_is_read_as_it_is_written() {
        for purpose in Purpose::ALL {
            assert_eq!(purpose.as_str().parse(), Ok(purpose));
        }
        assert_eq!("both".parse::<Purpose>(), Err(()));
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
                let there: Vec<_> = terms.iter().filter(|term: &&Term| term.made_at <= fetched).cloned().collect();
                let known = Terms(&there).published(fetched, LIFE).any(|term| term.kid == kid);
                prop_assert!(known || is_first, "{kid} signed at {at}, keys of {fetched}");
            }
        }
    }
}
