//! Which keys are used most, on this node, over the last day: of each five minutes the busiest few, taken from the
//! counters on their way to the store. Exact for keys that matter; one that never was among the few of its five minutes is
//! missing. Knows ids and figures only.

use std::collections::{HashMap, VecDeque};

use admit_core::check::code::Code;
use admit_core::id::KeyId;
use admit_core::time::{Span, Time};
use admit_store::UsageRow;
use parking_lot::Mutex;

/// How long one span of counting is, and how many are kept: a day.
const SPAN: Span = Span::minutes(5);
const SPANS_MAX: usize = 288;
/// How many keys of one span are kept.
const KEYS_MAX: usize = 64;

/// How often a key was shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// In all.
    pub all: u64,
    /// Those that were refused.
    pub refused: u64,
}

/// What one span of counting knows.
struct Counted {
    number: i64,
    keys: HashMap<KeyId, Uses>,
}

/// The memory.
#[derive(Default)]
pub struct Busiest(Mutex<VecDeque<Counted>>);

impl Busiest {
    /// Counts what is about to be written.
    pub fn count(&self, rows: &[UsageRow], now: Time) {
        let mut uses: HashMap<KeyId, Uses> = HashMap::new();
        for row in rows {
            uses.entry(row.key).or_default().add(row);
        }
        let number = now.unix_ms().div_euclid(SPAN.as_ms());
        let mut spans = self.0.lock();
        if spans.back().is_none_or(|newest| newest.number < number) {
            if spans.len() >= SPANS_MAX {
                spans.pop_front();
            }
            spans.push_back(Counted { number, keys: HashMap::new() });
        }
        let Some(newest) = spans.back_mut() else { return };
        for (key, uses) in uses {
            let known = newest.keys.entry(key).or_default();
            *known = known.plus(uses);
        }
        if newest.keys.len() > KEYS_MAX {
            newest.keys = sorted(&newest.keys).into_iter().take(KEYS_MAX).collect();
        }
    }

    /// The busiest keys since a moment, the busiest first.
    pub fn since(&self, then: Time, most: usize) -> Vec<(KeyId, Uses)> {
        let first = then.unix_ms().div_euclid(SPAN.as_ms());
        let mut together: HashMap<KeyId, Uses> = HashMap::new();
        for span in self.0.lock().iter().filter(|span| span.number >= first) {
            for (key, uses) in &span.keys {
                let known = together.entry(*key).or_default();
                *known = known.plus(*uses);
            }
        }
        let mut found = sorted(&together);
        found.truncate(most);
        found
    }
}

fn sorted(keys: &HashMap<KeyId, Uses>) -> Vec<(KeyId, Uses)> {
    let mut sorted: Vec<_> = keys.iter().map(|(key, uses)| (*key, *uses)).collect();
    sorted.sort_unstable_by_key(|(key, uses)| (std::cmp::Reverse(uses.all), *key));
    sorted
}

impl Uses {
    fn add(&mut self, row: &UsageRow) {
        let count = u64::try_from(row.count).unwrap_or_default();
        self.all = self.all.saturating_add(count);
        if row.code != Code::Ok {
            self.refused = self.refused.saturating_add(count);
        }
    }

    const fn plus(self, other: Self) -> Self {
        Self { all: self.all.saturating_add(other.all), refused: self.refused.saturating_add(other.refused) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: u16, code: Code, count: i64) -> UsageRow {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&key.to_be_bytes());
        let (last_ip, last_agent) = (None, None);
        UsageRow {
            key: KeyId::from_bytes(id),
            number: 1,
            day: 0,
            code,
            count,
            last_at: Time::default(),
            last_ip,
            last_agent,
        }
    }

    fn figures(found: &[(KeyId, Uses)]) -> Vec<(u8, u64, u64)> {
        found.iter().map(|(key, uses)| (key.bytes()[1], uses.all, uses.refused)).collect()
    }

    #[test]
    fn uses_add_up_and_the_busiest_comes_first() {
        let (busiest, minute) = (Busiest::default(), |minute| Time::default() + Span::minutes(minute));
        busiest.count(&[row(1, Code::Ok, 5), row(1, Code::NoRule, 2), row(2, Code::Ok, 6)], minute(0));
        busiest.count(&[row(2, Code::RateLimited, 1)], minute(4));
        busiest.count(&[row(3, Code::Ok, 1)], minute(5));
        assert_eq!(figures(&busiest.since(minute(0), 9)), [(1, 7, 2), (2, 7, 1), (3, 1, 0)]);
        assert_eq!(figures(&busiest.since(minute(0), 1)), [(1, 7, 2)]);
        assert_eq!(figures(&busiest.since(minute(5), 9)), [(3, 1, 0)]);
    }

    #[test]
    fn no_more_is_kept_than_a_day_of_the_busiest() {
        let busiest = Busiest::default();
        let rows: Vec<_> =
            (0..u16::try_from(KEYS_MAX).unwrap() + 1).map(|key| row(key, Code::Ok, i64::from(key) + 1)).collect();
        for span in 0..i64::try_from(SPANS_MAX).unwrap() + 1 {
            busiest.count(&rows, Time::default() + Span::minutes(5 * span));
        }
        let spans = busiest.0.lock();
        assert_eq!((spans.len(), spans[0].number), (SPANS_MAX, 1));
        assert!(spans.iter().all(|span| span.keys.len() == KEYS_MAX && !span.keys.contains_key(&rows[0].key)));
    }
}
