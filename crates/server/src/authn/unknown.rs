//! Credentials that are known to be unknown: a small table of its own, so that a storm of guesses pushes out no facts.
//!
//! An entry counts until a credential with its tag is stored: the insertion is a change that names the tag. Full, the
//! oldest make room.

use std::collections::VecDeque;

use hashbrown::HashTable;
use parking_lot::Mutex;

use super::epoch::{Epochs, slot};

const SHARDS: usize = 16;
const ENTRY_BYTES: usize = 64;

#[derive(Default)]
struct Shard {
    known: HashTable<([u8; 16], i64)>,
    oldest_first: VecDeque<[u8; 16]>,
}

/// The table.
pub struct Unknown {
    shards: Box<[Mutex<Shard>]>,
    shard_entries_max: usize,
}

impl Unknown {
    /// An empty table of at most about this many bytes.
    pub fn new(bytes_max: usize) -> Self {
        let shard_entries_max = (bytes_max / ENTRY_BYTES / SHARDS).max(16);
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), shard_entries_max }
    }

    /// True where the store was asked before and nothing has changed since.
    /// The first tag is that of the active master key; a credential may be stored under any of them.
    pub fn has(&self, tags: &[[u8; 16]], epochs: &Epochs) -> bool {
        let Some(tag) = tags.first() else { return false };
        let shard = self.shards[usize::from(tag[0]) % SHARDS].lock();
        let found = shard.known.find(hash_of(tag), |(known, _)| known == tag);
        let is_current = |position| tags.iter().all(|tag| epochs.is_current(&[slot(tag)], position));
        found.is_some_and(|(_, position)| is_current(*position))
    }

    /// Remembers that a snapshot which began after `position` was taken knew no such credential.
    pub fn insert(&self, tag: [u8; 16], position: i64) {
        let mut shard = self.shards[usize::from(tag[0]) % SHARDS].lock();
        if let Some(found) = shard.known.find_mut(hash_of(&tag), |(known, _)| *known == tag) {
            found.1 = position;
            return;
        }
        if shard.oldest_first.len() >= self.shard_entries_max
            && let Some(oldest) = shard.oldest_first.pop_front()
            && let Ok(found) = shard.known.find_entry(hash_of(&oldest), |(known, _)| *known == oldest)
        {
            found.remove();
        }
        shard.known.insert_unique(hash_of(&tag), (tag, position), |(tag, _)| hash_of(tag));
        shard.oldest_first.push_back(tag);
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().oldest_first.len()).sum()
    }
}

fn hash_of(tag: &[u8; 16]) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&tag[1..9]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use admit_core::id::RealmId;
    use admit_store::{Change, ChangeKind};

    use super::*;

    fn tag(number: u64) -> [u8; 16] {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &number.to_le_bytes());
        hash.as_ref()[..16].try_into().unwrap()
    }

    #[test]
    fn a_stored_credential_is_unknown_no_longer() {
        let (unknown, epochs) = (Unknown::new(1 << 16), Epochs::default());
        let before = epochs.position();
        unknown.insert(tag(1), before);
        assert!(unknown.has(&[tag(1)], &epochs));
        let change =
            Change { number: 5, realm: RealmId::from_bytes([1; 16]), kind: ChangeKind::Credential, id: tag(1) };
        epochs.apply(&[change]);
        assert!(!unknown.has(&[tag(1)], &epochs));
        unknown.insert(tag(1), before);
        assert!(!unknown.has(&[tag(1)], &epochs), "a look-up that raced with the insertion loses");
        unknown.insert(tag(2), epochs.position());
        assert!(unknown.has(&[tag(2), tag(1)], &epochs));
        epochs.apply(&[change]);
        assert!(!unknown.has(&[tag(2), tag(1)], &epochs), "stored under another master key's hash");
    }

    #[test]
    fn a_storm_does_not_make_it_grow() {
        let unknown = Unknown::new(1 << 16);
        (0..10_000).for_each(|number| unknown.insert(tag(number), 1));
        assert!(unknown.count() <= (1 << 16) / ENTRY_BYTES);
        assert!(unknown.has(&[tag(9_999)], &Epochs::default()));
        assert!(!unknown.has(&[tag(0)], &Epochs::default()), "the oldest made room");
    }
}
