//! Places of which no holder takes more than a share: connections of an address, requests of a client.
//!
//! Never waits: who finds no place is refused at once. Remembers only holders that have a place.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use admit_core::check::address::unified;
use parking_lot::Mutex;

/// The places.
pub struct Shares<K: Eq + Hash + Clone> {
    taken: Mutex<Taken<K>>,
    places: usize,
    share: usize,
}

struct Taken<K> {
    count: usize,
    by_holder: HashMap<K, usize>,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// So many places, and at most `share` of them for one holder.
    pub fn new(places: usize, share: usize) -> Arc<Self> {
        let taken = Taken { count: 0, by_holder: HashMap::new() };
        Arc::new(Self { taken: Mutex::new(taken), places, share })
    }

    /// A place, where there is one. Without a holder only the whole is a bound.
    pub fn take(self: &Arc<Self>, holder: Option<K>) -> Option<Place<K>> {
        let mut taken = self.taken.lock();
        if taken.count >= self.places {
            return None;
        }
        if let Some(holder) = &holder {
            let own = taken.by_holder.get(holder).copied().unwrap_or(0);
            if own >= self.share {
                return None;
            }
            taken.by_holder.insert(holder.clone(), own + 1);
        }
        taken.count += 1;
        drop(taken);
        Some(Place { shares: self.clone(), holder })
    }

    /// How many places are taken.
    pub fn count(&self) -> usize {
        self.taken.lock().count
    }

    fn give_back(&self, holder: Option<&K>) {
        let mut taken = self.taken.lock();
        taken.count -= 1;
        let Some(holder) = holder else { return };
        match taken.by_holder.get_mut(holder) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.by_holder.remove(holder)),
        }
    }
}

/// A taken place; dropping it gives it back.
pub struct Place<K: Eq + Hash + Clone> {
    shares: Arc<Shares<K>>,
    holder: Option<K>,
}

impl<K: Eq + Hash + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        self.shares.give_back(self.holder.as_ref());
    }
}

/// Who counts as one source: an IPv4 address, or the /64 that one subscriber has.
pub fn source(ip: IpAddr) -> IpAddr {
    match unified(ip) {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ht_01_nobody_takes_more_than_a_share() {
        let shares = Shares::new(5, 2);
        let mut held: Vec<_> = (0..2).map(|_| shares.take(Some("a")).unwrap()).collect();
        assert!(shares.take(Some("a")).is_none(), "one over the share");
        held.extend(shares.take(Some("b")));
        held.extend(shares.take(None));
        held.extend(shares.take(None));
        assert_eq!((held.len(), shares.count()), (5, 5), "who has no name is bounded by the whole only");
        assert!(shares.take(Some("c")).is_none() && shares.take(None).is_none(), "one over the whole");
        held.remove(0);
        assert!(shares.take(Some("a")).is_some());
        held.clear();
        assert_eq!((shares.count(), shares.taken.lock().by_holder.len()), (0, 0), "nobody is remembered");
    }

    #[test]
    fn ht_01_a_subscriber_is_one_source() {
        let of = |text: &str| source(text.parse().unwrap()).to_string();
        assert_eq!([of("203.0.113.9"), of("::ffff:203.0.113.9")], ["203.0.113.9", "203.0.113.9"]);
        assert_eq!([of("2001:db8:1:2:3:4:5:6"), of("2001:db8:1:2::9")], ["2001:db8:1:2::", "2001:db8:1:2::"]);
    }
}
