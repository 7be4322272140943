//! Facts about known credentials: a sharded table with a bound in bytes.
//!
//! Keyed by a [`Tag`] of the presented text, which nobody outside can choose or see. Holds principals, never verdicts:
//! expiry, address and rule are judged per request. Each entry carries the position that was taken before its snapshot and the
//! slots of everything it depends on ([`super::epoch`]). Eviction is CLOCK: an entry that was used since the hand last
//! passed gets another round.

use std::sync::Arc;

use admit_core::id::{GrantId, RealmId};
use admit_core::login::session::SignIn;
use admit_core::name::{RoleName, ScopeName};
use admit_core::principal::{Principal, Profile, Standing, Token};
use admit_core::secret::SecretKind;
use hashbrown::HashTable;
use parking_lot::Mutex;

use super::epoch::{Epochs, SLOT_BITS, Slot};

/// 128 bits by which a presented secret is found here: two SipHash-2-4 under keys of this start. A sixth of the cost of
/// the keyed hash under which it is stored, which is made only for what is not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag([u8; 16]);

/// Makes tags.
pub struct Tagger([(u64, u64); 2]);

impl Tagger {
    /// With two random keys.
    pub fn new(keys: [u64; 4]) -> Self {
        Self([(keys[0], keys[1]), (keys[2], keys[3])])
    }

    /// The tag of a secret's text in a realm. A text that two kinds may have (keys that were imported have any form) has two.
    pub fn tag(&self, realm: RealmId, kind: SecretKind, text: &str) -> Tag {
        self.tag_of(realm, kind as u8, [text.as_bytes()])
    }

    /// The tag of a person's name and password. Neither has the octet that parts them.
    pub fn tag_person(&self, realm: RealmId, name: &str, password: &str) -> Tag {
        self.tag_of(realm, u8::MAX, [name.as_bytes(), b"\0", password.as_bytes()])
    }

    /// The tag of what all tokens of a grant with these scopes are worth.
    pub fn tag_share(&self, realm: RealmId, grant: GrantId, scopes: &[ScopeName]) -> Tag {
        let words = || scopes.iter().flat_map(|scope| [&b" "[..], scope.as_str().as_bytes()]);
        self.tag_of(realm, u8::MAX - 1, std::iter::once(&grant.bytes()[..]).chain(words()).collect::<Vec<_>>())
    }

    /// The tag of what an application is told of a caller, signed by this key.
    pub fn tag_upstream(&self, realm: RealmId, kid: &str, told: &[u8]) -> Tag {
        self.tag_of(realm, u8::MAX - 2, [kid.as_bytes(), b"\0", told])
    }

    #[expect(deprecated, reason = "the standard library's SipHash-2-4 with chosen keys has no other name")]
    fn tag_of<'t>(&self, realm: RealmId, kind: u8, text: impl AsRef<[&'t [u8]]>) -> Tag {
        use std::hash::{Hasher, SipHasher};
        let mut tag = [0; 16];
        for ((first, second), half) in self.0.iter().zip(tag.chunks_exact_mut(8)) {
            let mut hasher = SipHasher::new_with_keys(*first, *second);
            hasher.write(realm.bytes());
            hasher.write_u8(kind);
            text.as_ref().iter().for_each(|part| hasher.write(part));
            half.copy_from_slice(&hasher.finish().to_le_bytes());
        }
        Tag(tag)
    }
}

impl Tag {
    /// It is a keyed hash: eight of its octets are as good as any hash of it.
    pub(super) fn hash(&self) -> u64 {
        let mut eight = [0; 8];
        eight.copy_from_slice(&self.0[1..9]);
        u64::from_le_bytes(eight)
    }

    /// All of it.
    pub fn octets(&self) -> [u8; 16] {
        self.0
    }

    /// Which of so many shards it belongs to.
    pub(super) fn shard(&self, count: usize) -> usize {
        usize::from(self.0[0]) % count
    }
}

