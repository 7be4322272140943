//! The audit event of a change: made here, written by the same closure that makes the change.
//!
//! Knows nothing of the store. What a kind of change is worth saying beside who, what and when goes into `detail`.

use std::fmt::Display;

use admit_core::audit::Event;

use super::guard::Access;
use crate::app::App;

/// The event of a change that this caller makes now.
pub fn event(access: &Access, app: &App, kind: &str, target: impl Display) -> Event {
    let event = Event::new(app.id(access.now), access.realm_id(), kind, access.now);
    event.by(access.actor()).on(target).asked_by(access.request_id)
}
