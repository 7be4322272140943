//! A realm's share of the writer: so many changes of one realm are under way, so many more wait, the rest is refused.
//!
//! The store has one queue for all realms. Without lanes the storm of one would stand before everybody else's change.
//! Who holds a place has been authorized, so that a stranger fills nobody's lane. Only realms with changes under way are
//! remembered. Jobs of the server itself need no place.

use std::collections::HashMap;
use std::sync::Arc;

use admit_core::id::RealmId;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many changes of a realm may be under way: a quarter of what the store commits at once.
pub const RUNNING: usize = 64;
/// How many more may wait. Together they are a quarter of the store's queue.
const WAITING: usize = 960;

/// The lanes of all realms.
pub struct Lanes {
    open: Arc<Mutex<HashMap<RealmId, Lane>>>,
    running: usize,
    waiting: usize,
}

struct Lane {
    places: Arc<Semaphore>,
    inside: usize,
}

/// A place in a lane; dropping it lets the next one in.
pub struct InLane {
    _place: OwnedSemaphorePermit,
    _inside: Inside,
}

/// Counted as long as it lives, waiting or not.
struct Inside {
    open: Arc<Mutex<HashMap<RealmId, Lane>>>,
    realm: RealmId,
}

impl Default for Lanes {
    fn default() -> Self {
        Self::new(RUNNING, WAITING)
    }
}

impl Lanes {
    fn new(running: usize, waiting: usize) -> Self {
        Self { open: Arc::default(), running, waiting }
    }

    /// A place, in the order of asking; none where too many wait already.
    pub async fn enter(&self, realm: RealmId) -> Option<InLane> {
        let (inside, places) = {
            let mut open = self.open.lock();
            let new = || Lane { places: Arc::new(Semaphore::new(self.running)), inside: 0 };
            let lane = open.entry(realm).or_insert_with(new);
            if lane.inside >= self.running + self.waiting {
                return None;
            }
            lane.inside += 1;
            (Inside { open: self.open.clone(), realm }, lane.places.clone())
        };
        let place = places.acquire_owned().await.ok()?;
        Some(InLane { _place: place, _inside: inside })
    }
}

impl Lanes {
    /// How many of a realm have a place or wait for one: for tests, which hold the others up.
    #[doc(hidden)]
    pub fn count(&self, realm: RealmId) -> usize {
        self.open.lock().get(&realm).map_or(0, |lane| lane.inside)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let mut open = self.open.lock();
        let Some(lane) = open.get_mut(&self.realm) else { return };
        lane.inside -= 1;
        if lane.inside == 0 {
            open.remove(&self.realm);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_realm_waits_for_itself_only() {
        let lanes = Lanes::new(2, 1);
        let [busy, other] = [1, 2].map(|number| RealmId::from_bytes([number; 16]));
        let first = lanes.enter(busy).now_or_never().flatten();
        let second = lanes.enter(busy).now_or_never().flatten();
        assert!(first.is_some() && second.is_some());
        let mut third = Box::pin(lanes.enter(busy));
        assert!(third.as_mut().now_or_never().is_none(), "waits");
        assert!(lanes.enter(busy).now_or_never().is_some_and(|place| place.is_none()), "one over those that may wait");
        let others = lanes.enter(other).now_or_never().flatten();
        assert!(others.is_some(), "another realm does not notice");

        drop(first);
        let third = third.now_or_never().flatten();
        assert!(third.is_some(), "its turn");
        let given_up = lanes.enter(busy).now_or_never();
        assert!(given_up.is_none() && lanes.open.lock()[&busy].inside == 2, "who goes away does not wait any longer");
        drop((second, third, others));
        assert!(lanes.open.lock().is_empty(), "nobody is remembered");
    }
}