/// How many ids an entry may depend on: realm, subject, client, grant, key and hash or token and signing key, and ancestors.
pub const SLOTS_MAX: usize = 10;

const SHARDS: usize = 64;

/// What an entry depends on: slots of [`SLOT_BITS`] bits, two in five octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Depends {
    pairs: [[u8; 5]; SLOTS_MAX / 2],
    count: u8,
}

impl Depends {
    /// From the slots of the ids; `None` where there are more than fit, and then nothing is kept.
    pub fn on(slots: &[Slot]) -> Option<Self> {
        let mut pairs = [[0; 5]; SLOTS_MAX / 2];
        for (place, pair) in slots.chunks(2).enumerate() {
            let second = pair.get(1).map_or(0, |slot| u64::from(slot.0));
            let both = u64::from(pair[0].0) | second << SLOT_BITS;
            pairs.get_mut(place)?.copy_from_slice(&both.to_le_bytes()[..5]);
        }
        Some(Self { pairs, count: slots.len() as u8 })
    }

    /// The same and more; `None` where there are more than fit.
    pub fn with(&self, more: &[Slot]) -> Option<Self> {
        Self::on(&self.slots().chain(more.iter().copied()).collect::<Vec<_>>())
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> + '_ {
        let two = |[a, b, c, d, e]: [u8; 5]| {
            let both = u64::from_le_bytes([a, b, c, d, e, 0, 0, 0]);
            [Slot((both & ((1 << SLOT_BITS) - 1)) as u32), Slot((both >> SLOT_BITS) as u32)]
        };
        self.pairs.into_iter().flat_map(two).take(usize::from(self.count))
    }
}

/// One line of the processor's cache: a look-up among a million waits for memory, and should do so once here.
#[repr(align(64))]
struct Entry {
    tag: Tag,
    position: i64,
    principal: Arc<Principal>,
    size: u32,
    depends: Depends,
    used: bool,
}

const _: () = assert!(size_of::<Entry>() == 64);

#[derive(Default)]
struct Shard {
    index: HashTable<u32>,
    entries: Vec<Entry>,
    bytes: usize,
    hand: usize,
}

/// The cache.
pub struct Cache {
    shards: Box<[Mutex<Shard>]>,
    shard_bytes_max: usize,
}

impl Cache {
    /// An empty cache that will hold at most this many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), shard_bytes_max: bytes_max / SHARDS }
    }

    /// The facts about a credential, while nothing they depend on has changed.
    pub fn get(&self, tag: &Tag, epochs: &Epochs) -> Option<Arc<Principal>> {
        self.get_with(tag, epochs).map(|(principal, _)| principal)
    }

    /// The same with what they depend on. What has changed stays until it is read again or found to be nobody's: that it was
    /// known here is still true.
    pub fn get_with(&self, tag: &Tag, epochs: &Epochs) -> Option<(Arc<Principal>, Depends)> {
        let mut shard = self.shard(tag).lock();
        let at = shard.find(tag)?;
        let entry = &mut shard.entries[at];
        entry.position = epochs.renew(entry.depends.slots(), entry.position)?;
        entry.used = true;
        Some((entry.principal.clone(), entry.depends))
    }

    /// Whether there are facts about it, whatever changed since.
    pub fn has(&self, tag: &Tag) -> bool {
        self.shard(tag).lock().find(tag).is_some()
    }

    /// Forgets it: it is nobody's any more.
    pub fn remove(&self, tag: &Tag) {
        let mut shard = self.shard(tag).lock();
        if let Some(at) = shard.find(tag) {
            shard.remove(at);
        }
    }

    /// Keeps facts as a snapshot saw them that began after `position` was taken. A change that was learned later makes them
    /// worthless, also one that was learned before this call.
    pub fn insert(&self, tag: Tag, position: i64, depends: Depends, principal: Arc<Principal>) {
        let size = cost_of(&principal);
        let mut shard = self.shard(&tag).lock();
        if let Some(at) = shard.find(&tag) {
            shard.remove(at);
        }
        while shard.bytes + size > self.shard_bytes_max && !shard.entries.is_empty() {
            shard.evict_one();
        }
        shard.push(Entry { tag, position, depends, used: false, size: size as u32, principal });
    }

    /// How many entries there are.
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().entries.len()).sum()
    }

    /// About how many bytes the entries take.
    pub fn bytes(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().bytes).sum()
    }

    fn shard(&self, tag: &Tag) -> &Mutex<Shard> {
        &self.shards[tag.shard(SHARDS)]
    }
}

