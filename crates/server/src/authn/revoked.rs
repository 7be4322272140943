//! Access tokens that were taken back before their end: which, so that a token that was never seen here costs no read.
//!
//! Loaded before the server is ready and kept by the change feed, which this hears before [`super::epoch`] does: whoever
//! finds that nothing has changed finds every revocation here. The feed does not say when a token ends; that is read apart,
//! so that each is forgotten when it is over. Where the feed lost its place, or a realm has more than its share, this says
//! that it does not know, and the store is asked, in that realm only where it is one realm's doing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use admit_core::id::{RealmId, TokenId};
use admit_core::jose::claims::LEEWAY;
use admit_core::time::Time;
use admit_store::{Change, ChangeKind, Page, Result, RevokedToken, Store, Tx};
use parking_lot::{Mutex, RwLock};

/// The most that are kept, of some fifty bytes each.
const KEPT_MAX: usize = 1 << 20;
/// The most of one realm: what it has beyond is asked for, and others lose nothing by it.
const OF_REALM_MAX: usize = KEPT_MAX / 8;
/// How many are read at a time.
const PAGE: u32 = 1_000;

/// What a node knows of them.
#[derive(Default)]
pub struct Revoked {
    table: RwLock<Table>,
    /// Those whose end is to be read.
    learned: Mutex<Vec<(RealmId, TokenId)>>,
    /// Held by who reads.
    turn: tokio::sync::Mutex<()>,
    /// The realms that are not over their share have all of theirs here.
    is_whole: AtomicBool,
    /// How often some may have been missed.
    losses: AtomicU64,
}

#[derive(Default)]
struct Table {
    realms: HashMap<RealmId, OfRealm>,
    count: usize,
}

#[derive(Default)]
struct OfRealm {
    /// Until when each would be good, once that is known.
    kept: HashMap<[u8; 16], Option<Time>>,
    /// There are more than these.
    is_over: bool,
}

impl Table {
    /// True where it is new.
    fn put(&mut self, realm: RealmId, id: [u8; 16], ends: Option<Time>, now: Time) -> bool {
        let own = self.realms.entry(realm).or_default();
        if let Some(known) = own.kept.get_mut(&id) {
            *known = ends.or(*known);
            return false;
        }
        if own.is_over {
            return false;
        }
        if own.kept.len() >= OF_REALM_MAX || self.count >= KEPT_MAX {
            let before = own.kept.len();
            own.kept.retain(|_, ends| is_good(*ends, now));
            self.count -= before - own.kept.len();
            own.is_over = own.kept.len() >= OF_REALM_MAX || self.count >= KEPT_MAX;
        }
        if own.is_over {
            return false;
        }
        own.kept.insert(id, ends);
        self.count += 1;
        true
    }

    fn take(&mut self, realm: RealmId, id: &TokenId) {
        let own = self.realms.get_mut(&realm);
        self.count -= usize::from(own.is_some_and(|own| own.kept.remove(id.bytes()).is_some()));
    }

    /// Forgets what is over by itself. True: a realm that had more than its share has room again.
    fn sweep(&mut self, now: Time) -> bool {
        let mut has_room = false;
        for own in self.realms.values_mut() {
            own.kept.retain(|_, ends| is_good(*ends, now));
            has_room |= own.is_over && own.kept.len() <= OF_REALM_MAX / 2;
        }
        self.realms.retain(|_, own| own.is_over || !own.kept.is_empty());
        self.count = self.realms.values().map(|own| own.kept.len()).sum();
        has_room
    }
}

fn is_good(ends: Option<Time>, now: Time) -> bool {
    ends.is_none_or(|ends| ends + LEEWAY > now)
}

impl Revoked {
    /// Whether a token of a realm was taken back; none where only the store knows.
    pub fn has(&self, realm: RealmId, id: &TokenId) -> Option<bool> {
        // Read before the table: what is missed afterwards is a later change.
        let is_whole = self.is_whole.load(Ordering::Acquire);
        match self.table.read().realms.get(&realm) {
            Some(own) if own.kept.contains_key(id.bytes()) => Some(true),
            Some(own) if own.is_over => None,
            _ => is_whole.then_some(false),
        }
    }

