//! Clients: applications. A service client acts only as itself; the one that is made along with a key owns it.

use serde::{Deserialize, Serialize};

use crate::id::{ClientId, OrgId, RealmId};
use crate::name::{ExternalId, Label, RoleName};
use crate::scope::Rights;
use crate::time::Time;

/// One client of a realm.
#[derive(Debug, Clone, PartialEq)]
pub struct Client {
    /// Its id.
    pub id: ClientId,
    /// Where it belongs.
    pub realm: RealmId,
    /// The customer that owns it.
    pub org: Option<OrgId>,
    /// What it is.
    pub spec: ClientSpec,
    /// Since when it is switched off.
    pub disabled_at: Option<Time>,
    /// Grants made before this moment are dead.
    pub valid_after: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// What kind of application it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientType {
    /// Runs on a server and serves browsers.
    Web,
    /// Runs in a browser.
    Spa,
    /// Runs on a person's machine.
    Native,
    /// Acts only as itself.
    Service,
    /// Has no browser of its own.
    Device,
}

/// What an operator says of a client: the same words in JSON, in TOML and in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientSpec {
    /// Its identity in files; unique within the realm.
    pub name: Label,
    /// What kind of application it is.
    #[serde(rename = "type")]
    pub kind: ClientType,
    /// What it may do as itself.
    #[serde(default, skip_serializing_if = "Rights::is_empty")]
    pub rights: Rights,
    /// The roles that it holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleName>,
    /// Where browsers may be sent back to, compared byte for byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// True for the operator's own applications.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub first_party: bool,
    /// The id of the same thing elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// Free JSON of at most 4 kB.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub metadata: serde_json::Value,
}

impl ClientSpec {
    /// A service client of this name with these rights.
    pub fn service(name: Label, rights: Rights) -> Self {
        Self {
            name,
            kind: ClientType::Service,
            rights,
            roles: Vec::new(),
            redirect_uris: Vec::new(),
            first_party: false,
            external_id: None,
            metadata: serde_json::Value::Null,
        }
    }
}
