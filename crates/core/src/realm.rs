//! Realms: isolated populations. A credential of one is worthless in another.

pub mod settings;

use crate::id::RealmId;
use crate::name::RealmName;
use crate::secret::Prefix;
use crate::time::Time;
use settings::Settings;

/// The realm whose users and keys are operators.
pub const OPERATORS: &str = "operators";
/// The first ordinary realm; its issuer is `public_url`.
pub const DEFAULT: &str = "default";

/// One realm.
#[derive(Debug, Clone, PartialEq)]
pub struct Realm {
    /// Its id.
    pub id: RealmId,
    /// Its name, part of its URLs.
    pub name: RealmName,
    /// What its API keys begin with; unique on the server.
    pub prefix: Prefix,
    /// The host that is its issuer, where it has one of its own.
    pub host: Option<String>,
    /// Since when nobody of this realm is admitted.
    pub disabled_at: Option<Time>,
    /// Grants made before this moment are dead.
    pub valid_after: Option<Time>,
    /// Free JSON of at most 4 kB.
    pub metadata: serde_json::Value,
    /// What it sets for itself.
    pub settings: Settings,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

impl Realm {
    /// A realm that is as by default in everything else.
    pub fn new(id: RealmId, name: RealmName, prefix: Prefix, now: Time) -> Self {
        Self {
            id,
            name,
            prefix,
            host: None,
            disabled_at: None,
            valid_after: None,
            metadata: serde_json::Value::Null,
            settings: Settings::default(),
            created_at: now,
            updated_at: now,
            version: 1,
        }
    }

    /// True for the realm of operators.
    pub fn is_control(&self) -> bool {
        self.name.as_str() == OPERATORS
    }
}

/// The key prefix of a new realm for which none was chosen: its name with `_` for `-`, shortened, and never a reserved one.
pub fn default_prefix(name: &RealmName) -> Option<Prefix> {
    if name.as_str() == DEFAULT {
        return Prefix::parse("admit");
    }
    let spelled = name.as_str().replace('-', "_");
    let short: String = spelled.chars().take(crate::secret::PREFIX_MAX).collect();
    let begins_with_letter =
        short.trim_end_matches('_').trim_start_matches(|letter: char| !letter.is_ascii_lowercase());
    Prefix::parse(begins_with_letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_has_a_prefix_without_asking() {
        let prefix =
            |name: &str| default_prefix(&RealmName::parse(name).unwrap()).map(|prefix| prefix.as_str().to_owned());
        assert_eq!(prefix("default").as_deref(), Some("admit"));
        assert_eq!(prefix("acme-live").as_deref(), Some("acme_live"));
        assert_eq!(prefix("9lives").as_deref(), Some("lives"));
        assert_eq!(prefix("a-very-long-realm-name-indeed").as_deref(), Some("a_very_long_realm_na"));
        assert_eq!(prefix("admit-at"), None, "reserved: the operator has to choose");
    }
}
