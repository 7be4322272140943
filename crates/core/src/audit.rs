//! The audit: one event for each change, written in the transaction that makes it, and sealed a little later.

pub mod seal;
pub mod verify;

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{EventId, RealmId, RequestId};
use crate::time::Time;

/// One line of the audit. Carries ids and names, never a secret, a path with its query or an address in clear where a
/// digest serves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// Its place in the order of insertion, once it is stored. One that is committed late has a lower number than some
    /// that were there before it.
    pub number: i64,
    /// The seal that it is in. In the order of seals nothing comes late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<i64>,
    /// Where it happened.
    #[serde(skip)]
    pub realm: Option<RealmId>,
    /// When.
    pub at: Time,
    /// What: `key.created`, `rule.deleted`, `credential.misplaced`.
    pub kind: String,
    /// Who did it: an id, or `operator`.
    pub actor: String,
    /// What it was done to: an id or a name.
    pub target: String,
    /// Why it was refused, for events of refusals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// What else is worth keeping.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub detail: Value,
}

impl Event {
    /// One of this kind, in a realm; who did it, and to what, is still to be said.
    pub fn new(id: EventId, realm: RealmId, kind: &str, at: Time) -> Self {
        Self {
            id,
            number: 0,
            seal: None,
            realm: Some(realm),
            at,
            kind: kind.to_owned(),
            actor: String::new(),
            target: String::new(),
            reason: None,
            request_id: None,
            detail: Value::Null,
        }
    }

    /// The same by somebody.
    #[must_use]
    pub fn by(self, actor: impl Display) -> Self {
        Self { actor: actor.to_string(), ..self }
    }

    /// The same done to something.
    #[must_use]
    pub fn on(self, target: impl Display) -> Self {
        Self { target: target.to_string(), ..self }
    }

    /// The same by a request.
    #[must_use]
    pub fn asked_by(self, request: RequestId) -> Self {
        Self { request_id: Some(request.to_string()), ..self }
    }
}
