//! Tables of what was read of the store, bounded in bytes: a full one lets go of what was added or used longest ago, about.
//!
//! Whoever takes something out asks whether it still counts (see [`crate::authn::epoch`]): nothing here knows what it keeps.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use parking_lot::Mutex;

const SHARDS: usize = 64;

/// What was read lately.
pub struct Recent<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    shard_bytes_max: usize,
    hasher: RandomState,
}

struct Shard<K, V> {
    places: HashMap<K, usize>,
    entries: Vec<Entry<K, V>>,
    bytes: usize,
    hand: usize,
}

struct Entry<K, V> {
    key: K,
    value: Arc<V>,
    bytes: usize,
    used: bool,
}

impl<K: Copy + Eq + Hash, V> Recent<K, V> {
    /// An empty table that will keep about so many bytes at most, in parts of which each keeps one entry whatever it takes.
    pub fn new(bytes_max: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, shard_bytes_max: bytes_max / SHARDS, hasher: RandomState::new() }
    }

    /// What is kept under this key.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        let mut shard = self.shard(key).lock();
        let at = *shard.places.get(key)?;
        let entry = &mut shard.entries[at];
        entry.used = true;
        Some(entry.value.clone())
    }

    /// Keeps this, which takes about so many bytes beside its place here, instead of what was kept under the key.
    pub fn keep(&self, key: K, value: Arc<V>, bytes: usize) {
        let bytes = bytes + Shard::<K, V>::PLACE_BYTES;
        let mut shard = self.shard(&key).lock();
        shard.forget(&key);
        // What is added is used now, however large it is.
        while shard.bytes + bytes > self.shard_bytes_max && !shard.entries.is_empty() {
            shard.evict_one();
        }
        shard.push(Entry { key, value, bytes, used: false });
    }

    /// Keeps nothing under this key.
    pub fn forget(&self, key: &K) {
        self.shard(key).lock().forget(key);
    }

    fn shard(&self, key: &K) -> &Mutex<Shard<K, V>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

impl<K, V> Default for Shard<K, V> {
    fn default() -> Self {
        Self { places: HashMap::new(), entries: Vec::new(), bytes: 0, hand: 0 }
    }
}

impl<K, V> Shard<K, V> {
    /// An entry, its place in the index, the counters of its [`Arc`], and room to grow.
    const PLACE_BYTES: usize = 2 * (size_of::<Entry<K, V>>() + size_of::<(K, usize)>()) + 16;
}

impl<K: Copy + Eq + Hash, V> Shard<K, V> {
    fn push(&mut self, entry: Entry<K, V>) {
        self.bytes += entry.bytes;
        self.places.insert(entry.key, self.entries.len());
        self.entries.push(entry);
    }

    fn forget(&mut self, key: &K) {
        let Some(at) = self.places.remove(key) else { return };
        let gone = self.entries.swap_remove(at);
        self.bytes -= gone.bytes;
        if let Some(moved) = self.entries.get(at) {
            self.places.insert(moved.key, at);
        }
    }

    /// At most one whole round: then everything was in use, and the hand takes what it stands on.
    fn evict_one(&mut self) {
        for _ in 0..=self.entries.len() {
            self.hand %= self.entries.len();
            if !std::mem::take(&mut self.entries[self.hand].used) {
                break;
            }
            self.hand += 1;
        }
        self.hand %= self.entries.len();
        let key = self.entries[self.hand].key;
        self.forget(&key);
        // Where it stood lies the newest now.
        self.hand += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 1 << 20;

    fn bytes(table: &Recent<u32, u32>) -> usize {
        table.shards.iter().map(|shard| shard.lock().bytes).sum()
    }

    #[test]
    fn the_bound_in_bytes_holds_and_what_is_used_stays_longer() {
        let table = Recent::new(ROOM);
        table.keep(0, Arc::new(0), 100);
        for number in 1..20_000 {
            table.keep(number, Arc::new(number), 100);
            table.get(&0);
        }
        assert!(bytes(&table) <= ROOM, "{} bytes", bytes(&table));
        assert_eq!(table.get(&0).as_deref(), Some(&0), "what was in use gave way");
        let kept: Vec<_> = (0..20_000).filter(|number| table.get(number).as_deref() == Some(number)).collect();
        let count: usize = table.shards.iter().map(|shard| shard.lock().entries.len()).sum();
        assert_eq!(kept.len(), count, "index and entries agree");
        assert!(count > 3_000, "{count} entries in a megabyte");
    }

    #[test]
    fn what_is_added_later_stays_longer() {
        let table = Recent::new(ROOM);
        (0..20_000).for_each(|number| table.keep(number, Arc::new(number), 100));
        let count: usize = table.shards.iter().map(|shard| shard.lock().entries.len()).sum();
        let is_kept = |number: &u32| table.get(number).is_some();
        assert_eq!((0..10_000).filter(is_kept).count(), 0, "the first of five times as many as fit");
        let lately = 20_000 - count as u32 / 2;
        let kept = (lately..20_000).filter(is_kept).count();
        assert!(kept * 10 > count / 2 * 8, "{kept} of the last {}", count / 2);
    }

    #[test]
    fn read_anew_it_takes_its_own_place_and_forgotten_it_takes_none() {
        let table = Recent::new(ROOM);
        (0..3).for_each(|value| table.keep(7, Arc::new(value), 1_000));
        assert_eq!(table.get(&7).as_deref(), Some(&2));
        assert!((1_000..2_000).contains(&bytes(&table)));
        table.forget(&7);
        assert_eq!((table.get(&7), bytes(&table)), (None, 0));
    }

    #[test]
    fn what_is_too_large_for_all_is_kept_alone() {
        let table = Recent::new(ROOM);
        let in_one_shard = |key: &u32| std::ptr::eq(table.shard(key), table.shard(&0));
        let keys: Vec<u32> = (0..10_000).filter(in_one_shard).take(3).collect();
        table.keep(keys[0], Arc::new(0), 10);
        table.keep(keys[1], Arc::new(1), 2 * ROOM);
        assert_eq!((table.get(&keys[0]), table.get(&keys[1]).as_deref()), (None, Some(&1)));
        table.keep(keys[2], Arc::new(2), 10);
        assert_eq!((table.get(&keys[1]), table.get(&keys[2]).as_deref()), (None, Some(&2)));
    }
}
