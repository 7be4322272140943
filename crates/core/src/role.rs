//! Roles: named sets of rights that subjects hold.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::id::{RealmId, RoleId};
use crate::name::{self, ApiUri, RealmName, RoleName, ScopeName, is_unprintable};
use crate::policy::rule::Problem;
use crate::scope::{self, CHECK, REGISTER, RESOURCES, Rights};
use crate::time::Time;

/// One role of a realm.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// The most roles that one subject may hold.
pub const ROLES_MAX: usize = 100;

impl RoleSpec {
    /// The role, or everything that is wrong with it.
    pub fn resolve(self) -> Result<Self, Vec<Problem>> {
        let mut problems = scope::too_many(&self.rights);
        if RoleId::looks_like(self.name.as_str()) {
            problems.push(Problem::new("name", "must not look like an id"));
        }
        if self.description.chars().count() > 200 || self.description.chars().any(is_unprintable) {
            problems.push(Problem::new("description", "must be one line of at most 200 letters"));
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}

/// The roles that a subject is given, each once and in order, or what is wrong with them.
pub fn resolve_held(mut roles: Vec<RoleName>) -> Result<Vec<RoleName>, Problem> {
    roles.sort();
    roles.dedup();
    let count = roles.len();
    let problem = || Problem::new("roles", format!("has {count} roles: at most {ROLES_MAX} may be held"));
    (count <= ROLES_MAX).then_some(roles).ok_or_else(problem)
}

/// Which of these roles go with so many scopes on an API: those of which everything is there that they give on it. Who may do
/// little there does not speak with the whole weight of who may do more. Roles without rights only say who somebody is and
/// always go along.
pub fn carried(roles: &[Role], api: Option<&ApiUri>, scopes: &[ScopeName]) -> Vec<RoleName> {
    let is_carried = |role: &&Role| {
        let given = api.and_then(|api| role.spec.rights.get(api));
        role.spec.rights.is_empty()
            || given.is_some_and(|given| !given.is_empty() && given.iter().all(|scope| scopes.contains(scope)))
    };
    let mut names: Vec<_> = roles.iter().filter(is_carried).map(|role| role.spec.name.clone()).collect();
    names.sort();
    names
}

/// True for the roles that every realm has and nobody changes.
pub fn is_ready(role: &RoleName) -> bool {
    READY.contains(&role.as_str())
}

const READY: [&str; 4] = ["operator", "viewer", "key-issuer", "gateway"];

/// The roles that every realm has from its first moment, made of the scopes of its management API.
pub fn ready_roles(realm: &RealmName) -> Vec<RoleSpec> {
    let all_reads = || RESOURCES.iter().map(|resource| format!("{resource}:read"));
    let all_writes = || RESOURCES.iter().map(|resource| format!("{resource}:write"));
    let named = [CHECK.to_owned(), "feed:read".to_owned()];
    let roles: [(&str, &str, Vec<String>); 4] = [
        (
            "operator",
            "Manages everything in this realm",
            all_reads().chain(all_writes()).chain([REGISTER.to_owned()]).chain(named.clone()).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn role(description: String) -> RoleSpec {
        RoleSpec { name: "a".parse().unwrap(), description, rights: Rights::new() }
    }

    #[test]
    fn ready_roles_are_known_by_name() {
        let realm = RealmName::parse("default").unwrap();
        let roles = ready_roles(&realm);
        assert_eq!(roles.len(), READY.len());
        assert!(roles.iter().all(|role| is_ready(&role.name)));
        let known = scope::management_scopes();
        let given = || roles.iter().flat_map(|role| role.rights.values().flatten());
        assert!(given().all(|scope| known.contains_key(scope)), "a ready role names a scope that does not exist");
    }

    #[test]
    fn limits_hold_at_their_edge() {
        assert!(role("é".repeat(200)).resolve().is_ok());
        assert_eq!(role("é".repeat(201)).resolve().unwrap_err()[0].path, "description");
        let held = |count: usize| (0..count).map(|number| format!("r{number}").parse().unwrap()).collect::<Vec<_>>();
        assert_eq!(resolve_held(held(ROLES_MAX)).map(|roles| roles.len()), Ok(ROLES_MAX));
        assert_eq!(resolve_held(held(ROLES_MAX + 1)).unwrap_err().path, "roles");
        assert_eq!(resolve_held(["b", "a", "b"].map(|role| role.parse().unwrap()).to_vec()).unwrap().len(), 2);
    }

    #[test]
    fn a_name_is_no_id() {
        let spec = RoleSpec { name: "rol_x".parse().unwrap(), ..role(String::new()) };
        assert_eq!(spec.resolve().unwrap_err()[0].path, "name");
    }
}