/// What an entry costs: itself, its share of the index, and what hangs from it. What may be shared is counted where nobody
/// shares it yet: once at least, twice at most.
fn cost_of(principal: &Principal) -> usize {
    let own = size_of::<Entry>() + 8 + 16 + size_of::<Principal>();
    let name = if is_shared(&principal.name) { 0 } else { 16 + principal.name.len() };
    let profile = principal.profile.as_ref().filter(|profile| !is_shared(*profile)).map_or(0, |profile| {
        let texts = [&profile.email, &profile.external_id].into_iter().flatten().map(String::len).sum::<usize>();
        let metadata = if profile.metadata.is_null() { 0 } else { 4 * profile.metadata.to_string().len() };
        size_of::<Profile>() + texts + metadata + profile.ip.len() * size_of::<ipnet::IpNet>()
    });
    let standing = if is_shared(&principal.standing) { 0 } else { cost_of_standing(&principal.standing) };
    let sign_in = principal.sign_in.as_ref().map_or(0, |sign_in| {
        let there = sign_in.standings.iter().filter(|standing| !is_shared(*standing));
        size_of::<SignIn>() + there.map(|standing| cost_of_standing(standing)).sum::<usize>()
    });
    let token = principal.token.as_ref().map_or(0, |_| size_of::<Token>());
    own + name + profile + standing + sign_in + token
}

/// Whether others have it too: one owner is the table of what is shared, another this principal.
fn is_shared<T: ?Sized>(value: &Arc<T>) -> bool {
    Arc::strong_count(value) > 2
}

fn cost_of_standing(standing: &Standing) -> usize {
    let scopes = standing.scopes.iter().map(|scope| scope.as_str().len() + size_of::<ScopeName>());
    let roles = standing.roles.iter().map(|role| role.as_str().len() + size_of::<RoleName>());
    size_of::<Standing>() + scopes.chain(roles).sum::<usize>() + 64
}

impl Shard {
    fn find(&self, tag: &Tag) -> Option<usize> {
        let entries = &self.entries;
        self.index.find(tag.hash(), |at| entries[*at as usize].tag == *tag).map(|at| *at as usize)
    }

