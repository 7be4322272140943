//! Security notices on their way to the audit: somebody leaks a secret, a key came over plain HTTP, a browser holds one.
//!
//! Noted from the verify path without a write, aggregated per thing and reason, written a second later.

use std::collections::HashMap;

use admit_core::audit::Event;
use admit_core::check::code::Reason;
use admit_core::id::{Id, RealmId, RequestId};
use admit_core::time::Time;
use admit_store::End;
use parking_lot::Mutex;

use crate::app::App;

/// The most different notices between two writes; more are counted and dropped.
const KEPT_MAX: usize = 1000;

/// One notice.
#[derive(Debug, Clone)]
pub struct Notice {
    realm: RealmId,
    kind: &'static str,
    reason: Reason,
    target: String,
    request_id: RequestId,
    at: Time,
    count: u32,
}

impl Notice {
    /// A credential that was used in a way that gives it away. `target` is the key's id, or the hint of what is not known.
    pub fn misused(realm: RealmId, reason: Reason, target: Option<String>, request_id: RequestId, at: Time) -> Self {
        let kind = if reason == Reason::PlainHttp { "credential.exposed" } else { "credential.misplaced" };
        Self { realm, kind, reason, target: target.unwrap_or_default(), request_id, at, count: 1 }
    }

    /// An answer of a rule that goes on while the store is away.
    pub fn stale(realm: RealmId, rule: String, request_id: RequestId, at: Time) -> Self {
        let (kind, reason) = ("store.stale_answer", Reason::StoreUnavailable);
        Self { realm, kind, reason, target: rule, request_id, at, count: 1 }
    }

    fn event(&self, app: &App) -> Event {
        Event {
            id: Id::new(self.at, app.random()),
            number: 0,
            seal: None,
            realm: Some(self.realm),
            at: self.at,
            kind: self.kind.to_owned(),
            actor: String::new(),
            target: self.target.clone(),
            reason: Some(self.reason.as_str().to_owned()),
            request_id: Some(self.request_id.to_string()),
            detail: serde_json::json!({ "count": self.count }),
        }
    }
}

/// The notices that wait.
#[derive(Default)]
pub struct Notices(Mutex<HashMap<(RealmId, Reason, String), Notice>>);

impl Notices {
    /// Adds one, or counts it where one like it waits already. False where it had to be dropped.
    pub fn add(&self, notice: Notice) -> bool {
        let mut waiting = self.0.lock();
        let alike = (notice.realm, notice.reason, notice.target.clone());
        if let Some(known) = waiting.get_mut(&alike) {
            known.count = known.count.saturating_add(notice.count);
            return true;
        }
        if waiting.len() >= KEPT_MAX {
            return false;
        }
        waiting.insert(alike, notice);
        true
    }
}

/// Writes what waits.
pub async fn write(app: &App) {
    let waiting = std::mem::take(&mut *app.notices.0.lock());
    if waiting.is_empty() {
        return;
    }
    let events: Vec<_> = waiting.values().map(|notice| notice.event(app)).collect();
    let written = app
        .store
        .write(move |tx| {
            events.iter().try_for_each(|event| tx.insert_event(event).map(drop))?;
            Ok(End::Commit(()))
        })
        .await;
    if let Err(error) = written {
        tracing::debug!(error = %error, "security notices cannot be written yet");
        let dropped = waiting.into_values().filter(|notice| !app.notices.add(notice.clone())).count();
        app.metrics.notices_dropped.inc_by(dropped as u64);
    }
}
