//! Users: people. What they sign in with comes with its own module; here is who they are and what they may.

use serde::{Deserialize, Serialize};

use crate::id::{OrgId, RealmId, UserId};
use crate::name::{ExternalId, Label, RoleName};
use crate::time::Time;

/// One person of a realm.
#[derive(Debug, Clone, PartialEq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// Where he belongs.
    pub realm: RealmId,
    /// The customer that he belongs to.
    pub org: Option<OrgId>,
    /// Who he is.
    pub spec: UserSpec,
    /// Since when he is switched off.
    pub disabled_at: Option<Time>,
    /// Grants made before this moment are dead.
    pub valid_after: Option<Time>,
    /// When the row was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// What an operator says of a person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The user name; unique within the realm.
    pub name: Label,
    /// The e-mail address; unique within the realm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Label>,
    /// The roles that he holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// The id of the same person elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub metadata: serde_json::Value,
}
