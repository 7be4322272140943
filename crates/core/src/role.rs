//! Roles: named sets of rights that subjects hold.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{RealmId, RoleId};
use crate::name::{self, RealmName, RoleName, ScopeName};
use crate::scope::{CHECK, RESOURCES, Rights};
use crate::time::Time;

/// One role of a realm.
#[derive(Debug, Clone, PartialEq)]
pub struct Role {
    /// Its id.
    pub id: RoleId,
    /// Where it belongs.
    pub realm: RealmId,
    /// What it is.
    pub spec: RoleSpec,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// What an operator says of a role: the same words in JSON, in TOML and in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleSpec {
    /// Its name; unique within the realm.
    pub name: RoleName,
    /// What it means to a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What its holders may do.
    #[serde(default, skip_serializing_if = "Rights::is_empty")]
    pub rights: Rights,
}

/// The roles that every realm has from its first moment, made of the scopes of its management API.
pub fn ready_roles(realm: &RealmName) -> Vec<RoleSpec> {
    let all_reads = || RESOURCES.iter().map(|resource| format!("{resource}:read"));
    let all_writes = || RESOURCES.iter().map(|resource| format!("{resource}:write"));
    let named = [CHECK.to_owned(), "feed:read".to_owned()];
    let roles: [(&str, &str, Vec<String>); 4] = [
        (
            "operator",
            "Manages everything in this realm",
            all_reads().chain(all_writes()).chain(named.clone()).collect(),
        ),
        ("viewer", "Sees everything in this realm", all_reads().collect()),
        ("key-issuer", "Issues and ends API keys", ["keys:read", "keys:write"].map(str::to_owned).to_vec()),
        ("gateway", "Asks for decisions and follows revocations", named.to_vec()),
    ];
    let scopes =
        |words: Vec<String>| words.iter().filter_map(|word| ScopeName::parse(word).ok()).collect::<BTreeSet<_>>();
    roles
        .into_iter()
        .filter_map(|(role, description, words)| {
            Some(RoleSpec {
                name: RoleName::parse(role).ok()?,
                description: description.to_owned(),
                rights: Rights::from([(name::management_api(realm), scopes(words))]),
            })
        })
        .collect()
}
