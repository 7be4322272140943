//! Rules, in the order in which they are tried. What a rule says is not read here.

use admit_core::id::{RealmId, RuleId};
use admit_core::time::Time;

use crate::change::ChangeKind;
use crate::engine::Tx;
use crate::error::Result;
use crate::value::{FromRow, Row, json};

/// The columns of [`StoredRule`], of a table called `l`.
macro_rules! rule_columns {
    () => {
        "l.id, l.realm_id, l.name, l.priority, l.place, l.spec, l.created_at, l.updated_at, l.version"
    };
}

statements! {
    FIND = concat!("SELECT ", rule_columns!(), " FROM rule AS l WHERE l.realm_id = $realm AND l.id = $id");
    FIND_NAMED = concat!("SELECT ", rule_columns!(), " FROM rule AS l WHERE l.realm_id = $realm AND l.name = $name");
    LIST = concat!("SELECT ", rule_columns!(), " FROM rule AS l WHERE l.realm_id = $realm
        AND (l.priority, l.place, l.id) > ($priority, $place, $id) ORDER BY l.priority, l.place, l.id LIMIT $limit");
    LAST_PLACE = "SELECT MAX(place) FROM rule WHERE realm_id = $realm";
    INSERT = "INSERT INTO rule (id, realm_id, name, priority, place, spec, created_at, updated_at, version)
        VALUES ($id, $realm, $name, $priority, $place, $spec, $created_at, $updated_at, $version)";
    UPDATE = "UPDATE rule SET name = $name, priority = $priority, place = $place, spec = $spec, updated_at = $now, version = version + 1
        WHERE realm_id = $realm AND id = $id AND version = $version";
    /// Everything that a change of rules is judged with.
    LIST_VERSIONS = "SELECT l.id, l.version FROM rule AS l WHERE l.realm_id = $realm
        UNION ALL SELECT a.id, a.version FROM api AS a WHERE a.realm_id = $realm
        UNION ALL SELECT o.id, o.version FROM role AS o WHERE o.realm_id = $realm ORDER BY 1 LIMIT 20000";
    DELETE = "DELETE FROM rule WHERE realm_id = $realm AND id = $id";
}

/// A rule as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRule {
    /// Its id.
    pub id: RuleId,
    /// Where it belongs.
    pub realm: RealmId,
    /// Its name; unique within the realm.
    pub name: String,
    /// Lower is tried first.
    pub priority: i64,
    /// Its place among those of its priority.
    pub place: i64,
    /// What it says, as its author wrote it.
    pub spec: serde_json::Value,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// Counts its changes; the ETag.
    pub version: i64,
}

/// One rule, API or role as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleVersion {
    id: [u8; 16],
    version: i64,
}

/// Where a list of rules goes on: priority, place and id of the last one seen.
pub type RuleCursor = (i64, i64, RuleId);

/// Before every rule.
const BEGINNING: RuleCursor = (i64::MIN, i64::MIN, RuleId::from_bytes([0; 16]));

impl Tx<'_> {
    /// The rule of this id.
    pub fn find_rule(&mut self, realm: RealmId, id: RuleId) -> Result<Option<StoredRule>> {
        self.find(FIND, named! { realm, id })
    }

    /// The rule of this name.
    pub fn find_rule_named(&mut self, realm: RealmId, name: &str) -> Result<Option<StoredRule>> {
        self.find(FIND_NAMED, named! { realm, name })
    }

    /// Rules in the order in which they are tried.
    pub fn list_rules(&mut self, realm: RealmId, after: Option<RuleCursor>, limit: u32) -> Result<Vec<StoredRule>> {
        let (priority, place, id) = after.unwrap_or(BEGINNING);
        self.list(LIST, named! { realm, priority, place, id, limit })
    }

    /// Which rules, APIs and roles a realm has, and which version of each: two equal lists are the same rules.
    pub fn list_rule_versions(&mut self, realm: RealmId) -> Result<Vec<RuleVersion>> {
        self.list(LIST_VERSIONS, named! { realm })
    }

    /// The highest place that a rule of the realm has.
    pub fn last_rule_place(&mut self, realm: RealmId) -> Result<Option<i64>> {
        Ok(self.find(LAST_PLACE, named! { realm })?.flatten())
    }

    /// A new rule. A second of its name is a conflict.
    pub fn insert_rule(&mut self, rule: &StoredRule) -> Result<()> {
        let StoredRule { id, realm, name, priority, place, created_at, updated_at, version, .. } = rule;
        let spec = json(&rule.spec)?;
        self.execute(INSERT, named! { id, realm, name, priority, place, spec, created_at, updated_at, version })?;
        self.change(ChangeKind::Rule, *realm, id.bytes(), *created_at)
    }

    /// Everything. None where its version is not the one given: somebody was first.
    pub fn update_rule(&mut self, realm: RealmId, rule: &StoredRule, now: Time) -> Result<Option<StoredRule>> {
        let StoredRule { id, name, priority, place, version, .. } = rule;
        let spec = json(&rule.spec)?;
        if self.execute(UPDATE, named! { realm, id, name, priority, place, spec, version, now })? == 0 {
            return Ok(None);
        }
        self.change(ChangeKind::Rule, realm, id.bytes(), now)?;
        self.find_rule(realm, *id)
    }

    /// Ends a rule.
    pub fn delete_rule(&mut self, realm: RealmId, id: RuleId, now: Time) -> Result<bool> {
        if self.execute(DELETE, named! { realm, id })? == 0 {
            return Ok(false);
        }
        self.change(ChangeKind::Rule, realm, id.bytes(), now)?;
        Ok(true)
    }
}

impl FromRow for RuleVersion {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self { id: row.bytes(0)?, version: row.int(1)? })
    }
}

impl FromRow for StoredRule {
    fn from_row(row: &Row<'_, '_>) -> Result<Self> {
        Ok(Self {
            id: row.id(0)?,
            realm: row.id(1)?,
            name: row.string(2)?,
            priority: row.int(3)?,
            place: row.int(4)?,
            spec: row.json(5)?,
            created_at: row.time(6)?,
            updated_at: row.time(7)?,
            version: row.int(8)?,
        })
    }
}
