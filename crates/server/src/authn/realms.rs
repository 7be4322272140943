//! What is read whole of the realms in use, and read again when it changes: policies, signing keys, origins.
//!
//! Whoever finds it current never waits. Of those who do not, one reads and the others wait a moment for what he finds. Knows
//! nothing of what it keeps, but when that was read and what rises when it changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use admit_core::id::RealmId;
use admit_store::Result;
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::epoch::Slot;
use super::freshness::Before;
use crate::app::App;

/// Above this many realms, one is dropped for each that is added.
const KEPT_MAX: usize = 2_000;
/// How long one waits for another who reads the same realm. Not longer: the thread has other realms' requests to answer, and
/// the store may be slow.
const TURN_WAIT: Duration = Duration::from_millis(50);
/// How many realms may be read at a time.
const TURNS: usize = 64;

/// Something of each realm in use.
pub type Kept<T> = HashMap<RealmId, Arc<T>>;

/// Something that was read whole.
pub trait Whole {
    /// The moment before that.
    fn before(&self) -> Before;

    /// What rises when it changes.
    fn slots(realm: RealmId) -> impl IntoIterator<Item = Slot>;
}

/// What was read of the realms in use.
pub struct Realms<T> {
    kept: ArcSwap<Kept<T>>,
    /// Held by who reads a realm anew.
    turns: [Mutex<()>; TURNS],
}

impl<T> Default for Realms<T> {
    fn default() -> Self {
        Self { kept: ArcSwap::default(), turns: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<T: Whole> Realms<T> {
    /// That of a realm as it is now; `read` is given what was there before. None where it finds nothing.
    pub fn of(
        &self,
        app: &App,
        realm: RealmId,
        read: impl FnOnce(Before, Option<&T>) -> Result<Option<T>>,
    ) -> Result<Option<Arc<T>>> {
        if let Some(known) = self.current(app, realm) {
            return Ok(Some(known));
        }
        let _turn = self.turns[usize::from(realm.bytes()[15]) % TURNS].try_lock_for(TURN_WAIT);
        if let Some(known) = self.current(app, realm) {
            return Ok(Some(known));
        }
        let older = self.kept.load().get(&realm).cloned();
        // In this order: what changes from here on is seen, or makes what is read worthless.
        let Some(made) = read(Before::now(app), older.as_deref())?.map(Arc::new) else { return Ok(None) };
        self.kept.rcu(|kept| match kept.get(&realm) {
            Some(other) if !made.before().is_after(other.before()) => Kept::clone(kept),
            _ => with(kept, realm, &made),
        });
        Ok(Some(made))
    }

    /// What was read earlier and not changed since, as far as is known, however long ago.
    pub fn unchanged(&self, app: &App, realm: RealmId) -> Option<Arc<T>> {
        let kept = self.kept.load();
        kept.get(&realm).filter(|known| app.epochs.is_current(T::slots(realm), known.before().position)).cloned()
    }

    fn current(&self, app: &App, realm: RealmId) -> Option<Arc<T>> {
        self.unchanged(app, realm).filter(|known| known.before().overdue(app).is_none())
    }
}

/// The table with one more. Readers never wait for it: it is copied, which is rare.
pub fn with<T>(kept: &Kept<T>, realm: RealmId, made: &Arc<T>) -> Kept<T> {
    let mut kept = kept.clone();
    if kept.len() >= KEPT_MAX
        && !kept.contains_key(&realm)
        && let Some(any) = kept.keys().next().copied()
    {
        kept.remove(&any);
    }
    kept.insert(realm, made.clone());
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_realms_are_kept_and_no_more() {
        let mut kept = Kept::default();
        for number in 0..KEPT_MAX as u128 + 10 {
            let realm = RealmId::from_bytes(number.to_be_bytes());
            kept = with(&kept, realm, &Arc::new(number));
            assert_eq!(kept.get(&realm).map(|known| **known), Some(number));
        }
        assert_eq!(kept.len(), KEPT_MAX);
    }
}
