//! How many mails an address gets (PW-12): somebody who can have mails sent to others must not be able to bury them.
//!
//! Mails that anybody may ask for are counted apart from those that tell an owner what was done in his name: the first must
//! not keep the second away. Counted per node, in memory, and bounded.

use std::collections::{HashMap, VecDeque};

use admit_core::id::RealmId;
use admit_core::time::{Span, Time};

/// The most in an hour that anybody may ask for.
const ASKED_MAX: usize = 5;
/// The most in an hour that tell what was done.
const NOTICES_MAX: usize = 30;
const HOUR: Span = Span::hours(1);
/// The most addresses that are counted at once.
const ADDRESSES_MAX: usize = 10_000;

/// The mails of the last hour.
#[derive(Default)]
pub struct Throttle(HashMap<(RealmId, String, bool), VecDeque<Time>>);

impl Throttle {
    /// Counts a mail; false where the address had enough. Spelling it otherwise does not help.
    pub fn admit(&mut self, realm: RealmId, address: &str, is_asked: bool, now: Time) -> bool {
        let max = if is_asked { ASKED_MAX } else { NOTICES_MAX };
        let begun = now - HOUR;
        let key = (realm, address.to_lowercase(), is_asked);
        if !self.0.contains_key(&key) && self.0.len() >= ADDRESSES_MAX {
            self.make_room(begun);
        }
        let sent = self.0.entry(key).or_default();
        while sent.front().is_some_and(|at| *at <= begun) {
            sent.pop_front();
        }
        let is_free = sent.len() < max;
        if is_free {
            sent.push_back(now);
        }
        is_free
    }

    /// Forgets who had none in the last hour, else who has waited longest.
    fn make_room(&mut self, begun: Time) {
        self.0.retain(|_, sent| sent.back().is_some_and(|at| *at > begun));
        if self.0.len() >= ADDRESSES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, sent)| sent.back().copied()).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.0.remove(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(number: u8) -> RealmId {
        RealmId::from_bytes([number; 16])
    }

    #[test]
    fn pw_12_an_address_gets_five_an_hour_however_it_is_spelled() {
        let (mut throttle, start) = (Throttle::default(), Time::from_unix_ms(0));
        let mut sent = |address: &str, at: Time| throttle.admit(realm(1), address, true, at);
        for number in 0..5 {
            assert!(sent("a@x.test", start + Span::minutes(number)));
        }
        assert!(!sent("A@X.test", start + Span::minutes(59)), "the sixth");
        assert!(sent("b@x.test", start + Span::minutes(59)), "others are not concerned");
        assert!(sent("a@x.test", start + Span::minutes(60)), "the first is an hour ago");
        assert!(!sent("a@x.test", start + Span::minutes(60)));
        assert!(throttle.admit(realm(2), "a@x.test", true, start + Span::minutes(60)), "another realm's person");
        assert!(throttle.admit(realm(1), "a@x.test", false, start + Span::minutes(60)), "what was done is told");
    }

    #[test]
    fn pw_12_what_is_counted_is_bounded() {
        let (mut throttle, start) = (Throttle::default(), Time::from_unix_ms(0));
        for number in 0..ADDRESSES_MAX + 3 {
            let at = start + Span::ms(i64::try_from(number).unwrap());
            assert!(throttle.admit(realm(1), &format!("{number}@x.test"), true, at));
        }
        assert_eq!(throttle.0.len(), ADDRESSES_MAX);
        assert!(!throttle.0.contains_key(&(realm(1), "0@x.test".to_owned(), true)), "who waited longest is forgotten");
        throttle.admit(realm(1), "new@x.test", true, start + Span::hours(2));
        assert_eq!(throttle.0.len(), 1);
    }
}