    /// True while nothing has to be read anew.
    pub fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.table.read().count
    }

    /// Takes in committed changes, before anybody else hears of them.
    pub fn learn(&self, changes: &[Change], now: Time) {
        let tokens = changes.iter().filter(|change| change.kind == ChangeKind::Token);
        for change in tokens {
            if self.table.write().put(change.realm, change.id, None, now) {
                self.learned.lock().push((change.realm, TokenId::from_bytes(change.id)));
            }
        }
    }

    /// Notes that some may have been missed.
    pub fn forget(&self) {
        self.losses.fetch_add(1, Ordering::AcqRel);
        self.is_whole.store(false, Ordering::Release);
    }

    /// Reads all of them, page by page, in place of what was known; those that are learned meanwhile stay.
    pub async fn load(&self, store: &Store, now: Time) -> Result<()> {
        let _turn = self.turn.lock().await;
        let losses = self.losses.load(Ordering::Acquire);
        let (mut table, mut after) = (Table::default(), None);
        loop {
            let page = Page { limit: PAGE, after };
            let revoked = store.read(move |tx| tx.list_revoked_tokens(&page, now - LEEWAY)).await?;
            let Some(last) = revoked.last() else { break };
            after = Some(*last.id.bytes());
            for token in &revoked {
                table.put(token.realm, *token.id.bytes(), Some(token.expires_at), now);
            }
        }
        self.replace(table, now);
        // What was missed while they were read is read the next time.
        if self.losses.load(Ordering::Acquire) == losses {
            self.is_whole.store(true, Ordering::Release);
            if self.losses.load(Ordering::Acquire) != losses {
                self.is_whole.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    fn replace(&self, mut table: Table, now: Time) {
        let mut kept = self.table.write();
        for (realm, own) in &kept.realms {
            for (id, _) in own.kept.iter().filter(|(_, ends)| ends.is_none()) {
                table.put(*realm, *id, None, now);
            }
        }
        *kept = table;
    }

    /// Reads when those end that were learned since. What fails is read the next time.
    pub async fn settle(&self, store: &Store, now: Time) -> Result<()> {
        let _turn = self.turn.lock().await;
        loop {
            let learned: Vec<_> = self.learned.lock().iter().take(PAGE as usize).copied().collect();
            if learned.is_empty() {
                return Ok(());
            }
            let asked = learned.clone();
            let read = move |tx: &mut Tx<'_>| asked.iter().map(|(_, id)| tx.find_revoked_token(*id)).collect();
            let found: Vec<Option<RevokedToken>> = store.read(read).await?;
            let mut table = self.table.write();
            for ((realm, id), found) in learned.iter().zip(found) {
                match found {
                    Some(token) => drop(table.put(*realm, *id.bytes(), Some(token.expires_at), now)),
                    // Swept: it is long over.
                    None => table.take(*realm, id),
                }
            }
            // More may have come: they stand behind.
            self.learned.lock().drain(..learned.len());
        }
    }

    /// Forgets those that are over by themselves.
    pub fn sweep(&self, now: Time) {
        if self.table.write().sweep(now) {
            self.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use admit_core::time::Span;

    use super::*;

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);
    const ACME: RealmId = RealmId::from_bytes([1; 16]);
    const OTHER: RealmId = RealmId::from_bytes([2; 16]);

    fn id(number: u8) -> TokenId {
        TokenId::from_bytes([number; 16])
    }

    fn taken_back(number: u8) -> Change {
        Change { number: 1, realm: ACME, kind: ChangeKind::Token, id: [number; 16] }
    }

    #[test]
    fn what_is_not_known_to_be_all_says_no_to_nothing() {
        let revoked = Revoked::default();
        revoked.learn(&[taken_back(1), Change { kind: ChangeKind::Grant, ..taken_back(2) }], NOW);
        let has = |number| revoked.has(ACME, &id(number));
        assert_eq!((has(1), has(2)), (Some(true), None));
        revoked.is_whole.store(true, Ordering::Release);
        assert_eq!((has(1), has(2), revoked.has(OTHER, &id(1))), (Some(true), Some(false), Some(false)));
        revoked.forget();
        assert_eq!((has(1), has(2)), (Some(true), None), "the feed lost its place");
    }

    #[test]
    fn one_is_remembered_until_its_end_is_known_and_then_until_that() {
        let (revoked, end) = (Revoked::default(), NOW + Span::minutes(10));
        revoked.learn(&[taken_back(1)], NOW);
        revoked.sweep(NOW + Span::hours(48));
        assert_eq!(revoked.has(ACME, &id(1)), Some(true), "it may be good for longer than anybody thinks");
        revoked.table.write().put(ACME, [1; 16], Some(end), NOW);
        revoked.sweep(end + LEEWAY - Span::ms(1));
        assert_eq!(revoked.has(ACME, &id(1)), Some(true));
        revoked.sweep(end + LEEWAY);
        assert_eq!((revoked.count(), revoked.table.read().realms.len()), (0, 0));
    }

    #[test]
    fn a_realm_that_has_more_than_its_share_costs_nobody_else_anything() {
        let revoked = Revoked::default();
        revoked.is_whole.store(true, Ordering::Release);
        let put = |realm, number: usize, ends| {
            revoked.table.write().put(realm, (number as u128).to_be_bytes(), Some(ends), NOW)
        };
        let is_known = |realm, number: u128| revoked.has(realm, &TokenId::from_bytes(number.to_be_bytes()));
        let (soon, late) = (NOW + Span::minutes(1), NOW + Span::hours(1));
        for number in 0..OF_REALM_MAX {
            assert!(put(ACME, number, if number % 4 == 0 { late } else { soon }));
        }
        assert_eq!(is_known(ACME, u128::MAX), Some(false), "at its share all of them are here");
        assert!(!put(ACME, OF_REALM_MAX, late));
        assert_eq!((revoked.count(), is_known(ACME, OF_REALM_MAX as u128)), (OF_REALM_MAX, None), "one more");
        assert_eq!((is_known(ACME, 7), is_known(OTHER, 7)), (Some(true), Some(false)));
        assert!(put(OTHER, 7, late));
        assert_eq!((is_known(OTHER, 7), is_known(OTHER, 8)), (Some(true), Some(false)));
        revoked.sweep(soon + LEEWAY);
        assert!(!revoked.is_whole(), "there is room again: all are read anew");
        assert_eq!((is_known(ACME, 7), is_known(ACME, 8)), (None, Some(true)));
    }

    #[test]
    fn what_is_over_makes_room_before_a_realm_is_said_to_have_too_many() {
        let revoked = Revoked::default();
        revoked.is_whole.store(true, Ordering::Release);
        let mut table = revoked.table.write();
        for number in 0..OF_REALM_MAX as u128 {
            assert!(table.put(ACME, number.to_be_bytes(), Some(NOW), NOW));
        }
        assert!(table.put(ACME, [0xEE; 16], None, NOW + LEEWAY));
        drop(table);
        assert_eq!(
            (revoked.count(), revoked.has(ACME, &id(0xEE)), revoked.has(ACME, &id(1))),
            (1, Some(true), Some(false))
        );
    }

    #[test]
    fn what_is_learned_while_all_are_read_is_not_lost() {
        let revoked = Revoked::default();
        revoked.learn(&[taken_back(1)], NOW);
        revoked.table.write().put(ACME, [2; 16], Some(NOW + Span::hours(1)), NOW);
        let mut read = Table::default();
        read.put(ACME, [3; 16], Some(NOW + Span::hours(1)), NOW);
        revoked.replace(read, NOW);
        let has = |number| revoked.has(ACME, &id(number));
        assert_eq!((has(1), has(2), has(3)), (Some(true), None, Some(true)), "what was not read again is gone");
    }
}
