//! The kinds of things that the console has pages for, one file each.

mod apis;
mod clients;
mod grants;
mod keys;
mod realms;
mod roles;
mod rules;
mod sessions;
mod signing_keys;
mod users;

use super::resource::Resource;

pub use realms::REALMS;

/// Those of a realm, in the order of the navigation.
pub const OF_REALM: [&Resource; 9] = [
    &apis::APIS,
    &rules::RULES,
    &keys::KEYS,
    &clients::CLIENTS,
    &users::USERS,
    &roles::ROLES,
    &sessions::SESSIONS,
    &grants::GRANTS,
    &signing_keys::SIGNING_KEYS,
];

/// The one of this name.
pub fn find(name: &str) -> Option<&'static Resource> {
    OF_REALM.into_iter().find(|resource| resource.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_a_thing_can_be_listed_for_it() {
        for resource in OF_REALM {
            for name in resource.related {
                assert!(!find(name).unwrap().narrow.is_empty(), "{name} of {}", resource.name);
            }
            for action in resource.actions.iter().filter(|action| !action.hits.is_empty()) {
                assert!(resource.related.contains(&action.hits), "{} of {}", action.name, resource.name);
            }
        }
    }
}
