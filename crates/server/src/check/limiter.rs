//! Rate limits: one number per counted thing (GCRA), in a sharded table of its own, so that no eviction from the cache of
//! principals gives anybody a fresh budget.
//!
//! Full, newcomers of a shard share one count, those of each realm their own: bounded, and never more generous than it should
//! be. No realm takes more than half of the table, so that a storm of names in one leaves another's counts apart.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use admit_core::id::RealmId;
use admit_core::limit::{self, Limit, Verdict};
use ipnet::IpNet;
use parking_lot::Mutex;

use crate::config::UnknownBudget;

const SHARDS: usize = 64;
/// The most counts of one shard: 64 × 65,536 counts of 24 bytes.
const SHARD_MAX: usize = 65_536;
/// A full shard is looked through for spent counts once in so long: that costs as much as thousands of requests.
const SWEEP_EVERY_US: i64 = 1_000_000;
/// One octet of a key says whose it is. Not at either end: there the table looks for what tells keys apart.
const OWNER_SHIFT: u32 = 48;
const OWNER: u64 = 0xFF << OWNER_SHIFT;
/// The bits below it choose the shard.
const SHARD_SHIFT: u32 = 40;
/// The most counts of one share.
const SHARE_MAX: u32 = (SHARDS * SHARD_MAX / 2) as u32;

/// For keys that are hashes already.
#[derive(Default, Clone, Copy)]
pub(super) struct Plain(u64);

impl std::hash::Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {}
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

#[derive(Default)]
struct Shard {
    counts: HashMap<u64, i64, std::hash::BuildHasherDefault<Plain>>,
    swept_us: Option<i64>,
}

impl Shard {
    /// Drops the counts that limit nothing any more, unless that was just done.
    fn sweep(&mut self, shares: &[AtomicU32], now_us: i64) {
        if self.swept_us.is_some_and(|swept_us| now_us < swept_us.saturating_add(SWEEP_EVERY_US)) {
            return;
        }
        self.swept_us = Some(now_us);
        let now_ns = now_us.saturating_mul(1000);
        self.counts.retain(|key, tat| {
            let is_spent = *tat <= now_ns;
            if is_spent {
                share(shares, *key).fetch_sub(1, Ordering::Relaxed);
            }
            !is_spent
        });
    }
}

/// How many counts the owner of a key has.
fn share(shares: &[AtomicU32], key: u64) -> &AtomicU32 {
    &shares[((key & OWNER) >> OWNER_SHIFT) as usize]
}

/// The table.
pub struct Limiter {
    keys: RandomState,
    shards: Box<[Mutex<Shard>]>,
    shares: Box<[AtomicU32]>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            keys: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shares: (0..=OWNER >> OWNER_SHIFT).map(|_| AtomicU32::new(0)).collect(),
        }
    }
}

#[derive(Hash)]
enum UnknownOf {
    Network(IpNet),
    Realm,
}

impl Limiter {
    /// Counts one more for whatever `counted` names in a realm, if the limit still allows it.
    pub fn take(&self, realm: RealmId, counted: &impl Hash, limit: &Limit, now_us: i64) -> Verdict {
        self.with(realm, counted, now_us, |tat| limit::admit(limit, tat, now_us))
    }

    /// What [`Self::take`] would say, without counting.
    pub fn look(&self, realm: RealmId, counted: &impl Hash, limit: &Limit, now_us: i64) -> Verdict {
        self.with(realm, counted, now_us, |tat| {
            let mut copy = *tat;
            limit::admit(limit, &mut copy, now_us)
        })
    }

    /// Takes back what [`Self::take`] counted.
    pub fn give_back(&self, realm: RealmId, counted: &impl Hash, limit: &Limit, now_us: i64) {
        self.with(realm, counted, now_us, |tat| limit::give_back(limit, tat));
    }

    /// Takes a unit of the budget of unknown credentials of a source network and of its realm.
    pub fn take_unknown(&self, budget: &UnknownBudget, realm: RealmId, source: Option<IpNet>, now_us: i64) -> bool {
        if let Some(network) = source
            && !self.take(realm, &UnknownOf::Network(network), &budget.network, now_us).admitted
        {
            return false;
        }
        if self.take(realm, &UnknownOf::Realm, &budget.realm, now_us).admitted {
            return true;
        }
        if let Some(network) = source {
            self.give_back(realm, &UnknownOf::Network(network), &budget.network, now_us);
        }
        false
    }

    /// After how many seconds a unit is there again, where there was none.
    pub fn wait_unknown(&self, budget: &UnknownBudget, realm: RealmId, source: Option<IpNet>, now_us: i64) -> u32 {
        let of_realm = self.look(realm, &UnknownOf::Realm, &budget.realm, now_us).retry_after_s;
        let of_network =
            source.map(|network| self.look(realm, &UnknownOf::Network(network), &budget.network, now_us).retry_after_s);
        let wait_s = of_network.map_or(of_realm, |wait_s| wait_s.max(of_realm));
        u32::try_from(wait_s.max(1)).unwrap_or(u32::MAX)
    }

