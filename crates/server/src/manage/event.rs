//! The audit event of a change: made here, written by the same closure that makes the change.
//!
//! Knows nothing of the store. What a kind of change is worth saying beside who, what and when goes into `detail`.

use std::fmt::Display;

use admit_core::audit::Event;

use super::guard::Access;
use crate::app::App;

/// The event of a change that this caller makes now.
pub fn event(access: &Access, app: &App, kind: &str, target: impl Display) -> Event {
    Event {
        id: app.id(access.now),
        number: 0,
        seal: None,
        realm: Some(access.realm_id()),
        at: access.now,
        kind: kind.to_owned(),
        actor: access.actor(),
        target: target.to_string(),
        reason: None,
        request_id: Some(access.request_id.to_string()),
        detail: serde_json::Value::Null,
    }
}
