//! Credentials that are known to be unknown: a small table of its own, so that a storm of guesses pushes out no facts.
//!
//! An entry counts until a credential with its tag is stored: the insertion is a change that names the tag. Full, the
//! oldest make room.

use std::collections::VecDeque;

use hashbrown::HashTable;
use parking_lot::Mutex;

use super::cache::{Depends, Tag};
use super::epoch::Epochs;

const SHARDS: usize = 16;
const ENTRY_BYTES: usize = 96;

struct Entry {
    tag: Tag,
    position: i64,
    depends: Depends,
}

#[derive(Default)]
struct Shard {
    known: HashTable<Entry>,
    oldest_first: VecDeque<Tag>,
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
    pub fn has(&self, tag: &Tag, epochs: &Epochs) -> bool {
        let shard = self.shard(tag).lock();
        let found = shard.known.find(tag.hash(), |entry| entry.tag == *tag);
        found.is_some_and(|entry| epochs.is_current(entry.depends.slots(), entry.position))
    }

    /// Remembers that a snapshot which began after `position` was taken knew no such credential. It depends on every hash
    /// under which one could be stored.
    pub fn insert(&self, tag: Tag, position: i64, depends: Depends) {
        let mut shard = self.shard(&tag).lock();
        if let Some(found) = shard.known.find_mut(tag.hash(), |entry| entry.tag == tag) {
            (found.position, found.depends) = (position, depends);
            return;
        }
        if shard.oldest_first.len() >= self.shard_entries_max
            && let Some(oldest) = shard.oldest_first.pop_front()
            && let Ok(found) = shard.known.find_entry(oldest.hash(), |entry| entry.tag == oldest)
        {
            found.remove();
        }
        shard.known.insert_unique(tag.hash(), Entry { tag, position, depends }, |entry| entry.tag.hash());
        shard.oldest_first.push_back(tag);
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().oldest_first.len()).sum()
    }

    fn shard(&self, tag: &Tag) -> &Mutex<Shard> {
        &self.shards[tag.shard(SHARDS)]
    }
}

#[cfg(test)]
mod tests {
    use admit_core::id::RealmId;
    use admit_core::secret::SecretKind;
    use admit_store::{Change, ChangeKind};

    use super::super::cache::Tagger;
    use super::super::epoch::slot;
    use super::*;

    fn tag(number: u32) -> Tag {
        Tagger::new([1, 2, 3, 4]).tag(RealmId::from_bytes([1; 16]), SecretKind::ApiKey, &number.to_string())
    }

    /// As if the text had the hashes of these names under the master keys in use.
    fn depends(hashes: &[u8]) -> Depends {
        Depends::on(&hashes.iter().map(|name| slot(&[*name; 16])).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_stored_credential_is_unknown_no_longer() {
        let (unknown, epochs) = (Unknown::new(1 << 16), Epochs::default());
        let before = epochs.position();
        unknown.insert(tag(1), before, depends(&[1]));
        assert!(unknown.has(&tag(1), &epochs));
        let change =
            Change { number: 5, realm: RealmId::from_bytes([9; 16]), kind: ChangeKind::Credential, id: [1; 16] };
        epochs.apply(&[change]);
        assert!(!unknown.has(&tag(1), &epochs));
        unknown.insert(tag(1), before, depends(&[1]));
        assert!(!unknown.has(&tag(1), &epochs), "a look-up that raced with the insertion loses");
        unknown.insert(tag(2), epochs.position(), depends(&[2, 1]));
        assert!(unknown.has(&tag(2), &epochs));
        epochs.apply(&[change]);
        assert!(!unknown.has(&tag(2), &epochs), "stored under another master key's hash");
        unknown.insert(tag(3), epochs.position(), depends(&[3]));
        epochs.forget();
        assert!(!unknown.has(&tag(3), &epochs), "with a new master key there is a hash more to look for");
    }

    #[test]
    fn a_storm_does_not_make_it_grow() {
        let unknown = Unknown::new(1 << 16);
        (0..10_000).for_each(|number| unknown.insert(tag(number), 1, depends(&[1])));
        assert!(unknown.count() <= (1 << 16) / ENTRY_BYTES);
        assert!(unknown.has(&tag(9_999), &Epochs::default()));
        assert!(!unknown.has(&tag(0), &Epochs::default()), "the oldest made room");
    }
}