    /// Gives the unit back: the credential turned out to be known.
    pub fn give_back_unknown(&self, budget: &UnknownBudget, realm: RealmId, source: Option<IpNet>) {
        self.give_back(realm, &UnknownOf::Realm, &budget.realm, 0);
        if let Some(network) = source {
            self.give_back(realm, &UnknownOf::Network(network), &budget.network, 0);
        }
    }

    /// How many counts are kept.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().counts.len()).sum()
    }

    fn with<T>(&self, realm: RealmId, counted: &impl Hash, now_us: i64, work: impl FnOnce(&mut i64) -> T) -> T {
        let owner = u64::from(realm.bytes()[15]) << OWNER_SHIFT;
        let key = self.keys.hash_one((realm, counted)) & !OWNER | owner;
        let mut shard = self.shards[(key >> SHARD_SHIFT) as usize % SHARDS].lock();
        if let Some(tat) = shard.counts.get_mut(&key) {
            return work(tat);
        }
        let is_full = |shard: &Shard| {
            shard.counts.len() >= SHARD_MAX || share(&self.shares, owner).load(Ordering::Relaxed) >= SHARE_MAX
        };
        if is_full(&shard) {
            shard.sweep(&self.shares, now_us);
        }
        // The owner alone is the key of what its newcomers share.
        let key = if is_full(&shard) { owner } else { key };
        let tat = shard.counts.entry(key).or_insert_with(|| {
            share(&self.shares, owner).fetch_add(1, Ordering::Relaxed);
            0
        });
        work(tat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REALM: RealmId = RealmId::from_bytes([1; 16]);

    fn limit(rate: &str) -> Limit {
        Limit::new(rate.parse().unwrap(), None).unwrap()
    }

    #[test]
    fn what_is_counted_apart_is_limited_apart() {
        let (limiter, limit) = (Limiter::default(), limit("2/1m"));
        let admitted = |who: &str| limiter.take(REALM, &who, &limit, 1).admitted;
        assert_eq!([admitted("a"), admitted("a"), admitted("a"), admitted("b")], [true, true, false, true]);
    }

    #[test]
    fn ht_06_nobody_foresees_where_a_name_is_counted() {
        let (one, other) = (Limiter::default(), Limiter::default());
        let place = |limiter: &Limiter, number: u32| limiter.keys.hash_one((REALM, number));
        let alike = (0..1000).filter(|number| place(&one, *number) == place(&other, *number)).count();
        assert_eq!(alike, 0, "each start has a hash of its own");
    }

    #[test]
    fn ak_08_a_flood_of_names_does_not_make_it_grow() {
        let (limiter, limit) = (Limiter::default(), limit("1/1h"));
        for number in 0..(SHARDS * SHARD_MAX + 300_000) as u64 {
            limiter.take(RealmId::from_bytes([(number % 8) as u8; 16]), &number, &limit, 1);
        }
        assert!(limiter.count() <= SHARDS * (SHARD_MAX + 8));
        let later_us = 2 * 3600 * 1_000_000;
        assert!(limiter.take(REALM, &"a newcomer", &limit, later_us).admitted, "spent counts make room");
        assert!(limiter.count() <= SHARDS * (SHARD_MAX + 8) - SHARD_MAX / 2);
    }

    #[test]
    fn ak_08_a_storm_in_one_realm_leaves_another_its_own_counts() {
        let (limiter, limit) = (Limiter::default(), limit("1/1h"));
        let (storm, calm) = (REALM, RealmId::from_bytes([2; 16]));
        for number in 0..(SHARDS * SHARD_MAX) as u64 {
            limiter.take(storm, &number, &limit, 1);
        }
        assert!(limiter.count() <= SHARE_MAX as usize + SHARDS, "half of the table, and what its newcomers share");
        let admitted = (0..100_000_u64).filter(|who| limiter.take(calm, who, &limit, 1).admitted).count();
        assert_eq!(admitted, 100_000, "each is counted apart");
    }

    #[test]
    fn known_credentials_spend_nothing() {
        let limiter = Limiter::default();
        let budget = UnknownBudget { network: limit("2/1h"), realm: limit("3/1h") };
        let (realm, source) = (RealmId::from_bytes([1; 16]), Some("203.0.113.0/24".parse().unwrap()));
        for _ in 0..10 {
            assert!(limiter.take_unknown(&budget, realm, source, 1));
            limiter.give_back_unknown(&budget, realm, source);
        }
        assert!(limiter.take_unknown(&budget, realm, source, 1));
        assert!(limiter.take_unknown(&budget, realm, source, 1));
        assert!(!limiter.take_unknown(&budget, realm, source, 1), "the network has spent its two");
        let other = Some("198.51.100.0/24".parse().unwrap());
        assert!(limiter.take_unknown(&budget, realm, other, 1));
        assert!(!limiter.take_unknown(&budget, realm, other, 1), "the realm has spent its three");
        assert!(limiter.take_unknown(&budget, RealmId::from_bytes([2; 16]), source, 1), "another realm has its own");
    }
}