    fn push(&mut self, entry: Entry) {
        let at = self.entries.len() as u32;
        let hash = entry.tag.hash();
        self.entries.push(entry);
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |at| entries[*at as usize].tag.hash());
        self.bytes += self.entries[at as usize].size as usize;
    }

    fn remove(&mut self, at: usize) {
        let tag = self.entries[at].tag;
        self.unlink(&tag, at);
        let gone = self.entries.swap_remove(at);
        self.bytes -= gone.size as usize;
        let Some(moved) = self.entries.get(at) else { return };
        let (moved, from) = (moved.tag, self.entries.len());
        if let Ok(mut found) = self.index.find_entry(moved.hash(), |kept| *kept as usize == from) {
            *found.get_mut() = at as u32;
        }
    }

    fn unlink(&mut self, tag: &Tag, at: usize) {
        if let Ok(found) = self.index.find_entry(tag.hash(), |kept| *kept as usize == at) {
            found.remove();
        }
    }

    /// At most one whole round: then everything was in use, and the hand takes what it stands on.
    fn evict_one(&mut self) {
        for _ in 0..=self.entries.len() {
            if self.hand >= self.entries.len() {
                self.hand = 0;
            }
            if !std::mem::take(&mut self.entries[self.hand].used) {
                break;
            }
            self.hand += 1;
        }
        self.hand = self.hand.min(self.entries.len() - 1);
        self.remove(self.hand);
        // Where it stood lies the newest now.
        self.hand += 1;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use admit_core::id::{ClientId, SubjectId};
    use admit_core::principal::CredentialKind;
    use admit_store::{Change, ChangeKind};

    use super::super::epoch::slot;
    use super::*;

    pub(crate) fn principal(name: &str) -> Arc<Principal> {
        Arc::new(Principal {
            subject: SubjectId::Client(ClientId::from_bytes([1; 16])),
            client: None,
            grant: None,
            key: None,
            secret_number: 1,
            credential: CredentialKind::ApiKey,
            name: name.into(),
            standing: SHARED.clone(),
            expires_at: None,
            rolled: false,
            halted: None,
            profile: None,
            sign_in: None,
            token: None,
        })
    }

    static SHARED: std::sync::LazyLock<Arc<Standing>> = std::sync::LazyLock::new(Arc::default);

    pub(crate) fn tag(number: u32) -> Tag {
        Tagger::new([1, 2, 3, 4]).tag(RealmId::from_bytes([1; 16]), SecretKind::ApiKey, &number.to_string())
    }

    fn revocation(id: [u8; 16], number: i64) -> Change {
        Change { number, realm: RealmId::from_bytes([9; 16]), kind: ChangeKind::Grant, id }
    }

    #[test]
    fn a_fill_cannot_outlive_a_revocation_at_any_interleaving() {
        // A fill takes its position (p), reads its snapshot (s) and inserts (i); the revocation commits (c), is given its
        // number (n), raises its slot (r) and is acknowledged. Each keeps its own order; how they mix is left to chance.
        let grant = [7; 16];
        let (depends, revoked) = (Depends::on(&[slot(&grant)]).unwrap(), revocation(grant, 5));
        let orders = interleavings("psi", "cnr");
        assert_eq!(orders.len(), 20);
        for order in orders {
            let (cache, epochs) = (Cache::new(1 << 20), Epochs::default());
            let (mut is_committed, mut saw, mut position, mut number) = (false, false, 0, 0);
            for step in order.chars() {
                match step {
                    'p' => position = epochs.position(),
                    's' => saw = is_committed,
                    'i' => cache.insert(tag(1), position, depends, principal("as the snapshot saw it")),
                    'c' => is_committed = true,
                    'n' => number = epochs.draw(),
                    _ => epochs.raise(&revoked, number),
                }
            }
            // Acknowledged: what was read before the revocation must not be found any more.
            let found = cache.get(&tag(1), &epochs).is_some();
            assert!(saw || !found, "order {order}: an old fact outlived the revocation");
            let began_later = order.find('n') < order.find('p');
            assert_eq!(found, began_later, "order {order}: a fill that began later is kept, any other is read again");
        }
    }

    /// Every order of both texts' letters in which the letters of each keep theirs.
    pub(crate) fn interleavings(a: &str, b: &str) -> Vec<String> {
        let (Some(first_a), Some(first_b)) = (a.chars().next(), b.chars().next()) else {
            return vec![format!("{a}{b}")];
        };
        let with = |first: char, rest: Vec<String>| rest.into_iter().map(move |rest| format!("{first}{rest}"));
        with(first_a, interleavings(&a[1..], b)).chain(with(first_b, interleavings(a, &b[1..]))).collect()
    }

    #[test]
    fn an_entry_survives_changes_of_others() {
        let (cache, epochs) = (Cache::new(1 << 20), Epochs::default());
        cache.insert(tag(1), 0, Depends::on(&[slot(&[7; 16])]).unwrap(), principal("a"));
        epochs.apply(&[revocation([8; 16], 5)]);
        assert!(cache.get(&tag(1), &epochs).is_some());
    }

    #[test]
    fn the_bound_in_bytes_holds_and_what_is_used_stays_longer() {
        let (cache, epochs) = (Cache::new(1 << 20), Epochs::default());
        let depends = Depends::on(&[]).unwrap();
        cache.insert(tag(0), 1, depends, principal("hot"));
        for number in 1..20_000 {
            cache.insert(tag(number), 1, depends, principal("cold"));
            cache.get(&tag(0), &epochs);
        }
        assert!(cache.bytes() <= 1 << 20);
        assert!(cache.count() > 3_000, "{} entries in a megabyte", cache.count());
        assert!(cache.get(&tag(0), &epochs).is_some(), "the hot entry was evicted");
        let found = (0..20_000).filter(|number| cache.get(&tag(*number), &epochs).is_some()).count();
        assert_eq!(found, cache.count(), "index and entries agree");
    }

    #[test]
    fn what_is_added_later_stays_longer() {
        let (cache, epochs) = (Cache::new(1 << 20), Epochs::default());
        let depends = Depends::on(&[]).unwrap();
        (0..40_000).for_each(|number| cache.insert(tag(number), 1, depends, principal("cold")));
        let (count, is_kept) = (cache.count(), |number: &u32| cache.get(&tag(*number), &epochs).is_some());
        assert_eq!((0..20_000).filter(is_kept).count(), 0, "the first of many more than fit");
        let kept = (40_000 - count as u32 / 2..40_000).filter(is_kept).count();
        assert!(kept * 10 > count / 2 * 8, "{kept} of the last {}", count / 2);
    }

    #[test]
    fn what_an_entry_shares_with_nobody_counts_into_the_bound() {
        let cache = Cache::new(1 << 20);
        let depends = Depends::on(&[]).unwrap();
        let scopes: Vec<ScopeName> = (0..100).map(|number| format!("scope:{number}").parse().unwrap()).collect();
        for number in 0..2_000 {
            let standing = Arc::new(Standing { scopes: scopes.clone(), ..Standing::default() });
            let own = Principal { standing, ..Arc::unwrap_or_clone(principal("own")) };
            cache.insert(tag(number), 1, depends, Arc::new(own));
        }
        assert!(cache.count() < 600, "{} entries of two kilobytes in a megabyte", cache.count());
        assert!(cache.bytes() <= 1 << 20);
    }

    #[test]
    fn a_tag_depends_on_realm_kind_text_and_keys() {
        let (a, b) = (RealmId::from_bytes([1; 16]), RealmId::from_bytes([2; 16]));
        let (key, session) = (SecretKind::ApiKey, SecretKind::Session);
        let tagger = Tagger::new([1, 2, 3, 4]);
        let tag = tagger.tag(a, key, "x");
        assert_eq!(tag, tagger.tag(a, key, "x"));
        let strange = Tagger::new([1, 2, 3, 5]).tag(a, key, "x");
        for other in [tagger.tag(b, key, "x"), tagger.tag(a, session, "x"), tagger.tag(a, key, "y"), strange] {
            assert_ne!(tag, other);
        }
    }

    #[test]
    fn more_dependencies_than_fit_are_not_kept() {
        assert!(Depends::on(&[Slot(0); SLOTS_MAX]).is_some());
        assert!(Depends::on(&[Slot(0); SLOTS_MAX + 1]).is_none());
    }

    #[test]
    fn slots_are_kept_as_they_are() {
        let all: Vec<Slot> = (0..SLOTS_MAX as u32).map(|number| Slot((1 << SLOT_BITS) - 1 - number * 77_777)).collect();
        for count in 0..=SLOTS_MAX {
            let depends = Depends::on(&all[..count]).unwrap();
            assert_eq!(depends.slots().collect::<Vec<_>>(), all[..count]);
        }
    }
}
