//! API, scopes and roles: each combination kept once, however many credentials have it.

use std::collections::HashSet;
use std::sync::Arc;

use admit_core::principal::Standing;
use parking_lot::Mutex;

/// Above this many, those that nobody uses any more are dropped before one is added.
const SWEEP_AT: usize = 4096;

/// The combinations in use.
#[derive(Default)]
pub struct Standings(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    all: HashSet<Arc<Standing>>,
    sweep_at: usize,
}

impl Standings {
    /// The one copy of this combination.
    pub fn intern(&self, standing: Arc<Standing>) -> Arc<Standing> {
        let mut kept = self.0.lock();
        if let Some(known) = kept.all.get(&standing) {
            return known.clone();
        }
        if kept.all.len() >= kept.sweep_at.max(SWEEP_AT) {
            kept.all.retain(|standing| Arc::strong_count(standing) > 1);
            kept.sweep_at = kept.all.len() * 2;
        }
        kept.all.insert(standing.clone());
        standing
    }
}
