//! Access tokens that were taken back before their end: which, so that a token that was never seen here costs no read.
//!
//! Loaded before the server is ready and kept by the change feed, which this hears before [`super::epoch`] does: whoever
//! finds that nothing has changed finds every revocation here. Where the feed lost its place, or there are more than are
//! kept, this says that it does not know, and the store is asked until all of them were read anew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use admit_core::id::TokenId;
use admit_core::jose::claims::LEEWAY;
use admit_core::signing_key::LONGEST;
use admit_core::time::Time;
use admit_store::{Change, ChangeKind, Page, Result, Store};
use parking_lot::RwLock;

/// The most that are kept, of some fifty bytes each.
const KEPT_MAX: usize = 1 << 20;
/// How many are read at a time.
const PAGE: u32 = 1_000;

/// What a node knows of them.
#[derive(Default)]
pub struct Revoked {
    /// Until when each would be good.
    kept: RwLock<HashMap<[u8; 16], Time>>,
    /// All of them are here.
    is_whole: AtomicBool,
    /// How often some may have been missed.
    losses: AtomicU64,
}

impl Revoked {
    /// Whether a token was taken back; none where only the store knows.
    pub fn has(&self, id: &TokenId) -> Option<bool> {
        // Read before the table: what is missed afterwards is a later change.
        let is_whole = self.is_whole.load(Ordering::Acquire);
        match self.kept.read().contains_key(id.bytes()) {
            true => Some(true),
            false => is_whole.then_some(false),
        }
    }

    /// True while nothing has to be asked.
    pub fn is_whole(&self) -> bool {
        self.is_whole.load(Ordering::Acquire)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.kept.read().len()
    }

    /// Takes in committed changes, before anybody else hears of them. They do not say when a token ends: none lives longer
    /// than the longest life.
    pub fn learn(&self, changes: &[Change], now: Time) {
        let tokens = changes.iter().filter(|change| change.kind == ChangeKind::Token);
        for change in tokens {
            self.keep(change.id, now + LONGEST, now);
        }
    }

    /// Notes that some may have been missed.
    pub fn forget(&self) {
        self.losses.fetch_add(1, Ordering::AcqRel);
        self.is_whole.store(false, Ordering::Release);
    }

    /// Reads all of them, page by page.
    pub fn load(&self, store: &Store, now: Time) -> Result<()> {
        let losses = self.losses.load(Ordering::Acquire);
        let mut after = None;
        loop {
            let page = Page { limit: PAGE, after };
            let revoked = store.point(|tx| tx.list_revoked_tokens(&page, now - LEEWAY))?;
            let Some(last) = revoked.last() else { break };
            after = Some(*last.id.bytes());
            for token in &revoked {
                if !self.keep(*token.id.bytes(), token.expires_at, now) {
                    return Ok(());
                }
            }
        }
        // What was missed while they were read is read the next time.
        if self.losses.load(Ordering::Acquire) == losses {
            self.is_whole.store(true, Ordering::Release);
            if self.losses.load(Ordering::Acquire) != losses {
                self.is_whole.store(false, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Forgets those that are over by themselves.
    pub fn sweep(&self, now: Time) {
        self.kept.write().retain(|_, ends| *ends + LEEWAY > now);
    }

    /// False where there is no place.
    fn keep(&self, id: [u8; 16], ends: Time, now: Time) -> bool {
        if self.count() >= KEPT_MAX {
            self.sweep(now);
        }
        let mut kept = self.kept.write();
        if kept.len() >= KEPT_MAX && !kept.contains_key(&id) {
            drop(kept);
            self.forget();
            return false;
        }
        kept.insert(id, ends);
        true
    }
}

#[cfg(test)]
mod tests {
    use admit_core::id::RealmId;
    use admit_core::time::Span;

    use super::*;

    const NOW: Time = Time::from_unix_ms(1_796_083_200_000);

    fn id(number: u8) -> TokenId {
        TokenId::from_bytes([number; 16])
    }

    fn taken_back(number: u8) -> Change {
        Change { number: 1, realm: RealmId::from_bytes([1; 16]), kind: ChangeKind::Token, id: [number; 16] }
    }

    #[test]
    fn what_is_not_known_to_be_all_says_no_to_nothing() {
        let revoked = Revoked::default();
        revoked.learn(&[taken_back(1), Change { kind: ChangeKind::Grant, ..taken_back(2) }], NOW);
        assert_eq!((revoked.has(&id(1)), revoked.has(&id(2))), (Some(true), None));
        revoked.is_whole.store(true, Ordering::Release);
        assert_eq!((revoked.has(&id(1)), revoked.has(&id(2))), (Some(true), Some(false)));
        revoked.forget();
        assert_eq!((revoked.has(&id(1)), revoked.has(&id(2))), (Some(true), None), "the feed lost its place");
    }

    #[test]
    fn one_is_remembered_as_long_as_any_token_may_live_and_no_longer() {
        let revoked = Revoked::default();
        revoked.learn(&[taken_back(1)], NOW);
        revoked.sweep(NOW + LONGEST + LEEWAY - Span::ms(1));
        assert_eq!(revoked.has(&id(1)), Some(true));
        revoked.sweep(NOW + LONGEST + LEEWAY);
        assert_eq!(revoked.count(), 0);
    }

    #[test]
    fn more_than_are_kept_are_asked_for() {
        let revoked = Revoked::default();
        revoked.is_whole.store(true, Ordering::Release);
        for number in 0..KEPT_MAX as u128 {
            assert!(revoked.keep(number.to_be_bytes(), NOW + LONGEST, NOW));
        }
        assert_eq!(revoked.has(&id(0xEE)), Some(false));
        assert!(!revoked.keep([0xEE; 16], NOW + LONGEST, NOW));
        assert_eq!((revoked.count(), revoked.has(&id(0xEE))), (KEPT_MAX, None));
    }
}
